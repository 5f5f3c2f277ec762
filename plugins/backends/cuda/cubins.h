/* cubins.h - source text to machine code: NVRTC behind a cache on disk. */
#ifndef CUDA_CUBINS_H
#define CUDA_CUBINS_H
#include "library.h"
/* 1: *image (malloc'ed; a cubin, or PTX for a GPU newer than NVRTC) of *bytes. 0: *why (malloc'ed or NULL) tells, with numbered lines around the first error. */
int cubins_get(const library *l, const char *source, int arch, void **image, size_t *bytes, char **why);
/* The same without the cache, into *image; for tests. */
int cubins_compile(const library *l, const char *source, int arch, void **image, size_t *bytes, char **why);
#endif
