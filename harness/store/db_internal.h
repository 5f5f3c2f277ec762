/* db_internal.h - what the files behind db.h share. */
#ifndef STORE_DB_INTERNAL_H
#define STORE_DB_INTERNAL_H
#include <sqlite3.h>

#include "store/db.h"

typedef struct name_id { char *name; int64_t id; } name_id;
typedef struct totals { int64_t run, metric, n, n_bad, last_step, min_step, max_step; double last, min, max; uint8_t any; } totals; /* of one batch */
typedef struct heard { int64_t run, step; } heard;

struct db {
  sqlite3 *h;
  int lock_fd, turn_fd;
  uint8_t read_only, open; /* open: a transaction is */
  uint8_t beside;          /* not the writer: it puts a few rows beside him, db_beside.c */
  uint8_t broken;          /* a statement of it failed: half of something may be in it, so it is never committed */
  int64_t opened_ms, pending;
  sqlite3_stmt *put_scalar, *put_clock;
  VEC(name_id) metrics;
  VEC(name_id) protocols;
  VEC(totals) sums;
  VEC(heard) runs;
};

/* db_beside.c: whose turn it is to begin a transaction. */
gantry_status db_turn_open(db *d, const char *dir, err *e);
void db_turn_take(db *d);  /* beside: until given back; the writer: waits for those who have it, not for long */
void db_turn_give(db *d);

/* db_open.c */
gantry_status db_check_place(const char *dir, err *e); /* not on a network file system */
gantry_status db_connect(db *d, const char *path, int flags, err *e);
gantry_status db_no_file(const char *path, err *e);    /* says that there is none */
gantry_status db_check_file(db *d, const char *path, int64_t *version, err *e); /* ours, and not newer */

const char *const *db_migration(uint32_t from); /* statements, NULL-terminated; NULL past the newest */
uint32_t db_version(void);

/* db_lost.c: runs whose process is gone. Into the file; or, for a connection that only reads, into what its statements see
 * (where that fails, a file whose tables are others, they see the file as it is). */
gantry_status db_mark_lost(db *d, uint32_t *n_lost, err *e);
void db_show_lost(db *d);

gantry_status db_fail(db *d, err *e, const char *doing);
const char *db_uri(arena *a, const char *path, const char *options); /* "file:...?options", with what URIs reserve escaped */
/* One statement with bound arguments, as db_query; *id: last_insert_rowid or the first column of the first row; may be NULL. */
gantry_status db_do(db *d, int64_t *id, err *e, const char *sql, const char *types, ...);
gantry_status db_script(db *d, const char *sql, err *e);
gantry_status db_begin(db *d, err *e); /* if none is open */
void db_rollback(db *d);
gantry_status db_flush_totals(db *d, err *e);
gantry_status db_name_id(db *d, const char *table, const char *name, int64_t *id, err *e);
int db_bind(sqlite3_stmt *s, const char *types, va_list ap);
#endif
