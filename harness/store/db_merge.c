/* db_merge.c - bringing the rows of another gantry.db into this one: runs by run key, metrics, protocols, plugins and settings by name or content, grids by name.
 *
 * A run that both have is taken from where it got further: finished (done or diverged) before unfinished, then by step. A run that was going when the other file was
 * copied arrives as "lost". A grid of the same name and the same contents gets the other's runs; one of the same name and other contents arrives as
 * "name~<first letters of its hash>". Merging the same file again changes nothing. All of one file is one transaction. See db.h. */
#include <stdio.h>

#include "base/files.h"
#include "base/proc.h"
#include "store/db_internal.h"

#define FINISHED(t) "(" t ".status IN('done','diverged'))"

static const char *const shared_rows[] = {
  "INSERT OR IGNORE INTO main.metric(name,goal) SELECT name,goal FROM src.metric ORDER BY id",
  "UPDATE main.metric SET goal=(SELECT s.goal FROM src.metric s WHERE s.name=main.metric.name) WHERE goal IS NULL AND name IN(SELECT name FROM src.metric WHERE goal IS NOT NULL)",
  "INSERT OR IGNORE INTO main.protocol(name) SELECT name FROM src.protocol ORDER BY id",
  "INSERT OR IGNORE INTO main.plugin(sha256,kind,name,version,path) SELECT sha256,kind,name,version,path FROM src.plugin ORDER BY id",
  "INSERT OR IGNORE INTO main.config(sha,json) SELECT sha,json FROM src.config ORDER BY id",
  "CREATE TEMP TABLE take(src INTEGER PRIMARY KEY, dst INTEGER, run_key TEXT NOT NULL, fresh INTEGER NOT NULL)",
  "INSERT INTO temp.take(src,dst,run_key,fresh) SELECT s.id, d.id, s.run_key, d.id IS NULL FROM src.run s LEFT JOIN main.run d ON d.run_key=s.run_key"
  " WHERE d.id IS NULL OR (d.status<>'running' AND (" FINISHED("s") ">" FINISHED("d") " OR (" FINISHED("s") "=" FINISHED("d") " AND s.step>d.step)))",
  NULL};

