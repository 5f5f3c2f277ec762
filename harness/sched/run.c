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
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"
#include "sched/early.h"
#include "sched/mps.h"
#include "sched/notify.h"
#include "sched/progress.h"
#include "sched/sched.h"
#include "sched/verdict.h"

enum { GRACE_MS = 5000 }; /* time a hung run has to say where it hangs */

typedef struct slot {
  child c;
  running shown;
  sched_job *job;
  db *d;
  err *e;            /* of the database: the first failure stops everything */
  const char *judge, *judge_weights;
  arena *a;          /* of this run */
  const char *log, *status, *error_class, *text; /* of REC_DONE */
  char doing[80];    /* of REC_BEAT */
  int stop_sent;     /* 1 asked, 2 killed by us */
  int ended;         /* ENDED_*: by us, and why */
  int shares;        /* the GPU with others, through MPS */
  int64_t ended_ms, log_start, log_bytes, silent_s; /* log_start: what earlier starts left in it */
  const cfg_experiment *x;
  int64_t grid_id;
  const char *why;   /* it was ended early */
} slot;

typedef struct going {
  const cfg_experiment *x;
  const sched_options *o;
  db *d;
  slot *slots;
  child **list;
  sched_job **queue, *jobs; /* what is to start, in order; the plan's jobs */
  uint8_t *tried, *alone, *apart; /* by job: how often tried again; to run with no other beside it; to leave MPS out of it */
  mps mps;
  notifier notify;
  int64_t watched_ms; /* when watch() last looked */
  int64_t grid_id;
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
    case REC_SYNC:
      if (!s->e->code) rec_answer(s->c.p.fd, r->u.sync.token); /* what could not be stored is not safe: no answer */
      break;
    case REC_BEAT:
      s->shown.step = r->step > s->shown.step ? r->step : s->shown.step;
      snprintf(s->doing, sizeof s->doing, "%s", r->u.beat.doing);
      break;
    case REC_EVAL: {
      int end = 0;
      if (!s->e->code && !s->ended && !s->stop_sent && !early_judge(s->x, s->d, s->grid_id, s->job, r, s->a, &end, &s->why, s->e) && end) {
        s->ended = ENDED_EARLY; /* it saves, so that it can go on some day */
        s->ended_ms = proc_now_ms();
        proc_signal(&s->c.p, SIGTERM);
      }
      if (s->judge && !strcmp(r->u.eval.metric, s->judge) && strcmp(r->u.eval.weights, "real") && (!strcmp(s->judge_weights, "auto") || !strcmp(s->judge_weights, r->u.eval.weights))) s->shown.judge = r->u.eval.value;
      break;
    }
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
  *s = (slot){.job = j, .d = g->d, .e = g->e, .a = a, .judge = g->x->judge_metric, .judge_weights = g->x->judge_weights, .x = g->x, .grid_id = g->grid_id};
  s->shown = (running){.label = j->label, .seed = j->seed, .total = j->total, .step = j->run.step, .started_ms = proc_now_ms(), .loss_d = NAN, .loss_g = NAN, .judge = NAN};
  const char *dir = path_join(a, g->o->out, j->run.dir), *config = path_join(a, dir, "config.json");
  s->log = path_join(a, dir, "log.txt");
  TRY(dir_make(dir, g->e));
  TRY(file_write(config, j->cfg->json, strlen(j->cfg->json), g->e));
  struct stat info;
  s->log_start = s->log_bytes = stat(s->log, &info) ? 0 : info.st_size;
  VEC(const char *) argv = {0};
  const char *fixed[] = {g->o->exe, "worker", "--config", config, "--seed", arena_fmt(a, "%llu", (unsigned long long)j->seed), "--dir", dir, "--fd", "3"};
  for (size_t k = 0; k < sizeof fixed / sizeof *fixed; k++) VEC_PUSH(argv, fixed[k]);
  for (const char *const *x = g->o->extra; x && *x; x++) VEC_PUSH(argv, *x);
  const char *device[] = {"--device", g->mps.device}; /* where a GPU is shared, a worker that finds it out of order must not turn to the CPU */
  for (size_t k = 0; g->mps.device && k < 2; k++) VEC_PUSH(argv, device[k]);
  VEC_PUSH(argv, NULL);
  const char *env[] = {arena_fmt(a, "OMP_NUM_THREADS=%lld", (long long)j->cfg->threads), "OMP_WAIT_POLICY=passive", "OPENBLAS_NUM_THREADS=1", NULL, NULL, NULL};
  s->shares = g->mps.state && !g->apart[j - g->jobs];
  for (int k = 0; s->shares && g->mps.env[k]; k++) env[3 + k] = g->mps.env[k];
  gantry_status st = child_start(&s->c, argv.p, env, s->log, g->o->memory_bytes, on_record, s, g->e);
  free(argv.p);
  if (st) return st;
  fault_point("sched.started");
  g->list[s - g->slots] = &s->c;
  g->n_running++;
  return db_run_start(g->d, j->run.id, s->c.p.pid, j->total, g->tried[j - g->jobs] || g->apart[j - g->jobs] || j->action == SCHED_RETRY, g->e);
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

static void tell_user(going *g, const slot *s, const db_end *x) {
  notice w = {.event = !strcmp(x->status, "done") ? "finished" : !strcmp(x->status, "killed") ? "failed" : x->status, .grid = g->x->name, .label = s->job->label, .run = s->job->run.uid};
  w.dir = path_join(s->a, g->o->out, s->job->run.dir);
  w.seed = s->job->seed;
  w.step = s->shown.step;
  w.error = x->error_text;
  notify(&g->notify, &w);
}

static gantry_status finish(going *g, slot *s) {
  verdict v = verdict_of(&(verdict_in){.c = &s->c, .status = s->status, .error_class = s->error_class, .text = s->text, .doing = s->doing, .log = s->log, .eval_key = s->job->eval_key, .silent_s = s->silent_s,
                                       .memory_bytes = g->o->memory_bytes, .why = s->why, .ended = s->ended ? s->ended : s->stop_sent ? ENDED_ASKED : ENDED_NOT}, s->a);
  if (!strcmp(v.end.status, "failed")) v.end.eval_key = s->job->try_key;
  gantry_status st = g->e->code ? g->e->code : db_run_end(g->d, s->job->run.id, &v.end, g->e);
  fault_point("sched.ended");
  tell(g, s, &v.end);
  size_t at = (size_t)(s->job - g->jobs);
  int failed = !strcmp(v.end.status, "failed") || !strcmp(v.end.status, "killed");
  if (failed && v.device && s->shares && !g->apart[at] && !g->stopping) {
    /* One client's fault ends all clients of that GPU, and CUDA tells none of them whose it was. So each goes on from its checkpoint where it can harm nobody; this counts as no try. */
    g->apart[at] = 1;
    g->alone[at] = g->mps.state == MPS_USERS; /* that daemon's clients are its user's choice, perhaps the only ones the GPU takes */
    g->queue[g->n_queue++] = s->job;
    progress_say(g->view, "         it shared the GPU, so another run may be at fault: continued at the end%s", g->alone[at] ? ", with no other run beside it" : ", without MPS");
  } else if (failed && v.again && g->tried[at] < g->o->retries && !g->stopping) {
    g->tried[at]++;
    g->alone[at] = v.alone || (v.device && g->apart[at]);
    g->queue[g->n_queue++] = s->job; /* its place: behind everything else */
    progress_say(g->view, "         tried again at the end%s", v.alone ? ", with no other run beside it" : "");
  } else if (failed) {
    g->out->failed++;
    tell_user(g, s, &v.end);
    if (g->o->max_failures > 0 && g->out->failed >= (uint64_t)g->o->max_failures && !g->stopping) {
      progress_say(g->view, "%u failed run%s: stopping", g->out->failed, g->out->failed == 1 ? "" : "s");
      g->stopping = 1;
    }
  } else {
    if (!strcmp(v.end.status, "stopped")) g->out->stopped++;
    else if (!strcmp(v.end.status, "diverged")) g->out->diverged++;
    else if (!strcmp(v.end.status, "pruned")) g->out->pruned++;
    else g->out->done++;
    tell_user(g, s, &v.end);
  }
  g->list[s - g->slots] = NULL;
  g->n_running--;
  child_free(&s->c);
  arena_free(s->a);
  *s = (slot){0};
  return st;
}

/* Ends what hangs or floods its log. A hung run is sent SIGABRT first, whose handler writes where it hangs, then SIGKILL. */
static void watch(going *g, int64_t now) {
  /* Where this process itself stood still (a laptop asleep, SIGSTOP, a clock set forward), silence is nobody's fault. */
  int64_t gap = g->watched_ms && now - g->watched_ms > 1000 ? now - g->watched_ms : 0;
  g->watched_ms = now;
  for (uint32_t k = 0; k < g->n_slots; k++) {
    slot *s = &g->slots[k];
    struct stat info;
    if (!g->list[k]) continue;
    s->c.heard_ms += gap;
    if (s->ended) {
      if (now - s->ended_ms > (s->ended == ENDED_EARLY ? 12 * GRACE_MS : GRACE_MS)) proc_signal(&s->c.p, SIGKILL);
      continue;
    }
    if (stat(s->log, &info) == 0 && info.st_size != s->log_bytes) { /* a plugin that says something is alive too */
      if (g->o->log_bytes && info.st_size - s->log_start > g->o->log_bytes) s->ended = ENDED_LOG;
      s->log_bytes = info.st_size;
      s->c.heard_ms = now > s->c.heard_ms ? now : s->c.heard_ms;
    }
    if (g->o->timeout_s > 0 && now - s->c.heard_ms > g->o->timeout_s * 1000) s->ended = ENDED_HUNG;
    if (!s->ended) continue;
    s->ended_ms = now;
    s->silent_s = (now - s->c.heard_ms) / 1000;
    proc_signal(&s->c.p, s->ended == ENDED_HUNG ? SIGABRT : SIGKILL);
  }
}

/* Whether the next in the queue may start now. */
static int may_start(const going *g) {
  if (g->next >= g->n_queue || g->stopping) return 0;
  for (uint32_t k = 0; k < g->n_slots; k++)
    if (g->list[k] && g->alone[g->slots[k].job - g->jobs]) return 0;
  return !g->n_running || !g->alone[g->queue[g->next] - g->jobs];
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
    for (uint32_t k = 0; k < g->n_slots && may_start(g) && !st; k++)
      if (!g->list[k]) {
        st = start(g, &g->slots[k], g->queue[g->next++]);
        if (st && !g->list[k]) arena_free(g->slots[k].a);
      }
    int news = 0;
    if (!st) st = children_wait(g->list, g->n_slots, signals, &news, 100, g->e);
    if (news) on_signal(g, signals);
    pass_on(g);
    watch(g, proc_now_ms());
    for (uint32_t k = 0; k < g->n_slots && !st; k++)
      if (g->list[k] && g->list[k]->end.exited) st = finish(g, &g->slots[k]);
    if (!st) st = g->e->code; /* a record that could not be stored */
    if (!st) st = db_tick(g->d, proc_now_ms(), g->e);
    uint32_t n = 0;
    for (uint32_t k = 0; k < g->n_slots; k++)
      if (g->list[k]) shown[n++] = &g->slots[k].shown;
    progress_draw(g->view, shown, n, g->out->done + g->out->diverged + g->out->pruned + g->out->failed, proc_now_ms());
  }
  free(shown);
  return st;
}

