/* trace.c - training steps with nothing hidden: for every program of every step, all its inputs, random draws, losses, terms and gradients,
 * and every state before and after, in one safetensors file. tests/peers recomputes them in PyTorch. Or the evaluation of one metric.
 *
 * Names: "init/<state>"; "<step>.<position>.<program>/out/<name>" and ".../state/<name>" for every state after it, whether or not the program changed it.
 * Of a metric: "<weights>/<set>/samples", "labels" and "z" as f64, "<weights>/<set>/kept/<name>" and "<weights>/value/<name>". */
#include <stdio.h>
#include <stdlib.h>

#include "base/safetensors.h"
#include "train/metrics.h"

typedef struct trace {
  train_run *r;
  arena *mem;
  VEC(st_tensor) t;
  const char *weights; /* of the evaluation that goes on: "raw" or "ema" */
} trace;

static gantry_status record(trace *x, const exec_tensor *t, const char *name, err *e) {
  void *data = arena_alloc(x->mem, (size_t)t->bytes);
  TRY(exec_read(x->r->session, t->name, data, t->bytes, e));
  st_tensor s = {.name = name, .dtype = t->dtype, .rank = t->rank, .bytes = t->bytes, .data = data};
  memcpy(s.dims, t->dims, sizeof s.dims);
  VEC_PUSH(x->t, s);
  return GANTRY_OK;
}

static gantry_status record_states(trace *x, const char *prefix, err *e) {
  for (uint32_t k = 0; k < x->r->n_states; k++) {
    const char *name = x->r->world->states.p[k].name;
    TRY(record(x, exec_tensor_get(x->r->session, name), arena_fmt(x->mem, "%s/%s", prefix, name), e));
  }
  return GANTRY_OK;
}

static gantry_status record_outputs(trace *x, const char *program, const char *prefix, err *e) {
  const char *lead = arena_fmt(x->mem, "out/%s/", program);
  size_t n = strlen(lead);
  for (uint32_t k = 0; k < exec_tensor_count(x->r->session); k++) {
    const exec_tensor *t = exec_tensor_at(x->r->session, k);
    if (!strncmp(t->name, lead, n)) TRY(record(x, t, arena_fmt(x->mem, "%s/out/%s", prefix, t->name + n), e));
  }
  return GANTRY_OK;
}

static gantry_status run(trace *x, int64_t steps, err *e) {
  uint32_t *which = ARENA_ARRAY(x->mem, uint32_t, x->r->most_programs);
  TRY(record_states(x, "init", e));
  for (int64_t k = 0; k < steps; k++)
    for (uint32_t j = 0, m = x->r->method->step(x->r, k, which); j < m; j++) {
      const train_program *p = &x->r->programs.p[which[j]];
      const char *prefix = arena_fmt(x->mem, "%06lld.%02u.%s", (long long)k, j, p->name);
      TRY(exec_run(x->r->session, &p->exe, 1, e));
      TRY(record_outputs(x, p->name, prefix, e));
      TRY(record_states(x, arena_fmt(x->mem, "%s/state", prefix), e));
    }
  return GANTRY_OK;
}

gantry_status train_trace_file(train_run *r, int64_t n, const char *path, err *e) {
  trace x = {.r = r, .mem = arena_new()};
  char key[65], seed[32], steps[32];
  gantry_status st = run(&x, n, e);
  train_key(r, key);
  snprintf(seed, sizeof seed, "%llu", (unsigned long long)r->seed);
  snprintf(steps, sizeof steps, "%lld", (long long)n);
  st_meta meta[] = {{"config", r->cfg->json}, {"seed", seed}, {"steps", steps}, {"train_key", key}};
  if (!st) st = st_write(path, x.t.p, x.t.n, meta, 4, NULL, e);
  free(x.t.p);
  arena_free(x.mem);
  return st ? err_wrap(e, "trace") : GANTRY_OK;
}

/* ---- a metric ---- */

static void add_f64(trace *x, const char *name, uint32_t rank, const int64_t *dims, const double *data) {
  st_tensor s = {.name = name, .dtype = GANTRY_F64, .rank = rank, .bytes = 8};
  for (uint32_t k = 0; k < rank; k++) s.bytes *= s.dims[k] = dims[k];
  s.data = arena_copy(x->mem, data, (size_t)s.bytes);
  VEC_PUSH(x->t, s);
}

static void on_kept(void *user, uint32_t set, const char *name, uint32_t rank, const int64_t *dims, const double *data) {
  static const char *const sets[] = {"", "fake", "real", "held_out", "draws"};
  trace *x = user;
  int own = strncmp(name, "trace.", 6);
  add_f64(x, arena_fmt(x->mem, own ? "%s/%s/kept/%s" : "%s/%s/%s", x->weights, sets[set], own ? name : name + 6), rank, dims, data);
}

static gantry_status evaluate(trace *x, eval_context *c, uint32_t k, int ema, err *e) {
  abi_element el;
  eval_result v;
  x->weights = ema ? "ema" : "raw";
  TRY(train_metric_open(x->r, k, &el, e));
  eval_request q = train_metric_request(x->r, k, &el, ema, NULL);
  TRY(eval_metric(c, &q, &v, e));
  const gantry_metric *iface = el.plugin->iface;
  for (uint32_t j = 0; j < v.n; j++) {
    const gantry_value *d = (const gantry_value *)(const void *)((const char *)iface->values + (size_t)j * iface->value_stride);
    add_f64(x, arena_fmt(x->mem, "%s/value/%s", x->weights, d->name), 0, NULL, &v.value[j]);
  }
  return GANTRY_OK;
}

gantry_status train_trace_metric(train_run *r, const char *id, int64_t n, const char *path, err *e) {
  trace x = {.r = r, .mem = arena_new()};
  eval_context c;
  uint32_t k = 0;
  buf ids = {0};
  for (; k < r->cfg->n_metrics && strcmp(r->cfg->metrics[k].el.id, id); k++) buf_printf(&ids, "%s%s", k ? ", " : "", r->cfg->metrics[k].el.id);
  gantry_status st = k < r->cfg->n_metrics ? train_steps(r, 0, n, e) : err_set(e, GANTRY_E_CONFIG, "there is no metric \"%s\"; there are %s", id, ids.n ? ids.p : "none");
  eval_init(&c, r->world, r->session, r->registry, &r->data_el, r->data, r->cfg->range, r->seed);
  c.kept = on_kept;
  c.kept_user = &x;
  for (int ema = 0; ema < 2 && !st; ema++)
    if (train_metric_wants(r, k, ema)) st = evaluate(&x, &c, k, ema, e);
  st_meta meta[] = {{"config", r->cfg->json}, {"metric", id}};
  if (!st) st = st_write(path, x.t.p, x.t.n, meta, 2, NULL, e);
  eval_free(&c);
  buf_free(&ids);
  free(x.t.p);
  arena_free(x.mem);
  return st ? err_wrap(e, "trace") : GANTRY_OK;
}
