/* mlp - fully connected G and D, for points in the plane and small images. Images are flattened for D and reshaped by G. */
#include <gantry/arch.h>
#include <gantry/nn.h>

enum { WIDTH, DEPTH, Z, NORM, ACT, SLOPE, INIT, OUT_ACT, DROPOUT };
static const char *const norms[] = {GAN_NORM_CHOICES}, *const acts[] = {GAN_ACT_CHOICES}, *const inits[] = {GAN_INIT_CHOICES};
static const char *const out_acts[] = {"auto", "tanh", "sigmoid", "none", NULL};
static const gantry_param params[] = {
  {.key = "width", .doc = "units of each hidden layer", .type = GANTRY_P_INT, .def = 128, .lo = 1, .hi = 65536},
  {.key = "depth", .doc = "hidden layers", .type = GANTRY_P_INT, .def = 3, .lo = 0, .hi = 64},
  {.key = "z", .doc = "dimensions of G's random input", .type = GANTRY_P_INT, .def = 2, .lo = 1, .hi = 65536},
  {.key = "norm", .doc = "normalization after each hidden layer", .type = GANTRY_P_ENUM, .def_str = "none", .choices = norms},
  {.key = "act", .doc = "activation of hidden layers", .type = GANTRY_P_ENUM, .def_str = "relu", .choices = acts},
  {.key = "slope", .doc = "leaky ReLU's slope below zero", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL, .def = 0.2, .lo = 0, .hi = 1},
  {.key = "init", .doc = "first weights", .type = GANTRY_P_ENUM, .def_str = "he", .choices = inits},
  {.key = "out_act", .doc = "activation of G's output; auto: tanh for images, none for vectors", .type = GANTRY_P_ENUM, .def_str = "auto", .choices = out_acts},
  {.key = "dropout", .doc = "share of D's hidden units that are dropped while training", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL | GANTRY_PF_OPEN_HI, .def = 0, .lo = 0, .hi = 1}};

static const char *const g_inputs[] = {"z:normal", NULL}, *const d_inputs[] = {"image", NULL};
static const char *const g_taps[] = {"image", NULL}, *const d_taps[] = {"features", "logit", NULL};
static const gantry_net nets[] = {{sizeof(gantry_net), GANTRY_G, "g", g_inputs, g_taps}, {sizeof(gantry_net), GANTRY_D, "d", d_inputs, d_taps}};

static gantry_status input(gantry_ctx *cx, const gantry_build *b, const char *name, int64_t dims[GANTRY_MAX_RANK], uint32_t *rank) {
  (void)b;
  (void)name;
  dims[0] = gan_param_i(cx, Z);
  *rank = 1;
  return GANTRY_OK;
}

static gantry_t hidden(gantry_ctx *cx, gantry_t x, int eval, double dropout) {
  int64_t norm = gan_param_i(cx, NORM);
  for (int64_t k = 0; k < gan_param_i(cx, DEPTH); k++) {
    gan_open(cx, "hidden", k);
    x = gan_linear(cx, "linear", x, gan_param_i(cx, WIDTH), norm == GAN_NORM_NONE, gan_init_of(gan_param_i(cx, INIT)));
    x = gan_activate(cx, gan_norm(cx, "norm", x, norm, eval), gan_param_i(cx, ACT), gan_param_f(cx, SLOPE));
    x = gan_dropout(cx, x, dropout, eval);
    gan_close(cx);
  }
  return x;
}

static gantry_status build(gantry_ctx *cx, const gantry_build *b, const gantry_named *in, uint32_t n) {
  int eval = (b->flags & GANTRY_EVAL) != 0;
  gan_init init = gan_init_of(gan_param_i(cx, INIT));
  int64_t dims[4] = {0, b->size[1], b->size[2], b->channels};
  if (nets[b->net].role == GANTRY_G) {
    int64_t out = b->data_rank == 3 ? dims[1] * dims[2] * dims[3] : b->channels, act = gan_param_i(cx, OUT_ACT);
    gantry_t x = gan_linear(cx, "out", hidden(cx, gan_arg(in, n, "z"), eval, 0), out, 1, init);
    if (act == 1 || (act == 0 && b->data_rank == 3)) x = gan_tanh(cx, x);
    if (act == 2) x = gan_sigmoid(cx, x);
    dims[0] = gan_dim(cx, x, 0);
    gan_tap(cx, "image", b->data_rank == 3 ? gan_reshape(cx, x, 4, dims) : x);
    return GANTRY_OK;
  }
  gantry_t x = gan_tap(cx, "features", hidden(cx, gan_flatten(cx, gan_arg(in, n, "image")), eval, gan_param_f(cx, DROPOUT)));
  x = gan_linear(cx, "out", x, 1, 1, init);
  dims[0] = gan_dim(cx, x, 0);
  gan_tap(cx, "logit", gan_reshape(cx, x, 1, dims));
  return GANTRY_OK;
}

static const gantry_arch iface = {.struct_size = sizeof iface, .nets = nets, .n_nets = 2, .net_stride = sizeof nets[0], .input = input, .build = build};
static const char *const provides[] = {"g.image", "d.logit", "d.features", NULL};
GANTRY_PLUGIN(GANTRY_KIND_ARCH, "mlp", "1.0.0", "fully connected networks")
  .provides = provides, .params = params, .param_count = 9, .iface = &iface
GANTRY_PLUGIN_END
