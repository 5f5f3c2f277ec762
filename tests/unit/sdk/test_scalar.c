/* test_scalar.c - the scalar maths of the SDK against libm over dense ranges: units in the last place for float, relative error for
 * double, and the special values. */
#include <gantry/scalar.h>

#include "t.h"

static double ulp32(double exact, float got) {
  if (isnan(exact)) return isnan(got) ? 0 : 1e9;
  float want = (float)exact;
  if (isinf(want) || isinf(got)) return want == got ? 0 : 1e9;
  double unit = fabs(want) < 1.17549435e-38 ? 1.40129846e-45 : (double)(nextafterf(fabsf(want), INFINITY) - fabsf(want));
  return fabs((double)got - exact) / unit;
}

typedef struct row { const char *name; float (*f)(float); double (*d)(double); double (*exact)(double); double lo, hi, ulp, rel; } row;
static float pow_third(float x) { return gk_pow(x, 0.3); }
static double pow_thirdd(double x) { return gk_powd(x, 0.3); }
static double exact_third(double x) { return pow(x, 0.3); }
static float pow_m25(float x) { return gk_pow(x, -2.5); }
static double pow_m25d(double x) { return gk_powd(x, -2.5); }
static double exact_m25(double x) { return pow(x, -2.5); }
static double exact_sigmoid(double x) { return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)); }
#define F(n) static float f_##n(float x) { return gk_##n(x); } static double d_##n(double x) { return gk_##n##d(x); }
F(exp) F(expm1) F(log) F(log1p) F(sin) F(cos) F(tanh) F(sigmoid) F(erf)

static const row rows[] = {
  {"exp", f_exp, d_exp, exp, -104, 89, 2, 1e-15}, {"exp", f_exp, d_exp, exp, -1, 1, 2, 1e-15},
  {"expm1", f_expm1, d_expm1, expm1, -30, 89, 4, 1e-15}, {"expm1", f_expm1, d_expm1, expm1, -1e-3, 1e-3, 4, 1e-15}, {"expm1", f_expm1, d_expm1, expm1, -1, 1, 4, 1e-15},
  {"log", f_log, d_log, log, 1e-3, 10, 2, 1e-15}, {"log", f_log, d_log, log, 0.9, 1.1, 2, 1e-15}, {"log", f_log, d_log, log, 1, 1e38, 2, 1e-15}, {"log", f_log, d_log, log, 1e-45, 1e-37, 2, 1e-15},
  {"log1p", f_log1p, d_log1p, log1p, -0.999, 10, 4, 1e-15}, {"log1p", f_log1p, d_log1p, log1p, -1e-3, 1e-3, 4, 1e-15}, {"log1p", f_log1p, d_log1p, log1p, 0, 1e30, 4, 1e-15},
  {"sin", f_sin, d_sin, sin, -10, 10, 2, 1e-15}, {"sin", f_sin, d_sin, sin, -1e5, 1e5, 2, 2e-15}, {"cos", f_cos, d_cos, cos, -10, 10, 2, 1e-15}, {"cos", f_cos, d_cos, cos, -1e5, 1e5, 2, 2e-15},
  {"tanh", f_tanh, d_tanh, tanh, -20, 20, 4, 1e-15}, {"tanh", f_tanh, d_tanh, tanh, -0.1, 0.1, 4, 1e-15},
  {"sigmoid", f_sigmoid, d_sigmoid, exact_sigmoid, -100, 100, 4, 1e-15}, {"erf", f_erf, d_erf, erf, -6, 6, 4, 1e-15}, {"erf", f_erf, d_erf, erf, -1e-3, 1e-3, 4, 1e-15}, {"erf", f_erf, d_erf, erf, -1.2, 1.2, 4, 1e-15},
  {"pow 0.3", pow_third, pow_thirdd, exact_third, 0, 100, 1, 3e-15}, {"pow -2.5", pow_m25, pow_m25d, exact_m25, 1e-3, 100, 4, 1e-15},
};

