/* cmd_run.c - `gantry run EXP.json`: everything the experiment still needs, and what came out of it. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/proc.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/open.h"
#include "report/exchange.h"
#include "report/model.h"
#include "sched/mps.h"
#include "sched/sched.h"
#include "store/layout.h"

enum { OUT, JOBS, DEVICE, SMOKE, RETRY, RETRIES, MAX_FAILURES, FAIL_FAST, TIMEOUT, MEMORY, ON_EVENT, MPS, QUIET, JSON, OPEN, N = OPEN + OPEN_N };
enum { DEFAULT_TIMEOUT_S = 900, LOG_BYTES = 256 << 20 };

static const char *const *worker_flags(arena *a, const char *out, const flag *f) {
  const flag *files = &f[OPEN + OPEN_PLUGIN], *roots = &f[OPEN + OPEN_PLUGIN_PATH];
  const char **x = ARENA_ARRAY(a, const char *, 5 + 2 * (files->n_list + roots->n_list)), *device = f[DEVICE].on ? f[DEVICE].text : "auto";
  uint32_t n = 0;
  x[n++] = "--cache", x[n++] = arena_fmt(a, "%s/cache", out);
  x[n++] = "--device", x[n++] = device;
  for (uint32_t k = 0; k < files->n_list; k++) x[n++] = "--plugin", x[n++] = files->list[k];
  for (uint32_t k = 0; k < roots->n_list; k++) x[n++] = "--plugin-path", x[n++] = roots->list[k];
  return x;
}

/* "4G", "800M", "0"; NULL: nine tenths of what there is, so that one run cannot take the machine down with it. */
static gantry_status memory_limit(const char *text, int64_t *bytes, err *e) {
  char *end;
  *bytes = proc_memory() / 10 * 9;
  if (!text) return GANTRY_OK;
  double v = strtod(text, &end);
  double unit = *end == 'G' || *end == 'g' ? 1e9 : *end == 'M' || *end == 'm' ? 1e6 : 1;
  if (end == text || !(v >= 0) || v * unit > 1e15 || (unit > 1 && end[1]) || (unit == 1 && *end)) return err_set(e, GANTRY_E_CONFIG, "--memory %s: a size like 4G or 800M, or 0 for no limit", text);
  *bytes = (int64_t)(v * unit);
  return GANTRY_OK;
}

static gantry_status conclude(db *d, const cfg_experiment *x, const sched_plan *p, const sched_outcome *r, const char *out, int json, arena *a, err *e) {
  report_model m;
  buf b = {0};
  TRY(report_load(d, x->name, a, &m, e));
  if (json) {
    buf_printf(&b, "{\"grid\": \"%s\", \"database\": ", x->name);
    exchange_json(&b, layout_db(a, out));
    buf_printf(&b, ", \"already_done\": %u, \"done\": %u, \"diverged\": %u, \"pruned\": %u, \"failed\": %u, \"stopped\": %u, \"left\": %u}\n", p->count[SCHED_DONE], r->done, r->diverged, r->pruned, r->failed, r->stopped, r->left);
  } else {
    report_text(&m, a, &b);
    buf_printf(&b, "database %s   samples %s/runs/%s/   report: gantry report %s -o report.html\n", layout_db(a, out), out, x->name, out);
  }
  fwrite(b.p, 1, b.n, stdout);
  buf_free(&b);
  return GANTRY_OK;
}

static int run_it(const char *path, const flag *f, arena *a, err *e) {
  char self[4096];
  cfg_experiment *x = NULL;
  db *d = NULL;
  abi_registry *reg = open_registry(a, f + OPEN, e);
  sched_plan p;
  sched_outcome r = {0};
  uint32_t lost = 0;
  int code = EXIT_OK;
  if (!reg) return flags_error("run", e);
  sched_options o = {.exe = proc_self(self, sizeof self), .out = layout_out(a, f[OUT].text), .extra = worker_flags(a, layout_out(a, f[OUT].text), f), .jobs = f[JOBS].number, .max_failures = f[FAIL_FAST].on ? 1 : f[MAX_FAILURES].number, .quiet = f[QUIET].on != 0, .again = f[RETRY].on != 0};
  o.timeout_s = f[TIMEOUT].on ? f[TIMEOUT].number : DEFAULT_TIMEOUT_S;
  o.retries = f[RETRIES].on ? f[RETRIES].number : 1;
  o.on_event = f[ON_EVENT].text;
  o.log_bytes = LOG_BYTES;
  o.device = f[DEVICE].on ? f[DEVICE].text : "auto";
  o.mps = !f[MPS].on || strcmp(f[MPS].text, "off");
  if (memory_limit(f[MEMORY].text, &o.memory_bytes, e)) goto done;
  if (open_experiment(path, reg, f + OPEN, f[SMOKE].on, &x, e)) goto done;
  for (const char *const *w = x->warnings; *w; w++) log_line(LOG_WARN, "%s", *w);
  if (db_open(o.out, &d, &lost, e)) goto done;
  if (lost) log_line(LOG_INFO, "%u run%s of an earlier start had no process any more; %s", lost, lost == 1 ? "" : "s", lost == 1 ? "it is continued" : "they are continued");
  if (mps_leftover(o.out)) log_line(LOG_INFO, "an MPS daemon that an earlier start left behind was ended");
  if (sched_plan_make(x, reg, &o, d, 1, a, &p, e)) goto done;
  uint32_t todo = p.n - p.count[SCHED_DONE] - p.count[SCHED_FAILED] - p.count[SCHED_SAME];
  if (!todo && !p.count[SCHED_FAILED]) log_line(LOG_INFO, "nothing to do: all %u runs of %s are finished", p.count[SCHED_DONE], x->name);
  else log_line(LOG_INFO, "%u runs: %u finished, %u to train, %u to continue, %u to evaluate, %u to retry%s", p.n - p.count[SCHED_SAME], p.count[SCHED_DONE], p.count[SCHED_TRAIN], p.count[SCHED_CONTINUE], p.count[SCHED_EVALUATE],
                p.count[SCHED_RETRY], p.count[SCHED_FAILED] ? arena_fmt(a, "; %u failed before (--retry tries them again)", p.count[SCHED_FAILED]) : "");
  if (todo && sched_run(x, &p, &o, d, &r, e)) goto done;
  if (conclude(d, x, &p, &r, o.out, f[JSON].on, a, e)) goto done;
  code = r.interrupted ? EXIT_STOPPED : r.failed || p.count[SCHED_FAILED] ? EXIT_FAILED : EXIT_OK;
done:
  if (e->code) code = flags_error("run", e);
  db_close(d);
  cfg_free(x);
  abi_registry_close(reg);
  return code;
}

