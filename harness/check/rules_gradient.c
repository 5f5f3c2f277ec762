/* rules_gradient.c - tests of derivatives, and of the constants that a loss declares about itself. */
#include <gantry/loss.h>
#include <gantry/ops.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ad/ad.h"
#include "check/stage.h"
#include "ir/build.h"

/* Multiplications of the reference interpreter in one evaluation that a check is worth. */
static double affordable(const subject *s) { return s->quick ? 3e7 : 3e8; }

/* What is to be differentiated by: the scene's inputs and the trainable weights of its network. */
static uint32_t variables(stage *st, uint32_t scene, ir_id *xs, uint32_t cap) {
  uint32_t n = 0;
  for (uint32_t k = 0; k < st->wrt.n && n < cap; k++) xs[n++] = st->wrt.p[k];
  if (st->el.plugin->kind != GANTRY_KIND_ARCH) return n;
  const gantry_arch *a = st->el.plugin->iface;
  const gantry_net *net = (const gantry_net *)(const void *)((const char *)a->nets + (size_t)(scene / 2) * a->net_stride);
  ir_id w[1024];
  uint32_t m = abi_params(st->b, net->role, w, NULL, 1024);
  for (uint32_t k = 0; k < m && k < 1024 && n < cap; k++) xs[n++] = w[k];
  return n;
}

static int is_features(const stage *st, uint32_t scene) {
  const gantry_arch *a = st->el.plugin->iface;
  return st->el.plugin->kind == GANTRY_KIND_ARCH && ((const gantry_net *)(const void *)((const char *)a->nets + (size_t)(scene / 2) * a->net_stride))->role == GANTRY_FEATURES;
}

enum { MAX_VARIABLES = 1100 };

/* What the plugin gives, or, where a regularizer has no term, the loss that its other hooks act on. Weight transforms stop gradients on purpose. */
static ir_id differentiated(const stage *st, int frozen) {
  ir_id y = stage_find(st, "y");
  return y || !frozen ? y : stage_find(st, "loss");
}

/* Compares at several points; kinks make a few of them worthless. CHECK_PASS, or CHECK_FAIL with the numbers in why. */
static uint32_t compare(subject *s, stage *st, uint32_t scene, int order, int frozen, double tol, double work, char why[300]) {
  static const int seeds = 4;
  ir_id *xs = mem_alloc(sizeof *xs * MAX_VARIABLES), y = differentiated(st, frozen);
  uint32_t n = variables(st, scene, xs, MAX_VARIABLES), good = 0, few = s->quick || work > 3e7, want = few ? 1 : 3, tries = few ? 2 : (uint32_t)seeds;
  err e = {0};
  for (uint32_t k = 0; k < tries && good < want; k++) {
    derivative d = {0};
    int agree = 0;
    for (double h = 1e-5; h > 1e-8 && !agree; h *= 0.01) { /* a smaller step crosses fewer kinks */
      if (check_derivative(st, y, xs, n, order, s->seed + k, frozen, h, &d, &e)) {
        snprintf(why, 300, "%.280s", e.msg);
        free(xs);
        return CHECK_FAIL;
      }
      agree = fabs(d.analytic - d.numeric) <= (h < 1e-6 ? 10 : 1) * tol * fmax(1, fmax(fabs(d.analytic), fabs(d.numeric)));
    }
    if (agree) good++;
    else snprintf(why, 300, "the graph's derivative is %.9g, differences say %.9g (seed %llu)", d.analytic, d.numeric, (unsigned long long)(s->seed + k));
  }
  free(xs);
  return good >= want ? CHECK_PASS : CHECK_FAIL;
}

static uint32_t gradient(subject *s, int order, int frozen, double tol, uint32_t bad, const char *advice) {
  uint32_t worst = CHECK_PASS, checked = 0;
  for (uint32_t k = 0; k < stage_scenes(s); k++) {
    stage *st;
    err e = {0};
    char why[300] = "";
    const stage_options o = {.batch = 2};
    if (s->live->kind == GANTRY_KIND_ARCH && k % 2) continue; /* evaluation is not trained */
    check_doing(s, "%s", stage_scene_name(s, k));
    if (stage_open(s, s->values, k, s->live->kind == GANTRY_KIND_ARCH ? &o : NULL, &st, &e)) { /* not at a batch of 2: at the usual one */
      stage_close(st);
      e = (err){0};
      stage_open(s, s->values, k, NULL, &st, &e);
    }
    ir_id y = differentiated(st, frozen);
    if (!y || !st->wrt.n || e.code || (order == 2 && is_features(st, k))) {
      stage_close(st);
      continue;
    }
    double work = stage_work(st) * (order == 1 ? 4 : 12);
    if (work > affordable(s)) {
      check_say(s, CHECK_SKIP, "%s: about %.0g multiplications on the reference interpreter%s", stage_scene_name(s, k), work, s->quick ? "; without --quick it is done" : "");
      if (worst == CHECK_PASS && !checked) worst = CHECK_SKIP;
    } else {
      checked++;
      if (worst == CHECK_SKIP) worst = CHECK_PASS;
      if (compare(s, st, k, order, frozen, tol, work, why)) {
        worst = check_say(s, bad, "%s: %s%s", stage_scene_name(s, k), why, advice);
        if (bad == CHECK_FAIL) {
          stage_close(st);
          return worst;
        }
      }
    }
    stage_close(st);
  }
  if (worst == CHECK_PASS) s->out->why[0] = 0;
  if (!checked && worst == CHECK_PASS) return check_say(s, CHECK_SKIP, "nothing that it builds is differentiated%s", order == 2 ? " twice" : "");
  return worst;
}

