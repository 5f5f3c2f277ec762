/* dataset.h - where real samples come from. A data set may read files and allocate; it owns no threads.
 *
 * A set is an ordered list of `count` samples of one shape, delivered by read() as raw elements. The host fingerprints the
 * bytes, keeps them on the device where they fit (else in memory or in a file that it maps), draws the batches, and maps u8 samples from [0,255] to the experiment's
 * range. read() is pure: the same first and n give the same bytes, in any order. */
#ifndef GANTRY_DATASET_H
#define GANTRY_DATASET_H
#include <gantry/abi.h>
#ifdef __cplusplus
extern "C" {
#endif
typedef struct gantry_dataset_info { /* struct_size set by the host, the rest by open() */
  uint32_t struct_size, dtype;       /* GANTRY_U8: images in [0,255]; GANTRY_F32: values used as they are */
  int64_t count;
  int64_t dims[4];                   /* of one sample: H, W, C (rank 3) or k (rank 1) */
  uint32_t rank, classes;            /* classes 0 = no labels */
} gantry_dataset_info;

/* A named array of the set, f32. Others ask for "data.modes" [m,k] (k numbers as a sample has) where name is "modes"; listed in `provides` as "data.modes". */
typedef struct gantry_array {
  uint32_t struct_size, rank;
  const char *name;    /* without "data." */
  const float *values; /* owned by the data set until close() */
  int64_t dims[4];
} gantry_array;

typedef struct gantry_dataset {
  uint32_t struct_size, reserved0;
  /* [build] required. Opens the part of the set that `split` names ("train", "test", ...); parameters through cx->host->param.
   * On failure says in host->fail what is missing and where it looked; *self is then NULL or
   * something that close() takes, which the host calls. */
  gantry_status (*open)(gantry_ctx *, const char *split, gantry_dataset_info *info, void **self);
  /* [build] required. Copies samples first .. first+n-1 to dst, and their classes to labels unless that is NULL. */
  gantry_status (*read)(gantry_ctx *, void *self, int64_t first, int64_t n, void *dst, int32_t *labels);
  /* [build] optional. The k-th named array; GANTRY_E_UNSUPPORTED past the last. */
  gantry_status (*array)(gantry_ctx *, void *self, uint32_t k, gantry_array *out);
  void (*close)(void *self); /* [build] required */
  /* [build] since 0.3, optional. All samples as they lie in memory, such as a mapped file: count samples without gaps, 64-byte aligned, and one label each (NULL without
   * classes). Readable and unchanged until close(); equal to what read() gives. The host then makes no copy. GANTRY_E_UNSUPPORTED: not this time. */
  gantry_status (*whole)(gantry_ctx *, void *self, const void **samples, const int32_t **labels);
} gantry_dataset;
#ifdef __cplusplus
}
#endif
#endif
