/* stage_metric.c - a metric's scene: every pass on one batch, and finish, as harness/eval calls them, in one graph. Sets are leaves; the feature
 * network is a fixed smooth projection. See stage.h. */
#include <gantry/metric.h>
#include <gantry/ops.h>
#include <math.h>

#include "abi/since.h"
#include "check/metric_sets.h"
#include "ir/build.h"

enum { FEATURES = 3, CLASSES = 10 };

static ir_id features(abi_builder *b, ir_id images, const char *tap) {
  gantry_ctx *cx = &b->cx;
  int64_t n = !strcmp(tap, "class") ? CLASSES : FEATURES;
  if (!images) return 0;
  gantry_t x = gan_flatten(cx, abi_t(images));
  int64_t d[2] = {gan_dim(cx, x, 1), n};
  double *w = ARENA_ARRAY(b->mem, double, d[0] * d[1]);
  for (int64_t k = 0; k < d[0] * d[1]; k++) w[k] = sin(1.7 * (double)k + 0.3) / sqrt((double)d[0]);
  gantry_attr at[3] = {gan_aiv(GANTRY_A_DIMS, d, 2), gan_ai(GANTRY_A_DTYPE, GANTRY_F32), {.key = GANTRY_A_VALUE, .n = (uint32_t)(d[0] * d[1]), .v.fv = w}};
  ir_id m = ir_op(b->g, GANTRY_OP_CONST, NULL, 0, at, 3);
  return ir_matmul(b->g, gan_f32(cx, x).id, m, 0, 0);
}

static ir_id kept(abi_builder *b, uint32_t set, const char *name) {
  stage *st = b->user;
  if (set >= GANTRY_FAKE && set <= GANTRY_DRAWS && !strcmp(name, "n")) return ir_const(b->g, GANTRY_F64, (double)check_set_size(set));
  for (uint32_t k = 0; k < st->kept.n; k++) {
    const stage_kept *v = &st->kept.p[k];
    if (v->set != set || strcmp(v->name, name)) continue;
    int64_t dims[GANTRY_MAX_RANK] = {0};
    uint32_t rank = ir_at(b->g, v->id)->rank;
    if (rank) memcpy(dims, ir_dims(b->g, v->id), sizeof(int64_t) * rank);
    if (v->how == GANTRY_KEEP_ROWS) dims[0] = check_set_size(set);
    return ir_leaf(b->g, GANTRY_OP_INPUT, arena_fmt(b->mem, "kept/%u/%s", set, name), GANTRY_F64, rank, dims);
  }
  err_set(&b->err, GANTRY_E_INVALID, "kept(\"%s\"): no pass has kept that for this set", name);
  return 0;
}

static void run_pass(stage *st, const gantry_metric *m, uint32_t k, const gantry_pass *p) {
  abi_builder *b = st->b;
  int64_t n = st->o.batch;
  gantry_batch batch = {.struct_size = sizeof batch, .set = p->set, .n = n, .set_size = check_set_size(p->set)};
  batch.index = abi_t(ir_leaf(b->g, GANTRY_OP_INPUT, "set/index", GANTRY_I64, 1, &n));
  batch.valid = abi_t(ir_leaf(b->g, GANTRY_OP_INPUT, "set/valid", GANTRY_F32, 1, &n));
  if (p->rows) batch.x = gan_gather(&b->cx, abi_t(kept(b, p->set, p->rows)), batch.index, 0, 0);
  else if (p->set != GANTRY_DRAWS) {
    batch.x = abi_t(stage_images(st, "set/x", n));
    batch.label = abi_t(ir_leaf(b->g, GANTRY_OP_INPUT, "set/label", GANTRY_I32, 1, &n));
  }
  b->keeps.n = 0;
  const gantry_batch *given = hostile_struct(st, &batch, sizeof batch, SINCE_0_1(gantry_batch, set_size));
  abi_frame f = abi_enter(b, &st->el, "metric", NULL);
  if (ABI_CALL(b, f, "pass", m->pass(&b->cx, k, given))) return;
  for (uint32_t j = 0; j < b->keeps.n; j++) {
    const abi_keep *x = &b->keeps.p[j];
    if (x->how == GANTRY_KEEP_ROWS && (!ir_at(b->g, x->id)->rank || ir_dims(b->g, x->id)[0] != n)) err_set(&b->err, GANTRY_E_SHAPE, "keep(\"%s\", rows): the first axis must be the batch", x->name);
    stage_kept v = {k, p->set, x->how, x->name, ir_cast(b->g, x->id, GANTRY_F64)};
    VEC_PUSH(st->kept, v);
    stage_output(st, arena_fmt(b->mem, "kept.%u.%s", k, x->name), v.id);
  }
  if (!b->keeps.n) err_set(&b->err, GANTRY_E_INTERNAL, "pass %u keeps nothing", k);
}

gantry_status stage_metric(stage *st, uint32_t scene) {
  abi_builder *b = st->b;
  const gantry_metric *m = st->el.plugin->iface;
  (void)scene;
  int needs_modes = 0;
  for (const char *const *x = st->el.plugin->needs; x && *x; x++) needs_modes |= !strcmp(*x, "data.modes");
  if (needs_modes) st->form = (check_form){1, 1, 1, 2};
  for (uint32_t k = 0; k < st->world->n_nets; k++) st->world->nets[k].shape = (gantry_build){.data_rank = st->form.rank, .size = {1, st->form.h, st->form.w}, .channels = st->form.c, .classes = 3};
  b->features = features;
  b->kept = kept;
  b->sampling = 1;
  for (uint32_t k = 0; k < m->n_passes && !b->err.code && !b->g->err.code; k++) run_pass(st, m, k, (const gantry_pass *)(const void *)((const char *)m->passes + (size_t)k * m->pass_stride));
  if (b->err.code || b->g->err.code) return b->err.code;
  gantry_t *v = ARENA_ARRAY(b->mem, gantry_t, m->n_values);
  abi_frame f = abi_enter(b, &st->el, "metric", NULL);
  if (ABI_CALL(b, f, "finish", m->finish(&b->cx, v, m->n_values))) return b->err.code;
  for (uint32_t k = 0; k < m->n_values; k++) {
    const gantry_value *named = (const gantry_value *)(const void *)((const char *)m->values + (size_t)k * m->value_stride);
    if (v[k].id && !abi_given(b, &st->el, arena_fmt(b->mem, "finish: \"%s\"", named->name), v[k], 0)) return b->err.code;
    if (v[k].id && ir_at(b->g, v[k].id)->dtype != GANTRY_F64 && !st->narrow) st->narrow = named->name;
    if (v[k].id && ir_at(b->g, v[k].id)->rank) err_set(&b->err, GANTRY_E_INTERNAL, "finish gave no single number for \"%s\"", named->name);
    stage_output(st, arena_fmt(b->mem, "value.%u", k), v[k].id ? ir_cast(b->g, v[k].id, GANTRY_F64) : 0);
  }
  return b->err.code;
}
