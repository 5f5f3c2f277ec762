/* test_native.c - generated C against the interpreter: the same program, the same bits. The cache: a second program needs no compiler, a damaged or
 * foreign entry is built again, and where no compiler is found everything still runs. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backends/run_graph.h"
#include "check/random_graph.h"

static char cache[200];
static void setup(void) {
  snprintf(cache, sizeof cache, "%s/test-native-cache-%ld", getenv("GANTRY_BUILD") ? getenv("GANTRY_BUILD") : "build/release", (long)getpid());
  setenv("GANTRY_CACHE", cache, 1);
}
static int entries(const char *suffix, char *path, size_t n) { /* how many files end so; the last one's path */
  DIR *d = opendir(cache);
  int count = 0;
  for (struct dirent *f; d && (f = readdir(d));) {
    size_t a = strlen(f->d_name), b = strlen(suffix);
    if (a < b || strcmp(f->d_name + a - b, suffix) || f->d_name[0] == '.') continue;
    count++;
    if (path) snprintf(path, n, "%s/%s", cache, f->d_name);
  }
  if (d) closedir(d);
  return count;
}
static void forget(void) {
  DIR *d = opendir(cache);
  char path[600];
  for (struct dirent *f; d && (f = readdir(d));) {
    snprintf(path, sizeof path, "%s/%s", cache, f->d_name);
    if (f->d_name[0] != '.') remove(path);
  }
  if (d) closedir(d);
  rmdir(cache);
}

/* Which NaN comes out of two NaN is the compiler's choice of operand order: all of them count as one. */
static void one_nan(uint32_t dtype, char *p, int64_t bytes) {
  float f;
  double d;
  for (int64_t i = 0; dtype == GANTRY_F32 && i < bytes; i += 4)
    if (memcpy(&f, p + i, 4), f != f) memset(p + i, 0xFF, 4);
  for (int64_t i = 0; dtype == GANTRY_F64 && i < bytes; i += 8)
    if (memcpy(&d, p + i, 8), d != d) memset(p + i, 0xFF, 8);
}

/* Runs g one way; every named tensor afterwards, concatenated. Caller frees. */
static char where[100];
static char *bits(const ir_graph *g, const char *how, check_values *v, int64_t *n, int64_t find) { /* where: the tensor that holds byte `find` */
  rg_result r;
  setenv("GANTRY_KERNELS", how, 1);
  *n = 0;
  if (!rg_compile(g, &r)) return NULL;
  rg_fill(g, &r, check_bind, v);
  rg_run(&r);
  for (uint32_t k = 0; k < r.n; k++) *n += rg_bytes(&r.names[k]);
  char *all = malloc((size_t)*n + 1), *p = all;
  for (uint32_t k = 0; k < r.n; k++) {
    memcpy(p, r.buffers[k], (size_t)rg_bytes(&r.names[k]));
    one_nan(r.names[k].dtype, p, rg_bytes(&r.names[k]));
    if (find >= p - all && find < p - all + rg_bytes(&r.names[k])) snprintf(where, sizeof where, "%s", r.names[k].name);
    p += rg_bytes(&r.names[k]);
  }
  rg_free(&r);
  return all;
}

static int same(const ir_graph *g, check_values *v, const char *what) {
  int64_t n, m;
  char *a = bits(g, "interpret", v, &n, -1), *b = bits(g, "compile", v, &m, -1), text[300];
  int ok = a && b && n == m && !memcmp(a, b, (size_t)n);
  if (!ok) {
    int64_t at = 0;
    while (a && b && at < n && a[at] == b[at]) at++;
    where[0] = 0;
    free(b);
    b = bits(g, "compile", v, &m, at);
    snprintf(text, sizeof text, ": generated C gives other bits than the interpreter in %s", where);
    rg_text(what, text);
  }
  free(a);
  free(b);
  return ok;
}

