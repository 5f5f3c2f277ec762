/* emit_c.c - from one kernel to the C text of one function, bit for bit what the interpreter computes.
 *
 * The loops are those of the interpreter's walk (kernel_space.c): kept axes A, reduced axes R, at most one kept axis B inside them. The innermost one
 * is the run: a loop that the compiler vectorises. An instruction stands at the depth of the last axis that it depends on. Where the run axis is
 * short, it is joined with the axis around it into one run, and what depends on the short axis alone (a channel's scale) is computed once into an
 * array that repeats (`q`). Reduced elements go to lane j % 8 as in kernel_reduce.c. */
#include "emit_c.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUN = 1024, SHORT = 256, BLOCK_POINTS = 512, ALIKE = 8 };
enum { AT_LOOP, AT_PERIODIC, AT_RUN }; /* where the value of an instruction lives */

typedef struct emit {
  const cpu_make *m;
  const gantry_kernel *k;
  const cpu_kernel *o;
  cpu_text t;
  uint32_t loop[GANTRY_MAX_RANK], n_loops; /* walked axes, outermost first; the last is the run */
  int block;             /* the last two loops are one run */
  int whole_b;           /* B is not split between threads */
  int64_t rows, width;   /* block: rows at a time, of that many elements */
  uint32_t *dep;         /* by instruction: bit per walked axis */
  uint8_t *where, *kept; /* kept: a periodic value that the run reads */
  int after;             /* writing the part after the reductions */
} emit;

void cpu_put(cpu_text *t, const char *fmt, ...) {
  va_list ap;
  for (;;) {
    va_start(ap, fmt);
    int n = vsnprintf(t->p ? t->p + t->n : NULL, t->p ? t->room - t->n : 0, fmt, ap);
    va_end(ap);
    if (n < 0 || t->failed) return;
    if (t->p && t->n + (size_t)n < t->room) {
      t->n += (size_t)n;
      return;
    }
    size_t room = 2 * (t->n + (size_t)n) + 4096;
    char *p = realloc(t->p, room);
    if (!p) {
      t->failed = 1;
      return;
    }
    t->p = p;
    t->room = room;
  }
}
#define P(...) cpu_put(&e->t, __VA_ARGS__)

static const char *type_of(uint32_t dtype) { /* of a register */
  switch (dtype) {
    case GANTRY_F64: return "double";
    case GANTRY_I32: return "int32_t";
    case GANTRY_I64: return "int64_t";
    case GANTRY_U32: return "uint32_t";
    case GANTRY_U8: case GANTRY_BOOL: return "uint8_t";
  }
  return "float";
}
static const char *memory_of(uint32_t dtype) { return dtype == GANTRY_BF16 ? "uint16_t" : type_of(dtype); }
static const char *suffix(uint32_t dtype) {
  switch (dtype) {
    case GANTRY_F64: return "f64";
    case GANTRY_I32: return "i32";
    case GANTRY_I64: return "i64";
    case GANTRY_U32: return "u32";
    case GANTRY_U8: return "u8";
    case GANTRY_BOOL: return "bool";
  }
  return "f32";
}
static int is_float(uint32_t dtype) { return dtype == GANTRY_F32 || dtype == GANTRY_F64 || dtype == GANTRY_BF16; }

static const char *op_name(uint32_t op, uint32_t kind) {
  static const char *const compare[] = {[GANTRY_CMP_EQ] = "eq", [GANTRY_CMP_NE] = "ne", [GANTRY_CMP_LT] = "lt", [GANTRY_CMP_LE] = "le", [GANTRY_CMP_GT] = "gt", [GANTRY_CMP_GE] = "ge"};
  static const char *const names[CPU_OPS] = {
    [GANTRY_OP_NEG] = "neg", [GANTRY_OP_ABS] = "abs", [GANTRY_OP_SIGN] = "sign", [GANTRY_OP_EXP] = "exp", [GANTRY_OP_EXPM1] = "expm1", [GANTRY_OP_LOG] = "log",
    [GANTRY_OP_LOG1P] = "log1p", [GANTRY_OP_SQRT] = "sqrt", [GANTRY_OP_RSQRT] = "rsqrt", [GANTRY_OP_SIN] = "sin", [GANTRY_OP_COS] = "cos", [GANTRY_OP_TANH] = "tanh",
    [GANTRY_OP_SIGMOID] = "sigmoid", [GANTRY_OP_ERF] = "erf", [GANTRY_OP_FLOOR] = "floor", [GANTRY_OP_NOT] = "not", [GANTRY_OP_ROUND] = "round", [GANTRY_OP_ADD] = "add",
    [GANTRY_OP_SUB] = "sub", [GANTRY_OP_MUL] = "mul", [GANTRY_OP_DIV] = "div", [GANTRY_OP_MOD] = "mod", [GANTRY_OP_MAX] = "max", [GANTRY_OP_MIN] = "min",
    [GANTRY_OP_ATAN2] = "atan2", [GANTRY_OP_AND] = "and", [GANTRY_OP_OR] = "or", [GANTRY_OP_XOR] = "xor", [GANTRY_OP_SHL] = "shl", [GANTRY_OP_SHR] = "shr"};
  if (op == GANTRY_OP_CMP) return kind < CPU_KINDS ? compare[kind] : NULL;
  return op < CPU_OPS ? names[op] : NULL;
}

