/* nn/modulation.h - what style-based generators are made of (StyleGAN: Karras et al. 2019, arXiv:1812.04948; StyleGAN2: Karras et al. 2020, arXiv:1912.04958):
 * weights with an equalized learning rate, the mapping network, modulated convolutions, noise with a learned strength, mixing of styles.
 *
 * Images are [n,h,w,c], latents [n,k]. Weights come from gan_weight(), so spectral norm and its like act on them, and are named "<name>/weight", "<name>/bias" in
 * the open scope. */
#ifndef GANTRY_NN_MODULATION_H
#define GANTRY_NN_MODULATION_H
#include <gantry/nn/activation.h>
#include <gantry/nn/layers.h>
#include <gantry/nn/noise.h>
#include <gantry/nn/norm.h>
#include <gantry/nn/resample.h>
#include <math.h>

/* How the weights of a network begin and are used. equalized (Karras et al. 2018, arXiv:1710.10196): they begin as N(0, init.scale^2) and are multiplied by
 * 1 / sqrt(fan-in) wherever they are used, so that an optimizer that normalizes its steps moves all layers by the same share; else they begin by init and are used as they are. */
typedef struct gan_weights { gan_init init; int equalized; int64_t act; double slope; } gan_weights;

/* The gain that keeps the second moment behind one of GAN_ACT_*: sqrt 2 for ReLU, leaky ReLU and swish, else 1 (as StyleGAN2's code). */
static inline double gan_act_gain(int64_t act) { return act == GAN_ACT_RELU || act == GAN_ACT_LEAKY_RELU || act == GAN_ACT_SWISH ? 1.4142135623730951 : 1; }
/* The activation of w, times its gain and `more`. */
static inline gantry_t gan_gained_act(gantry_ctx *cx, const gan_weights *w, gantry_t x, double more) { return gan_mul_k(cx, gan_activate(cx, x, w->act, w->slope), gan_act_gain(w->act) * more); }

/* f32 weight as a layer uses it; dims and out_axis as gan_weight. rate: multiplier of the learning rate: stored numbers are 1 / rate times those used. */
static inline gantry_t gan_scaled_weight(gantry_ctx *cx, const char *name, uint32_t rank, const int64_t *dims, uint32_t out_axis, double rate, const gan_weights *w) {
  double fan_in = 1;
  gan_init init = w->init;
  for (uint32_t k = 0; k < rank; k++)
    if (k != out_axis) fan_in *= (double)dims[k];
  init.scale /= rate;
  return gan_mul_k(cx, gan_weight(cx, name, rank, dims, out_axis, init), w->equalized ? rate / sqrt(fan_in) : rate);
}

/* x [n,in] -> [n,out], with a bias that begins at `bias`. */
static inline gantry_t gan_scaled_linear(gantry_ctx *cx, const char *name, gantry_t x, int64_t out, double bias, double rate, const gan_weights *w) {
  int64_t d[2];
  d[0] = out; d[1] = gan_dim(cx, x, -1);
  gan_open(cx, name, -1);
  gantry_t y = gan_matmul_t(cx, x, gan_scaled_weight(cx, "weight", 2, d, 0, rate, w), 0, 1);
  y = gan_add(cx, y, gan_mul_k(cx, gan_vector(cx, "bias", out, bias / rate), rate));
  gan_close(cx);
  return y;
}

/* Layers "layer0" ... of a mapping network: x [n,k] -> [n,out], each linear with activation; normalize x first (gan_pixel_norm). rate: 0.01 in StyleGAN. */
static inline gantry_t gan_mapping(gantry_ctx *cx, const char *name, gantry_t x, int64_t layers, int64_t out, double rate, const gan_weights *w) {
  gan_open(cx, name, -1);
  for (int64_t k = 0; k < layers; k++) {
    gan_open(cx, "layer", k);
    x = gan_gained_act(cx, w, gan_scaled_linear(cx, "linear", x, out, 0, rate, w), 1);
    gan_close(cx);
  }
  gan_close(cx);
  return x;
}

enum { GAN_SIZE_KEPT, GAN_SIZE_DOUBLED, GAN_SIZE_HALVED };
/* The filter's shape for kernel x kernel; doubling by FIR has a transposed convolution's, [in,k,k,out]. Returns the axis that counts outputs. */
static inline uint32_t gan_resizing_dims(int transposed, int64_t in, int64_t kernel, int64_t out, int64_t d[4]) {
  d[0] = transposed ? in : out; d[1] = d[2] = kernel; d[3] = transposed ? out : in;
  return transposed ? 3 : 0;
}
/* Convolution with an odd kernel that keeps, doubles or halves the size, with the FIR filter [1,3,3,1] against aliasing, as StyleGAN2's code does it: doubling is a transposed
 * convolution with stride 2 and the filter behind it, halving the filter and a convolution with stride 2. Nothing is cut off between the two, so borders too are those of
 * filtering an image that continues with zeros. weight: of gan_resizing_dims(how == GAN_SIZE_DOUBLED, ...). */
