/* lib.c - library steps in common: what is supported, scratch, attributes, and the launch of a kernel with constants in front. See lib.h. */
#include "lib.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const gantry_attr *find(const gantry_lib *l, uint32_t key) {
  for (uint32_t k = 0; k < l->n_attrs; k++)
    if (l->attrs[k].key == key) return &l->attrs[k];
  return NULL;
}
int64_t lib_i(const gantry_lib *l, uint32_t key, int64_t absent) {
  const gantry_attr *a = find(l, key);
  return a ? a->v.i : absent;
}
double lib_f(const gantry_lib *l, uint32_t key, double absent) {
  const gantry_attr *a = find(l, key);
  return a ? a->v.f : absent;
}
void lib_axes(const gantry_lib *l, uint32_t key, uint32_t n, int64_t absent, int64_t *dst) {
  const gantry_attr *a = find(l, key);
  for (uint32_t k = 0; k < n; k++) dst[k] = a && k < a->n ? a->v.iv[k] : absent;
}
int64_t lib_count(const gantry_operand *o) {
  int64_t n = 1;
  for (uint32_t k = 0; k < o->rank; k++) n *= o->dims[k];
  return n;
}
int64_t lib_size(uint32_t dtype) {
  static const int64_t size[] = {0, 4, 8, 2, 4, 8, 4, 1, 1};
  return dtype <= GANTRY_BOOL ? size[dtype] : 0;
}
const char *lib_type(uint32_t dtype) {
  static const char *const names[] = {"?", "float", "double", "uint16_t", "int32_t", "int64_t", "uint32_t", "uint8_t", "uint8_t"};
  return names[dtype <= GANTRY_BOOL ? dtype : 0];
}

const char *lib_type_name(uint32_t dtype) {
  static const char *const names[] = {"?", "f32", "f64", "bf16", "i32", "i64", "u32", "u8", "bool"};
  return names[dtype <= GANTRY_BOOL ? dtype : 0];
}

static int shape(const gantry_operand *o, char *dst, size_t room) {
  int n = snprintf(dst, room, "%s[", lib_type_name(o->dtype));
  for (uint32_t k = 0; k < o->rank && (size_t)n < room; k++) n += snprintf(dst + n, room - (size_t)n, k ? ",%lld" : "%lld", (long long)o->dims[k]);
  if ((size_t)n < room) n += snprintf(dst + n, room - (size_t)n, "]");
  return (size_t)n < room ? n : (int)room - 1;
}
char *lib_shapes(const gantry_lib *l, char dst[400]) {
  int n = 0;
  for (uint32_t k = 0; k < l->n_in && n < 250; k++) {
    n += shape(&l->in[k], dst + n, (size_t)(398 - n));
    dst[n++] = ' ';
  }
  n += snprintf(dst + n, (size_t)(400 - n), "-> ");
  shape(&l->out, dst + n, (size_t)(400 - n));
  return dst;
}

static int is_float(uint32_t dtype) { return dtype == GANTRY_F32 || dtype == GANTRY_F64; }
static int all_of(const gantry_lib *l) { return l->n_in == 2 && is_float(l->out.dtype) && l->in[0].dtype == l->out.dtype && l->in[1].dtype == l->out.dtype; }

/* all_of, or all bf16 */
static int contracts(const gantry_lib *l) { return all_of(l) || (l->n_in == 2 && l->out.dtype == GANTRY_BF16 && l->in[0].dtype == GANTRY_BF16 && l->in[1].dtype == GANTRY_BF16); }

