/* lib_gather.c - GATHER copies slices of x by index, SCATTER_ADD adds slices back in the order of the index; out of range reads 0 and adds
 * nothing. x is seen as [batch, before, axis, after], the index as [batch, indices]. */
#include <stdlib.h>
#include <string.h>

#include "lib.h"

typedef struct gather { int64_t batch, before, axis, after, indices; } gather;

static int supports(const gantry_lib *l) {
  if (l->n_in != 2 || (l->in[1].dtype != GANTRY_I32 && l->in[1].dtype != GANTRY_I64) || l->in[0].dtype != l->out.dtype || !cpu_size(l->out.dtype)) return 0;
  return l->op == GANTRY_OP_GATHER || (l->out.dtype != GANTRY_BOOL && l->out.dtype != GANTRY_BF16);
}

static int64_t index_at(const cpu_lib *l, const void *p, int64_t i) { return l->operands[1].dtype == GANTRY_I32 ? ((const int32_t *)p)[i] : ((const int64_t *)p)[i]; }

#define ADD(T, U) \
  static void add_##T(void *d_, const void *s_, int64_t n) { T *d = d_; const T *s = s_; for (int64_t i = 0; i < n; i++) d[i] = (T)((U)d[i] + (U)s[i]); }
ADD(float, float) ADD(double, double) ADD(int32_t, uint32_t) ADD(int64_t, uint64_t) ADD(uint8_t, uint8_t)
static void add(uint32_t dtype, void *d, const void *s, int64_t n) {
  switch (dtype) {
    case GANTRY_F32: add_float(d, s, n); return;
    case GANTRY_F64: add_double(d, s, n); return;
    case GANTRY_I64: add_int64_t(d, s, n); return;
    case GANTRY_U8: add_uint8_t(d, s, n); return;
    default: add_int32_t(d, s, n); return;
  }
}

static gantry_status run(const cpu *self, const cpu_lib *l, char *workspace) {
  const gather *q = l->own;
  const char *from = cpu_at(&l->in[0], workspace), *index = cpu_at(&l->in[1], workspace);
  char *out = cpu_at(&l->out, workspace);
  uint32_t t = l->lib.out.dtype;
  int64_t slice = q->after * cpu_size(t);
  int scatter = l->lib.op == GANTRY_OP_SCATTER_ADD;
  (void)self;
  if (scatter) memset(out, 0, (size_t)(q->batch * q->before * q->axis * slice));
  for (int64_t b = 0; b < q->batch; b++)
    for (int64_t p = 0; p < q->before; p++)
      for (int64_t i = 0; i < q->indices; i++) {
        int64_t k = index_at(l, index, b * q->indices + i), row = b * q->before + p;
        int inside = k >= 0 && k < q->axis;
        if (scatter) {
          if (inside) add(t, out + (row * q->axis + k) * slice, from + (row * q->indices + i) * slice, q->after);
        } else if (inside)
          memcpy(out + (row * q->indices + i) * slice, from + (row * q->axis + k) * slice, (size_t)slice);
        else
          memset(out + (row * q->indices + i) * slice, 0, (size_t)slice);
      }
  return GANTRY_OK;
}

static gantry_status make(const cpu_compile *c, cpu_lib *l) {
  const gantry_operand *x = l->lib.op == GANTRY_OP_GATHER ? &l->operands[0] : &l->lib.out;
  uint32_t axis = (uint32_t)cpu_attr_i(&l->lib, GANTRY_A_AXIS, 0), batch = (uint32_t)cpu_attr_i(&l->lib, GANTRY_A_BATCH, 0);
  gather *q = calloc(1, sizeof *q);
  if (!q) return cpu_fail(c, GANTRY_E_NOMEM, "out of memory");
  l->own = q;
  l->run = run;
  *q = (gather){1, 1, x->dims[axis], 1, 1};
  for (uint32_t k = 0; k < x->rank; k++) {
    if (k < batch) q->batch *= x->dims[k];
    else if (k < axis) q->before *= x->dims[k];
    else if (k > axis) q->after *= x->dims[k];
  }
  q->indices = cpu_count(&l->operands[1]) / q->batch;
  return GANTRY_OK;
}
const cpu_family cpu_gather = {supports, NULL, make};
