/* html.c - the report as one file that needs nothing else: verdict, table, effects, curves, samples, failures, what it was made with. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/files.h"
#include "report/model.h"
#include "report/svg.h"

enum { MAX_IMAGE = 600 << 10, MAX_IMAGES = 18 << 20, MAX_SAMPLE_SEEDS = 3, FAINT_CELLS = 8 };

static const char style[] =
  "<style>:root{color-scheme:light dark;--f:#1d1d1f;--b:#fff;--m:#6b7280;--l:#e5e7eb;--h:#eef6ff}@media(prefers-color-scheme:dark){:root{--f:#e5e7eb;--b:#16181c;--m:#9ca3af;--l:#374151;--h:#1f2d3d}}"
  "body{font:15px/1.5 system-ui,sans-serif;color:var(--f);background:var(--b);max-width:72rem;margin:2rem auto;padding:0 1rem}h1{margin-bottom:0}h2{margin-top:2.2rem;border-bottom:1px solid var(--l)}"
  "p.q{color:var(--m);font-size:1.1rem;margin-top:.2rem}.v{background:var(--h);padding:.8rem 1rem;border-radius:8px}.v p{margin:.2rem 0}table{border-collapse:collapse;width:100%}"
  "th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--l);vertical-align:top}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}tr.close td{background:var(--h)}tr.best td{font-weight:600;background:var(--h)}";
static const char style_more[] =
  "figure{margin:1rem 0;display:inline-block;width:100%;max-width:54rem}svg{width:100%;height:auto}svg text{font:12px system-ui,sans-serif;fill:var(--f)}.ty{text-anchor:end}.tx{text-anchor:middle}.grid,.zero{stroke:var(--l);fill:none}"
  ".zero{stroke:var(--m);stroke-dasharray:4 3}figcaption span{margin-right:1rem;white-space:nowrap}figcaption i{display:inline-block;width:.8em;height:.8em;margin-right:.3em;border-radius:2px}"
  ".s{display:flex;flex-wrap:wrap;gap:1rem}.s div{max-width:24rem}.s img{width:100%;image-rendering:pixelated;border:1px solid var(--l)}.w{border-left:4px solid #d55e00;padding-left:.8rem}code,pre{font-size:.85em;overflow:auto}</style>";

static void sentences(buf *b, const char *text, const char *open, const char *close) {
  while (*text) {
    size_t n = strcspn(text, "\n");
    char *one = mem_alloc(n + 1);
    memcpy(one, text, n);
    buf_puts(b, open);
    html_text(b, one);
    buf_puts(b, close);
    free(one);
    text += n + (text[n] == '\n');
  }
}

static void cell_table(const report_model *m, arena *a, buf *b) {
  buf_puts(b, "<h2>Cells</h2><table><tr><th>cell</th><th class=\"n\">n</th><th class=\"n\">mean ± sd</th><th class=\"n\">95 % interval</th><th class=\"n\">against baseline</th><th class=\"n\">diverged</th><th class=\"n\">failed</th></tr>\n");
  for (uint32_t k = 0; k < m->n_cells; k++) {
    const report_cell *c = &m->cells[k];
    const stat_effect *e = &c->against_base;
    buf_printf(b, "<tr%s><td>", (int64_t)k == m->best ? " class=\"best\"" : c->stat.n && c->close_to_best ? " class=\"close\"" : "");
    html_text(b, c->label);
    if (c->excluded) {
      buf_puts(b, "</td><td colspan=\"6\">excluded: ");
      html_text(b, c->excluded);
      buf_puts(b, "</td></tr>\n");
      continue;
    }
    if (c->same_as >= 0) {
      buf_puts(b, " <small>(the same runs as ");
      html_text(b, m->cells[c->same_as].label);
      buf_puts(b, ")</small>");
    }
    buf_printf(b, "</td><td class=\"n\">%u</td><td class=\"n\">%s</td><td class=\"n\">", c->stat.n, report_mean_sd(a, &c->stat));
    if (!isnan(c->stat.half)) buf_printf(b, "%.4g … %.4g", c->stat.mean - c->stat.half, c->stat.mean + c->stat.half);
    buf_printf(b, "</td><td class=\"n\">%s %s</td><td class=\"n\">%u</td><td class=\"n\">%u</td></tr>\n", (int64_t)k == m->base ? "baseline" : e->contexts ? report_change(m, a, e->mean) : "",
               e->contexts && !isnan(e->lo) ? report_change_interval(m, a, e) : "", c->diverged, c->failed);
  }
  buf_puts(b, "</table><p><small>Bold: the best mean. Shaded: cannot be told apart from the best; differences are taken between equal seeds, with Student's t at 95 %.</small></p>\n");
}

static void effects(const report_model *m, arena *a, buf *b) {
  if (!m->n_contrasts) return;
  buf_puts(b, "<h2>What mattered</h2>");
  svg_interval *v = ARENA_ARRAY(a, svg_interval, m->n_contrasts);
  for (uint32_t k = 0; k < m->n_contrasts; k++) {
    const report_contrast *c = &m->contrasts[k];
    v[k] = (svg_interval){.label = arena_fmt(a, "%s: %s → %s", c->factor, c->from, c->to), .text = arena_fmt(a, "%s %s", report_change(m, a, c->e.mean), report_change_interval(m, a, &c->e)),
                          .mid = report_shown(m, c->e.mean), .lo = report_shown(m, c->e.lo), .hi = report_shown(m, c->e.hi)};
  }
  svg_intervals(b, arena_fmt(a, "change of %s%s (%s is better)", m->metric, m->log_scale ? " in %" : "", m->higher ? "right" : "left"), v, m->n_contrasts);
  buf_puts(b, "<table><tr><th>factor</th><th>from → to</th><th class=\"n\">mean change</th><th class=\"n\">95 % interval</th><th class=\"n\">contexts × seeds</th><th class=\"n\">smallest … largest by context</th><th class=\"n\">lower in</th><th class=\"n\">p (sign flips)</th><th class=\"n\">Holm</th></tr>\n");
  for (uint32_t k = 0; k < m->n_contrasts; k++) {
    const report_contrast *c = &m->contrasts[k];
    buf_puts(b, "<tr><td>");
    html_text(b, c->factor);
    buf_puts(b, "</td><td>");
    html_text(b, c->from);
    buf_puts(b, " → ");
    html_text(b, c->to);
    buf_printf(b, "</td><td class=\"n\">%s</td><td class=\"n\">%s</td><td class=\"n\">%u × %u</td><td class=\"n\">%s … %s</td><td class=\"n\">%.0f %%</td>", report_change(m, a, c->e.mean), report_change_interval(m, a, &c->e), c->e.contexts, c->e.seeds,
               report_change(m, a, c->best_context), report_change(m, a, c->worst_context), 100 * c->e.share_less);
    if (isnan(c->e.p)) buf_puts(b, "<td class=\"n\">-</td><td class=\"n\">-</td></tr>\n");
    else buf_printf(b, "<td class=\"n\">%.3g <small>(least possible %.3g)</small></td><td class=\"n\">%.3g</td></tr>\n", c->e.p, c->e.p_least, c->p_holm);
  }
  buf_puts(b, "</table><p><small>A context is a setting of all other factors, and pairs that share a run are one; pairs have equal seeds. The interval uses the larger of the variances between seeds and within contexts (max rule).</small></p>\n");
}

static gantry_status chart(db *d, const report_model *m, const char *metric, const char *weights, int log_y, arena *a, buf *b, err *e) {
  db_table t;
  TRY(db_query(d, a, &t, e, "SELECT cell,seed,step,value FROM (SELECT cell,seed,step,value,weights,max(weights=?3) OVER (PARTITION BY cell,seed) has FROM curves WHERE grid=?1 AND metric=?2 AND (weights IS NULL OR weights<>'real'))"
               " WHERE weights IS NULL OR weights=?3 OR NOT has ORDER BY cell,seed,step", "ttt", m->grid, metric, weights));
  if (!t.n_rows) return GANTRY_OK;
  uint32_t most = m->n_cells * (m->n_seeds + 1);
  svg_series *s = ARENA_ARRAY(a, svg_series, most + 1);
  uint32_t n = 0, cells = 0;
  double *x = ARENA_ARRAY(a, double, t.n_rows), *y = ARENA_ARRAY(a, double, t.n_rows);
  for (uint32_t k = 0; k < t.n_rows; k++) x[k] = (double)db_at(&t, k, 2)->i, y[k] = db_at(&t, k, 3)->type == DB_NULL ? NAN : db_at(&t, k, 3)->f;
  for (uint32_t k = 0; k < t.n_rows;) { /* one cell after the other */
    int64_t cell = db_at(&t, k, 0)->i;
    uint32_t end = k, longest = 0;
    while (end < t.n_rows && db_at(&t, end, 0)->i == cell) end++;
    if (cell >= m->n_cells || m->cells[cell].same_as >= 0) {
      k = end;
      continue;
    }
    uint32_t first = k, from = k, first_series = n;
    for (; from < end; from = k) {
      while (k < end && db_at(&t, k, 1)->i == db_at(&t, from, 1)->i) k++;
      if (n < most) s[n++] = (svg_series){.color = cells, .n = k - from, .x = x + from, .y = y + from, .faint = 1};
      if (k - from > longest) longest = k - from, first = from;
    }
    double *mean = ARENA_ARRAY(a, double, longest); /* over the runs that have the step */
    for (uint32_t i = 0; i < longest; i++) {
      double sum = 0, count = 0;
      for (uint32_t q = first_series; q < n; q++)
        if (i < s[q].n && s[q].x[i] == x[first + i] && !isnan(s[q].y[i])) sum += s[q].y[i], count++;
      mean[i] = count > 0 ? sum / count : NAN;
    }
    if (m->n_cells > FAINT_CELLS) n = first_series;
    if (n < most) s[n++] = (svg_series){.label = m->cells[cell].label, .color = cells, .n = longest, .x = x + first, .y = mean};
    cells++;
  }
  svg_lines(b, metric, "step", s, n, log_y);
  return GANTRY_OK;
}

