/* rules_conv.c - convolutions beside a change of size: a convolution of a k-fold nearest enlargement, or one whose result is summed over k x k blocks,
 * is a convolution of stride k with a filter of K + k - 1 taps: for 3 x 3 filters and halves, 4 multiplications per pixel of the large image instead of 9, and the large image
 * is never written. Residual generators and discriminators are made of these (resnet: SNGAN, WGAN-GP; "ConvMeanPool" there is the same two steps).
 *
 * With U the enlargement, S = U' the sum over blocks, W the convolution with w, and B the map from w to its K + k - 1 taps (each tap the sum of the k
 * taps of w that meet the same small pixel), W's three faces beside U or S in front or behind give six rules:
 *   S CONV(x, w)        = CONV(x, B w)                 U's adjoint       S CONV_DGRAD(g, w)  = CONV(g, T B w)
 *   CONV_DGRAD(U g, w)  = CONV_DGRAD(g, B w)           ---------->       CONV(U x, w)        = CONV_DGRAD(x, T B w)
 *   CONV_WGRAD(x, U g)  = B' CONV_WGRAD(x, g)                            CONV_WGRAD(U x, g)  = B' T CONV_WGRAD(g, x)
 * all on the right of stride k; T reverses the taps and exchanges a filter's channels of input and output. A 1 x 1 filter commutes with U and S instead.
 *
 * real: the sums of taps are rounded before they are multiplied instead of after. Every element of both operands is still multiplied, so what is not
 * finite stays so, though inf * a - inf * b, a NaN, may become inf * (a - b). Where the large convolution is wanted for itself too (no network here has
 * that), both are computed, for a fourth to a half more. */
#include "opt/rules.h"

enum { MOST = 4, POINTS = 64 }; /* the largest k; pixels of a batch that are worth another filter */

typedef struct conv { ir_id a, b; int64_t taps[2], lo[2], points; int unit; } conv;

/* A convolution (any face) of two spatial axes that keeps the size. */
static int same_size(const ir_graph *g, ir_id id, uint32_t op, conv *c) {
  int64_t stride[GANTRY_MAX_RANK], hi[GANTRY_MAX_RANK], lo[GANTRY_MAX_RANK], dilation[GANTRY_MAX_RANK];
  if (!opt_is(g, id, op) || ir_at(g, id)->rank != 4 || ir_attr_i(g, id, GANTRY_A_GROUPS, 1) != 1) return 0;
  c->a = ir_in(g, id, 0);
  c->b = ir_in(g, id, 1);
  const int64_t *w = ir_dims(g, op == GANTRY_OP_CONV_WGRAD ? id : c->b), *image = ir_dims(g, op == GANTRY_OP_CONV_DGRAD ? id : c->a);
  uint32_t n_stride = opt_list(g, id, GANTRY_A_STRIDE, stride), n_lo = opt_list(g, id, GANTRY_A_PAD_LO, lo), n_hi = opt_list(g, id, GANTRY_A_PAD_HI, hi),
           n_dilation = opt_list(g, id, GANTRY_A_DILATION, dilation);
  for (uint32_t k = 0; k < 2; k++) {
    c->taps[k] = w[k + 1];
    c->lo[k] = n_lo ? lo[k] : 0;
    if ((n_stride && stride[k] != 1) || (n_dilation && dilation[k] != 1) || c->lo[k] + (n_hi ? hi[k] : 0) != c->taps[k] - 1) return 0;
  }
  c->points = image[0] * image[1] * image[2];
  c->unit = c->taps[0] == 1 && c->taps[1] == 1;
  return c->unit || (c->taps[0] > 1 && c->taps[1] > 1 && c->points >= POINTS);
}

