/* lib.c - library steps in common: which family an opcode belongs to, the private copy of a step, its attributes and its messages, and how threads share one. */
#include <omp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib.h"

const cpu_family *cpu_family_of(uint32_t op) {
  switch (op) {
    case GANTRY_OP_CONV: case GANTRY_OP_CONV_DGRAD: case GANTRY_OP_CONV_WGRAD: return &cpu_conv;
    case GANTRY_OP_MATMUL: return &cpu_matmul;
    case GANTRY_OP_FIR: case GANTRY_OP_FIR_FGRAD: return &cpu_fir;
    case GANTRY_OP_GRID_SAMPLE: case GANTRY_OP_GRID_SPLAT: return &cpu_grid;
    case GANTRY_OP_GATHER: case GANTRY_OP_SCATTER_ADD: return &cpu_gather;
    case GANTRY_OP_ARGMAX: case GANTRY_OP_TOPK: case GANTRY_OP_SORT_INDEX: case GANTRY_OP_WIN_ARGMAX: return &cpu_select;
    case GANTRY_OP_RANDOM_BITS: return &cpu_random;
    case GANTRY_OP_PSD_POWER: case GANTRY_OP_EIGVALSH: return &cpu_linalg;
  }
  return NULL;
}

int cpu_share(int64_t crew, int64_t pieces, cpu_piece_fn *fn, const void *user) {
  int said = 0;
  if (crew <= 1) { /* entering a parallel region of one thread takes half a microsecond */
    for (int64_t p = 0; p < pieces; p++) said |= fn(user, p, 0);
    return said;
  }
#pragma omp parallel for num_threads((int)crew) schedule(dynamic) reduction(| : said)
  for (int64_t p = 0; p < pieces; p++) said |= fn(user, p, omp_get_thread_num());
  return said;
}

const cpu_family *cpu_family_for(const gantry_lib *l) {
  const cpu_family *f = cpu_family_of(l->op);
  return (f == &cpu_conv || f == &cpu_matmul) && l->out.dtype == GANTRY_BF16 ? &cpu_half : f;
}

static const gantry_attr *find(const gantry_lib *l, uint32_t key) {
  for (uint32_t k = 0; k < l->n_attrs; k++)
    if (l->attrs[k].key == key) return &l->attrs[k];
  return NULL;
}
const int64_t *cpu_attr_iv(const gantry_lib *l, uint32_t key, uint32_t *n) {
  const gantry_attr *a = find(l, key);
  *n = a ? a->n : 0;
  return a ? a->v.iv : NULL;
}
int64_t cpu_attr_i(const gantry_lib *l, uint32_t key, int64_t absent) {
  const gantry_attr *a = find(l, key);
  return a ? a->v.i : absent;
}
double cpu_attr_f(const gantry_lib *l, uint32_t key, double absent) {
  const gantry_attr *a = find(l, key);
  return a ? a->v.f : absent;
}
void cpu_attr_axes(const gantry_lib *l, uint32_t key, uint32_t n, int64_t absent, int64_t *dst) {
  uint32_t have;
  const int64_t *v = cpu_attr_iv(l, key, &have);
  for (uint32_t k = 0; k < n; k++) dst[k] = k < have ? v[k] : absent;
}
int64_t cpu_count(const gantry_operand *o) {
  int64_t n = 1;
  for (uint32_t k = 0; k < o->rank; k++) n *= o->dims[k];
  return n;
}

static int shape(const gantry_operand *o, char *dst, size_t room) {
  static const char *const names[] = {"?", "f32", "f64", "bf16", "i32", "i64", "u32", "u8", "bool"};
  int n = snprintf(dst, room, "%s[", o->dtype <= GANTRY_BOOL ? names[o->dtype] : "?");
  for (uint32_t k = 0; k < o->rank && (size_t)n < room; k++) n += snprintf(dst + n, room - (size_t)n, k ? ",%lld" : "%lld", (long long)o->dims[k]);
  if ((size_t)n < room) n += snprintf(dst + n, room - (size_t)n, "]");
  return (size_t)n < room ? n : (int)room - 1;
}
char *cpu_shapes(const gantry_lib *l, char dst[400]) {
  int n = 0;
  for (uint32_t k = 0; k < l->n_in && n < 250; k++) {
    n += shape(&l->in[k], dst + n, (size_t)(398 - n));
    dst[n++] = ' ';
  }
  n += snprintf(dst + n, (size_t)(400 - n), "-> ");
  shape(&l->out, dst + n, (size_t)(400 - n));
  return dst;
}

gantry_status cpu_fail(const cpu_compile *c, gantry_status code, const char *fmt, ...) {
  char text[1200];
  va_list ap;
  int n = snprintf(text, sizeof text, "cpu: %.300s: ", c->label ? c->label : "program");
  va_start(ap, fmt);
  vsnprintf(text + n, sizeof text - (size_t)n, fmt, ap);
  va_end(ap);
  return c->ctx->host->fail(c->ctx, code, text);
}

gantry_status cpu_lib_make(const cpu_compile *c, const gantry_lib *l, cpu_lib **out) {
  char shapes[400];
  const cpu_family *f = cpu_family_for(l);
  if (!f || l->n_in > 2 || !f->supports(l)) return cpu_fail(c, GANTRY_E_UNSUPPORTED, "no library step %u on %s", l->op, l->n_in > 2 ? "so many operands" : cpu_shapes(l, shapes));
  cpu_lib *s = calloc(1, sizeof *s);
  if (!s) return cpu_fail(c, GANTRY_E_NOMEM, "out of memory");
  gantry_status st = GANTRY_OK;
  s->lib = *l;
  for (uint32_t k = 0; k < l->n_in; k++) {
    s->operands[k] = l->in[k];
    if (!st) st = cpu_place_of(c, l->in[k].buffer, l->in[k].offset * cpu_size(l->in[k].dtype), &s->in[k]);
  }
  if (!st) st = cpu_place_of(c, l->out.buffer, l->out.offset * cpu_size(l->out.dtype), &s->out);
  if (!st && l->scratch != GANTRY_NO_BUFFER) st = cpu_place_of(c, l->scratch, 0, &s->scratch);
  s->lib.in = s->operands;
  s->label = strdup(c->label ? c->label : "");
  if (!st && !s->label) st = cpu_fail(c, GANTRY_E_NOMEM, "out of memory");
  if (!st) st = f->make(c, s);
  s->lib.attrs = NULL; /* they were the caller's */
  s->lib.n_attrs = 0;
  if (st) cpu_lib_free(s);
  else *out = s;
  return st;
}

void cpu_lib_free(cpu_lib *l) {
  if (!l) return;
  if (l->free) l->free(l);
  free(l->own);
  free(l->label);
  free(l);
}
