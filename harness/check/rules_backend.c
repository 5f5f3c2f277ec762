/* rules_backend.c - tests of backends, through the same session that runs use (exec.h): what a program computes is compared with the f64 reference
 * interpreter on the same values. */
#include <gantry/scalar.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "check/numeric.h"
#include "check/op_rows.h"
#include "check/random_graph.h"
#include "check/subject.h"
#include "exec/exec.h"
#include "ir/build.h"

static void put(uint32_t dtype, void *dst, int64_t i, double v) {
  switch (dtype) {
    case GANTRY_F32: ((float *)dst)[i] = (float)v; break;
    case GANTRY_F64: ((double *)dst)[i] = v; break;
    case GANTRY_BF16: ((uint16_t *)dst)[i] = (uint16_t)gk_to_bf16((float)v); break;
    case GANTRY_I32: ((int32_t *)dst)[i] = (int32_t)v; break;
    case GANTRY_I64: ((int64_t *)dst)[i] = (int64_t)v; break;
    case GANTRY_U32: ((uint32_t *)dst)[i] = (uint32_t)v; break;
    default: ((uint8_t *)dst)[i] = (uint8_t)v;
  }
}
static double get(uint32_t dtype, const void *src, int64_t i) {
  switch (dtype) {
    case GANTRY_F32: return (double)((const float *)src)[i];
    case GANTRY_F64: return ((const double *)src)[i];
    case GANTRY_BF16: return (double)gk_from_bf16(((const uint16_t *)src)[i]);
    case GANTRY_I32: return ((const int32_t *)src)[i];
    case GANTRY_I64: return (double)((const int64_t *)src)[i];
    case GANTRY_U32: return ((const uint32_t *)src)[i];
    default: return ((const uint8_t *)src)[i];
  }
}

/* Values of leaves: given by a function of name and place, rounded to the leaf's type, so that both sides start from the same numbers. */
typedef struct source { ir_bind *bind; void *user; } source;
static gantry_status rounded(void *user, const char *name, uint32_t dtype, int64_t count, double *dst, err *e) {
  const source *s = user;
  unsigned char one[8];
  TRY(s->bind(s->user, name, dtype, count, dst, e));
  for (int64_t k = 0; k < count; k++) {
    put(dtype, one, 0, dst[k]);
    dst[k] = get(dtype, one, 0);
  }
  return GANTRY_OK;
}

static gantry_status write_leaves(exec_session *s, const ir_graph *g, source *from, err *e) {
  for (ir_id id = 1; id < g->nodes.n; id++) {
    const ir_node *n = ir_at(g, id);
    if (n->op != GANTRY_OP_INPUT && n->op != GANTRY_OP_STATE) continue;
    const char *name = ir_name(g, (uint32_t)ir_attr_i(g, id, GANTRY_A_NAME, 0));
    int64_t count = ir_count(g, id), dims[GANTRY_MAX_RANK] = {0}, bytes = count * ir_dtype_size(n->dtype);
    if (n->rank) memcpy(dims, ir_dims(g, id), sizeof(int64_t) * n->rank);
    double *v = mem_alloc(sizeof *v * (size_t)count);
    void *raw = mem_alloc((size_t)bytes);
    gantry_status st = rounded(from, name, n->dtype, count, v, e);
    for (int64_t k = 0; k < count; k++) put(n->dtype, raw, k, v[k]);
    if (!st) st = exec_tensor_make(s, name, n->dtype, n->rank, dims, e);
    if (!st) st = exec_write(s, name, raw, bytes, e);
    free(v);
    free(raw);
    TRY(st);
  }
  return GANTRY_OK;
}

/* Reads every root back as doubles, in order; the caller frees. */
static gantry_status read_roots(exec_session *s, const ir_graph *g, const char *program, double **out, err *e) {
  for (uint32_t k = 0; k < g->roots.n; k++) {
    char name[300];
    const ir_root *r = &g->roots.p[k];
    uint32_t dtype = ir_at(g, r->id)->dtype;
    int64_t count = ir_count(g, r->id), bytes = count * ir_dtype_size(dtype);
    void *raw = mem_alloc((size_t)bytes);
    if (r->kind == IR_STORE) snprintf(name, sizeof name, "%s", ir_name(g, r->name));
    else snprintf(name, sizeof name, "out/%s/%s", program, ir_name(g, r->name));
    gantry_status st = exec_read(s, name, raw, bytes, e);
    out[k] = mem_alloc(sizeof(double) * (size_t)count);
    for (int64_t j = 0; j < count && !st; j++) out[k][j] = get(dtype, raw, j);
    free(raw);
    TRY(st);
  }
  return GANTRY_OK;
}

