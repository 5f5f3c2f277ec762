/* model.c - reading a grid and computing what is said about it. See model.h.
 *
 * Means leave out diverged runs and say how many there were. Comparisons are always between equal seeds. */
#include "report/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static gantry_status load_grid(db *d, const char *grid, arena *a, report_model *m, err *e) {
  db_table t;
  TRY(db_query(d, a, &t, e, "SELECT id,name,coalesce(question,''),judge_metric,judge_weights,judge_reduce,goal FROM grid WHERE ?1 IS NULL OR name=?1 ORDER BY id DESC LIMIT 1", "t", grid));
  if (!t.n_rows) {
    db_table all;
    buf names = {0};
    TRY(db_query(d, a, &all, e, "SELECT name FROM grid ORDER BY name", ""));
    for (uint32_t k = 0; k < all.n_rows; k++) buf_printf(&names, "%s%s", k ? ", " : "", db_at(&all, k, 0)->s);
    err_set(e, GANTRY_E_CONFIG, "there is no grid \"%s\" in the database; it has %s", grid ? grid : "", names.p ? names.p : "none");
    buf_free(&names);
    return e->code;
  }
  m->grid_id = db_at(&t, 0, 0)->i;
  m->grid = db_at(&t, 0, 1)->s;
  m->question = db_at(&t, 0, 2)->s;
  m->metric = db_at(&t, 0, 3)->s;
  m->weights = db_at(&t, 0, 4)->s;
  m->reduce = db_at(&t, 0, 5)->s;
  m->higher = !strcmp(db_at(&t, 0, 6)->s, "max");
  return GANTRY_OK;
}

static gantry_status load_factors(db *d, arena *a, report_model *m, err *e) {
  db_table f, l;
  TRY(db_query(d, a, &f, e, "SELECT idx,name,baseline_level FROM factor WHERE grid_id=? ORDER BY idx", "i", m->grid_id));
  m->n_factors = f.n_rows;
  m->factors = ARENA_ARRAY(a, report_factor, f.n_rows + 1);
  for (uint32_t k = 0; k < f.n_rows; k++) {
    TRY(db_query(d, a, &l, e, "SELECT label FROM level WHERE grid_id=? AND factor_idx=? ORDER BY idx", "ii", m->grid_id, db_at(&f, k, 0)->i));
    report_factor *x = &m->factors[k];
    *x = (report_factor){.name = db_at(&f, k, 1)->s, .levels = ARENA_ARRAY(a, const char *, l.n_rows + 1), .n_levels = l.n_rows, .baseline = (uint32_t)db_at(&f, k, 2)->i};
    for (uint32_t i = 0; i < l.n_rows; i++) x->levels[i] = db_at(&l, i, 0)->s;
  }
  return GANTRY_OK;
}

static gantry_status load_cells(db *d, arena *a, report_model *m, err *e) {
  db_table c, l, s;
  TRY(db_query(d, a, &c, e, "SELECT idx,label,excluded,coalesce(same_as,-1) FROM cell WHERE grid_id=? ORDER BY idx", "i", m->grid_id));
  TRY(db_query(d, a, &l, e, "SELECT cell_idx,factor_idx,level_idx FROM cell_level WHERE grid_id=?", "i", m->grid_id));
  TRY(db_query(d, a, &s, e, "SELECT DISTINCT seed FROM cell_run WHERE grid_id=? ORDER BY seed", "i", m->grid_id));
  m->n_cells = c.n_rows;
  m->cells = ARENA_ARRAY(a, report_cell, c.n_rows + 1);
  for (uint32_t k = 0; k < c.n_rows; k++) {
    int32_t *lv = ARENA_ARRAY(a, int32_t, m->n_factors + 1);
    for (uint32_t f = 0; f < m->n_factors; f++) lv[f] = -1;
    m->cells[k] = (report_cell){.idx = db_at(&c, k, 0)->i, .label = db_at(&c, k, 1)->s, .excluded = db_at(&c, k, 2)->s, .same_as = db_at(&c, k, 3)->i, .level = lv};
  }
  for (uint32_t k = 0; k < l.n_rows; k++) {
    int64_t i = db_at(&l, k, 0)->i, f = db_at(&l, k, 1)->i;
    if (i < m->n_cells && f < m->n_factors) ((int32_t *)(uintptr_t)m->cells[i].level)[f] = (int32_t)db_at(&l, k, 2)->i;
  }
  int64_t *seeds = ARENA_ARRAY(a, int64_t, s.n_rows + 1);
  for (uint32_t k = 0; k < s.n_rows; k++) seeds[k] = db_at(&s, k, 0)->i;
  m->seeds = seeds;
  m->n_seeds = s.n_rows;
  return GANTRY_OK;
}

