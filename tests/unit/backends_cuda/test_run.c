/* test_run.c - the CUDA backend at work on the test double: training beside the CPU backend, one graph for eight steps, nothing uploaded between log points,
 * engines frozen in the run's folder, and everything that can go wrong told in one line. */
#include <unistd.h>

#include "base/files.h"
#include "double.h"
#include "ir/build.h"
#include "run.h"

#define MLP "\"g\": {\"arch\": {\"name\": \"mlp\"}}, \"d\": {\"arch\": {\"name\": \"mlp\"}}"
#define RING "{\"data\": {\"name\": \"gaussians\"}, " MLP ", \"regularizers\": {\"gp\": {\"name\": \"gradient_penalty\"}}, \"loss\": {\"name\": \"wasserstein\"}, \"train\": {\"batch\": 16, \"length\": {\"steps\": 20}}}"
#define DCGAN "{\"data\": {\"name\": \"idx\", \"path\": \"fashion-mnist\", \"limit\": 64}, \"g\": {\"arch\": {\"name\": \"dcgan\", \"size\": 28, \"width\": 4, \"z\": 8}, \"ema\": {\"half_life\": {\"images\": 100}}}, " \
  "\"d\": {\"arch\": {\"name\": \"dcgan\", \"size\": 28, \"width\": 4, \"norm\": \"none\"}}, \"regularizers\": {\"sn\": {\"name\": \"spectral_norm\", \"of\": \"d\"}}, " \
  "\"train\": {\"batch\": 8, \"length\": {\"steps\": 20}}}"

static char log_path[] = "/tmp/gantry-double-log-XXXXXX";

static int open_on(test_run *t, const char *base, const char *name, const char *folder, int trace) {
  double_use();
  if (!test_run_open(t, base, 3, trace, 0)) return 0;
  t->r->device = name;
  t->r->folder = folder;
  if (train_start(t->r, &t->e)) printf("# %s\n", t->e.msg);
  return !t->e.code;
}

/* The largest difference of any state or output, relative to its own largest value; random draws and counters must be equal. */
static double apart(test_run *a, test_run *b, const char **worst) {
  double most = 0;
  for (uint32_t k = 0; k < exec_tensor_count(a->r->session); k++) {
    const exec_tensor *x = exec_tensor_at(a->r->session, k), *y = exec_tensor_get(b->r->session, x->name);
    if (!y || !strncmp(x->name, "const/", 6)) continue;
    void *p = mem_alloc((size_t)x->bytes), *q = mem_alloc((size_t)y->bytes);
    double scale = 1e-3, d = 0;
    exec_read(a->r->session, x->name, p, x->bytes, &a->e);
    exec_read(b->r->session, x->name, q, y->bytes, &b->e);
    for (int64_t i = 0, n = x->bytes / ir_dtype_size(x->dtype); i < n; i++) {
      double u = device_get(p, x->dtype, i), v = device_get(q, y->dtype, i);
      scale = fmax(scale, fabs(u));
      d = u == v || (isnan(u) && isnan(v)) ? d : fmax(d, fabs(u - v));
    }
    if (d && (!ir_is_float(x->dtype) || strstr(x->name, "/draw/"))) scale = 0;
    if (d && d / scale > most) {
      most = d / scale;
      *worst = x->name;
    }
    free(p);
    free(q);
  }
  return most;
}

static void beside_the_cpu(const char *base, int steps, double tolerance) {
  test_run cpu, gpu;
  const char *worst = "";
  char text[400];
  int ok = open_on(&cpu, base, "cpu", NULL, 1);
  ok &= open_on(&gpu, base, "cuda", NULL, 1);
  T_CHECK(ok);
  if (ok) {
    T_CHECK(!train_steps(cpu.r, 0, steps, &cpu.e) && !train_steps(gpu.r, 0, steps, &gpu.e) && !exec_sync(gpu.r->session, &gpu.e));
    double d = apart(&cpu, &gpu, &worst);
    snprintf(text, sizeof text, "%s differs by %.3g of its largest value", worst, d);
    t_check_msg(d <= tolerance * (on_gpu() ? 10 : 1), __LINE__, __FILE__, text);
    T_CHECK(!cpu.e.code && !gpu.e.code);
  }
  test_run_close(&cpu);
  test_run_close(&gpu);
}
static void test_cuda_run__ring_beside_the_cpu(void) { beside_the_cpu(RING, 6, 1e-4); }
static void test_cuda_run__dcgan_beside_the_cpu(void) {
  err e = {0};
  test_run probe;
  int there = test_run_open(&probe, DCGAN, 1, 0, 0);
  (void)e;
  test_run_close(&probe);
  if (!there) T_SKIP("no Fashion-MNIST on this machine");
  beside_the_cpu(DCGAN, 4, 1e-4);
}