static void sweep(uint32_t dtype, uint32_t families, uint32_t nodes, uint64_t from, uint32_t count, int special) {
  setup();
  for (uint64_t seed = from; seed < from + count; seed++) {
    err e = {0};
    check_random o = {dtype, nodes, families};
    ir_graph *g = check_random_graph(seed, &o, &e);
    char what[80];
    snprintf(what, sizeof what, "seed %llu, %u nodes, families %u", (unsigned long long)seed, nodes, families);
    check_values v = {seed, special};
    if (!g) rg_text(what, e.msg);
    else same(g, &v, what);
    ir_free(g);
  }
  T_CHECK(entries(".so", NULL, 0) == (int)count); /* it was machine code indeed */
  T_CHECK(entries(".c", NULL, 0) == 0);
  T_CHECK(entries(".tmp", NULL, 0) == 0);
  forget();
}
static void test_native__same_bits_f32(void) { sweep(GANTRY_F32, CHECK_MAP | CHECK_MOVE | CHECK_REDUCE, 120, 1000, 6, 0); }
static void test_native__same_bits_f64(void) { sweep(GANTRY_F64, CHECK_MAP | CHECK_MOVE | CHECK_REDUCE, 120, 2000, 3, 1); }
static void test_native__same_bits_integers(void) { sweep(GANTRY_F64, CHECK_INTEGER | CHECK_INDEX | CHECK_RANDOM | CHECK_MOVE, 120, 3000, 3, 0); }


/* Shapes that random graphs seldom have, each as a map and under the reductions: padding along every axis, rows that are no multiple of the eight
 * lanes, pieces of rows, channels from 1 to many, one number per row or per channel, transposed and reversed walks, bf16. */
static ir_id shape_case(ir_graph *g, int k, ir_id x, ir_id wide) {
  int64_t lo[2][3] = {{0, 2, 3}, {1, 0, 1}}, hi[2][3] = {{1, 0, 2}, {0, 3, 2}}, start[3] = {1, 0, 2}, stop[3] = {9, 5, 7}, perm[3] = {1, 2, 0}, axis = 2;
  gantry_attr pad[2] = {{.key = GANTRY_A_LO, .n = 3, .v.iv = lo[k & 1]}, {.key = GANTRY_A_HI, .n = 3, .v.iv = hi[k & 1]}}, at;
  gantry_attr cut[2] = {{.key = GANTRY_A_START, .n = 3, .v.iv = start}, {.key = GANTRY_A_STOP, .n = 3, .v.iv = stop}};
  switch (k) {
    case 0: case 1: return ir_op(g, GANTRY_OP_PAD, &x, 1, pad, 2);
    case 2: return ir_op(g, GANTRY_OP_SLICE, &x, 1, cut, 2);
    case 3: at = (gantry_attr){.key = GANTRY_A_PERM, .n = 3, .v.iv = perm}; return ir_op(g, GANTRY_OP_PERMUTE, &x, 1, &at, 1);
    case 4: at = (gantry_attr){.key = GANTRY_A_AXES, .n = 1, .v.iv = &axis}; return ir_op(g, GANTRY_OP_REVERSE, &x, 1, &at, 1);
    case 5: return wide;
  }
  return x;
}

static void test_native__same_bits_of_shapes(void) {
  static const int64_t shapes[][3] = {{10, 5, 9}, {3, 7, 1}, {10, 5, 9}, {70, 9, 3}, {2, 3, 1100}, {1, 1, 1}};
  static const uint32_t reductions[] = {GANTRY_OP_SUM, GANTRY_OP_RMAX, GANTRY_OP_VAR};
  static const int64_t axes[][3] = {{0, 1, 2}, {0, 1}, {2}, {1}, {0, 2}};
  static const uint32_t n_axes[] = {3, 2, 1, 1, 2};
  setup();
  for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
    ir_graph *g = ir_new();
    const int64_t *d = shapes[s], c = d[2], row[3] = {d[0], d[1], 1};
    uint32_t t = s == 0 || s == 3 || s == 4 ? GANTRY_F64 : GANTRY_F32; /* f64 shows the order of a sum, which rounding to f32 hides */
    ir_id x = ir_leaf(g, GANTRY_OP_INPUT, "x", t, 3, d), per = ir_leaf(g, GANTRY_OP_INPUT, "per", t, 1, &c), rows = ir_leaf(g, GANTRY_OP_INPUT, "rows", t, 3, row);
    ir_id scaled = ir_mul(g, ir_add(g, x, ir_1(g, GANTRY_OP_EXP, per)), per), wide = ir_add(g, scaled, rows), half = ir_cast(g, scaled, GANTRY_BF16);
    char name[40];
    ir_output(g, "bf16", ir_mul(g, half, half));
    for (int k = 0; k < 6; k++) {
      if (k == 2 && (d[0] < 9 || d[1] < 5 || d[2] < 7)) continue;
      ir_id y = shape_case(g, k, x, wide);
      snprintf(name, sizeof name, "map%d", k);
      ir_output(g, name, ir_add(g, y, y));
      for (size_t a = 0; a < sizeof n_axes / sizeof *n_axes; a++) { /* each with another kind, which the next shape turns round */
        size_t r = ((size_t)k + a + s) % 3;
        gantry_attr at = {.key = GANTRY_A_AXES, .n = n_axes[a], .v.iv = axes[a]};
        ir_id z = ir_1(g, GANTRY_OP_NEG, y);
        snprintf(name, sizeof name, "reduced%d.%zu.%zu", k, r, a);
        ir_output(g, name, ir_op(g, reductions[r], &z, 1, &at, 1));
      }
    }
    check_values v = {s + 1, 0};
    char what[80];
    snprintf(what, sizeof what, "shape %lld %lld %lld: %.20s", (long long)d[0], (long long)d[1], (long long)d[2], g->err.msg);
    T_CHECK(!g->err.code && same(g, &v, what));
    ir_free(g);
  }
  T_CHECK(entries(".so", NULL, 0) == (int)(sizeof shapes / sizeof *shapes));
  forget();
}

