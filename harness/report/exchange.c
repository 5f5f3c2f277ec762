/* exchange.c - numbers, CSV fields and JSON strings as programs read them. See exchange.h. */
#include "report/exchange.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void exchange_number(buf *b, double v) {
  char text[40];
  if (isnan(v)) return;
  for (int digits = 15; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, v);
    if (strtod(text, NULL) == v) break;
  }
  buf_puts(b, text);
}

void exchange_csv(buf *b, const char *s) {
  if (!s) return;
  if (!strpbrk(s, ",\"\r\n")) {
    buf_puts(b, s);
    return;
  }
  buf_putc(b, '"');
  for (; *s; s++) buf_printf(b, *s == '"' ? "\"\"" : "%c", *s);
  buf_putc(b, '"');
}

/* Bytes of the UTF-8 character that begins here (Unicode 15, table 3-7), 0 where none does. */
static size_t character(const unsigned char *s) {
  size_t n = *s < 0x80 ? 1 : *s < 0xc2 ? 0 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : *s < 0xf5 ? 4 : 0;
  if (n > 1 && ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) || (*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] > 0x8f))) return 0;
  for (size_t k = 1; k < n; k++)
    if ((s[k] & 0xc0) != 0x80) return 0;
  return n;
}

void exchange_json(buf *b, const char *s) {
  if (!s) {
    buf_puts(b, "null");
    return;
  }
  buf_putc(b, '"');
  while (*s) {
    size_t n = character((const unsigned char *)s);
    if (*s == '"' || *s == '\\') buf_printf(b, "\\%c", *s);
    else if ((unsigned char)*s < 0x20 || *s == '<') buf_printf(b, "\\u%04x", (unsigned)*s);
    else if (n) buf_put(b, s, n);
    else buf_puts(b, "\xef\xbf\xbd");
    s += n ? n : 1;
  }
  buf_putc(b, '"');
}

void exchange_json_number(buf *b, double v) {
  if (isnan(v)) buf_puts(b, "null");
  else if (isinf(v)) buf_puts(b, v < 0 ? "\"-inf\"" : "\"inf\"");
  else exchange_number(b, v);
}
