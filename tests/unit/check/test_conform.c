/* test_conform.c - the conformance check: every bad plugin of tests/fixtures fails its test with the right diagnosis, every shipped plugin passes. */
#include <unistd.h>

#include "abi/registry.h"
#include "base/files.h"
#include "base/image.h"
#include "base/proc.h"
#include "base/tree.h"
#include "check/conform.h"
#include "check/op_rows.h"
#include "t.h"

#if defined(GANTRY_SANITIZED) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

static const char *build_root(void) { return getenv("GANTRY_BUILD") ? getenv("GANTRY_BUILD") : "build/release"; }

typedef struct row { const char *file, *test; uint32_t verdict; const char *words; } row; /* file: below fixtures/, without .so */
enum { FAIL = CHECK_FAIL, CRASH = CHECK_CRASH, TIMEOUT = CHECK_TIMEOUT, WARN = CHECK_WARN };

static void expect(const row *r, const check_options *o) {
  char path[4096], said[1200] = "";
  check_report report;
  err e = {0};
  int found = 0;
  snprintf(path, sizeof path, "%s/fixtures/%s.so", build_root(), r->file);
  T_CHECK(!check_plugin_file(path, o, &report, &e));
  for (uint32_t k = 0; k < report.results.n; k++) {
    const check_result *x = &report.results.p[k];
    if (strcmp(x->test, r->test)) continue;
    snprintf(said, sizeof said, "%s", x->why);
    found |= x->verdict == r->verdict && strstr(x->why, r->words);
  }
  char text[2600];
  snprintf(text, sizeof text, "%s: %s %s \"%s\", it said \"%s\"", r->file, r->test, check_verdict_name(r->verdict), r->words, said);
  t_check_msg(found, __LINE__, __FILE__, text);
  check_report_free(&report);
}

static void all(const row *rows, size_t n) {
  for (size_t k = 0; k < n; k++) {
    char only[100];
    snprintf(only, sizeof only, "^%s$", rows[k].test);
    const check_options o = {.only = only, .seed = 1, .quick = 1, .timeout_ms = rows[k].verdict == TIMEOUT ? 300 : 0};
    expect(&rows[k], &o);
  }
}
#define ALL(rows) all(rows, sizeof(rows) / sizeof *(rows))

static void test_conform__names_what_is_wrong_with_a_file(void) {
  static const row rows[] = {
    {"losses/bad_symbol", "descriptor", FAIL, "built for plugin ABI 7, this gantry speaks ABI 0"},
    {"losses/bad_future", "descriptor", FAIL, "needs plugin ABI 0.99, this gantry has 0."},
    {"bad/bad_huge_struct_size", "file", FAIL, "its descriptor lies outside the file"},
    {"bad/bad_null_build", "interface", FAIL, "its slot \"build\" is NULL: every arch sets it"},
    {"bad/bad_struct_size", "interface", FAIL, "struct_size is 0: begin the table with .struct_size = sizeof"},
    {"bad/bad_metric_many", "interface", FAIL, "has 1001 values and 1 passes: a metric has at most 1000 of each"},
    {"losses/bad_default", "parameters", FAIL, "the default of parameter \"margin\" must be in [0, 1]"},
  };
  ALL(rows);
}

static void test_conform__names_what_a_pure_plugin_may_not_hold(void) {
  if (SANITIZED) T_SKIP("the ELF rules are off in a host built with a sanitizer");
  static const row rows[] = {
    {"losses/bad_imports", "elf-imports", FAIL, "imports \"pu"},
    {"bad/bad_many_imports", "elf-imports", FAIL, "\"malloc\""},
    {"bad/bad_many_imports", "elf-imports", FAIL, "\"printf\""},
    {"bad/bad_many_imports", "elf-imports", FAIL, "\"rand\""},
    {"bad/bad_many_imports", "elf-imports", FAIL, "gan_uniform and gan_normal"},
    {"bad/bad_lazy_binding", "elf-writable", FAIL, "its table of imports (.got.plt, "},
    {"losses/bad_writable", "elf-writable", FAIL, "(.data)"},
    {"bad/bad_exit", "elf-imports", FAIL, "imports \"exit\""},
    {"bad/bad_startup_files", "elf-imports", FAIL, "contains start-up files: add -nostartfiles, or use plugin.mk"},
    {"losses/bad_export", "elf-exports", FAIL, "exports \"extra\""},
    {"bad/bad_constructor", "elf-code-at-load", FAIL, "has constructors"},
    {"losses/bad_writable", "elf-writable", FAIL, "bytes of writable global data"},
    {"bad/bad_thread_local", "elf-writable", FAIL, "4 bytes of writable global data"},
    {"bad/bad_library", "elf-libraries", FAIL, "is linked with libz.so"},
  };
  ALL(rows);
}