/* Rounded to bf16 on both sides: sums of f32 in another order may put a number on the other side of a rounding, a unit of bf16 away, which trains on. */
static char *half_of(char dst[1200], const char *base) { /* the same experiment in bf16 */
  const char *batch = strstr(base, "\"batch\"");
  snprintf(dst, 1200, "%.*s\"precision\": \"bf16\", %s", (int)(batch - base), base, batch);
  return dst;
}
static void test_cuda_run__bf16_beside_the_cpu(void) {
  char base[1200];
  beside_the_cpu(half_of(base, RING), 3, 0.02);
  test_run probe;
  int there = test_run_open(&probe, DCGAN, 1, 0, 0);
  test_run_close(&probe);
  if (there) beside_the_cpu(half_of(base, DCGAN), 2, 0.02);
}

static int lines_of(const char *what) {
  char line[200];
  int n = 0;
  FILE *f = fopen(log_path, "r");
  while (f && fgets(line, sizeof line, f)) n += !strncmp(line, what, strlen(what));
  if (f) fclose(f);
  return n;
}
static void clear_log(void) {
  FILE *f = fopen(log_path, "w");
  if (f) fclose(f);
}

static void test_cuda_run__eight_steps_are_one_graph_and_upload_nothing(void) {
  NEEDS_DOUBLE;
  test_run t;
  int fd = mkstemp(log_path);
  if (fd >= 0) close(fd);
  setenv("GANTRY_DOUBLE_LOG", log_path, 1);
  if (open_on(&t, RING, "cuda", NULL, 0)) {
    T_CHECK(!train_steps(t.r, 0, 16, &t.e)); /* eight done piece by piece, then eight captured */
    T_CHECK(lines_of("capture") == 1);
    clear_log();
    T_CHECK(!train_steps(t.r, 16, 32, &t.e));
    T_CHECK(lines_of("replay") == 4);
    T_CHECK(lines_of("capture") == 0);
    T_CHECK(lines_of("upload") == 0);
    clear_log();
    T_CHECK(!train_steps(t.r, 48, 7, &t.e)); /* what is left of a stretch: four steps, two, one; each for the first time */
    T_CHECK(lines_of("replay") + lines_of("capture") == 0);
    T_CHECK(!train_steps(t.r, 55, 6, &t.e)); /* one, captured; four, captured; one, replayed */
    T_CHECK(lines_of("capture") == 2);
    T_CHECK(lines_of("replay") == 3);
  }
  unsetenv("GANTRY_DOUBLE_LOG");
  unlink(log_path);
  T_CHECK(!t.e.code);
  test_run_close(&t);
}

/* Maps that do not wait for each other are one launch, and so is a chain that the host cut because it is long; one that reads other elements than its own
 * waits for another launch. */