static gantry_status curves(db *d, const report_model *m, arena *a, buf *b, err *e) {
  db_table t;
  buf_puts(b, "<h2>Curves</h2><p><small>Thick: mean over seeds. Thin: single runs.</small></p>\n");
  const char *weights = !strcmp(m->weights, "raw") ? "raw" : "ema";
  TRY(db_query(d, a, &t, e, "SELECT DISTINCT metric,weights='ema' FROM results WHERE grid=? ORDER BY metric=? DESC, metric, 2 DESC", "tt", m->grid, m->metric ? m->metric : ""));
  for (uint32_t k = 0; k < t.n_rows; k++) {
    const char *name = db_at(&t, k, 0)->s;
    if (k && !strcmp(name, db_at(&t, k - 1, 0)->s)) continue; /* once, averaged weights first where there are any */
    int is_judge = m->metric && !strcmp(name, m->metric);
    TRY(chart(d, m, name, is_judge && strcmp(m->weights, "auto") && db_at(&t, k, 1)->i ? weights : db_at(&t, k, 1)->i ? "ema" : "raw", is_judge && m->log_scale, a, b, e));
  }
  TRY(chart(d, m, "loss_d", "", 0, a, b, e));
  return chart(d, m, "loss_g", "", 0, a, b, e);
}

