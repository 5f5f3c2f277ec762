/* test_kernel.c - the kernel interpreter: every elementwise operation and type bit for bit against the scalar definition, in lengths that
 * leave remainders; reductions in both directions against one fixed tree; bounded, strided, broadcast and in-place accesses. */
#include "backends/run_graph.h"

typedef struct bench { gantry_buffer buffers[8]; void *data[8]; uint32_t n; } bench;
static uint32_t buffer(bench *b, uint32_t dtype, int64_t n, void *data) {
  b->buffers[b->n] = (gantry_buffer){.space = GANTRY_SPACE_NAMED, .dtype = dtype, .elements = n, .name = "t"};
  b->data[b->n] = data;
  return b->n++;
}
static int run_kernel(bench *b, gantry_kernel *k) {
  const char *labels[] = {""};
  gantry_step_rec step = {.kind = GANTRY_STEP_KERNEL, .kernel = k};
  gantry_program p = {.struct_size = sizeof p, .version = GANTRY_PROGRAM_VERSION, .name = "test", .buffers = b->buffers, .steps = &step, .labels = labels, .n_buffers = b->n, .n_steps = 1, .n_labels = 1,
                      .buffer_stride = sizeof(gantry_buffer), .step_stride = sizeof step};
  void *exe = NULL;
  rg_the_ctx.message[0] = 0;
  if (!rg_open()) return 0;
  k->struct_size = sizeof *k;
  if (rg_backend->compile(&rg_the_ctx.abi, rg_self, &p, b->data, &exe)) return 0;
  int ok = !rg_backend->run(&rg_the_ctx.abi, rg_self, &exe, 1, NULL);
  rg_backend->discard(rg_self, exe);
  return ok;
}

enum { N = 2500, TYPES = 8 };
static const uint32_t types[TYPES] = {GANTRY_F32, GANTRY_F64, GANTRY_BF16, GANTRY_I32, GANTRY_I64, GANTRY_U32, GANTRY_U8, GANTRY_BOOL};
static int64_t bytes_of(uint32_t t) { return ir_dtype_size(t); }

/* a spread of values with the special ones among them */
static void values(uint32_t t, void *p, uint32_t seed) {
  const double special[] = {0, -0.0, 1, -1, INFINITY, -INFINITY, NAN, 1e-310, 1e-40, 1e30, -1e30, 0.5, 2147483648.0, -2147483648.0, 4294967296.0, 1e19, 255, 256, 3.7, -3.7};
  uint64_t s = seed * 7919u + 1;
  for (int64_t i = 0; i < N; i++) {
    s = s * 6364136223846793005ull + 1442695040888963407ull;
    double v = ((double)(s >> 11) / 9007199254740992.0 - 0.5) * (i % 3 ? 8 : 200);
    if (ir_is_float(t)) {
      if (i % 7 == 0) v = special[(s >> 33) % 20];
      rg_put(t, p, i, v);
    } else if (t == GANTRY_BOOL)
      ((uint8_t *)p)[i] = (uint8_t)(s >> 40 & 1);
    else {
      int64_t w = i % 5 ? (int64_t)v : (int64_t)s; /* small and wild */
      if (i % 11 == 0) w = i % 2 ? -1 : 0;
      if (i % 13 == 0) w = INT64_MIN >> (t == GANTRY_I64 ? 0 : 32);
      switch (bytes_of(t)) {
        case 8: ((int64_t *)p)[i] = w; break;
        case 4: ((int32_t *)p)[i] = (int32_t)w; break;
        default: ((uint8_t *)p)[i] = (uint8_t)w;
      }
    }
  }
}

