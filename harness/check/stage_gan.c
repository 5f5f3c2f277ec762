/* stage_gan.c - the scenes of losses, architectures, optimizers and regularizers: the calls that harness/train makes for one update, in its order.
 * See stage.h. */
#include <gantry/ops.h>
#include <stdlib.h>

#include "abi/since.h"
#include "check/stage.h"
#include "ir/build.h"

static ir_id leaf(stage *st, const char *name, uint32_t dtype, uint32_t rank, const int64_t *dims) { return ir_leaf(st->b->g, GANTRY_OP_INPUT, name, dtype, rank, dims); }
static void differentiate_by(stage *st, ir_id id) { VEC_PUSH(st->wrt, id); }

/* ---- which weights were rebound? ---- */

/* An update of `role` may change that network's weights through its optimizer alone, and no other network's at all. */
static void note_touched(stage *st, uint32_t role) {
  abi_builder *b = st->b;
  for (uint32_t k = 0; k < b->now.n; k++) {
    const char *name = ir_name(b->g, b->now.p[k].name);
    const abi_state *s = abi_world_state(st->world, name);
    if (!s || !s->net || (s->net == role && s->role != GANTRY_ROLE_PARAM)) continue;
    if (b->now.p[k].id == ir_leaf(b->g, GANTRY_OP_STATE, s->name, s->dtype, s->rank, s->dims)) continue;
    if (s->role != GANTRY_ROLE_PARAM) continue; /* running statistics of applications */
    st->touched |= 1u << s->net;
    st->touched_name = s->name;
  }
}

/* ---- losses ---- */

/* A plain target: the loss's own parameter of that name, if it has one, else a leaf. */
static gantry_t target(stage *st, const char *name) {
  abi_builder *b = st->b;
  gantry_t free_target = abi_t(leaf(st, arena_fmt(b->mem, "x/%s", name), GANTRY_F32, 0, NULL));
  int k = abi_param_find(st->el.plugin, name);
  if (k < 0 || abi_param_at(st->el.plugin, (uint32_t)k)->type != GANTRY_P_FLOAT) return free_target;
  abi_frame f = abi_enter(b, &st->el, NULL, NULL);
  gantry_t t = gan_param(&b->cx, (uint32_t)k);
  abi_leave(b, f, GANTRY_OK, name);
  return t;
}

gantry_status stage_loss(stage *st, uint32_t scene) {
  abi_builder *b = st->b;
  const gantry_loss *l = st->el.plugin->iface;
  uint32_t role = scene ? GANTRY_G : GANTRY_D;
  gantry_loss_in in = {.struct_size = sizeof in, .net = role, .batch = st->o.batch};
  gantry_named z = {"z", abi_t(abi_draw_input(b, GANTRY_G, "z", st->o.batch)), 0};
  abi_apply(b, GANTRY_G, &z, 1, GANTRY_NO_STATE_UPDATE); /* both networks exist, as in a run */
  gantry_named x = {"image", abi_t(stage_images(st, "x/real", st->o.batch)), 0};
  abi_apply(b, GANTRY_D, &x, 1, GANTRY_NO_STATE_UPDATE);
  in.logit_fake = abi_t(leaf(st, "x/logit_fake", GANTRY_F32, 1, &st->o.batch));
  differentiate_by(st, in.logit_fake.id);
  if (role == GANTRY_D || (l->flags & GANTRY_LOSS_PAIRS)) {
    in.logit_real = abi_t(leaf(st, "x/logit_real", GANTRY_F32, 1, &st->o.batch));
    differentiate_by(st, in.logit_real.id);
  }
  if (l->flags & GANTRY_LOSS_TARGETS) {
    in.target_real = target(st, "target_real");
    in.target_fake = target(st, "target_fake");
  }
  gantry_t y = {0};
  const gantry_loss_in *given = hostile_struct(st, &in, sizeof in, SINCE_0_1(gantry_loss_in, target_fake));
  abi_frame f = abi_enter(b, &st->el, "loss", NULL);
  ABI_CALL(b, f, role == GANTRY_D ? "loss of D" : "loss of G", (role == GANTRY_D ? l->d : l->g)(&b->cx, given, &y));
  if (y.id && !b->err.code && ir_at(b->g, y.id)->rank) err_set(&b->err, GANTRY_E_INTERNAL, "a loss is one number, this one has %u axes", ir_at(b->g, y.id)->rank);
  stage_output(st, "y", y.id);
  note_touched(st, role);
  return b->err.code;
}

