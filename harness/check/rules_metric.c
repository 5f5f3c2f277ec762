/* rules_metric.c - tests of metrics on small sets: passes batch by batch on the reference interpreter, kept values added up as harness/eval does. */
#include <math.h>
#include <stdlib.h>

#include "check/metric_sets.h"
#include "check/numeric.h"
#include "ir/build.h"

enum { KEPT = 64, VALUES = 64 };
typedef struct samples { /* one for every set, before they are put in order */
  double shift[5];        /* of each set */
  int same;               /* every set is the real one */
  uint64_t order;         /* 0: as they are; else shuffled by this seed */
  int64_t batch;
} samples;

typedef struct kept_data { uint32_t set, how; const char *name; double *v; int64_t n; } kept_data;

/* Place of row r of a set in its order. */
static int64_t place(const samples *q, uint32_t set, int64_t r) {
  int64_t n = check_set_size(set), at[64];
  if (!q->order) return r;
  for (int64_t k = 0; k < n; k++) at[k] = k;
  for (int64_t k = n - 1; k > 0; k--) {
    int64_t j = (int64_t)(check_uniform(q->order + set, (uint64_t)k) * (double)(k + 1)), t = at[k];
    at[k] = at[j];
    at[j] = t;
  }
  return at[r];
}

static double sample(const subject *s, const samples *q, uint32_t set, int64_t row, int64_t k) {
  uint32_t from = q->same ? GANTRY_REAL : set;
  double u = 0;
  for (uint64_t j = 0; j < 3; j++) u += 2 * check_uniform(s->seed + 31 * from + 1000 * j, (uint64_t)(row * 4096 + k)) - 1;
  return 0.5 * u + q->shift[from];
}

static gantry_status run_batch(subject *s, stage *st, const samples *q, uint32_t pass, uint32_t set, int64_t first, kept_data *kept, uint32_t *n_kept, err *e) {
  const int64_t n = q->batch, size = check_set_size(set), width = ir_count(st->b->g, stage_images(st, "set/x", n)) / n;
  arena *a = arena_new();
  double *x = ARENA_ARRAY(a, double, n * width), *index = ARENA_ARRAY(a, double, n), *valid = ARENA_ARRAY(a, double, n), *label = ARENA_ARRAY(a, double, n), invocation = (double)(first / n);
  for (int64_t r = 0; r < n; r++) {
    int64_t row = first + r, from = row < size ? place(q, set, row) : 500 + r; /* padding is any image */
    index[r] = (double)row;
    valid[r] = row < size;
    label[r] = (double)(from % 3);
    for (int64_t k = 0; k < width; k++) x[r * width + k] = sample(s, q, set, from, k);
  }
  stage_out given[KEPT + 6] = {{"set/x", 0}, {"set/index", 1}, {"set/valid", 2}, {"set/label", 3}, {"counter/check.invocation", 4}};
  const double *values[KEPT + 6] = {x, index, valid, label, &invocation};
  uint32_t n_given = 5, n_want = 0, which[KEPT];
  for (uint32_t k = 0; k < *n_kept; k++, n_given++) given[n_given] = (stage_out){arena_fmt(a, "kept/%u/%s", kept[k].set, kept[k].name), n_given}, values[n_given] = kept[k].v;
  ir_id want[KEPT];
  for (uint32_t k = 0; k < st->kept.n && n_want < KEPT; k++)
    if (st->kept.p[k].pass == pass) which[n_want] = k, want[n_want++] = st->kept.p[k].id;
  double *out[KEPT] = {NULL};
  point p = {.st = st, .seed = s->seed, .given = given, .values = values, .n_given = n_given};
  gantry_status status = ir_eval(st->b->g, want, n_want, check_bind_point, &p, out, e);
  for (uint32_t k = 0; k < n_want && !status; k++) {
    const stage_kept *v = &st->kept.p[which[k]];
    int64_t count = ir_count(st->b->g, v->id), row = count / n, left = size - first < n ? size - first : n;
    kept_data *d = NULL;
    for (uint32_t j = 0; j < *n_kept; j++)
      if (kept[j].set == set && !strcmp(kept[j].name, v->name)) d = &kept[j];
    if (!d) {
      if (*n_kept == KEPT) return err_set(e, GANTRY_E_UNSUPPORTED, "the checker follows at most %d kept values", KEPT);
      d = &kept[(*n_kept)++];
      *d = (kept_data){set, v->how, v->name, NULL, v->how == GANTRY_KEEP_ROWS ? size * row : count};
      d->v = mem_alloc(sizeof(double) * (size_t)d->n);
      for (int64_t i = 0; i < d->n && v->how == GANTRY_KEEP_MAX; i++) d->v[i] = -INFINITY;
    }
    for (int64_t i = 0; i < (v->how == GANTRY_KEEP_ROWS ? left * row : count); i++) {
      if (v->how == GANTRY_KEEP_ROWS) d->v[first * row + i] = out[k][i];
      else if (v->how == GANTRY_KEEP_SUM) d->v[i] += out[k][i];
      else d->v[i] = fmax(d->v[i], out[k][i]);
    }
  }
  for (uint32_t k = 0; k < n_want; k++) free(out[k]);
  arena_free(a);
  return status;
}

