/* csv.c - the report's numbers as tables for other programs (RFC 4180, UTF-8, ends of line "\n"). See model.h.
 *
 * One header line, then rows: a row per cell, per effect, per point of a curve, or per pair of runs. Factors are columns that hold the labels of levels, empty where a factor does
 * not apply. In the table of cells a metric's columns begin with its name and a dot ("fd.mean"); elsewhere the metric is a column. Numbers have all their digits; an empty field
 * is a number that there is not. Differences are in the unit that the column "unit" names: percent where logarithms are compared, else the metric's own. */
#include <math.h>

#include "report/exchange.h"
#include "report/model.h"

typedef struct sheet { buf *b; uint32_t col; } sheet;
static buf *next(sheet *s) {
  if (s->col++) buf_putc(s->b, ',');
  return s->b;
}
static void text(sheet *s, const char *v) { exchange_csv(next(s), v); }
static void number(sheet *s, double v) { exchange_number(next(s), v); }
static void count(sheet *s, int64_t v) { buf_printf(next(s), "%lld", (long long)v); }
static void end_row(sheet *s) {
  buf_putc(s->b, '\n');
  s->col = 0;
}

static const char *unit(const report_model *m) { return m->log_scale ? "percent" : "absolute"; }

/* Names of the columns of one metric in the table of cells. */
static const char *const of_metric[] = {"n", "mean", "sd", "lo", "hi", "change", "change_lo", "change_hi", "change_n", "unit", "rank"};
static const char *const of_cell[] = {"cell", "label", "excluded", "same_as", "runs", "done", "diverged", "failed", "pruned", "unfinished", "seed", "metric", "weights", "step", "images", "train_s", "value"};

/* A factor whose name another column has is called factor_<name>, as in the view of the grid. */
static void factor_names(sheet *s, const report_model *m, uint32_t n, arena *a) {
  for (uint32_t f = 0; f < m->n_factors; f++) {
    const char *name = m->factors[f].name;
    int clash = 0;
    for (size_t k = 0; k < sizeof of_cell / sizeof *of_cell; k++) clash |= !strcmp(name, of_cell[k]);
    for (uint32_t i = 0; i < n; i++)
      for (size_t k = 0; m[i].metric && k < sizeof of_metric / sizeof *of_metric; k++) clash |= !strcmp(name, arena_fmt(a, "%s.%s", m[i].metric, of_metric[k]));
    text(s, clash ? arena_fmt(a, "factor_%s", name) : name);
  }
}

static void levels(sheet *s, const report_model *m, uint32_t cell) {
  for (uint32_t f = 0; f < m->n_factors; f++) {
    int32_t l = m->cells[cell].level[f];
    text(s, l < 0 ? NULL : m->factors[f].levels[l]);
  }
}

static void header(sheet *s, const char *const *names, size_t n) {
  for (size_t k = 0; k < n; k++) text(s, names[k]);
}

static void measured(sheet *s, const report_model *m, uint32_t cell) {
  const report_cell *c = &m->cells[cell];
  const stat_effect *e = &c->against_base;
  int compared = e->contexts > 0;
  count(s, c->stat.n);
  number(s, c->stat.mean);
  number(s, c->stat.sd);
  number(s, c->stat.mean - c->stat.half);
  number(s, c->stat.mean + c->stat.half);
  number(s, compared ? report_shown(m, e->mean) : NAN);
  number(s, compared ? report_shown(m, e->lo) : NAN);
  number(s, compared ? report_shown(m, e->hi) : NAN);
  if (compared) count(s, e->pairs);
  else text(s, NULL);
  text(s, unit(m));
  text(s, !c->stat.n ? NULL : (int64_t)cell == m->best ? "best" : c->close_to_best ? "close" : "behind");
}

static void cells(sheet *s, const report_model *m, uint32_t n, arena *a) {
  enum { OF_CELL = 10 };
  header(s, of_cell, 2);
  factor_names(s, m, n, a);
  header(s, of_cell + 2, OF_CELL - 2);
  for (uint32_t i = 0; i < n; i++)
    for (size_t k = 0; m[i].metric && k < sizeof of_metric / sizeof *of_metric; k++) text(s, arena_fmt(a, "%s.%s", m[i].metric, of_metric[k]));
  end_row(s);
  for (uint32_t k = 0; k < m->n_cells; k++) {
    const report_cell *c = &m->cells[k];
    count(s, c->idx);
    text(s, c->label);
    levels(s, m, k);
    text(s, c->excluded);
    if (c->same_as >= 0) count(s, c->same_as);
    else text(s, NULL);
    count(s, report_planned(c));
    count(s, c->done);
    count(s, c->diverged);
    count(s, c->failed);
    count(s, c->pruned);
    count(s, c->unfinished);
    for (uint32_t i = 0; i < n; i++)
      if (m[i].metric) measured(s, &m[i], k);
    end_row(s);
  }
}

