/* test_ref.c - the reference interpreter against numbers from elsewhere: PyTorch and NumPy in f64 for the arithmetic (as weighted
 * checksums of results, inputs made by the same integer pattern), the op table's own words for integers, NaN, ties and order. */
#include <gantry/philox.h>

#include "ir/build.h"
#include "t.h"

static gantry_attr iv(uint32_t key, uint32_t n, const int64_t *v) { return (gantry_attr){.key = key, .n = n, .v.iv = v}; }
static gantry_attr ii(uint32_t key, int64_t v) { return (gantry_attr){.key = key, .n = 1, .v.i = v}; }
#define L(...) ((int64_t[]){__VA_ARGS__})
#define D(...) ((double[]){__VA_ARGS__})
#define COUNT(...) (sizeof(D(__VA_ARGS__)) / sizeof(double))

/* ((i * a + b) mod 17) / 8 - 1 */
static ir_id pattern(ir_graph *g, uint32_t rank, const int64_t *dims, int a, int b) {
  double v[512];
  int n = 1;
  for (uint32_t k = 0; k < rank; k++) n *= (int)dims[k];
  for (int i = 0; i < n; i++) v[i] = (i * a + b) % 17 / 8.0 - 1;
  return ir_array(g, GANTRY_F64, rank, dims, v);
}

static double *value(ir_graph *g, ir_id id) {
  double *v = NULL;
  err e = {0};
  t_check_msg(id && !ir_eval(g, &id, 1, NULL, NULL, &v, &e), __LINE__, __FILE__, g->err.code ? g->err.msg : e.msg);
  return v;
}

static void checksum(ir_graph *g, ir_id id, int64_t count, double weighted, double sum, double squares, int line) {
  double *v = value(g, id), w = 0, s = 0, q = 0;
  if (!v) return;
  t_near((double)ir_count(g, id), (double)count, 0, line, __FILE__, "elements");
  for (int64_t i = 0; i < ir_count(g, id); i++) {
    w += v[i] * (double)((i * 7 + 3) % 11 - 5);
    s += v[i];
    q += v[i] * v[i];
  }
  t_near(w, weighted, 1e-13, line, __FILE__, "weighted sum");
  t_near(s, sum, 1e-13, line, __FILE__, "sum");
  t_near(q, squares, 1e-13, line, __FILE__, "sum of squares");
  free(v);
}
#define CHECKSUM(id, ...) checksum(g, id, __VA_ARGS__, __LINE__)

static void equals(ir_graph *g, ir_id id, const double *want, size_t n, int line) {
  double *v = value(g, id);
  if (!v) return;
  t_near((double)ir_count(g, id), (double)n, 0, line, __FILE__, "elements");
  for (size_t i = 0; i < n && i < (size_t)ir_count(g, id); i++) t_near(v[i], want[i], 0, line, __FILE__, "element");
  free(v);
}
#define EQUALS(id, ...) equals(g, id, D(__VA_ARGS__), COUNT(__VA_ARGS__), __LINE__)

static void test_ref__convolutions_agree_with_pytorch(void) {
  ir_graph *g = ir_new();
  ir_id x = pattern(g, 4, L(2, 7, 6, 4), 5, 1), w = pattern(g, 4, L(6, 3, 2, 2), 3, 2), c = pattern(g, 4, L(2, 4, 5, 6), 11, 4);
  gantry_attr at[] = {iv(GANTRY_A_STRIDE, 2, L(2, 1)), iv(GANTRY_A_PAD_LO, 2, L(2, 1)), iv(GANTRY_A_PAD_HI, 2, L(1, 0)), iv(GANTRY_A_DILATION, 2, L(1, 2)), ii(GANTRY_A_GROUPS, 2),
                      iv(GANTRY_A_DIMS, 4, L(2, 7, 6, 4))};
  CHECKSUM(ir_op(g, GANTRY_OP_CONV, (ir_id[]){x, w}, 2, at, 5), 240, -56.59375, 0.6875, 194.70849609375);
  CHECKSUM(ir_op(g, GANTRY_OP_CONV_DGRAD, (ir_id[]){c, w}, 2, at, 6), 336, -16.09375, 2.765625, 205.065185546875);
  at[5] = iv(GANTRY_A_DIMS, 4, L(6, 3, 2, 2));
  CHECKSUM(ir_op(g, GANTRY_OP_CONV_WGRAD, (ir_id[]){x, c}, 2, at, 6), 72, -80.1875, 13.09375, 310.8212890625);
  ir_free(g);
}

