/* test_opt_precision.c - contractions rounded to bf16: which are, what stands around them afterwards, and what they compute. */
#include "check/random_graph.h"
#include "ir/build.h"
#include "opt/left_over.h"

#define L(...) ((int64_t[]){__VA_ARGS__})
static ir_id in(ir_graph *g, const char *name, uint32_t dtype, uint32_t rank, const int64_t *dims) { return ir_leaf(g, GANTRY_OP_INPUT, name, dtype, rank, dims); }
static ir_id relu(ir_graph *g, ir_id x) { return ir_where(g, ir_cmp(g, GANTRY_CMP_GT, x, ir_zeros_like(g, x)), x, ir_zeros_like(g, x)); }
static ir_id reshape(ir_graph *g, ir_id x, uint32_t rank, const int64_t *dims) { return ir_reshape(g, x, rank, dims); }

/* Live nodes of an operation with a result of that type. */
static uint32_t count(const ir_graph *g, uint32_t op, uint32_t dtype) {
  uint8_t *live = ir_live(g);
  uint32_t n = 0;
  for (ir_id id = 1; id < g->nodes.n; id++) n += live[id] && ir_at(g, id)->op == op && ir_at(g, id)->dtype == dtype;
  free(live);
  return n;
}

static ir_graph *rounded(const ir_graph *g) {
  err e = {0};
  ir_graph *h = opt_run_in(g, GANTRY_PRECISION_BF16, NULL, &e);
  t_check_msg(h && !ir_verify(h, "bf16", &e) && h->roots.n == g->roots.n, __LINE__, __FILE__, e.msg);
  return h;
}

static double *value(const ir_graph *g) {
  check_values values = {3, 0};
  err e = {0};
  double *v = NULL;
  ir_id want = g->roots.p[0].id;
  T_CHECK(!ir_eval(g, &want, 1, check_bind, &values, &v, &e));
  return v;
}

/* Two layers, the first used twice: a weight is rounded once, results are f32 again where they leave, and other operations stay f32. */
static void test_opt_precision__products_take_and_give_bf16(void) {
  ir_graph *g = ir_new();
  ir_id w = in(g, "w", GANTRY_F32, 2, L(16, 16)), w2 = in(g, "w2", GANTRY_F32, 2, L(16, 16)), x = in(g, "x", GANTRY_F32, 2, L(8, 16)), y = in(g, "y", GANTRY_F32, 2, L(8, 16));
  ir_output(g, "out", ir_add(g, ir_matmul(g, relu(g, ir_matmul(g, x, w, 0, 1)), w2, 0, 0), ir_matmul(g, relu(g, ir_matmul(g, y, w, 0, 1)), w2, 0, 0)));
  ir_graph *h = rounded(g);
  if (h) {
    T_CHECK(count(h, GANTRY_OP_MATMUL, GANTRY_BF16) == 4);
    T_CHECK(count(h, GANTRY_OP_MATMUL, GANTRY_F32) == 0);
    T_CHECK(count(h, GANTRY_OP_CAST, GANTRY_BF16) == 6); /* w, w2, x, y, two activations */
    T_CHECK(count(h, GANTRY_OP_CAST, GANTRY_F32) == 4);
    T_CHECK(count(h, GANTRY_OP_ADD, GANTRY_F32) == 1);
    T_CHECK(ir_at(h, h->roots.p[0].id)->dtype == GANTRY_F32);
    double *a = value(g), *b = value(h), most = 0, largest = 0;
    for (int k = 0; a && b && k < 128; k++) {
      most = fmax(most, fabs(a[k] - b[k]));
      largest = fmax(largest, fabs(a[k]));
    }
    T_CHECK(most > 1e-4 * largest && most < 0.02 * largest); /* rounded to 8 bits, no more and no less */
    free(a);
    free(b);
  }
  ir_graph *plain = opt_run_in(g, GANTRY_PRECISION_TF32, NULL, &(err){0});
  T_CHECK(plain && count(plain, GANTRY_OP_CAST, GANTRY_BF16) == 0);
  ir_free(plain);
  ir_free(h);
  ir_free(g);
}

