/* path_length - G's images are to change by the same length wherever w moves by one: weight E(|J'y| - a)^2, J the derivative of the image to w and y an image of N(0,1) over the
 * square root of its pixels; a is the running average of these lengths, a state. J'y is one gradient, of <image, y>, so the term differentiates G twice.
 *
 * w is the tap "w" of G, [n,w] or [n,layers,w]; with layers a length is the root mean square over them. Set of: ["g"], and every: {"steps": 4} for StyleGAN2's lazy form.
 * Latents are fresh, of batch / batch_shrink samples; G's own states are not moved. As in NVIDIA's code a is the average with this batch in it, and the gradient passes it. */
#include <gantry/nn.h>
#include <gantry/regularizer.h>

enum { WEIGHT, DECAY, BATCH_SHRINK };
static const gantry_param params[] = {
  {.key = "weight", .doc = "weight of the term", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_LOG, .def = 2, .lo = 0, .hi = 1e6},
  {.key = "decay", .doc = "share of each batch's mean length in the running average", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_OPEN_LO, .def = 0.01, .lo = 0, .hi = 1},
  {.key = "batch_shrink", .doc = "the batch is divided by it, for memory and time", .type = GANTRY_P_INT, .def = 2, .lo = 1, .hi = 65536}};

static gantry_status term(gantry_ctx *cx, const gantry_step *step, gantry_term *out) {
  static const int64_t last[1] = {2}, layers[1] = {1};
  if (step->net != GANTRY_G) return GANTRY_OK;
  int64_t n = step->batch / gan_param_i(cx, BATCH_SHRINK), d[GANTRY_MAX_RANK];
  gantry_named z = {"z", cx->host->net->draw(cx, GANTRY_G, "z", n > 0 ? n : 1), 0};
  gantry_call call = cx->host->net->apply(cx, GANTRY_G, &z, 1, GANTRY_NO_STATE_UPDATE);
  gantry_t image = gan_out(cx, call, "image"), w = gan_out(cx, call, "w");
  double pixels = (double)(gan_count(cx, image) / gan_dim(cx, image, 0) / gan_dim(cx, image, -1));
  gantry_t y = gan_mul_k(cx, gan_normal_like(cx, image), 1 / sqrt(pixels));
  gantry_t square = gan_square(cx, gan_grad(cx, gan_sum_all(cx, gan_mul(cx, image, y)), w));
  uint32_t rank = gan_shape(cx, square, d);
  if (rank > 3) return gan_fail(cx, "the tap w must be [n,w] or [n,layers,w]");
  gantry_t length = gan_safe_sqrt(cx, rank == 3 ? gan_mean(cx, gan_sum(cx, square, last, 1), layers, 1) : gan_row_sum(cx, square));
  gantry_t a = gan_state(cx, "mean", GANTRY_ROLE_COUNTER, 0, NULL, 0);
  a = gan_add(cx, a, gan_mul(cx, gan_param(cx, DECAY), gan_sub(cx, gan_mean_all(cx, length), a)));
  gan_set(cx, "mean", a);
  out->value = gan_mul(cx, gan_param(cx, WEIGHT), gan_mean_all(cx, gan_square(cx, gan_sub(cx, length, a))));
  return GANTRY_OK;
}

static const gantry_regularizer iface = {.struct_size = sizeof iface, .stage = GANTRY_STAGE_OTHER, .term = term};
static const char *const needs[] = {"g.w", "g.image", NULL};
GANTRY_PLUGIN(GANTRY_KIND_REGULARIZER, "path_length", "1.0.0", "G's images change evenly with w (path length)")
  .paper = "Karras et al. 2020, arXiv:1912.04958", .needs = needs, .params = params, .param_count = sizeof params / sizeof *params, .iface = &iface
GANTRY_PLUGIN_END
