/* metric.h - a metric is passes over sets, things kept, and a closing graph. It computes nothing itself.
 *
 * The host draws the sets, runs pass() over their batches on the training device, accumulates what is kept, and runs finish()
 * on the CPU backend in f64. Equal kept graphs are shared; those of real sets are cached. */
#ifndef GANTRY_METRIC_H
#define GANTRY_METRIC_H
#include <gantry/abi.h>
#ifdef __cplusplus
extern "C" {
#endif
enum { GANTRY_FAKE = 1, GANTRY_REAL = 2, GANTRY_HELD_OUT = 3, GANTRY_DRAWS = 4 }; /* DRAWS: no images; pass() samples G itself */
enum {
  GANTRY_KEEP_SUM = 1,  /* v is added element by element in f64, in set order; multiply by batch->valid where rows count */
  GANTRY_KEEP_ROWS = 2, /* the rows of v [n,k] or [n] are appended in set order, padding dropped */
  GANTRY_KEEP_MAX = 3   /* element by element maximum */
};

typedef struct gantry_value { /* one named result */
  const char *name, *unit, *doc; /* unit "" = none */
  int32_t better;                /* -1 lower, +1 higher, 0 neither: best checkpoint and ranking read it */
  uint32_t reserved0;
} gantry_value;

typedef struct gantry_pass { /* constant data */
  uint32_t set, reserved0;
  const char *rows; /* NULL: the set's images; else rows kept by an earlier pass of this set under this name, in blocks; docs/metric.md has an example */
} gantry_pass;

typedef struct gantry_batch { /* filled by the host */
  uint32_t struct_size, set;
  gantry_t x;       /* images [n,H,W,C] f32 in the data's range (or vectors [n,k]), or kept rows, f64 [n,..] */
  gantry_t index;   /* [n] i64: place of each row in its set */
  gantry_t valid;   /* [n] f32, 0 or 1: padding of the last batch */
  gantry_t label;   /* [n] i32 for real sets with labels and for a conditional G (sample i is of class i mod classes), else 0 */
  int64_t n, set_size;
} gantry_batch;

typedef struct gantry_metric { /* 1 to 1000 values, 1 to 1000 passes */
  uint32_t struct_size, reserved0;
  const gantry_value *values;
  uint32_t n_values, value_stride;
  const gantry_pass *passes;
  uint32_t n_passes, pass_stride;
  gantry_status (*pass)(gantry_ctx *, uint32_t k, const gantry_batch *); /* [build] required: keep(cx, "xx", t, SUM | ROWS | MAX) */
  gantry_status (*finish)(gantry_ctx *, gantry_t *values, uint32_t n);   /* [build] required: from kept(set, name) to f64 scalars */
} gantry_metric;
#ifdef __cplusplus
}
#endif
#endif
