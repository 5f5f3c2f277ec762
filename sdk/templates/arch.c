/* example - two hidden layers each for G and D, for points in the plane and small images.
 *
 * An architecture describes networks: what they take ("z:normal": the host draws it; "image"), what they offer (taps), and how one application is built.
 * build() is called once for every application; weights are states shared by name, so two applications are one network. See <gantry/arch.h>. */
#include <gantry/arch.h>
#include <gantry/nn.h>

enum { WIDTH, Z };
static const gantry_param params[] = {
  {.key = "width", .doc = "units of each hidden layer", .type = GANTRY_P_INT, .def = 64, .lo = 1, .hi = 65536},
  {.key = "z", .doc = "length of the latent vector", .type = GANTRY_P_INT, .def = 16, .lo = 1, .hi = 65536}};

static const char *const g_inputs[] = {"z:normal", NULL}, *const d_inputs[] = {"image", NULL};
static const char *const g_taps[] = {"image", NULL}, *const d_taps[] = {"features", "logit", NULL};
static const gantry_net nets[] = {{sizeof(gantry_net), GANTRY_G, "g", g_inputs, g_taps}, {sizeof(gantry_net), GANTRY_D, "d", d_inputs, d_taps}};

/* The shape of one sample of a random input. */
static gantry_status input(gantry_ctx *cx, const gantry_build *b, const char *name, int64_t dims[GANTRY_MAX_RANK], uint32_t *rank) {
  (void)b;
  (void)name; /* there is only z */
  dims[0] = gan_param_i(cx, Z);
  *rank = 1;
  return GANTRY_OK;
}

static gantry_t hidden(gantry_ctx *cx, gantry_t x) {
  gan_init he = {GANTRY_INIT_HE, 1};
  for (int64_t k = 0; k < 2; k++) {
    gan_open(cx, "hidden", k); /* weights are named "g/hidden0/linear/weight" and so on */
    x = gan_leaky_relu(cx, gan_linear(cx, "linear", x, gan_param_i(cx, WIDTH), 1, he), 0.2);
    gan_close(cx);
  }
  return x;
}

static gantry_status build(gantry_ctx *cx, const gantry_build *b, const gantry_named *in, uint32_t n) {
  gan_init xavier = {GANTRY_INIT_XAVIER, 1};
  if (nets[b->net].role == GANTRY_G) {
    int64_t dims[4] = {b->batch, b->size[1], b->size[2], b->channels}, values = b->data_rank == 3 ? dims[1] * dims[2] * dims[3] : b->channels;
    gantry_t x = gan_linear(cx, "out", hidden(cx, gan_arg(in, n, "z")), values, 1, xavier);
    gan_tap(cx, "image", b->data_rank == 3 ? gan_tanh(cx, gan_reshape(cx, x, 4, dims)) : x); /* images lie in [-1, 1], points anywhere */
    return GANTRY_OK;
  }
  gantry_t x = gan_tap(cx, "features", hidden(cx, gan_flatten(cx, gan_arg(in, n, "image"))));
  int64_t rows = gan_dim(cx, x, 0);
  gan_tap(cx, "logit", gan_reshape(cx, gan_linear(cx, "out", x, 1, 1, xavier), 1, &rows)); /* one number per sample, no sigmoid: losses take logits */
  return GANTRY_OK;
}

static const gantry_arch iface = {.struct_size = sizeof iface, .nets = nets, .n_nets = 2, .net_stride = sizeof nets[0], .input = input, .build = build};
static const char *const provides[] = {"g.image", "d.logit", "d.features", NULL};
GANTRY_PLUGIN(GANTRY_KIND_ARCH, "example", "0.1.0", "two hidden layers for G and for D")
  .provides = provides, .params = params, .param_count = sizeof params / sizeof *params, .iface = &iface
GANTRY_PLUGIN_END
