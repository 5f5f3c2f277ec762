/* test_gradients.c - every differentiable operation against numeric differences, to third order.
 *
 * The table below is checked against ops.def: an operation that claims a derivative and has no row fails the test. */
#include "ad/ad.h"
#include "check/numeric.h"
#include "ir/build.h"
#include "t.h"

typedef struct spec { /* how a row's operation is called */
  uint32_t op;
  gantry_attr at[8];
  uint32_t n_at, n_in;
} spec;

static ir_id call(ir_graph *g, const ir_id *in, const void *arg) {
  const spec *s = arg;
  return ir_op(g, s->op, in, s->n_in, s->at, s->n_at);
}

static const check_input any = {.dtype = GANTRY_F64, .rank = 2, .dims = {3, 4}, .lo = -1.5, .hi = 1.5};
static const check_input positive = {.dtype = GANTRY_F64, .rank = 2, .dims = {3, 4}, .lo = 0.4, .hi = 2};
static const check_input distinct = {.dtype = GANTRY_F64, .rank = 2, .dims = {3, 4}, .lo = -1.1, .step = 0.17};
static const check_input truth = {.dtype = GANTRY_BOOL, .rank = 2, .dims = {3, 4}, .lo = 0, .hi = 2};
static const check_input image = {.dtype = GANTRY_F64, .rank = 4, .dims = {2, 5, 4, 2}, .lo = -1, .hi = 1};
static const check_input out_image = {.dtype = GANTRY_F64, .rank = 4, .dims = {2, 3, 4, 3}, .lo = -1, .hi = 1};
static const check_input filter = {.dtype = GANTRY_F64, .rank = 4, .dims = {3, 3, 2, 2}, .lo = -1, .hi = 1};
static const check_input taps = {.dtype = GANTRY_F64, .rank = 2, .dims = {3, 2}, .lo = -1, .hi = 1};
/* coordinates k/6 + 1/12 away from whole pixels, some outside the image */
static const check_input grid = {.dtype = GANTRY_F64, .rank = 3, .dims = {2, 3, 2}, .lo = -0.92, .step = 0.35};
static const check_input indices = {.dtype = GANTRY_I32, .rank = 2, .dims = {2, 3}, .lo = -1, .hi = 6};

#define IV(...) ((const int64_t[]){__VA_ARGS__})
#define INTS(k, ...) {.key = GANTRY_A_##k, .n = sizeof(IV(__VA_ARGS__)) / 8, .v.iv = IV(__VA_ARGS__)}
#define INT(k, x) {.key = GANTRY_A_##k, .n = 1, .v.i = (x)}
#define REAL(k, x) {.key = GANTRY_A_##k, .n = 1, .v.f = (x)}
#define ATTRS(...) .at = {__VA_ARGS__}, .n_at = sizeof((gantry_attr[]){__VA_ARGS__}) / sizeof(gantry_attr)
#define CONV_AT INTS(STRIDE, 2, 1), INTS(PAD_LO, 1, 0), INTS(PAD_HI, 1, 2), INTS(DILATION, 1, 2), INT(GROUPS, 1)
#define FIR_AT INTS(UP, 2, 1), INTS(DOWN, 1, 2), INTS(PAD_LO, 1, -1), INTS(PAD_HI, 0, 2), INT(FLIP, 1)

