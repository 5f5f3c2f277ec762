/* lib_linalg.c - PSD_POWER and EIGVALSH in f64 by LAPACK's dsyevd (OpenBLAS brings it), for the closing graphs of metrics.
 *
 * Only the symmetric part of the input counts. The scratch holds the matrix, scaled eigenvectors, eigenvalues and LAPACK's work. */
#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib.h"

void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w, double *work, const int *lwork, int *iwork, const int *liwork, int *info, size_t, size_t);

enum { LARGEST = 16384 }; /* LAPACK's 32-bit work sizes end at about 2 n^2 = 2^31 */
typedef struct eigen { int n, lwork, liwork; double exponent; } eigen;

static int supports(const gantry_lib *l) { return l->n_in == 1 && l->out.dtype == GANTRY_F64 && l->in[0].dtype == GANTRY_F64 && l->in[0].rank == 2 && l->in[0].dims[0] == l->in[0].dims[1] && l->in[0].dims[0] <= LARGEST; }

/* dsyevd's documented workspaces, with room for its own blocking. */
static void sizes(const gantry_lib *l, eigen *q) {
  int vectors = l->op == GANTRY_OP_PSD_POWER, query = -1, info = 0, n = (int)l->in[0].dims[0], iwork = 0;
  double work = 0, nothing = 0;
  q->n = n;
  dsyevd_(vectors ? "V" : "N", "L", &n, &nothing, &n, &nothing, &work, &query, &iwork, &query, &info, 1, 1);
  q->lwork = (int)work;
  q->liwork = iwork;
}

static int64_t scratch(cpu *self, const gantry_lib *l) {
  eigen q;
  (void)self;
  sizes(l, &q);
  int64_t n = q.n, matrices = l->op == GANTRY_OP_PSD_POWER ? 2 : 1;
  return (matrices * n * n + n + q.lwork) * 8 + (int64_t)q.liwork * 4;
}

static gantry_status run(const cpu *self, const cpu_lib *l, char *workspace) {
  const eigen *q = l->own;
  const double *x = cpu_at(&l->in[0], workspace);
  double *out = cpu_at(&l->out, workspace), *a = cpu_at(&l->scratch, workspace), largest = 0;
  int vectors = l->lib.op == GANTRY_OP_PSD_POWER, info = 0;
  int64_t n = q->n;
  double *scaled = a + n * n, *w = vectors ? scaled + n * n : scaled, *work = w + n;
  int *iwork = (int *)(void *)(work + q->lwork);
  (void)self;
  int finite = 1;
  for (int64_t r = 0; r < n; r++)
    for (int64_t c = 0; c < n; c++) {
      a[r * n + c] = (x[r * n + c] + x[c * n + r]) / 2;
      finite = finite && isfinite(a[r * n + c]);
    }
  if (!finite) { /* LAPACK may loop or abort on these; what was not finite stays visible */
    int64_t count = vectors ? n * n : n;
    for (int64_t k = 0; k < count; k++) out[k] = NAN;
    return GANTRY_OK;
  }
  dsyevd_(vectors ? "V" : "N", "L", &q->n, a, &q->n, w, work, &q->lwork, iwork, &q->liwork, &info, 1, 1);
  if (info) return GANTRY_E_DEVICE;
  if (!vectors) {
    memcpy(out, w, sizeof(double) * (size_t)n);
    return GANTRY_OK;
  }
  if (w[n - 1] > 0) largest = w[n - 1];
  double floor_at = (double)n * 2.220446049250313e-16 * largest;
  for (int64_t k = 0; k < n; k++) { /* row k of a is eigenvector k */
    double p = w[k] <= floor_at ? 0 : pow(w[k], q->exponent);
    for (int64_t i = 0; i < n; i++) scaled[k * n + i] = a[k * n + i] * p;
  }
  cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, q->n, q->n, q->n, 1, a, q->n, scaled, q->n, 0, out, q->n);
  return GANTRY_OK;
}

static gantry_status make(const cpu_compile *c, cpu_lib *l) {
  eigen *q = calloc(1, sizeof *q);
  if (!q) return cpu_fail(c, GANTRY_E_NOMEM, "out of memory");
  l->own = q;
  l->run = run;
  sizes(&l->lib, q);
  q->exponent = cpu_attr_f(&l->lib, GANTRY_A_EXPONENT, 1);
  if (l->lib.scratch == GANTRY_NO_BUFFER) return cpu_fail(c, GANTRY_E_INVALID, "an eigenvalue step came without the scratch it asked for");
  return GANTRY_OK;
}
const cpu_family cpu_linalg = {supports, scratch, make};
