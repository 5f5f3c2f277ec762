/* db_query.c - statements with bound arguments, and reading rows into plain memory. See db.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fault.h"
#include "base/proc.h"
#include "store/db_internal.h"

int db_bind(sqlite3_stmt *s, const char *types, va_list ap) {
  int rc = SQLITE_OK;
  for (int k = 1; *types && rc == SQLITE_OK; types++, k++) {
    if (*types == 'i') rc = sqlite3_bind_int64(s, k, va_arg(ap, int64_t));
    else if (*types == 'd') rc = sqlite3_bind_double(s, k, va_arg(ap, double)); /* NaN becomes NULL */
    else rc = sqlite3_bind_text(s, k, va_arg(ap, const char *), -1, SQLITE_TRANSIENT); /* NULL becomes NULL */
  }
  return rc;
}

gantry_status db_do(db *d, int64_t *id, err *e, const char *sql, const char *types, ...) {
  sqlite3_stmt *s = NULL;
  va_list ap;
  if (sqlite3_prepare_v2(d->h, sql, -1, &s, NULL)) return db_fail(d, e, "preparing a statement for");
  va_start(ap, types);
  int rc = db_bind(s, types, ap);
  va_end(ap);
  if (rc == SQLITE_OK) rc = sqlite3_step(s);
  if (id) *id = rc == SQLITE_ROW ? sqlite3_column_int64(s, 0) : sqlite3_last_insert_rowid(d->h);
  gantry_status st = rc == SQLITE_ROW || rc == SQLITE_DONE ? GANTRY_OK : db_fail(d, e, d->read_only ? "reading" : "writing");
  sqlite3_finalize(s);
  return st;
}

static db_value read_value(sqlite3_stmt *s, int k, arena *a) {
  db_value v = {0};
  switch (sqlite3_column_type(s, k)) {
    case SQLITE_NULL: return v;
    case SQLITE_INTEGER: v.type = DB_INT; break;
    case SQLITE_FLOAT: v.type = DB_REAL; break;
    default: v.type = DB_TEXT; break;
  }
  v.i = sqlite3_column_int64(s, k);
  v.f = sqlite3_column_double(s, k);
  if (v.type == DB_REAL) {
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
      snprintf(text, sizeof text, "%.*g", digits, v.f);
      if (strtod(text, NULL) == v.f) break;
    }
    v.s = arena_str(a, text);
  } else {
    int n = (sqlite3_column_text(s, k), sqlite3_column_bytes(s, k));
    v.s = arena_strn(a, (const char *)sqlite3_column_text(s, k), (size_t)n);
  }
  return v;
}

gantry_status db_query(db *d, arena *a, db_table *out, err *e, const char *sql, const char *types, ...) {
  sqlite3_stmt *s = NULL;
  const char *tail = NULL;
  va_list ap;
  *out = (db_table){0};
  if (sqlite3_prepare_v2(d->h, sql, -1, &s, &tail)) return sqlite3_errcode(d->h) == SQLITE_ERROR ? err_set(e, GANTRY_E_CONFIG, "%s", sqlite3_errmsg(d->h)) : db_fail(d, e, "reading");
  if (!s) return err_set(e, GANTRY_E_CONFIG, "the query is empty");
  if (tail && tail[strspn(tail, " \t\r\n;")]) {
    sqlite3_finalize(s);
    return err_set(e, GANTRY_E_CONFIG, "one statement at a time; there is more after the first: %.60s", tail);
  }
  if (!sqlite3_stmt_readonly(s)) {
    sqlite3_finalize(s);
    return err_set(e, GANTRY_E_CONFIG, "this statement would change the database; queries only read");
  }
  va_start(ap, types);
  int rc = db_bind(s, types, ap);
  va_end(ap);
  int n = sqlite3_column_count(s);
  out->n_cols = (uint32_t)n;
  out->cols = ARENA_ARRAY(a, const char *, n);
  for (int k = 0; k < n; k++) out->cols[k] = arena_str(a, sqlite3_column_name(s, k));
  VEC(db_value) cells = {0};
  while (rc == SQLITE_OK || rc == SQLITE_ROW) {
    rc = sqlite3_step(s);
    if (rc != SQLITE_ROW) break;
    for (int k = 0; k < n; k++) VEC_PUSH(cells, read_value(s, k, a));
    out->n_rows++;
  }
  gantry_status st = rc == SQLITE_DONE ? GANTRY_OK : db_fail(d, e, "reading");
  sqlite3_finalize(s);
  out->cells = arena_copy(a, cells.p, sizeof *cells.p * cells.n);
  free(cells.p);
  return st;
}

