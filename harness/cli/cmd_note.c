/* cmd_note.c - `gantry note RUN|GRID "text"`: a note with its time, kept with the results; also while a grid runs. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "store/layout.h"

static gantry_status note(const char *out, const char *what, const char *text, arena *a, err *e) {
  db *d = NULL;
  db_table t;
  int64_t run = 0, grid = 0;
  TRY(db_open_beside(layout_db(a, out), &d, e));
  gantry_status st = db_query(d, a, &t, e, "SELECT id FROM grid WHERE name=?", "t", what);
  if (!st && t.n_rows) grid = db_at(&t, 0, 0)->i;
  else if (!st && !(st = cli_find_run(d, a, what, &t, e)))
    for (uint32_t c = 0; c < t.n_cols; c++)
      if (!strcmp(t.cols[c], "run_id")) run = db_at(&t, 0, c)->i;
  if (!st) st = db_note(d, run, grid, text, e);
  if (!st) st = db_commit(d, e);
  db_close(d);
  return st;
}

int cmd_note(int argc, char **argv) {
  flag f[1] = {{.name = "--out", .value = "DIR", .help = "the folder or database (default $GANTRY_OUT or gantry-out)", .type = FLAG_TEXT}};
  const char *words[3];
  uint32_t n;
  int code = cli_parse(argc, argv, "gantry note RUN|GRID \"text\"", f, 1, 2, words, 3, &n);
  if (code >= 0) return code;
  arena *a = arena_new();
  err e = {0};
  code = note(f[0].text, words[0], words[1], a, &e) ? flags_error("note", &e) : EXIT_OK;
  arena_free(a);
  return code;
}
