/* native.c - see native.h. The compiler writes beside the entry and the result is renamed, so two processes may build the same one; but runs of one grid begin together with the same programs, so
 * whoever comes first takes a lock on the entry and the others stay with the interpreter until it is there, or until they have been patient enough. Behind the shared object an entry carries the
 * SHA-256 of its bytes. The compiler is a process group of its own, which ends with whom it works for: cc alone would leave behind what it has started. */
#include "native.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <gantry/cache.h>
#include <limits.h>
#include <sha2.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static const char magic[] = "\ngantry kernels 1 "; /* and 64 hexadecimal digits, at the end of the file */
enum { TRAILER = sizeof magic - 1 + 64, ENTRIES = 512, MOST = 4096, PATIENCE_S = 30 };

struct cpu_native {
  char compiler[PATH_MAX], folder[PATH_MAX], entry[PATH_MAX + 80], source[PATH_MAX + 120], object[PATH_MAX + 120], lock[PATH_MAX + 80];
  char *text;
  pid_t pid;     /* of the compiler; 0: none runs */
  int begun, failed, locked; /* locked: the lock's file, or -1 */
  time_t elsewhere;          /* since when another process compiles this entry; 0: none does */
  void *so;
  cpu_fn *const *table;
};

static const char *const flags[] = {"-std=gnu11", "-O3", "-march=native", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fno-strict-aliasing", "-w", "-fPIC", "-shared", "-fvisibility=hidden",
                                    "-nostartfiles", "-pipe"};
static const char wide[] = "-mprefer-vector-width=512";

static int has_avx512(void) {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512f") != 0;
#else
  return 0;
#endif
}

int cpu_native_mode(void) {
  const char *m = getenv("GANTRY_KERNELS");
  if (m && !strcmp(m, "interpret")) return CPU_NATIVE_OFF;
  return m && !strcmp(m, "compile") ? CPU_NATIVE_WAIT : CPU_NATIVE_AUTO;
}

static int find_compiler(char out[PATH_MAX], struct stat *st) { /* cc in $PATH */
  const char *path = getenv("PATH");
  for (const char *p = path; p && *p;) {
    size_t n = strcspn(p, ":");
    if (n && snprintf(out, PATH_MAX, "%.*s/cc", (int)n, p) < PATH_MAX && !access(out, X_OK) && !stat(out, st) && S_ISREG(st->st_mode)) return 1;
    p += n + (p[n] == ':');
  }
  return 0;
}

static void processor(SHA2_CTX *h) { /* model and features: what -march=native follows */
  char line[8192];
  int seen = 0;
  FILE *f = fopen("/proc/cpuinfo", "r");
  while (f && seen < 2 && fgets(line, sizeof line, f))
    if (!strncmp(line, "model name", 10) || !strncmp(line, "flags", 5) || !strncmp(line, "Features", 8)) {
      SHA256Update(h, (const unsigned char *)line, strlen(line));
      seen++;
    }
  if (f) fclose(f);
}

static int name_entry(cpu_native *n) {
  struct stat st;
  SHA2_CTX h;
  char hex[SHA256_DIGEST_STRING_LENGTH], compiler[PATH_MAX + 100];
  static atomic_uint serial;
  if (!find_compiler(n->compiler, &st) || !gan_cache_folder(n->folder, sizeof n->folder - 100)) return 0;
  SHA256Init(&h);
  SHA256Update(&h, (const unsigned char *)n->text, strlen(n->text) + 1);
  int k = snprintf(compiler, sizeof compiler, "%s %lld %lld.%09ld", n->compiler, (long long)st.st_size, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
  SHA256Update(&h, (const unsigned char *)compiler, (size_t)k + 1);
  for (size_t f = 0; f < sizeof flags / sizeof *flags; f++) SHA256Update(&h, (const unsigned char *)flags[f], strlen(flags[f]) + 1);
  processor(&h);
  SHA256End(&h, hex);
  unsigned s = atomic_fetch_add(&serial, 1);
  snprintf(n->entry, sizeof n->entry, "%s/%.40s.so", n->folder, hex);
  snprintf(n->lock, sizeof n->lock, "%s/%.40s.lock", n->folder, hex);
  snprintf(n->source, sizeof n->source, "%s/%.40s.%ld.%u.c", n->folder, hex, (long)getpid(), s);
  snprintf(n->object, sizeof n->object, "%s/%.40s.%ld.%u.tmp", n->folder, hex, (long)getpid(), s);
  return 1;
}

static int digest(const char *path, int sealed, char hex[SHA256_DIGEST_STRING_LENGTH]) { /* of the file, without its trailer if sealed; 1: as promised */
  char block[1 << 16], tail[TRAILER];
  struct stat st;
  SHA2_CTX h;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), ok = 0;
  if (fd < 0) return 0;
  off_t left = fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022) ? -1 : st.st_size - (sealed ? TRAILER : 0);
  SHA256Init(&h);
  while (left > 0) {
    ssize_t got = read(fd, block, (size_t)(left < (off_t)sizeof block ? left : (off_t)sizeof block));
    if (got <= 0) break;
    SHA256Update(&h, (const unsigned char *)block, (size_t)got);
    left -= got;
  }
  SHA256End(&h, hex);
  if (!left) ok = !sealed || (read(fd, tail, TRAILER) == TRAILER && !memcmp(tail, magic, sizeof magic - 1) && !memcmp(tail + sizeof magic - 1, hex, 64));
  close(fd);
  return ok;
}

