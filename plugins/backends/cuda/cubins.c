/* cubins.c - see cubins.h. An entry of the cache is the image and behind it a line with the SHA-256 of its bytes; one that does not fit is
 * made again. The file is written beside its name and renamed, so processes may share the folder. A full or missing folder costs time only. */
#include "cubins.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gantry/cache.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "text.h"

static const char magic[] = "\ngantry cubin 1 ";
enum { TRAILER = sizeof magic - 1 + 64, ENTRIES = 1024, MOST = 8192 };

static int whole(int fd, void *p, size_t n) {
  for (size_t got = 0; got < n;) {
    ssize_t k = read(fd, (char *)p + got, n - got);
    if (k <= 0) return 0;
    got += (size_t)k;
  }
  return 1;
}

static int look(const char *path, void **image, size_t *bytes) {
  char hex[65];
  struct stat st;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), ok = 0;
  if (fd < 0) return 0;
  if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 022) && st.st_size > TRAILER) {
    size_t n = (size_t)st.st_size - TRAILER;
    char *p = malloc((size_t)st.st_size + 1);
    if (p && whole(fd, p, (size_t)st.st_size)) {
      cuda_sha256(p, n, hex);
      ok = !memcmp(p + n, magic, sizeof magic - 1) && !memcmp(p + n + sizeof magic - 1, hex, 64);
    }
    if (ok) {
      p[n] = 0; /* PTX is text */
      *image = p;
      *bytes = n;
      utimensat(AT_FDCWD, path, NULL, 0);
    } else free(p);
  }
  close(fd);
  return ok;
}

typedef struct found { time_t when; char name[NAME_MAX + 1]; } found;
static int by_age(const void *a, const void *b) {
  const found *x = a, *y = b;
  return x->when != y->when ? (x->when < y->when ? -1 : 1) : strcmp(x->name, y->name);
}

/* Of too many entries the longest unused go, and what an interrupted process left a day ago. */
static void prune(const char *where) {
  DIR *d = opendir(where);
  found *all = d ? malloc(sizeof *all * MOST) : NULL;
  size_t n = 0;
  char path[2 * PATH_MAX];
  struct stat st;
  for (struct dirent *f; all && n < MOST && (f = readdir(d));) {
    size_t k = strlen(f->d_name);
    int ours = k == 46 && !strcmp(f->d_name + 40, ".cubin"), rest = k > 46 && !strncmp(f->d_name + 40, ".cubin.", 7);
    snprintf(path, sizeof path, "%s/%s", where, f->d_name);
    if ((!ours && !rest) || lstat(path, &st) || !S_ISREG(st.st_mode)) continue;
    if (rest && time(NULL) - st.st_mtime > 24 * 3600) unlink(path);
    if (!ours) continue;
    all[n].when = st.st_mtime;
    snprintf(all[n++].name, sizeof all->name, "%s", f->d_name);
  }
  if (n > ENTRIES) qsort(all, n, sizeof *all, by_age);
  for (size_t k = 0; k + ENTRIES < n; k++) {
    snprintf(path, sizeof path, "%s/%s", where, all[k].name);
    unlink(path);
  }
  free(all);
  if (d) closedir(d);
}

static void keep(const char *path, const char *where, const void *image, size_t bytes) {
  static atomic_uint serial;
  char beside[PATH_MAX + 160], hex[65];
  snprintf(beside, sizeof beside, "%s.%ld.%u", path, (long)getpid(), atomic_fetch_add(&serial, 1));
  int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  FILE *f = fd < 0 ? NULL : fdopen(fd, "wb");
  cuda_sha256(image, bytes, hex);
  int ok = f && fwrite(image, 1, bytes, f) == bytes && fprintf(f, "%s%s", magic, hex) == TRAILER;
  ok = f && !fclose(f) && ok;
  if (fd >= 0 && (!ok || rename(beside, path))) unlink(beside);
  else prune(where);
}

/* The lines around the first error, numbered, and NVRTC's log. */
static char *explain(const char *source, const char *log) {
  cuda_text t = {0};
  const char *at = strstr(log, ": error"), *open = at;
  while (open && open > log && *open != '(') open--;
  long line = open && *open == '(' ? strtol(open + 1, NULL, 10) : 0, k = 1;
  if (!line && at) { /* a C compiler's form: file:line:column: error */
    const char *c = at;
    while (c > log && c[-1] != '\n') c--;
    while (c < at && *c != ':') c++;
    line = strtol(c + 1, NULL, 10);
  }
  const char *begin = at;
  while (begin && begin > log && begin[-1] != '\n') begin--;
  cuda_put(&t, "a kernel does not compile: %.*s", begin ? (int)strcspn(begin, "\n") : 200, begin ? begin : log);
  for (const char *s = source; *s && line; k++) {
    size_t n = strcspn(s, "\n");
    if (k >= line - 2 && k <= line + 2) cuda_put(&t, "\n%6ld%c %.*s", k, k == line ? '>' : ' ', n > 220 ? 220 : (int)n, s);
    s += n + (s[n] == '\n');
  }
  if (!t.failed) return t.p;
  free(t.p);
  return NULL;
}

