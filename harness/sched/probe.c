/* probe.c - asking workers what cells are. See probe.h.
 *
 * A worker looks at up to 250 cells, because finding plugins and reading data costs more than building a cell. What isolates cells is what happens when such a worker ends in the
 * middle: its answers so far stand, the cells that it did not reach go to another, and the cell that it was at is asked once more, alone, before anything is said of it; so neither
 * does a plugin that crashes cost another cell its answer, nor is a cell blamed for what the one before it did to the memory. */
#include "sched/probe.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/files.h"
#include "base/hash.h"
#include "base/log.h"

enum { MOST = 250, SHARES = 2 }; /* cells of one worker; shares of what is left for each core, so that all end at about the same time */

typedef struct asker { /* one worker */
  child c;
  probe_question *q[MOST];
  uint32_t n, at;          /* at: the one that it spoke of last */
  const char *log;
  int64_t ended_ms;        /* when we ended it ourselves: it hung */
  arena *a;
} asker;

typedef struct asking {
  const cfg_experiment *x;
  const sched_options *o;
  const char *const *keys;
  const char *dir;
  probe_fn *fn;
  void *user;
  arena *a;
  VEC(probe_question *) queue;
  uint32_t next, slots;
} asking;

static void on_answer(void *user, const rec *r) {
  asker *w = user;
  if (r->run >= w->n) return;
  probe_question *q = w->q[w->at = r->run];
  if (r->type == REC_FACT) {
    VEC_PUSH(q->facts, ((probe_fact){arena_str(w->a, r->u.fact.key), arena_str(w->a, r->u.fact.value)}));
  } else if (r->type == REC_DONE) {
    q->answered = 1;
    if (strcmp(r->u.done.status, "done")) q->failed = arena_str(w->a, r->u.done.text ? r->u.done.text : r->u.done.status);
  }
}

/* Not below --out: looking at a plan leaves nothing there. */
static const char *probe_dir(arena *a) {
  const char *tmp = getenv("TMPDIR");
  return arena_fmt(a, "%s/gantry-probe-%ld", tmp && *tmp ? tmp : "/tmp", (long)getpid());
}

/* Read once and gone: there is nothing to keep safe from a power cut, which file_write would do. */
static gantry_status write_settings(const char *path, const char *text, err *e) {
  FILE *f = fopen(path, "we");
  int bad = !f || fputs(text, f) < 0;
  if (f && fclose(f)) bad = 1;
  return bad ? err_errno(e, "cannot write %s", path) : GANTRY_OK;
}

static gantry_status start(asking *g, asker *w, uint32_t slot, err *e) {
  uint32_t left = g->queue.n - g->next, share = (left + SHARES * g->slots - 1) / (SHARES * g->slots);
  *w = (asker){.a = g->a, .log = arena_fmt(g->a, "%s/%u.log", g->dir, slot)};
  unlink(w->log);
  VEC(const char *) argv = {0};
  const char *fixed[] = {g->o->exe, "worker", "--probe", "--seed", arena_fmt(g->a, "%llu", (unsigned long long)g->x->seeds[0]), "--fd", "3"};
  for (size_t k = 0; k < sizeof fixed / sizeof *fixed; k++) VEC_PUSH(argv, fixed[k]);
  gantry_status st = GANTRY_OK;
  while (!st && g->next < g->queue.n && w->n < MOST && w->n < share) {
    probe_question *q = g->queue.p[g->next];
    if (q->alone && w->n) break;
    const char *json = g->x->cells[q->cell].run->json;
    q->facts.n = 0;
    st = write_settings(q->file, json, e);
    VEC_PUSH(argv, "--config");
    VEC_PUSH(argv, q->file);
    w->q[w->n++] = q;
    g->next++;
    if (q->alone) break;
  }
  for (const char *const *x = g->o->extra; x && *x; x++) VEC_PUSH(argv, *x);
  VEC_PUSH(argv, NULL);
  static const char *const env[] = {"OMP_NUM_THREADS=1", "OMP_WAIT_POLICY=passive", "OPENBLAS_NUM_THREADS=1", NULL};
  if (!st) st = child_start(&w->c, argv.p, env, w->log, 0, on_answer, w, e);
  free(argv.p);
  return st;
}

/* A plugin that crashes is its cell's failure, not the grid's: the cell gets a key of its own, so that its runs are made, crash in workers of
 * their own and are recorded as failed. */
static int stands_for_a_crash(const asking *g, const asker *w, probe_question *q) {
  int sig = w->c.end.signal;
  char key[65];
  if (!w->ended_ms && sig != SIGSEGV && sig != SIGBUS && sig != SIGILL && sig != SIGFPE && sig != SIGABRT) return 0;
  log_line(LOG_WARN, "cell %s: building it crashed with %s; its runs will fail: %s", g->x->cells[q->cell].label, proc_signal_name(sig), log_tail(g->a, w->log, 4000));
  const char *text = arena_fmt(g->a, "crashed|%s", g->keys[q->cell]);
  sha_hex(text, strlen(text), key);
  q->facts.n = 0;
  VEC_PUSH(q->facts, ((probe_fact){"train_key", arena_str(g->a, key)}));
  q->crashed = 1;
  return 1;
}