int cmd_run(int argc, char **argv) {
  flag f[N] = {
    [OUT] = {.name = "--out", .value = "DIR", .help = "where everything goes (default $GANTRY_OUT or gantry-out)", .type = FLAG_TEXT},
    [JOBS] = {.name = "--jobs", .value = "N", .help = "runs at a time (default: as many as fit the cores)", .type = FLAG_INT},
    [DEVICE] = {.name = "--device", .value = "NAME", .help = "auto (default), cpu, cuda or cuda:1", .type = FLAG_TEXT},
    [SMOKE] = {.name = "--smoke", .help = "every cell for ten steps with one evaluation, to see that all of it works", .type = FLAG_BOOL},
    [RETRY] = {.name = "--retry", .help = "also runs that failed before", .type = FLAG_BOOL},
    [RETRIES] = {.name = "--retries", .value = "N", .help = "further tries of a run that crashed, hung or ran out of memory (default 1)", .type = FLAG_INT},
    [MAX_FAILURES] = {.name = "--max-failures", .value = "N", .help = "stop after this many failed runs", .type = FLAG_INT},
    [FAIL_FAST] = {.name = "--fail-fast", .help = "the same as --max-failures 1", .type = FLAG_BOOL},
    [TIMEOUT] = {.name = "--timeout", .value = "SECONDS", .help = "end a run that gives no sign of life for so long (default 900; 0 = never)", .type = FLAG_INT},
    [MEMORY] = {.name = "--memory", .value = "SIZE", .help = "most memory of one run, as in 4G or 800M (default: nine tenths of the machine's; 0 = no limit)", .type = FLAG_TEXT},
    [ON_EVENT] = {.name = "--on-event", .value = "CMD", .help = "shell command for every run that ends; $GANTRY_EVENT is finished, diverged, failed or stopped", .type = FLAG_TEXT},
    [MPS] = {.name = "--mps", .value = "auto|off", .help = "auto (default): runs on one NVIDIA GPU compute side by side, through MPS where it is installed; off: they take turns", .type = FLAG_TEXT},
    [QUIET] = {.name = "--quiet", .help = "no progress", .type = FLAG_BOOL},
    [JSON] = {.name = "--json", .help = "the outcome as JSON on standard output", .type = FLAG_BOOL},
    OPEN_FLAGS};
  const char *words[8];
  uint32_t n_words;
  int code = cli_parse(argc, argv, "gantry run EXP.json [--out DIR] [--jobs N] [--set path=value]... [--only axis=label]...", f, N, 1, words, 8, &n_words);
  if (code >= 0) return code;
  if (f[JOBS].number < 0 || f[MAX_FAILURES].number < 0 || f[RETRIES].number < 0 || f[RETRIES].number > 100 || f[TIMEOUT].number < 0) {
    fprintf(stderr, "gantry run: --jobs, --max-failures, --retries (at most 100) and --timeout are counts\n");
    return EXIT_USAGE;
  }
  if (f[MPS].on && strcmp(f[MPS].text, "auto") && strcmp(f[MPS].text, "off")) {
    fprintf(stderr, "gantry run: --mps is auto or off, not \"%s\"\n", f[MPS].text);
    return EXIT_USAGE;
  }
  arena *a = arena_new();
  err e = {0};
  signal(SIGPIPE, SIG_IGN);
  code = run_it(words[0], f, a, &e);
  arena_free(a);
  return code;
}
