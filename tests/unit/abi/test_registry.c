/* test_registry.c - plugin files judged as data: what is refused, and in which words. */
#include <elf.h>
#include "abi/params.h"
#include "abi/registry.h"
#include "base/files.h"
#include "t.h"

#include <unistd.h>

static abi_registry *fixtures(arena *a, err *e) {
  const char *build = getenv("GANTRY_BUILD") ? getenv("GANTRY_BUILD") : "build/release";
  const char *roots[] = {arena_fmt(a, "%s/fixtures", build)};
  abi_sources s = abi_default_sources(a, NULL, 0, roots, 1);
  return abi_registry_open(&s, e);
}

static void refused(const char *name, const char *words) {
  err e = {0};
  arena *a = arena_new();
  abi_registry *r = fixtures(a, &e);
  if (r) {
    abi_plugin *p = abi_need(r, GANTRY_KIND_LOSS, name, &e);
    T_CHECK(!p);
    T_HAS(e.msg, words);
  }
  T_CHECK(r != NULL);
  abi_registry_close(r);
  arena_free(a);
}

/* A sanitizer adds imports, constructors and data of its own, so validate.c leaves these rules out of such builds. */
#if defined(GANTRY_SANITIZED) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ELF_RULE(name, words) T_SKIP("the ELF rules are off in a host built with a sanitizer")
#else
#define ELF_RULE(name, words) refused(name, words)
#endif
static void test_registry__refuses_imports(void) { ELF_RULE("bad_imports", "may import memory and string functions"); }
static void test_registry__refuses_mutable_globals(void) { ELF_RULE("bad_writable", "bytes of writable global data"); }
static void test_registry__refuses_second_export(void) { ELF_RULE("bad_export", "exports \"extra\""); }
static void test_registry__refuses_default_out_of_range(void) { refused("bad_default", "the default of parameter \"margin\" must be in [0, 1]"); }
static void test_registry__refuses_newer_minor(void) { refused("bad_future", "needs plugin ABI 0.99"); }
static void test_registry__refuses_other_major(void) { refused("bad_symbol", "built for plugin ABI 7"); }

static void test_registry__names_the_nearest(void) {
  err e = {0};
  arena *a = arena_new();
  abi_registry *r = fixtures(a, &e);
  T_CHECK(r && !abi_need(r, GANTRY_KIND_LOSS, "hindge", &e));
  T_HAS(e.msg, "did you mean \"hinge\"?");
  abi_registry_close(r);
  arena_free(a);
}

static void test_registry__every_shipped_plugin_is_usable(void) {
  err e = {0};
  arena *a = arena_new();
  abi_sources s = abi_default_sources(a, NULL, 0, NULL, 0);
  abi_registry *r = abi_registry_open(&s, &e);
  uint32_t usable = 0;
  for (uint32_t k = 0; r && k < abi_count(r); k++) {
    abi_plugin *p = abi_at(r, k);
    if (p->refused) printf("# %s: %s\n", p->path, p->refused);
    T_CHECK(!p->refused);
    if (p->refused) continue;
    usable++;
    err opened = {0};
    T_CHECK(!abi_open(p, &opened));
  }
  T_CHECK(usable >= 18);
  abi_registry_close(r);
  arena_free(a);
}

/* A file cut at every length, and with every byte of its headers changed, is refused or accepted but never crashes the reader. */
static void test_registry__damaged_files_do_no_harm(void) {
  err e = {0};
  arena *a = arena_new();
  buf file = {0};
  abi_sources s = abi_default_sources(a, NULL, 0, NULL, 0);
  abi_registry *r = abi_registry_open(&s, &e);
  const char *path = r ? abi_find(r, GANTRY_KIND_LOSS, "hinge")->path : "", *copy = arena_fmt(a, "/tmp/gantry-elf-%d.so", (int)getpid());
  T_CHECK(!file_read(path, &file, 1 << 24, &e));
  uint32_t refusals = 0;
  for (size_t k = 0; k < 400; k++) {
    err one = {0};
    char saved = file.p[k * 7 % file.n];
    size_t n = k < 100 ? file.n * k / 100 : file.n;
    if (k >= 100) file.p[k * 7 % file.n] = (char)(saved ^ (k % 2 ? 0xff : 0x40));
    T_CHECK(!file_write(copy, file.p, n, &one));
    if (k >= 100) file.p[k * 7 % file.n] = saved;
    const char *files[] = {copy};
    abi_sources only = {files, 1, NULL, 0};
    abi_registry *x = abi_registry_open(&only, &one);
    refusals += x == NULL;
    abi_registry_close(x);
  }
  T_CHECK(refusals >= 100);
  /* a segment that claims 64 MB of a file that has them not */
  Elf64_Ehdr head;
  memcpy(&head, file.p, sizeof head);
  for (int k = 0; k < head.e_phnum; k++) {
    Elf64_Phdr p;
    char *at = file.p + head.e_phoff + (size_t)k * sizeof p;
    memcpy(&p, at, sizeof p);
    if (p.p_type != PT_LOAD) continue;
    p.p_filesz = p.p_memsz = 64 << 20;
    memcpy(at, &p, sizeof p);
  }
  err one = {0};
  T_CHECK(!file_write(copy, file.p, file.n, &one));
  const char *files[] = {copy};
  abi_sources only = {files, 1, NULL, 0};
  T_CHECK(abi_registry_open(&only, &one) == NULL);
  T_HAS(one.msg, "a segment lies outside the file");
  unlink(copy);
  buf_free(&file);
  abi_registry_close(r);
  arena_free(a);
}

static void test_params__defaults_and_ranges(void) {
  err e = {0};
  arena *a = arena_new();
  abi_registry *r = fixtures(a, &e);
  const gantry_plugin *adam = r ? abi_find(r, GANTRY_KIND_OPTIM, "adam")->desc : NULL, *mlp = r ? abi_find(r, GANTRY_KIND_ARCH, "mlp")->desc : NULL;
  if (!adam || !mlp) {
    T_CHECK(0);
    return;
  }
  int beta = abi_param_find(adam, "beta2");
  T_CHECK(beta >= 0 && abi_defaults(adam, a)[beta].f == 0.999);
  T_CHECK(abi_param_find(adam, "gamma") == -1);
  T_CHECK(!abi_param_check(abi_param_at(adam, (uint32_t)beta), 0, &e));
  T_CHECK(abi_param_check(abi_param_at(adam, (uint32_t)beta), 1, &e)); /* beta2 < 1 */
  T_STR(e.msg, "must be in [0, 1), is 1");
  int act = abi_param_find(mlp, "act");
  T_CHECK(act >= 0 && abi_defaults(mlp, a)[act].f == 0);
  T_STR(abi_defaults(mlp, a)[act].s, "relu");
  abi_registry_close(r);
  arena_free(a);
}

T_MAIN(T(test_registry__refuses_imports), T(test_registry__refuses_mutable_globals), T(test_registry__refuses_second_export), T(test_registry__refuses_default_out_of_range), T(test_registry__refuses_newer_minor),
       T(test_registry__refuses_other_major), T(test_registry__names_the_nearest), T(test_registry__every_shipped_plugin_is_usable), T(test_registry__damaged_files_do_no_harm), T(test_params__defaults_and_ranges))
