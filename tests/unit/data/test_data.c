/* test_data.c - batches as a pure function of the images counter: every epoch visits every sample once, in another order each time. */
#include "ir/build.h"
#include "run.h"

static const char *const base = "{\"data\": {\"name\": \"gaussians\", \"count\": 97}, \"g\": {\"arch\": {\"name\": \"mlp\", \"width\": 4}}, \"d\": {\"arch\": {\"name\": \"mlp\", \"width\": 4}}, \"loss\": {\"name\": \"hinge\"}, \"train\": {\"batch\": 10, \"length\": {\"steps\": 60}}}";

static int draw_indices(uint64_t seed, int64_t *all, int64_t n) {
  test_run t;
  int ok = test_run_open(&t, base, seed, 1, 1);
  for (int64_t k = 0; ok && k < n / 10; k++) ok = !train_steps(t.r, k, 1, &t.e) && !exec_read(t.r->session, "out/d_step/indices", all + 10 * k, 80, &t.e);
  test_run_close(&t);
  return ok;
}

static void test_data__every_epoch_is_a_permutation(void) {
  int64_t all[580];
  int same_place = 0;
  if (!draw_indices(4, all, 580)) {
    T_CHECK(0);
    return;
  }
  for (int epoch = 0; epoch < 5; epoch++) {
    uint8_t seen[97] = {0};
    for (int k = 0; k < 97; k++) {
      int64_t x = all[97 * epoch + k];
      T_CHECK(x >= 0 && x < 97 && !seen[x]);
      if (x >= 0 && x < 97) seen[x] = 1;
      if (epoch) same_place += x == all[97 * (epoch - 1) + k];
    }
  }
  T_CHECK(same_place < 20); /* 4 expected of 388 pairs */
}

static void test_data__order_depends_on_the_seed_and_looks_uniform(void) {
  int64_t a[580], b[580];
  int equal = 0, rising = 0;
  double sum = 0;
  if (!draw_indices(1, a, 580) || !draw_indices(2, b, 580)) {
    T_CHECK(0);
    return;
  }
  for (int k = 0; k < 580; k++) equal += a[k] == b[k];
  for (int k = 1; k < 97; k++) rising += a[k] > a[k - 1];
  for (int k = 0; k < 40; k++) sum += (double)a[k];
  T_CHECK(equal < 25);                 /* 6 expected */
  T_CHECK(rising > 28 && rising < 68); /* 48 +- 7 standard deviations of 2.9 */
  T_CHECK(sum / 40 > 30 && sum / 40 < 66); /* 48 +- 4.4 */
}

static void test_data__fingerprint_follows_the_samples(void) {
  test_run a, b;
  char other[512];
  snprintf(other, sizeof other, "%s", base);
  memcpy(strstr(other, "97"), "96", 2);
  int ok = test_run_open(&a, base, 1, 0, 0);
  ok &= test_run_open(&b, other, 1, 0, 0);
  T_CHECK(ok && strcmp(a.r->data->sha256, b.r->data->sha256));
  T_CHECK(ok && a.r->data->count == 97 && strlen(a.r->data->sha256) == 64);
  test_run_close(&a);
  test_run_close(&b);
}

static void test_data__a_batch_larger_than_the_set_is_refused(void) {
  test_run t;
  char json[1024];
  snprintf(json, sizeof json, "{\"gantry\": 1, \"name\": \"t\", \"seeds\": 1, \"base\": {\"data\": {\"name\": \"gaussians\", \"count\": 8}, \"g\": {\"arch\": {\"name\": \"mlp\"}}, \"d\": {\"arch\": {\"name\": \"mlp\"}}, \"train\": {\"batch\": 10, \"length\": {\"steps\": 1}}}}");
  T_CHECK(!test_run_open_cell(&t, json, 0, 1, 0, 0));
  T_HAS(t.e.msg, "train.batch is 10 but the data set has only 8 samples");
  test_run_close(&t);
}

T_MAIN(T(test_data__every_epoch_is_a_permutation), T(test_data__order_depends_on_the_seed_and_looks_uniform), T(test_data__fingerprint_follows_the_samples), T(test_data__a_batch_larger_than_the_set_is_refused))
