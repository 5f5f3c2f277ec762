/* gan_update.c - what one update of G or D is made of: batches and labels, D's view of them, loss, terms, gradients, control. See gan.h.
 *
 * Hooks run in the order of <gantry/regularizer.h>: weight (inside applications), input, target, lookahead, term, gradient, after, control. */
#include "train/gan.h"

#include <gantry/ops.h>

static abi_frame enter_hook(abi_builder *b, const abi_regularizer *g) { return abi_enter(b, &g->el, arena_fmt(b->mem, "regularizers/%s", g->el.id), NULL); }

ir_id train_seen(train_update *u, ir_id x, int is_real) {
  abi_builder *b = u->b;
  gantry_input in = {.struct_size = sizeof in, .is_real = is_real != 0, .for_net = u->role};
  for (uint32_t k = 0; k < b->world->n_regs; k++) {
    const abi_regularizer *g = &b->world->regs[k];
    if (!train_hooks(g)->input || !(g->of >> GANTRY_D & 1)) continue;
    abi_frame f = enter_hook(b, g);
    gantry_t t = abi_t(x);
    uint32_t mark = abi_mark(b);
    if (ABI_CALL(b, f, "input", train_hooks(g)->input(&b->cx, &u->st, &in, &t))) return 0;
    train_contributes(u, g, t.id != x, mark);
    if (!(x = abi_given(b, &g->el, "input", t, x))) return 0;
  }
  return x;
}

gantry_call train_apply_d(abi_builder *b, ir_id image, uint32_t flags) {
  gantry_named in = {"image", abi_t(image), 0};
  return image ? abi_apply(b, GANTRY_D, &in, 1, flags) : (gantry_call){0};
}

gantry_call train_apply_g(abi_builder *b, int64_t n, uint32_t flags) {
  ir_id z = abi_draw_input(b, GANTRY_G, "z", n);
  gantry_named in = {"z", abi_t(z), 0};
  return z ? abi_apply(b, GANTRY_G, &in, 1, flags) : (gantry_call){0};
}

ir_id train_detached(abi_builder *b, ir_id x) { return x ? gan_stop(&b->cx, abi_t(x)).id : 0; }

ir_id train_back(train_update *u) {
  abi_builder *b = u->b;
  const cfg_run *c = u->r->cfg;
  ir_id whole = ir_const(b->g, GANTRY_I64, (double)c->batch);
  if (c->accumulate == 1) return whole;
  ir_id part = ir_2(b->g, GANTRY_OP_MOD, abi_counter(b, arena_fmt(b->mem, "%s.invocation", b->program)), ir_const(b->g, GANTRY_I64, (double)c->accumulate));
  return ir_sub(b->g, whole, ir_mul(b->g, part, ir_const(b->g, GANTRY_I64, (double)u->batch)));
}

static ir_id position(abi_builder *b, ir_id back) { return back ? ir_sub(b->g, abi_counter(b, "images"), back) : abi_counter(b, "images"); }

void train_labels(train_update *u, ir_id back) {
  abi_builder *b = u->b;
  if (!u->r->data->labels) return;
  b->labels = data_labels(b, u->r->data, "train", data_indices(b, u->r->data, position(b, back), u->batch));
  u->st.label_real = u->st.label_fake = abi_t(b->labels);
  if (abi_world_net(b->world, GANTRY_G)->uses_label || abi_world_net(b->world, GANTRY_D)->uses_label) train_trace(u->r, b, "labels", b->labels);
}

ir_id train_real(train_update *u, ir_id back) {
  abi_builder *b = u->b;
  ir_id index = 0, x = data_batch(b, u->r->data, "train", position(b, back), u->batch, &index);
  train_trace(u->r, b, "indices", index);
  train_trace(u->r, b, "real", x);
  return x;
}

