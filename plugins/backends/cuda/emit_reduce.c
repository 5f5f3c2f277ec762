/* emit_reduce.c - a kernel with reductions. See emit.h.
 *
 * A block holds `across` kept points by `lanes` threads each. Where the reduced axes are contiguous in memory, lanes are neighbours; where a
 * kept axis is, kept points are. A lane takes every lanes-th element (or every lanes-th four), in f64 for floats and 64 bits for
 * integers; lanes are joined by one tree in shared memory. Where few kept points have much to reduce, `splits` blocks share each and a
 * second kernel joins what they wrote. All of this follows from shapes and strides. */
#include <stdlib.h>
#include <string.h>

#include "emit.h"

typedef struct shape { int64_t across, lanes, splits, chunk, tiles; int row; } shape;

static int64_t power_above(int64_t n) {
  int64_t p = 1;
  while (p < n) p *= 2;
  return p;
}

/* How many accesses of the body are contiguous along a merged axis. */
static int contiguous(const emit *e, uint32_t axis) {
  int n = 0;
  for (uint32_t i = 0; i < e->k->body; i++) n += e->k->insts[i].op == GANTRY_K_LOAD && e->load[i].stride[axis] == 1;
  for (uint32_t s = 0; s < e->k->n_stores; s++) n += e->k->stores[s].reg < e->k->body && e->store[s].stride[axis] == 1;
  return n;
}

static shape shape_of(emit *e) {
  enum { FEW = 132, ENOUGH = 264 }; /* blocks that leave a large GPU idle; that keep it busy */
  shape s = {.row = !e->kept || contiguous(e, e->rank - 1) >= contiguous(e, e->kept - 1)};
  int64_t each;
  if (s.row) {
    e->four = e->rank > e->kept && emit_can_four(e);
    each = e->reduced / (e->four ? 4 : 1);
    int64_t full = power_above(each), eighth = full / 8;
    s.lanes = full < 32 ? full : eighth > 32 ? eighth : 32;
    if (s.lanes > EMIT_BLOCK) s.lanes = EMIT_BLOCK;
    s.across = EMIT_BLOCK / s.lanes;
  } else {
    each = e->reduced;
    s.across = power_above(e->points < 32 ? e->points : 32);
    s.lanes = EMIT_BLOCK / s.across;
  }
  s.tiles = (e->points + s.across - 1) / s.across;
  s.splits = 1;
  if (s.tiles < FEW && each >= s.lanes * 16) {
    int64_t wanted = ENOUGH / s.tiles, possible = each / (s.lanes * 8);
    s.splits = wanted < possible ? wanted : possible;
  }
  s.chunk = (each + s.splits - 1) / s.splits;
  s.splits = (each + s.chunk - 1) / s.chunk;
  return s;
}

static int reduces(const emit *e, uint32_t i) { return e->k->insts[i].op == GANTRY_K_REDUCE; }
static int is_var(const emit *e, uint32_t i) { return e->k->insts[i].kind == GANTRY_OP_VAR; }
static int is_max(const emit *e, uint32_t i) { return e->k->insts[i].kind == GANTRY_OP_RMAX; }
static uint32_t dtype_in(const emit *e, uint32_t i) { return e->k->insts[e->k->insts[i].a].dtype; }
static const char *acc_type(const emit *e, uint32_t i) { return is_var(e, i) ? "k_moments" : emit_is_float(dtype_in(e, i)) ? "double" : "uint64_t"; }
static const char *join(const emit *e, uint32_t i) {
  if (is_var(e, i)) return "k_moments_join";
  if (emit_is_float(dtype_in(e, i))) return is_max(e, i) ? "e_join_max_f" : "e_join_sum_f";
  return is_max(e, i) ? "e_join_max_i" : "e_join_sum_i";
}
static void nothing(emit *e, uint32_t i) {
  if (is_var(e, i)) P("k_moments_of(0., 0., 0., 0.)");
  else if (!is_max(e, i)) P("0");
  else if (emit_is_float(dtype_in(e, i))) P("-GK_INFD");
  else P("0x8000000000000000ull");
}

static void own_accumulators(emit *e) {
  for (uint32_t i = e->k->body; i < e->k->n_insts; i++)
    if (reduces(e, i)) P("K_OWN(%s, A%u);\n", acc_type(e, i), i);
}

/* Where thread tid stands: kept point `kept` (flat, `here` if there is one) and lane. */
static void position(emit *e, const shape *s) {
  const char *x = emit_index(e);
  if (s->row) P("const %s kx = tid / %lld, lane = tid %% %lld;\n", x, (long long)s->lanes, (long long)s->lanes);
  else P("const %s kx = tid %% %lld, lane = tid / %lld;\n", x, (long long)s->across, (long long)s->across);
  P("const %s kept = (%s)(block %% %lld) * %lld + kx;\nconst int here = kept < %lld; (void)here; (void)lane;\n", x, x, (long long)s->tiles, (long long)s->across, (long long)e->points);
}

