/* step_server.c - Gantry's side of `make bench`: opens an experiment and runs as many steps as a line of its input says.
 *
 * build/release/bench/step_server EXP.json [--set path=value]... answers "steps N" with one line of JSON: seconds of the wall clock, of this process's
 * processor time, and its peak memory in bytes. The driver alternates it with PyTorch's side, which speaks the same (tests/bench/peer.py). */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "cli/open.h"
#include "train/train.h"

static double clock_of(clockid_t which) {
  struct timespec t;
  clock_gettime(which, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static long peak_bytes(void) { /* VmHWM */
  char line[256];
  long kb = 0;
  FILE *f = fopen("/proc/self/status", "r");
  while (f && fgets(line, sizeof line, f))
    if (!strncmp(line, "VmHWM:", 6)) kb = strtol(line + 6, NULL, 10);
  if (f) fclose(f);
  return kb * 1024;
}

static gantry_status serve(train_run *r, err *e) {
  char line[128];
  int64_t done = 0;
  while (fgets(line, sizeof line, stdin) && !strncmp(line, "steps ", 6)) {
    int64_t n = strtoll(line + 6, NULL, 10);
    double wall = clock_of(CLOCK_MONOTONIC), cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID);
    TRY(train_steps(r, done, n, e));
    TRY(exec_sync(r->session, e));
    done += n;
    printf("{\"wall\": %.9f, \"cpu\": %.9f, \"peak\": %ld, \"device\": %lld}\n", clock_of(CLOCK_MONOTONIC) - wall, clock_of(CLOCK_PROCESS_CPUTIME_ID) - cpu, peak_bytes(), (long long)exec_bytes(r->session));
    fflush(stdout);
  }
  return GANTRY_OK;
}

int main(int argc, char **argv) {
  enum { DEVICE, OPEN, N = OPEN + OPEN_N };
  flag f[N] = {{.name = "--device", .value = "NAME", .help = "cpu (default), cuda, cuda:1 or auto", .type = FLAG_TEXT}, OPEN_FLAGS};
  const char *words[2];
  uint32_t n;
  err e = {0};
  arena *a = arena_new();
  cfg_experiment *x = NULL;
  train_run *r = NULL;
  const cfg_cell *c = NULL;
  int rc = flags_parse(argc, argv, "step_server EXP.json [--device NAME] [--set path=value]...", f, N, words, 2, &n);
  if (rc || n != 1) return EXIT_USAGE;
  abi_registry *reg = open_registry(a, f + OPEN, &e);
  if (reg && !open_experiment(words[0], reg, f + OPEN, 0, &x, &e) && (c = open_cell(x, NULL, &e)) && !train_open(c->run, reg, x->seeds[0], 0, &r, &e) && (r->device = f[DEVICE].on ? f[DEVICE].text : r->device) && !train_start(r, &e)) serve(r, &e);
  rc = e.code ? flags_error("step_server", &e) : EXIT_OK;
  train_close(r);
  cfg_free(x);
  abi_registry_close(reg);
  arena_free(a);
  return rc;
}
