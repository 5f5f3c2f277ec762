/* json.c - everything that the report's model holds as one JSON object, for programs. See model.h.
 *
 * The same database gives the same bytes: objects keep this order, rows that of cells, seeds and levels, and no clock is read. Numbers have all their digits; NaN is null. Differences
 * are in the metric's "unit". Curves are not in it: `--table curves` of CSV and the view `curves` have them. */
#include <math.h>

#include "report/exchange.h"
#include "report/model.h"

static void key(buf *b, const char *name, int first) { buf_printf(b, "%s\"%s\": ", first ? "" : ", ", name); }
static void put_text(buf *b, const char *name, const char *s) {
  key(b, name, 0);
  exchange_json(b, s);
}
static void put_number(buf *b, const char *name, double v) {
  key(b, name, 0);
  exchange_json_number(b, v);
}
static void put_count(buf *b, const char *name, int64_t v) { buf_printf(b, ", \"%s\": %lld", name, (long long)v); }
static void put_cell(buf *b, const char *name, const report_model *m, int64_t k) { /* a cell's number, or null */
  key(b, name, 0);
  if (k < 0) buf_puts(b, "null");
  else buf_printf(b, "%lld", (long long)m->cells[k].idx);
}
static void put_flag(buf *b, const char *name, int on) { buf_printf(b, ", \"%s\": %s", name, on ? "true" : "false"); }

static void lines(buf *b, const char *name, const char *s) { /* a list of the lines of s */
  arena *a = arena_new();
  key(b, name, 0);
  buf_puts(b, "[");
  for (int first = 1; s && *s; first = 0) {
    size_t n = strcspn(s, "\n");
    buf_puts(b, first ? "\n  " : ",\n  ");
    exchange_json(b, arena_strn(a, s, n));
    s += n + (s[n] == '\n');
  }
  buf_puts(b, "]");
  arena_free(a);
}

static void effect(buf *b, const report_model *m, const stat_effect *e) {
  key(b, "change", 0);
  exchange_json_number(b, report_shown(m, e->mean));
  put_number(b, "lo", report_shown(m, e->lo));
  put_number(b, "hi", report_shown(m, e->hi));
  put_number(b, "se", e->se); /* on the scale that is compared: of logarithms where the unit is percent */
  put_number(b, "df", e->df);
  put_count(b, "contexts", e->contexts);
  put_count(b, "seeds", e->seeds);
  put_count(b, "pairs", e->pairs);
  put_count(b, "dropped", e->dropped);
  put_number(b, "share_lower", e->share_less);
  put_number(b, "p", e->p);
  put_number(b, "p_least", e->p_least);
  put_flag(b, "by_seed", e->by_seed);
  put_flag(b, "too_few", e->few);
}

static void metric(buf *b, const report_model *m) {
  buf_puts(b, "{\"name\": ");
  exchange_json(b, m->metric);
  put_text(b, "goal", m->higher ? "max" : "min");
  put_text(b, "weights", m->weights);
  put_text(b, "reduce", m->reduce);
  put_text(b, "unit", m->log_scale ? "percent" : "absolute");
  put_number(b, "untrained", m->untrained);
  put_number(b, "real", m->real);
  put_count(b, "measured", m->n_measured);
  put_count(b, "nan", m->n_nan);
  put_cell(b, "best", m, m->best);
  buf_puts(b, ",\n  \"cells\": [");
  for (uint32_t k = 0, first = 1; k < m->n_cells; k++) {
    const report_cell *c = &m->cells[k];
    if (c->excluded) continue;
    buf_printf(b, "%s{\"cell\": %lld", first ? "\n   " : ",\n   ", (long long)c->idx);
    first = 0;
    put_count(b, "n", c->stat.n);
    put_number(b, "mean", c->stat.mean);
    put_number(b, "sd", c->stat.sd);
    put_number(b, "lo", c->stat.mean - c->stat.half);
    put_number(b, "hi", c->stat.mean + c->stat.half);
    put_flag(b, "close_to_best", c->stat.n && c->close_to_best);
    key(b, "against_baseline", 0);
    if (c->against_base.contexts) {
      buf_puts(b, "{\"cell\": ");
      buf_printf(b, "%lld", (long long)m->cells[m->base].idx);
      effect(b, m, &c->against_base);
      buf_putc(b, '}');
    } else {
      buf_puts(b, "null");
    }
    buf_putc(b, '}');
  }
  buf_puts(b, "],\n  \"effects\": [");
  for (uint32_t k = 0; k < m->n_contrasts; k++) {
    const report_contrast *c = &m->contrasts[k];
    buf_puts(b, k ? ",\n   {\"factor\": " : "\n   {\"factor\": ");
    exchange_json(b, c->factor);
    put_text(b, "from", c->from);
    put_text(b, "to", c->to);
    effect(b, m, &c->e);
    put_number(b, "p_holm", c->p_holm);
    put_number(b, "smallest", report_shown(m, c->best_context));
    put_number(b, "largest", report_shown(m, c->worst_context));
    put_flag(b, "identical", c->nothing);
    buf_putc(b, '}');
  }
  buf_puts(b, "]}");
}

