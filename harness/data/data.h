/* data.h - the data set of a run: opened through its plugin, fingerprinted, made resident on the device, and drawn from inside programs.
 *
 * Batches are a pure function of the images counter: every epoch visits each sample once, in an order that is a keyed permutation
 * computed in the program (swap-or-not: Hoang, Morris & Rogaway 2012), so nothing is shuffled, stored or uploaded. */
#ifndef DATA_DATA_H
#define DATA_DATA_H
#include <gantry/dataset.h>

#include "abi/build.h"
#include "exec/exec.h"

typedef struct data_set {
  const abi_element *el;
  const char *split;
  gantry_dataset_info info;
  int64_t count;            /* samples used: info.count, or the limit */
  int64_t sample_bytes;
  void *bytes;              /* count samples, raw */
  int32_t *labels;          /* NULL if there are none */
  char sha256[65];          /* of type, shape and used samples */
  float lo, hi;             /* u8 samples map to this range */
  void *self;
  const gantry_dataset *iface;
  struct data_ctx *ctx;
} data_set;

/* Reads a split. limit: samples kept, 0 = all; limit_seed: which of them, drawn with it, or -1 = the first. With one seed a smaller limit keeps a part of what a
 * larger one keeps, and the samples stay in the set's order. */
gantry_status data_open(const abi_element *el, const char *split, int64_t limit, int64_t limit_seed, const double range[2], data_set **out, err *e);
void data_close(data_set *d);
/* Declares the set's named arrays as inputs of the world ("data/modes"). */
gantry_status data_arrays(data_set *d, abi_world *w, err *e);
/* Uploads the samples as "data/<name>/samples" (once per session and name). */
gantry_status data_upload(const data_set *d, exec_session *s, const char *name, err *e);

/* Graphs. n samples for position `first` (i64 scalar, images drawn so far) of the endless stream of epochs: [n,...] f32 in range. */
ir_id data_batch(abi_builder *b, const data_set *d, const char *name, ir_id first, int64_t n, ir_id *indices);
/* The same without reading the samples: their i64 indices. */
ir_id data_indices(abi_builder *b, const data_set *d, ir_id first, int64_t n);
/* i32 labels [n] of samples drawn at random with replacement; 0 if there are none. */
ir_id data_draw_labels(abi_builder *b, const data_set *d, const char *name, int64_t n);
/* The samples ("image") or labels ("label") at n places spread evenly over the set: equal in every program, whatever the seed. */
ir_id data_reference(abi_builder *b, const data_set *d, const char *name, const char *what, int64_t n);
/* The i32 labels of samples at i64 indices [n]. */
ir_id data_labels(abi_builder *b, const data_set *d, const char *name, ir_id indices);
/* The samples at i64 indices [n]; out of range reads zeros before mapping. */
ir_id data_gather(abi_builder *b, const data_set *d, const char *name, ir_id indices);
#endif