/* ---- where things are ---------------------------------------------------------------------------------------------------------- */
static uint32_t run_axis(const emit *e) { return e->loop[e->n_loops - 1]; }
static uint32_t around(const emit *e) { return e->loop[e->n_loops - 2]; } /* the axis joined with the run in a block */

static uint32_t access_dep(const emit *e, uint32_t a) {
  const cpu_access *x = &e->o->access[a];
  uint32_t d = 0;
  for (uint32_t t = 0; t < e->o->rank; t++)
    if (x->stride[t] || (x->bounded && (x->lo[t] > 0 || x->hi[t] < e->o->dims[t]))) d |= 1u << t;
  return d;
}

static uint32_t operand_count(uint32_t op) { return op == GANTRY_OP_WHERE ? 3 : op >= GANTRY_OP_ADD && op <= GANTRY_OP_SHR ? 2 : op >= GANTRY_K_LOAD ? 0 : 1; }

static void dependencies(emit *e) {
  const gantry_kernel *k = e->k;
  uint32_t kept = 0;
  for (uint32_t t = 0; t < e->o->rank; t++)
    if (t < e->o->n_a || t >= e->o->n_a + e->o->n_r) kept |= 1u << t;
  for (uint32_t i = 0; i < k->n_insts; i++) {
    const gantry_inst *q = &k->insts[i];
    uint32_t args[3] = {q->a, q->b, q->c};
    e->dep[i] = 0;
    for (uint32_t j = 0; j < operand_count(q->op); j++) e->dep[i] |= e->dep[args[j]];
    if (q->op == GANTRY_K_LOAD) e->dep[i] = access_dep(e, i);
    if (q->op == GANTRY_K_REDUCE) e->dep[i] = kept;
    if (q->op == GANTRY_K_INDEX)
      for (uint32_t t = 0; t < e->o->rank; t++)
        if (e->m->axis[t] == q->a && e->k->dims[q->a] > 1) e->dep[i] |= 1u << t;
  }
}

/* May the last two loops be one run? Every access walks both as one axis, or repeats with the inner one. */
static int blocks(const emit *e) {
  const cpu_kernel *o = e->o;
  if (e->n_loops < 2) return 0;
  uint32_t x = run_axis(e), y = around(e);
  if (o->dims[x] >= SHORT || o->dims[x] < 2) return 0;
  if ((y < o->n_a) != (x < o->n_a || x >= o->n_a + o->n_r) && !(o->has_b && x == o->rank - 1 && y >= o->n_a)) return 0;
  if (o->n_r && x < o->n_a + o->n_r) return 0; /* a reduced run has lanes along it */
  for (uint32_t i = 0; i < e->k->body; i++)
    if (e->k->insts[i].op == GANTRY_K_INDEX && (e->dep[i] >> x & 1 || e->dep[i] >> y & 1)) return 0;
  for (uint32_t a = 0; a < o->n_access; a++) {
    const cpu_access *q = &o->access[a];
    int store = a >= e->k->n_insts;
    if (e->m->level[a] != 0 || !(access_dep(e, a) >> x & 1 || access_dep(e, a) >> y & 1)) continue;
    if (q->bounded && (q->lo[x] > 0 || q->hi[x] < o->dims[x] || q->lo[y] > 0 || q->hi[y] < o->dims[y])) return 0;
    if (q->stride[y] == q->stride[x] * o->dims[x] && q->stride[x]) continue;
    if (q->stride[y] || store) return 0;
  }
  if (o->n_r > 1 && o->dims[y] % ALIKE) return 0; /* a block begins at lane 0 */
  return 1;
}

static void places(emit *e) { /* of every instruction of the body */
  uint32_t x = run_axis(e), y = e->block ? around(e) : x;
  for (uint32_t i = 0; i < e->k->body; i++) {
    uint32_t d = e->dep[i];
    e->where[i] = !(d >> x & 1 || d >> y & 1) ? AT_LOOP : e->block && !(d >> y & 1) ? AT_PERIODIC : AT_RUN;
  }
}

