/* db_open.c - opening gantry.db: where it may lie, who may write, migrations. See db.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"
#include "base/proc.h"
#include "store/db_internal.h"
#include "store/layout.h"

enum { APPLICATION_ID = 1196315730 }; /* 'GNTR' */

const char *db_library(void) { return sqlite3_libversion(); }
int db_library_fits(void) { return sqlite3_libversion_number() >= 3037000; } /* STRICT tables */

gantry_status db_fail(db *d, err *e, const char *doing) {
  int code = d->h ? sqlite3_errcode(d->h) : SQLITE_NOMEM;
  const char *what = d->h ? sqlite3_errmsg(d->h) : "out of memory";
  const char *file = d->h ? sqlite3_db_filename(d->h, "main") : NULL;
  gantry_status st = code == SQLITE_FULL || code == SQLITE_NOMEM ? GANTRY_E_NOMEM : GANTRY_E_IO;
  const char *advice = code == SQLITE_FULL ? ": free some space and run again, nothing finished is lost" : code == SQLITE_READONLY || code == SQLITE_CANTOPEN ? ": is its folder writable?"
    : code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? ": the file is damaged; put it aside and bring back a copy, or run again into another --out (samples and checkpoints are files of their own and can be looked at)"
    : code == SQLITE_BUSY || code == SQLITE_LOCKED ? ": another program has a transaction open on it; end that and run again, nothing finished is lost" : "";
  d->broken = d->open;
  return err_set(e, st, "%s %s: %s%s", doing, file && *file ? file : "the database", what, advice);
}

/* A lock of another program (a notebook with a transaction that was never committed) is waited for: a grid that runs for days does not end because of it. Not once somebody wants
 * us to stop: who blocks these signals reads them when we return. */
static int wait_for_lock(void *user, int tries) {
  enum { STEP_MS = 50, SAY_MS = 3000, READ_MS = 10000, WRITE_MS = 600000 };
  db *d = user;
  sigset_t waiting;
  int64_t waited = (int64_t)tries * STEP_MS, most = d->read_only ? READ_MS : WRITE_MS;
  if (!sigpending(&waiting) && (sigismember(&waiting, SIGINT) == 1 || sigismember(&waiting, SIGTERM) == 1)) return 0;
  if (waited == SAY_MS && !d->read_only) {
    const char *file = sqlite3_db_filename(d->h, "main");
    log_line(LOG_WARN, "%s is locked by another program (a transaction left open in sqlite3 or a notebook?); waiting for it, %d minutes at most", file ? file : "the database", WRITE_MS / 60000);
  }
  if (waited >= most) return 0;
  nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000L}, NULL);
  return 1;
}

gantry_status db_script(db *d, const char *sql, err *e) { return sqlite3_exec(d->h, sql, NULL, NULL, NULL) ? db_fail(d, e, "writing") : GANTRY_OK; }

const char *db_uri(arena *a, const char *path, const char *options) {
  buf b = {0};
  buf_puts(&b, "file:");
  for (const char *s = path; *s; s++) buf_printf(&b, strchr("%?#", *s) ? "%%%02X" : "%c", (unsigned char)*s);
  buf_printf(&b, "?%s", options);
  const char *uri = arena_str(a, b.p);
  buf_free(&b);
  return uri;
}

/* WAL needs shared memory between processes, which network file systems do not give: files there get damaged. */
gantry_status db_check_place(const char *dir, err *e) {
  static const struct { unsigned long type; const char *name; } bad[] = {
    {0x6969, "NFS"}, {0x517b, "SMB"}, {0xff534d42, "CIFS"}, {0xfe534d42, "SMB2"}, {0x0bd00bd0, "Lustre"}, {0x47504653, "GPFS"}, {0x00c36400, "Ceph"}, {0x5346414f, "AFS"}, {0x19830326, "BeeGFS"}};
  struct statfs info;
  if (statfs(dir, &info)) return err_errno(e, "cannot look at the file system of %s", dir);
  for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
    if (((unsigned long)info.f_type & 0xffffffffu) == bad[k].type)
      return err_set(e, GANTRY_E_IO, "%s lies on a network file system (%s), where the database would get damaged; use --out on a local disk and copy the folder afterwards", dir, bad[k].name);
  return GANTRY_OK;
}