static gantry_status run(exec_session *s, const ir_graph *g, const char *program, source *from, double **out, err *e) {
  TRY(write_leaves(s, g, from, e));
  exec_program *p = exec_compile(s, g, program, e);
  if (!p) return e->code;
  TRY(write_leaves(s, g, from, e));
  TRY(exec_run(s, &p, 1, e));
  TRY(exec_sync(s, e));
  return read_roots(s, g, program, out, e);
}

enum { ROOTS = 256 };
/* Runs g both ways. PASS, SKIP where the backend says that it lacks something, or FAIL with the first difference. tol is relative to the largest number of a root. */
static uint32_t agree(exec_session *s, const ir_graph *g, const char *program, ir_bind *bind, void *user, double tol, char why[300]) {
  double *got[ROOTS] = {NULL}, *want[ROOTS] = {NULL};
  ir_id ids[ROOTS];
  source from = {bind, user};
  err e = {0};
  uint32_t verdict = CHECK_PASS, n = g->roots.n < ROOTS ? g->roots.n : ROOTS;
  for (uint32_t k = 0; k < n; k++) ids[k] = g->roots.p[k].id;
  if (g->roots.n > ROOTS || run(s, g, program, &from, got, &e) || ir_eval(g, ids, n, rounded, &from, want, &e)) {
    verdict = e.code == GANTRY_E_UNSUPPORTED ? CHECK_SKIP : CHECK_FAIL;
    snprintf(why, 300, "%.280s", e.msg);
  }
  for (uint32_t k = 0; k < n && !verdict; k++) {
    double most = 1e-30;
    int64_t count = ir_count(g, ids[k]);
    for (int64_t j = 0; j < count; j++)
      if (isfinite(want[k][j])) most = fmax(most, fabs(want[k][j]));
    for (int64_t j = 0; j < count && !verdict; j++) {
      double a = got[k][j], b = want[k][j];
      if (a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= tol * most) continue;
      verdict = CHECK_FAIL;
      snprintf(why, 300, "element %lld of %s is %.9g, the reference says %.9g", (long long)j, ir_name(g, g->roots.p[k].name), a, b);
    }
  }
  for (uint32_t k = 0; k < n; k++) {
    free(got[k]);
    free(want[k]);
  }
  return verdict;
}

static exec_session *session(subject *s, err *e) { return exec_open(s->live->iface, s->live->name, 0, 1, e); }

static uint32_t probe(subject *s, gantry_probe *p) {
  err e = {0};
  if (exec_probe(s->live->iface, s->live->name, p, &e)) return check_say(s, CHECK_FAIL, "probe: %s", e.msg);
  if (!memchr(p->device, 0, sizeof p->device) || !memchr(p->libraries, 0, sizeof p->libraries) || !memchr(p->reason, 0, sizeof p->reason)) return check_say(s, CHECK_FAIL, "probe leaves a text without its end");
  if (p->score > 0) return CHECK_PASS;
  return p->reason[0] ? check_say(s, CHECK_SKIP, "not on this machine: %s", p->reason) : check_say(s, CHECK_FAIL, "probe says that it cannot run here and gives no reason");
}

uint32_t check_backend_open(subject *s) {
  gantry_probe p;
  uint32_t verdict = probe(s, &p);
  for (int k = 0; k < 2 && !verdict; k++) {
    err e = {0};
    exec_session *a = session(s, &e), *b = a ? session(s, &e) : NULL; /* two at once */
    if (!b) verdict = check_say(s, CHECK_FAIL, "%s", e.msg);
    exec_close(b);
    exec_close(a);
  }
  if (!verdict && !p.device[0]) verdict = check_say(s, CHECK_FAIL, "probe names no device");
  return verdict ? verdict : check_say(s, CHECK_PASS, "%s; %s", p.device, p.libraries);
}

