/* matmul.c - MATMUL by cuBLASLt. Row-major [m,k] x [k,n] is, read column by column, [n,k] x [k,m]: operands change places, no data moves. The
 * algorithm is the library's first suggestion, which follows from shapes, types and the GPU; sums split between blocks are joined in order. */
#include <stdio.h>
#include <stdlib.h>

#include "lib.h"

struct gpu_product {
  cublasLtMatmulDesc_t desc;
  cublasLtMatrixLayout_t a, b, out; /* in the library's order: a is the second operand */
  cublasLtMatmulAlgo_t algo;
  int wide;
  uint32_t dtype, aligned;
  int tf32;
};

static int layout(const library *l, cublasLtMatrixLayout_t *out, cudaDataType type, int64_t rows, int64_t columns, int64_t batch) {
  int32_t count = (int32_t)batch;
  int64_t stride = rows * columns;
  return !l->cublasLtMatrixLayoutCreate(out, type, (uint64_t)rows, (uint64_t)columns, rows) &&
         (batch == 1 || (!l->cublasLtMatrixLayoutSetAttribute(*out, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count) &&
                         !l->cublasLtMatrixLayoutSetAttribute(*out, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof stride)));
}

/* Descriptors alone; they need no GPU. */
static int describe(const library *l, const lib_product *q, int tf32, gpu_product *v) {
  cudaDataType type = q->dtype == GANTRY_F64 ? CUDA_R_64F : q->dtype == GANTRY_BF16 ? CUDA_R_16BF : CUDA_R_32F, scale = q->dtype == GANTRY_F64 ? CUDA_R_64F : CUDA_R_32F;
  cublasComputeType_t compute = q->dtype == GANTRY_F64 ? CUBLAS_COMPUTE_64F : tf32 && q->dtype == GANTRY_F32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
  cublasOperation_t ta = q->tb ? CUBLAS_OP_T : CUBLAS_OP_N, tb = q->ta ? CUBLAS_OP_T : CUBLAS_OP_N;
  v->wide = q->dtype == GANTRY_F64;
  v->dtype = q->dtype;
  v->aligned = q->aligned;
  v->tf32 = tf32;
  return !l->cublasLtMatmulDescCreate(&v->desc, compute, scale) && !l->cublasLtMatmulDescSetAttribute(v->desc, CUBLASLT_MATMUL_DESC_TRANSA, &ta, sizeof ta) &&
         !l->cublasLtMatmulDescSetAttribute(v->desc, CUBLASLT_MATMUL_DESC_TRANSB, &tb, sizeof tb) && layout(l, &v->a, type, q->tb ? q->k : q->n, q->tb ? q->n : q->k, q->batch) &&
         layout(l, &v->b, type, q->ta ? q->m : q->k, q->ta ? q->k : q->m, q->batch) && layout(l, &v->out, type, q->n, q->m, q->batch);
}

static int choose(const gpu *g, gpu_product *v) {
  const library *l = g->lib;
  cublasLtMatmulPreference_t wish = NULL;
  cublasLtMatmulHeuristicResult_t best = {0};
  size_t room = GPU_PRODUCT_SCRATCH;
  uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE, aligned = v->aligned;
  int n = 0, ok = !l->cublasLtMatmulPreferenceCreate(&wish) && !l->cublasLtMatmulPreferenceSetAttribute(wish, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &room, sizeof room) &&
                  !l->cublasLtMatmulPreferenceSetAttribute(wish, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &schemes, sizeof schemes);
  for (int k = CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES; k <= CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES && ok; k++) /* operands begin anywhere in their buffers, though mostly where 16 bytes are loaded at once */
    ok = !l->cublasLtMatmulPreferenceSetAttribute(wish, (cublasLtMatmulPreferenceAttributes_t)k, &aligned, sizeof aligned);
  ok = ok && !l->cublasLtMatmulAlgoGetHeuristic(g->cublas, v->desc, v->a, v->b, v->out, v->out, wish, 1, &best, &n) && n == 1 && !best.state && best.workspaceSize <= room;
  if (wish) l->cublasLtMatmulPreferenceDestroy(wish);
  v->algo = best.algo;
  return ok;
}

void gpu_product_free(const gpu *g, gpu_product *v) {
  if (!v) return;
  if (v->desc) g->lib->cublasLtMatmulDescDestroy(v->desc);
  if (v->a) g->lib->cublasLtMatrixLayoutDestroy(v->a);
  if (v->b) g->lib->cublasLtMatrixLayoutDestroy(v->b);
  if (v->out) g->lib->cublasLtMatrixLayoutDestroy(v->out);
  free(v);
}

gpu_product *gpu_product_described(const gpu *g, const lib_product *q) {
  gpu_product *v = calloc(1, sizeof *v);
  if (v && describe(g->lib, q, q->tf32, v)) return v;
  gpu_product_free(g, v);
  return NULL;
}

gantry_status gpu_product_of(gantry_ctx *ctx, gpu *g, const gantry_lib *l, gpu_product **out) {
  lib_product q = lib_product_of(l);
  *out = NULL;
  if (!g->cublas || q.batch > INT32_MAX || !(q.m && q.n && q.k && q.batch)) return GANTRY_OK;
  gpu_product *v = gpu_product_described(g, &q);
  (void)ctx;
  if (v && choose(g, v)) *out = v;
  else gpu_product_free(g, v);
  return GANTRY_OK;
}

gantry_status gpu_product_run(gantry_ctx *ctx, gpu *g, const gpu_product *v, CUdeviceptr a, CUdeviceptr b, CUdeviceptr out, CUdeviceptr scratch) {
  const float one = 1, zero = 0;
  g->n_products[v->dtype == GANTRY_BF16 ? 1 : v->tf32 ? 2 : 0]++;
  const double wide_one = 1, wide_zero = 0;
  const void *alpha = v->wide ? (const void *)&wide_one : &one, *beta = v->wide ? (const void *)&wide_zero : &zero;
  void *to = (void *)(uintptr_t)out; /* a device address */
  cublasStatus_t r = g->lib->cublasLtMatmul(g->cublas, v->desc, alpha, (const void *)(uintptr_t)b, v->a, (const void *)(uintptr_t)a, v->b, beta, to, v->out, to, v->out, &v->algo,
                                            (void *)(uintptr_t)scratch, GPU_PRODUCT_SCRATCH, (cudaStream_t)g->stream);
  char what[80];
  snprintf(what, sizeof what, "cuBLASLt cannot start a matrix product (status %d)", (int)r);
  return r ? gpu_library_failed(ctx, g, what) : GANTRY_OK;
}
