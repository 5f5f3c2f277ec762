/* lib_select.c - ARGMAX, TOPK, SORT_INDEX along an axis and WIN_ARGMAX over windows: i32 positions.
 *
 * Comparison: NaN is larger than every number and equal to itself, as RMAX has it; among equals the lower index comes first. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib.h"

typedef struct selection {
  int64_t outer, axis, inner, k;
  uint32_t s;
  int64_t x[3], y[3], window[3], stride[3], lo[3], n, c;
} selection;

static int supports(const gantry_lib *l) {
  if (l->n_in != 1 || l->out.dtype != GANTRY_I32) return 0;
  return cpu_size(l->in[0].dtype) && l->in[0].dtype != GANTRY_BF16;
}

/* bit patterns that order as the numbers do, so that one comparison serves every type */
static int64_t key(uint32_t dtype, const void *p, int64_t i) {
  int64_t bits;
  double v;
  switch (dtype) {
    case GANTRY_F32: v = (double)((const float *)p)[i]; break;
    case GANTRY_F64: v = ((const double *)p)[i]; break;
    case GANTRY_I32: return ((const int32_t *)p)[i];
    case GANTRY_I64: return ((const int64_t *)p)[i];
    case GANTRY_U32: return ((const uint32_t *)p)[i];
    default: return ((const uint8_t *)p)[i];
  }
  if (isnan(v)) return INT64_MAX;
  v += 0.; /* -0 becomes 0 */
  memcpy(&bits, &v, 8);
  return bits >= 0 ? bits : (int64_t)((uint64_t)INT64_MIN - (uint64_t)bits);
}

typedef struct item { int64_t key; int64_t at; } item;
static int ascending(const void *a, const void *b) {
  const item *x = a, *y = b;
  if (x->key != y->key) return x->key < y->key ? -1 : 1;
  return x->at < y->at ? -1 : x->at > y->at;
}
static int descending(const void *a, const void *b) {
  const item *x = a, *y = b;
  if (x->key != y->key) return x->key > y->key ? -1 : 1;
  return x->at < y->at ? -1 : x->at > y->at;
}

static void windows(const selection *q, uint32_t t, const void *x, int32_t *out) {
  int64_t y[3] = {0}, pixels = 1, all = 1;
  for (uint32_t a = 0; a < q->s; a++) {
    pixels *= q->x[a];
    all *= q->y[a];
  }
  for (int64_t n = 0; n < q->n; n++)
    for (int64_t p = 0; p < all; p++) {
      int64_t rest = p, size = 1;
      for (uint32_t a = q->s; a-- > 0;) {
        y[a] = rest % q->y[a];
        rest /= q->y[a];
        size *= q->window[a];
      }
      for (int64_t c = 0; c < q->c; c++, out++) {
        int64_t best = INT64_MIN, found = -1;
        for (int64_t w = 0; w < size; w++) {
          int64_t at = 0, left = w, i[3];
          int inside = 1;
          for (uint32_t a = q->s; a-- > 0;) {
            i[a] = y[a] * q->stride[a] - q->lo[a] + left % q->window[a];
            left /= q->window[a];
            inside &= i[a] >= 0 && i[a] < q->x[a];
          }
          if (!inside) continue;
          for (uint32_t a = 0; a < q->s; a++) at = at * q->x[a] + i[a];
          int64_t v = key(t, x, (n * pixels + at) * q->c + c);
          if (found < 0 || v > best) {
            best = v;
            found = at;
          }
        }
        *out = (int32_t)found;
      }
    }
}

static gantry_status run(const cpu *self, const cpu_lib *l, char *workspace) {
  const selection *q = l->own;
  const void *x = cpu_at(&l->in[0], workspace);
  int32_t *out = cpu_at(&l->out, workspace);
  uint32_t t = l->operands[0].dtype, op = l->lib.op;
  (void)self;
  if (op == GANTRY_OP_WIN_ARGMAX) {
    windows(q, t, x, out);
    return GANTRY_OK;
  }
  item *row = op == GANTRY_OP_ARGMAX ? NULL : cpu_at(&l->scratch, workspace);
  for (int64_t o = 0; o < q->outer; o++)
    for (int64_t i = 0; i < q->inner; i++) {
      if (!row) {
        int64_t best = 0, most = key(t, x, o * q->axis * q->inner + i);
        for (int64_t a = 1; a < q->axis; a++) {
          int64_t v = key(t, x, (o * q->axis + a) * q->inner + i);
          if (v > most) {
            most = v;
            best = a;
          }
        }
        out[o * q->inner + i] = (int32_t)best;
        continue;
      }
      for (int64_t a = 0; a < q->axis; a++) row[a] = (item){key(t, x, o * q->axis + a), a};
      qsort(row, (size_t)q->axis, sizeof *row, op == GANTRY_OP_TOPK ? descending : ascending);
      for (int64_t a = 0; a < q->k; a++) out[o * q->k + a] = (int32_t)row[a].at;
    }
  return GANTRY_OK;
}

static int64_t scratch(cpu *self, const gantry_lib *l) {
  (void)self;
  return l->op == GANTRY_OP_TOPK || l->op == GANTRY_OP_SORT_INDEX ? l->in[0].dims[l->in[0].rank - 1] * (int64_t)sizeof(item) : 0;
}

static gantry_status make(const cpu_compile *c, cpu_lib *l) {
  const gantry_operand *x = &l->operands[0];
  selection *q = calloc(1, sizeof *q);
  if (!q) return cpu_fail(c, GANTRY_E_NOMEM, "out of memory");
  l->own = q;
  l->run = run;
  if (l->lib.op == GANTRY_OP_WIN_ARGMAX) {
    q->s = x->rank - 2;
    q->n = x->dims[0];
    q->c = x->dims[x->rank - 1];
    cpu_attr_axes(&l->lib, GANTRY_A_WINDOW, q->s, 1, q->window);
    cpu_attr_axes(&l->lib, GANTRY_A_STRIDE, q->s, 1, q->stride);
    cpu_attr_axes(&l->lib, GANTRY_A_PAD_LO, q->s, 0, q->lo);
    for (uint32_t a = 0; a < q->s; a++) {
      q->x[a] = x->dims[a + 1];
      q->y[a] = l->lib.out.dims[a + 1];
    }
    return GANTRY_OK;
  }
  uint32_t axis = l->lib.op == GANTRY_OP_ARGMAX ? (uint32_t)cpu_attr_i(&l->lib, GANTRY_A_AXIS, 0) : x->rank - 1;
  q->outer = q->inner = 1;
  q->axis = x->dims[axis];
  for (uint32_t k = 0; k < x->rank; k++) {
    if (k < axis) q->outer *= x->dims[k];
    if (k > axis) q->inner *= x->dims[k];
  }
  q->k = l->lib.op == GANTRY_OP_TOPK ? l->lib.out.dims[axis] : q->axis;
  return GANTRY_OK;
}
const cpu_family cpu_select = {supports, scratch, make};
