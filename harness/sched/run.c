/* run.c - runs going: start, listen, store, retry, stop. See sched.h.
 *
 * One thread waits on all pipes. Signals come through a descriptor too, so nothing here runs inside a handler: the first asks the
 * workers to save and stop, the second ends them. */
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/files.h"
#include "base/log.h"
#include "sched/child.h"
#include "sched/progress.h"
#include "sched/sched.h"

enum { EX_CONFIG_ = 64, EX_PLUGIN = 70, EX_RESOURCE = 71, EX_STOPPED = 75, LOG_TAIL = 4096 };

typedef struct slot {
  child c;
  running shown;
  sched_job *job;
  db *d;
  err *e;            /* of the database: the first failure stops everything */
  const char *judge, *judge_weights;
  arena *a;          /* of this run */
  const char *log, *status, *error_class, *text; /* of REC_DONE */
  int stop_sent;     /* 1 asked, 2 killed by us */
} slot;

typedef struct going {
  const cfg_experiment *x;
  const sched_options *o;
  db *d;
  slot *slots;
  child **list;
  sched_job **queue, *jobs; /* what is to start, in order; the plan's jobs */
  uint8_t *tried;    /* by job: retried already */
  uint32_t n_slots, n_queue, next, n_running;
  progress *view;
  sched_outcome *out;
  int stopping;      /* 1 after the first signal or too many failures, 2 after the second */
  err *e;
} going;

int64_t sched_cores(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return CPU_COUNT(&set);
  long n = sysconf(_SC_NPROCESSORS_ONLN);
  return n > 0 ? n : 1;
}

static const char *given(arena *a, const char *s) { return s && *s ? arena_str(a, s) : NULL; }

static void on_record(void *user, const rec *r) {
  slot *s = user;
  if (!s->e->code) db_record(s->d, s->job->run.id, r, s->e);
  switch (r->type) {
    case REC_HELLO:
      s->shown.step = r->u.hello.resumed_from > 0 ? r->u.hello.resumed_from : 0;
      if (r->u.hello.total_steps > 0) s->shown.total = r->u.hello.total_steps;
      break;
    case REC_PROGRESS:
      s->shown.step = r->step;
      if (r->u.progress.total > 0) s->shown.total = r->u.progress.total;
      s->shown.its = r->u.progress.its;
      s->shown.loss_d = r->u.progress.loss_d;
      s->shown.loss_g = r->u.progress.loss_g;
      break;
    case REC_EVAL:
      if (s->judge && !strcmp(r->u.eval.metric, s->judge) && (!strcmp(s->judge_weights, "auto") || !strcmp(s->judge_weights, r->u.eval.weights))) s->shown.judge = r->u.eval.value;
      break;
    case REC_DONE:
      s->status = arena_str(s->a, r->u.done.status);
      s->error_class = given(s->a, r->u.done.error_class);
      s->text = given(s->a, r->u.done.text);
      break;
    default: break;
  }
}

static gantry_status start(going *g, slot *s, sched_job *j) {
  arena *a = arena_new();
  *s = (slot){.job = j, .d = g->d, .e = g->e, .a = a, .judge = g->x->judge_metric, .judge_weights = g->x->judge_weights};
  s->shown = (running){.label = j->label, .seed = j->seed, .total = j->total, .step = j->run.step, .started_ms = proc_now_ms(), .loss_d = NAN, .loss_g = NAN, .judge = NAN};
  const char *dir = path_join(a, g->o->out, j->run.dir), *config = path_join(a, dir, "config.json");
  s->log = path_join(a, dir, "log.txt");
  TRY(dir_make(dir, g->e));
  TRY(file_write(config, j->cfg->json, strlen(j->cfg->json), g->e));
  VEC(const char *) argv = {0};
  const char *fixed[] = {g->o->exe, "worker", "--config", config, "--seed", arena_fmt(a, "%llu", (unsigned long long)j->seed), "--dir", dir, "--fd", "3"};
  for (size_t k = 0; k < sizeof fixed / sizeof *fixed; k++) VEC_PUSH(argv, fixed[k]);
  for (const char *const *x = g->o->extra; x && *x; x++) VEC_PUSH(argv, *x);
  VEC_PUSH(argv, NULL);
  const char *env[] = {arena_fmt(a, "OMP_NUM_THREADS=%lld", (long long)j->cfg->threads), "OMP_WAIT_POLICY=passive", "OPENBLAS_NUM_THREADS=1", NULL};
  gantry_status st = child_start(&s->c, argv.p, env, s->log, on_record, s, g->e);
  free(argv.p);
  if (st) return st;
  g->list[s - g->slots] = &s->c;
  g->n_running++;
  return db_run_start(g->d, j->run.id, s->c.p.pid, j->total, g->tried[j - g->jobs] || j->action == SCHED_RETRY, g->e);
}

