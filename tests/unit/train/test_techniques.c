/* test_techniques.c - what labels, packing, virtual batch norm, minibatch features, joint batches, accumulation and latents do to a run: every test
 * fails where its technique does nothing. */
#include <gantry/ops.h>

#include "exec/inputs.h"
#include "ir/build.h"
#include "run.h"

#define POINTS "\"data\": {\"name\": \"gaussians\", \"modes\": 4, \"sigma\": 0.3, \"count\": 64}"
#define TRAIN "\"loss\": {\"name\": \"nonsaturating\"}, \"train\": {\"batch\": 16, \"length\": {\"steps\": 20}}"
#define WITH_D(arch, more) "{" POINTS ", \"g\": {\"arch\": {\"name\": \"mlp\", \"width\": 8}}, \"d\": {\"arch\": {\"name\": \"mlp\", \"width\": 8, \"depth\": 2" arch "}" more "}, " TRAIN "}"

/* Logits of 8 points under labels 0, or `label`; returns how many there are. */
static int64_t logits(test_run *t, const float *x, const int32_t *label, float *out) {
  const int64_t n = 8, dims[2] = {8, 2};
  abi_builder *b = abi_builder_new(t->r->world, "probe");
  gantry_named in[2] = {{"image", abi_t(ir_leaf(b->g, GANTRY_OP_INPUT, "probe/x", GANTRY_F32, 2, dims)), 0}, {"label", abi_t(ir_leaf(b->g, GANTRY_OP_INPUT, "probe/label", GANTRY_I32, 1, &n)), 0}};
  gantry_call call = abi_apply(b, GANTRY_D, in, label ? 2 : 1, GANTRY_NO_STATE_UPDATE);
  ir_id logit = abi_out(b, call, "logit");
  int64_t got = 0;
  if (logit) {
    got = ir_dims(b->g, logit)[0];
    ir_output(b->g, "logit", logit);
  }
  int ok = !abi_builder_status(b, &t->e) && !exec_upload_inputs(t->r->session, t->r->world, 1, &t->e) && !exec_tensor_make(t->r->session, "probe/x", GANTRY_F32, 2, dims, &t->e) &&
           !exec_tensor_make(t->r->session, "probe/label", GANTRY_I32, 1, &n, &t->e) && !exec_write(t->r->session, "probe/x", x, 64, &t->e) &&
           (!label || !exec_write(t->r->session, "probe/label", label, 32, &t->e));
  exec_program *p = ok ? exec_compile(t->r->session, b->g, "probe", &t->e) : NULL;
  ok = p && !exec_run(t->r->session, &p, 1, &t->e) && !exec_read(t->r->session, "out/probe/logit", out, got * 4, &t->e);
  abi_builder_free(b);
  if (!ok) printf("# %s\n", t->e.msg);
  T_CHECK(ok);
  return ok ? got : 0;
}

/* How many of the logits change when the last point does. */
static int touched(const char *base, int64_t expect, float *first) {
  test_run t;
  float x[16], a[8] = {0}, b[8] = {0};
  int changed = 0;
  for (int k = 0; k < 16; k++) x[k] = (float)(k % 5) * 0.4f - 0.7f;
  if (test_run_open(&t, base, 1, 0, 1)) {
    T_CHECK(logits(&t, x, NULL, a) == expect);
    x[14] += 1;
    x[15] -= 2;
    T_CHECK(logits(&t, x, NULL, b) == expect);
    for (int k = 0; k < expect; k++) changed += memcmp(&a[k], &b[k], 4) != 0;
    if (first) *first = a[0];
  } else
    T_CHECK(0);
  test_run_close(&t);
  return changed;
}

static void test_techniques__virtual_norm_is_independent_of_batch_mates(void) {
  T_CHECK(touched(WITH_D(", \"norm\": \"virtual\", \"reference\": 16", ""), 8, NULL) == 1);
  T_CHECK(touched(WITH_D(", \"norm\": \"batch\"", ""), 8, NULL) == 8);
}

static void test_techniques__minibatch_features_couple_samples(void) {
  T_CHECK(touched(WITH_D("", ""), 8, NULL) == 1);
  T_CHECK(touched(WITH_D(", \"minibatch_std\": 4", ""), 8, NULL) == 4); /* groups of every second sample */
  T_CHECK(touched(WITH_D(", \"minibatch_kernels\": 3", ""), 8, NULL) == 8);
}

static void test_techniques__packing_judges_consecutive_samples_together(void) {
  T_CHECK(touched(WITH_D("", ", \"pack\": 2"), 4, NULL) == 1);
  T_CHECK(touched(WITH_D("", ", \"pack\": 8"), 1, NULL) == 1);
}

