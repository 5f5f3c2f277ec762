/* t.h - CUnit with one line per test on standard output, for tests/run.sh:  "ok NAME SECONDS" | "not ok NAME: why" | "skip NAME: why".
 *
 *   static void test_ir__folds(void) { T_CHECK(x == 3); T_NEAR(a, b, 1e-6); }
 *   T_MAIN(T(test_ir__folds), ...)
 * A test is one function. T_SKIP gives its reason. Run one by naming it: build/release/tests/ir/test_ir test_ir__folds */
#ifndef T_H
#define T_H
#include <CUnit/CUnit.h>
#include <CUnit/TestRun.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *t_skipped __attribute__((unused));
#define T_CHECK(x) CU_assertImplementation((x) ? CU_TRUE : CU_FALSE, __LINE__, #x, __FILE__, "", CU_FALSE)
static inline void t_check_msg(int ok, int line, const char *file, const char *text) { CU_assertImplementation(ok ? CU_TRUE : CU_FALSE, (unsigned)line, text, file, "", CU_FALSE); }
/* |a - b| <= tol * max(1, |a|, |b|); prints both on failure */
static inline void t_near(double a, double b, double tol, int line, const char *file, const char *text) {
  double m = fmax(1, fmax(fabs(a), fabs(b)));
  char s[256];
  snprintf(s, sizeof s, "%s: %.9g against %.9g", text, a, b);
  t_check_msg((isnan(a) && isnan(b)) || a == b || fabs(a - b) <= tol * m, line, file, s);
}
#define T_NEAR(a, b, tol) t_near((a), (b), (tol), __LINE__, __FILE__, #a " ~ " #b)
static inline void t_str(const char *a, const char *b, int line, const char *file) {
  char s[2048];
  snprintf(s, sizeof s, "\"%s\" is not \"%s\"", a ? a : "(null)", b ? b : "(null)");
  t_check_msg(a && b && !strcmp(a, b), line, file, s);
}
#define T_STR(a, b) t_str((a), (b), __LINE__, __FILE__)
static inline void t_has(const char *a, const char *b, int line, const char *file) {
  char s[2048];
  snprintf(s, sizeof s, "\"%s\" does not contain \"%s\"", a ? a : "(null)", b);
  t_check_msg(a && strstr(a, b), line, file, s);
}
#define T_HAS(a, b) t_has((a), (b), __LINE__, __FILE__)
#define T_SKIP(why)    \
  do {                 \
    t_skipped = (why); \
    return;            \
  } while (0)

typedef struct t_case { const char *name; void (*fn)(void); } t_case;
#define T(f) {#f, f}
static inline int t_run(int argc, char **argv, const t_case *cases, size_t n) {
  int bad = 0;
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (size_t i = 0; i < n; i++) {
    if (argc > 1 && strcmp(argv[1], cases[i].name)) continue;
    t_skipped = NULL;
    if (CU_initialize_registry()) return 2;
    CU_pSuite s = CU_add_suite("s", NULL, NULL);
    CU_add_test(s, cases[i].name, cases[i].fn);
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    CU_run_all_tests();
    clock_gettime(CLOCK_MONOTONIC, &b);
    double sec = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) * 1e-9;
    CU_pFailureRecord f = CU_get_failure_list();
    if (f) {
      bad = 1;
      printf("not ok %s: %s:%u: %s (%u failed)\n", cases[i].name, f->strFileName, f->uiLineNumber, f->strCondition, CU_get_number_of_failures());
    } else if (t_skipped)
      printf("skip %s: %s\n", cases[i].name, t_skipped);
    else
      printf("ok %s %.2f\n", cases[i].name, sec);
    CU_cleanup_registry();
  }
  return bad;
}
#define T_MAIN(...)                                                \
  int main(int argc, char **argv) {                                \
    static const t_case t_cases[] = {__VA_ARGS__};                 \
    return t_run(argc, argv, t_cases, sizeof t_cases / sizeof *t_cases); \
  }
#endif
