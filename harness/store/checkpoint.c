/* checkpoint.c - see checkpoint.h.
 *
 * The checksum file is written after the checkpoint itself: a checkpoint without one was interrupted and does not count. Old ones
 * are removed only once the new one is complete. */
#include "store/checkpoint.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/files.h"

static const char folder[] = "checkpoints", suffix[] = ".safetensors";

static const char best_mark[] = "# best so far: ";

static gantry_status write_sum(arena *a, const char *file, const char *base_name, const char sha[65], const double *best, err *e) {
  char *text = arena_fmt(a, "%s  %s\n", sha, base_name); /* the form of sha256sum, so that people can check it too; it skips lines that begin with # */
  if (best) text = arena_fmt(a, "%s%s%.17g\n", text, best_mark, *best);
  return file_write(arena_fmt(a, "%s.sha256", file), text, strlen(text), e);
}

/* The sum file's text, and in *best the value that it marks, NaN if none. */
static gantry_status read_sum(arena *a, const char *file, buf *text, double *best, err *e) {
  *best = NAN;
  TRY(file_read(arena_fmt(a, "%s.sha256", file), text, 4096, e));
  const char *at = strstr(text->p, best_mark);
  if (at) *best = strtod(at + sizeof best_mark - 1, NULL);
  return GANTRY_OK;
}

/* -1 unless the name is "step-<digits>.safetensors". */
static int64_t step_of(const char *name) {
  if (strncmp(name, "step-", 5)) return -1;
  char *end;
  errno = 0;
  long long v = strtoll(name + 5, &end, 10);
  return errno || end == name + 5 || name[5] == '-' || strcmp(end, suffix) ? -1 : (int64_t)v;
}

static int newest_first(const void *a, const void *b) {
  int64_t x = step_of(*(char *const *)a), y = step_of(*(char *const *)b);
  return x > y ? -1 : x < y;
}

static gantry_status list(const char *dir, arena *a, char ***names, uint32_t *n, err *e) {
  *n = 0;
  TRY(dir_list(dir, a, names, e));
  for (char **s = *names; *s; s++)
    if (step_of(*s) >= 0) (*names)[(*n)++] = *s;
  if (*n) qsort(*names, *n, sizeof **names, newest_first);
  return GANTRY_OK;
}

static void remove_pair(arena *a, const char *file) {
  unlink(arena_fmt(a, "%s.sha256", file)); /* first, so that what is left of an interruption does not count */
  fault_point("checkpoint.removing");
  unlink(file);
}

/* best.safetensors is a second name of the same file where the file system has links. */
static gantry_status keep_best(arena *m, const char *dir, const char *file, const st_tensor *t, uint32_t n, const st_meta *meta, uint32_t n_meta, const char sha[65], double value, err *e) {
  char *best = path_join(m, dir, "best.safetensors"), *beside = arena_fmt(m, "%s.part-%ld", best, (long)getpid());
  unlink(beside);
  fault_point("checkpoint.best");
  if (link(file, beside) || rename(beside, best)) {
    unlink(beside);
    TRY(st_write(best, t, n, meta, n_meta, NULL, e));
  }
  unlink(beside); /* rename does nothing where both already are one file */
  return write_sum(m, best, "best.safetensors", sha, &value, e);
}