/* The index of the loss's parameter of that name if it is a FLOAT, else -1. */
static int loss_param(const train_run *r, const char *key) {
  int k = abi_param_find(r->loss.plugin, key);
  return k >= 0 && abi_param_at(r->loss.plugin, (uint32_t)k)->type == GANTRY_P_FLOAT ? k : -1;
}

/* Logits above it mean "real": the loss's constant or what it says of its parameters, or half way between the targets that its parameters set. */
static double threshold(const train_run *r, abi_builder *b) {
  gantry_loss_constants c;
  const gantry_loss *l = r->loss.plugin->iface;
  abi_loss_constants(b, &r->loss, &c);
  if (GANTRY_HAS(l, constants) && l->constants) return c.threshold;
  int real = loss_param(r, "target_real"), fake = loss_param(r, "target_fake");
  return real >= 0 && fake >= 0 ? (r->loss.values[real].f + r->loss.values[fake].f) / 2 : c.threshold;
}

static gantry_t plain_target(train_update *u, const char *key, double constant) {
  int k = loss_param(u->r, key);
  if (k < 0) return gan_const(&u->b->cx, constant);
  abi_frame f = abi_enter(u->b, &u->r->loss, NULL, NULL);
  gantry_t t = gan_param(&u->b->cx, (uint32_t)k);
  abi_leave(u->b, f, GANTRY_OK, key);
  return t;
}

void train_update_open(train_update *u, train_run *r, abi_builder *b, uint32_t role) {
  const abi_net *d = abi_world_net(r->world, GANTRY_D);
  *u = (train_update){.r = r, .b = b, .loss = r->loss.plugin->iface, .role = role, .batch = train_batch(r->cfg)};
  u->st = (gantry_step){.struct_size = sizeof u->st, .net = role, .batch = u->batch, .logits = u->batch / (d->pack > 1 ? d->pack : 1), .loss_flags = u->loss->flags, .threshold = threshold(r, b)};
  u->st.updates = abi_t(abi_counter_f32(b, role == GANTRY_D ? "d.updates" : "g.updates"));
  b->images = abi_counter_f32(b, "images");
  u->st.images = abi_t(b->images);
}

/* Targets after smoothing and flipping: D's own view; G's target is what D calls real, unsmoothed. */
static gantry_status targets(train_update *u, gantry_loss_in *in) {
  abi_builder *b = u->b;
  if (!(u->loss->flags & GANTRY_LOSS_TARGETS)) return GANTRY_OK;
  in->target_real = plain_target(u, "target_real", u->loss->target_real);
  in->target_fake = plain_target(u, "target_fake", u->loss->target_fake);
  for (uint32_t k = 0; k < b->world->n_regs && u->role == GANTRY_D; k++) {
    const abi_regularizer *g = &b->world->regs[k];
    if (!train_hooks(g)->target || !(g->of >> GANTRY_D & 1)) continue;
    abi_frame f = enter_hook(b, g);
    uint32_t mark = abi_mark(b), real = in->target_real.id, fake = in->target_fake.id;
    TRY(ABI_CALL(b, f, "target", train_hooks(g)->target(&b->cx, &u->st, &in->target_real, &in->target_fake)));
    train_contributes(u, g, in->target_real.id != real || in->target_fake.id != fake, mark);
    if (!abi_given(b, &g->el, "target of real", in->target_real, 0) || !abi_given(b, &g->el, "target of fake", in->target_fake, 0)) return b->err.code;
  }
  return GANTRY_OK;
}

static ir_id call_loss(train_update *u, gantry_loss_in *in) {
  gantry_t out = {0};
  abi_builder *b = u->b;
  if (targets(u, in)) return 0;
  abi_frame f = abi_enter(b, &u->r->loss, "loss", NULL);
  const char *whose = u->role == GANTRY_D ? "loss of D" : "loss of G";
  if (ABI_CALL(b, f, whose, (u->role == GANTRY_D ? u->loss->d : u->loss->g)(&b->cx, in, &out)) || !abi_given(b, &u->r->loss, whose, out, 0)) return 0;
  if (ir_at(b->g, out.id)->rank) {
    err_set(&b->err, GANTRY_E_SHAPE, "%s (%s): a loss is one number, this one has %u axes", u->r->loss.path, u->r->loss.plugin->name, ir_at(b->g, out.id)->rank);
    return 0;
  }
  return out.id;
}

