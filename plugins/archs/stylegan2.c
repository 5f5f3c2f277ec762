/* stylegan2 - the style-based G and the residual D of StyleGAN2 (configuration F of the paper), for square images of base * 2^k pixels, base 4 to 7.
 *
 * G: z, normalized, goes through the mapping network to w, of which a running average is kept; from a learned constant of base x base pixels a block for each doubling of
 * the size: two modulated 3 x 3 convolutions with demodulation, noise for each pixel, bias, activation, and an image by a modulated 1 x 1 convolution, summed with the doubled
 * image of the block before. D: a 1 x 1 convolution of the image, residual blocks that halve the size, minibatch_std, a 3 x 3 convolution, a linear layer, the logit.
 * The tap "w" is [n,layers,w]: every layer's latent, in order; whoever feeds it (also as [n,w]) chooses the styles. "w_avg" [w] is the running average, for truncation.
 *
 * Conditional: condition concat joins the normalized class (embedding or one-hot) to the normalized z; condition projection in D is the inner product with the mapped
 * class, as in StyleGAN2-ADA. Weights begin as N(0,1) and are scaled where they are used (equalized); equalized false begins them by init and uses them as they are.
 * Differences from NVIDIA's code: mixing is drawn for each sample, not for each batch; noise is fresh in samples and metrics too; no f16, and so no clamping. */
#include <gantry/nn.h>

enum { W = GAN_P_IMAGE_END, MAP_LAYERS, MAP_LR, W_DECAY, MIXING, NOISE, DEMODULATE, EQUALIZED, MAX_WIDTH };
static const char *const ups[] = {"fir", "nearest", NULL}, *const downs[] = {"fir", "pool", NULL};
static const gantry_param params[] = {
  GAN_STYLE_ROWS("channels next to the image; doubled at every halving of the size, up to max_width", 64, 512, "none", "leaky_relu", "normal", "none"),
  GAN_IMAGE_ROWS(ups, "fir", downs, "fir"),
  {.key = "w", .doc = "G: dimensions of w and of the mapping network's layers; 0 = as z", .type = GANTRY_P_INT, .def = 0, .lo = 0, .hi = 65536},
  {.key = "map_layers", .doc = "layers of the mapping network (8; StyleGAN2-ADA for CIFAR-10: 2); in D those of the class, with condition projection", .type = GANTRY_P_INT, .def = 8, .lo = 1, .hi = 64},
  {.key = "map_lr", .doc = "the mapping network's learning rate, as a share of the network's", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL | GANTRY_PF_LOG | GANTRY_PF_OPEN_LO, .def = 0.01, .lo = 0, .hi = 1},
  {.key = "w_decay", .doc = "G: how much of the running average of w stays in each update", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL, .def = 0.995, .lo = 0, .hi = 1},
  {.key = "mixing", .doc = "G: probability that a sample's later layers, from a random one on, take the style of a second z (StyleGAN2: 0.9; StyleGAN2-ADA for CIFAR-10: 0); while training", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL, .def = 0, .lo = 0, .hi = 1},
  {.key = "noise", .doc = "G: noise for each pixel behind every convolution, with a learned strength that begins at 0", .type = GANTRY_P_BOOL, .def = 1},
  {.key = "demodulate", .doc = "G: whether the filters of 3 x 3 convolutions are normalized after modulation", .type = GANTRY_P_BOOL, .def = 1},
  {.key = "equalized", .doc = "equalized learning rate: weights begin as N(0, init_scale^2), 0 = 1, and are multiplied by 1 / sqrt(fan-in) where they are used; false: they begin by init, to be preferred with spectral_norm", .type = GANTRY_P_BOOL, .def = 1},
  {.key = "max_width", .doc = "most channels of a layer", .type = GANTRY_P_INT, .def = 512, .lo = 1, .hi = 65536}};

static const char *const g_inputs[] = {"z:normal", "label:label", NULL}, *const d_inputs[] = {"image", "label:label", NULL};
static const char *const g_taps[] = {"w_avg", "w", "image", NULL}, *const d_taps[] = {"features", "logit", "class", NULL};
static const gantry_net nets[] = {{sizeof(gantry_net), GANTRY_G, "g", g_inputs, g_taps}, {sizeof(gantry_net), GANTRY_D, "d", d_inputs, d_taps}};

typedef struct net { const gan_style *s; gan_weights weights; int64_t size, base, halvings; } net;

