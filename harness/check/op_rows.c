/* op_rows.c - see op_rows.h. Every operation of ops.def but those of the host alone has a row; a unit test holds the table to that. */
#include "check/op_rows.h"

#define EPS32 5.97e-8  /* half a unit in the last place of f32 */
#define EPS64 1.12e-16
#define EPS16 3.92e-3  /* of bf16, which has 8 significant bits */

static const op_tolerance
  exact = {0, 0, 0, "moves, compares, selects or computes in integers: nothing is rounded"},
  rounded = {EPS32, EPS64, EPS16, "one operation of IEEE arithmetic, rounded once"},
  expansion = {8 * EPS32, 8 * EPS64, 1.5 * EPS16, "fixed expansions of gantry/scalar.h: within four units in the last place"},
  tree = {16 * EPS32, 64 * EPS64, 2 * EPS16, "a sum of up to 100 terms in any fixed tree: log2(n) roundings, plus cancellation in VAR"},
  product = {128 * EPS32, 256 * EPS64, 4 * EPS16, "sums of up to 72 products; transformed algorithms (Winograd, Strassen) lose a few digits more"},
  sampling = {256 * EPS32, 256 * EPS64, 8 * EPS16, "weights are differences of coordinates in pixels, which cancel"},
  spectrum = {0, 1e-10, 0, "iterative eigenvalues, against Jacobi rotations"};

#define BIT(t) (1u << GANTRY_##t)
enum { FLOATS = BIT(F32) | BIT(F64) | BIT(BF16), WIDE = BIT(F32) | BIT(F64), INTS = BIT(I32) | BIT(I64) | BIT(U32) | BIT(U8), SIGNED = BIT(I32) | BIT(I64), LOGIC = INTS | BIT(BOOL) };

/* 3 x 35: a length that leaves a remainder in every vector width */
static const op_input any = {0, 2, {3, 35}, -2, 2}, positive = {0, 2, {3, 35}, 0.3, 2.5}, more = {0, 2, {3, 35}, 0.4, 3}, truth = {GANTRY_BOOL, 2, {3, 35}, 0, 2};
static const op_input whole = {0, 2, {3, 35}, 0, 13}, divisor = {0, 2, {3, 35}, 0, 5}, places = {0, 2, {3, 35}, 0, 7}, negative = {0, 2, {3, 35}, -6, 7};
static const op_input wide = {0, 2, {5, 100}, -1, 1}, cube = {0, 3, {4, 5, 6}, -1, 1};
static const op_input image = {0, 4, {2, 6, 5, 4}, -1, 1}, filter = {0, 4, {8, 3, 3, 4}, -1, 1}, answer = {0, 4, {2, 3, 5, 8}, -1, 1}, grouped = {0, 4, {8, 3, 3, 2}, -1, 1};
static const op_input same = {0, 4, {2, 6, 5, 8}, -1, 1};
static const op_input left = {0, 3, {2, 7, 9}, -1, 1}, right = {0, 3, {2, 9, 5}, -1, 1}, left_t = {0, 3, {2, 9, 7}, -1, 1}, right_t = {0, 3, {2, 5, 9}, -1, 1};
static const op_input taps = {0, 2, {3, 2}, -1, 1}, fir_answer = {0, 4, {2, 11, 3, 4}, -1, 1};
static const op_input grid = {0, 3, {2, 7, 2}, -1, 6}, sampled = {0, 3, {2, 7, 4}, -1, 1};
static const op_input rows_of = {GANTRY_I32, 2, {2, 3}, -1, 7}, gathered = {0, 4, {2, 3, 5, 4}, -1, 1}, long_index = {GANTRY_I64, 1, {4}, 0, 3};
static const op_input seed = {GANTRY_U32, 1, {2}, 0, 1e9}, invocation = {GANTRY_U32, 0, {0}, 0, 9};
static const op_input square = {0, 2, {6, 6}, -1, 1};

