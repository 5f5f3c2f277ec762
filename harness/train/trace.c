/* trace.c - training steps with nothing hidden: for every program of every step, all its inputs, random draws, losses, terms and gradients,
 * and every state before and after, in one safetensors file. tests/peers recomputes them in PyTorch.
 *
 * Names: "init/<state>"; "<step>.<position>.<program>/out/<name>" and ".../state/<name>" for every state after it, whether or not the program changed it. */
#include <stdio.h>
#include <stdlib.h>

#include "base/safetensors.h"
#include "train/train.h"

typedef struct trace {
  train_run *r;
  arena *mem;
  VEC(st_tensor) t;
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
