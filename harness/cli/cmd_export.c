/* cmd_export.c - `gantry export RUN -o FILE`: a run's networks from its newest checkpoint, without optimizer slots and counters, as safetensors. With
 * a classifier's run this makes the weights file of a feature network. */
#include <stdio.h>
#include <stdlib.h>

#include "base/files.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "store/checkpoint.h"
#include "store/layout.h"

/* Weights and what follows them, in averaged form too; what only training needs is left out. */
static int belongs(const char *name) { return strncmp(name, "optim/", 6) && strncmp(name, "counter/", 8) && strncmp(name, "log/", 4); }

static gantry_status export_run(const char *run, const char *out, const char *file, arena *a, err *e) {
  db *d = NULL;
  db_table row;
  const char *place = NULL, *uid = "";
  int64_t step = -1;
  st_file f = {0};
  buf warnings = {0};
  gantry_status st = cli_db(a, out, &d, e);
  if (!st) st = cli_find_run(d, a, run, &row, e);
  for (uint32_t c = 0; !st && c < row.n_cols; c++) {
    if (!strcmp(row.cols[c], "dir")) place = db_at(&row, 0, c)->s;
    if (!strcmp(row.cols[c], "run")) uid = db_at(&row, 0, c)->s;
  }
  db_close(d);
  if (st) return st;
  const char *dir = path_join(a, path_dir(a, layout_db(a, out)), place ? place : "");
  if ((st = ckpt_load_newest(dir, &f, &step, &warnings, e))) return st;
  if (warnings.n) fprintf(stderr, "gantry export: %s\n", warnings.p);
  buf_free(&warnings);
  if (step < 0) return err_set(e, GANTRY_E_IO, "%s has no checkpoint yet", dir);
  st_tensor *t = ARENA_ARRAY(a, st_tensor, f.n + 1);
  uint32_t n = 0;
  for (uint32_t k = 0; k < f.n; k++)
    if (belongs(f.t[k].name)) t[n++] = f.t[k];
  const char *key = st_meta_get(&f, "train_key");
  st_meta meta[] = {{"step", arena_fmt(a, "%lld", (long long)step)}, {"train_key", key ? key : ""}};
  st = st_write(file, t, n, meta, 2, NULL, e);
  st_free(&f);
  if (!st) printf("%s: %u tensors of run %s at step %lld\n", file, n, uid, (long long)step);
  return st;
}

int cmd_export(int argc, char **argv) {
  enum { OUT, FILE_, N };
  flag f[N] = {[OUT] = {.name = "--out", .value = "DIR", .help = "the folder or database (default $GANTRY_OUT or gantry-out)", .type = FLAG_TEXT},
               [FILE_] = {.name = "--output", .value = "FILE", .help = "the safetensors file to write (-o)", .type = FLAG_TEXT}};
  const char *words[3];
  uint32_t n;
  int rc = cli_parse(argc, argv, "gantry export RUN -o FILE", f, N, 1, words, 3, &n);
  if (rc >= 0) return rc;
  if (!f[FILE_].on) {
    fprintf(stderr, "gantry export: name the file to write, as in: gantry export %s -o weights.safetensors\n", words[0]);
    return EXIT_USAGE;
  }
  err e = {0};
  arena *a = arena_new();
  rc = export_run(words[0], f[OUT].text, f[FILE_].text, a, &e) ? flags_error("export", &e) : EXIT_OK;
  arena_free(a);
  return rc;
}