#define FLOAT_CASES(S)                                                                                                                             \
  case GANTRY_OP_NEG: return -a; case GANTRY_OP_ABS: return gk_abs##S(a); case GANTRY_OP_SIGN: return gk_sign##S(a); case GANTRY_OP_EXP: return gk_exp##S(a);           \
  case GANTRY_OP_EXPM1: return gk_expm1##S(a); case GANTRY_OP_LOG: return gk_log##S(a); case GANTRY_OP_LOG1P: return gk_log1p##S(a); case GANTRY_OP_SQRT: return gk_sqrt##S(a); \
  case GANTRY_OP_RSQRT: return 1 / gk_sqrt##S(a); case GANTRY_OP_SIN: return gk_sin##S(a); case GANTRY_OP_COS: return gk_cos##S(a); case GANTRY_OP_TANH: return gk_tanh##S(a);     \
  case GANTRY_OP_SIGMOID: return gk_sigmoid##S(a); case GANTRY_OP_ERF: return gk_erf##S(a); case GANTRY_OP_FLOOR: return gk_floor##S(a); case GANTRY_OP_ROUND: return gk_round##S(a); case GANTRY_OP_ADD: return a + b;       \
  case GANTRY_OP_SUB: return a - b; case GANTRY_OP_MUL: return a * b; case GANTRY_OP_DIV: return a / b; case GANTRY_OP_MAX: return gk_max##S(a, b);                              \
  case GANTRY_OP_MIN: return gk_min##S(a, b); case GANTRY_OP_ATAN2: return gk_atan2##S(a, b); case GANTRY_OP_POW: return gk_pow##S(a, exponent);
static float float_of(uint32_t op, float a, float b, double exponent) { switch (op) { FLOAT_CASES() default: return NAN; } }
static double double_of(uint32_t op, double a, double b, double exponent) { switch (op) { FLOAT_CASES(d) default: return NAN; } }
static const uint32_t float_ops[] = {GANTRY_OP_NEG, GANTRY_OP_ABS, GANTRY_OP_SIGN, GANTRY_OP_EXP, GANTRY_OP_EXPM1, GANTRY_OP_LOG, GANTRY_OP_LOG1P, GANTRY_OP_SQRT, GANTRY_OP_RSQRT, GANTRY_OP_SIN,
  GANTRY_OP_COS, GANTRY_OP_TANH, GANTRY_OP_SIGMOID, GANTRY_OP_ERF, GANTRY_OP_FLOOR, GANTRY_OP_ROUND, GANTRY_OP_ADD, GANTRY_OP_SUB, GANTRY_OP_MUL, GANTRY_OP_DIV, GANTRY_OP_MAX, GANTRY_OP_MIN, GANTRY_OP_ATAN2, GANTRY_OP_POW};

static int64_t wrap(uint32_t t, uint64_t v) { return t == GANTRY_I32 ? (int32_t)v : t == GANTRY_U32 ? (int64_t)(uint32_t)v : t == GANTRY_U8 ? (int64_t)(uint8_t)v : t == GANTRY_BOOL ? v != 0 : (int64_t)v; }
static int64_t int_of(uint32_t op, uint32_t t, int64_t a, int64_t b) {
  uint64_t x = (uint64_t)a, y = (uint64_t)b, bits = (uint64_t)bytes_of(t) * 8;
  switch (op) {
    case GANTRY_OP_NEG: return wrap(t, 0 - x);
    case GANTRY_OP_ABS: return wrap(t, a < 0 ? 0 - x : x);
    case GANTRY_OP_SIGN: return a > 0 ? 1 : a < 0 ? -1 : 0;
    case GANTRY_OP_NOT: return t == GANTRY_BOOL ? !a : wrap(t, ~x);
    case GANTRY_OP_ADD: return wrap(t, x + y);
    case GANTRY_OP_SUB: return wrap(t, x - y);
    case GANTRY_OP_MUL: return wrap(t, x * y);
    case GANTRY_OP_DIV: return b == 0 ? 0 : wrap(t, b == -1 ? 0 - x : (uint64_t)(a / b));
    case GANTRY_OP_MOD: return b == 0 || b == -1 ? 0 : a % b;
    case GANTRY_OP_MAX: return a > b ? a : b;
    case GANTRY_OP_MIN: return a < b ? a : b;
    case GANTRY_OP_AND: return a & b;
    case GANTRY_OP_OR: return a | b;
    case GANTRY_OP_XOR: return wrap(t, x ^ y);
    case GANTRY_OP_SHL: return y < bits ? wrap(t, x << y) : 0;
    default: return y < bits ? a >> y : a < 0 ? -1 : 0;
  }
}
static const uint32_t int_ops[] = {GANTRY_OP_NEG, GANTRY_OP_ABS, GANTRY_OP_SIGN, GANTRY_OP_NOT, GANTRY_OP_ADD, GANTRY_OP_SUB, GANTRY_OP_MUL, GANTRY_OP_DIV, GANTRY_OP_MOD, GANTRY_OP_MAX, GANTRY_OP_MIN,
  GANTRY_OP_AND, GANTRY_OP_OR, GANTRY_OP_XOR, GANTRY_OP_SHL, GANTRY_OP_SHR};
