/* method_gan.c - the programs of a GAN step and their order. With gan_update.c the only place that knows G and D.
 *
 * Alternating (the default): "d_step" on fresh data and fresh z, d_steps times; after every k-th of them the programs of D's lazy terms; then
 * "g_step" on fresh z, g_steps times, and G's lazy terms; then "ema". Simultaneous: one program "dg_step" in which both losses see the
 * weights of before. Each program is one graph: data, networks, loss, terms, gradients, optimizer, counters, log.
 * With train.accumulate = k an update is its program k times, on fresh parts of the batch, gradients adding up in states, and then
 * "<program>_apply": optimizer on their mean. */
#include <gantry/ops.h>
#include <math.h>
#include <stdlib.h>

#include "train/gan.h"

typedef struct step_update { uint32_t grad, apply, every, net; uint8_t has_apply; } step_update; /* one update: programs, and how often */
typedef struct step_programs {
  step_update d, g;
  uint32_t ema;
  uint8_t has_ema;
  step_update *lazies;
  uint32_t n_lazies;
} step_programs;

static void set_clock_after_d(train_update *u) {
  abi_builder *b = u->b;
  b->clock = ir_sub(b->g, abi_counter(b, "images"), ir_const(b->g, GANTRY_I64, 1));
}

/* The second part of an update whose first part, program `grad`, added gradients up. */
static gantry_status build_apply(train_run *r, step_update *s, err *e) {
  train_update u;
  const char *grad = r->programs.p[s->grad].name;
  if (r->cfg->accumulate == 1) return GANTRY_OK;
  abi_builder *b = train_program_begin(r, arena_fmt(r->mem, "%s_apply", grad));
  train_update_open(&u, r, b, s->net);
  set_clock_after_d(&u);
  u.is_lazy = s->every > 1;
  if (!u.is_lazy) train_log_rate(&u, s->net == GANTRY_D ? "lr_d" : "lr_g");
  train_descend_sums(&u, grad);
  uint32_t mark = abi_mark(b);
  ir_id keep = train_kept(&u, grad);
  TRY(train_program_end(r, b, keep, mark, e));
  s->apply = r->programs.n - 1;
  s->has_apply = 1;
  return GANTRY_OK;
}

static gantry_status build_d(train_run *r, step_update *s, err *e) {
  train_update u;
  abi_builder *b = train_program_begin(r, "d_step");
  train_update_open(&u, r, b, GANTRY_D);
  train_labels(&u, 0);
  ir_id real = train_real(&u, 0);
  u.st.g = train_apply_g(b, u.batch, 0);
  ir_id fake = train_detached(b, abi_out(b, u.st.g, "image"));
  train_trace(r, b, "fake", fake);
  ir_id loss = train_loss_d(&u, real, fake);
  if (r->cfg->accumulate == 1) train_log_rate(&u, "lr_d");
  train_descend(&u, loss);
  uint32_t mark = abi_mark(b);
  ir_id keep = train_control(&u);
  train_count_images(&u);
  TRY(train_program_end(r, b, keep, mark, e));
  *s = (step_update){.grad = r->programs.n - 1, .every = 1, .net = GANTRY_D};
  return build_apply(r, s, e);
}

static gantry_status build_g(train_run *r, step_update *s, err *e) {
  train_update u;
  abi_builder *b = train_program_begin(r, "g_step");
  train_update_open(&u, r, b, GANTRY_G);
  set_clock_after_d(&u);
  ir_id back = train_back(&u);
  train_labels(&u, back);
  gantry_call g = train_apply_g(b, u.batch, 0);
  ir_id loss = g.id ? train_loss_g(&u, g, back) : 0;
  if (r->cfg->accumulate == 1) train_log_rate(&u, "lr_g");
  train_descend(&u, loss);
  uint32_t mark = abi_mark(b);
  ir_id keep = train_control(&u);
  TRY(train_program_end(r, b, keep, mark, e));
  *s = (step_update){.grad = r->programs.n - 1, .every = 1, .net = GANTRY_G};
  return build_apply(r, s, e);
}

static gantry_status build_both(train_run *r, step_update *s, err *e) {
  train_update d, g;
  abi_builder *b = train_program_begin(r, "dg_step");
  train_update_open(&d, r, b, GANTRY_D);
  train_update_open(&g, r, b, GANTRY_G);
  train_labels(&d, 0);
  g.st.label_real = g.st.label_fake = d.st.label_real;
  ir_id real = train_real(&d, 0);
  gantry_call made = train_apply_g(b, d.batch, 0);
  ir_id fake = abi_out(b, made, "image");
  d.st.g = made;
  train_trace(r, b, "fake", fake);
  ir_id loss_d = train_loss_d(&d, real, train_detached(b, fake)), loss_g = made.id ? train_loss_g(&g, made, 0) : 0;
  train_log_rate(&d, "lr_d");
  train_log_rate(&g, "lr_g");
  train_descend(&d, loss_d);
  train_descend(&g, loss_g);
  uint32_t mark = abi_mark(b);
  ir_id keep_d = train_control(&d), keep_g = train_control(&g);
  if (keep_d || keep_g) err_set(&b->err, GANTRY_E_CONFIG, "train.updates simultaneous cannot hold back one of the two networks: use alternating updates with dynamic balance");
  train_count_images(&d);
  TRY(train_program_end(r, b, 0, mark, e));
  *s = (step_update){.grad = r->programs.n - 1, .every = 1, .net = GANTRY_D};
  return GANTRY_OK;
}

