/* test_elementwise.c - every elementwise operation and type on the CUDA backend, its kernels compiled as C, bit for bit against the CPU backend: in
 * lengths that go by four and that do not, with NaN, infinities, denormals and the edges of the integers among the values. */
#include <gantry/backend.h>

#include "double.h"
#include "sources.h"

enum { LENGTHS = 2, MOST = 700 };
static const int64_t lengths[LENGTHS] = {1024, 1003};
static const uint32_t types[] = {GANTRY_F32, GANTRY_F64, GANTRY_BF16, GANTRY_I32, GANTRY_I64, GANTRY_U32, GANTRY_U8, GANTRY_BOOL};
enum { TYPES = sizeof types / sizeof *types };

typedef struct op_case { uint32_t op, a, b, c, out, kind; double imm; int64_t n; } op_case;
static op_case cases[MOST];
static uint32_t n_cases;
static void add(op_case c) {
  for (int k = 0; k < LENGTHS; k++) {
    if (k && n_cases % 5) continue; /* one in a few in the odd length too: the operation is the same, the way to it is not */
    c.n = lengths[k];
    if (n_cases < MOST) cases[n_cases++] = c;
  }
}

static void all_cases(void) {
  static const uint32_t one[] = {GANTRY_OP_NEG, GANTRY_OP_ABS, GANTRY_OP_SIGN, GANTRY_OP_EXP, GANTRY_OP_EXPM1, GANTRY_OP_LOG, GANTRY_OP_LOG1P, GANTRY_OP_SQRT, GANTRY_OP_RSQRT, GANTRY_OP_SIN, GANTRY_OP_COS,
                                 GANTRY_OP_TANH, GANTRY_OP_SIGMOID, GANTRY_OP_ERF, GANTRY_OP_FLOOR, GANTRY_OP_ROUND, GANTRY_OP_ADD, GANTRY_OP_SUB, GANTRY_OP_MUL, GANTRY_OP_DIV, GANTRY_OP_MAX, GANTRY_OP_MIN, GANTRY_OP_ATAN2};
  static const uint32_t integer[] = {GANTRY_OP_NEG, GANTRY_OP_ABS, GANTRY_OP_SIGN, GANTRY_OP_NOT, GANTRY_OP_ADD, GANTRY_OP_SUB, GANTRY_OP_MUL, GANTRY_OP_DIV, GANTRY_OP_MOD, GANTRY_OP_MAX, GANTRY_OP_MIN, GANTRY_OP_AND,
                                     GANTRY_OP_OR, GANTRY_OP_XOR, GANTRY_OP_SHL, GANTRY_OP_SHR};
  static const uint32_t logical[] = {GANTRY_OP_NOT, GANTRY_OP_AND, GANTRY_OP_OR, GANTRY_OP_XOR};
  static const double exponents[] = {2, 0.5, -0.5, -1, 1.5, 0.3, 7, 20, 0};
  n_cases = 0;
  for (int t = 0; t < 3; t++) {
    for (size_t o = 0; o < sizeof one / sizeof *one; o++) add((op_case){.op = one[o], .a = types[t], .b = types[t], .c = types[t], .out = types[t]});
    for (size_t k = 0; k < sizeof exponents / sizeof *exponents; k++) add((op_case){.op = GANTRY_OP_POW, .a = types[t], .b = types[t], .c = types[t], .out = types[t], .imm = exponents[k]});
  }
  for (int t = 3; t < TYPES - 1; t++)
    for (size_t o = 0; o < sizeof integer / sizeof *integer; o++) add((op_case){.op = integer[o], .a = types[t], .b = types[t], .c = types[t], .out = types[t]});
  for (size_t o = 0; o < 4; o++) add((op_case){.op = logical[o], .a = GANTRY_BOOL, .b = GANTRY_BOOL, .c = GANTRY_BOOL, .out = GANTRY_BOOL});
  for (int t = 0; t < TYPES; t++) {
    for (uint32_t kind = GANTRY_CMP_EQ; kind <= GANTRY_CMP_GE; kind++) add((op_case){.op = GANTRY_OP_CMP, .a = types[t], .b = types[t], .c = types[t], .out = GANTRY_BOOL, .kind = kind});
    add((op_case){.op = GANTRY_OP_WHERE, .a = GANTRY_BOOL, .b = types[t], .c = types[t], .out = types[t]});
    for (int u = 0; u < TYPES; u++) {
      if (types[u] != GANTRY_BF16 || t < 3) add((op_case){.op = GANTRY_OP_CAST, .a = types[t], .b = types[t], .c = types[t], .out = types[u]});
      if (ir_dtype_size(types[t]) == ir_dtype_size(types[u]) && ir_dtype_size(types[t]) >= 4) add((op_case){.op = GANTRY_OP_BITCAST, .a = types[t], .b = types[t], .c = types[t], .out = types[u]});
    }
  }
}

