/* lib_fir.c - FIR and FIR_FGRAD: upsample with zeros, pad or crop, correlate every channel with one small filter, keep every down-th.
 *
 * out[i] = sum over taps t of up(x)[i * down + t - lo] * filter[t], taps in order, for 1 to 3 spatial axes, f32 and f64. Only taps that
 * meet a real sample are visited; the gradient to the filter sums in f64. */
#include <stdlib.h>
#include <string.h>

#include "lib.h"

typedef struct fir { /* missing leading axes have size 1 */
  int64_t samples, channels, in[3], taps[3], out[3], up[3], down[3], lo[3];
  int flip;
} fir;

/* The sample of x that tap t of output o reads on one axis; -1: none. */
static inline int64_t source(const fir *q, int k, int64_t o, int64_t t) {
  int64_t p = o * q->down[k] + t - q->lo[k];
  return p < 0 || p % q->up[k] || p / q->up[k] >= q->in[k] ? -1 : p / q->up[k];
}

/* Where tap (a, b, c) stands in the filter. */
static inline int64_t place(const fir *q, int64_t a, int64_t b, int64_t c) {
  if (q->flip) a = q->taps[0] - 1 - a, b = q->taps[1] - 1 - b, c = q->taps[2] - 1 - c;
  return (a * q->taps[1] + b) * q->taps[2] + c;
}

#define REAL float
#define NAME(x) x##_f32
#include "fir_body.h"
#undef REAL
#undef NAME
#define REAL double
#define NAME(x) x##_f64
#include "fir_body.h"

static gantry_status run(const cpu *self, const cpu_lib *l, char *workspace) {
  const fir *q = l->own;
  const void *a = cpu_at(&l->in[0], workspace), *b = cpu_at(&l->in[1], workspace);
  void *out = cpu_at(&l->out, workspace);
  int gradient = l->lib.op == GANTRY_OP_FIR_FGRAD;
  (void)self;
  if (l->lib.out.dtype == GANTRY_F32) (gradient ? filter_gradient_f32 : filter_f32)(q, a, b, out);
  else (gradient ? filter_gradient_f64 : filter_f64)(q, a, b, out);
  return GANTRY_OK;
}

static int supports(const gantry_lib *l) {
  if (l->n_in != 2 || (l->out.dtype != GANTRY_F32 && l->out.dtype != GANTRY_F64) || l->in[0].dtype != l->out.dtype || l->in[1].dtype != l->out.dtype) return 0;
  uint32_t r = l->in[0].rank, filter = l->op == GANTRY_OP_FIR ? l->in[1].rank : l->out.rank, y = l->op == GANTRY_OP_FIR ? l->out.rank : l->in[1].rank;
  return r >= 3 && r <= 5 && filter == r - 2 && y == r;
}

static gantry_status make(const cpu_compile *c, cpu_lib *l) {
  fir *q = calloc(1, sizeof *q);
  if (!q) return cpu_fail(c, GANTRY_E_NOMEM, "out of memory");
  int gradient = l->lib.op == GANTRY_OP_FIR_FGRAD;
  const gantry_operand *x = &l->operands[0], *f = gradient ? &l->lib.out : &l->operands[1], *y = gradient ? &l->operands[1] : &l->lib.out;
  uint32_t s = x->rank - 2, skip = 3 - s;
  l->own = q;
  l->run = run;
  q->samples = x->dims[0];
  q->channels = x->dims[s + 1];
  q->flip = cpu_attr_i(&l->lib, GANTRY_A_FLIP, 0) != 0;
  for (uint32_t k = 0; k < 3; k++) {
    q->in[k] = k < skip ? 1 : x->dims[k - skip + 1];
    q->taps[k] = k < skip ? 1 : f->dims[k - skip];
    q->out[k] = k < skip ? 1 : y->dims[k - skip + 1];
    q->up[k] = q->down[k] = 1;
  }
  cpu_attr_axes(&l->lib, GANTRY_A_UP, s, 1, q->up + skip);
  cpu_attr_axes(&l->lib, GANTRY_A_DOWN, s, 1, q->down + skip);
  cpu_attr_axes(&l->lib, GANTRY_A_PAD_LO, s, 0, q->lo + skip);
  return GANTRY_OK;
}
const cpu_family cpu_fir = {supports, NULL, make};