/* One step of each accumulator with the values at hand. */
static void accumulate(emit *e) {
  for (uint32_t i = e->k->body; i < e->k->n_insts; i++) {
    uint32_t r = e->k->insts[i].a;
    if (!reduces(e, i)) continue;
    if (is_var(e, i)) P("if (n%u == 0.) h%u = (double)r%u;\n{ const double u = (double)r%u - h%u; s%u += u; q%u += u * u; n%u += 1.; }\n", i, i, r, r, i, i, i, i);
    else P("a%u = %s(a%u, (%s)r%u);\n", i, join(e, i), i, acc_type(e, i), r);
  }
}

static int first_pass(emit *e, const shape *s) {
  const char *x = emit_index(e);
  P("K_THREADS\n");
  position(e, s);
  for (uint32_t i = e->k->body; i < e->k->n_insts; i++) {
    if (!reduces(e, i)) continue;
    if (is_var(e, i)) P("double h%u = 0, s%u = 0, q%u = 0, n%u = 0;\n", i, i, i, i);
    else {
      P("%s a%u = ", acc_type(e, i), i);
      nothing(e, i);
      P(";\n");
    }
  }
  P("if (here) {\n");
  if (e->kept) emit_indices(e, "kept", 0, e->kept);
  int64_t each = e->reduced / (e->four ? 4 : 1);
  if (s->splits > 1) P("const %s begin = (%s)(block / %lld) * %lld, end = begin + %lld < %lld ? begin + %lld : %lld;\n", x, x, (long long)s->tiles, (long long)s->chunk, (long long)s->chunk, (long long)each, (long long)s->chunk, (long long)each);
  else P("const %s begin = 0, end = %lld;\n", x, (long long)each);
  P("for (%s j = begin + lane; j < end; j += %lld) {\n", x, (long long)s->lanes);
  if (e->four) P("const %s p = j * 4;\n", x);
  emit_indices(e, e->four ? "p" : "j", e->kept, e->rank);
  if (e->four) {
    emit_fours_before(e, 0, e->k->body);
    P("K_UNROLL\nfor (int v = 0; v < 4; v++) {\n");
  }
  if (!emit_insts(e, 0, e->k->body)) return 0;
  accumulate(e);
  emit_stores(e, 0);
  if (e->four) {
    P("}\n");
    emit_fours_after(e);
  }
  P("}\n}\n");
  for (uint32_t i = e->k->body; i < e->k->n_insts; i++) {
    if (!reduces(e, i)) continue;
    if (is_var(e, i)) P("K_MINE(A%u) = k_moments_of(n%u, h%u, s%u, q%u);\n", i, i, i, i, i);
    else P("K_MINE(A%u) = a%u;\n", i, i);
  }
  P("K_SYNC\n");
  return 1;
}

static uint32_t n_reduces(const emit *e) {
  uint32_t n = 0;
  for (uint32_t i = e->k->body; i < e->k->n_insts; i++) n += reduces(e, i) != 0;
  return n;
}
static int64_t size_of(const emit *e, uint32_t i) { return is_var(e, i) ? 24 : 8; }
/* Partial results of reduction i: [points, splits] of its accumulator, behind those of the earlier ones. */
static int64_t partial_at(const emit *e, uint32_t upto, int64_t splits) {
  int64_t at = 0;
  for (uint32_t i = e->k->body; i < upto; i++)
    if (reduces(e, i)) at += size_of(e, i) * splits * e->points;
  return at;
}

static void second_begins(emit *e, const shape *s, int64_t splits) {
  P("K_THREADS\n");
  position(e, s);
  for (uint32_t i = e->k->body; i < e->k->n_insts; i++) {
    if (!reduces(e, i)) continue;
    P("%s a%u = ", acc_type(e, i), i);
    nothing(e, i);
    P(";\nif (here) for (int j = (int)lane; j < %lld; j += %lld) a%u = %s(a%u, ((const %s *)(at[%u] + %lldll))[(long long)kept * %lld + j]);\nK_MINE(A%u) = a%u;\n", (long long)splits, (long long)s->lanes, i, join(e, i), i,
      acc_type(e, i), e->k->n_loads + e->k->n_stores, (long long)partial_at(e, i, splits), (long long)splits, i, i);
  }
  P("K_SYNC\n");
}

