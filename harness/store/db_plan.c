/* db_plan.c - what is planned: grids, factors, cells, configurations, runs and the plugins they use. See db.h. */
#include <ctype.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/proc.h"
#include "store/db_internal.h"

static gantry_status config_id(db *d, const char *json, int64_t *id, err *e) {
  char hex[65];
  sha_hex(json, strlen(json), hex);
  TRY(db_do(d, NULL, e, "INSERT OR IGNORE INTO config(sha,json) VALUES(?,?)", "tt", hex, json));
  return db_do(d, id, e, "SELECT id FROM config WHERE sha=?", "t", hex);
}

static gantry_status put_factors(db *d, const db_grid *g, int64_t id, err *e) {
  for (uint32_t k = 0; k < g->n_factors; k++) {
    const db_factor *f = &g->factors[k];
    TRY(db_do(d, NULL, e, "INSERT INTO factor(grid_id,idx,name,path,baseline_level) VALUES(?,?,?,?,?)", "iitti", id, (int64_t)k, f->name, f->path, (int64_t)f->baseline));
    for (uint32_t i = 0; i < f->n_levels; i++)
      TRY(db_do(d, NULL, e, "INSERT INTO level(grid_id,factor_idx,idx,label,value_json) VALUES(?,?,?,?,?)", "iiitt", id, (int64_t)k, (int64_t)i, f->levels[i].label, f->levels[i].value_json));
  }
  return GANTRY_OK;
}

static gantry_status put_cells(db *d, const db_grid *g, int64_t id, err *e) {
  for (uint32_t k = 0; k < g->n_cells; k++) {
    const db_cell *c = &g->cells[k];
    int64_t config = 0;
    if (c->config_json) TRY(config_id(d, c->config_json, &config, e));
    TRY(db_do(d, NULL, e, "INSERT INTO cell(grid_id,idx,label,config_id,excluded,same_as) VALUES(?,?,?,nullif(?,0),?,nullif(?,-1))", "iititi", id, (int64_t)k, c->label, config, c->excluded, c->same_as));
    for (uint32_t f = 0; f < g->n_factors; f++)
      if (c->level[f] >= 0) TRY(db_do(d, NULL, e, "INSERT INTO cell_level(grid_id,cell_idx,factor_idx,level_idx) VALUES(?,?,?,?)", "iiii", id, (int64_t)k, (int64_t)f, (int64_t)c->level[f]));
  }
  return GANTRY_OK;
}

/* What of a configuration shapes the training, as SQL. */
#define TRAINS(json) "json_remove(" json ",'$.metrics','$.samples','$.checkpoints','$.log')"

/* A grid that is put again names its runs anew as it plans them. Those that are not planned this time (`--only`, fewer seeds) stay where the cell still trains as it did: nobody
 * asked for them to be given up, and a run that no grid names is what `gantry gc` removes. */
static gantry_status remember_links(db *d, int64_t id, err *e) {
  TRY(db_do(d, NULL, e, "DROP TABLE IF EXISTS temp.linked", ""));
  return db_do(d, NULL, e, "CREATE TEMP TABLE linked AS SELECT c.label, " TRAINS("f.json") " trains, x.seed, x.run_id FROM cell_run x JOIN cell c ON c.grid_id=x.grid_id AND c.idx=x.cell_idx JOIN config f ON f.id=c.config_id WHERE x.grid_id=?", "i", id);
}

static gantry_status restore_links(db *d, int64_t id, err *e) {
  TRY(db_do(d, NULL, e, "INSERT INTO cell_run(grid_id,cell_idx,seed,run_id) SELECT c.grid_id, c.idx, k.seed, k.run_id FROM cell c JOIN config f ON f.id=c.config_id JOIN temp.linked k ON k.label=c.label AND k.trains=" TRAINS("f.json")
                        " WHERE c.grid_id=? AND c.excluded IS NULL", "i", id));
  return db_do(d, NULL, e, "DROP TABLE temp.linked", "");
}

