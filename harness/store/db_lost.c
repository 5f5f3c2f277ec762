/* db_lost.c - runs that the file calls running although their process is gone (kill -9, power, a parent that died): found by who writes, and shown as lost by who reads. See db.h.
 *
 * A run is alive if its process is: same number, same start time, same boot of the machine. The writer puts what it finds into the file. A reader must not write; where it finds
 * such runs it lays temporary views of its own connection, kept in memory, before the table `run` and every view of the file, in which these runs are lost. So each statement of a
 * reader (`gantry ls`, `show`, `report`, `query`) says what is true, without knowing of this. Who means the file as it is says `main.run`. */
#include <stdio.h>
#include <string.h>

#include "base/proc.h"
#include "store/db_internal.h"

#define WHY "its process ended without a word (power, kill -9, or the parent died); `gantry run` with the same experiment goes on from its newest checkpoint"

/* The runs without a process: rows of (id, step). */
static gantry_status dead(db *d, arena *a, db_table *out, err *e) {
  char boot[64];
  db_table t;
  proc_boot_id(boot);
  TRY(db_query(d, a, &t, e, "SELECT id, step, pid, start_time, boot_id FROM main.run WHERE status='running'", ""));
  *out = (db_table){.n_cols = t.n_cols, .cols = t.cols, .cells = ARENA_ARRAY(a, db_value, (size_t)t.n_rows * t.n_cols + 1)};
  for (uint32_t k = 0; k < t.n_rows; k++) {
    const char *b = db_at(&t, k, 4)->s;
    if (b && !strcmp(b, boot) && proc_start_time((pid_t)db_at(&t, k, 2)->i) == db_at(&t, k, 3)->i) continue;
    memcpy(&out->cells[(size_t)t.n_cols * out->n_rows++], db_at(&t, k, 0), sizeof *t.cells * t.n_cols);
  }
  return GANTRY_OK;
}

gantry_status db_mark_lost(db *d, uint32_t *n_lost, err *e) {
  arena *a = arena_new();
  db_table t;
  *n_lost = 0;
  gantry_status st = dead(d, a, &t, e);
  for (uint32_t k = 0; !st && k < t.n_rows; k++) {
    int64_t run = db_at(&t, k, 0)->i;
    st = db_do(d, NULL, e, "UPDATE run SET status='lost', ended_ms=?, error_class='lost', error_text='" WHY "' WHERE id=?", "ii", proc_now_ms(), run);
    if (!st) st = db_do(d, NULL, e, "INSERT INTO event(run_id,step,wall_ms,level,code,text) VALUES(?,?,?,'warn','LOST','its process was gone when gantry started')", "iii", run, db_at(&t, k, 1)->i, proc_now_ms());
    ++*n_lost;
  }
  arena_free(a);
  return st;
}

/* The table `run` as it would be after db_mark_lost. */
static gantry_status veil_runs(db *d, arena *a, const db_table *lost, err *e) {
  db_table cols;
  buf which = {0}, sql = {0};
  gantry_status st = db_query(d, a, &cols, e, "SELECT name FROM pragma_table_info('run','main')", ""); /* older formats have fewer */
  for (uint32_t k = 0; k < lost->n_rows; k++) buf_printf(&which, "%s%lld", k ? "," : "", (long long)db_at(lost, k, 0)->i);
  buf_puts(&sql, "CREATE TEMP VIEW run AS SELECT ");
  for (uint32_t k = 0; !st && k < cols.n_rows; k++) {
    const char *name = db_at(&cols, k, 0)->s, *now = !strcmp(name, "status") || !strcmp(name, "error_class") ? "'lost'" : !strcmp(name, "error_text") ? "'" WHY "'" : NULL;
    if (k) buf_putc(&sql, ',');
    if (now) buf_printf(&sql, "CASE WHEN id IN (%s) THEN %s ELSE %s END %s", which.p, now, name, name);
    else buf_printf(&sql, "\"%s\"", name);
  }
  buf_puts(&sql, " FROM main.run");
  if (!st) st = db_do(d, NULL, e, sql.p, "");
  buf_free(&which);
  buf_free(&sql);
  return st;
}

void db_show_lost(db *d) {
  static const char begins[] = "CREATE VIEW ";
  arena *a = arena_new();
  db_table t, views;
  err ignored = {0};
  if (dead(d, a, &t, &ignored) || !t.n_rows || db_query(d, a, &views, &ignored, "SELECT sql FROM main.sqlite_schema WHERE type='view' ORDER BY rowid", "") || veil_runs(d, a, &t, &ignored)) goto done;
  for (uint32_t k = 0; k < views.n_rows; k++) {
    const char *sql = db_at(&views, k, 0)->s;
    err own = {0}; /* a view of the user's that cannot be read that way stays as the file has it */
    if (sql && !strncmp(sql, begins, sizeof begins - 1)) db_do(d, NULL, &own, arena_fmt(a, "CREATE TEMP VIEW %s", sql + sizeof begins - 1), "");
  }
done:
  arena_free(a);
}