static int conv_supported(const gantry_lib *l) {
  if (!contracts(l) || l->out.rank < 3 || l->out.rank > 5 || l->in[0].rank != l->out.rank || l->in[1].rank != l->out.rank) return 0;
  for (uint32_t k = 0; k < l->out.rank; k++)
    if (l->in[0].dims[k] > INT32_MAX || l->in[1].dims[k] > INT32_MAX || l->out.dims[k] > INT32_MAX) return 0;
  lib_conv q = lib_conv_of(l);
  return q.groups > 0 && q.c % q.groups == 0 && q.o % q.groups == 0;
}
static int fir_supported(const gantry_lib *l) {
  if (!all_of(l)) return 0;
  uint32_t r = l->in[0].rank, filter = l->op == GANTRY_OP_FIR ? l->in[1].rank : l->out.rank, result = l->op == GANTRY_OP_FIR ? l->out.rank : l->in[1].rank;
  return r >= 3 && r <= 5 && filter == r - 2 && result == r;
}
static int grid_supported(const gantry_lib *l) {
  if (!all_of(l)) return 0;
  const gantry_operand *x = l->op == GANTRY_OP_GRID_SPLAT ? &l->out : &l->in[0], *g = &l->in[1];
  return x->rank >= 3 && x->rank <= 5 && g->rank >= 2 && g->dims[g->rank - 1] == (int64_t)x->rank - 2 && g->dims[0] == x->dims[0];
}
static int gather_supported(const gantry_lib *l) {
  if (l->n_in != 2 || l->in[0].dtype != l->out.dtype || !lib_size(l->out.dtype) || (l->in[1].dtype != GANTRY_I32 && l->in[1].dtype != GANTRY_I64)) return 0;
  if (l->op == GANTRY_OP_SCATTER_ADD && (l->out.dtype == GANTRY_BF16 || l->out.dtype == GANTRY_BOOL)) return 0;
  const gantry_operand *x = l->op == GANTRY_OP_GATHER ? &l->in[0] : &l->out;
  int64_t axis = lib_i(l, GANTRY_A_AXIS, 0), batch = lib_i(l, GANTRY_A_BATCH, 0);
  return axis >= 0 && axis < x->rank && batch >= 0 && batch <= axis && batch <= l->in[1].rank && lib_count(&l->in[1]) <= INT32_MAX;
}
static int select_supported(const gantry_lib *l) {
  uint32_t t = l->n_in ? l->in[0].dtype : 0, r = l->n_in ? l->in[0].rank : 0;
  if (l->n_in != 1 || l->out.dtype != GANTRY_I32 || !lib_size(t) || t == GANTRY_BF16) return 0;
  if (l->op == GANTRY_OP_WIN_ARGMAX) return r >= 3 && r <= 5 && l->out.rank == r;
  int64_t axis = l->op == GANTRY_OP_ARGMAX ? lib_i(l, GANTRY_A_AXIS, 0) : (int64_t)r - 1;
  return axis >= 0 && axis < r && l->in[0].dims[axis] <= INT32_MAX;
}
static int linalg_supported(const gantry_lib *l) {
  return l->n_in == 1 && l->out.dtype == GANTRY_F64 && l->in[0].dtype == GANTRY_F64 && l->in[0].rank == 2 && l->in[0].dims[0] == l->in[0].dims[1] && l->in[0].dims[0] <= LIB_EIGEN_MOST;
}
static int random_supported(const gantry_lib *l) { return l->n_in == 2 && l->out.dtype == GANTRY_U32 && l->in[0].dtype == GANTRY_U32 && l->in[1].dtype == GANTRY_U32; }

int gpu_lib_supported(const gantry_lib *l) {
  switch (l->op) {
    case GANTRY_OP_CONV: case GANTRY_OP_CONV_DGRAD: case GANTRY_OP_CONV_WGRAD: return conv_supported(l);
    case GANTRY_OP_MATMUL: return contracts(l) && l->out.rank >= 2;
    case GANTRY_OP_FIR: case GANTRY_OP_FIR_FGRAD: return fir_supported(l);
    case GANTRY_OP_GRID_SAMPLE: case GANTRY_OP_GRID_SPLAT: return grid_supported(l);
    case GANTRY_OP_GATHER: case GANTRY_OP_SCATTER_ADD: return gather_supported(l);
    case GANTRY_OP_ARGMAX: case GANTRY_OP_TOPK: case GANTRY_OP_SORT_INDEX: case GANTRY_OP_WIN_ARGMAX: return select_supported(l);
    case GANTRY_OP_RANDOM_BITS: return random_supported(l);
    case GANTRY_OP_PSD_POWER: case GANTRY_OP_EIGVALSH: return linalg_supported(l);
  }
  return 0;
}