static gantry_status take_lock(db *d, const char *dir, err *e) {
  arena *a = arena_new();
  const char *path = path_join(a, dir, "gantry.lock");
  char who[32] = "";
  gantry_status st = GANTRY_OK;
  d->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (d->lock_fd < 0) st = err_errno(e, "cannot write %s", path);
  else if (flock(d->lock_fd, LOCK_EX | LOCK_NB)) {
    ssize_t k = errno == EWOULDBLOCK ? pread(d->lock_fd, who, sizeof who - 1, 0) : -1;
    if (k < 0) st = err_errno(e, "cannot lock %s", path);
    else st = err_set(e, GANTRY_E_IO, "%s is being written by another gantry (process %.*s); wait for it, or use another --out", dir, (int)strcspn(who, "\n"), who);
  } else {
    int n = snprintf(who, sizeof who, "%ld\n", (long)getpid());
    errno = ENOSPC; /* what a short write means */
    if (ftruncate(d->lock_fd, 0) || pwrite(d->lock_fd, who, (size_t)n, 0) != n) st = err_errno(e, "cannot write %s", path);
  }
  arena_free(a);
  return st;
}

static gantry_status pragma_int(db *d, const char *sql, int64_t *v, err *e) { return db_do(d, v, e, sql, ""); }

/* A copy beside the file before its format changes, for those who go back to the older gantry. */
static gantry_status back_up(db *d, const char *path, int64_t version, err *e) {
  arena *a = arena_new();
  const char *copy = arena_fmt(a, "%s.v%lld", path, (long long)version), *beside = arena_fmt(a, "%s.part-%ld", copy, (long)getpid());
  gantry_status st = GANTRY_OK;
  if (!file_exists(copy)) {
    unlink(beside);
    st = db_do(d, NULL, e, "VACUUM INTO ?", "t", beside);
    fault_point("store.backed_up");
    if (!st && rename(beside, copy)) st = err_errno(e, "cannot write %s", copy);
    if (st) err_wrap(e, "%s has the older format %lld and is copied to %s before it is brought up to date", path, (long long)version, copy);
    else log_line(LOG_INFO, "%s has the older format %lld; it is brought up to date, and a copy is kept as %s", path, (long long)version, copy);
  }
  arena_free(a);
  return st;
}

static gantry_status migrate(db *d, const char *path, err *e) {
  int64_t version, app, tables;
  TRY(pragma_int(d, "PRAGMA user_version", &version, e));
  TRY(pragma_int(d, "PRAGMA application_id", &app, e));
  TRY(pragma_int(d, "SELECT count(*) FROM sqlite_schema", &tables, e));
  if (tables && app != APPLICATION_ID) return err_set(e, GANTRY_E_IO, "%s is a database of another program", path);
  if (version > db_version()) return err_set(e, GANTRY_E_IO, "%s was written by a newer gantry (format %lld, this one knows %u): update gantry", path, (long long)version, db_version());
  if (version > 0 && version < db_version()) TRY(back_up(d, path, version, e));
  for (; version < db_version(); version++) {
    char mark[80];
    const char *const *step = db_migration((uint32_t)version);
    snprintf(mark, sizeof mark, "PRAGMA application_id=%d; PRAGMA user_version=%lld;", APPLICATION_ID, (long long)version + 1);
    gantry_status st = db_script(d, "BEGIN IMMEDIATE", e);
    for (; !st && *step; step++) st = db_script(d, *step, e);
    if (!st) st = db_script(d, mark, e);
    if (!st) st = db_script(d, "COMMIT", e);
    if (st) {
      sqlite3_exec(d->h, "ROLLBACK", NULL, NULL, NULL);
      return err_wrap(e, "bringing %s to format %lld", path, (long long)version + 1);
    }
  }
  return GANTRY_OK;
}

gantry_status db_connect(db *d, const char *path, int flags, err *e) {
  if (sqlite3_open_v2(path, &d->h, flags, NULL)) return err_set(e, GANTRY_E_IO, "cannot open %s: %s", path, d->h ? sqlite3_errmsg(d->h) : "out of memory");
  sqlite3_busy_handler(d->h, wait_for_lock, d); /* before anything else: even setting the journal mode can meet a lock */
  sqlite3_extended_result_codes(d->h, 0);
  return GANTRY_OK;
}

gantry_status db_check_file(db *d, const char *path, int64_t *version, err *e) {
  int64_t app;
  TRY(pragma_int(d, "PRAGMA application_id", &app, e));
  if (app != APPLICATION_ID) return err_set(e, GANTRY_E_IO, "%s is not a gantry database", path);
  TRY(pragma_int(d, "PRAGMA user_version", version, e));
  if (*version > db_version()) return err_set(e, GANTRY_E_IO, "%s was written by a newer gantry (format %lld, this one knows %u): update gantry", path, (long long)*version, db_version());
  return GANTRY_OK;
}

