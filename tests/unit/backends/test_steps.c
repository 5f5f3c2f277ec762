/* test_steps.c - every library step of the CPU backend against the reference interpreter: each operation, element type and several sets of
 * attributes (step_cases.h); twice the same bits; nothing written outside its place (run_graph.h); and query() says no to what is not there. */
#include "backends/run_graph.h"
#include "backends/step_cases.h"

static void step(uint32_t op, const char *what, ir_graph *g, ir_id a, ir_id b, const gantry_attr *at, uint32_t n_at) {
  ir_id in[2] = {a, b}, y = ir_op(g, op, in, b ? 2 : 1, at, n_at);
  char text[300];
  uint64_t seed = 1;
  snprintf(text, sizeof text, "%s %s, %s", ir_op_get(op)->name, ir_dtype_name(ir_at(g, a)->dtype), what);
  ir_output(g, "y", y);
  rg_compare(g, step_bind, &seed, tolerance_of(op, ir_at(g, a)->dtype), text);
  ir_free(g);
}

static void test_steps__linear_algebra_of_nan_ends(void) {
  ir_graph *g = ir_new();
  ir_id x = leaf(g, "x:-1:1:nan", GANTRY_F64, 2, L(12, 12));
  gantry_attr half = ff(GANTRY_A_EXPONENT, 0.5);
  uint64_t seed = 1;
  rg_result r;
  ir_output(g, "power", ir_op(g, GANTRY_OP_PSD_POWER, &x, 1, &half, 1));
  ir_output(g, "values", ir_1(g, GANTRY_OP_EIGVALSH, x));
  if (rg_compile(g, &r)) {
    rg_fill(g, &r, step_bind, &seed);
    if (rg_run(&r)) {
      const double *p = rg_named(&r, "out/test/power"), *v = rg_named(&r, "out/test/values");
      for (int k = 0; p && k < 144; k++) T_CHECK(isnan(p[k]));
      for (int k = 0; v && k < 12; k++) T_CHECK(isnan(v[k]));
      T_CHECK(p && v);
    }
    rg_free(&r);
  }
  ir_free(g);
}

/* ---- what is not there ---------------------------------------------------------------------------------------------------------- */
static uint32_t supported(uint32_t op, uint32_t n_in, uint32_t a, uint32_t ra, uint32_t b, uint32_t rb, uint32_t out, uint32_t ro, const gantry_attr *at, uint32_t n_at) {
  gantry_operand in[3] = {{.dtype = a, .rank = ra}, {.dtype = b, .rank = rb}, {.dtype = a, .rank = ra}};
  gantry_lib l = {.struct_size = sizeof l, .op = op, .in = in, .attrs = at, .n_in = n_in, .n_attrs = n_at, .out = {.dtype = out, .rank = ro}, .scratch = GANTRY_NO_BUFFER};
  gantry_query q = {.struct_size = sizeof q, .supported = 77};
  for (uint32_t k = 0; k < GANTRY_MAX_RANK; k++) in[0].dims[k] = in[1].dims[k] = in[2].dims[k] = l.out.dims[k] = 4;
  if (!rg_open()) return 88;
  return rg_backend->query(&rg_the_ctx.abi, rg_self, &l, &q) ? 99 : q.supported;
}
#define NO(...) T_CHECK(supported(__VA_ARGS__) == 0)
#define YES(...) T_CHECK(supported(__VA_ARGS__) == 1)

