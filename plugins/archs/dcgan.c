/* dcgan - the convolutional GAN of Radford et al., for square images of base * 2^k pixels, base 4 to 7: 28 = 7 * 4, 32 = 4 * 8, 64 = 4 * 16.
 *
 * Its rules are parameters with the rule as default: strided convolutions up and down, norm everywhere but on G's output and D's input,
 * no hidden fully connected layers, ReLU in G, leaky ReLU in D, tanh on the output, weights from N(0, 0.02). */
#include <gantry/arch.h>
#include <gantry/nn.h>

enum { SIZE, WIDTH, Z, NORM, ACT, SLOPE, INIT, UP, DOWN, OUT_ACT, DROPOUT, NORM_EDGES };
static const char *const norms[] = {GAN_NORM_CHOICES}, *const inits[] = {GAN_INIT_CHOICES};
static const char *const acts[] = {"auto", GAN_ACT_CHOICES};
static const char *const ups[] = {"strided", "nearest", NULL}, *const downs[] = {"strided", "pool", NULL}, *const out_acts[] = {"tanh", "sigmoid", "none", NULL};
static const gantry_param params[] = {
  {.key = "size", .doc = "height and width of the images; 0 = the data's", .unit = "pixels", .type = GANTRY_P_INT, .def = 0, .lo = 0, .hi = 1024},
  {.key = "width", .doc = "channels next to the image; doubled at every halving of the size", .type = GANTRY_P_INT, .def = 64, .lo = 1, .hi = 4096},
  {.key = "z", .doc = "dimensions of G's random input", .type = GANTRY_P_INT, .def = 100, .lo = 1, .hi = 65536},
  {.key = "norm", .doc = "normalization of hidden layers", .type = GANTRY_P_ENUM, .def_str = "batch", .choices = norms},
  {.key = "act", .doc = "activation of hidden layers; auto: relu in G, leaky_relu in D", .type = GANTRY_P_ENUM, .def_str = "auto", .choices = acts},
  {.key = "slope", .doc = "leaky ReLU's slope below zero", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL, .def = 0.2, .lo = 0, .hi = 1},
  {.key = "init", .doc = "first weights; normal has standard deviation 0.02", .type = GANTRY_P_ENUM, .def_str = "normal", .choices = inits},
  {.key = "up", .doc = "how G doubles the size: strided transposed convolution, or nearest neighbour and a convolution", .type = GANTRY_P_ENUM, .def_str = "strided", .choices = ups},
  {.key = "down", .doc = "how D halves the size: strided convolution, or a convolution and average pooling", .type = GANTRY_P_ENUM, .def_str = "strided", .choices = downs},
  {.key = "out_act", .doc = "activation of G's output", .type = GANTRY_P_ENUM, .def_str = "tanh", .choices = out_acts},
  {.key = "dropout", .doc = "share of D's hidden values that are dropped while training", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL | GANTRY_PF_OPEN_HI, .def = 0, .lo = 0, .hi = 1},
  {.key = "norm_edges", .doc = "normalize G's output and D's input layer too, which DCGAN's rules forbid", .type = GANTRY_P_BOOL, .def = 0}};

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

/* Number of halvings from size down to a base of 4 to 7 pixels; 0 if there is none. */
static int64_t halvings(int64_t size) {
  int64_t k = 0;
  while (size > 7 && size % 2 == 0) size /= 2, k++;
  return size >= 4 && size <= 7 ? k : 0;
}

static gantry_t activate(gantry_ctx *cx, gantry_t x, int64_t otherwise) {
  int64_t act = gan_param_i(cx, ACT);
  return gan_activate(cx, x, act ? act - 1 : otherwise, gan_param_f(cx, SLOPE));
}

static gantry_t upward(gantry_ctx *cx, const char *name, gantry_t x, int64_t out, int bias) {
  gan_init init = gan_init_of(gan_param_i(cx, INIT));
  int64_t size = 2 * gan_dim(cx, x, 1);
  if (gan_param_i(cx, UP)) return gan_conv_layer(cx, name, gan_upsample_nearest(cx, x, 2), out, 3, 1, 1, bias, init);
  return gan_conv_transposed_layer(cx, name, x, out, 4, 2, 1, size, bias, init);
}

