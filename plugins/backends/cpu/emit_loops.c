/* emit_loops.c - the function of one kernel: its loops, the run that the compiler vectorises, reductions into eight lanes as in kernel_reduce.c, and
 * what follows them. See emit.h. */
#include "emit.h"

#include <stdio.h>
#include <string.h>

/* ---- the run -------------------------------------------------------------------------------------------------------------------- */
static int reduces(const emit *e, uint32_t i) { return e->k->insts[i].op == GANTRY_K_REDUCE; }
static int is_var(const emit *e, uint32_t i) { return reduces(e, i) && e->k->insts[i].kind == GANTRY_OP_VAR; }
static const char *acc_type(const emit *e, uint32_t i) { return emit_is_float(e->k->insts[i].dtype) ? "double" : "uint64_t"; }
static const char *join_name(const emit *e, uint32_t i) {
  int max = e->k->insts[i].kind == GANTRY_OP_RMAX;
  return emit_is_float(e->k->insts[i].dtype) ? (max ? "max_f" : "sum_f") : (max ? "max_i" : "sum_i");
}

/* What the run computes: loads, arithmetic, stores, and elements into the accumulators (B) or into buffers (no B, or VAR). */
static int run_body(emit *e, uint32_t n_loops) {
  const gantry_kernel *k = e->k;
  for (uint32_t i = 0; i < k->body; i++)
    if (e->where[i] == AT_RUN && !emit_instruction(e, i, 1, n_loops)) return 0;
  for (uint32_t s = 0; s < k->n_stores; s++)
    if (k->stores[s].reg < k->body) emit_store(e, k->n_insts + s, k->stores[s].reg, 1, n_loops);
  for (uint32_t i = k->body; i < k->n_insts; i++) {
    if (!reduces(e, i)) continue;
    if (!e->o->has_b || is_var(e, i)) {
      P("t%u[i] = ", i);
      emit_ref(e, k->insts[i].a, 1);
    } else {
      P("A%u[i] = e_join_%s(A%u[i], (%s)", i, join_name(e, i), i, acc_type(e, i));
      emit_ref(e, k->insts[i].a, 1);
      P(")");
    }
    P(";\n");
  }
  return 1;
}

static void pointers(emit *e, uint32_t n_loops, const char *x0, int after) {
  const gantry_kernel *k = e->k;
  for (uint32_t i = after ? k->body : 0; i < (after ? k->n_insts : k->body); i++)
    if (k->insts[i].op == GANTRY_K_LOAD && (after || e->where[i] == AT_RUN)) emit_pointer(e, i, n_loops, x0);
  for (uint32_t s = 0; s < k->n_stores; s++)
    if ((k->stores[s].reg >= k->body) == after) emit_pointer(e, k->n_insts + s, n_loops, x0);
}

