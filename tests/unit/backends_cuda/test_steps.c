/* test_steps.c - every library step of the CUDA backend against the reference interpreter, its kernels compiled as C: the cases of the CPU backend
 * (backends/step_cases.h), gathered into a few graphs since a compiler starts once per program. */
#include "backends/step_cases.h"
#include "double.h"
#include "sources.h"

enum { TOGETHER = 400 };
typedef struct waiting { double tolerance; char what[300]; } waiting;
static ir_graph *all;
static waiting list[TOGETHER];
static uint32_t n_waiting;

static void compare(const char *program) {
  err e = {0};
  uint64_t seed = 1;
  if (!n_waiting) return;
  device d = double_open(&e);
  ir_id want[TOGETHER];
  double *values[TOGETHER] = {NULL};
  for (uint32_t k = 0; k < n_waiting; k++) want[k] = all->roots.p[k].id;
  T_CHECK(!all->err.code && d.session != NULL);
  if (d.session) device_run(&d, all, program, step_bind, &seed, &e);
  if (e.code) printf("# %s\n", e.msg);
  T_CHECK(!e.code);
  if (!e.code && d.session && !ir_eval(all, want, n_waiting, step_bind, &seed, values, &e))
    for (uint32_t k = 0; k < n_waiting; k++) {
      char name[80], text[500];
      snprintf(name, sizeof name, "out/%s/%u", program, k);
      const exec_tensor *t = exec_tensor_get(d.session, name);
      void *raw = t ? malloc((size_t)t->bytes) : NULL;
      double largest = 1;
      int64_t n = ir_count(all, want[k]), i = 0;
      if (!t || exec_read(d.session, name, raw, t->bytes, &e)) break;
      for (i = 0; i < n; i++)
        if (isfinite(values[k][i])) largest = fmax(largest, fabs(values[k][i]));
      for (i = 0; i < n; i++) {
        double a = device_get(raw, t->dtype, i), b = values[k][i], one = 0;
        if (t->dtype == GANTRY_F32) {
          device_put(&one, GANTRY_F32, 0, b);
          b = device_get(&one, GANTRY_F32, 0);
        }
        if (!((isnan(a) && isnan(b)) || a == b || fabs(a - b) <= list[k].tolerance * largest)) break;
      }
      if (i < n) {
        snprintf(text, sizeof text, "%s: element %lld of %lld: %.9g, reference %.9g", list[k].what, (long long)i, (long long)n, device_get(raw, t->dtype, i), values[k][i]);
        t_check_msg(0, __LINE__, __FILE__, text);
      }
      free(raw);
    }
  T_CHECK(!e.code);
  for (uint32_t k = 0; k < n_waiting; k++) free(values[k]);
  device_close(&d);
  ir_free(all);
  all = NULL;
  n_waiting = 0;
}

/* The step's graph becomes part of the one for all, its leaves under a number. */
static void step(uint32_t op, const char *what, ir_graph *g, ir_id a, ir_id b, const gantry_attr *at, uint32_t n_at) {
  arena *mem = arena_new();
  if (!all) all = ir_new();
  ir_id *to = ARENA_ARRAY(mem, ir_id, g->nodes.n + 1), in[8], last[2];
  char name[200];
  for (ir_id id = 1; id < g->nodes.n; id++) {
    const ir_node *n = ir_at(g, id);
    if (n->op == GANTRY_OP_INPUT) {
      snprintf(name, sizeof name, "%u/%s", n_waiting, ir_name(g, (uint32_t)ir_attr_i(g, id, GANTRY_A_NAME, 0)));
      to[id] = ir_leaf(all, GANTRY_OP_INPUT, name, n->dtype, n->rank, ir_dims(g, id));
      continue;
    }
    const gantry_attr *own;
    uint32_t n_own = ir_attrs_abi(g, id, mem, &own);
    for (uint32_t k = 0; k < n->n_in && k < 8; k++) in[k] = to[ir_in(g, id, k)];
    to[id] = ir_op(all, n->op, in, n->n_in, own, n_own);
  }
  last[0] = to[a];
  last[1] = b ? to[b] : 0;
  snprintf(name, sizeof name, "%u", n_waiting);
  snprintf(list[n_waiting].what, sizeof list[n_waiting].what, "%s %s, %.200s", ir_op_get(op)->name, ir_dtype_name(ir_at(g, a)->dtype), what);
  list[n_waiting].tolerance = tolerance_of(op, ir_at(g, a)->dtype);
  if (op == GANTRY_OP_GRID_SPLAT && ir_at(g, a)->dtype == GANTRY_F64) list[n_waiting].tolerance = 1e-12; /* sums of integers of 62 bits */
  if (on_gpu() && (op == GANTRY_OP_MATMUL || (op >= GANTRY_OP_CONV && op <= GANTRY_OP_CONV_WGRAD))) list[n_waiting].tolerance = ir_at(g, a)->dtype == GANTRY_BF16 ? 8e-3 : 10 * list[n_waiting].tolerance; /* sums in f32, in an order of the library's */
  ir_output(all, name, ir_op(all, op, last, b ? 2 : 1, at, n_at));
  n_waiting++;
  ir_free(g);
  arena_free(mem);
  if (n_waiting == TOGETHER) compare("full");
}
#define ALL_OF(test) static void cuda_##test(void) { test(); compare(#test); }
ALL_OF(test_steps__matrix_products)
ALL_OF(test_steps__gather)
ALL_OF(test_steps__scatter_add)
ALL_OF(test_steps__argmax)
ALL_OF(test_steps__topk_and_sort)
ALL_OF(test_steps__argmax_of_windows)
ALL_OF(test_steps__fir)
ALL_OF(test_steps__grids)
ALL_OF(test_steps__random_bits)
ALL_OF(test_steps__linear_algebra)
static void cuda_test_steps__convolutions_by_cudnn(void) {
  test_steps__convolutions_of_networks();
  random_convolutions(GANTRY_F32, 40);
  random_convolutions(GANTRY_BF16, 20);
  compare("cudnn");
}
static void cuda_test_steps__contractions_by_kernels(void) {
  setenv("GANTRY_CUDA_LIBRARIES", "none", 1);
  test_steps__convolutions_of_networks();
  compare("networks");
  unsetenv("GANTRY_CUDA_LIBRARIES");
}
static void cuda_test_steps__more_contractions_by_kernels(void) {
  setenv("GANTRY_CUDA_LIBRARIES", "none", 1);
  random_convolutions(GANTRY_F64, 15);
  random_convolutions(GANTRY_BF16, 10);
  test_steps__matrix_products();
  compare("kernels");
  unsetenv("GANTRY_CUDA_LIBRARIES");
}
static void cuda_test_steps__keeps_its_sources(void) { sources_keep(); }
static void cuda_test_steps__templates_compile_for_a_gpu(void) { sources_check("library steps"); }
T_MAIN(T(cuda_test_steps__keeps_its_sources), T(cuda_test_steps__convolutions_by_cudnn), T(cuda_test_steps__contractions_by_kernels), T(cuda_test_steps__more_contractions_by_kernels), T(cuda_test_steps__matrix_products), T(cuda_test_steps__gather), T(cuda_test_steps__scatter_add),
       T(cuda_test_steps__argmax), T(cuda_test_steps__topk_and_sort), T(cuda_test_steps__argmax_of_windows), T(cuda_test_steps__fir), T(cuda_test_steps__grids),
       T(cuda_test_steps__random_bits), T(cuda_test_steps__linear_algebra), T(cuda_test_steps__templates_compile_for_a_gpu))
