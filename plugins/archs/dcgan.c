/* dcgan - the convolutional GAN of Radford et al., for square images of base * 2^k pixels, base 4 to 7: 28 = 7 * 4, 32 = 4 * 8, 64 = 4 * 16.
 *
 * Its rules are parameters with the rule as default: strided convolutions up and down, norm everywhere but on G's output and D's input,
 * no hidden fully connected layers, ReLU in G, leaky ReLU in D, tanh on the output, weights from N(0, 0.02). */
#include <gantry/nn.h>

enum { NORM_EDGES = GAN_P_IMAGE_END, DENSE };
static const char *const ups[] = {"strided", "nearest", "fir", NULL}, *const downs[] = {"strided", "pool", "fir", NULL};
static const gantry_param params[] = {
  GAN_STYLE_ROWS("channels next to the image; doubled at every halving of the size", 64, 100, "batch", "auto", "normal", "tanh"),
  GAN_IMAGE_ROWS(ups, "strided", downs, "strided"),
  {.key = "norm_edges", .doc = "normalize G's output and D's input layer too, which DCGAN's rules forbid", .type = GANTRY_P_BOOL, .def = 0},
  {.key = "dense", .doc = "units of a hidden fully connected layer behind G's z and before D's logit (InfoGAN: 1024), which DCGAN's rules forbid; 0 = none", .type = GANTRY_P_INT, .def = 0, .lo = 0, .hi = 65536}};

static const char *const g_inputs[] = {"z:normal", "label:label", NULL}, *const d_inputs[] = {"image", "label:label", NULL};
static const char *const g_taps[] = {"image", NULL}, *const d_taps[] = {"features", "logit", "class", NULL};
static const gantry_net nets[] = {{sizeof(gantry_net), GANTRY_G, "g", g_inputs, g_taps}, {sizeof(gantry_net), GANTRY_D, "d", d_inputs, d_taps}};

static gantry_t upward(gantry_ctx *cx, const char *name, gantry_t x, int64_t out, int bias, gan_init init) {
  int64_t size = 2 * gan_dim(cx, x, 1), how = gan_param_i(cx, GAN_P_UP);
  if (how) return gan_conv_layer(cx, name, how == 1 ? gan_upsample_nearest(cx, x, 2) : gan_fir_resample(cx, x, gan_fir_1331_, 4, 2, 1), out, 3, 1, 1, bias, init);
  return gan_conv_transposed_layer(cx, name, x, out, 4, 2, 1, size, bias, init);
}

static gantry_t downward(gantry_ctx *cx, const char *name, gantry_t x, int64_t out, int bias, gan_init init) {
  int64_t how = gan_param_i(cx, GAN_P_DOWN);
  if (!how) return gan_conv_layer(cx, name, x, out, 4, 2, 1, bias, init);
  x = gan_conv_layer(cx, name, x, out, 3, 1, 1, bias, init);
  return how == 1 ? gan_average_pool(cx, x, 2) : gan_fir_resample(cx, x, gan_fir_1331_, 4, 1, 2);
}

/* Norm, activation, dropout behind a layer. */
static gantry_t hidden(gantry_ctx *cx, const gan_style *s, const char *norm, gantry_t x) {
  return gan_dropout(cx, gan_style_act(cx, s, gan_style_norm(cx, s, norm, x)), s->dropout, s->eval);
}

static gantry_t attend(gantry_ctx *cx, const gan_style *s, gantry_t x) { return gan_dim(cx, x, 1) == gan_param_i(cx, GAN_P_ATTENTION_AT) ? gan_self_attention(cx, "attention", x, s->init) : x; }

