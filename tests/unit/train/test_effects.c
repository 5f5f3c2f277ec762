/* test_effects.c - regularizers on the Dirac-GAN (two coordinates that move alike; reals at 0, G's point theta, D the line psi), whose first updates have closed forms: each
 * test fails where its plugin does nothing. */
#include <math.h>

#include "run.h"

#define SGD "{\"name\": \"sgd\", \"lr\": 0.3}"
#define DIRAC(batch, regularizer) \
  "{\"data\": {\"name\": \"gaussians\", \"modes\": 1, \"radius\": 0, \"sigma\": 0, \"count\": 20000}, \"g\": {\"arch\": {\"name\": \"dirac\"}, \"optim\": " SGD "}, \"d\": {\"arch\": {\"name\": \"dirac\"}, \"optim\": " SGD "}, " \
  "\"loss\": {\"name\": \"nonsaturating\"}, \"regularizers\": {\"r\": " regularizer "}, \"train\": {\"batch\": " batch ", \"length\": {\"steps\": 20}}}"

static const double theta0 = 0.8, psi0 = 0.6, h = 0.3;
static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

/* D's psi after its first update. */
static double first_psi(const char *base) {
  test_run t;
  double v = NAN;
  if (test_run_open(&t, base, 1, 0, 1) && !train_steps(t.r, 0, 1, &t.e)) v = test_run_value(&t, "d/psi", 0);
  if (t.e.code) printf("# %s\n", t.e.msg);
  T_CHECK(!t.e.code);
  test_run_close(&t);
  return v;
}

static double plain_gradient(void) { return sigmoid(2 * theta0 * psi0) * theta0; }

static void test_effects__r2_damps_at_the_fakes(void) {
  T_NEAR(first_psi(DIRAC("4", "{\"name\": \"r2\", \"gamma\": 0.5}")), psi0 - h * (plain_gradient() + 0.5 * psi0), 1e-6);
  /* lazily: a program of its own after every second update, with twice the weight; every update of D then has 2/3 of the rate */
  double psi = psi0 - h * (2.0 / 3) * plain_gradient();
  T_NEAR(first_psi(DIRAC("4", "{\"name\": \"r2\", \"gamma\": 0.5, \"every\": {\"steps\": 2}}")), psi - h * (2.0 / 3) * 2 * 0.5 * psi, 1e-6);
}

static void test_effects__dragan_pulls_the_norm_to_its_target(void) {
  double norm = sqrt(2) * psi0; /* the data does not spread, so the penalty is taken at the real point itself */
  T_NEAR(first_psi(DIRAC("4", "{\"name\": \"dragan\", \"weight\": 0.7}")), psi0 - h * (plain_gradient() + 0.7 * 2 * (norm - 1) / sqrt(2)), 1e-6);
  T_NEAR(first_psi(DIRAC("4", "{\"name\": \"dragan\", \"weight\": 0.7, \"one_sided\": true}")), psi0 - h * plain_gradient(), 1e-6);
  T_NEAR(first_psi(DIRAC("4", "{\"name\": \"dragan\", \"weight\": 0.7, \"one_sided\": true, \"target\": 0.5}")), psi0 - h * (plain_gradient() + 0.7 * 2 * (norm - 0.5) / sqrt(2)), 1e-6);
}

static void test_effects__gradients_are_clipped(void) {
  T_CHECK(plain_gradient() > 0.2);
  T_NEAR(first_psi(DIRAC("4", "{\"name\": \"gradient_clip_value\", \"limit\": 0.1}")), psi0 - h * 0.1, 1e-6);
  T_NEAR(first_psi(DIRAC("4", "{\"name\": \"gradient_clip_value\", \"limit\": 5}")), psi0 - h * plain_gradient(), 1e-6);
  T_NEAR(first_psi(DIRAC("4", "{\"name\": \"gradient_clip_norm\", \"limit\": 0.1}")), psi0 - h * 0.1 / sqrt(2), 1e-6);
  T_NEAR(first_psi(DIRAC("4", "{\"name\": \"gradient_clip_norm\", \"limit\": 5}")), psi0 - h * plain_gradient(), 1e-6);
}