uint32_t check_grad_1(subject *s) { return gradient(s, 1, 1, 1e-5, CHECK_FAIL, ""); }
uint32_t check_grad_2(subject *s) { return gradient(s, 2, 1, 1e-4, CHECK_FAIL, ""); }
uint32_t check_grad_stopped(subject *s) {
  uint32_t bad = s->live->kind == GANTRY_KIND_LOSS ? CHECK_FAIL : CHECK_WARN;
  return gradient(s, 1, 0, 1e-5, bad, ": part of what the value depends on is hidden from the gradient by gan_stop() or an operation without derivative");
}

/* ---- what must learn ---- */

static int is_zero(const ir_graph *g, ir_id id) {
  while (ir_at(g, id)->op == GANTRY_OP_BROADCAST || ir_at(g, id)->op == GANTRY_OP_RESHAPE) id = ir_in(g, id, 0);
  uint32_t n;
  if (ir_at(g, id)->op != GANTRY_OP_CONST) return 0;
  ir_attr_iv(g, id, GANTRY_A_VALUE, &n);
  for (uint32_t k = 0; k < n; k++)
    if (ir_attr_f(g, id, GANTRY_A_VALUE, k, 0) != 0) return 0;
  return 1;
}

static const char *name_of(const ir_graph *g, ir_id id) { return ir_name(g, (uint32_t)ir_attr_i(g, id, GANTRY_A_NAME, 0)); }

/* The sum of all outputs that may carry a gradient. */
static ir_id everything(stage *st) {
  ir_graph *g = st->b->g;
  ir_id sum = 0;
  for (uint32_t k = 0; k < st->outs.n; k++) {
    ir_id id = st->outs.p[k].id;
    if (!id || ir_at(g, id)->dtype != GANTRY_F32) continue;
    ir_id part = ir_sum_all(g, id);
    sum = sum ? ir_add(g, sum, part) : part;
  }
  return sum;
}

static uint32_t reaches(subject *s, stage *st, uint32_t scene, ir_id y, const ir_id *xs, uint32_t n, buf *unused) {
  ir_graph *g = st->b->g;
  ir_id *d = mem_alloc(sizeof *d * (n + 1));
  uint32_t verdict = CHECK_PASS;
  if (ad_grad(g, y, 0, xs, n, d)) verdict = check_say(s, CHECK_FAIL, "%s: %s", stage_scene_name(s, scene), g->err.msg);
  for (uint32_t k = 0; k < n && verdict != CHECK_FAIL; k++) {
    if (!ir_depends(g, y, xs[k])) buf_printf(unused, "%s%s", unused->n ? ", " : "", name_of(g, xs[k]));
    else if (is_zero(g, d[k]))
      verdict = check_say(s, CHECK_FAIL, "%s depends on \"%s\", but no gradient reaches it: every way passes gan_stop() or an operation without derivative", stage_scene_name(s, scene), name_of(g, xs[k]));
  }
  free(d);
  return verdict;
}

static int none_used(const stage *st, ir_id y, const ir_id *xs, uint32_t n) {
  for (uint32_t k = 0; k < n; k++)
    if (ir_depends(st->b->g, y, xs[k])) return 0;
  return 1;
}

uint32_t check_grad_reaches(subject *s) {
  buf unused = {0};
  uint32_t verdict = CHECK_PASS, warned = 0;
  for (uint32_t k = 0; k < stage_scenes(s) && verdict != CHECK_FAIL; k++) {
    stage *st;
    err e = {0};
    warned |= verdict == CHECK_WARN;
    if (s->live->kind == GANTRY_KIND_ARCH && k % 2) continue;
    if (stage_open(s, s->values, k, NULL, &st, &e)) {
      stage_close(st);
      continue;
    }
    ir_id *xs = mem_alloc(sizeof *xs * MAX_VARIABLES), y = stage_find(st, "y"), seen = stage_find(st, "seen");
    uint32_t n = variables(st, k, xs, MAX_VARIABLES);
    if (s->live->kind == GANTRY_KIND_ARCH) y = everything(st);
    if (y && n) {
      unused.n = 0;
      verdict = reaches(s, st, k, y, xs, n, &unused);
      if (verdict == CHECK_PASS && unused.n && s->live->kind == GANTRY_KIND_LOSS) verdict = check_say(s, CHECK_FAIL, "%s does not depend on %s", stage_scene_name(s, k), unused.p);
      if (verdict == CHECK_PASS && unused.n && s->live->kind == GANTRY_KIND_REGULARIZER && none_used(st, y, xs, n))
        verdict = check_say(s, CHECK_WARN, "%s: no weight of that network enters the term, so it changes nothing there: return where step->net is not yours", stage_scene_name(s, k));
      if (verdict == CHECK_PASS && unused.n && s->live->kind == GANTRY_KIND_ARCH) verdict = check_say(s, CHECK_WARN, "%s: nothing depends on %s", stage_scene_name(s, k), unused.p);
    }
    if (s->live->kind == GANTRY_KIND_REGULARIZER && k == 1 && seen && verdict != CHECK_FAIL) { /* G learns through D's view of its images */
      ir_id z = ir_leaf(st->b->g, GANTRY_OP_INPUT, "x/z", GANTRY_F32, 2, (const int64_t[]){st->o.batch, 3});
      unused.n = 0;
      warned |= verdict == CHECK_WARN;
      verdict = reaches(s, st, k, ir_sum_all(st->b->g, seen), &z, 1, &unused);
    }
    free(xs);
    stage_close(st);
  }
  buf_free(&unused);
  return warned && verdict == CHECK_PASS ? CHECK_WARN : verdict;
}

