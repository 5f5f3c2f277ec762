/* cmd_gc.c - `gantry gc`: what takes room and is needed by nothing. Says what it would remove; removes it with --yes.
 *
 * Runs that no grid names any more (their settings were changed), run folders that no run has, leftovers of interrupted writes, cached sums of real images, and with
 * --checkpoints all but the best checkpoint of finished runs (these can then be sampled from no more, and a longer run starts anew). */
#include <stdio.h>

#include "base/files.h"
#include "base/tree.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "store/layout.h"

typedef struct sweep {
  db *d;
  const char *out;
  arena *a;
  int yes;
  int64_t bytes;
  uint32_t n;
} sweep;

static gantry_status take(sweep *s, const char *path, const char *why, err *e) {
  int64_t bytes = tree_bytes(path);
  printf("%-7s %9.1f MB  %s (%s)\n", s->yes ? "removed" : "would", (double)bytes / 1e6, path, why);
  s->bytes += bytes;
  s->n++;
  return s->yes ? tree_remove(path, e) : GANTRY_OK;
}

static gantry_status unnamed_runs(sweep *s, err *e) {
  db_table t;
  TRY(db_query(s->d, s->a, &t, e, "SELECT r.id, r.dir, r.status FROM run r WHERE r.status<>'running' AND NOT EXISTS(SELECT 1 FROM cell_run c WHERE c.run_id=r.id) ORDER BY r.id", ""));
  for (uint32_t k = 0; k < t.n_rows; k++) {
    const char *dir = db_at(&t, k, 1)->s;
    db_table other;
    TRY(db_query(s->d, s->a, &other, e, "SELECT 1 FROM run WHERE dir=? AND id<>?", "ti", dir, db_at(&t, k, 0)->i));
    if (layout_is_run(dir) && !other.n_rows) TRY(take(s, path_join(s->a, s->out, dir), "a run that no grid names any more", e));
    if (s->yes) TRY(db_forget_run(s->d, db_at(&t, k, 0)->i, e));
  }
  return GANTRY_OK;
}

/* runs/<grid>/<cell>/s<seed> that no run calls its own. */
static gantry_status strays(sweep *s, const char *rel, int depth, err *e) {
  char **names;
  const char *here = path_join(s->a, s->out, rel);
  if (!file_exists(here)) return GANTRY_OK;
  TRY(dir_list(here, s->a, &names, e));
  for (; *names; names++) {
    const char *path = path_join(s->a, rel, *names);
    db_table t;
    if (depth < 2) {
      TRY(strays(s, path, depth + 1, e));
      continue;
    }
    TRY(db_query(s->d, s->a, &t, e, "SELECT 1 FROM run WHERE dir=?", "t", path));
    if (!t.n_rows) TRY(take(s, path_join(s->a, s->out, path), "no run's folder", e));
  }
  return GANTRY_OK;
}

static gantry_status in_runs(sweep *s, int checkpoints, err *e) {
  db_table t;
  TRY(db_query(s->d, s->a, &t, e, "SELECT dir, status FROM run WHERE status<>'running' ORDER BY id", ""));
  for (uint32_t k = 0; k < t.n_rows; k++) {
    static const char *const folders[] = {"checkpoints", "samples", "."};
    const char *dir = db_at(&t, k, 0)->s, *status = db_at(&t, k, 1)->s;
    int finished = !strcmp(status, "done") || !strcmp(status, "diverged");
    for (size_t i = 0; i < 3 && layout_is_run(dir); i++) {
      char **names;
      const char *folder = path_join(s->a, path_join(s->a, s->out, dir), folders[i]);
      if (!file_exists(folder)) continue;
      TRY(dir_list(folder, s->a, &names, e));
      for (; *names; names++) {
        if (strstr(*names, ".part-")) TRY(take(s, path_join(s->a, folder, *names), "left by an interrupted write", e));
        else if (checkpoints && finished && !i && !strncmp(*names, "step-", 5)) TRY(take(s, path_join(s->a, folder, *names), "checkpoint of a finished run", e));
      }
    }
  }
  return GANTRY_OK;
}

static gantry_status gc(const char *out, int yes, int checkpoints, err *e) {
  arena *a = arena_new();
  sweep s = {.out = out, .a = a, .yes = yes};
  uint32_t lost;
  gantry_status st = GANTRY_OK;
  if (!file_exists(layout_db(a, out))) st = err_set(e, GANTRY_E_IO, "there is no database in %s", out);
  if (!st) st = db_open(out, &s.d, &lost, e);
  if (!st) st = unnamed_runs(&s, e);
  if (!st) st = strays(&s, "runs", 0, e);
  if (!st) st = in_runs(&s, checkpoints, e);
  if (!st && file_exists(path_join(a, out, "cache"))) st = take(&s, path_join(a, out, "cache"), "made again when needed", e);
  if (!st) printf("%u things, %.1f MB%s\n", s.n, (double)s.bytes / 1e6, yes ? " removed" : s.n ? "; gantry gc --yes removes them" : "");
  db_close(s.d);
  arena_free(a);
  return st;
}

int cmd_gc(int argc, char **argv) {
  enum { OUT, YES, CHECKPOINTS, N };
  flag f[N] = {[OUT] = {.name = "--out", .value = "DIR", .help = "the folder (default $GANTRY_OUT or gantry-out)", .type = FLAG_TEXT},
               [YES] = {.name = "--yes", .help = "remove; without it nothing is touched", .type = FLAG_BOOL},
               [CHECKPOINTS] = {.name = "--checkpoints", .help = "also checkpoints of finished runs, all but the best", .type = FLAG_BOOL}};
  const char *words[2];
  uint32_t n;
  int code = cli_parse(argc, argv, "gantry gc [--out DIR] [--yes]", f, N, 0, words, 2, &n);
  if (code >= 0) return code;
  arena *a = arena_new();
  err e = {0};
  code = gc(layout_out(a, f[OUT].text), f[YES].on, f[CHECKPOINTS].on, &e) ? flags_error("gc", &e) : EXIT_OK;
  arena_free(a);
  return code;
}