gantry_status db_no_file(const char *path, err *e) { return err_set(e, GANTRY_E_IO, "there is no database %s; `gantry run EXP.json` makes one, and --out or $GANTRY_OUT says where", path); }

gantry_status db_open(const char *out_dir, db **out, uint32_t *n_lost, err *e) {
  db *d = mem_alloc(sizeof *d);
  d->lock_fd = d->turn_fd = -1;
  arena *a = arena_new();
  const char *path = path_join(a, out_dir, "gantry.db");
  gantry_status st;
  if ((st = dir_make(out_dir, e))) goto done;
  if ((st = db_check_place(out_dir, e))) goto done;
  if ((st = take_lock(d, out_dir, e))) goto done;
  if ((st = db_turn_open(d, out_dir, e))) goto done;
  if ((st = db_connect(d, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI, e))) goto done;
  if ((st = db_script(d, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON; PRAGMA cache_size=-65536; PRAGMA temp_store=MEMORY;"
                         "PRAGMA journal_size_limit=67108864; PRAGMA wal_autocheckpoint=4000", e))) goto done;
  if ((st = migrate(d, path, e))) goto done;
  st = db_mark_lost(d, n_lost, e);
  if (!st) st = db_commit(d, e);
done:
  arena_free(a);
  if (st) db_close(d);
  else *out = d;
  return st;
}

gantry_status db_open_read(const char *path, db **out, err *e) {
  db *d = mem_alloc(sizeof *d);
  d->lock_fd = d->turn_fd = -1;
  d->read_only = 1;
  int64_t app = 0, version = 0;
  struct stat info;
  gantry_status st = GANTRY_OK;
  if (!file_exists(path)) {
    st = db_no_file(path, e);
  } else {
    arena *a = arena_new();
    for (int immutable = 0; immutable < 2; immutable++) { /* a folder that cannot be written has no place for the shared index */
      const char *uri = db_uri(a, path, immutable ? "mode=ro&immutable=1" : "mode=ro");
      err_clear(e);
      if (d->h) sqlite3_close(d->h);
      if (sqlite3_open_v2(uri, &d->h, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL)) {
        st = err_set(e, GANTRY_E_IO, "cannot open %s: %s", path, d->h ? sqlite3_errmsg(d->h) : "out of memory");
        continue;
      }
      sqlite3_busy_handler(d->h, wait_for_lock, d);
      st = db_script(d, "PRAGMA temp_store=MEMORY", e);
      if (!st) st = pragma_int(d, "PRAGMA application_id", &app, e);
      if (!st || sqlite3_errcode(d->h) == SQLITE_BUSY) break;
      const char *wal = arena_fmt(a, "%s-wal", path);
      if (!stat(wal, &info) && info.st_size > 0) { /* it would be passed over in silence */
        err_clear(e);
        st = err_set(e, GANTRY_E_IO, "%s: the newest rows are in %s, and reading those needs a folder that can be written: copy it to one that can", path, wal);
        break;
      }
    }
    arena_free(a);
  }
  if (!st) st = db_check_file(d, path, &version, e);
  if (!st) db_show_lost(d);
  if (!st) st = db_script(d, "PRAGMA query_only=1", e);
  if (st) db_close(d);
  else *out = d;
  return st;
}

void db_close(db *d) {
  if (!d) return;
  err e = {0};
  if (d->h && sqlite3_get_autocommit(d->h)) d->open = 0; /* an error has rolled the transaction back already, and was told */
  if (d->h && d->broken) db_rollback(d); /* the failure was told; db_commit would tell of it once more */
  if (d->h && !d->read_only && db_commit(d, &e)) log_line(LOG_ERROR, "%s", e.msg);
  sqlite3_finalize(d->put_scalar);
  sqlite3_finalize(d->put_clock);
  sqlite3_close(d->h);
  for (uint32_t k = 0; k < d->metrics.n; k++) free(d->metrics.p[k].name);
  for (uint32_t k = 0; k < d->protocols.n; k++) free(d->protocols.p[k].name);
  free(d->metrics.p);
  free(d->protocols.p);
  free(d->sums.p);
  free(d->runs.p);
  if (d->lock_fd >= 0) close(d->lock_fd);
  if (d->turn_fd >= 0) close(d->turn_fd);
  free(d);
}