/* Channels of the maps that are `side` pixels wide. */
static int64_t channels(gantry_ctx *cx, const net *m, int64_t side) {
  int64_t most = gan_param_i(cx, MAX_WIDTH), c = m->s->width;
  for (; side < m->size && c < most; side *= 2) c *= 2;
  return c < most ? c : most;
}
static gantry_t bias(gantry_ctx *cx, gantry_t x) { return gan_add(cx, x, gan_vector(cx, "bias", gan_dim(cx, x, -1), 0)); }
static gantry_t attend(gantry_ctx *cx, gantry_t x) {
  return gan_dim(cx, x, 1) == gan_param_i(cx, GAN_P_ATTENTION_AT) ? gan_self_attention(cx, "attention", x, (gan_init){GANTRY_INIT_XAVIER, 1}) : x;
}

/* ---- G ---- */

/* The normalized z of each sample, with the normalized class; mapped. */
static gantry_t mapped(gantry_ctx *cx, const net *m, gantry_t z) {
  const gan_style *s = m->s;
  gantry_t x = gan_pixel_norm(cx, z);
  if (s->condition == GAN_CONDITION_CONCAT)
    x = gan_concat_vector(cx, x, gan_pixel_norm(cx, s->embed ? gan_embedding(cx, "label", s->label, s->classes, s->embed, (gan_init){GANTRY_INIT_NORMAL, 1}) : gan_one_hot(cx, s->label, s->classes)));
  return gan_mapping(cx, "mapping", x, gan_param_i(cx, MAP_LAYERS), gan_param_i(cx, W) ? gan_param_i(cx, W) : s->z, gan_param_f(cx, MAP_LR), &m->weights);
}

/* The tap "w" of `layers` layers: fed, or mapped from z, mixed, and averaged. */
static gantry_t styles(gantry_ctx *cx, const net *m, const gantry_named *in, uint32_t n, int64_t layers) {
  int64_t dims = gan_param_i(cx, W) ? gan_param_i(cx, W) : m->s->z, d[GANTRY_MAX_RANK];
  double mixing = gan_param_f(cx, MIXING), decay = gan_param_f(cx, W_DECAY);
  gantry_t w = gan_arg(in, n, "w"), average = gan_tap(cx, "w_avg", gan_state(cx, "w_avg", GANTRY_ROLE_BUFFER, 1, &dims, 0));
  if (w.id) {
    uint32_t rank = gan_shape(cx, w, d);
    if (rank && (rank < 2 || rank > 3 || d[rank - 1] != dims || (rank == 3 && d[1] != layers))) gan_fail(cx, "the tap w is fed as [n,w], or as [n,layers,w] with the latent of each layer");
    return gan_for_layers(cx, gan_tap(cx, "w", w), layers);
  }
  gantry_t z = gan_arg(in, n, "z");
  w = mapped(cx, m, z);
  if (!m->s->eval) gan_set(cx, "w_avg", gan_add(cx, gan_mul_k(cx, average, decay), gan_mul_k(cx, gan_mean(cx, gan_stop(cx, w), gan_axes_, 1), 1 - decay)));
  if (m->s->eval || mixing <= 0) return gan_tap(cx, "w", gan_for_layers(cx, w, layers));
  gantry_t other = cx->host->net->draw(cx, GANTRY_G, "z", gan_dim(cx, z, 0));
  return gan_tap(cx, "w", gan_mix_styles(cx, w, mapped(cx, m, other), layers, gan_const(cx, mixing)));
}
static gantry_t style_of(gantry_ctx *cx, gantry_t w, int64_t layer) {
  int64_t d[2] = {gan_dim(cx, w, 0), gan_dim(cx, w, -1)};
  return gan_reshape(cx, gan_slice_axis(cx, w, 1, layer, layer + 1, 1), 2, d);
}

static gantry_t g_layer(gantry_ctx *cx, const net *m, const char *name, gantry_t x, gantry_t w, int64_t out, int doubled) {
  gan_open(cx, name, -1);
  if (doubled && gan_param_i(cx, GAN_P_UP)) x = gan_upsample_nearest(cx, x, 2), doubled = 0;
  x = gan_modulated_conv(cx, "conv", x, w, out, 3, doubled ? GAN_SIZE_DOUBLED : GAN_SIZE_KEPT, gan_param_i(cx, DEMODULATE) != 0, &m->weights);
  if (gan_param_i(cx, NOISE)) x = gan_pixel_noise(cx, "noise", x);
  x = gan_dropout(cx, gan_gained_act(cx, &m->weights, bias(cx, x), 1), m->s->dropout, m->s->eval);
  gan_close(cx);
  return x;
}