ir_id train_term(train_update *u, const abi_regularizer *g, ir_id *log) {
  abi_builder *b = u->b;
  gantry_term t = {.struct_size = sizeof t};
  abi_frame f = enter_hook(b, g);
  uint32_t mark = abi_mark(b);
  if (ABI_CALL(b, f, "term", train_hooks(g)->term(&b->cx, &u->st, &t))) return 0;
  train_contributes(u, g, t.value.id || t.log.id, mark);
  if (!t.value.id) return 0; /* no term in this update; a call that failed has left its error */
  if (!abi_given(b, &g->el, "term", t.value, 0) || (t.log.id && !abi_given(b, &g->el, "term's log", t.log, 0))) return 0;
  if (ir_at(b->g, t.value.id)->rank) {
    err_set(&b->err, GANTRY_E_SHAPE, "%s (%s): term: a term is one number, this one has %u axes", g->el.path, g->el.plugin->name, ir_at(b->g, t.value.id)->rank);
    return 0;
  }
  *log = t.log.id ? t.log.id : t.value.id;
  return t.value.id;
}

const char *train_term_name(const train_update *u, const abi_regularizer *g) {
  uint32_t both = 1u << GANTRY_G | 1u << GANTRY_D;
  return (g->of & both) == both ? arena_fmt(u->b->mem, "%s_%c", g->el.id, u->role == GANTRY_D ? 'd' : 'g') : g->el.id;
}

static ir_id add_terms(train_update *u, ir_id loss) {
  abi_builder *b = u->b;
  for (uint32_t k = 0; k < b->world->n_regs && loss; k++) {
    const abi_regularizer *g = &b->world->regs[k];
    ir_id log = 0, v;
    if (!train_hooks(g)->term || !(g->of >> u->role & 1) || g->every > 1) continue;
    if (!(v = train_term(u, g, &log))) continue;
    train_log(b, train_term_name(u, g), log);
    train_trace(u->r, b, arena_fmt(b->mem, "term/%s", train_term_name(u, g)), v);
    loss = ir_add(b->g, loss, v);
  }
  return loss;
}

/* Monitors of D: mean output and share of right answers. */
static void log_d(train_update *u, ir_id real, ir_id fake) {
  abi_builder *b = u->b;
  gantry_ctx *cx = &b->cx;
  const char *const names[2][2] = {{"d_real", "d_accuracy_real"}, {"d_fake", "d_accuracy_fake"}};
  for (int k = 0; k < 2; k++) {
    gantry_t l = abi_t(k ? fake : real), t = gan_const(cx, u->st.threshold);
    if (!l.id) continue;
    train_log(b, names[k][0], gan_mean_all(cx, l).id);
    if (u->loss->flags & GANTRY_LOSS_THRESHOLD) train_log(b, names[k][1], gan_mean_all(cx, gan_f32(cx, k ? gan_lt(cx, l, t) : gan_gt(cx, l, t))).id);
  }
}

/* The optimizer's learning rate as it is in this program. */
void train_log_rate(train_update *u, const char *name) {
  abi_net *net = abi_world_net(u->b->world, u->role);
  int index = abi_param_find(net->optim.plugin, "lr");
  if (index < 0 || abi_param_at(net->optim.plugin, (uint32_t)index)->type != GANTRY_P_FLOAT) return;
  abi_frame f = abi_enter(u->b, &net->optim, NULL, NULL);
  gantry_t lr = gan_param(&u->b->cx, (uint32_t)index);
  abi_leave(u->b, f, GANTRY_OK, "lr");
  train_log(u->b, name, lr.id);
}