/* After a failure of the database or of the machine. The workers' records have nowhere to go, so they must not save either: a checkpoint ahead of its
 * rows would lose these for good. */
static void abandon(going *g) {
  g->stopping = 2;
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

/* MPS where several workers will use one GPU. Which it is only a worker knows; a loaded driver is what "auto" can be told by from outside. */
static void share_device(going *g, arena *a) {
  const char *device = g->o->device, *note = NULL;
  if (!g->o->mps || g->n_slots < 2 || !device || (strncmp(device, "cuda", 4) && (strcmp(device, "auto") || !mps_has_driver()))) return;
  mps_start(&g->mps, &(mps_spec){.exe = g->o->exe, .out = g->o->out, .extra = g->o->extra, .device = device}, a, &note);
  progress_say(g->view, "%s", note);
}

gantry_status sched_run(const cfg_experiment *x, sched_plan *p, const sched_options *o, db *d, sched_outcome *out, err *e) {
  *out = (sched_outcome){0};
  going g = {.x = x, .o = o, .d = d, .out = out, .e = e, .mps.keeper.fd = -1};
  arena *a = arena_new();
  int64_t threads = 1, cores = sched_cores();
  int64_t tries = 1 + (o->retries > 0 ? o->retries : 0);
  sched_job **queue = mem_alloc(sizeof *queue * ((size_t)(tries + 1) * p->n + 1)); /* + 1: apart from others */
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
  g.alone = mem_alloc(p->n + 1);
  g.apart = mem_alloc(p->n + 1);
  g.notify.command = o->on_event;
  g.slots = mem_alloc(sizeof *g.slots * g.n_slots);
  g.list = mem_alloc(sizeof *g.list * g.n_slots);
  g.grid_id = p->grid_id;
  g.view = progress_new(o->quiet, g.n_queue, x->judge_metric);
  sigset_t mask, before;
  sigemptyset(&mask);
  sigaddset(&mask, SIGINT);
  sigaddset(&mask, SIGTERM);
  sigprocmask(SIG_BLOCK, &mask, &before);
  int signals = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
  share_device(&g, a);
  gantry_status st = loop(&g, signals);
  if (st) abandon(&g);
  mps_end(&g.mps);
  notify_reap(&g.notify, 10000);
  out->left = g.n_queue - g.next;
  progress_free(g.view);
  if (signals >= 0) close(signals);
  sigprocmask(SIG_SETMASK, &before, NULL);
  if (!st) st = db_grid_view(d, p->grid_id, e); /* columns of metrics that came up */
  if (!st) st = db_commit(d, e);
  free(queue);
  free(g.tried);
  free(g.alone);
  free(g.apart);
  arena_free(a);
  free(g.slots);
  free(g.list);
  return st;
}