/* ---- architectures ---- */

static const gantry_net *subject_net(const stage *st, uint32_t k) {
  const gantry_arch *a = st->el.plugin->iface;
  return (const gantry_net *)(const void *)((const char *)a->nets + (size_t)k * a->net_stride);
}

/* A random input is a leaf of the shape that input() gives. */
static ir_id random_leaf(stage *st, abi_net *net, const char *name) {
  abi_builder *b = st->b;
  const gantry_arch *a = st->el.plugin->iface;
  int64_t dims[GANTRY_MAX_RANK] = {0}, all[GANTRY_MAX_RANK + 1];
  uint32_t rank = 0;
  gantry_build build = net->shape;
  build.struct_size = sizeof build;
  build.net = net->index;
  build.batch = st->o.batch;
  const gantry_build *given = hostile_struct(st, &build, sizeof build, SINCE_0_1(gantry_build, reserved0));
  abi_frame f = abi_enter(b, &st->el, NULL, NULL);
  if (ABI_CALL(b, f, "input", a->input(&b->cx, given, name, dims, &rank))) return 0;
  if (rank >= GANTRY_MAX_RANK) {
    err_set(&b->err, GANTRY_E_INTERNAL, "input(\"%s\") gives %u dimensions", name, rank);
    return 0;
  }
  all[0] = st->o.batch;
  for (uint32_t k = 0; k < rank; k++) all[k + 1] = dims[k];
  return leaf(st, arena_fmt(b->mem, "x/%s", name), GANTRY_F32, rank + 1, all);
}

static void check_tap(stage *st, const gantry_net *n, gantry_call call, const char *tap, ir_id like, uint32_t rank, int64_t rows) {
  abi_builder *b = st->b;
  if (b->err.code || b->g->err.code) return;
  if (!abi_has_tap(b, call, tap)) {
    err_set(&b->err, GANTRY_E_INTERNAL, "network \"%s\" published no tap \"%s\"", n->name, tap);
    return;
  }
  ir_id t = abi_out(b, call, tap);
  if (!t) {
    err_set(&b->err, GANTRY_E_INTERNAL, "the tap \"%s\" of network \"%s\" came back poisoned although no call failed", tap, n->name);
    return;
  }
  const ir_node *x = ir_at(b->g, t);
  int fine = like ? x->rank == ir_at(b->g, like)->rank && !memcmp(ir_dims(b->g, t), ir_dims(b->g, like), sizeof(int64_t) * x->rank) : x->rank == rank && ir_dims(b->g, t)[0] == rows;
  if (fine && x->dtype == GANTRY_F32) return;
  buf shape = {0};
  ir_print_shape(b->g, t, &shape);
  err_set(&b->err, GANTRY_E_INTERNAL, "the tap \"%s\" of network \"%s\" is %s: it must be f32, %s", tap, n->name, shape.p, like ? "of the data's shape" : rank == 1 ? "one number per sample" : "one row per sample");
  buf_free(&shape);
}

gantry_status stage_arch(stage *st, uint32_t scene) {
  abi_builder *b = st->b;
  const gantry_net *n = subject_net(st, scene / 2);
  abi_net *net = abi_world_net(st->world, n->role);
  gantry_named in[16];
  uint32_t n_in = 0;
  for (const char *const *i = n->inputs; *i && n_in < 16; i++) {
    const char *colon = strchr(*i, ':'), *name = arena_strn(b->mem, *i, colon ? (size_t)(colon - *i) : strlen(*i)), *type = colon ? colon + 1 : *i;
    ir_id x = 0;
    if (!strcmp(type, "label")) x = leaf(st, "x/labels", GANTRY_I32, 1, &st->o.batch);
    else if (!strcmp(type, "normal") || !strcmp(type, "uniform")) x = random_leaf(st, net, name);
    else if (!strcmp(type, "image")) x = stage_images(st, "x/real", st->o.batch);
    else err_set(&b->err, GANTRY_E_INTERNAL, "input \"%s\" of network \"%s\" is of no type that this gantry knows", *i, n->name);
    if (!x) return b->err.code;
    if (ir_is_float(ir_at(b->g, x)->dtype)) differentiate_by(st, x);
    in[n_in++] = (gantry_named){name, abi_t(x), 0};
  }
  gantry_call call = abi_apply(b, n->role, in, n_in, scene % 2 ? GANTRY_EVAL : 0);
  if (b->err.code || b->g->err.code) return b->err.code;
  if (n->role == GANTRY_G) check_tap(st, n, call, "image", stage_images(st, "x/real", st->o.batch), 0, 0);
  if (n->role == GANTRY_D) check_tap(st, n, call, "logit", 0, 1, st->o.batch);
  for (const char *const *t = n->taps; *t && !b->err.code; t++) {
    if (!strcmp(*t, "class") && abi_has_tap(b, call, *t)) check_tap(st, n, call, "class", 0, 2, st->o.batch);
    if (n->role == GANTRY_FEATURES && !abi_has_tap(b, call, *t)) err_set(&b->err, GANTRY_E_INTERNAL, "network \"%s\" published no tap \"%s\"", n->name, *t);
    if (!b->err.code && abi_has_tap(b, call, *t)) stage_output(st, !strcmp(*t, n->role == GANTRY_G ? "image" : n->role == GANTRY_D ? "logit" : "features") ? "y" : *t, abi_out(b, call, *t));
  }
  note_touched(st, n->role);
  return b->err.code;
}