/* The image of which x is the k-fold nearest enlargement, or 0. */
static ir_id enlarged(const ir_graph *g, ir_id x, int64_t k[2]) {
  int64_t axes[GANTRY_MAX_RANK];
  if (!opt_is(g, x, GANTRY_OP_RESHAPE) || ir_at(g, x)->rank != 4) return 0;
  ir_id wide = ir_in(g, x, 0), small = opt_is(g, wide, GANTRY_OP_BROADCAST) ? ir_in(g, wide, 0) : 0;
  if (!small || ir_at(g, wide)->rank != 6 || ir_at(g, small)->rank != 4) return 0;
  opt_list(g, wide, GANTRY_A_AXES, axes);
  if (axes[0] != 0 || axes[1] != 1 || axes[2] != 3 || axes[3] != 5) return 0;
  const int64_t *d = ir_dims(g, wide), *out = ir_dims(g, x);
  k[0] = d[2];
  k[1] = d[4];
  return out[0] == d[0] && out[1] == d[1] * k[0] && out[2] == d[3] * k[1] && k[0] <= MOST && k[1] <= MOST ? small : 0;
}

/* The image whose sums over blocks of k id is, or 0. */
static ir_id pooled(const ir_graph *g, ir_id id, int64_t k[2]) {
  int64_t axes[GANTRY_MAX_RANK];
  if (!opt_is(g, id, GANTRY_OP_SUM) || opt_list(g, id, GANTRY_A_AXES, axes) != 2 || axes[0] != 2 || axes[1] != 4) return 0;
  ir_id split = ir_in(g, id, 0), x = opt_is(g, split, GANTRY_OP_RESHAPE) ? ir_in(g, split, 0) : 0;
  if (!x || ir_at(g, split)->rank != 6 || ir_at(g, x)->rank != 4) return 0;
  const int64_t *d = ir_dims(g, split), *in = ir_dims(g, x);
  k[0] = d[2];
  k[1] = d[4];
  return in[0] == d[0] && in[1] == d[1] * k[0] && in[2] == d[3] * k[1] && k[0] <= MOST && k[1] <= MOST ? x : 0;
}

static ir_id enlarge(ir_graph *g, ir_id x, const int64_t k[2]) {
  int64_t d[GANTRY_MAX_RANK];
  opt_shape(g, x, d);
  int64_t wide[6] = {d[0], d[1], k[0], d[2], k[1], d[3]}, out[4] = {d[0], d[1] * k[0], d[2] * k[1], d[3]}, axes[4] = {0, 1, 3, 5};
  gantry_attr at[] = {opt_ints(GANTRY_A_DIMS, 6, wide), opt_ints(GANTRY_A_AXES, 4, axes)};
  return ir_reshape(g, ir_op(g, GANTRY_OP_BROADCAST, &x, 1, at, 2), 4, out);
}

static ir_id pool(ir_graph *g, ir_id x, const int64_t k[2]) {
  int64_t d[GANTRY_MAX_RANK], axes[2] = {2, 4};
  opt_shape(g, x, d);
  int64_t split[6] = {d[0], d[1] / k[0], k[0], d[2] / k[1], k[1], d[3]};
  return ir_sum(g, ir_reshape(g, x, 6, split), axes, 2);
}

/* B w and, where `back`, B' of the gradient to it: one shifted copy of w for each of the k x k pixels of a block. */
static ir_id boxed(ir_graph *g, ir_id w, const int64_t k[2], int back) {
  int64_t d[GANTRY_MAX_RANK], zero[4] = {0}, one[4] = {1, 1, 1, 1};
  ir_id sum = 0;
  opt_shape(g, w, d);
  for (int64_t y = 0; y < k[0]; y++)
    for (int64_t x = 0; x < k[1]; x++) {
      int64_t lo[4] = {0, y, x, 0}, hi[4] = {0, k[0] - 1 - y, k[1] - 1 - x, 0}, stop[4] = {d[0], d[1] - hi[1], d[2] - hi[2], d[3]};
      gantry_attr pad[] = {opt_ints(GANTRY_A_LO, 4, lo), opt_ints(GANTRY_A_HI, 4, hi), opt_ints(GANTRY_A_INTERIOR, 4, zero)};
      gantry_attr cut[] = {opt_ints(GANTRY_A_START, 4, lo), opt_ints(GANTRY_A_STOP, 4, stop), opt_ints(GANTRY_A_STEP, 4, one)};
      ir_id part = ir_op(g, back ? GANTRY_OP_SLICE : GANTRY_OP_PAD, &w, 1, back ? cut : pad, 3);
      sum = sum ? ir_add(g, sum, part) : part;
    }
  return sum;
}