static ir_graph *some_graph(check_values *v) {
  err e = {0};
  check_random o = {GANTRY_F32, 60, CHECK_MAP | CHECK_MOVE | CHECK_REDUCE};
  *v = (check_values){77, 0};
  return check_random_graph(77, &o, &e);
}
static ino_t entry(char *path, size_t n) { /* which file the only entry is; 0: there is not one entry */
  struct stat st;
  return entries(".so", path, n) == 1 && !stat(path, &st) ? st.st_ino : 0;
}

static void test_native__cache_entries(void) {
  check_values v;
  char path[600], keep[620], byte;
  setup();
  ir_graph *g = some_graph(&v);
  T_CHECK(same(g, &v, "first"));
  ino_t first = entry(path, sizeof path), now = 0;
  snprintf(keep, sizeof keep, "%s.kept", path);
  T_CHECK(first != 0 && !link(path, keep)); /* its number is not given away again */
  T_CHECK(same(g, &v, "again") && entry(path, sizeof path) == first); /* needs no compiler */
  /* one byte of the machine code is another */
  FILE *f = fopen(path, "r+b");
  fseek(f, 0, SEEK_END);
  long size = ftell(f);
  fseek(f, size / 2, SEEK_SET);
  byte = (char)~fgetc(f);
  fseek(f, size / 2, SEEK_SET);
  fputc(byte, f);
  fclose(f);
  T_CHECK(same(g, &v, "damaged") && (now = entry(path, sizeof path)) != first && now);
  first = now;
  remove(keep);
  T_CHECK(!link(path, keep) && !truncate(path, size / 3));
  T_CHECK(same(g, &v, "cut short") && (now = entry(path, sizeof path)) != first && now);
  first = now;
  remove(keep);
  T_CHECK(!link(path, keep) && !chmod(path, 0777)); /* anyone may have written it */
  T_CHECK(same(g, &v, "open to others") && (now = entry(path, sizeof path)) != first && now);
  ir_free(g);
  forget();
}

/* Old entries go when there are too many; what is in use and what is not ours stays. */
static void test_native__cache_stays_small(void) {
  check_values v;
  char path[600], fresh[600], other[600];
  setup();
  mkdir(cache, 0700);
  for (int k = 0; k < 530; k++) {
    struct timespec old[2] = {{1000 + k, 0}, {1000 + k, 0}};
    snprintf(path, sizeof path, "%s/%040d.so", cache, k);
    fclose(fopen(path, "w"));
    utimensat(AT_FDCWD, path, old, 0);
  }
  snprintf(fresh, sizeof fresh, "%s/%040d.so", cache, 529);
  snprintf(path, sizeof path, "%s/%040d.so", cache, 0);
  snprintf(other, sizeof other, "%s/notes.txt", cache);
  fclose(fopen(other, "w"));
  ir_graph *g = some_graph(&v);
  T_CHECK(same(g, &v, "in a full folder"));
  T_CHECK(entries(".so", NULL, 0) == 512);
  T_CHECK(access(path, F_OK) && !access(fresh, F_OK) && !access(other, F_OK));
  ir_free(g);
  forget();
}