uint32_t check_backend_memory(subject *s) {
  gantry_probe p;
  err e = {0};
  uint32_t verdict = probe(s, &p);
  if (verdict) return verdict;
  exec_session *x = session(s, &e);
  const int64_t n = 1000;
  unsigned char a[1000], b[1000];
  if (!x || exec_tensor_make(x, "a", GANTRY_U8, 1, &n, &e) || exec_read(x, "a", b, n, &e)) verdict = check_say(s, CHECK_FAIL, "%s", e.msg);
  for (int64_t k = 0; k < n && !verdict; k++) {
    if (b[k]) verdict = check_say(s, CHECK_FAIL, "a new buffer is not zero at byte %lld", (long long)k);
    a[k] = (unsigned char)(k * 7 + 3);
  }
  if (!verdict && (exec_write(x, "a", a, n, &e) || exec_sync(x, &e) || exec_read(x, "a", b, n, &e))) verdict = check_say(s, CHECK_FAIL, "%s", e.msg);
  if (!verdict && memcmp(a, b, sizeof a)) verdict = check_say(s, CHECK_FAIL, "what is read back is not what was written");
#ifndef GANTRY_SANITIZED /* the address sanitizer ends a process that asks for so much, or speaks of it */
  const int64_t large = (int64_t)1 << 52;
  err huge = {0};
  check_doing(s, "asking for a buffer of 2^52 bytes");
  if (!verdict && !exec_tensor_make(x, "huge", GANTRY_U8, 1, &large, &huge)) verdict = check_say(s, CHECK_FAIL, "gives a buffer of 2^52 bytes");
  if (!verdict && strstr(huge.msg, "gave no reason")) verdict = check_say(s, CHECK_FAIL, "refuses a large buffer without a reason");
#endif
  if (x) exec_close(x);
  return verdict;
}

/* ---- operations ---- */

typedef struct op_values { const op_row *row; uint64_t seed; } op_values;
static gantry_status op_bind(void *user, const char *name, uint32_t dtype, int64_t count, double *dst, err *e) {
  const op_values *v = user;
  const op_input *in = v->row->in[name[1] - '0'];
  (void)e;
  for (int64_t k = 0; k < count; k++) {
    dst[k] = in->lo + (in->hi - in->lo) * check_uniform(v->seed + (uint64_t)name[1], (uint64_t)k);
    if (!ir_is_float(dtype)) dst[k] = floor(dst[k]);
    if (dtype == GANTRY_BOOL) dst[k] = (int64_t)dst[k] & 1;
  }
  return GANTRY_OK;
}

/* The operand as a leaf that lies in memory some other way, and the view that makes it what the operation wants. 0: that layout makes no sense here. */
static ir_id operand(ir_graph *g, const op_row *r, uint32_t k, uint32_t dtype, int layout) {
  const op_input *in = r->in[k];
  char name[8];
  int64_t dims[4], start[4] = {0}, stop[4], step[4] = {1, 1, 1, 1};
  snprintf(name, sizeof name, "x%u", k);
  if (in->dtype) dtype = in->dtype;
  memcpy(dims, in->dims, sizeof dims);
  memcpy(stop, in->dims, sizeof stop);
  if (!in->rank || layout == CHECK_DENSE) return ir_leaf(g, GANTRY_OP_INPUT, name, dtype, in->rank, dims);
  uint32_t last = in->rank - 1;
  switch (layout) {
    case CHECK_PERMUTED: {
      int64_t perm[4] = {0, 1, 2, 3};
      if (in->rank < 2) return 0;
      perm[0] = last, perm[last] = 0;
      dims[0] = in->dims[last], dims[last] = in->dims[0];
      return ir_permute(g, ir_leaf(g, GANTRY_OP_INPUT, name, dtype, in->rank, dims), perm);
    }
    case CHECK_SLICED: {
      dims[last] += 3;
      start[last] = 2, stop[last] = in->dims[last] + 2;
      gantry_attr at[] = {{GANTRY_A_START, in->rank, {.iv = start}}, {GANTRY_A_STOP, in->rank, {.iv = stop}}, {GANTRY_A_STEP, in->rank, {.iv = step}}};
      ir_id leaf = ir_leaf(g, GANTRY_OP_INPUT, name, dtype, in->rank, dims);
      return ir_op(g, GANTRY_OP_SLICE, &leaf, 1, at, 3);
    }
    case CHECK_REVERSED: {
      const int64_t axis = last;
      gantry_attr at = {GANTRY_A_AXES, 1, {.iv = &axis}};
      ir_id leaf = ir_leaf(g, GANTRY_OP_INPUT, name, dtype, in->rank, dims);
      return ir_op(g, GANTRY_OP_REVERSE, &leaf, 1, &at, 1);
    }
    default: {
      int64_t row = in->dims[last];
      if (in->rank < 2 || !k) return layout == CHECK_BROADCAST && in->rank >= 2 && r->n_in > 1 ? ir_leaf(g, GANTRY_OP_INPUT, name, dtype, in->rank, dims) : 0;
      return ir_broadcast_to(g, ir_leaf(g, GANTRY_OP_INPUT, name, dtype, 1, &row), in->rank, in->dims);
    }
  }
}

