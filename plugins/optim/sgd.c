/* sgd - gradient descent with momentum, as PyTorch's: b = momentum b + g; w -= lr (nesterov ? g + momentum b : b). */
#include <gantry/nn.h>
#include <gantry/optim.h>
#include <math.h>

enum { LR, MOMENTUM, NESTEROV };
static const gantry_param params[] = {
  {.key = "lr", .doc = "learning rate", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_LOG, .def = 0.01, .lo = 0, .hi = 1000},
  {.key = "momentum", .doc = "share of the last step that is kept", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL | GANTRY_PF_OPEN_HI, .def = 0, .lo = 0, .hi = 1},
  {.key = "nesterov", .doc = "look ahead along the momentum", .type = GANTRY_P_BOOL, .def = 0}};

static gantry_status update(gantry_ctx *cx, const gantry_optim_in *in, gantry_t *weight) {
  double momentum = pow(gan_param_f(cx, MOMENTUM), in->lazy);
  gantry_t lr = gan_mul_k(cx, gan_param(cx, LR), in->lazy), step = in->grad;
  if (gan_param_f(cx, MOMENTUM) > 0) {
    gantry_t b = gan_add(cx, gan_mul_k(cx, gan_slot_like(cx, "buffer", in->weight), momentum), in->grad);
    gan_set(cx, "buffer", b);
    step = gan_param_i(cx, NESTEROV) ? gan_add(cx, in->grad, gan_mul_k(cx, b, momentum)) : b;
  }
  *weight = gan_sub(cx, in->weight, gan_mul(cx, lr, step));
  return GANTRY_OK;
}

static const gantry_optim iface = {.struct_size = sizeof iface, .update = update};
GANTRY_PLUGIN(GANTRY_KIND_OPTIM, "sgd", "1.0.0", "gradient descent with momentum")
  .paper = "Sutskever et al. 2013", .params = params, .param_count = 3, .iface = &iface
GANTRY_PLUGIN_END