static void test_ref__sampling_agrees_with_pytorch(void) {
  ir_graph *g = ir_new();
  ir_id x = pattern(g, 4, L(2, 7, 6, 4), 5, 1), grid = ir_add(g, ir_scale(g, pattern(g, 4, L(2, 3, 5, 2), 7, 2), 4), ir_const(g, GANTRY_F64, 2.03));
  CHECKSUM(ir_op(g, GANTRY_OP_GRID_SAMPLE, (ir_id[]){x, grid}, 2, NULL, 0), 120, 13.5951375, -1.2975125, 14.505852021093759);
  /* pads and crops: F.pad(x, (2, -1, -1, 1)), which names the width first */
  gantry_attr at[] = {iv(GANTRY_A_UP, 2, L(2, 3)), iv(GANTRY_A_DOWN, 2, L(3, 2)), iv(GANTRY_A_PAD_LO, 2, L(-1, 2)), iv(GANTRY_A_PAD_HI, 2, L(1, -1)), ii(GANTRY_A_FLIP, 0)};
  ir_id f = pattern(g, 2, L(3, 4), 5, 3);
  CHECKSUM(ir_op(g, GANTRY_OP_FIR, (ir_id[]){x, f}, 2, at, 5), 256, 15.875, -0.84375, 61.80712890625);
  at[4].v.i = 1;
  CHECKSUM(ir_op(g, GANTRY_OP_FIR, (ir_id[]){x, f}, 2, at, 5), 256, 49.859375, 2.375, 56.6357421875);
  ir_free(g);
}

static void test_ref__linear_algebra_agrees_with_pytorch(void) {
  ir_graph *g = ir_new();
  ir_id a = pattern(g, 3, L(2, 3, 4), 5, 1), b = pattern(g, 3, L(2, 4, 5), 3, 2), m = pattern(g, 2, L(4, 4), 5, 1);
  CHECKSUM(ir_matmul(g, a, b, 0, 0), 30, 5.75, -3.078125, 18.694580078125);
  CHECKSUM(ir_matmul(g, ir_permute(g, a, L(0, 2, 1)), ir_permute(g, b, L(0, 2, 1)), 1, 1), 30, 5.75, -3.078125, 18.694580078125);
  gantry_attr axes = iv(GANTRY_A_AXES, 2, L(0, 2)), half = {.key = GANTRY_A_EXPONENT, .n = 1, .v.f = 0.5};
  ir_id x = pattern(g, 4, L(2, 7, 6, 4), 5, 1), psd = ir_matmul(g, m, m, 0, 1);
  CHECKSUM(ir_op(g, GANTRY_OP_VAR, &x, 1, &axes, 1), 28, 1.8641493055555556, 10.42263454861111, 3.8823372758465053);
  CHECKSUM(ir_op(g, GANTRY_OP_PSD_POWER, &psd, 1, &half, 1), 16, 0.018776925289392565, 3.63497440632025, 5.984375);
  double *ev = value(g, ir_1(g, GANTRY_OP_EIGVALSH, psd)), want[] = {0.26008846149752446, 0.7997228647476755, 1.6390667783301411, 3.2854968954246595};
  for (int k = 0; k < 4; k++) T_NEAR(ev[k], want[k], 1e-14);
  free(ev);
  ir_free(g);
}

