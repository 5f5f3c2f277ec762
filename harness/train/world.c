/* world.c - from settings to a world: plugins opened, data read, networks and hooks made. See train.h. */
#include <stdlib.h>

#include "base/hash.h"
#include "train/train.h"

static gantry_status element(train_run *r, const cfg_element *c, uint32_t kind, abi_element *out, err *e) {
  abi_plugin *p = abi_need(r->registry, kind, c->name, e);
  if (!p || abi_open(p, e)) return err_wrap(e, "%s", c->path);
  const char *dot = c->path ? strrchr(c->path, '.') : NULL;
  *out = (abi_element){.plugin = p->live, .values = c->values, .path = c->path, .id = dot ? dot + 1 : c->path};
  return GANTRY_OK;
}

static gantry_status find_network(abi_net *n, err *e) {
  const gantry_arch *arch = n->arch.plugin->iface;
  for (uint32_t k = 0; k < arch->n_nets; k++) {
    const gantry_net *net = (const gantry_net *)(const void *)((const char *)arch->nets + (size_t)k * arch->net_stride);
    if (net->role != n->role) continue;
    n->index = k;
    return GANTRY_OK;
  }
  return err_set(e, GANTRY_E_CONFIG, "%s: arch \"%s\" has no such network", n->arch.path, n->arch.plugin->name);
}

static gantry_status network(train_run *r, abi_net *n, uint32_t role, const char *scope, const cfg_net *c, err *e) {
  *n = (abi_net){.role = role, .scope = scope, .has_ema = c->ema};
  TRY(element(r, &c->arch, GANTRY_KIND_ARCH, &n->arch, e));
  TRY(element(r, &c->optim, GANTRY_KIND_OPTIM, &n->optim, e));
  const gantry_dataset_info *i = &r->data->info;
  n->shape.data_rank = i->rank;
  n->shape.classes = i->classes;
  n->shape.size[0] = 1;
  n->shape.size[1] = i->rank == 3 ? i->dims[0] : 1;
  n->shape.size[2] = i->rank == 3 ? i->dims[1] : 1;
  n->shape.channels = i->rank == 3 ? i->dims[2] : i->dims[0];
  return find_network(n, e);
}

static int hook_order(const abi_regularizer *a, const abi_regularizer *b) {
  uint32_t sa = ((const gantry_regularizer *)a->el.plugin->iface)->stage, sb = ((const gantry_regularizer *)b->el.plugin->iface)->stage;
  return sa < sb ? -1 : sa > sb;
}

static gantry_status regularizers(train_run *r, err *e) {
  const cfg_run *c = r->cfg;
  abi_world *w = r->world;
  w->regs = ARENA_ARRAY(r->mem, abi_regularizer, c->n_regs + 1);
  for (uint32_t k = 0; k < c->n_regs; k++) {
    abi_regularizer x = {.of = c->regs[k].of ? c->regs[k].of : 1u << GANTRY_D, .every = 1};
    TRY(element(r, &c->regs[k], GANTRY_KIND_REGULARIZER, &x.el, e));
    if (c->regs[k].every.unit) x.every = (uint32_t)cfg_steps(c, c->regs[k].every, r->data->count, r->total_steps);
    uint32_t at = w->n_regs++; /* stable insertion: config already sorted by order, then id */
    for (; at > 0 && hook_order(&x, &w->regs[at - 1]) < 0; at--) w->regs[at] = w->regs[at - 1];
    w->regs[at] = x;
  }
  return GANTRY_OK;
}

static ir_id draw_labels(void *user, abi_builder *b, int64_t n) { return data_draw_labels(b, ((train_run *)user)->data, "train", n); }
static ir_id reference(void *user, abi_builder *b, const char *what, int64_t n) { return data_reference(b, ((train_run *)user)->data, "train", what, n); }

static gantry_status networks(train_run *r, err *e) {
  const cfg_run *c = r->cfg;
  abi_world *w = r->world;
  if (r->method == &train_method_classifier) {
    TRY(network(r, &w->nets[0], GANTRY_FEATURES, "features", &c->net, e));
    w->n_nets = 1;
    return GANTRY_OK;
  }
  TRY(element(r, &c->loss, GANTRY_KIND_LOSS, &r->loss, e));
  TRY(network(r, &w->nets[0], GANTRY_G, "g", &c->g, e));
  TRY(network(r, &w->nets[1], GANTRY_D, "d", &c->d, e));
  w->n_nets = 2;
  w->nets[0].latent = c->g.latent;
  w->nets[0].latent_noise = c->g.latent_noise;
  w->nets[1].pack = c->pack;
  if (c->pack > 1) w->nets[1].shape.channels *= c->pack;
  return GANTRY_OK;
}

static int same_values(const gantry_plugin *p, const abi_value *x, const abi_value *y) {
  for (uint32_t k = 0; k < p->param_count; k++) {
    if (x[k].f != y[k].f || !x[k].s != !y[k].s || (x[k].s && strcmp(x[k].s, y[k].s)) || x[k].n != y[k].n) return 0;
    if (x[k].n && (!x[k].list || !y[k].list || memcmp(x[k].list, y[k].list, sizeof *x[k].list * x[k].n))) return 0;
  }
  return 1;
}

