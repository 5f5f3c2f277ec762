/* cmd_sample.c - `gantry sample RUN` and `gantry interpolate RUN`: a PNG of samples from a run's newest checkpoint. */
#include <stdio.h>
#include <stdlib.h>

#include "base/files.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/open.h"
#include "eval/eval.h"
#include "store/layout.h"
#include "train/train.h"

typedef struct request { const char *run, *out, *file; int64_t rows, cols, seed, mix; int ema, raw, interpolate, has_seed, has_psi; double psi; const flag *open; } request;

/* The folder and seed of the run that the user named. */
static gantry_status find(const request *q, arena *a, const char **dir, uint64_t *seed, err *e) {
  db *d = NULL;
  db_table row;
  const char *place = NULL;
  gantry_status st = cli_db(a, q->out, &d, e);
  if (!st) st = cli_find_run(d, a, q->run, &row, e);
  for (uint32_t c = 0; !st && c < row.n_cols; c++) {
    if (!strcmp(row.cols[c], "dir")) place = db_at(&row, 0, c)->s;
    if (!strcmp(row.cols[c], "seed")) *seed = (uint64_t)db_at(&row, 0, c)->i;
  }
  db_close(d);
  if (st) return st;
  if (!place) return err_set(e, GANTRY_E_INTERNAL, "the run has no folder");
  *dir = path_join(a, path_dir(a, layout_db(a, q->out)), place);
  return GANTRY_OK;
}

static gantry_status draw(train_run *r, const request *q, const char *dir, err *e) {
  int64_t step = -1;
  buf warnings = {0};
  eval_context c;
  gantry_status st = train_start(r, e);
  if (!st) st = train_load(r, dir, &step, &warnings, e);
  if (warnings.n) fprintf(stderr, "gantry sample: %s\n", warnings.p);
  buf_free(&warnings);
  if (!st && step < 0) st = err_set(e, GANTRY_E_IO, "%s has no checkpoint yet: let the run go on, or set checkpoints.every in the experiment", dir);
  if (st) return st;
  uint32_t weights = q->ema || (r->cfg->g.ema && !q->raw) ? GANTRY_EMA : 0;
  eval_init(&c, r->world, r->session, r->registry, &r->data_el, r->data, r->cfg->range, q->has_seed ? (uint64_t)q->seed : r->seed);
  c.truncate = r->cfg->truncate;
  c.truncate_clips = r->cfg->truncate_clips;
  c.truncates_w = q->has_psi || r->cfg->truncates_w;
  c.mix = q->mix;
  c.psi = q->has_psi ? q->psi : r->cfg->psi;
  if (q->has_seed) { /* other latents than the run's own */
    uint32_t words[2] = {(uint32_t)q->seed, (uint32_t)((uint64_t)q->seed >> 32)};
    st = exec_write(r->session, abi_world_seed(r->world, ABI_SEED_NOISE), words, sizeof words, e);
  }
  if (!st) st = eval_grid(&c, weights, q->rows, q->cols, q->interpolate, q->file, e);
  eval_free(&c);
  if (!st) printf("%s: %s weights at step %lld\n", q->file, weights ? "averaged" : "raw", (long long)step);
  return st;
}

static gantry_status run(const request *q, err *e) {
  arena *a = arena_new();
  const char *dir = NULL;
  uint64_t seed = 0;
  buf text = {0};
  cfg_run *cfg = NULL;
  train_run *r = NULL;
  abi_registry *reg = NULL;
  gantry_status st = find(q, a, &dir, &seed, e);
  if (!st) reg = open_registry(a, q->open, e);
  if (!st && reg) st = file_read(path_join(a, dir, "config.json"), &text, 64 << 20, e);
  if (!st && reg) st = cfg_run_parse(text.p, reg, dir, &cfg, e);
  if (!st && reg) st = train_open(cfg, reg, seed, 0, &r, e);
  if (!st && reg) st = draw(r, q, dir, e);
  buf_free(&text);
  train_close(r);
  cfg_run_free(cfg);
  abi_registry_close(reg);
  arena_free(a);
  return e->code;
}

static int command(int argc, char **argv, int interpolate) {
  enum { OUT, FILE_, ROWS, COLS, SEED, PSI, MIX, RAW, OPEN, N = OPEN + OPEN_N };
  flag f[N] = {
    {.name = "--out", .value = "DIR", .help = "the folder or database (default $GANTRY_OUT or gantry-out)", .type = FLAG_TEXT},
    {.name = "--output", .value = "FILE", .help = "the PNG to write (-o; default sample.png)", .type = FLAG_TEXT},
    {.name = "--rows", .value = "N", .help = "rows (default 8)", .type = FLAG_INT},
    {.name = "--cols", .value = "N", .help = "columns (default 8)", .type = FLAG_INT},
    {.name = "--seed", .value = "N", .help = "other latents (default: those of the run's own samples)", .type = FLAG_INT},
    {.name = "--psi", .value = "X", .help = "w is moved to its average + X (w - average), for a G that has w; 1: as it is (default: the experiment's)", .type = FLAG_TEXT},
    {.name = "--mix", .value = "N", .help = "mixed styles: the first N layers take that of the row's first image, the others that of the column's, for a G that has w", .type = FLAG_INT},
    {.name = "--raw", .help = "raw weights even if the run has averaged ones", .type = FLAG_BOOL}, OPEN_FLAGS};
  const char *words[3];
  uint32_t n;
  char usage[80];
  snprintf(usage, sizeof usage, "gantry %s RUN [-o FILE]", argv[0]);
  int rc = cli_parse(argc, argv, usage, f, N, 1, words, 3, &n);
  if (rc >= 0) return rc;
  request q = {.run = words[0], .out = f[OUT].text, .file = f[FILE_].on ? f[FILE_].text : interpolate ? "interpolate.png" : "sample.png", .rows = f[ROWS].on ? f[ROWS].number : 8,
               .cols = f[COLS].on ? f[COLS].number : 8, .seed = f[SEED].number, .has_seed = f[SEED].on, .raw = f[RAW].on, .interpolate = interpolate, .open = f + OPEN};
  err e = {0};
  if (f[PSI].on) {
    char *end;
    q.has_psi = 1;
    q.psi = strtod(f[PSI].text, &end);
    if (end == f[PSI].text || *end || !(q.psi >= 0 && q.psi <= 2)) {
      fprintf(stderr, "gantry %s: --psi is a number from 0 to 2, not \"%s\"\n", argv[0], f[PSI].text);
      return EXIT_USAGE;
    }
  }
  if (f[MIX].on && (interpolate || f[MIX].number < 1)) {
    fprintf(stderr, "gantry %s: %s\n", argv[0], interpolate ? "--mix is for gantry sample" : "--mix is 1 or more");
    return EXIT_USAGE;
  }
  q.mix = f[MIX].on ? f[MIX].number : 0;
  if (q.rows < 1 || q.cols < 1 || q.rows > 64 || q.cols > 64) {
    fprintf(stderr, "gantry %s: --rows and --cols are 1 to 64\n", argv[0]);
    return EXIT_USAGE;
  }
  return run(&q, &e) ? flags_error(argv[0], &e) : EXIT_OK;
}

int cmd_sample(int argc, char **argv) { return command(argc, argv, 0); }
int cmd_interpolate(int argc, char **argv) { return command(argc, argv, 1); }
