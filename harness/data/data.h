/* data.h - the data set of a run: opened through its plugin, fingerprinted, made resident on the device, and drawn from inside programs.
 *
 * Batches are a pure function of the images counter: every epoch visits each sample once, in an order that is a keyed permutation
 * computed in the program (swap-or-not: Hoang, Morris & Rogaway 2012), so nothing is shuffled, stored or uploaded. */
#ifndef DATA_DATA_H
#define DATA_DATA_H
#include <gantry/dataset.h>

#include "abi/build.h"
#include "exec/exec.h"

/* Memory for samples. A set that is too large for memory lies in a file without a name in the user's cache folder (else /var/tmp), mapped: the system keeps of it what there is room for. */
typedef enum data_where { DATA_AUTO, DATA_MEMORY, DATA_FILE } data_where; /* AUTO: a file above half of the memory that is free or allowed */
typedef struct data_memory { void *p; int64_t bytes; uint8_t in_file; } data_memory;
gantry_status data_memory_make(int64_t bytes, data_where where, data_memory *out, err *e);
void data_memory_free(data_memory *m);

typedef struct data_options {
  const char *split;
  int64_t limit, limit_seed; /* samples kept, 0 = all; which of them: drawn with this seed, or -1 = the first */
  double range[2];
  data_where where;
  uint8_t shape_only;        /* nothing is read: a set to build graphs with, without samples and fingerprint */
} data_options;

typedef struct data_set {
  const abi_element *el;
  const char *split;
  gantry_dataset_info info;
  int64_t count;            /* samples used: info.count, or the limit */
  int64_t sample_bytes;
  const void *bytes;        /* count samples, raw; NULL once the device has a copy */
  const int32_t *labels;    /* NULL if there are none */
  data_memory memory;       /* what of them is ours: nothing where the plugin holds the whole set */
  int32_t *own_labels;
  char sha256[65];          /* of type, shape and used samples */
  float lo, hi;             /* u8 samples map to this range */
  data_where where;
  uint8_t ahead;            /* fetching pages ahead pays: a file, or a plugin's memory that may be one */
  void *self;
  const gantry_dataset *iface;
  struct data_ctx *ctx;
} data_set;

/* Reads a split. With one limit_seed a smaller limit keeps a part of what a larger one keeps, and the samples stay in the set's order. */
gantry_status data_open(const abi_element *el, const data_options *o, data_set **out, err *e);
void data_close(data_set *d);
/* Declares the set's named arrays as inputs of the world ("data/modes"). */
gantry_status data_arrays(data_set *d, abi_world *w, err *e);
/* Makes the samples the tensor "data/<name>/samples" (once per session and name): the same memory, or a copy on the device, after which the host's is given back. The set must
 * outlive the session's programs. */
gantry_status data_upload(data_set *d, exec_session *s, const char *name, err *e);
/* The bytes of main memory that the samples occupy: none where they lie in a file or on the device. */
int64_t data_memory_bytes(const data_set *d);
/* Asks the system to fetch the samples of positions first .. first+n-1 from the file, if they lie in one, and returns at once. */
void data_ahead(const data_set *d, const uint32_t seed[2], int64_t first, int64_t n);
/* The sample at a position of the stream: what data_indices() computes. */
int64_t data_order(int64_t count, const uint32_t seed[2], int64_t position);

/* Graphs. n samples for position `first` (i64 scalar, images drawn so far) of the endless stream of epochs: [n,...] f32 in range. */
ir_id data_batch(abi_builder *b, const data_set *d, const char *name, ir_id first, int64_t n, ir_id *indices);
/* The same without reading the samples: their i64 indices. Asked again for the same in one program it gives the same value without building it anew. */
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
