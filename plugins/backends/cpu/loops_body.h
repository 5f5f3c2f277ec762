/* loops_body.h - the text of the inner loops, included once per instruction set with CPU_TABLE naming the table it defines.
 *
 * Every loop is elementwise over n elements and may write over an operand of the same size (ivdep says so to the compiler). What an
 * operation means stands in elementwise.h. */
#include "elementwise.h"

#define LOOP(NAME, D, A, B, C, EXPR)                                                                                     \
  static void NAME(void *d_, const void *a_, const void *b_, const void *c_, int64_t n, double imm) {                    \
    D *d = d_;                                                                                                           \
    const A *a = a_;                                                                                                     \
    const B *b = b_;                                                                                                     \
    const C *c = c_;                                                                                                     \
    (void)a, (void)b, (void)c, (void)imm;                                                                                \
    _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) d[i] = (D)(EXPR);                                               \
  }
#define LOOP1(NAME, D, A, EXPR) LOOP(NAME, D, A, A, A, EXPR)

#define MAP1(NAME, D, A) LOOP(NAME, D, A, A, A, e_##NAME(a[i]))
#define MAP2(NAME, D, A) LOOP(NAME, D, A, A, A, e_##NAME(a[i], b[i]))

#define FLOATS(T, X)                                                                                                      \
  MAP1(neg_##X, T, T) MAP1(abs_##X, T, T) MAP1(sign_##X, T, T) MAP1(exp_##X, T, T) MAP1(expm1_##X, T, T) MAP1(log_##X, T, T) \
  MAP1(log1p_##X, T, T) MAP1(sqrt_##X, T, T) MAP1(rsqrt_##X, T, T) MAP1(sin_##X, T, T) MAP1(cos_##X, T, T) MAP1(tanh_##X, T, T) \
  MAP1(sigmoid_##X, T, T) MAP1(erf_##X, T, T) MAP1(floor_##X, T, T) MAP1(round_##X, T, T) LOOP1(pow_##X, T, T, e_pow_##X(a[i], imm)) \
  MAP2(add_##X, T, T) MAP2(sub_##X, T, T) MAP2(mul_##X, T, T) MAP2(div_##X, T, T) MAP2(max_##X, T, T) MAP2(min_##X, T, T) MAP2(atan2_##X, T, T)
FLOATS(float, f32)
FLOATS(double, f64)

#define INTEGERS(T, X)                                                                                                    \
  MAP1(neg_##X, T, T) MAP1(abs_##X, T, T) MAP1(sign_##X, T, T) MAP1(not_##X, T, T) MAP2(add_##X, T, T) MAP2(sub_##X, T, T) \
  MAP2(mul_##X, T, T) MAP2(max_##X, T, T) MAP2(min_##X, T, T) MAP2(and_##X, T, T) MAP2(or_##X, T, T) MAP2(xor_##X, T, T)   \
  MAP2(shl_##X, T, T) MAP2(shr_##X, T, T) MAP2(div_##X, T, T) MAP2(mod_##X, T, T)
INTEGERS(int32_t, i32)
INTEGERS(int64_t, i64)
INTEGERS(uint32_t, u32)
INTEGERS(uint8_t, u8)
MAP1(not_bool, uint8_t, uint8_t)

#define TYPED(T, X)                                                                                                       \
  MAP2(eq_##X, uint8_t, T) MAP2(ne_##X, uint8_t, T) MAP2(lt_##X, uint8_t, T) MAP2(le_##X, uint8_t, T) MAP2(gt_##X, uint8_t, T) MAP2(ge_##X, uint8_t, T) \
  LOOP(where_##X, T, uint8_t, T, T, e_where_##X(a[i], b[i], c[i])) LOOP1(copy_##X, T, T, a[i]) MAP1(X##_to_bool, uint8_t, T)
TYPED(float, f32)
TYPED(double, f64)
TYPED(int32_t, i32)
TYPED(int64_t, i64)
TYPED(uint32_t, u32)
TYPED(uint8_t, u8)

#define FROM(FX, F) MAP1(FX##_to_f32, float, F) MAP1(FX##_to_f64, double, F) MAP1(FX##_to_i32, int32_t, F) MAP1(FX##_to_i64, int64_t, F) MAP1(FX##_to_u32, uint32_t, F) MAP1(FX##_to_u8, uint8_t, F)
FROM(f32, float)
FROM(f64, double)
FROM(i32, int32_t)
FROM(i64, int64_t)
FROM(u32, uint32_t)
FROM(u8, uint8_t)

#define POWER(K, E) LOOP1(power_##K, float, float, gk_pow(a[i], E))
POWER(0, 2.) POWER(1, 0.5) POWER(2, -0.5) POWER(3, -1.) POWER(4, 3.) POWER(5, 1.5) POWER(6, -1.5) POWER(7, -2.)
LOOP1(round_bf16, float, float, gk_round_bf16(a[i]))
LOOP1(load_bf16, float, uint16_t, gk_from_bf16(a[i]))
LOOP1(store_bf16, uint16_t, float, gk_to_bf16(a[i]))

/* Reductions. A is the accumulator: double for floats, 64 bits for integers. The lanes make the order a matter of the shape alone. */
#define REDUCER(NAME, T, A, STEP)                                                                                         \
  static void NAME##_in(void *acc_, void *sq_, const void *x_, int64_t n, int64_t j0, double shift) {                     \
    A *restrict acc = acc_, *restrict sq = sq_;                                                                          \
    const T *x = x_;                                                                                                     \
    int64_t i = 0, lane = j0 % CPU_LANES;                                                                                \
    (void)sq, (void)shift;                                                                                               \
    for (; i < n && lane && lane < CPU_LANES; i++, lane++) { A v = (A)x[i]; int64_t l = lane; double k = shift; (void)k; STEP; } \
    for (; i + CPU_LANES <= n; i += CPU_LANES)                                                                           \
      for (int64_t l = 0; l < CPU_LANES; l++) { A v = (A)x[i + l]; double k = shift; (void)k; STEP; }                     \
    for (int64_t l = 0; i < n; i++, l++) { A v = (A)x[i]; double k = shift; (void)k; STEP; }                             \
  }                                                                                                                       \
  static void NAME##_out(void *acc_, void *sq_, const void *x_, int64_t rows, int64_t width, int64_t j0, const double *shift) { \
    const T *restrict x = x_;                                                                                            \
    for (int64_t r = 0; r < rows; r++) {                                                                                 \
      int64_t at = (j0 + r) % CPU_LANES * width;                                                                         \
      A *restrict acc = (A *)acc_ + at, *restrict sq = sq_ ? (A *)sq_ + at : NULL;                                                    \
      (void)sq, (void)shift;                                                                                             \
      _Pragma("GCC ivdep") for (int64_t l = 0; l < width; l++) { A v = (A)x[r * width + l]; double k = shift ? shift[l] : 0; (void)k; STEP; } \
    }                                                                                                                     \
  }
#define REDUCERS(T, X, A, MAX) REDUCER(sum_##X, T, A, acc[l] += v) REDUCER(rmax_##X, T, A, acc[l] = MAX)
REDUCERS(float, f32, double, gk_maxd(acc[l], v))
REDUCERS(double, f64, double, gk_maxd(acc[l], v))
REDUCERS(int32_t, i32, uint64_t, (int64_t)acc[l] > (int64_t)v ? acc[l] : v)
REDUCERS(int64_t, i64, uint64_t, (int64_t)acc[l] > (int64_t)v ? acc[l] : v)
REDUCERS(uint32_t, u32, uint64_t, (int64_t)acc[l] > (int64_t)v ? acc[l] : v)
REDUCERS(uint8_t, u8, uint64_t, (int64_t)acc[l] > (int64_t)v ? acc[l] : v)
#define DEVIATION double u = v - k; acc[l] += u; sq[l] += u * u
REDUCER(var_f32, float, double, DEVIATION)
REDUCER(var_f64, double, double, DEVIATION)

#define FLOAT_OP(OPC, N) [GANTRY_OP_##OPC] = {[CPU_T_F32] = N##_f32, [CPU_T_F64] = N##_f64}
#define INT_ROW(N) [CPU_T_I32] = N##_i32, [CPU_T_I64] = N##_i64, [CPU_T_U32] = N##_u32, [CPU_T_U8] = N##_u8
#define INT_OP(OPC, N) [GANTRY_OP_##OPC] = {INT_ROW(N)}
#define BIT_OP(OPC, N, B) [GANTRY_OP_##OPC] = {INT_ROW(N), [CPU_T_BOOL] = B}
#define NUMBER_OP(OPC, N) [GANTRY_OP_##OPC] = {[CPU_T_F32] = N##_f32, [CPU_T_F64] = N##_f64, INT_ROW(N)}
#define ANY_ROW(N) {[CPU_T_F32] = N##_f32, [CPU_T_F64] = N##_f64, INT_ROW(N), [CPU_T_BOOL] = N##_u8}
#define CAST_ROW(F) {[CPU_T_F32] = F##_to_f32, [CPU_T_F64] = F##_to_f64, [CPU_T_I32] = F##_to_i32, [CPU_T_I64] = F##_to_i64, [CPU_T_U32] = F##_to_u32, [CPU_T_U8] = F##_to_u8, [CPU_T_BOOL] = F##_to_bool}
#define PAIR(N) {N##_in, N##_out}
const cpu_loops CPU_TABLE = {
  .name = CPU_TABLE_NAME,
  .op = {FLOAT_OP(EXP, exp), FLOAT_OP(EXPM1, expm1), FLOAT_OP(LOG, log), FLOAT_OP(LOG1P, log1p), FLOAT_OP(SQRT, sqrt), FLOAT_OP(RSQRT, rsqrt),
         FLOAT_OP(SIN, sin), FLOAT_OP(COS, cos), FLOAT_OP(TANH, tanh), FLOAT_OP(SIGMOID, sigmoid), FLOAT_OP(ERF, erf), FLOAT_OP(FLOOR, floor), FLOAT_OP(ROUND, round),
         FLOAT_OP(POW, pow), FLOAT_OP(ATAN2, atan2), NUMBER_OP(NEG, neg), NUMBER_OP(ABS, abs), NUMBER_OP(SIGN, sign), NUMBER_OP(ADD, add),
         NUMBER_OP(SUB, sub), NUMBER_OP(MUL, mul), NUMBER_OP(DIV, div), NUMBER_OP(MAX, max), NUMBER_OP(MIN, min), INT_OP(MOD, mod),
         INT_OP(SHL, shl), INT_OP(SHR, shr), BIT_OP(NOT, not, not_bool), BIT_OP(AND, and, and_u8), BIT_OP(OR, or, or_u8), BIT_OP(XOR, xor, xor_u8),
         [GANTRY_OP_BITCAST] = ANY_ROW(copy)},
  .cmp = {[GANTRY_CMP_EQ] = ANY_ROW(eq), [GANTRY_CMP_NE] = ANY_ROW(ne), [GANTRY_CMP_LT] = ANY_ROW(lt), [GANTRY_CMP_LE] = ANY_ROW(le),
          [GANTRY_CMP_GT] = ANY_ROW(gt), [GANTRY_CMP_GE] = ANY_ROW(ge)},
  .cast = {CAST_ROW(f32), CAST_ROW(f64), CAST_ROW(i32), CAST_ROW(i64), CAST_ROW(u32), CAST_ROW(u8), CAST_ROW(u8)},
  .where = ANY_ROW(where),
  .power = {power_0, power_1, power_2, power_3, power_4, power_5, power_6, power_7},
  .round_bf16 = round_bf16, .load_bf16 = load_bf16, .store_bf16 = store_bf16,
  .sum = {PAIR(sum_f32), PAIR(sum_f64), PAIR(sum_i32), PAIR(sum_i64), PAIR(sum_u32), PAIR(sum_u8), PAIR(sum_u8)},
  .max = {PAIR(rmax_f32), PAIR(rmax_f64), PAIR(rmax_i32), PAIR(rmax_i64), PAIR(rmax_u32), PAIR(rmax_u8), PAIR(rmax_u8)},
  .var = {PAIR(var_f32), PAIR(var_f64)},
};
