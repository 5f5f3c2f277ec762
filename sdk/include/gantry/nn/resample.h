/* nn/resample.h - changing the spatial size of images [n,h,w,c] without learned filters. */
#ifndef GANTRY_NN_RESAMPLE_H
#define GANTRY_NN_RESAMPLE_H
#include <gantry/ops.h>

/* Every pixel k x k times. */
static inline gantry_t gan_upsample_nearest(gantry_ctx *cx, gantry_t x, int64_t k) {
  static const int64_t axes[4] = {0, 1, 3, 5};
  int64_t d[GANTRY_MAX_RANK], wide[6], out[4];
  if (gan_shape(cx, x, d) != 4) { gan_fail(cx, "upsampling takes images [n,h,w,c]"); return gan_none(); }
  wide[0] = d[0]; wide[1] = d[1]; wide[2] = k; wide[3] = d[2]; wide[4] = k; wide[5] = d[3];
  out[0] = d[0]; out[1] = d[1] * k; out[2] = d[2] * k; out[3] = d[3];
  return gan_reshape(cx, gan_broadcast(cx, x, 6, wide, axes), 4, out);
}
/* Means of k x k blocks; h and w are multiples of k. */
static inline gantry_t gan_average_pool(gantry_ctx *cx, gantry_t x, int64_t k) {
  static const int64_t axes[2] = {2, 4};
  int64_t d[GANTRY_MAX_RANK], split[6];
  if (gan_shape(cx, x, d) != 4 || d[1] % k || d[2] % k) { gan_fail(cx, "average pooling takes images [n,h,w,c] whose size is a multiple of the window"); return gan_none(); }
  split[0] = d[0]; split[1] = d[1] / k; split[2] = k; split[3] = d[2] / k; split[4] = k; split[5] = d[3];
  return gan_mean(cx, gan_reshape(cx, x, 6, split), axes, 2);
}
static const double gan_fir_1331_[4] = {1, 3, 3, 1}; /* the binomial filter of the choices "fir" */
/* FIR resampling with the outer product of `taps` with itself, normalised to sum `gain`: up by zero-insertion, pad by lo before and hi after (zeros), filter,
 * keep every down-th: a side of h pixels becomes (h up + lo + hi - n) / down + 1 (upfirdn: Karras et al. 2020, arXiv:1912.04958). 1 to 8 taps. */
static inline gantry_t gan_fir_padded(gantry_ctx *cx, gantry_t x, const double *taps, int64_t n, int64_t up, int64_t down, int64_t lo, int64_t hi, double gain) {
  double k[64], sum = 0;
  int64_t d[2], ups[2], downs[2], los[2], his[2];
  gantry_attr at[5];
  gantry_t in[2];
  if (n < 1 || n > 8) { gan_fail(cx, "a resampling filter has 1 to 8 taps"); return gan_none(); }
  for (int64_t i = 0; i < n; i++) sum += taps[i];
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < n; j++) k[i * n + j] = taps[i] * taps[j] / (sum * sum) * gain;
  for (int a = 0; a < 2; a++) d[a] = n, ups[a] = up, downs[a] = down, los[a] = lo, his[a] = hi;
  in[0] = x;
  in[1] = gan_array(cx, 2, d, k);
  at[0] = gan_aiv(GANTRY_A_UP, ups, 2);
  at[1] = gan_aiv(GANTRY_A_DOWN, downs, 2);
  at[2] = gan_aiv(GANTRY_A_PAD_LO, los, 2);
  at[3] = gan_aiv(GANTRY_A_PAD_HI, his, 2);
  at[4] = gan_ai(GANTRY_A_FLIP, 0);
  return gan_op(cx, GANTRY_OP_FIR, in, 2, at, 5);
}
/* The same with the padding that makes h pixels h up / down, and brightness kept (gain up^2). */
static inline gantry_t gan_fir_resample(gantry_ctx *cx, gantry_t x, const double *taps, int64_t n, int64_t up, int64_t down) {
  int64_t lo = up > 1 ? (n + up - 1) / 2 : (n - down + 1) / 2, hi = up > 1 ? (n - up) / 2 : (n - down) / 2;
  return gan_fir_padded(cx, x, taps, n, up, down, lo, hi, (double)(up * up));
}
#endif
