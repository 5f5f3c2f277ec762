/* test_infer.c - what shape and type inference refuses, and in which words. Each row is one misuse; the message is what a plugin's
 * author reads, so it names the operation, the shapes and what is wanted. */
#include "ir/build.h"
#include "t.h"

#define IV(...) ((const int64_t[]){__VA_ARGS__})
#define INTS(k, ...) {.key = GANTRY_A_##k, .n = sizeof(IV(__VA_ARGS__)) / 8, .v.iv = IV(__VA_ARGS__)}
#define NONE(k) {.key = GANTRY_A_##k, .n = 0}
#define INT(k, x) {.key = GANTRY_A_##k, .n = 1, .v.i = (x)}
#define REAL(k, x) {.key = GANTRY_A_##k, .n = 1, .v.f = (x)}
#define AT(...) .at = {__VA_ARGS__}, .n_at = sizeof((gantry_attr[]){__VA_ARGS__}) / sizeof(gantry_attr)

/* inputs by letter: f f32[4,6]  t f32[6]  i i32[4]  b bool[4,6]  d f64[4,6]  c f32[2,5,5,4] image  w f32[6,3,3,4] filter  s f32[]  u u32[2]  g f32[2,3,3,2] */
typedef struct row { uint32_t op; const char *in; const char *message; gantry_attr at[6]; uint32_t n_at; } row;
static const row rows[] = {
  {.op = GANTRY_OP_ADD, .in = "ft", .message = "add: shapes [4,6] and [6] differ"},
  {.op = GANTRY_OP_ADD, .in = "fd", .message = "add: types f32 and f64 differ; cast one"},
  {.op = GANTRY_OP_ADD, .in = "bb", .message = "add: needs numbers, input 0 is bool"},
  {.op = GANTRY_OP_ADD, .in = "f", .message = "add: takes 2 inputs, 1 are given"},
  {.op = GANTRY_OP_TANH, .in = "i", .message = "tanh: needs floating-point numbers, input 0 is i32"},
  {.op = GANTRY_OP_NEG, .in = "u", .message = "neg: needs a type with a sign, input 0 is u32"},
  {.op = GANTRY_OP_AND, .in = "ff", .message = "and: needs bool or integers, input 0 is f32"},
  {.op = GANTRY_OP_MOD, .in = "ff", .message = "mod: needs integers, input 0 is f32"},
  {.op = GANTRY_OP_WHERE, .in = "fff", .message = "where: needs a bool condition, input 0 is f32"},
  {.op = GANTRY_OP_TANH, .in = "f", .message = "tanh: takes no attribute AXIS", AT(INT(AXIS, 1))},
  {.op = GANTRY_OP_TANH, .in = "f", .message = "tanh: unknown attribute 999", AT({.key = 999, .n = 1})},
  {.op = GANTRY_OP_POW, .in = "f", .message = "pow: attribute EXPONENT is missing"},
  {.op = GANTRY_OP_CMP, .in = "ff", .message = "cmp: attribute KIND is 9, must be in [1, 6]", AT(INT(KIND, 9))},
  {.op = GANTRY_OP_CMP, .in = "ff", .message = "cmp: attribute KIND is given twice", AT(INT(KIND, 1), INT(KIND, 1))},
  {.op = GANTRY_OP_CAST, .in = "f", .message = "cast: attribute DTYPE is 77, must be in [1, 8]", AT(INT(DTYPE, 77))},
  {.op = GANTRY_OP_BITCAST, .in = "f", .message = "bitcast: f32 and f64 have no common bits", AT(INT(DTYPE, GANTRY_F64))},
  {.op = GANTRY_OP_CONST, .in = "", .message = "const: attribute VALUE is missing", AT(INTS(DIMS, 2))},
  {.op = GANTRY_OP_CONST, .in = "", .message = "const: 2 values for 3 elements", AT({.key = GANTRY_A_VALUE, .n = 2, .v.fv = (const double[]){1, 2}}, INTS(DIMS, 3))},
  {.op = GANTRY_OP_CONST, .in = "", .message = "const: attribute VALUE is a null array", AT({.key = GANTRY_A_VALUE, .n = 2}, INTS(DIMS, 2))},
  {.op = GANTRY_OP_CONST, .in = "", .message = "const: 0.5 is not a value of i32", AT(REAL(VALUE, 0.5), INT(DTYPE, GANTRY_I32))},
  {.op = GANTRY_OP_CONST, .in = "", .message = "const: DIMS is [0]; every size must be at least 1", AT(REAL(VALUE, 1), INTS(DIMS, 0))},
  {.op = GANTRY_OP_CONST, .in = "", .message = "const: DIMS is [1099511627776,2]; a tensor has at most 2^40 elements", AT(REAL(VALUE, 1), INTS(DIMS, (int64_t)1 << 40, 2))},
  {.op = GANTRY_OP_INPUT, .in = "", .message = "input: is made by the host alone"},
  {.op = GANTRY_OP_IOTA, .in = "", .message = "iota: u8 cannot count to 257", AT(INTS(DIMS, 257), INT(AXIS, 0), INT(DTYPE, GANTRY_U8))},
  {.op = GANTRY_OP_IOTA, .in = "", .message = "iota: a scalar has no axis to count along", AT(NONE(DIMS), INT(AXIS, 0), INT(DTYPE, GANTRY_I32))},
  {.op = GANTRY_OP_RANDOM_BITS, .in = "us", .message = "random_bits: the invocation must be u32[], is f32[]", AT(INTS(DIMS, 2), INT(STREAM, 1))},
  {.op = GANTRY_OP_RESHAPE, .in = "f", .message = "reshape: [4,6] has 24 elements, [5,5] has 25", AT(INTS(DIMS, 5, 5))},
  {.op = GANTRY_OP_RESHAPE, .in = "f", .message = "reshape: DIMS is [-4,-6]; every size must be at least 1", AT(INTS(DIMS, -4, -6))},
  {.op = GANTRY_OP_RESHAPE, .in = "f", .message = "reshape: attribute DIMS is missing"},
  {.op = GANTRY_OP_PERMUTE, .in = "f", .message = "permute: PERM names axis 1 twice", AT(INTS(PERM, 1, 1))},
  {.op = GANTRY_OP_PERMUTE, .in = "f", .message = "permute: attribute PERM has 1 values where 2 are needed", AT(INTS(PERM, 0))},
  {.op = GANTRY_OP_REVERSE, .in = "f", .message = "reverse: AXES [1,0] must increase and lie in [0, 2)", AT(INTS(AXES, 1, 0))},
  {.op = GANTRY_OP_BROADCAST, .in = "t", .message = "broadcast: shapes [6] and [6,4] differ on axis 0", AT(INTS(DIMS, 6, 4), INTS(AXES, 1))},
  {.op = GANTRY_OP_BROADCAST, .in = "f", .message = "broadcast: AXES names 1 axes for an input of shape [4,6]", AT(INTS(DIMS, 4, 6), INTS(AXES, 1))},
  {.op = GANTRY_OP_SLICE, .in = "f", .message = "slice: [2, 7) is no part of axis 1 of [4,6]", AT(INTS(START, 0, 2), INTS(STOP, 1, 7))},
  {.op = GANTRY_OP_SLICE, .in = "f", .message = "slice: attribute STEP is 0, must be in [1, 1099511627776]", AT(INTS(START, 0, 0), INTS(STOP, 1, 1), INTS(STEP, 1, 0))},
  {.op = GANTRY_OP_PAD, .in = "f", .message = "pad: attribute LO is -1, must be in [0, 1099511627776]", AT(INTS(LO, -1, 0))},
  {.op = GANTRY_OP_PAD, .in = "f", .message = "pad: the result is [1099511627780,6]; a tensor has at most 2^40 elements", AT(INTS(LO, (int64_t)1 << 40, 0))},
  {.op = GANTRY_OP_CONCAT, .in = "fc", .message = "concat: shapes [4,6] and [2,5,5,4] differ beside axis 0", AT(INT(AXIS, 0))},
  {.op = GANTRY_OP_CONCAT, .in = "ss", .message = "concat: scalars have no axis to join", AT(INT(AXIS, 0))},
  {.op = GANTRY_OP_SUM, .in = "f", .message = "sum: AXES [2] must increase and lie in [0, 2)", AT(INTS(AXES, 2))},
  {.op = GANTRY_OP_SUM, .in = "b", .message = "sum: needs numbers, input 0 is bool", AT(INTS(AXES, 0))},
  {.op = GANTRY_OP_VAR, .in = "i", .message = "var: needs floating-point numbers, input 0 is i32", AT(INTS(AXES, 0))},
  {.op = GANTRY_OP_TOPK, .in = "f", .message = "topk: attribute K is 7, must be in [1, 6]", AT(INT(K, 7))},
  {.op = GANTRY_OP_ARGMAX, .in = "s", .message = "argmax: a scalar has no axis to look along", AT(INT(AXIS, 0))},
  {.op = GANTRY_OP_MATMUL, .in = "ff", .message = "matmul: inner sizes 6 and 4 of [4,6] and [4,6] differ"},
  {.op = GANTRY_OP_MATMUL, .in = "ff", .message = "matmul: inner sizes 4 and 6 of [4,6] (transposed) and [4,6] (transposed) differ", AT(INT(TA, 1), INT(TB, 1))},
  {.op = GANTRY_OP_MATMUL, .in = "ft", .message = "matmul: shapes [4,6] and [6] have different leading axes"},
  {.op = GANTRY_OP_MATMUL, .in = "tt", .message = "matmul: input 0 has shape [6], needs a matrix [..,m,k]"},
  {.op = GANTRY_OP_CONV, .in = "cw", .message = "conv: image [2,5,5,4] and filter [6,3,3,4] do not fit with 2 groups: the filter's last axis must be channels / groups", AT(INT(GROUPS, 2))},
  {.op = GANTRY_OP_CONV, .in = "cw", .message = "conv: filter [6,3,3,4] is larger than the padded image [2,5,5,4] on spatial axis 0", AT(INTS(DILATION, 3, 1))},
  {.op = GANTRY_OP_CONV, .in = "cw", .message = "conv: attribute STRIDE is 0, must be in [1, 1073741824]", AT(INTS(STRIDE, 0, 1))},
  {.op = GANTRY_OP_CONV, .in = "cw", .message = "conv: attribute PAD_HI is -1, must be in [0, 1073741824]", AT(INTS(PAD_HI, -1, 0))},
  {.op = GANTRY_OP_CONV, .in = "cf", .message = "conv: input 1 has shape [4,6], needs as many axes as input 0"},
  {.op = GANTRY_OP_CONV_DGRAD, .in = "cw", .message = "conv_dgrad: image [2,7,7,4] and filter [6,3,3,4] do not fit with 4 groups: the filter's last axis must be channels / groups", AT(INTS(DIMS, 2, 7, 7, 4), INT(GROUPS, 4))},
  {.op = GANTRY_OP_CONV_DGRAD, .in = "cw", .message = "conv_dgrad: the convolution with these attributes has output [2,5,5,6], the gradient given is [2,5,5,4]", AT(INTS(DIMS, 2, 7, 7, 4))},
  {.op = GANTRY_OP_FIR, .in = "ct", .message = "fir: input 1 has shape [6], needs a filter with one axis per spatial axis"},
  {.op = GANTRY_OP_FIR, .in = "cf", .message = "fir: 5 samples after upsampling and padding are fewer than the filter's 6 on spatial axis 1"},
  {.op = GANTRY_OP_FIR_FGRAD, .in = "cc", .message = "fir_fgrad: the resampling with these attributes has output [2,3,3,4], the gradient given is [2,5,5,4]", AT(INTS(DIMS, 3, 3))},
  {.op = GANTRY_OP_GRID_SAMPLE, .in = "cc", .message = "grid_sample: grid [2,5,5,4] does not fit image [2,5,5,4]: it needs the same batch and 2 coordinates"},
  {.op = GANTRY_OP_GRID_SAMPLE, .in = "cg", .message = "grid_sample: attribute DMASK is 4, must be in [0, 3]", AT(INT(DMASK, 4))},
  {.op = GANTRY_OP_GRID_SPLAT, .in = "cg", .message = "grid_splat: values [2,5,5,4] do not fit: grid [2,3,3,2] and image [2,5,5,4] need [2,3,3,4]", AT(INTS(DIMS, 2, 5, 5, 4))},
  {.op = GANTRY_OP_GATHER, .in = "ff", .message = "gather: the index must be i32 or i64, is f32", AT(INT(AXIS, 0))},
  {.op = GANTRY_OP_GATHER, .in = "ci", .message = "gather: [2,5,5,4] and index [4] differ in their 1 leading axes", AT(INT(AXIS, 1), INT(BATCH, 1))},
  {.op = GANTRY_OP_SCATTER_ADD, .in = "fi", .message = "scatter_add: values have shape [4,6], this index into DIMS needs [4,7]", AT(INTS(DIMS, 9, 7), INT(AXIS, 0))},
  {.op = GANTRY_OP_WIN_ARGMAX, .in = "c", .message = "win_argmax: padding on spatial axis 0 must be smaller than the window, or a window would see nothing", AT(INTS(WINDOW, 2, 2), INTS(PAD_LO, 2, 0))},
  {.op = GANTRY_OP_PSD_POWER, .in = "f", .message = "psd_power: works in f64 only, input 0 is f32; cast it", AT(REAL(EXPONENT, 0.5))},
  {.op = GANTRY_OP_EIGVALSH, .in = "d", .message = "eigvalsh: [4,6] is not square"},
};

