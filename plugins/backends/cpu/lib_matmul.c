/* lib_matmul.c - MATMUL: transposes are flags, batches a loop over the leading axes, f32 and f64. Large products of f32 go to oneDNN on one thread, in pieces that
 * the session's threads share, the rest to OpenBLAS whole. Which library, and which pieces, follows from shapes alone, so the bits do not depend on threads.
 *
 * GFLOP/s of one thread (EPYC with AVX-512), m x n x k, as OpenBLAS 0.3.21 / oneDNN 2.6's sgemm / its primitive:
 *   100x450x450 101 / 110 / 113, with b transposed 96 / 102 / 108      256x512x512 104 / 114 / 112, with b transposed 100 / 106 / 114
 *   64x3136x100 100 / 113 / 115, with b transposed 93 / 82 / 105
 *   64x32x32 109 / 92        64x3136x1 (a thin one) 11 against 57 us
 * Inside a training step, where operands come from the third-level cache, the primitive is 8 % behind sgemm on plain operands and 2 % ahead on transposed ones.
 *
 * A piece is a band of columns or of rows of c. What it costs at one thread, beside the whole in one call, is that the other operand is copied for each piece:
 * bands of 96 columns 0.2 to 0.6 %, of 32 rows 0.4 to 1 % where b is plain. Where b is transposed, bands of columns by the primitive, which stand by themselves and are
 * copied to c, 1 to 2 % where sums are long; where they are short, bands of columns by sgemm 0 to 2 % (of 3136 columns 21 % less, the whole is copied badly); bands of
 * 128 rows by the primitive 1 %, but of 56 rows 7 %. */
#include <cblas.h>
#include <dnnl.h>
#include <stdlib.h>
#include <string.h>

#include "matmul.h"

typedef struct matmul {
  matmul_shape shape;
  int onednn, rows; /* rows: pieces are bands of rows */
  int64_t pieces, crew, columns; /* columns: of each piece but the last, if the primitive makes bands of them; else 0 */
  matmul_dnnl *primitive[2];     /* of a piece, and of a last one that is smaller */
  int64_t last_at, band_at;      /* in the scratch: what the second primitive needs, the crew's bands of columns */
} matmul;
enum { WORK = 1 << 22, MOST_PIECES = 8, COLUMNS = 96, COLUMNS_OF_TURNED = 192, COLUMNS_OF_MANY = 512, CACHED = 1 << 18, COLUMN_UNIT = 48, ROWS = 32, ROW_UNIT = 8, PRIMITIVE_ROWS = 128, WIDE = 1024 };
enum { LONG = 256, BAND = 100, BAND_UNIT = 16 }; /* sums, and columns of a band, that are worth copying it */

static int supports(const gantry_lib *l) {
  return l->n_in == 2 && (l->out.dtype == GANTRY_F32 || l->out.dtype == GANTRY_F64) && l->in[0].dtype == l->out.dtype && l->in[1].dtype == l->out.dtype && l->out.rank >= 2;
}

static matmul_shape shape_of(const gantry_lib *l) {
  uint32_t r = l->out.rank;
  matmul_shape q = {.ta = cpu_attr_i(l, GANTRY_A_TA, 0) != 0, .tb = cpu_attr_i(l, GANTRY_A_TB, 0) != 0, .m = l->out.dims[r - 2], .n = l->out.dims[r - 1]};
  q.k = l->in[0].dims[q.ta ? r - 2 : r - 1];
  q.batch = 1;
  for (uint32_t k = 0; k + 2 < r; k++) q.batch *= l->out.dims[k];
  return q;
}

/* A power of two of pieces, so that two or four threads get equal shares: each at least `least` long and worth a call. */
static int64_t pieces_of(const matmul_shape *q, int64_t length, int64_t least) {
  int64_t p = 1;
  while (p < MOST_PIECES && length / (2 * p) >= least && q->m * q->n * q->k / (2 * p) >= WORK) p *= 2;
  return p;
}

static int large(const gantry_lib *l, const matmul_shape *q) { return l->out.dtype == GANTRY_F32 && q->m >= 16 && q->n >= 16 && q->k >= 16 && q->m * q->n * q->k >= 1 << 18; }

/* The primitive is for a transposed b: many rows in bands of them, few rows with long sums in bands of columns, and few rows with short sums where sgemm's bands of columns would be few too. */
static int wants_primitive(const matmul_shape *q) { return q->tb && !q->ta && (q->k >= LONG || q->m >= 2 * PRIMITIVE_ROWS || q->n < 2 * COLUMNS_OF_TURNED); }

