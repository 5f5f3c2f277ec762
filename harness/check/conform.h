/* conform.h - is a plugin file what its descriptor says it is? The conformance tests behind `gantry plugins check`.
 *
 * Each test runs in a child process with a timeout, on the f64 reference interpreter and a small run of the checker's own (stage.h): no
 * experiment, no data and, but for backends, no device is needed. What a test finds is a verdict and one line that says what to do. */
#ifndef CHECK_CONFORM_H
#define CHECK_CONFORM_H
#include "base/err.h"
#include "base/mem.h"

enum { CHECK_PASS, CHECK_FAIL, CHECK_CRASH, CHECK_TIMEOUT, CHECK_SKIP, CHECK_WARN, CHECK_VERDICTS };
const char *check_verdict_name(uint32_t verdict); /* "pass" ... */

typedef struct check_result {
  char test[80];       /* "grad-order-1"; of a backend "op/MATMUL:f32:dense" */
  uint32_t verdict;
  char why[700];       /* "" for a plain pass */
  int64_t ms;
} check_result;

typedef struct check_options {
  const char *only;    /* extended regular expression over test names, or NULL */
  uint64_t seed;       /* of random parameters and values; a report names it, so that it can be repeated */
  int64_t timeout_ms;  /* of one test; 0 = 30 s */
  uint8_t in_process;  /* no child: for a debugger; crashes and hangs are then the checker's */
  uint8_t quick;       /* fewer random sets and places of failure */
  const char *const *set; /* "key=value": parameters without which the plugin cannot be built, such as a data set's path */
  uint32_t n_set;
} check_options;

typedef struct check_report {
  const char *path;
  char kind[16], name[80]; /* "" where the file could not be read */
  VEC(check_result) results;
  uint32_t count[CHECK_VERDICTS];
} check_report;

/* Fails only where the checker itself cannot work (a bad expression, no memory); everything about the file is a result. */
gantry_status check_plugin_file(const char *path, const check_options *o, check_report *out, err *e);
void check_report_free(check_report *r);

/* The tests there are, in order; kinds: bit 1 << GANTRY_KIND_*, 0 = all. */
typedef struct check_about { const char *id, *doc; uint32_t kinds; } check_about;
uint32_t check_count(void);
check_about check_at(uint32_t k);
#endif
