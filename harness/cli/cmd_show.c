/* cmd_show.c - `gantry show RUN`: everything the database knows about one run. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "report/model.h"

static gantry_status part(db *d, arena *a, const char *title, const char *sql, int64_t run, err *e) {
  db_table t;
  TRY(db_query(d, a, &t, e, sql, "i", run));
  if (!t.n_rows) return GANTRY_OK;
  printf("\n%s\n", title);
  cli_print(&t, PRINT_TEXT);
  return GANTRY_OK;
}

static gantry_status show(db *d, arena *a, const db_table *row, err *e) {
  int64_t run = -1;
  for (uint32_t c = 0; c < row->n_cols; c++) {
    const char *name = row->cols[c];
    if (!strcmp(name, "run_id")) run = db_at(row, 0, c)->i;
    else if (strcmp(name, "config_id") && db_at(row, 0, c)->s) printf("%-12s %s\n", name, db_at(row, 0, c)->s);
  }
  TRY(part(d, a, "results", "SELECT m.name metric, v.weights, v.step, v.value, v.n_fake, v.n_real, v.ms, substr(p.name,1,60) protocol FROM eval v JOIN metric m ON m.id=v.metric_id JOIN protocol p ON p.id=v.protocol_id WHERE v.run_id=? ORDER BY 1,2,3", run, e));
  TRY(part(d, a, "scalars", "SELECT m.name, s.n, s.n_bad, s.last, s.last_step, s.min, s.min_step, s.max, s.max_step FROM summary s JOIN metric m ON m.id=s.metric_id WHERE s.run_id=? ORDER BY 1", run, e));
  TRY(part(d, a, "files", "SELECT kind, step, path, bytes FROM artifact WHERE run_id=? ORDER BY 1,2", run, e));
  TRY(part(d, a, "facts", "SELECT key, value FROM fact WHERE run_id=? ORDER BY 1", run, e));
  TRY(part(d, a, "plugins", "SELECT x.slot, p.kind, p.name, p.version, substr(p.sha256,1,16) sha256 FROM run_plugin x JOIN plugin p ON p.id=x.plugin_id WHERE x.run_id=? ORDER BY 1", run, e));
  TRY(part(d, a, "events", "SELECT step, level, code, text FROM event WHERE run_id=? ORDER BY id", run, e));
  TRY(part(d, a, "settings", "SELECT substr(replace(j.fullkey,'\"',''),3) path, j.atom value FROM run r JOIN config c ON c.id=r.config_id JOIN json_tree(c.json) j WHERE r.id=? AND j.atom IS NOT NULL", run, e));
  db_table t;
  TRY(db_query(d, a, &t, e, "SELECT 1 FROM pragma_table_info('run') WHERE name='error_plugin'", "")); /* not in older formats */
  if (t.n_rows) TRY(part(d, a, "where it failed", "SELECT error_plugin plugin, error_place place, exit_signal signal FROM run WHERE id=? AND error_plugin IS NOT NULL", run, e));
  return part(d, a, "end of the log", "SELECT log_tail text FROM run WHERE id=? AND log_tail IS NOT NULL AND log_tail<>''", run, e);
}

int cmd_show(int argc, char **argv) {
  enum { OUT, JSON, N };
  flag f[N] = {[OUT] = {.name = "--out", .value = "DIR", .help = "the folder or database (default $GANTRY_OUT or gantry-out)", .type = FLAG_TEXT}, [JSON] = {.name = "--json", .help = "the run's row as JSON", .type = FLAG_BOOL}};
  const char *words[3];
  uint32_t n;
  int code = cli_parse(argc, argv, "gantry show RUN [--out DIR]      RUN: the beginning of a uid, or grid/cell/seed", f, N, 1, words, 3, &n);
  if (code >= 0) return code;
  arena *a = arena_new();
  err e = {0};
  db *d = NULL;
  db_table row;
  gantry_status st = cli_db(a, f[OUT].text, &d, &e);
  if (!st) st = cli_find_run(d, a, words[0], &row, &e);
  if (!st && f[JSON].on) cli_print(&row, PRINT_JSON);
  else if (!st) st = show(d, a, &row, &e);
  code = st ? flags_error("show", &e) : EXIT_OK;
  db_close(d);
  arena_free(a);
  return code;
}
