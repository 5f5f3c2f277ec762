/* svg.h - line charts and interval plots as inline SVG: plain text, no scripts, the same bytes for the same numbers. */
#ifndef REPORT_SVG_H
#define REPORT_SVG_H
#include "base/mem.h"

typedef struct svg_series { const char *label; uint32_t color, n; const double *x, *y; uint8_t faint; } svg_series; /* NaN breaks the line */
/* label NULL: drawn, not listed. Long series are thinned to the least and greatest of each part, never at random. */
void svg_lines(buf *b, const char *title, const char *x_name, const svg_series *s, uint32_t n, int log_y);
typedef struct svg_interval { const char *label, *text; double mid, lo, hi; } svg_interval;
void svg_intervals(buf *b, const char *axis, const svg_interval *v, uint32_t n); /* a zero line and one row each */
const char *svg_color(uint32_t k);
void html_text(buf *b, const char *s); /* escaped */
#endif