/* What a run brings; %s are columns of the other file's run. Where the run is not fresh, its old rows go first. */
static const char *const run_rows[] = {
  "INSERT INTO main.run(uid,run_key,config_id,seed,attempt,status,dir,eval_key,host,created_ms,started_ms,ended_ms,heartbeat_ms,step,total_steps,resumed_from_step,exit_code,exit_signal,error_class,error_text,log_tail,error_plugin,error_place)"
  " SELECT s.uid, s.run_key, c.id, s.seed, s.attempt, CASE s.status WHEN 'running' THEN 'lost' ELSE s.status END,"
  " CASE WHEN EXISTS(SELECT 1 FROM main.run u WHERE u.dir=s.dir) THEN s.dir||'~'||substr(s.run_key,1,6) ELSE s.dir END, s.eval_key, s.host, s.created_ms, s.started_ms, s.ended_ms, s.heartbeat_ms, s.step, s.total_steps, s.resumed_from_step, s.exit_code, s.exit_signal, s.error_class, s.error_text, s.log_tail, s.error_plugin, s.error_place"
  " FROM temp.take t JOIN src.run s ON s.id=t.src JOIN src.config sc ON sc.id=s.config_id JOIN main.config c ON c.sha=sc.sha WHERE t.fresh ORDER BY s.id",
  "UPDATE temp.take SET dst=(SELECT id FROM main.run d WHERE d.run_key=temp.take.run_key) WHERE fresh",
  "DELETE FROM main.scalar WHERE run_id IN(SELECT dst FROM temp.take WHERE NOT fresh)",
  "DELETE FROM main.clock WHERE run_id IN(SELECT dst FROM temp.take WHERE NOT fresh)",
  "DELETE FROM main.summary WHERE run_id IN(SELECT dst FROM temp.take WHERE NOT fresh)",
  "DELETE FROM main.eval WHERE run_id IN(SELECT dst FROM temp.take WHERE NOT fresh)",
  "DELETE FROM main.artifact WHERE run_id IN(SELECT dst FROM temp.take WHERE NOT fresh)",
  "DELETE FROM main.fact WHERE run_id IN(SELECT dst FROM temp.take WHERE NOT fresh)",
  "DELETE FROM main.run_plugin WHERE run_id IN(SELECT dst FROM temp.take WHERE NOT fresh)",
  "DELETE FROM main.event WHERE run_id IN(SELECT dst FROM temp.take WHERE NOT fresh)",
  "UPDATE main.run SET (status,eval_key,host,started_ms,ended_ms,heartbeat_ms,step,total_steps,resumed_from_step,exit_code,exit_signal,error_class,error_text,log_tail,error_plugin,error_place,attempt)="
  "(SELECT CASE s.status WHEN 'running' THEN 'lost' ELSE s.status END,s.eval_key,s.host,s.started_ms,s.ended_ms,s.heartbeat_ms,s.step,s.total_steps,s.resumed_from_step,s.exit_code,s.exit_signal,s.error_class,s.error_text,"
  "s.log_tail,s.error_plugin,s.error_place,max(s.attempt,main.run.attempt) FROM temp.take t JOIN src.run s ON s.id=t.src WHERE t.dst=main.run.id) WHERE id IN(SELECT dst FROM temp.take WHERE NOT fresh)",
  "INSERT INTO main.scalar SELECT t.dst,m.id,x.step,x.value,x.n_bad FROM temp.take t JOIN src.scalar x ON x.run_id=t.src JOIN src.metric sm ON sm.id=x.metric_id JOIN main.metric m ON m.name=sm.name ORDER BY 1,2,3",
  "INSERT INTO main.clock SELECT t.dst,x.step,x.images,x.d_updates,x.g_updates,x.train_ms,x.wall_ms FROM temp.take t JOIN src.clock x ON x.run_id=t.src ORDER BY 1,2",
  "INSERT INTO main.summary SELECT t.dst,m.id,x.n,x.n_bad,x.last,x.last_step,x.min,x.min_step,x.max,x.max_step FROM temp.take t JOIN src.summary x ON x.run_id=t.src JOIN src.metric sm ON sm.id=x.metric_id"
  " JOIN main.metric m ON m.name=sm.name ORDER BY 1,2",
  "INSERT INTO main.eval SELECT t.dst,m.id,p.id,x.weights,x.step,x.value,x.n_fake,x.n_real,x.ms FROM temp.take t JOIN src.eval x ON x.run_id=t.src JOIN src.metric sm ON sm.id=x.metric_id JOIN main.metric m ON m.name=sm.name"
  " JOIN src.protocol sp ON sp.id=x.protocol_id JOIN main.protocol p ON p.name=sp.name ORDER BY 1,2,3,4,5",
  "INSERT INTO main.artifact(run_id,step,kind,path,sha256,bytes) SELECT t.dst,x.step,x.kind,x.path,x.sha256,x.bytes FROM temp.take t JOIN src.artifact x ON x.run_id=t.src ORDER BY x.id",
  "INSERT INTO main.event(run_id,step,wall_ms,level,code,text) SELECT t.dst,x.step,x.wall_ms,x.level,x.code,x.text FROM temp.take t JOIN src.event x ON x.run_id=t.src ORDER BY x.id",
  "INSERT INTO main.fact SELECT t.dst,x.key,x.value FROM temp.take t JOIN src.fact x ON x.run_id=t.src ORDER BY 1,2",
  "INSERT INTO main.run_plugin SELECT t.dst,x.slot,p.id FROM temp.take t JOIN src.run_plugin x ON x.run_id=t.src JOIN src.plugin sp ON sp.id=x.plugin_id JOIN main.plugin p ON p.sha256=sp.sha256 ORDER BY 1,2",
  "INSERT OR IGNORE INTO main.tag SELECT d.id,x.tag FROM src.tag x JOIN src.run s ON s.id=x.run_id JOIN main.run d ON d.run_key=s.run_key",
  "INSERT INTO main.note(run_id,created_ms,text) SELECT d.id,x.created_ms,x.text FROM src.note x JOIN src.run s ON s.id=x.run_id JOIN main.run d ON d.run_key=s.run_key"
  " WHERE NOT EXISTS(SELECT 1 FROM main.note n WHERE n.run_id=d.id AND n.created_ms=x.created_ms AND n.text=x.text)",
  NULL};

/* Grids: `same` holds the pairs of equal name (or name~hash) and equal contents. */
static const char *const grid_rows[] = {
  "CREATE TEMP TABLE same(src INTEGER PRIMARY KEY, dst INTEGER NOT NULL)",
  "CREATE TEMP TABLE named(src INTEGER PRIMARY KEY, name TEXT NOT NULL)",
  "INSERT INTO temp.named SELECT s.id, CASE WHEN EXISTS(SELECT 1 FROM main.grid d WHERE d.name=s.name AND d.spec_sha<>s.spec_sha) THEN s.name||'~'||substr(s.spec_sha,1,6) ELSE s.name END FROM src.grid s",
  "CREATE TEMP TABLE new_grid AS SELECT n.src, n.name FROM temp.named n WHERE NOT EXISTS(SELECT 1 FROM main.grid d WHERE d.name=n.name)",
  "INSERT INTO main.grid(name,question,spec_json,spec_sha,created_ms,judge_metric,judge_weights,judge_reduce,goal) SELECT n.name,s.question,s.spec_json,s.spec_sha,s.created_ms,s.judge_metric,s.judge_weights,s.judge_reduce,s.goal"
  " FROM temp.new_grid n JOIN src.grid s ON s.id=n.src ORDER BY s.id",
  "INSERT INTO temp.same SELECT n.src,d.id FROM temp.named n JOIN main.grid d ON d.name=n.name",
  "INSERT INTO main.factor SELECT m.dst,x.idx,x.name,x.path,x.baseline_level FROM temp.new_grid g JOIN temp.same m ON m.src=g.src JOIN src.factor x ON x.grid_id=g.src",
  "INSERT INTO main.level SELECT m.dst,x.factor_idx,x.idx,x.label,x.value_json FROM temp.new_grid g JOIN temp.same m ON m.src=g.src JOIN src.level x ON x.grid_id=g.src",
  "INSERT INTO main.cell SELECT m.dst,x.idx,x.label,c.id,x.excluded,x.same_as FROM temp.new_grid g JOIN temp.same m ON m.src=g.src JOIN src.cell x ON x.grid_id=g.src LEFT JOIN src.config sc ON sc.id=x.config_id"
  " LEFT JOIN main.config c ON c.sha=sc.sha",
  "INSERT INTO main.cell_level SELECT m.dst,x.cell_idx,x.factor_idx,x.level_idx FROM temp.new_grid g JOIN temp.same m ON m.src=g.src JOIN src.cell_level x ON x.grid_id=g.src",
  "INSERT OR IGNORE INTO main.cell_run(grid_id,cell_idx,seed,run_id) SELECT m.dst,x.cell_idx,x.seed,d.id FROM temp.same m JOIN src.cell_run x ON x.grid_id=m.src JOIN src.run s ON s.id=x.run_id JOIN main.run d ON d.run_key=s.run_key",
  "INSERT OR IGNORE INTO main.probe SELECT key,name,value FROM src.probe",
  NULL};