static void base64(buf *b, const unsigned char *p, size_t n) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t k = 0; k < n; k += 3) {
    uint32_t v = (uint32_t)p[k] << 16 | (k + 1 < n ? (uint32_t)p[k + 1] << 8 : 0) | (k + 2 < n ? p[k + 2] : 0);
    buf_putc(b, digits[v >> 18]);
    buf_putc(b, digits[v >> 12 & 63]);
    buf_putc(b, k + 1 < n ? digits[v >> 6 & 63] : '=');
    buf_putc(b, k + 2 < n ? digits[v & 63] : '=');
  }
}

static gantry_status samples(db *d, const report_model *m, const char *out_dir, arena *a, buf *b, err *e) {
  db_table t;
  size_t total = 0;
  uint32_t skipped = 0;
  TRY(db_query(d, a, &t, e, "SELECT cell,label,seed,max(step),path,kind LIKE '%ema%' FROM (SELECT * FROM samples WHERE grid=? AND kind IN ('samples','samples_ema') ORDER BY kind) GROUP BY cell,seed,kind ORDER BY cell,seed,6 DESC", "t", m->grid));
  if (!t.n_rows) return GANTRY_OK;
  buf_puts(b, "<h2>Samples</h2><p><small>The last ones of each run, from fixed inputs; averaged weights where there are any.</small></p>\n");
  int64_t cell = -1, seed = -1, shown = 0;
  for (uint32_t k = 0; k < t.n_rows; k++) {
    int64_t c = db_at(&t, k, 0)->i, s = db_at(&t, k, 2)->i;
    if (c >= m->n_cells || m->cells[c].same_as >= 0) continue;
    if (c != cell) {
      buf_puts(b, cell >= 0 ? "</div><h3>" : "<h3>");
      html_text(b, db_at(&t, k, 1)->s);
      buf_puts(b, "</h3><div class=\"s\">");
      cell = c, seed = -1, shown = 0;
    }
    if (s == seed || shown == MAX_SAMPLE_SEEDS) continue;
    seed = s;
    buf png = {0};
    err ignored = {0};
    const char *file = path_join(a, out_dir, db_at(&t, k, 4)->s);
    if (total > MAX_IMAGES || file_read(file, &png, MAX_IMAGE, &ignored)) {
      skipped++;
    } else {
      buf_printf(b, "<div><img alt=\"samples of seed %lld\" src=\"data:image/png;base64,", (long long)s);
      base64(b, (const unsigned char *)png.p, png.n);
      buf_printf(b, "\"><small>seed %lld, step %lld</small></div>", (long long)s, (long long)db_at(&t, k, 3)->i);
      total += png.n;
      shown++;
    }
    buf_free(&png);
  }
  buf_puts(b, "</div>\n");
  if (skipped) buf_printf(b, "<p><small>%u images are left out: missing, larger than %d KB each, or more than %d MB together.</small></p>\n", skipped, MAX_IMAGE >> 10, MAX_IMAGES >> 20);
  return GANTRY_OK;
}

