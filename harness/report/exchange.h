/* exchange.h - single values in files that programs read: a number with every bit, a field of CSV, a string of JSON.
 *
 * What is written is read back as the same value; missing ones (NaN, NULL) are an empty field of CSV and null in JSON. No errors, nothing is kept. */
#ifndef REPORT_EXCHANGE_H
#define REPORT_EXCHANGE_H
#include "base/mem.h"

/* The shortest of 15 to 17 digits that reads back as the same double; "inf", "-inf"; NaN: nothing. */
void exchange_number(buf *b, double v);
/* RFC 4180: in quotes where it holds a comma, a quote or the end of a line. NULL: nothing. */
void exchange_csv(buf *b, const char *s);
/* A string of JSON (RFC 8259) in quotes. Bytes that are no UTF-8 (the log of a process may hold any) become U+FFFD, and "<" is written as an escape, so that the text may
 * stand inside a page. NULL: null. */
void exchange_json(buf *b, const char *s);
/* A number of JSON; NaN: null; infinities, for which JSON has no number, as the strings "inf" and "-inf". */
void exchange_json_number(buf *b, double v);
#endif