static void test_scalar__close_to_libm(void) {
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const row *r = &rows[i];
    double worst = 0, worst_d = 0, at = 0, at_d = 0;
    for (int k = 0; k <= 50000; k++) {
      double x = r->lo + (r->hi - r->lo) * (k + 0.37 * (k % 3)) / 50001;
      double u = ulp32(r->exact((double)(float)x), r->f((float)x));
      if (!(u <= worst)) worst = u, at = (double)(float)x;
      double e = r->exact(x), d = r->d(x), m = fabs(d - e) / fmax(fabs(e), 1e-300);
      if (!strcmp(r->name, "sin") || !strcmp(r->name, "cos")) m = fabs(d - e);
      if (!(m <= worst_d)) worst_d = m, at_d = x;
    }
    char s[200];
    snprintf(s, sizeof s, "%s on [%g, %g]: float %.2f ulp at %.9g", r->name, r->lo, r->hi, worst, at);
    t_check_msg(worst <= r->ulp, __LINE__, __FILE__, s);
    snprintf(s, sizeof s, "%s on [%g, %g]: double %.2e at %.17g", r->name, r->lo, r->hi, worst_d, at_d);
    t_check_msg(worst_d <= r->rel, __LINE__, __FILE__, s);
  }
}

static void test_scalar__atan2(void) {
  double worst = 0, worst_d = 0;
  for (int i = -300; i <= 300; i++)
    for (int j = -300; j <= 300; j++) {
      double y = i * 0.013, x = j * 0.017;
      worst = fmax(worst, ulp32(atan2((float)y, (float)x), gk_atan2((float)y, (float)x)));
      worst_d = fmax(worst_d, fabs(gk_atan2d(y, x) - atan2(y, x)));
    }
  T_CHECK(worst <= 4);
  T_CHECK(worst_d <= 1e-15);
  const float s[] = {0.f, -0.f, 1, -1, INFINITY, -INFINITY, 1e-30f, -3e38f, 3e38f};
  for (size_t i = 0; i < 9; i++)
    for (size_t j = 0; j < 9; j++) {
      float got = gk_atan2(s[i], s[j]), want = atan2f(s[i], s[j]);
      T_NEAR(got, want, 5e-7);
      T_CHECK(signbit(got) == signbit(want));
      T_NEAR(gk_atan2d((double)s[i], (double)s[j]), atan2((double)s[i], (double)s[j]), 1e-15);
    }
  T_CHECK(isnan(gk_atan2(NAN, 1)) && isnan(gk_atan2(1, NAN)) && isnan(gk_atan2d(NAN, INFINITY)));
}