/* The mean of one kind of reference value (of untrained generators, of held-out images) over the runs, each from the set size that is judged now: a smoke test, or a metric of other
 * numbers before, left rows of other sizes, with which it has nothing to do. Held-out sets may be smaller than asked for; then the largest. */
static gantry_status reference(db *d, arena *a, const report_model *m, const char *fake, const char *which, double *out, err *e) {
  db_table t;
  double n_fake = -1, sum = 0;
  uint32_t n = 0;
  const char *sql = arena_fmt(a, "SELECT v.n_fake, v.value FROM runs r LEFT JOIN config c ON c.id=r.config_id JOIN eval v ON v.run_id=r.run_id JOIN metric m ON m.id=v.metric_id WHERE r.grid=?1 AND m.name=?2 AND v.value IS NOT NULL AND v.n_fake<=coalesce(%s,v.n_fake) AND %s", fake, which);
  TRY(db_query(d, a, &t, e, sql, "tt", m->grid, m->metric ? m->metric : ""));
  for (uint32_t k = 0; k < t.n_rows; k++) n_fake = fmax(n_fake, (double)db_at(&t, k, 0)->i);
  for (uint32_t k = 0; k < t.n_rows; k++)
    if ((double)db_at(&t, k, 0)->i == n_fake) sum += db_at(&t, k, 1)->f, n++;
  *out = n ? sum / n : NAN;
  return GANTRY_OK;
}

