/* loop.c - drives a run from where it is to its end: steps, log points, samples, evaluations, checkpoints. See train.h.
 *
 * What happens at a step follows from the step alone, so a resumed run repeats what an uninterrupted one does; records that were sent
 * before the interruption are sent again with equal values. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"
#include "eval/eval.h"
#include "train/metrics.h"
#include "train/window.h"

typedef struct loop {
  train_run *r;
  const train_loop_options *o;
  eval_context eval;
  int64_t step, log_every, sample_every, checkpoint_every;
  int64_t *metric_every;
  abi_element *metrics;
  int64_t train_ns, chunk_ns, chunk_from, mark_ns, step_ns, beat_ns; /* chunk_*: since the last window; mark_ns: training is measured up to then; step_ns: of a step; beat_ns: when the parent last heard of us */
  log_windows windows;
  double best;              /* of checkpoints.best so far; NaN = none yet */
  int diverged, new_best, saved; /* saved: points() wrote a checkpoint of this step */
} loop;

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* 0 = never; END = only at the last step. */
static int64_t period(const train_run *r, cfg_duration d) {
  if (!d.unit) return 0;
  return d.unit == CFG_END ? r->total_steps : cfg_steps(r->cfg, d, r->data->count, r->total_steps);
}

static int due(const loop *l, int64_t every) { return every && (l->step % every == 0 || l->step == l->r->total_steps); }

