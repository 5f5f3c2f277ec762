/* ops.h - the author's vocabulary: one readable inline function per operation, all of the form gan_x(cx, ...).
 *
 * Contents: attributes | sources | arithmetic | comparisons | shape | reductions | contractions | convolution | indexing |
 * gradients | arguments. They are compiled into the plugin and are no part of the ABI. Elementwise functions broadcast as NumPy does.
 * Errors flow through poisoned handles; nothing needs checking. Axes may be negative: -1 is the last. */
#ifndef GANTRY_OPS_H
#define GANTRY_OPS_H
#include <gantry/abi.h>
#include <string.h>
#ifdef __cplusplus
extern "C" {
#endif

/* ---- attributes ------------------------------------------------------------------------------------------------------------- */
static inline gantry_attr gan_ai(uint32_t key, int64_t v) { gantry_attr a; a.key = key; a.n = 1; a.v.i = v; return a; }
/* A number; an integer list (copied by the host before the call returns). */
static inline gantry_attr gan_af(uint32_t key, double v) { gantry_attr a; a.key = key; a.n = 1; a.v.f = v; return a; }
static inline gantry_attr gan_aiv(uint32_t key, const int64_t *v, uint32_t n) { gantry_attr a; a.key = key; a.n = n; a.v.iv = v; return a; }
/* Handle 0. */
static inline gantry_t gan_none(void) { gantry_t t; t.id = 0; return t; }
/* Any operation of ops.def by its number; 0 where it fails. What the functions below are made of. */
static inline gantry_t gan_op(gantry_ctx *cx, uint32_t op, const gantry_t *in, uint32_t n, const gantry_attr *at, uint32_t n_at) { return cx->host->graph->op(cx, op, in, n, at, n_at); }
/* An operation without attributes of one input; of two. */
static inline gantry_t gan_1(gantry_ctx *cx, uint32_t op, gantry_t a) { return gan_op(cx, op, &a, 1, NULL, 0); }
static inline gantry_t gan_2(gantry_ctx *cx, uint32_t op, gantry_t a, gantry_t b) { gantry_t in[2]; in[0] = a; in[1] = b; return gan_op(cx, op, in, 2, NULL, 0); }
/* Fills dims and returns the rank; 0 and nothing for a poisoned handle. */
static inline uint32_t gan_shape(gantry_ctx *cx, gantry_t t, int64_t dims[GANTRY_MAX_RANK]) { return cx->host->graph->shape(cx, t, dims); }
static inline uint32_t gan_rank(gantry_ctx *cx, gantry_t t) { int64_t d[GANTRY_MAX_RANK]; return gan_shape(cx, t, d); }
/* Size of one axis; 1 if poisoned. */
static inline int64_t gan_dim(gantry_ctx *cx, gantry_t t, int axis) {
  int64_t d[GANTRY_MAX_RANK];
  int rank = (int)gan_shape(cx, t, d);
  if (axis < 0) axis += rank;
  return axis >= 0 && axis < rank ? d[axis] : 1;
}
/* Number of elements; 1 if poisoned. */
static inline int64_t gan_count(gantry_ctx *cx, gantry_t t) {
  int64_t d[GANTRY_MAX_RANK], n = 1;
  for (uint32_t r = gan_shape(cx, t, d), k = 0; k < r; k++) n *= d[k];
  return n;
}

/* ---- sources ---------------------------------------------------------------------------------------------------------------- */
static inline gantry_t gan_full_as(gantry_ctx *cx, uint32_t dtype, uint32_t rank, const int64_t *dims, double v) {
  gantry_attr at[3];
  at[0] = gan_af(GANTRY_A_VALUE, v);
  at[1] = gan_aiv(GANTRY_A_DIMS, dims, rank);
  at[2] = gan_ai(GANTRY_A_DTYPE, (int64_t)dtype);
  return gan_op(cx, GANTRY_OP_CONST, NULL, 0, at, 3);
}
/* f32 scalar. */
static inline gantry_t gan_const(gantry_ctx *cx, double v) { return gan_full_as(cx, GANTRY_F32, 0, NULL, v); }
/* A scalar of t's type. */
static inline gantry_t gan_const_like(gantry_ctx *cx, gantry_t t, double v) { uint32_t d = cx->host->graph->dtype(cx, t); return gan_full_as(cx, d ? d : (uint32_t)GANTRY_F32, 0, NULL, v); }
/* f32 [dims] filled with v. */
static inline gantry_t gan_full(gantry_ctx *cx, uint32_t rank, const int64_t *dims, double v) { return gan_full_as(cx, GANTRY_F32, rank, dims, v); }
/* f32 [dims] with the values v in row-major order; they are copied. */
static inline gantry_t gan_array(gantry_ctx *cx, uint32_t rank, const int64_t *dims, const double *v) {
  gantry_attr at[3];
  int64_t n = 1;
  for (uint32_t k = 0; k < rank; k++) n *= dims[k];
  at[0].key = GANTRY_A_VALUE;
  at[0].n = (uint32_t)n;
  if (n == 1) at[0].v.f = v[0]; else at[0].v.fv = v;
  at[1] = gan_aiv(GANTRY_A_DIMS, dims, rank);
  at[2] = gan_ai(GANTRY_A_DTYPE, GANTRY_F32);
  return gan_op(cx, GANTRY_OP_CONST, NULL, 0, at, 3);
}
/* [dims] whose element is its index along axis, counted from 0. */
static inline gantry_t gan_iota(gantry_ctx *cx, uint32_t dtype, uint32_t rank, const int64_t *dims, int axis) {
  gantry_attr at[3];
  at[0] = gan_aiv(GANTRY_A_DIMS, dims, rank);
  at[1] = gan_ai(GANTRY_A_DTYPE, (int64_t)dtype);
  at[2] = gan_ai(GANTRY_A_AXIS, axis);
  return gan_op(cx, GANTRY_OP_IOTA, NULL, 0, at, 3);
}
/* Fresh u32 random bits; every call is another stream, the same at every run of the program's n-th invocation. */
static inline gantry_t gan_bits(gantry_ctx *cx, uint32_t rank, const int64_t *dims) { gantry_attr a = gan_aiv(GANTRY_A_DIMS, dims, rank); return gan_op(cx, GANTRY_OP_RANDOM_BITS, NULL, 0, &a, 1); }

/* ---- arithmetic ------------------------------------------------------------------------------------------------------------- */
#define GAN_UNARY(name, OPCODE) static inline gantry_t name(gantry_ctx *cx, gantry_t a) { return gan_1(cx, GANTRY_OP_##OPCODE, a); }
#define GAN_BINARY(name, OPCODE) static inline gantry_t name(gantry_ctx *cx, gantry_t a, gantry_t b) { return gan_2(cx, GANTRY_OP_##OPCODE, a, b); }
GAN_UNARY(gan_neg, NEG)
GAN_UNARY(gan_abs, ABS)
GAN_UNARY(gan_sign, SIGN)
GAN_UNARY(gan_exp, EXP)
GAN_UNARY(gan_expm1, EXPM1)
GAN_UNARY(gan_log, LOG)
GAN_UNARY(gan_log1p, LOG1P)
GAN_UNARY(gan_sqrt, SQRT)
GAN_UNARY(gan_rsqrt, RSQRT)
GAN_UNARY(gan_sin, SIN)
GAN_UNARY(gan_cos, COS)
GAN_UNARY(gan_tanh, TANH)
GAN_UNARY(gan_sigmoid, SIGMOID)
GAN_UNARY(gan_erf, ERF)
GAN_UNARY(gan_floor, FLOOR)
GAN_UNARY(gan_round, ROUND)
GAN_UNARY(gan_not, NOT)
GAN_UNARY(gan_stop, STOP_GRAD)
GAN_UNARY(gan_recompute, RECOMPUTE)
GAN_BINARY(gan_add, ADD)
GAN_BINARY(gan_sub, SUB)
GAN_BINARY(gan_mul, MUL)
GAN_BINARY(gan_div, DIV)
GAN_BINARY(gan_mod, MOD)
GAN_BINARY(gan_max, MAX)
GAN_BINARY(gan_min, MIN)
GAN_BINARY(gan_atan2, ATAN2)
GAN_BINARY(gan_and, AND)
GAN_BINARY(gan_or, OR)
GAN_BINARY(gan_xor, XOR)
GAN_BINARY(gan_shl, SHL)
GAN_BINARY(gan_shr, SHR)
/* a * a; a + k; a * k; a ^ exponent, a constant (NaN for negative a and a broken exponent). */
static inline gantry_t gan_square(gantry_ctx *cx, gantry_t a) { return gan_mul(cx, a, a); }
static inline gantry_t gan_add_k(gantry_ctx *cx, gantry_t a, double k) { return gan_add(cx, a, gan_const_like(cx, a, k)); }
static inline gantry_t gan_mul_k(gantry_ctx *cx, gantry_t a, double k) { return gan_mul(cx, a, gan_const_like(cx, a, k)); }
static inline gantry_t gan_pow(gantry_ctx *cx, gantry_t a, double exponent) { gantry_attr at = gan_af(GANTRY_A_EXPONENT, exponent); return gan_op(cx, GANTRY_OP_POW, &a, 1, &at, 1); }
/* To another element type; float to integer truncates. A gradient passes between floats only. */
static inline gantry_t gan_cast(gantry_ctx *cx, gantry_t a, uint32_t dtype) { gantry_attr at = gan_ai(GANTRY_A_DTYPE, (int64_t)dtype); return gan_op(cx, GANTRY_OP_CAST, &a, 1, &at, 1); }
static inline gantry_t gan_f32(gantry_ctx *cx, gantry_t a) { return gan_cast(cx, a, GANTRY_F32); }
static inline gantry_t gan_f64(gantry_ctx *cx, gantry_t a) { return gan_cast(cx, a, GANTRY_F64); }
/* The same bits as another type of equal size. */
static inline gantry_t gan_bitcast(gantry_ctx *cx, gantry_t a, uint32_t dtype) { gantry_attr at = gan_ai(GANTRY_A_DTYPE, (int64_t)dtype); return gan_op(cx, GANTRY_OP_BITCAST, &a, 1, &at, 1); }

/* ---- comparisons: bool ------------------------------------------------------------------------------------------------------ */
static inline gantry_t gan_cmp(gantry_ctx *cx, uint32_t kind, gantry_t a, gantry_t b) {
  gantry_t in[2];
  gantry_attr at = gan_ai(GANTRY_A_KIND, (int64_t)kind);
  in[0] = a; in[1] = b;
  return gan_op(cx, GANTRY_OP_CMP, in, 2, &at, 1);
}
/* Elementwise, broadcasting, bool. */
static inline gantry_t gan_eq(gantry_ctx *cx, gantry_t a, gantry_t b) { return gan_cmp(cx, GANTRY_CMP_EQ, a, b); }
static inline gantry_t gan_ne(gantry_ctx *cx, gantry_t a, gantry_t b) { return gan_cmp(cx, GANTRY_CMP_NE, a, b); }
static inline gantry_t gan_lt(gantry_ctx *cx, gantry_t a, gantry_t b) { return gan_cmp(cx, GANTRY_CMP_LT, a, b); }
static inline gantry_t gan_le(gantry_ctx *cx, gantry_t a, gantry_t b) { return gan_cmp(cx, GANTRY_CMP_LE, a, b); }
static inline gantry_t gan_gt(gantry_ctx *cx, gantry_t a, gantry_t b) { return gan_cmp(cx, GANTRY_CMP_GT, a, b); }
static inline gantry_t gan_ge(gantry_ctx *cx, gantry_t a, gantry_t b) { return gan_cmp(cx, GANTRY_CMP_GE, a, b); }
/* c ? a : b element by element; c is bool. No gradient to c. */
static inline gantry_t gan_where(gantry_ctx *cx, gantry_t c, gantry_t a, gantry_t b) {
  gantry_t in[3];
  in[0] = c; in[1] = a; in[2] = b;
  return gan_op(cx, GANTRY_OP_WHERE, in, 3, NULL, 0);
}

/* ---- shape ------------------------------------------------------------------------------------------------------------------ */
static inline gantry_t gan_reshape(gantry_ctx *cx, gantry_t a, uint32_t rank, const int64_t *dims) { gantry_attr at = gan_aiv(GANTRY_A_DIMS, dims, rank); return gan_op(cx, GANTRY_OP_RESHAPE, &a, 1, &at, 1); }
/* [n, everything else] */
static inline gantry_t gan_flatten(gantry_ctx *cx, gantry_t a) {
  int64_t d[2];
  d[0] = gan_dim(cx, a, 0);
  d[1] = gan_count(cx, a) / d[0];
  return gan_reshape(cx, a, 2, d);
}
/* Output axis i is input axis perm[i]. */
static inline gantry_t gan_permute(gantry_ctx *cx, gantry_t a, const int64_t *perm) { gantry_attr at = gan_aiv(GANTRY_A_PERM, perm, gan_rank(cx, a)); return gan_op(cx, GANTRY_OP_PERMUTE, &a, 1, &at, 1); }
/* The order of elements turned round along these axes. */
static inline gantry_t gan_reverse(gantry_ctx *cx, gantry_t a, int64_t axis) { gantry_attr at = gan_aiv(GANTRY_A_AXES, &axis, 1); return gan_op(cx, GANTRY_OP_REVERSE, &a, 1, &at, 1); }
/* Axis i of a becomes output axis axes[i] (increasing); the other output axes repeat. */
static inline gantry_t gan_broadcast(gantry_ctx *cx, gantry_t a, uint32_t rank, const int64_t *dims, const int64_t *axes) {
  gantry_attr at[2];
  at[0] = gan_aiv(GANTRY_A_DIMS, dims, rank);
  at[1] = gan_aiv(GANTRY_A_AXES, axes, gan_rank(cx, a));
  return gan_op(cx, GANTRY_OP_BROADCAST, &a, 1, at, 2);
}
/* Elements start, start + step, ... below stop, for every axis; all within the tensor. */
static inline gantry_t gan_slice(gantry_ctx *cx, gantry_t a, const int64_t *start, const int64_t *stop, const int64_t *step) {
  gantry_attr at[3];
  uint32_t r = gan_rank(cx, a);
  at[0] = gan_aiv(GANTRY_A_START, start, r);
  at[1] = gan_aiv(GANTRY_A_STOP, stop, r);
  at[2] = gan_aiv(GANTRY_A_STEP, step, r);
  return gan_op(cx, GANTRY_OP_SLICE, &a, 1, at, 3);
}
/* start <= index < stop on one axis, every `step`-th; the other axes whole. */
static inline gantry_t gan_slice_axis(gantry_ctx *cx, gantry_t a, int axis, int64_t start, int64_t stop, int64_t step) {
  int64_t lo[GANTRY_MAX_RANK], hi[GANTRY_MAX_RANK], by[GANTRY_MAX_RANK];
  int rank = (int)gan_shape(cx, a, hi);
  for (int k = 0; k < rank; k++) lo[k] = 0, by[k] = 1;
  if (axis < 0) axis += rank;
  if (axis >= 0 && axis < rank) lo[axis] = start, hi[axis] = stop, by[axis] = step;
  return gan_slice(cx, a, lo, hi, by);
}
/* Zeros around, for every axis; adjoint of gan_slice. */
static inline gantry_t gan_pad(gantry_ctx *cx, gantry_t a, const int64_t *lo, const int64_t *hi, const int64_t *interior) {
  gantry_attr at[3];
  uint32_t r = gan_rank(cx, a);
  at[0] = gan_aiv(GANTRY_A_LO, lo, r);
  at[1] = gan_aiv(GANTRY_A_HI, hi, r);
  at[2] = gan_aiv(GANTRY_A_INTERIOR, interior, r);
  return gan_op(cx, GANTRY_OP_PAD, &a, 1, at, 3);
}
/* Joined along one axis; the other sizes are equal. At most 64 tensors. */
static inline gantry_t gan_concat(gantry_ctx *cx, const gantry_t *in, uint32_t n, int axis) {
  gantry_attr at = gan_ai(GANTRY_A_AXIS, axis < 0 && n ? axis + (int)gan_rank(cx, in[0]) : axis);
  return gan_op(cx, GANTRY_OP_CONCAT, in, n, &at, 1);
}

/* ---- reductions ------------------------------------------------------------------------------------------------------------- */
static inline gantry_t gan_reduce(gantry_ctx *cx, uint32_t op, gantry_t a, const int64_t *axes, uint32_t n) { gantry_attr at = gan_aiv(GANTRY_A_AXES, axes, n); return gan_op(cx, op, &a, 1, &at, 1); }
/* Sum over axes, which disappear; accumulated in f64 on the CPU. At most GANTRY_MAX_RANK axes; negative ones count from the end. */
static inline gantry_t gan_sum(gantry_ctx *cx, gantry_t a, const int64_t *axes, uint32_t n) { return gan_reduce(cx, GANTRY_OP_SUM, a, axes, n); }
/* Product of the sizes of these axes. */
static inline int64_t gan_size_of_axes(gantry_ctx *cx, gantry_t a, const int64_t *axes, uint32_t n) {
  int64_t m = 1;
  for (uint32_t k = 0; k < n; k++) m *= gan_dim(cx, a, (int)axes[k]);
  return m;
}
/* Mean over axes; mean squared deviation from it (divides by n). */
static inline gantry_t gan_mean(gantry_ctx *cx, gantry_t a, const int64_t *axes, uint32_t n) { return gan_mul_k(cx, gan_sum(cx, a, axes, n), 1.0 / (double)gan_size_of_axes(cx, a, axes, n)); }
static inline gantry_t gan_variance(gantry_ctx *cx, gantry_t a, const int64_t *axes, uint32_t n) { return gan_reduce(cx, GANTRY_OP_VAR, a, axes, n); }
static const int64_t gan_axes_[GANTRY_MAX_RANK + 1] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
/* Over all elements: a scalar. */
static inline gantry_t gan_sum_all(gantry_ctx *cx, gantry_t a) { return gan_sum(cx, a, gan_axes_, gan_rank(cx, a)); }
static inline gantry_t gan_mean_all(gantry_ctx *cx, gantry_t a) { return gan_mul_k(cx, gan_sum_all(cx, a), 1.0 / (double)gan_count(cx, a)); }
static inline gantry_t gan_max_all(gantry_ctx *cx, gantry_t a) { return gan_reduce(cx, GANTRY_OP_RMAX, a, gan_axes_, gan_rank(cx, a)); }
/* [n]: over everything but the first axis */
static inline gantry_t gan_row_sum(gantry_ctx *cx, gantry_t a) { uint32_t r = gan_rank(cx, a); return r > 1 ? gan_sum(cx, a, gan_axes_ + 1, r - 1) : a; }

/* ---- contractions ----------------------------------------------------------------------------------------------------------- */
static inline gantry_t gan_matmul_t(gantry_ctx *cx, gantry_t a, gantry_t b, int ta, int tb) {
  gantry_t in[2];
  gantry_attr at[2];
  in[0] = a; in[1] = b;
  at[0] = gan_ai(GANTRY_A_TA, ta);
  at[1] = gan_ai(GANTRY_A_TB, tb);
  return gan_op(cx, GANTRY_OP_MATMUL, in, 2, at, 2);
}
/* [..,m,k] x [..,k,n] -> [..,m,n]; leading axes are equal. */
static inline gantry_t gan_matmul(gantry_ctx *cx, gantry_t a, gantry_t b) { return gan_matmul_t(cx, a, b, 0, 0); }

/* ---- convolution: arrays have one entry per spatial axis ----------------------------------------------------------------------- */
typedef struct gan_conv_geometry { int64_t stride[3], pad_lo[3], pad_hi[3], dilation[3], groups; } gan_conv_geometry;
static inline uint32_t gan_conv_attrs(gantry_attr *at, const gan_conv_geometry *g, uint32_t n) {
  at[0] = gan_aiv(GANTRY_A_STRIDE, g->stride, n);
  at[1] = gan_aiv(GANTRY_A_PAD_LO, g->pad_lo, n);
  at[2] = gan_aiv(GANTRY_A_PAD_HI, g->pad_hi, n);
  at[3] = gan_aiv(GANTRY_A_DILATION, g->dilation, n);
  at[4] = gan_ai(GANTRY_A_GROUPS, g->groups);
  return 5;
}
/* x [N,s..,C], w [O,k..,C/groups] -> [N,s'..,O], 1 to 3 spatial axes; cross-correlation, as in PyTorch. */
static inline gantry_t gan_conv(gantry_ctx *cx, gantry_t x, gantry_t w, const gan_conv_geometry *g) {
  gantry_t in[2];
  gantry_attr at[5];
  uint32_t r = gan_rank(cx, x);
  in[0] = x; in[1] = w;
  return gan_op(cx, GANTRY_OP_CONV, in, 2, at, gan_conv_attrs(at, g, r > 2 ? r - 2 : 0));
}
/* Transposed convolution: w is the filter of the convolution whose gradient this is, [C_in, k.., C_out]; x_dims the output's shape. */
static inline gantry_t gan_conv_transposed(gantry_ctx *cx, gantry_t x, gantry_t w, const int64_t *out_dims, const gan_conv_geometry *g) {
  gantry_t in[2];
  gantry_attr at[6];
  uint32_t r = gan_rank(cx, x), n = gan_conv_attrs(at, g, r > 2 ? r - 2 : 0);
  in[0] = x; in[1] = w;
  at[n] = gan_aiv(GANTRY_A_DIMS, out_dims, r);
  return gan_op(cx, GANTRY_OP_CONV_DGRAD, in, 2, at, n + 1);
}

/* ---- indexing --------------------------------------------------------------------------------------------------------------- */
static inline gantry_t gan_gather(gantry_ctx *cx, gantry_t x, gantry_t index, int axis, int batch) {
  gantry_t in[2];
  gantry_attr at[2];
  in[0] = x; in[1] = index;
  at[0] = gan_ai(GANTRY_A_AXIS, axis);
  at[1] = gan_ai(GANTRY_A_BATCH, batch);
  return gan_op(cx, GANTRY_OP_GATHER, in, 2, at, 2);
}
/* i32: index of the first maximum along axis; of the k largest along the last axis, descending. No gradient: take the values with gan_gather. */
static inline gantry_t gan_argmax(gantry_ctx *cx, gantry_t a, int axis) { gantry_attr at = gan_ai(GANTRY_A_AXIS, axis < 0 ? axis + (int)gan_rank(cx, a) : axis); return gan_op(cx, GANTRY_OP_ARGMAX, &a, 1, &at, 1); }
static inline gantry_t gan_topk(gantry_ctx *cx, gantry_t a, int64_t k) { gantry_attr at = gan_ai(GANTRY_A_K, k); return gan_op(cx, GANTRY_OP_TOPK, &a, 1, &at, 1); }
GAN_UNARY(gan_sort_index, SORT_INDEX)
/* f64 symmetric positive semidefinite [n,n] to a power, by its eigenvalues; for metrics. gan_eigvalsh: those eigenvalues, ascending, [n]. */
static inline gantry_t gan_psd_power(gantry_ctx *cx, gantry_t a, double exponent) { gantry_attr at = gan_af(GANTRY_A_EXPONENT, exponent); return gan_op(cx, GANTRY_OP_PSD_POWER, &a, 1, &at, 1); }
GAN_UNARY(gan_eigvalsh, EIGVALSH)

/* ---- gradients -------------------------------------------------------------------------------------------------------------- */
static inline gantry_t gan_grad(gantry_ctx *cx, gantry_t y, gantry_t x) {
  gantry_t d = gan_none();
  cx->host->graph->grad(cx, y, gan_none(), &x, 1, &d);
  return d;
}

/* ---- states, parameters, arguments --------------------------------------------------------------------------------------------- */
static inline gantry_t gan_state(gantry_ctx *cx, const char *name, uint32_t role, uint32_t rank, const int64_t *dims, double initial) {
  gantry_state_desc d;
  memset(&d, 0, sizeof d);
  d.struct_size = sizeof d;
  d.role = role; d.name = name; d.dims = dims; d.rank = rank; d.dtype = GANTRY_F32; d.init = GANTRY_INIT_CONSTANT; d.init_scale = initial;
  return cx->host->graph->state(cx, &d);
}
static inline gantry_t gan_slot_like(gantry_ctx *cx, const char *name, gantry_t like) { /* an optimizer slot: zeros of like's shape */
  int64_t d[GANTRY_MAX_RANK];
  uint32_t r = gan_shape(cx, like, d);
  return gan_state(cx, name, GANTRY_ROLE_COUNTER, r, d, 0);
}
/* Rebinds a state that was read here: later gan_state calls see v, and the last binding is what the step stores. name as in gan_state. */
static inline void gan_set(gantry_ctx *cx, const char *name, gantry_t v) { cx->host->graph->set(cx, name, v); }
/* The plugin's own parameters by index: a FLOAT as a runtime f32 scalar, which schedules may move; as a C number, which makes it part of the graph; INT, BOOL and the index of an ENUM's choice. */
static inline gantry_t gan_param(gantry_ctx *cx, uint32_t index) { return cx->host->param->scalar(cx, index); }
static inline double gan_param_f(gantry_ctx *cx, uint32_t index) { return cx->host->param->f64(cx, index); }
static inline int64_t gan_param_i(gantry_ctx *cx, uint32_t index) { return cx->host->param->i64(cx, index); }
/* An input of build() by its name; handle 0 if it was not given. */
static inline gantry_t gan_arg(const gantry_named *in, uint32_t n, const char *name) {
  for (uint32_t k = 0; k < n; k++)
    if (!strcmp(in[k].name, name)) return in[k].t;
  return gan_none();
}
/* Publishes a tensor of a network, and gives what was fed in its place, if anything: go on with the result. gan_out: a tap of an application. */
static inline gantry_t gan_tap(gantry_ctx *cx, const char *name, gantry_t t) { return cx->host->net->tap(cx, name, t); }
static inline gantry_t gan_out(gantry_ctx *cx, gantry_call call, const char *tap) { return cx->host->net->out(cx, call, tap); }
/* Refuses, in words that the user reads behind the plugin's place in the experiment: what is wrong and what to do. The first message is kept. */
static inline gantry_status gan_fail(gantry_ctx *cx, const char *message) { return cx->host->fail(cx, GANTRY_E_INVALID, message); }
/* Scopes of names: gan_open(cx, "block", 3) puts "block3/" in front of the states and labels made until gan_close; index -1: "block/". */
static inline void gan_open(gantry_ctx *cx, const char *scope, int64_t index) { cx->host->graph->scope(cx, scope, index); }
static inline void gan_close(gantry_ctx *cx) { cx->host->graph->scope(cx, NULL, -1); }

#undef GAN_UNARY
#undef GAN_BINARY
#ifdef __cplusplus
}
#endif
#endif
