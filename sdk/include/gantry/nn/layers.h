/* nn/layers.h - linear and convolutional layers. Weights come from gan_weight(), where spectral norm and its like act, and are named
 * "<name>/weight" and "<name>/bias" in the open scope.
 *
 * Layout: linear weights [out, in]; filters [out, k.., in]; filters of transposed convolutions [in, k.., out], that is the filter of the
 * convolution whose input gradient the layer is. */
#ifndef GANTRY_NN_LAYERS_H
#define GANTRY_NN_LAYERS_H
#include <gantry/ops.h>

/* How weights begin: a GANTRY_INIT_* and its scale. */
typedef struct gan_init { uint32_t kind; double scale; } gan_init;
#define GAN_INIT_CHOICES "normal", "xavier", "he", "orthogonal", NULL
/* The choices above, "normal" with DCGAN's standard deviation 0.02 (Radford et al. 2016). */
static inline gan_init gan_init_of(int64_t choice) {
  static const uint32_t kinds[4] = {GANTRY_INIT_NORMAL, GANTRY_INIT_XAVIER, GANTRY_INIT_HE, GANTRY_INIT_ORTHOGONAL};
  gan_init i;
  i.kind = kinds[choice & 3];
  i.scale = choice == 0 ? 0.02 : 1.0;
  return i;
}

/* f32 weight of a layer, after every weight transform of the experiment. out_axis: the axis that counts outputs; fan-in is the product of the others. */
static inline gantry_t gan_weight(gantry_ctx *cx, const char *name, uint32_t rank, const int64_t *dims, uint32_t out_axis, gan_init init) {
  gantry_state_desc d;
  memset(&d, 0, sizeof d);
  d.struct_size = sizeof d;
  d.role = GANTRY_ROLE_PARAM; d.name = name; d.dims = dims; d.rank = rank; d.dtype = GANTRY_F32;
  d.init = init.kind; d.init_scale = init.scale; d.out_axis = out_axis; d.flags = GANTRY_W_MATRIX;
  return cx->host->graph->weight(cx, &d);
}
/* A vector of n trainable numbers (bias, gain), untouched by weight transforms. */
static inline gantry_t gan_vector(gantry_ctx *cx, const char *name, int64_t n, double initial) { return gan_state(cx, name, GANTRY_ROLE_PARAM, 1, &n, initial); }

/* x [n,in] -> [n,out] */
static inline gantry_t gan_linear(gantry_ctx *cx, const char *name, gantry_t x, int64_t out, int bias, gan_init init) {
  int64_t d[2];
  d[0] = out; d[1] = gan_dim(cx, x, -1);
  gan_open(cx, name, -1);
  gantry_t y = gan_matmul_t(cx, x, gan_weight(cx, "weight", 2, d, 0, init), 0, 1);
  if (bias) y = gan_add(cx, y, gan_vector(cx, "bias", out, 0));
  gan_close(cx);
  return y;
}

/* Equal stride and padding on every spatial axis, one group, no dilation. */
static inline gan_conv_geometry gan_square_geometry(int64_t stride, int64_t pad) {
  gan_conv_geometry g;
  for (int k = 0; k < 3; k++) g.stride[k] = stride, g.pad_lo[k] = g.pad_hi[k] = pad, g.dilation[k] = 1;
  g.groups = 1;
  return g;
}

/* x [n,s..,in] -> [n,s'..,out], s' = (s + 2 pad - kernel) / stride + 1 */
static inline gantry_t gan_conv_layer(gantry_ctx *cx, const char *name, gantry_t x, int64_t out, int64_t kernel, int64_t stride, int64_t pad, int bias, gan_init init) {
  int64_t d[GANTRY_MAX_RANK];
  uint32_t r = gan_rank(cx, x);
  gan_conv_geometry g = gan_square_geometry(stride, pad);
  gan_open(cx, name, -1);
  for (uint32_t k = 1; k + 1 < r; k++) d[k] = kernel;
  d[0] = out;
  d[r ? r - 1 : 0] = gan_dim(cx, x, -1);
  gantry_t y = gan_conv(cx, x, gan_weight(cx, "weight", r, d, 0, init), &g);
  if (bias) y = gan_add(cx, y, gan_vector(cx, "bias", out, 0));
  gan_close(cx);
  return y;
}

/* x [n,s..,in] -> [n,size..,out]: transposed convolution; size of a spatial axis = (s - 1) stride - 2 pad + kernel + extra, extra < stride. */
static inline gantry_t gan_conv_transposed_layer(gantry_ctx *cx, const char *name, gantry_t x, int64_t out, int64_t kernel, int64_t stride, int64_t pad, int64_t size, int bias, gan_init init) {
  int64_t d[GANTRY_MAX_RANK], o[GANTRY_MAX_RANK];
  uint32_t r = gan_shape(cx, x, o);
  gan_conv_geometry g = gan_square_geometry(stride, pad);
  gan_open(cx, name, -1);
  for (uint32_t k = 1; k + 1 < r; k++) d[k] = kernel, o[k] = size;
  d[0] = gan_dim(cx, x, -1);
  d[r ? r - 1 : 0] = out;
  o[r ? r - 1 : 0] = out;
  gantry_t y = gan_conv_transposed(cx, x, gan_weight(cx, "weight", r, d, r ? r - 1 : 0, init), o, &g);
  if (bias) y = gan_add(cx, y, gan_vector(cx, "bias", out, 0));
  gan_close(cx);
  return y;
}
#endif
