/* text.c - numbers as people read them: changes with intervals, verdict sentences, tables for the terminal. See model.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "report/model.h"

const char *report_mean_sd(arena *a, const stat_cell *c) {
  if (!c->n) return "-";
  return isnan(c->sd) ? arena_fmt(a, "%.4g", c->mean) : arena_fmt(a, "%.4g ± %.2g", c->mean, c->sd);
}

double report_shown(const report_model *m, double d) { return m->log_scale ? 100 * expm1(d) : d; }

const char *report_change(const report_model *m, arena *a, double d) {
  if (isnan(d)) return "-";
  return m->log_scale ? arena_fmt(a, "%+.1f %%", report_shown(m, d)) : arena_fmt(a, "%+.3g", d);
}

const char *report_change_interval(const report_model *m, arena *a, const stat_effect *e) {
  if (e->few) return "(too few pairs)";
  if (isnan(e->lo)) return "(no replication)";
  return arena_fmt(a, "[%s, %s]", report_change(m, a, e->lo), report_change(m, a, e->hi));
}

static const char *word(const report_model *m, const stat_effect *e) {
  if (e->few) return "too few pairs to tell";
  if (isnan(e->lo)) return "cannot be judged without a second seed";
  if (e->lo <= 0 && e->hi >= 0) return "cannot be told from nothing";
  return (e->mean > 0) == m->higher ? "better" : "worse";
}

/* A name as it stands in a line: a break in it would end the line, other control characters can do worse to a terminal. */
static const char *plain(arena *a, const char *s) {
  char *copy = arena_str(a, s);
  for (char *p = copy; p && *p; p++)
    if ((unsigned char)*p < 0x20 || *p == 0x7f) *p = ' ';
  return copy;
}

void report_verdict(const report_model *m, arena *a, buf *out) {
  if (!m->metric) {
    buf_puts(out, "The experiment names no metric to judge by.\n");
    return;
  }
  if (m->best < 0) {
    if (m->n_nan) buf_printf(out, "%s was NaN in %u of %u finished runs.\n", m->metric, m->n_nan, m->n_measured);
    else buf_printf(out, "No run has a value of %s yet.\n", m->metric);
    return;
  }
  if (!isnan(m->untrained)) buf_printf(out, "Untrained generators: %s %.4g.%s", m->metric, m->untrained, isnan(m->real) ? "\n" : "");
  if (!isnan(m->real)) buf_printf(out, "%sHeld-out real images: %.4g.\n", isnan(m->untrained) ? "" : " ", m->real);
  const report_cell *b = &m->cells[m->best];
  uint32_t close = 0, with = 0;
  for (uint32_t k = 0; k < m->n_cells; k++) {
    if (!m->cells[k].stat.n || m->cells[k].same_as >= 0) continue;
    with++;
    close += m->cells[k].close_to_best && (int64_t)k != m->best;
  }
  buf_printf(out, "Best: %s with %s %s over %u seed%s.\n", plain(a, b->label), m->metric, report_mean_sd(a, &b->stat), b->stat.n, b->stat.n == 1 ? "" : "s");
  if (close && close == with - 1) buf_puts(out, "No other cell can be told apart from it (paired over seeds, 95 %).\n");
  else if (close) buf_printf(out, "%u of the other %u cells cannot be told apart from it (paired over seeds, 95 %%).\n", close, with - 1);
  else if (with > 1) buf_printf(out, "Every other cell differs from it (paired over seeds, 95 %%).\n");
  for (uint32_t k = 0; k < m->n_contrasts; k++) {
    const report_contrast *c = &m->contrasts[k];
    if (c->nothing) {
      buf_printf(out, "%s: %s instead of %s is identical in every run: this setting changed nothing (%u pair%s).\n", c->factor, plain(a, c->to), plain(a, c->from), c->e.pairs, c->e.pairs == 1 ? "" : "s");
      continue;
    }
    buf_printf(out, "%s: %s instead of %s changes %s by %s %s: %s (%u pair%s in %u context%s).\n", c->factor, plain(a, c->to), plain(a, c->from), m->metric, report_change(m, a, c->e.mean), report_change_interval(m, a, &c->e),
               word(m, &c->e), c->e.pairs, c->e.pairs == 1 ? "" : "s", c->e.contexts, c->e.contexts == 1 ? "" : "s");
  }
}