/* ---- optimizers ---- */

gantry_status stage_optim(stage *st, uint32_t scene) {
  abi_builder *b = st->b;
  const gantry_optim *o = st->el.plugin->iface;
  const char *name = st->o.weight ? st->o.weight : "d/layer/weight";
  int64_t dims[4] = {st->o.weight_dims[0] ? st->o.weight_dims[0] : 3, st->o.weight_dims[1] ? st->o.weight_dims[1] : 2, 5, 4};
  uint32_t rank = st->o.weight_rank ? st->o.weight_rank : 2;
  gantry_optim_in in = {.struct_size = sizeof in, .net = GANTRY_D, .name = name, .lazy = scene ? 16.0 / 17 : st->o.lazy};
  in.weight = abi_t(leaf(st, "x/weight", GANTRY_F32, rank, dims));
  in.grad = abi_t(leaf(st, "x/grad", GANTRY_F32, rank, dims));
  in.count = abi_t(leaf(st, "count", GANTRY_F32, 0, NULL));
  gantry_t y = {0};
  const gantry_optim_in *given = hostile_struct(st, &in, sizeof in, SINCE_0_1(gantry_optim_in, lazy));
  abi_frame f = abi_enter(b, &st->el, arena_fmt(b->mem, "optim/%s", name), NULL);
  ABI_CALL(b, f, "update", o->update(&b->cx, given, &y));
  if (y.id && !b->err.code) {
    const ir_node *n = ir_at(b->g, y.id), *w = ir_at(b->g, in.weight.id);
    if (n->rank != w->rank || n->dtype != w->dtype || memcmp(ir_dims(b->g, y.id), dims, sizeof *dims * rank)) err_set(&b->err, GANTRY_E_INTERNAL, "the new weight has another type or shape than the old one");
  }
  stage_output(st, "y", y.id);
  abi_store_bindings(b, 0, abi_mark(b));
  return b->err.code;
}

/* ---- regularizers ---- */

typedef struct hooks { stage *st; const gantry_regularizer *iface; gantry_step step; uint32_t role; } hooks;

static const gantry_step *view(hooks *h) { return hostile_struct(h->st, &h->step, sizeof h->step, SINCE_0_1(gantry_step, logits)); }
static abi_frame enter(hooks *h) { return abi_enter(h->st->b, &h->st->el, "regularizers/tested", NULL); }

static ir_id seen(hooks *h, ir_id x, int is_real) {
  stage *st = h->st;
  abi_builder *b = st->b;
  gantry_input in = {.struct_size = sizeof in, .is_real = is_real != 0, .for_net = h->role};
  if (x) x = gan_tanh(&b->cx, gan_mul_k(&b->cx, abi_t(x), 1.1)).id; /* a transform of its own in front, so that views differ from images */
  gantry_t t = abi_t(x);
  if (!h->iface->input || !x) return x;
  abi_frame f = enter(h);
  if (ABI_CALL(b, f, "input", h->iface->input(&b->cx, view(h), hostile_struct(st, &in, sizeof in, SINCE_0_1(gantry_input, reserved0)), &t))) return 0;
  return abi_given(b, &st->el, "input", t, x);
}

static gantry_call apply_d(abi_builder *b, ir_id x, uint32_t flags) {
  gantry_named in = {"image", abi_t(x), 0};
  return x ? abi_apply(b, GANTRY_D, &in, 1, flags) : (gantry_call){0};
}

