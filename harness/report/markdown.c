/* markdown.c - the same numbers as Markdown, for a repository or an issue. */
#include <math.h>

#include "report/model.h"

static void cell(buf *b, const char *s) { /* a bar would end the column, a break the row */
  for (; s && *s; s++) buf_printf(b, *s == '|' ? "\\|" : "%c", *s == '\n' || *s == '\r' ? ' ' : *s);
}

gantry_status report_markdown(db *d, const report_model *m, arena *a, buf *b, err *e) {
  db_table t;
  buf_printf(b, "# %s\n\n", m->grid);
  if (*m->question) buf_printf(b, "*%s*\n\n", m->question);
  buf verdict = {0};
  report_verdict(m, a, &verdict);
  for (const char *s = verdict.p; s && *s;) {
    size_t n = strcspn(s, "\n");
    buf_printf(b, "- %.*s\n", (int)n, s);
    s += n + (s[n] == '\n');
  }
  buf_free(&verdict);
  for (uint32_t k = 0; k < m->n_warnings; k++) buf_printf(b, "- **Note:** %s\n", m->warnings[k]);
  buf_printf(b, "\n| cell | n | %s | 95 %% interval | against baseline | diverged | failed |\n|---|--:|--:|--:|--:|--:|--:|\n", m->metric ? m->metric : "metric");
  for (uint32_t k = 0; k < m->n_cells; k++) {
    const report_cell *c = &m->cells[k];
    buf_puts(b, (int64_t)k == m->best ? "| **" : "| ");
    cell(b, c->label);
    buf_puts(b, (int64_t)k == m->best ? "**" : c->stat.n && c->close_to_best ? " ≈" : "");
    if (c->excluded) {
      buf_puts(b, " | excluded: ");
      cell(b, c->excluded);
      buf_puts(b, " | | | | | |\n");
      continue;
    }
    buf_printf(b, " | %u | %s | %s | %s | %u | %u |\n", c->stat.n, report_mean_sd(a, &c->stat), isnan(c->stat.half) ? "" : arena_fmt(a, "%.4g … %.4g", c->stat.mean - c->stat.half, c->stat.mean + c->stat.half),
               (int64_t)k == m->base ? "baseline" : c->against_base.contexts ? arena_fmt(a, "%s %s", report_change(m, a, c->against_base.mean), report_change_interval(m, a, &c->against_base)) : "", c->diverged, c->failed);
  }
  buf_puts(b, "\n**Bold**: the best mean; ≈: cannot be told apart from it (equal seeds, Student's t, 95 %).\n");
  if (m->n_contrasts) {
    buf_puts(b, "\n| factor | from → to | mean change | 95 % interval | contexts × seeds | p (sign flips) | Holm |\n|---|---|--:|--:|--:|--:|--:|\n");
    for (uint32_t k = 0; k < m->n_contrasts; k++) {
      const report_contrast *c = &m->contrasts[k];
      buf_printf(b, "| %s | ", c->factor);
      cell(b, c->from);
      buf_puts(b, " → ");
      cell(b, c->to);
      buf_printf(b, " | %s | %s | %u × %u | %s | %s |\n", report_change(m, a, c->e.mean), report_change_interval(m, a, &c->e), c->e.contexts, c->e.seeds,
                 isnan(c->e.p) ? "-" : arena_fmt(a, "%.3g", c->e.p), isnan(c->p_holm) ? "-" : arena_fmt(a, "%.3g", c->p_holm));
    }
  }
  TRY(db_query(d, a, &t, e, "SELECT label,seed,status,coalesce(error_text,'') FROM runs WHERE grid=? AND status NOT IN ('done') ORDER BY cell,seed", "t", m->grid));
  if (t.n_rows) buf_puts(b, "\n| run | seed | status | |\n|---|--:|---|---|\n");
  for (uint32_t k = 0; k < t.n_rows; k++) {
    buf_printf(b, "| ");
    cell(b, db_at(&t, k, 0)->s);
    buf_printf(b, " | %s | %s | ", db_at(&t, k, 1)->s, db_at(&t, k, 2)->s);
    cell(b, db_at(&t, k, 3)->s);
    buf_puts(b, " |\n");
  }
  return GANTRY_OK;
}
