/* Many cells a worker: every answer arrives, and a cell that crashes costs no other its answer, wherever in the row it stands. */
#include "../config/fixture.h"
#include "probing.h"

#include <fcntl.h>

#include "base/proc.h"
#include "sched/sched.h"

typedef struct world { char out[64], self[300], marks[100]; cfg_experiment *x; arena *a; sched_options o; sched_plan p; err e; } world;

/* Cells of these batch sizes; what the plan's lines of the log are goes to a file. */
static void begin(world *w, const char *batches) {
  char path[128], text[6000];
  memset(w, 0, sizeof *w);
  abi_registry *reg = fixture_registry();
  w->a = arena_new();
  strcpy(w->out, "/tmp/gantry-test-XXXXXX");
  T_CHECK(mkdtemp(w->out) != NULL);
  snprintf(path, sizeof path, "%s/exp.json", w->out);
  snprintf(w->marks, sizeof w->marks, "%s/marks", w->out);
  setenv("GANTRY_TEST_PROBES", w->marks, 1);
  snprintf(text, sizeof text, "{\"gantry\": 1, \"name\": \"t\", \"base\": {\"data\": {\"name\": \"gaussians\"}, \"g\": {\"arch\": {\"name\": \"dcgan\"}}, \"d\": {\"arch\": {\"name\": \"dcgan\"}},"
           "\"train\": {\"length\": {\"steps\": 10}}}, \"axes\": {\"b\": {\"path\": \"train.batch\", \"values\": [%s]}}, \"seeds\": 1}", batches);
  T_CHECK(file_write(path, text, strlen(text), &w->e) == 0);
  T_CHECK(cfg_load(path, reg, NULL, &w->x, &w->e) == 0);
  w->o = (sched_options){.exe = proc_self(w->self, sizeof w->self), .out = w->out, .quiet = 1, .timeout_s = 60};
  T_STR(w->e.msg, "");
}
static void end(world *w) {
  char cmd[100];
  cfg_free(w->x);
  arena_free(w->a);
  snprintf(cmd, sizeof cmd, "rm -rf '%s'", w->out);
  T_CHECK(system(cmd) == 0);
}
static long workers(const world *w) {
  buf b = {0};
  err e = {0};
  long n = file_read(w->marks, &b, 1 << 20, &e) ? 0 : (long)b.n;
  buf_free(&b);
  return n;
}
static int answered(const world *w, uint32_t cell, int batch) { return w->p.cells[cell].train_key && !strcmp(w->p.cells[cell].train_key, arena_fmt(w->a, "key-of-batch-%d", batch)); }

static void test_probe__many_cells_a_worker(void) {
  world w;
  buf batches = {0};
  for (int k = 20; k < 220; k++) buf_printf(&batches, "%s%d", k > 20 ? ", " : "", k);
  begin(&w, batches.p);
  buf_free(&batches);
  T_CHECK(sched_plan_make(w.x, fixture_registry(), &w.o, NULL, 0, w.a, &w.p, &w.e) == 0);
  T_STR(w.e.msg, "");
  for (uint32_t k = 0; k < 200; k++) T_CHECK(answered(&w, k, 20 + (int)k));
  T_CHECK(w.p.probed == 200 && workers(&w) < 8 * sched_cores() + 8);
  end(&w);
}

/* In the middle of a row: one cell that crashes, and some that do only where others were looked at before them. */
static void test_probe__a_crash_costs_its_own_cell_alone(void) {
  world w;
  buf said = {0};
  buf batches = {0};
  for (int k = 20; k < 60; k++) buf_printf(&batches, "%s%s%d", k > 20 ? ", " : "", k == 24 ? "1001, 1002, 15, 1003, 1004, 1005, " : "", k);
  begin(&w, batches.p);
  buf_free(&batches);
  char log[100];
  snprintf(log, sizeof log, "%s/said", w.out);
  fflush(stderr);
  int keep = dup(2), to = open(log, O_CREAT | O_WRONLY, 0600);
  T_CHECK(keep >= 0 && to >= 0 && dup2(to, 2) == 2);
  gantry_status st = sched_plan_make(w.x, fixture_registry(), &w.o, NULL, 0, w.a, &w.p, &w.e);
  fflush(stderr);
  T_CHECK(dup2(keep, 2) == 2);
  close(keep);
  close(to);
  T_CHECK(st == 0);
  T_STR(w.e.msg, "");
  for (uint32_t k = 0; k < w.x->n_cells; k++) {
    int batch = (int)w.x->cells[k].run->batch;
    T_CHECK(batch == 15 ? w.p.cells[k].train_key && strlen(w.p.cells[k].train_key) == 64 : answered(&w, k, batch)); /* a key that stands for the crash */
  }
  T_CHECK(file_read(log, &said, 1 << 20, &w.e) == 0);
  T_HAS(said.p, "cell b=15: building it crashed with SIGSEGV; its runs will fail: crashed at 15");
  T_CHECK(!strstr(said.p, "b=100") && !strstr(said.p, "crashed at 100"));
  buf_free(&said);
  end(&w);
}

static void test_probe__a_cell_that_cannot_run_is_named(void) {
  world w;
  begin(&w, "20, 21, 9, 22");
  T_CHECK(sched_plan_make(w.x, fixture_registry(), &w.o, NULL, 0, w.a, &w.p, &w.e) == GANTRY_E_CONFIG);
  T_HAS(w.e.msg, "cell b=9 cannot run: the data set is not there");
  end(&w);
  fixture_done();
}

int main(int argc, char **argv) {
  if (argc > 2 && !strcmp(argv[1], "worker")) return probe(argc, argv, atoi(flag(argc, argv, "--fd")));
  static const t_case cases[] = {T(test_probe__many_cells_a_worker), T(test_probe__a_crash_costs_its_own_cell_alone), T(test_probe__a_cell_that_cannot_run_is_named)};
  return t_run(argc, argv, cases, sizeof cases / sizeof *cases);
}
