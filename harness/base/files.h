/* files.h - reading and writing whole files, safely: a file that exists under its final name is complete. */
#ifndef BASE_FILES_H
#define BASE_FILES_H
#include "base/err.h"
#include "base/mem.h"

gantry_status file_read(const char *path, buf *out, size_t limit, err *e); /* appends; more than limit bytes is an error */
/* Writes beside the target, fsyncs, renames. Parents must exist. */
gantry_status file_write(const char *path, const void *bytes, size_t n, err *e);
/* The same in pieces: begin, any number of put, then commit or abandon. After a failed put only abandon makes sense. */
typedef struct file_out { int fd; char *path, *beside; } file_out;
gantry_status file_begin(file_out *f, const char *path, err *e);
gantry_status file_put(file_out *f, const void *bytes, size_t n, err *e);
gantry_status file_commit(file_out *f, err *e); /* on failure nothing is left behind */
void file_abandon(file_out *f);

gantry_status dir_make(const char *path, err *e); /* with parents; existing is fine */
int file_exists(const char *path);
gantry_status file_sha256(const char *path, char hex[65], err *e);
/* Names of a directory's entries in byte order, without . and ..; arena-owned, NULL-terminated. */
gantry_status dir_list(const char *path, arena *a, char ***names, err *e);
char *path_join(arena *a, const char *dir, const char *name); /* name absolute: name itself */
char *path_dir(arena *a, const char *path);                   /* "." if there is none */
#endif