/* What the reference computes on bf16 is what f32 arithmetic gives on rounded operands, rounded once. */
static void test_opt_precision__values_are_rounded_once(void) {
  ir_graph *g = ir_new();
  ir_output(g, "out", ir_matmul(g, in(g, "x", GANTRY_F32, 2, L(9, 12)), in(g, "w", GANTRY_F32, 2, L(12, 10)), 0, 0));
  ir_graph *h = rounded(g), *own = ir_new();
  ir_id x = ir_cast(own, ir_cast(own, in(own, "x", GANTRY_F32, 2, L(9, 12)), GANTRY_BF16), GANTRY_F32), w = ir_cast(own, ir_cast(own, in(own, "w", GANTRY_F32, 2, L(12, 10)), GANTRY_BF16), GANTRY_F32);
  ir_output(own, "out", ir_cast(own, ir_cast(own, ir_matmul(own, x, w, 0, 0), GANTRY_BF16), GANTRY_F32));
  double *a = h ? value(h) : NULL, *b = value(own);
  for (int k = 0; a && k < 90; k++) {
    T_CHECK(a[k] == b[k]);
    float f = (float)a[k];
    uint32_t bits;
    memcpy(&bits, &f, 4);
    T_CHECK((double)f == a[k] && !(bits & 0xffff));
  }
  free(a);
  free(b);
  ir_free(own);
  ir_free(h);
  ir_free(g);
}

/* Nothing of f32 stands between two contractions that only moves separate, and a move's result is not kept twice. */
static void test_opt_precision__casts_move_out_of_the_way(void) {
  ir_graph *g = ir_new();
  ir_id y = ir_matmul(g, in(g, "x", GANTRY_F32, 2, L(8, 16)), in(g, "w", GANTRY_F32, 2, L(16, 32)), 0, 0);
  ir_id turned = ir_permute(g, reshape(g, y, 3, L(8, 2, 16)), L(1, 0, 2));
  ir_output(g, "out", ir_matmul(g, reshape(g, turned, 2, L(16, 16)), in(g, "v", GANTRY_F32, 2, L(16, 8)), 0, 0));
  ir_output(g, "also", ir_1(g, GANTRY_OP_EXP, reshape(g, y, 3, L(8, 4, 8))));
  ir_id made = ir_permute(g, ir_1(g, GANTRY_OP_EXP, in(g, "a", GANTRY_F32, 3, L(9, 8, 16))), L(1, 0, 2)); /* its kernel stores bf16, and that is turned */
  ir_output(g, "third", ir_matmul(g, made, in(g, "b", GANTRY_F32, 3, L(8, 16, 8)), 0, 0));
  ir_graph *h = rounded(g);
  if (h) {
    T_CHECK(count(h, GANTRY_OP_PERMUTE, GANTRY_BF16) == 2);
    T_CHECK(count(h, GANTRY_OP_PERMUTE, GANTRY_F32) == 0);
    T_CHECK(count(h, GANTRY_OP_RESHAPE, GANTRY_F32) == 0); /* f32 begins behind it, in the kernel of EXP */
    T_CHECK(count(h, GANTRY_OP_CAST, GANTRY_BF16) == 5);
    T_CHECK(count(h, GANTRY_OP_CAST, GANTRY_F32) == 3);
  }
  ir_free(h);
  ir_free(g);
}