#define IV(...) ((const int64_t[]){__VA_ARGS__})
#define INTEGERS(k, ...) {.key = GANTRY_A_##k, .n = sizeof(IV(__VA_ARGS__)) / 8, .v.iv = IV(__VA_ARGS__)}
#define INTEGER(k, x) {.key = GANTRY_A_##k, .n = 1, .v.i = (x)}
#define REAL(k, x) {.key = GANTRY_A_##k, .n = 1, .v.f = (x)}
#define AT(...) .at = {__VA_ARGS__}, .n_at = sizeof((gantry_attr[]){__VA_ARGS__}) / sizeof(gantry_attr)
#define CONV_AT INTEGERS(STRIDE, 2, 1), INTEGERS(PAD_LO, 1, 1), INTEGERS(PAD_HI, 1, 1), INTEGERS(DILATION, 1, 1)
#define SAME_AT INTEGERS(STRIDE, 1, 1), INTEGERS(PAD_LO, 1, 1), INTEGERS(PAD_HI, 1, 1), INTEGERS(DILATION, 1, 1)
#define FIR_AT INTEGERS(UP, 2, 1), INTEGERS(DOWN, 1, 2), INTEGERS(PAD_LO, 1, -1), INTEGERS(PAD_HI, 0, 2)
#define MAP1(NAME, TYPES, TOL, A) {GANTRY_OP_##NAME, TYPES, &TOL, .n_in = 1, .in = {&A}}
#define MAP2(NAME, TYPES, TOL, A, B) {GANTRY_OP_##NAME, TYPES, &TOL, .n_in = 2, .in = {&A, &B}}
#define VARIANT(NAME) .variant = NAME