static gantry_status some(void *user, const char *name, uint32_t dtype, int64_t n, double *dst, err *e) {
  (void)user, (void)dtype, (void)e;
  for (int64_t k = 0; k < n; k++) dst[k] = (double)(float)(0.5 + (double)((k * 7 + name[0]) % 13) / 26);
  return GANTRY_OK;
}
static int launches(ir_graph *g, double *worst) { /* of the graph's program, as captured */
  err e = {0};
  int n = -1;
  char line[100];
  setenv("GANTRY_DOUBLE_LOG", log_path, 1);
  device d = double_open(&e);
  *worst = INFINITY;
  if (d.session) {
    *worst = device_compare(&d, g, "maps", some, NULL, &e);
    clear_log();
    exec_program *p = exec_compile(d.session, g, "again", &e);
    if (p && !exec_run(d.session, &p, 1, &e)) exec_run(d.session, &p, 1, &e);
    FILE *f = fopen(log_path, "r");
    while (f && fgets(line, sizeof line, f)) sscanf(line, "capture %d", &n);
    if (f) fclose(f);
  }
  T_CHECK(!e.code);
  device_close(&d);
  unsetenv("GANTRY_DOUBLE_LOG");
  return n;
}
static void test_cuda_run__maps_share_launches(void) {
  NEEDS_DOUBLE;
  double worst;
  char name[20];
  strcpy(log_path + strlen(log_path) - 6, "XXXXXX");
  int fd = mkstemp(log_path);
  if (fd >= 0) close(fd);
  ir_graph *g = ir_new();
  for (int64_t k = 0; k < 20; k++) { /* as an optimizer's update of many weights */
    int64_t dims[1] = {100 + k / 2 * 12};
    snprintf(name, sizeof name, "%c", (char)('a' + k));
    ir_id x = ir_leaf(g, GANTRY_OP_INPUT, name, GANTRY_F32, 1, dims);
    snprintf(name, sizeof name, "o%d", (int)k);
    ir_output(g, name, ir_mul(g, x, ir_neg(g, x)));
  }
  T_CHECK(launches(g, &worst) == 1);
  T_CHECK(worst < 1e-6);
  ir_free(g);
  g = ir_new();
  int64_t n = 1000, axis = 0;
  gantry_attr back = {.key = GANTRY_A_AXES, .n = 1, .v.iv = &axis};
  ir_id x = ir_leaf(g, GANTRY_OP_INPUT, "x", GANTRY_F32, 1, &n), y = x;
  for (int k = 0; k < 300; k++) y = k % 2 ? ir_1(g, GANTRY_OP_SIN, y) : ir_add(g, y, x);
  ir_output(g, "y", y);
  T_CHECK(launches(g, &worst) == 1);
  T_CHECK(worst < 1e-4);
  ir_free(g);
  g = ir_new();
  x = y = ir_leaf(g, GANTRY_OP_INPUT, "x", GANTRY_F32, 1, &n);
  for (int k = 0; k < 6; k++) {
    for (int j = 0; j < 40; j++) y = ir_1(g, GANTRY_OP_SIN, ir_add(g, y, x));
    snprintf(name, sizeof name, "y%d", k);
    ir_output(g, name, y); /* written down, then read from the other end */
    y = ir_op(g, GANTRY_OP_REVERSE, &y, 1, &back, 1);
  }
  T_CHECK(launches(g, &worst) == 6);
  T_CHECK(worst < 1e-4);
  ir_free(g);
  unlink(log_path);
}

/* Replayed or done piece by piece: the same bytes. */
static void test_cuda_run__twice_the_same_bits(void) {
  test_run a, b;
  const char *worst = "";
  int ok = open_on(&a, RING, "cuda", NULL, 0);
  ok &= open_on(&b, RING, "cuda", NULL, 0);
  T_CHECK(ok);
  if (ok) {
    T_CHECK(!train_steps(a.r, 0, 5, &a.e));
    for (int k = 0; k < 5; k++) {
      T_CHECK(!train_steps(b.r, k, 1, &b.e));
      T_CHECK(!exec_sync(b.r->session, &b.e));
    }
    T_CHECK(apart(&a, &b, &worst) == 0);
  }
  test_run_close(&a);
  test_run_close(&b);
}