static ir_id squares(abi_builder *b, ir_id logit, gantry_t target) {
  gantry_ctx *cx = &b->cx;
  return gan_mean_all(cx, gan_square(cx, gan_sub(cx, abi_t(logit), target))).id;
}

ir_id stage_toy_loss(void *user, abi_builder *b, uint32_t net, ir_id logit_real, ir_id logit_fake) {
  gantry_ctx *cx = &b->cx;
  (void)user;
  if (!logit_fake || (net == GANTRY_D && !logit_real)) return 0;
  ir_id fake = squares(b, logit_fake, gan_const(cx, net == GANTRY_G ? 1 : 0));
  return net == GANTRY_D ? ir_add(b->g, fake, squares(b, logit_real, gan_const(cx, 1))) : fake;
}

/* The same with the targets that the plugin makes of them, so that target hooks matter. */
static ir_id toy_loss(hooks *h) {
  stage *st = h->st;
  abi_builder *b = st->b;
  gantry_ctx *cx = &b->cx;
  gantry_t real = gan_const(cx, 1), fake = gan_const(cx, h->role == GANTRY_G ? 1 : 0);
  if (h->iface->target && h->role == GANTRY_D) {
    abi_frame f = enter(h);
    if (ABI_CALL(b, f, "target", h->iface->target(&b->cx, view(h), &real, &fake))) return 0;
    if (!abi_given(b, &st->el, "target of real", real, 0) || !abi_given(b, &st->el, "target of fake", fake, 0)) return 0;
    stage_output(st, "target_real", real.id);
    stage_output(st, "target_fake", fake.id);
  }
  ir_id loss = squares(b, abi_out(b, h->step.d_fake, "logit"), fake);
  if (h->role == GANTRY_D) loss = ir_add(b->g, loss, squares(b, abi_out(b, h->step.d_real, "logit"), real));
  stage_output(st, "loss", loss);
  return loss;
}

static ir_id term(hooks *h) {
  stage *st = h->st;
  abi_builder *b = st->b;
  gantry_term t = {.struct_size = sizeof t};
  if (!h->iface->term) return 0;
  gantry_term *given = hostile_struct(st, &t, sizeof t, SINCE_0_1(gantry_term, log));
  abi_frame f = enter(h);
  if (ABI_CALL(b, f, "term", h->iface->term(&b->cx, view(h), given))) return 0;
  if (!given->value.id) return 0;
  if (!abi_given(b, &st->el, "term", given->value, 0) || (given->log.id && !abi_given(b, &st->el, "term's log", given->log, 0))) return 0;
  if (ir_at(b->g, given->value.id)->rank) err_set(&b->err, GANTRY_E_INTERNAL, "term: a term is one number, this one has %u axes", ir_at(b->g, given->value.id)->rank);
  stage_output(st, "y", given->value.id);
  if (given->log.id) stage_output(st, "log", given->log.id);
  return given->value.id;
}

static void descend(hooks *h, ir_id loss) {
  stage *st = h->st;
  abi_builder *b = st->b;
  uint32_t n = abi_params(b, h->role, NULL, NULL, 0);
  ir_id *grads = ARENA_ARRAY(b->mem, ir_id, n);
  if (abi_gradients(b, h->role, loss, grads)) return;
  const gantry_step *step = view(h);
  if (abi_descend(b, h->role, grads, step)) return;
  for (uint32_t k = 0; k < n; k++) stage_output(st, arena_fmt(b->mem, "grad%u", k), grads[k]);
}

/* The term in a program of its own ("every"): images are there and seen, G has been applied, D has not. */
static gantry_status lazy_term(hooks *h, ir_id real, ir_id fake) {
  abi_builder *b = h->st->b;
  h->step.real_seen = abi_t(seen(h, real, 1));
  h->step.fake_seen = abi_t(seen(h, fake, 0));
  ir_id v = term(h);
  note_touched(h->st, h->role);
  uint32_t count = abi_params(b, h->role, NULL, NULL, 0);
  ir_id *w = ARENA_ARRAY(b->mem, ir_id, count);
  abi_params(b, h->role, w, NULL, count);
  for (uint32_t k = 0; k < count; k++) differentiate_by(h->st, w[k]);
  if (!v || b->err.code || b->g->err.code) return b->err.code;
  descend(h, ir_scale(b->g, v, 4));
  if (!b->err.code && !b->g->err.code) abi_store_bindings(b, 0, abi_mark(b));
  return b->err.code;
}

