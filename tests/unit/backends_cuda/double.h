/* double.h - a session of the CUDA backend on the test double (tests/cuda_double): no GPU is touched. With GANTRY_TEST_GPU set, on the machine's first GPU:
 * that is how tests/gpu/check.sh runs the same tests where there is one. */
#ifndef TESTS_DOUBLE_H
#define TESTS_DOUBLE_H
#include "device.h"

static inline int on_gpu(void) { return getenv("GANTRY_TEST_GPU") != NULL; }
#define NEEDS_DOUBLE do { if (on_gpu()) T_SKIP("needs the double"); } while (0)

static inline void double_use(void) {
  char path[4096];
  const char *build = getenv("GANTRY_BUILD");
  snprintf(path, sizeof path, "%s/tests/cuda_double.so", build ? build : "build/release");
  if (on_gpu()) unsetenv("GANTRY_CUDA_DOUBLE");
  else setenv("GANTRY_CUDA_DOUBLE", path, 1);
}

static inline device double_open(err *e) {
  double_use();
  device d = device_open_on("cuda", e);
  if (!d.session) printf("# %s\n", e->msg);
  return d;
}
#endif