static ir_id turned(ir_graph *g, ir_id w) { /* T */
  int64_t axes[2] = {1, 2}, perm[4] = {3, 1, 2, 0};
  gantry_attr at[] = {opt_ints(GANTRY_A_AXES, 2, axes)};
  return ir_permute(g, ir_op(g, GANTRY_OP_REVERSE, &w, 1, at, 1), perm);
}

/* One face with stride k. across: T stands between, which exchanges both paddings. dims: of the result, NULL for CONV. */
static ir_id strided(ir_graph *g, uint32_t op, ir_id a, ir_id b, const conv *c, const int64_t k[2], int across, const int64_t *dims) {
  int64_t lo[2], hi[2], one[2] = {1, 1};
  for (int s = 0; s < 2; s++) {
    lo[s] = across ? c->taps[s] - 1 - c->lo[s] : c->lo[s];
    hi[s] = c->taps[s] - 1 - lo[s];
  }
  ir_id in[2] = {a, b};
  gantry_attr at[] = {opt_ints(GANTRY_A_STRIDE, 2, k), opt_ints(GANTRY_A_PAD_LO, 2, lo), opt_ints(GANTRY_A_PAD_HI, 2, hi), opt_ints(GANTRY_A_DILATION, 2, one),
                      {.key = GANTRY_A_GROUPS, .v.i = 1}, {.key = GANTRY_A_DIMS, .n = 4, .v.iv = dims}};
  return ir_op(g, op, in, 2, at, dims ? 6 : 5);
}

static ir_id again(ir_graph *g, uint32_t op, ir_id a, ir_id b, const int64_t *dims) { /* of a 1 x 1 filter */
  static const int64_t one[2] = {1, 1};
  conv c = {.taps = {1, 1}};
  return strided(g, op, a, b, &c, one, 0, dims);
}

/* CONV(U x, w) */
ir_id rule_conv_enlarged(ir_graph *g, ir_id id) {
  conv c;
  int64_t k[2], dims[GANTRY_MAX_RANK];
  ir_id x = same_size(g, id, GANTRY_OP_CONV, &c) ? enlarged(g, c.a, k) : 0;
  if (!x) return 0;
  if (c.unit) return enlarge(g, again(g, GANTRY_OP_CONV, x, c.b, NULL), k);
  opt_shape(g, id, dims);
  return strided(g, GANTRY_OP_CONV_DGRAD, x, turned(g, boxed(g, c.b, k, 0)), &c, k, 1, dims);
}

/* CONV_DGRAD(U g, w) */
ir_id rule_dgrad_enlarged(ir_graph *g, ir_id id) {
  conv c;
  int64_t k[2], dims[GANTRY_MAX_RANK];
  ir_id x = same_size(g, id, GANTRY_OP_CONV_DGRAD, &c) ? enlarged(g, c.a, k) : 0;
  if (!x) return 0;
  opt_shape(g, id, dims);
  if (!c.unit) return strided(g, GANTRY_OP_CONV_DGRAD, x, boxed(g, c.b, k, 0), &c, k, 0, dims);
  dims[1] /= k[0];
  dims[2] /= k[1];
  return enlarge(g, again(g, GANTRY_OP_CONV_DGRAD, x, c.b, dims), k);
}

