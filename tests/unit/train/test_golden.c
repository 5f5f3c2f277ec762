/* test_golden.c - training steps against numbers that PyTorch computed in f64 (tests/peers/parity.py --golden), for builds without PyTorch.
 *
 * A line of tests/golden/parity/<case>.tsv is a tensor of the trace: name, Euclidean norm, largest magnitude and, for a gradient that
 * cancels and for what is rounding and nothing else (tests/peers/noise.py), the magnitude that its error is measured by. */
#include "base/safetensors.h"
#include "run.h"

static double element(const st_tensor *t, int64_t k) {
  switch (t->dtype) {
    case GANTRY_F32: return (double)((const float *)t->data)[k];
    case GANTRY_F64: return ((const double *)t->data)[k];
    case GANTRY_I64: return (double)((const int64_t *)t->data)[k];
    case GANTRY_I32: return (double)((const int32_t *)t->data)[k];
    case GANTRY_U32: return (double)((const uint32_t *)t->data)[k];
    default: return NAN;
  }
}

/* "<program> grad g/a" is "<program>/out/grad/g/a"; "<program> state x" is "<program>/state/x" */
static const st_tensor *find(const st_file *f, const char *line_name, arena *a) {
  const char *gap = strchr(line_name, ' '), *rest = gap ? gap + 1 : "";
  if (!gap) return NULL;
  char *name = strncmp(rest, "state ", 6) ? arena_fmt(a, "%.*s/out/%s", (int)(gap - line_name), line_name, rest) : arena_fmt(a, "%.*s/state/%s", (int)(gap - line_name), line_name, rest + 6);
  for (char *c = name; *c; c++)
    if (*c == ' ') *c = '/';
  return st_find(f, name);
}

static void compare(const st_file *f, const char *path) {
  FILE *in = fopen(path, "r");
  arena *a = arena_new();
  char line[512];
  int lines = 0;
  T_CHECK(in != NULL);
  while (in && fgets(line, sizeof line, in)) {
    char *tab = strchr(line, '\t'), *end;
    if (!tab) continue;
    *tab = 0;
    double norm = strtod(tab + 1, &end), top = strtod(end, &end), least = strtod(end, NULL), sum = 0, largest = 0, n = 1;
    const st_tensor *t = find(f, line, a);
    lines++;
    if (!t) {
      printf("# %s: the trace has no such tensor\n", line);
      T_CHECK(t != NULL);
      continue;
    }
    for (uint32_t k = 0; k < t->rank; k++) n *= (double)t->dims[k];
    for (int64_t k = 0; k < (int64_t)n; k++) {
      double v = element(t, k);
      sum += v * v;
      largest = fmax(largest, fabs(v));
    }
    double scale = fmax(fmax(top, least), 1e-12), wide = fmax(fmax(norm, least * sqrt(n)), 1e-12);
    int good = fabs(largest - top) <= 1e-4 * scale && fabs(sqrt(sum) - norm) <= 1e-4 * wide;
    if (!good) printf("# %s: norm %.9g against %.9g, largest %.9g against %.9g\n", line, sqrt(sum), norm, largest, top);
    T_CHECK(good);
  }
  T_CHECK(lines > 100);
  if (in) fclose(in);
  arena_free(a);
}

static void golden(const char *name) {
  const char *root = getenv("GANTRY_ROOT") ? getenv("GANTRY_ROOT") : ".", *build = getenv("GANTRY_BUILD") ? getenv("GANTRY_BUILD") : "build/release";
  arena *a = arena_new();
  const char *roots[] = {arena_fmt(a, "%s/fixtures", build)}, *path = arena_fmt(a, "/tmp/gantry-golden-%d.safetensors", (int)getpid());
  abi_sources s = abi_default_sources(a, NULL, 0, roots, 1);
  cfg_options o = {0};
  cfg_experiment *x = NULL;
  train_run *r = NULL;
  st_file f = {0};
  err e = {0};
  abi_registry *reg = abi_registry_open(&s, &e);
  if (reg && !cfg_load(arena_fmt(a, "%s/tests/peers/cases/%s.json", root, name), reg, &o, &x, &e) && !train_open(x->cells[0].run, reg, 1, 1, &r, &e) && !train_start(r, &e) &&
      !train_trace_file(r, 3, path, &e) && !st_read(path, &f, &e)) {
    compare(&f, arena_fmt(a, "%s/tests/golden/parity/%s.tsv", root, name));
    st_free(&f);
  }
  if (e.code) printf("# %s\n", e.msg);
  T_CHECK(!e.code);
  unlink(path);
  train_close(r);
  cfg_free(x);
  abi_registry_close(reg);
  arena_free(a);
}

