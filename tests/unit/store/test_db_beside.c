/* Tags and notes beside a writer: nothing of either is lost, and neither keeps the other waiting. */
#include "opened.h"
#include "synthetic.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "base/proc.h"

static int64_t number(w *x, const char *sql) {
  db_table t;
  T_CHECK(db_query(x->d, x->a, &t, &x->e, sql, "") == 0 && t.n_rows == 1);
  return x->e.code ? -1 : db_at(&t, 0, 0)->i;
}

/* What a `gantry tag` and a `gantry note` do, n times; 0 if all went well. */
static int visitor(const char *path, int64_t run, int n) {
  for (int k = 0; k < n; k++) {
    db *d = NULL;
    err e = {0};
    char tag[20];
    snprintf(tag, sizeof tag, "t%d", k);
    usleep(50000); /* people pause; and the writer is in full flow again */
    if (db_open_beside(path, &d, &e) || db_tag(d, run, tag, 1, &e) || db_note(d, run, 0, tag, &e) || db_commit(d, &e)) return fprintf(stderr, "%s\n", e.msg), 1;
    db_close(d);
  }
  return 0;
}

/* A parent that begins its next transaction the moment the last one has ended: visitors get in, a dozen of them while it writes without a pause. */
static void test_db_beside__visitors_get_in_beside_a_flood(void) {
  enum { VISITS = 12, MOST_MS = 8000 };
  w x;
  db_run r;
  int status = -1;
  begin(&x);
  synthetic_fill(x.d, &x.e);
  T_CHECK(db_find_run(x.d, "key-0-1", x.a, &r, &x.e) == 0);
  int64_t step = 1000, from = proc_now_ms(), rows = number(&x, "SELECT count(*) FROM scalar"), put = 0;
  pid_t child = fork();
  if (!child) _exit(visitor(x.path, r.id, VISITS));
  while (waitpid(child, &status, WNOHANG) == 0 && proc_now_ms() - from < MOST_MS) {
    for (int k = 0; k < 500; k++, put++) db_record(x.d, r.id, &(rec){.type = REC_SCALAR, .step = step++, .u.scalar = {.name = "loss_d", .value = 0.5}}, &x.e);
    T_CHECK(db_tick(x.d, proc_now_ms(), &x.e) == 0);
  }
  T_CHECK(status == 0); /* it is done, and was while the flood went on */
  if (status) kill(child, SIGKILL), waitpid(child, NULL, 0);
  T_CHECK(db_commit(x.d, &x.e) == 0);
  T_STR(x.e.msg, "");
  T_CHECK(number(&x, "SELECT count(*) FROM scalar") == rows + put);
  T_CHECK(number(&x, "SELECT count(*) FROM tag") == VISITS && number(&x, "SELECT count(*) FROM note") == VISITS);
  printf("# %d visits and %lld rows in %lld ms\n", VISITS, (long long)put, (long long)(proc_now_ms() - from));
  end(&x);
}

/* A visitor that was stopped with the turn in its hands, but no transaction open, keeps the writer for two seconds a batch, not for good. */
static void test_db_beside__a_stopped_visitor_stops_no_grid(void) {
  w x;
  char path[120];
  begin(&x);
  synthetic_fill(x.d, &x.e);
  snprintf(path, sizeof path, "%s/gantry.turn", x.out);
  int fd = open(path, O_RDWR);
  T_CHECK(fd >= 0 && flock(fd, LOCK_EX) == 0);
  int64_t from = proc_now_ms();
  T_CHECK(db_probe_put(x.d, "k", "n", "v", &x.e) == 0 && db_commit(x.d, &x.e) == 0);
  int64_t took = proc_now_ms() - from;
  T_CHECK(took >= 1000 && took < 8000);
  close(fd);
  from = proc_now_ms();
  T_CHECK(db_probe_put(x.d, "k", "n", "w", &x.e) == 0 && db_commit(x.d, &x.e) == 0);
  T_CHECK(proc_now_ms() - from < 1000);
  end(&x);
}

static void test_db_beside__needs_a_database_and_a_run(void) {
  w x;
  db *d = NULL;
  char path[120];
  begin(&x);
  synthetic_fill(x.d, &x.e);
  snprintf(path, sizeof path, "%s/nowhere/gantry.db", x.out);
  T_CHECK(db_open_beside(path, &d, &x.e) == GANTRY_E_IO && d == NULL);
  T_HAS(x.e.msg, "there is no database");
  T_CHECK(access(path, F_OK) != 0); /* and none is made */
  err_clear(&x.e);
  T_CHECK(db_open_beside(x.path, &d, &x.e) == 0);
  T_CHECK(db_tag(d, 4711, "t", 1, &x.e) == GANTRY_E_IO); /* a run that is gone: no row that points to nothing */
  T_HAS(x.e.msg, "FOREIGN KEY");
  db_close(d);
  err_clear(&x.e);
  T_CHECK(number(&x, "SELECT count(*) FROM tag") == 0);
  end(&x);
}

T_MAIN(T(test_db_beside__visitors_get_in_beside_a_flood), T(test_db_beside__a_stopped_visitor_stops_no_grid), T(test_db_beside__needs_a_database_and_a_run))
