/* run_graph.h - runs a graph on a backend plugin loaded by hand and compares every root with the reference interpreter.
 *
 * In goes a graph and a way to fill its leaves; the plan is verified, tensors and workspace lie between guard words, and the program
 * runs twice from the same start: the bits must be the same. */
#ifndef RUN_GRAPH_H
#define RUN_GRAPH_H
#include <dlfcn.h>
#include <gantry/backend.h>
#include <gantry/scalar.h>

#include "ir/build.h"
#include "ir/ir.h"
#include "plan/plan.h"
#include "t.h"

typedef struct rg_ctx { gantry_ctx abi; char message[2000]; } rg_ctx;
static inline gantry_status rg_fail(gantry_ctx *c, gantry_status s, const char *text) {
  rg_ctx *r = (rg_ctx *)(void *)c;
  if (!r->message[0]) snprintf(r->message, sizeof r->message, "%s", text);
  return s;
}
static inline void rg_log(gantry_ctx *c, uint32_t level, const char *text) { (void)c, (void)level, (void)text; }
static const gantry_host rg_host = {.struct_size = sizeof(gantry_host), .abi_major = GANTRY_ABI_MAJOR, .abi_minor = GANTRY_ABI_MINOR, .fail = rg_fail, .log = rg_log};
static rg_ctx rg_the_ctx = {.abi = {&rg_host}};
static const gantry_backend *rg_backend;
static void *rg_self;
static uint32_t rg_threads = 1; /* of the session */

static inline int rg_open(void) {
  if (rg_self) return 1;
  char path[4096];
  const char *build = getenv("GANTRY_BUILD");
  snprintf(path, sizeof path, "%s/plugins/backends/cpu.so", build ? build : "build/release");
  void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!so) {
    fprintf(stderr, "%s\n", dlerror());
    return 0;
  }
  const gantry_plugin *p = dlsym(so, GANTRY_PLUGIN_SYMBOL);
  if (!p) return 0;
  rg_backend = p->iface;
  gantry_open o = {.struct_size = sizeof o, .threads = rg_threads};
  return rg_backend->open(&rg_the_ctx.abi, &o, &rg_self) == GANTRY_OK;
}
/* What is compiled from here on runs on so many threads. No program of the session before may be left. */
static inline void rg_on_threads(uint32_t n) {
  if (rg_self && n != rg_threads) {
    rg_backend->close(rg_self);
    rg_self = NULL;
  }
  rg_threads = n;
}

static inline gantry_status rg_query(void *user, const gantry_lib *l, int64_t *bytes, err *e) {
  gantry_query q = {.struct_size = sizeof q};
  (void)user;
  if (rg_backend->query(&rg_the_ctx.abi, rg_self, l, &q) || !q.supported) return err_set(e, GANTRY_E_UNSUPPORTED, "the backend has no %s", ir_op_get(l->op)->name);
  *bytes = q.scratch_bytes;
  return GANTRY_OK;
}

/* numbers of any type as doubles */
static inline void rg_put(uint32_t dtype, void *dst, int64_t i, double v) {
  switch (dtype) {
    case GANTRY_F32: ((float *)dst)[i] = (float)v; break;
    case GANTRY_F64: ((double *)dst)[i] = v; break;
    case GANTRY_BF16: ((unsigned short *)dst)[i] = gk_to_bf16((float)v); break;
    case GANTRY_I32: ((int32_t *)dst)[i] = (int32_t)v; break;
    case GANTRY_I64: ((int64_t *)dst)[i] = (int64_t)v; break;
    case GANTRY_U32: ((uint32_t *)dst)[i] = (uint32_t)v; break;
    default: ((uint8_t *)dst)[i] = (uint8_t)v;
  }
}
static inline double rg_get(uint32_t dtype, const void *src, int64_t i) {
  switch (dtype) {
    case GANTRY_F32: return (double)((const float *)src)[i];
    case GANTRY_F64: return ((const double *)src)[i];
    case GANTRY_BF16: return (double)gk_from_bf16(((const unsigned short *)src)[i]);
    case GANTRY_I32: return ((const int32_t *)src)[i];
    case GANTRY_I64: return (double)((const int64_t *)src)[i];
    case GANTRY_U32: return ((const uint32_t *)src)[i];
    default: return ((const uint8_t *)src)[i];
  }
}