static void build_g(gantry_ctx *cx, const gantry_build *b, const net *m, const gantry_named *in, uint32_t n) {
  static const int64_t image_axes[3] = {1, 2, 3};
  int64_t layer = 0, d[4] = {0, m->base, m->base, channels(cx, m, m->base)};
  gantry_t w = styles(cx, m, in, n, 2 * m->halvings + 2), rgb = gan_none();
  gantry_state_desc first = {.struct_size = sizeof first, .role = GANTRY_ROLE_PARAM, .name = "constant", .dims = d + 1, .rank = 3, .dtype = GANTRY_F32, .init = GANTRY_INIT_NORMAL, .init_scale = 1};
  d[0] = gan_dim(cx, w, 0);
  gantry_t x = gan_broadcast(cx, cx->host->graph->state(cx, &first), 4, d, image_axes);
  for (int64_t side = m->base; side <= m->size; side *= 2) {
    gan_open(cx, "block", side);
    if (side > m->base) x = g_layer(cx, m, "layer_a", x, style_of(cx, w, layer++), channels(cx, m, side), 1);
    x = g_layer(cx, m, "layer_b", x, style_of(cx, w, layer++), channels(cx, m, side), 0);
    if (side < m->size) x = attend(cx, x);
    gan_open(cx, "image", -1);
    gantry_t here = bias(cx, gan_modulated_conv(cx, "conv", x, style_of(cx, w, layer), b->channels, 1, GAN_SIZE_KEPT, 0, &m->weights));
    gan_close(cx);
    rgb = side == m->base ? here : gan_add(cx, here, gan_param_i(cx, GAN_P_UP) ? gan_upsample_nearest(cx, rgb, 2) : gan_fir_resample(cx, rgb, gan_fir_1331_, 4, 2, 1));
    gan_close(cx);
  }
  gan_tap(cx, "image", gan_style_out(cx, m->s, rgb));
}

/* ---- D ---- */

/* Convolution, norm or bias, activation with its gain times `gain`. */
static gantry_t d_layer(gantry_ctx *cx, const net *m, const char *name, gantry_t x, int64_t out, int64_t kernel, int halved, double gain) {
  const gan_style *s = m->s;
  int pool = halved && gan_param_i(cx, GAN_P_DOWN);
  gan_open(cx, name, -1);
  x = gan_scaled_conv(cx, "conv", x, out, kernel, halved && !pool ? GAN_SIZE_HALVED : GAN_SIZE_KEPT, &m->weights);
  if (pool) x = gan_average_pool(cx, x, 2);
  x = s->norm.kind == GAN_NORM_NONE ? bias(cx, x) : gan_style_norm(cx, s, "norm", x);
  x = gan_dropout(cx, gan_gained_act(cx, &m->weights, x, gain), s->dropout, s->eval);
  gan_close(cx);
  return x;
}

/* From features [n,c]: the taps "features", "logit", "class". */
static void d_head(gantry_ctx *cx, const net *m, gantry_t features) {
  const gan_style *s = m->s;
  int64_t n = gan_dim(cx, features, 0), c = gan_dim(cx, features, -1);
  gantry_t x = gan_tap(cx, "features", features), label = s->label.id ? gan_style_samples(cx, s, s->label) : s->label;
  if (s->condition == GAN_CONDITION_AUXILIARY) gan_tap(cx, "class", gan_scaled_linear(cx, "class", x, s->classes, 0, 1, &m->weights));
  gantry_t seen = s->minibatch_kernels ? gan_minibatch_discrimination(cx, "minibatch", x, s->minibatch_kernels, s->minibatch_dims, (gan_init){GANTRY_INIT_XAVIER, 1}) : x;
  if (s->condition != GAN_CONDITION_PROJECTION) {
    gan_tap(cx, "logit", gan_reshape(cx, gan_scaled_linear(cx, "logit", seen, 1, 0, 1, &m->weights), 1, &n));
    return;
  }
  gantry_t class = gan_pixel_norm(cx, gan_embedding(cx, "label", label, s->classes, c, (gan_init){GANTRY_INIT_NORMAL, 1}));
  class = gan_mapping(cx, "mapping", class, gan_param_i(cx, MAP_LAYERS), c, gan_param_f(cx, MAP_LR), &m->weights);
  gan_tap(cx, "logit", gan_mul_k(cx, gan_row_sum(cx, gan_mul(cx, gan_scaled_linear(cx, "logit", seen, c, 0, 1, &m->weights), class)), 1 / sqrt((double)c)));
}