static int64_t int_get(uint32_t t, const void *p, int64_t i) { return t == GANTRY_I64 ? ((const int64_t *)p)[i] : (int64_t)rg_get(t, p, i); }

static void *a_, *b_, *c_, *d_;
static void *fresh(void) { return calloc(N, 8); }
/* d = op(a, b, c) over N elements of the given types; the operand types of CMP, CAST and WHERE differ from the result's */
static int elementwise(uint32_t op, uint32_t ta, uint32_t tb, uint32_t tc, uint32_t td, uint32_t kind, double exponent) {
  bench b = {0};
  gantry_access loads[3] = {{.buffer = buffer(&b, ta, N, a_), .stride = {1}}, {.buffer = buffer(&b, tb, N, b_), .stride = {1}}, {.buffer = buffer(&b, tc, N, c_), .stride = {1}}};
  gantry_store store = {.to = {.buffer = buffer(&b, td, N, d_), .stride = {1}}, .reg = 3};
  gantry_inst insts[4] = {{.op = GANTRY_K_LOAD, .dtype = ta, .a = 0}, {.op = GANTRY_K_LOAD, .dtype = tb, .a = 1}, {.op = GANTRY_K_LOAD, .dtype = tc, .a = 2},
                          {.op = op, .dtype = td, .a = 0, .b = 1, .c = 2, .kind = kind, .imm = exponent}};
  gantry_kernel k = {.rank = 1, .kept = 1, .body = 4, .dims = {N}, .loads = loads, .insts = insts, .stores = &store, .n_loads = 3, .n_insts = 4, .n_stores = 1};
  return run_kernel(&b, &k);
}
static void report(const char *what, uint32_t op, uint32_t t, int64_t i) {
  char s[200];
  snprintf(s, sizeof s, "%s: %s of %s, element %lld", what, op < 1000 && ir_op_get(op) ? ir_op_get(op)->name : "?", ir_dtype_name(t), (long long)i);
  t_check_msg(0, __LINE__, __FILE__, s);
}
static int same(double a, double b) { return (isnan(a) && isnan(b)) || (a == b && signbit(a) == signbit(b)); }
static void open_values(void) { a_ = fresh(), b_ = fresh(), c_ = fresh(), d_ = fresh(); }
static void close_values(void) { free(a_), free(b_), free(c_), free(d_); }

static void test_kernel__floats_are_the_scalar_functions(void) {
  open_values();
  const double exponents[] = {2, 0.5, -0.5, -1, 3, 1.5, -1.5, -2, 0.3, 7, 20, 0};
  for (int t = 0; t < 3; t++)
    for (size_t o = 0; o < sizeof float_ops / sizeof *float_ops; o++)
      for (size_t e = 0; e < (float_ops[o] == GANTRY_OP_POW ? 12u : 1u); e++) {
        values(types[t], a_, 1);
        values(types[t], b_, 2);
        T_CHECK(elementwise(float_ops[o], types[t], types[t], types[t], types[t], 0, exponents[e]));
        for (int64_t i = 0; i < N; i++) {
          double a = rg_get(types[t], a_, i), b = rg_get(types[t], b_, i), want;
          if (types[t] == GANTRY_F64) want = double_of(float_ops[o], a, b, exponents[e]);
          else want = (double)float_of(float_ops[o], (float)a, (float)b, exponents[e]);
          if (types[t] == GANTRY_BF16) want = (double)gk_round_bf16((float)want);
          if (same(rg_get(types[t], d_, i), want)) continue;
          report("differs", float_ops[o], types[t], i);
          break;
        }
      }
  close_values();
}

