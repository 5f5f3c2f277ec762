/* test_dirac.c - growth and decay rates of the Dirac-GAN against the closed forms of Mescheder et al. 2018, to four digits and better.
 *
 * Near the equilibrium (theta, psi) = (0, 0) an update is a linear map M with trace T and determinant D. With learning rate h, slope f of the loss at 0 and R1
 * of weight gamma:
 *   simultaneous  M = [1, h f; -h f, 1 - h gamma]: eigenvalues 1 + h lambda, lambda = -gamma/2 +- sqrt(gamma^2/4 - f^2)
 *   alternating   D first, G sees the new psi: T = 2 - h gamma - h^2 f^2, D = 1 - h gamma
 * The map of n updates is read off three states n updates apart; the rate is the n-th root of the modulus of its largest eigenvalue. */
#include "run.h"

static int place_at(test_run *t, float theta, float psi) {
  float a[2] = {theta, theta}, b[2] = {psi, psi};
  return !exec_write(t->r->session, "g/theta", a, 8, &t->e) && !exec_write(t->r->session, "d/psi", b, 8, &t->e);
}

/* The largest modulus of an eigenvalue per update, from whole runs. */
static double rate(const char *loss, double gamma, const char *updates) {
  enum { APART = 20 };
  test_run t;
  char base[2048];
  double x[3][2] = {{0}};
  snprintf(base, sizeof base,
           "{\"data\": {\"name\": \"gaussians\", \"modes\": 1, \"radius\": 0, \"sigma\": 0, \"count\": 64}, \"g\": {\"arch\": {\"name\": \"dirac\"}, \"optim\": {\"name\": \"sgd\", \"lr\": 0.1}}, \"d\": {\"arch\": {\"name\": \"dirac\"}, \"optim\": {\"name\": \"sgd\", \"lr\": 0.1}}, "
           "\"loss\": {\"name\": \"%s\"}, \"regularizers\": {\"r1\": {\"name\": \"r1\", \"on\": %s, \"gamma\": %g}}, \"train\": {\"batch\": 4, \"updates\": \"%s\", \"length\": {\"steps\": 100}}}", loss, gamma > 0 ? "true" : "false", gamma, updates);
  if (test_run_open(&t, base, 1, 0, 1) && place_at(&t, 1e-3f, 2e-4f))
    for (int k = 0; k < 3; k++) {
      T_CHECK(!train_steps(t.r, k * APART, APART, &t.e));
      x[k][0] = test_run_value(&t, "g/theta", 0);
      x[k][1] = test_run_value(&t, "d/psi", 0);
    }
  T_CHECK(!t.e.code);
  test_run_close(&t);
  /* x2 = T x1 - D x0 */
  double det = x[1][0] * x[0][1] - x[1][1] * x[0][0], trace = (x[2][0] * x[0][1] - x[2][1] * x[0][0]) / det, d = (x[2][0] * x[1][1] - x[2][1] * x[1][0]) / det;
  double inside = trace * trace - 4 * d, largest = inside > 1e-6 * trace * trace ? (fabs(trace) + sqrt(inside)) / 2 : sqrt(fabs(d));
  return pow(largest, 1.0 / APART);
}

static double closed_form(double f, double gamma, int alternating) {
  double h = 0.1, trace = 2 - h * gamma - (alternating ? h * h * f * f : 0), d = 1 - h * gamma + (alternating ? 0 : h * h * f * f), inside = trace * trace - 4 * d;
  return inside > 0 ? (trace + sqrt(inside)) / 2 : sqrt(d);
}

static void test_dirac__simultaneous_rates(void) {
  static const double gammas[6] = {0, 0.1, 0.3, 0.5, 1, 2}, known[6] = {1.00125, 0.99624, 0.98615, 0.97596, 0.95, 0.9866};
  for (int k = 0; k < 6; k++) {
    double r = rate("nonsaturating", gammas[k], "simultaneous");
    T_NEAR(r, closed_form(0.5, gammas[k], 0), gammas[k] == 1 ? 2e-4 : 2e-5); /* critically damped: two equal eigenvalues, the root of a difference that is 0 */
    T_NEAR(closed_form(0.5, gammas[k], 0), known[k], 1e-5);
  }
}
static void test_dirac__alternating_rates(void) {
  static const double gammas[3] = {0, 0.3, 2};
  for (int k = 0; k < 3; k++) T_NEAR(rate("nonsaturating", gammas[k], "alternating"), closed_form(0.5, gammas[k], 1), 2e-5);
}
static void test_dirac__rates_of_other_losses(void) {
  static const char *const losses[4] = {"minimax", "relativistic", "wasserstein", "hinge"};
  static const double slopes[4] = {0.5, 0.5, 1, 1};
  for (int k = 0; k < 4; k++) {
    T_NEAR(rate(losses[k], 0, "simultaneous"), closed_form(slopes[k], 0, 0), 2e-5); /* grows: nothing damps */
    T_NEAR(rate(losses[k], 0.5, "simultaneous"), closed_form(slopes[k], 0.5, 0), 2e-5);
  }
}

T_MAIN(T(test_dirac__simultaneous_rates), T(test_dirac__alternating_rates), T(test_dirac__rates_of_other_losses))
