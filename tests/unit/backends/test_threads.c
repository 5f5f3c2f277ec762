/* test_threads.c - the number of threads changes no bit: every library step of step_cases.h, the layers of GANs at their sizes, and kernels with enough work to be
 * shared, on one thread, on two and on three. What one thread gives is compared with the reference by test_steps.c and test_native.c.
 *
 * The process's OpenMP is told the same number, as the host does, so that a library that picks its own threads shows. */
#include <dirent.h>
#include <unistd.h>

#include "backends/run_graph.h"
#include "backends/step_cases.h"

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
  static const product_size sizes[] = {{1, 64, 3136, 100}, {1, 64, 100, 3136}, {1, 100, 450, 450}, {1, 450, 450, 100}, {1, 256, 512, 512}, {1, 512, 512, 256}, {1, 64, 32, 32},
                                       {1, 256, 2, 512}, {1, 64, 1, 3136}, {1, 301, 257, 129}, {1, 2048, 64, 64}, {1, 64, 64, 2048}, {5, 128, 128, 100}};
  products(sizes, sizeof sizes / sizeof *sizes, GANTRY_F32);
}

/* Generated C in a folder of its own, so that the kernels below run as machine code, which alone is shared. */
static char cache[200];
static void compile_kernels(void) {
  snprintf(cache, sizeof cache, "%s/test-threads-cache-%ld", getenv("GANTRY_BUILD") ? getenv("GANTRY_BUILD") : "build/release", (long)getpid());
  setenv("GANTRY_CACHE", cache, 1);
  setenv("GANTRY_KERNELS", "compile", 1);
}
static int forget_kernels(void) { /* how many there were */
  DIR *d = opendir(cache);
  char path[600];
  int n = 0;
  for (struct dirent *f; d && (f = readdir(d));) {
    snprintf(path, sizeof path, "%s/%s", cache, f->d_name);
    n += f->d_name[0] != '.' && !remove(path);
  }
  if (d) closedir(d);
  rmdir(cache);
  setenv("GANTRY_KERNELS", "interpret", 1);
  return n;
}

/* Every way to walk, with enough points to be shared and sizes that no number of threads divides: maps, sums along rows, along columns, of images by channel, of everything, and what repeats. */
static void test_threads__kernels(void) {
  static const uint32_t reductions[] = {GANTRY_OP_SUM, GANTRY_OP_RMAX, GANTRY_OP_VAR};
  static const int64_t image[4] = {17, 23, 23, 67}, rows[2] = {601, 1009}, pool[6] = {17, 11, 2, 11, 2, 67}, small[4] = {17, 11, 11, 67}, pooled[4] = {0, 1, 3, 5}, window[2] = {2, 4}, first[3] = {0, 1, 2}, all[2] = {0, 1}, one = 1, none = 0, last = 3;
  ir_graph *g = ir_new();
  uint64_t seed = 3;
  ir_id x = leaf(g, "x:-1:1", GANTRY_F32, 4, image), r = leaf(g, "r:-1:1", GANTRY_F32, 2, rows), scale = leaf(g, "s:0:2", GANTRY_F32, 1, &image[3]), p = leaf(g, "p:-1:1", GANTRY_F32, 6, pool), q = leaf(g, "q:-1:1", GANTRY_F32, 4, small);
  gantry_attr spread = iv(GANTRY_A_AXES, 4, pooled), to = iv(GANTRY_A_DIMS, 6, pool), wide[2] = {to, spread};
  ir_output(g, "map", ir_mul(g, ir_1(g, GANTRY_OP_TANH, ir_mul(g, x, scale)), x));
  ir_output(g, "rows", ir_add(g, ir_1(g, GANTRY_OP_EXP, r), ir_const(g, GANTRY_F32, 1)));
  ir_output(g, "enlarged", ir_mul(g, p, ir_op(g, GANTRY_OP_BROADCAST, &q, 1, wide, 2)));
  ir_output(g, "pooled", ir_sum(g, p, window, 2));
  for (int k = 0; k < 3; k++) {
    char name[30];
    const struct { const char *what; ir_id of; uint32_t n; const int64_t *axes; } ways[] = {{"channels", x, 3, first}, {"pixels", x, 1, &last}, {"along", r, 1, &one}, {"across", r, 1, &none}, {"all", r, 2, all}};
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
      gantry_attr axes = iv(GANTRY_A_AXES, ways[w].n, ways[w].axes);
      snprintf(name, sizeof name, "%s%d", ways[w].what, k);
      ir_output(g, name, ir_1(g, GANTRY_OP_NEG, ir_op(g, reductions[k], &ways[w].of, 1, &axes, 1)));
    }
  }
  compile_kernels();
  T_STR(g->err.msg, "");
  same_on_threads(g, step_bind, &seed, "kernels");
  T_CHECK(forget_kernels() == 2); /* for one thread and for several: it was machine code */
  ir_free(g);
}

/* The cases that test_steps.c compares with the reference. First those too small to be shared: there the library must not share them either. */
static void test_threads__small_convolutions(void) {
  test_steps__convolutions_of_networks();
  test_steps__random_convolutions_f32();
}
static void test_threads__library_steps(void) {
  test_steps__convolutions_with_fewer_products();
  test_steps__convolutions_of_few_channels();
  test_steps__convolutions_in_slices();
  test_steps__convolutions_in_slices_of_the_batch();
  test_steps__random_convolutions_f64();
  test_steps__random_convolutions_bf16();
  test_steps__matrix_products();
  test_steps__matrix_products_in_pieces();
  test_steps__gather();
  test_steps__scatter_add();
  test_steps__argmax();
  test_steps__topk_and_sort();
  test_steps__argmax_of_windows();
  test_steps__fir();
  test_steps__grids();
  test_steps__random_bits();
  test_steps__linear_algebra();
}

T_MAIN(T(test_threads__kernels), T(test_threads__convolutions_of_gans), T(test_threads__products_of_gans), T(test_threads__small_convolutions), T(test_threads__library_steps))
