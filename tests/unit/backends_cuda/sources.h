/* sources.h - what a test's programs became as CUDA C, given to the real NVRTC: each template once, 40 to a program, without a GPU.
 *
 * Two kernels are of one template if their text differs in numbers alone (sizes, strides, immediates). NVRTC_ARCHS="80 90 100" names other
 * architectures than 90, NVRTC_ALL=1 compiles every kernel and not only one of each template. */
#ifndef TESTS_SOURCES_H
#define TESTS_SOURCES_H
#include <ctype.h>
#include <dirent.h>
#include <unistd.h>

#include "base/files.h"
#include "cubins.h"
#include "double.h"

static char sources_folder[] = "/tmp/gantry-sources-XXXXXX", sources_cache[] = "/tmp/gantry-cubins-XXXXXX";

/* From here on every program is kept; no cache of another run may stand in for compiling it. */
static inline void sources_keep(void) {
  if (on_gpu()) return;
  if (mkdtemp(sources_folder)) setenv("GANTRY_DOUBLE_SOURCES", sources_folder, 1);
  if (mkdtemp(sources_cache)) setenv("GANTRY_CACHE", sources_cache, 1);
}

typedef struct sources { VEC(char *) kernel; VEC(char *) template; char *prelude; } sources;

/* Numbers that stand alone become '#': r12, f32 and int64_t stay. */
static inline char *sources_template(const char *text) {
  buf b = {0};
  const char *body = strchr(text, '\n'); /* without the name */
  for (const char *p = body ? body : text; *p && strncmp(p, "\nK_END(", 7);) {
    int alone = isdigit((unsigned char)*p) && (p == text || (!isalnum((unsigned char)p[-1]) && p[-1] != '_'));
    if (!alone) {
      buf_putc(&b, *p++);
      continue;
    }
    while (isalnum((unsigned char)*p) || *p == '.') p++;
    buf_putc(&b, '#');
  }
  buf_putc(&b, 0);
  return b.p;
}

static inline void sources_read(sources *s, const char *text) {
  const char *first = strstr(text, "\nK_BEGIN(k_");
  if (!first) return;
  if (!s->prelude) s->prelude = strndup(text, (size_t)(first + 1 - text));
  for (const char *p = first + 1; p && *p;) {
    const char *end = strstr(p, "\nK_END(");
    if (!end || !(end = strchr(end + 1, '\n'))) break;
    char *kernel = strndup(p, (size_t)(end + 1 - p)), *template = sources_template(kernel);
    uint32_t k = 0;
    while (k < s->kernel.n && strcmp(getenv("NVRTC_ALL") ? s->kernel.p[k] : s->template.p[k], getenv("NVRTC_ALL") ? kernel : template)) k++;
    if (k == s->kernel.n) {
      VEC_PUSH(s->kernel, kernel);
      VEC_PUSH(s->template, template);
    } else {
      free(kernel);
      free(template);
    }
    p = end + 1;
  }
}

static inline void sources_compile(const library *l, const sources *s, int arch) {
  enum { TOGETHER = 40 };
  for (uint32_t at = 0; at < s->kernel.n; at += TOGETHER) {
    buf b = {0};
    void *image;
    size_t bytes;
    char *why;
    buf_puts(&b, s->prelude);
    for (uint32_t k = at; k < s->kernel.n && k < at + TOGETHER; k++) buf_puts(&b, s->kernel.p[k]);
    int ok = cubins_compile(l, b.p, arch, &image, &bytes, &why);
    if (!ok) printf("# sm_%d: %s\n", arch, why ? why : "?");
    T_CHECK(ok);
    free(image);
    free(why);
    buf_free(&b);
  }
}

/* The last test of a binary that began with sources_keep(). */
static inline void sources_check(const char *what) {
  sources s = {0};
  library l = {0};
  err e = {0};
  NEEDS_DOUBLE;
  const char *archs = getenv("NVRTC_ARCHS");
  DIR *d = opendir(sources_folder);
  for (struct dirent *f; d && (f = readdir(d));) {
    char path[600];
    buf b = {0};
    if (!strstr(f->d_name, ".cu")) continue;
    snprintf(path, sizeof path, "%s/%.255s", sources_folder, f->d_name);
    if (!file_read(path, &b, 64 << 20, &e)) sources_read(&s, b.p);
    unlink(path);
    buf_free(&b);
  }
  if (d) closedir(d);
  rmdir(sources_folder);
  char command[100];
  snprintf(command, sizeof command, "rm -rf %s", sources_cache);
  if (system(command)) printf("# %s stays\n", sources_cache);
  unsetenv("GANTRY_CUDA_DOUBLE");
  int there = library_open_nvrtc(&l);
  T_CHECK(s.kernel.n > 0);
  if (there)
    for (const char *p = archs && *archs ? archs : "90"; *p;) {
      sources_compile(&l, &s, (int)strtol(p, NULL, 10));
      p += strcspn(p, " ");
      p += strspn(p, " ");
    }
  printf("# %u templates of %s\n", s.kernel.n, what);
  for (uint32_t k = 0; k < s.kernel.n; k++) free(s.kernel.p[k]), free(s.template.p[k]);
  free(s.kernel.p);
  free(s.template.p);
  free(s.prelude);
  if (!there) T_SKIP("no NVRTC on this machine: kernels were compiled as C only");
}
#endif
