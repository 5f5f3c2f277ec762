/* gradient_clip_value - every element of a network's gradient clipped to [-limit, limit] before the optimizer, as torch.nn.utils.clip_grad_value_. */
#include <gantry/nn.h>
#include <gantry/regularizer.h>

enum { LIMIT };
static const gantry_param params[] = {
  {.key = "limit", .doc = "largest magnitude of an element of the gradient; the logged d_grad_norm and g_grad_norm are of the clipped gradient", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_LOG | GANTRY_PF_OPEN_LO, .def = 1, .lo = 0, .hi = 1e9}};

static gantry_status gradient(gantry_ctx *cx, const gantry_step *step, gantry_t *grads, uint32_t n) {
  gantry_t limit = gan_param(cx, LIMIT);
  (void)step;
  for (uint32_t k = 0; k < n; k++) grads[k] = gan_max(cx, gan_neg(cx, limit), gan_min(cx, limit, grads[k]));
  return GANTRY_OK;
}

static const gantry_regularizer iface = {.struct_size = sizeof iface, .stage = GANTRY_STAGE_OTHER, .gradient = gradient};
GANTRY_PLUGIN(GANTRY_KIND_REGULARIZER, "gradient_clip_value", "1.0.0", "gradients clipped element by element")
  .paper = "Mikolov 2012, PhD thesis", .params = params, .param_count = 1, .iface = &iface
GANTRY_PLUGIN_END
