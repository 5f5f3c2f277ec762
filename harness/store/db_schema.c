/* db_schema.c - the tables and public views of gantry.db, as migrations: step k brings a file from user_version k to k + 1.
 *
 * Steps are append-only: a released one never changes. Tables may change with a step; the views with plural names are the public
 * interface and keep their columns. Rows of scalars are narrow, without row ids and without foreign keys: that is what makes
 * hundreds of thousands of them a second possible. NULL is NaN there; infinities are kept as they are. */
#include "store/db_internal.h"

static const char *const version_1[] = {
  "CREATE TABLE grid(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, question TEXT, spec_json TEXT NOT NULL CHECK(json_valid(spec_json)), spec_sha TEXT NOT NULL,"
  " created_ms INTEGER NOT NULL, judge_metric TEXT, judge_weights TEXT NOT NULL DEFAULT 'auto', judge_reduce TEXT NOT NULL DEFAULT 'last', goal TEXT NOT NULL CHECK(goal IN('min','max'))) STRICT;",
  "CREATE TABLE factor(grid_id INTEGER NOT NULL REFERENCES grid(id) ON DELETE CASCADE, idx INTEGER NOT NULL, name TEXT NOT NULL, path TEXT NOT NULL,"
  " baseline_level INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(grid_id,idx), UNIQUE(grid_id,name)) STRICT, WITHOUT ROWID;",
  "CREATE TABLE level(grid_id INTEGER NOT NULL, factor_idx INTEGER NOT NULL, idx INTEGER NOT NULL, label TEXT NOT NULL, value_json TEXT NOT NULL,"
  " PRIMARY KEY(grid_id,factor_idx,idx), FOREIGN KEY(grid_id,factor_idx) REFERENCES factor(grid_id,idx) ON DELETE CASCADE) STRICT, WITHOUT ROWID;",
  "CREATE TABLE config(id INTEGER PRIMARY KEY, sha TEXT NOT NULL UNIQUE, json TEXT NOT NULL CHECK(json_valid(json)),"
  " loss TEXT GENERATED ALWAYS AS (json->>'$.loss.name') VIRTUAL, batch INTEGER GENERATED ALWAYS AS (json->>'$.train.batch') VIRTUAL) STRICT;",
  "CREATE TABLE cell(grid_id INTEGER NOT NULL REFERENCES grid(id) ON DELETE CASCADE, idx INTEGER NOT NULL, label TEXT NOT NULL, config_id INTEGER REFERENCES config(id),"
  " excluded TEXT, same_as INTEGER, PRIMARY KEY(grid_id,idx)) STRICT, WITHOUT ROWID;",
  "CREATE TABLE cell_level(grid_id INTEGER NOT NULL, cell_idx INTEGER NOT NULL, factor_idx INTEGER NOT NULL, level_idx INTEGER NOT NULL, PRIMARY KEY(grid_id,cell_idx,factor_idx),"
  " FOREIGN KEY(grid_id,cell_idx) REFERENCES cell(grid_id,idx) ON DELETE CASCADE) STRICT, WITHOUT ROWID;",
  "CREATE INDEX cell_level_by_level ON cell_level(grid_id,factor_idx,level_idx,cell_idx);",
  "CREATE TABLE plugin(id INTEGER PRIMARY KEY, sha256 TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, name TEXT NOT NULL, version TEXT, path TEXT NOT NULL) STRICT;",
  /* run_key: what shapes the weights, and the seed. One row per key; attempt counts its starts after failures. */
  "CREATE TABLE run(id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, run_key TEXT NOT NULL UNIQUE, config_id INTEGER NOT NULL REFERENCES config(id), seed INTEGER NOT NULL,"
  " attempt INTEGER NOT NULL DEFAULT 1, status TEXT NOT NULL CHECK(status IN('queued','running','stopped','done','failed','diverged','pruned','killed','lost')),"
  " dir TEXT NOT NULL, eval_key TEXT, host TEXT, pid INTEGER, start_time INTEGER, boot_id TEXT, created_ms INTEGER NOT NULL, started_ms INTEGER, ended_ms INTEGER, heartbeat_ms INTEGER,"
  " step INTEGER NOT NULL DEFAULT 0, total_steps INTEGER, resumed_from_step INTEGER, exit_code INTEGER, exit_signal INTEGER, error_class TEXT, error_text TEXT, log_tail TEXT) STRICT;",
  "CREATE INDEX run_config ON run(config_id,seed);",
  "CREATE INDEX run_live ON run(status) WHERE status IN('queued','running');",
  "CREATE TABLE cell_run(grid_id INTEGER NOT NULL REFERENCES grid(id) ON DELETE CASCADE, cell_idx INTEGER NOT NULL, seed INTEGER NOT NULL,"
  " run_id INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE, PRIMARY KEY(grid_id,cell_idx,seed)) STRICT, WITHOUT ROWID;",
  "CREATE INDEX cell_run_by_run ON cell_run(run_id);",
  "CREATE TABLE run_plugin(run_id INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE, slot TEXT NOT NULL, plugin_id INTEGER NOT NULL REFERENCES plugin(id), PRIMARY KEY(run_id,slot)) STRICT, WITHOUT ROWID;",
  "CREATE TABLE fact(run_id INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY(run_id,key)) STRICT, WITHOUT ROWID;",
  "CREATE TABLE probe(key TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY(key,name)) STRICT, WITHOUT ROWID;",
  "CREATE TABLE metric(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, goal TEXT CHECK(goal IN('min','max'))) STRICT;",
  "CREATE TABLE protocol(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;",
  "CREATE TABLE scalar(run_id INTEGER NOT NULL, metric_id INTEGER NOT NULL, step INTEGER NOT NULL, value REAL, n_bad INTEGER, PRIMARY KEY(run_id,metric_id,step)) STRICT, WITHOUT ROWID;",
  "CREATE TABLE clock(run_id INTEGER NOT NULL, step INTEGER NOT NULL, images INTEGER NOT NULL, d_updates INTEGER NOT NULL, g_updates INTEGER NOT NULL, train_ms INTEGER NOT NULL,"
  " wall_ms INTEGER NOT NULL, PRIMARY KEY(run_id,step)) STRICT, WITHOUT ROWID;",
  "CREATE TABLE summary(run_id INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE, metric_id INTEGER NOT NULL, n INTEGER NOT NULL, n_bad INTEGER NOT NULL, last REAL, last_step INTEGER,"
  " min REAL, min_step INTEGER, max REAL, max_step INTEGER, PRIMARY KEY(run_id,metric_id)) STRICT, WITHOUT ROWID;",
  "CREATE TABLE eval(run_id INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE, metric_id INTEGER NOT NULL, protocol_id INTEGER NOT NULL, weights TEXT NOT NULL, step INTEGER NOT NULL,"
  " value REAL, n_fake INTEGER NOT NULL, n_real INTEGER NOT NULL, ms INTEGER NOT NULL, PRIMARY KEY(run_id,metric_id,protocol_id,weights,step)) STRICT, WITHOUT ROWID;",
  "CREATE TABLE artifact(id INTEGER PRIMARY KEY, run_id INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE, step INTEGER NOT NULL, kind TEXT NOT NULL, path TEXT NOT NULL, sha256 TEXT, bytes INTEGER,"
  " UNIQUE(run_id,kind,step,path)) STRICT;",
  "CREATE TABLE event(id INTEGER PRIMARY KEY, run_id INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE, step INTEGER, wall_ms INTEGER NOT NULL,"
  " level TEXT NOT NULL CHECK(level IN('info','warn','error')), code TEXT NOT NULL, text TEXT) STRICT;",
  "CREATE INDEX event_run ON event(run_id,step);",
  "CREATE TABLE tag(run_id INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE, tag TEXT NOT NULL, PRIMARY KEY(run_id,tag)) STRICT, WITHOUT ROWID;",
  "CREATE TABLE note(id INTEGER PRIMARY KEY, run_id INTEGER REFERENCES run(id) ON DELETE CASCADE, grid_id INTEGER REFERENCES grid(id) ON DELETE CASCADE, created_ms INTEGER NOT NULL, text TEXT NOT NULL) STRICT;",
  /* public views */
  "CREATE VIEW cells AS SELECT g.name grid, c.idx cell, c.label, c.config_id, c.excluded, c.same_as FROM grid g JOIN cell c ON c.grid_id=g.id;",
  "CREATE VIEW runs AS SELECT r.uid run, g.name grid, c.idx cell, c.label, x.seed, r.status, r.step, r.total_steps,"
  " (SELECT images FROM clock t WHERE t.run_id=r.id ORDER BY step DESC LIMIT 1) images, (SELECT train_ms FROM clock t WHERE t.run_id=r.id ORDER BY step DESC LIMIT 1)/1000.0 train_s,"
  " r.error_class, r.error_text, r.attempt, r.dir, r.id run_id, c.config_id"
  " FROM grid g JOIN cell c ON c.grid_id=g.id JOIN cell_run x ON x.grid_id=g.id AND x.cell_idx=c.idx JOIN run r ON r.id=x.run_id WHERE c.excluded IS NULL;",
  /* rows with weights "real" are the floor, held-out real images in place of generated ones: in curves, but no result of a run */
  "CREATE VIEW results AS SELECT run,grid,cell,label,seed,status,metric,protocol,weights,"
  " max(CASE WHEN rl=1 THEN value END) last, max(CASE WHEN rl=1 THEN step END) last_step, max(CASE WHEN rb=1 THEN value END) best, max(CASE WHEN rb=1 THEN step END) best_step,"
  " count(*) n, sum(value IS NULL) n_bad FROM (SELECT r.run,r.grid,r.cell,r.label,r.seed,r.status,m.name metric,p.name protocol,e.weights,e.step,e.value,"
  " row_number() OVER (PARTITION BY r.grid,r.cell,r.seed,e.metric_id,e.protocol_id,e.weights ORDER BY e.step DESC) rl,"
  " row_number() OVER (PARTITION BY r.grid,r.cell,r.seed,e.metric_id,e.protocol_id,e.weights ORDER BY e.value IS NULL, CASE m.goal WHEN 'max' THEN -e.value ELSE e.value END, e.step) rb"
  " FROM runs r JOIN eval e ON e.run_id=r.run_id JOIN metric m ON m.id=e.metric_id JOIN protocol p ON p.id=e.protocol_id WHERE e.weights<>'real') GROUP BY run,grid,cell,seed,metric,protocol,weights;",
  /* means are of finished runs: a diverged run is an outcome that is counted, a number from half way is no result */
  "CREATE VIEW ranking AS SELECT grid,metric,protocol,weights,cell,label,count(v) n,"
  " (SELECT count(*) FROM runs d WHERE d.grid=o.grid AND d.cell=o.cell AND d.status='diverged') diverged, avg(v) mean,"
  " sqrt(max(0,(sum(v*v)-sum(v)*sum(v)/count(v))/nullif(count(v)-1,0))) sd, avg(b) mean_best"
  " FROM (SELECT *, CASE status WHEN 'done' THEN last END v, CASE status WHEN 'done' THEN best END b FROM results) o GROUP BY grid,metric,protocol,weights,cell;",
  "CREATE VIEW curves AS SELECT r.run,r.grid,r.cell,r.label,r.seed,m.name metric,e.weights,e.step,k.images,k.train_ms/1000.0 train_s,e.value,p.name protocol"
  " FROM runs r JOIN eval e ON e.run_id=r.run_id JOIN metric m ON m.id=e.metric_id JOIN protocol p ON p.id=e.protocol_id LEFT JOIN clock k ON k.run_id=e.run_id AND k.step=e.step"
  " UNION ALL SELECT r.run,r.grid,r.cell,r.label,r.seed,m.name,NULL,s.step,k.images,k.train_ms/1000.0,s.value,NULL FROM runs r CROSS JOIN metric m CROSS JOIN scalar s"
  " ON s.run_id=r.run_id AND s.metric_id=m.id LEFT JOIN clock k ON k.run_id=s.run_id AND k.step=s.step;",
  "CREATE VIEW samples AS SELECT r.run,r.grid,r.cell,r.label,r.seed,a.step,a.kind,r.dir||'/'||a.path path,a.sha256,a.bytes FROM runs r JOIN artifact a ON a.run_id=r.run_id;",
  "CREATE VIEW levels AS SELECT r.run,r.grid,r.cell,r.seed,f.name factor,l.label level,x.level_idx=f.baseline_level is_baseline FROM runs r JOIN grid g ON g.name=r.grid"
  " JOIN cell_level x ON x.grid_id=g.id AND x.cell_idx=r.cell JOIN factor f ON f.grid_id=g.id AND f.idx=x.factor_idx JOIN level l ON l.grid_id=g.id AND l.factor_idx=f.idx AND l.idx=x.level_idx;",
  /* matched pairs: two cells that differ in one factor, the first at its baseline, with the same seed, both without divergence */
  "CREATE VIEW pairs AS SELECT g.name grid,f.name factor,la.label from_level,lb.label to_level,qa.cell from_cell,qb.cell to_cell,qa.seed,qa.metric,qa.protocol,qa.weights,"
  " qa.last from_value,qb.last to_value,100*(qb.last/qa.last-1) change_pct FROM grid g JOIN factor f ON f.grid_id=g.id"
  " JOIN cell_level xa ON xa.grid_id=g.id AND xa.factor_idx=f.idx AND xa.level_idx=f.baseline_level JOIN cell_level xb ON xb.grid_id=g.id AND xb.factor_idx=f.idx AND xb.level_idx<>f.baseline_level"
  " JOIN level la ON la.grid_id=g.id AND la.factor_idx=f.idx AND la.idx=xa.level_idx JOIN level lb ON lb.grid_id=g.id AND lb.factor_idx=f.idx AND lb.idx=xb.level_idx"
  " JOIN results qa ON qa.grid=g.name AND qa.cell=xa.cell_idx AND qa.status='done' JOIN results qb ON qb.grid=g.name AND qb.cell=xb.cell_idx AND qb.seed=qa.seed AND qb.metric=qa.metric"
  " AND qb.protocol=qa.protocol AND qb.weights=qa.weights AND qb.status='done'"
  " WHERE NOT EXISTS(SELECT 1 FROM cell_level x JOIN cell_level y ON y.grid_id=x.grid_id AND y.factor_idx=x.factor_idx AND y.cell_idx=xb.cell_idx"
  "  WHERE x.grid_id=g.id AND x.cell_idx=xa.cell_idx AND x.factor_idx<>f.idx AND x.level_idx<>y.level_idx);",
  "CREATE VIEW effects AS SELECT grid,factor,from_level,to_level,metric,protocol,weights,count(change_pct) n_pairs,avg(change_pct) mean_change_pct,sum(change_pct<0) n_lower"
  " FROM pairs GROUP BY grid,factor,from_level,to_level,metric,protocol,weights;",
  "CREATE VIEW settings AS SELECT r.run,r.grid,r.cell,r.seed,substr(replace(j.fullkey,'\"',''),3) path,j.atom value FROM runs r JOIN config c ON c.id=r.config_id JOIN json_tree(c.json) j WHERE j.atom IS NOT NULL;",
  "CREATE VIEW events AS SELECT r.run,r.grid,r.cell,r.label,r.seed,e.step,e.level,e.code,e.text FROM runs r JOIN event e ON e.run_id=r.run_id;",
  "CREATE VIEW missing AS WITH s AS (SELECT DISTINCT grid,seed FROM runs) SELECT k.grid,k.cell,k.label,s.seed,coalesce(r.status,'not started') status FROM cells k JOIN s ON s.grid=k.grid"
  " LEFT JOIN runs r ON r.grid=k.grid AND r.cell=k.cell AND r.seed=s.seed WHERE k.excluded IS NULL AND coalesce(r.status,'x') NOT IN('done','diverged');",
  NULL};