/* What a child's end means. *crash: worth one more try. */
static void judge_end(slot *s, db_end *x, int *crash) {
  const proc_end *end = &s->c.end;
  *crash = 0;
  *x = (db_end){.status = "failed", .code = end->code, .signal = end->signal, .error_class = s->error_class, .error_text = s->text};
  if (s->c.damaged) {
    x->error_class = "damaged records";
    x->error_text = "its records could not be read, so it was ended";
    *crash = 1;
  } else if (end->signal) {
    int outside = end->signal == SIGKILL || end->signal == SIGTERM || end->signal == SIGINT || end->signal == SIGHUP;
    x->status = s->stop_sent ? "stopped" : outside ? "killed" : "failed";
    *crash = !s->stop_sent;
    if (!s->stop_sent) {
      x->error_class = proc_signal_name(end->signal);
      x->error_text = arena_fmt(s->a, "the process was ended by %s%s%s%s", proc_signal_name(end->signal), end->signal == SIGKILL ? " (out of memory?)" : "", s->text ? ": " : "", s->text ? s->text : "");
    }
  } else if (end->code == EX_STOPPED) {
    x->status = "stopped";
    x->error_class = x->error_text = NULL;
  } else if (end->code == 0 && s->status && (!strcmp(s->status, "done") || !strcmp(s->status, "diverged"))) {
    x->status = s->status;
    x->eval_key = s->job->eval_key;
  } else if (!x->error_class) {
    x->error_class = end->code == EX_CONFIG_ ? "configuration" : end->code == EX_PLUGIN ? "plugin crash" : end->code == EX_RESOURCE ? "resources" : end->code ? "ended early" : "no result";
    *crash = end->code == EX_PLUGIN;
  }
  if (strcmp(x->status, "failed") && strcmp(x->status, "killed")) return;
  x->log_tail = log_tail(s->a, s->log, LOG_TAIL);
  if (!x->error_text) x->error_text = *x->log_tail ? arena_str(s->a, strrchr(x->log_tail, '\n') ? strrchr(x->log_tail, '\n') + 1 : x->log_tail) : arena_fmt(s->a, "the process ended with status %d and said nothing", end->code);
}

static void tell(going *g, const slot *s, const db_end *x) {
  char judge[80] = "";
  double sec = (double)(proc_now_ms() - s->shown.started_ms) / 1000;
  if (!isnan(s->shown.judge)) snprintf(judge, sizeof judge, "  %s %.4g", g->x->judge_metric, s->shown.judge);
  progress_say(g->view, "%-8s %s s%llu  %lld steps in %.1f s%s", x->status, s->job->label, (unsigned long long)s->job->seed, (long long)s->shown.step, sec, judge);
  if (x->error_text) progress_say(g->view, "         %s: %s", x->error_class ? x->error_class : x->status, x->error_text);
  if (strcmp(x->status, "failed") && strcmp(x->status, "killed")) return;
  progress_say(g->view, "         log: %s", s->log);
  if (g->o->quiet) log_line(LOG_ERROR, "%s s%llu: %s (log: %s)", s->job->label, (unsigned long long)s->job->seed, x->error_text, s->log);
}

static gantry_status finish(going *g, slot *s) {
  db_end x;
  int crash;
  judge_end(s, &x, &crash);
  gantry_status st = g->e->code ? g->e->code : db_run_end(g->d, s->job->run.id, &x, g->e);
  tell(g, s, &x);
  size_t at = (size_t)(s->job - g->jobs);
  int failed = !strcmp(x.status, "failed") || !strcmp(x.status, "killed");
  if (failed && crash && !g->tried[at] && !g->stopping) {
    g->tried[at] = 1;
    g->queue[g->n_queue++] = s->job; /* its place: behind everything else */
    progress_say(g->view, "         tried once more at the end");
  } else if (failed) {
    g->out->failed++;
    if (g->o->max_failures > 0 && g->out->failed >= (uint64_t)g->o->max_failures && !g->stopping) {
      progress_say(g->view, "%u failed run%s: stopping", g->out->failed, g->out->failed == 1 ? "" : "s");
      g->stopping = 1;
    }
  } else if (!strcmp(x.status, "stopped"))
    g->out->stopped++;
  else if (!strcmp(x.status, "diverged"))
    g->out->diverged++;
  else
    g->out->done++;
  g->list[s - g->slots] = NULL;
  g->n_running--;
  child_free(&s->c);
  arena_free(s->a);
  *s = (slot){0};
  return st;
}

static void on_signal(going *g, int fd) {
  struct signalfd_siginfo info;
  while (read(fd, &info, sizeof info) == (ssize_t)sizeof info) {
    g->out->interrupted = 1;
    if (g->stopping < 2) g->stopping++;
    progress_say(g->view, g->stopping == 1 ? "stopping: the runs save a checkpoint and end (once more to end them at once)" : "ending the runs now");
  }
}