static void cut(matmul *v, int primitive) {
  const matmul_shape *q = &v->shape;
  int64_t least = q->tb ? COLUMNS_OF_TURNED : q->m * q->k > CACHED ? COLUMNS_OF_MANY : COLUMNS;
  v->rows = primitive ? q->m >= 2 * PRIMITIVE_ROWS || q->k < LONG || q->n < 2 * BAND : q->n < 2 * least;
  v->pieces = 1;
  v->columns = 0;
  if (primitive && !v->rows) {
    int64_t p = pieces_of(q, q->n, BAND);
    v->columns = p == 1 ? q->n : ((q->n + p - 1) / p + BAND_UNIT - 1) / BAND_UNIT * BAND_UNIT;
    v->pieces = (q->n + v->columns - 1) / v->columns;
  } else if (primitive) {
    v->pieces = pieces_of(q, q->m, q->m < 4 * PRIMITIVE_ROWS ? PRIMITIVE_ROWS : 2 * PRIMITIVE_ROWS);
    while (q->m % v->pieces) v->pieces /= 2;
  } else if (!v->rows) {
    v->pieces = pieces_of(q, q->n, least);
    if (q->tb && q->n > WIDE * v->pieces) v->pieces = (q->n + WIDE - 1) / WIDE;
  } else if (!q->tb || q->ta) v->pieces = pieces_of(q, q->m, ROWS);
}

/* 1: the primitives of a cut product; the scratch in bytes. */
static int with_primitive(const cpu *self, matmul *v, int64_t *bytes) {
  const matmul_shape *q = &v->shape;
  cut(v, 1);
  int64_t last = v->columns ? q->n - (v->pieces - 1) * v->columns : 0, more = 0;
  v->crew = cpu_crew(self, q->batch * v->pieces);
  v->primitive[0] = matmul_dnnl_new(self, q, v->columns ? q->m : q->m / v->pieces, v->columns ? v->columns : q->n, v->crew, bytes);
  if (v->primitive[0] && last && last < v->columns) v->primitive[1] = matmul_dnnl_new(self, q, q->m, last, v->crew, &more);
  if (!v->primitive[0] || (last && last < v->columns && !v->primitive[1])) {
    matmul_dnnl_free(v->primitive[0]);
    v->primitive[0] = NULL;
    *bytes = 0;
    return 0;
  }
  v->last_at = *bytes;
  v->band_at = v->last_at + more;
  *bytes = v->band_at + (v->columns && v->pieces > 1 ? v->crew * q->m * v->columns * 4 : 0);
  return 1;
}

static matmul prepare(const cpu *self, const gantry_lib *l, int64_t *bytes) {
  matmul v = {.shape = shape_of(l), .pieces = 1, .crew = 1};
  const matmul_shape *q = &v.shape;
  *bytes = 0;
  if (!large(l, q)) return v;
  v.onednn = wants_primitive(q) && with_primitive(self, &v, bytes);
  if (v.onednn) return v;
  cut(&v, 0);
  v.onednn = !(q->tb && (v.rows ? q->n : q->n / v.pieces) > 16 * q->k); /* its sgemm copies such a b slowly */
  v.crew = v.onednn ? cpu_crew(self, q->batch * v.pieces) : 1;
  return v;
}

static void free_primitives(matmul *v) {
  for (int k = 0; k < 2; k++) matmul_dnnl_free(v->primitive[k]);
}

static int64_t scratch(cpu *self, const gantry_lib *l) {
  int64_t bytes;
  matmul v = prepare(self, l, &bytes);
  free_primitives(&v);
  return bytes;
}

static int64_t bound(int64_t length, int64_t unit, int64_t piece, int64_t pieces) { return piece == pieces ? length : (length * piece / pieces + unit / 2) / unit * unit; }

/* A band of columns, made where it is dense and copied to its place. */
static int run_columns(const matmul *v, int64_t piece, const float *a, const float *b, float *c, char *scratch, int64_t who) {
  const matmul_shape *q = &v->shape;
  int64_t from = piece * v->columns, many = q->n - from < v->columns ? q->n - from : v->columns;
  int last = many < v->columns;
  float *band = v->pieces == 1 ? c : (float *)(void *)(scratch + v->band_at) + who * q->m * v->columns;
  if (matmul_dnnl_run(v->primitive[last], who, a, b + from * q->k, band, scratch + (last ? v->last_at : 0))) return 1;
  for (int64_t i = 0; band != c && i < q->m; i++) memcpy(c + i * q->n + from, band + i * many, sizeof *c * (size_t)many);
  return 0;
}

