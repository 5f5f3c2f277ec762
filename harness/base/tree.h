/* tree.h - whole folders: how large, copied, removed. Links are counted and removed as links, never followed or copied. */
#ifndef BASE_TREE_H
#define BASE_TREE_H
#include "base/err.h"
#include "base/mem.h"

int64_t tree_bytes(const char *path); /* 0 if there is none */
/* Files of `from` that `to` lacks or has otherwise (size), each written beside and renamed. Adds to *bytes what was copied. */
gantry_status tree_copy(const char *from, const char *to, int64_t *bytes, err *e);
gantry_status tree_remove(const char *path, err *e); /* a file or a folder with all in it; none is no error */
#endif
