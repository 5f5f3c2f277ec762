/* weight_clip - after every update, weights are clipped to [-limit, limit]: the first way to bound a Wasserstein critic. */
#include <gantry/nn.h>
#include <gantry/regularizer.h>

enum { LIMIT };
static const gantry_param params[] = {
  {.key = "limit", .doc = "largest magnitude of a weight", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_LOG | GANTRY_PF_OPEN_LO, .def = 0.01, .lo = 0, .hi = 1e6}};

static gantry_status after(gantry_ctx *cx, const gantry_step *step, const gantry_weight *w, gantry_t *value) {
  gantry_t limit = gan_param(cx, LIMIT);
  (void)step;
  (void)w;
  *value = gan_max(cx, gan_neg(cx, limit), gan_min(cx, limit, *value));
  return GANTRY_OK;
}

static const gantry_regularizer iface = {.struct_size = sizeof iface, .stage = GANTRY_STAGE_OTHER, .flags = GANTRY_REG_BOUNDS_D, .after = after};
GANTRY_PLUGIN(GANTRY_KIND_REGULARIZER, "weight_clip", "1.0.0", "weights clipped after each update")
  .paper = "Arjovsky et al. 2017, arXiv:1701.07875", .params = params, .param_count = 1, .iface = &iface
GANTRY_PLUGIN_END