/* Contractions of bf16 are given to a backend that says it computes in it, and to no other. */
static int promised(const gantry_probe *p, uint32_t op, uint32_t dtype) {
  return dtype == GANTRY_BF16 && (op == GANTRY_OP_MATMUL || (op >= GANTRY_OP_CONV && op <= GANTRY_OP_CONV_WGRAD)) && p->precisions >> GANTRY_PRECISION_BF16 & 1;
}

static void one(subject *s, const gantry_probe *p, exec_session *x, const op_row *r, uint32_t dtype, int layout) {
  ir_graph *g = ir_new();
  ir_id in[3] = {0};
  char name[56], why[300] = "";
  gantry_attr at[8];
  uint32_t n_at = r->n_at;
  const double tol = dtype == GANTRY_F32 ? r->tolerance->f32 : dtype == GANTRY_BF16 ? r->tolerance->bf16 : r->tolerance->f64;
  op_values v = {r, s->seed};
  snprintf(name, sizeof name, "%s:%s%s%s", ir_dtype_name(dtype), check_layout_name((uint32_t)layout), r->variant ? ":" : "", r->variant ? r->variant : "");
  check_doing(s, "%s", name);
  for (uint32_t k = 0; k < r->n_at; k++) at[k] = r->at[k];
  for (uint32_t k = 0; k < r->n_in; k++)
    if (!(in[k] = operand(g, r, k, dtype, layout))) goto done;
  if (r->op == GANTRY_OP_IOTA) at[n_at++] = (gantry_attr){GANTRY_A_DTYPE, 1, {.i = dtype}};
  if (r->op == GANTRY_OP_PSD_POWER || r->op == GANTRY_OP_EIGVALSH) in[0] = ir_matmul(g, in[0], in[0], 0, 1); /* symmetric, no negative eigenvalues */
  ir_id y = ir_op(g, r->op, in, r->n_in, at, n_at);
  if (!y) {
    check_part(s, CHECK_FAIL, name, "%s", g->err.msg);
    goto done;
  }
  ir_output(g, "y", y);
  char program[64];
  snprintf(program, sizeof program, "p%u", s->out->n_subs);
  uint32_t verdict = agree(x, g, program, op_bind, &v, tol, why);
  if (verdict == CHECK_SKIP && promised(p, r->op, dtype)) check_part(s, CHECK_FAIL, name, "probe says that it computes in bf16, query that it does not: %s", why);
  else check_part(s, verdict, name, "%s%s%s", why, verdict == CHECK_FAIL ? "; allowed: " : "", verdict == CHECK_FAIL ? r->tolerance->why : "");
done:
  ir_free(g);
}

uint32_t check_backend_ops(subject *s) {
  static const uint32_t types[] = {GANTRY_F32, GANTRY_F64, GANTRY_BF16, GANTRY_I32, GANTRY_I64, GANTRY_U32, GANTRY_U8, GANTRY_BOOL};
  gantry_probe p;
  err e = {0};
  uint32_t verdict = probe(s, &p);
  if (verdict) return verdict;
  for (uint32_t k = s->op; k < check_op_rows_count() && check_op_row_at(k)->op == check_op_row_at(s->op)->op; k++)
    for (size_t t = 0; t < sizeof types / sizeof *types; t++)
      for (int layout = 0; layout < CHECK_LAYOUTS; layout++) {
        const op_row *r = check_op_row_at(k);
        if (!(r->types >> types[t] & 1) || (layout == CHECK_BROADCAST && ir_op_get(r->op)->cls != IR_MAP) || (layout && !r->n_in)) continue;
        if (s->quick && layout && t > 1) continue;
        exec_session *x = session(s, &e); /* leaves of other shapes may not meet under one name */
        if (!x) return check_say(s, CHECK_FAIL, "%s", e.msg);
        one(s, &p, x, r, types[t], layout);
        exec_close(x);
      }
  return CHECK_PASS;
}