static uint32_t width_of(const char *s) { /* characters */
  uint32_t n = 0;
  for (; *s; s++) n += ((unsigned char)*s & 0xc0) != 0x80;
  return n;
}

void report_aligned(const db_table *t, buf *out) {
  uint32_t *w = mem_alloc(sizeof *w * (t->n_cols + 1));
  uint8_t *text = mem_alloc(t->n_cols + 1);
  for (uint32_t c = 0; c < t->n_cols; c++) {
    w[c] = width_of(t->cols[c]);
    for (uint32_t r = 0; r < t->n_rows; r++) {
      const db_value *v = db_at(t, r, c);
      uint32_t n = v->s ? width_of(v->s) : 0;
      if (n > w[c]) w[c] = n;
      text[c] |= v->type == DB_TEXT;
    }
  }
  for (uint32_t r = 0; r <= t->n_rows; r++) {
    for (uint32_t c = 0; c < t->n_cols; c++) {
      const char *s = r ? db_at(t, r - 1, c)->s : t->cols[c];
      int pad = (int)(w[c] - width_of(s ? s : ""));
      if (c) buf_puts(out, "  ");
      if (!text[c]) buf_printf(out, "%*s", pad, "");
      buf_puts(out, s ? s : "");
      if (text[c] && c + 1 < t->n_cols) buf_printf(out, "%*s", pad, "");
    }
    buf_putc(out, '\n');
  }
  free(w);
  free(text);
}

static db_value cell_text(const char *s, int number) { return (db_value){.type = number ? DB_INT : DB_TEXT, .s = s}; }

void report_text(const report_model *m, arena *a, buf *out) {
  static const char *const cols[] = {"", "cell", "n", "mean ± sd", "95 % interval", "against baseline", "diverged", "failed"};
  enum { N = 8 };
  db_table t = {.n_cols = N, .cols = (const char **)(uintptr_t)cols, .cells = ARENA_ARRAY(a, db_value, (size_t)N * (m->n_cells + 1))};
  buf_printf(out, "%s: %s%s%s\n", m->grid, m->metric ? m->metric : "no metric", m->metric ? (m->higher ? ", higher is better" : ", lower is better") : "", m->metric ? arena_fmt(a, ", %s value, %s weights", m->reduce, m->weights) : "");
  for (uint32_t k = 0; k < m->n_cells; k++) {
    const report_cell *c = &m->cells[k];
    if (c->excluded) continue;
    db_value *row = &t.cells[(size_t)N * t.n_rows++];
    const stat_effect *e = &c->against_base;
    row[0] = cell_text((int64_t)k == m->best ? "*" : c->stat.n && c->close_to_best ? "~" : "", 0);
    row[1] = cell_text(plain(a, c->same_as >= 0 ? arena_fmt(a, "%s (the same runs as %s)", c->label, m->cells[c->same_as].label) : c->label), 0);
    row[2] = cell_text(arena_fmt(a, "%u", c->stat.n), 1);
    row[3] = cell_text(report_mean_sd(a, &c->stat), 0);
    row[4] = cell_text(isnan(c->stat.half) ? "" : arena_fmt(a, "[%.4g, %.4g]", c->stat.mean - c->stat.half, c->stat.mean + c->stat.half), 0);
    row[5] = cell_text((int64_t)k == m->base ? "baseline" : e->contexts ? arena_fmt(a, "%s %s", report_change(m, a, e->mean), report_change_interval(m, a, e)) : "", 0);
    row[6] = cell_text(arena_fmt(a, "%u", c->diverged), 1);
    row[7] = cell_text(arena_fmt(a, "%u", c->failed), 1);
  }
  report_aligned(&t, out);
  buf_puts(out, "* best   ~ cannot be told apart from the best (same seeds, Student's t, 95 %)\n");
  report_verdict(m, a, out);
  for (uint32_t k = 0; k < m->n_warnings; k++) buf_printf(out, "note: %s\n", m->warnings[k]);
}