/* Instructions of the body whose last axis is loop l - 1 (l = 0: none). */
static int at_depth(emit *e, uint32_t l) {
  for (uint32_t i = 0; i < e->k->body; i++) {
    uint32_t d = 0;
    if (e->where[i] != AT_LOOP) continue;
    for (uint32_t j = 0; j < e->n_loops; j++)
      if (e->dep[i] >> e->loop[j] & 1) d = j + 1;
    if (d == l && !emit_instruction(e, i, 0, e->n_loops)) return 0;
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
    for (uint32_t j = 0; j < emit_operands(k->insts[i].op); j++)
      if (e->where[i] == AT_RUN) e->kept[args[j]] = 1;
  }
  for (uint32_t s = 0; s < k->n_stores; s++)
    if (k->stores[s].reg < k->body) e->kept[k->stores[s].reg] = 1;
  for (uint32_t i = k->body; i < k->n_insts; i++)
    if (reduces(e, i)) e->kept[k->insts[i].a] = 1;
  long long n = (long long)(e->rows * e->width);
  for (uint32_t i = 0; i < k->body; i++)
    if (e->where[i] == AT_PERIODIC && e->kept[i]) P("%s q%u[%lld] __attribute__((aligned(64)));\n", emit_type(k->insts[i].dtype), i, n);
  P("{ const int64_t x0 = 0; (void)x0;\n");
  for (uint32_t i = 0; i < k->body; i++)
    if (e->where[i] == AT_PERIODIC && k->insts[i].op == GANTRY_K_LOAD) emit_pointer(e, i, n_loops, "x0");
  P("_Pragma(\"GCC ivdep\") for (int64_t i = 0; i < %lld; i++) {\n", (long long)e->width);
  e->after = 1; /* operands are plain variables here */
  for (uint32_t i = 0; i < k->body; i++)
    if (e->where[i] == AT_PERIODIC && !emit_instruction(e, i, 1, n_loops)) return 0;
  e->after = 0;
  for (uint32_t i = 0; i < k->body; i++)
    if (e->where[i] == AT_PERIODIC && e->kept[i]) P("q%u[i] = r%u;\n", i, i);
  P("}\nK_FENCE\n");
  for (uint32_t i = 0; i < k->body; i++)
    if (e->where[i] == AT_PERIODIC && e->kept[i]) P("for (int64_t i = %lld; i < %lld; i++) q%u[i] = q%u[i - %lld];\n", (long long)e->width, n, i, i, (long long)e->width);
  P("}\nK_FENCE\n");
  return 1;
}

/* ---- reductions ----------------------------------------------------------------------------------------------------------------- */
static void accumulators(emit *e, const char *width) { /* width: elements of B at a time, "1" without B */
  long long w = e->o->has_b ? e->block ? (long long)e->width : CPU_CHUNK : 1, rows = e->block ? (long long)e->rows : 1;
  for (uint32_t i = e->k->body; i < e->k->n_insts; i++) {
    if (!reduces(e, i)) continue;
    const char *a = acc_type(e, i), *t = emit_type(e->k->insts[i].dtype), *start = e->k->insts[i].kind != GANTRY_OP_RMAX ? "0" : emit_is_float(e->k->insts[i].dtype) ? "-GK_INFD" : "(uint64_t)INT64_MIN";
    P("%s a%u[%lld] __attribute__((aligned(64)));\nfor (int64_t i = 0; i < 8 * %s; i++) a%u[i] = %s;\n", a, i, 8 * w, width, i, start);
    if (is_var(e, i)) P("double s%u[%lld] __attribute__((aligned(64))), h%u[%lld] __attribute__((aligned(64)));\nfor (int64_t i = 0; i < 8 * %s; i++) s%u[i] = 0;\n", i, 8 * w, i, w * rows, width, i);
    if (is_var(e, i) || !e->o->has_b) P("%s t%u[%d] __attribute__((aligned(64)));\n", t, i, e->o->has_b ? (int)(w * rows) : RUN);
  }
}

/* The elements of a run that stand in buffers go to their lanes. n, j and (B) lane0, width are variables of the text. */
static void drain(emit *e, const char *width) {
  for (uint32_t i = e->k->body; i < e->k->n_insts; i++) {
    if (!reduces(e, i)) continue;
    const char *t = emit_suffix(e->k->insts[i].dtype);
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
    P("%s r%u = ", emit_type(t), i);
    if (shape) P("%s", shape);
    else P("(%s)(", emit_type(t));
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
    if (!emit_instruction(e, i, b, n_loops)) return 0;
  for (uint32_t s = 0; s < k->n_stores; s++)
    if (k->stores[s].reg >= k->body) emit_store(e, k->n_insts + s, k->stores[s].reg, b, n_loops);
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
  uint32_t x = emit_run_axis(e);
  if (e->block) {
    uint32_t y = emit_around(e);
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
  P("}\nK_FENCE\n");
  drain(e, "width");
  P("K_FENCE\n}\n");
  return 1;
}

int emit_function(emit *e) {
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
    P("K_FENCE\n");
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