gantry_status stage_regularizer(stage *st, uint32_t scene) {
  abi_builder *b = st->b;
  const int64_t n = st->o.batch;
  hooks h = {.st = st, .iface = st->el.plugin->iface, .role = scene ? GANTRY_G : GANTRY_D};
  st->world->regs = ARENA_ARRAY(b->mem, abi_regularizer, 1);
  st->world->regs[0] = (abi_regularizer){.el = st->el, .of = 1u << GANTRY_G | 1u << GANTRY_D, .every = 1};
  st->world->n_regs = 1;
  const int64_t zd[2] = {n, 3};
  gantry_named z = {"z", abi_t(leaf(st, "x/z", GANTRY_F32, 2, zd)), 0};
  gantry_call g = abi_apply(b, GANTRY_G, &z, 1, 0);
  ir_id real = stage_images(st, "x/real", n), fake = abi_out(b, g, "image"), free_fake = stage_images(st, "x/fake", n);
  if (!fake) return b->err.code;
  if (h.role == GANTRY_D) fake = free_fake; /* what D's update sees of G: values */
  h.step = (gantry_step){.struct_size = sizeof h.step, .net = h.role, .batch = n, .real = abi_t(real), .fake = abi_t(fake), .g = g, .label_real = abi_t(b->labels), .label_fake = abi_t(b->labels), .logits = n, .loss_flags = GANTRY_LOSS_TARGETS | GANTRY_LOSS_THRESHOLD, .threshold = 0.5,
                         .updates = abi_t(abi_counter_f32(b, h.role == GANTRY_D ? "d.updates" : "g.updates")), .images = abi_t(b->images)};
  if (st->o.lazy_term) {
    apply_d(b, real, GANTRY_NO_STATE_UPDATE); /* D's weights are known by now in a run */
    return lazy_term(&h, real, fake);
  }
  ir_id fake_seen, real_seen;
  h.step.fake_seen = abi_t(fake_seen = seen(&h, fake, 0));
  h.step.real_seen = abi_t(real_seen = seen(&h, real, 1));
  uint32_t ahead = abi_mark(b);
  if (h.iface->lookahead && h.role == GANTRY_G) {
    apply_d(b, real, GANTRY_NO_STATE_UPDATE); /* D's weights are known by now in a run */
    abi_frame f = enter(&h);
    if (ABI_CALL(b, f, "lookahead", h.iface->lookahead(&b->cx, view(&h)))) return b->err.code;
  }
  if (h.role == GANTRY_D) h.step.d_real = apply_d(b, real_seen, 0);
  h.step.d_fake = apply_d(b, fake_seen, h.role == GANTRY_D ? 0 : GANTRY_NO_STATE_UPDATE);
  if (b->err.code || b->g->err.code) return b->err.code;
  stage_output(st, "seen", fake_seen);
  ir_id loss = toy_loss(&h);
  h.step.loss = abi_t(loss);
  if (h.role == GANTRY_G) abi_rollback(b, ahead);
  ir_id v = term(&h);
  note_touched(st, h.role);
  uint32_t count = abi_params(b, h.role, NULL, NULL, 0);
  ir_id *w = ARENA_ARRAY(b->mem, ir_id, count);
  abi_params(b, h.role, w, NULL, count);
  for (uint32_t k = 0; k < count; k++) differentiate_by(st, w[k]);
  if (v) loss = ir_add(b->g, loss, v);
  if (b->err.code || b->g->err.code || !loss) return b->err.code;
  descend(&h, loss);
  uint32_t mark = abi_mark(b);
  gantry_control c = {.struct_size = sizeof c};
  ir_id keep = 0;
  if (h.iface->control) {
    gantry_control *given = hostile_struct(st, &c, sizeof c, SINCE_0_1(gantry_control, keep));
    abi_frame f = enter(&h);
    if (ABI_CALL(b, f, "control", h.iface->control(&b->cx, view(&h), given))) return b->err.code;
    keep = given->keep.id;
    if (keep && !abi_given(b, &st->el, "control's keep", given->keep, 0)) return b->err.code;
    if (keep && ir_at(b->g, keep)->rank) err_set(&b->err, GANTRY_E_INTERNAL, "control: keep is one number");
    if (keep) stage_output(st, "keep", keep);
    if (GANTRY_HAS(given, log) && given->log.id) stage_output(st, "control.log", given->log.id);
  }
  if (!b->err.code && !b->g->err.code) abi_store_bindings(b, keep, mark);
  return b->err.code;
}
