/* emit_inst.c - single instructions of a kernel as text; see emit.h. The functions e_<operation>_<type> are elementwise.h's. */
#include <string.h>

#include "emit.h"

const char *emit_type(uint32_t dtype) {
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
static const char *four_of(uint32_t dtype) { return dtype == GANTRY_BF16 ? "b16" : dtype == GANTRY_BOOL ? "u8" : suffix(dtype); }
int emit_is_float(uint32_t dtype) { return dtype == GANTRY_F32 || dtype == GANTRY_F64 || dtype == GANTRY_BF16; }
const char *emit_index(const emit *e) { return e->small ? "int" : "long long"; }

static const char *name_of(uint32_t op, uint32_t kind) {
  static const char *const compare[EMIT_KINDS] = {[GANTRY_CMP_EQ] = "eq", [GANTRY_CMP_NE] = "ne", [GANTRY_CMP_LT] = "lt", [GANTRY_CMP_LE] = "le", [GANTRY_CMP_GT] = "gt", [GANTRY_CMP_GE] = "ge"};
  static const char *const names[EMIT_OPS] = {
    [GANTRY_OP_NEG] = "neg", [GANTRY_OP_ABS] = "abs", [GANTRY_OP_SIGN] = "sign", [GANTRY_OP_EXP] = "exp", [GANTRY_OP_EXPM1] = "expm1", [GANTRY_OP_LOG] = "log",
    [GANTRY_OP_LOG1P] = "log1p", [GANTRY_OP_SQRT] = "sqrt", [GANTRY_OP_RSQRT] = "rsqrt", [GANTRY_OP_SIN] = "sin", [GANTRY_OP_COS] = "cos", [GANTRY_OP_TANH] = "tanh",
    [GANTRY_OP_SIGMOID] = "sigmoid", [GANTRY_OP_ERF] = "erf", [GANTRY_OP_FLOOR] = "floor", [GANTRY_OP_NOT] = "not", [GANTRY_OP_ROUND] = "round", [GANTRY_OP_ADD] = "add",
    [GANTRY_OP_SUB] = "sub", [GANTRY_OP_MUL] = "mul", [GANTRY_OP_DIV] = "div", [GANTRY_OP_MOD] = "mod", [GANTRY_OP_MAX] = "max", [GANTRY_OP_MIN] = "min",
    [GANTRY_OP_ATAN2] = "atan2", [GANTRY_OP_AND] = "and", [GANTRY_OP_OR] = "or", [GANTRY_OP_XOR] = "xor", [GANTRY_OP_SHL] = "shl", [GANTRY_OP_SHR] = "shr"};
  if (op == GANTRY_OP_CMP) return kind < EMIT_KINDS ? compare[kind] : NULL;
  return op < EMIT_OPS ? names[op] : NULL;
}
static uint32_t operands(uint32_t op) { return op == GANTRY_OP_WHERE ? 3 : op >= GANTRY_OP_ADD && op <= GANTRY_OP_SHR ? 2 : op >= GANTRY_K_LOAD ? 0 : 1; }

void emit_indices(emit *e, const char *flat, uint32_t from, uint32_t to) {
  int64_t inner = 1;
  for (uint32_t t = to; t-- > from;) {
    P("const %s i%u = ", emit_index(e), t);
    if (inner == 1) P("%s", flat);
    else P("%s / %lld", flat, (long long)inner);
    if (t > from) P(" %% %lld", (long long)e->dims[t]);
    P("; (void)i%u;\n", t);
    inner *= e->dims[t];
  }
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

/* The element of an access at the current point; four: of the first of four. */
static void place(emit *e, const emit_access *d) {
  P("%lld", (long long)d->offset);
  for (uint32_t t = 0; t < e->rank; t++)
    if (d->stride[t]) P(" + i%u * %s%lld%s", t, d->stride[t] < 0 ? "(" : "", (long long)d->stride[t], d->stride[t] < 0 ? ")" : "");
}
static void inside(emit *e, const emit_access *d) {
  int any = 0;
  if (d->never) P("0");
  else
    for (uint32_t t = 0; t < e->rank; t++) {
      if (d->lo[t] > 0) P("%si%u >= %lld", any++ ? " && " : "", t, (long long)d->lo[t]);
      if (d->hi[t] < e->dims[t]) P("%si%u < %lld", any++ ? " && " : "", t, (long long)d->hi[t]);
    }
  if (!any && !d->never) P("1");
}

static int is_four(const emit *e, const emit_access *d) { return e->four && d->stride[e->rank - 1] == 1; }

void emit_fours_before(emit *e, uint32_t from, uint32_t to) {
  for (uint32_t i = from; i < to; i++) {
    const emit_access *d = &e->load[i];
    if (e->k->insts[i].op != GANTRY_K_LOAD || !is_four(e, d)) continue;
    P("k_four_%s v%u%s;\n", four_of(d->dtype), i, d->bounded ? " = {{0, 0, 0, 0}}" : "");
    if (d->bounded) {
      P("if (");
      inside(e, d);
      P(") ");
    }
    P("v%u = *(const k_four_%s *)((const %s *)at[%u] + (", i, four_of(d->dtype), memory_of(d->dtype), d->slot);
    place(e, d);
    P("));\n");
  }
  for (uint32_t s = 0; s < e->k->n_stores; s++)
    if (e->k->stores[s].reg < e->k->body && is_four(e, &e->store[s])) P("k_four_%s w%u;\n", four_of(e->store[s].dtype), s);
}

static void load(emit *e, uint32_t i) {
  const emit_access *d = &e->load[i];
  const char *open = e->k->insts[i].dtype == GANTRY_BF16 ? "gk_from_bf16(" : "(";
  if (is_four(e, d)) {
    P("%sv%u.x[v]);\n", open, i);
    return;
  }
  if (d->bounded) {
    inside(e, d);
    P(" ? ");
  }
  P("%s((const %s *)at[%u])[", open, memory_of(d->dtype), d->slot);
  place(e, d);
  P(d->bounded ? "]) : 0;\n" : "]);\n");
}

static void index_value(emit *e, uint32_t host, uint32_t dtype) {
  uint32_t t = 0;
  while (t < e->rank && !(e->axis[t] == host && e->k->dims[host] > 1)) t++;
  P(dtype == GANTRY_BF16 ? "gk_round_bf16(" : "(");
  if (t == e->rank) P("(%s)0);\n", emit_type(dtype));
  else P("(%s)(i%u%s));\n", emit_type(dtype), t, e->four && t == e->rank - 1 ? " + v" : "");
}

static int instruction(emit *e, uint32_t i) {
  const gantry_inst *q = &e->k->insts[i];
  uint32_t args[3] = {q->a, q->b, q->c}, n = operands(q->op), from = n ? e->k->insts[q->a].dtype : q->dtype;
  int bf16 = q->dtype == GANTRY_BF16;
  const char *name;
  if (q->op == GANTRY_K_REDUCE) return 1; /* its result stands there already */
  for (uint32_t j = 0; j < n; j++)
    if (args[j] >= i) return 0;
  P("const %s r%u = ", emit_type(q->dtype), i);
  switch (q->op) {
    case GANTRY_K_LOAD: load(e, i); return 1;
    case GANTRY_K_IMM: number(e, q); P(";\n"); return 1;
    case GANTRY_K_INDEX: index_value(e, q->a, q->dtype); return 1;
    case GANTRY_OP_WHERE: P("e_where_%s(r%u, r%u, r%u);\n", q->dtype == GANTRY_BOOL ? "u8" : suffix(q->dtype), q->a, q->b, q->c); return 1;
    case GANTRY_OP_CAST: P(bf16 ? "gk_round_bf16(e_%s_to_%s(r%u));\n" : "(e_%s_to_%s(r%u));\n", from == GANTRY_BOOL ? "u8" : suffix(from), suffix(q->dtype), q->a); return 1;
    case GANTRY_OP_POW: P(bf16 ? "gk_round_bf16(e_pow_%s(r%u, %a));\n" : "(e_pow_%s(r%u, %a));\n", suffix(q->dtype), q->a, q->imm); return 1;
    case GANTRY_OP_BITCAST:
      if (from == GANTRY_F32 && emit_type(q->dtype) != emit_type(from)) P("(%s)gk_bits(r%u);\n", emit_type(q->dtype), q->a);
      else if (q->dtype == GANTRY_F32 && emit_type(q->dtype) != emit_type(from)) P("gk_from_bits((gk_u32)r%u);\n", q->a);
      else if (from == GANTRY_F64 && q->dtype != GANTRY_F64) P("(%s)gk_bitsd(r%u);\n", emit_type(q->dtype), q->a);
      else if (q->dtype == GANTRY_F64 && from != GANTRY_F64) P("gk_from_bitsd((gk_u64)r%u);\n", q->a);
      else P("(%s)r%u;\n", emit_type(q->dtype), q->a);
      return 1;
  }
  if (!(name = name_of(q->op, q->kind))) return 0;
  P("%s(e_%s_%s(", bf16 ? "gk_round_bf16" : "", name, q->op == GANTRY_OP_CMP && from == GANTRY_BOOL ? "u8" : suffix(from));
  for (uint32_t j = 0; j < n; j++) P(j ? ", r%u" : "r%u", args[j]);
  P("));\n");
  return 1;
}

int emit_insts(emit *e, uint32_t from, uint32_t to) {
  for (uint32_t i = from; i < to; i++)
    if (!instruction(e, i)) return 0;
  return 1;
}

void emit_stores(emit *e, int after) {
  for (uint32_t s = 0; s < e->k->n_stores; s++) {
    const emit_access *d = &e->store[s];
    uint32_t reg = e->k->stores[s].reg;
    if (after != (reg >= e->k->body && e->k->kept < e->k->rank)) continue;
    const char *open = d->dtype == GANTRY_BF16 ? "gk_to_bf16(" : "(";
    if (is_four(e, d) && !after) {
      P("w%u.x[v] = %sr%u);\n", s, open, reg);
      continue;
    }
    if (d->bounded) {
      P("if (");
      inside(e, d);
      P(") ");
    }
    P("((%s *)at[%u])[", memory_of(d->dtype), d->slot);
    place(e, d);
    P("] = %sr%u);\n", open, reg);
  }
}

void emit_fours_after(emit *e) {
  for (uint32_t s = 0; s < e->k->n_stores; s++) {
    const emit_access *d = &e->store[s];
    if (e->k->stores[s].reg >= e->k->body || !is_four(e, d)) continue;
    if (d->bounded) {
      P("if (");
      inside(e, d);
      P(") ");
    }
    P("*(k_four_%s *)((%s *)at[%u] + (", four_of(d->dtype), memory_of(d->dtype), d->slot);
    place(e, d);
    P(")) = w%u;\n", s);
  }
}