static void test_cuda_run__engines_are_frozen_in_the_folder(void) {
  NEEDS_DOUBLE;
  char folder[] = "/tmp/gantry-engines-XXXXXX", path[100];
  buf first = {0}, changed = {0}, again = {0};
  err e = {0};
  test_run t;
  if (!test_run_open(&t, DCGAN, 1, 0, 0)) {
    test_run_close(&t);
    T_SKIP("no Fashion-MNIST on this machine");
  }
  test_run_close(&t);
  T_CHECK(mkdtemp(folder) != NULL);
  snprintf(path, sizeof path, "%s/engines.txt", folder);
  T_CHECK(open_on(&t, DCGAN, "cuda", folder, 0));
  test_run_close(&t);
  T_CHECK(!file_read(path, &first, 1 << 20, &e));
  T_CHECK(first.p && strstr(first.p, "gantry engines 1: test double 0;") == first.p);
  for (char *p = first.p; p && (p = strchr(p, '|')); p = strchr(p + 1, '\n')) T_CHECK(p[1] == '1' || p[1] == '3'); /* never 2, which rounds, or 7, which is not deterministic */
  /* what the file says counts, not what is fastest now */
  for (const char *line = first.p; line && *line;) { /* engine 1 everywhere, no knobs */
    const char *bar = strchr(line, '|'), *end = strchr(line, '\n');
    if (bar && end && bar < end) buf_printf(&changed, "%.*s|1|\n", (int)(bar - line), line);
    else buf_printf(&changed, "%.*s\n", (int)(end - line), line);
    line = end + 1;
  }
  T_CHECK(!file_write(path, changed.p, changed.n, &e));
  T_CHECK(open_on(&t, DCGAN, "cuda", folder, 0));
  test_run_close(&t);
  T_CHECK(!file_read(path, &again, 1 << 20, &e));
  T_STR(again.p, changed.p);
  unlink(path);
  rmdir(folder);
  buf_free(&first);
  buf_free(&changed);
  buf_free(&again);
}

/* What was measured for one precision is not taken for another. */
static void test_cuda_run__engines_name_the_precision(void) {
  NEEDS_DOUBLE;
  char folder[] = "/tmp/gantry-engines-XXXXXX", path[100], half[1200];
  buf text = {0};
  err e = {0};
  test_run t;
  int there = test_run_open(&t, DCGAN, 1, 0, 0);
  test_run_close(&t);
  if (!there) T_SKIP("no Fashion-MNIST on this machine");
  T_CHECK(mkdtemp(folder) != NULL);
  snprintf(path, sizeof path, "%s/engines.txt", folder);
  T_CHECK(open_on(&t, half_of(half, DCGAN), "cuda", folder, 0));
  test_run_close(&t);
  T_CHECK(!file_read(path, &text, 1 << 20, &e) && strstr(text.p, "\nconv bf16 n8") && strstr(text.p, "\ndgrad bf16 n8") && strstr(text.p, "\nwgrad bf16 n8"));
  unlink(path);
  rmdir(folder);
  buf_free(&text);
}

/* In a session of TF32 only the steps of training compute in it; what is compiled for samples and metrics is f32, as it is where a run trains in bf16. */
static void test_cuda_run__only_steps_compute_in_tf32(void) {
  NEEDS_DOUBLE;
  char folder[] = "/tmp/gantry-engines-XXXXXX", path[100], base[1200];
  buf before = {0}, after = {0};
  err e = {0};
  test_run t;
  int there = test_run_open(&t, DCGAN, 1, 0, 0);
  test_run_close(&t);
  if (!there) T_SKIP("no Fashion-MNIST on this machine");
  T_CHECK(mkdtemp(folder) != NULL);
  snprintf(path, sizeof path, "%s/engines.txt", folder);
  snprintf(base, sizeof base, "%s", DCGAN);
  char *at = strstr(base, "\"batch\": 8");
  memmove(at + 21, at, strlen(at) + 1);
  memcpy(at, "\"precision\": \"tf32\", ", 21);
  T_CHECK(open_on(&t, base, "cuda", folder, 0));
  T_CHECK(!file_read(path, &before, 1 << 20, &e) && strstr(before.p, "\nconv f32 tf32 n8") && strstr(before.p, "\nwgrad f32 tf32 n8") && !strstr(before.p, "\nconv f32 n8"));
  T_CHECK(exec_compile(t.r->session, t.r->programs.p[0].g, "a metric", &t.e) != NULL);
  test_run_close(&t);
  T_CHECK(!file_read(path, &after, 1 << 20, &e) && strstr(after.p, "\nconv f32 n8") && !strncmp(after.p, before.p, before.n));
  unlink(path);
  rmdir(folder);
  buf_free(&before);
  buf_free(&after);
}

