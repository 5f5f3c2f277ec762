/* Checkpoints: what is kept, what is loaded, and that damage falls back to the one before. */
#include "t.h"

#include <unistd.h>

#include "base/files.h"
#include "store/checkpoint.h"

static void save(const char *dir, int64_t step, int64_t keep, int best) {
  err e = {0};
  arena *a = arena_new();
  const char *path;
  char sha[65];
  st_tensor t = {.name = "w", .dtype = GANTRY_I64, .bytes = 8, .data = &step};
  T_CHECK(ckpt_save(dir, step, &t, 1, &(st_meta){"k", "v"}, 1, keep, best ? &(double){7.25} : NULL, a, &path, sha, &e) == 0);
  T_STR(e.msg, "");
  T_HAS(path, "checkpoints/step-0");
  arena_free(a);
}

static void damage(const char *dir, const char *name) {
  char path[200];
  snprintf(path, sizeof path, "%s/checkpoints/%s", dir, name);
  FILE *f = fopen(path, "r+");
  T_CHECK(f != NULL);
  fseek(f, -1, SEEK_END);
  fputc('x', f);
  fclose(f);
}

static int64_t newest(const char *dir, buf *warn) {
  err e = {0};
  st_file f;
  int64_t step;
  T_CHECK(ckpt_load_newest(dir, &f, &step, warn, &e) == 0);
  if (step >= 0) T_CHECK(*(const int64_t *)st_find(&f, "w")->data == step);
  st_free(&f);
  return step;
}

static void test_checkpoint__keeps_and_falls_back(void) {
  char dir[] = "/tmp/gantry-test-XXXXXX", cmd[64];
  T_CHECK(mkdtemp(dir) != NULL);
  buf w = {0};
  T_CHECK(newest(dir, &w) == -1 && w.n == 0);
  save(dir, 1000, 2, 1);
  save(dir, 2000, 2, 0);
  save(dir, 10000000, 2, 0);
  err e = {0};
  arena *a = arena_new();
  char **names;
  T_CHECK(dir_list(path_join(a, dir, "checkpoints"), a, &names, &e) == 0);
  static const char *const want[] = {"best.safetensors", "best.safetensors.sha256", "step-000002000.safetensors", "step-000002000.safetensors.sha256",
                                     "step-010000000.safetensors", "step-010000000.safetensors.sha256"};
  for (int i = 0; i < 6; i++) T_STR(names[i], want[i]);
  T_CHECK(names[6] == NULL);
  T_CHECK(newest(dir, &w) == 10000000 && w.n == 0);
  damage(dir, "step-010000000.safetensors");
  T_CHECK(newest(dir, &w) == 2000);
  T_HAS(w.p, "does not match its checksum");
  unlink(path_join(a, dir, "checkpoints/step-000002000.safetensors.sha256"));
  T_CHECK(newest(dir, &w) == -1);
  T_HAS(w.p, "interrupted");
  char sum[65];
  T_CHECK(file_sha256(path_join(a, dir, "checkpoints/best.safetensors"), sum, &e) == 0);
  buf b = {0};
  T_CHECK(file_read(path_join(a, dir, "checkpoints/best.safetensors.sha256"), &b, 200, &e) == 0);
  T_HAS(b.p, sum);
  buf_free(&b);
  buf_free(&w);
  arena_free(a);
  snprintf(cmd, sizeof cmd, "rm -rf '%s'", dir);
  T_CHECK(system(cmd) == 0);
}

/* Interrupted between the checkpoint and its second name, or between that and its checksum. */
static void test_checkpoint__an_interrupted_best_is_made_good(void) {
  char dir[] = "/tmp/gantry-test-XXXXXX", cmd[64], sha[65], sum[65];
  T_CHECK(mkdtemp(dir) != NULL);
  err e = {0};
  arena *a = arena_new();
  float x[2] = {1, 2};
  st_tensor t = {.name = "w", .dtype = GANTRY_F32, .rank = 1, .dims = {2}, .bytes = 8, .data = x};
  const char *best = path_join(a, dir, "checkpoints/best.safetensors");
  for (int64_t step = 1; step <= 2; step++) {
    x[0] = (float)step;
    T_CHECK(ckpt_save(dir, step, &t, 1, &(st_meta){"train_key", "k"}, 1, 0, step == 1 ? &(double){2.125} : NULL, a, NULL, sha, &e) == 0);
  }
  T_CHECK(ckpt_best(dir, "k") == 2.125 && isnan(ckpt_best(dir, "another run")));
  const char *marked = arena_fmt(a, "%s  step-000000002.safetensors\n# best so far: 0.1\n", sha); /* as after the checkpoint itself was written */
  T_CHECK(file_write(path_join(a, dir, "checkpoints/step-000000002.safetensors.sha256"), marked, strlen(marked), &e) == 0);
  st_file f;
  int64_t step;
  buf w = {0};
  for (int damage = 0; damage < 2; damage++) {
    if (damage) T_CHECK(file_write(arena_fmt(a, "%s.sha256", best), "0", 1, &e) == 0);
    T_CHECK(ckpt_load_newest(dir, &f, &step, &w, &e) == 0 && step == 2);
    T_CHECK(ckpt_finish_best(dir, &f, step, &e) == 0);
    st_free(&f);
    T_CHECK(file_sha256(best, sum, &e) == 0);
    T_STR(sum, sha);
    buf b = {0};
    T_CHECK(file_read(arena_fmt(a, "%s.sha256", best), &b, 200, &e) == 0);
    T_HAS(b.p, sha);
    buf_free(&b);
    T_CHECK(ckpt_best(dir, "k") == 0.1);
  }
  /* the same step as no best: other notes beside it, the same bytes */
  char again[65];
  T_CHECK(ckpt_save(dir, 2, &t, 1, &(st_meta){"train_key", "k"}, 1, 0, NULL, a, NULL, again, &e) == 0);
  T_STR(again, sha);
  T_CHECK(chdir(path_join(a, dir, "checkpoints")) == 0);
  T_CHECK(system("sha256sum --quiet --strict -c *.sha256") == 0); /* the files remain what people can check */
  T_CHECK(chdir("/") == 0);
  buf_free(&w);
  arena_free(a);
  snprintf(cmd, sizeof cmd, "rm -rf '%s'", dir);
  T_CHECK(system(cmd) == 0);
}

T_MAIN(T(test_checkpoint__keeps_and_falls_back), T(test_checkpoint__an_interrupted_best_is_made_good))
