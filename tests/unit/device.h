/* device.h - a session on the CPU backend for tests, and a comparison of a graph's outputs and stores against the reference interpreter. */
#ifndef TESTS_DEVICE_H
#define TESTS_DEVICE_H
#include "abi/registry.h"
#include "check/random_graph.h"
#include "exec/exec.h"
#include "t.h"

typedef struct device { arena *mem; abi_registry *registry; exec_session *session; double recompute; } device; /* recompute: plan_make's, of what is compiled here */

static inline device device_open_on(const char *backend, err *e) {
  device d = {.mem = arena_new()};
  abi_sources s = abi_default_sources(d.mem, NULL, 0, NULL, 0);
  d.registry = abi_registry_open(&s, e);
  abi_plugin *p = d.registry ? abi_need(d.registry, GANTRY_KIND_BACKEND, backend, e) : NULL;
  if (p && !abi_open(p, e)) d.session = exec_open(p->live->iface, backend, 0, 1, e);
  return d;
}
static inline device device_open(err *e) { return device_open_on("cpu", e); }

static inline void device_close(device *d) {
  exec_close(d->session);
  abi_registry_close(d->registry);
  arena_free(d->mem);
}

static inline double device_get(const void *p, uint32_t dtype, int64_t k) {
  switch (dtype) {
    case GANTRY_F64: return ((const double *)p)[k];
    case GANTRY_F32: return (double)((const float *)p)[k];
    case GANTRY_I32: return ((const int32_t *)p)[k];
    case GANTRY_I64: return (double)((const int64_t *)p)[k];
    case GANTRY_U32: return ((const uint32_t *)p)[k];
    case GANTRY_BF16: { uint32_t u = (uint32_t)((const uint16_t *)p)[k] << 16; float f; memcpy(&f, &u, 4); return (double)f; }
    default: return ((const uint8_t *)p)[k];
  }
}

static inline void device_put(void *p, uint32_t dtype, int64_t k, double v) {
  switch (dtype) {
    case GANTRY_F64: ((double *)p)[k] = v; break;
    case GANTRY_F32: ((float *)p)[k] = (float)v; break;
    case GANTRY_I32: ((int32_t *)p)[k] = (int32_t)v; break;
    case GANTRY_I64: ((int64_t *)p)[k] = (int64_t)v; break;
    case GANTRY_U32: ((uint32_t *)p)[k] = (uint32_t)(int64_t)v; break;
    case GANTRY_BF16: { float f = (float)v; uint32_t u; memcpy(&u, &f, 4); ((uint16_t *)p)[k] = (uint16_t)(u >> 16); break; }
    default: ((uint8_t *)p)[k] = (uint8_t)v;
  }
}

/* Compiles g, uploads its leaves' values and runs it once. */
static inline void device_run(device *d, const ir_graph *g, const char *program, ir_bind *fill, void *user, err *e) {
  uint8_t *live = ir_live(g);
  exec_program *p = exec_compile_in(d->session, g, program, GANTRY_PRECISION_F32, d->recompute, e);
  for (ir_id id = 1; id < g->nodes.n && p && !e->code; id++) {
    const ir_node *n = ir_at(g, id);
    if (!live[id] || (n->op != GANTRY_OP_INPUT && n->op != GANTRY_OP_STATE)) continue;
    const char *name = ir_name(g, (uint32_t)ir_attr_i(g, id, GANTRY_A_NAME, 0));
    int64_t count = ir_count(g, id);
    double *v = mem_alloc(sizeof *v * (size_t)count);
    void *raw = mem_alloc((size_t)(count * 8));
    if (!exec_tensor_make(d->session, name, n->dtype, n->rank, ir_dims(g, id), e) && !fill(user, name, n->dtype, count, v, e)) {
      for (int64_t k = 0; k < count; k++) device_put(raw, n->dtype, k, v[k]);
      exec_write(d->session, name, raw, count * ir_dtype_size(n->dtype), e);
    }
    free(v);
    free(raw);
  }
  if (p && !e->code) exec_run(d->session, &p, 1, e);
  free(live);
}

/* Uploads the leaves' values, compiles and runs g, and compares every root with the reference. Returns the largest error relative to
 * max(1, |reference|), or infinity after a message in e. NaN must meet NaN. */
static inline double device_compare(device *d, const ir_graph *g, const char *program, ir_bind *fill, void *user, err *e) {
  uint32_t n_roots = g->roots.n;
  ir_id *want = mem_alloc(sizeof *want * (n_roots + 1));
  double **ref = mem_alloc(sizeof *ref * (n_roots + 1)), worst = 0;
  for (uint32_t k = 0; k < n_roots; k++) want[k] = g->roots.p[k].id;
  if (!ir_eval(g, want, n_roots, fill, user, ref, e)) device_run(d, g, program, fill, user, e);
  for (uint32_t k = 0; k < n_roots && !e->code; k++) {
    const ir_root *r = &g->roots.p[k];
    char name[256];
    if (r->kind == IR_STORE) snprintf(name, sizeof name, "%s", ir_name(g, r->name));
    else snprintf(name, sizeof name, "out/%s/%s", program, ir_name(g, r->name));
    const exec_tensor *t = exec_tensor_get(d->session, name);
    void *raw = mem_alloc((size_t)t->bytes);
    exec_read(d->session, name, raw, t->bytes, e);
    for (int64_t j = 0; j < ir_count(g, r->id); j++) {
      double a = device_get(raw, t->dtype, j), b = ref[k][j];
      if (isnan(a) != isnan(b) || (!isnan(b) && isinf(b) && a != b && fabs(b) < 1e300)) worst = INFINITY;
      else if (!isnan(b) && a != b) worst = fmax(worst, fabs(a - b) / fmax(1, fabs(b)));
    }
    free(raw);
  }
  for (uint32_t k = 0; k < n_roots; k++) free(ref[k]);
  free(ref);
  free(want);
  return e->code ? INFINITY : worst;
}
#endif