/* Lanes become one: the first lane of each kept point then owns the sums. */
static void tree(emit *e, const shape *s) {
  long long step = s->row ? 1 : s->across;
  for (uint32_t i = e->k->body; i < e->k->n_insts; i++) {
    if (!reduces(e, i) || s->lanes == 1) continue;
    P("{\nK_SHARED %s lanes_of[K_BLOCK];\nK_THREADS\nlanes_of[tid] = K_MINE(A%u);\nK_SYNC\n", acc_type(e, i), i);
    P("for (int half = %lld; half; half /= 2) {\nK_THREADS\n", (long long)s->lanes / 2);
    P("if (tid %s %lld < half) lanes_of[tid] = %s(lanes_of[tid], lanes_of[tid + half * %lld]);\nK_SYNC\n}\n", s->row ? "%" : "/", s->row ? (long long)s->lanes : step, join(e, i), step);
    P("K_THREADS\nK_MINE(A%u) = lanes_of[tid];\nK_SYNC\n}\n", i);
  }
}

static void result(emit *e, uint32_t i) {
  uint32_t t = e->k->insts[i].dtype;
  P("const %s r%u = ", emit_type(t), i);
  if (emit_is_float(t)) {
    P(t == GANTRY_BF16 ? "gk_round_bf16((float)" : "(%s)", emit_type(t));
    if (is_var(e, i)) P("gk_maxd(K_MINE(A%u).m2 / %lld., 0.)", i, (long long)e->reduced);
    else P("K_MINE(A%u)", i);
    P(t == GANTRY_BF16 ? ");\n" : ";\n");
  } else if (t == GANTRY_BOOL) P("(uint8_t)(K_MINE(A%u) != 0);\n", i);
  else P("(%s)K_MINE(A%u);\n", emit_type(t), i);
}

static int after(emit *e, const shape *s) {
  P("K_THREADS\n");
  position(e, s);
  P("if (here && lane == 0) {\n");
  if (e->kept) emit_indices(e, "kept", 0, e->kept);
  for (uint32_t i = e->k->body; i < e->k->n_insts; i++)
    if (reduces(e, i)) result(e, i);
  e->four = 0;
  if (!emit_insts(e, e->k->body, e->k->n_insts)) return 0;
  emit_stores(e, 1);
  P("}\nK_DONE\n");
  return 1;
}

static void keep_partials(emit *e, const shape *s) {
  P("K_THREADS\n");
  position(e, s);
  P("if (here && lane == 0) {\n");
  for (uint32_t i = e->k->body; i < e->k->n_insts; i++)
    if (reduces(e, i))
      P("((%s *)(at[%u] + %lldll))[(long long)kept * %lld + block / %lld] = K_MINE(A%u);\n", acc_type(e, i), e->k->n_loads + e->k->n_stores, (long long)partial_at(e, i, s->splits), (long long)s->splits, (long long)s->tiles, i);
  P("}\nK_DONE\n");
}

int emit_reduce(emit *e, emit_result *out) {
  shape s = shape_of(e);
  for (uint32_t i = 0; i < e->k->n_insts; i++)
    if (reduces(e, i) && (i < e->k->body || e->k->insts[i].a >= e->k->body)) return 0;
  P("/* reduction, %s%s%s */\n", s.row ? "lanes along what is reduced" : "lanes along what is kept", e->four ? ", by four" : "", s.splits > 1 ? ", first half" : "");
  own_accumulators(e);
  if (!first_pass(e, &s)) return 0;
  tree(e, &s);
  if (s.splits == 1) {
    if (!after(e, &s)) return 0;
    out->n = 1;
    out->kernel[0] = (emit_kernel){e->t.p, s.tiles};
    return 1;
  }
  keep_partials(e, &s);
  out->n = 1;
  out->kernel[0] = (emit_kernel){e->t.p, s.tiles * s.splits};
  out->partial_bytes = partial_at(e, e->k->n_insts, s.splits);
  out->n_at++;
  if (e->t.failed || !n_reduces(e)) return !e->t.failed;
  memset(&e->t, 0, sizeof e->t);
  shape two = {.row = 1, .splits = 1};
  two.lanes = power_above(s.splits < EMIT_BLOCK ? s.splits : EMIT_BLOCK);
  two.across = EMIT_BLOCK / two.lanes;
  two.tiles = (e->points + two.across - 1) / two.across;
  P("/* reduction, second half */\n");
  own_accumulators(e);
  second_begins(e, &two, s.splits);
  tree(e, &two);
  if (!after(e, &two)) {
    cuda_text_free(&e->t);
    return 0;
  }
  out->n = 2;
  out->kernel[1] = (emit_kernel){e->t.p, two.tiles};
  return 1;
}