/* ---- losses ---- */

static gantry_status loss_at(subject *s, uint32_t scene, const double *real, const double *fake, int targets, double *loss, double grads[8], err *e) {
  const gantry_loss *l = s->live->iface;
  stage *st;
  gantry_status status = stage_open(s, s->values, scene, NULL, &st, e);
  double *out[3] = {NULL}, plain[2] = {l->target_real, l->target_fake};
  const double *values[4] = {real, fake, &plain[0], &plain[1]};
  const stage_out given[4] = {{"x/logit_real", 0}, {"x/logit_fake", 1}, {"x/target_real", 2}, {"x/target_fake", 3}};
  point p = {.st = st, .seed = s->seed, .given = given, .values = values, .n_given = targets ? 4 : 2};
  ir_id want[3] = {stage_find(st, "y"), 0, 0}, d[2] = {0};
  if (!status && !(status = ad_grad(st->b->g, want[0], 0, st->wrt.p, st->wrt.n, d))) {
    want[1] = d[0];
    want[2] = d[1];
    status = ir_eval(st->b->g, want, 1 + st->wrt.n, check_bind_point, &p, out, e);
  }
  if (!status) {
    *loss = out[0][0];
    for (uint32_t k = 0; k < 2; k++)
      for (int64_t j = 0; j < 4; j++) grads[4 * k + (uint32_t)j] = k < st->wrt.n ? out[1 + k][j] : 0;
  }
  for (int k = 0; k < 3; k++) free(out[k]);
  stage_close(st);
  return status;
}

uint32_t check_loss_chance(subject *s) {
  const gantry_loss *l = s->live->iface;
  gantry_loss_constants c;
  err e = {0};
  stage *st = stage_bare(s);
  gantry_status asked = abi_loss_constants(st->b, &st->el, &c);
  if (asked) abi_builder_status(st->b, &e);
  stage_close(st);
  if (asked) return check_say(s, CHECK_FAIL, "%s", e.msg);
  for (uint32_t scene = 0; scene < 2; scene++) {
    double t = l->flags & GANTRY_LOSS_THRESHOLD ? c.threshold : 0, at[4] = {t, t, t, t}, loss, grads[8], said = scene ? c.chance_g : c.chance_d;
    if (loss_at(s, scene, at, at, 1, &loss, grads, &e)) return check_say(s, CHECK_FAIL, "%s", e.msg);
    if (!(fabs(loss - said) <= 1e-5 * fmax(1, fabs(said))))
      return check_say(s, CHECK_FAIL, "%s declares %s = %.9g, but with every logit at %g it is %.9g: monitors and lint read the declared number; where it follows from parameters, say so in constants()", s->live->name, scene ? "chance_g" : "chance_d", said, t, loss);
  }
  return CHECK_PASS;
}

uint32_t check_loss_finite(subject *s) {
  static const double points[][2] = {{0, 0}, {1e4, -1e4}, {-1e4, 1e4}, {1e4, 1e4}, {-1e4, -1e4}, {1e-30, -1e-30}};
  for (uint32_t scene = 0; scene < 2; scene++)
    for (size_t k = 0; k < sizeof points / sizeof *points; k++) {
      double real[4], fake[4], loss, grads[8];
      err e = {0};
      for (int j = 0; j < 4; j++) real[j] = points[k][0], fake[j] = points[k][1];
      if (loss_at(s, scene, real, fake, 0, &loss, grads, &e)) return check_say(s, CHECK_FAIL, "%s", e.msg);
      int fine = isfinite(loss);
      for (int j = 0; j < 8; j++) fine &= isfinite(grads[j]);
      if (!fine) return check_say(s, CHECK_FAIL, "%s is %g with %s at logits of %g (real) and %g (fake): use gan_softplus and its like, which do not overflow", stage_scene_name(s, scene), loss, isfinite(loss) ? "a gradient that is not finite" : "its gradient", points[k][0], points[k][1]);
    }
  return CHECK_PASS;
}
