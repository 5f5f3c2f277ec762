/* ref_lib.c - the reference meaning of matrix products, convolutions, FIR resampling and grid sampling, as direct sums. */
#include <math.h>

#include "ir/ref.h"

void ref_matmul(const ref_job *j) {
  uint32_t r = j->n->rank;
  const int64_t *a = ref_dims(j, 0), *o = ir_dims(j->g, j->id);
  int64_t ta = ir_attr_i(j->g, j->id, GANTRY_A_TA, 0), tb = ir_attr_i(j->g, j->id, GANTRY_A_TB, 0);
  int64_t m = o[r - 2], n = o[r - 1], k = a[ta ? r - 2 : r - 1], batch = j->count / (m * n);
  for (int64_t b = 0; b < batch; b++)
    for (int64_t row = 0; row < m; row++)
      for (int64_t col = 0; col < n; col++) {
        const double *x = j->in[0] + b * m * k, *y = j->in[1] + b * k * n;
        double sum = 0;
        for (int64_t i = 0; i < k; i++) sum += (ta ? x[i * m + row] : x[row * k + i]) * (tb ? y[col * k + i] : y[i * n + col]);
        j->out[b * m * n + row * n + col] = sum;
      }
}

/* Every product x * w -> o of the convolution, in order of o; the three faces differ in which of the three is the sum. */
void ref_conv(const ref_job *j) {
  int dgrad = j->n->op == GANTRY_OP_CONV_DGRAD, wgrad = j->n->op == GANTRY_OP_CONV_WGRAD;
  const int64_t *own = ir_dims(j->g, j->id);
  const int64_t *x = dgrad ? own : ref_dims(j, 0), *w = wgrad ? own : ref_dims(j, 1), *o = dgrad ? ref_dims(j, 0) : wgrad ? ref_dims(j, 1) : own;
  const int64_t *stride = ref_iv(j, GANTRY_A_STRIDE), *lo = ref_iv(j, GANTRY_A_PAD_LO), *dilation = ref_iv(j, GANTRY_A_DILATION);
  uint32_t rank = j->n->rank, s = rank - 2;
  int64_t groups = ir_attr_i(j->g, j->id, GANTRY_A_GROUPS, 1), per_in = x[rank - 1] / groups, per_out = w[0] / groups;
  int64_t at[GANTRY_MAX_RANK] = {0}, tap[GANTRY_MAX_RANK], from[GANTRY_MAX_RANK], of[GANTRY_MAX_RANK];
  do { /* at: n, o.., output channel */
    memset(tap, 0, sizeof tap);
    do { /* tap: k.., channel within the group */
      int64_t channel = at[rank - 1];
      int inside = 1;
      from[0] = at[0];
      from[rank - 1] = channel / per_out * per_in + tap[s];
      of[0] = channel;
      of[rank - 1] = tap[s];
      for (uint32_t k = 0; k < s; k++) {
        from[k + 1] = at[k + 1] * stride[k] + tap[k] * dilation[k] - lo[k];
        of[k + 1] = tap[k];
        inside = inside && from[k + 1] >= 0 && from[k + 1] < x[k + 1];
      }
      if (!inside) continue;
      int64_t fx = ref_flat(rank, x, from), fw = ref_flat(rank, w, of), fo = ref_flat(rank, o, at);
      if (dgrad) j->out[fx] += j->in[0][fo] * j->in[1][fw];
      else if (wgrad) j->out[fw] += j->in[0][fx] * j->in[1][fo];
      else j->out[fo] += j->in[0][fx] * j->in[1][fw];
    } while (ref_next(s + 1, w + 1, tap));
  } while (ref_next(rank, o, at));
}

/* out[i] = sum over taps t of up(x)[i * down + t - lo] * filter[t]; FLIP = 1 reads the filter backwards. */
void ref_fir(const ref_job *j) {
  int fgrad = j->n->op == GANTRY_OP_FIR_FGRAD;
  const int64_t *own = ir_dims(j->g, j->id), *x = ref_dims(j, 0), *f = fgrad ? own : ref_dims(j, 1), *o = fgrad ? ref_dims(j, 1) : own;
  const int64_t *up = ref_iv(j, GANTRY_A_UP), *down = ref_iv(j, GANTRY_A_DOWN), *lo = ref_iv(j, GANTRY_A_PAD_LO);
  int64_t flip = ir_attr_i(j->g, j->id, GANTRY_A_FLIP, 0), at[GANTRY_MAX_RANK] = {0}, tap[GANTRY_MAX_RANK], from[GANTRY_MAX_RANK], of[GANTRY_MAX_RANK];
  uint32_t rank = ref_rank(j, 0), s = rank - 2;
  do {
    memset(tap, 0, sizeof tap);
    do {
      int inside = 1;
      memcpy(from, at, sizeof from);
      for (uint32_t k = 0; k < s; k++) {
        int64_t p = at[k + 1] * down[k] + tap[k] - lo[k];
        inside = inside && p >= 0 && p % up[k] == 0 && p / up[k] < x[k + 1];
        from[k + 1] = p / up[k];
        of[k] = flip ? f[k] - 1 - tap[k] : tap[k];
      }
      if (!inside) continue;
      int64_t fx = ref_flat(rank, x, from), ff = ref_flat(s, f, of), fo = ref_flat(rank, o, at);
      if (fgrad) j->out[ff] += j->in[0][fx] * j->in[1][fo];
      else j->out[fo] += j->in[0][fx] * j->in[1][ff];
    } while (ref_next(s, f, tap));
  } while (ref_next(rank, o, at));
}

/* The hat function 1 - |d| around a pixel, or its derivative to the coordinate. d = coordinate - pixel, in [-1, 1). */
static double hat(double d, int derivative) {
  if (derivative) return d < 0 ? 1 : -1;
  return 1 - fabs(d);
}

/* out = sum over the 2^d pixels around each coordinate of pixel * product of hats. SPLAT adds where SAMPLE reads. */
void ref_grid(const ref_job *j) {
  int splat = j->n->op == GANTRY_OP_GRID_SPLAT;
  const int64_t *own = ir_dims(j->g, j->id), *x = splat ? own : ref_dims(j, 0), *grid = ref_dims(j, 1);
  uint32_t rank = splat ? j->n->rank : ref_rank(j, 0), s = rank - 2, rg = ref_rank(j, 1);
  int64_t dmask = ir_attr_i(j->g, j->id, GANTRY_A_DMASK, 0), channels = x[rank - 1], points = 1;
  for (uint32_t k = 0; k + 1 < rg; k++) points *= grid[k];
  for (int64_t p = 0; p < points; p++) {
    const double *c = j->in[1] + p * s;
    for (uint32_t corner = 0; corner < 1u << s; corner++) {
      double weight = 1;
      int64_t from[GANTRY_MAX_RANK] = {p / (points / grid[0])};
      int inside = 1;
      for (uint32_t k = 0; k < s; k++) {
        double pixel = floor(c[k]) + (corner >> k & 1);
        inside = inside && pixel >= 0 && pixel < (double)x[k + 1]; /* false for NaN: reads nothing */
        from[k + 1] = inside ? (int64_t)pixel : 0;
        weight *= hat(c[k] - pixel, dmask >> k & 1);
      }
      if (!inside) continue;
      for (int64_t ch = 0; ch < channels; ch++) {
        from[rank - 1] = ch;
        int64_t fx = ref_flat(rank, x, from), fo = p * channels + ch;
        if (splat) j->out[fx] += j->in[0][fo] * weight;
        else j->out[fo] += j->in[0][fx] * weight;
      }
    }
  }
}