/* ---- values -------------------------------------------------------------------------------------------------------------------- */
static void ref(emit *e, uint32_t i, int in_run) {
  if (in_run && !e->after && e->where[i] == AT_PERIODIC) P("q%u[i]", i);
  else P("r%u", i);
}

static void number(emit *e, const gantry_inst *q) {
  double v = q->imm;
  float f = (float)v;
  union { float f; uint32_t u; } bits = {f};
  union { double f; uint64_t u; } wide = {v};
  int64_t w = v >= 9223372036854775807. ? INT64_MAX : v <= -9223372036854775808. ? INT64_MIN : v == v ? (int64_t)v : 0;
  switch (q->dtype) {
    case GANTRY_F32: P("gk_from_bits(0x%08xu)", bits.u); break;
    case GANTRY_BF16: P("gk_round_bf16(gk_from_bits(0x%08xu))", bits.u); break;
    case GANTRY_F64: P("gk_from_bitsd(0x%016llxull)", (unsigned long long)wide.u); break;
    default: P("(%s)0x%016llxull", type_of(q->dtype), (unsigned long long)w);
  }
}

/* The element offset of access a: its strides over the loops but the run; `run` adds where the run begins. */
static void offset(emit *e, uint32_t a, uint32_t n_loops, int run) {
  const cpu_access *x = &e->o->access[a];
  P("0");
  for (uint32_t l = 0; l < n_loops; l++)
    if (x->stride[e->loop[l]]) P(" + i%u * %lldll", e->loop[l], (long long)x->stride[e->loop[l]]);
  if (run && x->stride[run_axis(e)]) P(" + x0 * %lldll", (long long)x->stride[run_axis(e)]);
}

static uint32_t slot_of(const emit *e, uint32_t a) { return a < e->k->n_insts ? e->k->insts[a].a : e->k->n_loads + (a - e->k->n_insts); }

/* "i0 >= 1 && i0 < 5 && ..." over the given loops; 1 if anything was written */
static int inside(emit *e, uint32_t a, uint32_t n_loops) {
  const cpu_access *x = &e->o->access[a];
  int any = 0;
  for (uint32_t l = 0; x->bounded && l < n_loops; l++) {
    uint32_t t = e->loop[l];
    if (x->lo[t] <= 0 && x->hi[t] >= e->o->dims[t]) continue;
    P("%si%u >= %lldll && i%u < %lldll", any ? " && " : "", t, (long long)x->lo[t], t, (long long)x->hi[t]);
    any = 1;
  }
  return any;
}

static int run_bounded(const emit *e, uint32_t a) {
  const cpu_access *x = &e->o->access[a];
  uint32_t t = run_axis(e);
  return x->bounded && (x->lo[t] > 0 || x->hi[t] < e->o->dims[t]);
}

/* Pointers of what the run touches, at its first element, and its bounds. */
static void run_pointer(emit *e, uint32_t a, uint32_t n_loops, const char *x0) {
  const cpu_access *x = &e->o->access[a];
  uint32_t t = run_axis(e);
  P("%s *p%u = (%s *)at[%u] + (", memory_of(x->dtype), a, memory_of(x->dtype), slot_of(e, a));
  offset(e, a, n_loops, 0);
  P(" + %s * %lldll);\n", x0, (long long)x->stride[t]);
  if (!x->bounded) return;
  P("int64_t lo%u = 0, hi%u = INT64_MAX;\n", a, a);
  if (run_bounded(e, a)) P("lo%u = %lldll - %s; hi%u = %lldll - %s;\n", a, (long long)x->lo[t], x0, a, (long long)x->hi[t], x0);
  P("if (!(");
  if (!inside(e, a, n_loops)) P("1");
  P(")) hi%u = lo%u;\n", a, a);
}