/* The metric's values on these sets. */
static gantry_status measure(subject *s, const samples *q, double value[VALUES], uint32_t *n_values, err *e) {
  const gantry_metric *m = s->live->iface;
  stage *st;
  const stage_options o = {.batch = q->batch};
  kept_data kept[KEPT];
  uint32_t n_kept = 0;
  gantry_status status = stage_open(s, s->values, 0, &o, &st, e);
  for (uint32_t k = 0; k < m->n_passes && !status; k++) {
    const gantry_pass *p = (const gantry_pass *)(const void *)((const char *)m->passes + (size_t)k * m->pass_stride);
    for (int64_t first = 0; first < check_set_size(p->set) && !status; first += q->batch) status = run_batch(s, st, q, k, p->set, first, kept, &n_kept, e);
  }
  *n_values = m->n_values < VALUES ? m->n_values : VALUES;
  ir_id want[VALUES];
  double *out[VALUES] = {NULL};
  stage_out given[KEPT];
  const double *values[KEPT];
  for (uint32_t k = 0; k < n_kept; k++) given[k] = (stage_out){arena_fmt(s->mem, "kept/%u/%s", kept[k].set, kept[k].name), k}, values[k] = kept[k].v;
  for (uint32_t k = 0; k < *n_values && !status; k++) want[k] = stage_find(st, arena_fmt(s->mem, "value.%u", k));
  point p = {.st = st, .seed = s->seed, .given = given, .values = values, .n_given = n_kept};
  if (!status) status = ir_eval(st->b->g, want, *n_values, check_bind_point, &p, out, e);
  for (uint32_t k = 0; k < *n_values; k++) {
    value[k] = out[k] ? out[k][0] : NAN;
    free(out[k]);
  }
  for (uint32_t k = 0; k < n_kept; k++) free(kept[k].v);
  stage_close(st);
  return status;
}

static const gantry_value *value_at(const gantry_metric *m, uint32_t k) { return (const gantry_value *)(const void *)((const char *)m->values + (size_t)k * m->value_stride); }

static int has_set(const gantry_metric *m, uint32_t set) {
  for (uint32_t k = 0; k < m->n_passes; k++)
    if (((const gantry_pass *)(const void *)((const char *)m->passes + (size_t)k * m->pass_stride))->set == set) return 1;
  return 0;
}

static const samples plain = {.shift = {0, 0.4, 0, 0, 0}, .batch = CHECK_SET};

