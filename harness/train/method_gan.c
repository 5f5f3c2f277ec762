/* method_gan.c - the programs of a GAN step. The only file that knows G and D.
 *
 * Alternating (the default): "d_step" on fresh data and fresh z, d_steps times; after every k-th of them the programs of D's lazy terms; then
 * "g_step" on fresh z, g_steps times, and G's lazy terms; then "ema". Simultaneous: one program "dg_step" in which both losses see the
 * weights of before. Each program is one graph: data, networks, loss, terms, gradients, optimizer, counters, log.
 *
 * Hooks run in the order of <gantry/regularizer.h>: weight (inside applications), input, target, lookahead, term, gradient, after, control. */
#include <gantry/nn/random.h>
#include <math.h>
#include <stdlib.h>

#include "ir/build.h"
#include "train/train.h"

typedef struct lazy { uint32_t program, every, net; } lazy;
typedef struct step_programs {
  uint32_t d_step, g_step, ema;
  uint8_t has_ema;
  lazy *lazies;
  uint32_t n_lazies;
} step_programs;

/* One update under construction. */
typedef struct update {
  train_run *r;
  abi_builder *b;
  gantry_step st;
  const gantry_loss *loss;
  uint32_t role;
} update;

static const gantry_regularizer *iface_of(const abi_regularizer *g) { return g->el.plugin->iface; }

static abi_frame enter_hook(abi_builder *b, const abi_regularizer *g) { return abi_enter(b, &g->el, arena_fmt(b->mem, "regularizers/%s", g->el.id), NULL); }

/* D's view of a batch: every `input` hook of regularizers on D, in hook order. */
static ir_id seen(update *u, ir_id x, int is_real) {
  abi_builder *b = u->b;
  gantry_input in = {.struct_size = sizeof in, .is_real = is_real != 0, .for_net = u->role};
  for (uint32_t k = 0; k < b->world->n_regs; k++) {
    const abi_regularizer *g = &b->world->regs[k];
    if (!iface_of(g)->input || !(g->of >> GANTRY_D & 1)) continue;
    abi_frame f = enter_hook(b, g);
    gantry_t t = abi_t(x);
    if (abi_leave(b, f, iface_of(g)->input(&b->cx, &u->st, &in, &t), "input")) return 0;
    x = t.id;
  }
  return x;
}

static gantry_call apply_d(abi_builder *b, ir_id image, uint32_t flags) {
  gantry_named in = {"image", abi_t(image), 0};
  return image ? abi_apply(b, GANTRY_D, &in, 1, flags) : (gantry_call){0};
}

static gantry_call apply_g(abi_builder *b, int64_t n, uint32_t flags) {
  ir_id z = abi_draw_input(b, GANTRY_G, "z", n);
  gantry_named in = {"z", abi_t(z), 0};
  return z ? abi_apply(b, GANTRY_G, &in, 1, flags) : (gantry_call){0};
}

static ir_id stop(abi_builder *b, ir_id x) { return x ? gan_stop(&b->cx, abi_t(x)).id : 0; }

/* A real batch. back = 0: the next one; else the one that many images ago. */
static ir_id real_batch(update *u, int64_t back) {
  abi_builder *b = u->b;
  ir_id first = abi_counter(b, "images"), index = 0;
  if (back) first = ir_sub(b->g, first, ir_const(b->g, GANTRY_I64, (double)back));
  ir_id x = data_batch(b, u->r->data, "train", first, u->r->cfg->batch, &index);
  train_trace(u->r, b, "indices", index);
  train_trace(u->r, b, "real", x);
  return x;
}

static void open_update(update *u, train_run *r, abi_builder *b, uint32_t role) {
  *u = (update){.r = r, .b = b, .loss = r->loss.plugin->iface, .role = role};
  u->st = (gantry_step){.struct_size = sizeof u->st, .net = role, .batch = r->cfg->batch};
  u->st.updates = abi_t(abi_counter_f32(b, role == GANTRY_D ? "d.updates" : "g.updates"));
  b->images = abi_counter_f32(b, "images");
  u->st.images = abi_t(b->images);
}