static int newest_arch(const library *l) {
  int n = 0, best = 0;
  if (l->nvrtcGetNumSupportedArchs(&n) || n <= 0) return 0;
  int *all = calloc((size_t)n, sizeof *all);
  if (all && !l->nvrtcGetSupportedArchs(all))
    for (int k = 0; k < n; k++) best = all[k] > best ? all[k] : best;
  free(all);
  return best;
}

/* NVRTC knows the machine code of GPUs that are not newer than itself; for the others PTX, which the driver finishes. */
static int options(const library *l, int arch, char target[48], const char *list[10]) {
  int newest = newest_arch(l), n = 0, ptx = newest && arch > newest;
  snprintf(target, 48, "--gpu-architecture=%s_%d", ptx ? "compute" : "sm", ptx ? newest : arch);
  list[n++] = target;
  list[n++] = "--std=c++17";
  list[n++] = "--fmad=false";
  list[n++] = "--ftz=false";
  list[n++] = "--prec-div=true";
  list[n++] = "--prec-sqrt=true";
  list[n++] = "--disable-warnings"; /* of functions in the text in front that nobody calls */
  if (l->nvrtc_major > 12 || (l->nvrtc_major == 12 && l->nvrtc_minor >= 4)) list[n++] = "--minimal";
  return ptx ? -n : n;
}

int cubins_compile(const library *l, const char *source, int arch, void **image, size_t *bytes, char **why) {
  char target[48];
  const char *list[10];
  nvrtcProgram p = NULL;
  int n = options(l, arch, target, list), ptx = n < 0, ok = 0;
  *image = *why = NULL;
  nvrtcResult r = l->nvrtcCreateProgram(&p, source, "gantry.cu", 0, NULL, NULL);
  if (!r) r = l->nvrtcCompileProgram(p, ptx ? -n : n, list);
  if (r == NVRTC_ERROR_COMPILATION) {
    size_t size = 0;
    char *log = l->nvrtcGetProgramLogSize(p, &size) ? NULL : malloc(size + 1);
    if (log && !l->nvrtcGetProgramLog(p, log)) *why = explain(source, log);
    free(log);
  } else if (!r) {
    r = ptx ? l->nvrtcGetPTXSize(p, bytes) : l->nvrtcGetCUBINSize(p, bytes);
    if (!r && (*image = malloc(*bytes + 1))) r = ptx ? l->nvrtcGetPTX(p, *image) : l->nvrtcGetCUBIN(p, *image);
    ok = *image && !r;
  }
  if (!ok && !*why) {
    const char *text = l->nvrtcGetErrorString(r);
    cuda_text t = {0};
    cuda_put(&t, "NVRTC %d.%d fails for %s: %s", l->nvrtc_major, l->nvrtc_minor, target + 19, text ? text : "unknown error");
    *why = t.p;
  }
  if (!ok) {
    free(*image);
    *image = NULL;
  } else ((char *)*image)[*bytes] = 0;
  if (p) l->nvrtcDestroyProgram(&p);
  return ok;
}

int cubins_get(const library *l, const char *source, int arch, void **image, size_t *bytes, char **why) {
  char where[PATH_MAX], path[PATH_MAX + 80], hex[65], target[48];
  const char *list[10];
  int n = options(l, arch, target, list), cached = gan_cache_folder(where, sizeof where - 120);
  *why = NULL;
  if (cached) {
    cuda_text key = {0};
    cuda_put(&key, "NVRTC %d.%d%s", l->nvrtc_major, l->nvrtc_minor, l->is_double ? " double" : "");
    for (int k = 0; k < (n < 0 ? -n : n); k++) cuda_put(&key, " %s", list[k]);
    cuda_put(&key, "\n%s", source);
    if (!key.failed) cuda_sha256(key.p, key.n, hex);
    cached = !key.failed;
    cuda_text_free(&key);
    snprintf(path, sizeof path, "%s/%.40s.cubin", where, hex);
    if (cached && look(path, image, bytes)) return 1;
  }
  if (!cubins_compile(l, source, arch, image, bytes, why)) return 0;
  if (cached) keep(path, where, *image, *bytes);
  return 1;
}
