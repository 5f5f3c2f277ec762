/* gpu.h - inside the CUDA backend: a session, a compiled program, and what its steps become.
 *
 * A program is a list of actions on one stream: launches of kernels (emit_*.c, lib_*.c), convolutions of cuDNN, products of cuBLASLt. run() does
 * a sequence of programs action by action the first time, captures it as a CUDA graph the second time, and replays that from then on. */
#ifndef CUDA_GPU_H
#define CUDA_GPU_H
#include <gantry/backend.h>
#include <stdint.h>

#include "library.h"

typedef struct gpu_kernel { /* one of a session's kernels, by its text */
  char name[24];
  char *body;        /* until it is compiled */
  char title[60];    /* its first comment: which template it is */
  int ran, maps;     /* maps: 1 some by one, 2 some by four */
  uint32_t n_at;
  CUfunction fn;     /* once it is */
} gpu_kernel;

enum { GPU_NAMED, GPU_WORKSPACE, GPU_PARTIAL };
typedef struct gpu_place {
  uint32_t space;
  uint16_t written, own; /* own: bytes of the one element that a thread of a map touches, its own by number; 0: others */
  CUdeviceptr base;
  int64_t offset, bytes;
} gpu_place;

typedef struct gpu_conv gpu_conv;     /* conv.c */
typedef struct gpu_product gpu_product; /* matmul.c */
typedef struct gpu_action {
  uint32_t step;      /* of the program: for messages and measuring */
  uint32_t n_at;
  char *body;         /* a kernel's text until join.c is through with it */
  int64_t map_points; /* of a map, which has no barriers and may stand in one launch with others; 0: something else */
  int by_four;
  gpu_kernel *kernel; /* one of the three */
  const gpu_conv *conv;
  gpu_product *product;
  int64_t blocks;
  gpu_place *at;      /* kernel: its pointers; else in 0, in 1, out, scratch */
} gpu_action;

typedef struct gpu_exe {
  gpu_action *actions;
  uint32_t n, n_steps;
  char **labels;      /* by step */
  char *name;
} gpu_exe;

typedef struct gpu_graph { void **exes; uint32_t n, runs; CUdeviceptr workspace; CUgraphExec exec; } gpu_graph;
typedef struct gpu_buffer { CUdeviceptr at; int64_t bytes; void *adopted; } gpu_buffer; /* what the host calls a buffer; adopted: memory of the host that the GPU reads where it is, or NULL */

typedef struct gpu_take gpu_take; /* ring.c */
typedef struct gpu {
  const library *lib;
  CUdevice device;
  CUcontext context;
  CUstream stream;
  int arch;           /* 90 */
  char name[128];
  int lost;           /* an error that no call recovers from was seen */
  gpu_kernel **kernels;
  uint32_t n_kernels, room_kernels, n_pending;
  CUmodule *modules;
  uint32_t n_modules;
  gpu_graph *graphs;
  uint32_t n_graphs;
  CUdeviceptr partial;
  int64_t partial_bytes, held_bytes;
  cudnnHandle_t cudnn;
  gpu_conv **convs;
  uint32_t n_convs;
  struct gpu_engines *engines;
  cublasLtHandle_t cublas;
  gpu_take **takes;
  uint32_t n_takes;
  uint32_t n_products[3] /* f32 or f64, bf16, tf32 */, n_replays, n_measured, n_adopted, n_taken; /* what happened, for seen.c */
} gpu;

typedef struct gpu_compile { /* what compiling a step needs to know */
  gantry_ctx *ctx;
  gpu *self;
  const gantry_program *program;
  void *const *named;
  const char *label;
  gpu_exe *exe;
  uint32_t step;
} gpu_compile;

/* error.c. All go through host->fail and return what it returns. */
gantry_status gpu_fail(const gpu_compile *c, gantry_status code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));       /* "cuda: label: .." */
gantry_status gpu_say(gantry_ctx *ctx, gantry_status code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));             /* "cuda: .." */
/* A failed call of the driver while `doing`; a device that is lost is remembered. GANTRY_OK for CUDA_SUCCESS. */
gantry_status gpu_check(gantry_ctx *ctx, gpu *self, CUresult r, const char *doing);
/* A library's call failed: the device's own error if it is lost, else what. */
gantry_status gpu_library_failed(gantry_ctx *ctx, gpu *self, const char *what);