/* One instruction as a declaration. run: inside the run loop, memory is p[i]; else it is reached through the loops' variables. */
static int instruction(emit *e, uint32_t i, int run, uint32_t n_loops) {
  const gantry_inst *q = &e->k->insts[i];
  uint32_t args[3] = {q->a, q->b, q->c}, from = operand_count(q->op) ? e->k->insts[q->a].dtype : q->dtype;
  int bf16 = q->dtype == GANTRY_BF16;
  if (q->op == GANTRY_K_REDUCE) return 1; /* results() has written it */
  P("%s r%u = ", type_of(q->dtype), i);
  switch (q->op) {
    case GANTRY_K_LOAD: {
      const cpu_access *x = &e->o->access[i];
      long long s = run ? (long long)x->stride[run_axis(e)] : 0;
      if (x->bounded) {
        P("(");
        if (run) P("i >= lo%u && i < hi%u", i, i);
        else if (!inside(e, i, n_loops)) P("1");
        P(") ? ");
      }
      P(bf16 ? "gk_from_bf16(" : "(");
      if (run) P(s == 1 ? "p%u[i]" : "p%u[i * %lldll]", i, s);
      else {
        P("((const %s *)at[%u])[", memory_of(x->dtype), slot_of(e, i));
        offset(e, i, n_loops, 0);
        P("]");
      }
      P(x->bounded ? ") : 0;\n" : ");\n");
      return 1;
    }
    case GANTRY_K_IMM: number(e, q); P(";\n"); return 1;
    case GANTRY_K_INDEX: {
      uint32_t t = 0;
      while (t < e->o->rank && !(e->m->axis[t] == q->a && e->k->dims[q->a] > 1)) t++;
      P(bf16 ? "gk_round_bf16(" : "(");
      if (t == e->o->rank) P("(%s)0", type_of(q->dtype));
      else if (run && t == run_axis(e)) P("(%s)(x0 + i)", type_of(q->dtype));
      else P("(%s)i%u", type_of(q->dtype), t);
      P(");\n");
      return 1;
    }
    case GANTRY_OP_WHERE:
      P("e_where_%s(", strcmp(suffix(q->dtype), "bool") ? suffix(q->dtype) : "u8");
      break;
    case GANTRY_OP_CAST:
      P(bf16 ? "gk_round_bf16(e_%s_to_%s(" : "(e_%s_to_%s(", from == GANTRY_BOOL ? "u8" : suffix(from), suffix(q->dtype));
      ref(e, q->a, run);
      P("));\n");
      return 1;
    case GANTRY_OP_BITCAST:
      if (type_of(from) == type_of(q->dtype)) ref(e, q->a, run);
      else {
        P("({ union { %s a; %s b; } u; u.a = ", type_of(from), type_of(q->dtype));
        ref(e, q->a, run);
        P("; u.b; })");
      }
      P(";\n");
      return 1;
    case GANTRY_OP_POW:
      P(bf16 ? "gk_round_bf16(e_pow_%s(" : "(e_pow_%s(", suffix(q->dtype));
      ref(e, q->a, run);
      P(", %a));\n", q->imm);
      return 1;
    default: {
      const char *name = op_name(q->op, q->kind);
      if (!name) return 0;
      P("%s(e_%s_%s(", bf16 ? "gk_round_bf16" : "", name, q->op == GANTRY_OP_CMP && from == GANTRY_BOOL ? "u8" : suffix(from));
      for (uint32_t j = 0; j < operand_count(q->op); j++) {
        if (j) P(", ");
        ref(e, args[j], run);
      }
      P("));\n");
      return 1;
    }
  }
  for (uint32_t j = 0; j < 3; j++) { /* where */
    if (j) P(", ");
    ref(e, args[j], run);
  }
  P(");\n");
  return 1;
}

static void store_to(emit *e, uint32_t a, uint32_t reg, int run, uint32_t n_loops) {
  const cpu_access *x = &e->o->access[a];
  long long s = run ? (long long)x->stride[run_axis(e)] : 0;
  if (x->bounded) {
    P("if (");
    if (run) P("i >= lo%u && i < hi%u", a, a);
    else if (!inside(e, a, n_loops)) P("1");
    P(") ");
  }
  if (run) P(s == 1 ? "p%u[i] = " : "p%u[i * %lldll] = ", a, s);
  else {
    P("((%s *)at[%u])[", memory_of(x->dtype), slot_of(e, a));
    offset(e, a, n_loops, 0);
    P("] = ");
  }
  P(x->dtype == GANTRY_BF16 ? "gk_to_bf16(" : "(");
  ref(e, reg, run);
  P(");\n");
}

/* ---- the run -------------------------------------------------------------------------------------------------------------------- */
static int reduces(const emit *e, uint32_t i) { return e->k->insts[i].op == GANTRY_K_REDUCE; }
static int is_var(const emit *e, uint32_t i) { return reduces(e, i) && e->k->insts[i].kind == GANTRY_OP_VAR; }
static const char *acc_type(const emit *e, uint32_t i) { return is_float(e->k->insts[i].dtype) ? "double" : "uint64_t"; }
static const char *join_name(const emit *e, uint32_t i) {
  int max = e->k->insts[i].kind == GANTRY_OP_RMAX;
  return is_float(e->k->insts[i].dtype) ? (max ? "max_f" : "sum_f") : (max ? "max_i" : "sum_i");
}

