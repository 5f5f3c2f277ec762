/* db_write.c - what happens: records of running processes into rows, and how runs start and end. See db.h.
 *
 * Scalars are the flood, so their statement is kept, and the summary of a metric is written once per batch: lists and rankings
 * then never touch the long table. */
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/proc.h"
#include "store/db_internal.h"

static gantry_status step_cached(db *d, sqlite3_stmt **s, err *e, const char *sql, const char *types, ...) {
  if (!*s && sqlite3_prepare_v3(d->h, sql, -1, SQLITE_PREPARE_PERSISTENT, s, NULL)) return db_fail(d, e, "preparing a statement for");
  va_list ap;
  va_start(ap, types);
  int rc = db_bind(*s, types, ap);
  va_end(ap);
  if (rc == SQLITE_OK) rc = sqlite3_step(*s);
  gantry_status st = rc == SQLITE_DONE ? GANTRY_OK : db_fail(d, e, "writing");
  sqlite3_reset(*s);
  return st;
}

static totals *totals_of(db *d, int64_t run, int64_t metric) {
  for (uint32_t k = 0; k < d->sums.n; k++)
    if (d->sums.p[k].run == run && d->sums.p[k].metric == metric) return &d->sums.p[k];
  totals t = {.run = run, .metric = metric, .last_step = -1};
  VEC_PUSH(d->sums, t);
  return &d->sums.p[d->sums.n - 1];
}

static gantry_status put_scalar(db *d, int64_t run, int64_t step, const char *name, double v, int64_t n_bad, err *e) {
  int64_t metric;
  TRY(db_name_id(d, "metric", name, &metric, e));
  TRY(step_cached(d, &d->put_scalar, e, "INSERT OR REPLACE INTO scalar(run_id,metric_id,step,value,n_bad) VALUES(?,?,?,?,nullif(?,0))", "iiidi", run, metric, step, v, n_bad));
  totals *t = totals_of(d, run, metric);
  t->n++;
  t->n_bad += n_bad;
  if (step >= t->last_step) t->last = v, t->last_step = step;
  if (isnan(v)) return GANTRY_OK;
  if (!t->any || v < t->min) t->min = v, t->min_step = step;
  if (!t->any || v > t->max) t->max = v, t->max_step = step;
  t->any = 1;
  return GANTRY_OK;
}

gantry_status db_flush_totals(db *d, err *e) {
  for (uint32_t k = 0; k < d->sums.n; k++) {
    const totals *t = &d->sums.p[k];
    double none = NAN;
    TRY(db_do(d, NULL, e,
              "INSERT INTO summary(run_id,metric_id,n,n_bad,last,last_step,min,min_step,max,max_step) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10) ON CONFLICT(run_id,metric_id) DO UPDATE SET"
              " n=n+?3, n_bad=n_bad+?4, last=CASE WHEN ?6>=coalesce(last_step,-1) THEN ?5 ELSE last END, last_step=max(?6,coalesce(last_step,-1)),"
              " min_step=CASE WHEN ?7<min OR min IS NULL THEN ?8 ELSE min_step END, min=CASE WHEN ?7<min OR min IS NULL THEN ?7 ELSE min END,"
              " max_step=CASE WHEN ?9>max OR max IS NULL THEN ?10 ELSE max_step END, max=CASE WHEN ?9>max OR max IS NULL THEN ?9 ELSE max END",
              "iiiidididi", t->run, t->metric, t->n, t->n_bad, t->last, t->last_step, t->any ? t->min : none, t->min_step, t->any ? t->max : none, t->max_step));
  }
  for (uint32_t k = 0; k < d->runs.n; k++)
    TRY(db_do(d, NULL, e, "UPDATE run SET step=max(step,?), heartbeat_ms=? WHERE id=?", "iii", d->runs.p[k].step, proc_now_ms(), d->runs.p[k].run));
  d->sums.n = 0;
  d->runs.n = 0;
  return GANTRY_OK;
}

static void note_step(db *d, int64_t run, int64_t step) {
  for (uint32_t k = 0; k < d->runs.n; k++)
    if (d->runs.p[k].run == run) {
      if (step > d->runs.p[k].step) d->runs.p[k].step = step;
      return;
    }
  heard h = {run, step};
  VEC_PUSH(d->runs, h);
}

