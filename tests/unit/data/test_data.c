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

/* In memory and in a file: the same samples, order and weights; the file takes none of the memory that is counted. */
static void test_data__a_file_gives_the_bits_of_memory(void) {
  static const char *const where[] = {"memory", "file"};
  test_run t[2];
  float w[2][64] = {{0}};
  int ok = 1;
  for (int k = 0; k < 2; k++) {
    char json[1024];
    snprintf(json, sizeof json, "{\"data\": {\"name\": \"gaussians\", \"count\": 3000, \"limit\": 2500, \"limit_seed\": 2, \"storage\": \"%s\"}, %s", where[k], strstr(base, "\"g\":"));
    ok &= test_run_open(&t[k], json, 5, 0, 1) && !train_steps(t[k].r, 0, 12, &t[k].e);
    T_CHECK(ok && t[k].r->data->memory.in_file == k && data_memory_bytes(t[k].r->data) == (k ? 0 : 2500 * 8) + 2500 * 4 && t[k].r->data->ahead == k);
    const char *name = NULL;
    for (uint32_t j = 0; ok && j < exec_tensor_count(t[k].r->session); j++) {
      const exec_tensor *x = exec_tensor_at(t[k].r->session, j);
      if (!strncmp(x->name, "d/", 2) && x->bytes >= 16 && x->bytes <= 256 && !name) ok = !exec_read(t[k].r->session, name = x->name, w[k], x->bytes, &t[k].e);
    }
    T_CHECK(name != NULL);
  }
  T_CHECK(ok && w[0][0] != 0 && !memcmp(w[0], w[1], sizeof w[0]) && !memcmp(t[0].r->data->bytes, t[1].r->data->bytes, 2500 * 8));
  char key[2][65];
  for (int k = 0; k < 2; k++) train_key(t[k].r, key[k]);
  T_CHECK(!strcmp(key[0], key[1])); /* where samples lie is no part of what a run is */
  for (int k = 0; k < 2; k++) test_run_close(&t[k]);
}

/* What is fetched ahead is what the program reads. */
static void test_data__the_order_is_known_beforehand(void) {
  int64_t all[580];
  const uint32_t words[2] = {4, 0};
  int equal = draw_indices(4, all, 580);
  for (int k = 0; k < 580; k++) equal &= data_order(97, words, k) == all[k];
  T_CHECK(equal);
}

static void test_data__a_place_without_room_is_told(void) {
  err e = {0};
  data_memory m = {0};
  T_CHECK(data_memory_make((int64_t)1 << 60, DATA_AUTO, &m, &e) && !m.p);
  T_HAS(e.msg, "GB) does not fit into memory, and not into");
  T_HAS(e.msg, "set GANTRY_CACHE to a folder with room");
  err_clear(&e);
#ifndef GANTRY_SANITIZED /* a sanitizer ends the process over such a request */
  T_CHECK(data_memory_make((int64_t)1 << 60, DATA_MEMORY, &m, &e) && !m.p);
  T_HAS(e.msg, "set it to \"file\"");
#endif
}

/* The host reads all labels anyway: one that is no class of the set is refused in words, before anything trains. */
static void test_data__labels_outside_the_classes_are_refused(void) {
  static const int from[3] = {1, -1, 0};
  for (int k = 0; k < 3; k++) {
    test_run t;
    char json[600];
    snprintf(json, sizeof json, "{\"gantry\": 1, \"name\": \"t\", \"base\": {\"data\": {\"name\": \"patterns\", \"label_from\": %d}, \"g\": {\"arch\": {\"name\": \"echo\"}}, \"d\": {\"arch\": {\"name\": \"echo\"}}, \"train\": {\"batch\": 2, \"length\": {\"steps\": 2}}}, \"seeds\": 1}", from[k]);
    T_CHECK(test_run_open_cell(&t, json, 0, 1, 0, 0) == (from[k] == 0));
    if (from[k] > 0) T_HAS(t.e.msg, "data (patterns): sample 3 of those used from \"train\" has the label 4, but the set declares 4 classes: labels count from 0 to 3");
    if (from[k] < 0) T_HAS(t.e.msg, "sample 0 of those used from \"train\" has the label -1");
    test_run_close(&t);
  }
}

T_MAIN(T(test_data__every_epoch_is_a_permutation), T(test_data__order_depends_on_the_seed_and_looks_uniform), T(test_data__fingerprint_follows_the_samples), T(test_data__a_file_gives_the_bits_of_memory), T(test_data__the_order_is_known_beforehand), T(test_data__a_place_without_room_is_told), T(test_data__labels_outside_the_classes_are_refused), T(test_data__a_batch_larger_than_the_set_is_refused))
