/* example - steps of one length whatever the gradient's size: the sign of a running mean of gradients (signSGD with momentum, Bernstein et al. 2018,
 * arXiv:1802.04434).
 *
 * An optimizer is one function: from a weight and its gradient to the new weight, built once for every weight. What it remembers are slots, states that
 * are saved and resumed by the host. See <gantry/optim.h>. */
#include <gantry/nn.h>
#include <gantry/optim.h>
#include <math.h>

enum { LR, BETA };
static const gantry_param params[] = {
  {.key = "lr", .doc = "length of a step, per weight", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_LOG, .def = 1e-3, .lo = 0, .hi = 1000},
  {.key = "beta", .doc = "share of the running mean that is kept", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL | GANTRY_PF_OPEN_HI, .def = 0.9, .lo = 0, .hi = 1}};

static gantry_status update(gantry_ctx *cx, const gantry_optim_in *in, gantry_t *weight) {
  /* in->lazy is below 1 where a regularizer runs only every k-th update: beta^lazy and lr * lazy keep the pace the same */
  double beta = pow(gan_param_f(cx, BETA), in->lazy);
  gantry_t mean = gan_add(cx, gan_mul_k(cx, gan_slot_like(cx, "mean", in->weight), beta), gan_mul_k(cx, in->grad, 1 - beta));
  gan_set(cx, "mean", mean); /* the last value set is what the step stores */
  *weight = gan_sub(cx, in->weight, gan_mul(cx, gan_mul_k(cx, gan_param(cx, LR), in->lazy), gan_sign(cx, mean)));
  return GANTRY_OK;
}

static const gantry_optim iface = {.struct_size = sizeof iface, .update = update};
GANTRY_PLUGIN(GANTRY_KIND_OPTIM, "example", "0.1.0", "sign of the gradients' running mean")
  .paper = "Bernstein et al. 2018, arXiv:1802.04434", .params = params, .param_count = sizeof params / sizeof *params, .iface = &iface
GANTRY_PLUGIN_END
