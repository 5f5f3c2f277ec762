/* plugins_check.c - `gantry plugins check FILE...`: conformance tests of plugin files, as text and JSON. The tests are in check/. */
#include <stdio.h>
#include <stdlib.h>

#include "abi/registry.h"
#include "base/files.h"
#include "check/conform.h"
#include "cli/cli.h"
#include "cli/plugins_check.h"
#include "report/exchange.h"

/* Skipped tests with one reason are one line, behind the others: after a refused file there are many. */
static void print_skips(const check_report *r) {
  for (uint32_t k = 0; k < r->results.n; k++) {
    const check_result *x = &r->results.p[k];
    uint32_t n = 0, said = 0;
    if (x->verdict != CHECK_SKIP) continue;
    for (uint32_t j = 0; j < k; j++) said |= r->results.p[j].verdict == CHECK_SKIP && !strcmp(r->results.p[j].why, x->why);
    for (uint32_t j = k; j < r->results.n; j++) n += r->results.p[j].verdict == CHECK_SKIP && !strcmp(r->results.p[j].why, x->why);
    if (said) continue;
    if (n == 1) printf("  %-8s %-24s %s\n", "skip", x->test, x->why);
    else printf("  %-8s %u tests, %s ...: %s (-v lists them)\n", "skip", n, x->test, x->why);
  }
}

static void print_text(const check_report *r, uint64_t seed, int all) {
  printf("%s%s%s%s%s\n", r->path, r->kind[0] ? "  " : "", r->kind, r->kind[0] ? " " : "", r->name);
  for (uint32_t k = 0; k < r->results.n; k++) {
    const check_result *x = &r->results.p[k];
    if (x->verdict == CHECK_SKIP && !all) continue;
    if (x->verdict == CHECK_PASS && !strncmp(x->test, "op/", 3)) continue; /* hundreds; the last line counts them */
    printf("  %-8s %-24s %s\n", check_verdict_name(x->verdict), x->test, x->why);
  }
  if (!all) print_skips(r);
  printf("  %u passed, %u failed, %u crashed, %u timed out, %u skipped, %u warnings (seed %llu)\n", r->count[CHECK_PASS], r->count[CHECK_FAIL], r->count[CHECK_CRASH], r->count[CHECK_TIMEOUT], r->count[CHECK_SKIP],
         r->count[CHECK_WARN], (unsigned long long)seed);
  fflush(stdout);
}

static void print_json(const check_report *r, uint64_t seed, int first) {
  buf b = {0};
  buf_puts(&b, first ? "\n {\"file\": " : ",\n {\"file\": ");
  exchange_json(&b, r->path);
  buf_puts(&b, ", \"kind\": ");
  exchange_json(&b, r->kind[0] ? r->kind : NULL);
  buf_puts(&b, ", \"name\": ");
  exchange_json(&b, r->name[0] ? r->name : NULL);
  buf_printf(&b, ", \"seed\": %llu, \"counts\": {", (unsigned long long)seed);
  for (uint32_t k = 0; k < CHECK_VERDICTS; k++) buf_printf(&b, "%s\"%s\": %u", k ? ", " : "", check_verdict_name(k), r->count[k]);
  buf_puts(&b, "}, \"results\": [");
  for (uint32_t k = 0; k < r->results.n; k++) {
    const check_result *x = &r->results.p[k];
    buf_puts(&b, k ? ",\n  {\"test\": " : "\n  {\"test\": ");
    exchange_json(&b, x->test);
    buf_printf(&b, ", \"verdict\": \"%s\", \"ms\": %lld, \"why\": ", check_verdict_name(x->verdict), (long long)x->ms);
    exchange_json(&b, x->why);
    buf_putc(&b, '}');
  }
  buf_puts(&b, "]}");
  fwrite(b.p, 1, b.n, stdout);
  buf_free(&b);
}

static void print_tests(void) {
  for (uint32_t k = 0; k < check_count(); k++) {
    check_about t = check_at(k);
    printf("  %-24s %s", t.id, t.doc);
    for (uint32_t kind = 1; t.kinds && kind < 8; kind++)
      if (t.kinds >> kind & 1) printf("%s%s", t.kinds & (t.kinds - 1) & ((1u << kind) - 1) ? ", " : t.kinds & ((1u << kind) - 1) ? ", " : "  [", abi_kind_name(kind));
    printf("%s\n", t.kinds ? "]" : "");
  }
}

