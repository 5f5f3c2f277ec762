/* test_random_graph.c - gradients of whole random graphs against differences: what single rules cannot show, sums of cotangents over
 * several users, broadcasting, views of views, integers in between. Also that the generator covers the operations it claims. */
#include "check/random_graph.h"

#include "check/numeric.h"
#include "base/hash.h"
#include "ir/build.h"
#include "t.h"

enum { LEAVES = 64, OUTPUTS = 8 };
typedef struct moved { check_values values; double h; } moved;

static double direction(const char *name, int64_t k) { return 2 * check_uniform(hash_str(name, 77), (uint64_t)k) - 1; }

static gantry_status bind(void *user, const char *name, uint32_t dtype, int64_t count, double *dst, err *e) {
  moved *m = user;
  TRY(check_bind(&m->values, name, dtype, count, dst, e));
  for (int64_t k = 0; k < count && ir_is_float(dtype); k++) dst[k] += m->h * direction(name, k);
  return GANTRY_OK;
}

/* The sum of the means of all outputs: what CHECK_GRADIENT differentiates. */
static double total(const ir_graph *g, moved *m, double h) {
  double sum = 0, *v[OUTPUTS] = {NULL};
  ir_id want[OUTPUTS];
  uint32_t n = 0;
  err e = {0};
  for (uint32_t k = 0; k < g->roots.n && n < OUTPUTS; k++)
    if (!strncmp(ir_name(g, g->roots.p[k].name), "out", 3)) want[n++] = g->roots.p[k].id;
  m->h = h;
  T_CHECK(n > 0 && !ir_eval(g, want, n, bind, m, v, &e));
  for (uint32_t k = 0; k < n; k++) {
    for (int64_t j = 0; v[k] && j < ir_count(g, want[k]); j++) sum += v[k][j] / (double)ir_count(g, want[k]);
    free(v[k]);
  }
  return sum;
}

/* <grad, direction> as the graph says. */
static double slope(const ir_graph *g, moved *m) {
  double sum = 0, *v[LEAVES] = {NULL};
  ir_id want[LEAVES], leaf[LEAVES];
  uint32_t n = 0, leaves = 0;
  err e = {0};
  for (uint32_t k = 0; k < g->roots.n; k++)
    if (!strncmp(ir_name(g, g->roots.p[k].name), "grad", 4)) want[n++] = g->roots.p[k].id;
  for (ir_id id = 1; id < g->nodes.n && leaves < n; id++)
    if (ir_is_float(ir_at(g, id)->dtype) && (ir_at(g, id)->op == GANTRY_OP_INPUT || ir_at(g, id)->op == GANTRY_OP_STATE)) leaf[leaves++] = id;
  m->h = 0;
  T_CHECK(n > 0 && n == leaves && !ir_eval(g, want, n, bind, m, v, &e));
  for (uint32_t k = 0; k < n; k++) {
    const char *name = ir_name(g, (uint32_t)ir_attr_i(g, leaf[k], GANTRY_A_NAME, 0));
    for (int64_t j = 0; v[k] && j < ir_count(g, leaf[k]); j++) sum += v[k][j] * direction(name, j);
    free(v[k]);
  }
  return sum;
}

static void test_random_graph__gradients_agree_with_differences(void) {
  check_random o = {GANTRY_F64, 25, CHECK_ALL | CHECK_GRADIENT};
  const double h = 1e-6;
  for (uint64_t seed = 1; seed <= 200; seed++) {
    err e = {0};
    moved m = {.values = {seed, 0}};
    ir_graph *g = check_random_graph(seed, &o, &e);
    T_CHECK(g != NULL);
    if (!g) continue;
    double numeric = (total(g, &m, h) - total(g, &m, -h)) / (2 * h), exact = slope(g, &m);
    char text[100];
    snprintf(text, sizeof text, "seed %llu: differences %.9g, graph %.9g", (unsigned long long)seed, numeric, exact);
    t_check_msg(fabs(numeric - exact) <= 1e-5 * fmax(1, fabs(exact)), __LINE__, __FILE__, text);
    ir_free(g);
  }
}

static void test_random_graph__covers_the_operations(void) {
  uint8_t seen[200] = {0};
  for (uint64_t seed = 1; seed <= 60; seed++) {
    check_random o = {GANTRY_F32, 80, CHECK_ALL | CHECK_GRADIENT};
    err e = {0};
    ir_graph *g = check_random_graph(seed, &o, &e);
    T_CHECK(g != NULL);
    for (ir_id id = 1; g && id < g->nodes.n; id++) seen[ir_at(g, id)->op] = 1;
    ir_free(g);
  }
  /* what a random graph has no use for: metrics' linear algebra, bits, pooling, control */
  static const uint32_t never[] = {GANTRY_OP_BITCAST, GANTRY_OP_NOT, GANTRY_OP_EXPM1, GANTRY_OP_STOP_GRAD, GANTRY_OP_RECOMPUTE, GANTRY_OP_WIN_ARGMAX, GANTRY_OP_PSD_POWER, GANTRY_OP_EIGVALSH};
  for (uint32_t op = 1; op < 200; op++) {
    int expected = ir_op_get(op) != NULL;
    for (size_t k = 0; k < sizeof never / sizeof *never; k++) expected = expected && op != never[k];
    if (expected) t_check_msg(seen[op], __LINE__, __FILE__, ir_op_get(op)->name);
  }
}

static void test_random_graph__families_are_kept_to(void) {
  for (uint64_t seed = 1; seed <= 30; seed++) {
    check_random o = {GANTRY_F32, 40, CHECK_MAP | CHECK_EXACT};
    err e = {0};
    ir_graph *g = check_random_graph(seed, &o, &e);
    T_CHECK(g != NULL);
    uint8_t *live = g ? ir_live(g) : NULL;
    for (ir_id id = 1; g && id < g->nodes.n; id++) {
      uint32_t op = ir_at(g, id)->op;
      if (live[id]) T_CHECK(op != GANTRY_OP_EXP && op != GANTRY_OP_TANH && op != GANTRY_OP_SUM && op != GANTRY_OP_MATMUL && op != GANTRY_OP_CONV && ir_at(g, id)->dtype != GANTRY_F64);
    }
    free(live);
    ir_free(g);
  }
}

T_MAIN(T(test_random_graph__gradients_agree_with_differences), T(test_random_graph__covers_the_operations), T(test_random_graph__families_are_kept_to))
