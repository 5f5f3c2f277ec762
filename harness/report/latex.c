/* latex.c - the table of cells as LaTeX, for a paper: a tabular with the rules of the package booktabs. See model.h.
 *
 * A row per cell that is not excluded, a column per factor, mean and standard deviation of every metric, the judging one's difference from the baseline with its 95 % interval, and
 * how many of the runs diverged. The best mean of a metric is bold; what cannot be told apart from it is marked. Only the tabular is written, so that the author's own table, caption
 * and label go around it. Texts out of files are escaped, and put into braces: LaTeX takes a "[" at the beginning of a row for an argument of the row before. */
#include <math.h>

#include "report/model.h"

/* What has a meaning in LaTeX, or other glyphs in its old text encoding, or grows together with what follows it. */
static const char *escape(char c, char after) {
  switch (c) {
    case '\\': return "\\textbackslash{}";
    case '~': return "\\textasciitilde{}";
    case '^': return "\\textasciicircum{}";
    case '<': return "\\textless{}";
    case '>': return "\\textgreater{}";
    case '|': return "\\textbar{}";
    case '`': return "\\textasciigrave{}";
    case '"': return "\\textquotedbl{}";
    case '&': return "\\&";
    case '%': return "\\%";
    case '$': return "\\$";
    case '#': return "\\#";
    case '_': return "\\_";
    case '{': return "\\{";
    case '}': return "\\}";
    case '-': return after == '-' ? "-{}" : NULL;
    case '\'': return after == '\'' ? "'{}" : NULL;
    case ',': return after == ',' ? ",{}" : NULL;
    case '?': case '!': return after == '`' ? (c == '?' ? "?{}" : "!{}") : NULL;
    default: return (unsigned char)c < 0x20 || c == 0x7f ? " " : NULL; /* the end of a line ends comments and, twice, paragraphs */
  }
}

static void text(buf *b, const char *s) {
  for (; s && *s; s++) {
    const char *as = escape(*s, s[1]);
    if (as) buf_puts(b, as);
    else buf_putc(b, *s);
  }
}

static void comment(buf *b, const char *s) { /* up to the end of the line: nothing in it is read */
  for (; s && *s; s++) buf_putc(b, (unsigned char)*s < 0x20 ? ' ' : *s);
}

static void field(buf *b, const char *s) {
  buf_putc(b, '{');
  text(b, s);
  buf_putc(b, '}');
}

static const char *value(const stat_cell *c, arena *a) { return isnan(c->sd) ? arena_fmt(a, "%.4g", c->mean) : arena_fmt(a, "%.4g \\pm %.2g", c->mean, c->sd); }

/* In math, a number of the form 1.2e-05 becomes a power of ten. */
static void math(buf *b, const char *s) {
  for (; *s; s++) {
    if (*s == 'e' && (s[1] == '+' || s[1] == '-')) {
      buf_puts(b, s[1] == '-' ? "\\cdot 10^{-" : "\\cdot 10^{");
      for (s += 2; *s == '0' && s[1] >= '0' && s[1] <= '9';) s++;
      while (*s >= '0' && *s <= '9') buf_putc(b, *s++);
      buf_putc(b, '}');
      s--;
    } else if (!strncmp(s, "inf", 3)) {
      buf_puts(b, "\\infty ");
      s += 2;
    } else {
      buf_putc(b, *s);
    }
  }
}

static void measured(buf *b, const report_model *m, uint32_t k, arena *a) {
  const report_cell *c = &m->cells[k];
  if (!c->stat.n) {
    buf_puts(b, " & --");
    return;
  }
  int best = (int64_t)k == m->best;
  buf_puts(b, best ? " & $\\mathbf{" : " & $");
  math(b, value(&c->stat, a));
  buf_puts(b, best ? "}$" : c->close_to_best ? "^{\\approx}$" : "$");
}

static const char *change(const report_model *m, arena *a, double d) { /* without its unit */
  return m->log_scale ? arena_fmt(a, "%+.1f", report_shown(m, d)) : arena_fmt(a, "%+.3g", d);
}

static void difference(buf *b, const report_model *m, uint32_t k, arena *a) {
  const stat_effect *e = &m->cells[k].against_base;
  buf_puts(b, " & ");
  if ((int64_t)k == m->base) {
    buf_puts(b, "baseline");
    return;
  }
  if (!e->contexts) {
    buf_puts(b, "--");
    return;
  }
  buf_putc(b, '$');
  math(b, change(m, a, e->mean));
  buf_puts(b, m->log_scale ? "\\,\\%$" : "$");
  if (isnan(e->lo)) return;
  buf_puts(b, " $[");
  math(b, change(m, a, e->lo));
  buf_puts(b, ",\\,");
  math(b, change(m, a, e->hi));
  buf_puts(b, "]$");
}

static void head(buf *b, const report_model *m, uint32_t n) {
  buf_puts(b, "% ");
  comment(b, m->grid);
  if (*m->question) {
    buf_puts(b, ": ");
    comment(b, m->question);
  }
  buf_puts(b, "\n% needs \\usepackage{booktabs}; \\textquotedbl, where it occurs, \\usepackage[T1]{fontenc}; scripts that are not Latin, XeLaTeX or LuaLaTeX\n"
              "% mean $\\pm$ standard deviation over seeds; bold: the best mean; $\\approx$: cannot be told apart from it (equal seeds, Student's t, 95 \\%)\n");
  for (uint32_t k = 0; k < m->n_warnings; k++) {
    buf_puts(b, "% note: ");
    comment(b, m->warnings[k]);
    buf_putc(b, '\n');
  }
  buf_puts(b, "\\begin{tabular}{");
  for (uint32_t f = 0; f < m->n_factors || !f; f++) buf_putc(b, 'l');
  for (uint32_t i = 0; i < n; i++)
    if (m[i].metric) buf_putc(b, 'r');
  buf_puts(b, m->metric ? "rr}\n\\toprule\n" : "r}\n\\toprule\n");
  for (uint32_t f = 0; f < m->n_factors; f++) {
    if (f) buf_puts(b, " & ");
    field(b, m->factors[f].name);
  }
  if (!m->n_factors) buf_puts(b, "cell");
  for (uint32_t i = 0; i < n; i++) {
    if (!m[i].metric) continue;
    buf_puts(b, " & ");
    field(b, m[i].metric);
    buf_puts(b, m[i].higher ? " $\\uparrow$" : " $\\downarrow$");
    if (m->metric && !i) buf_puts(b, " & against baseline");
  }
  buf_puts(b, " & diverged \\\\\n\\midrule\n");
}

void report_latex(const report_model *m, uint32_t n, arena *a, buf *b) {
  head(b, m, n);
  for (uint32_t k = 0; k < m->n_cells; k++) {
    const report_cell *c = &m->cells[k];
    if (c->excluded) continue;
    for (uint32_t f = 0; f < m->n_factors; f++) {
      if (f) buf_puts(b, " & ");
      if (c->level[f] < 0) buf_puts(b, "--");
      else field(b, m->factors[f].levels[c->level[f]]);
    }
    if (!m->n_factors) field(b, c->label);
    for (uint32_t i = 0; i < n; i++) {
      if (!m[i].metric) continue;
      measured(b, &m[i], k, a);
      if (!i) difference(b, &m[i], k, a);
    }
    buf_printf(b, " & %u/%u \\\\\n", c->diverged, report_planned(c));
  }
  buf_puts(b, "\\bottomrule\n\\end{tabular}\n");
}
