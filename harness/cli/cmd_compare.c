/* cmd_compare.c - `gantry compare RUN RUN...`: settings in which they differ, then results, one column per run. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/commands.h"

enum { MAX_RUNS = 16 };

static int64_t column(const db_table *row, const char *name) {
  for (uint32_t c = 0; c < row->n_cols; c++)
    if (!strcmp(row->cols[c], name)) return db_at(row, 0, c)->i;
  return -1;
}

/* Rows (name, value) of each run side by side; only_changes leaves out rows that are equal everywhere. */
static gantry_status side_by_side(db *d, arena *a, const db_table *runs, uint32_t n, const char **names, const char *sql, const char *id, int only_changes, int how, err *e) {
  VEC(const char *) keys = {0};
  db_table *parts = ARENA_ARRAY(a, db_table, n), t = {.n_cols = n + 1, .cols = names};
  for (uint32_t k = 0; k < n; k++) {
    TRY(db_query(d, a, &parts[k], e, sql, "i", column(&runs[k], id)));
    for (uint32_t r = 0; r < parts[k].n_rows; r++) {
      uint32_t q = 0;
      while (q < keys.n && strcmp(keys.p[q], db_at(&parts[k], r, 0)->s)) q++;
      if (q == keys.n) VEC_PUSH(keys, db_at(&parts[k], r, 0)->s);
    }
  }
  t.cells = ARENA_ARRAY(a, db_value, (size_t)keys.n * (n + 1) + 1);
  for (uint32_t q = 0; q < keys.n; q++) {
    db_value *row = &t.cells[(size_t)t.n_rows * (n + 1)];
    int differ = 0;
    row[0] = (db_value){.type = DB_TEXT, .s = keys.p[q]};
    for (uint32_t k = 0; k < n; k++) {
      row[k + 1] = (db_value){0};
      for (uint32_t r = 0; r < parts[k].n_rows; r++)
        if (!strcmp(db_at(&parts[k], r, 0)->s, keys.p[q])) row[k + 1] = *db_at(&parts[k], r, 1);
      const char *x = row[k + 1].s, *y = row[1].s;
      differ |= !x != !y || (x && strcmp(x, y));
    }
    t.n_rows += !only_changes || differ;
  }
  free(keys.p);
  cli_print(&t, how);
  return GANTRY_OK;
}

int cmd_compare(int argc, char **argv) {
  enum { OUT, JSON, N };
  flag f[N] = {[OUT] = {.name = "--out", .value = "DIR", .help = "the folder or database (default $GANTRY_OUT or gantry-out)", .type = FLAG_TEXT}, [JSON] = {.name = "--json", .help = "results as JSON", .type = FLAG_BOOL}};
  const char *words[MAX_RUNS + 1];
  uint32_t n;
  int code = cli_parse(argc, argv, "gantry compare RUN RUN... [--out DIR]", f, N, -2, words, MAX_RUNS + 1, &n);
  if (code >= 0) return code;
  arena *a = arena_new();
  err e = {0};
  db *d = NULL;
  db_table *runs = ARENA_ARRAY(a, db_table, n);
  const char **names = ARENA_ARRAY(a, const char *, n + 1);
  names[0] = "";
  gantry_status st = cli_db(a, f[OUT].text, &d, &e);
  for (uint32_t k = 0; k < n && !st; k++) {
    st = cli_find_run(d, a, words[k], &runs[k], &e);
    if (!st) names[k + 1] = arena_fmt(a, "%s s%s", db_at(&runs[k], 0, 3)->s, db_at(&runs[k], 0, 4)->s);
  }
  if (!st && !f[JSON].on) st = side_by_side(d, a, runs, n, names, "SELECT substr(replace(j.fullkey,'\"',''),3), j.atom FROM config c JOIN json_tree(c.json) j WHERE c.id=? AND j.atom IS NOT NULL", "config_id", 1, PRINT_TEXT, &e);
  if (!st && !f[JSON].on) printf("\n");
  if (!st) st = side_by_side(d, a, runs, n, names, "SELECT m.name||' '||v.weights, v.value FROM eval v JOIN metric m ON m.id=v.metric_id WHERE v.run_id=?1 AND v.step=(SELECT max(step) FROM eval z WHERE z.run_id=?1 AND z.metric_id=v.metric_id)"
                                                       " UNION ALL SELECT 'steps', step FROM run WHERE id=?1 UNION ALL SELECT 'status', status FROM run WHERE id=?1", "run_id", 0, f[JSON].on ? PRINT_JSON : PRINT_TEXT, &e);
  code = st ? flags_error("compare", &e) : EXIT_OK;
  db_close(d);
  arena_free(a);
  return code;
}