static gantry_status load_runs(db *d, arena *a, report_model *m, err *e) {
  db_table t, values;
  uint32_t at = 0; /* in values: both tables go by cell and seed, and of one run the first row is the judged one */
  const char *order = !strcmp(m->reduce, "best") ? (m->higher ? "v.value IS NULL, v.value DESC" : "v.value IS NULL, v.value") : "v.step DESC";
  /* how many samples the cell's settings ask for now: "metrics.<id>.fake" */
  const char *id = m->metric ? arena_strn(a, m->metric, strcspn(m->metric, ".")) : "", *fake = arena_fmt(a, "json_extract(c.json,'$.metrics.\"%s\".fake')", id);
  const char *sql = arena_fmt(a, "SELECT r.cell,r.seed,v.value,v.n_fake FROM runs r LEFT JOIN config c ON c.id=r.config_id JOIN eval v ON v.run_id=r.run_id JOIN metric m ON m.id=v.metric_id"
    " WHERE r.grid=?1 AND m.name=?2 AND v.weights<>'real' ORDER BY r.cell,r.seed,v.weights='%s' DESC,v.n_fake=%s DESC,%s", !strcmp(m->weights, "raw") ? "raw" : "ema", fake, order);
  TRY(db_query(d, a, &values, e, sql, "tt", m->grid, m->metric ? m->metric : ""));
  TRY(db_query(d, a, &t, e, "SELECT cell,seed,run,status,dir,error_class,error_text,run_id,step,coalesce(total_steps,0),train_s FROM runs WHERE grid=?1 ORDER BY cell,seed", "t", m->grid));
  TRY(reference(d, a, m, fake, "v.weights<>'real' AND v.step=0", &m->untrained, e));
  TRY(reference(d, a, m, fake, "v.weights='real'", &m->real, e));
  m->runs = ARENA_ARRAY(a, report_run, (size_t)m->n_cells * m->n_seeds + 1);
  for (size_t k = 0; k < (size_t)m->n_cells * m->n_seeds; k++) m->runs[k].value = NAN;
  for (uint32_t k = 0; k < t.n_rows; k++) {
    int64_t cell = db_at(&t, k, 0)->i;
    uint32_t s = 0;
    while (s < m->n_seeds && m->seeds[s] != db_at(&t, k, 1)->i) s++;
    if (cell >= m->n_cells || s == m->n_seeds) continue;
    report_run *r = &m->runs[(size_t)cell * m->n_seeds + s];
    while (at < values.n_rows && (db_at(&values, at, 0)->i < cell || (db_at(&values, at, 0)->i == cell && db_at(&values, at, 1)->i < db_at(&t, k, 1)->i))) at++;
    int has = at < values.n_rows && db_at(&values, at, 0)->i == cell && db_at(&values, at, 1)->i == db_at(&t, k, 1)->i, number = has && db_at(&values, at, 2)->type != DB_NULL;
    *r = (report_run){.uid = db_at(&t, k, 2)->s, .status = db_at(&t, k, 3)->s, .dir = db_at(&t, k, 4)->s, .error_class = db_at(&t, k, 5)->s, .error_text = db_at(&t, k, 6)->s, .id = db_at(&t, k, 7)->i,
                      .step = db_at(&t, k, 8)->i, .total = db_at(&t, k, 9)->i, .train_s = db_at(&t, k, 10)->f, .value = number ? db_at(&values, at, 2)->f : NAN};
    r->n_fake = has ? (double)db_at(&values, at, 3)->i : 0;
    r->is_nan = has && !number && !strcmp(r->status, "done");
    report_cell *c = &m->cells[cell];
    if (!strcmp(r->status, "done")) c->done++;
    else if (!strcmp(r->status, "diverged")) c->diverged++, r->value = NAN;
    else if (!strcmp(r->status, "failed") || !strcmp(r->status, "killed")) c->failed++, r->value = NAN;
    else if (!strcmp(r->status, "pruned")) c->pruned++, r->value = NAN;
    else c->unfinished++, r->value = NAN; /* a number from half way is no result */
  }
  return GANTRY_OK;
}

uint32_t report_planned(const report_cell *c) { return c->done + c->diverged + c->failed + c->pruned + c->unfinished; }
const report_run *report_run_at(const report_model *m, uint32_t cell, uint32_t seed) { return &m->runs[(size_t)cell * m->n_seeds + seed]; }

static double scaled(const report_model *m, double v) { return m->log_scale ? log(v) : v; }

static void differences(const report_model *m, uint32_t from, uint32_t to, double *d) {
  for (uint32_t s = 0; s < m->n_seeds; s++) d[s] = scaled(m, report_run_at(m, to, s)->value) - scaled(m, report_run_at(m, from, s)->value);
}

static uint32_t find_pairs(const report_model *m, arena *a, uint32_t f, uint32_t level, pairs_pair **p, uint32_t *contexts) {
  pairs_cell *c = ARENA_ARRAY(a, pairs_cell, m->n_cells + 1);
  for (uint32_t k = 0; k < m->n_cells; k++) c[k] = (pairs_cell){m->cells[k].level, m->cells[k].same_as, m->cells[k].excluded != NULL};
  return pairs_find(c, m->n_cells, m->n_factors, f, (int32_t)m->factors[f].baseline, (int32_t)level, a, p, contexts);
}

uint32_t report_pairs(const report_model *m, const report_contrast *c, arena *a, const pairs_pair **p) {
  pairs_pair *found;
  uint32_t contexts, n = find_pairs(m, a, c->f, c->level, &found, &contexts);
  *p = found;
  return n;
}

