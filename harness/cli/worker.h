/* worker.h - what the files of `gantry worker` share: records to the parent, settings from a file, and looking at many runs. */
#ifndef CLI_WORKER_H
#define CLI_WORKER_H
#include "train/train.h"

/* w NULL: nothing is said. */
void worker_fact(rec_writer *w, const char *key, const char *value);
void worker_beat(rec_writer *w, const char *doing);
void worker_done(rec_writer *w, int64_t step, const char *status, const err *e); /* the last word about a run; e NULL: nothing is wrong with it */
gantry_status worker_load(const char *path, abi_registry *reg, cfg_run **out, arena *a, err *e);

/* worker_probe.c: says what each of n runs is, one after another, and trains none. Records of the k-th carry the number k. *seen is the run at hand, for who describes a crash. Returns
 * the exit code; a run that cannot be is said to have failed, and the others are looked at all the same. */
int worker_probe(const char *const *configs, uint32_t n, uint64_t seed, int fd, abi_registry *reg, train_run **seen);
#endif