/* Targets after smoothing and flipping: D's own view; G's target is what D calls real, unsmoothed. */
static gantry_status targets(update *u, gantry_loss_in *in) {
  abi_builder *b = u->b;
  if (!(u->loss->flags & GANTRY_LOSS_TARGETS)) return GANTRY_OK;
  in->target_real = gan_const(&b->cx, u->loss->target_real);
  in->target_fake = gan_const(&b->cx, u->loss->target_fake);
  for (uint32_t k = 0; k < b->world->n_regs && u->role == GANTRY_D; k++) {
    const abi_regularizer *g = &b->world->regs[k];
    if (!iface_of(g)->target || !(g->of >> GANTRY_D & 1)) continue;
    abi_frame f = enter_hook(b, g);
    TRY(abi_leave(b, f, iface_of(g)->target(&b->cx, &u->st, &in->target_real, &in->target_fake), "target"));
  }
  return GANTRY_OK;
}

static ir_id call_loss(update *u, gantry_loss_in *in) {
  gantry_t out = {0};
  abi_builder *b = u->b;
  if (targets(u, in)) return 0;
  abi_frame f = abi_enter(b, &u->r->loss, "loss", NULL);
  abi_leave(b, f, (u->role == GANTRY_D ? u->loss->d : u->loss->g)(&b->cx, in, &out), u->role == GANTRY_D ? "loss of D" : "loss of G");
  if (out.id && ir_at(b->g, out.id)->rank) {
    err_set(&b->err, GANTRY_E_SHAPE, "%s (%s): a loss is one number, this one has %u axes", u->r->loss.path, u->r->loss.plugin->name, ir_at(b->g, out.id)->rank);
    return 0;
  }
  return out.id;
}

/* Value and log of one term hook; the value is 0 where the plugin has none for this update. */
static ir_id call_term(update *u, const abi_regularizer *g, ir_id *log) {
  abi_builder *b = u->b;
  gantry_term t = {.struct_size = sizeof t};
  abi_frame f = enter_hook(b, g);
  if (abi_leave(b, f, iface_of(g)->term(&b->cx, &u->st, &t), "term")) return 0;
  *log = t.log.id ? t.log.id : t.value.id;
  return t.value.id;
}

static ir_id add_terms(update *u, ir_id loss) {
  abi_builder *b = u->b;
  for (uint32_t k = 0; k < b->world->n_regs && loss; k++) {
    const abi_regularizer *g = &b->world->regs[k];
    ir_id log = 0, v;
    if (!iface_of(g)->term || !(g->of >> u->role & 1) || g->every > 1) continue;
    if (!(v = call_term(u, g, &log))) continue;
    train_log(b, arena_fmt(b->mem, "%s", g->el.id), log);
    train_trace(u->r, b, arena_fmt(b->mem, "term/%s", g->el.id), v);
    loss = ir_add(b->g, loss, v);
  }
  return loss;
}

/* Monitors of D: mean output and share of right answers. */
static void log_d(update *u, ir_id real, ir_id fake) {
  abi_builder *b = u->b;
  gantry_ctx *cx = &b->cx;
  const char *const names[2][2] = {{"d_real", "d_accuracy_real"}, {"d_fake", "d_accuracy_fake"}};
  for (int k = 0; k < 2; k++) {
    gantry_t l = abi_t(k ? fake : real), t = gan_const(cx, u->loss->threshold);
    if (!l.id) continue;
    train_log(b, names[k][0], gan_mean_all(cx, l).id);
    if (u->loss->flags & GANTRY_LOSS_THRESHOLD) train_log(b, names[k][1], gan_mean_all(cx, gan_f32(cx, k ? gan_lt(cx, l, t) : gan_gt(cx, l, t))).id);
  }
}

/* The optimizer's learning rate as it is in this program. */
static void log_rate(update *u, const char *name) {
  abi_net *net = abi_world_net(u->b->world, u->role);
  int index = abi_param_find(net->optim.plugin, "lr");
  if (index < 0 || abi_param_at(net->optim.plugin, (uint32_t)index)->type != GANTRY_P_FLOAT) return;
  abi_frame f = abi_enter(u->b, &net->optim, NULL, NULL);
  gantry_t lr = gan_param(&u->b->cx, (uint32_t)index);
  abi_leave(u->b, f, GANTRY_OK, "lr");
  train_log(u->b, name, lr.id);
}