static void contrast(report_model *m, arena *a, uint32_t f, uint32_t level) {
  pairs_pair *p;
  uint32_t contexts, n = find_pairs(m, a, f, level, &p, &contexts), seeds = m->n_seeds;
  double *d = ARENA_ARRAY(a, double, ((size_t)contexts + 1) * (seeds + 1)), *one = ARENA_ARRAY(a, double, seeds + 1);
  uint32_t *count = ARENA_ARRAY(a, uint32_t, ((size_t)contexts + 1) * (seeds + 1));
  report_contrast c = {.factor = m->factors[f].name, .from = m->factors[f].levels[m->factors[f].baseline], .to = m->factors[f].levels[level], .f = f, .level = level, .worst_context = NAN, .best_context = NAN, .p_holm = NAN, .nothing = 1};
  for (uint32_t k = 0; k < n; k++) {
    differences(m, p[k].from, p[k].to, one);
    for (uint32_t s = 0; s < seeds; s++)
      if (!isnan(one[s])) d[(size_t)p[k].context * seeds + s] += one[s], count[(size_t)p[k].context * seeds + s]++, c.nothing &= one[s] == 0;
  }
  for (size_t k = 0; k < (size_t)contexts * seeds; k++) d[k] = count[k] ? d[k] / count[k] : NAN;
  for (uint32_t k = 0; k < contexts; k++) {
    stat_cell x = stat_of(d + (size_t)k * seeds, seeds);
    if (x.n && !(x.mean <= c.worst_context)) c.worst_context = x.mean;
    if (x.n && !(x.mean >= c.best_context)) c.best_context = x.mean;
  }
  c.e = stat_paired(d, contexts, seeds);
  stat_doubt(&c.e, m->coarse);
  c.nothing &= c.e.pairs > 0;
  if (c.e.contexts) m->contrasts[m->n_contrasts++] = c;
}

/* Two runs with the same value of a count may still be two runs. These are one run twice: of everything that both logged all along, nothing differs (but how fast it went). */
static gantry_status one_run_twice(db *d, arena *a, int64_t from, int64_t to, int *same, err *e) {
  db_table t;
  TRY(db_query(d, a, &t, e, "SELECT count(*), sum(x.n IS NOT y.n OR x.last IS NOT y.last OR x.min IS NOT y.min OR x.max IS NOT y.max) FROM summary x JOIN summary y ON y.metric_id=x.metric_id AND y.run_id=?2 JOIN metric m ON m.id=x.metric_id"
                           " WHERE x.run_id=?1 AND m.name<>'steps_per_second'", "ii", from, to));
  *same = t.n_rows && db_at(&t, 0, 0)->i > 0 && db_at(&t, 0, 1)->i == 0;
  return GANTRY_OK;
}

/* A level whose runs are those of the baseline changed nothing: its setting was not heard. */
static gantry_status find_nothing(db *d, arena *a, report_model *m, err *e) {
  for (uint32_t n = 0; n < m->n_contrasts; n++) {
    report_contrast *c = &m->contrasts[n];
    pairs_pair *p;
    uint32_t contexts, n_pairs = c->nothing ? find_pairs(m, a, c->f, c->level, &p, &contexts) : 0;
    for (uint32_t k = 0; k < n_pairs && c->nothing; k++)
      for (uint32_t s = 0; s < m->n_seeds && c->nothing; s++) {
        const report_run *x = report_run_at(m, p[k].from, s), *y = report_run_at(m, p[k].to, s);
        int same = 1;
        if (isnan(x->value) || isnan(y->value)) continue;
        if (x->id != y->id) TRY(one_run_twice(d, a, x->id, y->id, &same, e));
        c->nothing = (uint8_t)same;
      }
  }
  return GANTRY_OK;
}