static const op_row rows[] = {
  {GANTRY_OP_IOTA, WIDE | SIGNED, &exact, AT(INTEGERS(DIMS, 3, 35), INTEGER(AXIS, 1)), .n_in = 0},
  {GANTRY_OP_RANDOM_BITS, BIT(U32), &exact, AT(INTEGERS(DIMS, 5, 7), INTEGER(STREAM, 12345)), .n_in = 2, .in = {&seed, &invocation}},
  MAP1(NEG, FLOATS | SIGNED, exact, any), MAP1(ABS, FLOATS, exact, any), MAP1(SIGN, FLOATS, exact, any), MAP1(FLOOR, FLOATS, exact, any), MAP1(ROUND, FLOATS, exact, any),
  MAP1(EXP, FLOATS, expansion, any), MAP1(EXPM1, FLOATS, expansion, any), MAP1(LOG, FLOATS, expansion, positive), MAP1(LOG1P, FLOATS, expansion, positive),
  MAP1(SQRT, FLOATS, rounded, positive), MAP1(RSQRT, FLOATS, expansion, positive), MAP1(SIN, FLOATS, expansion, any), MAP1(COS, FLOATS, expansion, any),
  MAP1(TANH, FLOATS, expansion, any), MAP1(SIGMOID, FLOATS, expansion, any), MAP1(ERF, FLOATS, expansion, any),
  {GANTRY_OP_BITCAST, BIT(F32), &exact, AT(INTEGER(DTYPE, GANTRY_I32)), .n_in = 1, .in = {&any}},
  MAP1(NOT, LOGIC, exact, whole),
  {GANTRY_OP_CAST, FLOATS | INTS, &exact, AT(INTEGER(DTYPE, GANTRY_F64)), .n_in = 1, .in = {&whole}, VARIANT("to-f64")},
  {GANTRY_OP_CAST, FLOATS | INTS, &exact, AT(INTEGER(DTYPE, GANTRY_I32)), .n_in = 1, .in = {&whole}, VARIANT("to-i32")},
  {GANTRY_OP_POW, FLOATS, &expansion, AT(REAL(EXPONENT, 2.5)), .n_in = 1, .in = {&positive}, VARIANT("2.5")},
  {GANTRY_OP_POW, FLOATS, &expansion, AT(REAL(EXPONENT, -3)), .n_in = 1, .in = {&positive}, VARIANT("-3")},
  MAP2(ADD, FLOATS, rounded, any, more), MAP2(ADD, INTS, exact, whole, places), MAP2(SUB, FLOATS, rounded, any, more), MAP2(SUB, SIGNED, exact, whole, places),
  MAP2(MUL, FLOATS, rounded, any, more), MAP2(MUL, INTS, exact, whole, places), MAP2(DIV, FLOATS, rounded, any, more), MAP2(DIV, INTS, exact, whole, divisor),
  MAP2(MOD, INTS, exact, whole, divisor), MAP2(MAX, FLOATS | INTS, exact, whole, places), MAP2(MIN, FLOATS | INTS, exact, whole, places), MAP2(ATAN2, FLOATS, expansion, any, more),
  {GANTRY_OP_CMP, FLOATS | INTS, &exact, AT(INTEGER(KIND, GANTRY_CMP_LT)), .n_in = 2, .in = {&whole, &places}, VARIANT("lt")},
  {GANTRY_OP_CMP, FLOATS | INTS, &exact, AT(INTEGER(KIND, GANTRY_CMP_EQ)), .n_in = 2, .in = {&whole, &places}, VARIANT("eq")},
  {GANTRY_OP_CMP, FLOATS | INTS, &exact, AT(INTEGER(KIND, GANTRY_CMP_GE)), .n_in = 2, .in = {&whole, &places}, VARIANT("ge")},
  MAP2(AND, LOGIC, exact, whole, places), MAP2(OR, LOGIC, exact, whole, places), MAP2(XOR, LOGIC, exact, whole, places), MAP2(SHL, INTS, exact, whole, places), MAP2(SHR, INTS, exact, whole, places),
  {GANTRY_OP_WHERE, FLOATS | INTS, &exact, .n_in = 3, .in = {&truth, &whole, &places}},
  {GANTRY_OP_RESHAPE, FLOATS, &exact, AT(INTEGERS(DIMS, 5, 21)), .n_in = 1, .in = {&any}},
  {GANTRY_OP_PERMUTE, FLOATS | INTS, &exact, AT(INTEGERS(PERM, 2, 0, 1)), .n_in = 1, .in = {&cube}},
  {GANTRY_OP_REVERSE, FLOATS, &exact, AT(INTEGERS(AXES, 0, 2)), .n_in = 1, .in = {&cube}},
  {GANTRY_OP_BROADCAST, FLOATS, &exact, AT(INTEGERS(DIMS, 3, 4, 35), INTEGERS(AXES, 0, 2)), .n_in = 1, .in = {&any}},
  {GANTRY_OP_SLICE, FLOATS, &exact, AT(INTEGERS(START, 1, 2, 0), INTEGERS(STOP, 4, 5, 6), INTEGERS(STEP, 1, 2, 3)), .n_in = 1, .in = {&cube}},
  {GANTRY_OP_PAD, FLOATS, &exact, AT(INTEGERS(LO, 1, 0, 2), INTEGERS(HI, 0, 2, 1), INTEGERS(INTERIOR, 0, 1, 0)), .n_in = 1, .in = {&cube}},
  {GANTRY_OP_CONCAT, FLOATS, &exact, AT(INTEGER(AXIS, 1)), .n_in = 2, .in = {&any, &more}},
  {GANTRY_OP_SUM, WIDE, &tree, AT(INTEGERS(AXES, 1)), .n_in = 1, .in = {&wide}, VARIANT("rows")}, {GANTRY_OP_SUM, WIDE, &tree, AT(INTEGERS(AXES, 0)), .n_in = 1, .in = {&wide}, VARIANT("columns")},
  {GANTRY_OP_SUM, WIDE, &tree, AT(INTEGERS(AXES, 0, 2)), .n_in = 1, .in = {&cube}, VARIANT("outer")},
  {GANTRY_OP_RMAX, WIDE, &exact, AT(INTEGERS(AXES, 1)), .n_in = 1, .in = {&wide}, VARIANT("rows")}, {GANTRY_OP_RMAX, WIDE, &exact, AT(INTEGERS(AXES, 0, 1)), .n_in = 1, .in = {&cube}, VARIANT("leading")},
  {GANTRY_OP_VAR, WIDE, &tree, AT(INTEGERS(AXES, 0)), .n_in = 1, .in = {&wide}, VARIANT("columns")}, {GANTRY_OP_VAR, WIDE, &tree, AT(INTEGERS(AXES, 0, 1)), .n_in = 1, .in = {&cube}, VARIANT("leading")},
  {GANTRY_OP_ARGMAX, WIDE, &exact, AT(INTEGER(AXIS, 1)), .n_in = 1, .in = {&wide}}, {GANTRY_OP_TOPK, WIDE, &exact, AT(INTEGER(K, 4)), .n_in = 1, .in = {&wide}}, {GANTRY_OP_SORT_INDEX, WIDE, &exact, .n_in = 1, .in = {&wide}},
  {GANTRY_OP_MATMUL, FLOATS, &product, AT(INTEGER(TA, 0), INTEGER(TB, 0)), .n_in = 2, .in = {&left, &right}, VARIANT("nn")},
  {GANTRY_OP_MATMUL, FLOATS, &product, AT(INTEGER(TA, 1), INTEGER(TB, 0)), .n_in = 2, .in = {&left_t, &right}, VARIANT("tn")},
  {GANTRY_OP_MATMUL, FLOATS, &product, AT(INTEGER(TA, 0), INTEGER(TB, 1)), .n_in = 2, .in = {&left, &right_t}, VARIANT("nt")},
  {GANTRY_OP_CONV, FLOATS, &product, AT(CONV_AT, INTEGER(GROUPS, 1)), .n_in = 2, .in = {&image, &filter}, VARIANT("stride-2")},
  {GANTRY_OP_CONV, FLOATS, &product, AT(SAME_AT, INTEGER(GROUPS, 1)), .n_in = 2, .in = {&image, &filter}, VARIANT("3x3")},
  {GANTRY_OP_CONV, FLOATS, &product, AT(SAME_AT, INTEGER(GROUPS, 2)), .n_in = 2, .in = {&image, &grouped}, VARIANT("groups")},
  {GANTRY_OP_CONV_DGRAD, FLOATS, &product, AT(INTEGERS(DIMS, 2, 6, 5, 4), CONV_AT, INTEGER(GROUPS, 1)), .n_in = 2, .in = {&answer, &filter}, VARIANT("stride-2")},
  {GANTRY_OP_CONV_DGRAD, FLOATS, &product, AT(INTEGERS(DIMS, 2, 6, 5, 4), SAME_AT, INTEGER(GROUPS, 1)), .n_in = 2, .in = {&same, &filter}, VARIANT("3x3")},
  {GANTRY_OP_CONV_WGRAD, FLOATS, &product, AT(INTEGERS(DIMS, 8, 3, 3, 4), CONV_AT, INTEGER(GROUPS, 1)), .n_in = 2, .in = {&image, &answer}, VARIANT("stride-2")},
  {GANTRY_OP_CONV_WGRAD, FLOATS, &product, AT(INTEGERS(DIMS, 8, 3, 3, 4), SAME_AT, INTEGER(GROUPS, 1)), .n_in = 2, .in = {&image, &same}, VARIANT("3x3")},
  {GANTRY_OP_FIR, WIDE, &product, AT(FIR_AT, INTEGER(FLIP, 1)), .n_in = 2, .in = {&image, &taps}}, {GANTRY_OP_FIR_FGRAD, WIDE, &product, AT(INTEGERS(DIMS, 3, 2), FIR_AT, INTEGER(FLIP, 1)), .n_in = 2, .in = {&image, &fir_answer}},
  {GANTRY_OP_GRID_SAMPLE, WIDE, &sampling, .n_in = 2, .in = {&image, &grid}, VARIANT("plain")}, {GANTRY_OP_GRID_SAMPLE, WIDE, &sampling, AT(INTEGER(DMASK, 2)), .n_in = 2, .in = {&image, &grid}, VARIANT("dmask-2")},
  {GANTRY_OP_GRID_SPLAT, WIDE, &sampling, AT(INTEGERS(DIMS, 2, 6, 5, 4)), .n_in = 2, .in = {&sampled, &grid}},
  {GANTRY_OP_GATHER, FLOATS, &exact, AT(INTEGER(AXIS, 1), INTEGER(BATCH, 1)), .n_in = 2, .in = {&image, &rows_of}, VARIANT("batch")},
  {GANTRY_OP_GATHER, FLOATS | INTS, &exact, AT(INTEGER(AXIS, 0), INTEGER(BATCH, 0)), .n_in = 2, .in = {&negative, &long_index}, VARIANT("rows")},
  {GANTRY_OP_SCATTER_ADD, WIDE, &tree, AT(INTEGERS(DIMS, 2, 6, 5, 4), INTEGER(AXIS, 1), INTEGER(BATCH, 1)), .n_in = 2, .in = {&gathered, &rows_of}},
  {GANTRY_OP_WIN_ARGMAX, WIDE, &exact, AT(INTEGERS(WINDOW, 2, 2), INTEGERS(STRIDE, 2, 2), INTEGERS(PAD_LO, 0, 0), INTEGERS(PAD_HI, 0, 1)), .n_in = 1, .in = {&image}},
  MAP1(RECOMPUTE, FLOATS, exact, any), MAP1(STOP_GRAD, FLOATS, exact, any),
  {GANTRY_OP_PSD_POWER, BIT(F64), &spectrum, AT(REAL(EXPONENT, 0.5)), .n_in = 1, .in = {&square}},
  {GANTRY_OP_EIGVALSH, BIT(F64), &spectrum, .n_in = 1, .in = {&square}},
};
enum { ROWS = sizeof rows / sizeof *rows };

uint32_t check_op_rows_count(void) { return ROWS; }
const op_row *check_op_row_at(uint32_t k) { return &rows[k]; }
const char *check_op_row_name(uint32_t k) { return ir_op_get(rows[k].op)->name; }

const char *check_layout_name(uint32_t layout) {
  static const char *const names[] = {"dense", "permuted", "sliced", "reversed", "broadcast"};
  return layout < CHECK_LAYOUTS ? names[layout] : NULL;
}
