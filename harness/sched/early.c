/* early.c - see early.h. */
#include "sched/early.h"

#include <math.h>
#include <stdlib.h>

static int is_baseline(const cfg_experiment *x, uint32_t cell) {
  for (uint32_t f = 0; f < x->n_factors; f++)
    if (x->cells[cell].level[f] >= 0 && x->cells[cell].level[f] != (int32_t)x->factors[f].baseline) return 0;
  return 1;
}

static int wanted(const cfg_experiment *x, const cfg_run *c, const rec *r) {
  if (!x->judge_metric || strcmp(r->u.eval.metric, x->judge_metric) || !strcmp(r->u.eval.weights, "real")) return 0;
  if (strcmp(x->judge_weights, "auto")) return !strcmp(r->u.eval.weights, x->judge_weights);
  return !strcmp(r->u.eval.weights, c->g.ema ? "ema" : "raw");
}

/* Whether this is the first evaluation of the run in its rung. */
static gantry_status new_rung(db *d, const sched_job *j, const rec *r, double after, double factor, int *is, arena *a, err *e) {
  double edge = after;
  while (edge * factor <= (double)r->step) edge *= factor;
  db_table t;
  *is = 0;
  TRY(db_query(d, a, &t, e, "SELECT count(*) FROM eval v JOIN metric m ON m.id=v.metric_id WHERE v.run_id=? AND m.name=? AND v.weights=? AND v.step>=? AND v.step<?", "ittdi", j->run.id, r->u.eval.metric, r->u.eval.weights, edge, r->step));
  *is = !db_at(&t, 0, 0)->i;
  return GANTRY_OK;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

gantry_status early_judge(const cfg_experiment *x, db *d, int64_t grid_id, const sched_job *j, const rec *r, arena *a, int *end, const char **why, err *e) {
  const cfg_early *q = &x->early;
  int64_t after = q->rule ? cfg_steps(j->cfg, q->after, 1, j->total) : 0;
  int rung = 1;
  db_table t;
  *end = 0;
  if (!q->rule || r->step < after || r->step >= j->total || !wanted(x, j->cfg, r) || is_baseline(x, j->cell)) return GANTRY_OK;
  if (q->rule == CFG_ASHA) TRY(new_rung(d, j, r, (double)after, q->factor, &rung, a, e));
  if (!rung) return GANTRY_OK;
  TRY(db_query(d, a, &t, e, "SELECT v.value FROM cell_run c JOIN eval v ON v.run_id=c.run_id JOIN metric m ON m.id=v.metric_id JOIN protocol p ON p.id=v.protocol_id"
                            " WHERE c.grid_id=? AND c.seed=? AND c.run_id<>? AND m.name=? AND p.name=? AND v.weights=? AND v.step=? GROUP BY c.run_id",
               "iiittti", grid_id, (int64_t)j->seed, j->run.id, r->u.eval.metric, r->u.eval.protocol, r->u.eval.weights, r->step));
  if (t.n_rows < (uint64_t)q->least) return GANTRY_OK;
  double sign = x->judge_better > 0 ? -1 : 1, worst = INFINITY, mine = isnan(r->u.eval.value) ? worst : sign * r->u.eval.value, *v = ARENA_ARRAY(a, double, t.n_rows + 1);
  uint32_t better = 0;
  for (uint32_t k = 0; k < t.n_rows; k++) {
    v[k] = db_at(&t, k, 0)->type == DB_NULL ? worst : sign * db_at(&t, k, 0)->f;
    better += v[k] < mine;
  }
  qsort(v, t.n_rows, sizeof *v, ascending);
  double median = t.n_rows % 2 ? v[t.n_rows / 2] : (v[t.n_rows / 2 - 1] + v[t.n_rows / 2]) / 2;
  if (q->rule == CFG_MEDIAN) {
    *end = mine > median;
    *why = arena_fmt(a, "early stopping: %s %.4g at step %lld is worse than the median %.4g of %u other runs of seed %llu", r->u.eval.metric, r->u.eval.value, (long long)r->step, sign * median, t.n_rows, (unsigned long long)j->seed);
  } else {
    uint32_t stay = (uint32_t)((t.n_rows + 1) / q->factor);
    *end = better >= (stay ? stay : 1);
    *why = arena_fmt(a, "early stopping: %s %.4g at step %lld is better than only %u of %u other runs of seed %llu", r->u.eval.metric, r->u.eval.value, (long long)r->step, t.n_rows - better, t.n_rows, (unsigned long long)j->seed);
  }
  return GANTRY_OK;
}