gantry_status db_unlink_unfinished(db *d, int64_t grid_id, const uint64_t *seeds, uint32_t n_seeds, err *e) {
  arena *a = arena_new();
  buf which = {0};
  int64_t n = 0;
  buf_puts(&which, "FROM cell_run WHERE grid_id=? AND run_id IN (SELECT id FROM run WHERE status NOT IN('done','diverged','pruned')) AND seed NOT IN (");
  for (uint32_t k = 0; k < n_seeds; k++) buf_printf(&which, "%s%lld", k ? "," : "", (long long)seeds[k]);
  buf_puts(&which, ")");
  gantry_status st = db_do(d, &n, e, arena_fmt(a, "SELECT count(*) %s", which.p), "i", grid_id);
  if (!st && n) st = db_begin(d, e);
  if (!st && n) st = db_do(d, NULL, e, arena_fmt(a, "DELETE %s", which.p), "i", grid_id);
  buf_free(&which);
  arena_free(a);
  return st;
}

gantry_status db_put_grid(db *d, const db_grid *g, int64_t *grid_id, err *e) {
  char hex[65];
  buf all = {0}; /* what would be stored: an unchanged grid is left alone */
  buf_puts(&all, g->spec_json);
  for (uint32_t k = 0; k < g->n_cells; k++) buf_printf(&all, "\n%s\n%s", g->cells[k].label, g->cells[k].config_json ? g->cells[k].config_json : "");
  sha_hex(all.p, all.n, hex);
  buf_free(&all);
  arena *a = arena_new();
  db_table t;
  gantry_status st = db_query(d, a, &t, e, "SELECT id FROM grid WHERE name=? AND spec_sha=?", "tt", g->name, hex);
  if (!st && t.n_rows) {
    *grid_id = db_at(&t, 0, 0)->i;
    arena_free(a);
    return GANTRY_OK;
  }
  arena_free(a);
  if (st) return st;
  TRY(db_begin(d, e));
  const char *goal = g->better > 0 ? "max" : "min";
  TRY(db_do(d, NULL, e, "INSERT INTO grid(name,question,spec_json,spec_sha,created_ms,judge_metric,judge_weights,judge_reduce,goal) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)"
                        " ON CONFLICT(name) DO UPDATE SET question=?2,spec_json=?3,spec_sha=?4,judge_metric=?6,judge_weights=?7,judge_reduce=?8,goal=?9",
            "ttttitttt", g->name, g->question, g->spec_json, hex, proc_now_ms(), g->judge_metric, g->judge_weights, g->judge_reduce, goal));
  TRY(db_do(d, grid_id, e, "SELECT id FROM grid WHERE name=?", "t", g->name));
  TRY(remember_links(d, *grid_id, e));
  TRY(db_do(d, NULL, e, "DELETE FROM cell_run WHERE grid_id=?", "i", *grid_id));
  TRY(db_do(d, NULL, e, "DELETE FROM cell WHERE grid_id=?", "i", *grid_id));
  TRY(db_do(d, NULL, e, "DELETE FROM factor WHERE grid_id=?", "i", *grid_id));
  TRY(put_factors(d, g, *grid_id, e));
  TRY(put_cells(d, g, *grid_id, e));
  return restore_links(d, *grid_id, e);
}

static void quote(buf *b, const char *name) {
  buf_putc(b, '"');
  for (; *name; name++) buf_printf(b, *name == '"' ? "\"\"" : "%c", *name);
  buf_putc(b, '"');
}

static void quote_text(buf *b, const char *s) {
  buf_putc(b, '\'');
  for (; *s; s++) buf_printf(b, *s == '\'' ? "''" : "%c", *s);
  buf_putc(b, '\'');
}

