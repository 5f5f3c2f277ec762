/* checkpoint.h - the run's folder: checkpoints as checksummed safetensors files, written beside and renamed.
 *
 * "checkpoints/step-000001000.safetensors" with its SHA-256 in a small file beside it. The newest that verifies is loaded; a damaged
 * one is reported and the one before it is used. Bytes depend only on the run key and the step. */
#ifndef STORE_CHECKPOINT_H
#define STORE_CHECKPOINT_H
#include "base/safetensors.h"

/* Keeps the newest `keep` (0 = all). best: NULL, or the value that makes this the best so far: it is kept as best.safetensors too, and the value stands beside both
 * (in the checksum file, so that the checkpoint's own bytes do not depend on it) and tells a later load. path_out: relative to run_dir, arena-owned; may be NULL. */
gantry_status ckpt_save(const char *run_dir, int64_t step, const st_tensor *t, uint32_t n, const st_meta *meta, uint32_t n_meta, int64_t keep, const double *best, arena *a, const char **path_out, char sha[65], err *e);
/* *step = -1 if there is none. warn gets a line for each damaged file skipped. */
gantry_status ckpt_load_newest(const char *run_dir, st_file *out, int64_t *step, buf *warn, err *e);
/* f: the newest checkpoint, of that step. If it was the best so far and an interruption came between it and its second name, makes that good. */
gantry_status ckpt_finish_best(const char *run_dir, const st_file *f, int64_t step, err *e);
/* The value of best.safetensors if its metadata names this train key, else NaN. */
double ckpt_best(const char *run_dir, const char *key);
#endif
