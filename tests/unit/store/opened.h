/* opened.h - a database in a folder of its own under /tmp, opened for writing: what the tests of the database begin and end with. */
#ifndef OPENED_H
#define OPENED_H
#include <unistd.h>

#include "store/db.h"
#include "t.h"

typedef struct w { char out[64], path[100]; db *d; arena *a; err e; } w;
static void begin(w *x) {
  uint32_t lost;
  memset(x, 0, sizeof *x);
  x->a = arena_new();
  strcpy(x->out, "/tmp/gantry-test-XXXXXX");
  T_CHECK(mkdtemp(x->out) != NULL);
  snprintf(x->path, sizeof x->path, "%s/gantry.db", x->out);
  T_CHECK(db_open(x->out, &x->d, &lost, &x->e) == 0);
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
