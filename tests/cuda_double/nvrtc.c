/* nvrtc.c - NVRTC as a C compiler: kernels of prelude.h are C too. See double.h. */
#define _GNU_SOURCE
#include <nvrtc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "double.h"

struct _nvrtcProgram { char *source, *image, *log; size_t bytes; };

static char *slurp(const char *path, size_t *n) {
  FILE *f = fopen(path, "rb");
  char *p = NULL;
  *n = 0;
  if (!f) return calloc(1, 1);
  for (size_t room = 0, got = 1; got;) {
    if (*n + (1 << 16) > room) p = realloc(p, room = 2 * room + (1 << 17));
    got = fread(p + *n, 1, 1 << 16, f);
    *n += got;
  }
  p[*n] = 0;
  fclose(f);
  return p;
}

static void keep_source(const char *text) { /* for tests that give it to the real NVRTC */
  const char *folder = getenv("GANTRY_DOUBLE_SOURCES");
  char path[512];
  static int serial;
  if (!folder || snprintf(path, sizeof path, "%s/%ld-%d.cu", folder, (long)getpid(), serial++) >= (int)sizeof path) return;
  FILE *f = fopen(path, "w");
  if (!f) return;
  fputs(text, f);
  fclose(f);
}

EXPORT nvrtcResult nvrtcVersion(int *major, int *minor) { return *major = 13, *minor = 0, NVRTC_SUCCESS; }
EXPORT const char *nvrtcGetErrorString(nvrtcResult r) { return r == NVRTC_SUCCESS ? "success" : "an error of the double"; }
EXPORT nvrtcResult nvrtcGetNumSupportedArchs(int *n) { return *n = 2, NVRTC_SUCCESS; }
EXPORT nvrtcResult nvrtcGetSupportedArchs(int *list) { return list[0] = 80, list[1] = 90, NVRTC_SUCCESS; }
EXPORT nvrtcResult nvrtcCreateProgram(nvrtcProgram *p, const char *source, const char *name, int n, const char *const *headers, const char *const *names) {
  (void)name, (void)n, (void)headers, (void)names;
  *p = calloc(1, sizeof **p);
  (*p)->source = strdup(source);
  return NVRTC_SUCCESS;
}
EXPORT nvrtcResult nvrtcDestroyProgram(nvrtcProgram *p) {
  free((*p)->source);
  free((*p)->image);
  free((*p)->log);
  free(*p);
  *p = NULL;
  return NVRTC_SUCCESS;
}
EXPORT nvrtcResult nvrtcCompileProgram(nvrtcProgram p, int n, const char *const *options) {
  char folder[] = "/tmp/gantry-double-XXXXXX", command[700], path[64];
  int fma = 1;
  for (int k = 0; k < n; k++) fma = fma && strcmp(options[k], "--fmad=false");
  if (fma) return NVRTC_ERROR_INVALID_OPTION; /* contraction would change bits */
  keep_source(p->source);
  if (!mkdtemp(folder)) return NVRTC_ERROR_OUT_OF_MEMORY;
  snprintf(path, sizeof path, "%s/gantry.c", folder);
  FILE *f = fopen(path, "w");
  const char *fault = getenv("GANTRY_DOUBLE_BREAK");
  if (!f || fputs(p->source, f) < 0 || fclose(f)) return NVRTC_ERROR_OUT_OF_MEMORY;
  snprintf(command, sizeof command, "cd %s && cc -std=gnu11 -O1 -ffp-contract=off -fno-math-errno -fno-strict-aliasing -w -fPIC -shared -fvisibility=hidden %s -o out.so gantry.c -lm >log 2>&1", folder, fault ? fault : "");
  int rc = system(command);
  size_t bytes;
  snprintf(path, sizeof path, "%s/log", folder);
  p->log = slurp(path, &bytes);
  snprintf(path, sizeof path, "%s/out.so", folder);
  p->image = slurp(path, &p->bytes);
  snprintf(command, sizeof command, "rm -rf %s", folder);
  if (system(command)) return NVRTC_ERROR_INTERNAL_ERROR;
  return WIFEXITED(rc) && !WEXITSTATUS(rc) ? NVRTC_SUCCESS : NVRTC_ERROR_COMPILATION;
}
EXPORT nvrtcResult nvrtcGetProgramLogSize(nvrtcProgram p, size_t *n) { return *n = p->log ? strlen(p->log) + 1 : 1, NVRTC_SUCCESS; }
EXPORT nvrtcResult nvrtcGetProgramLog(nvrtcProgram p, char *log) { return strcpy(log, p->log ? p->log : ""), NVRTC_SUCCESS; }
EXPORT nvrtcResult nvrtcGetCUBINSize(nvrtcProgram p, size_t *n) { return *n = p->bytes, NVRTC_SUCCESS; }
EXPORT nvrtcResult nvrtcGetCUBIN(nvrtcProgram p, char *to) { return memcpy(to, p->image, p->bytes), NVRTC_SUCCESS; }
EXPORT nvrtcResult nvrtcGetPTXSize(nvrtcProgram p, size_t *n) { return nvrtcGetCUBINSize(p, n); }
EXPORT nvrtcResult nvrtcGetPTX(nvrtcProgram p, char *to) { return nvrtcGetCUBIN(p, to); }