static void test_ref__psd_power_drops_what_is_numerically_nothing(void) {
  ir_graph *g = ir_new();
  ir_id m = ir_array(g, GANTRY_F64, 2, L(2, 2), D(1, 1, 1, 1)); /* rank one: eigenvalues 0 and 2 */
  gantry_attr inverse = {.key = GANTRY_A_EXPONENT, .n = 1, .v.f = -1};
  double *v = value(g, ir_op(g, GANTRY_OP_PSD_POWER, &m, 1, &inverse, 1));
  for (int k = 0; k < 4; k++) T_NEAR(v[k], 0.25, 1e-14);
  free(v);
  double u[3] = {0.1, 0.2, 0.3}, outer[9]; /* rank one again, but its two small eigenvalues come out as rounding noise */
  for (int k = 0; k < 9; k++) outer[k] = u[k / 3] * u[k % 3];
  m = ir_array(g, GANTRY_F64, 2, L(3, 3), outer);
  v = value(g, ir_op(g, GANTRY_OP_PSD_POWER, &m, 1, &inverse, 1));
  for (int k = 0; k < 9; k++) T_NEAR(v[k], outer[k] / (0.14 * 0.14), 1e-12);
  free(v);
  ir_free(g);
}

static void test_ref__functions_agree_with_pytorch(void) {
  ir_graph *g = ir_new();
  ir_id x = pattern(g, 1, L(8), 5, 1);
#define F(op, arg, ...) CHECKSUM(ir_1(g, GANTRY_OP_##op, arg), 8, __VA_ARGS__)
  F(EXP, x, -8.264351964136049, 9.69798172796031, 16.643084807052084);
  F(EXPM1, x, -12.264351964136047, 1.6979817279603089, 5.247121351131464);
  F(LOG1P, ir_add(g, x, ir_const(g, GANTRY_F64, 1)), -1.623439120492011, 5.034989923223755, 4.087915534218743);
  F(SQRT, ir_add(g, x, ir_const(g, GANTRY_F64, 1)), -0.41009200681077385, 7.397038905205329, 7.875);
  F(RSQRT, ir_add(g, x, ir_const(g, GANTRY_F64, 1.5)), 5.572678922575157, 7.127922276039819, 6.7264957264957275);
  F(TANH, x, -8.037718469412862, -0.16663686752219276, 2.2997582533067353);
  F(SIGMOID, x, -0.24390980372608206, 3.964513692033167, 2.152882577744174);
  F(ERF, x, -8.99755624496258, -0.19376742185527207, 2.8666785088961735);
  F(SIN, x, -8.549246691718352, -0.16195475281558103, 2.6672161652591253);
  F(COS, x, 5.650810475222139, 6.413877174521767, 5.332783834740875);
  F(FLOOR, x, -13, -3, 5);
  CHECKSUM(ir_2(g, GANTRY_OP_ATAN2, x, ir_sub(g, ir_mul(g, x, x), ir_const(g, GANTRY_F64, 0.3))), 8, -25.717517390379182, 0.5774010788192544, 24.690444974642865);
  EQUALS(ir_1(g, GANTRY_OP_LOG, ir_array(g, GANTRY_F64, 1, L(3), D(1, 0, -1))), 0, -INFINITY, NAN);
  EQUALS(ir_pow(g, ir_array(g, GANTRY_F64, 1, L(3), D(4, 9, 0)), -0.5), 0.5, 1.0 / 3, INFINITY);
  ir_free(g);
}