static void test_effects__targets_are_flipped(void) {
  T_NEAR(first_psi(DIRAC("4", "{\"name\": \"label_flip\", \"real\": 0, \"fake\": 1}")), psi0 - h * (sigmoid(2 * theta0 * psi0) - 1) * theta0, 1e-6);
  double some = first_psi(DIRAC("20000", "{\"name\": \"label_flip\", \"real\": 0.9, \"fake\": 0.25}")); /* what reals are called has no gradient at 0 */
  T_NEAR((sigmoid(2 * theta0 * psi0) - (psi0 - some) / (h * theta0)), 0.25, 0.01);
}

/* Mean of f(l) for l normal with this mean and variance. */
static double expected(double (*f)(double), double mean, double variance) {
  double sum = 0, weight = 0;
  for (int k = -400; k <= 400; k++) {
    double z = 0.02 * k, w = exp(-z * z / 2);
    sum += w * f(mean + sqrt(variance) * z);
    weight += w;
  }
  return sum / weight;
}
static double slope(double x) { return sigmoid(x) * (1 - sigmoid(x)); }

static void test_effects__noise_reaches_d(void) {
  double s = 0.5, variance = 2 * psi0 * psi0 * s * s, at = 2 * theta0 * psi0;
  double gradient = theta0 * expected(sigmoid, at, variance) + s * s * psi0 * (expected(slope, at, variance) + expected(slope, 0, variance)); /* Stein's lemma */
  T_CHECK(fabs(gradient - plain_gradient()) > 0.03);
  T_NEAR(first_psi(DIRAC("20000", "{\"name\": \"input_noise\", \"std\": 0.5}")), psi0 - h * gradient, 2e-3);
  T_NEAR(first_psi(DIRAC("4", "{\"name\": \"input_noise\", \"std\": 0}")), psi0 - h * plain_gradient(), 1e-6);
}

/* ---- losses ---- */

#define LOSS(loss, regularizers, more) \
  "{\"data\": {\"name\": \"gaussians\", \"modes\": 1, \"radius\": 0, \"sigma\": 0, \"count\": 20000}, \"g\": {\"arch\": {\"name\": \"dirac\"}, \"optim\": " SGD "}, \"d\": {\"arch\": {\"name\": \"dirac\"}, \"optim\": " SGD "}, " \
  "\"loss\": " loss ", \"regularizers\": {" regularizers "}, \"train\": {\"batch\": 4" more ", \"length\": {\"steps\": 40}}}"

static void test_effects__least_squares_have_their_targets(void) {
  double l = 2 * theta0 * psi0;
  T_NEAR(first_psi(LOSS("{\"name\": \"lsgan\"}", "", "")), psi0 - h * l * theta0, 1e-6);
  T_NEAR(first_psi(LOSS("{\"name\": \"lsgan\", \"target_fake\": -1}", "", "")), psi0 - h * (l + 1) * theta0, 1e-6);
  T_NEAR(first_psi(LOSS("{\"name\": \"lsgan\", \"target_fake\": -1}", "\"s\": {\"name\": \"label_smoothing\", \"fake\": 0.25}", "")), psi0 - h * (l - 0.25) * theta0, 1e-6);
}

/* Half way between the targets lies the threshold: with D's only accuracy that of fakes, at logits of 0.96, D is held or not by where it is. */
static void test_effects__the_threshold_lies_between_the_targets(void) {
  double l = 2 * theta0 * psi0;
  T_NEAR(first_psi(LOSS("{\"name\": \"lsgan\", \"target_real\": 1, \"target_fake\": 0.8}", "\"b\": {\"name\": \"balance\", \"memory\": 0, \"hold_d\": 0.4}", "")), psi0 - h * (l - 0.8) * theta0, 1e-6);
  T_NEAR(first_psi(LOSS("{\"name\": \"lsgan\", \"target_real\": 2, \"target_fake\": 0.8}", "\"b\": {\"name\": \"balance\", \"memory\": 0, \"hold_d\": 0.4}", "")), psi0, 1e-6);
}

