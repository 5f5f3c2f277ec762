/* db_beside.c - a few rows beside the writer: tags and notes while a grid runs. See db.h.
 *
 * Two ways were there: to hand the row to the running parent, or to write it oneself under SQLite's own locks. The second was taken: the parent waits for the locks of others anyway
 * (a notebook may have them), rows of tags and notes touch none of its own, it keeps nothing of them in memory, and there is no second protocol, no answer to wait for, and nothing
 * left over when either side dies. It needs one thing more, for SQLite's locks know no queue: a parent with much to write begins its next transaction as soon as the last one has
 * ended, and somebody who looks every 50 ms whether the file is free could look for minutes. So there is a turn, a lock on the file gantry.turn. Who writes beside holds it from
 * before its transaction until after; the writer looks before each of its own whether somebody holds it, and lets him. He does not wait long: a process that was stopped with the
 * turn in its hands must not stop a grid. Whose process ends loses the turn. */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/files.h"
#include "store/db_internal.h"

gantry_status db_turn_open(db *d, const char *dir, err *e) {
  arena *a = arena_new();
  const char *path = path_join(a, dir, "gantry.turn");
  gantry_status st = GANTRY_OK;
  d->turn_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (d->turn_fd < 0) st = err_errno(e, "cannot write %s", path);
  arena_free(a);
  return st;
}

void db_turn_take(db *d) {
  enum { STEP_US = 2000, WRITER_MS = 2000, BESIDE_MS = 10000 };
  int how = (d->beside ? LOCK_EX : LOCK_SH) | LOCK_NB;
  for (int waited = 0; d->turn_fd >= 0 && flock(d->turn_fd, how) && (errno == EWOULDBLOCK || errno == EINTR) && waited < (d->beside ? BESIDE_MS : WRITER_MS) * 1000; waited += STEP_US)
    nanosleep(&(struct timespec){.tv_nsec = STEP_US * 1000L}, NULL); /* without the turn it goes on all the same: what is right is SQLite's to keep */
  if (!d->beside) db_turn_give(d);
}

void db_turn_give(db *d) {
  if (d->turn_fd >= 0) flock(d->turn_fd, LOCK_UN);
}

gantry_status db_open_beside(const char *path, db **out, err *e) {
  arena *a = arena_new();
  const char *dir = path_dir(a, path);
  db *d = mem_alloc(sizeof *d);
  int64_t version = 0;
  gantry_status st = GANTRY_OK;
  d->lock_fd = d->turn_fd = -1;
  d->beside = 1;
  if (!file_exists(path)) st = db_no_file(path, e);
  if (!st) st = db_check_place(dir, e);
  if (!st) st = db_connect(d, path, SQLITE_OPEN_READWRITE, e);
  if (!st) st = db_check_file(d, path, &version, e);
  if (!st) st = db_script(d, "PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY; PRAGMA synchronous=FULL", e); /* what is written by hand is not written again */
  if (!st && version < db_version() && strcmp(path_join(a, dir, "gantry.db"), path)) {
    st = err_set(e, GANTRY_E_CONFIG, "%s has the older format %lld, and only a file called gantry.db is brought up to date", path, (long long)version);
  } else if (!st && version < db_version()) {
    uint32_t lost;
    db_close(d);
    d = NULL;
    st = db_open(dir, &d, &lost, e);
  } else if (!st) {
    st = db_turn_open(d, dir, e);
  }
  arena_free(a);
  if (st) db_close(d);
  else *out = d;
  return st;
}
