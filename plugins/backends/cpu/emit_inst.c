/* emit_inst.c - single instructions as C: their types, where their memory is, the declaration of each result, the stores. See emit.h. */
#include "emit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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


const char *emit_type(uint32_t dtype) { /* of a register */
  switch (dtype) {
    case GANTRY_F64: return "double";
    case GANTRY_I32: return "int32_t";
    case GANTRY_I64: return "int64_t";
    case GANTRY_U32: return "uint32_t";
    case GANTRY_U8: case GANTRY_BOOL: return "uint8_t";
  }
  return "float";
}
static const char *memory_of(uint32_t dtype) { return dtype == GANTRY_BF16 ? "uint16_t" : emit_type(dtype); }
const char *emit_suffix(uint32_t dtype) {
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
int emit_is_float(uint32_t dtype) { return dtype == GANTRY_F32 || dtype == GANTRY_F64 || dtype == GANTRY_BF16; }

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

uint32_t emit_access_dep(const emit *e, uint32_t a) {
  const cpu_access *x = &e->o->access[a];
  uint32_t d = 0;
  for (uint32_t t = 0; t < e->o->rank; t++)
    if (x->stride[t] || (x->bounded && (x->lo[t] > 0 || x->hi[t] < e->o->dims[t]))) d |= 1u << t;
  return d;
}

uint32_t emit_operands(uint32_t op) { return op == GANTRY_OP_WHERE ? 3 : op >= GANTRY_OP_ADD && op <= GANTRY_OP_SHR ? 2 : op >= GANTRY_K_LOAD ? 0 : 1; }

void emit_ref(emit *e, uint32_t i, int in_run) {
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
    default: P("(%s)0x%016llxull", emit_type(q->dtype), (unsigned long long)w);
  }
}

/* The element offset of access a: its strides over the loops but the run; `run` adds where the run begins. */
static void offset(emit *e, uint32_t a, uint32_t n_loops, int run) {
  const cpu_access *x = &e->o->access[a];
  P("0");
  for (uint32_t l = 0; l < n_loops; l++)
    if (x->stride[e->loop[l]]) P(" + i%u * %lldll", e->loop[l], (long long)x->stride[e->loop[l]]);
  if (run && x->stride[emit_run_axis(e)]) P(" + x0 * %lldll", (long long)x->stride[emit_run_axis(e)]);
}

uint32_t emit_slot(const emit *e, uint32_t a) { return a < e->k->n_insts ? e->k->insts[a].a : e->k->n_loads + (a - e->k->n_insts); }

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
  uint32_t t = emit_run_axis(e);
  return x->bounded && (x->lo[t] > 0 || x->hi[t] < e->o->dims[t]);
}

void emit_pointer(emit *e, uint32_t a, uint32_t n_loops, const char *x0) {
  const cpu_access *x = &e->o->access[a];
  uint32_t t = emit_run_axis(e);
  P("%s *p%u = (%s *)at[%u] + (", memory_of(x->dtype), a, memory_of(x->dtype), emit_slot(e, a));
  offset(e, a, n_loops, 0);
  P(" + %s * %lldll);\n", x0, (long long)x->stride[t]);
  if (!x->bounded) return;
  P("int64_t lo%u = 0, hi%u = INT64_MAX;\n", a, a);
  if (run_bounded(e, a)) P("lo%u = %lldll - %s; hi%u = %lldll - %s;\n", a, (long long)x->lo[t], x0, a, (long long)x->hi[t], x0);
  P("if (!(");
  if (!inside(e, a, n_loops)) P("1");
  P(")) hi%u = lo%u;\n", a, a);
}