static ir_id leaf(ir_graph *g, char c) {
  char name[] = {c, 0};
  static const struct { char c; uint8_t dtype, rank; int64_t dims[4]; } leaves[] = {
    {'f', GANTRY_F32, 2, {4, 6}}, {'t', GANTRY_F32, 1, {6}}, {'i', GANTRY_I32, 1, {4}}, {'b', GANTRY_BOOL, 2, {4, 6}}, {'d', GANTRY_F64, 2, {4, 6}},
    {'c', GANTRY_F32, 4, {2, 5, 5, 4}}, {'w', GANTRY_F32, 4, {6, 3, 3, 4}}, {'s', GANTRY_F32, 0, {0}}, {'u', GANTRY_U32, 1, {2}}, {'g', GANTRY_F32, 4, {2, 3, 3, 2}}};
  for (size_t k = 0; k < sizeof leaves / sizeof *leaves; k++)
    if (leaves[k].c == c) return ir_leaf(g, GANTRY_OP_INPUT, name, leaves[k].dtype, leaves[k].rank, leaves[k].dims);
  return 0;
}

static void test_infer__refusals_in_words(void) {
  for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
    ir_graph *g = ir_new();
    ir_id in[4] = {0};
    uint32_t n = 0;
    for (; rows[k].in[n]; n++) in[n] = leaf(g, rows[k].in[n]);
    T_CHECK(!ir_op(g, rows[k].op, in, n, rows[k].at, rows[k].n_at));
    T_STR(g->err.msg, rows[k].message);
    ir_free(g);
  }
}