typedef struct running { const matmul *v; const float *a, *b; float *c; char *scratch; } running;

static int run_piece(const void *user, int64_t p, int64_t who) {
  const running *r = user;
  const matmul *v = r->v;
  const matmul_shape *q = &v->shape;
  int64_t i = p / v->pieces, piece = p % v->pieces, lda = q->ta ? q->m : q->k, ldb = q->tb ? q->k : q->n, unit = v->rows ? ROW_UNIT : COLUMN_UNIT, length = v->rows ? q->m : q->n;
  const float *a = r->a + i * q->m * q->k, *b = r->b + i * q->k * q->n;
  float *c = r->c + i * q->m * q->n;
  if (v->columns) return run_columns(v, piece, a, b, c, r->scratch, who);
  if (v->primitive[0]) return matmul_dnnl_run(v->primitive[0], who, a + q->m / v->pieces * piece * q->k, b, c + q->m / v->pieces * piece * q->n, r->scratch) != GANTRY_OK;
  int64_t from = bound(length, unit, piece, v->pieces), many = bound(length, unit, piece + 1, v->pieces) - from, m = v->rows ? many : q->m, n = v->rows ? q->n : many;
  if (v->rows) a += from * (q->ta ? 1 : lda), c += from * q->n;
  else b += from * (q->tb ? ldb : 1), c += from;
  return dnnl_sgemm(q->ta ? 'T' : 'N', q->tb ? 'T' : 'N', m, n, q->k, 1, a, lda, b, ldb, 0, c, q->n) != dnnl_success;
}

static gantry_status run(const cpu *self, const cpu_lib *l, char *workspace) {
  const matmul *v = l->own;
  const matmul_shape *q = &v->shape;
  const void *a = cpu_at(&l->in[0], workspace), *b = cpu_at(&l->in[1], workspace);
  void *c = cpu_at(&l->out, workspace);
  int lda = (int)(q->ta ? q->m : q->k), ldb = (int)(q->tb ? q->k : q->n), m = (int)q->m, n = (int)q->n, k = (int)q->k;
  enum CBLAS_TRANSPOSE ta = q->ta ? CblasTrans : CblasNoTrans, tb = q->tb ? CblasTrans : CblasNoTrans;
  (void)self;
  if (v->onednn) return cpu_share(v->crew, q->batch * v->pieces, run_piece, &(running){v, a, b, c, cpu_at(&l->scratch, workspace)}) ? GANTRY_E_DEVICE : GANTRY_OK;
  for (int64_t i = 0; i < q->batch; i++) {
    int64_t at_a = i * q->m * q->k, at_b = i * q->k * q->n, at_c = i * q->m * q->n;
    if (l->lib.out.dtype == GANTRY_F32) cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, 1, (const float *)a + at_a, lda, (const float *)b + at_b, ldb, 0, (float *)c + at_c, n);
    else cblas_dgemm(CblasRowMajor, ta, tb, m, n, k, 1, (const double *)a + at_a, lda, (const double *)b + at_b, ldb, 0, (double *)c + at_c, n);
  }
  return GANTRY_OK;
}

static void discard(cpu_lib *l) {
  if (l->own) free_primitives(l->own);
}

static gantry_status make(const cpu_compile *c, cpu_lib *l) {
  matmul *own = calloc(1, sizeof *own);
  char shapes[400];
  int64_t bytes = 0;
  if (!own) return cpu_fail(c, GANTRY_E_NOMEM, "out of memory");
  l->own = own;
  l->run = run;
  l->free = discard;
  *own = prepare(c->self, &l->lib, &bytes);
  if (own->shape.m > INT32_MAX || own->shape.n > INT32_MAX || own->shape.k > INT32_MAX) return cpu_fail(c, GANTRY_E_UNSUPPORTED, "a matrix product with an axis of 2^31 or more");
  if (bytes && l->lib.scratch == GANTRY_NO_BUFFER) return cpu_fail(c, GANTRY_E_INVALID, "the matrix product of %s came without the scratch it asked for", cpu_shapes(&l->lib, shapes));
  for (int k = 0; k < 2; k++)
    if (own->primitive[k] && matmul_dnnl_ready(own->primitive[k])) return cpu_fail(c, GANTRY_E_DEVICE, "oneDNN cannot prepare the matrix product of %s", cpu_shapes(&l->lib, shapes));
  return GANTRY_OK;
}
const cpu_family cpu_matmul = {supports, scratch, make};
