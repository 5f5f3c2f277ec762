/* path_length - path length regularization of G (Karras et al. 2020, StyleGAN2, arXiv:1912.04958, section 3.2 and appendix B):
 *
 *   weight * E_z,y (|J_z^T y| - a)^2,   J_z = dG(z)/dz,   y ~ N(0, I / (height * width)),
 *
 * a is a moving average of the lengths |J^T y|: the state "mean", which begins at 0 and moves by `decay` towards each batch's mean before it is used, as in
 * NVIDIA's code. J^T y is the gradient of the sum of G(z) * y to z; the penalty's own gradient is of second order. The latent is z (the paper's is w = f(z)).
 * Lazily, as the paper does it: "every": {"steps": 4}. The host weights a lazy term by the interval. */
#include <gantry/nn.h>
#include <gantry/regularizer.h>
#include <math.h>

enum { WEIGHT, DECAY, SHRINK };
static const gantry_param params[] = {
  {.key = "weight", .doc = "factor of the penalty", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_LOG, .def = 2, .lo = 0, .hi = 1e6},
  {.key = "decay", .doc = "step of the average length towards a batch's mean length (NVIDIA: pl_decay)", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_OPEN_LO, .def = 0.01, .lo = 0, .hi = 1},
  {.key = "shrink", .doc = "the penalty's batch is the update's divided by this (NVIDIA: pl_batch_shrink)", .type = GANTRY_P_INT, .def = 2, .lo = 1, .hi = 1024}};

static gantry_status term(gantry_ctx *cx, const gantry_step *step, gantry_term *out) {
  if (step->net != GANTRY_G) return GANTRY_OK;
  int64_t n = step->batch / gan_param_i(cx, SHRINK), d[GANTRY_MAX_RANK];
  gantry_named in = {"z", cx->host->net->draw(cx, GANTRY_G, "z", n > 1 ? n : 1), 0};
  gantry_t image = gan_out(cx, cx->host->net->apply(cx, GANTRY_G, &in, 1, GANTRY_NO_STATE_UPDATE), "image");

  double pixels = 1; /* [n,H,W,C]: H W; vectors [n,k]: 1 */
  uint32_t rank = gan_shape(cx, image, d);
  for (uint32_t k = 1; k + 1 < rank; k++) pixels *= (double)d[k];
  gantry_t y = gan_mul_k(cx, gan_normal_like(cx, image), 1 / sqrt(pixels));

  gantry_t length = gan_safe_row_norm(cx, gan_grad(cx, gan_sum_all(cx, gan_mul(cx, image, y)), in.t)); /* [n] */
  gantry_t old = gan_state(cx, "mean", GANTRY_ROLE_COUNTER, 0, NULL, 0);
  gantry_t mean = gan_add(cx, old, gan_mul(cx, gan_param(cx, DECAY), gan_sub(cx, gan_stop(cx, gan_mean_all(cx, length)), old)));
  gan_set(cx, "mean", mean);
  out->value = gan_mul(cx, gan_param(cx, WEIGHT), gan_mean_all(cx, gan_square(cx, gan_sub(cx, length, mean))));
  return GANTRY_OK;
}

static const gantry_regularizer iface = {.struct_size = sizeof iface, .stage = GANTRY_STAGE_OTHER, .term = term};
static const char *const needs[] = {"g.image", NULL};
GANTRY_PLUGIN(GANTRY_KIND_REGULARIZER, "path_length", "0.1.0", "G's steps in the image are as long as its steps in z (path length)")
  .paper = "Karras et al. 2020, arXiv:1912.04958", .needs = needs, .params = params, .param_count = sizeof params / sizeof *params, .iface = &iface
GANTRY_PLUGIN_END