static int no_images(void) { return !file_exists("/usr/share/datasets/fashion-mnist"); }
static void test_golden__dcgan(void) {
  if (no_images()) T_SKIP("no Fashion-MNIST: install dataset-fashion-mnist");
  golden("dcgan");
}
static void test_golden__dcgan_spectral(void) {
  if (no_images()) T_SKIP("no Fashion-MNIST: install dataset-fashion-mnist");
  golden("dcgan_spectral");
}
static void test_golden__minimax_r1(void) { golden("minimax_r1"); }
static void test_golden__mlp_penalty(void) { golden("mlp_penalty"); }
static void test_golden__relativistic_r1(void) { golden("relativistic_r1"); }
static void test_golden__simultaneous_lsgan(void) { golden("simultaneous_lsgan"); }
static void test_golden__conditional_everywhere(void) {
  if (no_images()) T_SKIP("no Fashion-MNIST: install dataset-fashion-mnist");
  golden("conditional_everywhere");
}
static void test_golden__conditional_norm_projection(void) {
  if (no_images()) T_SKIP("no Fashion-MNIST: install dataset-fashion-mnist");
  golden("conditional_norm_projection");
}
static void test_golden__joint_batches(void) {
  if (no_images()) T_SKIP("no Fashion-MNIST: install dataset-fashion-mnist");
  golden("joint_batches");
}
static void test_golden__packed_images(void) {
  if (no_images()) T_SKIP("no Fashion-MNIST: install dataset-fashion-mnist");
  golden("packed_images");
}
static void test_golden__resnet_attention(void) {
  if (no_images()) T_SKIP("no Fashion-MNIST: install dataset-fashion-mnist");
  golden("resnet_attention");
}
static void test_golden__stylegan2_conditional_lazy(void) {
  if (no_images()) T_SKIP("no Fashion-MNIST: install dataset-fashion-mnist");
  golden("stylegan2_conditional_lazy");
}
static void test_golden__stylegan2_path_length(void) {
  if (no_images()) T_SKIP("no Fashion-MNIST: install dataset-fashion-mnist");
  golden("stylegan2_path_length");
}
static void test_golden__virtual_norm(void) {
  if (no_images()) T_SKIP("no Fashion-MNIST: install dataset-fashion-mnist");
  golden("virtual_norm");
}
static void test_golden__accumulated(void) { golden("accumulated"); }
static void test_golden__auxiliary_minibatch(void) { golden("auxiliary_minibatch"); }
static void test_golden__packed(void) { golden("packed"); }
static void test_golden__ada(void) {
  if (no_images()) T_SKIP("no Fashion-MNIST: install dataset-fashion-mnist");
  golden("ada");
}
static void test_golden__diffaugment_consistency(void) {
  if (no_images()) T_SKIP("no Fashion-MNIST: install dataset-fashion-mnist");
  golden("diffaugment_consistency");
}
static void test_golden__unrolled_average(void) { golden("unrolled_average"); }
static void test_golden__unrolled_targets(void) { golden("unrolled_targets"); }

T_MAIN(T(test_golden__dcgan), T(test_golden__dcgan_spectral), T(test_golden__minimax_r1), T(test_golden__mlp_penalty), T(test_golden__relativistic_r1), T(test_golden__simultaneous_lsgan),
       T(test_golden__conditional_everywhere), T(test_golden__conditional_norm_projection), T(test_golden__joint_batches), T(test_golden__packed_images), T(test_golden__resnet_attention), T(test_golden__virtual_norm), T(test_golden__accumulated), T(test_golden__auxiliary_minibatch), T(test_golden__packed), T(test_golden__unrolled_average),
       T(test_golden__unrolled_targets), T(test_golden__ada), T(test_golden__diffaugment_consistency), T(test_golden__stylegan2_conditional_lazy), T(test_golden__stylegan2_path_length))