static int load(cpu_native *n) { /* the entry, if it is there and whole; its date says when it was last of use */
  char hex[SHA256_DIGEST_STRING_LENGTH];
  if (!digest(n->entry, 1, hex)) return 0;
  utimensat(AT_FDCWD, n->entry, NULL, 0);
  n->so = dlopen(n->entry, RTLD_NOW | RTLD_LOCAL);
  n->table = n->so ? dlsym(n->so, "gantry_kernels") : NULL;
  return n->table != NULL;
}

typedef struct found { time_t when; char name[NAME_MAX + 1]; } found;
static int by_age(const void *a, const void *b) {
  const found *x = a, *y = b;
  return x->when != y->when ? (x->when < y->when ? -1 : 1) : strcmp(x->name, y->name);
}

/* Keeps the folder small: of too many entries the longest unused go, and what interrupted compilers left a day ago. */
static void prune(const cpu_native *n) {
  DIR *d = opendir(n->folder);
  found *all = d ? malloc(sizeof *all * MOST) : NULL;
  size_t many = 0;
  char path[2 * PATH_MAX];
  struct stat st;
  for (struct dirent *f; all && many < MOST && (f = readdir(d));) {
    size_t k = strlen(f->d_name);
    int ours = k == 43 && !strcmp(f->d_name + 40, ".so"), rest = k > 43 && f->d_name[40] == '.' && (!strcmp(f->d_name + k - 2, ".c") || !strcmp(f->d_name + k - 4, ".tmp") || !strcmp(f->d_name + k - 5, ".lock"));
    snprintf(path, sizeof path, "%s/%s", n->folder, f->d_name);
    if ((!ours && !rest) || lstat(path, &st) || !S_ISREG(st.st_mode)) continue;
    if (rest && time(NULL) - st.st_mtime > 24 * 3600) unlink(path);
    if (!ours) continue;
    all[many].when = st.st_mtime;
    snprintf(all[many++].name, sizeof all->name, "%s", f->d_name);
  }
  if (many > ENTRIES) {
    qsort(all, many, sizeof *all, by_age);
    for (size_t k = 0; k + ENTRIES < many; k++) {
      snprintf(path, sizeof path, "%s/%s", n->folder, all[k].name);
      unlink(path);
    }
  }
  free(all);
  if (d) closedir(d);
}

/* The compiler's object gets its trailer and its name. */
static int seal(const cpu_native *n) {
  char hex[SHA256_DIGEST_STRING_LENGTH];
  chmod(n->object, 0700);
  if (!digest(n->object, 0, hex)) return 0;
  FILE *f = fopen(n->object, "ab");
  int ok = f && fprintf(f, "%s%.64s", magic, hex) == TRAILER;
  ok = f && !fclose(f) && ok;
  if (!ok || rename(n->object, n->entry)) return 0;
  prune(n);
  return 1;
}

cpu_native *cpu_native_new(char *text) {
  cpu_native *n = calloc(1, sizeof *n);
  if (n) n->text = text, n->locked = -1;
  if (n && name_entry(n)) {
    load(n);
    return n;
  }
  free(text);
  free(n);
  return NULL;
}

