/* synthetic.h - a small finished grid written through the database's own interface, for the tests of storage and reports.
 *
 * Grid "t": loss (ns, hinge, wgan) x sn (off, on), one excluded cell, seeds 1..3. fid ends at 40 - 5*loss - 2*sn + seed (ema one less,
 * best earlier in one run). wgan/on seed 3 diverges, hinge/on seed 2 fails, hinge/on seed 3 is not started. */
#ifndef SYNTHETIC_H
#define SYNTHETIC_H
#include <unistd.h>

#include "store/db.h"
#include "t.h"

static void synthetic_records(db *d, int64_t run, int loss, int sn, int seed, int diverges, err *e) {
  db_record(d, run, &(rec){.type = REC_HELLO, .u.hello = {.resumed_from = -1, .total_steps = 100}}, e);
  for (int s = 10; s <= 100; s += 10) {
    db_record(d, run, &(rec){.type = REC_SCALAR, .step = s, .u.scalar = {.name = "loss_d", .value = s == 50 ? NAN : 1.0 / s, .n_bad = s == 50}}, e);
    db_record(d, run, &(rec){.type = REC_SCALAR, .step = s, .u.scalar = {.name = "loss_g", .value = 2.0 + 1.0 / s}}, e);
    db_record(d, run, &(rec){.type = REC_CLOCK, .step = s, .u.clock = {.images = 64 * s, .d_updates = s, .g_updates = s, .train_ms = 20 * s}}, e);
    if (s % 50 == 0 && !(diverges && s > 50))
      for (int ema = 0; ema < 2; ema++) {
        double v = 40.0 - 5 * loss - 2 * sn + seed - ema + (s == 50 ? (loss == 0 && sn == 0 && seed == 1 ? -10 : 10) : 0);
        db_record(d, run, &(rec){.type = REC_EVAL, .step = s, .u.eval = {.metric = "fid", .protocol = "fid 10000 train", .weights = ema ? "ema" : "raw", .value = v, .n_fake = 0, .n_real = 60000, .ms = 9, .better = -1}}, e);
      }
    if (s == 100) db_record(d, run, &(rec){.type = REC_ARTIFACT, .step = s, .u.artifact = {.kind = "samples", .path = "samples/00000100.png", .sha256 = "abc", .bytes = 5}}, e);
  }
  db_record(d, run, &(rec){.type = REC_FACT, .u.fact = {.key = "params.g", .value = "123"}}, e);
}

static void synthetic_fill(db *d, err *e) {
  static const char *const losses[] = {"ns", "hinge", "wgan"};
  db_level ll[] = {{"ns", "{}"}, {"hinge", "{}"}, {"wgan", "{}"}}, ls[] = {{"off", "false"}, {"on", "true"}};
  db_factor f[] = {{"loss", "", ll, 3, 0}, {"sn", "regularizers.sn.on", ls, 2, 0}};
  db_cell c[6];
  int32_t lv[6][2];
  char label[6][32], json[6][120], dir[64], key[64];
  for (int k = 0; k < 6; k++) {
    lv[k][0] = k / 2;
    lv[k][1] = k % 2;
    snprintf(label[k], 32, "loss=%s sn=%s", losses[k / 2], k % 2 ? "on" : "off");
    snprintf(json[k], 120, "{\"loss\":{\"name\":\"%s\"},\"regularizers\":{%s},\"train\":{\"batch\":64}}", losses[k / 2], k % 2 ? "\"sn\":{\"name\":\"sn\"}" : "");
    c[k] = (db_cell){.label = label[k], .config_json = json[k], .level = lv[k], .same_as = -1};
  }
  c[4].excluded = "nothing bounds the critic";
  c[4].config_json = NULL;
  db_grid g = {.name = "t", .question = "Which <loss>?", .spec_json = "{\"name\":\"t\"}", .judge_metric = "fid", .judge_weights = "ema", .judge_reduce = "last", .better = -1, .factors = f, .n_factors = 2, .cells = c, .n_cells = 6};
  int64_t grid;
  T_CHECK(db_put_grid(d, &g, &grid, e) == 0);
  arena *a = arena_new();
  for (int k = 0; k < 6; k++)
    for (int s = 1; s <= 3 && k != 4; s++) {
      db_run r;
      snprintf(key, sizeof key, "key-%d-%d", k, s);
      snprintf(dir, sizeof dir, "runs/t/%03d/s%d", k, s);
      T_CHECK(db_new_run(d, key, json[k], (uint64_t)s, dir, a, &r, e) == 0);
      T_CHECK(db_link_run(d, grid, k, (uint64_t)s, r.id, e) == 0);
      T_CHECK(db_put_plugin(d, r.id, "loss", losses[k / 2], "loss", losses[k / 2], "1.0.0", "/x.so", e) == 0);
      if (k == 3 && s == 3) continue;
      T_CHECK(db_run_start(d, r.id, getpid(), 100, 0, e) == 0);
      if (k == 3 && s == 2) {
        T_CHECK(db_run_end(d, r.id, &(db_end){.status = "failed", .error_class = "SIGSEGV", .error_text = "the process was ended by SIGSEGV", .log_tail = "boom", .signal = 11}, e) == 0);
        continue;
      }
      int diverges = k == 5 && s == 3;
      synthetic_records(d, r.id, k / 2, k % 2, s, diverges, e);
      T_CHECK(db_run_end(d, r.id, &(db_end){.status = diverges ? "diverged" : "done", .eval_key = "e"}, e) == 0);
    }
  T_CHECK(db_grid_view(d, grid, e) == 0);
  T_CHECK(db_commit(d, e) == 0);
  T_STR(e->msg, "");
  arena_free(a);
}
#endif