/* What the run computes: loads, arithmetic, stores, and elements into the accumulators (B) or into buffers (no B, or VAR). */
static int run_body(emit *e, uint32_t n_loops) {
  const gantry_kernel *k = e->k;
  for (uint32_t i = 0; i < k->body; i++)
    if (e->where[i] == AT_RUN && !instruction(e, i, 1, n_loops)) return 0;
  for (uint32_t s = 0; s < k->n_stores; s++)
    if (k->stores[s].reg < k->body) store_to(e, k->n_insts + s, k->stores[s].reg, 1, n_loops);
  for (uint32_t i = k->body; i < k->n_insts; i++) {
    if (!reduces(e, i)) continue;
    if (!e->o->has_b || is_var(e, i)) {
      P("t%u[i] = ", i);
      ref(e, k->insts[i].a, 1);
    } else {
      P("A%u[i] = e_join_%s(A%u[i], (%s)", i, join_name(e, i), i, acc_type(e, i));
      ref(e, k->insts[i].a, 1);
      P(")");
    }
    P(";\n");
  }
  return 1;
}

static void pointers(emit *e, uint32_t n_loops, const char *x0, int after) {
  const gantry_kernel *k = e->k;
  for (uint32_t i = after ? k->body : 0; i < (after ? k->n_insts : k->body); i++)
    if (k->insts[i].op == GANTRY_K_LOAD && (after || e->where[i] == AT_RUN)) run_pointer(e, i, n_loops, x0);
  for (uint32_t s = 0; s < k->n_stores; s++)
    if ((k->stores[s].reg >= k->body) == after) run_pointer(e, k->n_insts + s, n_loops, x0);
}

/* Instructions of the body whose last axis is loop l - 1 (l = 0: none). */
static int at_depth(emit *e, uint32_t l) {
  for (uint32_t i = 0; i < e->k->body; i++) {
    uint32_t d = 0;
    if (e->where[i] != AT_LOOP) continue;
    for (uint32_t j = 0; j < e->n_loops; j++)
      if (e->dep[i] >> e->loop[j] & 1) d = j + 1;
    if (d == l && !instruction(e, i, 0, e->n_loops)) return 0;
  }
  return 1;
}

/* Arrays that repeat along the block. */
static int periodic(emit *e, uint32_t n_loops) {
  const gantry_kernel *k = e->k;
  int any = 0;
  for (uint32_t i = 0; i < k->body; i++) any |= e->where[i] == AT_PERIODIC;
  if (!any) return 1;
  for (uint32_t i = 0; i < k->body; i++) e->kept[i] = 0;
  for (uint32_t i = 0; i < k->body; i++) {
    uint32_t args[3] = {k->insts[i].a, k->insts[i].b, k->insts[i].c};
    for (uint32_t j = 0; j < operand_count(k->insts[i].op); j++)
      if (e->where[i] == AT_RUN) e->kept[args[j]] = 1;
  }
  for (uint32_t s = 0; s < k->n_stores; s++)
    if (k->stores[s].reg < k->body) e->kept[k->stores[s].reg] = 1;
  for (uint32_t i = k->body; i < k->n_insts; i++)
    if (reduces(e, i)) e->kept[k->insts[i].a] = 1;
  long long n = (long long)(e->rows * e->width);
  for (uint32_t i = 0; i < k->body; i++)
    if (e->where[i] == AT_PERIODIC && e->kept[i]) P("%s q%u[%lld] __attribute__((aligned(64)));\n", type_of(k->insts[i].dtype), i, n);
  P("{ const int64_t x0 = 0; (void)x0;\n");
  for (uint32_t i = 0; i < k->body; i++)
    if (e->where[i] == AT_PERIODIC && k->insts[i].op == GANTRY_K_LOAD) run_pointer(e, i, n_loops, "x0");
  P("_Pragma(\"GCC ivdep\") for (int64_t i = 0; i < %lld; i++) {\n", (long long)e->width);
  e->after = 1; /* operands are plain variables here */
  for (uint32_t i = 0; i < k->body; i++)
    if (e->where[i] == AT_PERIODIC && !instruction(e, i, 1, n_loops)) return 0;
  e->after = 0;
  for (uint32_t i = 0; i < k->body; i++)
    if (e->where[i] == AT_PERIODIC && e->kept[i]) P("q%u[i] = r%u;\n", i, i);
  P("}\n");
  for (uint32_t i = 0; i < k->body; i++)
    if (e->where[i] == AT_PERIODIC && e->kept[i]) P("for (int64_t i = %lld; i < %lld; i++) q%u[i] = q%u[i - %lld];\n", (long long)e->width, n, i, i, (long long)e->width);
  P("}\n");
  return 1;
}

