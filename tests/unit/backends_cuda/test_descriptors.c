/* test_descriptors.c - cuDNN's own descriptors, made and finalised by the real library, which needs no GPU for that: tensors, convolutions, operations
 * and operation graphs of every shape that networks use, and wrong shapes refused. And cuBLASLt's. Execution is another matter: see test_steps.c. */
#include "dnn.h"
#include "t.h"

static library lib;
static int there(void) {
  static int tried;
  unsetenv("GANTRY_CUDA_DOUBLE");
  if (!tried++) library_open_cudnn(&lib);
  return lib.has_cudnn;
}

static lib_conv conv_of(uint32_t op, uint32_t dtype, uint32_t spatial, int64_t n, int64_t c, int64_t o, int64_t groups, int64_t x, int64_t k, int64_t stride, int64_t lo, int64_t hi, int64_t dilation) {
  lib_conv q = {.op = op, .dtype = dtype, .spatial = spatial, .aligned = 16, .n = n, .c = c, .o = o, .groups = groups};
  for (uint32_t a = 0; a < 3; a++) {
    int used = a >= 3 - spatial;
    q.in[a] = used ? x : 1;
    q.k[a] = used ? k : 1;
    q.stride[a] = used ? stride : 1;
    q.dilation[a] = used ? dilation : 1;
    q.lo[a] = used ? lo : 0;
    q.hi[a] = used ? hi : 0;
    q.out[a] = used ? (x + lo + hi - dilation * (k - 1) - 1) / stride + 1 : 1;
  }
  return q;
}

static void finalises(lib_conv q) {
  for (uint32_t op = GANTRY_OP_CONV; op <= GANTRY_OP_CONV_WGRAD; op++) {
    dnn_graph g;
    const char *what = "";
    char text[300];
    q.op = op;
    cudnnStatus_t s = dnn_graph_make(&lib, NULL, &q, &g, &what);
    snprintf(text, sizeof text, "%u of %u axes, n %lld c %lld o %lld groups %lld: %s: %s", op, q.spatial, (long long)q.n, (long long)q.c, (long long)q.o, (long long)q.groups, what, lib.cudnnGetErrorString(s));
    t_check_msg(s == CUDNN_STATUS_SUCCESS, __LINE__, __FILE__, text);
    if (!s) T_CHECK(g.graph != NULL && g.op != NULL);
    dnn_graph_free(&lib, &g);
    T_CHECK(g.graph == NULL);
  }
}

static void test_descriptors__convolutions_finalise(void) {
  if (!there()) T_SKIP("no cuDNN on this machine");
  for (uint32_t t = GANTRY_F32; t <= GANTRY_BF16; t++) {
    finalises(conv_of(0, t, 2, 64, 3, 64, 1, 64, 4, 2, 1, 1, 1));  /* DCGAN's first of D */
    finalises(conv_of(0, t, 2, 64, 512, 1, 1, 4, 4, 1, 0, 0, 1));  /* its last */
    finalises(conv_of(0, t, 2, 8, 128, 128, 1, 32, 3, 1, 1, 1, 1)); /* of a residual block */
    finalises(conv_of(0, t, 2, 8, 128, 64, 1, 16, 1, 1, 0, 0, 1));
    finalises(conv_of(0, t, 2, 8, 32, 64, 4, 16, 3, 2, 1, 1, 2));  /* groups, dilation */
    finalises(conv_of(0, t, 2, 8, 16, 16, 16, 16, 3, 1, 1, 1, 1)); /* depthwise */
    finalises(conv_of(0, t, 1, 4, 16, 24, 1, 33, 5, 2, 2, 2, 1));  /* one axis: a plane of one row */
    finalises(conv_of(0, t, 3, 2, 4, 8, 1, 9, 3, 2, 1, 1, 1));
    finalises(conv_of(0, t, 2, 2, 8, 8, 1, 7, 3, 2, 0, 0, 1));     /* the last column is read by nobody */
    finalises(conv_of(0, t, 2, 2, 3, 5, 1, 6, 3, 1, 2, 0, 1));     /* padding on one side */
  }
}

static void refused(lib_conv q, const char *want) {
  dnn_graph g;
  const char *what = "";
  char text[200];
  cudnnStatus_t s = dnn_graph_make(&lib, NULL, &q, &g, &what);
  snprintf(text, sizeof text, "op %u: refused at %s, expected %s", q.op, s ? what : "nothing", want);
  t_check_msg(s != CUDNN_STATUS_SUCCESS && !strcmp(what, want), __LINE__, __FILE__, text);
  if (s) T_CHECK(g.x == NULL && g.graph == NULL);
  else dnn_graph_free(&lib, &g);
}

static void test_descriptors__wrong_shapes_are_refused(void) {
  if (!there()) T_SKIP("no cuDNN on this machine");
  for (uint32_t op = GANTRY_OP_CONV; op <= GANTRY_OP_CONV_WGRAD; op++) {
    lib_conv good = conv_of(op, GANTRY_F32, 2, 8, 16, 32, 1, 16, 3, 1, 1, 1, 1), q = good;
    q.out[2]++;
    refused(q, "operation");
    q = good;
    q.lo[1]++;
    refused(q, "operation");
    q = good;
    q.in[2] = 0;
    refused(q, "operation");
    q = good;
    q.stride[1] = 0;
    refused(q, "convolution");
    q = good;
    q.dilation[2] = -1;
    refused(q, "convolution");
  }
}

static void test_descriptors__products_describe(void) {
  library l = {0};
  unsetenv("GANTRY_CUDA_DOUBLE");
  if (!library_open_cublas(&l)) T_SKIP("no cuBLASLt on this machine");
  for (int flip = 0; flip < 4; flip++)
    for (int64_t batch = 1; batch <= 3; batch += 2)
      for (uint32_t t = GANTRY_F32; t <= GANTRY_BF16; t++) {
        lib_product q = {.dtype = t, .aligned = 16, .batch = batch, .m = 5, .n = 7, .k = 3, .ta = flip & 1, .tb = flip >> 1};
        gpu g = {.lib = &l};
        gpu_product *v = gpu_product_described(&g, &q);
        T_CHECK(v != NULL);
        gpu_product_free(&g, v);
      }
}
T_MAIN(T(test_descriptors__convolutions_finalise), T(test_descriptors__wrong_shapes_are_refused), T(test_descriptors__products_describe))