enum { RG_GUARD = 256 };
/* Filled with a byte that makes enormous floats, so that reading what nobody wrote shows. */
static inline void *rg_alloc(int64_t bytes) {
  char *p = aligned_alloc(64, ((size_t)bytes + 2 * RG_GUARD + 63) & ~(size_t)63);
  memset(p, 0x7F, (size_t)bytes + 2 * RG_GUARD);
  return p + RG_GUARD;
}
static inline int rg_release(void *q, int64_t bytes) { /* 1 if nobody wrote outside */
  unsigned char *p = (unsigned char *)q - RG_GUARD;
  int ok = 1;
  for (int64_t i = 0; i < RG_GUARD; i++) ok &= p[i] == 0x7F && p[RG_GUARD + bytes + i] == 0x7F;
  free(p);
  return ok;
}

typedef struct rg_result { /* of one program: the named tensors after it ran */
  plan *plan;
  void *exe, *buffers[1024], *workspace;
  uint32_t n;
  const plan_named *names;
} rg_result;
static inline int64_t rg_bytes(const plan_named *d) {
  int64_t n = ir_dtype_size(d->dtype);
  for (uint32_t k = 0; k < d->rank; k++) n *= d->dims[k];
  return n;
}
static inline void rg_text(const char *what, const char *more) {
  char s[2600];
  snprintf(s, sizeof s, "%s%s", what, more);
  t_check_msg(0, __LINE__, __FILE__, s);
}

static inline int rg_compile(const ir_graph *g, rg_result *r) {
  err e = {0};
  memset(r, 0, sizeof *r);
  rg_the_ctx.message[0] = 0;
  if (!rg_open()) return rg_text("no backend", ""), 0;
  r->plan = plan_make(g, "test", 0, rg_query, NULL, &e);
  if (!r->plan) return rg_text("plan: ", e.msg), 0;
  if (plan_verify(plan_program(r->plan), &e)) return rg_text("verify: ", e.msg), 0;
  r->n = plan_names(r->plan, &r->names);
  const gantry_program *p = plan_program(r->plan);
  void **named = calloc(p->n_buffers + 1, sizeof *named);
  for (uint32_t k = 0; k < r->n && k < 1024; k++) named[r->names[k].buffer] = r->buffers[k] = rg_alloc(rg_bytes(&r->names[k]));
  r->workspace = rg_alloc(p->workspace_bytes);
  gantry_status st = rg_backend->compile(&rg_the_ctx.abi, rg_self, p, named, &r->exe);
  free(named);
  if (st) return rg_text("compile: ", rg_the_ctx.message), 0;
  return 1;
}
static inline void rg_fill(const ir_graph *g, rg_result *r, ir_bind *bind, void *user) {
  const plan_constant *c;
  uint32_t n_constants = plan_constants(r->plan, &c);
  (void)g;
  for (uint32_t k = 0; k < r->n; k++) {
    const plan_named *d = &r->names[k];
    uint32_t fixed = 0;
    while (fixed < n_constants && strcmp(c[fixed].name, d->name)) fixed++;
    if (fixed < n_constants) {
      memcpy(r->buffers[k], c[fixed].data, (size_t)c[fixed].bytes);
      continue;
    }
    if (d->is_output) { /* nobody has written it yet */
      memset(r->buffers[k], 0x7F, (size_t)rg_bytes(d));
      continue;
    }
    int64_t n = rg_bytes(d) / ir_dtype_size(d->dtype);
    double *v = calloc((size_t)n, sizeof *v);
    err e = {0};
    bind(user, d->name, d->dtype, n, v, &e);
    for (int64_t i = 0; i < n; i++) rg_put(d->dtype, r->buffers[k], i, v[i]);
    free(v);
  }
}
static inline int rg_run(rg_result *r) {
  if (rg_backend->run(&rg_the_ctx.abi, rg_self, &r->exe, 1, r->workspace)) return rg_text("run: ", rg_the_ctx.message), 0;
  return 1;
}
static inline void rg_free(rg_result *r) {
  int ok = 1;
  if (r->workspace) ok &= rg_release(r->workspace, plan_program(r->plan)->workspace_bytes);
  for (uint32_t k = 0; k < r->n; k++)
    if (r->buffers[k]) ok &= rg_release(r->buffers[k], rg_bytes(&r->names[k]));
  if (!ok) rg_text("guard words were overwritten", "");
  if (r->exe) rg_backend->discard(rg_self, r->exe);
  plan_free(r->plan);
}
static inline void *rg_named(const rg_result *r, const char *name) {
  for (uint32_t k = 0; k < r->n; k++)
    if (!strcmp(r->names[k].name, name)) return r->buffers[k];
  return NULL;
}