/* Gradients, optimizer, gradient norm. */
static void descend(update *u, ir_id loss, double lazy_correction) {
  abi_builder *b = u->b;
  const char *net = u->role == GANTRY_D ? "d" : "g";
  uint32_t n = abi_params(b, u->role, NULL, NULL, 0);
  ir_id *grads = ARENA_ARRAY(b->mem, ir_id, n), square = 0;
  const abi_state **which = ARENA_ARRAY(b->mem, const abi_state *, n);
  abi_params(b, u->role, NULL, which, n);
  const char **names = ARENA_ARRAY(b->mem, const char *, n);
  for (uint32_t k = 0; k < n; k++) names[k] = which[k]->name;
  if (abi_update(b, u->role, loss, &u->st, lazy_correction, grads)) return;
  for (uint32_t k = 0; k < n; k++) {
    ir_id q = ir_sum_all(b->g, ir_mul(b->g, grads[k], grads[k]));
    square = square ? ir_add(b->g, square, q) : q;
    train_trace(u->r, b, arena_fmt(b->mem, "grad/%s", names[k]), grads[k]);
  }
  if (lazy_correction == 1) train_log(b, arena_fmt(b->mem, "%s_grad_norm", net), ir_1(b->g, GANTRY_OP_SQRT, square));
}

/* The last hooks: 0/1 keep of this update, 0 = always. Their own states go on in any case. */
static ir_id control(update *u) {
  abi_builder *b = u->b;
  ir_id keep = 0;
  for (uint32_t k = 0; k < b->world->n_regs; k++) {
    const abi_regularizer *g = &b->world->regs[k];
    gantry_control c = {.struct_size = sizeof c};
    if (!iface_of(g)->control || !(g->of >> u->role & 1)) continue;
    abi_frame f = enter_hook(b, g);
    if (abi_leave(b, f, iface_of(g)->control(&b->cx, &u->st, &c), "control")) return 0;
    if (c.keep.id) keep = keep ? ir_mul(b->g, keep, c.keep.id) : c.keep.id;
  }
  if (keep) train_log(b, u->role == GANTRY_D ? "d_kept" : "g_kept", keep);
  return keep;
}

static void count_images(update *u) {
  abi_builder *b = u->b;
  abi_bind(b, "counter/images", ir_add(b->g, abi_counter(b, "images"), ir_const(b->g, GANTRY_I64, (double)u->r->cfg->batch)));
}

/* D's applications on real and fake; `fake` stays connected to G only if the caller left it so. */
static ir_id loss_of_d(update *u, ir_id real, ir_id fake) {
  abi_builder *b = u->b;
  gantry_loss_in in = {.struct_size = sizeof in, .net = GANTRY_D, .batch = u->r->cfg->batch};
  u->st.real = abi_t(real);
  u->st.fake = abi_t(fake);
  ir_id real_seen = seen(u, real, 1), fake_seen = seen(u, fake, 0);
  u->st.real_seen = abi_t(real_seen);
  u->st.fake_seen = abi_t(fake_seen);
  u->st.d_real = apply_d(b, real_seen, 0);
  u->st.d_fake = apply_d(b, fake_seen, 0);
  if (b->err.code || b->g->err.code) return 0;
  in.logit_real = abi_t(abi_out(b, u->st.d_real, "logit"));
  in.logit_fake = abi_t(abi_out(b, u->st.d_fake, "logit"));
  ir_id loss = call_loss(u, &in);
  train_log(b, "loss_d", loss);
  train_trace(u->r, b, "loss_d", loss);
  log_d(u, in.logit_real.id, in.logit_fake.id);
  return add_terms(u, loss);
}