static const char *const version_2[] = {
  "CREATE VIEW tags AS SELECT r.run,r.grid,r.cell,r.label,r.seed,t.tag FROM runs r JOIN tag t ON t.run_id=r.run_id;",
  "CREATE VIEW notes AS SELECT r.run,g.name grid,n.created_ms,n.text FROM note n LEFT JOIN (SELECT id,uid run FROM run) r ON r.id=n.run_id LEFT JOIN grid g ON g.id=n.grid_id;",
  "DROP VIEW missing;",
  "CREATE VIEW missing AS WITH s AS (SELECT DISTINCT grid,seed FROM runs) SELECT k.grid,k.cell,k.label,s.seed,coalesce(r.status,'not started') status FROM cells k JOIN s ON s.grid=k.grid"
  " LEFT JOIN runs r ON r.grid=k.grid AND r.cell=k.cell AND r.seed=s.seed WHERE k.excluded IS NULL AND coalesce(r.status,'x') NOT IN('done','diverged','pruned');",
  NULL};

/* Where a failed run failed: the plugin that was at work, and the place in the step that it was building. */
static const char *const version_3[] = {
  "ALTER TABLE run ADD COLUMN error_plugin TEXT;",
  "ALTER TABLE run ADD COLUMN error_place TEXT;",
  "CREATE VIEW failures AS SELECT r.run,r.grid,r.cell,r.label,r.seed,r.status,r.step,r.error_class,x.exit_code,x.exit_signal,x.error_plugin plugin,x.error_place place,r.error_text,r.attempt,x.log_tail"
  " FROM runs r JOIN run x ON x.id=r.run_id WHERE x.error_text IS NOT NULL;",
  NULL};