static void test_native__no_compiler(void) {
  check_values v;
  char *had = strdup(getenv("PATH"));
  setup();
  ir_graph *g = some_graph(&v);
  setenv("PATH", "/nonexistent", 1);
  T_CHECK(same(g, &v, "without a compiler") && entries(".so", NULL, 0) == 0);
  setenv("PATH", had, 1);
  /* and where nothing may be kept */
  setenv("GANTRY_CACHE", "/proc/nothing/here", 1);
  T_CHECK(same(g, &v, "without a folder"));
  free(had);
  ir_free(g);
  forget();
}

/* A program begins in the interpreter and goes on in machine code, between two runs, with the same numbers. */
static void test_native__takes_over(void) {
  check_values v;
  rg_result r;
  int64_t n;
  setup();
  ir_graph *g = some_graph(&v);
  char *want = bits(g, "interpret", &v, &n, -1), *p = want;
  setenv("GANTRY_KERNELS", "auto", 1);
  T_CHECK(want && rg_compile(g, &r));
  time_t end = time(NULL) + 60;
  while (!entries(".so", NULL, 0) && time(NULL) < end) rg_run(&r);
  T_CHECK(entries(".so", NULL, 0) == 1);
  for (int k = 0; k < 3; k++) rg_run(&r);
  rg_fill(g, &r, check_bind, &v);
  rg_run(&r);
  for (uint32_t k = 0; k < r.n; p += rg_bytes(&r.names[k]), k++) T_CHECK(!memcmp(p, r.buffers[k], (size_t)rg_bytes(&r.names[k])));
  rg_free(&r);
  free(want);
  ir_free(g);
  forget();
}

/* Puts a compiler in front of the real one: a shell script, in which $CC is the real one. The PATH that was is given back to take away(). */
static char *put_in_front(const char *script) {
  char folder[260], path[300], *had = strdup(getenv("PATH"));
  snprintf(folder, sizeof folder, "%s-bin", cache);
  snprintf(path, sizeof path, "%s/cc", folder);
  mkdir(folder, 0700);
  FILE *f = fopen(path, "w");
  fprintf(f, "#!/bin/sh\nhere='%s'\nPATH='%s'\n%s\n", folder, had, script);
  fclose(f);
  chmod(path, 0700);
  setenv("PATH", folder, 1);
  return had;
}
static void take_away(char *had) {
  char path[300];
  static const char *const left[] = {"cc", "called", "child", "go", "text"};
  setenv("PATH", had, 1);
  free(had);
  for (size_t k = 0; k < sizeof left / sizeof *left; k++) {
    snprintf(path, sizeof path, "%s-bin/%s", cache, left[k]);
    remove(path);
  }
  snprintf(path, sizeof path, "%s-bin", cache);
  rmdir(path);
}
static long in_front(const char *name) { /* the size of a file of the script's, or the number in it if there is one; -1: there is none */
  char path[300];
  long n = -1;
  snprintf(path, sizeof path, "%s-bin/%s", cache, name);
  FILE *f = fopen(path, "r");
  if (!f) return -1;
  if (fscanf(f, "%ld", &n) != 1) n = fseek(f, 0, SEEK_END) ? -1 : ftell(f);
  fclose(f);
  return n;
}
static int runs_still(long pid) {
  char path[60], state = 0;
  snprintf(path, sizeof path, "/proc/%ld/stat", pid);
  FILE *f = fopen(path, "r");
  if (f && fscanf(f, "%*d (%*[^)]) %c", &state) != 1) state = 0;
  if (f) fclose(f);
  return state && state != 'Z';
}

/* Sessions that want the same program at once leave its compiling to one of them; when that one is gone, the next does it. */
static void test_native__one_compiles_for_all(void) {
  check_values v;
  rg_result a, b;
  setup();
  ir_graph *g = some_graph(&v);
  char *had = put_in_front("printf x >>$here/called\nwhile [ ! -e $here/go ]; do sleep 0.05; done\nexec cc \"$@\"");
  setenv("GANTRY_KERNELS", "auto", 1);
  T_CHECK(rg_compile(g, &a) && rg_compile(g, &b));
  time_t end = time(NULL) + 60;
  int most = 200;
  for (; in_front("called") < 1 && time(NULL) < end; most++) rg_run(&a);
  for (int k = 0; k < 3 * most; k++) rg_run(&a), rg_run(&b); /* b wants it too by now */
  usleep(200000);
  T_CHECK(in_front("called") == 1);
  rg_free(&a); /* before it was done */
  time_t soon = time(NULL) + 15; /* not only when its patience has ended */
  while (in_front("called") < 2 && time(NULL) < soon) rg_run(&b);
  T_CHECK(in_front("called") == 2 && entries(".so", NULL, 0) == 0);
  T_CHECK(rg_compile(g, &a));
  for (int k = 0; k < 3 * most; k++) rg_run(&a), rg_run(&b);
  char go[300];
  snprintf(go, sizeof go, "%s-bin/go", cache);
  fclose(fopen(go, "w"));
  while (!entries(".so", NULL, 0) && time(NULL) < end) rg_run(&a), rg_run(&b);
  for (int k = 0; k < 20; k++) rg_run(&a), rg_run(&b);
  T_CHECK(in_front("called") == 2 && entries(".so", NULL, 0) == 1 && entries(".lock", NULL, 0) == 0);
  rg_free(&a);
  rg_free(&b);
  take_away(had);
  ir_free(g);
  forget();
}

