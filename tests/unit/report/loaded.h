/* loaded.h - the synthetic grid in a database of its own under /tmp, loaded as a report's model: what the tests of reports begin and end with. */
#ifndef TESTS_LOADED_H
#define TESTS_LOADED_H
#include "../store/synthetic.h"

#include "report/model.h"

typedef struct w { char out[64]; db *d; arena *a; report_model m; err e; } w;
static void begin(w *x) {
  uint32_t lost;
  memset(x, 0, sizeof *x);
  x->a = arena_new();
  strcpy(x->out, "/tmp/gantry-test-XXXXXX");
  T_CHECK(mkdtemp(x->out) != NULL);
  T_CHECK(db_open(x->out, &x->d, &lost, &x->e) == 0);
  synthetic_fill(x->d, &x->e);
  T_CHECK(report_load(x->d, NULL, x->a, &x->m, &x->e) == 0);
  T_STR(x->e.msg, "");
}
static void end(w *x) {
  char cmd[100];
  db_close(x->d);
  arena_free(x->a);
  snprintf(cmd, sizeof cmd, "rm -rf '%s'", x->out);
  T_CHECK(system(cmd) == 0);
}
#endif
