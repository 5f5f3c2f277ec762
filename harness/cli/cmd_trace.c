/* cmd_trace.c - training steps with nothing hidden, for comparison with another program. */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/open.h"
#include "train/train.h"

int cmd_trace(int argc, char **argv) {
  enum { STEPS, OUT, METRIC, CELL, SEED, DEVICE, OPEN, N = OPEN + OPEN_N };
  flag f[N] = {
    {.name = "--steps", .value = "N", .help = "steps to trace (default 1); with --metric: to train before (default 0)", .type = FLAG_INT},
    {.name = "--output", .value = "FILE", .help = "the safetensors file to write (-o)", .type = FLAG_TEXT},
    {.name = "--metric", .value = "ID", .help = "in place of steps an evaluation of this metric: its sets, what it keeps, its values", .type = FLAG_TEXT},
    {.name = "--cell", .value = "LABEL|N", .help = "which cell (default: the first)", .type = FLAG_TEXT},
    {.name = "--seed", .value = "N", .help = "the seed (default: the experiment's first)", .type = FLAG_INT},
    {.name = "--device", .value = "NAME", .help = "cpu (default), cuda, cuda:1 or auto", .type = FLAG_TEXT}, OPEN_FLAGS};
  const char *words[3];
  uint32_t n;
  int rc = flags_parse(argc, argv, "gantry trace EXP.json [--steps N] [--metric ID] -o FILE [--cell LABEL]", f, N, words, 3, &n);
  if (rc) return rc < 0 ? EXIT_OK : rc;
  if (n != 1 || !f[OUT].on) {
    fprintf(stderr, "gantry trace: name one experiment file and an output, as in: gantry trace EXP.json --steps 2 -o trace.safetensors\n");
    return EXIT_USAGE;
  }
  err e = {0};
  arena *a = arena_new();
  cfg_experiment *x = NULL;
  train_run *r = NULL;
  const cfg_cell *c;
  abi_registry *reg = open_registry(a, f + OPEN, &e);
  int64_t steps = f[STEPS].on ? f[STEPS].number : f[METRIC].on ? 0 : 1;
  if (reg && !open_experiment(words[0], reg, f + OPEN, 0, &x, &e) && (c = open_cell(x, f[CELL].text, &e)) &&
      !train_open(c->run, reg, f[SEED].on ? (uint64_t)f[SEED].number : x->seeds[0], !f[METRIC].on, &r, &e) &&
      (r->device = f[DEVICE].on ? f[DEVICE].text : r->device) && !train_start(r, &e) &&
      !(f[METRIC].on ? train_trace_metric(r, f[METRIC].text, steps, f[OUT].text, &e) : train_trace_file(r, steps, f[OUT].text, &e)))
    printf("%s: %s%s%lld steps of %s, seed %llu\n", f[OUT].text, f[METRIC].on ? f[METRIC].text : "", f[METRIC].on ? " after " : "", (long long)steps, *c->label ? c->label : x->name, (unsigned long long)r->seed);
  rc = e.code ? flags_error("trace", &e) : EXIT_OK;
  train_close(r);
  cfg_free(x);
  abi_registry_close(reg);
  arena_free(a);
  return rc;
}