/* Holm's correction over all contrasts: the k-th smallest p times what is left. */
static void correct(report_model *m) {
  double floor_ = 0;
  uint32_t left = 0;
  for (uint32_t k = 0; k < m->n_contrasts; k++) left += isnan(m->contrasts[k].e.p) ? 0 : 1;
  while (left) {
    report_contrast *least = NULL;
    for (uint32_t k = 0; k < m->n_contrasts; k++)
      if (!isnan(m->contrasts[k].e.p) && isnan(m->contrasts[k].p_holm) && (!least || m->contrasts[k].e.p < least->e.p)) least = &m->contrasts[k];
    if (!least) break;
    floor_ = fmax(floor_, fmin(1, least->e.p * left--));
    least->p_holm = floor_;
  }
}

static void find_best(report_model *m) {
  m->best = -1;
  for (uint32_t k = 0; k < m->n_cells; k++) {
    const stat_cell *c = &m->cells[k].stat;
    if (!c->n || m->cells[k].same_as >= 0) continue;
    if (m->best < 0 || (m->higher ? c->mean > m->cells[m->best].stat.mean : c->mean < m->cells[m->best].stat.mean)) m->best = (int64_t)k;
  }
}

static void compare_cells(report_model *m, arena *a) {
  double *d = ARENA_ARRAY(a, double, m->n_seeds + 1);
  m->base = -1;
  for (uint32_t k = 0; k < m->n_cells && m->base < 0; k++) {
    int all = !m->cells[k].excluded;
    for (uint32_t f = 0; f < m->n_factors; f++) all &= m->cells[k].level[f] < 0 || m->cells[k].level[f] == (int32_t)m->factors[f].baseline;
    if (all) m->base = (int64_t)k;
  }
  for (uint32_t k = 0; k < m->n_cells; k++) {
    report_cell *c = &m->cells[k];
    if (!c->stat.n) continue;
    if (m->base >= 0 && m->base != (int64_t)k) {
      differences(m, (uint32_t)m->base, k, d);
      c->against_base = stat_paired(d, 1, m->n_seeds);
      stat_doubt(&c->against_base, m->coarse);
    }
    if (m->best < 0) continue;
    differences(m, (uint32_t)m->best, k, d);
    stat_effect e = stat_paired(d, 1, m->n_seeds);
    stat_doubt(&e, m->coarse);
    c->close_to_best = m->best == (int64_t)k || isnan(e.lo) || (e.lo <= 0 && e.hi >= 0); /* no replication, no distinction */
  }
}

static gantry_status set_metric(db *d, const char *metric, arena *a, report_model *m, err *e) {
  db_table t;
  TRY(db_query(d, a, &t, e, "SELECT goal FROM metric WHERE name=?", "t", metric));
  m->metric = metric;
  m->higher = t.n_rows && db_at(&t, 0, 0)->s && !strcmp(db_at(&t, 0, 0)->s, "max");
  return GANTRY_OK;
}

static void warn(report_model *m, const char *text) { m->warnings[m->n_warnings++] = text; }