typedef struct row { spec s; const check_input *in[3]; } row;
static const row rows[] = {
  {{GANTRY_OP_NEG, .n_in = 1}, {&any}},
  {{GANTRY_OP_ABS, .n_in = 1}, {&distinct}},
  {{GANTRY_OP_EXP, .n_in = 1}, {&any}},
  {{GANTRY_OP_EXPM1, .n_in = 1}, {&any}},
  {{GANTRY_OP_LOG, .n_in = 1}, {&positive}},
  {{GANTRY_OP_LOG1P, .n_in = 1}, {&positive}},
  {{GANTRY_OP_SQRT, .n_in = 1}, {&positive}},
  {{GANTRY_OP_RSQRT, .n_in = 1}, {&positive}},
  {{GANTRY_OP_SIN, .n_in = 1}, {&any}},
  {{GANTRY_OP_COS, .n_in = 1}, {&any}},
  {{GANTRY_OP_TANH, .n_in = 1}, {&any}},
  {{GANTRY_OP_SIGMOID, .n_in = 1}, {&any}},
  {{GANTRY_OP_ERF, .n_in = 1}, {&any}},
  {{GANTRY_OP_CAST, .n_in = 1, ATTRS(INT(DTYPE, GANTRY_F32))}, {&any}},
  {{GANTRY_OP_POW, .n_in = 1, ATTRS(REAL(EXPONENT, 2.5))}, {&positive}},
  {{GANTRY_OP_POW, .n_in = 1, ATTRS(REAL(EXPONENT, -3))}, {&positive}},
  {{GANTRY_OP_ADD, .n_in = 2}, {&any, &positive}},
  {{GANTRY_OP_SUB, .n_in = 2}, {&any, &positive}},
  {{GANTRY_OP_MUL, .n_in = 2}, {&any, &positive}},
  {{GANTRY_OP_DIV, .n_in = 2}, {&any, &positive}},
  {{GANTRY_OP_MAX, .n_in = 2}, {&any, &distinct}},
  {{GANTRY_OP_MIN, .n_in = 2}, {&any, &distinct}},
  {{GANTRY_OP_ATAN2, .n_in = 2}, {&any, &positive}},
  {{GANTRY_OP_WHERE, .n_in = 3}, {&truth, &any, &any}},
  {{GANTRY_OP_RESHAPE, .n_in = 1, ATTRS(INTS(DIMS, 2, 6))}, {&any}},
  {{GANTRY_OP_PERMUTE, .n_in = 1, ATTRS(INTS(PERM, 2, 0, 3, 1))}, {&image}},
  {{GANTRY_OP_REVERSE, .n_in = 1, ATTRS(INTS(AXES, 0, 2))}, {&image}},
  {{GANTRY_OP_BROADCAST, .n_in = 1, ATTRS(INTS(DIMS, 3, 2, 4), INTS(AXES, 0, 2))}, {&any}},
  {{GANTRY_OP_SLICE, .n_in = 1, ATTRS(INTS(START, 1, 0), INTS(STOP, 3, 4), INTS(STEP, 1, 2))}, {&any}},
  {{GANTRY_OP_PAD, .n_in = 1, ATTRS(INTS(LO, 1, 0), INTS(HI, 0, 2), INTS(INTERIOR, 0, 1))}, {&any}},
  {{GANTRY_OP_CONCAT, .n_in = 2, ATTRS(INT(AXIS, 1))}, {&any, &positive}},
  {{GANTRY_OP_SUM, .n_in = 1, ATTRS(INTS(AXES, 0, 2))}, {&image}},
  {{GANTRY_OP_RMAX, .n_in = 1, ATTRS(INTS(AXES, 1))}, {&distinct}},
  {{GANTRY_OP_VAR, .n_in = 1, ATTRS(INTS(AXES, 0, 2))}, {&image}},
  {{GANTRY_OP_MATMUL, .n_in = 2, ATTRS(INT(TA, 0), INT(TB, 1))}, {&any, &positive}},
  {{GANTRY_OP_MATMUL, .n_in = 2, ATTRS(INT(TA, 1), INT(TB, 0))}, {&any, &positive}},
  {{GANTRY_OP_CONV, .n_in = 2, ATTRS(CONV_AT)}, {&image, &filter}},
  {{GANTRY_OP_CONV_DGRAD, .n_in = 2, ATTRS(INTS(DIMS, 2, 5, 4, 2), CONV_AT)}, {&out_image, &filter}},
  {{GANTRY_OP_CONV_WGRAD, .n_in = 2, ATTRS(INTS(DIMS, 3, 3, 2, 2), CONV_AT)}, {&image, &out_image}},
  {{GANTRY_OP_FIR, .n_in = 2, ATTRS(FIR_AT)}, {&image, &taps}},
  {{GANTRY_OP_FIR_FGRAD, .n_in = 2, ATTRS(INTS(DIMS, 3, 2), FIR_AT)}, {&image, NULL}}, /* the gradient's shape is FIR's, below */
  {{GANTRY_OP_GRID_SAMPLE, .n_in = 2}, {&image, &grid}},
  {{GANTRY_OP_GRID_SAMPLE, .n_in = 2, ATTRS(INT(DMASK, 2))}, {&image, &grid}},
  {{GANTRY_OP_GRID_SPLAT, .n_in = 2, ATTRS(INTS(DIMS, 2, 5, 4, 2))}, {NULL, &grid}},
  {{GANTRY_OP_GRID_SPLAT, .n_in = 2, ATTRS(INTS(DIMS, 2, 5, 4, 2), INT(DMASK, 1))}, {NULL, &grid}},
  {{GANTRY_OP_GATHER, .n_in = 2, ATTRS(INT(AXIS, 1), INT(BATCH, 1))}, {&image, &indices}},
  {{GANTRY_OP_SCATTER_ADD, .n_in = 2, ATTRS(INTS(DIMS, 2, 5, 4, 2), INT(AXIS, 1), INT(BATCH, 1))}, {NULL, &indices}},
  {{GANTRY_OP_RECOMPUTE, .n_in = 1}, {&any}},
};
enum { ROWS = sizeof rows / sizeof *rows };