static void test_conform__survives_crashes_hangs_and_exits(void) {
  if (SANITIZED) T_SKIP("a sanitizer turns crashes into exits of its own");
  static const row rows[] = {
    {"losses/crashes", "configure", CRASH, "SIGSEGV in loss of D (crashes): building with the defaults"},
    {"losses/hangs", "configure", TIMEOUT, "did not come back within 300 ms: building with the defaults"},
    {"bad/bad_data_exits", "data-opens", FAIL, "ended the process with status 3 (exit or abort): opening the split \"train\""},
    {"bad/bad_data_prints", "data-opens", FAIL, "printed \"opening"},
  };
  ALL(rows);
}

/* What a test started is gone with it. */
static void test_conform__a_timeout_ends_the_whole_group(void) {
  static const row hangs = {"bad/bad_data_forks", "data-opens", TIMEOUT, "did not come back within 300 ms"};
  const check_options o = {.only = "^data-opens$", .seed = 1, .timeout_ms = 300};
  char path[100];
  int pid = 0, alive = 1;
  snprintf(path, sizeof path, "/tmp/gantry-conform-pid-%d", (int)getpid());
  setenv("GANTRY_TEST_PID", path, 1);
  expect(&hangs, &o);
  FILE *f = fopen(path, "r");
  T_CHECK(f && fscanf(f, "%d", &pid) == 1 && pid > 0);
  if (f) fclose(f);
  for (int k = 0; k < 200 && pid > 0 && alive; k++) { /* dead, or a zombie that nobody has reaped yet */
    alive = proc_start_time(pid) >= 0;
    if (alive) usleep(10000);
  }
  T_CHECK(!alive);
  unlink(path);
}

static void test_conform__hostile_hosts(void) {
  if (SANITIZED) T_SKIP("a sanitizer turns crashes into exits of its own");
  static const row rows[] = {
    {"bad/bad_table_size", "host-bigger-tables", FAIL, "loss of D under a host with more slots: loss (bad_table_size): loss of D: this host has another size"},
    {"bad/bad_build_size", "host-bigger-tables", FAIL, "network d under a host with more slots: arch (bad_build_size): build d: this host has another size"},
    {"bad/bad_weight_size", "host-bigger-tables", FAIL, "weight: this host has another size"},
    {"bad/bad_optional_table", "host-missing-tables", CRASH, "SIGSEGV in loss of D (bad_optional_table): loss of D under a host without optional tables"},
    {"bad/bad_extension", "configure", CRASH, "SIGSEGV"},
    {"bad/bad_poison", "host-call-fails", CRASH, "SIGFPE in loss of D (bad_poison): loss of D with the defaults, when call 1 of"},
    {"bad/bad_data_memory", "data-memory", CRASH, "SIGSEGV in read (bad_data_memory): opening and reading, when allocation 1 fails"},
  };
  ALL(rows);
}

