/* log.c - see log.h. One write per line, so lines of several processes do not mix. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int threshold(void) {
  static const char *const names[] = {"", "error", "warn", "info", "debug"};
  const char *s = getenv("GANTRY_LOG");
  for (int i = 1; s && i <= LOG_DEBUG; i++)
    if (!strcmp(s, names[i])) return i;
  return LOG_INFO;
}

void log_line(int level, const char *fmt, ...) {
  static const char *const prefix[] = {"", "error: ", "warning: ", "", "debug: "};
  if (level > threshold()) return;
  char line[2048];
  int n = snprintf(line, sizeof line, "gantry: %s", prefix[level]);
  va_list ap;
  va_start(ap, fmt);
  int m = vsnprintf(line + n, sizeof line - (size_t)n - 1, fmt, ap);
  va_end(ap);
  n = m >= (int)sizeof line - n - 1 ? (int)sizeof line - 2 : n + m;
  line[n++] = '\n';
  ssize_t done = write(STDERR_FILENO, line, (size_t)n);
  (void)done; /* nothing can be said about a standard error that is gone */
}
