/* safetensors.h - named tensors in a file (the safetensors format): an 8-byte header length, a JSON header, the bytes.
 *
 * Tensors are written in the order given, metadata sorted by key, so equal contents are equal files. Sizes claimed by a header are
 * checked against the file before anything is allocated. bool is written as BOOL, u32 as U32, bf16 as BF16. */
#ifndef BASE_SAFETENSORS_H
#define BASE_SAFETENSORS_H
#include "base/err.h"
#include "base/mem.h"

typedef struct st_tensor { const char *name; uint32_t dtype, rank; int64_t dims[GANTRY_MAX_RANK]; int64_t bytes; const void *data; } st_tensor;
typedef struct st_meta { const char *key, *value; } st_meta;
/* Atomic. The sha256 of the whole file is returned if sha is not NULL. */
gantry_status st_write(const char *path, const st_tensor *t, uint32_t n, const st_meta *meta, uint32_t n_meta, char sha[65], err *e);
typedef struct st_file { st_tensor *t; uint32_t n; st_meta *meta; uint32_t n_meta; arena *mem; } st_file; /* everything owned by mem */
gantry_status st_read(const char *path, st_file *out, err *e);
const st_tensor *st_find(const st_file *f, const char *name);
const char *st_meta_get(const st_file *f, const char *key);
void st_free(st_file *f);
#endif
