/* nn/minibatch.h - features of a batch as a whole, by which D sees a lack of variety. They make a sample's logit depend on its batch mates. */
#ifndef GANTRY_NN_MINIBATCH_H
#define GANTRY_NN_MINIBATCH_H
#include <gantry/nn/layers.h>

/* Minibatch standard deviation (Karras et al. 2018, arXiv:1710.10196; groups as in StyleGAN): sample i belongs to group i mod (n / group). The
 * standard deviation over a group of each feature, averaged over all features, is one more channel of x [n,s..,c] of every sample in it.
 * Groups are cut to the batch; they must divide it. */
static inline gantry_t gan_minibatch_std(gantry_ctx *cx, gantry_t x, int64_t group) {
  static const int64_t over[1] = {0}, features[1] = {1}, column[1] = {1};
  int64_t d[GANTRY_MAX_RANK], split[3], tiled[2];
  gantry_t in[2];
  uint32_t r = gan_shape(cx, x, d);
  if (r == 1) gan_fail(cx, "minibatch_std takes [n,c] or [n,s..,c], not a tensor of one axis");
  if (r < 2) return gan_none();
  if (group > d[0]) group = d[0];
  if (d[0] % group) { gan_fail(cx, "minibatch_std: the batch must be a multiple of the group"); return gan_none(); }
  split[0] = group; split[1] = d[0] / group; split[2] = gan_count(cx, x) / d[0];
  gantry_t deviation = gan_sqrt(cx, gan_add_k(cx, gan_variance(cx, gan_reshape(cx, x, 3, split), over, 1), 1e-8)); /* [groups, features] */
  tiled[0] = group; tiled[1] = split[1];
  gantry_t each = gan_reshape(cx, gan_broadcast(cx, gan_mean(cx, deviation, features, 1), 2, tiled, column), 1, d);
  d[r - 1] = 1;
  in[0] = x;
  in[1] = gan_broadcast(cx, each, r, d, gan_axes_);
  return gan_concat(cx, in, 2, (int)r - 1);
}

/* Minibatch discrimination (Salimans et al. 2016, arXiv:1606.03498): x [n,a] times the tensor "<name>/weight" gives `kernels` rows of `dims`
 * numbers per sample; for each kernel the sum over the other samples of exp(-L1 distance of rows) is one more feature: [n, a + kernels]. */
static inline gantry_t gan_minibatch_discrimination(gantry_ctx *cx, const char *name, gantry_t x, int64_t kernels, int64_t dims, gan_init init) {
  static const int64_t one[3] = {0, 2, 3}, other[3] = {1, 2, 3}, last[1] = {3}, others[1] = {1};
  int64_t n = gan_dim(cx, x, 0), rows[3], pairs[4];
  gantry_t in[2];
  rows[0] = n; rows[1] = kernels; rows[2] = dims;
  pairs[0] = n; pairs[1] = n; pairs[2] = kernels; pairs[3] = dims;
  gantry_t m = gan_reshape(cx, gan_linear(cx, name, x, kernels * dims, 0, init), 3, rows);
  gantry_t apart = gan_sum(cx, gan_abs(cx, gan_sub(cx, gan_broadcast(cx, m, 4, pairs, one), gan_broadcast(cx, m, 4, pairs, other))), last, 1);
  in[0] = x;
  in[1] = gan_add_k(cx, gan_sum(cx, gan_exp(cx, gan_neg(cx, apart)), others, 1), -1); /* without the sample itself, which counts 1 */
  return gan_concat(cx, in, 2, 1);
}
#endif
