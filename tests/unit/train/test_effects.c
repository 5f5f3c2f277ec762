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
  /* lazily: a program of its own after every second update, with twice the weight and 2/3 of the rate */
  double psi = psi0 - h * plain_gradient();
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

T_MAIN(T(test_effects__r2_damps_at_the_fakes), T(test_effects__dragan_pulls_the_norm_to_its_target), T(test_effects__gradients_are_clipped), T(test_effects__targets_are_flipped), T(test_effects__noise_reaches_d))