gantry_status db_grid_view(db *d, int64_t id, err *e) {
  static const char *const taken[] = {"run", "cell", "label", "seed", "status", "step", "images", "train_s"};
  arena *a = arena_new();
  db_table grid, factors, metrics, old;
  buf sql = {0}, name = {0};
  gantry_status st = db_query(d, a, &grid, e, "SELECT name, judge_metric, judge_weights FROM grid WHERE id=?", "i", id);
  if (!st) st = db_query(d, a, &factors, e, "SELECT idx, name FROM factor WHERE grid_id=? ORDER BY idx", "i", id);
  if (!st) st = db_query(d, a, &metrics, e, "SELECT name FROM (SELECT judge_metric name FROM grid WHERE id=?1 UNION SELECT DISTINCT m.name FROM cell_run c JOIN eval v ON v.run_id=c.run_id JOIN metric m ON m.id=v.metric_id WHERE c.grid_id=?1) WHERE name IS NOT NULL ORDER BY 1", "i", id);
  if (st) goto done;
  buf_puts(&name, "g_");
  for (const char *s = db_at(&grid, 0, 0)->s; *s; s++) buf_putc(&name, isalnum((unsigned char)*s) ? *s : '_');
  buf_printf(&sql, "CREATE VIEW %s AS SELECT r.run,r.cell,r.label,r.seed,r.status,r.step,r.images,r.train_s", name.p);
  for (uint32_t k = 0; k < factors.n_rows; k++) {
    const char *f = db_at(&factors, k, 1)->s;
    int clash = 0;
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) clash |= !strcmp(f, taken[i]);
    buf_printf(&sql, ", (SELECT l.label FROM cell_level x JOIN level l ON l.grid_id=x.grid_id AND l.factor_idx=x.factor_idx AND l.idx=x.level_idx WHERE x.grid_id=%lld AND x.cell_idx=r.cell AND x.factor_idx=%lld) ", (long long)id, (long long)db_at(&factors, k, 0)->i);
    quote(&sql, clash ? arena_fmt(a, "factor_%s", f) : f);
  }
  const char *weights = db_at(&grid, 0, 2)->s;
  for (uint32_t k = 0; k < metrics.n_rows; k++) {
    const char *m = db_at(&metrics, k, 0)->s;
    int clash = 0;
    for (uint32_t i = 0; i < factors.n_rows; i++) clash |= !strcmp(m, db_at(&factors, i, 1)->s);
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) clash |= !strcmp(m, taken[i]);
    buf_puts(&sql, ", CASE r.status WHEN 'diverged' THEN NULL ELSE (SELECT v.value FROM eval v JOIN metric m ON m.id=v.metric_id WHERE v.run_id=r.run_id AND m.name=");
    quote_text(&sql, m);
    buf_printf(&sql, " ORDER BY v.step DESC, v.weights='%s' DESC LIMIT 1) END ", !strcmp(weights, "raw") ? "raw" : "ema");
    quote(&sql, clash ? arena_fmt(a, "metric_%s", m) : m);
  }
  buf_puts(&sql, " FROM runs r WHERE r.grid=");
  quote_text(&sql, db_at(&grid, 0, 0)->s);
  if ((st = db_query(d, a, &old, e, "SELECT sql FROM sqlite_schema WHERE type='view' AND name=?", "t", name.p))) goto done;
  if (old.n_rows && !strcmp(db_at(&old, 0, 0)->s, sql.p)) goto done;
  if ((st = db_begin(d, e))) goto done;
  if (!(st = db_script(d, arena_fmt(a, "DROP VIEW IF EXISTS main.%s", name.p), e))) st = db_script(d, sql.p, e);
done:
  buf_free(&sql);
  buf_free(&name);
  arena_free(a);
  return st;
}

gantry_status db_find_run(db *d, const char *run_key, arena *a, db_run *out, err *e) {
  db_table t;
  *out = (db_run){0};
  TRY(db_query(d, a, &t, e, "SELECT id, step, coalesce(total_steps,0), attempt, status, uid, coalesce(eval_key,''), dir FROM run WHERE run_key=?", "t", run_key));
  if (!t.n_rows) return GANTRY_OK;
  out->id = db_at(&t, 0, 0)->i;
  out->step = db_at(&t, 0, 1)->i;
  out->total_steps = db_at(&t, 0, 2)->i;
  out->attempt = db_at(&t, 0, 3)->i;
  strncat(out->status, db_at(&t, 0, 4)->s, sizeof out->status - 1);
  strncat(out->uid, db_at(&t, 0, 5)->s, sizeof out->uid - 1);
  strncat(out->eval_key, db_at(&t, 0, 6)->s, sizeof out->eval_key - 1);
  out->dir = db_at(&t, 0, 7)->s;
  return GANTRY_OK;
}

