/* lib_matmul.c - MATMUL by OpenBLAS on one thread: transposes are flags, batches a loop over the leading axes, f32 and f64.
 *
 * Measured against oneDNN 2.6's matmul, one AVX-512 thread, m x n x k: 64x3136x128 549 against 448 us, 256x256x256 350 against 313,
 * 64x3136x1 11 against 57. oneDNN wins a tenth to a fifth on large products, OpenBLAS five times on thin ones, which a GAN has as many
 * of; it also needs no compiled primitive per shape. */
#include <cblas.h>
#include <stdlib.h>

#include "lib.h"

typedef struct matmul { int64_t batch, m, n, k; int ta, tb; } matmul;

static int supports(const gantry_lib *l) {
  return l->n_in == 2 && (l->out.dtype == GANTRY_F32 || l->out.dtype == GANTRY_F64) && l->in[0].dtype == l->out.dtype && l->in[1].dtype == l->out.dtype && l->out.rank >= 2;
}

static gantry_status run(const cpu *self, const cpu_lib *l, char *workspace) {
  const matmul *q = l->own;
  int64_t lda = q->ta ? q->m : q->k, ldb = q->tb ? q->k : q->n;
  enum CBLAS_TRANSPOSE ta = q->ta ? CblasTrans : CblasNoTrans, tb = q->tb ? CblasTrans : CblasNoTrans;
  (void)self;
  for (int64_t i = 0; i < q->batch; i++) {
    if (l->lib.out.dtype == GANTRY_F32) {
      const float *a = (const float *)cpu_at(&l->in[0], workspace) + i * q->m * q->k, *b = (const float *)cpu_at(&l->in[1], workspace) + i * q->k * q->n;
      float *c = (float *)cpu_at(&l->out, workspace) + i * q->m * q->n;
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
  if (q->m > INT32_MAX || q->n > INT32_MAX || q->k > INT32_MAX) return cpu_fail(c, GANTRY_E_UNSUPPORTED, "a matrix product with an axis of 2^31 or more");
  return GANTRY_OK;
}
const cpu_family cpu_matmul = {supports, NULL, make};
