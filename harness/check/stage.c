/* stage.c - making, naming and measuring a stage; the scenes of each kind are in stage_gan.c and stage_metric.c. See stage.h. */
#include "check/stage.h"

#include <math.h>
#include <stdlib.h>

#include "base/hash.h"
#include "ir/build.h"

/* Toys work on the first; an architecture on the first of these it accepts. */
const check_form check_forms[CHECK_FORMS] = {{3, 8, 8, 3}, {3, 16, 16, 1}, {3, 28, 28, 1}, {3, 32, 32, 3}, {1, 1, 1, 2}, {3, 64, 64, 3}};

static const gantry_net *arch_net(const gantry_plugin *p, uint32_t k) {
  const gantry_arch *a = p->iface;
  return (const gantry_net *)(const void *)((const char *)a->nets + (size_t)k * a->net_stride);
}

uint32_t stage_scenes(const subject *s) {
  if (!s->live) return 0;
  switch (s->live->kind) {
    case GANTRY_KIND_LOSS: case GANTRY_KIND_REGULARIZER: return 2;
    case GANTRY_KIND_ARCH: return 2 * ((const gantry_arch *)s->live->iface)->n_nets;
    case GANTRY_KIND_OPTIM: return 2;
    case GANTRY_KIND_METRIC: return 1;
    default: return 0;
  }
}

const char *stage_scene_name(const subject *s, uint32_t scene) {
  switch (s->live->kind) {
    case GANTRY_KIND_LOSS: return scene ? "loss of G" : "loss of D";
    case GANTRY_KIND_REGULARIZER: return scene ? "G's update" : "D's update";
    case GANTRY_KIND_ARCH: return arena_fmt(s->mem, "network %s%s", arch_net(s->live, scene / 2)->name, scene % 2 ? ", evaluation" : "");
    case GANTRY_KIND_OPTIM: return scene ? "update with lazy 16/17" : "update";
    default: return "passes and finish";
  }
}

/* What a run's data set gives to networks: leaves. */
static ir_id draw_labels(void *user, abi_builder *b, int64_t n) {
  (void)user;
  return ir_leaf(b->g, GANTRY_OP_INPUT, arena_fmt(b->mem, "x/labels.drawn.%lld", (long long)n), GANTRY_I32, 1, &n);
}
static ir_id reference(void *user, abi_builder *b, const char *what, int64_t n) {
  if (!strcmp(what, "image")) return stage_images(user, "x/reference.image", n);
  return ir_leaf(b->g, GANTRY_OP_INPUT, "x/reference.label", GANTRY_I32, 1, &n);
}

/* Arrays of a data set that plugins may need, by the names the shipped sets use. */
static void data_arrays(stage *st) {
  static const float modes[12] = {-1, -1, 1, -1, 0, 0.5f, -1, 1, 1, 1, 0, -0.5f}, sigma[1] = {0.4f};
  abi_input m = {.name = "data/modes", .dtype = GANTRY_F32, .rank = 2, .dims = {6, 2}, .values = modes}, s = {.name = "data/sigma", .dtype = GANTRY_F32, .values = sigma};
  abi_world_input(st->world, &m);
  abi_world_input(st->world, &s);
}

static void networks(stage *st) {
  abi_world *w = st->world;
  const gantry_plugin *p = st->el.plugin;
  w->nets = ARENA_ARRAY(w->mem, abi_net, 3);
  static const char *const scopes[] = {"", "g", "d", "features"};
  for (uint32_t role = GANTRY_G; role <= GANTRY_FEATURES; role++) {
    abi_net n = {.role = role, .scope = scopes[role], .has_ema = role == GANTRY_G};
    n.arch = (abi_element){.plugin = &check_toy_arch, .path = role == GANTRY_G ? "g.arch" : "d.arch", .id = "arch"};
    n.optim = (abi_element){.plugin = &check_toy_optim, .path = role == GANTRY_G ? "g.optim" : "d.optim", .id = "optim"};
    n.index = role - 1;
    n.shape = (gantry_build){.data_rank = st->form.rank, .size = {1, st->form.h, st->form.w}, .channels = st->form.c, .classes = 3};
    n.uses_label = 1;
    int own = 0;
    for (uint32_t k = 0; p->kind == GANTRY_KIND_ARCH && !own && k < ((const gantry_arch *)p->iface)->n_nets; k++)
      if (arch_net(p, k)->role == role) n.arch = st->el, n.index = k, own = 1;
    if (role == GANTRY_FEATURES && !own) continue;
    w->nets[w->n_nets++] = n;
  }
}

/* World, builder and host of a stage, nothing built yet. */
static stage *begin(subject *s, const abi_value *v, const stage_options *o) {
  stage *st = mem_alloc(sizeof *st);
  st->s = s;
  if (o) st->o = *o;
  if (!st->o.batch) st->o.batch = 4;
  if (!(st->o.lazy > 0)) st->o.lazy = 1;
  st->form = st->o.form ? *st->o.form : check_forms[s->form];
  s->now = st;
  st->world = abi_world_new();
  st->world->user = st;
  st->world->draw_labels = draw_labels;
  st->world->reference = reference;
  st->world->loss = stage_toy_loss;
  const gantry_plugin *live = st->o.live ? st->o.live : s->live;
  static const char *const paths[] = {"", "loss", "arch", "optim", "regularizers.tested", "metrics.tested", "data", "backend"};
  st->el = (abi_element){.plugin = live, .values = v, .path = paths[live->kind], .id = "tested"};
  st->b = abi_builder_new(st->world, "check");
  st->b->user = st;
  hostile_host(st);
  return st;
}

