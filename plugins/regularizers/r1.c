/* r1 - gamma/2 times the squared gradient norm of D on real samples, before augmentation. With `every: {"steps": k}` it becomes a program of
 * its own each k-th update, weighted by k (lazy regularization). */
#include <gantry/nn.h>
#include <gantry/regularizer.h>

enum { GAMMA };
static const gantry_param params[] = {
  {.key = "gamma", .doc = "weight; the term is gamma/2 E|grad D(x)|^2", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_LOG, .def = 10, .lo = 0, .hi = 1e6}};

static gantry_status term(gantry_ctx *cx, const gantry_step *step, gantry_term *out) {
  if (step->net != GANTRY_D) return GANTRY_OK;
  gantry_call call = step->d_real;
  gantry_t x = step->real;
  if (!call.id) { /* lazy: a program of its own, where D has not been applied yet */
    gantry_named in = {"image", x, 0};
    call = cx->host->net->apply(cx, GANTRY_D, &in, 1, GANTRY_NO_STATE_UPDATE);
  }
  gantry_t g = gan_grad(cx, gan_sum_all(cx, gan_out(cx, call, "logit")), x);
  out->value = gan_mul(cx, gan_mul_k(cx, gan_param(cx, GAMMA), 0.5), gan_mean_all(cx, gan_row_sum(cx, gan_square(cx, g))));
  return GANTRY_OK;
}

static const gantry_regularizer iface = {.struct_size = sizeof iface, .stage = GANTRY_STAGE_OTHER, .flags = GANTRY_REG_BOUNDS_D, .term = term};
static const char *const needs[] = {"d.logit", NULL};
GANTRY_PLUGIN(GANTRY_KIND_REGULARIZER, "r1", "1.0.0", "gradient penalty on real samples")
  .paper = "Mescheder et al. 2018, arXiv:1801.04406", .needs = needs, .params = params, .param_count = 1, .iface = &iface
GANTRY_PLUGIN_END