static void factors(buf *b, const report_model *m) {
  buf_puts(b, ",\n \"factors\": [");
  for (uint32_t f = 0; f < m->n_factors; f++) {
    const report_factor *x = &m->factors[f];
    buf_puts(b, f ? ",\n  {\"name\": " : "\n  {\"name\": ");
    exchange_json(b, x->name);
    put_text(b, "baseline", x->baseline < x->n_levels ? x->levels[x->baseline] : NULL);
    buf_puts(b, ", \"levels\": [");
    for (uint32_t k = 0; k < x->n_levels; k++) {
      if (k) buf_puts(b, ", ");
      exchange_json(b, x->levels[k]);
    }
    buf_puts(b, "]}");
  }
  buf_puts(b, "]");
}

static void cells(buf *b, const report_model *m) {
  buf_puts(b, ",\n \"cells\": [");
  for (uint32_t k = 0; k < m->n_cells; k++) {
    const report_cell *c = &m->cells[k];
    buf_printf(b, "%s{\"cell\": %lld", k ? ",\n  " : "\n  ", (long long)c->idx);
    put_text(b, "label", c->label);
    buf_puts(b, ", \"levels\": {");
    for (uint32_t f = 0, first = 1; f < m->n_factors; f++) {
      if (c->level[f] < 0) continue;
      if (!first) buf_puts(b, ", ");
      exchange_json(b, m->factors[f].name);
      buf_puts(b, ": ");
      exchange_json(b, m->factors[f].levels[c->level[f]]);
      first = 0;
    }
    buf_puts(b, "}");
    put_text(b, "excluded", c->excluded);
    put_cell(b, "same_as", m, c->same_as);
    put_count(b, "runs", report_planned(c));
    put_count(b, "done", c->done);
    put_count(b, "diverged", c->diverged);
    put_count(b, "failed", c->failed);
    put_count(b, "pruned", c->pruned);
    put_count(b, "unfinished", c->unfinished);
    buf_putc(b, '}');
  }
  buf_puts(b, "]");
}

static void runs(buf *b, const report_model *m, uint32_t n) {
  buf_puts(b, ",\n \"runs\": [");
  for (uint32_t k = 0, first = 1; k < m->n_cells; k++)
    for (uint32_t s = 0; s < m->n_seeds; s++) {
      const report_run *r = report_run_at(m, k, s);
      if (!r->uid) continue;
      buf_printf(b, "%s{\"cell\": %lld", first ? "\n  " : ",\n  ", (long long)m->cells[k].idx);
      first = 0;
      put_count(b, "seed", m->seeds[s]);
      put_text(b, "run", r->uid);
      put_text(b, "status", r->status);
      put_count(b, "step", r->step);
      put_count(b, "total_steps", r->total);
      put_number(b, "train_s", r->train_s);
      put_text(b, "dir", r->dir);
      put_text(b, "error_class", r->error_class);
      put_text(b, "error_text", r->error_text);
      buf_puts(b, ", \"values\": {");
      for (uint32_t i = 0, one = 1; i < n; i++) {
        if (!m[i].metric) continue;
        if (!one) buf_puts(b, ", ");
        exchange_json(b, m[i].metric);
        buf_puts(b, ": ");
        exchange_json_number(b, report_run_at(&m[i], k, s)->value);
        one = 0;
      }
      buf_puts(b, "}}");
    }
  buf_puts(b, "]");
}

void report_json(const report_model *m, uint32_t n, arena *a, buf *b) {
  buf verdict = {0};
  buf_puts(b, "{\"grid\": ");
  exchange_json(b, m->grid);
  put_text(b, "question", m->question);
  put_text(b, "judge", m->metric);
  put_cell(b, "baseline", m, m->base);
  report_verdict(m, a, &verdict);
  lines(b, "verdict", verdict.p);
  buf_free(&verdict);
  buf_puts(b, ", \"notes\": [");
  for (uint32_t k = 0; k < m->n_warnings; k++) {
    buf_puts(b, k ? ",\n  " : "\n  ");
    exchange_json(b, m->warnings[k]);
  }
  buf_puts(b, "],\n \"seeds\": [");
  for (uint32_t s = 0; s < m->n_seeds; s++) buf_printf(b, "%s%lld", s ? ", " : "", (long long)m->seeds[s]);
  buf_puts(b, "]");
  factors(b, m);
  cells(b, m);
  buf_puts(b, ",\n \"metrics\": [");
  for (uint32_t i = 0, first = 1; i < n; i++) {
    if (!m[i].metric) continue;
    buf_puts(b, first ? "\n  " : ",\n  ");
    metric(b, &m[i]);
    first = 0;
  }
  buf_puts(b, "]");
  runs(b, m, n);
  buf_puts(b, "}\n");
}