static void build_g(gantry_ctx *cx, const gantry_build *b, const gan_style *s, gantry_t z, int64_t size) {
  int64_t k = gan_style_halvings(size), base = size >> k, channels = s->width << (k - 1), d[4] = {0, base, base, channels};
  int bias = s->norm.kind == GAN_NORM_NONE;
  gantry_t x = gan_style_join(cx, s, "label", gan_style_reference(cx, s, z, "z"), 1);
  if (gan_param_i(cx, DENSE)) x = hidden(cx, s, "dense_norm", gan_linear(cx, "dense", x, gan_param_i(cx, DENSE), bias, s->init));
  d[0] = gan_dim(cx, x, 0);
  x = attend(cx, s, hidden(cx, s, "project_norm", gan_reshape(cx, gan_linear(cx, "project", x, base * base * channels, bias, s->init), 4, d)));
  for (int64_t j = 1; j < k; j++) {
    gan_open(cx, "up", base << j);
    x = attend(cx, s, hidden(cx, s, "norm", upward(cx, "conv", gan_style_join(cx, s, "label", x, 0), channels >> j, bias, s->init)));
    gan_close(cx);
  }
  x = upward(cx, "image", gan_style_join(cx, s, "image_label", x, 0), b->channels, 1, s->init);
  if (gan_param_i(cx, NORM_EDGES)) x = gan_style_norm(cx, s, "image_norm", x);
  gan_tap(cx, "image", gan_style_out(cx, s, gan_style_samples(cx, s, x)));
}

static void build_d(gantry_ctx *cx, const gan_style *s, gantry_t x, int64_t size) {
  int64_t k = gan_style_halvings(size);
  gan_style bare = *s;
  bare.norm.kind = GAN_NORM_NONE;
  x = gan_style_reference(cx, s, x, "image");
  for (int64_t j = 0; j < k; j++) {
    const gan_style *here = j || gan_param_i(cx, NORM_EDGES) ? s : &bare;
    gan_open(cx, "down", size >> (j + 1));
    x = gan_style_join(cx, s, "label", x, j == 0);
    x = attend(cx, s, hidden(cx, here, "norm", downward(cx, "conv", x, s->width << j, here->norm.kind == GAN_NORM_NONE, s->init)));
    gan_close(cx);
  }
  int dense = gan_param_i(cx, DENSE) > 0;
  if (dense) x = hidden(cx, s, "dense_norm", gan_linear(cx, "dense", gan_flatten(cx, x), gan_param_i(cx, DENSE), s->norm.kind == GAN_NORM_NONE, s->init));
  gan_style_head(cx, s, "logit", gan_flatten(cx, gan_style_minibatch_std(cx, s, gan_style_samples(cx, s, x))));
}

static gantry_status build(gantry_ctx *cx, const gantry_build *b, const gantry_named *in, uint32_t n) {
  int64_t size = gan_style_image_size(cx, b);
  if (!size) return GANTRY_E_INVALID;
  int64_t at = gan_param_i(cx, GAN_P_ATTENTION_AT), base = size >> gan_style_halvings(size);
  if (at && (at >= size || at < base || size % at || (size / at & (size / at - 1)))) return gan_fail(cx, "attention_at must be the size of a feature map: the image's halved once or more, such as 14 or 7 for 28 pixels");
  gan_style s = gan_style_open(cx, b, nets[b->net].role, in, n);
  if (s.is_g)
    build_g(cx, b, &s, gan_arg(in, n, "z"), size);
  else
    build_d(cx, &s, gan_arg(in, n, "image"), size);
  return GANTRY_OK;
}

static const gantry_arch iface = {.struct_size = sizeof iface, .nets = nets, .n_nets = 2, .net_stride = sizeof nets[0], .input = gan_style_input, .build = build};
static const char *const needs[] = {"data.image", NULL};
static const char *const provides[] = {"g.image", "d.logit", "d.features", "d.class", NULL};
GANTRY_PLUGIN(GANTRY_KIND_ARCH, "dcgan", "1.0.0", "strided convolutional networks for square images")
  .paper = "Radford et al. 2016, arXiv:1511.06434", .needs = needs, .provides = provides, .params = params, .param_count = sizeof params / sizeof *params, .iface = &iface
GANTRY_PLUGIN_END
