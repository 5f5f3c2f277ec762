/* run.h - a training run for tests, from the text of an experiment: plugins of the build and of tests/fixtures, one session. */
#ifndef TESTS_RUN_H
#define TESTS_RUN_H
#include <unistd.h>

#include "base/files.h"
#include "t.h"
#include "train/train.h"

typedef struct test_run { arena *mem; abi_registry *registry; cfg_experiment *x; train_run *r; err e; } test_run;

/* base: the experiment's "base" object. Returns 0 (and says why) if anything fails. trace: outputs as in `gantry trace`. */
static inline int test_run_open_cell(test_run *t, const char *json, uint32_t cell, uint64_t seed, int trace, int start) {
  static int serial;
  *t = (test_run){.mem = arena_new()};
  const char *build = getenv("GANTRY_BUILD") ? getenv("GANTRY_BUILD") : "build/release";
  const char *roots[] = {arena_fmt(t->mem, "%s/fixtures", build)}, *path = arena_fmt(t->mem, "/tmp/gantry-test-%d-%d.json", (int)getpid(), serial++);
  abi_sources s = abi_default_sources(t->mem, NULL, 0, roots, 1);
  cfg_options o = {0};
  t->registry = abi_registry_open(&s, &t->e);
  int ok = t->registry && !file_write(path, json, strlen(json), &t->e) && !cfg_load(path, t->registry, &o, &t->x, &t->e) && !train_open(t->x->cells[cell].run, t->registry, seed, trace, &t->r, &t->e) &&
           (!start || !train_start(t->r, &t->e));
  unlink(path);
  return ok;
}
static inline int test_run_open(test_run *t, const char *base, uint64_t seed, int trace, int start) {
  char json[8192];
  snprintf(json, sizeof json, "{\"gantry\": 1, \"name\": \"t\", \"base\": %s, \"seeds\": 1}", base);
  int ok = test_run_open_cell(t, json, 0, seed, trace, start);
  if (!ok) printf("# %s\n", t->e.msg);
  return ok;
}
static inline void test_run_close(test_run *t) {
  train_close(t->r);
  cfg_free(t->x);
  abi_registry_close(t->registry);
  arena_free(t->mem);
}
static inline double test_run_value(test_run *t, const char *name, int64_t k) {
  const exec_tensor *x = exec_tensor_get(t->r->session, name);
  if (!x) return NAN;
  float *v = mem_alloc((size_t)x->bytes);
  exec_read(t->r->session, name, v, x->bytes, &t->e);
  double out = (double)v[k];
  free(v);
  return out;
}
#endif