/* A run that resumes at step s forgets what an interrupted attempt wrote after s, in one transaction with the news of it. */
static gantry_status forget_after(db *d, int64_t run, int64_t step, int64_t total, err *e) {
  static const char *const sql[] = {
    "DELETE FROM scalar WHERE run_id=? AND step>?", "DELETE FROM clock WHERE run_id=? AND step>?", "DELETE FROM eval WHERE run_id=? AND step>?",
    "DELETE FROM artifact WHERE run_id=? AND step>?", "DELETE FROM event WHERE run_id=? AND step>? AND level<>'error'"};
  TRY(db_flush_totals(d, e));
  for (size_t k = 0; k < sizeof sql / sizeof *sql; k++) TRY(db_do(d, NULL, e, sql[k], "ii", run, step));
  TRY(db_do(d, NULL, e, "DELETE FROM summary WHERE run_id=?", "i", run));
  TRY(db_do(d, NULL, e,
            "INSERT INTO summary(run_id,metric_id,n,n_bad,last,last_step,min,min_step,max,max_step)"
            " SELECT run_id, metric_id, count(*), sum(coalesce(n_bad,0)), (SELECT value FROM scalar z WHERE z.run_id=s.run_id AND z.metric_id=s.metric_id ORDER BY step DESC LIMIT 1), max(step),"
            " min(value), (SELECT step FROM scalar z WHERE z.run_id=s.run_id AND z.metric_id=s.metric_id AND value IS NOT NULL ORDER BY value, step LIMIT 1),"
            " max(value), (SELECT step FROM scalar z WHERE z.run_id=s.run_id AND z.metric_id=s.metric_id AND value IS NOT NULL ORDER BY value DESC, step LIMIT 1)"
            " FROM scalar s WHERE run_id=? GROUP BY run_id, metric_id", "i", run));
  if (total > 0) TRY(db_do(d, NULL, e, "UPDATE run SET total_steps=? WHERE id=?", "ii", total, run));
  return db_do(d, NULL, e, "UPDATE run SET step=?, resumed_from_step=nullif(?,0) WHERE id=?", "iii", step > 0 ? step : 0, step > 0 ? step : 0, run);
}

static gantry_status put_eval(db *d, int64_t run, const rec *r, err *e) {
  int64_t metric, protocol;
  TRY(db_name_id(d, "metric", r->u.eval.metric, &metric, e));
  TRY(db_name_id(d, "protocol", r->u.eval.protocol, &protocol, e));
  if (r->u.eval.better) TRY(db_do(d, NULL, e, "UPDATE metric SET goal=? WHERE id=? AND goal IS NOT ?1", "ti", r->u.eval.better > 0 ? "max" : "min", metric));
  return db_do(d, NULL, e, "INSERT OR REPLACE INTO eval(run_id,metric_id,protocol_id,weights,step,value,n_fake,n_real,ms) VALUES(?,?,?,?,?,?,?,?,?)", "iiitidiii", run, metric, protocol,
               r->u.eval.weights, r->step, r->u.eval.value, r->u.eval.n_fake, r->u.eval.n_real, r->u.eval.ms);
}

gantry_status db_record(db *d, int64_t run, const rec *r, err *e) {
  TRY(db_begin(d, e));
  d->pending++;
  switch (r->type) {
    case REC_HELLO: return forget_after(d, run, r->u.hello.resumed_from, r->u.hello.total_steps, e);
    case REC_SCALAR: return put_scalar(d, run, r->step, r->u.scalar.name, r->u.scalar.value, r->u.scalar.n_bad, e);
    case REC_CLOCK:
      note_step(d, run, r->step);
      return step_cached(d, &d->put_clock, e, "INSERT OR REPLACE INTO clock(run_id,step,images,d_updates,g_updates,train_ms,wall_ms) VALUES(?,?,?,?,?,?,?)", "iiiiiii", run, r->step,
                         r->u.clock.images, r->u.clock.d_updates, r->u.clock.g_updates, r->u.clock.train_ms, proc_now_ms());
    case REC_EVAL: return put_eval(d, run, r, e);
    case REC_ARTIFACT:
      TRY(db_do(d, NULL, e, "INSERT OR REPLACE INTO artifact(run_id,step,kind,path,sha256,bytes) VALUES(?,?,?,?,?,?)", "iittti", run, r->step, r->u.artifact.kind, r->u.artifact.path, r->u.artifact.sha256, r->u.artifact.bytes));
      return GANTRY_OK;
    case REC_SYNC: return db_sync(d, e); /* rows before a checkpoint are not sent again by a run that resumes from it */
    case REC_EVENT: {
      static const char *const levels[] = {"info", "error", "warn", "info"};
      int32_t k = r->u.event.level;
      return db_do(d, NULL, e, "INSERT INTO event(run_id,step,wall_ms,level,code,text) VALUES(?,?,?,?,?,?)", "iiittt", run, r->step, proc_now_ms(), levels[k >= 0 && k <= 3 ? k : 0], r->u.event.code, r->u.event.text);
    }
    case REC_PROGRESS: return note_step(d, run, r->step), GANTRY_OK;
    case REC_FACT: return db_do(d, NULL, e, "INSERT OR REPLACE INTO fact(run_id,key,value) VALUES(?,?,?)", "itt", run, r->u.fact.key, r->u.fact.value);
    default: return GANTRY_OK;
  }
}

