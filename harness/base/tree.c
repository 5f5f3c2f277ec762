/* tree.c - see tree.h. */
#include "base/tree.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"

enum { MOST_DEPTH = 64 };

int64_t tree_bytes(const char *path) {
  struct stat info;
  if (lstat(path, &info)) return 0;
  int64_t n = (int64_t)info.st_blocks * 512;
  if (!S_ISDIR(info.st_mode)) return n;
  arena *a = arena_new();
  char **names;
  err ignored = {0};
  if (!dir_list(path, a, &names, &ignored))
    for (char **s = names; *s; s++) n += tree_bytes(path_join(a, path, *s));
  arena_free(a);
  return n;
}

static gantry_status copy_file(const char *from, const char *to, int64_t *bytes, err *e) {
  buf all = {0};
  gantry_status st = file_read(from, &all, (size_t)1 << 34, e);
  if (!st) st = file_write(to, all.p, all.n, e);
  if (!st) *bytes += (int64_t)all.n;
  buf_free(&all);
  return st;
}

static gantry_status copy(const char *from, const char *to, int depth, int64_t *bytes, err *e) {
  struct stat a_info, b_info;
  char **names;
  if (depth > MOST_DEPTH) return err_set(e, GANTRY_E_IO, "%s: more than %d folders deep", from, MOST_DEPTH);
  TRY(dir_make(to, e));
  arena *a = arena_new();
  gantry_status st = dir_list(from, a, &names, e);
  for (char **s = st ? NULL : names; !st && *s; s++) {
    const char *x = path_join(a, from, *s), *y = path_join(a, to, *s);
    if (lstat(x, &a_info)) continue; /* gone meanwhile */
    if (S_ISDIR(a_info.st_mode)) st = copy(x, y, depth + 1, bytes, e);
    else if (S_ISREG(a_info.st_mode) && (lstat(y, &b_info) || b_info.st_size != a_info.st_size)) st = copy_file(x, y, bytes, e);
  }
  arena_free(a);
  return st;
}

gantry_status tree_copy(const char *from, const char *to, int64_t *bytes, err *e) { return copy(from, to, 0, bytes, e); }

gantry_status tree_remove(const char *path, err *e) {
  struct stat info;
  char **names;
  if (lstat(path, &info)) return errno == ENOENT ? GANTRY_OK : err_errno(e, "cannot look at %s", path);
  if (!S_ISDIR(info.st_mode)) return unlink(path) && errno != ENOENT ? err_errno(e, "cannot remove %s", path) : GANTRY_OK;
  arena *a = arena_new();
  gantry_status st = dir_list(path, a, &names, e);
  for (char **s = st ? NULL : names; !st && *s; s++) st = tree_remove(path_join(a, path, *s), e);
  arena_free(a);
  if (!st && rmdir(path) && errno != ENOENT) st = err_errno(e, "cannot remove %s", path);
  return st;
}
