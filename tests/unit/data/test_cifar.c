/* test_cifar.c - CIFAR's binary layout plain and packed, its labels, its refusals; stacked images and their thousand classes. The files are made
 * here; the real ones are read where $GANTRY_SHARED (or ../shared/data) has them. */
#include <zlib.h>

#include "run.h"

typedef struct place { arena *mem; char *dir; } place;
static place place_new(void) {
  place p = {arena_new(), NULL};
  err e = {0};
  p.dir = arena_fmt(p.mem, "/tmp/gantry-cifar-%d", (int)getpid());
  T_CHECK(!dir_make(p.dir, &e));
  return p;
}
static void place_free(place *p) {
  T_CHECK(system(arena_fmt(p->mem, "rm -rf %s", p->dir)) == 0);
  arena_free(p->mem);
}

/* n records: label bytes `first`, `first` + 1 ..; red = label, green = pixel mod 251, blue = 7. */
static void put(place *p, const char *name, int label_bytes, int n, int first, size_t cut) {
  size_t record = (size_t)label_bytes + 3072, bytes = record * (size_t)n - cut;
  uint8_t *b = mem_alloc(bytes + cut);
  err e = {0};
  for (int k = 0; k < n; k++) {
    uint8_t *r = b + (size_t)k * record;
    for (int j = 0; j < label_bytes; j++) r[j] = (uint8_t)(first + k + j);
    for (int j = 0; j < 1024; j++) {
      r[label_bytes + j] = (uint8_t)(first + k);
      r[label_bytes + 1024 + j] = (uint8_t)(j % 251);
      r[label_bytes + 2048 + j] = 7;
    }
  }
  const char *path = path_join(p->mem, p->dir, name);
  size_t len = strlen(name);
  if (!strcmp(name + len - 3, ".gz")) {
    gzFile f = gzopen(path, "wb");
    T_CHECK(f && gzwrite(f, b, (unsigned)bytes) == (int)bytes && gzclose(f) == Z_OK);
  } else
    T_CHECK(!file_write(path, b, bytes, &e));
  free(b);
}

static int open_run(test_run *t, const char *data) {
  char json[4096];
  snprintf(json, sizeof json, "{\"gantry\": 1, \"name\": \"t\", \"seeds\": 1, \"base\": {\"data\": %s, \"g\": {\"arch\": {\"name\": \"mlp\", \"width\": 4}}, \"d\": {\"arch\": {\"name\": \"mlp\", \"width\": 4}}, \"train\": {\"batch\": 2, \"length\": {\"steps\": 1}}}}", data);
  return test_run_open_cell(t, json, 0, 1, 0, 0);
}
static void refused(place *p, const char *more, const char *words) {
  test_run t;
  T_CHECK(!open_run(&t, arena_fmt(p->mem, "{\"name\": \"cifar\", \"path\": \"%s\"%s}", p->dir, more)));
  T_HAS(t.e.msg, words);
  test_run_close(&t);
}
/* Checks sample k: class, and the three values of its pixel 300. */
static void check(const data_set *d, int64_t k, int label, int red) {
  const uint8_t *px = (const uint8_t *)d->bytes + k * d->sample_bytes + 3 * 300;
  T_CHECK(d->labels[k] == label && px[0] == red && px[1] == 300 % 251 && px[2] == 7);
}

static void test_cifar__ten_classes_in_several_files(void) {
  place p = place_new();
  test_run t;
  refused(&p, "", "data_batch_1.bin[.gz|.xz]: not found");
  put(&p, "data_batch_1.bin", 1, 3, 0, 0);
  put(&p, "data_batch_2.bin.gz", 1, 2, 5, 0);
  refused(&p, "", "data_batch_3.bin[.gz|.xz]: not found");
  if (open_run(&t, arena_fmt(p.mem, "{\"name\": \"cifar\", \"path\": \"%s\", \"batches\": 2}", p.dir))) {
    const data_set *d = t.r->data;
    T_CHECK(d->count == 5 && d->info.classes == 10 && d->info.dims[0] == 32 && d->info.dims[2] == 3);
    check(d, 1, 1, 1);
    check(d, 4, 6, 6);
  } else
    T_CHECK(0);
  test_run_close(&t);
  if (!system("command -v xz >/dev/null 2>&1")) {
    put(&p, "data_batch_3.bin", 1, 4, 2, 0);
    T_CHECK(!system(arena_fmt(p.mem, "xz %s/data_batch_3.bin", p.dir)));
    if (open_run(&t, arena_fmt(p.mem, "{\"name\": \"cifar\", \"path\": \"%s\", \"batches\": 3}", p.dir))) check(t.r->data, 8, 5, 5);
    else T_CHECK(0);
    test_run_close(&t);
    T_CHECK(!system(arena_fmt(p.mem, "truncate -s -20 %s/data_batch_3.bin.xz", p.dir)));
    refused(&p, ", \"batches\": 3", "damaged or truncated");
  }
  put(&p, "data_batch_2.bin", 1, 2, 5, 100);
  refused(&p, ", \"batches\": 2", "not a whole number of CIFAR records");
  put(&p, "data_batch_2.bin", 1, 2, 9, 0);
  refused(&p, ", \"batches\": 2", "a label is too large");
  place_free(&p);
}