static void test_techniques__projection_listens_to_labels(void) {
  test_run t;
  static const int32_t zero[8] = {0}, other[8] = {0, 0, 0, 0, 0, 0, 0, 3};
  float x[16] = {0.5f, 1, -1, 0.25f, 0.5f, 1, -1, 0.25f, 0.5f, 1, -1, 0.25f, 0.5f, 1, -1, 0.25f}, a[8] = {0}, b[8] = {0};
  if (test_run_open(&t, WITH_D(", \"condition\": \"projection\"", ""), 1, 0, 1)) {
    T_CHECK(abi_world_net(t.r->world, GANTRY_D)->uses_label && !abi_world_net(t.r->world, GANTRY_G)->uses_label);
    T_CHECK(logits(&t, x, zero, a) == 8 && logits(&t, x, other, b) == 8);
    T_CHECK(!memcmp(a, b, 28) && fabsf(a[7] - b[7]) > 1e-4f);
  } else
    T_CHECK(0);
  test_run_close(&t);
}

/* D's and G's labels are those of the real batch, whatever its parts. */
static void labels_follow(const char *base, int parts) {
  test_run t;
  int64_t n = 16 / parts;
  int64_t index[16], old[16];
  int32_t label[16];
  if (test_run_open(&t, base, 1, 1, 1)) {
    train_program *d = &t.r->programs.p[0];
    uint32_t g = 0;
    while (g < t.r->programs.n && strcmp(t.r->programs.p[g].name, "g_step")) g++;
    for (int k = 0; k < parts; k++) {
      T_CHECK(!exec_run(t.r->session, &d->exe, 1, &t.e) && !exec_read(t.r->session, "out/d_step/indices", index, n * 8, &t.e) && !exec_read(t.r->session, "out/d_step/labels", label, n * 4, &t.e));
      for (int64_t j = 0; j < n; j++) T_CHECK(label[j] == t.r->data->labels[index[j]]);
      memcpy(old + k * n, index, (size_t)n * 8);
    }
    for (int k = 0; k < parts; k++) {
      T_CHECK(!exec_run(t.r->session, &t.r->programs.p[g].exe, 1, &t.e) && !exec_read(t.r->session, "out/g_step/labels", label, n * 4, &t.e));
      for (int64_t j = 0; j < n; j++) T_CHECK(label[j] == t.r->data->labels[old[k * n + j]]);
    }
  } else
    T_CHECK(0);
  if (t.e.code) printf("# %s\n", t.e.msg);
  test_run_close(&t);
}
#define CONDITIONAL(accumulate) "{" POINTS ", \"g\": {\"arch\": {\"name\": \"mlp\", \"width\": 8, \"condition\": \"concat\"}}, \"d\": {\"arch\": {\"name\": \"mlp\", \"width\": 8, \"condition\": \"concat\"}}, \"loss\": {\"name\": \"nonsaturating\"}, \"train\": {\"batch\": 16, \"accumulate\": " accumulate ", \"length\": {\"steps\": 20}}}"
static void test_techniques__labels_are_those_of_the_real_batch(void) {
  labels_follow(CONDITIONAL("1"), 1);
  labels_follow(CONDITIONAL("4"), 4);
}

#define DIRAC(accumulate) "{" POINTS ", \"g\": {\"arch\": {\"name\": \"dirac\"}, \"optim\": {\"name\": \"adam\", \"lr\": 0.01}}, \"d\": {\"arch\": {\"name\": \"dirac\"}, \"optim\": {\"name\": \"adam\", \"lr\": 0.01}}, \"loss\": {\"name\": \"nonsaturating\"}, \"train\": {\"batch\": 16, \"accumulate\": " accumulate ", \"length\": {\"steps\": 20}}}"
static void test_techniques__accumulated_gradients_equal_the_full_batch(void) {
  test_run a, b;
  if (test_run_open(&a, DIRAC("1"), 1, 0, 1) && test_run_open(&b, DIRAC("4"), 1, 0, 1)) {
    T_CHECK(!train_steps(a.r, 0, 20, &a.e) && !train_steps(b.r, 0, 20, &b.e));
    for (int k = 0; k < 2; k++) {
      T_NEAR(test_run_value(&a, "d/psi", k), test_run_value(&b, "d/psi", k), 1e-5);
      T_NEAR(test_run_value(&a, "g/theta", k), test_run_value(&b, "g/theta", k), 1e-5);
      T_CHECK(fabs(test_run_value(&a, "d/psi", k) - 0.6) > 0.01);
    }
    int64_t images = 0, updates = 0;
    T_CHECK(!exec_read(b.r->session, "counter/images", &images, 8, &b.e) && !exec_read(b.r->session, "counter/d.updates", &updates, 8, &b.e));
    T_CHECK(images == 320 && updates == 20);
  } else
    T_CHECK(0);
  test_run_close(&a);
  test_run_close(&b);
}