static gantry_status hand_over(asking *g, probe_question *q, err *e) {
  unlink(q->file);
  return g->fn(g->user, q, e);
}

/* What a worker that ended in the middle of a cell says about that cell. */
static gantry_status judge(asking *g, asker *w, probe_question *q, err *e) {
  const char *label = g->x->cells[q->cell].label;
  const proc_end *end = &w->c.end;
  if (!q->alone && w->n > 1 && !w->ended_ms) {
    q->alone = 1;
    VEC_PUSH(g->queue, q);
    return GANTRY_OK;
  }
  if (stands_for_a_crash(g, w, q)) return hand_over(g, q, e);
  if (end->signal) return err_set(e, GANTRY_E_CONFIG, "cell %s: building it crashed with %s: %s", label, proc_signal_name(end->signal), log_tail(g->a, w->log, 800));
  return err_set(e, GANTRY_E_CONFIG, "cell %s: its worker ended with status %d and no answer: %s", label, end->code, log_tail(g->a, w->log, 800));
}

static gantry_status take(asking *g, asker *w, err *e) {
  for (uint32_t k = 0; k < w->n; k++) {
    probe_question *q = w->q[k];
    int has_key = 0;
    for (uint32_t i = 0; i < q->facts.n; i++) has_key |= !strcmp(q->facts.p[i].name, "train_key");
    if (q->failed) return err_set(e, GANTRY_E_CONFIG, "cell %s cannot run: %s", g->x->cells[q->cell].label, q->failed);
    if (q->answered && has_key) TRY(hand_over(g, q, e));
    else if (k == w->at || q->answered) TRY(judge(g, w, q, e));
    else VEC_PUSH(g->queue, q); /* not reached */
  }
  return GANTRY_OK;
}

/* A plugin that loops while it builds: SIGABRT, whose handler says where, then SIGKILL. */
static void end_if_hung(const asking *g, asker *w) {
  enum { GRACE_MS = 5000 };
  int64_t now = proc_now_ms();
  if (w->ended_ms) {
    if (now - w->ended_ms > GRACE_MS) proc_signal(&w->c.p, SIGKILL);
  } else if (g->o->timeout_s > 0 && now - w->c.heard_ms > g->o->timeout_s * 1000) {
    w->ended_ms = now;
    log_line(LOG_WARN, "building cell %u shows no sign of life for %lld s (--timeout changes the limit)", w->q[w->at]->cell, (long long)g->o->timeout_s);
    proc_signal(&w->c.p, SIGABRT);
  }
}

static gantry_status loop(asking *g, asker *w, child **list, err *e) {
  gantry_status st = GANTRY_OK;
  uint32_t running = 0;
  while (!st && (g->next < g->queue.n || running)) {
    for (uint32_t s = 0; s < g->slots && g->next < g->queue.n && !st; s++) {
      if (list[s]) continue;
      if ((st = start(g, &w[s], s, e))) break;
      list[s] = &w[s].c;
      running++;
    }
    if (!st) st = children_wait(list, g->slots, -1, NULL, 1000, e);
    for (uint32_t s = 0; s < g->slots && !st; s++) {
      if (!list[s]) continue;
      if (!list[s]->end.exited) {
        end_if_hung(g, &w[s]);
        continue;
      }
      st = take(g, &w[s], e);
      child_free(list[s]);
      list[s] = NULL;
      running--;
    }
  }
  return st;
}

gantry_status probe_ask(const cfg_experiment *x, const uint32_t *cells, const char *const *keys, uint32_t n, const sched_options *o, probe_fn *fn, void *user, err *e) {
  if (!n) return GANTRY_OK;
  arena *a = arena_new();
  asking g = {.x = x, .o = o, .keys = keys, .dir = probe_dir(a), .fn = fn, .user = user, .a = a, .slots = (uint32_t)sched_cores()};
  probe_question *all = mem_alloc(sizeof *all * n);
  asker *w = mem_alloc(sizeof *w * g.slots);
  child **list = mem_alloc(sizeof *list * g.slots);
  for (uint32_t k = 0; k < n; k++) {
    all[k] = (probe_question){.cell = cells[k], .file = arena_fmt(a, "%s/c%u.json", g.dir, cells[k])};
    VEC_PUSH(g.queue, &all[k]);
  }
  gantry_status st = dir_make(g.dir, e);
  if (!st) st = loop(&g, w, list, e);
  for (uint32_t s = 0; s < g.slots; s++) {
    if (list[s]) child_free(list[s]);
    if (w[s].log) unlink(w[s].log);
  }
  for (uint32_t k = 0; k < n; k++) {
    unlink(all[k].file);
    free(all[k].facts.p);
  }
  rmdir(g.dir);
  free(g.queue.p);
  free(all);
  free(w);
  free(list);
  arena_free(a);
  return st;
}
