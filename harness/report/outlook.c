/* outlook.c - see outlook.h. */
#include "report/outlook.h"

#include <math.h>

gantry_status outlook_step_seconds(db *d, const char *grid, const char *config_json, double *seconds, err *e) {
  static const char *const wheres[] = {"c.json=?1", "EXISTS(SELECT 1 FROM cell_run x JOIN grid g ON g.id=x.grid_id WHERE x.run_id=r.id AND g.name=?2)"};
  *seconds = 0;
  for (size_t k = 0; k < 2 && *seconds == 0; k++) {
    arena *a = arena_new();
    db_table t;
    const char *sql = arena_fmt(a, "SELECT sum(ms)/1000.0/sum(step) FROM (SELECT (SELECT train_ms FROM clock t WHERE t.run_id=r.id ORDER BY step DESC LIMIT 1) ms, r.step step FROM run r JOIN config c ON c.id=r.config_id"
                                   " WHERE r.step>0 AND %s AND ?1 IS NOT NULL AND ?2 IS NOT NULL)", wheres[k]);
    gantry_status st = db_query(d, a, &t, e, sql, "tt", config_json, grid);
    if (!st && t.n_rows && db_at(&t, 0, 0)->type == DB_REAL) *seconds = db_at(&t, 0, 0)->f;
    arena_free(a);
    TRY(st);
  }
  return GANTRY_OK;
}

gantry_status outlook_spread(db *d, const char *grid, const char *metric, const char *weights, int log_scale, double *sd, int64_t *df, err *e) {
  arena *a = arena_new();
  db_table t;
  double squares = 0;
  *sd = 0;
  *df = 0;
  /* of each run the value that is judged: the wanted weights where there are such, of the newest protocol */
  gantry_status st = db_query(d, a, &t, e, "SELECT cell, last FROM (SELECT r.cell, r.last, row_number() OVER (PARTITION BY r.cell, r.seed ORDER BY r.weights=?3 DESC, r.last_step DESC, r.protocol) k FROM results r JOIN cells c ON c.grid=r.grid AND c.cell=r.cell"
                              " WHERE r.grid=?1 AND r.metric=?2 AND r.status='done' AND r.last IS NOT NULL AND c.same_as IS NULL) WHERE k=1 ORDER BY cell", "ttt", grid, metric, !strcmp(weights, "raw") ? "raw" : "ema");
  for (uint32_t from = 0, to; !st && from < t.n_rows; from = to) {
    double sum = 0, square = 0;
    uint32_t n = 0;
    for (to = from; to < t.n_rows && db_at(&t, to, 0)->i == db_at(&t, from, 0)->i; to++) {
      double v = db_at(&t, to, 1)->f;
      if (log_scale && !(v > 0)) continue;
      v = log_scale ? log(v) : v;
      sum += v;
      square += v * v;
      n++;
    }
    if (n < 2) continue;
    squares += square - sum * sum / n;
    *df += n - 1;
  }
  if (*df) *sd = sqrt(squares > 0 ? squares / (double)*df : 0);
  arena_free(a);
  return st;
}

double outlook_detectable(double sd, uint32_t n, uint32_t k) {
  if (n < 2 || !k) return NAN;
  return (stat_t_quantile(0.975, n - 1.0) + stat_t_quantile(0.8, n - 1.0)) * sd * sqrt(2.0 / ((double)n * k));
}