static gantry_status special_bind(void *user, const char *name, uint32_t dtype, int64_t count, double *dst, err *e) {
  static const double special[] = {NAN, INFINITY, -INFINITY, -0.0, 0, 1, -1, 0.5};
  const op_values *v = user;
  (void)e, (void)dtype;
  for (int64_t k = 0; k < count; k++) dst[k] = special[(uint64_t)(k + (name[1] - '0') * 3 + (int64_t)(v->seed % 8)) % 8];
  return GANTRY_OK;
}

uint32_t check_backend_specials(subject *s) {
  gantry_probe p;
  err e = {0};
  uint32_t verdict = probe(s, &p), n = 0;
  exec_session *x = verdict ? NULL : session(s, &e);
  if (!verdict && !x) verdict = check_say(s, CHECK_FAIL, "%s", e.msg);
  for (uint32_t k = 0; k < check_op_rows_count() && !verdict; k++) {
    const op_row *r = check_op_row_at(k);
    char why[300] = "", program[64];
    if (ir_op_get(r->op)->cls != IR_MAP || !(r->types >> GANTRY_F32 & 1) || r->op == GANTRY_OP_CAST || r->op == GANTRY_OP_BITCAST || r->op == GANTRY_OP_WHERE) continue;
    ir_graph *g = ir_new();
    ir_id in[3];
    op_values v = {r, s->seed};
    const int64_t dims[1] = {24};
    for (uint32_t j = 0; j < r->n_in; j++) in[j] = ir_leaf(g, GANTRY_OP_INPUT, j ? "x1" : "x0", GANTRY_F32, 1, dims);
    ir_output(g, "y", ir_op(g, r->op, in, r->n_in, r->at, r->n_at));
    snprintf(program, sizeof program, "s%u", k);
    check_doing(s, "%s of special values", check_op_row_name(k));
    if ((verdict = agree(x, g, program, special_bind, &v, 1e-6, why)) != CHECK_PASS) check_say(s, verdict, "%s: %s", check_op_row_name(k), why);
    ir_free(g);
    n++;
  }
  if (x) exec_close(x);
  return verdict ? verdict : check_say(s, CHECK_PASS, "%u operations", n);
}

uint32_t check_backend_random(subject *s) {
  gantry_probe p;
  uint32_t verdict = probe(s, &p), n = s->quick ? 4 : 40;
  for (uint32_t k = 0; k < n && !verdict; k++) {
    err e = {0};
    const check_random o = {k % 2 ? GANTRY_F64 : GANTRY_F32, 40, CHECK_ALL};
    char why[300] = "";
    check_values v = {s->seed + k, 0};
    check_doing(s, "random program %u", k);
    ir_graph *g = check_random_graph(s->seed + k, &o, &e);
    exec_session *x = g ? session(s, &e) : NULL;
    if (!x) verdict = check_say(s, CHECK_FAIL, "%s", e.msg);
    else if ((verdict = agree(x, g, "random", check_bind, &v, k % 2 ? 1e-9 : 2e-4, why)) != CHECK_PASS) check_say(s, verdict, "program %u of seed %llu: %s", k, (unsigned long long)s->seed, why);
    if (x) exec_close(x);
    ir_free(g);
  }
  return verdict ? verdict : check_say(s, CHECK_PASS, "%u programs", n);
}

uint32_t check_backend_again(subject *s) {
  gantry_probe p;
  uint32_t verdict = probe(s, &p);
  for (uint32_t k = 0; k < 3 && !verdict; k++) {
    err e = {0};
    const check_random o = {GANTRY_F32, 60, CHECK_ALL};
    check_values v = {s->seed + k, 0};
    source from = {check_bind, &v};
    double *first[ROOTS] = {NULL}, *second[ROOTS] = {NULL};
    ir_graph *g = check_random_graph(s->seed + 500 + k, &o, &e);
    exec_session *x = g && g->roots.n <= ROOTS ? session(s, &e) : NULL;
    if (!x || run(x, g, "first", &from, first, &e) || run(x, g, "second", &from, second, &e)) verdict = check_say(s, e.code == GANTRY_E_UNSUPPORTED ? CHECK_SKIP : CHECK_FAIL, "%s", e.msg);
    for (uint32_t j = 0; g && j < g->roots.n && j < ROOTS; j++) {
      if (!verdict && memcmp(first[j], second[j], sizeof(double) * (size_t)ir_count(g, g->roots.p[j].id))) verdict = check_say(s, CHECK_FAIL, "two runs of one program differ: the same graph must give the same bits");
      free(first[j]);
      free(second[j]);
    }
    if (x) exec_close(x);
    ir_free(g);
  }
  return verdict;
}