static void test_effects__relativistic_against_the_average_adds_both_sides(void) {
  T_NEAR(first_psi(LOSS("{\"name\": \"relativistic\"}", "", "")), psi0 - h * plain_gradient(), 1e-6);
  T_NEAR(first_psi(LOSS("{\"name\": \"relativistic\", \"against\": \"average\"}", "", "")), psi0 - h * 2 * plain_gradient(), 1e-6);
}

/* ---- balance: whole runs beside a hand-written one, with counted updates ---- */

typedef struct rule { int by_loss; double hold_d, hold_g, memory; } rule;
static void balanced(const char *base, rule r) {
  test_run t;
  double theta = theta0, psi = psi0, sum = 0, weight = 0;
  int64_t updates[2] = {0, 0}, d = 0, g = 0;
  if (test_run_open(&t, base, 1, 0, 1))
    for (int k = 0; k < 40; k++) {
      T_CHECK(!train_steps(t.r, k, 1, &t.e));
      double l = 2 * theta * psi, now = r.by_loss ? log(2) + log1p(exp(l)) : (l < 0 ? 0.5 : 0);
      sum = r.memory * sum + (1 - r.memory) * now;
      weight = r.memory * weight + 1 - r.memory;
      double mean = sum / weight;
      if (r.by_loss ? mean >= r.hold_d : mean <= r.hold_d) psi -= h * sigmoid(l) * theta, d++;
      if (r.by_loss ? mean <= r.hold_g : mean >= r.hold_g) theta += h * sigmoid(-2 * theta * psi) * psi, g++;
      T_NEAR(test_run_value(&t, "d/psi", 0), psi, 2e-5);
      T_NEAR(test_run_value(&t, "g/theta", 1), theta, 2e-5);
    }
  T_CHECK(!t.e.code && !exec_read(t.r->session, "counter/d.updates", &updates[0], 8, &t.e) && !exec_read(t.r->session, "counter/g.updates", &updates[1], 8, &t.e));
  T_CHECK(updates[0] == d && updates[1] == g && d > 3 && d < 40 && g > 3 && g < 40);
  test_run_close(&t);
}
static void test_effects__balance_holds_who_runs_ahead(void) {
  balanced(LOSS("{\"name\": \"nonsaturating\"}", "\"b\": {\"name\": \"balance\", \"memory\": 0, \"hold_d\": 0.4, \"hold_g\": 0.3, \"of\": [\"d\", \"g\"]}", ""), (rule){0, 0.4, 0.3, 0});
  balanced(LOSS("{\"name\": \"nonsaturating\"}", "\"b\": {\"name\": \"balance\", \"by\": \"loss\", \"memory\": 0.5, \"hold_d\": 1.4, \"hold_g\": 1.35, \"of\": [\"d\", \"g\"]}", ""), (rule){1, 1.4, 1.35, 0.5});
}

/* ---- lazily, and through what stands in front of D ---- */

static void test_effects__r1_damps_lazily_too(void) {
  double psi = psi0 - h * (4.0 / 5) * plain_gradient();
  T_NEAR(first_psi(DIRAC("4", "{\"name\": \"r1\", \"gamma\": 0.5}")), psi0 - h * (plain_gradient() + 0.5 * psi0), 1e-6);
  T_NEAR(first_psi(DIRAC("4", "{\"name\": \"r1\", \"gamma\": 0.5, \"every\": {\"steps\": 4}}")), psi - h * (4.0 / 5) * 4 * 0.5 * psi, 1e-6);
}

