/* input_noise - Gaussian noise on everything D sees, real and fake, in D's updates and in G's, whose gradient passes it. `std` is schedulable: a linear
 * schedule to 0 is the decay of the paper. In units of the data's range, which is 2 wide for images in [-1, 1]. */
#include <gantry/nn.h>
#include <gantry/regularizer.h>

enum { STD };
static const gantry_param params[] = {{.key = "std", .doc = "standard deviation of the noise, in the data's units", .type = GANTRY_P_FLOAT, .def = 0.1, .lo = 0, .hi = 100}};

static gantry_status input(gantry_ctx *cx, const gantry_step *step, const gantry_input *in, gantry_t *x) {
  (void)step;
  (void)in;
  *x = gan_add_noise(cx, *x, gan_param(cx, STD));
  return GANTRY_OK;
}

static const gantry_regularizer iface = {.struct_size = sizeof iface, .stage = GANTRY_STAGE_NOISE, .input = input};
GANTRY_PLUGIN(GANTRY_KIND_REGULARIZER, "input_noise", "1.0.0", "Gaussian noise on D's input")
  .paper = "Arjovsky & Bottou 2017, arXiv:1701.04862; Sonderby et al. 2017, arXiv:1610.04490", .params = params, .param_count = 1, .iface = &iface
GANTRY_PLUGIN_END