static void fact(loop *l, const char *key, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void fact(loop *l, const char *key, const char *fmt, ...) {
  char text[1024];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  rec r = {.type = REC_FACT, .step = l->step};
  r.u.fact.key = key;
  r.u.fact.value = text;
  rec_put(l->o->rec, &r);
}

/* A sign of life, once a second at most: the parent ends a run that shows none for long. */
static void beat(void *user, const char *doing) {
  loop *l = user;
  err ignored = {0}; /* a closed pipe shows at the next log point */
  if (now_ns() - l->beat_ns < 1000000000) return;
  l->beat_ns = now_ns();
  rec r = {.type = REC_BEAT, .step = l->windows.n ? l->chunk_from : l->step}; /* steps that are only handed over may turn out to be none of the run's */
  r.u.beat.doing = doing;
  rec_put(l->o->rec, &r);
  rec_flush(l->o->rec, &ignored);
}

static void event(loop *l, int level, const char *code, const char *text) {
  rec r = {.type = REC_EVENT, .step = l->step};
  r.u.event.level = level;
  r.u.event.code = code;
  r.u.event.text = text;
  rec_put(l->o->rec, &r);
}

static gantry_status artifact(loop *l, const char *kind, const char *path, const char *sha, int64_t bytes, err *e) {
  char hex[65];
  arena *a = arena_new();
  struct stat info;
  const char *file = path_join(a, l->o->dir, path);
  gantry_status st = sha ? GANTRY_OK : file_sha256(file, hex, e);
  if (!bytes && !stat(file, &info)) bytes = info.st_size;
  if (!st) {
    rec r = {.type = REC_ARTIFACT, .step = l->step};
    r.u.artifact.kind = kind;
    r.u.artifact.path = path;
    r.u.artifact.sha256 = sha ? sha : hex;
    r.u.artifact.bytes = bytes;
    rec_put(l->o->rec, &r);
  }
  arena_free(a);
  return st;
}

/* Training goes on until now; what is measured since the last look is its time. */
static void count_time(loop *l) {
  int64_t now = now_ns();
  l->train_ns += now - l->mark_ns;
  l->chunk_ns += now - l->mark_ns;
  l->mark_ns = now;
}

static gantry_status log_rows(loop *l, const log_window *w, err *e) {
  int64_t steps = w->step - l->chunk_from;
  l->diverged = window_rows(&l->windows, w, l->o->rec, l->train_ns, l->chunk_ns, steps);
  l->step_ns = steps > 0 && l->chunk_ns > 0 ? l->chunk_ns / steps + 1 : l->step_ns;
  l->chunk_ns = 0;
  l->chunk_from = w->step;
  return rec_flush(l->o->rec, e);
}

/* Windows whose values have come, in their order; at least until no more than `most` are open. One that diverged is the run's last, and the run stands at its step: later ones,
 * which may have been handed over by then, are no part of it, whatever their values. */
static gantry_status log_what_came(loop *l, uint32_t most, err *e) {
  const log_window *w = NULL;
  while (l->windows.n) {
    TRY(windows_end(&l->windows, l->diverged || l->windows.n > most, &w, e));
    if (!w) return GANTRY_OK;
    if (l->diverged) continue;
    count_time(l);
    TRY(log_rows(l, w, e));
    if (l->diverged) l->step = w->step;
  }
  return GANTRY_OK;
}

static gantry_status log_point(loop *l, err *e) {
  TRY(windows_begin(&l->windows, l->step, e));
  return log_what_came(l, 0, e);
}

/* How many windows may be open: about a second of training, so that a wish to stop is heard. */
static uint32_t windows_room(const loop *l) {
  int64_t window = l->log_every * l->step_ns, fit = window > 0 ? 1000000000 / window : 0;
  return fit < WINDOWS - 1 ? (uint32_t)fit : WINDOWS - 1;
}

static gantry_status sample_point(loop *l, err *e) {
  const cfg_run *c = l->r->cfg;
  arena *a = arena_new();
  gantry_status st = dir_make(path_join(a, l->o->dir, "samples"), e);
  for (int ema = 0; ema < 1 + c->g.ema && !st; ema++) {
    const char *name = arena_fmt(a, "samples/%s%08lld.png", ema ? "ema-" : "", (long long)l->step);
    st = eval_grid(&l->eval, ema ? GANTRY_EMA : 0, c->grid_rows, c->grid_cols, 0, path_join(a, l->o->dir, name), e);
    if (!st) st = artifact(l, ema ? "samples_ema" : "samples", name, NULL, 0, e);
  }
  if (!st && c->interpolations > 0 && l->r->data->info.rank == 3) {
    const char *name = arena_fmt(a, "samples/interpolate-%08lld.png", (long long)l->step);
    st = eval_grid(&l->eval, c->g.ema ? GANTRY_EMA : 0, c->interpolations, 8, 1, path_join(a, l->o->dir, name), e);
    if (!st) st = artifact(l, "interpolations", name, NULL, 0, e);
  }
  arena_free(a);
  return st;
}

static gantry_status put_values(loop *l, uint32_t k, int ema, const char *fake_split, err *e) {
  const cfg_metric *m = &l->r->cfg->metrics[k];
  eval_request q = train_metric_request(l->r, k, &l->metrics[k], ema, fake_split);
  eval_result v;
  TRY(eval_metric(&l->eval, &q, &v, e));
  const gantry_metric *iface = l->metrics[k].plugin->iface;
  for (uint32_t j = 0; j < v.n; j++) {
    const gantry_value *d = (const gantry_value *)(const void *)((const char *)iface->values + (size_t)j * iface->value_stride);
    rec r = {.type = REC_EVAL, .step = fake_split ? 0 : l->step}; /* real images know no step: asked again, the same row */
    r.u.eval.metric = v.n == 1 ? l->metrics[k].id : arena_fmt(l->eval.mem, "%s.%s", l->metrics[k].id, d->name);
    r.u.eval.protocol = v.protocol;
    r.u.eval.weights = fake_split ? "real" : ema ? "ema" : "raw";
    r.u.eval.value = v.value[j];
    r.u.eval.n_fake = v.n_fake;
    r.u.eval.n_real = v.n_real;
    r.u.eval.ms = v.ms;
    r.u.eval.better = d->better;
    rec_put(l->o->rec, &r);
    const char *chosen = l->r->cfg->checkpoint_best;
    int ours = chosen && !fake_split && !j && l->step && !strcmp(chosen, l->metrics[k].id) && (ema || !l->r->cfg->g.ema || !(m->weights & CFG_EMA)); /* averaged weights where there are some */
    if (!ours || isnan(v.value[j])) continue;
    if (isnan(l->best) || (d->better > 0 ? v.value[j] > l->best : v.value[j] < l->best)) {
      l->best = v.value[j];
      l->new_best = 1;
    }
  }
  return GANTRY_OK;
}

static gantry_status evaluate(loop *l, uint32_t k, err *e) {
  for (int ema = 0; ema < 2; ema++)
    if (train_metric_wants(l->r, k, ema)) TRY(put_values(l, k, ema, NULL, e));
  return rec_flush(l->o->rec, e);
}

/* What a distance says of real images the network never saw: the floor that generated ones cannot pass. Once, beside the last evaluation and by the same protocol, however the run
 * got there: from a smoke test's checkpoint, or asked again for other metrics. */
static gantry_status floor_of(loop *l, uint32_t k, err *e) {
  if (!train_metric_has_floor(l->r, k, &l->metrics[k])) return GANTRY_OK;
  return put_values(l, k, 0, "test", e);
}

static gantry_status checkpoint_point(loop *l, const double *best, err *e) {
  const char *path = NULL;
  char sha[65];
  int64_t bytes = 0;
  TRY(rec_sync(l->o->rec, e)); /* a checkpoint never runs ahead of its rows */
  arena *a = arena_new();
  gantry_status st = train_save(l->r, l->o->dir, l->step, best, a, &path, sha, &bytes, e);
  if (!st) st = artifact(l, "checkpoint", path, sha, bytes, e);
  arena_free(a);
  return st ? st : rec_flush(l->o->rec, e);
}

/* The checkpoint that was just loaded, told again: the news of it may have been lost with the process that wrote it. */
static gantry_status announce_loaded(loop *l, err *e) {
  int64_t bytes = 0;
  for (uint32_t k = 0; k < l->r->n_states; k++) bytes += exec_tensor_get(l->r->session, l->r->world->states.p[k].name)->bytes;
  return artifact(l, "checkpoint", arena_fmt(l->eval.mem, "checkpoints/step-%09lld.safetensors", (long long)l->step), NULL, bytes, e);
}

/* Everything that is due at this step, after training reached it. */
static gantry_status points(loop *l, err *e) {
  if (l->step && due(l, l->log_every)) TRY(log_point(l, e));
  if (l->diverged) return GANTRY_OK;
  fault_point("loop.logged");
  if (due(l, l->sample_every)) TRY(sample_point(l, e));
  fault_point("loop.sampled");
  for (uint32_t k = 0; k < l->r->cfg->n_metrics; k++)
    if (due(l, l->metric_every[k])) TRY(evaluate(l, k, e));
  fault_point("loop.evaluated");
  l->saved = l->step && (due(l, l->checkpoint_every) || l->new_best);
  if (l->saved) TRY(checkpoint_point(l, l->new_best ? &l->best : NULL, e));
  l->new_best = 0;
  return GANTRY_OK;
}

static int64_t next_stop(const loop *l) {
  int64_t next = l->r->total_steps;
#define NEXT(every)                                                  \
  do {                                                               \
    int64_t n_ = (every) ? (l->step / (every) + 1) * (every) : next; \
    if (n_ < next) next = n_;                                        \
  } while (0)
  NEXT(l->log_every);
  NEXT(l->sample_every);
  NEXT(l->checkpoint_every);
  for (uint32_t k = 0; k < l->r->cfg->n_metrics; k++) NEXT(l->metric_every[k]);
#undef NEXT
  if (l->o->stop_after > l->step && l->o->stop_after < next) next = l->o->stop_after;
  /* No stretch is much longer than a second: a wish to stop is heard, and the parent sees that the run is alive. Bits do not depend on it. */
  int64_t second = l->step_ns > 0 ? 1000000000 / l->step_ns + 1 : 1;
  return next - l->step > second ? l->step + second : next;
}

/* Nothing but a log point is due at this step, and the backend brings its values while later steps run. */
static int only_logs(const loop *l) {
  if (!exec_takes_later(l->r->session) || !due(l, l->log_every) || due(l, l->sample_every) || due(l, l->checkpoint_every) || l->step == l->o->stop_after || l->step == l->r->total_steps) return 0;
  for (uint32_t k = 0; k < l->r->cfg->n_metrics; k++)
    if (due(l, l->metric_every[k])) return 0;
  return 1;
}

static gantry_status prepare(loop *l, err *e) {
  train_run *r = l->r;
  const cfg_run *c = r->cfg;
  l->log_every = period(r, c->log_every);
  l->sample_every = abi_world_net(r->world, GANTRY_G) ? period(r, c->sample_every) : 0; /* a classifier draws nothing */
  l->checkpoint_every = period(r, c->checkpoint_every);
  l->metric_every = ARENA_ARRAY(r->mem, int64_t, c->n_metrics + 1);
  l->metrics = ARENA_ARRAY(r->mem, abi_element, c->n_metrics + 1);
  for (uint32_t k = 0; k < c->n_metrics; k++) {
    const cfg_element *el = &c->metrics[k].el;
    TRY(train_metric_open(r, k, &l->metrics[k], e));
    l->metric_every[k] = el->every.unit ? period(r, el->every) : r->total_steps;
  }
  beat(l, "preparing");
  eval_init(&l->eval, r->world, r->session, r->registry, &r->data_el, r->data, r->cfg->range, r->seed);
  l->eval.truncate = c->truncate;
  l->eval.truncate_clips = c->truncate_clips;
  l->eval.truncates_w = c->truncates_w;
  l->eval.psi = c->psi;
  l->eval.beat = beat;
  l->eval.beat_user = l;
  if (l->o->cache) {
    err ignored = {0}; /* without a cache everything is computed again */
    if (!dir_make(l->o->cache, &ignored)) l->eval.cache = l->o->cache;
  }
  return GANTRY_OK;
}

static void facts(loop *l) {
  train_run *r = l->r;
  char key[65];
  gantry_probe probe;
  err ignored = {0}; /* the backend is open and at work: only its description would be missing */
  exec_probe(r->backend->live->iface, r->backend->live->name, &probe, &ignored);
  train_key(r, key);
  fact(l, "train_key", "%s", key);
  fact(l, "data", "%s", r->data->sha256);
  fact(l, "params.g", "%lld", (long long)train_param_count(r, GANTRY_G));
  fact(l, "params.d", "%lld", (long long)train_param_count(r, GANTRY_D));
  fact(l, "memory.bytes", "%lld", (long long)(exec_bytes(r->session) + data_memory_bytes(r->data)));
  fact(l, "data.bytes", "%lld", (long long)(r->data->sample_bytes * r->data->count));
  fact(l, "data.storage", "%s", r->data->memory.in_file ? "file" : exec_tensor_get(r->session, "data/train/samples")->adopted ? "memory" : "device");
  fact(l, "device", "%s", probe.device);
  fact(l, "libraries", "%s", probe.libraries);
  for (uint32_t k = 0; k < r->programs.n; k++) {
    char name[300];
    snprintf(name, sizeof name, "graph.%s", r->programs.p[k].name);
    fact(l, name, "%016llx", (unsigned long long)r->programs.p[k].hash);
  }
}

static gantry_status train(loop *l, int *outcome, err *e) {
  train_run *r = l->r;
  if (!l->step) TRY(points(l, e));
  int finished = l->step == r->total_steps; /* resumed at the end: metrics that were added since, or asked for again */
  for (uint32_t k = 0; finished && k < r->cfg->n_metrics; k++) TRY(evaluate(l, k, e));
  while (l->step < r->total_steps && !l->diverged) {
    int64_t n = next_stop(l) - l->step;
    if (!l->windows.n) l->mark_ns = now_ns();
    TRY(train_steps(r, l->step, n, e));
    l->step += n;
    int stop = l->o->stop && *l->o->stop; /* then no window stays open */
    if (!stop && only_logs(l)) {
      l->saved = 0;
      TRY(windows_begin(&l->windows, l->step, e));
      TRY(log_what_came(l, windows_room(l), e));
    } else { /* whatever looks at the states finds the rows before it sent, and a run that diverged on the way at its end */
      TRY(log_what_came(l, 0, e));
      if (l->diverged) break;
      TRY(exec_sync(r->session, e));
      l->step_ns = (now_ns() - l->mark_ns) / n + 1;
      count_time(l);
      TRY(points(l, e));
    }
    beat(l, "training");
    stop = (l->o->stop && *l->o->stop) || l->step == l->o->stop_after;
    if (stop && !l->windows.n && l->step < r->total_steps && !l->diverged) {
      *outcome = TRAIN_STOPPED;
      return l->saved ? GANTRY_OK : checkpoint_point(l, NULL, e); /* saved once, so that a best one stays marked */
    }
  }
  if (l->diverged) {
    event(l, 1, "diverged", "a loss is not finite: training stopped here");
    *outcome = TRAIN_DIVERGED;
    return rec_flush(l->o->rec, e);
  }
  for (uint32_t k = 0; k < r->cfg->n_metrics; k++) TRY(floor_of(l, k, e));
  *outcome = TRAIN_DONE;
  return rec_flush(l->o->rec, e);
}

gantry_status train_loop(train_run *r, const train_loop_options *o, int *outcome, err *e) {
  loop l = {.r = r, .o = o};
  buf warnings = {0};
  const char *undrawable = NULL;
  gantry_status st = prepare(&l, e);
  if (!st && l.sample_every && !eval_drawable(r->data)) { /* a picture is for looking at: its absence stops no training */
    undrawable = arena_fmt(r->mem, "%s, so this run makes no pictures", eval_undrawable);
    l.sample_every = 0;
  }
  if (!st) st = train_load(r, o->dir, &l.step, &warnings, e);
  l.best = train_best(r, o->dir); /* after loading, which makes good what an interrupted save left of it */
  if (!st) {
    rec hello = {.type = REC_HELLO};
    hello.u.hello.resumed_from = l.step < 0 ? 0 : l.step;
    hello.u.hello.total_steps = r->total_steps;
    rec_put(o->rec, &hello);
    if (l.step < 0) l.step = 0;
    if (warnings.n) {
      event(&l, 2, "checkpoint_damaged", warnings.p);
      log_line(LOG_WARN, "%s", warnings.p);
    }
    windows_init(&l.windows, r);
    l.chunk_from = l.step;
    facts(&l);
    if (!l.step && undrawable) {
      event(&l, 2, "no_pictures", undrawable);
      log_line(LOG_WARN, "%s", undrawable);
    }
    if (!l.step && r->warm_text) {
      event(&l, r->warm_partial ? 2 : 0, "warm_start", r->warm_text);
      log_line(LOG_INFO, "train.init_from: %s", r->warm_text);
    }
    if (l.step) st = announce_loaded(&l, e);
    if (!st) st = train(&l, outcome, e);
  }
  buf_free(&warnings);
  eval_free(&l.eval);
  return st;
}