/* How much less every update of a network moves because its lazy terms add updates: one term each k updates makes k+1 of k, so c = k/(k+1) for all of them, and the learning rates
 * of k updates add up to what they were (Karras et al. 2020, appendix B); several terms: c = 1 / (1 + sum of 1/k). */
static double lazy_correction(const train_run *r, uint32_t role) {
  double more = 0;
  for (uint32_t k = 0; k < r->world->n_regs; k++) {
    const abi_regularizer *g = &r->world->regs[k];
    if (train_hooks(g)->term && g->every > 1 && (g->of >> role & 1)) more += 1.0 / g->every;
  }
  return more > 0 ? 1 / (1 + more) : 0;
}

/* A term that runs every k-th update as a program of its own, with weight x k. */
static gantry_status build_lazy(train_run *r, const abi_regularizer *g, uint32_t role, err *e) {
  step_programs *s = r->method_state;
  train_update u;
  ir_id log = 0;
  abi_builder *b = train_program_begin(r, arena_fmt(r->mem, "%s_lazy.%s", role == GANTRY_D ? "d" : "g", g->el.id));
  train_update_open(&u, r, b, role);
  u.is_lazy = 1;
  set_clock_after_d(&u);
  ir_id back = train_back(&u);
  train_labels(&u, back);
  gantry_call made = train_apply_g(b, u.batch, GANTRY_NO_STATE_UPDATE);
  ir_id fake = abi_out(b, made, "image");
  u.st.real = abi_t(train_real(&u, back));
  u.st.fake = abi_t(role == GANTRY_D ? train_detached(b, fake) : fake);
  u.st.real_seen = abi_t(train_seen(&u, u.st.real.id, 1));
  u.st.fake_seen = abi_t(train_seen(&u, u.st.fake.id, 0));
  u.st.g = made;
  ir_id v = train_term(&u, g, &log);
  if (!v && !b->err.code && !b->g->err.code) { /* a correction for updates that never come would only slow the others down */
    const char *here = role == GANTRY_D ? "d" : "g", *other = role == GANTRY_D ? "g" : "d";
    err_set(&b->err, GANTRY_E_CONFIG, "regularizers.%s: has no term for %s that could run every %u updates: set \"of\": [\"%s\"] if it is meant for %s, or leave out \"every\"", g->el.id, here, g->every, other, other);
  }
  train_log(b, train_term_name(&u, g), log);
  train_trace(r, b, arena_fmt(b->mem, "term/%s", train_term_name(&u, g)), v);
  train_descend(&u, v ? ir_scale(b->g, v, g->every) : 0);
  uint32_t mark = abi_mark(b);
  TRY(train_program_end(r, b, 0, mark, e));
  step_update *lazy = &s->lazies[s->n_lazies++];
  *lazy = (step_update){.grad = r->programs.n - 1, .every = g->every, .net = role};
  return build_apply(r, lazy, e);
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

/* Declares the states of both networks in a scratch program, so that later programs know every weight however they begin, and finds out which
 * networks listen to labels. */
static gantry_status declare(train_run *r, err *e) {
  abi_builder *b = abi_builder_new(r->world, "declare");
  abi_net *d = abi_world_net(r->world, GANTRY_D);
  int64_t n = train_batch(r->cfg);
  if (r->data->labels) b->labels = ir_leaf(b->g, GANTRY_OP_INPUT, "declare/labels", GANTRY_I32, 1, &n);
  gantry_call g = train_apply_g(b, n, 0), call = {0};
  ir_id image = abi_out(b, g, "image"), expected;
  if (image) {
    expected = data_batch(b, r->data, "train", abi_counter(b, "images"), n, NULL);
    const ir_node *x = ir_at(b->g, image), *y = ir_at(b->g, expected);
    if (x->rank != y->rank || memcmp(ir_dims(b->g, image), ir_dims(b->g, expected), sizeof(int64_t) * y->rank)) {
      buf t = {0};
      ir_print_shape(b->g, image, &t);
      buf_puts(&t, " but the data is ");
      ir_print_shape(b->g, expected, &t);
      err_set(&b->err, GANTRY_E_CONFIG, "g.arch (%s) makes %s", r->world->nets[0].arch.plugin->name, t.p);
      buf_free(&t);
    }
    call = train_apply_d(b, expected, 0);
  }
  if (b->labels) {
    abi_world_net(r->world, GANTRY_G)->uses_label = (uint8_t)ir_depends(b->g, image, b->labels);
    d->uses_label = 0;
    static const char *const taps[] = {"logit", "class"};
    for (int k = 0; k < 2; k++)
      if (abi_has_tap(b, call, taps[k])) d->uses_label |= (uint8_t)ir_depends(b->g, abi_out(b, call, taps[k]), b->labels);
    if (d->uses_label && d->pack > 1) err_set(&b->err, GANTRY_E_CONFIG, "d.pack joins images of several classes to one: a D with d.arch.condition cannot be packed");
  }
  gantry_status st = abi_builder_status(b, e);
  abi_builder_free(b);
  return st;
}

/* A regularizer that is on and made nothing in any program would look like one that helps nobody: it acts on D where "of" says nothing, and is perhaps meant for G. */
static gantry_status find_idle(const train_run *r, err *e) {
  for (uint32_t k = 0; k < r->world->n_regs; k++) {
    const abi_regularizer *g = &r->world->regs[k];
    const gantry_regularizer *h = train_hooks(g);
    uint32_t on_g = g->of >> GANTRY_G & 1, on_d = g->of >> GANTRY_D & 1;
    if (g->every > 1 && !h->term) return err_set(e, GANTRY_E_CONFIG, "%s.every: only terms can run every %u updates, and %s has none: leave \"every\" out", g->el.path, g->every, g->el.plugin->name);
    if (r->contributes[k] || h->lookahead || h->gradient || h->after) continue;
    return err_set(e, GANTRY_E_CONFIG, "%s (%s) does nothing for %s: its %s%s%s%s%s%smade nothing in any program%s", g->el.path, g->el.plugin->name, on_g && on_d ? "g and d" : on_g ? "g" : "d", h->weight ? "weight " : "",
                   h->input ? "input " : "", h->target ? "target " : "", h->term ? "term " : "", h->control ? "control " : "", h->weight || h->input || h->target || h->term || h->control ? "hook " : "",
                   on_g && on_d ? "; leave it out" : on_g ? "; if it is meant for d, leave \"of\" out or set it to [\"d\"]" : "; it acts on d where \"of\" says nothing: if it is meant for g, set \"of\": [\"g\"]");
  }
  return GANTRY_OK;
}

static gantry_status build(train_run *r, err *e) {
  step_programs *s = r->method_state = ARENA_NEW(r->mem, step_programs);
  const abi_world *w = r->world;
  const cfg_run *c = r->cfg;
  s->lazies = ARENA_ARRAY(r->mem, step_update, 2 * w->n_regs + 1);
  r->contributes = ARENA_ARRAY(r->mem, uint8_t, w->n_regs + 1);
  r->world->loss = train_loss_for_plugins;
  for (uint32_t k = 0; k < w->n_nets; k++) w->nets[k].lazy = lazy_correction(r, w->nets[k].role);
  TRY(declare(r, e));
  if (c->simultaneous)
    TRY(build_both(r, &s->d, e));
  else {
    TRY(build_d(r, &s->d, e));
    TRY(build_g(r, &s->g, e));
  }
  for (uint32_t k = 0; k < w->n_regs; k++)
    for (uint32_t role = GANTRY_G; role <= GANTRY_D; role++)
      if (train_hooks(&w->regs[k])->term && w->regs[k].every > 1 && (w->regs[k].of >> role & 1)) TRY(build_lazy(r, &w->regs[k], role, e));
  TRY(find_idle(r, e));
  s->has_ema = c->g.ema;
  if (s->has_ema) TRY(build_ema(r, e));
  s->ema = r->programs.n - 1;
  r->most_programs = (uint32_t)((c->d_steps + c->g_steps) * (c->accumulate + 1) * (1 + s->n_lazies) + 1);
  return GANTRY_OK;
}

static uint32_t run_update(const train_run *r, const step_update *s, uint32_t *list, uint32_t n) {
  for (int64_t k = 0; k < r->cfg->accumulate; k++) list[n++] = s->grad;
  if (s->has_apply) list[n++] = s->apply;
  return n;
}

static uint32_t run_lazies(const train_run *r, uint32_t net, int64_t update_number, uint32_t *list, uint32_t n) {
  const step_programs *s = r->method_state;
  for (uint32_t k = 0; k < s->n_lazies; k++)
    if (s->lazies[k].net == net && update_number % s->lazies[k].every == 0) n = run_update(r, &s->lazies[k], list, n);
  return n;
}

static uint32_t step(const train_run *r, int64_t k, uint32_t *list) {
  const step_programs *s = r->method_state;
  const cfg_run *c = r->cfg;
  uint32_t n = 0;
  for (int64_t i = 0; i < c->d_steps; i++) {
    n = run_update(r, &s->d, list, n);
    n = run_lazies(r, GANTRY_D, k * c->d_steps + i, list, n);
  }
  for (int64_t i = 0; i < c->g_steps; i++) {
    if (!c->simultaneous) n = run_update(r, &s->g, list, n);
    n = run_lazies(r, GANTRY_G, k * c->g_steps + i, list, n);
  }
  if (s->has_ema) list[n++] = s->ema;
  return n;
}

const train_method train_method_gan = {"gan", build, step};
