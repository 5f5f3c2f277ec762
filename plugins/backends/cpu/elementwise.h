/* elementwise.h - what one instruction of a kernel means: a function per operation and element type, e_<op>_<type>(a, b).
 *
 * Both the interpreter's loops (loops_body.h) and generated C (emit_c.c) call these and nothing else, so they agree on every bit. This
 * file is also carried inside the plugin as text, in front of what it generates: it may include <gantry/scalar.h> only.
 * Integers wrap; division by zero gives 0; float to integer truncates and saturates, NaN gives 0: the meaning of ops.def. */
#ifndef CPU_ELEMENTWISE_H
#define CPU_ELEMENTWISE_H
#ifndef CPU_GENERATED
#include <gantry/scalar.h>
#include <stdint.h>
#endif

#define E1(NAME, D, A, EXPR) GK_FN D e_##NAME(A a) { return (D)(EXPR); }
#define E2(NAME, D, A, EXPR) GK_FN D e_##NAME(A a, A b) { return (D)(EXPR); }

/* floats: S is the suffix of the scalar functions */
#define E_FLOATS(T, X, S)                                                                                                                       \
  E1(neg_##X, T, T, -a) E1(abs_##X, T, T, gk_abs##S(a)) E1(sign_##X, T, T, gk_sign##S(a)) E1(exp_##X, T, T, gk_exp##S(a))                       \
  E1(expm1_##X, T, T, gk_expm1##S(a)) E1(log_##X, T, T, gk_log##S(a)) E1(log1p_##X, T, T, gk_log1p##S(a)) E1(sqrt_##X, T, T, gk_sqrt##S(a))     \
  E1(rsqrt_##X, T, T, (T)1 / gk_sqrt##S(a)) E1(sin_##X, T, T, gk_sin##S(a)) E1(cos_##X, T, T, gk_cos##S(a)) E1(tanh_##X, T, T, gk_tanh##S(a))   \
  E1(sigmoid_##X, T, T, gk_sigmoid##S(a)) E1(erf_##X, T, T, gk_erf##S(a)) E1(floor_##X, T, T, gk_floor##S(a)) E1(round_##X, T, T, gk_round##S(a)) \
  GK_FN T e_pow_##X(T a, double exponent) { return gk_pow##S(a, exponent); }                                                                    \
  E2(add_##X, T, T, a + b) E2(sub_##X, T, T, a - b) E2(mul_##X, T, T, a * b) E2(div_##X, T, T, a / b)                                           \
  E2(max_##X, T, T, gk_max##S(a, b)) E2(min_##X, T, T, gk_min##S(a, b)) E2(atan2_##X, T, T, gk_atan2##S(a, b))
E_FLOATS(float, f32, )
E_FLOATS(double, f64, d)

#define E_NEGATIVE(T) (a < (T)1 && a != (T)0) /* compilers complain about unsigned < 0 */
/* integers: U is the unsigned type in which they wrap */
#define E_INTEGERS(T, U, X, BITS)                                                                                                               \
  E1(neg_##X, T, T, (U)0 - (U)a) E1(abs_##X, T, T, E_NEGATIVE(T) ? (U)0 - (U)a : (U)a) E1(sign_##X, T, T, (a != 0) - 2 * E_NEGATIVE(T))          \
  E1(not_##X, T, T, ~(U)a) E2(add_##X, T, T, (U)a + (U)b) E2(sub_##X, T, T, (U)a - (U)b) E2(mul_##X, T, T, (U)a * (U)b)                         \
  E2(max_##X, T, T, a > b ? a : b) E2(min_##X, T, T, a < b ? a : b) E2(and_##X, T, T, a & b) E2(or_##X, T, T, a | b) E2(xor_##X, T, T, a ^ b)   \
  E2(shl_##X, T, T, (uint64_t)b < BITS ? (U)a << ((U)b & (BITS - 1)) : (U)0)                                                                    \
  E2(shr_##X, T, T, (uint64_t)b < BITS ? a >> ((U)b & (BITS - 1)) : E_NEGATIVE(T) ? (T)-1 : (T)0)
#define E_SIGNED_DIVIDE(T, U, X)                                                                                                                \
  E2(div_##X, T, T, b == 0 ? 0 : b == -1 ? (T)((U)0 - (U)a) : a / b) E2(mod_##X, T, T, b == 0 || b == -1 ? 0 : a % b)
#define E_UNSIGNED_DIVIDE(T, X) E2(div_##X, T, T, b == 0 ? 0 : a / b) E2(mod_##X, T, T, b == 0 ? 0 : a % b)
E_INTEGERS(int32_t, uint32_t, i32, 32)
E_INTEGERS(int64_t, uint64_t, i64, 64)
E_INTEGERS(uint32_t, uint32_t, u32, 32)
E_INTEGERS(uint8_t, uint32_t, u8, 8)
E_SIGNED_DIVIDE(int32_t, uint32_t, i32)
E_SIGNED_DIVIDE(int64_t, uint64_t, i64)
E_UNSIGNED_DIVIDE(uint32_t, u32)
E_UNSIGNED_DIVIDE(uint8_t, u8)
E1(not_bool, uint8_t, uint8_t, a == 0)
E2(and_bool, uint8_t, uint8_t, a & b)
E2(or_bool, uint8_t, uint8_t, a | b)
E2(xor_bool, uint8_t, uint8_t, a ^ b)

#define E_TYPED(T, X)                                                                                                                           \
  E2(eq_##X, uint8_t, T, a == b) E2(ne_##X, uint8_t, T, a != b) E2(lt_##X, uint8_t, T, a < b) E2(le_##X, uint8_t, T, a <= b)                    \
  E2(gt_##X, uint8_t, T, a > b) E2(ge_##X, uint8_t, T, a >= b) E1(X##_to_bool, uint8_t, T, a != 0)                                              \
  GK_FN T e_where_##X(uint8_t c, T a, T b) { return c ? a : b; }
E_TYPED(float, f32)
E_TYPED(double, f64)
E_TYPED(int32_t, i32)
E_TYPED(int64_t, i64)
E_TYPED(uint32_t, u32)
E_TYPED(uint8_t, u8)

#define E_CAST(FX, F, TX, T) E1(FX##_to_##TX, T, F, a)
#define E_SATURATE(FX, F, TX, T, LO, HI, TOP) E1(FX##_to_##TX, T, F, !(a == a) ? (T)0 : a < (F)(LO) ? (T)(LO) : a >= (F)(TOP) ? (T)(HI) : (T)a)
#define E_FROM_FLOAT(FX, F)                                                                                                                     \
  E_SATURATE(FX, F, i32, int32_t, -2147483647 - 1, 2147483647, 2147483648.0)                                                                    \
  E_SATURATE(FX, F, i64, int64_t, -9223372036854775807 - 1, 9223372036854775807, 9223372036854775808.0)                                         \
  E_SATURATE(FX, F, u32, uint32_t, 0, 4294967295u, 4294967296.0) E_SATURATE(FX, F, u8, uint8_t, 0, 255, 256.0)
E_FROM_FLOAT(f32, float)
E_FROM_FLOAT(f64, double)
E_CAST(f32, float, f32, float) E_CAST(f32, float, f64, double) E_CAST(f64, double, f32, float) E_CAST(f64, double, f64, double)
#define E_FROM_INT(FX, F)                                                                                                                       \
  E_CAST(FX, F, f32, float) E_CAST(FX, F, f64, double) E_CAST(FX, F, i32, int32_t) E_CAST(FX, F, i64, int64_t) E_CAST(FX, F, u32, uint32_t) E_CAST(FX, F, u8, uint8_t)
E_FROM_INT(i32, int32_t)
E_FROM_INT(i64, int64_t)
E_FROM_INT(u32, uint32_t)
E_FROM_INT(u8, uint8_t)

/* Reductions: a step into an accumulator (double for floats, uint64_t for integers), and the tree that joins eight lanes. */
E2(join_sum_f, double, double, a + b)
E2(join_max_f, double, double, gk_maxd(a, b))
E2(join_sum_i, uint64_t, uint64_t, a + b)
E2(join_max_i, uint64_t, uint64_t, (int64_t)a > (int64_t)b ? a : b)
#define E_TREE(NAME, T)                                                                                                                         \
  GK_FN T e_tree_##NAME(const T *p, int64_t s) {                                                                                                \
    T a = e_join_##NAME(p[0], p[4 * s]), b = e_join_##NAME(p[2 * s], p[6 * s]), c = e_join_##NAME(p[s], p[5 * s]), d = e_join_##NAME(p[3 * s], p[7 * s]); \
    return e_join_##NAME(e_join_##NAME(a, b), e_join_##NAME(c, d));                                                                             \
  }
E_TREE(sum_f, double)
E_TREE(max_f, double)
E_TREE(sum_i, uint64_t)
E_TREE(max_i, uint64_t)
/* variance out of n deviations from a shift: their sum and the sum of their squares */
GK_FN double e_variance(double sum, double squares, double n) { return gk_maxd((squares - sum * (sum / n)) / n, 0.); }
#endif
