/* library.c - see library.h. */
#include "library.h"

#include <dlfcn.h>
#include <glob.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
/* cuda.h names some functions by version (cuMemAlloc is cuMemAlloc_v2); a driver that lacks the newest has the plain one. */
#define TAKE(f)                                            \
  {                                                        \
    void *p_ = dlsym(so, TEXT(f));                         \
    if (!p_) p_ = dlsym(so, #f);                           \
    if (!p_) {                                             \
      snprintf(l->why, sizeof l->why, "%s lacks %s: it is too old", path, #f); \
      return 0;                                            \
    }                                                      \
    memcpy(&l->f, &p_, sizeof p_);                         \
  }

static int take_driver(library *l, void *so, const char *path) { LIBRARY_DRIVER(TAKE) return 1; }
static int take_nvrtc(library *l, void *so, const char *path) { LIBRARY_NVRTC(TAKE) return 1; }
static int take_cudnn(library *l, void *so, const char *path) { LIBRARY_CUDNN(TAKE) return 1; }
static int take_cublas(library *l, void *so, const char *path) { LIBRARY_CUBLAS(TAKE) return 1; }

static void *try_one(const char *path, char found[PATH_MAX]) {
  void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (so) snprintf(found, PATH_MAX, "%s", path);
  return so;
}

static void *try_glob(const char *folder, const char *name, char found[PATH_MAX]) {
  char pattern[PATH_MAX];
  glob_t g;
  void *so = NULL;
  if (snprintf(pattern, sizeof pattern, "%s/%s", folder, name) >= (int)sizeof pattern || glob(pattern, 0, NULL, &g)) return NULL;
  for (size_t k = g.gl_pathc; k-- > 0 && !so;) so = try_one(g.gl_pathv[k], found); /* the newest of /usr/local/cuda-* first */
  globfree(&g);
  return so;
}

static void *try_python(const char *prefix, const char *name, char found[PATH_MAX]) {
  static const char *const below[] = {"lib/python3*/site-packages/nvidia/*/lib", "lib/python3*/dist-packages/nvidia/*/lib", "local/lib/python3*/dist-packages/nvidia/*/lib"};
  char folder[PATH_MAX];
  void *so = NULL;
  for (size_t k = 0; k < sizeof below / sizeof *below && !so && prefix && *prefix; k++)
    if (snprintf(folder, sizeof folder, "%s/%s", prefix, below[k]) < (int)sizeof folder) so = try_glob(folder, name, found);
  return so;
}

/* The Pythons of $PATH: DIR/python3 has its packages below DIR/.. */
static void *try_pythons(const char *name, char found[PATH_MAX]) {
  void *so = try_python(getenv("VIRTUAL_ENV"), name, found);
  if (!so) so = try_python(getenv("CONDA_PREFIX"), name, found);
  for (const char *p = getenv("PATH"); p && *p && !so;) {
    size_t n = strcspn(p, ":");
    char prefix[PATH_MAX], python[PATH_MAX];
    if (n > 4 && n < PATH_MAX - 16 && !strncmp(p + n - 4, "/bin", 4) && snprintf(python, sizeof python, "%.*s/python3", (int)n, p) > 0 && realpath(python, prefix)) {
      snprintf(prefix, sizeof prefix, "%.*s", (int)n - 4, p);
      so = try_python(prefix, name, found);
    }
    p += n + (p[n] == ':');
  }
  return so;
}

static void *find(const char *name, char found[PATH_MAX]) {
  const char *home = getenv("CUDA_HOME");
  char folder[PATH_MAX];
  void *so = try_one(name, found);
  for (int k = 0; k < 2 && home && *home && !so; k++)
    if (snprintf(folder, sizeof folder, "%s/%s", home, k ? "lib" : "lib64") < (int)sizeof folder) so = try_glob(folder, name, found);
  if (!so) so = try_glob("/usr/local/cuda/lib64", name, found);
  if (!so) so = try_glob("/usr/local/cuda*/lib64", name, found);
  if (!so) so = try_glob("/usr/local/cuda*/lib", name, found);
  return so ? so : try_pythons(name, found);
}

static void *find_versions(const char *stem, int from, int to, char found[PATH_MAX]) {
  char name[64];
  void *so = NULL;
  for (int v = from; v >= to && !so; v--) {
    snprintf(name, sizeof name, "%s.so.%d", stem, v);
    so = find(name, found);
  }
  return so;
}

int library_open_nvrtc(library *l) {
  char path[PATH_MAX] = "", found[PATH_MAX];
  const char *other = getenv("GANTRY_CUDA_DOUBLE");
  int newest = l->has_driver && l->driver_version ? l->driver_version / 1000 : 13; /* a driver runs what its own major version of CUDA made, or an older one */
  void *so = other ? try_one(other, path) : find_versions("libnvrtc", newest > 13 ? 13 : newest, 12, path);
  if (!so) {
    snprintf(l->why, sizeof l->why, "no libnvrtc.so.%d or older is found: install CUDA's NVRTC (or PyTorch with CUDA), or set CUDA_HOME", newest > 13 ? 13 : newest);
    return 0;
  }
  char *slash = strrchr(path, '/'); /* NVRTC opens its builtins by name only; loaded already they are found */
  if (slash && !other) {
    *slash = 0;
    try_glob(path, "libnvrtc-builtins.so.*", found);
    *slash = '/';
  }
  l->has_nvrtc = take_nvrtc(l, so, path) && !l->nvrtcVersion(&l->nvrtc_major, &l->nvrtc_minor);
  return l->has_nvrtc;
}

int library_open_cudnn(library *l) {
  char path[PATH_MAX] = "";
  const char *other = getenv("GANTRY_CUDA_DOUBLE");
  void *so = other ? try_one(other, path) : find("libcudnn.so.9", path);
  if (!so) snprintf(l->why, sizeof l->why, "no libcudnn.so.9 is found: install cuDNN 9 (or PyTorch with CUDA), or set CUDA_HOME");
  l->has_cudnn = so && take_cudnn(l, so, path);
  return l->has_cudnn;
}

int library_open_cublas(library *l) {
  char path[PATH_MAX] = "";
  const char *other = getenv("GANTRY_CUDA_DOUBLE");
  void *so = other ? try_one(other, path) : find_versions("libcublasLt", l->has_nvrtc ? l->nvrtc_major : 13, 12, path);
  if (!so) snprintf(l->why, sizeof l->why, "no libcublasLt is found: install cuBLAS (or PyTorch with CUDA), or set CUDA_HOME");
  l->has_cublas = so && take_cublas(l, so, path);
  return l->has_cublas;
}

static library the;
static void open_all(void) {
  char path[PATH_MAX] = "";
  const char *other = getenv("GANTRY_CUDA_DOUBLE");
  library *l = &the;
  void *so = other ? try_one(other, path) : try_one("libcuda.so.1", path);
  l->is_double = other != NULL;
  if (!so) {
    if (other) snprintf(l->why, sizeof l->why, "GANTRY_CUDA_DOUBLE: %.200s", dlerror());
    else snprintf(l->why, sizeof l->why, "no NVIDIA driver: libcuda.so.1 is not there. Install the driver (version 525 or newer)");
    return;
  }
  if (!take_driver(l, so, path)) return;
  l->has_driver = 1;
  if (l->cuDriverGetVersion(&l->driver_version)) {
    l->driver_version = 0;
    snprintf(l->why, sizeof l->why, "libcuda.so.1 is not a driver (a stub of the toolkit perhaps): the driver's own must come first in the loader's path");
    return;
  }
  if (l->driver_version < 12000) {
    snprintf(l->why, sizeof l->why, "the NVIDIA driver knows CUDA %d.%d; 12.0 is needed: install driver 525 or newer", l->driver_version / 1000, l->driver_version % 1000 / 10);
    return;
  }
  library_open_nvrtc(l);
  if (!l->has_nvrtc) return;
  library_open_cudnn(l);
  library_open_cublas(l);
  if (l->has_cudnn && l->has_cublas) l->why[0] = 0;
}

const library *library_open(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, open_all);
  return &the;
}

void library_versions(const library *l, char *dst, size_t room) {
  int n = snprintf(dst, room, "%sdriver %d.%d", l->is_double ? "TEST DOUBLE, no GPU: " : "", l->driver_version / 1000, l->driver_version % 1000 / 10);
#define MORE(...) do { if (n >= 0 && (size_t)n < room) n += snprintf(dst + n, room - (size_t)n, __VA_ARGS__); } while (0)
  if (l->has_nvrtc) MORE(", NVRTC %d.%d", l->nvrtc_major, l->nvrtc_minor);
  if (l->has_cudnn) MORE(", cuDNN %d.%d.%d", (int)(l->cudnnGetVersion() / 10000), (int)(l->cudnnGetVersion() / 100 % 100), (int)(l->cudnnGetVersion() % 100));
  if (l->has_cublas) MORE(", cuBLASLt %d.%d.%d", (int)(l->cublasLtGetVersion() / 10000), (int)(l->cublasLtGetVersion() / 100 % 100), (int)(l->cublasLtGetVersion() % 100));
}