/* Statistics move once a step towards those of both sides together. */
static void test_techniques__joint_batches_mix_statistics(void) {
  test_run t;
  if (test_run_open(&t, "{" POINTS ", \"g\": {\"arch\": {\"name\": \"mlp\", \"width\": 8}}, \"d\": {\"arch\": {\"name\": \"mlp\", \"width\": 3, \"depth\": 1, \"norm\": \"batch\"}, \"batches\": \"joint\"}, " TRAIN "}", 1, 1, 1)) {
    float w[6], x[64];
    T_CHECK(!exec_read(t.r->session, "d/hidden0/linear/weight", w, sizeof w, &t.e) && !train_steps(t.r, 0, 1, &t.e));
    T_CHECK(!exec_read(t.r->session, "out/d_step/real", x, 128, &t.e) && !exec_read(t.r->session, "out/d_step/fake", x + 32, 128, &t.e));
    for (int c = 0; c < 3; c++) {
      double s = 0;
      for (int k = 0; k < 32; k++) s += (double)w[2 * c] * (double)x[2 * k] + (double)w[2 * c + 1] * (double)x[2 * k + 1];
      T_NEAR(test_run_value(&t, "d/hidden0/norm/running_mean", c), 0.1 * s / 32, 1e-5);
    }
  } else
    T_CHECK(0);
  test_run_close(&t);
}

/* Moments of 4096 draws of z. */
static void moments(test_run *t, double truncate, int clips, int sampling, double *deviation, double *largest) {
  enum { N = 2048 };
  static float z[2 * N];
  abi_builder *b = abi_builder_new(t->r->world, "latents");
  b->truncate = truncate;
  b->truncate_clips = (uint8_t)clips;
  b->sampling = (uint8_t)sampling;
  ir_id x = abi_draw_input(b, GANTRY_G, "z", N);
  if (x) ir_output(b->g, "z", x);
  exec_program *p = x && !abi_builder_status(b, &t->e) && !exec_upload_inputs(t->r->session, t->r->world, 1, &t->e) ? exec_compile(t->r->session, b->g, "latents", &t->e) : NULL;
  T_CHECK(p && !exec_run(t->r->session, &p, 1, &t->e) && !exec_read(t->r->session, "out/latents/z", z, sizeof z, &t->e));
  double q = 0;
  *largest = 0;
  for (int k = 0; k < 2 * N; k++) {
    q += (double)z[k] * (double)z[k];
    *largest = fmax(*largest, fabs((double)z[k]));
  }
  *deviation = sqrt(q / (2 * N));
  abi_builder_free(b);
}

static void test_techniques__latents_have_their_distribution(void) {
  test_run t;
  double s = 0, top = 0;
  if (test_run_open(&t, "{" POINTS ", \"g\": {\"arch\": {\"name\": \"mlp\"}}, \"d\": {\"arch\": {\"name\": \"mlp\"}}, " TRAIN "}", 1, 0, 1)) {
    moments(&t, 0, 0, 0, &s, &top);
    T_CHECK(fabs(s - 1) < 0.04 && top > 3);
    moments(&t, 1, 0, 1, &s, &top); /* drawn again: sd of the normal conditioned on |z| <= 1 */
    T_CHECK(fabs(s - 0.5396) < 0.02 && top <= 1);
    moments(&t, 1, 1, 1, &s, &top); /* clipped: E min(z^2, 1) = 0.5161 */
    T_CHECK(fabs(s - 0.7184) < 0.02 && top == 1);
  }
  test_run_close(&t);
  if (test_run_open(&t, "{" POINTS ", \"g\": {\"arch\": {\"name\": \"mlp\"}, \"latent\": {\"distribution\": \"uniform\", \"noise\": 0.5}}, \"d\": {\"arch\": {\"name\": \"mlp\"}}, " TRAIN "}", 1, 0, 1)) {
    moments(&t, 0, 0, 1, &s, &top);
    T_CHECK(fabs(s - 0.57735) < 0.02 && top <= 1);
    moments(&t, 0, 0, 0, &s, &top); /* noise while training */
    T_CHECK(fabs(s - sqrt(1 / 3.0 + 0.25)) < 0.03 && top > 1);
  }
  test_run_close(&t);
}

static void test_techniques__averaging_ramps_up_by_default(void) {
  test_run t;
  double ema = 0.8;
  if (test_run_open(&t, "{" POINTS ", \"g\": {\"arch\": {\"name\": \"dirac\"}, \"ema\": {\"half_life\": {\"images\": 320}}}, \"d\": {\"arch\": {\"name\": \"dirac\"}}, " TRAIN "}", 1, 0, 1))
    for (int k = 0; k < 20; k++) {
      T_CHECK(!train_steps(t.r, k, 1, &t.e));
      double now = test_run_value(&t, "g/theta", 0), half = fmin(320, 0.05 * 16 * (k + 1));
      ema = now + pow(0.5, 16 / half) * (ema - now);
      T_NEAR(test_run_value(&t, "ema/g/theta", 0), ema, 2e-5);
    }
  test_run_close(&t);
}

T_MAIN(T(test_techniques__virtual_norm_is_independent_of_batch_mates), T(test_techniques__minibatch_features_couple_samples), T(test_techniques__packing_judges_consecutive_samples_together),
       T(test_techniques__projection_listens_to_labels), T(test_techniques__labels_are_those_of_the_real_batch), T(test_techniques__accumulated_gradients_equal_the_full_batch),
       T(test_techniques__joint_batches_mix_statistics), T(test_techniques__latents_have_their_distribution), T(test_techniques__averaging_ramps_up_by_default))
