/* svg.c - see svg.h. Colours are those of Okabe and Ito, told apart by colour-blind readers too. */
#include "report/svg.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { W = 640, H = 260, LEFT = 64, RIGHT = 12, TOP = 28, BOTTOM = 36, PARTS = 160 };

const char *svg_color(uint32_t k) {
  static const char *const colors[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#7f7f7f", "#5254a3", "#b5cf6b"};
  return colors[k % (sizeof colors / sizeof *colors)];
}

void html_text(buf *b, const char *s) {
  for (; s && *s; s++) {
    if (*s == '<') buf_puts(b, "&lt;");
    else if (*s == '>') buf_puts(b, "&gt;");
    else if (*s == '&') buf_puts(b, "&amp;");
    else if (*s == '"') buf_puts(b, "&quot;");
    else buf_putc(b, *s);
  }
}

typedef struct frame { double x0, x1, y0, y1; int log_y; } frame;

static double at_x(const frame *f, double x) { return LEFT + (W - LEFT - RIGHT) * (f->x1 > f->x0 ? (x - f->x0) / (f->x1 - f->x0) : 0.5); }
static double at_y(const frame *f, double y) {
  double v = f->log_y ? log(y) : y;
  return H - BOTTOM - (H - TOP - BOTTOM) * (f->y1 > f->y0 ? (v - f->y0) / (f->y1 - f->y0) : 0.5);
}

static frame frame_of(const svg_series *s, uint32_t n, int log_y) {
  frame f = {INFINITY, -INFINITY, INFINITY, -INFINITY, log_y};
  for (uint32_t k = 0; k < n; k++)
    for (uint32_t i = 0; i < s[k].n; i++)
      if (isfinite(s[k].y[i]) && s[k].y[i] <= 0) f.log_y = 0;
  for (uint32_t k = 0; k < n; k++)
    for (uint32_t i = 0; i < s[k].n; i++) {
      if (!isfinite(s[k].y[i])) continue;
      double v = f.log_y ? log(s[k].y[i]) : s[k].y[i];
      f.x0 = fmin(f.x0, s[k].x[i]);
      f.x1 = fmax(f.x1, s[k].x[i]);
      f.y0 = fmin(f.y0, v);
      f.y1 = fmax(f.y1, v);
    }
  if (!(f.x0 <= f.x1)) f = (frame){0, 1, 0, 1, 0};
  if (f.y0 == f.y1) f.y0 -= 0.5, f.y1 += 0.5;
  return f;
}

static double nice(double span, int parts) { /* 1, 2 or 5 times a power of ten */
  double raw = span / parts, p = pow(10, floor(log10(raw))), r = raw / p;
  return p * (r <= 1 ? 1 : r <= 2 ? 2 : r <= 5 ? 5 : 10);
}

static void axes(buf *b, const frame *f, const char *x_name) {
  for (int k = 0; k <= 4 && f->log_y; k++) {
    double v = exp(f->y0 + (f->y1 - f->y0) * k / 4), y = at_y(f, v);
    buf_printf(b, "<path class=\"grid\" d=\"M%d %.1fH%d\"/><text class=\"ty\" x=\"%d\" y=\"%.1f\">%.3g</text>", LEFT, y, W - RIGHT, LEFT - 6, y + 4, v);
  }
  if (!f->log_y) {
    double step = nice(f->y1 - f->y0, 4);
    for (double v = ceil(f->y0 / step) * step; v <= f->y1 + step * 1e-9; v += step) {
      double shown = fabs(v) < step * 1e-9 ? 0 : v, y = at_y(f, shown);
      buf_printf(b, "<path class=\"grid\" d=\"M%d %.1fH%d\"/><text class=\"ty\" x=\"%d\" y=\"%.1f\">%.4g</text>", LEFT, y, W - RIGHT, LEFT - 6, y + 4, shown);
    }
  }
  if (f->x1 > f->x0) {
    double step = nice(f->x1 - f->x0, 6);
    for (double v = ceil(f->x0 / step) * step; v <= f->x1 + step * 1e-9; v += step) buf_printf(b, "<text class=\"tx\" x=\"%.1f\" y=\"%d\">%.6g</text>", at_x(f, v), H - BOTTOM + 16, v);
  }
  buf_printf(b, "<text class=\"tx\" x=\"%d\" y=\"%d\">", (LEFT + W - RIGHT) / 2, H - 4);
  html_text(b, x_name);
  buf_puts(b, "</text>");
}

static void point(buf *b, const frame *f, const svg_series *s, uint32_t i, int *pen) {
  if (!isfinite(s->y[i])) {
    *pen = 0;
    return;
  }
  buf_printf(b, "%c%.1f %.1f", *pen ? 'L' : 'M', at_x(f, s->x[i]), at_y(f, s->y[i]));
  *pen = 1;
}

static void line(buf *b, const frame *f, const svg_series *s) {
  int pen = 0;
  buf_printf(b, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"%s\" d=\"", svg_color(s->color), s->faint ? "0.6\" opacity=\"0.35" : "1.8");
  uint32_t parts = s->n > 2 * PARTS ? PARTS : 0;
  for (uint32_t i = 0; i < s->n && !parts; i++) point(b, f, s, i, &pen);
  for (uint32_t p = 0; p < parts; p++) {
    uint32_t from = (uint32_t)((uint64_t)s->n * p / parts), to = (uint32_t)((uint64_t)s->n * (p + 1) / parts), least = from, most = from;
    for (uint32_t i = from; i < to; i++) {
      if (s->y[i] < s->y[least] || isnan(s->y[least])) least = i;
      if (s->y[i] > s->y[most] || isnan(s->y[most])) most = i;
    }
    point(b, f, s, least < most ? least : most, &pen);
    if (least != most) point(b, f, s, least < most ? most : least, &pen);
  }
  buf_puts(b, "\"/>");
  if (s->n == 1 && isfinite(s->y[0])) buf_printf(b, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>", at_x(f, s->x[0]), at_y(f, s->y[0]), svg_color(s->color));
}

void svg_lines(buf *b, const char *title, const char *x_name, const svg_series *s, uint32_t n, int log_y) {
  frame f = frame_of(s, n, log_y);
  buf_printf(b, "<figure><svg viewBox=\"0 0 %d %d\" role=\"img\"><title>", W, H);
  html_text(b, title);
  buf_printf(b, "</title><text x=\"%d\" y=\"16\" class=\"t\">", LEFT);
  html_text(b, title);
  buf_puts(b, f.log_y ? " (logarithmic)</text>" : "</text>");
  axes(b, &f, x_name);
  for (int faint = 1; faint >= 0; faint--)
    for (uint32_t k = 0; k < n; k++)
      if (s[k].faint == faint && s[k].n) line(b, &f, &s[k]);
  buf_puts(b, "</svg><figcaption>");
  for (uint32_t k = 0; k < n; k++) {
    if (!s[k].label) continue;
    buf_printf(b, "<span><i style=\"background:%s\"></i>", svg_color(s[k].color));
    html_text(b, s[k].label);
    buf_puts(b, "</span> ");
  }
  buf_puts(b, "</figcaption></figure>\n");
}

void svg_intervals(buf *b, const char *axis, const svg_interval *v, uint32_t n) {
  enum { ROW = 26, NAME = 250, TEXT = 210 };
  double lo = 0, hi = 0;
  for (uint32_t k = 0; k < n; k++) {
    lo = fmin(lo, fmin(v[k].mid, isnan(v[k].lo) ? v[k].mid : v[k].lo));
    hi = fmax(hi, fmax(v[k].mid, isnan(v[k].hi) ? v[k].mid : v[k].hi));
  }
  if (lo == hi) lo -= 1, hi += 1;
  int height = (int)n * ROW + 40, width = 860;
  double scale = (width - NAME - TEXT - 20) / (hi - lo);
#define X(q) (NAME + 10 + ((q) - lo) * scale)
  buf_printf(b, "<figure><svg viewBox=\"0 0 %d %d\" role=\"img\"><path class=\"zero\" d=\"M%.1f 8V%d\"/>", width, height, X(0.0), height - 30);
  for (uint32_t k = 0; k < n; k++) {
    double y = 20 + (double)k * ROW;
    buf_printf(b, "<text class=\"ty\" x=\"%d\" y=\"%.1f\">", NAME, y + 4);
    html_text(b, v[k].label);
    buf_puts(b, "</text>");
    if (!isnan(v[k].lo)) buf_printf(b, "<path stroke=\"#0072b2\" stroke-width=\"3\" d=\"M%.1f %.1fH%.1f\"/>", X(v[k].lo), y, X(v[k].hi));
    buf_printf(b, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"5\" fill=\"#0072b2\"/><text class=\"tl\" x=\"%d\" y=\"%.1f\">", X(v[k].mid), y, width - TEXT, y + 4);
    html_text(b, v[k].text);
    buf_puts(b, "</text>");
  }
#undef X
  buf_printf(b, "<text class=\"tx\" x=\"%d\" y=\"%d\">", NAME + (width - NAME - TEXT) / 2, height - 8);
  html_text(b, axis);
  buf_puts(b, "</text></svg></figure>\n");
}