/* program.c: steps into actions */
const gantry_buffer *gpu_program_buffer(const gpu_compile *c, uint32_t k);
gantry_status gpu_place_of(const gpu_compile *c, uint32_t buffer, int64_t byte_offset, gpu_place *out);
/* Adds a launch of a kernel whose text is body; text and places are copied. */
gantry_status gpu_add_launch(const gpu_compile *c, const char *body, int64_t map_points, int by_four, int64_t blocks, const gpu_place *at, uint32_t n_at);
gpu_action *gpu_add(const gpu_compile *c, const gpu_place *at, uint32_t n_at); /* NULL: out of memory, said */
gantry_status gpu_program_make(gantry_ctx *ctx, gpu *self, const gantry_program *p, void *const *named, gpu_exe **out);
void gpu_exe_free(const gpu *self, gpu_exe *e);

/* join.c: orders actions so that maps that do not wait for each other are one launch, and turns texts into kernels */
enum { GPU_MOST_AT = 480 }; /* pointers of one launch: its parameters are at most 4 KB */
gantry_status gpu_join(const gpu_compile *c);

/* kernels.c: text into functions on the device */
gpu_kernel *gpu_kernel_of(gpu *self, const char *body, uint32_t n_at); /* the one with this text, pending if new; NULL: out of memory */
gantry_status gpu_kernels_build(gantry_ctx *ctx, gpu *self);           /* compiles what is pending */
void gpu_kernels_free(gpu *self);
/* seen.c: which ways through this backend a session went, for tests/gpu; appended to $GANTRY_CUDA_SEEN, a line each, when it closes. */
void gpu_seen_write(const gpu *self);
void gpu_conv_describe(const gpu *self, uint32_t k, char dst[80]); /* "cuDNN CONV f32, 2 axes" */

/* run.c: actions onto the stream, graphs */
gantry_status gpu_run(gantry_ctx *ctx, gpu *self, void *const *exes, uint32_t n, CUdeviceptr workspace);
gantry_status gpu_measure(gantry_ctx *ctx, gpu *self, gpu_exe *e, CUdeviceptr workspace, uint32_t runs, int64_t *ns);
void gpu_graphs_forget(gpu *self, const gpu_exe *e); /* graphs with e in them; NULL: all */

/* ring.c: values that come down while the GPU goes on; see take and taken of gantry/backend.h */
gantry_status gpu_take_begin(gantry_ctx *ctx, gpu *self, CUdeviceptr from, int64_t bytes, gpu_take **out);
gantry_status gpu_take_end(gantry_ctx *ctx, gpu *self, gpu_take *t, int wait, void *dst, uint32_t *ready);
void gpu_takes_free(gpu *self);

/* lib.c and lib_*.c: library steps */
int gpu_lib_supported(const gantry_lib *l);
gantry_status gpu_lib_scratch(gantry_ctx *ctx, gpu *self, const gantry_lib *l, int64_t *bytes);
gantry_status gpu_lib_make(const gpu_compile *c, const gantry_lib *l);

/* conv.c: cuDNN. NULL without an error: cuDNN does not do this one, the kernel of lib_conv.c does. */
gantry_status gpu_conv_of(gantry_ctx *ctx, gpu *self, const gantry_lib *l, const gpu_conv **out, int64_t *scratch);
gantry_status gpu_conv_run(gantry_ctx *ctx, gpu *self, const gpu_conv *v, CUdeviceptr a, CUdeviceptr b, CUdeviceptr out, CUdeviceptr scratch);
void gpu_convs_free(gpu *self);

/* matmul.c: cuBLASLt */
gantry_status gpu_product_of(gantry_ctx *ctx, gpu *self, const gantry_lib *l, gpu_product **out); /* NULL without an error: the kernel does it */
enum { GPU_PRODUCT_SCRATCH = 8 << 20 };
gantry_status gpu_product_run(gantry_ctx *ctx, gpu *self, const gpu_product *v, CUdeviceptr a, CUdeviceptr b, CUdeviceptr out, CUdeviceptr scratch);
void gpu_product_free(const gpu *self, gpu_product *v);
#endif