/* Of the engines suggested first, one is not deterministic, one sums in less than f32, and one uses tensor cores. */
static void test_cuda_run__engines_that_are_refused(void) {
  NEEDS_DOUBLE;
  char tf32[1200], half[1200];
  test_run t;
  int fd, there = test_run_open(&t, DCGAN, 1, 0, 0);
  test_run_close(&t);
  if (!there) T_SKIP("no Fashion-MNIST on this machine");
  snprintf(tf32, sizeof tf32, "%.*s\"precision\": \"tf32\", %s", (int)(strstr(DCGAN, "\"batch\"") - DCGAN), DCGAN, strstr(DCGAN, "\"batch\""));
  strcpy(log_path + strlen(log_path) - 6, "XXXXXX");
  fd = mkstemp(log_path);
  if (fd >= 0) close(fd);
  setenv("GANTRY_DOUBLE_LOG", log_path, 1);
  for (int k = 0; k < 3; k++) {
    clear_log();
    T_CHECK(open_on(&t, k == 2 ? half_of(half, DCGAN) : k ? tf32 : DCGAN, "cuda", NULL, 0));
    test_run_close(&t);
    T_CHECK(lines_of("engine 7") == 0);
    T_CHECK(lines_of("engine 9") == 0);
    T_CHECK((lines_of("engine 2") > 0) == (k > 0)); /* tensor cores round operands of f32, those of bf16 they take as they are */
    T_CHECK((lines_of("engine 3") > 0) == !k);
  }
  unsetenv("GANTRY_DOUBLE_LOG");
  unlink(log_path);
}