/* Every operation is refused by at least one row or takes anything: no family is without a test. */
static void test_infer__every_family_has_refusals(void) {
  static const uint32_t must[] = {GANTRY_OP_CONST, GANTRY_OP_IOTA, GANTRY_OP_RANDOM_BITS, GANTRY_OP_ADD, GANTRY_OP_RESHAPE, GANTRY_OP_SUM, GANTRY_OP_MATMUL, GANTRY_OP_CONV, GANTRY_OP_FIR,
                                  GANTRY_OP_GRID_SAMPLE, GANTRY_OP_GATHER, GANTRY_OP_WIN_ARGMAX, GANTRY_OP_PSD_POWER};
  for (size_t j = 0; j < sizeof must / sizeof *must; j++) {
    int has = 0;
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) has |= rows[k].op == must[j];
    t_check_msg(has, __LINE__, __FILE__, ir_op_get(must[j])->name);
  }
}

static void test_infer__broadcasting_names_the_operands(void) {
  ir_graph *g = ir_new();
  ir_id a = ir_leaf(g, GANTRY_OP_INPUT, "a", GANTRY_F32, 1, IV(64)), b = ir_leaf(g, GANTRY_OP_INPUT, "b", GANTRY_F32, 2, IV(32, 2));
  g->label = ir_intern(g, "d/conv1");
  T_CHECK(!ir_mul(g, a, b));
  T_STR(g->err.msg, "mul: shapes [64] and [32,2] differ (at d/conv1)");
  ir_free(g);
}

