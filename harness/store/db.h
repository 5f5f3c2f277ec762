/* db.h - gantry.db: one writer at a time, readers whenever they like, and tags and notes beside both.
 *
 * The writer takes a lock beside the file, finds runs whose processes are gone, and gathers what arrives into transactions of a
 * quarter of a second or 4096 records. Views with plural names are the public interface; see db_schema.c. */
#ifndef STORE_DB_H
#define STORE_DB_H
#include "store/record.h"

typedef struct db db;
/* Makes the folder and the file if need be, migrates, takes the writer's lock. n_lost: runs found without a process, now "lost". */
gantry_status db_open(const char *out_dir, db **out, uint32_t *n_lost, err *e);
/* Never changes the file. Its statements see runs without a process as "lost" even where the file still says "running"; `main.run` is the table as it is in the file. */
gantry_status db_open_read(const char *path, db **out, err *e);
/* For a few rows (tags, notes) beside a writer that may be at work, whom it neither stops nor keeps waiting for longer than its own transaction. Only a file that is there; an older
 * format is brought up to date as db_open does, which needs the writer's lock. Commit soon. */
gantry_status db_open_beside(const char *path, db **out, err *e);
void db_close(db *d);
gantry_status db_commit(db *d, err *e);            /* everything given so far is in the file */
gantry_status db_sync(db *d, err *e);              /* and survives a power cut */
gantry_status db_tick(db *d, int64_t now_ms, err *e); /* commits if it is time */

const char *db_library(void); /* version of SQLite in use */
int db_library_fits(void);    /* it has what the schema needs */

/* ---- reading ---- */
typedef struct db_value { uint8_t type; int64_t i; double f; const char *s; } db_value; /* s: always the text form, NULL for null */
enum { DB_NULL = 0, DB_INT, DB_REAL, DB_TEXT };
typedef struct db_table { uint32_t n_cols, n_rows; const char **cols; db_value *cells; } db_table; /* row-major; arena-owned */
/* args: "%s"-free: each letter of `types` binds one argument: i int64_t, d double, t const char* (NULL = null). Read-only statements. */
gantry_status db_query(db *d, arena *a, db_table *out, err *e, const char *sql, const char *types, ...);
const db_value *db_at(const db_table *t, uint32_t row, uint32_t col);

/* ---- what is planned ---- */
typedef struct db_level { const char *label, *value_json; } db_level;
typedef struct db_factor { const char *name, *path; const db_level *levels; uint32_t n_levels, baseline; } db_factor;
typedef struct db_cell { const char *label, *excluded, *config_json; const int32_t *level; int64_t same_as; } db_cell;
typedef struct db_grid {
  const char *name, *question, *spec_json, *judge_metric, *judge_weights, *judge_reduce;
  int32_t better; /* -1, 0: lower, +1: higher */
  const db_factor *factors;
  const db_cell *cells;
  uint32_t n_factors, n_cells;
} db_grid;
/* Replaces what is stored about a grid of this name; runs stay, and a cell that still has its label and trains as it did keeps those it has. */
gantry_status db_put_grid(db *d, const db_grid *g, int64_t *grid_id, err *e);
/* The tidy view g_<name>: one row per run, a column per factor and per metric. */
gantry_status db_grid_view(db *d, int64_t grid_id, err *e);

typedef struct db_run { int64_t id, step, total_steps, attempt; char status[16], uid[32], eval_key[65]; const char *dir; } db_run; /* id 0: none; dir arena-owned */
gantry_status db_find_run(db *d, const char *run_key, arena *a, db_run *out, err *e);
/* A new run, status queued, in folder `dir` relative to --out; where another run has that already, in dir~<first letters of its key>. */
gantry_status db_new_run(db *d, const char *run_key, const char *config_json, uint64_t seed, const char *dir, arena *a, db_run *out, err *e);
gantry_status db_link_run(db *d, int64_t grid_id, int64_t cell, uint64_t seed, int64_t run_id, err *e);
/* Unfinished runs of seeds that are not asked for any more (finished ones stay: they are results) are the grid's no longer. */
gantry_status db_unlink_unfinished(db *d, int64_t grid_id, const uint64_t *seeds, uint32_t n_seeds, err *e);
gantry_status db_put_plugin(db *d, int64_t run_id, const char *slot, const char *sha256, const char *kind, const char *name, const char *version, const char *path, err *e);
gantry_status db_probe_get(db *d, const char *key, arena *a, db_table *out, err *e); /* rows of name, value */
gantry_status db_probe_put(db *d, const char *key, const char *name, const char *value, err *e);

/* ---- what happens ---- */
gantry_status db_run_start(db *d, int64_t run_id, int64_t pid, int64_t total_steps, int again, err *e); /* again: one more attempt */
gantry_status db_record(db *d, int64_t run_id, const rec *r, err *e);
/* plugin, place: which plugin was at work when the process broke, and on what; NULL where nobody knows. */
typedef struct db_end { const char *status, *error_class, *error_text, *log_tail, *eval_key, *plugin, *place; int code, signal; } db_end;
gantry_status db_run_end(db *d, int64_t run_id, const db_end *x, err *e);

/* ---- other databases, and files ---- */
/* folders: rows of (folder of a run in the other --out, in this one); renamed: rows of (grid's name there, here). Arena-owned. */
typedef struct db_merged { int64_t n_new, n_better, n_known; db_table folders, renamed; } db_merged;
gantry_status db_merge(db *d, const char *path, arena *a, db_merged *m, err *e);
/* on 0 takes the tag away. Notes are only ever added; run_id 0: about the grid. */
gantry_status db_tag(db *d, int64_t run_id, const char *tag, int on, err *e);
gantry_status db_note(db *d, int64_t run_id, int64_t grid_id, const char *text, err *e);
/* Runs that no grid names any more, with everything about them. */
gantry_status db_forget_run(db *d, int64_t run_id, err *e);
#endif