gantry_status gpu_lib_scratch(gantry_ctx *ctx, gpu *self, const gantry_lib *l, int64_t *bytes) {
  *bytes = 0;
  switch (l->op) {
    case GANTRY_OP_CONV: case GANTRY_OP_CONV_DGRAD: case GANTRY_OP_CONV_WGRAD: {
      const gpu_conv *v;
      return gpu_conv_of(ctx, self, l, &v, bytes);
    }
    case GANTRY_OP_MATMUL: *bytes = self->cublas ? GPU_PRODUCT_SCRATCH : 0; break;
    case GANTRY_OP_SCATTER_ADD: *bytes = lib_gather_scratch(l); break;
    case GANTRY_OP_GRID_SPLAT: *bytes = lib_grid_scratch(l); break;
    case GANTRY_OP_PSD_POWER: case GANTRY_OP_EIGVALSH: *bytes = lib_linalg_scratch(l); break;
  }
  return GANTRY_OK;
}

gantry_status gpu_lib_make(const gpu_compile *c, const gantry_lib *l) {
  char shapes[400];
  int64_t bytes = 0;
  if (l->n_in > 2 || !gpu_lib_supported(l)) return gpu_fail(c, GANTRY_E_UNSUPPORTED, "no library step %u on %s", l->op, l->n_in > 2 ? "so many operands" : lib_shapes(l, shapes));
  gantry_status st = gpu_lib_scratch(c->ctx, c->self, l, &bytes);
  if (st) return st;
  if (bytes && l->scratch == GANTRY_NO_BUFFER) return gpu_fail(c, GANTRY_E_INVALID, "the step %u on %s came without the scratch it asked for", l->op, lib_shapes(l, shapes));
  switch (l->op) {
    case GANTRY_OP_CONV: case GANTRY_OP_CONV_DGRAD: case GANTRY_OP_CONV_WGRAD: return lib_convolve(c, l);
    case GANTRY_OP_MATMUL: return lib_matmul(c, l);
    case GANTRY_OP_FIR: case GANTRY_OP_FIR_FGRAD: return lib_fir(c, l);
    case GANTRY_OP_GRID_SAMPLE: case GANTRY_OP_GRID_SPLAT: return lib_grid(c, l);
    case GANTRY_OP_GATHER: case GANTRY_OP_SCATTER_ADD: return lib_gather(c, l);
    case GANTRY_OP_RANDOM_BITS: return lib_random(c, l);
    case GANTRY_OP_PSD_POWER: case GANTRY_OP_EIGVALSH: return lib_linalg(c, l);
    default: return lib_select(c, l);
  }
}

void lib_number(cuda_text *t, const char *name, int64_t v) { cuda_put(t, "const long long %s = %lld; (void)%s;\n", name, (long long)v, name); }
void lib_three(cuda_text *t, const char *name, const int64_t v[3]) { cuda_put(t, "const long long %s[3] = {%lld, %lld, %lld}; (void)%s;\n", name, (long long)v[0], (long long)v[1], (long long)v[2], name); }

gantry_status lib_launch(const gpu_compile *c, const gantry_lib *l, const cuda_text *constants, const char *const *lines, int64_t blocks) {
  gpu_place at[4] = {{0}};
  uint32_t n = 0;
  gantry_status st = GANTRY_OK;
  cuda_text body = {0};
  for (; n < l->n_in && !st; n++) st = gpu_place_of(c, l->in[n].buffer, l->in[n].offset * lib_size(l->in[n].dtype), &at[n]);
  if (!st) st = gpu_place_of(c, l->out.buffer, l->out.offset * lib_size(l->out.dtype), &at[n]);
  at[n++].written = 1;
  if (!st && l->scratch != GANTRY_NO_BUFFER) {
    st = gpu_place_of(c, l->scratch, 0, &at[n]);
    at[n++].written = 1;
  }
  if (constants->n) cuda_put(&body, "%s", constants->p);
  cuda_put_lines(&body, lines);
  if (!st && (constants->failed || body.failed)) st = gpu_fail(c, GANTRY_E_NOMEM, "out of memory");
  if (!st) st = gpu_add_launch(c, body.p, 0, 0, blocks, at, n);
  cuda_text_free(&body);
  return st;
}
