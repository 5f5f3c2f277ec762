/* lib.h - library steps: which there are, their attributes, and those that are kernels with fixed text and constants in front of it. */
#ifndef CUDA_LIB_H
#define CUDA_LIB_H
#include "gpu.h"
#include "text.h"

/* attributes */
int64_t lib_i(const gantry_lib *l, uint32_t key, int64_t absent);
double lib_f(const gantry_lib *l, uint32_t key, double absent);
void lib_axes(const gantry_lib *l, uint32_t key, uint32_t n, int64_t absent, int64_t *dst); /* n values, or `absent` n times */
int64_t lib_count(const gantry_operand *o);
int64_t lib_size(uint32_t dtype); /* bytes of an element; 0: no such type */
char *lib_shapes(const gantry_lib *l, char dst[400]); /* "f32[64,28,28,1] f32[32,4,4,1] -> f32[64,14,14,32]" */
const char *lib_type(uint32_t dtype);      /* in C: "float" */
const char *lib_type_name(uint32_t dtype); /* "f32" */

/* A convolution with missing leading spatial axes of size 1. */
typedef struct lib_conv { uint32_t op, dtype, spatial, aligned; /* bytes that divide its operands' places: 16 or less */ int64_t tf32, n, c, o, groups, in[3], out[3], k[3], stride[3], lo[3], hi[3], dilation[3]; } lib_conv;
lib_conv lib_conv_of(const gantry_lib *l);
typedef struct lib_product { uint32_t dtype, aligned; /* as lib_conv's */ int64_t batch, m, n, k; int ta, tb, tf32; } lib_product;
lib_product lib_product_of(const gantry_lib *l);
gpu_product *gpu_product_described(const gpu *self, const lib_product *q); /* matmul.c: cuBLASLt's descriptors alone, which need no GPU; NULL: it refuses */

/* One launch of a fixed kernel: text gets its constants, lines follow. at: in 0, in 1 (if there is one), out, scratch (if there is). */
void lib_number(cuda_text *t, const char *name, int64_t v);
void lib_three(cuda_text *t, const char *name, const int64_t v[3]);
gantry_status lib_launch(const gpu_compile *c, const gantry_lib *l, const cuda_text *constants, const char *const *lines, int64_t blocks);
static inline int64_t lib_blocks(int64_t threads) { return (threads + 255) / 256; }

/* lib_index.c, lib_image.c, lib_contract.c: one function per family; they add launches or actions. */
gantry_status lib_random(const gpu_compile *c, const gantry_lib *l);
gantry_status lib_gather(const gpu_compile *c, const gantry_lib *l);
gantry_status lib_select(const gpu_compile *c, const gantry_lib *l);
gantry_status lib_fir(const gpu_compile *c, const gantry_lib *l);
gantry_status lib_grid(const gpu_compile *c, const gantry_lib *l);
gantry_status lib_linalg(const gpu_compile *c, const gantry_lib *l);
gantry_status lib_matmul(const gpu_compile *c, const gantry_lib *l);
gantry_status lib_convolve(const gpu_compile *c, const gantry_lib *l);
int64_t lib_gather_scratch(const gantry_lib *l);
int64_t lib_grid_scratch(const gantry_lib *l);
int64_t lib_linalg_scratch(const gantry_lib *l);
enum { LIB_EIGEN_MOST = 2048 }; /* rows of a symmetric matrix: its rotations lie in one block's shared memory */
#endif
