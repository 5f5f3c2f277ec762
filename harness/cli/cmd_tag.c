/* cmd_tag.c - `gantry tag RUN [NAME | -NAME]...`: tags of a run, for queries, also while a grid runs. Without names: prints them. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "store/layout.h"

static gantry_status tag(const char *out, const char *const *words, uint32_t n, arena *a, err *e) {
  db *d = NULL;
  db_table row, t;
  int64_t id = 0;
  gantry_status st = n > 1 ? db_open_beside(layout_db(a, out), &d, e) : cli_db(a, out, &d, e);
  if (!st) st = cli_find_run(d, a, words[0], &row, e);
  for (uint32_t c = 0; !st && c < row.n_cols; c++)
    if (!strcmp(row.cols[c], "run_id")) id = db_at(&row, 0, c)->i;
  for (uint32_t k = 1; !st && k < n; k++) {
    const char *name = words[k] + (*words[k] == '-' || *words[k] == '+');
    if (!*name) st = err_set(e, GANTRY_E_CONFIG, "\"%s\" is no tag", words[k]);
    else st = db_tag(d, id, name, *words[k] != '-', e);
  }
  if (!st && n > 1) st = db_commit(d, e);
  if (!st) st = db_query(d, a, &t, e, "SELECT tag FROM tag WHERE run_id=? ORDER BY tag", "i", id);
  for (uint32_t k = 0; !st && k < t.n_rows; k++) printf("%s\n", db_at(&t, k, 0)->s);
  db_close(d);
  return st;
}

int cmd_tag(int argc, char **argv) {
  flag f[1] = {{.name = "--out", .value = "DIR", .help = "the folder or database (default $GANTRY_OUT or gantry-out)", .type = FLAG_TEXT}};
  const char *words[64];
  uint32_t n;
  int code = cli_parse(argc, argv, "gantry tag RUN [NAME]... [-- -NAME]...", f, 1, -1, words, 64, &n);
  if (code >= 0) return code;
  arena *a = arena_new();
  err e = {0};
  code = tag(f[0].text, words, n, a, &e) ? flags_error("tag", &e) : EXIT_OK;
  arena_free(a);
  return code;
}