static void fill(uint32_t t, char *p, int64_t n, uint64_t seed) {
  static const double special[] = {0, -0.0, 1, -1, INFINITY, -INFINITY, NAN, 1e-310, 1e-40, 1e30, -1e30, 0.5, 2147483648.0, -2147483648.0, 4294967296.0, 1e19, 255, 256, 3.7, -3.7};
  uint64_t s = seed * 7919 + 1;
  for (int64_t i = 0; i < n; i++) {
    s = s * 6364136223846793005ull + 1442695040888963407ull;
    double v = ((double)(s >> 11) / 9007199254740992.0 - 0.5) * (i % 3 ? 8 : 200);
    if (ir_is_float(t)) device_put(p, t, i, i % 7 ? v : special[(s >> 33) % 20]);
    else if (t == GANTRY_BOOL) p[i] = (char)(s >> 40 & 1);
    else {
      int64_t w = i % 13 == 0 ? INT64_MIN >> (t == GANTRY_I64 ? 0 : 32) : i % 11 == 0 ? (i % 2 ? -1 : 0) : i % 5 ? (int64_t)v : (int64_t)s;
      int64_t size = ir_dtype_size(t);
      memcpy(p + i * size, &w, (size_t)size);
    }
  }
}

typedef struct side { device d; const gantry_backend *b; void *self, *exe; void *buffers[4 * MOST]; } side;
typedef struct shared { gantry_ctx abi; char message[2000]; } shared;
static gantry_status fail(gantry_ctx *c, gantry_status s, const char *text) {
  shared *r = (shared *)(void *)c;
  if (!r->message[0]) snprintf(r->message, sizeof r->message, "%s", text);
  return s;
}
static void quiet(gantry_ctx *c, uint32_t level, const char *text) { (void)c, (void)level, (void)text; }
static const gantry_host host = {.struct_size = sizeof(gantry_host), .abi_major = GANTRY_ABI_MAJOR, .abi_minor = GANTRY_ABI_MINOR, .fail = fail, .log = quiet};
static shared the = {.abi = {&host}};