gantry_status db_run_start(db *d, int64_t run, int64_t pid, int64_t total_steps, int again, err *e) {
  char boot[64], host[256] = "";
  gethostname(host, sizeof host - 1);
  TRY(db_begin(d, e));
  TRY(db_do(d, NULL, e,
            "UPDATE run SET status='running', pid=?, start_time=?, boot_id=?, host=?, started_ms=?, heartbeat_ms=?5, ended_ms=NULL, exit_code=NULL, exit_signal=NULL, error_class=NULL, error_text=NULL,"
            " log_tail=NULL, error_plugin=NULL, error_place=NULL, total_steps=coalesce(nullif(?,0),total_steps), attempt=attempt+? WHERE id=?",
            "iittiiii", pid, proc_start_time((pid_t)pid), proc_boot_id(boot), host, proc_now_ms(), total_steps, (int64_t)(again != 0), run));
  return db_commit(d, e); /* at once: this is what tells the next gantry that the run lives */
}

gantry_status db_tag(db *d, int64_t run, const char *tag, int on, err *e) {
  TRY(db_begin(d, e));
  return db_do(d, NULL, e, on ? "INSERT OR IGNORE INTO tag(run_id,tag) VALUES(?,?)" : "DELETE FROM tag WHERE run_id=? AND tag=?", "it", run, tag);
}

gantry_status db_note(db *d, int64_t run, int64_t grid, const char *text, err *e) {
  TRY(db_begin(d, e));
  return db_do(d, NULL, e, "INSERT INTO note(run_id,grid_id,created_ms,text) VALUES(nullif(?,0),nullif(?,0),?,?)", "iiit", run, grid, proc_now_ms(), text);
}

gantry_status db_forget_run(db *d, int64_t run, err *e) {
  TRY(db_begin(d, e));
  TRY(db_flush_totals(d, e));
  TRY(db_do(d, NULL, e, "DELETE FROM scalar WHERE run_id=?", "i", run));
  TRY(db_do(d, NULL, e, "DELETE FROM clock WHERE run_id=?", "i", run));
  return db_do(d, NULL, e, "DELETE FROM run WHERE id=?", "i", run); /* the rest goes with it */
}

gantry_status db_run_end(db *d, int64_t run, const db_end *x, err *e) {
  TRY(db_begin(d, e));
  TRY(db_do(d, NULL, e,
            "UPDATE run SET status=?, ended_ms=?, pid=NULL, exit_code=?, exit_signal=nullif(?,0), error_class=?, error_text=?, log_tail=?, error_plugin=?, error_place=?, eval_key=coalesce(?,eval_key) WHERE id=?", "tiiitttttti", x->status,
            proc_now_ms(), (int64_t)x->code, (int64_t)x->signal, x->error_class, x->error_text, x->log_tail, x->plugin, x->place, x->eval_key, run));
  if (x->error_text) TRY(db_do(d, NULL, e, "INSERT INTO event(run_id,step,wall_ms,level,code,text) SELECT ?1,step,?2,?3,?4,?5 FROM run WHERE id=?1", "iittt", run, proc_now_ms(),
                               !strcmp(x->status, "diverged") ? "warn" : "error", x->error_class ? x->error_class : "FAILED", x->error_text));
  return db_commit(d, e);
}