static void test_conform__parameters_and_graphs(void) {
  static const row rows[] = {
    {"bad/bad_silent", "parameter-bounds", FAIL, "mode=1: loss (bad_silent): loss of D: failed with status 5 and gave no reason"},
    {"bad/bad_poisoned_result", "configure", FAIL, "loss of G: SUM: its input 1 of 1 is handle 0, though no call before it failed"},
    {"bad/bad_no_result", "configure", FAIL, "loss of D: \"y\" came back poisoned although no call failed"},
    {"bad/bad_wrong_input", "configure", FAIL, "regularizers.tested (bad_wrong_input): term: apply: d (toy) has no input \"img\"; it has image, label"},
    {"bad/bad_unset", "configure", FAIL, "term: apply: what d is fed as \"image\" is handle 0, though no call before it failed"},
    {"bad/bad_image_lost", "configure", FAIL, "regularizers.tested (bad_image_lost): input: gave handle 0 back"},
    {"bad/bad_scope", "configure", FAIL, "loss of D: the scope \"inner1/\" was opened and never closed"},
    {"bad/bad_scope_closed", "configure", FAIL, "loss of D: more scopes were closed than opened"},
    {"bad/bad_state_twice", "configure", FAIL, "loss of D: \"loss/extra\" was declared as counter f32[3] and asked for as counter f32[]"},
    {"bad/bad_state_begins", "configure", FAIL, "was declared as counter f32[] that begins as constant 0 and asked for as counter f32[] that begins as constant 0.5"},
    {"bad/bad_param_count", "parameter-bounds", FAIL, "mode=1: loss (bad_param_count): loss of D: parameter index 1 lies beyond the plugin's table of 1: is param_count right?"},
    {"bad/bad_param_constant", "parameter-schedulable", FAIL, "\"scale\" is read as a number (gan_param_f) but declared without GANTRY_PF_STRUCTURAL"},
    {"bad/bad_batch", "shapes", FAIL, "a batch of 1: loss (bad_batch): loss of D: "},
    {"bad/bad_axis", "sizes", FAIL, "images 6 x 10 x 3: "},
    {"bad/bad_lazy_term", "term-lazily", FAIL, "there D is not applied yet"},
    {"bad/bad_lazy_drops", "term-lazily", FAIL, "it would be dropped"},
    {"bad/bad_eval_weights", "weights-evaluation", FAIL, "\"d/hidden/weight\" is asked for in training, not in evaluation"},
    {"bad/bad_shared", "weights-apart", WARN, "asks twice for the weight \"d/hidden/linear/weight\" in one application"},
    {"bad/bad_logit_shape", "configure", FAIL, "the tap \"logit\" of network \"d\" is f32[4,1]: it must be f32, one number per sample"},
    {"bad/bad_order", "deterministic", FAIL, "a copy of the file at another address builds another graph"},
    {"bad/bad_leak", "own-network", FAIL, "loss of D: the weight \"g/map/weight\" is changed by the plugin itself"},
  };
  ALL(rows);
  static const row crashes[] = {{"bad/bad_bounds", "parameter-bounds", CRASH, "SIGFPE in loss of D (bad_bounds): building with parts = 0"}};
  if (!SANITIZED) ALL(crashes);
}

static void test_conform__parameters_that_do_nothing_are_warned_about(void) {
  static const row rows[] = {{"losses/idle", "parameter-matters", WARN, "no value of these was seen to change anything: idle"}};
  ALL(rows);
}

static void test_conform__gradients_and_losses(void) {
  static const row rows[] = {
    {"bad/bad_stopped_gradient", "grad-stopped", FAIL, "loss of G: the graph's derivative is"},
    {"bad/bad_dead_layer", "grad-reaches", FAIL, "network d depends on \"x/real\", but no gradient reaches it"},
    {"bad/bad_chance", "loss-chance", FAIL, "declares chance_d = 1, but with every logit at 0 it is 0"},
    {"bad/bad_other_term", "grad-reaches", WARN, "D's update: no weight of that network enters the term"},
    {"bad/bad_choice", "loss-chance", FAIL, "with kind=exponential: bad_choice declares chance_d = 0, but with every logit at 0 it is 2"},
    {"bad/bad_choice", "loss-finite", FAIL, "with kind=exponential: loss of D is inf"},
    {"bad/bad_overflow", "loss-finite", FAIL, "loss of G is inf"},
  };
  ALL(rows);
}

static void test_conform__optimizers(void) {
  static const row rows[] = {
    {"bad/bad_optim_forgets", "optim-slots", FAIL, "slot \"optim/d/layer/weight/b\" is read and never set"},
    {"bad/bad_optim_names", "optim-save-load", FAIL, "has another name each time the update is built"},
    {"bad/bad_optim_zero", "optim-zero-gradient", FAIL, "a gradient of zero makes the weight"},
    {"bad/bad_optim_climbs", "optim-descends", FAIL, "it climbs, or stands"},
    {"bad/bad_optim_climbs", "optim-split", WARN, "not elementwise"},
  };
  ALL(rows);
}

static void test_conform__metrics(void) {
  static const row rows[] = {
    {"bad/bad_metric_identical", "metric-identical-sets", FAIL, "which is better is declared the wrong way round"},
    {"bad/bad_metric_constant", "metric-values", WARN, "\"v\" is a constant"},
    {"bad/bad_metric_f32", "metric-values", WARN, "\"v\" is not f64"},
    {"bad/bad_metric_order", "metric-order", FAIL, "with the samples in another order"},
    {"bad/bad_metric_batches", "metric-batches", FAIL, "in batches of 5 whose last is padded"},
  };
  ALL(rows);
}

