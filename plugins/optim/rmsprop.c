/* rmsprop - steps divided by a running root mean square of gradients, as PyTorch's: w -= lr g / (sqrt(v) + eps), momentum optional. */
#include <gantry/nn.h>
#include <gantry/optim.h>
#include <math.h>

enum { LR, DECAY, EPS, MOMENTUM };
static const gantry_param params[] = {
  {.key = "lr", .doc = "learning rate", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_LOG, .def = 5e-5, .lo = 0, .hi = 10},
  {.key = "decay", .doc = "decay of the mean of squared gradients (alpha)", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL | GANTRY_PF_OPEN_HI, .def = 0.99, .lo = 0, .hi = 1},
  {.key = "eps", .doc = "added to the root", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL | GANTRY_PF_LOG, .def = 1e-8, .lo = 0, .hi = 1},
  {.key = "momentum", .doc = "momentum of the scaled gradient", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL | GANTRY_PF_OPEN_HI, .def = 0, .lo = 0, .hi = 1}};

static gantry_status update(gantry_ctx *cx, const gantry_optim_in *in, gantry_t *weight) {
  double decay = pow(gan_param_f(cx, DECAY), in->lazy), momentum = gan_param_f(cx, MOMENTUM);
  gantry_t lr = gan_mul_k(cx, gan_param(cx, LR), in->lazy);
  gantry_t v = gan_add(cx, gan_mul_k(cx, gan_slot_like(cx, "v", in->weight), decay), gan_mul_k(cx, gan_square(cx, in->grad), 1 - decay));
  gan_set(cx, "v", v);
  gantry_t root = GANTRY_HAS(in, flags) && in->flags & GANTRY_OPTIM_DIFFERENTIATED ? gan_safe_sqrt(cx, v) : gan_sqrt(cx, v);
  gantry_t step = gan_div(cx, in->grad, gan_add_k(cx, root, gan_param_f(cx, EPS)));
  if (momentum > 0) {
    step = gan_add(cx, gan_mul_k(cx, gan_slot_like(cx, "buffer", in->weight), pow(momentum, in->lazy)), step);
    gan_set(cx, "buffer", step);
  }
  *weight = gan_sub(cx, in->weight, gan_mul(cx, lr, step));
  return GANTRY_OK;
}

static const gantry_optim iface = {.struct_size = sizeof iface, .update = update};
GANTRY_PLUGIN(GANTRY_KIND_OPTIM, "rmsprop", "1.0.0", "RMSProp")
  .paper = "Tieleman & Hinton 2012, lecture 6.5", .params = params, .param_count = 4, .iface = &iface
GANTRY_PLUGIN_END
