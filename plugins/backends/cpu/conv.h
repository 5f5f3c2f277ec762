/* conv.h - inside the convolution family: the shape that all three faces share, and the ways to compute them.
 *
 * A shape always has three spatial axes; missing leading ones have size 1. x [n, in.., c], w [o, k.., c / groups], y [n, out.., o];
 * CONV makes y of x and w, CONV_DGRAD x of y and w, CONV_WGRAD w of x and y. */
#ifndef CPU_CONV_H
#define CPU_CONV_H
#include "lib.h"

typedef struct conv_shape {
  uint32_t op, spatial;
  int64_t n, c, o, groups;
  int64_t in[3], k[3], out[3], stride[3], lo[3], dilation[3];
} conv_shape;

/* conv_gemm.c: patches of x as rows of a matrix, a matrix product, and back. `patches` is the scratch, of the bytes told. */
int64_t conv_gemm_scratch(const conv_shape *q, int64_t element);
void conv_gemm_f32(const conv_shape *q, const float *a, const float *b, float *out, float *patches);
void conv_gemm_f64(const conv_shape *q, const double *a, const double *b, double *out, double *patches);

/* conv_winograd.c: 4x4 filters of stride 2 in f32 with 9/16 of the multiplications, where it fits. */
int conv_winograd_fits(const conv_shape *q);
int64_t conv_winograd_scratch(const conv_shape *q, uint32_t threads);
gantry_status conv_winograd_run(const conv_shape *q, const float *a, const float *b, float *out, float *room, uint32_t threads);

/* conv_few.c: f32 to or from an image of one to four channels, where it fits. */
int conv_few_fits(const conv_shape *q);
int64_t conv_few_scratch(const conv_shape *q, uint32_t threads);
void conv_few_run(const conv_shape *q, const float *a, const float *b, float *out, float *room, uint32_t threads);

/* conv_dnnl.c: f32 by oneDNN. NULL where oneDNN has no fast implementation; `bytes` is the scratch it needs. */
typedef struct conv_dnnl conv_dnnl;
conv_dnnl *conv_dnnl_new(const cpu *self, const conv_shape *q, int64_t *bytes);
gantry_status conv_dnnl_ready(conv_dnnl *d); /* makes the primitives; before the first run */
gantry_status conv_dnnl_run(const conv_dnnl *d, void *a, void *b, void *out, char *scratch);
void conv_dnnl_free(conv_dnnl *d);
#endif
