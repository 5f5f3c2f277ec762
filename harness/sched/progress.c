/* progress.c - see progress.h. Everything goes to standard error; standard output is for results. */
#include "sched/progress.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/proc.h"

enum { TTY_MS = 200, LINE_MS = 5000, BAR = 20 };

struct progress {
  int quiet, tty;
  uint32_t total, drawn; /* runs; lines on the screen now */
  int64_t began_ms, last_ms;
  const char *judge;
};

progress *progress_new(int quiet, uint32_t total, const char *judge) {
  progress *p = mem_alloc(sizeof *p);
  *p = (progress){.quiet = quiet, .tty = isatty(STDERR_FILENO), .total = total, .judge = judge, .began_ms = proc_now_ms(), .last_ms = proc_now_ms()};
  return p;
}

static void erase(progress *p) {
  if (p->drawn) fprintf(stderr, "\033[%uA\033[J", p->drawn);
  p->drawn = 0;
}

void progress_free(progress *p) {
  erase(p);
  free(p);
}

void progress_say(progress *p, const char *fmt, ...) {
  if (p->quiet) return;
  erase(p);
  va_list ap;
  va_start(ap, fmt);
  vfprintf(stderr, fmt, ap);
  va_end(ap);
  fputc('\n', stderr);
}

static void duration(char *out, size_t n, double s) {
  if (!(s >= 0) || s > 8.64e6) snprintf(out, n, "-");
  else if (s < 100) snprintf(out, n, "%.0f s", s);
  else if (s < 6000) snprintf(out, n, "%.0f min", s / 60);
  else snprintf(out, n, "%.1f h", s / 3600);
}

static void one_line(progress *p, const running *r, int width) {
  char text[512], left[32];
  int full = r->total > 0 ? (int)(BAR * r->step / r->total) : 0;
  if (full > BAR) full = BAR;
  duration(left, sizeof left, r->its > 0 ? (double)(r->total - r->step) / r->its : NAN);
  int n = snprintf(text, sizeof text, "  [%.*s%.*s] %s s%llu  %lld/%lld  %.1f it/s", full, "####################", BAR - full, "....................", r->label,
                   (unsigned long long)r->seed, (long long)r->step, (long long)r->total, r->its);
  if (n < (int)sizeof text && !isnan(r->loss_d)) n += snprintf(text + n, sizeof text - (size_t)n, "  D %.3f  G %.3f", r->loss_d, r->loss_g);
  if (n < (int)sizeof text && !isnan(r->judge)) n += snprintf(text + n, sizeof text - (size_t)n, "  %s %.4g", p->judge, r->judge);
  if (n < (int)sizeof text) snprintf(text + n, sizeof text - (size_t)n, "  %s left", left);
  fprintf(stderr, "%.*s\n", width, text);
}

void progress_draw(progress *p, const running *const *r, uint32_t n, uint32_t finished, int64_t now_ms) {
  if (p->quiet || now_ms - p->last_ms < (p->tty ? TTY_MS : LINE_MS)) return;
  p->last_ms = now_ms;
  double part = finished;
  for (uint32_t k = 0; k < n; k++)
    if (r[k]->total > 0) part += (double)r[k]->step / (double)r[k]->total;
  char left[32], spent[32];
  double s = (double)(now_ms - p->began_ms) / 1000;
  duration(spent, sizeof spent, s);
  duration(left, sizeof left, part > 0 ? s * ((double)p->total - part) / part : NAN);
  int width = 200;
  struct winsize w;
  if (p->tty && ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 10) width = w.ws_col - 1;
  erase(p);
  fprintf(stderr, "%u of %u runs finished, %u running, %s, about %s left\n", finished, p->total, n, spent, left);
  for (uint32_t k = 0; k < n; k++) one_line(p, r[k], width);
  p->drawn = p->tty ? n + 1 : 0;
}
