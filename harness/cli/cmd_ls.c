/* cmd_ls.c - `gantry ls [GRID]`: the grids of a database, or the runs of one. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/commands.h"

/* Runs that were going when their gantry was killed: what to do, for people. */
static gantry_status tell_lost(db *d, arena *a, const char *grid, err *e) {
  db_table t;
  TRY(db_query(d, a, &t, e, "SELECT count(DISTINCT run_id) FROM runs WHERE status='lost' AND (?1 IS NULL OR grid=?1)", "t", grid));
  int64_t n = db_at(&t, 0, 0)->i;
  fflush(stdout);
  if (n) fprintf(stderr, "gantry ls: %lld run%s lost: the process ended without a word (power, kill -9, or the parent died); `gantry run` with the same experiment goes on from the newest checkpoint\n", (long long)n, n == 1 ? " is" : "s are");
  return GANTRY_OK;
}

int cmd_ls(int argc, char **argv) {
  enum { OUT, STATUS, JSON, CSV, N };
  flag f[N] = {[OUT] = {.name = "--out", .value = "DIR", .help = "the folder or database (default $GANTRY_OUT or gantry-out)", .type = FLAG_TEXT},
               [STATUS] = {.name = "--status", .value = "NAME", .help = "only runs with this status: done, running, lost, failed, diverged ...", .type = FLAG_TEXT},
               [JSON] = {.name = "--json", .help = "as JSON", .type = FLAG_BOOL},
               [CSV] = {.name = "--csv", .help = "as CSV", .type = FLAG_BOOL}};
  const char *words[3];
  uint32_t n;
  int code = cli_parse(argc, argv, "gantry ls [GRID] [--out DIR] [--status NAME]", f, N, CLI_ANY, words, 3, &n);
  if (code >= 0) return code;
  arena *a = arena_new();
  err e = {0};
  db *d = NULL;
  db_table t;
  const char *grid = n ? words[0] : NULL;
  int runs = grid || f[STATUS].on;
  gantry_status st = cli_db(a, f[OUT].text, &d, &e);
  if (!st && runs)
    st = db_query(d, a, &t, &e, "SELECT grid, cell, label, seed, status, step, total_steps steps, round(train_s,1) train_s, substr(run,1,26) run FROM runs WHERE (?1 IS NULL OR grid=?1) AND (?2 IS NULL OR status=?2) ORDER BY grid, cell, seed",
                  "tt", grid, f[STATUS].text);
  else if (!st)
    st = db_query(d, a, &t, &e, "SELECT g.name grid, (SELECT count(*) FROM cell c WHERE c.grid_id=g.id AND c.excluded IS NULL) cells, count(r.run) runs, coalesce(sum(r.status='done'),0) done, coalesce(sum(r.status='diverged'),0) diverged,"
                  " coalesce(sum(r.status IN ('failed','killed')),0) failed, coalesce(sum(r.status='running'),0) running, coalesce(sum(r.status IN ('queued','stopped','lost')),0) open, coalesce(g.question,'') question FROM grid g LEFT JOIN runs r ON r.grid=g.name GROUP BY g.id ORDER BY g.id", "");
  if (!st && grid && !t.n_rows && !f[STATUS].on) st = err_set(&e, GANTRY_E_CONFIG, "there is no grid \"%s\" with runs; `gantry ls` lists the grids", grid);
  if (!st) cli_print(&t, f[JSON].on ? PRINT_JSON : f[CSV].on ? PRINT_CSV : PRINT_TEXT);
  if (!st) st = tell_lost(d, a, grid, &e);
  code = st ? flags_error("ls", &e) : EXIT_OK;
  db_close(d);
  arena_free(a);
  return code;
}