static void build_d(gantry_ctx *cx, const net *m, gantry_t x) {
  const gan_style *s = m->s;
  const double half = 0.70710678118654752; /* of the variance: two branches are added */
  x = gan_style_join(cx, s, "image_label", gan_style_reference(cx, s, x, "image"), 1);
  x = d_layer(cx, m, "image", x, channels(cx, m, m->size), 1, 0, 1);
  for (int64_t side = m->size; side > m->base; side /= 2) {
    int64_t out = channels(cx, m, side / 2);
    gan_open(cx, "block", side);
    gantry_t y = d_layer(cx, m, "layer_a", gan_style_join(cx, s, "label", x, 0), gan_dim(cx, x, -1), 3, 0, 1);
    y = d_layer(cx, m, "layer_b", y, out, 3, 1, half);
    x = gan_param_i(cx, GAN_P_DOWN) ? gan_average_pool(cx, x, 2) : gan_fir_resample(cx, x, gan_fir_1331_, 4, 1, 2);
    x = attend(cx, gan_add(cx, y, gan_mul_k(cx, gan_scaled_conv(cx, "skip", x, out, 1, GAN_SIZE_KEPT, &m->weights), half)));
    gan_close(cx);
  }
  x = gan_style_minibatch_std(cx, s, gan_style_samples(cx, s, x));
  net last = *m;
  gan_style plain = *s;
  plain.norm.kind = GAN_NORM_NONE; /* behind the batch's deviation nothing is normalized */
  last.s = &plain;
  x = gan_flatten(cx, d_layer(cx, &last, "last", x, channels(cx, m, m->base), 3, 0, 1));
  d_head(cx, m, gan_gained_act(cx, &m->weights, gan_scaled_linear(cx, "dense", x, channels(cx, m, m->base), 0, 1, &m->weights), 1));
}

static gantry_status build(gantry_ctx *cx, const gantry_build *b, const gantry_named *in, uint32_t n) {
  int64_t size = gan_style_image_size(cx, b), at = gan_param_i(cx, GAN_P_ATTENTION_AT);
  if (!size) return GANTRY_E_INVALID;
  net m = {.size = size, .halvings = gan_style_halvings(size)};
  m.base = size >> m.halvings;
  if (at && (at >= size || at < m.base || size % at || (size / at & (size / at - 1)))) return gan_fail(cx, "attention_at must be the size of a feature map: the image's halved once or more, such as 14 or 7 for 28 pixels");
  int is_g = nets[b->net].role == GANTRY_G;
  if (is_g && gan_param_i(cx, GAN_P_CONDITION) > GAN_CONDITION_CONCAT) return gan_fail(cx, "in a style-based G the class enters where z does, and reaches every layer by w: set g.arch.condition to concat or none");
  if (is_g && gan_param_i(cx, GAN_P_NORM) != GAN_NORM_NONE) return gan_fail(cx, "G is normalized by demodulation, a further norm would take its styles away: set g.arch.norm to none");
  gan_style s = gan_style_open(cx, b, nets[b->net].role, in, n);
  if (gan_param_i(cx, EQUALIZED) && gan_param_i(cx, GAN_P_INIT)) return gan_fail(cx, "with an equalized learning rate weights begin as N(0, init_scale^2): leave init at normal, or set equalized to false");
  m.s = &s;
  m.weights = (gan_weights){.init = s.init, .equalized = gan_param_i(cx, EQUALIZED) != 0, .act = s.act, .slope = s.slope};
  if (m.weights.equalized && gan_param_f(cx, GAN_P_INIT_SCALE) <= 0) m.weights.init.scale = 1;
  if (s.is_g)
    build_g(cx, b, &m, in, n);
  else
    build_d(cx, &m, gan_arg(in, n, "image"));
  return GANTRY_OK;
}

static const gantry_arch iface = {.struct_size = sizeof iface, .nets = nets, .n_nets = 2, .net_stride = sizeof nets[0], .input = gan_style_input, .build = build};
static const char *const needs[] = {"data.image", NULL};
static const char *const provides[] = {"g.image", "g.w", "g.w_avg", "d.logit", "d.features", "d.class", NULL};
GANTRY_PLUGIN(GANTRY_KIND_ARCH, "stylegan2", "1.0.0", "style-based G and residual D for square images (StyleGAN2)")
  .paper = "Karras et al. 2020, arXiv:1912.04958 (StyleGAN2); Karras et al. 2020, arXiv:2006.06676 (conditional, StyleGAN2-ADA)", .needs = needs, .provides = provides, .params = params, .param_count = sizeof params / sizeof *params, .iface = &iface
GANTRY_PLUGIN_END