static const char *const leftovers[] = {"DROP TABLE IF EXISTS temp.take", "DROP TABLE IF EXISTS temp.same", "DROP TABLE IF EXISTS temp.named", "DROP TABLE IF EXISTS temp.new_grid", NULL};

static gantry_status all(db *d, const char *const *sql, err *e) {
  for (; *sql; sql++) TRY(db_script(d, *sql, e));
  return GANTRY_OK;
}

static gantry_status copy_rows(db *d, db_merged *m, arena *a, err *e) {
  TRY(all(d, shared_rows, e));
  TRY(all(d, run_rows, e));
  TRY(all(d, grid_rows, e));
  TRY(db_do(d, &m->n_new, e, "SELECT count(*) FROM temp.take WHERE fresh", ""));
  TRY(db_do(d, &m->n_better, e, "SELECT count(*) FROM temp.take WHERE NOT fresh", ""));
  TRY(db_do(d, &m->n_known, e, "SELECT (SELECT count(*) FROM src.run)-(SELECT count(*) FROM temp.take)", ""));
  TRY(db_query(d, a, &m->folders, e, "SELECT s.dir, r.dir FROM temp.take t JOIN src.run s ON s.id=t.src JOIN main.run r ON r.id=t.dst ORDER BY t.src", ""));
  return db_query(d, a, &m->renamed, e, "SELECT s.name, n.name FROM temp.named n JOIN src.grid s ON s.id=n.src WHERE n.name<>s.name", "");
}

gantry_status db_merge(db *d, const char *path, arena *a, db_merged *m, err *e) {
  db_table t;
  *m = (db_merged){0};
  db *check = NULL;
  TRY(db_open_read(path, &check, e)); /* a gantry database, not newer than we are */
  int64_t version = 0;
  gantry_status st = db_do(check, &version, e, "PRAGMA user_version", "");
  db_close(check);
  if (st) return st;
  if (version != db_version()) return err_set(e, GANTRY_E_CONFIG, "%s has the older format %lld: open it once with `gantry run` of this version, then merge", path, (long long)version);
  TRY(db_commit(d, e));
  TRY(db_do(d, NULL, e, "ATTACH ? AS src", "t", db_uri(a, path, "mode=ro")));
  st = db_script(d, "BEGIN", e); /* not IMMEDIATE, which would want to write to the other file too; nobody else writes to ours */
  d->open = !st;
  if (!st && !(st = copy_rows(d, m, a, e))) st = all(d, leftovers, e);
  if (!st) st = db_query(d, a, &t, e, "SELECT id FROM main.grid", "");
  for (uint32_t k = 0; !st && k < t.n_rows; k++) st = db_grid_view(d, db_at(&t, k, 0)->i, e);
  if (!st) st = db_commit(d, e);
  if (st) {
    int damaged = sqlite3_errcode(d->h) == SQLITE_CORRUPT;
    db_rollback(d);
    err ignored = {0};
    const char *whole = damaged && !db_query(d, a, &t, &ignored, "PRAGMA src.quick_check(1)", "") && t.n_rows ? db_at(&t, 0, 0)->s : "";
    if (damaged && strcmp(whole, "ok")) { /* theirs, not ours, as the message of a write would say */
      err_clear(e);
      st = err_set(e, GANTRY_E_IO, "that file is damaged: nothing of it was taken; leave it out, or bring back a copy of it");
    }
    err_clear(&ignored);
    (void)all(d, leftovers, &ignored);
  }
  err ignored = {0}; /* after a failure the first message counts */
  (void)db_do(d, NULL, &ignored, "DETACH src", "");
  return st ? err_wrap(e, "merging %s", path) : GANTRY_OK;
}
