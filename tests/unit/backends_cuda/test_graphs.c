/* test_graphs.c - random graphs on the CUDA backend, its kernels compiled as C, against the reference interpreter: every template of the emitter
 * and every fixed kernel, in sizes that leave remainders. Large graphs, since a compiler starts once per program. */
#include "double.h"
#include "sources.h"

static void sweep(uint32_t dtype, uint32_t families, uint32_t nodes, uint64_t first, uint64_t last, double tol, int special) {
  err e = {0};
  device d = double_open(&e);
  T_CHECK(d.session != NULL);
  for (uint64_t seed = first; seed <= last && d.session; seed++) {
    check_random o = {dtype, nodes, families};
    ir_graph *g = check_random_graph(seed, &o, &e);
    check_values v = {seed, special};
    char name[40], text[1700];
    T_CHECK(g != NULL);
    if (!g) break;
    device one = double_open(&e); /* leaves of two graphs have one name */
    snprintf(name, sizeof name, "seed%llu", (unsigned long long)seed);
    double worst = device_compare(&one, g, name, check_bind, &v, &e);
    snprintf(text, sizeof text, "seed %llu, %u nodes, families %u: error %g %s", (unsigned long long)seed, nodes, families, worst, e.msg);
    t_check_msg(worst <= tol && !e.code, __LINE__, __FILE__, text);
    e = (err){0};
    device_close(&one);
    ir_free(g);
  }
  device_close(&d);
}

static void test_cuda_graphs__everything_f64(void) { sweep(GANTRY_F64, CHECK_ALL, 300, 1, 6, 1e-8, 0); }
static void test_cuda_graphs__everything_f32(void) { sweep(GANTRY_F32, CHECK_ALL, 150, 11, 14, 5e-4, 0); }
static void test_cuda_graphs__reductions_f32(void) { sweep(GANTRY_F32, CHECK_MAP | CHECK_MOVE | CHECK_REDUCE, 300, 21, 23, 2e-4, 0); }
static void test_cuda_graphs__integers(void) { sweep(GANTRY_F64, CHECK_INTEGER | CHECK_INDEX | CHECK_RANDOM | CHECK_MOVE, 300, 31, 33, 1e-9, 0); }
static void test_cuda_graphs__exact_with_special_values(void) { sweep(GANTRY_F64, CHECK_MAP | CHECK_MOVE | CHECK_INTEGER | CHECK_EXACT, 300, 41, 43, 0, 1); }
static void cuda_test_graphs__keeps_its_sources(void) { sources_keep(); }
static void cuda_test_graphs__templates_compile_for_a_gpu(void) { sources_check("random graphs"); }
T_MAIN(T(cuda_test_graphs__keeps_its_sources), T(test_cuda_graphs__everything_f64), T(test_cuda_graphs__everything_f32), T(test_cuda_graphs__reductions_f32), T(test_cuda_graphs__integers), T(test_cuda_graphs__exact_with_special_values), T(cuda_test_graphs__templates_compile_for_a_gpu))
