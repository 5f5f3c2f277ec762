/* Any bytes as an experiment file: read, checked against the plugins' tables, expanded into cells. */
#include "fuzz.h"

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  static abi_registry *registry; /* read once: plugin files are fuzz_elf's business */
  static arena *a;
  err e = {0};
  char path[64];
  cfg_experiment *x = NULL;
  if (!registry) {
    a = arena_new();
    abi_sources s = abi_default_sources(a, NULL, 0, NULL, 0);
    registry = abi_registry_open(&s, &e);
    if (!registry) {
      fprintf(stderr, "%s\n", e.msg);
      abort();
    }
  }
  int fd = fuzz_file(data, n, path);
  if (!cfg_load(path, registry, NULL, &x, &e)) {
    if (!x || e.code) abort();
    cfg_free(x);
  } else if (!*e.msg) {
    abort(); /* a refusal says why */
  }
  close(fd);
  return 0;
}
