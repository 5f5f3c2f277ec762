/* test_threads.c - the number of threads changes no bit: every library step of step_cases.h, the layers of GANs at their sizes, and kernels with enough work to be
 * shared, on one thread, on two and on three. What one thread gives is compared with the reference by test_steps.c and test_native.c.
 *
 * The process's OpenMP is told the same number, as the host does, so that a library that picks its own threads shows. */
#include "backends/run_graph.h"
#include "backends/step_cases.h"
#include "check/random_graph.h"

static void use_threads(uint32_t n) {
  static void (*tell)(int);
  rg_on_threads(n);
  rg_open();
  void *gomp = tell ? NULL : dlopen("libgomp.so.1", RTLD_NOW | RTLD_NOLOAD);
  if (gomp) *(void **)(void *)&tell = dlsym(gomp, "omp_set_num_threads");
  T_CHECK(tell != NULL);
  if (tell) tell((int)n);
}

/* Runs g on n threads; every named tensor afterwards, concatenated. Caller frees. */
static char *bits(const ir_graph *g, uint32_t threads, ir_bind *bind, void *user, size_t *n) {
  rg_result r;
  char *all = NULL;
  *n = 0;
  use_threads(threads);
  if (!rg_compile(g, &r)) return NULL;
  rg_fill(g, &r, bind, user);
  if (rg_run(&r)) {
    for (uint32_t k = 0; k < r.n; k++) *n += (size_t)rg_bytes(&r.names[k]);
    char *p = all = malloc(*n + 1);
    for (uint32_t k = 0; p && k < r.n; p += rg_bytes(&r.names[k++])) memcpy(p, r.buffers[k], (size_t)rg_bytes(&r.names[k]));
  }
  rg_free(&r);
  return all;
}

static void same_on_threads(const ir_graph *g, ir_bind *bind, void *user, const char *what) {
  size_t n, m;
  char *one = bits(g, 1, bind, user, &n);
  for (uint32_t t = 2; one && t <= 3; t++) {
    char *more = bits(g, t, bind, user, &m), text[100];
    snprintf(text, sizeof text, ": other bits on %u threads than on one", t);
    if (!more || m != n || memcmp(one, more, n)) rg_text(what, text);
    free(more);
  }
  T_CHECK(one != NULL);
  free(one);
  use_threads(1);
}

static void step(uint32_t op, const char *what, ir_graph *g, ir_id a, ir_id b, const gantry_attr *at, uint32_t n_at) {
  ir_id in[2] = {a, b};
  char text[300];
  uint64_t seed = 1;
  snprintf(text, sizeof text, "%s %s, %s", ir_op_get(op)->name, ir_dtype_name(ir_at(g, a)->dtype), what);
  ir_output(g, "y", ir_op(g, op, in, b ? 2 : 1, at, n_at));
  same_on_threads(g, step_bind, &seed, text);
  ir_free(g);
}

/* The layers of the networks that people train, at their sizes; where a batch of 64 takes too long, of 16. */
static void test_threads__convolutions_of_gans(void) {
  static const conv_case cases[] = {
    {2, 64, 1, 32, 1, {28, 28}, {4, 4}, {2, 2}, {1, 1}, {1, 1}, {1, 1}},  {2, 64, 32, 64, 1, {14, 14}, {4, 4}, {2, 2}, {1, 1}, {1, 1}, {1, 1}},  /* DCGAN 28 */
    {2, 64, 64, 128, 1, {7, 7}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},  {2, 16, 3, 64, 1, {32, 32}, {4, 4}, {2, 2}, {1, 1}, {1, 1}, {1, 1}},
    {2, 16, 64, 128, 1, {16, 16}, {4, 4}, {2, 2}, {1, 1}, {1, 1}, {1, 1}}, {2, 16, 128, 256, 1, {8, 8}, {4, 4}, {2, 2}, {1, 1}, {1, 1}, {1, 1}}, /* DCGAN 32 */
    {2, 64, 256, 1, 1, {4, 4}, {4, 4}, {1, 1}, {0, 0}, {0, 0}, {1, 1}},   {2, 16, 40, 80, 1, {24, 24}, {4, 4}, {2, 2}, {1, 1}, {1, 1}, {1, 1}},  /* and 48 */
    {2, 16, 32, 32, 1, {32, 32}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}, {2, 64, 32, 32, 1, {8, 8}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},    /* SNGAN */
    {2, 64, 3, 32, 1, {32, 32}, {1, 1}, {1, 1}, {0, 0}, {0, 0}, {1, 1}},  {2, 64, 32, 32, 1, {16, 16}, {1, 1}, {1, 1}, {0, 0}, {0, 0}, {1, 1}},
    {2, 13, 24, 40, 1, {9, 11}, {5, 5}, {2, 2}, {2, 2}, {2, 2}, {1, 1}},  {2, 64, 48, 48, 48, {14, 14}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}, /* and what fits nothing */
  };
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) conv_faces(&cases[k], GANTRY_F32);
}

static void test_threads__products_of_gans(void) {
  static const int64_t sizes[][3] = {{64, 3136, 100}, {64, 100, 3136}, {100, 450, 450}, {450, 450, 100}, {256, 512, 512}, {512, 512, 256}, {64, 32, 32}, {256, 2, 512}, {64, 1, 3136}, {301, 257, 129}, {2048, 64, 64}, {64, 64, 2048}}; /* m n k */
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
    for (int64_t flip = 0; flip < 4; flip++) {
      int64_t m = sizes[s][0], n = sizes[s][1], k = sizes[s][2], ta = flip & 1, tb = flip >> 1;
      ir_graph *g = ir_new();
      gantry_attr at[] = {ii(GANTRY_A_TA, ta), ii(GANTRY_A_TB, tb)};
      char what[100];
      snprintf(what, sizeof what, "m %lld, n %lld, k %lld, transposed %lld", (long long)m, (long long)n, (long long)k, (long long)flip);
      step(GANTRY_OP_MATMUL, what, g, leaf(g, "a:-1:1", GANTRY_F32, 2, L(ta ? k : m, ta ? m : k)), leaf(g, "b:-1:1", GANTRY_F32, 2, L(tb ? n : k, tb ? k : n)), at, 2);
    }
}

T_MAIN(T(test_threads__convolutions_of_gans), T(test_threads__products_of_gans), T(test_steps__convolutions_of_networks), T(test_steps__convolutions_with_fewer_products), T(test_steps__convolutions_of_few_channels),
       T(test_steps__convolutions_in_slices), T(test_steps__random_convolutions_f32), T(test_steps__matrix_products), T(test_steps__gather), T(test_steps__scatter_add), T(test_steps__argmax), T(test_steps__topk_and_sort),
       T(test_steps__argmax_of_windows), T(test_steps__fir), T(test_steps__grids), T(test_steps__random_bits), T(test_steps__linear_algebra))