static void test_kernel__integers_wrap_and_divide(void) {
  open_values();
  for (int t = 3; t < TYPES; t++)
    for (size_t o = 0; o < sizeof int_ops / sizeof *int_ops; o++) {
      uint32_t op = int_ops[o], logical = op == GANTRY_OP_NOT || op == GANTRY_OP_AND || op == GANTRY_OP_OR || op == GANTRY_OP_XOR;
      if (types[t] == GANTRY_BOOL && !logical) continue;
      values(types[t], a_, 3);
      values(types[t], b_, 4);
      if (op == GANTRY_OP_SHL || op == GANTRY_OP_SHR)
        for (int64_t i = 0; i < N; i++) rg_put(types[t], b_, i, (double)(i % 70));
      T_CHECK(elementwise(op, types[t], types[t], types[t], types[t], 0, 0));
      for (int64_t i = 0; i < N; i++) {
        if (int_get(types[t], d_, i) == int_of(op, types[t], int_get(types[t], a_, i), int_get(types[t], b_, i))) continue;
        report("differs", op, types[t], i);
        break;
      }
    }
  close_values();
}

static void test_kernel__comparisons_and_where(void) {
  open_values();
  for (int t = 0; t < TYPES; t++) {
    values(types[t], a_, 5);
    values(types[t], b_, 6);
    memcpy(b_, a_, (size_t)(100 * bytes_of(types[t]))); /* equal ones too */
    for (uint32_t kind = GANTRY_CMP_EQ; kind <= GANTRY_CMP_GE; kind++) {
      T_CHECK(elementwise(GANTRY_OP_CMP, types[t], types[t], types[t], GANTRY_BOOL, kind, 0));
      for (int64_t i = 0; i < N; i++) {
        double a = rg_get(types[t], a_, i), b = rg_get(types[t], b_, i);
        if (!ir_is_float(types[t])) {
          int64_t x = int_get(types[t], a_, i), y = int_get(types[t], b_, i);
          a = x > y ? 1 : x < y ? -1 : 0;
          b = 0;
        }
        int want = kind == GANTRY_CMP_EQ ? a == b : kind == GANTRY_CMP_NE ? a != b : kind == GANTRY_CMP_LT ? a < b : kind == GANTRY_CMP_LE ? a <= b : kind == GANTRY_CMP_GT ? a > b : a >= b;
        if (((uint8_t *)d_)[i] == want) continue;
        report("differs", GANTRY_OP_CMP, types[t], i);
        break;
      }
    }
    values(GANTRY_BOOL, a_, 7);
    values(types[t], c_, 8);
    T_CHECK(elementwise(GANTRY_OP_WHERE, GANTRY_BOOL, types[t], types[t], types[t], 0, 0));
    for (int64_t i = 0; i < N; i++) {
      int64_t size = bytes_of(types[t]);
      const char *want = (const char *)(((uint8_t *)a_)[i] ? b_ : c_) + i * size;
      if (!memcmp((const char *)d_ + i * size, want, (size_t)size) || isnan(rg_get(types[t], d_, i))) continue;
      report("differs", GANTRY_OP_WHERE, types[t], i);
      break;
    }
  }
  close_values();
}

static void test_kernel__casts_saturate(void) {
  open_values();
  for (int f = 0; f < TYPES; f++)
    for (int t = 0; t < TYPES; t++) {
      values(types[f], a_, 9);
      T_CHECK(elementwise(GANTRY_OP_CAST, types[f], types[f], types[f], types[t], 0, 0));
      for (int64_t i = 0; i < N; i++) {
        double v = rg_get(types[f], a_, i), got = rg_get(types[t], d_, i), want = v;
        if (types[t] == GANTRY_BOOL) want = v != 0;
        else if (types[t] == GANTRY_F32) want = types[f] == GANTRY_I64 ? (double)(float)int_get(types[f], a_, i) : (double)(float)v;
        else if (types[t] == GANTRY_BF16) want = (double)gk_round_bf16(types[f] == GANTRY_I64 ? (float)int_get(types[f], a_, i) : (float)v);
        else if (types[t] != GANTRY_F64 && ir_is_float(types[f])) {
          double lo = types[t] == GANTRY_I32 ? -2147483648.0 : types[t] == GANTRY_I64 ? -9223372036854775808.0 : 0, hi = types[t] == GANTRY_I32 ? 2147483647.0 : types[t] == GANTRY_I64 ? 9223372036854775807.0 : types[t] == GANTRY_U32 ? 4294967295.0 : 255;
          want = isnan(v) ? 0 : trunc(v) < lo ? lo : trunc(v) > hi ? hi : trunc(v) + 0.0;
        } else if (types[t] != GANTRY_F64)
          want = (double)wrap(types[t], (uint64_t)int_get(types[f], a_, i));
        if (got == want || (isnan(got) && isnan(want))) continue;
        char s[160];
        snprintf(s, sizeof s, "cast %s to %s: %.17g gives %.17g, not %.17g", ir_dtype_name(types[f]), ir_dtype_name(types[t]), v, got, want);
        t_check_msg(0, __LINE__, __FILE__, s);
        break;
      }
    }
  close_values();
}