const db_value *db_at(const db_table *t, uint32_t row, uint32_t col) { return &t->cells[(size_t)row * t->n_cols + col]; }

gantry_status db_begin(db *d, err *e) {
  if (d->open) return GANTRY_OK;
  db_turn_take(d);
  TRY(db_script(d, "BEGIN IMMEDIATE", e)); /* never a read that later wants to write: no timeout helps that */
  d->open = 1;
  d->broken = 0;
  d->opened_ms = proc_now_ms();
  d->pending = 0;
  return GANTRY_OK;
}

void db_rollback(db *d) {
  if (!d->open) return;
  sqlite3_exec(d->h, "ROLLBACK", NULL, NULL, NULL);
  db_turn_give(d);
  d->open = 0;
  d->sums.n = d->runs.n = 0;
}

gantry_status db_commit(db *d, err *e) {
  if (!d->open) return GANTRY_OK;
  if (d->broken) { /* as if the process had been killed: what matters was committed before, the rest comes again */
    db_rollback(d);
    return err_set(e, GANTRY_E_IO, "what was being written when the database failed is left out: run again");
  }
  TRY(db_flush_totals(d, e));
  fault_point("store.commit");
  TRY(db_script(d, "COMMIT", e));
  db_turn_give(d);
  fault_point("store.committed");
  d->open = 0;
  return GANTRY_OK;
}

/* In WAL mode with synchronous=NORMAL a commit reaches the disk with the next checkpoint of the log; here the log itself is flushed. */
gantry_status db_sync(db *d, err *e) {
  sqlite3_file *log = NULL;
  TRY(db_commit(d, e));
  if (sqlite3_file_control(d->h, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) == SQLITE_OK && log && log->pMethods && log->pMethods->xSync(log, SQLITE_SYNC_NORMAL))
    return err_set(e, GANTRY_E_IO, "cannot flush the log of the database to the disk");
  return GANTRY_OK;
}

gantry_status db_tick(db *d, int64_t now_ms, err *e) {
  enum { BATCH_MS = 250, BATCH_RECORDS = 4096 };
  if (!d->open || (d->pending < BATCH_RECORDS && now_ms - d->opened_ms < BATCH_MS)) return GANTRY_OK;
  return db_commit(d, e);
}

gantry_status db_name_id(db *d, const char *table, const char *name, int64_t *id, err *e) {
  int is_metric = *table == 'm';
  uint32_t n = is_metric ? d->metrics.n : d->protocols.n;
  const name_id *known = is_metric ? d->metrics.p : d->protocols.p;
  for (uint32_t k = 0; k < n; k++)
    if (!strcmp(known[k].name, name)) return *id = known[k].id, GANTRY_OK;
  TRY(db_do(d, NULL, e, is_metric ? "INSERT OR IGNORE INTO metric(name) VALUES(?)" : "INSERT OR IGNORE INTO protocol(name) VALUES(?)", "t", name));
  TRY(db_do(d, id, e, is_metric ? "SELECT id FROM metric WHERE name=?" : "SELECT id FROM protocol WHERE name=?", "t", name));
  name_id one = {mem_str(name), *id};
  if (is_metric) VEC_PUSH(d->metrics, one);
  else VEC_PUSH(d->protocols, one);
  return GANTRY_OK;
}