static gantry_status lookahead(update *u) {
  abi_builder *b = u->b;
  for (uint32_t k = 0; k < b->world->n_regs; k++) {
    const abi_regularizer *g = &b->world->regs[k];
    if (!iface_of(g)->lookahead) continue;
    abi_frame f = enter_hook(b, g);
    TRY(abi_leave(b, f, iface_of(g)->lookahead(&b->cx, &u->st), "lookahead"));
  }
  return GANTRY_OK;
}

static int has_lookahead(const abi_world *w) {
  for (uint32_t k = 0; k < w->n_regs; k++)
    if (iface_of(&w->regs[k])->lookahead) return 1;
  return 0;
}

/* G's loss through D, whose states and any lookahead are dropped afterwards. back: how many images ago the real batch to use was drawn. */
static ir_id loss_of_g(update *u, gantry_call g, int64_t back) {
  abi_builder *b = u->b;
  gantry_loss_in in = {.struct_size = sizeof in, .net = GANTRY_G, .batch = u->r->cfg->batch};
  ir_id fake = abi_out(b, g, "image"), fake_seen;
  u->st.g = g;
  u->st.fake = abi_t(fake);
  if (u->loss->flags & GANTRY_LOSS_PAIRS || has_lookahead(b->world)) u->st.real = abi_t(real_batch(u, back));
  uint32_t mark = abi_mark(b);
  if (lookahead(u)) return 0;
  fake_seen = seen(u, fake, 0);
  u->st.fake_seen = abi_t(fake_seen);
  u->st.d_fake = apply_d(b, fake_seen, GANTRY_NO_STATE_UPDATE);
  if (u->loss->flags & GANTRY_LOSS_PAIRS) {
    u->st.real_seen = abi_t(seen(u, u->st.real.id, 1));
    u->st.d_real = apply_d(b, u->st.real_seen.id, GANTRY_NO_STATE_UPDATE);
    in.logit_real = abi_t(abi_out(b, u->st.d_real, "logit"));
  }
  if (b->err.code || b->g->err.code) return 0;
  in.logit_fake = abi_t(abi_out(b, u->st.d_fake, "logit"));
  ir_id loss = call_loss(u, &in);
  train_log(b, "loss_g", loss);
  train_trace(u->r, b, "loss_g", loss);
  abi_rollback(b, mark); /* the lookahead ends here: terms see the networks as they are */
  return add_terms(u, loss);
}

static gantry_status build_d(train_run *r, err *e) {
  update u;
  abi_builder *b = train_program_begin(r, "d_step");
  open_update(&u, r, b, GANTRY_D);
  ir_id real = real_batch(&u, 0);
  gantry_call g = apply_g(b, r->cfg->batch, 0);
  u.st.g = g;
  ir_id fake = stop(b, abi_out(b, g, "image"));
  train_trace(r, b, "fake", fake);
  ir_id loss = loss_of_d(&u, real, fake);
  log_rate(&u, "lr_d");
  descend(&u, loss, 1);
  uint32_t mark = abi_mark(b);
  ir_id keep = control(&u);
  count_images(&u);
  return train_program_end(r, b, keep, mark, e);
}

static void set_clock_after_d(update *u) {
  abi_builder *b = u->b;
  b->clock = ir_sub(b->g, abi_counter(b, "images"), ir_const(b->g, GANTRY_I64, 1));
}

static gantry_status build_g(train_run *r, err *e) {
  update u;
  abi_builder *b = train_program_begin(r, "g_step");
  open_update(&u, r, b, GANTRY_G);
  set_clock_after_d(&u);
  gantry_call g = apply_g(b, r->cfg->batch, 0);
  ir_id loss = g.id ? loss_of_g(&u, g, r->cfg->batch) : 0;
  log_rate(&u, "lr_g");
  descend(&u, loss, 1);
  uint32_t mark = abi_mark(b);
  ir_id keep = control(&u);
  return train_program_end(r, b, keep, mark, e);
}

