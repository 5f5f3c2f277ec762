/* toy.c - the networks and the optimizer that a stage lends to plugins under test: small, smooth (tanh), with every tap there is. They are ordinary
 * plugins written against the SDK; only they live in the host. */
#include <gantry/nn.h>
#include <gantry/optim.h>

#include "check/stage.h"

static const char *const g_inputs[] = {"z:normal", "label:label", NULL}, *const d_inputs[] = {"image", "label:label", NULL};
static const char *const g_taps[] = {"image", "w", NULL}, *const d_taps[] = {"features", "logit", "class", NULL};
static const gantry_net nets[] = {{sizeof(gantry_net), GANTRY_G, "g", g_inputs, g_taps}, {sizeof(gantry_net), GANTRY_D, "d", d_inputs, d_taps}};
enum { Z = 3, HIDDEN = 4 };

static gantry_status input(gantry_ctx *cx, const gantry_build *b, const char *name, int64_t dims[GANTRY_MAX_RANK], uint32_t *rank) {
  (void)cx, (void)b, (void)name;
  dims[0] = Z;
  *rank = 1;
  return GANTRY_OK;
}

static gantry_t with_label(gantry_ctx *cx, const gantry_build *b, const gantry_named *in, uint32_t n, gantry_t x) {
  gantry_t label = gan_arg(in, n, "label");
  return b->classes && label.id ? gan_concat_vector(cx, x, gan_one_hot(cx, label, b->classes)) : x;
}

static gantry_status build(gantry_ctx *cx, const gantry_build *b, const gantry_named *in, uint32_t n) {
  const gan_init normal = {GANTRY_INIT_NORMAL, 0.5};
  if (nets[b->net].role == GANTRY_G) {
    int64_t out = b->data_rank == 3 ? b->size[1] * b->size[2] * b->channels : b->channels;
    gantry_t w = gan_tap(cx, "w", gan_tanh(cx, gan_linear(cx, "map", with_label(cx, b, in, n, gan_arg(in, n, "z")), HIDDEN, 1, normal)));
    gantry_t x = gan_tanh(cx, gan_linear(cx, "out", w, out, 1, normal));
    int64_t d[4] = {gan_dim(cx, x, 0), b->size[1], b->size[2], b->channels};
    gan_tap(cx, "image", b->data_rank == 3 ? gan_reshape(cx, x, 4, d) : x);
    return GANTRY_OK;
  }
  gantry_t x = with_label(cx, b, in, n, gan_flatten(cx, gan_arg(in, n, "image")));
  int64_t rows = gan_dim(cx, x, 0);
  x = gan_tap(cx, "features", gan_tanh(cx, gan_linear(cx, "in", x, HIDDEN, 1, normal)));
  gan_tap(cx, "class", gan_linear(cx, "class", x, b->classes ? b->classes : 2, 1, normal));
  gan_tap(cx, "logit", gan_reshape(cx, gan_linear(cx, "logit", x, 1, 1, normal), 1, &rows));
  return GANTRY_OK;
}

static const gantry_arch arch = {.struct_size = sizeof arch, .nets = nets, .n_nets = 2, .net_stride = sizeof nets[0], .input = input, .build = build};
const gantry_plugin check_toy_arch = {.struct_size = sizeof check_toy_arch, .magic = GANTRY_MAGIC, .kind = GANTRY_KIND_ARCH, .name = "toy", .version = "1", .summary = "the checker's networks", .license = "MIT", .iface = &arch};

static gantry_status update(gantry_ctx *cx, const gantry_optim_in *in, gantry_t *weight) {
  *weight = gan_sub(cx, in->weight, gan_mul_k(cx, in->grad, 0.1 * in->lazy));
  return GANTRY_OK;
}
static const gantry_optim optim = {.struct_size = sizeof optim, .update = update};
const gantry_plugin check_toy_optim = {.struct_size = sizeof check_toy_optim, .magic = GANTRY_MAGIC, .kind = GANTRY_KIND_OPTIM, .name = "toy", .version = "1", .summary = "the checker's optimizer", .license = "MIT", .iface = &optim};