/* A word that is no file but the name of an installed plugin, "hinge" or "loss/hinge", is its file. */
static const char *file_of(const char *word, abi_registry *reg) {
  const char *slash = strchr(word, '/'), *name = slash ? slash + 1 : word;
  for (uint32_t k = 0; reg && !file_exists(word) && k < abi_count(reg); k++) {
    const abi_plugin *p = abi_at(reg, k);
    size_t len = slash ? (size_t)(slash - word) : 0;
    if (!p->desc || strcmp(p->desc->name, name)) continue;
    const char *kind = abi_kind_name(p->desc->kind), *folder = abi_kind_folder(p->desc->kind);
    if (!slash || (strlen(kind) == len && !strncmp(kind, word, len)) || (strlen(folder) == len && !strncmp(folder, word, len))) return p->path;
  }
  return word;
}

int plugins_check(int argc, char **argv) {
  enum { ONLY, JSON, IN_PROCESS, SEED, TIMEOUT, QUICK, SET, TESTS, VERBOSE, N };
  flag f[N] = {
    [ONLY] = {.name = "--only", .value = "RE", .help = "tests whose name this extended regular expression fits", .type = FLAG_TEXT},
    [JSON] = {.name = "--json", .help = "print JSON", .type = FLAG_BOOL},
    [IN_PROCESS] = {.name = "--in-process", .help = "no child processes, for a debugger: a crash is then this program's", .type = FLAG_BOOL},
    [SEED] = {.name = "--seed", .value = "N", .help = "of random parameters and values (default 1)", .type = FLAG_INT},
    [TIMEOUT] = {.name = "--timeout", .value = "SECONDS", .help = "of one test (default 30)", .type = FLAG_INT},
    [QUICK] = {.name = "--quick", .help = "fewer random sets and places of failure", .type = FLAG_BOOL},
    [SET] = {.name = "--set", .value = "KEY=VALUE", .help = "a parameter of the plugin, such as a data set's path", .type = FLAG_LIST},
    [TESTS] = {.name = "--tests", .help = "list the tests and stop", .type = FLAG_BOOL},
    [VERBOSE] = {.name = "-v", .help = "a line for each skipped test too", .type = FLAG_BOOL}};
  const char *files[256];
  uint32_t n, bad = 0;
  int rc = flags_parse(argc, argv, "gantry plugins check FILE|NAME...", f, N, files, 256, &n);
  if (rc) return rc < 0 ? EXIT_OK : rc;
  if (f[TESTS].on) {
    print_tests();
    return EXIT_OK;
  }
  if (!n) {
    fprintf(stderr, "gantry plugins check: which files? `gantry plugins list --why` prints where the installed ones are\n");
    return EXIT_USAGE;
  }
  check_options o = {.only = f[ONLY].text, .seed = f[SEED].on ? (uint64_t)f[SEED].number : 1, .timeout_ms = f[TIMEOUT].number * 1000, .in_process = f[IN_PROCESS].on != 0, .quick = f[QUICK].on != 0, .set = f[SET].list, .n_set = f[SET].n_list};
  setenv("GANTRY_KERNELS", "interpret", 0); /* a backend's tests are too short for a compiler's work to pay */
  err ignored = {0};
  arena *a = arena_new();
  abi_sources installed = abi_default_sources(a, NULL, 0, NULL, 0);
  abi_registry *reg = abi_registry_open(&installed, &ignored);
  if (f[JSON].on) printf("[");
  for (uint32_t k = 0; k < n; k++) {
    check_report r;
    err e = {0};
    if (check_plugin_file(file_of(files[k], reg), &o, &r, &e)) {
      check_report_free(&r);
      rc = flags_error("plugins check", &e);
      break;
    }
    if (f[JSON].on) print_json(&r, o.seed, !k);
    else print_text(&r, o.seed, f[VERBOSE].on != 0);
    bad += r.count[CHECK_FAIL] + r.count[CHECK_CRASH] + r.count[CHECK_TIMEOUT];
    check_report_free(&r);
  }
  if (f[JSON].on && !rc) printf("]\n");
  abi_registry_close(reg);
  arena_free(a);
  return rc ? rc : bad ? EXIT_PLUGIN : EXIT_OK;
}
