/* test_trace.c - a trace holds everything: each draw under a name of its own, each state after every program. */
#include "base/safetensors.h"
#include "run.h"

#define BASE "{\"data\": {\"name\": \"gaussians\", \"count\": 64}, \"g\": {\"arch\": {\"name\": \"mlp\", \"width\": 4, \"depth\": 1, \"z\": 5}}, \"d\": {\"arch\": {\"name\": \"mlp\", \"width\": 4, \"depth\": 1}}, \"loss\": {\"name\": \"hinge\"}, " \
             "\"regularizers\": {\"pl\": {\"name\": \"g_only\", \"of\": \"g\"}}, \"train\": {\"batch\": 8, \"length\": {\"steps\": 4}}}"

static int rows(const st_file *f, const char *name) {
  const st_tensor *t = st_find(f, name);
  return t && t->rank == 2 && t->dims[1] == 5 ? (int)t->dims[0] : -1;
}

/* What looking.md says of raw bits: uniforms are their upper 24 bits, normals Box-Muller of two of them. */
static void normals_from_bits(const st_file *f, const char *z, const char *bits) {
  char name[2][200];
  for (int k = 0; k < 2; k++) snprintf(name[k], sizeof name[k], "%s/%d", bits, k);
  const st_tensor *a = st_find(f, name[0]), *b = st_find(f, name[1]), *t = st_find(f, z);
  T_CHECK(a && b && t && a->dtype == GANTRY_U32 && a->bytes == t->bytes);
  for (int64_t k = 0; a && b && t && k < a->bytes / 4; k++) {
    double u = (((const uint32_t *)a->data)[k] >> 8) / 16777216.0 + 1 / 16777216.0, v = (((const uint32_t *)b->data)[k] >> 8) / 16777216.0;
    T_NEAR((double)((const float *)t->data)[k], sqrt(-2 * log(u)) * cos(2 * 3.14159265358979323846 * v), 1e-5);
  }
}

static void test_trace__nothing_hides_anything(void) {
  test_run t;
  st_file f = {0};
  char path[80];
  snprintf(path, sizeof path, "/tmp/gantry-trace-%d.safetensors", (int)getpid());
  if (test_run_open(&t, BASE, 1, 1, 1) && !train_trace_file(t.r, 2, path, &t.e) && !st_read(path, &f, &t.e)) {
    T_CHECK(rows(&f, "000000.01.g_step/out/draw/main/g/z") == 8);
    T_CHECK(rows(&f, "000000.01.g_step/out/draw/regularizers/pl/g/z") == 3);
    T_CHECK(rows(&f, "000000.01.g_step/out/draw/regularizers/pl/g/z.1") == 3);
    normals_from_bits(&f, "000000.01.g_step/out/draw/main/g/z", "000000.01.g_step/out/draw/draw/g/z");
    char name[300];
    for (uint32_t k = 0; k < t.r->n_states; k++)
      for (int step = 0; step < 2; step++) {
        snprintf(name, sizeof name, "00000%d.00.d_step/state/%s", step, t.r->world->states.p[k].name); /* d_step leaves G's weights as they are, and still says so */
        T_CHECK(st_find(&f, name) != NULL);
      }
    st_free(&f);
  }
  if (t.e.code) printf("# %s\n", t.e.msg);
  T_CHECK(!t.e.code);
  unlink(path);
  test_run_close(&t);
}

#define SIZES "{\"data\": {\"name\": \"patterns\", \"side\": 4, \"count\": 250}, \"g\": {\"arch\": {\"name\": \"mlp\", \"width\": 4, \"z\": 3}, \"ema\": {}}, \"d\": {\"arch\": {\"name\": \"mlp\", \"width\": 4}}, " \
              "\"metrics\": {\"s\": {\"name\": \"sizes\", \"fake\": 210, \"weights\": [\"raw\", \"ema\"]}}, \"train\": {\"batch\": 8, \"length\": {\"steps\": 4}}}"

static double mean(const st_file *f, const char *name, int64_t count) {
  const st_tensor *t = st_find(f, name);
  double sum = 0;
  T_CHECK(t && t->dtype == GANTRY_F64 && t->bytes == 8 * count);
  for (int64_t k = 0; t && k < t->bytes / 8; k++) sum += ((const double *)t->data)[k];
  return sum / (double)count;
}

/* A metric's values from its sets alone, as another program would compute them; 210 samples are two batches, one of them padded. */
static void test_trace__a_metric_can_be_computed_again(void) {
  test_run t;
  st_file f = {0};
  char path[80];
  snprintf(path, sizeof path, "/tmp/gantry-trace-%d.safetensors", (int)getpid());
  if (test_run_open(&t, SIZES, 1, 0, 1) && !train_trace_metric(t.r, "s", 2, path, &t.e) && !st_read(path, &f, &t.e)) {
    T_NEAR(mean(&f, "raw/value/mean", 1), mean(&f, "raw/fake/samples", 210 * 16), 1e-12);
    T_NEAR(mean(&f, "ema/value/mean", 1), mean(&f, "ema/fake/samples", 210 * 16), 1e-12);
    T_CHECK(fabs(mean(&f, "raw/value/mean", 1) - mean(&f, "ema/value/mean", 1)) > 1e-9);
    T_NEAR(mean(&f, "raw/real/kept/sum", 1), mean(&f, "raw/real/samples", 250 * 16) * 250, 1e-9);
    T_NEAR(mean(&f, "raw/fake/z", 210 * 3), mean(&f, "ema/fake/z", 210 * 3), 0);
    T_NEAR(mean(&f, "raw/real/labels", 250), 373.0 / 250, 1e-12); /* 0 1 2 3 in turn */
    st_free(&f);
  }
  if (t.e.code) printf("# %s\n", t.e.msg);
  T_CHECK(!t.e.code);
  err e = {0};
  T_CHECK(train_trace_metric(t.r, "nix", 0, path, &e));
  T_HAS(e.msg, "there is no metric \"nix\"; there are s");
  unlink(path);
  test_run_close(&t);
}

T_MAIN(T(test_trace__nothing_hides_anything), T(test_trace__a_metric_can_be_computed_again))
