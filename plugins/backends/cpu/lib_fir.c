/* lib_fir.c - FIR (zero-insertion, padding, correlation, decimation in one pass) and the gradient to its filter.
 *
 * out[y] = sum over taps t of x[(y down + t - lo) / up] f[t], where the division leaves no rest; FLIP reads the filter backwards.
 * Channels are innermost, so every tap is a row of multiply-adds; taps are visited in row-major order. */
#include <stdlib.h>
#include <string.h>

#include "lib.h"

typedef struct fir { uint32_t s; int64_t n, c, x[3], k[3], y[3], up[3], down[3], lo[3], pixels_x, pixels_k, pixels_y; int flip; } fir;

static int supports(const gantry_lib *l) {
  if (l->n_in != 2 || (l->out.dtype != GANTRY_F32 && l->out.dtype != GANTRY_F64) || l->in[0].dtype != l->out.dtype || l->in[1].dtype != l->out.dtype) return 0;
  uint32_t r = l->in[0].rank, filter = l->op == GANTRY_OP_FIR ? l->in[1].rank : l->out.rank, result = l->op == GANTRY_OP_FIR ? l->out.rank : l->in[1].rank;
  return r >= 3 && r <= 5 && filter == r - 2 && result == r;
}

/* The pixel of x under tap k of result pixel p, or -1. */
static int64_t source(const fir *q, int64_t p, int64_t k) {
  int64_t at = 0, y[3], t[3];
  for (uint32_t a = q->s; a-- > 0;) {
    y[a] = p % q->y[a];
    p /= q->y[a];
    t[a] = k % q->k[a];
    k /= q->k[a];
  }
  for (uint32_t a = 0; a < q->s; a++) {
    int64_t i = y[a] * q->down[a] + t[a] - q->lo[a];
    if (i < 0 || i % q->up[a] || i / q->up[a] >= q->x[a]) return -1;
    at = at * q->x[a] + i / q->up[a];
  }
  return at;
}

#define FIR(T)                                                                                                         \
  static void forward_##T(const fir *q, const T *x, const T *f, T *out) {                                              \
    for (int64_t p = 0; p < q->pixels_y; p++) {                                                                        \
      for (int64_t n = 0; n < q->n; n++) memset(out + (n * q->pixels_y + p) * q->c, 0, (size_t)q->c * sizeof(T));      \
      for (int64_t k = 0; k < q->pixels_k; k++) {                                                                      \
        int64_t at = source(q, p, k);                                                                                  \
        T w = f[q->flip ? q->pixels_k - 1 - k : k];                                                                    \
        if (at < 0) continue;                                                                                          \
        for (int64_t n = 0; n < q->n; n++) {                                                                           \
          const T *s = x + (n * q->pixels_x + at) * q->c;                                                              \
          T *d = out + (n * q->pixels_y + p) * q->c;                                                                   \
          for (int64_t c = 0; c < q->c; c++) d[c] += s[c] * w;                                                         \
        }                                                                                                              \
      }                                                                                                                \
    }                                                                                                                  \
  }                                                                                                                    \
  static void filter_##T(const fir *q, const T *x, const T *g, T *out) {                                               \
    for (int64_t k = 0; k < q->pixels_k; k++) {                                                                        \
      double sum = 0;                                                                                                  \
      for (int64_t n = 0; n < q->n; n++)                                                                               \
        for (int64_t p = 0; p < q->pixels_y; p++) {                                                                    \
          int64_t at = source(q, p, k);                                                                                \
          if (at < 0) continue;                                                                                        \
          for (int64_t c = 0; c < q->c; c++) sum += (double)x[(n * q->pixels_x + at) * q->c + c] * (double)g[(n * q->pixels_y + p) * q->c + c]; \
        }                                                                                                              \
      out[q->flip ? q->pixels_k - 1 - k : k] = (T)sum;                                                                 \
    }                                                                                                                  \
  }
FIR(float)
FIR(double)

static gantry_status run(const cpu *self, const cpu_lib *l, char *workspace) {
  const fir *q = l->own;
  const void *a = cpu_at(&l->in[0], workspace), *b = cpu_at(&l->in[1], workspace);
  void *out = cpu_at(&l->out, workspace);
  int back = l->lib.op == GANTRY_OP_FIR_FGRAD, wide = l->lib.out.dtype == GANTRY_F64;
  (void)self;
  if (wide) back ? filter_double(q, a, b, out) : forward_double(q, a, b, out);
  else back ? filter_float(q, a, b, out) : forward_float(q, a, b, out);
  return GANTRY_OK;
}

static gantry_status make(const cpu_compile *c, cpu_lib *l) {
  int back = l->lib.op == GANTRY_OP_FIR_FGRAD;
  const gantry_operand *x = &l->operands[0], *y = back ? &l->operands[1] : &l->lib.out, *f = back ? &l->lib.out : &l->operands[1];
  fir *q = calloc(1, sizeof *q);
  if (!q) return cpu_fail(c, GANTRY_E_NOMEM, "out of memory");
  l->own = q;
  l->run = run;
  q->s = x->rank - 2;
  q->n = x->dims[0];
  q->c = x->dims[x->rank - 1];
  q->pixels_x = q->pixels_k = q->pixels_y = 1;
  cpu_attr_axes(&l->lib, GANTRY_A_UP, q->s, 1, q->up);
  cpu_attr_axes(&l->lib, GANTRY_A_DOWN, q->s, 1, q->down);
  cpu_attr_axes(&l->lib, GANTRY_A_PAD_LO, q->s, 0, q->lo);
  q->flip = cpu_attr_i(&l->lib, GANTRY_A_FLIP, 0) != 0;
  for (uint32_t a = 0; a < q->s; a++) {
    q->pixels_x *= q->x[a] = x->dims[a + 1];
    q->pixels_y *= q->y[a] = y->dims[a + 1];
    q->pixels_k *= q->k[a] = f->dims[a];
  }
  return GANTRY_OK;
}
const cpu_family cpu_fir = {supports, NULL, make};