/* ---- reductions ----------------------------------------------------------------------------------------------------------------- */
static void accumulators(emit *e, const char *width) { /* width: elements of B at a time, "1" without B */
  long long w = e->o->has_b ? e->block ? (long long)e->width : CPU_CHUNK : 1, rows = e->block ? (long long)e->rows : 1;
  for (uint32_t i = e->k->body; i < e->k->n_insts; i++) {
    if (!reduces(e, i)) continue;
    const char *a = acc_type(e, i), *t = type_of(e->k->insts[i].dtype), *start = e->k->insts[i].kind != GANTRY_OP_RMAX ? "0" : is_float(e->k->insts[i].dtype) ? "-GK_INFD" : "(uint64_t)INT64_MIN";
    P("%s a%u[%lld] __attribute__((aligned(64)));\nfor (int64_t i = 0; i < 8 * %s; i++) a%u[i] = %s;\n", a, i, 8 * w, width, i, start);
    if (is_var(e, i)) P("double s%u[%lld] __attribute__((aligned(64))), h%u[%lld] __attribute__((aligned(64)));\nfor (int64_t i = 0; i < 8 * %s; i++) s%u[i] = 0;\n", i, 8 * w, i, w * rows, width, i);
    if (is_var(e, i) || !e->o->has_b) P("%s t%u[%d] __attribute__((aligned(64)));\n", t, i, e->o->has_b ? (int)(w * rows) : RUN);
  }
}

/* The elements of a run that stand in buffers go to their lanes. n, j and (B) lane0, width are variables of the text. */
static void drain(emit *e, const char *width) {
  for (uint32_t i = e->k->body; i < e->k->n_insts; i++) {
    if (!reduces(e, i)) continue;
    const char *t = suffix(e->k->insts[i].dtype);
    if (!strcmp(t, "bool")) t = "u8";
    if (!e->o->has_b) {
      if (is_var(e, i)) P("if (!(j + x0)) h%u[0] = (double)t%u[0];\nk_var_%s(a%u, s%u, t%u, n, j + x0, h%u[0]);\n", i, i, t, i, i, i, i);
      else P("k_%s_%s(a%u, t%u, n, j + x0);\n", e->k->insts[i].kind == GANTRY_OP_RMAX ? "max" : "sum", t, i, i);
      continue;
    }
    if (!is_var(e, i)) continue;
    P("if (!j) for (int64_t i = 0; i < %lld * %s; i++) h%u[i] = (double)t%u[i %% %s];\n", e->block ? (long long)e->rows : 1, width, i, i, width);
    P("{ double *A = a%u + lane * %s, *S = s%u + lane * %s;\n_Pragma(\"GCC ivdep\") for (int64_t i = 0; i < n; i++) { double u = (double)t%u[i] - h%u[i]; A[i] += u; S[i] += u * u; } }\n", i, width, i, width, i, i);
  }
}

static void results(emit *e, const char *index, const char *stride) { /* r<i> = the joined lanes */
  for (uint32_t i = e->k->body; i < e->k->n_insts; i++) {
    if (!reduces(e, i)) continue;
    uint32_t t = e->k->insts[i].dtype;
    const char *shape = t == GANTRY_BF16 ? "gk_round_bf16((float)" : t == GANTRY_BOOL ? "(uint8_t)(0 != " : NULL;
    P("%s r%u = ", type_of(t), i);
    if (shape) P("%s", shape);
    else P("(%s)(", type_of(t));
    if (is_var(e, i)) P("e_variance(e_tree_sum_f(a%u + %s, %s), e_tree_sum_f(s%u + %s, %s), %lld.0)", i, index, stride, i, index, stride, (long long)e->o->reduced);
    else P("e_tree_%s(a%u + %s, %s)", join_name(e, i), i, index, stride);
    P(");\n");
  }
}

/* What follows the reductions, for one kept point (no B) or a run of them. */
static int after(emit *e, uint32_t n_loops) {
  const gantry_kernel *k = e->k;
  int b = e->o->has_b != 0;
  if (k->body == k->n_insts) return 1;
  e->after = 1;
  if (b) {
    P("{ const int64_t x0 = c0;\n");
    pointers(e, n_loops, "x0", 1);
    P("_Pragma(\"GCC ivdep\") for (int64_t i = 0; i < width; i++) {\n");
  }
  results(e, b ? "i" : "0", b ? "width" : "1");
  for (uint32_t i = k->body; i < k->n_insts; i++)
    if (!instruction(e, i, b, n_loops)) return 0;
  for (uint32_t s = 0; s < k->n_stores; s++)
    if (k->stores[s].reg >= k->body) store_to(e, k->n_insts + s, k->stores[s].reg, b, n_loops);
  if (b) P("} }\n");
  e->after = 0;
  return 1;
}

