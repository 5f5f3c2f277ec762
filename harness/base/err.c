/* err.c - see err.h. Messages longer than the buffer end in an ellipsis. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void put(char *dst, size_t cap, const char *fmt, va_list ap) {
  int n = vsnprintf(dst, cap, fmt, ap);
  if (n >= (int)cap) memcpy(dst + cap - 4, "...", 4);
}

gantry_status err_set(err *e, gantry_status code, const char *fmt, ...) {
  if (e->code) return e->code;
  va_list ap;
  va_start(ap, fmt);
  put(e->msg, sizeof e->msg, fmt, ap);
  va_end(ap);
  return e->code = code;
}

gantry_status err_errno(err *e, const char *fmt, ...) {
  int saved = errno;
  if (e->code) return e->code;
  char text[1200];
  va_list ap;
  va_start(ap, fmt);
  put(text, sizeof text, fmt, ap);
  va_end(ap);
  return err_set(e, saved == ENOMEM || saved == ENOSPC || saved == EDQUOT ? GANTRY_E_NOMEM : GANTRY_E_IO, "%s: %s", text, strerror(saved));
}

gantry_status err_wrap(err *e, const char *fmt, ...) {
  if (!e->code) return GANTRY_OK;
  char context[512], all[sizeof e->msg + sizeof context + 4];
  va_list ap;
  va_start(ap, fmt);
  put(context, sizeof context, fmt, ap);
  va_end(ap);
  snprintf(all, sizeof all, "%s: %s", context, e->msg);
  memcpy(e->msg, all, sizeof e->msg);
  if (strlen(all) >= sizeof e->msg) memcpy(e->msg + sizeof e->msg - 4, "...", 4);
  return e->code;
}

void err_clear(err *e) {
  e->code = GANTRY_OK;
  e->msg[0] = 0;
}