/* A compiler is a driver that starts others: they end with the session too. */
static void test_native__an_ended_session_leaves_no_compiler(void) {
  check_values v;
  rg_result r;
  setup();
  ir_graph *g = some_graph(&v);
  char *had = put_in_front("sleep 100 &\necho $! >$here/child.new\nmv $here/child.new $here/child\nwait");
  setenv("GANTRY_KERNELS", "auto", 1);
  T_CHECK(rg_compile(g, &r));
  time_t end = time(NULL) + 60;
  while (in_front("child") < 0 && time(NULL) < end) rg_run(&r);
  long child = in_front("child");
  T_CHECK(child > 1 && runs_still(child));
  rg_free(&r);
  for (int k = 0; k < 50 && runs_still(child); k++) usleep(20000);
  T_CHECK(!runs_still(child));
  take_away(had);
  ir_free(g);
  forget();
}

/* The text that a compiler in front of the real one is given; NULL if none came. Caller frees. */
static char *text_of(const ir_graph *g, check_values *v) {
  char path[300], *text = NULL, *first;
  int64_t n, m;
  setup();
  char *want = bits(g, "interpret", v, &n, -1);
  char *had = put_in_front("for last; do :; done\ncp \"$last\" $here/text && exec cc \"$@\"");
  first = bits(g, "compile", v, &m, -1);
  T_CHECK(want && first && n == m && !memcmp(want, first, (size_t)n));
  snprintf(path, sizeof path, "%s-bin/text", cache);
  FILE *f = fopen(path, "r");
  if (f) text = calloc(1, 1 << 22);
  if (text) text[fread(text, 1, (1 << 22) - 1, f)] = 0;
  if (f) fclose(f);
  take_away(had);
  forget();
  free(want);
  free(first);
  return text;
}

/* Average pooling's gradient: what a pixel's two neighbours share is written once for each pair of rows, and no longer than they are: the rest would
 * be written for each pair and read by nobody. */
static void test_native__what_repeats_is_as_long_as_its_loop(void) {
  int64_t whole[6] = {3, 4, 2, 5, 2, 32}, half[4] = {3, 4, 5, 32}, places[4] = {0, 1, 3, 5};
  ir_graph *g = ir_new();
  ir_id x = ir_leaf(g, GANTRY_OP_INPUT, "x", GANTRY_F32, 6, whole), y = ir_leaf(g, GANTRY_OP_INPUT, "y", GANTRY_F32, 4, half);
  gantry_attr at[2] = {{.key = GANTRY_A_DIMS, .n = 6, .v.iv = whole}, {.key = GANTRY_A_AXES, .n = 4, .v.iv = places}};
  ir_output(g, "out", ir_add(g, x, ir_scale(g, ir_op(g, GANTRY_OP_BROADCAST, &y, 1, at, 2), 0.25)));
  check_values v = {1, 0};
  char *text = text_of(g, &v), *function = text ? strstr(text, "static void k00000(") : NULL, *array = function ? strstr(function, "float q") : NULL;
  long long n = 0;
  T_CHECK(array && sscanf(array, "float q%*u[%lld]", &n) == 1 && n == 2 * 32);
  free(text);
  ir_free(g);
}

T_MAIN(T(test_native__what_repeats_is_as_long_as_its_loop), T(test_native__same_bits_f32), T(test_native__same_bits_f64), T(test_native__same_bits_integers), T(test_native__same_bits_of_shapes), T(test_native__cache_entries), T(test_native__cache_stays_small), T(test_native__no_compiler), T(test_native__takes_over), T(test_native__one_compiles_for_all), T(test_native__an_ended_session_leaves_no_compiler))
