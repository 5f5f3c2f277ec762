/* cache.h - the user's cache folder, for plugins that keep what can be made again: decoded images, machine code, samples larger than memory.
 *
 * It is $GANTRY_CACHE, else $XDG_CACHE_HOME/gantry, else ~/.cache/gantry; variables that hold no absolute path are passed over, as the XDG Base Directory Specification
 * says. What lies in it is no one's promise: another process may remove or, where permissions are wrong, replace it. A reader checks what it finds and makes it again. */
#ifndef GANTRY_CACHE_H
#define GANTRY_CACHE_H
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __cplusplus
extern "C" {
#endif
/* Its path, without a slash at the end, whether the folder exists or not. 0: the environment names none, or the path does not fit into cap bytes. */
static inline int gan_cache_path(char *out, size_t cap) {
  static const char *const variables[] = {"GANTRY_CACHE", "XDG_CACHE_HOME", "HOME"}, *const below[] = {"", "/gantry", "/.cache/gantry"};
  for (int k = 0; k < 3; k++) {
    const char *base = getenv(variables[k]);
    if (!base || *base != '/') continue;
    int n = snprintf(out, cap, "%s%s", base, below[k]);
    return n > 0 && (size_t)n < cap;
  }
  return 0;
}

/* The same, made where it is missing (for its user alone). Also 0, with errno, if it cannot be made, belongs to someone else, or others may write into it: then nothing is cached. */
static inline int gan_cache_folder(char *out, size_t cap) {
  struct stat st;
  if (!gan_cache_path(out, cap)) return 0;
  for (char *p = out + 1; *p; p++) {
    if (*p != '/') continue;
    *p = 0;
    mkdir(out, 0700);
    *p = '/';
  }
  if (mkdir(out, 0700) && errno != EEXIST) return 0;
  if (stat(out, &st)) return 0;
  if (S_ISDIR(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 022)) return 1;
  errno = EACCES;
  return 0;
}
#ifdef __cplusplus
}
#endif
#endif
