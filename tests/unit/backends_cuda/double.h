/* double.h - a session of the CUDA backend on the test double (tests/cuda_double): no GPU is touched. */
#ifndef TESTS_DOUBLE_H
#define TESTS_DOUBLE_H
#include "device.h"

static inline void double_use(void) {
  char path[4096];
  const char *build = getenv("GANTRY_BUILD");
  snprintf(path, sizeof path, "%s/tests/cuda_double.so", build ? build : "build/release");
  setenv("GANTRY_CUDA_DOUBLE", path, 1);
}

static inline device double_open(err *e) {
  double_use();
  device d = device_open_on("cuda", e);
  if (!d.session) printf("# %s\n", e->msg);
  return d;
}
#endif
