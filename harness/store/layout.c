/* layout.c - see layout.h. */
#include "store/layout.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/files.h"

enum { MAX_LABEL = 80 };

const char *layout_out(arena *a, const char *given) {
  const char *env = getenv("GANTRY_OUT");
  return arena_str(a, given ? given : env && *env ? env : "gantry-out");
}

const char *layout_db(arena *a, const char *given) {
  struct stat info;
  const char *p = layout_out(a, given);
  size_t n = strlen(p);
  int is_file = stat(p, &info) == 0 ? !S_ISDIR(info.st_mode) : n > 3 && !strcmp(p + n - 3, ".db");
  return is_file ? p : path_join(a, p, "gantry.db");
}

int layout_is_run(const char *dir) {
  if (strncmp(dir, "runs/", 5) || !dir[5]) return 0;
  for (const char *s = dir; s; s = strchr(s, '/')) {
    s += *s == '/';
    if (!strncmp(s, "..", 2) && (s[2] == '/' || !s[2])) return 0;
    if (*s == '/') return 0;
  }
  return 1;
}

const char *layout_run(arena *a, const char *grid, int64_t cell, const char *label, uint64_t seed) {
  static const char fine[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789=.,+-";
  char safe[MAX_LABEL + 1];
  size_t n = 0;
  for (const char *s = label; *s && n < MAX_LABEL; s++) {
    char c = strchr(fine, *s) ? *s : '_';
    if (c != '_' || (n && safe[n - 1] != '_')) safe[n++] = c;
  }
  safe[n] = 0;
  return arena_fmt(a, "runs/%s/%03lld-%s/s%llu", grid, (long long)cell, safe, (unsigned long long)seed);
}
