/* frozen_momentum - gradient descent with momentum; built once, see ../README.md. */
#include <gantry/nn.h>
#include <gantry/optim.h>
enum { LR, MOMENTUM };
static const gantry_param params[] = {{.key = "lr", .doc = "learning rate", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_LOG, .def = 0.02, .lo = 0, .hi = 10},
  {.key = "momentum", .doc = "share of the last step that is kept", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL | GANTRY_PF_OPEN_HI, .def = 0.5, .lo = 0, .hi = 1}};
static gantry_status update(gantry_ctx *cx, const gantry_optim_in *in, gantry_t *weight) {
  gantry_t b = gan_add(cx, gan_mul_k(cx, gan_slot_like(cx, "b", in->weight), gan_param_f(cx, MOMENTUM)), in->grad);
  gan_set(cx, "b", b);
  *weight = gan_sub(cx, in->weight, gan_mul(cx, gan_mul_k(cx, gan_param(cx, LR), in->lazy), b));
  return GANTRY_OK;
}
static const gantry_optim iface = {.struct_size = sizeof iface, .update = update};
GANTRY_PLUGIN(GANTRY_KIND_OPTIM, "frozen_momentum", "1.0.0", "momentum of the first release") .params = params, .param_count = 2, .iface = &iface GANTRY_PLUGIN_END