/* ---- loops ---------------------------------------------------------------------------------------------------------------------- */
static void open_loop(emit *e, uint32_t l) {
  uint32_t t = e->loop[l];
  if (!t && e->o->n_a) P("for (int64_t i0 = begin; i0 < end; i0++) {\n");
  else P("for (int64_t i%u = 0; i%u < %lldll; i%u++) {\n", t, t, (long long)e->o->dims[t], t);
}

/* The number of the reduced element that the run begins at. */
static void first_reduced(emit *e, uint32_t n_loops) {
  const cpu_kernel *o = e->o;
  P("const int64_t j = ");
  int any = 0;
  for (uint32_t l = 0; l < n_loops; l++) {
    uint32_t t = e->loop[l];
    if (t < o->n_a || t >= o->n_a + o->n_r) continue;
    long long inner = 1;
    for (uint32_t s = t + 1; s < o->n_a + o->n_r; s++) inner *= (long long)o->dims[s];
    P("%si%u * %lldll", any ? " + " : "", t, inner);
    any = 1;
  }
  P(any ? ";\n" : "0;\n");
}

/* The innermost loop or two. n: loops already open. */
static int run(emit *e, uint32_t n) {
  const cpu_kernel *o = e->o;
  uint32_t x = run_axis(e);
  if (e->block) {
    uint32_t y = around(e);
    char end[32];
    long long rows = (long long)e->rows;
    int split = !y && o->n_a;
    if (split) snprintf(end, sizeof end, "end");
    else snprintf(end, sizeof end, "%lldll", (long long)o->dims[y]);
    if (!periodic(e, n)) return 0;
    P("for (int64_t i%u = %s; i%u < %s; i%u += %lld) {\nconst int64_t x0 = 0; (void)x0;\n", y, split ? "begin" : "0", y, end, y, rows);
    P("const int64_t n = (%s - i%u < %lld ? %s - i%u : %lld) * %lld;\n", end, y, rows, end, y, rows, (long long)e->width);
    pointers(e, n + 1, "x0", 0);
  } else {
    int rows = o->n_r && !o->has_b;
    if (o->has_b) P("{ const int64_t x0 = c0, n = width;\n");
    else if (!x && o->n_a) P("{ const int64_t x0 = begin, n = end - begin;\n");
    else if (rows) P("for (int64_t x0 = 0; x0 < %lldll; x0 += %d) {\nconst int64_t n = %lldll - x0 < %d ? %lldll - x0 : %d;\n", (long long)o->dims[x], RUN, (long long)o->dims[x], RUN, (long long)o->dims[x], RUN);
    else P("{ const int64_t x0 = 0, n = %lldll; (void)x0;\n", (long long)o->dims[x]);
    pointers(e, n, "x0", 0);
  }
  if (o->n_r) first_reduced(e, e->block ? n + 1 : n);
  if (o->has_b) {
    P("const int64_t lane = j %% 8; (void)lane;\n");
    for (uint32_t i = e->k->body; i < e->k->n_insts; i++)
      if (reduces(e, i) && !is_var(e, i)) P("%s *A%u = a%u + lane * width;\n", acc_type(e, i), i, i);
  }
  P("_Pragma(\"GCC ivdep\") for (int64_t i = 0; i < n; i++) {\n");
  if (!run_body(e, n)) return 0;
  P("}\n");
  drain(e, "width");
  P("}\n");
  return 1;
}

static int function(emit *e) {
  const cpu_kernel *o = e->o;
  uint32_t inner = e->n_loops - (e->block ? 2 : 1), outer = o->n_r ? o->n_a : inner; /* loops before the reductions begin */
  P("(char *const *at, int64_t begin, int64_t end) {\n(void)begin, (void)end;\n");
  uint32_t l = 0;
  for (; l < outer; l++) open_loop(e, l);
  if (o->n_r) {
    if (o->has_b) {
      const char *from = o->n_a || e->whole_b ? "0" : "begin";
      if (e->block) P("{ const int64_t c0 = 0, width = %lld;\n", (long long)e->width);
      else if (o->n_a || e->whole_b) P("for (int64_t c0 = 0; c0 < %lldll; c0 += %d) {\nconst int64_t width = %lldll - c0 < %d ? %lldll - c0 : %d;\n", (long long)o->dims[o->rank - 1], CPU_CHUNK, (long long)o->dims[o->rank - 1], CPU_CHUNK, (long long)o->dims[o->rank - 1], CPU_CHUNK);
      else P("for (int64_t c0 = %s; c0 < end; c0 += %d) {\nconst int64_t width = end - c0 < %d ? end - c0 : %d;\n", from, CPU_CHUNK, CPU_CHUNK, CPU_CHUNK);
    } else P("{\n");
    accumulators(e, o->has_b ? "width" : "1");
  }
  /* what does not depend on a loop stands in front of it; with reductions everything stands inside the kept loops */
  if (o->n_r)
    for (uint32_t d = 0; d <= outer; d++)
      if (!at_depth(e, d)) return 0;
  for (; l < inner; l++) {
    open_loop(e, l);
    if (!at_depth(e, l + 1)) return 0;
  }
  if (!o->n_r)
    for (uint32_t d = 0; d <= inner; d++)
      if (!at_depth(e, d)) return 0;
  if (!run(e, inner)) return 0;
  for (; l > outer; l--) P("}\n");
  if (o->n_r) {
    if (!after(e, o->n_a)) return 0;
    P("}\n");
  }
  for (; l > 0; l--) P("}\n");
  P("}\n");
  return 1;
}