static gantry_status build_both(train_run *r, err *e) {
  update d, g;
  abi_builder *b = train_program_begin(r, "dg_step");
  open_update(&d, r, b, GANTRY_D);
  open_update(&g, r, b, GANTRY_G);
  ir_id real = real_batch(&d, 0);
  gantry_call made = apply_g(b, r->cfg->batch, 0);
  ir_id fake = abi_out(b, made, "image");
  d.st.g = made;
  train_trace(r, b, "fake", fake);
  ir_id loss_d = loss_of_d(&d, real, stop(b, fake)), loss_g = made.id ? loss_of_g(&g, made, 0) : 0;
  log_rate(&d, "lr_d");
  log_rate(&g, "lr_g");
  descend(&d, loss_d, 1);
  descend(&g, loss_g, 1);
  uint32_t mark = abi_mark(b);
  ir_id keep_d = control(&d), keep_g = control(&g);
  if (keep_d || keep_g) err_set(&b->err, GANTRY_E_CONFIG, "train.updates simultaneous cannot hold back one of the two networks: use alternating updates with dynamic balance");
  count_images(&d);
  return train_program_end(r, b, 0, mark, e);
}

/* A term that runs every k-th update as a program of its own: weight x k, optimizer correction k/(k+1) (Karras et al. 2020). */
static gantry_status build_lazy(train_run *r, const abi_regularizer *g, uint32_t role, err *e) {
  step_programs *s = r->method_state;
  update u;
  ir_id log = 0;
  abi_builder *b = train_program_begin(r, arena_fmt(r->mem, "%s_lazy.%s", role == GANTRY_D ? "d" : "g", g->el.id));
  open_update(&u, r, b, role);
  set_clock_after_d(&u);
  gantry_call made = apply_g(b, r->cfg->batch, GANTRY_NO_STATE_UPDATE);
  ir_id fake = abi_out(b, made, "image");
  u.st.real = u.st.real_seen = abi_t(real_batch(&u, r->cfg->batch));
  u.st.fake = u.st.fake_seen = abi_t(role == GANTRY_D ? stop(b, fake) : fake);
  u.st.g = made;
  ir_id v = call_term(&u, g, &log);
  if (!v && !b->err.code && !b->g->err.code) { /* no term for this network: no program */
    void *names = b->user;
    free(names);
    b->user = NULL;
    abi_builder_free(b);
    return GANTRY_OK;
  }
  train_log(b, g->el.id, log);
  train_trace(r, b, arena_fmt(b->mem, "term/%s", g->el.id), v);
  descend(&u, v ? ir_scale(b->g, v, g->every) : 0, (double)g->every / (g->every + 1.0));
  uint32_t mark = abi_mark(b);
  TRY(train_program_end(r, b, 0, mark, e));
  s->lazies[s->n_lazies++] = (lazy){r->programs.n - 1, g->every, role};
  return GANTRY_OK;
}

/* Averaged copies of what follows G: weights move by 1 - beta, buffers are copied (as StyleGAN2). beta from a half-life in images with
 * ramp-up, or as given per step. */
static gantry_status build_ema(train_run *r, err *e) {
  const cfg_run *c = r->cfg;
  abi_builder *b = train_program_begin(r, "ema");
  gantry_ctx *cx = &b->cx;
  gantry_t beta = gan_const(cx, c->g.ema_decay), images = abi_t(abi_counter_f32(b, "images"));
  if (c->g.ema_half_life.unit) {
    double per_step = (double)(c->batch * c->d_steps), half = per_step * (double)cfg_steps(c, c->g.ema_half_life, r->data->count, r->total_steps);
    gantry_t h = gan_const(cx, half > 1e-8 ? half : 1e-8);
    if (c->g.ema_ramp_up > 0) h = gan_min(cx, h, gan_max(cx, gan_mul_k(cx, images, c->g.ema_ramp_up), gan_const(cx, 1e-8)));
    beta = gan_exp(cx, gan_div(cx, gan_const(cx, log(0.5) * per_step), h));
  }
  uint32_t n = r->world->states.n;
  for (uint32_t k = 0; k < n; k++) {
    abi_state s = r->world->states.p[k];
    if (s.net != GANTRY_G || !strncmp(s.name, "ema/", 4)) continue;
    gantry_t now = abi_t(abi_state_here(b, &s));
    abi_state copy = s;
    copy.name = arena_fmt(b->mem, "ema/%s", s.name);
    gantry_t old = abi_t(abi_state_here(b, &copy));
    abi_bind(b, copy.name, s.role == GANTRY_ROLE_PARAM ? gan_add(cx, now, gan_mul(cx, beta, gan_sub(cx, old, now))).id : now.id);
  }
  return train_program_end(r, b, 0, abi_mark(b), e);
}

