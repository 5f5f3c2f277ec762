/* balance - holds a network back where it runs ahead: an update whose condition fails leaves every state of its network as it was, the count of
 * updates included. Nothing is decided by the host. What is measured is D's accuracy or its loss in D's updates, as a running mean that is a state; use
 * `of: ["d", "g"]` to hold both networks, `of: "d"`
 * for D alone (G's condition reads what D's updates measured). Lazy terms are updates of their own and go on.
 *
 * by accuracy: D trains while accuracy <= hold_d, G while accuracy >= hold_g.   by loss: D trains while loss >= hold_d, G while loss <= hold_g. */
#define GANTRY_TARGET_MINOR 2
#include <gantry/loss.h>
#include <gantry/nn.h>
#include <gantry/regularizer.h>

enum { BY, HOLD_D, HOLD_G, MEMORY };
static const char *const measures[] = {"accuracy", "loss", NULL};
static const gantry_param params[] = {
  {.key = "by", .doc = "what is measured: D's share of right answers on real and fake together, or its loss without terms", .type = GANTRY_P_ENUM, .def_str = "accuracy", .choices = measures},
  {.key = "hold_d", .doc = "D is held where its accuracy is above, or its loss below this", .type = GANTRY_P_FLOAT, .def = 0.8, .lo = -1e6, .hi = 1e6},
  {.key = "hold_g", .doc = "G is held where D's accuracy is below, or its loss above this", .type = GANTRY_P_FLOAT, .def = 0.5, .lo = -1e6, .hi = 1e6},
  {.key = "memory", .doc = "share of the running mean that is kept at each measurement; 0: the last batch alone", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL | GANTRY_PF_OPEN_HI, .def = 0.9, .lo = 0, .hi = 1}};

static gantry_t measure(gantry_ctx *cx, const gantry_step *step) {
  if (gan_param_i(cx, BY)) return gan_stop(cx, step->loss);
  gantry_t t = gan_const(cx, step->threshold), real = gan_f32(cx, gan_gt(cx, gan_out(cx, step->d_real, "logit"), t)), fake = gan_f32(cx, gan_lt(cx, gan_out(cx, step->d_fake, "logit"), t));
  return gan_mul_k(cx, gan_add(cx, gan_mean_all(cx, real), gan_mean_all(cx, fake)), 0.5);
}

/* The mean of what was measured, corrected for its beginning at 0: sum / weight. */
static gantry_status control(gantry_ctx *cx, const gantry_step *step, gantry_control *out) {
  gantry_t sum = gan_state(cx, "sum", GANTRY_ROLE_COUNTER, 0, NULL, 0), weight = gan_state(cx, "weight", GANTRY_ROLE_COUNTER, 0, NULL, 0);
  int by_loss = gan_param_i(cx, BY) != 0;
  double memory = gan_param_f(cx, MEMORY);
  if (!by_loss && !(step->loss_flags & GANTRY_LOSS_THRESHOLD)) return gan_fail(cx, "this loss has no threshold between real and fake, so D has no accuracy: balance by loss");
  if (step->net == GANTRY_D) {
    sum = gan_add(cx, gan_mul_k(cx, sum, memory), gan_mul_k(cx, measure(cx, step), 1 - memory));
    weight = gan_add_k(cx, gan_mul_k(cx, weight, memory), 1 - memory);
    gan_set(cx, "sum", sum);
    gan_set(cx, "weight", weight);
  }
  gantry_t some = gan_gt(cx, weight, gan_const(cx, 0)), mean = gan_div(cx, sum, gan_where(cx, some, weight, gan_const(cx, 1)));
  gantry_t limit = gan_param(cx, step->net == GANTRY_D ? HOLD_D : HOLD_G);
  out->keep = gan_f32(cx, (step->net == GANTRY_D) != by_loss ? gan_le(cx, mean, limit) : gan_ge(cx, mean, limit));
  if (step->net == GANTRY_D) out->log = mean;
  return GANTRY_OK;
}

static const gantry_regularizer iface = {.struct_size = sizeof iface, .stage = GANTRY_STAGE_LATE, .control = control};
static const char *const needs[] = {"d.logit", NULL};
GANTRY_PLUGIN(GANTRY_KIND_REGULARIZER, "balance", "1.0.0", "a network that runs ahead is held back")
  .paper = "Larsen et al. 2016, arXiv:1512.09300 (equilibrium by D's loss)", .needs = needs, .params = params, .param_count = 4, .iface = &iface
GANTRY_PLUGIN_END