static const check_input fir_out = {.dtype = GANTRY_F64, .rank = 4, .dims = {2, 9, 2, 2}, .lo = -1, .hi = 1};
static const check_input splat_q = {.dtype = GANTRY_F64, .rank = 3, .dims = {2, 3, 2}, .lo = -1, .hi = 1};
static const check_input scatter_u = {.dtype = GANTRY_F64, .rank = 4, .dims = {2, 3, 4, 2}, .lo = -1, .hi = 1};

static check_case case_of(const row *r, char name[64]) {
  check_case c = {.n = r->s.n_in, .build = call, .arg = &r->s};
  snprintf(name, 64, "%s, row %d", ir_op_get(r->s.op)->name, (int)(r - rows));
  c.name = name;
  for (uint32_t k = 0; k < c.n; k++)
    c.in[k] = r->in[k] ? *r->in[k] : r->s.op == GANTRY_OP_FIR_FGRAD ? fir_out : r->s.op == GANTRY_OP_GRID_SPLAT ? splat_q : scatter_u;
  return c;
}

static void test_gradients__every_operation_has_a_row(void) {
  for (uint32_t op = 1; op < 1000; op++) {
    const ir_op_info *info = ir_op_get(op);
    if (!info) continue;
    int has = 0;
    for (int k = 0; k < ROWS; k++) has |= rows[k].s.op == op;
    char text[120];
    snprintf(text, sizeof text, "%s: derivative %d, row %d, rule %d", info->name, info->diff != IR_NONE, has, ad_rule(op) != NULL);
    t_check_msg((info->diff != IR_NONE) == has && has == (ad_rule(op) != NULL), __LINE__, __FILE__, text);
  }
}

static void check_order(int order, double tol) {
  for (int k = 0; k < ROWS; k++)
    for (uint64_t seed = 1; seed <= 3; seed++) {
      char name[64];
      err e = {0};
      check_case c = case_of(&rows[k], name);
      t_check_msg(!check_gradient(&c, order, seed, tol, &e), __LINE__, __FILE__, e.msg);
    }
}
static void test_gradients__order_1(void) { check_order(1, 1e-7); }
static void test_gradients__order_2(void) { check_order(2, 1e-6); }
static void test_gradients__order_3(void) { check_order(3, 1e-5); }

/* The rules speak only of operations that have rules themselves, or that are constant almost everywhere. */
static void test_gradients__closed(void) {
  for (int k = 0; k < ROWS; k++) {
    char name[64];
    check_case c = case_of(&rows[k], name);
    ir_graph *g = ir_new();
    ir_id xs[3], real[3], d[3];
    uint32_t n = 0;
    for (uint32_t j = 0; j < c.n; j++) {
      snprintf(name, sizeof name, "x%u", j);
      xs[j] = ir_leaf(g, GANTRY_OP_INPUT, name, c.in[j].dtype, c.in[j].rank, c.in[j].dims);
      if (ir_is_float(c.in[j].dtype)) real[n++] = xs[j];
    }
    ir_id y = call(g, xs, &rows[k].s);
    uint32_t before = g->nodes.n;
    T_CHECK(y && !ad_grad(g, y, 0, real, n, d));
    for (ir_id id = before; id < g->nodes.n; id++) {
      uint32_t op = ir_at(g, id)->op;
      int fine = ad_rule(op) || op == GANTRY_OP_CONST || op == GANTRY_OP_SIGN || op == GANTRY_OP_CMP;
      t_check_msg(fine, __LINE__, __FILE__, ir_op_get(op)->name);
    }
    ir_free(g);
  }
}

T_MAIN(T(test_gradients__every_operation_has_a_row), T(test_gradients__order_1), T(test_gradients__order_2), T(test_gradients__order_3), T(test_gradients__closed))
