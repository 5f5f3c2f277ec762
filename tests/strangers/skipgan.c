/* skipgan - the light networks of FastGAN (Liu, Zhu, Song & Elgammal 2021, arXiv:2101.04775) for square images of any size that is 4, 5, 6 or 7 times a
 * power of two (at least 8): G with skip-layer excitation and gated linear units, D with two-path downsampling.
 *
 * G: z -> linear -> base x base, then blocks that double the size: nearest neighbour, 3 x 3 convolution, noise, norm, gate. Skip-layer excitation: the map
 * that is `span` blocks back is pooled to base x base, shrunk to a vector by a base x base convolution, activated, and by a 1 x 1 convolution and a sigmoid
 * becomes one factor in (0, 1) for each channel of the map here (paper, section 3.1; they take 16 times the size, span 4, on 256 and more pixels).
 * D: 3 x 3 stem, then blocks that halve it: the mean of (4 x 4 strided convolution, 3 x 3 convolution) and (2 x 2 mean, 1 x 1 convolution).
 *
 * Left out: the decoder of D that reconstructs real images (a loss of its own), the second logit on small crops, spectral norm (a regularizer here). */
#include <gantry/arch.h>
#include <gantry/nn.h>

enum { GATE = GAN_P_STYLE_END, SPAN, NOISE };
static const char *const gates[] = {"glu", "act", NULL};
static const gantry_param params[] = {
  GAN_STYLE_ROWS("channels of the largest map; doubled for each halving, at most 8 times that", 16, 64, "batch", "auto", "orthogonal", "auto"),
  {.key = "gate", .doc = "G's nonlinearity. glu: half of the channels times the sigmoid of the other half (Dauphin et al. 2017; FastGAN); act: the parameter act", .type = GANTRY_P_ENUM, .def_str = "glu", .choices = gates},
  {.key = "span", .doc = "blocks between the two ends of a skip-layer excitation (Liu et al. 2021: 4), 0 = no skips", .type = GANTRY_P_INT, .def = 2, .lo = 0, .hi = 8},
  {.key = "noise", .doc = "G: noise behind each convolution, of learned strength that begins at 0 (Karras et al. 2019)", .type = GANTRY_P_BOOL, .def = 1}};

static const char *const g_inputs[] = {"z:normal", "label:label", NULL}, *const d_inputs[] = {"image", "label:label", NULL};
static const char *const g_taps[] = {"image", NULL}, *const d_taps[] = {"features", "logit", "class", NULL};
static const gantry_net nets[] = {{sizeof(gantry_net), GANTRY_G, "g", g_inputs, g_taps}, {sizeof(gantry_net), GANTRY_D, "d", d_inputs, d_taps}};

static gantry_status input(gantry_ctx *cx, const gantry_build *b, const char *name, int64_t dims[GANTRY_MAX_RANK], uint32_t *rank) {
  (void)b;
  (void)name;
  dims[0] = gan_param_i(cx, GAN_P_Z);
  *rank = 1;
  return GANTRY_OK;
}

/* Size of the smallest map, and in *blocks how often it doubles; 0 if this is not a size for these networks. */
static int64_t base_of(const gantry_build *b, int *blocks) {
  int64_t base = b->size[1];
  *blocks = 0;
  if (b->data_rank != 3 || b->size[1] != b->size[2]) return 0;
  for (; base % 2 == 0 && base >= 8; base /= 2) ++*blocks;
  return *blocks && base >= 4 && base < 8 ? base : 0;
}
/* Channels of the map with `halvings` halvings. */
static int64_t channels(const gan_style *s, int halvings) { return s->width << (halvings < 3 ? halvings : 3); }

/* Convolution, noise, norm, gate. */
static gantry_t g_conv(gantry_ctx *cx, const gan_style *s, const char *name, gantry_t x, int64_t out) {
  int glu = gan_param_i(cx, GATE) == 0;
  int64_t d[GANTRY_MAX_RANK];
  gan_open(cx, name, -1);
  x = gan_conv_layer(cx, "conv", gan_style_join(cx, s, "embed", x, 0), glu ? 2 * out : out, 3, 1, 1, s->norm.kind == GAN_NORM_NONE, s->init);
  if (gan_param_i(cx, NOISE) && gan_shape(cx, x, d) == 4) {
    d[3] = 1;
    x = gan_add(cx, x, gan_mul(cx, gan_state(cx, "noise", GANTRY_ROLE_PARAM, 0, NULL, 0), gan_normal(cx, 4, d)));
  }
  x = gan_style_norm(cx, s, "norm", x);
  x = glu ? gan_mul(cx, gan_slice_axis(cx, x, -1, 0, out, 1), gan_sigmoid(cx, gan_slice_axis(cx, x, -1, out, 2 * out, 1))) : gan_style_act(cx, s, x);
  gan_close(cx);
  return gan_dropout(cx, x, s->dropout, s->eval);
}