/* Declares the states of both networks in a scratch program, so that later programs know every weight however they begin. */
static gantry_status declare(train_run *r, err *e) {
  abi_builder *b = abi_builder_new(r->world, "declare");
  gantry_call g = apply_g(b, r->cfg->batch, 0);
  ir_id image = abi_out(b, g, "image"), expected;
  if (image) {
    expected = data_batch(b, r->data, "train", abi_counter(b, "images"), r->cfg->batch, NULL);
    const ir_node *x = ir_at(b->g, image), *y = ir_at(b->g, expected);
    if (x->rank != y->rank || memcmp(ir_dims(b->g, image), ir_dims(b->g, expected), sizeof(int64_t) * y->rank)) {
      buf t = {0};
      ir_print_shape(b->g, image, &t);
      buf_puts(&t, " but the data is ");
      ir_print_shape(b->g, expected, &t);
      err_set(&b->err, GANTRY_E_CONFIG, "g.arch (%s) makes %s", r->world->nets[0].arch.plugin->name, t.p);
      buf_free(&t);
    }
    apply_d(b, image, 0);
  }
  gantry_status st = abi_builder_status(b, e);
  abi_builder_free(b);
  return st;
}

static gantry_status build(train_run *r, err *e) {
  step_programs *s = r->method_state = ARENA_NEW(r->mem, step_programs);
  const abi_world *w = r->world;
  s->lazies = ARENA_ARRAY(r->mem, lazy, 2 * w->n_regs + 1);
  TRY(declare(r, e));
  if (r->cfg->simultaneous) {
    if (r->cfg->d_steps != 1 || r->cfg->g_steps != 1) return err_set(e, GANTRY_E_CONFIG, "train.updates simultaneous needs d_steps 1 and g_steps 1");
    TRY(build_both(r, e));
    s->d_step = s->g_step = r->programs.n - 1;
  } else {
    TRY(build_d(r, e));
    s->d_step = r->programs.n - 1;
    TRY(build_g(r, e));
    s->g_step = r->programs.n - 1;
  }
  for (uint32_t k = 0; k < w->n_regs; k++)
    for (uint32_t role = GANTRY_G; role <= GANTRY_D; role++)
      if (iface_of(&w->regs[k])->term && w->regs[k].every > 1 && (w->regs[k].of >> role & 1)) TRY(build_lazy(r, &w->regs[k], role, e));
  s->has_ema = r->cfg->g.ema;
  if (s->has_ema) TRY(build_ema(r, e));
  s->ema = r->programs.n - 1;
  return GANTRY_OK;
}

static uint32_t lazy_programs(const step_programs *s, uint32_t net, int64_t update_number, uint32_t *list, uint32_t n) {
  for (uint32_t k = 0; k < s->n_lazies; k++)
    if (s->lazies[k].net == net && update_number % s->lazies[k].every == 0) list[n++] = s->lazies[k].program;
  return n;
}

static uint32_t step(const train_run *r, int64_t k, uint32_t *list, uint32_t cap) {
  const step_programs *s = r->method_state;
  const cfg_run *c = r->cfg;
  uint32_t n = 0, room = 2 * s->n_lazies + 4;
  for (int64_t i = 0; i < c->d_steps && n + room < cap; i++) {
    list[n++] = s->d_step;
    n = lazy_programs(s, GANTRY_D, k * c->d_steps + i, list, n);
  }
  for (int64_t i = 0; i < c->g_steps && n + room < cap; i++) {
    if (!c->simultaneous) list[n++] = s->g_step;
    n = lazy_programs(s, GANTRY_G, k * c->g_steps + i, list, n);
  }
  if (s->has_ema) list[n++] = s->ema;
  return n;
}

const train_method train_method_gan = {"gan", build, step};