typedef struct param_list { uint32_t n; const char **names; ir_id *grads; } param_list;

static param_list params_of(train_update *u) {
  abi_builder *b = u->b;
  param_list p = {.n = abi_params(b, u->role, NULL, NULL, 0)};
  const abi_state **which = ARENA_ARRAY(b->mem, const abi_state *, p.n);
  p.names = ARENA_ARRAY(b->mem, const char *, p.n);
  p.grads = ARENA_ARRAY(b->mem, ir_id, p.n);
  abi_params(b, u->role, NULL, which, p.n);
  for (uint32_t k = 0; k < p.n; k++) p.names[k] = which[k]->name;
  return p;
}

/* The sum of one weight's gradients in `program`; binds it. */
static ir_id sum_state(train_update *u, const char *program, const char *weight, const char **name) {
  abi_state s = *abi_world_state(u->b->world, weight);
  *name = s.name = arena_fmt(u->b->mem, "accumulate/%s/%s", program, weight);
  s.role = GANTRY_ROLE_COUNTER;
  s.init = GANTRY_INIT_CONSTANT;
  s.init_scale = 0;
  s.flags = s.net = 0;
  return abi_state_here(u->b, &s);
}

/* Optimizer, traces, gradient norm; the gradients are in p. */
static void apply_gradients(train_update *u, const param_list *p) {
  abi_builder *b = u->b;
  ir_id square = 0;
  if (abi_descend(b, u->role, p->grads, &u->st)) return;
  for (uint32_t k = 0; k < p->n; k++) {
    ir_id q = ir_sum_all(b->g, ir_mul(b->g, p->grads[k], p->grads[k]));
    square = square ? ir_add(b->g, square, q) : q;
    train_trace(u->r, b, arena_fmt(b->mem, "grad/%s", p->names[k]), p->grads[k]);
  }
  if (!u->is_lazy) train_log(b, u->role == GANTRY_D ? "d_grad_norm" : "g_grad_norm", ir_1(b->g, GANTRY_OP_SQRT, square));
}

void train_descend(train_update *u, ir_id loss) {
  abi_builder *b = u->b;
  param_list p = params_of(u);
  if (abi_gradients(b, u->role, loss, p.grads)) return;
  if (u->r->cfg->accumulate == 1) {
    apply_gradients(u, &p);
    return;
  }
  for (uint32_t k = 0; k < p.n; k++) {
    const char *name;
    ir_id sum = sum_state(u, b->program, p.names[k], &name);
    abi_bind(b, name, ir_add(b->g, sum, p.grads[k]));
  }
}

void train_descend_sums(train_update *u, const char *grad) {
  abi_builder *b = u->b;
  param_list p = params_of(u);
  for (uint32_t k = 0; k < p.n; k++) {
    const char *name;
    ir_id sum = sum_state(u, grad, p.names[k], &name);
    p.grads[k] = ir_scale(b->g, sum, 1.0 / (double)u->r->cfg->accumulate);
  }
  apply_gradients(u, &p);
}

/* Whether all parts of an update were kept so far; 1 at the start of an update. */
static ir_id kept_state(train_update *u, const char *grad, const char **name) {
  abi_state s = {.name = arena_fmt(u->b->mem, "accumulate/%s/keep", grad), .role = GANTRY_ROLE_COUNTER, .dtype = GANTRY_F32, .init_scale = 1};
  *name = s.name;
  return abi_state_here(u->b, &s);
}