static void test_ref__integers_wrap(void) {
  ir_graph *g = ir_new();
#define INT2(type, op, a, b) ir_2(g, GANTRY_OP_##op, ir_array(g, GANTRY_##type, 1, L(COUNT a), D a), ir_array(g, GANTRY_##type, 1, L(COUNT b), D b))
  EQUALS(INT2(U8, ADD, (250, 1), (10, 2)), 4, 3);
  EQUALS(INT2(I32, MUL, (65536, -3), (65536, 5)), 0, -15);
  EQUALS(INT2(U32, SUB, (0, 7), (1, 2)), 4294967295.0, 5);
  EQUALS(INT2(I32, DIV, (7, -7, 7, -2147483648.0), (2, 2, 0, -1)), 3, -3, 0, -2147483648.0);
  EQUALS(INT2(I32, MOD, (7, -7, 7), (3, 3, 0)), 1, -1, 0);
  EQUALS(INT2(I32, SHR, (-8, 8), (1, 2)), -4, 2);
  EQUALS(INT2(U32, SHR, (4294967288.0, 8), (1, 2)), 2147483644.0, 2);
  EQUALS(INT2(U8, SHL, (200, 1), (1, 7)), 144, 128);
  EQUALS(INT2(U8, XOR, (12, 255), (10, 1)), 6, 254);
  EQUALS(INT2(U8, AND, (12, 255), (10, 1)), 8, 1);
  EQUALS(INT2(U8, OR, (12, 254), (10, 1)), 14, 255);
  EQUALS(ir_1(g, GANTRY_OP_NOT, ir_array(g, GANTRY_U8, 1, L(2), D(0, 200))), 255, 55);
  EQUALS(ir_1(g, GANTRY_OP_NOT, ir_array(g, GANTRY_BOOL, 1, L(2), D(0, 1))), 1, 0);
  EQUALS(ir_sum_all(g, ir_array(g, GANTRY_U8, 1, L(3), D(200, 50, 10))), 4);
  ir_free(g);
}

static void test_ref__casts(void) {
  ir_graph *g = ir_new();
  ir_id x = ir_array(g, GANTRY_F32, 1, L(6), D(-1.7, 2.9, NAN, 1e30, -1e30, 300));
  EQUALS(ir_cast(g, x, GANTRY_I32), -1, 2, 0, 2147483647.0, -2147483648.0, 300);
  EQUALS(ir_cast(g, x, GANTRY_U8), 0, 2, 0, 255, 0, 255);
  EQUALS(ir_cast(g, x, GANTRY_BOOL), 1, 1, 1, 1, 1, 1);
  EQUALS(ir_cast(g, ir_array(g, GANTRY_I32, 1, L(2), D(-1, 257)), GANTRY_U8), 255, 1);
  gantry_attr to = ii(GANTRY_A_DTYPE, GANTRY_U32);
  ir_id y = ir_array(g, GANTRY_F32, 1, L(2), D(1, -2));
  EQUALS(ir_op(g, GANTRY_OP_BITCAST, &y, 1, &to, 1), 0x3f800000, 0xc0000000);
  ir_free(g);
}

static void test_ref__nan_wins(void) {
  ir_graph *g = ir_new();
  ir_id a = ir_array(g, GANTRY_F32, 1, L(3), D(NAN, 1, 2)), b = ir_array(g, GANTRY_F32, 1, L(3), D(1, NAN, 3));
  EQUALS(ir_2(g, GANTRY_OP_MAX, a, b), NAN, NAN, 3);
  EQUALS(ir_2(g, GANTRY_OP_MIN, a, b), NAN, NAN, 2);
  EQUALS(ir_1(g, GANTRY_OP_SIGN, a), NAN, 1, 1);
  EQUALS(ir_cmp(g, GANTRY_CMP_NE, a, a), 1, 0, 0);
  EQUALS(ir_cmp(g, GANTRY_CMP_LE, a, b), 0, 0, 1);
  gantry_attr axes = iv(GANTRY_A_AXES, 1, L(0)), axis = ii(GANTRY_A_AXIS, 0), two = ii(GANTRY_A_K, 2);
  EQUALS(ir_op(g, GANTRY_OP_RMAX, &b, 1, &axes, 1), NAN);
  EQUALS(ir_op(g, GANTRY_OP_ARGMAX, &b, 1, &axis, 1), 1);
  EQUALS(ir_1(g, GANTRY_OP_SORT_INDEX, b), 0, 2, 1);
  EQUALS(ir_op(g, GANTRY_OP_TOPK, &b, 1, &two, 1), 1, 2);
  ir_free(g);
}

