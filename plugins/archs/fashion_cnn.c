/* fashion_cnn - the feature network of the metric fd:fashion_cnn: a small convolutional classifier for 28 x 28 gray images. Trained by
 * experiments/features_fashion.json; its weights lie beside it as fashion_cnn.safetensors. Features are the 96 units before the classes. */
#include <gantry/arch.h>
#include <gantry/nn.h>

static const char *const inputs[] = {"image", NULL}, *const taps[] = {"features", "class", NULL};
static const gantry_net nets[] = {{sizeof(gantry_net), GANTRY_FEATURES, "features", inputs, taps}};

static gantry_t layer(gantry_ctx *cx, const char *name, gantry_t x, int64_t out, int64_t stride, int eval) {
  gan_init he = {GANTRY_INIT_HE, 1};
  gan_open(cx, name, -1);
  x = gan_conv_layer(cx, "conv", x, out, 3, stride, 1, 0, he);
  x = gan_relu(cx, gan_plain_norm(cx, "norm", x, GAN_NORM_BATCH, eval));
  gan_close(cx);
  return x;
}

static gantry_status build(gantry_ctx *cx, const gantry_build *b, const gantry_named *in, uint32_t n) {
  int eval = (b->flags & GANTRY_EVAL) != 0;
  gan_init he = {GANTRY_INIT_HE, 1}, xavier = {GANTRY_INIT_XAVIER, 1};
  gantry_t x = gan_arg(in, n, "image");
  if (gan_rank(cx, x) != 4 || gan_dim(cx, x, 1) != 28 || gan_dim(cx, x, 2) != 28 || gan_dim(cx, x, 3) != 1) return gan_fail(cx, "fashion_cnn looks at gray images of 28 x 28 pixels only");
  x = layer(cx, "a", x, 32, 1, eval);
  x = layer(cx, "b", x, 64, 2, eval);
  x = gan_dropout(cx, layer(cx, "c", x, 64, 2, eval), 0.3, eval);
  x = gan_plain_norm(cx, "dense_norm", gan_linear(cx, "dense", gan_flatten(cx, x), 96, 0, he), GAN_NORM_BATCH, eval);
  x = gan_tap(cx, "features", gan_relu(cx, x));
  gan_tap(cx, "class", gan_linear(cx, "class", gan_dropout(cx, x, 0.3, eval), 10, 1, xavier));
  return GANTRY_OK;
}

static const gantry_arch iface = {.struct_size = sizeof iface, .nets = nets, .n_nets = 1, .net_stride = sizeof nets[0], .build = build};
static const char *const provides[] = {"features", NULL};
GANTRY_PLUGIN(GANTRY_KIND_ARCH, "fashion_cnn", "1.0.0", "feature network for 28 x 28 gray images")
  .provides = provides, .iface = &iface
GANTRY_PLUGIN_END
