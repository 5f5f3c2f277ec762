/* lib_linalg.c - PSD_POWER and EIGVALSH in f64: eigenvalues of a symmetric matrix by LAPACK's dsyevd, one thread; the matrix is made symmetric first.
 *
 * A matrix with a NaN or infinity gives NaN everywhere; LAPACK is not asked, it may not return. */
#include <cblas.h>
#include <float.h>
#include <gantry/scalar.h>
#include <stdlib.h>

#include "lib.h"

void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w, double *work, const int *lwork, int *iwork, const int *liwork, int *info);

typedef struct linalg { int64_t n; double exponent; } linalg;

static int supports(const gantry_lib *l) { return l->n_in == 1 && l->out.dtype == GANTRY_F64 && l->in[0].dtype == GANTRY_F64 && l->in[0].rank == 2 && l->in[0].dims[0] == l->in[0].dims[1] && l->in[0].dims[0] <= 20000; }

static int64_t work_size(int64_t n) { return 1 + 6 * n + 2 * n * n; }
static int64_t scratch(cpu *self, const gantry_lib *l) {
  int64_t n = l->in[0].dims[0];
  (void)self;
  return 8 * (2 * n * n + n + work_size(n)) + 4 * (3 + 5 * n) + 64;
}

static gantry_status run(const cpu *self, const cpu_lib *l, char *workspace) {
  const linalg *q = l->own;
  int64_t n = q->n;
  const double *x = cpu_at(&l->in[0], workspace);
  double *out = cpu_at(&l->out, workspace), *a = cpu_at(&l->scratch, workspace), *scaled = a + n * n, *w = scaled + n * n, *work = w + n;
  int *iwork = (int *)(void *)(work + work_size(n)), in = (int)n, lwork = (int)work_size(n), liwork = (int)(3 + 5 * n), info = 0, finite = 1;
  int power = l->lib.op == GANTRY_OP_PSD_POWER;
  int64_t total = power ? n * n : n;
  (void)self;
  for (int64_t i = 0; i < n * n; i++) finite &= x[i] - x[i] == 0;
  if (!finite) {
    for (int64_t i = 0; i < total; i++) out[i] = GK_NAND;
    return GANTRY_OK;
  }
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < n; j++) a[i * n + j] = (x[i * n + j] + x[j * n + i]) / 2;
  dsyevd_(power ? "V" : "N", "U", &in, a, &in, power ? w : out, work, &lwork, iwork, &liwork, &info);
  if (info) return GANTRY_E_DEVICE;
  if (!power) return GANTRY_OK;
  double floor_ = (double)n * DBL_EPSILON * w[n - 1];
  for (int64_t j = 0; j < n; j++) { /* row j of a is eigenvector j */
    double p = w[j] <= floor_ || w[j] <= 0 ? 0 : gk_powd(w[j], q->exponent);
    for (int64_t i = 0; i < n; i++) scaled[j * n + i] = a[j * n + i] * p;
  }
  cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, in, in, in, 1, a, in, scaled, in, 0, out, in);
  return GANTRY_OK;
}

static gantry_status make(const cpu_compile *c, cpu_lib *l) {
  linalg *q = calloc(1, sizeof *q);
  if (!q) return cpu_fail(c, GANTRY_E_NOMEM, "out of memory");
  l->own = q;
  l->run = run;
  q->n = l->operands[0].dims[0];
  q->exponent = cpu_attr_f(&l->lib, GANTRY_A_EXPONENT, 1);
  return GANTRY_OK;
}
const cpu_family cpu_linalg = {supports, scratch, make};
