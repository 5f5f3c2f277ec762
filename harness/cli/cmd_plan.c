/* cmd_plan.c - `gantry plan EXP.json`: what a run would do, without training anything or leaving anything behind. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/files.h"
#include "base/log.h"
#include "base/proc.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/open.h"
#include "report/outlook.h"
#include "report/pairs.h"
#include "sched/sched.h"
#include "store/layout.h"

static const char *bytes_text(arena *a, const char *s) {
  double v = s ? strtod(s, NULL) : 0;
  return !s ? "" : v < 1e6 ? arena_fmt(a, "%.0f KB", v / 1e3) : v < 1e9 ? arena_fmt(a, "%.0f MB", v / 1e6) : arena_fmt(a, "%.1f GB", v / 1e9);
}

static db_value text(const char *s) { return (db_value){.type = DB_TEXT, .s = s}; }
static db_value number(arena *a, int64_t v) { return (db_value){.type = DB_INT, .i = v, .s = arena_fmt(a, "%lld", (long long)v)}; }

/* Steps that a job still has to train. */
static int64_t steps_left(const sched_job *j) { return j->action == SCHED_TRAIN || j->action == SCHED_RETRY ? j->total : j->action == SCHED_CONTINUE ? j->total - j->run.step : 0; }

/* Seconds of training left in each cell; NaN where no run tells. */
static gantry_status estimate(const cfg_experiment *x, const sched_plan *p, db *d, double *left, err *e) {
  for (uint32_t k = 0; k < x->n_cells; k++) left[k] = 0;
  for (uint32_t k = 0; k < x->n_cells; k++) {
    double s = 0;
    int64_t steps = 0;
    for (uint32_t i = 0; i < p->n; i++)
      if (p->jobs[i].cell == k) steps += steps_left(&p->jobs[i]);
    if (!steps) continue;
    if (d) TRY(outlook_step_seconds(d, x->name, x->cells[k].run->json, &s, e));
    left[k] = s > 0 ? s * (double)steps : NAN;
  }
  return GANTRY_OK;
}

static void print_time(double s) { printf(s < 90 ? "about %.0f s" : s < 5400 ? "about %.0f min" : "about %.1f h", s < 90 ? s : s < 5400 ? s / 60 : s / 3600); }

/* Contexts of the level of a factor that has the fewest, 0 if none has any: what its effect will rest on. */
static uint32_t least_contexts(const cfg_experiment *x, uint32_t f, arena *a) {
  pairs_cell *c = ARENA_ARRAY(a, pairs_cell, x->n_cells + 1);
  uint32_t least = 0;
  for (uint32_t k = 0; k < x->n_cells; k++) c[k] = (pairs_cell){x->cells[k].level, x->cells[k].same_as, x->cells[k].excluded != NULL};
  for (uint32_t i = 0; i < x->factors[f].n_levels; i++) {
    pairs_pair *p;
    uint32_t n = 0;
    if (i != x->factors[f].baseline) pairs_find(c, x->n_cells, x->n_factors, f, (int32_t)x->factors[f].baseline, (int32_t)i, a, &p, &n);
    if (n && (!least || n < least)) least = n;
  }
  return least;
}

/* How long the rest takes, and which differences it can show. */
static gantry_status print_outlook(const cfg_experiment *x, db *d, const double *left, arena *a, err *e) {
  double all = 0, sd;
  int64_t df = 0, threads = 1, jobs;
  int known = 1;
  for (uint32_t k = 0; k < x->n_cells; k++) {
    if (isnan(left[k])) known = 0;
    else all += left[k];
    if (!x->cells[k].run || x->cells[k].same_as >= 0) continue;
    if (x->cells[k].run->threads > threads) threads = x->cells[k].run->threads;
  }
  jobs = sched_cores() / threads > 0 ? sched_cores() / threads : 1;
  if (!known) printf("time: not known before a run of this grid is in the database; gantry run --smoke makes one\n");
  else if (all > 0) {
    printf("time: ");
    print_time(all / (double)jobs);
    printf(" of training with %lld at once, evaluations aside\n", (long long)jobs);
  }
  if (!x->judge_metric || x->n_seeds < 2) return GANTRY_OK;
  int ratio = x->judge_better < 0;
  if (d) TRY(outlook_spread(d, x->name, x->judge_metric, x->judge_weights, ratio, &sd, &df, e));
  if (!df && !ratio) return printf("detectable: not known before runs with several seeds are in the database\n"), GANTRY_OK;
  if (!df) sd = 0.05;
  printf("detectable with %u seeds (80 %% power, 5 %% level; ", x->n_seeds);
  if (!df) printf("assuming that seeds spread %s by 5 %%", x->judge_metric);
  else if (ratio) printf("seeds spread %s by %.1f %%, %lld degrees of freedom", x->judge_metric, 100 * sd, (long long)df);
  else printf("seeds spread %s by %.3g, %lld degrees of freedom", x->judge_metric, sd, (long long)df);
  printf("): two cells");
  for (uint32_t f = 0; f <= x->n_factors; f++) {
    uint32_t contexts = f ? least_contexts(x, f - 1, a) : 1;
    double least = outlook_detectable(sd, x->n_seeds, contexts);
    if (f) printf(", %s", x->factors[f - 1].name);
    if (!contexts) printf(" none (no two cells differ in it alone)");
    else printf(ratio ? " %.0f %%" : " %.3g", ratio ? 100 * (exp(least) - 1) : least);
  }
  printf("\n");
  return GANTRY_OK;
}