static void html_table(buf *b, const db_table *t) {
  buf_puts(b, "<table><tr>");
  for (uint32_t c = 0; c < t->n_cols; c++) buf_puts(b, "<th>"), html_text(b, t->cols[c]), buf_puts(b, "</th>");
  buf_puts(b, "</tr>\n");
  for (uint32_t r = 0; r < t->n_rows; r++) {
    buf_puts(b, "<tr>");
    for (uint32_t c = 0; c < t->n_cols; c++) buf_puts(b, db_at(t, r, c)->type == DB_TEXT ? "<td>" : "<td class=\"n\">"), html_text(b, db_at(t, r, c)->s), buf_puts(b, "</td>");
    buf_puts(b, "</tr>\n");
  }
  buf_puts(b, "</table>\n");
}

static gantry_status section(db *d, const report_model *m, const char *title, const char *sql, arena *a, buf *b, err *e) {
  db_table t;
  TRY(db_query(d, a, &t, e, sql, "t", m->grid));
  if (!t.n_rows) return GANTRY_OK;
  buf_printf(b, "<h2>%s</h2>", title);
  html_table(b, &t);
  return GANTRY_OK;
}

gantry_status report_html(db *d, const report_model *m, const char *out_dir, arena *a, buf *b, err *e) {
  buf verdict = {0};
  db_table spec;
  report_verdict(m, a, &verdict);
  buf_puts(b, "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>");
  html_text(b, m->grid);
  buf_printf(b, "</title>%s%s<h1>", style, style_more);
  html_text(b, m->grid);
  buf_puts(b, "</h1><p class=\"q\">");
  html_text(b, m->question);
  buf_puts(b, "</p><div class=\"v\">");
  sentences(b, verdict.p ? verdict.p : "", "<p>", "</p>");
  buf_puts(b, "</div>\n");
  buf_free(&verdict);
  for (uint32_t k = 0; k < m->n_warnings; k++) buf_puts(b, "<p class=\"w\">"), html_text(b, m->warnings[k]), buf_puts(b, "</p>\n");
  cell_table(m, a, b);
  effects(m, a, b);
  TRY(curves(d, m, a, b, e));
  TRY(samples(d, m, out_dir, a, b, e));
  TRY(section(d, m, "Runs", "SELECT label cell,seed,status,step,round(train_s,1) \"training s\",round(images/nullif(train_s,0)) \"images/s\",run FROM runs WHERE grid=? ORDER BY cell,seed", a, b, e));
  TRY(db_query(d, a, &spec, e, "SELECT 1 FROM sqlite_schema WHERE name='failures'", "")); /* a database of an older format is read as it is */
  TRY(section(d, m, "Failures", spec.n_rows ? "SELECT label cell,seed,status,error_class class,plugin,place,error_text text FROM failures WHERE grid=? ORDER BY cell,seed"
                                            : "SELECT label cell,seed,status,error_class class,error_text text FROM runs WHERE grid=? AND error_text IS NOT NULL ORDER BY cell,seed", a, b, e));
  TRY(section(d, m, "Events", "SELECT label cell,seed,step,level,code,text FROM events WHERE grid=? AND level<>'info' ORDER BY cell,seed,step LIMIT 200", a, b, e));
  TRY(section(d, m, "Made with", "SELECT DISTINCT p.kind,p.name,p.version,substr(p.sha256,1,16) sha256 FROM runs r JOIN run_plugin x ON x.run_id=r.run_id JOIN plugin p ON p.id=x.plugin_id WHERE r.grid=? ORDER BY 1,2", a, b, e));
  TRY(section(d, m, "Facts", "SELECT f.key,f.value,count(*) runs FROM runs r JOIN fact f ON f.run_id=r.run_id WHERE r.grid=? AND f.key NOT LIKE 'graph.%' AND f.key<>'train_key' GROUP BY 1,2 ORDER BY 1,2", a, b, e));
  TRY(db_query(d, a, &spec, e, "SELECT spec_json FROM grid WHERE id=?", "i", m->grid_id));
  buf_puts(b, "<h2>The experiment</h2><details><summary>as resolved</summary><pre>");
  html_text(b, db_at(&spec, 0, 0)->s);
  buf_puts(b, "</pre></details>\n<script type=\"application/json\" id=\"gantry-data\">[");
  for (uint32_t k = 0, first = 1; k < m->n_cells; k++)
    for (uint32_t s = 0; s < m->n_seeds; s++) {
      const report_run *r = report_run_at(m, k, s);
      if (!r->uid) continue;
      buf_printf(b, "%s{\"cell\":%u,\"seed\":%lld,\"run\":\"%s\",\"status\":\"%s\",\"value\":", first ? "" : ",", k, (long long)m->seeds[s], r->uid, r->status);
      if (isfinite(r->value)) buf_printf(b, "%.17g}", r->value);
      else buf_puts(b, "null}");
      first = 0;
    }
  buf_puts(b, "]</script></html>\n");
  return GANTRY_OK;
}