static void test_ref__ties_and_order(void) {
  ir_graph *g = ir_new();
  ir_id x = ir_array(g, GANTRY_F32, 2, L(2, 4), D(2, 5, 5, 1, 3, 3, 3, 0));
  gantry_attr one = ii(GANTRY_A_AXIS, 1), zero = ii(GANTRY_A_AXIS, 0), k = ii(GANTRY_A_K, 3);
  EQUALS(ir_op(g, GANTRY_OP_ARGMAX, &x, 1, &one, 1), 1, 0);
  EQUALS(ir_op(g, GANTRY_OP_ARGMAX, &x, 1, &zero, 1), 1, 0, 0, 0);
  EQUALS(ir_op(g, GANTRY_OP_TOPK, &x, 1, &k, 1), 1, 2, 0, 0, 1, 2);
  EQUALS(ir_1(g, GANTRY_OP_SORT_INDEX, x), 3, 0, 1, 2, 3, 0, 1, 2);
  ir_free(g);
}

static void test_ref__movement(void) {
  ir_graph *g = ir_new();
  ir_id x = ir_array(g, GANTRY_F32, 2, L(2, 3), D(1, 2, 3, 4, 5, 6));
  EQUALS(ir_permute(g, x, L(1, 0)), 1, 4, 2, 5, 3, 6);
  gantry_attr axes = iv(GANTRY_A_AXES, 1, L(1)), pad[] = {iv(GANTRY_A_LO, 2, L(1, 0)), iv(GANTRY_A_HI, 2, L(0, 1)), iv(GANTRY_A_INTERIOR, 2, L(0, 1))};
  EQUALS(ir_op(g, GANTRY_OP_REVERSE, &x, 1, &axes, 1), 3, 2, 1, 6, 5, 4);
  EQUALS(ir_op(g, GANTRY_OP_PAD, &x, 1, pad, 3), 0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0);
  gantry_attr cut[] = {iv(GANTRY_A_START, 2, L(0, 0)), iv(GANTRY_A_STOP, 2, L(2, 3)), iv(GANTRY_A_STEP, 2, L(1, 2))};
  EQUALS(ir_op(g, GANTRY_OP_SLICE, &x, 1, cut, 3), 1, 3, 4, 6);
  gantry_attr to[] = {iv(GANTRY_A_DIMS, 3, L(2, 2, 3)), iv(GANTRY_A_AXES, 2, L(0, 2))}, axis = ii(GANTRY_A_AXIS, 1);
  EQUALS(ir_op(g, GANTRY_OP_BROADCAST, &x, 1, to, 2), 1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6);
  EQUALS(ir_op(g, GANTRY_OP_CONCAT, (ir_id[]){x, x}, 2, &axis, 1), 1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6);
  gantry_attr iota[] = {iv(GANTRY_A_DIMS, 2, L(2, 3)), ii(GANTRY_A_AXIS, 1), ii(GANTRY_A_DTYPE, GANTRY_I32)};
  EQUALS(ir_op(g, GANTRY_OP_IOTA, NULL, 0, iota, 3), 0, 1, 2, 0, 1, 2);
  EQUALS(ir_sum(g, x, L(0), 1), 5, 7, 9);
  ir_free(g);
}

static void test_ref__indexing(void) {
  ir_graph *g = ir_new();
  ir_id x = ir_array(g, GANTRY_F32, 2, L(2, 3), D(1, 2, 3, 4, 5, 6)), i = ir_array(g, GANTRY_I32, 2, L(2, 2), D(2, 0, 0, 7)), r = ir_array(g, GANTRY_I32, 1, L(3), D(1, -1, 1));
  gantry_attr along[] = {ii(GANTRY_A_AXIS, 1), ii(GANTRY_A_BATCH, 1)}, rows[] = {ii(GANTRY_A_AXIS, 0), iv(GANTRY_A_DIMS, 2, L(2, 3))};
  EQUALS(ir_op(g, GANTRY_OP_GATHER, (ir_id[]){x, i}, 2, along, 2), 3, 1, 4, 0);
  ir_id y = ir_op(g, GANTRY_OP_GATHER, (ir_id[]){x, r}, 2, rows, 1);
  EQUALS(y, 4, 5, 6, 0, 0, 0, 4, 5, 6);
  EQUALS(ir_op(g, GANTRY_OP_SCATTER_ADD, (ir_id[]){y, r}, 2, rows, 2), 0, 0, 0, 8, 10, 12);
  /* max pooling as PyTorch does it: window 3 x 2, stride 2, padding 1 */
  ir_id image = pattern(g, 4, L(2, 7, 6, 4), 5, 1);
  gantry_attr pool[] = {iv(GANTRY_A_WINDOW, 2, L(3, 2)), iv(GANTRY_A_STRIDE, 2, L(2, 2)), iv(GANTRY_A_PAD_LO, 2, L(1, 1)), iv(GANTRY_A_PAD_HI, 2, L(1, 1))};
  CHECKSUM(ir_op(g, GANTRY_OP_WIN_ARGMAX, &image, 1, pool, 4), 128, 21, 3081, 92481);
  ir_free(g);
}