/* Both runs read the very same samples. A float that is no number equals nothing, so in doubt they do not. */
static int same_data(const cfg_run *x, const cfg_run *y, abi_registry *reg) {
  const abi_plugin *p = abi_find(reg, GANTRY_KIND_DATASET, x->data.name);
  return p && !strcmp(x->data.name, y->data.name) && !strcmp(x->split, y->split) && x->limit == y->limit && x->limit_seed == y->limit_seed && x->range[0] == y->range[0] && x->range[1] == y->range[1] &&
         !strcmp(x->storage, y->storage) && same_values(p->desc, x->data.values, y->data.values);
}

static gantry_status open_data(train_run *r, const train_run *from, err *e) {
  const cfg_run *cfg = r->cfg;
  data_options o = {.split = cfg->split, .limit = cfg->limit, .limit_seed = cfg->limit_seed, .range = {cfg->range[0], cfg->range[1]},
                    .where = !strcmp(cfg->storage, "file") ? DATA_FILE : !strcmp(cfg->storage, "memory") ? DATA_MEMORY : DATA_AUTO};
  r->borrowed = from && same_data(from->cfg, cfg, r->registry);
  if (r->borrowed) {
    r->data_el = from->data_el;
    r->data = from->data;
    r->test_split = from->test_split;
    return GANTRY_OK;
  }
  TRY(element(r, &cfg->data, GANTRY_KIND_DATASET, &r->data_el, e));
  return data_open(&r->data_el, &o, &r->data, e);
}

gantry_status train_open(const cfg_run *cfg, abi_registry *reg, uint64_t seed, int trace, train_run **out, err *e) { return train_open_beside(cfg, reg, seed, trace, NULL, out, e); }

gantry_status train_open_beside(const cfg_run *cfg, abi_registry *reg, uint64_t seed, int trace, const train_run *from, train_run **out, err *e) {
  train_run *r = *out = mem_alloc(sizeof *r); /* seen from here on by whoever must say what was running in a crash */
  r->mem = arena_new();
  r->cfg = cfg;
  r->registry = reg;
  r->seed = seed;
  r->trace = trace != 0;
  r->device = "cpu";
  r->method = !strcmp(cfg->method, "classifier") ? &train_method_classifier : &train_method_gan;
  r->world = abi_world_new();
  r->world->schedule = train_schedule;
  r->world->draw_labels = draw_labels;
  r->world->reference = reference;
  r->world->user = r;
  r->world->seeds[ABI_SEED_INIT] = cfg->init_seed;
  r->world->seeds[ABI_SEED_DATA] = cfg->data_seed;
  r->world->seeds[ABI_SEED_NOISE] = cfg->noise_seed;
  if (open_data(r, from, e) || data_arrays(r->data, r->world, e)) goto failed;
  r->total_steps = cfg_total_steps(cfg, r->data->count);
  if (r->data->count < cfg->batch) {
    err_set(e, GANTRY_E_CONFIG, "train.batch is %lld but the data set has only %lld samples", (long long)cfg->batch, (long long)r->data->count);
    goto failed;
  }
  r->world->nets = ARENA_ARRAY(r->mem, abi_net, 3);
  if (networks(r, e)) goto failed;
  if (regularizers(r, e) || r->method->build(r, e)) goto failed;
  r->n_states = r->world->states.n;
  if (cfg->init_from && train_warm_open(r, e)) goto failed;
  return GANTRY_OK;
failed:
  *out = NULL;
  train_close(r);
  return e->code;
}

void train_close(train_run *r) {
  if (!r) return;
  for (uint32_t k = 0; k < r->programs.n; k++) ir_free(r->programs.p[k].g);
  free(r->programs.p);
  exec_close(r->session);
  abi_world_free(r->world);
  if (!r->borrowed) data_close(r->data);
  train_warm_close(r);
  arena_free(r->mem);
  free(r);
}

void train_key(const train_run *r, char hex[65]) {
  sha *h = sha_new();
  sha_put(h, r->cfg->train_json, strlen(r->cfg->train_json) + 1);
  sha_put(h, r->data->sha256, 64);
  sha_put(h, &r->seed, sizeof r->seed);
  if (r->warm) sha_put(h, r->warm_sha, 64);
  for (uint32_t k = 0; k < r->programs.n; k++) {
    sha_put(h, r->programs.p[k].name, strlen(r->programs.p[k].name) + 1);
    sha_put(h, &r->programs.p[k].hash, sizeof r->programs.p[k].hash);
  }
  sha_end(h, hex);
}

int64_t train_param_count(const train_run *r, uint32_t role) {
  int64_t n = 0;
  for (uint32_t k = 0; k < r->world->states.n; k++) {
    const abi_state *s = &r->world->states.p[k];
    if (s->role != GANTRY_ROLE_PARAM || s->net != role || !strncmp(s->name, "ema/", 4)) continue;
    int64_t m = 1;
    for (uint32_t j = 0; j < s->rank; j++) m *= s->dims[j];
    n += m;
  }
  return n;
}
