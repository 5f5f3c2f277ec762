/* lib_matmul.c - MATMUL: transposes are flags, batches a loop over the leading axes, f32 and f64. Large products of f32 go to oneDNN's sgemm, on all of
 * the session's threads, the rest to OpenBLAS on one; the choice depends on shapes only.
 *
 * GFLOP/s of one thread (EPYC with AVX-512), m x n x k, as OpenBLAS 0.3.21 / oneDNN 2.6:
 *   100x450x450 100 / 110    256x512x512 104 / 115    1024x128x256 104 / 116    64x3136x100 99 / 114, with b transposed 93 / 84
 *   64x32x32 109 / 92        64x3136x1 (a thin one) 11 against 57 us */
#include <cblas.h>
#include <dnnl.h>
#include <stdlib.h>

#include "lib.h"

typedef struct matmul { int64_t batch, m, n, k; int ta, tb, onednn; } matmul;

static int supports(const gantry_lib *l) {
  return l->n_in == 2 && (l->out.dtype == GANTRY_F32 || l->out.dtype == GANTRY_F64) && l->in[0].dtype == l->out.dtype && l->in[1].dtype == l->out.dtype && l->out.rank >= 2;
}

static int wants_onednn(const matmul *q) { return q->m >= 16 && q->n >= 16 && q->k >= 16 && q->m * q->n * q->k >= 1 << 18 && !(q->tb && q->n > 16 * q->k); }

static gantry_status run(const cpu *self, const cpu_lib *l, char *workspace) {
  const matmul *q = l->own;
  int64_t lda = q->ta ? q->m : q->k, ldb = q->tb ? q->k : q->n;
  enum CBLAS_TRANSPOSE ta = q->ta ? CblasTrans : CblasNoTrans, tb = q->tb ? CblasTrans : CblasNoTrans;
  (void)self;
  for (int64_t i = 0; i < q->batch; i++) {
    if (l->lib.out.dtype == GANTRY_F32) {
      const float *a = (const float *)cpu_at(&l->in[0], workspace) + i * q->m * q->k, *b = (const float *)cpu_at(&l->in[1], workspace) + i * q->k * q->n;
      float *c = (float *)cpu_at(&l->out, workspace) + i * q->m * q->n;
      if (q->onednn) {
        if (dnnl_sgemm(q->ta ? 'T' : 'N', q->tb ? 'T' : 'N', q->m, q->n, q->k, 1, a, lda, b, ldb, 0, c, q->n)) return GANTRY_E_DEVICE;
      } else
        cblas_sgemm(CblasRowMajor, ta, tb, (int)q->m, (int)q->n, (int)q->k, 1, a, (int)lda, b, (int)ldb, 0, c, (int)q->n);
    } else {
      const double *a = (const double *)cpu_at(&l->in[0], workspace) + i * q->m * q->k, *b = (const double *)cpu_at(&l->in[1], workspace) + i * q->k * q->n;
      double *c = (double *)cpu_at(&l->out, workspace) + i * q->m * q->n;
      cblas_dgemm(CblasRowMajor, ta, tb, (int)q->m, (int)q->n, (int)q->k, 1, a, (int)lda, b, (int)ldb, 0, c, (int)q->n);
    }
  }
  return GANTRY_OK;
}

static gantry_status make(const cpu_compile *c, cpu_lib *l) {
  matmul *q = calloc(1, sizeof *q);
  uint32_t r = l->lib.out.rank;
  if (!q) return cpu_fail(c, GANTRY_E_NOMEM, "out of memory");
  l->own = q;
  l->run = run;
  q->ta = cpu_attr_i(&l->lib, GANTRY_A_TA, 0) != 0;
  q->tb = cpu_attr_i(&l->lib, GANTRY_A_TB, 0) != 0;
  q->m = l->lib.out.dims[r - 2];
  q->n = l->lib.out.dims[r - 1];
  q->k = l->operands[0].dims[q->ta ? r - 2 : r - 1];
  q->batch = cpu_count(&l->lib.out) / (q->m * q->n);
  q->onednn = l->lib.out.dtype == GANTRY_F32 && wants_onednn(q);
  if (q->m > INT32_MAX || q->n > INT32_MAX || q->k > INT32_MAX) return cpu_fail(c, GANTRY_E_UNSUPPORTED, "a matrix product with an axis of 2^31 or more");
  return GANTRY_OK;
}
const cpu_family cpu_matmul = {supports, NULL, make};
