/* lib_select.c - ARGMAX, TOPK, SORT_INDEX and WIN_ARGMAX: i32 indices of the largest, or of all in order.
 *
 * NaN counts as larger than every number; of equals the lower index comes first. All element types but bf16. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib.h"

enum { FEW = 16 }; /* that many largest are kept by insertion, more by sorting everything */

typedef struct choice {
  int64_t outer, n, inner, keep;                                   /* along an axis */
  int64_t samples, channels, in[3], out[3], window[3], stride[3], lo[3]; /* windows; missing leading axes have size 1 */
} choice;

#define IS_NAN(x) isnan(x)
#define TYPE float
#define NAME(x) x##_f32
#include "select_body.h"
#undef TYPE
#undef NAME
#define TYPE double
#define NAME(x) x##_f64
#include "select_body.h"
#undef TYPE
#undef NAME
#undef IS_NAN
#define IS_NAN(x) 0
#define TYPE int32_t
#define NAME(x) x##_i32
#include "select_body.h"
#undef TYPE
#undef NAME
#define TYPE int64_t
#define NAME(x) x##_i64
#include "select_body.h"
#undef TYPE
#undef NAME
#define TYPE uint32_t
#define NAME(x) x##_u32
#include "select_body.h"
#undef TYPE
#undef NAME
#define TYPE uint8_t
#define NAME(x) x##_u8
#include "select_body.h"

static gantry_status run(const cpu *self, const cpu_lib *l, char *workspace) {
  const choice *q = l->own;
  const void *x = cpu_at(&l->in[0], workspace);
  int32_t *out = cpu_at(&l->out, workspace), *room = cpu_at(&l->scratch, workspace);
  (void)self;
  switch (l->operands[0].dtype) {
    case GANTRY_F32: select_f32(l->lib.op, q, x, out, room); break;
    case GANTRY_F64: select_f64(l->lib.op, q, x, out, room); break;
    case GANTRY_I32: select_i32(l->lib.op, q, x, out, room); break;
    case GANTRY_I64: select_i64(l->lib.op, q, x, out, room); break;
    case GANTRY_U32: select_u32(l->lib.op, q, x, out, room); break;
    default: select_u8(l->lib.op, q, x, out, room);
  }
  return GANTRY_OK;
}

static int supports(const gantry_lib *l) {
  uint32_t t = l->n_in ? l->in[0].dtype : 0, r = l->n_in ? l->in[0].rank : 0;
  if (l->n_in != 1 || l->out.dtype != GANTRY_I32 || !cpu_size(t) || t == GANTRY_BF16) return 0;
  if (l->op == GANTRY_OP_WIN_ARGMAX) return r >= 3 && r <= 5 && l->out.rank == r;
  int64_t axis = l->op == GANTRY_OP_ARGMAX ? cpu_attr_i(l, GANTRY_A_AXIS, 0) : (int64_t)r - 1;
  return axis >= 0 && axis < r && l->in[0].dims[axis] <= INT32_MAX;
}

static int64_t scratch(cpu *self, const gantry_lib *l) {
  (void)self;
  int sorts = l->op == GANTRY_OP_SORT_INDEX || (l->op == GANTRY_OP_TOPK && cpu_attr_i(l, GANTRY_A_K, 1) > FEW);
  return sorts ? 2 * (int64_t)sizeof(int32_t) * l->in[0].dims[l->in[0].rank - 1] : 0;
}

static gantry_status make(const cpu_compile *c, cpu_lib *l) {
  choice *q = calloc(1, sizeof *q);
  if (!q) return cpu_fail(c, GANTRY_E_NOMEM, "out of memory");
  const gantry_operand *x = &l->operands[0];
  l->own = q;
  l->run = run;
  if (l->lib.op == GANTRY_OP_WIN_ARGMAX) {
    uint32_t s = x->rank - 2, skip = 3 - s;
    q->samples = x->dims[0];
    q->channels = x->dims[s + 1];
    for (uint32_t k = 0; k < 3; k++) {
      q->in[k] = k < skip ? 1 : x->dims[k - skip + 1];
      q->out[k] = k < skip ? 1 : l->lib.out.dims[k - skip + 1];
      q->window[k] = q->stride[k] = 1;
    }
    cpu_attr_axes(&l->lib, GANTRY_A_WINDOW, s, 1, q->window + skip);
    cpu_attr_axes(&l->lib, GANTRY_A_STRIDE, s, 1, q->stride + skip);
    cpu_attr_axes(&l->lib, GANTRY_A_PAD_LO, s, 0, q->lo + skip);
    return GANTRY_OK;
  }
  int64_t axis = l->lib.op == GANTRY_OP_ARGMAX ? cpu_attr_i(&l->lib, GANTRY_A_AXIS, 0) : (int64_t)x->rank - 1;
  q->outer = q->inner = 1;
  q->n = x->dims[axis];
  for (int64_t k = 0; k < axis; k++) q->outer *= x->dims[k];
  for (int64_t k = axis + 1; k < x->rank; k++) q->inner *= x->dims[k];
  q->keep = l->lib.op == GANTRY_OP_TOPK ? cpu_attr_i(&l->lib, GANTRY_A_K, 1) : q->n;
  if (scratch(c->self, &l->lib) && l->lib.scratch == GANTRY_NO_BUFFER) return cpu_fail(c, GANTRY_E_INVALID, "a sort came without the scratch it asked for");
  return GANTRY_OK;
}
const cpu_family cpu_select = {supports, scratch, make};