int cpu_native_begun(const cpu_native *n) { return n->begun || n->table; }
cpu_fn *const *cpu_native_table(const cpu_native *n) { return n->table; }

static time_t seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1;
}

/* 0: another process has the lock. A folder that knows no locks is compiled in without. */
static int take(cpu_native *n) {
  n->locked = open(n->lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (n->locked < 0 || !flock(n->locked, LOCK_EX | LOCK_NB)) return 1;
  int busy = errno == EWOULDBLOCK;
  close(n->locked);
  n->locked = -1;
  return !busy;
}
static void release(cpu_native *n) {
  if (n->locked < 0) return;
  unlink(n->lock); /* whoever opened it meanwhile finds the entry, or builds it beside another: no harm */
  close(n->locked);
  n->locked = -1;
}

static void spawn(cpu_native *n) {
  const char *argv[sizeof flags / sizeof *flags + 8] = {n->compiler};
  size_t k = 1;
  n->failed = 1;
  FILE *f = fopen(n->source, "wx");
  int ok = f && fputs(n->text, f) >= 0;
  ok = f && !fclose(f) && ok;
  posix_spawn_file_actions_t quiet;
  for (size_t a = 0; a < sizeof flags / sizeof *flags; a++) argv[k++] = flags[a];
  if (has_avx512()) argv[k++] = wide;
  argv[k++] = "-o";
  argv[k++] = n->object;
  argv[k++] = n->source;
  posix_spawnattr_t group;
  if (!ok || posix_spawn_file_actions_init(&quiet)) {
    unlink(n->source);
    return;
  }
  posix_spawnattr_init(&group);
  posix_spawnattr_setflags(&group, POSIX_SPAWN_SETPGROUP); /* a group of its own, number 0: its own */
  posix_spawn_file_actions_addopen(&quiet, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
  posix_spawn_file_actions_addclosefrom_np(&quiet, 3); /* the pipe to a parent must close when this process ends, not when the compiler does */
#endif
  union { const char **c; char **m; } u = {argv};
  n->failed = posix_spawn(&n->pid, n->compiler, &quiet, &group, u.m, environ) != 0;
  posix_spawnattr_destroy(&group);
  posix_spawn_file_actions_destroy(&quiet);
  if (n->failed) n->pid = 0, unlink(n->source);
  else setpriority(PRIO_PGRP, (id_t)n->pid, 5); /* training goes first */
}

void cpu_native_start(cpu_native *n) {
  if (cpu_native_begun(n) || load(n)) return; /* another process may have made it meanwhile */
  n->begun = 1;
  if (cpu_native_mode() != CPU_NATIVE_WAIT && !take(n)) n->elsewhere = seconds(); /* who waits for its compiler waits for no other: two could wait for each other */
  else spawn(n);
}

/* What another process compiles: 0 as long as it does; then it is there, or it is our turn. Who cannot go on meanwhile compiles it too. */
static int elsewhere(cpu_native *n, int wait) {
  if (!wait && seconds() - n->elsewhere < PATIENCE_S && !take(n)) return 0;
  n->elsewhere = 0;
  if (load(n)) {
    release(n);
    return 1;
  }
  spawn(n);
  return cpu_native_ready(n, wait);
}

int cpu_native_ready(cpu_native *n, int wait) {
  int status;
  if (n->table) return 1;
  if (n->elsewhere) return elsewhere(n, wait);
  if (!n->pid) return n->failed ? -1 : 0;
  pid_t got;
  do got = waitpid(n->pid, &status, wait ? 0 : WNOHANG);
  while (got < 0 && errno == EINTR);
  if (!got) return 0;
  n->pid = 0;
  n->failed = got < 0 || !WIFEXITED(status) || WEXITSTATUS(status) || !seal(n) || !load(n);
  unlink(n->source);
  unlink(n->object);
  release(n);
  return n->failed ? -1 : 1;
}

void cpu_native_free(cpu_native *n) {
  if (!n) return;
  if (n->pid) {
    kill(-n->pid, SIGKILL);
    while (waitpid(n->pid, NULL, 0) < 0 && errno == EINTR) {}
    unlink(n->source);
    unlink(n->object);
  }
  release(n);
  if (n->so) dlclose(n->so);
  free(n->text);
  free(n);
}
