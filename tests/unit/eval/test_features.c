/* test_features.c - are the features of fashion_cnn fit to judge by? The distance to real images rises strictly with blur, with noise, with
 * classes left out, and with samples repeated. Sets are written as idx files: the originals as "train", the spoilt ones as "test". */
#include <zlib.h>

#include "abi/params.h"
#include "eval/eval.h"
#include "run.h"

enum { N = 1000, SIDE = 28, PIXELS = SIDE * SIDE };

static int read_gz(const char *path, int skip, uint8_t *dst, int n) {
  uint8_t head[16];
  gzFile f = gzopen(path, "rb");
  int ok = f && gzread(f, head, (unsigned)skip) == skip && gzread(f, dst, (unsigned)n) == n;
  if (f) gzclose(f);
  return ok;
}

static void write_idx(const char *dir, const char *stem, const uint8_t *px, err *e) {
  arena *a = arena_new();
  buf images = {0}, labels = {0};
  const uint8_t head[16] = {0, 0, 8, 3, 0, 0, N >> 8, N & 255, 0, 0, 0, SIDE, 0, 0, 0, SIDE}, label_head[8] = {0, 0, 8, 1, 0, 0, N >> 8, N & 255};
  buf_put(&images, head, 16);
  buf_put(&images, px, (size_t)N * PIXELS);
  buf_put(&labels, label_head, 8);
  for (int k = 0; k < N; k++) buf_putc(&labels, 0);
  T_CHECK(!file_write(arena_fmt(a, "%s/%s-images-idx3-ubyte", dir, stem), images.p, images.n, e) && !file_write(arena_fmt(a, "%s/%s-labels-idx1-ubyte", dir, stem), labels.p, labels.n, e));
  buf_free(&images);
  buf_free(&labels);
  arena_free(a);
}

/* fd of `spoilt` against `real`, by the shipped network. */
static double distance(const uint8_t *real, const uint8_t *spoilt) {
  test_run t;
  err e = {0};
  double out = NAN;
  char dir[] = "/tmp/gantry-features-XXXXXX", base[1024];
  T_CHECK(mkdtemp(dir) != NULL);
  write_idx(dir, "train", real, &e);
  write_idx(dir, "t10k", spoilt, &e);
  snprintf(base, sizeof base, "{\"data\": {\"name\": \"idx\", \"path\": \"%s\"}, \"g\": {\"arch\": {\"name\": \"dcgan\", \"width\": 4}}, \"d\": {\"arch\": {\"name\": \"dcgan\", \"width\": 4}}, \"train\": {\"batch\": 8, \"length\": {\"steps\": 4}}}", dir);
  if (!e.code && test_run_open(&t, base, 1, 0, 1)) {
    eval_context c;
    eval_result v;
    abi_plugin *p = abi_need(t.registry, GANTRY_KIND_METRIC, "fd", &t.e);
    eval_init(&c, t.r->world, t.r->session, t.registry, &t.r->data_el, t.r->data, t.r->cfg->range, 1);
    if (p && !abi_open(p, &t.e)) {
      abi_element el = {.plugin = p->live, .values = abi_defaults(p->live, c.mem), .path = "metrics.fd", .id = "fd"};
      eval_request q = {.metric = &el, .features = "fashion_cnn", .fake = N, .real = "train", .fake_split = "test"};
      if (!eval_metric(&c, &q, &v, &t.e)) out = v.value[0];
    }
    eval_free(&c);
    if (t.e.code) printf("# %s\n", t.e.msg);
    test_run_close(&t);
  }
  char command[64];
  snprintf(command, sizeof command, "rm -rf %s", dir);
  T_CHECK(system(command) == 0);
  return out;
}

static uint8_t *pixels, *classes; /* 2 N images: the first N are "real", the others get spoilt */
static int ready(void) {
  if (pixels) return 1;
  pixels = mem_alloc((size_t)2 * N * PIXELS);
  classes = mem_alloc(2 * N);
  return read_gz("/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz", 16, pixels, 2 * N * PIXELS) && read_gz("/usr/share/datasets/fashion-mnist/t10k-labels-idx1-ubyte.gz", 8, classes, 2 * N);
}

typedef void spoil(uint8_t *px, int level);

static void rises(spoil *fn) {
  if (!ready()) T_SKIP("no Fashion-MNIST: install dataset-fashion-mnist");
  uint8_t *copy = mem_alloc((size_t)N * PIXELS);
  double last = -1;
  for (int level = 0; level < 4; level++) {
    memcpy(copy, pixels + (size_t)N * PIXELS, (size_t)N * PIXELS);
    if (level) fn(copy, level);
    double d = distance(pixels, copy);
    if (!(d > last * 1.05)) printf("# level %d: %g after %g\n", level, d, last);
    T_CHECK(d > last * 1.05);
    last = d;
  }
  free(copy);
}

static void blur(uint8_t *px, int level) { /* that many passes of a 3 x 3 box */
  uint8_t out[PIXELS];
  for (int n = 0; n < N; n++)
    for (int pass = 0; pass < level; pass++) {
      uint8_t *im = px + (size_t)n * PIXELS;
      for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
          int sum = 0, count = 0;
          for (int j = y - 1; j <= y + 1; j++)
            for (int i = x - 1; i <= x + 1; i++)
              if (i >= 0 && j >= 0 && i < SIDE && j < SIDE) sum += im[j * SIDE + i], count++;
          out[y * SIDE + x] = (uint8_t)(sum / count);
        }
      memcpy(im, out, PIXELS);
    }
}

static void noise(uint8_t *px, int level) {
  uint32_t state = 1;
  for (size_t k = 0; k < (size_t)N * PIXELS; k++) {
    state = state * 1664525u + 1013904223u;
    int v = px[k] + ((int)(state >> 24) - 128) * level / 8;
    px[k] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
  }
}

static void drop_classes(uint8_t *px, int level) { /* classes below 3 * level give their places to the images that stay */
  int next = 0;
  for (int n = 0; n < N; n++) {
    if (classes[N + n] >= 3 * level) continue;
    while (classes[N + next] < 3 * level) next = (next + 1) % N;
    memcpy(px + (size_t)n * PIXELS, pixels + (size_t)(N + next) * PIXELS, PIXELS);
    next = (next + 1) % N;
  }
}

static void repeat(uint8_t *px, int level) { /* 125, 25, 5 different images only */
  int keep = level == 1 ? 125 : level == 2 ? 25 : 5;
  for (int n = keep; n < N; n++) memcpy(px + (size_t)n * PIXELS, px + (size_t)(n % keep) * PIXELS, PIXELS);
}

static void test_features__distance_rises_with_blur(void) { rises(blur); }
static void test_features__distance_rises_with_noise(void) { rises(noise); }
static void test_features__distance_rises_with_dropped_classes(void) { rises(drop_classes); }
static void test_features__distance_rises_with_repeated_samples(void) { rises(repeat); }

T_MAIN(T(test_features__distance_rises_with_blur), T(test_features__distance_rises_with_noise), T(test_features__distance_rises_with_dropped_classes), T(test_features__distance_rises_with_repeated_samples))
