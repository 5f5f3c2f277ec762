/* test_frozen.c - the fourth gate of the ABI: plugins built once with the first release's headers still load, pass the check and train as they did; and a
 * plugin of a later release that needs nothing new is as good as any. */
#include "../run.h"
#include "base/files.h"
#include "check/conform.h"

#define FROZEN "tests/abi/frozen/v0.1"
static const char *const frozen[] = {"archs/frozen_mlp", "datasets/frozen_line", "losses/frozen_hinge", "metrics/frozen_means", "optim/frozen_momentum", "regularizers/frozen_r1"};
enum { N = sizeof frozen / sizeof *frozen };

static const char *in_tree(arena *a, const char *path) { return arena_fmt(a, "%s/%s", getenv("GANTRY_ROOT") ? getenv("GANTRY_ROOT") : ".", path); }

static void test_frozen__files_are_what_they_were(void) {
  arena *a = arena_new();
  err e = {0};
  buf sums = {0};
  T_CHECK(!file_read(in_tree(a, FROZEN "/SHA256"), &sums, 1 << 16, &e));
  for (int k = 0; k < N; k++) {
    char hex[65] = "";
    T_CHECK(!file_sha256(in_tree(a, arena_fmt(a, FROZEN "/x86_64/%s.so", frozen[k])), hex, &e));
    T_HAS(sums.p, arena_fmt(a, "%s  x86_64/%s.so", hex, frozen[k]));
  }
  buf_free(&sums);
  arena_free(a);
}

#if defined(__x86_64__)
enum { RUNS = 1 };
#else
enum { RUNS = 0 };
#endif

static void test_frozen__pass_the_check(void) {
  if (!RUNS) T_SKIP("the frozen plugins are built for x86-64");
  arena *a = arena_new();
  for (int k = 0; k < N; k++) {
    check_report r;
    err e = {0};
    const check_options o = {.seed = 1, .quick = 1};
    T_CHECK(!check_plugin_file(in_tree(a, arena_fmt(a, FROZEN "/x86_64/%s.so", frozen[k])), &o, &r, &e));
    for (uint32_t j = 0; j < r.results.n; j++) {
      const check_result *x = &r.results.p[j];
      if (x->verdict == CHECK_FAIL || x->verdict == CHECK_CRASH || x->verdict == CHECK_TIMEOUT) t_check_msg(0, __LINE__, __FILE__, arena_fmt(a, "%s %s: %s", frozen[k], x->test, x->why));
    }
    T_CHECK(r.count[CHECK_PASS] >= 10);
    check_report_free(&r);
  }
  arena_free(a);
}

/* Losses and norms of gradients of three steps, and the largest weights after them. */
static void numbers(test_run *t, buf *out) {
  for (int64_t step = 0; step < 3; step++) {
    T_CHECK(!train_steps(t->r, step, 1, &t->e));
    for (uint32_t k = 0; k < t->r->programs.n; k++) {
      const train_program *p = &t->r->programs.p[k];
      double mean[64];
      int64_t bad[64];
      T_CHECK(p->n_log <= 64 && !train_log_read(t->r, p, mean, bad, &t->e));
      for (uint32_t j = 0; j < p->n_log; j++) buf_printf(out, "%lld %s %.9g\n", (long long)step, p->log[j], mean[j]);
    }
  }
  for (uint32_t k = 0; k < t->r->world->states.n; k++) {
    const abi_state *s = &t->r->world->states.p[k];
    const exec_tensor *x = exec_tensor_get(t->r->session, s->name);
    if (s->dtype != GANTRY_F32 || !x) continue;
    float *v = mem_alloc((size_t)x->bytes);
    double sum = 0;
    T_CHECK(!exec_read(t->r->session, s->name, v, x->bytes, &t->e));
    for (int64_t j = 0; j < x->bytes / 4; j++) sum += (double)v[j] * (double)v[j];
    buf_printf(out, "3 %s %.9g\n", s->name, sqrt(sum));
    free(v);
  }
}

static void compare(const char *now, const char *golden) {
  int lines = 0;
  while (*golden && *now) {
    char a[160], b[160];
    double x, y;
    int na = 0, nb = 0;
    T_CHECK(sscanf(now, "%*d %159s %lf\n%n", a, &x, &na) == 2 && sscanf(golden, "%*d %159s %lf\n%n", b, &y, &nb) == 2);
    if (!na || !nb) return;
    T_STR(a, b);
    t_near(x, y, 2e-5, __LINE__, __FILE__, b); /* reductions differ between processors in the last places */
    now += na;
    golden += nb;
    lines++;
  }
  T_CHECK(lines > 30 && !*golden && !*now);
}

static void test_frozen__trains_as_it_did(void) {
  if (!RUNS) T_SKIP("the frozen plugins are built for x86-64");
  static const char *const base = "{\"data\": {\"name\": \"frozen_line\"}, \"g\": {\"arch\": {\"name\": \"frozen_mlp\"}, \"optim\": {\"name\": \"frozen_momentum\"}}, \"d\": {\"arch\": {\"name\": \"frozen_mlp\", \"width\": 12}, "
    "\"optim\": {\"name\": \"frozen_momentum\", \"lr\": 0.05}}, \"loss\": {\"name\": \"frozen_hinge\", \"margin\": 1.5}, \"regularizers\": {\"r1\": {\"name\": \"frozen_r1\", \"of\": [\"d\", \"g\"]}}, "
    "\"train\": {\"batch\": 16, \"length\": {\"steps\": 3}}}";
  test_run t;
  buf now = {0}, golden = {0};
  arena *a = arena_new();
  setenv("GANTRY_PLUGIN_PATH", in_tree(a, FROZEN "/x86_64"), 1);
  int ok = test_run_open(&t, base, 3, 0, 1);
  T_CHECK(ok);
  if (ok) numbers(&t, &now);
  unsetenv("GANTRY_PLUGIN_PATH");
  err e = {0};
  if (getenv("GANTRY_WRITE_GOLDEN")) T_CHECK(!file_write(in_tree(a, FROZEN "/golden.txt"), now.p, now.n, &e));
  T_CHECK(!file_read(in_tree(a, FROZEN "/golden.txt"), &golden, 1 << 16, &e));
  if (ok) compare(now.p, golden.p);
  buf_free(&now);
  buf_free(&golden);
  test_run_close(&t);
  arena_free(a);
}

/* Larger structs and a longer stride than this host knows, target minor 1. */
static void test_frozen__a_newer_header_needs_no_newer_host(void) {
  test_run t;
  int ok = test_run_open(&t, "{\"data\": {\"name\": \"gaussians\", \"count\": 64}, \"g\": {\"arch\": {\"name\": \"mlp\", \"width\": 8}}, \"d\": {\"arch\": {\"name\": \"mlp\", \"width\": 8}}, "
    "\"loss\": {\"name\": \"newer_header\", \"offset\": 3}, \"train\": {\"batch\": 16, \"length\": {\"steps\": 2}}}", 1, 0, 1);
  T_CHECK(ok);
  if (ok) {
    int offset = abi_param_find(t.r->loss.plugin, "offset");
    T_CHECK(offset == 1 && t.r->loss.values[1].f == 3); /* the second row stands a stride behind the first */
    T_CHECK(!train_steps(t.r, 0, 2, &t.e));
  }
  test_run_close(&t);
}

T_MAIN(T(test_frozen__files_are_what_they_were), T(test_frozen__pass_the_check), T(test_frozen__trains_as_it_did), T(test_frozen__a_newer_header_needs_no_newer_host))