stage *stage_bare(subject *s) { return begin(s, s->values, NULL); }

gantry_status stage_open(subject *s, const abi_value *v, uint32_t scene, const stage_options *o, stage **out, err *e) {
  static gantry_status (*const build[])(stage *, uint32_t) = {[GANTRY_KIND_LOSS] = stage_loss, [GANTRY_KIND_ARCH] = stage_arch, [GANTRY_KIND_OPTIM] = stage_optim,
    [GANTRY_KIND_REGULARIZER] = stage_regularizer, [GANTRY_KIND_METRIC] = stage_metric};
  stage *st = *out = begin(s, v, o);
  data_arrays(st);
  networks(st);
  st->b->images = abi_counter_f32(st->b, "images");
  st->b->labels = ir_leaf(st->b->g, GANTRY_OP_INPUT, "x/labels", GANTRY_I32, 1, &st->o.batch);
  build[st->el.plugin->kind](st, scene);
  gantry_status status = abi_builder_status(st->b, e);
  for (uint32_t k = 0; k < st->outs.n && !status; k++) {
    if (st->outs.p[k].id) ir_output(st->b->g, st->outs.p[k].name, st->outs.p[k].id);
    else status = err_set(e, GANTRY_E_INTERNAL, "%s: \"%s\" came back poisoned although no call failed: a handle that was 0 was used, or none was given", stage_scene_name(s, scene), st->outs.p[k].name);
  }
  if (!status) status = ir_verify(st->b->g, "check", e);
  return status;
}

void stage_close(stage *st) {
  if (!st) return;
  if (st->s->now == st) st->s->now = NULL;
  free(st->outs.p);
  free(st->asked.p);
  free(st->kept.p);
  free(st->wrt.p);
  abi_builder_free(st->b);
  abi_world_free(st->world);
  free(st);
}

void stage_output(stage *st, const char *name, ir_id id) { VEC_PUSH(st->outs, ((stage_out){arena_str(st->b->mem, name), id})); }

ir_id stage_images(stage *st, const char *name, int64_t n) {
  int64_t image[4] = {n, st->form.h, st->form.w, st->form.c}, vector[2] = {n, st->form.c};
  return ir_leaf(st->b->g, GANTRY_OP_INPUT, name, GANTRY_F32, st->form.rank + 1, st->form.rank == 3 ? image : vector);
}

ir_id stage_find(const stage *st, const char *output) {
  for (uint32_t k = 0; k < st->outs.n; k++)
    if (!strcmp(st->outs.p[k].name, output)) return st->outs.p[k].id;
  return 0;
}

/* The graph, and what the states begin with, which is no part of it. */
uint64_t stage_hash(stage *st) {
  uint64_t h = ir_hash(st->b->g);
  for (uint32_t k = 0; k < st->world->states.n; k++) {
    const abi_state *s = &st->world->states.p[k];
    const uint32_t facts[6] = {s->role, s->dtype, s->init, s->out_axis, s->flags, s->net};
    h = hash_bytes(facts, sizeof facts, hash_str(s->name, h));
    h = hash_bytes(&s->init_scale, sizeof s->init_scale, h);
  }
  return h;
}

int stage_refused_by_operation(const stage *st, const err *e) {
  return !st->plugin_failed && (e->code == GANTRY_E_SHAPE || e->code == GANTRY_E_DTYPE || e->code == GANTRY_E_INVALID || e->code == GANTRY_E_UNSUPPORTED);
}

double stage_work(const stage *st) {
  const ir_graph *g = st->b->g;
  uint8_t *live = ir_live(g);
  double sum = 0;
  for (ir_id id = 1; id < g->nodes.n; id++) {
    const ir_node *n = ir_at(g, id);
    double inner = 1;
    if (!live[id]) continue;
    if (n->op == GANTRY_OP_CONV || n->op == GANTRY_OP_CONV_DGRAD || n->op == GANTRY_OP_CONV_WGRAD || n->op == GANTRY_OP_MATMUL) {
      double a = (double)ir_count(g, ir_in(g, id, 0)), b = (double)ir_count(g, ir_in(g, id, 1)), c = (double)ir_count(g, id);
      if (n->op == GANTRY_OP_MATMUL) inner = sqrt(a * b / c); /* m k * k n / m n */
      else inner = b / (double)ir_dims(g, id)[n->op == GANTRY_OP_CONV_WGRAD ? 0 : n->rank - 1];
    }
    sum += inner * (double)ir_count(g, id);
  }
  free(live);
  return sum;
}

int64_t stage_weights(const stage *st, uint32_t *tensors) {
  int64_t sum = 0;
  *tensors = 0;
  for (uint32_t k = 0; k < st->world->states.n; k++) {
    const abi_state *s = &st->world->states.p[k];
    int64_t n = 1;
    if (s->role != GANTRY_ROLE_PARAM) continue;
    for (uint32_t j = 0; j < s->rank; j++) n *= s->dims[j];
    sum += n;
    ++*tensors;
  }
  return sum;
}
