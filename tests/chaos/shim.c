/* shim.c - makes the k-th call of a kind fail in the process it is preloaded into, as a full or broken disk or exhausted memory would.
 *
 * FAULT=write:17:ENOSPC   kind write (write, pwrite, pwrite64, send), sync (fsync, fdatasync), rename, open (for writing), malloc (malloc, calloc, realloc); the number of the first call
 * that fails, or with a + behind it, of all from there on (a disk stays full); what errno says, or SHORT: half of the bytes are written. FAULT_IN=parent|worker limits it by the
 * command line. FAULT_LOG=FILE: at exit, appends "kind count". */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WRITE, SYNC, RENAME, OPEN, MALLOC, KINDS };
static const char *const names[KINDS] = {"write", "sync", "rename", "open", "malloc"};
static long seen[KINDS], at[KINDS];
static int code, lasting, halves, ready;

static void setup(void) {
  const char *f = getenv("FAULT"), *in = getenv("FAULT_IN");
  char line[4096] = "";
  ready = 1;
  int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
  ssize_t n = fd >= 0 ? read(fd, line, sizeof line - 1) : 0;
  if (fd >= 0) close(fd);
  const char *command = n > 0 ? line + strlen(line) + 1 : "";
  int worker = !strcmp(command, "worker");
  if (!f || (in && worker != !strcmp(in, "worker"))) return;
  for (int k = 0; k < KINDS; k++) {
    size_t len = strlen(names[k]);
    if (strncmp(f, names[k], len) || f[len] != ':') continue;
    char *end;
    at[k] = strtol(f + len + 1, &end, 10);
    lasting = *end == '+';
    if (strstr(end, "SHORT")) halves = 1;
    code = strstr(end, "EIO") ? EIO : strstr(end, "ENOMEM") ? ENOMEM : ENOSPC;
  }
}
static int fails(int kind) {
  if (!ready) setup();
  long n = __atomic_add_fetch(&seen[kind], 1, __ATOMIC_RELAXED);
  return at[kind] && (n == at[kind] || (lasting && n > at[kind]));
}
__attribute__((destructor)) static void tell(void) {
  const char *path = getenv("FAULT_LOG");
  int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;
  for (int k = 0; fd >= 0 && k < KINDS; k++) dprintf(fd, "%s %ld\n", names[k], seen[k]);
}
#define REAL(type, name, ...) ((type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))

ssize_t write(int fd, const void *p, size_t n) {
  static ssize_t (*real)(int, const void *, size_t);
  if (!real) real = REAL(ssize_t, "write", int, const void *, size_t);
  if (fd > 2 && fails(WRITE)) { /* messages still come out */
    if (halves && n > 1) return real(fd, p, n / 2);
    errno = code;
    return -1;
  }
  return real(fd, p, n);
}
static ssize_t at_offset(const char *name, int fd, const void *p, size_t n, off_t o) {
  ssize_t (*real)(int, const void *, size_t, off_t) = REAL(ssize_t, name, int, const void *, size_t, off_t);
  if (fails(WRITE)) {
    if (halves && n > 1) return real(fd, p, n / 2, o);
    errno = code;
    return -1;
  }
  return real(fd, p, n, o);
}
ssize_t pwrite(int fd, const void *p, size_t n, off_t o) { return at_offset("pwrite", fd, p, n, o); }
ssize_t pwrite64(int fd, const void *p, size_t n, off_t o) { return at_offset("pwrite64", fd, p, n, o); }
int fsync(int fd) {
  if (fails(SYNC)) return errno = EIO, -1;
  return REAL(int, "fsync", int)(fd);
}
int fdatasync(int fd) {
  if (fails(SYNC)) return errno = EIO, -1;
  return REAL(int, "fdatasync", int)(fd);
}
int rename(const char *a, const char *b) {
  if (fails(RENAME)) return errno = code, -1;
  return REAL(int, "rename", const char *, const char *)(a, b);
}
static int opening(const char *name, const char *path, int flags, mode_t mode) {
  if ((flags & O_ACCMODE) != O_RDONLY && strncmp(path, "/dev/", 5) && fails(OPEN)) return errno = code, -1;
  return REAL(int, name, const char *, int, mode_t)(path, flags, mode);
}
int open(const char *path, int flags, ...) {
  va_list ap;
  va_start(ap, flags);
  mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
  va_end(ap);
  return opening("open", path, flags, mode);
}
int open64(const char *path, int flags, ...) {
  va_list ap;
  va_start(ap, flags);
  mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
  va_end(ap);
  return opening("open64", path, flags, mode);
}

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
/* The environment is read before the first allocation counts; reading it allocates nothing. */
void *malloc(size_t n) { return fails(MALLOC) ? (errno = ENOMEM, NULL) : __libc_malloc(n); }
void *calloc(size_t n, size_t m) { return fails(MALLOC) ? (errno = ENOMEM, NULL) : __libc_calloc(n, m); }
void *realloc(void *p, size_t n) { return fails(MALLOC) ? (errno = ENOMEM, NULL) : __libc_realloc(p, n); }