static void test_infer__refuses_what_is_no_tensor(void) {
  ir_graph *g = ir_new();
  T_CHECK(!ir_op(g, 9999, NULL, 0, NULL, 0));
  T_STR(g->err.msg, "unknown operation 9999");
  err_clear(&g->err);
  T_CHECK(!ir_op(g, GANTRY_OP_TANH, (ir_id[]){4000}, 1, NULL, 0));
  T_STR(g->err.msg, "tanh: input 0 is 4000, which is no tensor of this graph");
  err_clear(&g->err);
  T_CHECK(!ir_op(g, GANTRY_OP_TANH, NULL, 1, NULL, 0) && g->err.code == GANTRY_E_INVALID);
  ir_free(g);
}

/* Attributes left out and attributes spelt out are one node. */
static void test_infer__defaults_are_filled_in(void) {
  ir_graph *g = ir_new();
  ir_id in[] = {leaf(g, 'c'), leaf(g, 'w')};
  gantry_attr at[] = {INTS(STRIDE, 1, 1), INTS(PAD_LO, 0, 0), INTS(PAD_HI, 0, 0), INTS(DILATION, 1, 1), INT(GROUPS, 1)};
  T_CHECK(ir_op(g, GANTRY_OP_CONV, in, 2, NULL, 0) == ir_op(g, GANTRY_OP_CONV, in, 2, at, 5));
  ir_id f = leaf(g, 'f');
  gantry_attr a[] = {INTS(START, 0, 0), INTS(STOP, 4, 5), INTS(STEP, 1, 4)}, b[] = {INTS(START, 0, 0), INTS(STOP, 4, 6), INTS(STEP, 1, 4)};
  T_CHECK(ir_op(g, GANTRY_OP_SLICE, &f, 1, a, 3) == ir_op(g, GANTRY_OP_SLICE, &f, 1, b, 3)); /* elements 0 and 4, either way */
  T_CHECK(g->err.code == GANTRY_OK);
  ir_free(g);
}

T_MAIN(T(test_infer__refuses_what_is_no_tensor), T(test_infer__refusals_in_words), T(test_infer__every_family_has_refusals), T(test_infer__broadcasting_names_the_operands), T(test_infer__defaults_are_filled_in))