static ir_id product(ir_graph *g, int64_t batch, int64_t m, int64_t n, int64_t k, uint32_t dtype) {
  char a[40], b[40];
  snprintf(a, sizeof a, "a%lld.%lld.%lld", (long long)m, (long long)n, (long long)k);
  snprintf(b, sizeof b, "b%lld.%lld.%lld", (long long)m, (long long)n, (long long)k);
  return ir_matmul(g, in(g, a, dtype, 3, L(batch, m, k)), in(g, b, dtype, 3, L(batch, k, n)), 0, 0);
}
static ir_id convolution(ir_graph *g, uint32_t op, int64_t c, int64_t o, int64_t size, int64_t taps) { /* of stride 1, without padding */
  int64_t x[] = {2, size, size, c}, w[] = {o, taps, taps, c}, y[] = {2, size - taps + 1, size - taps + 1, o};
  gantry_attr at[] = {{.key = GANTRY_A_DIMS, .n = 4, .v.iv = op == GANTRY_OP_CONV_DGRAD ? x : w}};
  ir_id a = op == GANTRY_OP_CONV_DGRAD ? in(g, "y", GANTRY_F32, 4, y) : in(g, "x", GANTRY_F32, 4, x), b = op == GANTRY_OP_CONV_WGRAD ? in(g, "y", GANTRY_F32, 4, y) : in(g, "w", GANTRY_F32, 4, w);
  return ir_op(g, op, (ir_id[]){a, b}, 2, at, op == GANTRY_OP_CONV ? 0 : 1);
}
static void is_rounded(ir_graph *g, ir_id y, int yes) {
  ir_output(g, "out", y);
  ir_graph *h = rounded(g);
  char text[100];
  snprintf(text, sizeof text, "%s: %s", ir_op_get(ir_at(g, y)->op)->name, yes ? "expected in bf16" : "expected as it was");
  if (h) t_check_msg((count(h, GANTRY_OP_CAST, GANTRY_BF16) > 0) == yes, __LINE__, __FILE__, text);
  ir_free(h);
  ir_free(g);
}
#define ROUNDED(yes, y) do { ir_graph *g = ir_new(); is_rounded(g, (y), (yes)); } while (0)

static void test_opt_precision__thin_products_stay(void) {
  ROUNDED(1, product(g, 3, 8, 8, 8, GANTRY_F32));
  ROUNDED(0, product(g, 3, 7, 8, 8, GANTRY_F32));
  ROUNDED(0, product(g, 3, 8, 7, 8, GANTRY_F32));
  ROUNDED(0, product(g, 3, 8, 8, 7, GANTRY_F32));
  ROUNDED(0, product(g, 3, 8, 8, 8, GANTRY_F64));
  ROUNDED(0, ir_matmul(g, in(g, "a", GANTRY_F32, 2, L(8, 7)), in(g, "b", GANTRY_F32, 2, L(8, 16)), 1, 0)); /* [7, 16] */
  ROUNDED(1, ir_matmul(g, in(g, "a", GANTRY_F32, 2, L(9, 8)), in(g, "b", GANTRY_F32, 2, L(9, 16)), 1, 0));
  for (uint32_t op = GANTRY_OP_CONV; op <= GANTRY_OP_CONV_WGRAD; op++) {
    ROUNDED(1, convolution(g, op, 3, 4, 8, 3));
    ROUNDED(0, convolution(g, op, 16, 1, 4, 4)); /* DCGAN's logit */
    ROUNDED(0, convolution(g, op, 16, 7, 4, 4));
    ROUNDED(1, convolution(g, op, 16, 8, 4, 4));
    ROUNDED(1, convolution(g, op, 16, 1, 5, 4)); /* an image of one channel */
  }
}

/* Random graphs with gradients: well-formed, no wide contraction of f32 left, and nothing left to round. */
static void test_opt_precision__random_graphs(void) {
  uint32_t casts = 0;
  for (uint64_t seed = 1; seed <= 60; seed++) {
    err e = {0};
    check_random o = {GANTRY_F32, 40, CHECK_MAP | CHECK_MOVE | CHECK_REDUCE | CHECK_MATMUL | CHECK_CONV | CHECK_INDEX | CHECK_GRADIENT};
    ir_graph *g = check_random_graph(seed, &o, &e), *h = g ? rounded(g) : NULL, *again = h ? opt_bf16(h, &e) : NULL;
    T_CHECK(again && ir_hash(again) == ir_hash(h));
    for (uint32_t k = 0; h && k < h->roots.n; k++) T_CHECK(ir_at(h, h->roots.p[k].id)->dtype == ir_at(g, g->roots.p[k].id)->dtype);
    casts += h ? count(h, GANTRY_OP_CONV, GANTRY_BF16) + count(h, GANTRY_OP_CONV_DGRAD, GANTRY_BF16) + count(h, GANTRY_OP_CONV_WGRAD, GANTRY_BF16) : 0;
    ir_free(again);
    ir_free(h);
    ir_free(g);
  }
  T_CHECK(casts > 50);
}

T_MAIN(T(test_opt_precision__products_take_and_give_bf16), T(test_opt_precision__values_are_rounded_once), T(test_opt_precision__casts_move_out_of_the_way), T(test_opt_precision__thin_products_stay),
       T(test_opt_precision__random_graphs))