/* x times what the small map says of each channel. */
static gantry_t excite(gantry_ctx *cx, const gan_style *s, int64_t block, gantry_t small, gantry_t x, int64_t base) {
  int64_t out = gan_dim(cx, x, -1);
  gan_open(cx, "excite", block);
  gantry_t e = gan_average_pool(cx, small, gan_dim(cx, small, 1) / base);
  e = gan_style_act(cx, s, gan_conv_layer(cx, "squeeze", e, out, base, 1, 0, 1, s->init)); /* [n,1,1,c] */
  e = gan_sigmoid(cx, gan_conv_layer(cx, "factor", e, out, 1, 1, 0, 1, s->init));
  gan_close(cx);
  return gan_mul(cx, x, e);
}

static void build_g(gantry_ctx *cx, const gantry_build *b, const gan_style *s, gantry_t z, int64_t base, int blocks) {
  int64_t span = gan_param_i(cx, SPAN), first[4];
  gantry_t map[64];
  gantry_t x = gan_style_join(cx, s, "embed", gan_style_reference(cx, s, z, "z"), 1);
  x = gan_linear(cx, "first", x, base * base * channels(s, blocks), 1, s->init);
  first[0] = gan_dim(cx, x, 0); first[1] = first[2] = base; first[3] = channels(s, blocks);
  x = map[0] = g_conv(cx, s, "start", gan_reshape(cx, x, 4, first), first[3]);
  for (int k = 1; k <= blocks; k++) {
    gan_open(cx, "up", k);
    x = g_conv(cx, s, "block", gan_upsample_nearest(cx, x, 2), channels(s, blocks - k));
    if (span && k >= span) x = excite(cx, s, k, map[k - span], x, base);
    gan_close(cx);
    map[k] = x;
  }
  x = gan_style_samples(cx, s, gan_conv_layer(cx, "out", x, b->channels, 3, 1, 1, 1, s->init));
  gan_tap(cx, "image", gan_style_out(cx, s, x));
}

/* Convolution, norm, activation. */
static gantry_t d_conv(gantry_ctx *cx, const gan_style *s, const char *name, gantry_t x, int64_t out, int64_t kernel, int64_t stride, int norm) {
  norm = norm && s->norm.kind != GAN_NORM_NONE;
  gan_open(cx, name, -1);
  x = gan_conv_layer(cx, "conv", x, out, kernel, stride, kernel > 1, !norm, s->init);
  if (norm) x = gan_style_norm(cx, s, "norm", x);
  gan_close(cx);
  return gan_style_act(cx, s, x);
}

static void build_d(gantry_ctx *cx, const gan_style *s, gantry_t image, int blocks) {
  gantry_t x = gan_style_join(cx, s, "embed", gan_style_reference(cx, s, image, "image"), 1);
  x = d_conv(cx, s, "stem", x, channels(s, 0), 3, 1, 0);
  for (int k = 1; k <= blocks; k++) {
    int64_t out = channels(s, k);
    gan_open(cx, "down", k);
    x = gan_style_join(cx, s, "embed", x, 0);
    gantry_t main = d_conv(cx, s, "b", d_conv(cx, s, "a", x, out, 4, 2, 1), out, 3, 1, 1), side = d_conv(cx, s, "side", gan_average_pool(cx, x, 2), out, 1, 1, 1);
    x = gan_dropout(cx, gan_mul_k(cx, gan_add(cx, main, side), 0.5), s->dropout, s->eval);
    gan_close(cx);
  }
  x = gan_flatten(cx, gan_style_minibatch_std(cx, s, gan_style_samples(cx, s, x)));
  gan_style_head(cx, s, "out", x);
}

static gantry_status build(gantry_ctx *cx, const gantry_build *b, const gantry_named *in, uint32_t n) {
  int blocks;
  int64_t base = base_of(b, &blocks);
  if (!base) return gan_fail(cx, "skipgan makes square images whose size is 4, 5, 6 or 7 times a power of two and at least 8 (8, 10, 12, 14, 16, ... 28, 32, ... 64): choose such data, or an arch like mlp");
  gan_style s = gan_style_open(cx, b, nets[b->net].role, in, n);
  if (s.is_g)
    build_g(cx, b, &s, gan_arg(in, n, "z"), base, blocks);
  else
    build_d(cx, &s, gan_arg(in, n, "image"), blocks);
  return GANTRY_OK;
}

static const gantry_arch iface = {.struct_size = sizeof iface, .nets = nets, .n_nets = 2, .net_stride = sizeof nets[0], .input = input, .build = build};
static const char *const provides[] = {"g.image", "d.logit", "d.features", "d.class", NULL};
GANTRY_PLUGIN(GANTRY_KIND_ARCH, "skipgan", "0.1.0", "light networks with skip-layer excitation (FastGAN)")
  .paper = "Liu et al. 2021, arXiv:2101.04775", .provides = provides, .params = params, .param_count = sizeof params / sizeof *params, .iface = &iface
GANTRY_PLUGIN_END
