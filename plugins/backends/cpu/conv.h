/* conv.h - the geometry of one convolution, shared by the oneDNN and the matrix-product way of computing it. */
#ifndef CPU_CONV_H
#define CPU_CONV_H
#include "dnnl_common.h"

typedef struct conv_shape {
  uint32_t s;                       /* spatial axes, 1 to 3 */
  int64_t n, c, o, groups;          /* images, channels of x and of the result */
  int64_t x[3], k[3], y[3], stride[3], lo[3], hi[3], dilation[3];
  int64_t pixels_x, pixels_k, pixels_y;
} conv_shape;
void cpu_conv_shape(const gantry_lib *l, conv_shape *q);

/* conv_gemm.c: by columns and matrix products, any of the three faces in f32 or f64 */
int64_t cpu_conv_gemm_scratch(const gantry_lib *l, const conv_shape *q);
gantry_status cpu_conv_gemm_make(const cpu_compile *c, cpu_lib *l, const conv_shape *q);
#endif
