/* fuzz.h - what the fuzz targets share: bytes as a file, and a host that gives a data set its parameters. One target per file, built by fuzz.sh with libFuzzer and the address and
 * undefined-behaviour sanitizers. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H
#include <gantry/abi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* A file in memory with these bytes; its path goes to `path`. The caller closes the descriptor. */
static inline int fuzz_file(const uint8_t *data, size_t n, char path[64]) {
  int fd = memfd_create("fuzz", MFD_CLOEXEC);
  if (fd < 0 || (n && write(fd, data, n) != (ssize_t)n)) abort();
  snprintf(path, 64, "/proc/self/fd/%d", fd);
  return fd;
}

static inline void fuzz_write(const char *path, const uint8_t *data, size_t n) {
  FILE *f = fopen(path, "wb");
  if (!f || (n && fwrite(data, 1, n, f) != n) || fclose(f)) abort();
}
#endif