static void test_ref__random_bits_are_laid_out_by_sample(void) {
  ir_graph *g = ir_new();
  ir_id seed = ir_array(g, GANTRY_U32, 1, L(2), D(0xa4093822u, 0x299f31d0)), invocation = ir_const(g, GANTRY_U32, 9);
  gantry_attr at[] = {iv(GANTRY_A_DIMS, 2, L(3, 6)), ii(GANTRY_A_STREAM, 0x100000005)};
  double *v = value(g, ir_op(g, GANTRY_OP_RANDOM_BITS, (ir_id[]){seed, invocation}, 2, at, 2));
  for (uint32_t n = 0; n < 3; n++)
    for (uint32_t e = 0; e < 6; e++) {
      uint32_t out[4], ctr[4] = {5, 9, n, e / 4}, key[2] = {0xa4093822u, 0x299f31d0};
      gantry_philox4x32(ctr, key, out);
      T_CHECK(v[n * 6 + e] == out[e % 4]);
    }
  free(v);
  ir_free(g);
}

static gantry_status bind_one(void *user, const char *name, uint32_t dtype, int64_t count, double *dst, err *e) {
  (void)user, (void)dtype;
  if (strcmp(name, "x")) return err_set(e, GANTRY_E_INVALID, "there is no \"%s\"", name);
  for (int64_t k = 0; k < count; k++) dst[k] = (double)k;
  return GANTRY_OK;
}

static void test_ref__leaves_are_bound_by_name(void) {
  ir_graph *g = ir_new();
  ir_id x = ir_leaf(g, GANTRY_OP_INPUT, "x", GANTRY_F32, 1, L(3)), y = ir_leaf(g, GANTRY_OP_STATE, "y", GANTRY_F32, 1, L(3));
  err e = {0};
  double *v[3] = {NULL};
  T_CHECK(!ir_eval(g, (ir_id[]){x, ir_scale(g, x, 2), x}, 3, bind_one, NULL, v, &e)); /* one node wanted twice */
  T_CHECK(v[0] != v[2] && v[0][2] == 2 && v[1][2] == 4 && v[2][2] == 2);
  for (int k = 0; k < 3; k++) free(v[k]);
  T_CHECK(ir_eval(g, (ir_id[]){ir_add(g, x, y)}, 1, bind_one, NULL, v, &e) == GANTRY_E_INVALID);
  T_STR(e.msg, "there is no \"y\"");
  ir_free(g);
}

T_MAIN(T(test_ref__convolutions_agree_with_pytorch), T(test_ref__sampling_agrees_with_pytorch), T(test_ref__linear_algebra_agrees_with_pytorch),
       T(test_ref__psd_power_drops_what_is_numerically_nothing), T(test_ref__functions_agree_with_pytorch), T(test_ref__integers_wrap), T(test_ref__casts), T(test_ref__nan_wins),
       T(test_ref__ties_and_order), T(test_ref__movement), T(test_ref__indexing), T(test_ref__random_bits_are_laid_out_by_sample), T(test_ref__leaves_are_bound_by_name))