/* CONV_WGRAD(U x, g) and CONV_WGRAD(x, U g) */
ir_id rule_wgrad_enlarged(ir_graph *g, ir_id id) {
  conv c;
  int64_t k[2], dims[GANTRY_MAX_RANK];
  if (!same_size(g, id, GANTRY_OP_CONV_WGRAD, &c)) return 0;
  ir_id x = enlarged(g, c.a, k), y = x ? 0 : enlarged(g, c.b, k);
  if (!x && !y) return 0;
  opt_shape(g, id, dims);
  if (c.unit) return x ? again(g, GANTRY_OP_CONV_WGRAD, x, pool(g, c.b, k), dims) : again(g, GANTRY_OP_CONV_WGRAD, pool(g, c.a, k), y, dims);
  int64_t large[4] = {x ? dims[3] : dims[0], dims[1] + k[0] - 1, dims[2] + k[1] - 1, x ? dims[0] : dims[3]};
  if (x) return boxed(g, turned(g, strided(g, GANTRY_OP_CONV_WGRAD, c.b, x, &c, k, 1, large)), k, 1);
  return boxed(g, strided(g, GANTRY_OP_CONV_WGRAD, c.a, y, &c, k, 0, large), k, 1);
}

/* S of a convolution, which a bias may have been added to; S of its gradient. */
ir_id rule_pool_conv(ir_graph *g, ir_id id) {
  conv c;
  int64_t k[2], dims[GANTRY_MAX_RANK], axes[GANTRY_MAX_RANK];
  ir_id x = pooled(g, id, k), bias = 0, y = 0;
  if (!x) return 0;
  for (uint32_t j = 0; j < 2 && opt_is(g, x, GANTRY_OP_ADD) && !bias; j++) {
    ir_id b = ir_in(g, x, j);
    if (!opt_is(g, b, GANTRY_OP_BROADCAST) || ir_at(g, ir_in(g, b, 0))->rank != 1 || opt_list(g, b, GANTRY_A_AXES, axes) != 1 || axes[0] != 3) continue;
    bias = ir_in(g, b, 0);
    x = ir_in(g, x, 1 - j);
  }
  if (same_size(g, x, GANTRY_OP_CONV, &c)) y = c.unit ? again(g, GANTRY_OP_CONV, pool(g, c.a, k), c.b, NULL) : strided(g, GANTRY_OP_CONV, c.a, boxed(g, c.b, k, 0), &c, k, 0, NULL);
  else if (!bias && same_size(g, x, GANTRY_OP_CONV_DGRAD, &c)) {
    opt_shape(g, id, dims);
    y = c.unit ? again(g, GANTRY_OP_CONV_DGRAD, pool(g, c.a, k), c.b, dims) : strided(g, GANTRY_OP_CONV, c.a, turned(g, boxed(g, c.b, k, 0)), &c, k, 1, NULL);
  }
  if (!y || !bias) return y;
  opt_shape(g, id, dims);
  axes[0] = 3;
  ir_id all = ir_scale(g, bias, (double)(k[0] * k[1]));
  gantry_attr at[] = {opt_ints(GANTRY_A_DIMS, 4, dims), opt_ints(GANTRY_A_AXES, 1, axes)};
  return ir_add(g, y, ir_op(g, GANTRY_OP_BROADCAST, &all, 1, at, 2));
}

/* A sum over all of space of U x: k x k times that of x (a bias' gradient behind a pool). */
ir_id rule_sum_enlarged(ir_graph *g, ir_id id) {
  int64_t axes[GANTRY_MAX_RANK], k[2];
  uint32_t n = opt_list(g, id, GANTRY_A_AXES, axes), both = 0;
  for (uint32_t j = 0; j < n; j++) both += axes[j] == 1 || axes[j] == 2;
  ir_id x = both == 2 ? enlarged(g, ir_in(g, id, 0), k) : 0;
  return x ? ir_scale(g, ir_sum(g, x, axes, n), (double)(k[0] * k[1])) : 0;
}