static void test_cifar__hundred_classes_fine_and_coarse(void) {
  place p = place_new();
  test_run t;
  put(&p, "train.bin", 2, 4, 10, 0);
  for (int coarse = 0; coarse < 2; coarse++) {
    if (open_run(&t, arena_fmt(p.mem, "{\"name\": \"cifar\", \"path\": \"%s\", \"labels\": \"%s\"}", p.dir, coarse ? "coarse" : "fine"))) {
      T_CHECK(t.r->data->info.classes == (coarse ? 20 : 100));
      check(t.r->data, 2, coarse ? 12 : 13, 12);
    } else
      T_CHECK(0);
    test_run_close(&t);
  }
  place_free(&p);
}

static void test_cifar__the_real_one(void) {
  const char *shared = getenv("GANTRY_SHARED") ? getenv("GANTRY_SHARED") : "../shared/data";
  test_run t;
  char data[2400], path[1000], relative[1000];
  snprintf(path, sizeof path, "%s/cifar10", shared);
  snprintf(relative, sizeof relative, "/%s", shared);
  if (!file_exists(path)) T_SKIP("no CIFAR-10: set GANTRY_SHARED to a folder that holds cifar10/");
  snprintf(data, sizeof data, "{\"name\": \"cifar\", \"path\": \"%s%s/cifar10\", \"split\": \"test\"}", *shared == '/' ? "" : getenv("GANTRY_ROOT") ? getenv("GANTRY_ROOT") : "", *shared == '/' ? shared : relative);
  if (open_run(&t, data)) {
    int each[10] = {0};
    for (int64_t k = 0; k < t.r->data->count; k++) each[t.r->data->labels[k]]++;
    for (int c = 0; c < 10; c++) T_CHECK(each[c] == 1000);
    T_CHECK(t.r->data->count == 10000);
  } else {
    printf("# %s\n", t.e.msg);
    T_CHECK(0);
  }
  test_run_close(&t);
}

static void put_idx(place *p, const char *name, int rank, int n) {
  uint8_t b[16 + 10 * 4] = {0, 0, 8, (uint8_t)rank, 0, 0, 0, (uint8_t)n, 0, 0, 0, 2, 0, 0, 0, 2};
  size_t head = rank == 3 ? 16 : 8, each = rank == 3 ? 4 : 1;
  err e = {0};
  for (size_t k = 0; k < (size_t)n * each; k++) b[head + k] = (uint8_t)(rank == 3 ? 10 * (k / 4) + k % 4 : k);
  T_CHECK(!file_write(path_join(p->mem, p->dir, name), b, head + (size_t)n * each, &e));
}

static void test_stacked__three_images_and_a_thousand_classes(void) {
  place p = place_new();
  test_run t;
  put_idx(&p, "train-images-idx3-ubyte", 3, 10);
  put_idx(&p, "train-labels-idx1-ubyte", 1, 10);
  if (open_run(&t, arena_fmt(p.mem, "{\"name\": \"stacked\", \"path\": \"%s\", \"count\": 2000}", p.dir))) {
    const data_set *d = t.r->data;
    int seen[1000] = {0}, modes = 0;
    T_CHECK(d->count == 2000 && d->info.classes == 1000 && d->info.dims[2] == 3);
    for (int64_t k = 0; k < d->count; k++) {
      const uint8_t *px = (const uint8_t *)d->bytes + k * d->sample_bytes;
      int digits[3] = {d->labels[k] / 100, d->labels[k] / 10 % 10, d->labels[k] % 10};
      for (int c = 0; c < 3; c++) T_CHECK(px[3 * 2 + c] == 10 * digits[c] + 2); /* pixel 2 of each channel */
      modes += !seen[d->labels[k]]++;
    }
    T_CHECK(modes > 820 && modes < 910); /* 865 expected of 2000 draws */
  } else
    T_CHECK(0);
  test_run_close(&t);
  place_free(&p);
}

T_MAIN(T(test_cifar__ten_classes_in_several_files), T(test_cifar__hundred_classes_fine_and_coarse), T(test_cifar__the_real_one), T(test_stacked__three_images_and_a_thousand_classes))