static void loops(emit *e) { /* which loops there are, in which order */
  const cpu_kernel *o = e->o;
  for (uint32_t t = 0; t < o->rank; t++) e->loop[e->n_loops++] = t;
  int parts = o->has_b && !o->n_a && e->m->c->self->threads > 1 && o->dims[o->rank - 1] >= 64;
  e->block = !parts && blocks(e);
  e->whole_b = o->has_b && !parts;
  if (!e->block) return;
  e->width = o->dims[run_axis(e)];
  e->rows = o->n_r ? ALIKE : (BLOCK_POINTS + e->width - 1) / e->width;
}

static uint32_t keep(struct cpu_source *s, cpu_text *t) { /* the function's number; UINT32_MAX without memory */
  for (uint32_t f = 0; f < s->n; f++) {
    size_t end = f + 1 < s->n ? s->from[f + 1] : s->functions.n, head = strlen("static void k00000");
    if (end - s->from[f] == t->n + head && !memcmp(s->functions.p + s->from[f] + head, t->p, t->n)) return f;
  }
  if (s->n == s->room) {
    size_t *from = realloc(s->from, sizeof *from * (s->room ? 2 * s->room : 64));
    if (!from) return UINT32_MAX;
    s->from = from;
    s->room = s->room ? 2 * s->room : 64;
  }
  s->from[s->n] = s->functions.n;
  cpu_put(&s->functions, "static void k%05u%s", s->n, t->p);
  return s->functions.failed ? UINT32_MAX : s->n++;
}

gantry_status cpu_emit_c(const cpu_make *m) {
  const gantry_kernel *k = m->k;
  cpu_kernel *o = m->out;
  emit e = {.m = m, .k = k, .o = o};
  gantry_status st = GANTRY_OK;
  int possible = 0;
  o->function = UINT32_MAX;
  o->n_at = k->n_loads + k->n_stores;
  o->at = calloc(o->n_at + 1, sizeof *o->at);
  o->bound = calloc(o->n_at + 1, sizeof *o->bound);
  e.dep = calloc(k->n_insts + 1, sizeof *e.dep);
  e.where = calloc(k->n_insts + 1, 1);
  e.kept = calloc(k->n_insts + 1, 1);
  if (!o->at || !o->bound || !e.dep || !e.where || !e.kept) st = cpu_fail(m->c, GANTRY_E_NOMEM, "out of memory");
  if (!st) {
    for (uint32_t a = 0; a < o->n_access; a++)
      if (m->level[a] != 2) o->at[slot_of(&e, a)] = o->access[a].at;
    dependencies(&e);
    loops(&e);
    places(&e);
    possible = function(&e) && !e.t.failed;
    o->split = o->n_a ? o->dims[0] : o->has_b && !e.whole_b ? o->dims[o->rank - 1] : 1;
    o->work = k->n_insts;
    for (uint32_t t = 0; t < o->rank; t++) o->work *= o->dims[t];
    if (possible) o->function = keep(m->c->source, &e.t);
  }
  free(e.dep);
  free(e.where);
  free(e.kept);
  free(e.t.p);
  return st;
}

void cpu_source_free(cpu_source *s) {
  if (!s) return;
  free(s->functions.p);
  free(s->from);
  free(s);
}

static const char *const prelude[] = {
#include "prelude_text.h"
};

char *cpu_source_text(const cpu_source *s) {
  cpu_text t = {0};
  for (size_t k = 0; k < sizeof prelude / sizeof *prelude; k++) cpu_put(&t, "%s\n", prelude[k]);
  if (s->n) cpu_put(&t, "%s", s->functions.p);
  cpu_put(&t, "typedef void gantry_fn(char *const *, int64_t, int64_t);\n__attribute__((visibility(\"default\"))) gantry_fn *const gantry_kernels[] = {");
  for (uint32_t f = 0; f < s->n; f++) cpu_put(&t, "k%05u, ", f);
  cpu_put(&t, "0};\n");
  if (!t.failed) return t.p;
  free(t.p);
  return NULL;
}