/* What a metric that is not the judging one is looked at by; NULL: the judging one. */
static gantry_status load(db *d, const char *grid, const char *metric, arena *a, report_model *m, err *e) {
  *m = (report_model){0};
  TRY(load_grid(d, grid, a, m, e));
  if (metric) TRY(set_metric(d, metric, a, m, e));
  TRY(load_factors(d, a, m, e));
  TRY(load_cells(d, a, m, e));
  TRY(load_runs(d, a, m, e));
  m->log_scale = !m->higher;
  uint32_t with = 0, diverged = 0, failed = 0, pruned = 0, open = 0, levels = 0;
  for (size_t k = 0; k < (size_t)m->n_cells * m->n_seeds; k++) {
    if (!isnan(m->runs[k].value)) with++;
    if (m->runs[k].value <= 0) m->log_scale = 0; /* ratios need positive numbers */
  }
  double *v = ARENA_ARRAY(a, double, m->n_seeds + 1);
  m->coarse = with > 0;
  for (size_t k = 0; k < (size_t)m->n_cells * m->n_seeds; k++) {
    const report_run *r = &m->runs[k];
    m->n_nan += r->is_nan;
    m->n_measured += r->is_nan || !isnan(r->value);
    if (!isnan(r->value)) m->coarse &= r->n_fake > 0 && stat_coarse(&r->value, 1, r->n_fake);
  }
  for (uint32_t k = 0; k < m->n_cells; k++) {
    for (uint32_t s = 0; s < m->n_seeds; s++) v[s] = report_run_at(m, k, s)->value;
    m->cells[k].stat = stat_of(v, m->n_seeds);
    if (m->cells[k].same_as >= 0) continue;
    diverged += m->cells[k].diverged;
    failed += m->cells[k].failed;
    open += m->cells[k].unfinished;
    pruned += m->cells[k].pruned;
  }
  find_best(m);
  compare_cells(m, a);
  for (uint32_t f = 0; f < m->n_factors; f++) levels += m->factors[f].n_levels;
  m->contrasts = ARENA_ARRAY(a, report_contrast, levels + 1);
  for (uint32_t f = 0; f < m->n_factors; f++)
    for (uint32_t i = 0; i < m->factors[f].n_levels; i++)
      if (i != m->factors[f].baseline) contrast(m, a, f, i);
  correct(m);
  TRY(find_nothing(d, a, m, e));
  m->warnings = ARENA_ARRAY(a, const char *, 9);
  if (with && m->n_seeds < 5) warn(m, arena_fmt(a, "Only %u seed%s: intervals are wide, and no sign-flip p-value can be below %.3g. Five or more are recommended.", m->n_seeds, m->n_seeds == 1 ? "" : "s", m->n_seeds > 1 ? 2.0 / (1u << m->n_seeds) : 1.0));
  if (m->n_nan && with) warn(m, arena_fmt(a, "%s was NaN in %u of %u finished runs: they are missing from every number here.", m->metric, m->n_nan, m->n_measured));
  if (diverged) warn(m, arena_fmt(a, "%u run%s diverged. Means leave them out; they are counted beside the means.", diverged, diverged == 1 ? "" : "s"));
  if (failed) warn(m, arena_fmt(a, "%u run%s failed and %s missing from every number here.", failed, failed == 1 ? "" : "s", failed == 1 ? "is" : "are"));
  if (pruned) warn(m, arena_fmt(a, "%u run%s ended early (early_stopping): means and intervals are of those that were let live, which flatters settings that are often bad.", pruned, pruned == 1 ? " was" : "s were"));
  if (open) warn(m, arena_fmt(a, "%u run%s not finished: `gantry run` continues the grid.", open, open == 1 ? " is" : "s are"));
  if (m->base < 0 && m->n_factors && with) warn(m, "No cell has every factor at its baseline, so none is compared with it; effects are of pairs of cells that differ in one factor.");
  if (!strcmp(m->reduce, "best")) warn(m, "The best evaluation of each run is compared: that flatters runs with more evaluations.");
  return GANTRY_OK;
}

gantry_status report_load(db *d, const char *grid, arena *a, report_model *m, err *e) { return load(d, grid, NULL, a, m, e); }

gantry_status report_load_all(db *d, const char *grid, arena *a, report_model **out, uint32_t *n, err *e) {
  db_table t;
  report_model judged;
  TRY(load(d, grid, NULL, a, &judged, e));
  TRY(db_query(d, a, &t, e, "SELECT DISTINCT m.name FROM cell_run c JOIN eval v ON v.run_id=c.run_id JOIN metric m ON m.id=v.metric_id WHERE c.grid_id=?1 AND v.weights<>'real' AND m.name IS NOT ?2 ORDER BY 1", "it", judged.grid_id, judged.metric));
  *out = ARENA_ARRAY(a, report_model, t.n_rows + 1);
  **out = judged;
  for (*n = 1; *n <= t.n_rows; ++*n) TRY(load(d, judged.grid, db_at(&t, *n - 1, 0)->s, a, *out + *n, e));
  return GANTRY_OK;
}
