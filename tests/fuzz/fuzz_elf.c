/* Any bytes as a plugin file: listed and judged as data, never loaded. */
#include "fuzz.h"

#include "abi/registry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  err e = {0};
  char path[64];
  int fd = fuzz_file(data, n, path);
  const char *files[] = {path};
  abi_sources s = {files, 1, NULL, 0};
  abi_registry *r = abi_registry_open(&s, &e);
  if (!r && !*e.msg) abort();
  abi_registry_close(r);
  close(fd);
  return 0;
}
