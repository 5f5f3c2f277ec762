/* Opening the database beside others: locks of other programs, and folders that cannot be written. */
#include "opened.h"
#include "synthetic.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/files.h"

/* Another program's open transaction is waited for; not once a signal asks us to stop, and then the message says what to do. */
static void test_db_open__a_lock_of_others_is_waited_for(void) {
  w x;
  sqlite3 *h;
  sigset_t mask, before;
  begin(&x);
  T_CHECK(db_commit(x.d, &x.e) == 0);
  pid_t child = fork();
  if (!child) {
    if (sqlite3_open(x.path, &h) || sqlite3_exec(h, "BEGIN IMMEDIATE", NULL, NULL, NULL)) _exit(1);
    usleep(700000);
    _exit(sqlite3_exec(h, "COMMIT", NULL, NULL, NULL) != 0);
  }
  usleep(200000);
  T_CHECK(db_probe_put(x.d, "k", "n", "v", &x.e) == 0 && db_commit(x.d, &x.e) == 0);
  T_CHECK(waitpid(child, NULL, 0) == child);
  T_CHECK(sqlite3_open(x.path, &h) == 0 && sqlite3_exec(h, "BEGIN IMMEDIATE", NULL, NULL, NULL) == 0);
  sigemptyset(&mask);
  sigaddset(&mask, SIGTERM);
  sigprocmask(SIG_BLOCK, &mask, &before);
  raise(SIGTERM);
  T_CHECK(db_probe_put(x.d, "k", "n", "w", &x.e) == GANTRY_E_IO);
  T_HAS(x.e.msg, "database is locked: another program has a transaction open on it; end that and run again");
  T_CHECK(sigtimedwait(&mask, NULL, &(struct timespec){1, 0}) == SIGTERM);
  sigprocmask(SIG_SETMASK, &before, NULL);
  sqlite3_close(h);
  err_clear(&x.e);
  end(&x);
}

/* A folder that cannot be written, with rows that are in the log beside the database only: they are not passed over in silence. */
static void test_db_open__rows_in_the_log_are_not_passed_over(void) {
  w x;
  char wal[120], copy[100], from[120];
  begin(&x);
  synthetic_fill(x.d, &x.e);
  T_CHECK(db_commit(x.d, &x.e) == 0);
  snprintf(copy, sizeof copy, "%s/copy", x.out);
  T_CHECK(mkdir(copy, 0755) == 0);
  buf b = {0};
  for (int k = 0; k < 2; k++) { /* as a copy of a folder whose process was killed */
    snprintf(from, sizeof from, "%s%s", x.path, k ? "-wal" : "");
    snprintf(wal, sizeof wal, "%s/gantry.db%s", copy, k ? "-wal" : "");
    b.n = 0;
    T_CHECK(file_read(from, &b, 1 << 26, &x.e) == 0 && file_write(wal, b.p, b.n, &x.e) == 0);
  }
  buf_free(&b);
  db *d = NULL;
  snprintf(wal, sizeof wal, "%s/gantry.db", copy);
  T_CHECK(chmod(x.out, 0755) == 0 && chmod(copy, 0555) == 0);
  pid_t child = fork();
  if (!child) { /* root may write anywhere */
    if (!geteuid() && setuid(65534)) _exit(2);
    _exit(db_open_read(wal, &d, &x.e) == GANTRY_E_IO && strstr(x.e.msg, "the newest rows are in") ? 0 : 1);
  }
  int status = 0;
  T_CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  T_CHECK(chmod(copy, 0755) == 0);
  T_CHECK(db_open_read(wal, &d, &x.e) == 0);
  db_close(d);
  end(&x);
}

T_MAIN(T(test_db_open__a_lock_of_others_is_waited_for), T(test_db_open__rows_in_the_log_are_not_passed_over))