/* Two runs make a pair, and make it once: cells that are the same runs say nothing about a factor that means nothing in them, nor twice what one of them says. */
static const char *const version_4[] = {
  "DROP VIEW effects;",
  "DROP VIEW pairs;",
  "CREATE VIEW pairs AS SELECT g.name grid,f.name factor,la.label from_level,lb.label to_level,min(qa.cell) from_cell,min(qb.cell) to_cell,qa.seed,qa.metric,qa.protocol,qa.weights,"
  " qa.last from_value,qb.last to_value,100*(qb.last/qa.last-1) change_pct FROM grid g JOIN factor f ON f.grid_id=g.id"
  " JOIN cell_level xa ON xa.grid_id=g.id AND xa.factor_idx=f.idx AND xa.level_idx=f.baseline_level JOIN cell_level xb ON xb.grid_id=g.id AND xb.factor_idx=f.idx AND xb.level_idx<>f.baseline_level"
  " JOIN level la ON la.grid_id=g.id AND la.factor_idx=f.idx AND la.idx=xa.level_idx JOIN level lb ON lb.grid_id=g.id AND lb.factor_idx=f.idx AND lb.idx=xb.level_idx"
  " JOIN results qa ON qa.grid=g.name AND qa.cell=xa.cell_idx AND qa.status='done' JOIN results qb ON qb.grid=g.name AND qb.cell=xb.cell_idx AND qb.seed=qa.seed AND qb.metric=qa.metric"
  " AND qb.protocol=qa.protocol AND qb.weights=qa.weights AND qb.status='done' AND qb.run<>qa.run"
  " WHERE NOT EXISTS(SELECT 1 FROM cell_level x JOIN cell_level y ON y.grid_id=x.grid_id AND y.factor_idx=x.factor_idx AND y.cell_idx=xb.cell_idx"
  "  WHERE x.grid_id=g.id AND x.cell_idx=xa.cell_idx AND x.factor_idx<>f.idx AND x.level_idx<>y.level_idx)"
  " GROUP BY g.id,f.idx,xb.level_idx,qa.seed,qa.run,qb.run,qa.metric,qa.protocol,qa.weights;",
  "CREATE VIEW effects AS SELECT grid,factor,from_level,to_level,metric,protocol,weights,count(change_pct) n_pairs,avg(change_pct) mean_change_pct,sum(change_pct<0) n_lower"
  " FROM pairs GROUP BY grid,factor,from_level,to_level,metric,protocol,weights;",
  NULL};

static const char *const *const steps[] = {version_1, version_2, version_3, version_4};

const char *const *db_migration(uint32_t from) { return from < sizeof steps / sizeof *steps ? steps[from] : NULL; }
uint32_t db_version(void) { return sizeof steps / sizeof *steps; }
