/* features.c - the feature network of metrics: an arch whose network has the role features, and its weights from a safetensors file that
 * lies beside the plugin as <name>.safetensors. See eval.h. */
#include <stdlib.h>

#include "base/files.h"
#include "base/safetensors.h"
#include "eval/eval.h"

static gantry_status add_network(eval_context *c, abi_plugin *p, err *e) {
  const gantry_arch *arch = p->live->iface;
  abi_world *w = c->world;
  const gantry_dataset_info *i = &c->train->info;
  abi_net *nets = ARENA_ARRAY(w->mem, abi_net, w->n_nets + 1);
  memcpy(nets, w->nets, sizeof *nets * w->n_nets);
  abi_net n = {.role = GANTRY_FEATURES, .scope = "features"};
  n.arch = (abi_element){.plugin = p->live, .values = abi_defaults(p->live, w->mem), .path = arena_fmt(w->mem, "features.%s", p->live->name), .id = "features"};
  n.shape = (gantry_build){.data_rank = i->rank, .channels = i->rank == 3 ? i->dims[2] : i->dims[0]};
  n.shape.size[0] = 1;
  n.shape.size[1] = i->rank == 3 ? i->dims[0] : 1;
  n.shape.size[2] = i->rank == 3 ? i->dims[1] : 1;
  for (n.index = 0; n.index < arch->n_nets; n.index++)
    if (((const gantry_net *)(const void *)((const char *)arch->nets + (size_t)n.index * arch->net_stride))->role == GANTRY_FEATURES) break;
  if (n.index == arch->n_nets) return err_set(e, GANTRY_E_CONFIG, "arch \"%s\" has no feature network", p->live->name);
  nets[w->n_nets] = n;
  w->nets = nets;
  w->n_nets++;
  return GANTRY_OK;
}

static gantry_status upload_weights(eval_context *c, const st_file *f, const char *path, err *e) {
  for (uint32_t k = 0; k < f->n; k++) {
    const st_tensor *t = &f->t[k];
    if (strncmp(t->name, "features/", 9)) return err_set(e, GANTRY_E_IO, "%s: \"%s\" is no tensor of a feature network: make the file with `gantry export`", path, t->name);
    if (!c->session) continue;
    TRY(exec_tensor_make(c->session, t->name, t->dtype, t->rank, t->dims, e));
    TRY(exec_write(c->session, t->name, t->data, t->bytes, e));
  }
  return GANTRY_OK;
}

static const char *weights_path(eval_context *c, const abi_plugin *p) {
  size_t stem = strlen(p->path) - 3; /* without ".so" */
  return arena_fmt(c->mem, "%.*s.safetensors", (int)stem, p->path);
}

gantry_status eval_features_fit(eval_context *c, err *e) {
  abi_plugin *p = abi_need(c->registry, GANTRY_KIND_ARCH, c->features, e);
  st_file f;
  if (!p || st_read(weights_path(c, p), &f, e)) return e->code;
  for (uint32_t k = 0; k < c->world->states.n && !e->code; k++) {
    const abi_state *s = &c->world->states.p[k];
    const st_tensor *t = NULL;
    if (strncmp(s->name, "features/", 9)) continue;
    for (uint32_t j = 0; j < f.n && !t; j++)
      if (!strcmp(f.t[j].name, s->name)) t = &f.t[j];
    if (!t || t->rank != s->rank || memcmp(t->dims, s->dims, sizeof *s->dims * s->rank))
      err_set(e, GANTRY_E_CONFIG, "the weights of the feature network \"%s\" do not fit these samples: for them its \"%s\" would have another shape; it was trained on samples of another size", c->features, s->name + 9);
  }
  st_free(&f);
  return e->code;
}

gantry_status eval_features_load(eval_context *c, const char *name, err *e) {
  if (c->features) return !strcmp(c->features, name) ? GANTRY_OK : err_set(e, GANTRY_E_UNSUPPORTED, "one run can use one feature network: \"%s\" is loaded, \"%s\" is asked for", c->features, name);
  abi_plugin *p = abi_need(c->registry, GANTRY_KIND_ARCH, name, e);
  if (!p || abi_open(p, e)) return e->code;
  const char *path = weights_path(c, p);
  st_file f;
  if (st_read(path, &f, e)) return err_wrap(e, "weights of the feature network \"%s\"", name);
  gantry_status st = add_network(c, p, e);
  if (!st) st = upload_weights(c, &f, path, e);
  if (!st) st = file_sha256(path, c->features_sha, e);
  st_free(&f);
  c->features = arena_str(c->mem, name);
  return st;
}