int emit_instruction(emit *e, uint32_t i, int run, uint32_t n_loops) {
  const gantry_inst *q = &e->k->insts[i];
  uint32_t args[3] = {q->a, q->b, q->c}, from = emit_operands(q->op) ? e->k->insts[q->a].dtype : q->dtype;
  int bf16 = q->dtype == GANTRY_BF16;
  if (q->op == GANTRY_K_REDUCE) return 1; /* results() has written it */
  P("%s r%u = ", emit_type(q->dtype), i);
  switch (q->op) {
    case GANTRY_K_LOAD: {
      const cpu_access *x = &e->o->access[i];
      long long s = run ? (long long)x->stride[emit_run_axis(e)] : 0;
      if (x->bounded) {
        P("(");
        if (run) P("i >= lo%u && i < hi%u", i, i);
        else if (!inside(e, i, n_loops)) P("1");
        P(") ? ");
      }
      P(bf16 ? "gk_from_bf16(" : "(");
      if (run) P(s == 1 ? "p%u[i]" : "p%u[i * %lldll]", i, s);
      else {
        P("((const %s *)at[%u])[", memory_of(x->dtype), emit_slot(e, i));
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
      if (t == e->o->rank) P("(%s)0", emit_type(q->dtype));
      else if (run && t == emit_run_axis(e)) P("(%s)(x0 + i)", emit_type(q->dtype));
      else P("(%s)i%u", emit_type(q->dtype), t);
      P(");\n");
      return 1;
    }
    case GANTRY_OP_WHERE:
      P("e_where_%s(", strcmp(emit_suffix(q->dtype), "bool") ? emit_suffix(q->dtype) : "u8");
      break;
    case GANTRY_OP_CAST:
      P(bf16 ? "gk_round_bf16(e_%s_to_%s(" : "(e_%s_to_%s(", from == GANTRY_BOOL ? "u8" : emit_suffix(from), emit_suffix(q->dtype));
      emit_ref(e, q->a, run);
      P("));\n");
      return 1;
    case GANTRY_OP_BITCAST:
      if (emit_type(from) == emit_type(q->dtype)) emit_ref(e, q->a, run);
      else {
        P("({ union { %s a; %s b; } u; u.a = ", emit_type(from), emit_type(q->dtype));
        emit_ref(e, q->a, run);
        P("; u.b; })");
      }
      P(";\n");
      return 1;
    case GANTRY_OP_POW:
      P(bf16 ? "gk_round_bf16(e_pow_%s(" : "(e_pow_%s(", emit_suffix(q->dtype));
      emit_ref(e, q->a, run);
      P(", %a));\n", q->imm);
      return 1;
    default: {
      const char *name = op_name(q->op, q->kind);
      if (!name) return 0;
      P("%s(e_%s_%s(", bf16 ? "gk_round_bf16" : "", name, q->op == GANTRY_OP_CMP && from == GANTRY_BOOL ? "u8" : emit_suffix(from));
      for (uint32_t j = 0; j < emit_operands(q->op); j++) {
        if (j) P(", ");
        emit_ref(e, args[j], run);
      }
      P("));\n");
      return 1;
    }
  }
  for (uint32_t j = 0; j < 3; j++) { /* where */
    if (j) P(", ");
    emit_ref(e, args[j], run);
  }
  P(");\n");
  return 1;
}

void emit_store(emit *e, uint32_t a, uint32_t reg, int run, uint32_t n_loops) {
  const cpu_access *x = &e->o->access[a];
  long long s = run ? (long long)x->stride[emit_run_axis(e)] : 0;
  if (x->bounded) {
    P("if (");
    if (run) P("i >= lo%u && i < hi%u", a, a);
    else if (!inside(e, a, n_loops)) P("1");
    P(") ");
  }
  if (run) P(s == 1 ? "p%u[i] = " : "p%u[i * %lldll] = ", a, s);
  else {
    P("((%s *)at[%u])[", memory_of(x->dtype), emit_slot(e, a));
    offset(e, a, n_loops, 0);
    P("] = ");
  }
  P(x->dtype == GANTRY_BF16 ? "gk_to_bf16(" : "(");
  emit_ref(e, reg, run);
  P(");\n");
}

