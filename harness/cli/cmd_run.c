/* cmd_run.c - `gantry run EXP.json`: everything the experiment still needs, and what came out of it. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/proc.h"
#include "cli/cli.h"
#include "report/model.h"
#include "sched/sched.h"
#include "store/layout.h"

int cmd_run(int argc, char **argv);

typedef struct run_flags {
  const char *out, *device;
  int64_t jobs, max_failures;
  cli_list set, only, files, roots;
  uint8_t smoke, fail_fast, retry, quiet, json;
} run_flags;

static const char *const *worker_flags(arena *a, const run_flags *f) {
  const char **x = ARENA_ARRAY(a, const char *, 3 + 2 * (f->files.n + f->roots.n));
  uint32_t n = 0;
  if (f->device && strcmp(f->device, "auto")) x[n++] = "--device", x[n++] = f->device;
  for (uint32_t k = 0; k < f->files.n; k++) x[n++] = "--plugin", x[n++] = f->files.p[k];
  for (uint32_t k = 0; k < f->roots.n; k++) x[n++] = "--plugin-path", x[n++] = f->roots.p[k];
  return x;
}

static gantry_status conclude(db *d, const cfg_experiment *x, const sched_plan *p, const sched_outcome *r, const char *out, const run_flags *f, arena *a, err *e) {
  report_model m;
  buf b = {0};
  TRY(report_load(d, x->name, a, &m, e));
  if (f->json) {
    buf_printf(&b, "{\"grid\": \"%s\", \"database\": ", x->name);
    cli_json_text(&b, layout_db(a, out));
    buf_printf(&b, ", \"already_done\": %u, \"done\": %u, \"diverged\": %u, \"failed\": %u, \"stopped\": %u, \"left\": %u}\n", p->count[SCHED_DONE], r->done, r->diverged, r->failed, r->stopped, r->left);
  } else {
    report_text(&m, a, &b);
    buf_printf(&b, "database %s   samples %s/runs/%s/   report: gantry report %s -o report.html\n", layout_db(a, out), out, x->name, out);
  }
  fwrite(b.p, 1, b.n, stdout);
  buf_free(&b);
  return GANTRY_OK;
}

static int run_it(const char *path, run_flags *f, arena *a, err *e) {
  char self[4096];
  cfg_experiment *x = NULL;
  db *d = NULL;
  abi_registry *reg = cli_registry(a, &f->files, &f->roots, e);
  sched_plan p;
  sched_outcome r = {0};
  uint32_t lost = 0;
  int code = CLI_OK;
  if (!reg) return cli_fail(e);
  cfg_options c = {.set = f->set.p, .n_set = f->set.n, .only = f->only.p, .n_only = f->only.n, .smoke = f->smoke};
  sched_options o = {.exe = proc_self(self, sizeof self), .out = layout_out(a, f->out), .extra = worker_flags(a, f), .jobs = f->jobs, .max_failures = f->fail_fast ? 1 : f->max_failures, .quiet = f->quiet, .again = f->retry};
  if (cfg_load(path, reg, &c, &x, e)) goto done;
  for (const char *const *w = x->warnings; *w; w++) log_line(LOG_WARN, "%s", *w);
  if (db_open(o.out, &d, &lost, e)) goto done;
  if (lost) log_line(LOG_INFO, "%u run%s of an earlier start had no process any more; %s", lost, lost == 1 ? "" : "s", lost == 1 ? "it is continued" : "they are continued");
  if (sched_plan_make(x, reg, &o, d, 1, a, &p, e)) goto done;
  uint32_t todo = p.n - p.count[SCHED_DONE] - p.count[SCHED_FAILED] - p.count[SCHED_SAME];
  if (!todo && !p.count[SCHED_FAILED]) log_line(LOG_INFO, "nothing to do: all %u runs of %s are finished", p.count[SCHED_DONE], x->name);
  else log_line(LOG_INFO, "%u runs: %u finished, %u to train, %u to continue, %u to evaluate, %u to retry%s", p.n - p.count[SCHED_SAME], p.count[SCHED_DONE], p.count[SCHED_TRAIN], p.count[SCHED_CONTINUE], p.count[SCHED_EVALUATE],
                p.count[SCHED_RETRY], p.count[SCHED_FAILED] ? arena_fmt(a, "; %u failed before (--retry tries them again)", p.count[SCHED_FAILED]) : "");
  if (todo && sched_run(x, &p, &o, d, &r, e)) goto done;
  if (conclude(d, x, &p, &r, o.out, f, a, e)) goto done;
  code = r.interrupted ? CLI_STOPPED : r.failed || p.count[SCHED_FAILED] ? CLI_SOME_FAILED : CLI_OK;
done:
  if (e->code) code = cli_fail(e);
  db_close(d);
  cfg_free(x);
  abi_registry_close(reg);
  return code;
}

int cmd_run(int argc, char **argv) {
  run_flags f = {0};
  const cli_flag flags[] = {
    {"out", FLAG_TEXT, &f.out, "DIR", "where everything goes (default $GANTRY_OUT or gantry-out)"},
    {"jobs", FLAG_COUNT, &f.jobs, "N", "runs at a time (default: as many as fit the cores)"},
    {"device", FLAG_TEXT, &f.device, "NAME", "auto, cpu, cuda or cuda:1"},
    {"set", FLAG_LIST, &f.set, "PATH=VALUE", "overrides one setting in every cell; may be repeated"},
    {"only", FLAG_LIST, &f.only, "AXIS=LABEL", "only these cells; several labels with commas; may be repeated"},
    {"smoke", FLAG_ON, &f.smoke, NULL, "every cell for ten steps with one evaluation, to see that all of it works"},
    {"retry", FLAG_ON, &f.retry, NULL, "also runs that failed before"},
    {"max-failures", FLAG_COUNT, &f.max_failures, "N", "stop after this many failed runs"},
    {"fail-fast", FLAG_ON, &f.fail_fast, NULL, "the same as --max-failures 1"},
    {"plugin", FLAG_LIST, &f.files, "FILE", "use this plugin; may be repeated"},
    {"plugin-path", FLAG_LIST, &f.roots, "DIR", "search plugins here first; may be repeated"},
    {"quiet", FLAG_ON, &f.quiet, NULL, "no progress"},
    {"json", FLAG_ON, &f.json, NULL, "the outcome as JSON on standard output"}};
  arena *a = arena_new();
  cli_list rest;
  err e = {0};
  int code = cli_flags(argc, argv, flags, sizeof flags / sizeof *flags, "EXP.json [flags]",
                       "Runs every cell of the experiment with every seed. Finished runs are not repeated, unfinished ones continue\nfrom their checkpoints. Ctrl-C lets the runs save and stop; again ends them at once.", a, &rest);
  if (code < 0) code = cli_want(&rest, 1, "run", "one experiment file");
  else {
    arena_free(a);
    return code;
  }
  signal(SIGPIPE, SIG_IGN);
  if (!code) code = run_it(rest.p[0], &f, a, &e);
  arena_free(a);
  return code;
}
