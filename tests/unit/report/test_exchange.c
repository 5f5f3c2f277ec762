/* Single values in files for programs: what is written reads back as the same value. */
#include "../t.h"

#include <stdlib.h>
#include <string.h>

#include "report/exchange.h"

static void test_exchange__numbers_keep_every_bit(void) {
  static const double v[] = {0, -0.0, 1, 0.1, 1.0 / 3, 5e-324, 1.7976931348623157e308, -123456789.123456789, 2e-4, 1e22};
  for (size_t k = 0; k < sizeof v / sizeof *v; k++) {
    buf b = {0};
    exchange_number(&b, v[k]);
    double back = strtod(b.p, NULL);
    T_CHECK(memcmp(&back, &v[k], sizeof back) == 0);
    buf_free(&b);
  }
  buf b = {0};
  exchange_number(&b, 0.1);
  T_STR(b.p, "0.1"); /* no more digits than it needs */
  buf_free(&b);
  buf_puts(&b, "");
  exchange_number(&b, NAN);
  T_CHECK(b.n == 0);
  exchange_json_number(&b, NAN);
  exchange_json_number(&b, -INFINITY);
  T_STR(b.p, "null\"-inf\"");
  buf_free(&b);
}

static void test_exchange__csv_quotes_what_would_end_a_field(void) {
  static const struct { const char *in, *out; } row[] = {{"plain text", "plain text"}, {"a,b", "\"a,b\""}, {"say \"two\"", "\"say \"\"two\"\"\""}, {"two\nlines", "\"two\nlines\""}, {"\r", "\"\r\""}, {"", ""}, {"ü中", "ü中"}};
  for (size_t k = 0; k < sizeof row / sizeof *row; k++) {
    buf b = {0};
    buf_puts(&b, "");
    exchange_csv(&b, row[k].in);
    T_STR(b.p, row[k].out);
    buf_free(&b);
  }
}

static void test_exchange__json_is_valid_whatever_the_bytes(void) {
  static const struct { const char *in, *out; } row[] = {
    {"a\"b\\c", "\"a\\\"b\\\\c\""}, {"\n\t\x01", "\"\\u000a\\u0009\\u0001\""}, {"</script>", "\"\\u003c/script>\""}, {"é中🎈", "\"é中🎈\""},
    {"\xff", "\"\xef\xbf\xbd\""}, {"\xc3", "\"\xef\xbf\xbd\""}, {"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""}, {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, {"\xe4\xb8x", "\"\xef\xbf\xbd\xef\xbf\xbdx\""}, {NULL, "null"}};
  for (size_t k = 0; k < sizeof row / sizeof *row; k++) {
    buf b = {0};
    exchange_json(&b, row[k].in);
    T_STR(b.p, row[k].out);
    buf_free(&b);
  }
}

T_MAIN(T(test_exchange__numbers_keep_every_bit), T(test_exchange__csv_quotes_what_would_end_a_field), T(test_exchange__json_is_valid_whatever_the_bytes))