/* A program with one kernel per case, each on buffers of its own; out[k] gets the result of case k. */
static int run(const char *backend, char **out) {
  static side s;
  static gantry_buffer buffers[4 * MOST];
  static gantry_access loads[3 * MOST];
  static gantry_inst insts[4 * MOST];
  static gantry_store stores[MOST];
  static gantry_kernel kernels[MOST];
  static gantry_step_rec steps[MOST];
  const char *labels[] = {"elementwise"};
  err e = {0};
  gantry_open o = {.struct_size = sizeof o, .threads = 1};
  memset(&s, 0, sizeof s);
  double_use();
  s.d = device_open_on(backend, &e);
  abi_plugin *p = abi_need(s.d.registry, GANTRY_KIND_BACKEND, backend, &e);
  if (!p || !s.d.session) return 0;
  s.b = p->live->iface;
  int ok = !s.b->open(&the.abi, &o, &s.self);
  for (uint32_t k = 0; k < n_cases && ok; k++) {
    const op_case *c = &cases[k];
    uint32_t dtype[4] = {c->a, c->b, c->c, c->out};
    for (uint32_t j = 0; j < 4 && ok; j++) {
      int64_t bytes = c->n * ir_dtype_size(dtype[j]);
      char *raw = calloc((size_t)bytes, 1);
      if (j < 3) fill(dtype[j], raw, c->n, j + 1);
      buffers[4 * k + j] = (gantry_buffer){.space = GANTRY_SPACE_NAMED, .dtype = dtype[j], .elements = c->n, .name = "t"};
      ok = !s.b->alloc(&the.abi, s.self, bytes, &s.buffers[4 * k + j]) && !s.b->upload(&the.abi, s.self, s.buffers[4 * k + j], 0, bytes, raw);
      free(raw);
      if (j < 3) {
        loads[3 * k + j] = (gantry_access){.buffer = 4 * k + j, .stride = {1}};
        insts[4 * k + j] = (gantry_inst){.op = GANTRY_K_LOAD, .dtype = dtype[j], .a = j};
      }
    }
    insts[4 * k + 3] = (gantry_inst){.op = c->op, .dtype = c->out, .a = 0, .b = 1, .c = 2, .kind = c->kind, .imm = c->imm};
    stores[k] = (gantry_store){.to = {.buffer = 4 * k + 3, .stride = {1}}, .reg = 3};
    kernels[k] = (gantry_kernel){.struct_size = sizeof(gantry_kernel), .rank = 1, .kept = 1, .body = 4, .dims = {c->n}, .loads = &loads[3 * k], .insts = &insts[4 * k], .stores = &stores[k], .n_loads = 3, .n_insts = 4, .n_stores = 1};
    steps[k] = (gantry_step_rec){.kind = GANTRY_STEP_KERNEL, .kernel = &kernels[k]};
  }
  gantry_program prog = {.struct_size = sizeof prog, .version = GANTRY_PROGRAM_VERSION, .name = "elementwise", .buffers = buffers, .steps = steps, .labels = labels, .n_buffers = 4 * n_cases, .n_steps = n_cases, .n_labels = 1,
                         .buffer_stride = sizeof *buffers, .step_stride = sizeof *steps};
  ok = ok && !s.b->compile(&the.abi, s.self, &prog, s.buffers, &s.exe) && !s.b->run(&the.abi, s.self, &s.exe, 1, NULL);
  for (uint32_t k = 0; k < n_cases && ok; k++) {
    int64_t bytes = cases[k].n * ir_dtype_size(cases[k].out);
    out[k] = calloc((size_t)bytes, 1);
    ok = !s.b->download(&the.abi, s.self, s.buffers[4 * k + 3], 0, bytes, out[k]);
  }
  if (!ok) printf("# %s: %s %s\n", backend, the.message, e.msg);
  if (s.exe) s.b->discard(s.self, s.exe);
  for (uint32_t k = 0; k < 4 * n_cases; k++)
    if (s.buffers[k]) s.b->release(s.self, s.buffers[k]);
  s.b->close(s.self);
  device_close(&s.d);
  return ok;
}

static void test_cuda_elementwise__bits_are_those_of_the_cpu(void) {
  static char *cpu[MOST], *gpu[MOST];
  all_cases();
  T_CHECK(n_cases < MOST && n_cases > 300);
  T_CHECK(run("cpu", cpu));
  T_CHECK(run("cuda", gpu));
  for (uint32_t k = 0; k < n_cases; k++) {
    const op_case *c = &cases[k];
    int64_t size = ir_dtype_size(c->out), i = 0;
    for (; cpu[k] && gpu[k] && i < c->n; i++)
      if (memcmp(cpu[k] + i * size, gpu[k] + i * size, (size_t)size) && !(ir_is_float(c->out) && isnan(device_get(cpu[k], c->out, i)) && isnan(device_get(gpu[k], c->out, i)))) break;
    if (!cpu[k] || !gpu[k] || i < c->n) {
      char text[300];
      snprintf(text, sizeof text, "%s of %s to %s, kind %u, %g: element %lld of %lld differs", ir_op_get(c->op)->name, ir_dtype_name(c->a == GANTRY_BOOL ? c->b : c->a), ir_dtype_name(c->out), c->kind, c->imm, (long long)i, (long long)c->n);
      t_check_msg(0, __LINE__, __FILE__, text);
    }
    free(cpu[k]);
    free(gpu[k]);
  }
}
static void cuda_test_elementwise__keeps_its_sources(void) { sources_keep(); }
static void cuda_test_elementwise__templates_compile_for_a_gpu(void) { sources_check("elementwise operations"); }
T_MAIN(T(cuda_test_elementwise__keeps_its_sources), T(test_cuda_elementwise__bits_are_those_of_the_cpu), T(cuda_test_elementwise__templates_compile_for_a_gpu))
