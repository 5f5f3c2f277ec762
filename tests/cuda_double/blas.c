/* blas.c - cuBLASLt's matrix product by plain loops, column by column as the library has it. See double.h. */
#include <cublasLt.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "double.h"

typedef struct desc { int ta, tb, wide; } desc;
typedef struct layout { uint64_t rows, columns; int64_t ld, stride; int32_t batch; cudaDataType type; } layout;
typedef struct product { desc d; layout a, b, out; const void *pa, *pb; void *pout; double alpha; } product;

EXPORT size_t cublasLtGetVersion(void) { return 130100; }
EXPORT cublasStatus_t cublasLtCreate(cublasLtHandle_t *h) { return *h = (cublasLtHandle_t)(uintptr_t)4, CUBLAS_STATUS_SUCCESS; }
EXPORT cublasStatus_t cublasLtDestroy(cublasLtHandle_t h) { return (void)h, CUBLAS_STATUS_SUCCESS; }
EXPORT cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *out, cublasComputeType_t compute, cudaDataType_t scale) {
  desc *d = calloc(1, sizeof *d);
  d->wide = compute == CUBLAS_COMPUTE_64F;
  *out = (cublasLtMatmulDesc_t)(void *)d;
  return (scale == CUDA_R_64F) == d->wide ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}
EXPORT cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t d) { return free(d), CUBLAS_STATUS_SUCCESS; }
EXPORT cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t m, cublasLtMatmulDescAttributes_t name, const void *v, size_t n) {
  desc *d = (desc *)(void *)m;
  int32_t op;
  if (n != sizeof op) return CUBLAS_STATUS_INVALID_VALUE;
  memcpy(&op, v, sizeof op);
  if (name == CUBLASLT_MATMUL_DESC_TRANSA) d->ta = op == CUBLAS_OP_T;
  else if (name == CUBLASLT_MATMUL_DESC_TRANSB) d->tb = op == CUBLAS_OP_T;
  else return CUBLAS_STATUS_INVALID_VALUE;
  return CUBLAS_STATUS_SUCCESS;
}
EXPORT cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *out, cudaDataType type, uint64_t rows, uint64_t columns, int64_t ld) {
  layout *l = calloc(1, sizeof *l);
  *l = (layout){rows, columns, ld, 0, 1, type};
  *out = (cublasLtMatrixLayout_t)(void *)l;
  return ld < (int64_t)rows ? CUBLAS_STATUS_INVALID_VALUE : CUBLAS_STATUS_SUCCESS;
}
EXPORT cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t l) { return free(l), CUBLAS_STATUS_SUCCESS; }
EXPORT cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t m, cublasLtMatrixLayoutAttribute_t name, const void *v, size_t n) {
  layout *l = (layout *)(void *)m;
  if (name == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT && n == 4) memcpy(&l->batch, v, 4);
  else if (name == CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET && n == 8) memcpy(&l->stride, v, 8);
  else return CUBLAS_STATUS_INVALID_VALUE;
  return CUBLAS_STATUS_SUCCESS;
}
EXPORT cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *p) { return *p = calloc(1, 1), CUBLAS_STATUS_SUCCESS; }
EXPORT cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t p) { return free(p), CUBLAS_STATUS_SUCCESS; }
EXPORT cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t p, cublasLtMatmulPreferenceAttributes_t name, const void *v, size_t n) { return (void)p, (void)name, (void)v, (void)n, CUBLAS_STATUS_SUCCESS; }

static int fits(const product *p) {
  const layout *a = &p->a, *b = &p->b, *o = &p->out;
  uint64_t m = p->d.ta ? a->columns : a->rows, ka = p->d.ta ? a->rows : a->columns, kb = p->d.tb ? b->columns : b->rows, n = p->d.tb ? b->rows : b->columns;
  if (a->type != b->type || a->type != o->type || (a->type == CUDA_R_64F) != p->d.wide || (a->type != CUDA_R_64F && a->type != CUDA_R_32F && a->type != CUDA_R_16BF)) return 0;
  return ka == kb && m == o->rows && n == o->columns && a->batch == b->batch && a->batch == o->batch;
}
EXPORT cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t h, cublasLtMatmulDesc_t d, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t out,
                                                     cublasLtMatmulPreference_t wish, int most, cublasLtMatmulHeuristicResult_t list[], int *n) {
  product p = {.d = *(desc *)(void *)d, .a = *(layout *)(void *)a, .b = *(layout *)(void *)b, .out = *(layout *)(void *)out};
  (void)h, (void)c, (void)wish;
  *n = most > 0 && fits(&p);
  if (*n) {
    memset(&list[0], 0, sizeof list[0]);
    list[0].workspaceSize = 1024;
  }
  return *n ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

#define PRODUCT(T)                                                                                                                            \
  static void product_##T(const product *p) {                                                                                                 \
    int64_t m = (int64_t)p->out.rows, n = (int64_t)p->out.columns, k = (int64_t)(p->d.ta ? p->a.rows : p->a.columns);                         \
    for (int32_t i = 0; i < p->out.batch; i++) {                                                                                              \
      const T *a = (const T *)double_host(p->pa) + i * p->a.stride, *b = (const T *)double_host(p->pb) + i * p->b.stride;                     \
      T *out = (T *)double_host(p->pout) + i * p->out.stride;                                                                                 \
      for (int64_t c = 0; c < n; c++)                                                                                                         \
        for (int64_t r = 0; r < m; r++) {                                                                                                     \
          double sum = 0;                                                                                                                     \
          for (int64_t j = 0; j < k; j++) sum += double_wide(a[p->d.ta ? j + r * p->a.ld : r + j * p->a.ld]) * double_wide(b[p->d.tb ? c + j * p->b.ld : j + c * p->b.ld]); \
          double_put(out + r + c * p->out.ld, p->alpha * sum);                                                                                \
        }                                                                                                                                     \
    }                                                                                                                                         \
  }
PRODUCT(float)
PRODUCT(double)
PRODUCT(uint16_t)
static void multiply(void *payload) {
  const product *p = payload;
  if (p->d.wide) product_double(p);
  else if (p->a.type == CUDA_R_16BF) product_uint16_t(p);
  else product_float(p);
}
EXPORT cublasStatus_t cublasLtMatmul(cublasLtHandle_t h, cublasLtMatmulDesc_t d, const void *alpha, const void *a, cublasLtMatrixLayout_t la, const void *b, cublasLtMatrixLayout_t lb, const void *beta,
                                     const void *c, cublasLtMatrixLayout_t lc, void *out, cublasLtMatrixLayout_t lout, const cublasLtMatmulAlgo_t *algo, void *workspace, size_t bytes, cudaStream_t s) {
  product p = {*(desc *)(void *)d, *(layout *)(void *)la, *(layout *)(void *)lb, *(layout *)(void *)lout, a, b, out, 0};
  (void)h, (void)beta, (void)c, (void)lc, (void)algo, (void)s;
  if (!fits(&p) || bytes < 1024 || !workspace) return CUBLAS_STATUS_INVALID_VALUE;
  memset(double_host(workspace), 0x7F, 1024);
  p.alpha = p.d.wide ? *(const double *)alpha : (double)*(const float *)alpha;
  return double_do(multiply, &p, sizeof p) ? CUBLAS_STATUS_EXECUTION_FAILED : CUBLAS_STATUS_SUCCESS;
}
