/* cmd_explain.c - what a program of a step is made of, at each stage: the graph as built, optimised, planned, and the kernels. */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/open.h"
#include "opt/opt.h"
#include "train/train.h"

static const char *const stages[] = {"ir", "opt", "plan", "kernels", NULL};

static gantry_status show(train_run *r, const char *name, const char *stage, int64_t runs, buf *out, err *e) {
  const train_program *p = NULL;
  for (uint32_t k = 0; k < r->programs.n; k++)
    if (!strcmp(r->programs.p[k].name, name)) p = &r->programs.p[k];
  if (!p) {
    buf t = {0};
    for (uint32_t k = 0; k < r->programs.n; k++) buf_printf(&t, "%s%s", k ? ", " : "", r->programs.p[k].name);
    err_set(e, GANTRY_E_CONFIG, "there is no program \"%s\": there are %s", name, t.p);
    buf_free(&t);
    return e->code;
  }
  if (!strcmp(stage, "ir")) ir_print(p->g, out);
  else if (!strcmp(stage, "opt")) {
    opt_stats stats;
    ir_graph *g = opt_run_in(p->g, train_precision(r->cfg), &stats, e);
    if (!g) return e->code;
    buf_printf(out, "; %u nodes became %u\n", stats.before, stats.after);
    for (uint32_t k = 0; opt_rule_name(k); k++)
      if (stats.hits[k]) buf_printf(out, "; %s: %u times\n", opt_rule_name(k), stats.hits[k]);
    ir_print(g, out);
    ir_free(g);
  } else {
    TRY(train_start(r, e));
    if (!strcmp(stage, "plan")) plan_print(exec_plan(p->exe), out);
    else {
      int64_t *ns = runs > 0 ? ARENA_ARRAY(r->mem, int64_t, plan_program(exec_plan(p->exe))->n_steps + 1) : NULL;
      if (ns) TRY(exec_measure(r->session, p->exe, (uint32_t)runs, ns, e));
      plan_print_kernels(exec_plan(p->exe), ns, out);
    }
  }
  return GANTRY_OK;
}

int cmd_explain(int argc, char **argv) {
  enum { PROGRAM, STAGE, CELL, MEASURE, DEVICE, OPEN, N = OPEN + OPEN_N };
  flag f[N] = {
    {.name = "--program", .value = "NAME", .help = "d_step, g_step, ... (default d_step)", .type = FLAG_TEXT},
    {.name = "--stage", .value = "STAGE", .help = "ir (with gradients), opt, plan or kernels (default plan)", .type = FLAG_TEXT},
    {.name = "--cell", .value = "LABEL|N", .help = "which cell (default: the first)", .type = FLAG_TEXT},
    {.name = "--measure", .value = "RUNS", .help = "times every step, the best of that many runs (kernels)", .type = FLAG_INT},
    {.name = "--device", .value = "NAME", .help = "whose plan and times: cpu (default), cuda, cuda:1 or auto", .type = FLAG_TEXT}, OPEN_FLAGS};
  const char *words[3];
  uint32_t n;
  int rc = flags_parse(argc, argv, "gantry explain EXP.json [--program NAME] [--stage STAGE] [--measure RUNS]", f, N, words, 3, &n), known = 0;
  if (rc) return rc < 0 ? EXIT_OK : rc;
  const char *stage = f[STAGE].on ? f[STAGE].text : "plan";
  if (!strcmp(stage, "grad")) stage = "ir"; /* gradients are written into the graph while it is built */
  for (int k = 0; stages[k]; k++) known |= !strcmp(stages[k], stage);
  if (n != 1 || !known) {
    fprintf(stderr, n != 1 ? "gantry explain: name one experiment file\n" : "gantry explain: stages are ir, grad, opt, plan and kernels\n");
    return EXIT_USAGE;
  }
  err e = {0};
  buf out = {0};
  arena *a = arena_new();
  cfg_experiment *x = NULL;
  train_run *r = NULL;
  const cfg_cell *c;
  abi_registry *reg = open_registry(a, f + OPEN, &e);
  if (reg && !open_experiment(words[0], reg, f + OPEN, 0, &x, &e) && (c = open_cell(x, f[CELL].text, &e)) && !train_open(c->run, reg, x->seeds[0], 0, &r, &e) &&
      (r->device = f[DEVICE].on ? f[DEVICE].text : r->device) &&
      !show(r, f[PROGRAM].on ? f[PROGRAM].text : "d_step", stage, f[MEASURE].on ? f[MEASURE].number : 0, &out, &e))
    fwrite(out.p, 1, out.n, stdout);
  rc = e.code ? flags_error("explain", &e) : EXIT_OK;
  buf_free(&out);
  train_close(r);
  cfg_free(x);
  abi_registry_close(reg);
  arena_free(a);
  return rc;
}
