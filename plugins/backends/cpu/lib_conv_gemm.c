/* lib_conv_gemm.c - convolutions as matrix products over patches, in f32 and f64, for any axes, strides, padding, dilation and groups.
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

/* Row r of the patch matrix: where its window starts. */
typedef struct window { int64_t sample, at[3]; } window;
static window window_of(const conv_shape *q, int64_t r) {
  window w;
  int64_t o2 = r % q->out[2], o1 = r / q->out[2] % q->out[1], o0 = r / q->out[2] / q->out[1] % q->out[0];
  w.sample = r / (q->out[0] * q->out[1] * q->out[2]);
  w.at[0] = o0 * q->stride[0] - q->lo[0];
  w.at[1] = o1 * q->stride[1] - q->lo[1];
  w.at[2] = o2 * q->stride[2] - q->lo[2];
  return w;
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