/* leaves as the tensors hold them: f32 inputs of the reference are rounded to f32 */
typedef struct rg_rounded { ir_bind *bind; void *user; } rg_rounded;
static inline gantry_status rg_bind_rounded(void *user, const char *name, uint32_t dtype, int64_t n, double *dst, err *e) {
  rg_rounded *u = user;
  gantry_status st = u->bind(u->user, name, dtype, n, dst, e);
  double one;
  for (int64_t i = 0; i < n; i++) {
    rg_put(dtype, &one, 0, dst[i]);
    dst[i] = rg_get(dtype, &one, 0);
  }
  return st;
}

/* Runs g and compares every root with the reference; |a - b| <= tol * max(1, |b|, largest of the tensor * scale). */
static inline int rg_compare(const ir_graph *g, ir_bind *bind, void *user, double tol, const char *what) {
  rg_result r;
  int good = 0;
  if (g->err.code) return rg_text(what, g->err.msg), 0;
  if (!rg_compile(g, &r)) {
    rg_text("in ", what);
    if (r.plan) plan_free(r.plan);
    return 0;
  }
  rg_fill(g, &r, bind, user);
  uint32_t n = g->roots.n;
  ir_id *want = calloc(n + 1, sizeof *want);
  double **values = calloc(n + 1, sizeof *values);
  err e = {0};
  rg_rounded rounded = {bind, user};
  for (uint32_t k = 0; k < n; k++) want[k] = g->roots.p[k].id;
  void **first = calloc(r.n + 1, sizeof *first);
  if (ir_eval(g, want, n, rg_bind_rounded, &rounded, values, &e)) {
    rg_text("reference: ", e.msg);
    goto done;
  }
  if (!rg_run(&r)) goto done;
  for (uint32_t k = 0; k < r.n; k++) {
    first[k] = malloc((size_t)rg_bytes(&r.names[k]));
    memcpy(first[k], r.buffers[k], (size_t)rg_bytes(&r.names[k]));
  }
  good = 1;
  for (uint32_t k = 0; k < n; k++) {
    char name[400], text[700];
    const char *root = ir_name(g, g->roots.p[k].name);
    snprintf(name, sizeof name, g->roots.p[k].kind == IR_STORE ? "%s" : "out/test/%s", root);
    const void *got = rg_named(&r, name);
    uint32_t dtype = ir_at(g, want[k])->dtype;
    int64_t count = ir_count(g, want[k]);
    if (!got && g->roots.p[k].kind == IR_STORE) continue; /* a state stored as it is */
    double largest = 1;
    for (int64_t i = 0; i < count; i++) {
      double x = fabs(values[k][i]);
      if (isfinite(x) && x > largest) largest = x;
    }
    for (int64_t i = 0; i < count; i++) {
      double one, a = got ? rg_get(dtype, got, i) : NAN, b = values[k][i];
      if (dtype == GANTRY_F32) {
        one = 0;
        rg_put(dtype, &one, 0, b);
        b = rg_get(dtype, &one, 0);
      }
      int ok = (isnan(a) && isnan(b)) || a == b || fabs(a - b) <= (ir_is_float(dtype) ? tol * largest : 0);
      if (ok) continue;
      snprintf(text, sizeof text, "%s: %s[%lld of %lld]: %.9g, reference %.9g", what, name, (long long)i, (long long)count, a, b);
      t_check_msg(0, __LINE__, __FILE__, text);
      good = 0;
      break;
    }
  }
  rg_fill(g, &r, bind, user);
  if (!rg_run(&r)) goto done;
  for (uint32_t k = 0; k < r.n; k++)
    if (memcmp(first[k], r.buffers[k], (size_t)rg_bytes(&r.names[k]))) {
      rg_text(what, ": the second run gave other bits");
      good = 0;
    }
done:
  for (uint32_t k = 0; k < r.n; k++) free(first[k]);
  free(first);
  for (uint32_t k = 0; k < n; k++) free(values[k]);
  free(values);
  free(want);
  rg_free(&r);
  return good;
}
#endif
