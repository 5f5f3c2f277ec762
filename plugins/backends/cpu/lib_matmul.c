/* lib_matmul.c - MATMUL: transposes are flags, batches a loop over the leading axes, f32 and f64. Large products of f32 go to oneDNN (its matmul
 * primitive where that has AVX-512 kernels and b is transposed or there are several threads, which it shares the work between better; else its sgemm), on
 * all of the session's threads, the rest to OpenBLAS on one; the choice depends on shapes and the number of threads only.
 *
 * GFLOP/s of one thread (EPYC with AVX-512), m x n x k, as OpenBLAS 0.3.21 / oneDNN 2.6's sgemm / its primitive:
 *   100x450x450 101 / 110 / 113, with b transposed 96 / 102 / 108      256x512x512 104 / 114 / 112, with b transposed 100 / 106 / 114
 *   64x3136x100 100 / 113 / 115, with b transposed 93 / 82 / 105
 *   64x32x32 109 / 92        64x3136x1 (a thin one) 11 against 57 us
 * Inside a training step, where operands come from the third-level cache, the primitive is 8 % behind sgemm on plain operands and 2 % ahead on transposed
 * ones; on two threads it is 10 % ahead. */
#include <cblas.h>
#include <dnnl.h>
#include <stdlib.h>

#include "matmul.h"

typedef struct matmul { matmul_shape shape; matmul_dnnl *primitive; int onednn; } matmul;

static int supports(const gantry_lib *l) {
  return l->n_in == 2 && (l->out.dtype == GANTRY_F32 || l->out.dtype == GANTRY_F64) && l->in[0].dtype == l->out.dtype && l->in[1].dtype == l->out.dtype && l->out.rank >= 2;
}

static int wants_onednn(const gantry_lib *l, const matmul_shape *q) { return l->out.dtype == GANTRY_F32 && q->m >= 16 && q->n >= 16 && q->k >= 16 && q->m * q->n * q->k >= 1 << 18; }

static int wants_primitive(const cpu *self, const gantry_lib *l, const matmul_shape *q) { return wants_onednn(l, q) && (self->threads > 1 || (q->tb && !q->ta)); }

static matmul_shape shape_of(const gantry_lib *l) {
  uint32_t r = l->out.rank;
  matmul_shape q = {.ta = cpu_attr_i(l, GANTRY_A_TA, 0) != 0, .tb = cpu_attr_i(l, GANTRY_A_TB, 0) != 0, .m = l->out.dims[r - 2], .n = l->out.dims[r - 1]};
  q.k = l->in[0].dims[q.ta ? r - 2 : r - 1];
  q.batch = 1;
  for (uint32_t k = 0; k + 2 < r; k++) q.batch *= l->out.dims[k];
  return q;
}

static int64_t scratch(cpu *self, const gantry_lib *l) {
  matmul_shape q = shape_of(l);
  int64_t bytes = 0;
  if (wants_primitive(self, l, &q)) matmul_dnnl_free(matmul_dnnl_new(self, &q, &bytes));
  return bytes;
}

static gantry_status run(const cpu *self, const cpu_lib *l, char *workspace) {
  const matmul *own = l->own;
  const matmul_shape *q = &own->shape;
  gantry_status st;
  int64_t lda = q->ta ? q->m : q->k, ldb = q->tb ? q->k : q->n;
  enum CBLAS_TRANSPOSE ta = q->ta ? CblasTrans : CblasNoTrans, tb = q->tb ? CblasTrans : CblasNoTrans;
  (void)self;
  for (int64_t i = 0; i < q->batch; i++) {
    if (l->lib.out.dtype == GANTRY_F32) {
      const float *a = (const float *)cpu_at(&l->in[0], workspace) + i * q->m * q->k, *b = (const float *)cpu_at(&l->in[1], workspace) + i * q->k * q->n;
      float *c = (float *)cpu_at(&l->out, workspace) + i * q->m * q->n;
      if (own->primitive) {
        if ((st = matmul_dnnl_run(own->primitive, a, b, c, cpu_at(&l->scratch, workspace)))) return st;
      } else if (own->onednn) {
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

static void discard(cpu_lib *l) {
  matmul *own = l->own;
  if (own) matmul_dnnl_free(own->primitive);
}

static gantry_status make(const cpu_compile *c, cpu_lib *l) {
  matmul *own = calloc(1, sizeof *own);
  char shapes[400];
  int64_t bytes = 0;
  if (!own) return cpu_fail(c, GANTRY_E_NOMEM, "out of memory");
  l->own = own;
  l->run = run;
  l->free = discard;
  own->shape = shape_of(&l->lib);
  if (own->shape.m > INT32_MAX || own->shape.n > INT32_MAX || own->shape.k > INT32_MAX) return cpu_fail(c, GANTRY_E_UNSUPPORTED, "a matrix product with an axis of 2^31 or more");
  if (wants_onednn(&l->lib, &own->shape)) {
    if (wants_primitive(c->self, &l->lib, &own->shape)) own->primitive = matmul_dnnl_new(c->self, &own->shape, &bytes);
    own->onednn = own->primitive || !(own->shape.tb && own->shape.n > 16 * own->shape.k); /* its sgemm copies such a b slowly */
  }
  if (bytes && l->lib.scratch == GANTRY_NO_BUFFER) return cpu_fail(c, GANTRY_E_INVALID, "the matrix product of %s came without the scratch it asked for", cpu_shapes(&l->lib, shapes));
  if (own->primitive && matmul_dnnl_ready(own->primitive)) return cpu_fail(c, GANTRY_E_DEVICE, "oneDNN cannot prepare the matrix product of %s", cpu_shapes(&l->lib, shapes));
  return GANTRY_OK;
}
const cpu_family cpu_matmul = {supports, scratch, make};