static void effects(sheet *s, const report_model *m, uint32_t n) {
  static const char *const names[] = {"factor", "from", "to", "metric", "change", "change_lo", "change_hi", "unit", "contexts", "seeds", "pairs", "dropped", "smallest", "largest", "share_lower", "p", "p_least", "p_holm", "identical"};
  header(s, names, sizeof names / sizeof *names);
  end_row(s);
  for (uint32_t i = 0; i < n; i++)
    for (uint32_t k = 0; k < m[i].n_contrasts; k++) {
      const report_contrast *c = &m[i].contrasts[k];
      text(s, c->factor);
      text(s, c->from);
      text(s, c->to);
      text(s, m[i].metric);
      number(s, report_shown(&m[i], c->e.mean));
      number(s, report_shown(&m[i], c->e.lo));
      number(s, report_shown(&m[i], c->e.hi));
      text(s, unit(&m[i]));
      count(s, c->e.contexts);
      count(s, c->e.seeds);
      count(s, c->e.pairs);
      count(s, c->e.dropped);
      number(s, report_shown(&m[i], c->best_context));
      number(s, report_shown(&m[i], c->worst_context));
      number(s, c->e.share_less);
      number(s, c->e.p);
      number(s, c->e.p_least);
      number(s, c->p_holm);
      count(s, c->nothing);
      end_row(s);
    }
}

static void pairs(sheet *s, const report_model *m, uint32_t n, arena *a) {
  static const char *const names[] = {"factor", "from", "to", "context", "from_cell", "to_cell", "seed", "metric", "from_value", "to_value", "change", "unit"};
  header(s, names, sizeof names / sizeof *names);
  end_row(s);
  for (uint32_t i = 0; i < n; i++)
    for (uint32_t k = 0; k < m[i].n_contrasts; k++) {
      const report_contrast *c = &m[i].contrasts[k];
      const pairs_pair *p;
      uint32_t n_pairs = report_pairs(&m[i], c, a, &p);
      for (uint32_t q = 0; q < n_pairs; q++)
        for (uint32_t seed = 0; seed < m->n_seeds; seed++) {
          double from = report_run_at(&m[i], p[q].from, seed)->value, to = report_run_at(&m[i], p[q].to, seed)->value;
          if (isnan(from) || isnan(to)) continue;
          text(s, c->factor);
          text(s, c->from);
          text(s, c->to);
          count(s, p[q].context);
          count(s, m->cells[p[q].from].idx);
          count(s, m->cells[p[q].to].idx);
          count(s, m->seeds[seed]);
          text(s, m[i].metric);
          number(s, from);
          number(s, to);
          number(s, report_shown(&m[i], m[i].log_scale ? log(to) - log(from) : to - from));
          text(s, unit(&m[i]));
          end_row(s);
        }
    }
}

/* What the page draws: every metric, and the two losses. One cell's rows in memory at a time. */
static gantry_status curves(sheet *s, db *d, const report_model *m, uint32_t n, arena *a, err *e) {
  header(s, of_cell, 2);
  factor_names(s, m, n, a);
  header(s, of_cell + 10, 7);
  end_row(s);
  for (uint32_t k = 0; k < m->n_cells; k++) {
    arena *one = arena_new();
    db_table t = {0};
    gantry_status st = m->cells[k].excluded ? GANTRY_OK : db_query(d, one, &t, e,
      "SELECT seed,metric,weights,step,images,train_s,value FROM curves WHERE grid=?1 AND cell=?2 AND weights IS NOT 'real' AND (protocol IS NOT NULL OR metric IN ('loss_d','loss_g')) ORDER BY metric,weights,seed,step", "ti", m->grid, m->cells[k].idx);
    for (uint32_t r = 0; !st && r < t.n_rows; r++) {
      count(s, m->cells[k].idx);
      text(s, m->cells[k].label);
      levels(s, m, k);
      for (uint32_t c = 0; c < t.n_cols; c++) text(s, db_at(&t, r, c)->s);
      end_row(s);
    }
    arena_free(one);
    if (st) return st;
  }
  return GANTRY_OK;
}

gantry_status report_csv(db *d, const report_model *m, uint32_t n, int table, arena *a, buf *out, err *e) {
  sheet s = {.b = out};
  if (table == REPORT_CURVES) return curves(&s, d, m, n, a, e);
  if (table == REPORT_EFFECTS) effects(&s, m, n);
  else if (table == REPORT_PAIRS) pairs(&s, m, n, a);
  else cells(&s, m, n, a);
  return GANTRY_OK;
}