/* The one tree of a sum: lane j % 8 in order, then (0+4)+(2+6) and (1+5)+(3+7). */
static double tree(const double *x, int64_t n) {
  double lane[8] = {0};
  for (int64_t j = 0; j < n; j++) lane[j % 8] += x[j];
  return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

/* SUM, RMAX and VAR over `reduced` of x[kept, reduced] or, transposed, of x[reduced, kept] */
static void reduction(uint32_t dtype, int64_t kept, int64_t reduced, int transposed, double where_nan) {
  int64_t n = kept * reduced;
  void *x = calloc((size_t)n, 8), *out = calloc((size_t)kept * 3, 8);
  double *row = calloc((size_t)reduced, sizeof *row);
  for (int64_t i = 0; i < n; i++) rg_put(dtype, x, i, 1e3 + sin((double)i * 1.7) * (double)(1 + i % 5));
  if (where_nan >= 0) rg_put(dtype, x, (int64_t)where_nan, NAN);
  bench b = {0};
  gantry_access load = {.buffer = buffer(&b, dtype, n, x), .stride = {transposed ? 1 : reduced, transposed ? kept : 1}};
  gantry_inst insts[4] = {{.op = GANTRY_K_LOAD, .dtype = dtype}, {.op = GANTRY_K_REDUCE, .dtype = dtype, .a = 0, .kind = GANTRY_OP_SUM}, {.op = GANTRY_K_REDUCE, .dtype = dtype, .a = 0, .kind = GANTRY_OP_RMAX},
                          {.op = GANTRY_K_REDUCE, .dtype = dtype, .a = 0, .kind = GANTRY_OP_VAR}};
  gantry_store stores[3] = {0};
  uint32_t to = buffer(&b, dtype, kept * 3, out);
  for (uint32_t k = 0; k < 3; k++) stores[k] = (gantry_store){.to = {.buffer = to, .offset = (int64_t)k * kept, .stride = {1}}, .reg = k + 1};
  gantry_kernel k = {.rank = 2, .kept = 1, .body = 1, .dims = {kept, reduced}, .loads = &load, .insts = insts, .stores = stores, .n_loads = 1, .n_insts = 4, .n_stores = 3};
  T_CHECK(run_kernel(&b, &k));
  for (int64_t i = 0; i < kept; i++) {
    double max = -INFINITY, mean = 0, var = 0;
    int nan = 0;
    for (int64_t j = 0; j < reduced; j++) {
      row[j] = rg_get(dtype, x, transposed ? j * kept + i : i * reduced + j);
      nan |= isnan(row[j]);
      max = row[j] > max ? row[j] : max;
      mean += row[j] / (double)reduced;
    }
    for (int64_t j = 0; j < reduced; j++) var += (row[j] - mean) * (row[j] - mean) / (double)reduced;
    double s = tree(row, reduced), want = dtype == GANTRY_F32 ? (double)(float)s : s;
    T_CHECK(same(rg_get(dtype, out, i), want));
    T_CHECK(nan ? isnan(rg_get(dtype, out, kept + i)) : rg_get(dtype, out, kept + i) == max);
    T_NEAR(rg_get(dtype, out, 2 * kept + i), var, dtype == GANTRY_F32 ? 2e-7 : 1e-11);
  }
  free(x);
  free(out);
  free(row);
}

static void test_kernel__one_tree_for_both_directions(void) {
  const int64_t sizes[][2] = {{1, 1}, {1, 7}, {3, 5}, {5, 8}, {32, 3000}, {2, 5000}, {700, 40}, {1, 9000}, {600, 3}, {1030, 2}, {33, 17}};
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
    for (int transposed = 0; transposed < 2; transposed++) {
      reduction(GANTRY_F32, sizes[s][0], sizes[s][1], transposed, -1);
      reduction(GANTRY_F64, sizes[s][0], sizes[s][1], transposed, -1);
    }
  reduction(GANTRY_F32, 5, 40, 0, 41);
  reduction(GANTRY_F64, 5, 40, 1, 77);
}

static void test_kernel__bounded_load_and_strided_store(void) {
  float x[35], y[2 * 9 * 9];
  for (int i = 0; i < 35; i++) x[i] = (float)(i + 1);
  for (int i = 0; i < 162; i++) y[i] = -1;
  bench b = {0}; /* x[5,7] padded to [9,9] by 1, 3 and 2, 0, written to every second element */
  gantry_access load = {.buffer = buffer(&b, GANTRY_F32, 35, x), .bounded = 1, .offset = -1 * 7 - 2, .stride = {7, 1}, .lo = {1, 2}, .hi = {6, 9}};
  gantry_store store = {.to = {.buffer = buffer(&b, GANTRY_F32, 162, y), .offset = 1, .stride = {18, 2}, .bounded = 1, .lo = {0, 1}, .hi = {9, 9}}, .reg = 0};
  gantry_inst inst = {.op = GANTRY_K_LOAD, .dtype = GANTRY_F32};
  gantry_kernel k = {.rank = 2, .kept = 2, .body = 1, .dims = {9, 9}, .loads = &load, .insts = &inst, .stores = &store, .n_loads = 1, .n_insts = 1, .n_stores = 1};
  T_CHECK(run_kernel(&b, &k));
  for (int r = 0; r < 9; r++)
    for (int c = 0; c < 9; c++) {
      float want = r >= 1 && r < 6 && c >= 2 ? x[(r - 1) * 7 + c - 2] : 0;
      T_CHECK(y[r * 18 + c * 2] == -1 && y[r * 18 + c * 2 + 1] == (c ? want : -1));
    }
}

static void test_kernel__index_and_broadcast(void) {
  enum { R = 37, C = 300 };
  static double y[R * C];
  double bias[C], scale = 0.5;
  for (int c = 0; c < C; c++) bias[c] = c * 10;
  bench b = {0};
  gantry_access loads[2] = {{.buffer = buffer(&b, GANTRY_F64, C, bias), .stride = {0, 1}}, {.buffer = buffer(&b, GANTRY_F64, 1, &scale)}};
  gantry_store store = {.to = {.buffer = buffer(&b, GANTRY_F64, R * C, y), .stride = {C, 1}}, .reg = 6};
  gantry_inst insts[7] = {{.op = GANTRY_K_LOAD, .dtype = GANTRY_F64}, {.op = GANTRY_K_LOAD, .dtype = GANTRY_F64, .a = 1}, {.op = GANTRY_K_INDEX, .dtype = GANTRY_I32}, {.op = GANTRY_OP_CAST, .dtype = GANTRY_F64, .a = 2},
                          {.op = GANTRY_K_INDEX, .dtype = GANTRY_F64, .a = 1}, {.op = GANTRY_OP_MUL, .dtype = GANTRY_F64, .a = 3, .b = 1}, {.op = GANTRY_OP_WHERE, .dtype = GANTRY_F64, .a = 0, .b = 0, .c = 0}};
  insts[6] = (gantry_inst){.op = GANTRY_OP_ADD, .dtype = GANTRY_F64, .a = 5, .b = 0};
  gantry_kernel k = {.rank = 2, .kept = 2, .body = 7, .dims = {R, C}, .loads = loads, .insts = insts, .stores = &store, .n_loads = 2, .n_insts = 7, .n_stores = 1};
  T_CHECK(run_kernel(&b, &k));
  int bad = 0;
  for (int r = 0; r < R; r++)
    for (int c = 0; c < C; c++) bad += y[r * C + c] != r * 0.5 + c * 10;
  T_CHECK(bad == 0);
}

static void test_kernel__in_place_with_a_later_use(void) {
  static float w[3000], g[3000], out[3000]; /* w -= g; out = w_old * 2: the old w is still needed after the new one is known */
  for (int i = 0; i < 3000; i++) w[i] = (float)i, g[i] = 1;
  bench b = {0};
  gantry_access loads[2] = {{.buffer = buffer(&b, GANTRY_F32, 3000, w), .stride = {1}}, {.buffer = buffer(&b, GANTRY_F32, 3000, g), .stride = {1}}};
  gantry_inst insts[4] = {{.op = GANTRY_K_LOAD, .dtype = GANTRY_F32}, {.op = GANTRY_K_LOAD, .dtype = GANTRY_F32, .a = 1}, {.op = GANTRY_OP_SUB, .dtype = GANTRY_F32, .a = 0, .b = 1}, {.op = GANTRY_OP_ADD, .dtype = GANTRY_F32, .a = 0, .b = 0}};
  gantry_store stores[2] = {{.to = {.buffer = 0, .stride = {1}}, .reg = 2}, {.to = {.buffer = buffer(&b, GANTRY_F32, 3000, out), .stride = {1}}, .reg = 3}};
  gantry_kernel k = {.rank = 1, .kept = 1, .body = 4, .dims = {3000}, .loads = loads, .insts = insts, .stores = stores, .n_loads = 2, .n_insts = 4, .n_stores = 2};
  T_CHECK(run_kernel(&b, &k));
  int bad = 0;
  for (int i = 0; i < 3000; i++) bad += w[i] != (float)i - 1 || out[i] != 2 * (float)i;
  T_CHECK(bad == 0);
}

static void test_kernel__bf16_rounds_after_every_operation(void) {
  unsigned short x[3] = {gk_to_bf16(1.f), gk_to_bf16(1.f / 256), gk_to_bf16(-1.f)}, out = 1; /* (1 + 2^-8) - 1: the sum rounds to 1 */
  bench b = {0};
  uint32_t from = buffer(&b, GANTRY_BF16, 3, x);
  gantry_access loads[3] = {{.buffer = from}, {.buffer = from, .offset = 1}, {.buffer = from, .offset = 2}};
  gantry_inst insts[5] = {{.op = GANTRY_K_LOAD, .dtype = GANTRY_BF16}, {.op = GANTRY_K_LOAD, .dtype = GANTRY_BF16, .a = 1}, {.op = GANTRY_K_LOAD, .dtype = GANTRY_BF16, .a = 2},
                          {.op = GANTRY_OP_ADD, .dtype = GANTRY_BF16, .a = 0, .b = 1}, {.op = GANTRY_OP_ADD, .dtype = GANTRY_BF16, .a = 3, .b = 2}};
  gantry_store store = {.to = {.buffer = buffer(&b, GANTRY_BF16, 1, &out)}, .reg = 4};
  gantry_kernel k = {.body = 5, .loads = loads, .insts = insts, .stores = &store, .n_loads = 3, .n_insts = 5, .n_stores = 1};
  T_CHECK(run_kernel(&b, &k));
  T_CHECK(out == 0);
}

static void test_kernel__refuses_what_is_malformed(void) {
  float x[4] = {0};
  bench b = {0};
  gantry_access load = {.buffer = buffer(&b, GANTRY_F32, 4, x), .stride = {1}};
  gantry_inst insts[2] = {{.op = GANTRY_K_LOAD, .dtype = GANTRY_F32}, {.op = GANTRY_OP_NEG, .dtype = GANTRY_F32, .a = 7}};
  gantry_store store = {.to = {.buffer = 0, .stride = {1}}, .reg = 1};
  gantry_kernel k = {.rank = 1, .kept = 1, .body = 2, .dims = {4}, .loads = &load, .insts = insts, .stores = &store, .n_loads = 1, .n_insts = 2, .n_stores = 1};
  T_CHECK(!run_kernel(&b, &k));
  T_HAS(rg_the_ctx.message, "instruction 1");
  insts[1] = (gantry_inst){.op = GANTRY_OP_MOD, .dtype = GANTRY_F32};
  T_CHECK(!run_kernel(&b, &k));
  T_HAS(rg_the_ctx.message, "no elementwise operation");
  insts[1] = (gantry_inst){.op = GANTRY_OP_NEG, .dtype = GANTRY_F32};
  k.rank = 9;
  T_CHECK(!run_kernel(&b, &k));
}

T_MAIN(T(test_kernel__floats_are_the_scalar_functions), T(test_kernel__integers_wrap_and_divide), T(test_kernel__comparisons_and_where), T(test_kernel__casts_saturate),
       T(test_kernel__one_tree_for_both_directions), T(test_kernel__bounded_load_and_strided_store), T(test_kernel__index_and_broadcast), T(test_kernel__in_place_with_a_later_use),
       T(test_kernel__bf16_rounds_after_every_operation), T(test_kernel__refuses_what_is_malformed))
