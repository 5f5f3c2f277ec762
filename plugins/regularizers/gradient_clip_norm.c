/* gradient_clip_norm - a network's gradient, over all its weights together, scaled down to the norm `limit` where it is longer, before the optimizer:
 * times min(1, limit / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_. With `of: ["g", "d"]` each network by its own norm. */
#include <gantry/nn.h>
#include <gantry/regularizer.h>

enum { LIMIT };
static const gantry_param params[] = {
  {.key = "limit", .doc = "largest Euclidean norm of a network's gradient; the logged d_grad_norm and g_grad_norm are what is left, so they stay at it while it acts", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_LOG | GANTRY_PF_OPEN_LO, .def = 1, .lo = 0, .hi = 1e9}};

static gantry_status gradient(gantry_ctx *cx, const gantry_step *step, gantry_t *grads, uint32_t n) {
  gantry_t square = gan_const(cx, 0);
  (void)step;
  for (uint32_t k = 0; k < n; k++) square = gan_add(cx, square, gan_sum_all(cx, gan_square(cx, grads[k])));
  gantry_t scale = gan_min(cx, gan_const(cx, 1), gan_div(cx, gan_param(cx, LIMIT), gan_add_k(cx, gan_sqrt(cx, square), 1e-6)));
  for (uint32_t k = 0; k < n; k++) grads[k] = gan_mul(cx, grads[k], scale);
  return GANTRY_OK;
}

static const gantry_regularizer iface = {.struct_size = sizeof iface, .stage = GANTRY_STAGE_LATE, .gradient = gradient};
GANTRY_PLUGIN(GANTRY_KIND_REGULARIZER, "gradient_clip_norm", "1.0.0", "gradients scaled down to a norm")
  .paper = "Pascanu et al. 2013, arXiv:1211.5063", .params = params, .param_count = 1, .iface = &iface
GANTRY_PLUGIN_END
