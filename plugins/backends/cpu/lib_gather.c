/* lib_gather.c - GATHER and SCATTER_ADD: x[.., index, ..] along one axis, with leading axes that x and the index share.
 *
 * Everything is rows: an index picks a row of `inner` contiguous elements. GATHER copies rows of any type by their size; an index out of
 * range reads zeros. SCATTER_ADD adds rows in the order of the index, so equal indices always sum in the same order. */
#include <stdlib.h>
#include <string.h>

#include "lib.h"

/* x is [batch, middle, size, inner], the index [batch, picks], the picked rows [batch, middle, picks, inner]. */
typedef struct rows { int64_t batch, middle, size, inner, picks; int wide; } rows;

static int64_t index_at(const rows *q, const void *index, int64_t k) { return q->wide ? ((const int64_t *)index)[k] : ((const int32_t *)index)[k]; }

static gantry_status gather(const cpu *self, const cpu_lib *l, char *workspace) {
  const rows *q = l->own;
  const char *x = cpu_at(&l->in[0], workspace);
  const void *index = cpu_at(&l->in[1], workspace);
  char *out = cpu_at(&l->out, workspace);
  size_t bytes = (size_t)(q->inner * cpu_size(l->lib.out.dtype));
  (void)self;
  for (int64_t b = 0; b < q->batch; b++)
    for (int64_t m = 0; m < q->middle; m++, x += (size_t)q->size * bytes)
      for (int64_t p = 0; p < q->picks; p++, out += bytes) {
        int64_t i = index_at(q, index, b * q->picks + p);
        int inside = i >= 0 && i < q->size;
        if (!inside) memset(out, 0, bytes);
        else if (bytes == 4) memcpy(out, x + (size_t)i * 4, 4);
        else memcpy(out, x + (size_t)i * bytes, bytes);
      }
  return GANTRY_OK;
}

#define SCATTER(name, type, sum)                                                                         \
  static void name(const rows *q, const type *u, const void *index, type *out) {                         \
    for (int64_t b = 0; b < q->batch; b++)                                                               \
      for (int64_t m = 0; m < q->middle; m++, out += q->size * q->inner)                                 \
        for (int64_t p = 0; p < q->picks; p++, u += q->inner) {                                          \
          int64_t i = index_at(q, index, b * q->picks + p);                                              \
          if (i < 0 || i >= q->size) continue;                                                           \
          type *to = out + i * q->inner;                                                                 \
          for (int64_t k = 0; k < q->inner; k++) to[k] = (type)(sum);                                    \
        }                                                                                                \
  }
SCATTER(scatter_f32, float, to[k] + u[k])
SCATTER(scatter_f64, double, to[k] + u[k])
SCATTER(scatter_4, uint32_t, to[k] + u[k]) /* i32 and u32 wrap alike */
SCATTER(scatter_8, uint64_t, to[k] + u[k])
SCATTER(scatter_1, uint8_t, (unsigned)to[k] + u[k])

static gantry_status scatter(const cpu *self, const cpu_lib *l, char *workspace) {
  const rows *q = l->own;
  const void *u = cpu_at(&l->in[0], workspace), *index = cpu_at(&l->in[1], workspace);
  void *out = cpu_at(&l->out, workspace);
  (void)self;
  memset(out, 0, (size_t)(q->batch * q->middle * q->size * q->inner * cpu_size(l->lib.out.dtype)));
  switch (l->lib.out.dtype) {
    case GANTRY_F32: scatter_f32(q, u, index, out); break;
    case GANTRY_F64: scatter_f64(q, u, index, out); break;
    case GANTRY_I64: scatter_8(q, u, index, out); break;
    case GANTRY_U8: scatter_1(q, u, index, out); break;
    default: scatter_4(q, u, index, out);
  }
  return GANTRY_OK;
}

static int supports(const gantry_lib *l) {
  if (l->n_in != 2 || l->in[0].dtype != l->out.dtype || !cpu_size(l->out.dtype) || (l->in[1].dtype != GANTRY_I32 && l->in[1].dtype != GANTRY_I64)) return 0;
  if (l->op == GANTRY_OP_SCATTER_ADD && (l->out.dtype == GANTRY_BF16 || l->out.dtype == GANTRY_BOOL)) return 0;
  const gantry_operand *x = l->op == GANTRY_OP_GATHER ? &l->in[0] : &l->out;
  int64_t axis = cpu_attr_i(l, GANTRY_A_AXIS, 0), batch = cpu_attr_i(l, GANTRY_A_BATCH, 0);
  return axis >= 0 && axis < x->rank && batch >= 0 && batch <= axis && batch <= l->in[1].rank;
}

static gantry_status make(const cpu_compile *c, cpu_lib *l) {
  rows *q = calloc(1, sizeof *q);
  if (!q) return cpu_fail(c, GANTRY_E_NOMEM, "out of memory");
  int is_gather = l->lib.op == GANTRY_OP_GATHER;
  const gantry_operand *x = is_gather ? &l->operands[0] : &l->lib.out, *index = &l->operands[1];
  int64_t axis = cpu_attr_i(&l->lib, GANTRY_A_AXIS, 0), batch = cpu_attr_i(&l->lib, GANTRY_A_BATCH, 0);
  l->own = q;
  l->run = is_gather ? gather : scatter;
  q->batch = q->middle = q->inner = q->picks = 1;
  q->size = x->dims[axis];
  q->wide = index->dtype == GANTRY_I64;
  for (int64_t k = 0; k < batch; k++) q->batch *= x->dims[k];
  for (int64_t k = batch; k < axis; k++) q->middle *= x->dims[k];
  for (int64_t k = axis + 1; k < x->rank; k++) q->inner *= x->dims[k];
  for (int64_t k = batch; k < index->rank; k++) q->picks *= index->dims[k];
  return GANTRY_OK;
}
const cpu_family cpu_gather = {supports, NULL, make};