static inline gantry_t gan_resizing_conv(gantry_ctx *cx, gantry_t x, gantry_t weight, int64_t kernel, int how) {
  int64_t d[GANTRY_MAX_RANK];
  gan_conv_geometry g = gan_square_geometry(how == GAN_SIZE_KEPT ? 1 : 2, how == GAN_SIZE_KEPT ? kernel / 2 : 0);
  if (how == GAN_SIZE_KEPT) return gan_conv(cx, x, weight, &g);
  if (gan_shape(cx, x, d) != 4) return gan_none(); /* poisoned */
  if (how == GAN_SIZE_HALVED) /* pads: the filter's (1, 1) and the convolution's on both sides */
    return gan_conv(cx, gan_fir_padded(cx, x, gan_fir_1331_, 4, 1, 1, kernel / 2 + 1, kernel / 2 + 1, 1), weight, &g);
  for (int k = 1; k < 3; k++) d[k] = 2 * (d[k] - 1) + kernel;
  d[3] = gan_dim(cx, weight, 3);
  return gan_fir_padded(cx, gan_conv_transposed(cx, x, weight, d, &g), gan_fir_1331_, 4, 1, 1, 2 - kernel / 2, 2 - kernel / 2, 4);
}

/* Convolution without bias, "<name>/weight". */
static inline gantry_t gan_scaled_conv(gantry_ctx *cx, const char *name, gantry_t x, int64_t out, int64_t kernel, int how, const gan_weights *w) {
  int64_t d[4];
  uint32_t axis = gan_resizing_dims(how == GAN_SIZE_DOUBLED, gan_dim(cx, x, -1), kernel, out, d);
  gan_open(cx, name, -1);
  gantry_t y = gan_resizing_conv(cx, x, gan_scaled_weight(cx, "weight", 4, d, axis, 1, w), kernel, how);
  gan_close(cx);
  return y;
}

/* Modulated convolution without bias: each sample's filter is the common one times a factor for every input channel, which the linear layer "<name>/style" makes from its
 * latent [n,k]; with demodulate every output channel of that filter is divided by its Euclidean norm. The factors are taken to the input and the norms to the output of one
 * plain convolution, which is the same sum in another order: no filter is made for each sample, and it can be differentiated as often as a convolution can. */
static inline gantry_t gan_modulated_conv(gantry_ctx *cx, const char *name, gantry_t x, gantry_t latent, int64_t out, int64_t kernel, int how, int demodulate, const gan_weights *w) {
  static const int64_t window[2] = {1, 2};
  int64_t d[4];
  uint32_t axis = gan_resizing_dims(how == GAN_SIZE_DOUBLED, gan_dim(cx, x, -1), kernel, out, d);
  gan_open(cx, name, -1);
  gantry_t weight = gan_scaled_weight(cx, "weight", 4, d, axis, 1, w), style = gan_scaled_linear(cx, "style", latent, gan_dim(cx, x, -1), 1, 1, w);
  gantry_t y = gan_resizing_conv(cx, gan_mul(cx, x, gan_per_sample(cx, style, x)), weight, kernel, how);
  if (demodulate) {
    gantry_t square = gan_matmul_t(cx, gan_square(cx, style), gan_sum(cx, gan_square(cx, weight), window, 2), 0, axis == 0); /* [n,out] */
    y = gan_mul(cx, y, gan_per_sample(cx, gan_rsqrt(cx, gan_add_k(cx, square, 1e-8)), y));
  }
  gan_close(cx);
  return y;
}

/* x plus noise, one N(0,1) for each pixel, the same for all channels, times the trainable number "<name>/strength", which begins at 0. Drawn afresh in every step. */
static inline gantry_t gan_pixel_noise(gantry_ctx *cx, const char *name, gantry_t x) {
  int64_t d[GANTRY_MAX_RANK];
  if (gan_shape(cx, x, d) != 4) { gan_fail(cx, "noise for each pixel takes images [n,h,w,c]"); return gan_none(); }
  d[3] = 1;
  gan_open(cx, name, -1);
  x = gan_add(cx, x, gan_mul(cx, gan_state(cx, "strength", GANTRY_ROLE_PARAM, 0, NULL, 0), gan_normal(cx, 4, d)));
  gan_close(cx);
  return x;
}

/* Latents of every layer: w [n,k], or [n,layers,k] as it is -> [n,layers,k]. */
static inline gantry_t gan_for_layers(gantry_ctx *cx, gantry_t w, int64_t layers) {
  static const int64_t axes[2] = {0, 2};
  int64_t d[GANTRY_MAX_RANK];
  if (gan_shape(cx, w, d) != 2) return w;
  d[2] = d[1]; d[1] = layers;
  return gan_broadcast(cx, w, 3, d, axes);
}
/* Style mixing: of each sample with probability p the layers from a random one on, 1 .. layers - 1, take their latent from b; a, b [n,k] -> [n,layers,k]. */
static inline gantry_t gan_mix_styles(gantry_ctx *cx, gantry_t a, gantry_t b, int64_t layers, gantry_t p) {
  static const int64_t sample[1] = {0}, layer[1] = {1}, pair[2] = {0, 1};
  int64_t d[3], n = gan_dim(cx, a, 0);
  d[0] = n; d[1] = layers; d[2] = gan_dim(cx, a, -1);
  gantry_t u = gan_uniform(cx, 1, &n), mixed = gan_lt(cx, gan_uniform(cx, 1, &n), p);
  gantry_t from = gan_where(cx, mixed, gan_add_k(cx, gan_floor(cx, gan_mul_k(cx, u, (double)(layers - 1))), 1), gan_const(cx, (double)layers));
  gantry_t other = gan_ge(cx, gan_broadcast(cx, gan_iota(cx, GANTRY_F32, 1, &layers, 0), 2, d, layer), gan_broadcast(cx, from, 2, d, sample));
  return gan_where(cx, gan_broadcast(cx, other, 3, d, pair), gan_for_layers(cx, b, layers), gan_for_layers(cx, a, layers));
}
#endif
