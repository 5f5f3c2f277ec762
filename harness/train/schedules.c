/* schedules.c - multipliers of leaves as graphs over the images counter: nothing is uploaded and no host decision is needed.
 *
 * The step is clock / (batch * d_steps), rounded down; a program sets the builder's clock to a count of images within its step.
 * With p = the share of the way from `start` to `end`: linear 1 + (to - 1) p; cosine to + (1 - to)(1 + cos(pi p)) / 2; exponential to^p;
 * step factor^floor((step - start) / every); constant 1. Warm-up multiplies by min(1, (step + 1) / warmup). */
#include <gantry/ops.h>
#include <math.h>

#include "ir/build.h"
#include "train/train.h"

static gantry_t clamp01(gantry_ctx *cx, gantry_t x) { return gan_max(cx, gan_const(cx, 0), gan_min(cx, gan_const(cx, 1), x)); }

static gantry_t current_step(abi_builder *b, const cfg_run *c) {
  gantry_ctx *cx = &b->cx;
  gantry_t images = abi_t(b->clock ? b->clock : abi_counter(b, "images"));
  return gan_f32(cx, gan_div(cx, images, gan_full_as(cx, GANTRY_I64, 0, NULL, (double)(c->batch * c->d_steps))));
}

static gantry_t factor(train_run *r, abi_builder *b, const cfg_schedule *s) {
  gantry_ctx *cx = &b->cx;
  const cfg_run *c = r->cfg;
  int64_t start = s->start.unit ? cfg_steps(c, s->start, r->data->count, r->total_steps) : 0;
  int64_t end = s->end.unit && s->end.unit != CFG_END ? cfg_steps(c, s->end, r->data->count, r->total_steps) : r->total_steps;
  gantry_t step = current_step(b, c), since = gan_add_k(cx, step, -(double)start), out = gan_const(cx, 1);
  gantry_t p = clamp01(cx, gan_mul_k(cx, since, 1.0 / (double)(end > start ? end - start : 1)));
  if (!strcmp(s->shape, "linear"))
    out = gan_add_k(cx, gan_mul_k(cx, p, s->to - 1), 1);
  else if (!strcmp(s->shape, "cosine"))
    out = gan_add_k(cx, gan_mul_k(cx, gan_add_k(cx, gan_cos(cx, gan_mul_k(cx, p, 3.141592653589793)), 1), (1 - s->to) / 2), s->to);
  else if (!strcmp(s->shape, "exponential"))
    out = gan_exp(cx, gan_mul_k(cx, p, log(s->to)));
  else if (!strcmp(s->shape, "step")) {
    int64_t every = s->every.unit ? cfg_steps(c, s->every, r->data->count, r->total_steps) : 1;
    gantry_t times = gan_floor(cx, gan_max(cx, gan_const(cx, 0), gan_mul_k(cx, gan_add_k(cx, since, 0.5), 1.0 / (double)every))); /* half a step: 41 times the f32 next to 1/41 is below 1 */
    out = gan_exp(cx, gan_mul_k(cx, times, log(s->factor)));
  }
  if (s->warmup.unit) {
    int64_t warmup = cfg_steps(c, s->warmup, r->data->count, r->total_steps);
    out = gan_mul(cx, out, gan_min(cx, gan_const(cx, 1), gan_mul_k(cx, gan_add_k(cx, step, 1), 1.0 / (double)warmup)));
  }
  return out;
}

ir_id train_schedule(void *run, abi_builder *b, const char *leaf) {
  train_run *r = run;
  gantry_t product = {0};
  for (uint32_t k = 0; k < r->cfg->n_schedules; k++)
    for (const char *const *of = r->cfg->schedules[k].of; of && *of; of++) {
      if (strcmp(*of, leaf)) continue;
      gantry_t f = factor(r, b, &r->cfg->schedules[k]);
      product = product.id ? gan_mul(&b->cx, product, f) : f;
    }
  return product.id;
}
