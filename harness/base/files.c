/* files.c - see files.h.
 *
 * Every write goes to a name of its own beside the target, is flushed to the disk and renamed, and the directory is flushed
 * too: a crash at any instant leaves the old file or the new one, never a part. */
#include "base/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/hash.h"

enum { PIECE = 1 << 16 };

static gantry_status each_piece(const char *path, void (*fn)(void *, const void *, size_t), void *user, size_t limit, err *e) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return err_errno(e, "cannot read %s", path);
  char *piece = mem_alloc(PIECE);
  size_t total = 0;
  gantry_status st = GANTRY_OK;
  for (;;) {
    ssize_t k = read(fd, piece, PIECE);
    if (k < 0 && errno == EINTR) continue;
    if (k < 0) st = err_errno(e, "cannot read %s", path);
    if (k <= 0) break;
    if ((size_t)k > limit - total) {
      st = err_set(e, GANTRY_E_IO, "%s is larger than the %zu bytes allowed here", path, limit);
      break;
    }
    total += (size_t)k;
    fn(user, piece, (size_t)k);
  }
  free(piece);
  close(fd);
  return st;
}

static void to_buf(void *user, const void *p, size_t n) { buf_put(user, p, n); }
static void to_sha(void *user, const void *p, size_t n) { sha_put(user, p, n); }

gantry_status file_read(const char *path, buf *out, size_t limit, err *e) {
  size_t before = out->n;
  gantry_status st = each_piece(path, to_buf, out, limit, e);
  if (!st && out->n == before) buf_puts(out, ""); /* an empty file still gives a terminated text */
  return st;
}

gantry_status file_sha256(const char *path, char hex[65], err *e) {
  sha *s = sha_new();
  gantry_status st = each_piece(path, to_sha, s, SIZE_MAX, e);
  sha_end(s, hex);
  return st;
}

gantry_status file_begin(file_out *f, const char *path, err *e) {
  buf name = {0};
  buf_printf(&name, "%s.part-%ld", path, (long)getpid());
  *f = (file_out){.fd = open(name.p, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666), .path = mem_str(path), .beside = name.p};
  if (f->fd >= 0) return GANTRY_OK;
  gantry_status st = err_errno(e, "cannot write %s", path);
  file_abandon(f);
  return st;
}

gantry_status file_put(file_out *f, const void *bytes, size_t n, err *e) {
  const char *p = bytes;
  while (n) {
    ssize_t k = write(f->fd, p, n);
    if (k < 0 && errno == EINTR) continue;
    if (k < 0) return err_errno(e, "cannot write %s", f->path);
    p += k;
    n -= (size_t)k;
  }
  return GANTRY_OK;
}

void file_abandon(file_out *f) {
  if (f->fd >= 0) {
    close(f->fd);
    unlink(f->beside);
  }
  free(f->path);
  free(f->beside);
  *f = (file_out){.fd = -1};
}

static void flush_dir_of(const char *path) {
  arena *a = arena_new();
  int fd = open(path_dir(a, path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0) {
    (void)fsync(fd); /* some file systems cannot flush a directory; the rename itself is still atomic */
    close(fd);
  }
  arena_free(a);
}

gantry_status file_commit(file_out *f, err *e) {
  fault_point("file.written");
  int bad = fsync(f->fd) && errno != EINVAL && errno != EROFS;
  if (bad || rename(f->beside, f->path)) {
    gantry_status st = err_errno(e, "cannot write %s", f->path);
    file_abandon(f);
    return st;
  }
  fault_point("file.renamed");
  int fd = f->fd;
  f->fd = -1;
  flush_dir_of(f->path);
  gantry_status st = close(fd) ? err_errno(e, "cannot write %s", f->path) : GANTRY_OK;
  file_abandon(f);
  return st;
}

gantry_status file_write(const char *path, const void *bytes, size_t n, err *e) {
  file_out f;
  TRY(file_begin(&f, path, e));
  gantry_status st = file_put(&f, bytes, n, e);
  if (!st) return file_commit(&f, e);
  file_abandon(&f);
  return st;
}

gantry_status dir_make(const char *path, err *e) {
  char *p = mem_str(path);
  gantry_status st = GANTRY_OK;
  for (char *s = p + 1; !st; s++) {
    if (*s && *s != '/') continue;
    char kept = *s;
    *s = 0;
    struct stat info;
    if (mkdir(p, 0777) && !(stat(p, &info) == 0 && S_ISDIR(info.st_mode))) st = err_errno(e, "cannot make the directory %s", p);
    *s = kept;
    if (!kept) break;
  }
  free(p);
  return st;
}

int file_exists(const char *path) {
  struct stat info;
  return stat(path, &info) == 0;
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

gantry_status dir_list(const char *path, arena *a, char ***names, err *e) {
  DIR *d = opendir(path);
  if (!d) return err_errno(e, "cannot list the directory %s", path);
  VEC(char *) v = {0};
  for (struct dirent *ent; (ent = readdir(d));)
    if (strcmp(ent->d_name, ".") && strcmp(ent->d_name, "..")) VEC_PUSH(v, arena_str(a, ent->d_name));
  closedir(d);
  if (v.n) qsort(v.p, v.n, sizeof *v.p, by_bytes);
  VEC_PUSH(v, NULL);
  *names = arena_copy(a, v.p, sizeof *v.p * v.n);
  free(v.p);
  return GANTRY_OK;
}

char *path_join(arena *a, const char *dir, const char *name) {
  if (*name == '/' || !*dir) return arena_str(a, name);
  return arena_fmt(a, "%s%s%s", dir, dir[strlen(dir) - 1] == '/' ? "" : "/", name);
}

char *path_dir(arena *a, const char *path) {
  const char *slash = strrchr(path, '/');
  if (!slash) return arena_str(a, ".");
  return slash == path ? arena_str(a, "/") : arena_strn(a, path, (size_t)(slash - path));
}