gantry_status ckpt_save(const char *run_dir, int64_t step, const st_tensor *t, uint32_t n, const st_meta *meta, uint32_t n_meta, int64_t keep, const double *best, arena *a, const char **path_out, char sha[65], err *e) {
  arena *m = arena_new();
  char hex[65], **names;
  uint32_t count;
  char *name = arena_fmt(m, "step-%09lld%s", (long long)step, suffix), *dir = path_join(m, run_dir, folder), *file = path_join(m, dir, name);
  gantry_status st;
  if ((st = dir_make(dir, e))) goto done;
  if ((st = st_write(file, t, n, meta, n_meta, hex, e))) goto done;
  fault_point("checkpoint.written");
  if ((st = write_sum(m, file, name, hex, best, e))) goto done;
  fault_point("checkpoint.summed");
  if (best && (st = keep_best(m, dir, file, t, n, meta, n_meta, hex, *best, e))) goto done;
  if (keep > 0) {
    if ((st = list(dir, m, &names, &count, e))) goto done;
    for (uint32_t i = (uint32_t)(keep < count ? keep : count); i < count; i++) remove_pair(m, path_join(m, dir, names[i]));
  }
  if (path_out) *path_out = arena_fmt(a, "%s/%s", folder, name);
  if (sha) memcpy(sha, hex, sizeof hex);
done:
  arena_free(m);
  return st ? err_wrap(e, "saving the checkpoint of step %lld", (long long)step) : GANTRY_OK;
}

static gantry_status verify(arena *a, const char *file, err *e) {
  char have[65], *sum = arena_fmt(a, "%s.sha256", file);
  buf want = {0};
  gantry_status st = GANTRY_OK;
  if (!file_exists(sum)) st = err_set(e, GANTRY_E_IO, "%s has no checksum beside it: its writing was interrupted", file);
  else if (!(st = file_read(sum, &want, 4096, e)) && !(st = file_sha256(file, have, e)) && (want.n < 64 || memcmp(want.p, have, 64)))
    st = err_set(e, GANTRY_E_IO, "%s does not match its checksum", file);
  buf_free(&want);
  return st;
}

gantry_status ckpt_load_newest(const char *run_dir, st_file *out, int64_t *step, buf *warn, err *e) {
  arena *m = arena_new();
  char **names, *dir = path_join(m, run_dir, folder);
  uint32_t count = 0;
  gantry_status st = GANTRY_OK;
  *out = (st_file){0};
  *step = -1;
  if (file_exists(dir)) st = list(dir, m, &names, &count, e);
  for (uint32_t i = 0; i < count && !st; i++) {
    err why = {0};
    char *file = path_join(m, dir, names[i]);
    if (!verify(m, file, &why) && !st_read(file, out, &why)) {
      *step = step_of(names[i]);
      break;
    }
    if (why.code == GANTRY_E_NOMEM) st = err_set(e, why.code, "%s", why.msg);
    else if (warn) buf_printf(warn, "%s; the checkpoint before it is used\n", why.msg);
  }
  arena_free(m);
  return st;
}

gantry_status ckpt_finish_best(const char *run_dir, const st_file *f, int64_t step, err *e) {
  arena *m = arena_new();
  char *dir = path_join(m, run_dir, folder), *file = path_join(m, dir, arena_fmt(m, "step-%09lld%s", (long long)step, suffix)), sha[65] = "";
  buf sum = {0}, best = {0};
  double value, old;
  err ignored = {0}; /* no best yet, or one without a checksum: both are made good */
  gantry_status st = read_sum(m, file, &sum, &value, e);
  if (!st && !isnan(value) && (read_sum(m, path_join(m, dir, "best.safetensors"), &best, &old, &ignored) || best.n < 64 || memcmp(best.p, sum.p, 64))) {
    memcpy(sha, sum.p, 64);
    st = keep_best(m, dir, file, f->t, f->n, f->meta, f->n_meta, sha, value, e);
  }
  buf_free(&sum);
  buf_free(&best);
  arena_free(m);
  return st;
}

double ckpt_best(const char *run_dir, const char *key) {
  arena *m = arena_new();
  char *file = path_join(m, path_join(m, run_dir, folder), "best.safetensors");
  buf sum = {0};
  st_file f;
  err ignored = {0};
  double value = NAN;
  if (!read_sum(m, file, &sum, &value, &ignored) && !isnan(value)) {
    const char *saved = st_read(file, &f, &ignored) ? NULL : st_meta_get(&f, "train_key");
    if (!saved || strcmp(saved, key)) value = NAN;
    if (!ignored.code) st_free(&f);
  }
  buf_free(&sum);
  arena_free(m);
  return value;
}