ir_id train_kept(train_update *u, const char *grad) {
  abi_builder *b = u->b;
  const char *name = arena_fmt(b->mem, "accumulate/%s/keep", grad);
  ir_id keep = abi_world_state(b->world, name) ? kept_state(u, grad, &name) : 0;
  if (keep) abi_bind(b, name, ir_const(b->g, GANTRY_F32, 1));
  param_list p = params_of(u); /* sums begin again, whether or not the update was kept */
  for (uint32_t k = 0; k < p.n; k++) {
    ir_id sum = sum_state(u, grad, p.names[k], &name);
    abi_bind(b, name, ir_zeros_like(b->g, sum));
  }
  return keep;
}

ir_id train_control(train_update *u) {
  abi_builder *b = u->b;
  ir_id keep = 0;
  for (uint32_t k = 0; k < b->world->n_regs; k++) {
    const abi_regularizer *g = &b->world->regs[k];
    gantry_control c = {.struct_size = sizeof c};
    if (!train_hooks(g)->control || !(g->of >> u->role & 1)) continue;
    abi_frame f = enter_hook(b, g);
    uint32_t mark = abi_mark(b);
    if (ABI_CALL(b, f, "control", train_hooks(g)->control(&b->cx, &u->st, &c))) return 0;
    train_contributes(u, g, c.keep.id || c.log.id, mark);
    if ((c.keep.id && !abi_given(b, &g->el, "control's keep", c.keep, 0)) || (c.log.id && !abi_given(b, &g->el, "control's log", c.log, 0))) return 0;
    if (c.keep.id) keep = keep ? ir_mul(b->g, keep, c.keep.id) : c.keep.id;
    train_log(b, g->el.id, c.log.id);
  }
  if (keep) train_log(b, u->role == GANTRY_D ? "d_kept" : "g_kept", keep);
  if (!keep || u->r->cfg->accumulate == 1) return keep;
  const char *name;
  ir_id before = kept_state(u, b->program, &name);
  abi_bind(b, name, ir_2(b->g, GANTRY_OP_MIN, before, ir_cast(b->g, keep, GANTRY_F32)));
  return 0;
}

void train_count_images(train_update *u) {
  abi_builder *b = u->b;
  abi_bind(b, "counter/images", ir_add(b->g, abi_counter(b, "images"), ir_const(b->g, GANTRY_I64, (double)u->batch)));
}

/* D on real and fake: one application each, or one on both together, where what depends on the batch (batch norm, minibatch features) mixes. */
static void apply_d_to_both(train_update *u, int real_first, uint32_t flags) {
  abi_builder *b = u->b;
  for (int k = 0; k < 2 && !u->r->cfg->joint; k++) {
    if (k != real_first) u->st.d_real = train_apply_d(b, u->st.real_seen.id, flags);
    else u->st.d_fake = train_apply_d(b, u->st.fake_seen.id, flags);
  }
  if (!u->r->cfg->joint) return;
  gantry_t both[2] = {u->st.real_seen, u->st.fake_seen};
  gantry_call d = train_apply_d(b, both[0].id && both[1].id ? gan_concat(&b->cx, both, 2, 0).id : 0, flags);
  u->st.d_real = abi_part(b, d, 0, u->batch, 2 * u->batch);
  u->st.d_fake = abi_part(b, d, u->batch, u->batch, 2 * u->batch);
}

ir_id train_loss_d(train_update *u, ir_id real, ir_id fake) {
  abi_builder *b = u->b;
  gantry_loss_in in = {.struct_size = sizeof in, .net = GANTRY_D, .batch = u->st.logits};
  u->st.real = abi_t(real);
  u->st.fake = abi_t(fake);
  ir_id real_seen = train_seen(u, real, 1), fake_seen = train_seen(u, fake, 0);
  u->st.real_seen = abi_t(real_seen);
  u->st.fake_seen = abi_t(fake_seen);
  train_trace(u->r, b, "real_seen", real_seen != real ? real_seen : 0);
  train_trace(u->r, b, "fake_seen", fake_seen != fake ? fake_seen : 0);
  apply_d_to_both(u, 1, 0);
  if (b->err.code || b->g->err.code) return 0;
  in.logit_real = abi_t(abi_out(b, u->st.d_real, "logit"));
  in.logit_fake = abi_t(abi_out(b, u->st.d_fake, "logit"));
  ir_id loss = call_loss(u, &in);
  u->st.loss = abi_t(loss);
  train_log(b, "loss_d", loss);
  train_trace(u->r, b, "loss_d", loss);
  log_d(u, in.logit_real.id, in.logit_fake.id);
  return add_terms(u, loss);
}