static void test_conform__data_sets(void) {
  static const row rows[] = {
    {"bad/bad_data_impure", "data-pure", FAIL, "is another one when it is read alone"},
    {"bad/bad_data_whole", "data-pure", FAIL, "whole() and read() give other samples"},
    {"bad/bad_data_modes", "data-values", FAIL, "the array \"modes\" has 2 axes, the second of 3: it is [m,2]"},
    {"bad/bad_data_array_name", "data-values", FAIL, "call it \"modes\", the host puts \"data.\" in front"},
    {"bad/bad_data_idle", "data-parameters", WARN, "no value of these was seen to change anything: contrast"},
    {"bad/bad_data_schedule", "data-parameters", WARN, "\"shift\" is declared without GANTRY_PF_STRUCTURAL"},
    {"bad/bad_data_labels", "data-values", FAIL, "the label of sample 3 is 3, outside its 3 classes"},
  };
  ALL(rows);
}

static void test_conform__backends(void) {
  static const row rows[] = {{"bad/bad_backend", "op/NEG:f32:dense", FAIL, "element 0 of y is"}, {"bad/bad_backend", "op/CONV_WGRAD:bf16:dense:3x3", FAIL, "probe says that it computes in bf16, query that it does not"}, {"bad/bad_backend", "random-programs", FAIL, "of seed 1: element 0 of"}};
  ALL(rows);
}

/* Every operation that a backend may meet has a row in the table of op tests. */
static void test_conform__every_operation_has_a_row(void) {
  for (uint32_t op = 1; op < 1000; op++) {
    const ir_op_info *info = ir_op_get(op);
    int has = 0, host_only = op == GANTRY_OP_CONST || op == GANTRY_OP_INPUT || op == GANTRY_OP_STATE;
    for (uint32_t k = 0; k < check_op_rows_count(); k++) has |= check_op_row_at(k)->op == op;
    if (info) t_check_msg(has != host_only, __LINE__, __FILE__, info->name);
  }
}

/* A whole run of the check on every shipped plugin; data sets are given small files. */
static void no_fault(const char *path, const check_options *o, uint32_t least) {
  check_report r;
  err e = {0};
  T_CHECK(!check_plugin_file(path, o, &r, &e));
  for (uint32_t k = 0; k < r.results.n; k++) {
    const check_result *x = &r.results.p[k];
    char text[1400];
    snprintf(text, sizeof text, "%s %s: %s: %s", r.name, x->test, check_verdict_name(x->verdict), x->why);
    t_check_msg(x->verdict == CHECK_PASS || x->verdict == CHECK_SKIP || x->verdict == CHECK_WARN, __LINE__, __FILE__, text);
  }
  T_CHECK(r.count[CHECK_PASS] >= least);
  check_report_free(&r);
}

static void shipped(uint32_t kind) {
  err e = {0};
  arena *a = arena_new();
  char root[4096];
  snprintf(root, sizeof root, "%s/plugins", build_root());
  const char *roots[] = {root};
  abi_sources s = {NULL, 0, roots, 1};
  abi_registry *r = abi_registry_open(&s, &e);
  uint32_t n = 0;
  const check_options o = {.seed = 1, .quick = 1, .timeout_ms = 60000};
  for (uint32_t k = 0; r && k < abi_count(r); k++)
    if (abi_at(r, k)->desc && abi_at(r, k)->desc->kind == kind) no_fault(abi_at(r, k)->path, &o, kind == GANTRY_KIND_BACKEND ? 6 : SANITIZED ? 15 : 21), n++; /* a backend may be of another machine */
  T_CHECK(n > 0);
  abi_registry_close(r);
  arena_free(a);
}
static void test_conform__shipped_losses(void) { shipped(GANTRY_KIND_LOSS); }
static void test_conform__shipped_archs(void) { shipped(GANTRY_KIND_ARCH); }
static void test_conform__shipped_optimizers(void) { shipped(GANTRY_KIND_OPTIM); }
static void test_conform__shipped_regularizers(void) { shipped(GANTRY_KIND_REGULARIZER); }
static void test_conform__shipped_metrics(void) { shipped(GANTRY_KIND_METRIC); }
/* Data sets with small files: idx and stacked, cifar, image_folder; gaussians needs none. */
static void put_idx(arena *a, const char *dir) {
  err e = {0};
  unsigned char images[16 + 12 * 16] = {0, 0, 8, 3, 0, 0, 0, 12, 0, 0, 0, 4, 0, 0, 0, 4}, labels[8 + 12] = {0, 0, 8, 1, 0, 0, 0, 12};
  for (int k = 0; k < 12 * 16; k++) images[16 + k] = (unsigned char)(k * 7);
  for (int k = 0; k < 12; k++) labels[8 + k] = (unsigned char)(k % 10);
  T_CHECK(!file_write(path_join(a, dir, "train-images-idx3-ubyte"), images, sizeof images, &e) && !file_write(path_join(a, dir, "train-labels-idx1-ubyte"), labels, sizeof labels, &e));
}
static void put_cifar(arena *a, const char *dir) {
  err e = {0};
  unsigned char *r = mem_alloc(3 * 3073);
  for (int k = 0; k < 3 * 3073; k++) r[k] = (unsigned char)(k % 3073 ? k % 251 : k / 3073);
  T_CHECK(!file_write(path_join(a, dir, "data_batch_1.bin"), r, 3 * 3073, &e));
  free(r);
}
static void put_pngs(arena *a, const char *dir) {
  err e = {0};
  for (int k = 0; k < 6; k++) {
    uint8_t px[4 * 4 * 3];
    const char *folder = path_join(a, dir, k % 2 ? "cats" : "dogs");
    for (int j = 0; j < 48; j++) px[j] = (uint8_t)(k * 40 + j);
    image im = {4, 4, 3, px};
    T_CHECK(!dir_make(folder, &e) && !png_write(arena_fmt(a, "%s/%d.png", folder, k), &im, &e));
  }
}