#define MLP(regularizers) \
  "{\"data\": {\"name\": \"gaussians\", \"modes\": 4, \"sigma\": 0.1, \"count\": 1000}, \"g\": {\"arch\": {\"name\": \"mlp\", \"width\": 16}, \"optim\": {\"name\": \"adam\", \"lr\": 1e-3}}, " \
  "\"d\": {\"arch\": {\"name\": \"mlp\", \"width\": 16, \"depth\": 2, \"act\": \"swish\"}, \"optim\": {\"name\": \"adam\", \"lr\": 1e-3}}, \"loss\": {\"name\": \"nonsaturating\"}, \"regularizers\": {" regularizers "}, \"train\": {\"batch\": 16, \"length\": {\"steps\": 300}}}"

/* A traced number of D's first program. */
static double first_number(const char *base, const char *name) {
  test_run t;
  float v = NAN;
  if (test_run_open(&t, base, 1, 1, 1) && !train_steps(t.r, 0, 1, &t.e)) exec_read(t.r->session, name, &v, 4, &t.e);
  if (t.e.code) printf("# %s\n", t.e.msg);
  T_CHECK(!t.e.code);
  test_run_close(&t);
  return (double)v;
}

/* With noise in front, the gradient is taken where D saw the image, or at the image itself. */
static void test_effects__penalties_pass_the_noise_or_not(void) {
  static const char *const kinds[2] = {"r1", "r2"};
  for (int k = 0; k < 2; k++) {
    char base[3][2048], term[64];
    const char *noise = ", \"n\": {\"name\": \"input_noise\", \"std\": 0.7}", *none = ", \"passes\": \"none\"";
    for (int j = 0; j < 3; j++) {
      char regs[512];
      snprintf(regs, sizeof regs, "\"r\": {\"name\": \"%s\", \"gamma\": 1%s}%s", kinds[k], j == 1 ? none : "", j ? noise : "");
      char *at = base[j];
      const char *form = MLP("%");
      const char *hole = strchr(form, '%');
      snprintf(at, sizeof base[j], "%.*s%s%s", (int)(hole - form), form, regs, hole + 1);
    }
    snprintf(term, sizeof term, "out/d_step/term/r");
    double plain = first_number(base[0], term), past = first_number(base[1], term), through = first_number(base[2], term);
    T_NEAR(past, plain, 1e-6);
    T_CHECK(fabs(through - plain) > 1e-3 * plain);
  }
}

/* ---- spectral norm ---- */

/* Largest singular value of a [rows,columns] weight, by many power iterations in f64. */
static double largest_singular_value(const float *w, int rows, int columns) {
  double v[64], u[64], s = 0;
  for (int j = 0; j < columns; j++) v[j] = 1 + 0.1 * j;
  for (int it = 0; it < 2000; it++) {
    double q = 0;
    for (int i = 0; i < rows; i++) {
      u[i] = 0;
      for (int j = 0; j < columns; j++) u[i] += (double)w[i * columns + j] * v[j];
      q += u[i] * u[i];
    }
    s = sqrt(q);
    for (int j = 0; j < columns; j++) {
      v[j] = 0;
      for (int i = 0; i < rows; i++) v[j] += (double)w[i * columns + j] * u[i] / s;
    }
    q = 0;
    for (int j = 0; j < columns; j++) q += v[j] * v[j];
    for (int j = 0; j < columns; j++) v[j] /= sqrt(q);
  }
  return s;
}

/* What a network's weight is divided by now, from the stored vectors: u W v. */
static double divisor(test_run *t, const char *name, float *w, int rows, int columns) {
  double s = 0;
  char u[128], v[128];
  snprintf(u, sizeof u, "regularizers/sn/%s/u", name);
  snprintf(v, sizeof v, "regularizers/sn/%s/v", name);
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < columns; j++) s += test_run_value(t, u, i) * (double)w[i * columns + j] * test_run_value(t, v, j);
  return s;
}