ir_id train_loss_for_plugins(void *run, abi_builder *b, uint32_t net, ir_id logit_real, ir_id logit_fake) {
  train_update u;
  if (net != GANTRY_D && net != GANTRY_G) {
    err_set(&b->err, GANTRY_E_INVALID, "loss: only G and D have one");
    return 0;
  }
  if (!logit_fake || (!logit_real && (net == GANTRY_D || ((const gantry_loss *)((train_run *)run)->loss.plugin->iface)->flags & GANTRY_LOSS_PAIRS))) {
    err_set(&b->err, GANTRY_E_INVALID, "loss: logits are missing");
    return 0;
  }
  train_update_open(&u, run, b, net);
  gantry_loss_in in = {.struct_size = sizeof in, .net = net, .batch = u.st.logits, .logit_real = abi_t(logit_real), .logit_fake = abi_t(logit_fake)};
  return call_loss(&u, &in);
}

static gantry_status lookahead(train_update *u) {
  abi_builder *b = u->b;
  for (uint32_t k = 0; k < b->world->n_regs; k++) {
    const abi_regularizer *g = &b->world->regs[k];
    if (!train_hooks(g)->lookahead) continue;
    abi_frame f = enter_hook(b, g);
    TRY(ABI_CALL(b, f, "lookahead", train_hooks(g)->lookahead(&b->cx, &u->st)));
  }
  return GANTRY_OK;
}

static int has_lookahead(const abi_world *w) {
  for (uint32_t k = 0; k < w->n_regs; k++)
    if (train_hooks(&w->regs[k])->lookahead) return 1;
  return 0;
}

ir_id train_loss_g(train_update *u, gantry_call g, ir_id back) {
  abi_builder *b = u->b;
  gantry_loss_in in = {.struct_size = sizeof in, .net = GANTRY_G, .batch = u->st.logits};
  ir_id fake = abi_out(b, g, "image"), fake_seen;
  u->st.g = g;
  u->st.fake = abi_t(fake);
  if (u->loss->flags & GANTRY_LOSS_PAIRS || has_lookahead(b->world)) u->st.real = abi_t(train_real(u, back));
  u->st.fake_seen = abi_t(fake_seen = train_seen(u, fake, 0));
  if (u->st.real.id) u->st.real_seen = abi_t(train_seen(u, u->st.real.id, 1));
  train_trace(u->r, b, u->r->cfg->simultaneous ? "fake_seen_g" : "fake_seen", fake_seen != fake ? fake_seen : 0);
  uint32_t mark = abi_mark(b);
  if (lookahead(u)) return 0;
  if (u->loss->flags & GANTRY_LOSS_PAIRS) {
    apply_d_to_both(u, 0, GANTRY_NO_STATE_UPDATE);
    in.logit_real = abi_t(abi_out(b, u->st.d_real, "logit"));
  } else
    u->st.d_fake = train_apply_d(b, fake_seen, GANTRY_NO_STATE_UPDATE);
  if (b->err.code || b->g->err.code) return 0;
  in.logit_fake = abi_t(abi_out(b, u->st.d_fake, "logit"));
  ir_id loss = call_loss(u, &in);
  u->st.loss = abi_t(loss);
  train_log(b, "loss_g", loss);
  train_trace(u->r, b, "loss_g", loss);
  abi_rollback(b, mark); /* the lookahead ends here: terms see the networks as they are */
  return add_terms(u, loss);
}