static void test_conform__shipped_data_sets(void) {
  arena *a = arena_new();
  err e = {0};
  const char *dir = arena_fmt(a, "/tmp/gantry-conform-%d", (int)getpid()), *names[] = {"idx", "stacked", "cifar", "image_folder"}, *folders[4];
  for (int k = 0; k < 4; k++) T_CHECK(!dir_make(folders[k] = arena_fmt(a, "%s/%s", dir, names[k]), &e));
  setenv("GANTRY_CACHE", dir, 1); /* image_folder keeps what it decoded */
  put_idx(a, folders[0]);
  put_idx(a, folders[1]);
  put_cifar(a, folders[2]);
  put_pngs(a, folders[3]);
  for (int k = 0; k < 4; k++) {
    const char *set[] = {arena_fmt(a, "path=%s", folders[k]), k == 2 ? "batches=1" : "count=50"}; /* stacked: count */
    const check_options o = {.seed = 1, .quick = 1, .set = set, .n_set = k == 1 || k == 2 ? 2 : 1};
    no_fault(arena_fmt(a, "%s/plugins/datasets/%s.so", build_root(), names[k]), &o, 11);
  }
  const char *small[] = {"count=200"};
  const check_options o = {.seed = 1, .quick = 1, .set = small, .n_set = 1};
  no_fault(arena_fmt(a, "%s/plugins/datasets/gaussians.so", build_root()), &o, 11);
  T_CHECK(!tree_remove(dir, &e));
  arena_free(a);
}
static void test_conform__shipped_backends(void) {
  arena *a = arena_new();
  const check_options o = {.seed = 1, .quick = 1, .only = "^op/(ADD|MATMUL|CONV):f32"};
  setenv("GANTRY_KERNELS", "interpret", 0);
  shipped(GANTRY_KIND_BACKEND);
  no_fault(arena_fmt(a, "%s/plugins/backends/cpu.so", build_root()), &o, 20); /* which runs everywhere */
  arena_free(a);
}

T_MAIN(T(test_conform__names_what_is_wrong_with_a_file), T(test_conform__names_what_a_pure_plugin_may_not_hold), T(test_conform__survives_crashes_hangs_and_exits), T(test_conform__a_timeout_ends_the_whole_group), T(test_conform__hostile_hosts),
       T(test_conform__parameters_and_graphs), T(test_conform__parameters_that_do_nothing_are_warned_about), T(test_conform__gradients_and_losses), T(test_conform__optimizers), T(test_conform__metrics),
       T(test_conform__data_sets), T(test_conform__backends), T(test_conform__every_operation_has_a_row), T(test_conform__shipped_losses), T(test_conform__shipped_archs), T(test_conform__shipped_optimizers),
       T(test_conform__shipped_regularizers), T(test_conform__shipped_metrics), T(test_conform__shipped_data_sets), T(test_conform__shipped_backends))