uint32_t check_metric_identical(subject *s) {
  const gantry_metric *m = s->live->iface;
  samples equal = plain, apart = plain;
  double a[VALUES], b[VALUES];
  uint32_t n;
  err e = {0};
  if (!has_set(m, GANTRY_FAKE) || !has_set(m, GANTRY_REAL)) return check_say(s, CHECK_SKIP, "it compares no real set with a generated one");
  equal.same = 1;
  apart.shift[GANTRY_FAKE] = 3;
  if (measure(s, &equal, a, &n, &e) || measure(s, &apart, b, &n, &e)) return check_say(s, CHECK_FAIL, "%s", e.msg);
  for (uint32_t k = 0; k < n; k++) {
    const gantry_value *v = value_at(m, k);
    if (!isfinite(a[k])) return check_say(s, CHECK_FAIL, "\"%s\" of two equal sets is %g", v->name, a[k]);
    if (v->better && (a[k] - b[k]) * v->better < -1e-9 * fmax(1, fabs(a[k]))) return check_say(s, CHECK_FAIL, "\"%s\" of two equal sets is %.6g, of sets far apart %.6g: which is better is declared the wrong way round, or it measures something else", v->name, a[k], b[k]);
  }
  return CHECK_PASS;
}

/* Within 1e-6: roots of eigenvalues that are zero but for rounding are known to 1e-8 only. */
static uint32_t same(subject *s, const samples *p, const samples *q, const char *how) {
  const gantry_metric *m = s->live->iface;
  double a[VALUES], b[VALUES];
  uint32_t n;
  err e = {0};
  if (has_set(m, GANTRY_DRAWS)) return check_say(s, CHECK_SKIP, "it draws its own samples: another batch is another draw");
  if (measure(s, p, a, &n, &e) || measure(s, q, b, &n, &e)) return check_say(s, CHECK_FAIL, "%s", e.msg);
  for (uint32_t k = 0; k < n; k++)
    if (!(fabs(a[k] - b[k]) <= 1e-6 * fmax(1, fabs(a[k]))) && !(isnan(a[k]) && isnan(b[k]))) return check_say(s, CHECK_FAIL, "\"%s\" is %.9g, %s %.9g", value_at(m, k)->name, a[k], how, b[k]);
  return CHECK_PASS;
}

/* A value that follows from nothing kept is the same for every run. */
uint32_t check_metric_values(subject *s) {
  const gantry_metric *m = s->live->iface;
  stage *st;
  err e = {0};
  uint32_t verdict = stage_open(s, s->values, 0, NULL, &st, &e) ? check_say(s, CHECK_FAIL, "%s", e.msg) : (uint32_t)CHECK_PASS;
  for (uint32_t k = 0; k < m->n_values && !verdict; k++) {
    const ir_graph *g = st->b->g;
    ir_id v = stage_find(st, arena_fmt(s->mem, "value.%u", k));
    int follows = 0;
    for (ir_id id = 1; id < g->nodes.n && !follows; id++) follows = (ir_at(g, id)->op == GANTRY_OP_INPUT || ir_at(g, id)->op == GANTRY_OP_STATE) && ir_depends(g, v, id);
    if (!follows) verdict = check_say(s, CHECK_WARN, "\"%s\" is a constant: nothing that a pass kept enters it", value_at(m, k)->name);
  }
  if (!verdict && st->narrow) verdict = check_say(s, CHECK_WARN, "\"%s\" is not f64: what kept() gives is, and nothing else need be", st->narrow);
  stage_close(st);
  return verdict;
}

uint32_t check_metric_order(subject *s) {
  samples shuffled = plain;
  shuffled.order = s->seed + 5;
  return same(s, &plain, &shuffled, "with the samples in another order");
}

uint32_t check_metric_batches(subject *s) {
  samples small = plain;
  small.batch = 5;
  return same(s, &plain, &small, "in batches of 5 whose last is padded (multiply by batch->valid what is summed)");
}
