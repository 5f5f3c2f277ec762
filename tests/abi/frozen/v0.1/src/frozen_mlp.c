/* frozen_mlp - two small fully connected networks, batch norm in G; built once, see ../README.md. */
#include <gantry/arch.h>
#include <gantry/nn.h>
enum { WIDTH, Z, ACT };
static const char *const acts[] = {"tanh", "relu", NULL};
static const gantry_param params[] = {
  {.key = "width", .doc = "units of the hidden layers", .type = GANTRY_P_INT, .def = 16, .lo = 1, .hi = 4096},
  {.key = "z", .doc = "dimensions of the random input", .type = GANTRY_P_INT, .def = 4, .lo = 1, .hi = 4096},
  {.key = "act", .doc = "activation", .type = GANTRY_P_ENUM, .def_str = "tanh", .choices = acts}};
static const char *const g_inputs[] = {"z:normal", NULL}, *const d_inputs[] = {"image", NULL}, *const g_taps[] = {"image", NULL}, *const d_taps[] = {"features", "logit", NULL};
static const gantry_net nets[] = {{sizeof(gantry_net), GANTRY_G, "g", g_inputs, g_taps}, {sizeof(gantry_net), GANTRY_D, "d", d_inputs, d_taps}};
static gantry_status input(gantry_ctx *cx, const gantry_build *b, const char *name, int64_t dims[GANTRY_MAX_RANK], uint32_t *rank) {
  (void)b, (void)name;
  dims[0] = gan_param_i(cx, Z);
  *rank = 1;
  return GANTRY_OK;
}
static gantry_t act(gantry_ctx *cx, gantry_t x) { return gan_param_i(cx, ACT) ? gan_relu(cx, x) : gan_tanh(cx, x); }
static gantry_status build(gantry_ctx *cx, const gantry_build *b, const gantry_named *in, uint32_t n) {
  gan_init init = {GANTRY_INIT_XAVIER, 1};
  int64_t width = gan_param_i(cx, WIDTH), image[4] = {0, b->size[1], b->size[2], b->channels};
  if (nets[b->net].role == GANTRY_G) {
    int64_t out = b->data_rank == 3 ? image[1] * image[2] * image[3] : b->channels;
    gantry_t x = gan_linear(cx, "hidden", gan_arg(in, n, "z"), width, 0, init);
    x = gan_linear(cx, "out", act(cx, gan_plain_norm(cx, "norm", x, GAN_NORM_BATCH, (b->flags & GANTRY_EVAL) != 0)), out, 1, init);
    image[0] = gan_dim(cx, x, 0);
    gan_tap(cx, "image", b->data_rank == 3 ? gan_tanh(cx, gan_reshape(cx, x, 4, image)) : x);
    return GANTRY_OK;
  }
  gantry_t x = gan_tap(cx, "features", act(cx, gan_linear(cx, "hidden", gan_flatten(cx, gan_arg(in, n, "image")), width, 1, init)));
  int64_t rows = gan_dim(cx, x, 0);
  gan_tap(cx, "logit", gan_reshape(cx, gan_linear(cx, "out", x, 1, 1, init), 1, &rows));
  return GANTRY_OK;
}
static const gantry_arch iface = {.struct_size = sizeof iface, .nets = nets, .n_nets = 2, .net_stride = sizeof nets[0], .input = input, .build = build};
static const char *const provides[] = {"g.image", "d.logit", "d.features", NULL};
GANTRY_PLUGIN(GANTRY_KIND_ARCH, "frozen_mlp", "1.0.0", "networks of the first release") .provides = provides, .params = params, .param_count = 3, .iface = &iface GANTRY_PLUGIN_END