static gantry_t downward(gantry_ctx *cx, const char *name, gantry_t x, int64_t out, int bias) {
  gan_init init = gan_init_of(gan_param_i(cx, INIT));
  if (gan_param_i(cx, DOWN)) return gan_average_pool(cx, gan_conv_layer(cx, name, x, out, 3, 1, 1, bias, init), 2);
  return gan_conv_layer(cx, name, x, out, 4, 2, 1, bias, init);
}

static void build_g(gantry_ctx *cx, const gantry_build *b, gantry_t z, int64_t size) {
  int64_t k = halvings(size), base = size >> k, norm = gan_param_i(cx, NORM), out = gan_param_i(cx, OUT_ACT), edges = gan_param_i(cx, NORM_EDGES);
  int64_t width = gan_param_i(cx, WIDTH), channels = width << (k - 1), d[4] = {gan_dim(cx, z, 0), base, base, channels};
  int eval = (b->flags & GANTRY_EVAL) != 0, bias = norm == GAN_NORM_NONE;
  gantry_t x = gan_reshape(cx, gan_linear(cx, "project", z, base * base * channels, bias, gan_init_of(gan_param_i(cx, INIT))), 4, d);
  x = activate(cx, gan_norm(cx, "project_norm", x, norm, eval), GAN_ACT_RELU);
  for (int64_t j = 1; j < k; j++) {
    gan_open(cx, "up", base << j);
    x = upward(cx, "conv", x, channels >> j, bias);
    x = activate(cx, gan_norm(cx, "norm", x, norm, eval), GAN_ACT_RELU);
    gan_close(cx);
  }
  x = upward(cx, "image", x, b->channels, 1);
  if (edges) x = gan_norm(cx, "image_norm", x, norm, eval);
  gan_tap(cx, "image", out == 0 ? gan_tanh(cx, x) : out == 1 ? gan_sigmoid(cx, x) : x);
}

static void build_d(gantry_ctx *cx, const gantry_build *b, gantry_t x, int64_t size) {
  int64_t k = halvings(size), norm = gan_param_i(cx, NORM), edges = gan_param_i(cx, NORM_EDGES);
  int eval = (b->flags & GANTRY_EVAL) != 0;
  for (int64_t j = 0; j < k; j++) {
    int64_t here = j || edges ? norm : GAN_NORM_NONE;
    gan_open(cx, "down", size >> (j + 1));
    x = downward(cx, "conv", x, gan_param_i(cx, WIDTH) << j, here == GAN_NORM_NONE);
    x = activate(cx, gan_norm(cx, "norm", x, here, eval), GAN_ACT_LEAKY_RELU);
    x = gan_dropout(cx, x, gan_param_f(cx, DROPOUT), eval);
    gan_close(cx);
  }
  x = gan_tap(cx, "features", gan_flatten(cx, x));
  int64_t n = gan_dim(cx, x, 0);
  x = gan_linear(cx, "logit", x, 1, 1, gan_init_of(gan_param_i(cx, INIT)));
  gan_tap(cx, "logit", gan_reshape(cx, x, 1, &n));
}

static gantry_status build(gantry_ctx *cx, const gantry_build *b, const gantry_named *in, uint32_t n) {
  int64_t size = gan_param_i(cx, SIZE) ? gan_param_i(cx, SIZE) : b->size[1];
  if (b->data_rank != 3) return gan_fail(cx, "dcgan makes images: choose another arch (mlp) for vector data, or another data set");
  if (size != b->size[1] || size != b->size[2]) return gan_fail(cx, "the data's images are not of this arch's size: set arch.size to theirs, or leave it out (images must be square)");
  if (!halvings(size)) return gan_fail(cx, "the image size must be 4, 5, 6 or 7 times a power of two from 2 on, such as 28, 32, 48 or 64");
  if (nets[b->net].role == GANTRY_G)
    build_g(cx, b, gan_arg(in, n, "z"), size);
  else
    build_d(cx, b, gan_arg(in, n, "image"), size);
  return GANTRY_OK;
}

static const gantry_arch iface = {.struct_size = sizeof iface, .nets = nets, .n_nets = 2, .net_stride = sizeof nets[0], .input = input, .build = build};
static const char *const provides[] = {"g.image", "d.logit", "d.features", NULL};
GANTRY_PLUGIN(GANTRY_KIND_ARCH, "dcgan", "1.0.0", "strided convolutional networks for square images")
  .paper = "Radford et al. 2016, arXiv:1511.06434", .provides = provides, .params = params, .param_count = 12, .iface = &iface
GANTRY_PLUGIN_END