/* What is to be said about cells: why they are left out, or why they train anew. */
static gantry_status remarks(const cfg_experiment *x, abi_registry *reg, const sched_plan *p, db *d, const char **remark, arena *a, err *e) {
  for (uint32_t k = 0; k < x->n_cells; k++) {
    const cfg_cell *c = &x->cells[k];
    const char *why = NULL;
    int anew = 0;
    for (uint32_t i = 0; i < p->n; i++) anew |= p->jobs[i].cell == k && p->jobs[i].action == SCHED_TRAIN;
    if (anew && d) TRY(sched_why(x, reg, p, d, k, a, &why, e));
    remark[k] = c->excluded ? arena_fmt(a, "excluded: %s", c->excluded) : c->same_as >= 0 ? arena_fmt(a, "the same as cell %lld", (long long)c->same_as) : !c->selected ? "not selected" : why ? arena_fmt(a, "trains anew: %s", why) : "";
  }
  return GANTRY_OK;
}

static void print_cells(const cfg_experiment *x, const sched_plan *p, const double *left, const char *const *remark, int how, arena *a) {
  static const char *const cols[] = {"cell", "label", "key", "params_g", "params_d", "memory", "steps", "left_s", "done", "evaluate", "continue", "train", "retry", "failed", "remark"};
  enum { N = 15 };
  db_table t = {.n_cols = N, .n_rows = x->n_cells, .cols = (const char **)(uintptr_t)cols, .cells = ARENA_ARRAY(a, db_value, (size_t)N * x->n_cells + 1)};
  for (uint32_t k = 0; k < x->n_cells; k++) {
    const cfg_cell *c = &x->cells[k];
    const sched_facts *f = &p->cells[k];
    db_value *row = &t.cells[(size_t)N * k];
    int64_t count[7] = {0};
    for (uint32_t i = 0; i < p->n; i++)
      if (p->jobs[i].cell == k) count[p->jobs[i].action]++;
    row[0] = number(a, k);
    row[1] = text(c->label);
    row[2] = text(f->train_key ? arena_strn(a, f->train_key, strlen(f->train_key) < 12 ? strlen(f->train_key) : 12) : "");
    row[3] = text(f->params_g ? f->params_g : "");
    row[4] = text(f->params_d ? f->params_d : "");
    row[5] = text(bytes_text(a, f->memory));
    row[6] = f->train_key ? number(a, f->steps) : text("");
    row[7] = isnan(left[k]) ? text("") : number(a, (int64_t)ceil(left[k]));
    for (int i = 0; i < 6; i++) row[8 + i] = number(a, count[i]);
    row[14] = text(remark[k]);
  }
  cli_print(&t, how);
}

int cmd_plan(int argc, char **argv) {
  enum { OUT, JSON, OPEN, N = OPEN + OPEN_N };
  flag f[N] = {[OUT] = {.name = "--out", .value = "DIR", .help = "the folder whose database says what is done", .type = FLAG_TEXT}, [JSON] = {.name = "--json", .help = "as JSON", .type = FLAG_BOOL}, OPEN_FLAGS};
  const flag *files = &f[OPEN + OPEN_PLUGIN], *roots = &f[OPEN + OPEN_PLUGIN_PATH];
  const char *words[8];
  uint32_t n_words, n = 0;
  int code = cli_parse(argc, argv, "gantry plan EXP.json [--out DIR] [--json]", f, N, 1, words, 8, &n_words);
  if (code >= 0) return code;
  arena *a = arena_new();
  err e = {0};
  char self[4096];
  cfg_experiment *x = NULL;
  abi_registry *reg = NULL;
  db *d = NULL;
  sched_plan p;
  code = EXIT_OK;
  const char **extra = ARENA_ARRAY(a, const char *, 2 * (files->n_list + roots->n_list) + 1);
  for (uint32_t k = 0; k < files->n_list; k++) extra[n++] = "--plugin", extra[n++] = files->list[k];
  for (uint32_t k = 0; k < roots->n_list; k++) extra[n++] = "--plugin-path", extra[n++] = roots->list[k];
  sched_options o = {.exe = proc_self(self, sizeof self), .out = layout_out(a, f[OUT].text), .extra = extra};
  if (!(reg = open_registry(a, f + OPEN, &e))) goto done;
  if (open_experiment(words[0], reg, f + OPEN, 0, &x, &e)) goto done;
  for (const char *const *w = x->warnings; *w; w++) log_line(LOG_WARN, "%s", *w);
  if (file_exists(layout_db(a, f[OUT].text)) && cli_db(a, f[OUT].text, &d, &e)) goto done;
  if (sched_plan_make(x, reg, &o, d, 0, a, &p, &e)) goto done;
  double *left = ARENA_ARRAY(a, double, x->n_cells + 1);
  if (estimate(x, &p, d, left, &e)) goto done;
  const char **remark = ARENA_ARRAY(a, const char *, x->n_cells + 1);
  if (remarks(x, reg, &p, d, remark, a, &e)) goto done;
  print_cells(x, &p, left, remark, f[JSON].on ? PRINT_JSON : PRINT_TEXT, a);
  if (!f[JSON].on) {
    printf("%u cells, %u seeds: %u runs; %u done, %u evaluate, %u continue, %u train, %u retry, %u failed\n", x->n_cells, x->n_seeds, p.n - p.count[SCHED_SAME], p.count[SCHED_DONE], p.count[SCHED_EVALUATE], p.count[SCHED_CONTINUE],
           p.count[SCHED_TRAIN], p.count[SCHED_RETRY], p.count[SCHED_FAILED]);
    print_outlook(x, d, left, a, &e);
  }
done:
  if (e.code) code = flags_error("plan", &e);
  db_close(d);
  cfg_free(x);
  abi_registry_close(reg);
  arena_free(a);
  return code;
}
