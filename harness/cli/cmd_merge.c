/* cmd_merge.c - `gantry merge DB... --out DIR`: the results of other machines or folders in one database, with the files of their runs. */
#include <stdio.h>

#include "base/files.h"
#include "base/log.h"
#include "base/tree.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "store/layout.h"

static gantry_status copy_files(const db_merged *m, const char *from, const char *to, arena *a, int64_t *bytes, err *e) {
  for (uint32_t k = 0; k < m->folders.n_rows; k++) {
    const char *x = db_at(&m->folders, k, 0)->s, *y = db_at(&m->folders, k, 1)->s;
    if (!layout_is_run(x) || !layout_is_run(y)) {
      log_line(LOG_WARN, "a run names \"%s\" as its folder, which is outside runs/: its files are not copied", x);
      continue;
    }
    if (file_exists(path_join(a, from, x))) TRY(tree_copy(path_join(a, from, x), path_join(a, to, y), bytes, e));
  }
  return GANTRY_OK;
}

static gantry_status merge(const char *const *sources, uint32_t n, const char *out, int files, err *e) {
  db *d = NULL;
  uint32_t lost;
  arena *a = arena_new();
  gantry_status st = db_open(out, &d, &lost, e);
  for (uint32_t k = 0; !st && k < n; k++) {
    db_merged m;
    int64_t bytes = 0;
    const char *path = layout_db(a, sources[k]);
    if ((st = db_merge(d, path, a, &m, e))) break;
    if (files) st = copy_files(&m, path_dir(a, path), out, a, &bytes, e);
    printf("%s: %lld new runs, %lld that got further, %lld known; %.1f MB of files copied\n", path, (long long)m.n_new, (long long)m.n_better, (long long)m.n_known, (double)bytes / 1e6);
    for (uint32_t i = 0; i < m.renamed.n_rows; i++) printf("  its grid \"%s\" has other contents than the one here and is now \"%s\"\n", db_at(&m.renamed, i, 0)->s, db_at(&m.renamed, i, 1)->s);
  }
  db_close(d);
  arena_free(a);
  return st;
}

int cmd_merge(int argc, char **argv) {
  enum { OUT, ROWS, N };
  flag f[N] = {[OUT] = {.name = "--out", .value = "DIR", .help = "where everything goes; made if need be (default $GANTRY_OUT or gantry-out)", .type = FLAG_TEXT},
               [ROWS] = {.name = "--rows-only", .help = "leave samples, checkpoints and logs where they are", .type = FLAG_BOOL}};
  const char *words[65];
  uint32_t n;
  int code = cli_parse(argc, argv, "gantry merge DB... [--out DIR]", f, N, -1, words, 65, &n);
  if (code >= 0) return code;
  arena *a = arena_new();
  err e = {0};
  code = merge(words, n, layout_out(a, f[OUT].text), !f[ROWS].on, &e) ? flags_error("merge", &e) : EXIT_OK;
  arena_free(a);
  return code;
}