static void test_effects__top_singular_values_are_one(void) {
  test_run t;
  if (test_run_open(&t, MLP("\"sn\": {\"name\": \"spectral_norm\", \"of\": [\"d\", \"g\"]}"), 1, 0, 1)) {
    T_CHECK(!train_steps(t.r, 0, 100, &t.e));
    static const char *const names[3] = {"d/hidden0/linear/weight", "d/hidden1/linear/weight", "g/hidden1/linear/weight"};
    for (int k = 0; k < 3; k++) {
      float w[256];
      int columns = k ? 16 : 2;
      T_CHECK(!exec_read(t.r->session, names[k], w, 64 * columns, &t.e));
      double top = largest_singular_value(w, 16, columns) / divisor(&t, names[k], w, 16, columns);
      T_CHECK(top > 0.95 && top < 1.05);
    }
  } else
    T_CHECK(0);
  test_run_close(&t);
  /* what D does with it: a linear D has a gradient of length 1 */
  double term = first_number("{\"data\": {\"name\": \"gaussians\", \"count\": 1000}, \"g\": {\"arch\": {\"name\": \"mlp\"}}, \"d\": {\"arch\": {\"name\": \"mlp\", \"depth\": 0}}, \"regularizers\": {\"sn\": {\"name\": \"spectral_norm\"}, "
                             "\"r\": {\"name\": \"r1\", \"gamma\": 2}}, \"train\": {\"batch\": 8, \"length\": {\"steps\": 2}}}", "out/d_step/term/r");
  T_NEAR(term, 1, 1e-4);
}

/* Two applications of one iteration each are one update of two. */
static void test_effects__power_iterations_per_update_or_application(void) {
  float u[3][16];
  static const char *const bases[3] = {MLP("\"sn\": {\"name\": \"spectral_norm\"}"), MLP("\"sn\": {\"name\": \"spectral_norm\", \"power_steps\": 2}"), MLP("\"sn\": {\"name\": \"spectral_norm\", \"per\": \"application\"}")};
  for (int k = 0; k < 3; k++) {
    test_run t;
    T_CHECK(test_run_open(&t, bases[k], 1, 0, 1) && !train_steps(t.r, 0, 1, &t.e) && !exec_read(t.r->session, "regularizers/sn/d/hidden1/linear/weight/u", u[k], sizeof u[k], &t.e));
    test_run_close(&t);
  }
  T_CHECK(!memcmp(u[1], u[2], sizeof u[1]) && memcmp(u[0], u[1], sizeof u[0]));
}

/* Where D's gradient is 0, as that of its last bias under pairing, the root in Adam and RMSProp has no derivative, and G needs one. */
static void test_effects__unrolled_gradients_are_finite(void) {
  static const char *const optims[2] = {"adam", "rmsprop"};
  for (int k = 0; k < 2; k++) {
    test_run t;
    char base[2048];
    snprintf(base, sizeof base, "{\"data\": {\"name\": \"gaussians\", \"count\": 500}, \"g\": {\"arch\": {\"name\": \"mlp\", \"width\": 8}}, \"d\": {\"arch\": {\"name\": \"mlp\", \"width\": 8}, \"optim\": {\"name\": \"%s\"}}, \"loss\": {\"name\": \"relativistic\"}, "
                                "\"regularizers\": {\"look\": {\"name\": \"unrolled\", \"steps\": 2}}, \"train\": {\"batch\": 8, \"length\": {\"steps\": 10}}}", optims[k]);
    T_CHECK(test_run_open(&t, base, 1, 0, 1) && !train_steps(t.r, 0, 10, &t.e));
    T_CHECK(isfinite(test_run_value(&t, "g/hidden0/linear/weight", 0)));
    test_run_close(&t);
  }
}

/* ---- weights, targets and penalties that had only traces ---- */