static void pass_on(going *g) { /* the wish to stop, once per child */
  for (uint32_t k = 0; k < g->n_slots; k++) {
    slot *s = &g->slots[k];
    if (!g->list[k] || s->stop_sent >= g->stopping) continue;
    proc_signal(&s->c.p, g->stopping == 1 ? SIGTERM : SIGKILL);
    s->stop_sent = g->stopping;
  }
}

static gantry_status loop(going *g, int signals) {
  const running **shown = mem_alloc(sizeof *shown * g->n_slots);
  gantry_status st = GANTRY_OK;
  while (!st && (g->n_running || (g->next < g->n_queue && !g->stopping))) {
    for (uint32_t k = 0; k < g->n_slots && g->next < g->n_queue && !g->stopping && !st; k++)
      if (!g->list[k]) {
        st = start(g, &g->slots[k], g->queue[g->next++]);
        if (st && !g->list[k]) arena_free(g->slots[k].a);
      }
    int news = 0;
    if (!st) st = children_wait(g->list, g->n_slots, signals, &news, 100, g->e);
    if (news) on_signal(g, signals);
    pass_on(g);
    for (uint32_t k = 0; k < g->n_slots && !st; k++)
      if (g->list[k] && g->list[k]->end.exited) st = finish(g, &g->slots[k]);
    if (!st) st = g->e->code; /* a record that could not be stored */
    if (!st) st = db_tick(g->d, proc_now_ms(), g->e);
    uint32_t n = 0;
    for (uint32_t k = 0; k < g->n_slots; k++)
      if (g->list[k]) shown[n++] = &g->slots[k].shown;
    progress_draw(g->view, shown, n, g->out->done + g->out->diverged + g->out->failed, proc_now_ms());
  }
  free(shown);
  return st;
}

/* After a failure of the database or of the machine: let the workers save, then end. Their records have nowhere to go. */
static void abandon(going *g) {
  g->stopping = 1;
  pass_on(g);
  err ignored = {0};
  for (int64_t until = proc_now_ms() + 10000; g->n_running && proc_now_ms() < until;) {
    if (children_wait(g->list, g->n_slots, -1, NULL, 100, &ignored)) break;
    for (uint32_t k = 0; k < g->n_slots; k++)
      if (g->list[k] && g->list[k]->end.exited) g->list[k] = NULL, g->n_running--, child_free(&g->slots[k].c), arena_free(g->slots[k].a);
  }
  for (uint32_t k = 0; k < g->n_slots; k++)
    if (g->list[k]) child_free(&g->slots[k].c), arena_free(g->slots[k].a);
}

gantry_status sched_run(const cfg_experiment *x, sched_plan *p, const sched_options *o, db *d, sched_outcome *out, err *e) {
  *out = (sched_outcome){0};
  going g = {.x = x, .o = o, .d = d, .out = out, .e = e};
  int64_t threads = 1, cores = sched_cores();
  sched_job **queue = mem_alloc(sizeof *queue * (2 * (size_t)p->n + 1)); /* each may be tried twice */
  for (uint32_t k = 0; k < p->n; k++)
    if (p->jobs[k].action != SCHED_DONE && p->jobs[k].action != SCHED_FAILED && p->jobs[k].action != SCHED_SAME) {
      queue[g.n_queue++] = &p->jobs[k];
      if (p->jobs[k].cfg->threads > threads) threads = p->jobs[k].cfg->threads;
    }
  int64_t fit = cores / threads > 0 ? cores / threads : 1, jobs = o->jobs > 0 ? o->jobs : fit;
  if (jobs > fit) {
    log_line(LOG_WARN, "--jobs %lld with %lld threads each would exceed the %lld cores: %lld at once", (long long)jobs, (long long)threads, (long long)cores, (long long)fit);
    jobs = fit;
  }
  if (jobs > g.n_queue) jobs = g.n_queue;
  g.queue = queue;
  g.jobs = p->jobs;
  g.n_slots = (uint32_t)(jobs > 0 ? jobs : 1);
  g.tried = mem_alloc(p->n + 1);
  g.slots = mem_alloc(sizeof *g.slots * g.n_slots);
  g.list = mem_alloc(sizeof *g.list * g.n_slots);
  g.view = progress_new(o->quiet, g.n_queue, x->judge_metric);
  sigset_t mask, before;
  sigemptyset(&mask);
  sigaddset(&mask, SIGINT);
  sigaddset(&mask, SIGTERM);
  sigprocmask(SIG_BLOCK, &mask, &before);
  int signals = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
  gantry_status st = loop(&g, signals);
  if (st) abandon(&g);
  out->left = g.n_queue - g.next;
  progress_free(g.view);
  if (signals >= 0) close(signals);
  sigprocmask(SIG_SETMASK, &before, NULL);
  if (!st) st = db_grid_view(d, p->grid_id, e); /* columns of metrics that came up */
  if (!st) st = db_commit(d, e);
  free(queue);
  free(g.tried);
  free(g.slots);
  free(g.list);
  return st;
}