/* A name for one run on all machines: 48 bits of time, so that names sort by age, then chance (the form of a ULID). */
static void make_uid(char out[27]) {
  static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
  unsigned char r[16];
  int64_t t = proc_now_ms();
  for (int k = 9; k >= 0; k--, t >>= 5) out[k] = digits[t & 31];
  if (getrandom(r, sizeof r, 0) != (ssize_t)sizeof r) {
    uint64_t h = hash_mix((uint64_t)t, (uint64_t)getpid());
    for (int k = 0; k < 16; k++) r[k] = (unsigned char)(h = hash_mix(h, (uint64_t)k));
  }
  for (int k = 0; k < 16; k++) out[10 + k] = digits[r[k] & 31];
  out[26] = 0;
}

gantry_status db_new_run(db *d, const char *run_key, const char *config_json, uint64_t seed, const char *dir, arena *a, db_run *out, err *e) {
  int64_t config;
  char uid[27];
  make_uid(uid);
  TRY(db_begin(d, e));
  TRY(config_id(d, config_json, &config, e));
  /* a cell whose settings were changed is another run: what its first one left stays as it is */
  int64_t taken = 0;
  TRY(db_do(d, &taken, e, "SELECT count(*) FROM run WHERE dir=?", "t", dir));
  if (taken) dir = arena_fmt(a, "%s~%.6s", dir, run_key);
  TRY(db_do(d, NULL, e, "INSERT INTO run(uid,run_key,config_id,seed,status,dir,created_ms) VALUES(?,?,?,?,'queued',?,?)", "ttiiti", uid, run_key, config, (int64_t)seed, dir, proc_now_ms()));
  return db_find_run(d, run_key, a, out, e);
}

gantry_status db_link_run(db *d, int64_t grid_id, int64_t cell, uint64_t seed, int64_t run_id, err *e) {
  int64_t have = 0;
  TRY(db_do(d, &have, e, "SELECT coalesce((SELECT run_id FROM cell_run WHERE grid_id=? AND cell_idx=? AND seed=?),0)", "iii", grid_id, cell, (int64_t)seed));
  if (have == run_id) return GANTRY_OK;
  TRY(db_begin(d, e));
  return db_do(d, NULL, e, "INSERT OR REPLACE INTO cell_run(grid_id,cell_idx,seed,run_id) VALUES(?,?,?,?)", "iiii", grid_id, cell, (int64_t)seed, run_id);
}

gantry_status db_put_plugin(db *d, int64_t run_id, const char *slot, const char *sha256, const char *kind, const char *name, const char *version, const char *path, err *e) {
  int64_t id;
  TRY(db_begin(d, e));
  TRY(db_do(d, NULL, e, "INSERT OR IGNORE INTO plugin(sha256,kind,name,version,path) VALUES(?,?,?,?,?)", "ttttt", sha256, kind, name, version, path));
  TRY(db_do(d, &id, e, "SELECT id FROM plugin WHERE sha256=?", "t", sha256));
  return db_do(d, NULL, e, "INSERT OR REPLACE INTO run_plugin(run_id,slot,plugin_id) VALUES(?,?,?)", "iti", run_id, slot, id);
}

gantry_status db_probe_get(db *d, const char *key, arena *a, db_table *out, err *e) { return db_query(d, a, out, e, "SELECT name, value FROM probe WHERE key=? ORDER BY name", "t", key); }

gantry_status db_probe_put(db *d, const char *key, const char *name, const char *value, err *e) {
  TRY(db_begin(d, e));
  return db_do(d, NULL, e, "INSERT OR REPLACE INTO probe(key,name,value) VALUES(?,?,?)", "ttt", key, name, value);
}
