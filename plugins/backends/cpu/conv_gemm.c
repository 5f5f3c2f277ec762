/* conv_gemm.c - convolutions as matrix products over patches, in f32 and f64, for any axes, strides, padding, dilation and groups.
 *
 * A row of the patch matrix is what one output pixel sees of one group: kd kh kw c/groups values, zeros outside the image. Rows are
 * taken in slices, so that the matrix stays in the cache and the scratch small; slices and sums have a fixed order. A 1x1 filter
 * with stride 1 reads the image itself. */
#include <cblas.h>
#include <string.h>

#include "conv.h"

enum { SLICE_BYTES = 512 * 1024 };

static int64_t rows_of(const conv_shape *q) { return q->n * q->out[0] * q->out[1] * q->out[2]; }
static int64_t width_of(const conv_shape *q) { return q->k[0] * q->k[1] * q->k[2] * (q->c / q->groups); }

static int64_t slice_rows(const conv_shape *q, int64_t element) {
  int64_t rows = rows_of(q), most = SLICE_BYTES / element / width_of(q);
  if (most < 64) most = 64;
  return most < rows ? most : rows;
}

/* The patch matrix is x itself. */
static int plain(const conv_shape *q) {
  for (int k = 0; k < 3; k++)
    if (q->k[k] != 1 || q->stride[k] != 1 || q->lo[k] || q->in[k] != q->out[k]) return 0;
  return 1;
}

int64_t conv_gemm_scratch(const conv_shape *q, int64_t element) { return plain(q) ? 0 : slice_rows(q, element) * width_of(q) * element; }

/* One row of the patch matrix: where its window starts, and which taps of the innermost axis lie inside the image. */
typedef struct window { int64_t sample, out[3], at[3], from, to; } window;

static void innermost(const conv_shape *q, window *w) {
  int64_t d = q->dilation[2];
  w->at[2] = w->out[2] * q->stride[2] - q->lo[2];
  w->from = w->at[2] >= 0 ? 0 : (-w->at[2] + d - 1) / d;
  w->to = w->at[2] >= q->in[2] ? 0 : w->at[2] + (q->k[2] - 1) * d < q->in[2] ? q->k[2] : (q->in[2] - w->at[2] + d - 1) / d;
  if (w->from > w->to) w->from = w->to;
}

static window window_of(const conv_shape *q, int64_t r) {
  window w = {.sample = r / (q->out[0] * q->out[1] * q->out[2]), .out = {r / q->out[2] / q->out[1] % q->out[0], r / q->out[2] % q->out[1], r % q->out[2]}};
  for (int k = 0; k < 2; k++) w.at[k] = w.out[k] * q->stride[k] - q->lo[k];
  innermost(q, &w);
  return w;
}

static void advance(const conv_shape *q, window *w) {
  if (++w->out[2] == q->out[2]) {
    w->out[2] = 0;
    if (++w->out[1] == q->out[1]) {
      w->out[1] = 0;
      if (++w->out[0] == q->out[0]) {
        w->out[0] = 0;
        w->sample++;
      }
      w->at[0] = w->out[0] * q->stride[0] - q->lo[0];
    }
    w->at[1] = w->out[1] * q->stride[1] - q->lo[1];
  }
  innermost(q, w);
}

/* Element of the image where the run of taps (k0, k1) starts; INT64_MIN: that line lies outside. */
static inline int64_t line_of(const conv_shape *q, const window *w, int64_t k0, int64_t k1) {
  int64_t y0 = w->at[0] + k0 * q->dilation[0], y1 = w->at[1] + k1 * q->dilation[1];
  if (y0 < 0 || y0 >= q->in[0] || y1 < 0 || y1 >= q->in[1]) return INT64_MIN;
  return (((w->sample * q->in[0] + y0) * q->in[1] + y1) * q->in[2] + w->at[2]) * q->c;
}

#define REAL float
#define NAME(x) x##_f32
#define GEMM cblas_sgemm
#include "conv_gemm_body.h"
#undef REAL
#undef NAME
#undef GEMM
#define REAL double
#define NAME(x) x##_f64
#define GEMM cblas_dgemm
#include "conv_gemm_body.h"
