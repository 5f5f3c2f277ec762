/* ref.h - inside the room: the reference interpreter's operations, one family per file.
 *
 * Each takes a job: input and output values as dense row-major f64 arrays, and the graph for shapes and attributes. Written for
 * plainness, never for speed: direct sums over indices, no blocking, no clever order. */
#ifndef IR_REF_H
#define IR_REF_H
#include "ir/infer.h"

typedef struct ref_job {
  const ir_graph *g;
  ir_id id;
  const ir_node *n;
  const double *in[3];
  double *const *all; /* values of every node, for CONCAT */
  double *out;
  int64_t count;      /* elements of out; out is zeroed before */
} ref_job;

typedef void ref_fn(const ref_job *j);
ref_fn ref_source, ref_map, ref_move, ref_reduce, ref_matmul, ref_conv, ref_fir, ref_grid, ref_index, ref_linalg;

static inline uint32_t ref_rank(const ref_job *j, uint32_t k) { return ir_at(j->g, ir_in(j->g, j->id, k))->rank; }
static inline const int64_t *ref_dims(const ref_job *j, uint32_t k) { return ir_dims(j->g, ir_in(j->g, j->id, k)); }
static inline const int64_t *ref_iv(const ref_job *j, uint32_t key) {
  uint32_t n;
  return ir_attr_iv(j->g, j->id, key, &n);
}

/* Flat position of an index; the index at a flat position; the next index in row-major order (0 after the last). */
static inline int64_t ref_flat(uint32_t rank, const int64_t *dims, const int64_t *at) {
  int64_t f = 0;
  for (uint32_t k = 0; k < rank; k++) f = f * dims[k] + at[k];
  return f;
}
static inline int ref_next(uint32_t rank, const int64_t *dims, int64_t *at) {
  for (uint32_t k = rank; k-- > 0;) {
    if (++at[k] < dims[k]) return 1;
    at[k] = 0;
  }
  return 0;
}
/* Integer results wrap to their width. */
double ref_wrap(uint32_t dtype, double v);
#endif