/* ---- what goes wrong ------------------------------------------------------------------------------------------------------------- */
static void fails(const char *base, const char *where, const char *name, const char *value, int steps, const char *const *says) {
  test_run t;
  double_use();
  if (name) setenv(name, value, 1);
  T_CHECK(test_run_open(&t, base, 3, 0, 0));
  t.r->device = where;
  if (!train_start(t.r, &t.e) && !train_steps(t.r, 0, steps, &t.e)) exec_sync(t.r->session, &t.e);
  T_CHECK(t.e.code != 0);
  for (; *says; says++) T_HAS(t.e.msg, *says);
  test_run_close(&t);
  if (name) unsetenv(name);
}
#define SAYS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_cuda_run__out_of_memory_says_how_much(void) {
  NEEDS_DOUBLE;
  fails(RING, "cuda", "GANTRY_DOUBLE_MEMORY", "150000", 0, SAYS("no memory for", "this run holds", "reduce train.batch"));
  test_run t;
  char most[40] = "";
  if (open_on(&t, RING, "cuda", NULL, 0)) snprintf(most, sizeof most, "%lld", (long long)exec_bytes(t.r->session) - 4000000); /* tensors fit, the workspace does not */
  test_run_close(&t);
  fails(RING, "cuda", "GANTRY_DOUBLE_MEMORY", most, 1, SAYS("workspace of", "MB: reduce the batch size or the width", "no memory for"));
}
/* A device with room for the networks only: the samples stay where they are, and every bit is that of a device that holds them. */
static void test_cuda_run__samples_that_do_not_fit_stay_with_the_host(void) {
  NEEDS_DOUBLE;
  static const char wide[] = "{\"data\": {\"name\": \"gaussians\", \"count\": 1000000}, \"g\": {\"arch\": {\"name\": \"mlp\", \"width\": 8}}, \"d\": {\"arch\": {\"name\": \"mlp\", \"width\": 8}}, "
                             "\"train\": {\"batch\": 16, \"length\": {\"steps\": 20}}}";
  double d[2][200] = {{0}};
  int ok = 1;
  for (int tight = 0; tight < 2 && ok; tight++) {
    test_run t;
    const exec_tensor *x = NULL;
    if (tight) setenv("GANTRY_DOUBLE_MEMORY", "15000000", 1); /* 8 MB of samples, 4 of labels, 8 of other things at most */
    ok = open_on(&t, wide, "cuda", NULL, 0);
    T_CHECK(ok && exec_tensor_get(t.r->session, "data/train/samples")->adopted == tight && !t.r->data->bytes == !tight); /* where there is a copy, the host's is given back */
    for (uint32_t j = 0; ok && !x && j < exec_tensor_count(t.r->session); j++) {
      const exec_tensor *y = exec_tensor_at(t.r->session, j);
      if (!strncmp(y->name, "d/", 2) && strstr(y->name, "weight") && y->bytes >= 64 && y->bytes <= 1600) x = y;
    }
    ok = x && !train_steps(t.r, 0, 5, &t.e) && !exec_read(t.r->session, x->name, d[tight], x->bytes, &t.e);
    if (!ok) printf("# %s\n", t.e.msg);
    test_run_close(&t);
  }
  T_CHECK(ok && d[0][0] != 0 && !memcmp(d[0], d[1], sizeof d[0]));
  setenv("GANTRY_DOUBLE_NO_REGISTER", "1", 1);
  fails(wide, "cuda", "GANTRY_DOUBLE_MEMORY", "14000000", 0, SAYS("8.0 MB of samples take more than half", "CUDA_ERROR_OUT_OF_MEMORY", "set data.limit"));
  unsetenv("GANTRY_DOUBLE_NO_REGISTER");
  unsetenv("GANTRY_DOUBLE_MEMORY");
}
static void test_cuda_run__a_lost_device_is_told(void) {
  NEEDS_DOUBLE;
  fails(RING, "cuda", "GANTRY_DOUBLE_LOSE", "100", 1, SAYS("the GPU was lost", "CUDA_ERROR_LAUNCH_FAILED", "continues from its last checkpoint"));
  fails(RING, "cuda", "GANTRY_DOUBLE_LOSE", "900", 20, SAYS("the GPU was lost"));
}
static void test_cuda_run__a_kernel_that_does_not_compile_is_shown(void) {
  NEEDS_DOUBLE;
  char cache[] = "/tmp/gantry-broken-XXXXXX", *old = getenv("GANTRY_CACHE") ? strdup(getenv("GANTRY_CACHE")) : NULL;
  T_CHECK(mkdtemp(cache) != NULL);
  setenv("GANTRY_CACHE", cache, 1);
  fails(RING, "cuda", "GANTRY_DOUBLE_BREAK", "-Dk_moments=", 0, SAYS("a kernel does not compile: gantry.c:", "> ", "k_moments m;"));
  if (old) setenv("GANTRY_CACHE", old, 1);
  else unsetenv("GANTRY_CACHE");
  rmdir(cache);
  free(old);
}
static void test_cuda_run__no_device_no_number(void) {
  if (!on_gpu()) fails(RING, "cuda:7", NULL, NULL, 0, SAYS("there is no GPU 7: this machine has 1, counted from 0"));
  fails(RING, "cuda:x", NULL, NULL, 0, SAYS("--device cuda:x", "cuda:1"));
  if (!on_gpu()) fails(RING, "cuda", "GANTRY_DOUBLE_DEVICES", "0", 0, SAYS("the driver finds no GPU", "--device cpu"));
}
static void test_cuda_run__precisions(void) {
  test_run t;
#define TF32 "{\"data\": {\"name\": \"gaussians\"}, " MLP ", \"train\": {\"batch\": 16, \"precision\": \"tf32\", \"length\": {\"steps\": 2}}}"
  T_CHECK(open_on(&t, TF32, "cuda", NULL, 0));
  test_run_close(&t);
  char half[1200];
  T_CHECK(open_on(&t, half_of(half, RING), "cuda", NULL, 0));
  test_run_close(&t);
  fails(TF32, "cpu", NULL, NULL, 0, SAYS("train.precision \"tf32\"", "backend cpu does not compute in it"));
}
T_MAIN(T(test_cuda_run__ring_beside_the_cpu), T(test_cuda_run__dcgan_beside_the_cpu), T(test_cuda_run__bf16_beside_the_cpu), T(test_cuda_run__eight_steps_are_one_graph_and_upload_nothing), T(test_cuda_run__maps_share_launches), T(test_cuda_run__twice_the_same_bits),
       T(test_cuda_run__engines_are_frozen_in_the_folder), T(test_cuda_run__engines_name_the_precision), T(test_cuda_run__only_steps_compute_in_tf32), T(test_cuda_run__engines_that_are_refused), T(test_cuda_run__out_of_memory_says_how_much), T(test_cuda_run__samples_that_do_not_fit_stay_with_the_host), T(test_cuda_run__a_kernel_that_does_not_compile_is_shown), T(test_cuda_run__no_device_no_number), T(test_cuda_run__precisions),
       T(test_cuda_run__a_lost_device_is_told))