static void test_scalar__special_values(void) {
  const double inf = INFINITY;
  T_CHECK(gk_exp(INFINITY) == INFINITY && gk_exp(-INFINITY) == 0 && gk_exp(89.5f) == INFINITY && gk_exp(0) == 1 && isnan(gk_exp(NAN)));
  T_CHECK(gk_expd(inf) == inf && gk_expd(-inf) == 0 && gk_expd(710) == inf && gk_expd(0) == 1 && isnan(gk_expd(NAN)));
  T_CHECK(gk_exp(-100) > 0 && gk_exp(-100) < 1e-43f && gk_expd(-740) > 0 && gk_exp(-200) == 0 && gk_expd(-800) == 0);
  T_CHECK(gk_expm1(-INFINITY) == -1 && gk_expm1(INFINITY) == INFINITY && isnan(gk_expm1(NAN)) && gk_expm1d(-inf) == -1 && gk_expm1d(inf) == inf && isnan(gk_expm1d(NAN)));
  T_CHECK(gk_log(0) == -INFINITY && isnan(gk_log(-1)) && gk_log(INFINITY) == INFINITY && isnan(gk_log(NAN)) && gk_log(1) == 0 && isnan(gk_log(-INFINITY)));
  T_CHECK(gk_logd(0) == -inf && isnan(gk_logd(-1)) && gk_logd(inf) == inf && isnan(gk_logd(NAN)) && gk_logd(1) == 0);
  T_NEAR(gk_logd(5e-324), log(5e-324), 1e-15);
  T_CHECK(gk_log1p(-1) == -INFINITY && isnan(gk_log1p(-2)) && gk_log1p(INFINITY) == INFINITY && isnan(gk_log1p(NAN)) && gk_log1p(1e-20f) == 1e-20f);
  T_CHECK(gk_log1pd(-1) == -inf && isnan(gk_log1pd(-2)) && gk_log1pd(inf) == inf && gk_log1pd(1e-300) == 1e-300);
  T_CHECK(isnan(gk_sin(INFINITY)) && isnan(gk_cos(NAN)) && isnan(gk_sind(inf)) && isnan(gk_sin(2e9f)) && isnan(gk_cosd(1e7)) && gk_cos(0) == 1 && gk_sin(0) == 0);
  T_CHECK(gk_tanh(INFINITY) == 1 && gk_tanh(-INFINITY) == -1 && isnan(gk_tanh(NAN)) && gk_tanh(50) == 1 && signbit(gk_tanh(-0.f)) && gk_tanhd(-inf) == -1 && isnan(gk_tanhd(NAN)));
  T_CHECK(gk_sigmoid(INFINITY) == 1 && gk_sigmoid(-INFINITY) == 0 && isnan(gk_sigmoid(NAN)) && gk_sigmoid(0) == 0.5f && gk_sigmoidd(-inf) == 0 && isnan(gk_sigmoidd(NAN)));
  T_CHECK(gk_erf(INFINITY) == 1 && gk_erf(-9) == -1 && isnan(gk_erf(NAN)) && gk_erfd(inf) == 1 && isnan(gk_erfd(NAN)));
  T_CHECK(isnan(gk_max(NAN, 1)) && isnan(gk_max(1, NAN)) && isnan(gk_min(NAN, 1)) && isnan(gk_min(1, NAN)) && gk_max(1, 2) == 2 && gk_min(1, 2) == 1);
  T_CHECK(isnan(gk_maxd(NAN, 1)) && isnan(gk_mind(1, NAN)) && gk_maxd(-1, -2) == -1 && gk_sign(-3) == -1 && isnan(gk_sign(NAN)) && gk_signd(0) == 0);
  T_CHECK(gk_pow(3, 2) == 9 && gk_pow(-2, 3) == -8 && gk_pow(4, 0.5) == 2 && gk_pow(4, -0.5) == 0.5f && gk_pow(2, -2) == 0.25f && gk_pow(0, -1) == INFINITY && gk_pow(NAN, 0) == 1);
  T_CHECK(isnan(gk_pow(-2, 0.3)) && gk_pow(0, 0.3) == 0 && gk_pow(0, -0.3) == INFINITY && fabs(gk_powd(-2, 17) + 131072) < 1e-8 && gk_powd(2, 16) == 65536 && isnan(gk_pow(NAN, 2)) && isnan(gk_powd(NAN, 0.3)));
  static const double halves[] = {0.5, 1.5, 2.5, -0.5, -2.5}, ends[] = {-HUGE_VAL, HUGE_VAL, -0.0, 0, -1, 1};
  for (size_t k = 0; k < sizeof halves / sizeof *halves; k++)
    for (size_t j = 0; j < sizeof ends / sizeof *ends; j++) {
      double a = gk_powd(ends[j], halves[k]), b = pow(ends[j], halves[k]);
      float c = gk_pow((float)ends[j], halves[k]);
      T_CHECK((isnan(a) && isnan(b) && isnan(c)) || (a == b && (double)c == b && signbit(a) == signbit(b) && signbit(c) == signbit((float)b)));
    }
}

static void test_scalar__bf16_rounds_to_even(void) {
  T_CHECK(gk_round_bf16(1.00390625f) == 1.f);          /* halfway, even below */
  T_CHECK(gk_round_bf16(1.01171875f) == 1.015625f);    /* halfway, even above */
  T_CHECK(gk_round_bf16(1.004f) == 1.0078125f && gk_round_bf16(3.4e38f) == INFINITY && isnan(gk_round_bf16(NAN)));
  for (unsigned k = 0; k < 65536; k++) {
    float f = gk_from_bf16((unsigned short)k);
    if (f == f) T_CHECK(gk_to_bf16(f) == k && gk_round_bf16(f) == f);
    else T_CHECK(isnan(gk_from_bf16(gk_to_bf16(f))));
  }
}
static void test_scalar__round_is_to_even(void) {
  for (int k = -4000; k <= 4000; k++) {
    float x = (float)k / 8;
    T_CHECK(gk_round(x) == nearbyintf(x) && gk_roundd((double)x) == nearbyint((double)x));
  }
  T_CHECK(isnan(gk_round(NAN)) && gk_round(INFINITY) == INFINITY && gk_round(16777215.f) == 16777215.f && gk_roundd(-1e300) == -1e300);
}

T_MAIN(T(test_scalar__round_is_to_even), T(test_scalar__close_to_libm), T(test_scalar__atan2), T(test_scalar__special_values), T(test_scalar__bf16_rounds_to_even))