static void test_effects__weights_stay_within_the_limit(void) {
  T_NEAR(first_psi(DIRAC("4", "{\"name\": \"weight_clip\", \"limit\": 0.25}")), 0.25, 1e-7);
  T_NEAR(first_psi(DIRAC("4", "{\"name\": \"weight_clip\", \"limit\": 5}")), psi0 - h * plain_gradient(), 1e-6);
  test_run t;
  if (test_run_open(&t, MLP("\"clip\": {\"name\": \"weight_clip\", \"limit\": 0.05}"), 1, 0, 1) && !train_steps(t.r, 0, 20, &t.e)) {
    double most = 0;
    for (int k = 0; k < 256; k++) most = fmax(most, fabs(test_run_value(&t, "d/hidden1/linear/weight", k)));
    T_CHECK(most <= (double)0.05f && most > 0.049);
  } else
    T_CHECK(0);
  test_run_close(&t);
}

/* G held at the data: D's best logit of what is real and fake alike is ln(s / (1 - s)) for the mean target s. */
static void test_effects__smoothed_targets_have_their_optimum(void) {
  static const double reals[2] = {0.9, 0.7}, fakes[2] = {0, 0.3};
  for (int k = 0; k < 2; k++) {
    test_run t;
    char base[2048];
    snprintf(base, sizeof base, "{\"data\": {\"name\": \"gaussians\", \"modes\": 1, \"radius\": 0, \"sigma\": 0, \"count\": 64}, \"g\": {\"arch\": {\"name\": \"mlp\", \"width\": 2, \"init\": \"normal\", \"init_scale\": 1e-9}, \"optim\": {\"name\": \"sgd\", \"lr\": 0}}, "
                                "\"d\": {\"arch\": {\"name\": \"mlp\", \"depth\": 0}, \"optim\": {\"name\": \"sgd\", \"lr\": 1}}, \"regularizers\": {\"s\": {\"name\": \"label_smoothing\", \"real\": %g, \"fake\": %g}}, \"train\": {\"batch\": 4, \"length\": {\"steps\": 200}}}", reals[k], fakes[k]);
    double s = (reals[k] + fakes[k]) / 2; /* reals and fakes in the same place */
    if (test_run_open(&t, base, 1, 0, 1) && !train_steps(t.r, 0, 200, &t.e)) T_NEAR(test_run_value(&t, "d/out/bias", 0), log(s / (1 - s)), 1e-4);
    else T_CHECK(0);
    test_run_close(&t);
  }
}

static void test_effects__the_penalty_on_lines_pulls_to_its_target(void) {
  double norm = sqrt(2) * psi0, pull = 0.7 * 2 * (norm - 1) / sqrt(2);
  T_NEAR(first_psi(DIRAC("4", "{\"name\": \"gradient_penalty\", \"weight\": 0.7}")), psi0 - h * (plain_gradient() + pull), 1e-6);
  T_NEAR(first_psi(DIRAC("4", "{\"name\": \"gradient_penalty\", \"weight\": 0.7, \"one_sided\": true}")), psi0 - h * plain_gradient(), 1e-6);
  T_NEAR(first_psi(DIRAC("4", "{\"name\": \"gradient_penalty\", \"weight\": 0.7, \"one_sided\": true, \"target\": 0.5}")), psi0 - h * (plain_gradient() + 0.7 * 2 * (norm - 0.5) / sqrt(2)), 1e-6);
}

T_MAIN(T(test_effects__r2_damps_at_the_fakes), T(test_effects__dragan_pulls_the_norm_to_its_target), T(test_effects__gradients_are_clipped), T(test_effects__targets_are_flipped), T(test_effects__noise_reaches_d),
       T(test_effects__least_squares_have_their_targets), T(test_effects__the_threshold_lies_between_the_targets), T(test_effects__relativistic_against_the_average_adds_both_sides), T(test_effects__balance_holds_who_runs_ahead),
       T(test_effects__r1_damps_lazily_too), T(test_effects__penalties_pass_the_noise_or_not), T(test_effects__top_singular_values_are_one), T(test_effects__power_iterations_per_update_or_application),
       T(test_effects__unrolled_gradients_are_finite), T(test_effects__weights_stay_within_the_limit), T(test_effects__smoothed_targets_have_their_optimum),
       T(test_effects__the_penalty_on_lines_pulls_to_its_target))