static void test_steps__query_says_no(void) {
  enum { F32 = GANTRY_F32, F64 = GANTRY_F64, BF16 = GANTRY_BF16, I32 = GANTRY_I32, I64 = GANTRY_I64, U32 = GANTRY_U32, BOOL = GANTRY_BOOL };
  gantry_attr one = ii(GANTRY_A_GROUPS, 1), three = ii(GANTRY_A_GROUPS, 3), axis = ii(GANTRY_A_AXIS, 1), far = ii(GANTRY_A_AXIS, 7), batch[] = {ii(GANTRY_A_AXIS, 1), ii(GANTRY_A_BATCH, 2)};
  for (uint32_t op = 0; op < 200; op++) /* never a crash, whatever the types, ranks and counts */
    for (uint32_t n = 0; n < 4; n++)
      for (uint32_t type = 0; type < 12; type++)
        for (uint32_t rank = 0; rank <= GANTRY_MAX_RANK; rank++) {
          uint32_t s = supported(op, n, type, rank, type, rank, type, rank, &axis, 1);
          T_CHECK(s <= 1);
          if (n == 0 || n > 2 || type == 0 || type > GANTRY_BOOL) T_CHECK(s == 0);
        }
  NO(9999, 2, F32, 4, F32, 4, F32, 4, NULL, 0); NO(GANTRY_OP_ADD, 2, F32, 4, F32, 4, F32, 4, NULL, 0);
  for (uint32_t op = GANTRY_OP_CONV; op <= GANTRY_OP_CONV_WGRAD; op++) {
    YES(op, 2, F32, 4, F32, 4, F32, 4, &one, 1);
    YES(op, 2, F64, 3, F64, 3, F64, 3, NULL, 0);
    YES(op, 2, BF16, 4, BF16, 4, BF16, 4, NULL, 0);
    NO(op, 2, BF16, 4, BF16, 4, F32, 4, NULL, 0); /* one type for all three */
    NO(op, 2, BF16, 4, F32, 4, BF16, 4, NULL, 0);
    NO(op, 2, BF16, 6, BF16, 6, BF16, 6, NULL, 0);
    NO(op, 2, BF16, 4, BF16, 4, BF16, 4, &three, 1);
    NO(op, 2, I32, 4, I32, 4, I32, 4, NULL, 0);
    NO(op, 2, F32, 4, F64, 4, F32, 4, NULL, 0);
    NO(op, 2, F32, 2, F32, 2, F32, 2, NULL, 0);
    NO(op, 2, F32, 6, F32, 6, F32, 6, NULL, 0);
    NO(op, 2, F32, 4, F32, 3, F32, 4, NULL, 0);
    NO(op, 2, F32, 4, F32, 4, F32, 4, &three, 1);
  }
  YES(GANTRY_OP_MATMUL, 2, F64, 2, F64, 2, F64, 2, NULL, 0); NO(GANTRY_OP_MATMUL, 2, I32, 2, I32, 2, I32, 2, NULL, 0);
  YES(GANTRY_OP_MATMUL, 2, BF16, 2, BF16, 2, BF16, 2, NULL, 0); NO(GANTRY_OP_MATMUL, 2, BF16, 2, BF16, 2, F32, 2, NULL, 0);
  NO(GANTRY_OP_MATMUL, 2, F32, 1, F32, 1, F32, 1, NULL, 0); YES(GANTRY_OP_GATHER, 2, BF16, 2, I64, 1, BF16, 2, &axis, 1);
  NO(GANTRY_OP_GATHER, 2, F32, 2, F32, 1, F32, 2, &axis, 1); NO(GANTRY_OP_GATHER, 2, F32, 2, I32, 1, F64, 2, &axis, 1);
  NO(GANTRY_OP_GATHER, 2, F32, 2, I32, 1, F32, 2, &far, 1); NO(GANTRY_OP_GATHER, 2, F32, 4, I32, 4, F32, 4, batch, 2);
  YES(GANTRY_OP_SCATTER_ADD, 2, F32, 2, I32, 1, F32, 2, &axis, 1); NO(GANTRY_OP_SCATTER_ADD, 2, BOOL, 2, I32, 1, BOOL, 2, &axis, 1);
  YES(GANTRY_OP_TOPK, 1, F32, 2, 0, 0, I32, 2, NULL, 0); NO(GANTRY_OP_TOPK, 1, BF16, 2, 0, 0, I32, 2, NULL, 0);
  NO(GANTRY_OP_TOPK, 1, F32, 2, 0, 0, I64, 2, NULL, 0); NO(GANTRY_OP_SORT_INDEX, 1, F32, 0, 0, 0, I32, 0, NULL, 0);
  NO(GANTRY_OP_ARGMAX, 1, F32, 2, 0, 0, I32, 1, &far, 1); NO(GANTRY_OP_WIN_ARGMAX, 1, F32, 2, 0, 0, I32, 2, NULL, 0);
  NO(GANTRY_OP_WIN_ARGMAX, 1, F32, 6, 0, 0, I32, 6, NULL, 0); YES(GANTRY_OP_FIR, 2, F32, 4, F32, 2, F32, 4, NULL, 0);
  NO(GANTRY_OP_FIR, 2, F32, 4, F32, 4, F32, 4, NULL, 0); NO(GANTRY_OP_FIR, 2, BF16, 4, BF16, 2, BF16, 4, NULL, 0);
  NO(GANTRY_OP_GRID_SAMPLE, 2, F32, 6, F32, 3, F32, 3, NULL, 0); /* four coordinates */
  NO(GANTRY_OP_GRID_SAMPLE, 2, F32, 2, F32, 3, F32, 3, NULL, 0); NO(GANTRY_OP_GRID_SPLAT, 2, F32, 3, F32, 3, F32, 6, NULL, 0);
  YES(GANTRY_OP_EIGVALSH, 1, F64, 2, 0, 0, F64, 1, NULL, 0);
  NO(GANTRY_OP_EIGVALSH, 1, F32, 2, 0, 0, F32, 1, NULL, 0);
  NO(GANTRY_OP_PSD_POWER, 1, F64, 3, 0, 0, F64, 3, NULL, 0);
  NO(GANTRY_OP_RANDOM_BITS, 2, F32, 1, U32, 0, U32, 3, NULL, 0);
}

T_MAIN(T(test_steps__convolutions_of_networks), T(test_steps__convolutions_with_fewer_products), T(test_steps__convolutions_of_few_channels), T(test_steps__convolutions_in_slices), T(test_steps__convolutions_in_slices_of_the_batch), T(test_steps__random_convolutions_f32), T(test_steps__random_convolutions_f64), T(test_steps__random_convolutions_bf16), T(test_steps__matrix_products), T(test_steps__matrix_products_in_pieces),
       T(test_steps__gather), T(test_steps__scatter_add), T(test_steps__argmax), T(test_steps__topk_and_sort), T(test_steps__argmax_of_windows), T(test_steps__fir), T(test_steps__grids),
       T(test_steps__random_bits), T(test_steps__linear_algebra), T(test_steps__linear_algebra_of_nan_ends), T(test_steps__query_says_no))
