/* ref_move.c - the reference meaning of sources, rearrangements and index-free bookkeeping: which element comes from where. */
#include <gantry/philox.h>

#include "ir/ref.h"

static void random_bits(const ref_job *j) {
  uint32_t key[2] = {(uint32_t)j->in[0][0], (uint32_t)j->in[0][1]}, word[4];
  uint64_t stream = (uint64_t)ir_attr_i(j->g, j->id, GANTRY_A_STREAM, 0);
  const int64_t *dims = ir_dims(j->g, j->id);
  int64_t per_sample = j->n->rank ? j->count / dims[0] : 1;
  for (int64_t k = 0; k < j->count; k++) {
    int64_t e = k % per_sample;
    uint32_t ctr[4] = {(uint32_t)stream, (uint32_t)j->in[1][0], (uint32_t)(k / per_sample), (uint32_t)(e / 4)};
    gantry_philox4x32(ctr, key, word);
    j->out[k] = word[e % 4];
  }
}

void ref_source(const ref_job *j) {
  uint32_t n;
  const int64_t *dims = ir_dims(j->g, j->id);
  switch (j->n->op) {
    case GANTRY_OP_RANDOM_BITS: random_bits(j); return;
    case GANTRY_OP_CONST:
      ir_attr_iv(j->g, j->id, GANTRY_A_VALUE, &n);
      for (int64_t k = 0; k < j->count; k++) j->out[k] = ir_attr_f(j->g, j->id, GANTRY_A_VALUE, n == 1 ? 0 : (uint32_t)k, 0);
      return;
    case GANTRY_OP_IOTA: {
      int64_t axis = ir_attr_i(j->g, j->id, GANTRY_A_AXIS, 0), inner = 1;
      for (uint32_t k = (uint32_t)axis + 1; k < j->n->rank; k++) inner *= dims[k];
      for (int64_t k = 0; k < j->count; k++) j->out[k] = (double)(k / inner % dims[axis]);
    }
  }
}

static void concat(const ref_job *j) {
  uint32_t axis = (uint32_t)ir_attr_i(j->g, j->id, GANTRY_A_AXIS, 0);
  const int64_t *dims = ir_dims(j->g, j->id);
  int64_t offset = 0;
  for (uint32_t k = 0; k < j->n->n_in; k++) {
    const double *from = j->all[ir_in(j->g, j->id, k)];
    const int64_t *d = ref_dims(j, k);
    int64_t at[GANTRY_MAX_RANK] = {0}, to[GANTRY_MAX_RANK] = {0};
    do {
      for (uint32_t a = 0; a < j->n->rank; a++) to[a] = at[a] + (a == axis ? offset : 0);
      j->out[ref_flat(j->n->rank, dims, to)] = from[ref_flat(j->n->rank, d, at)];
    } while (ref_next(j->n->rank, d, at));
    offset += d[axis];
  }
}

/* The element of the input that lands at `at` of the output. */
static void source_of(const ref_job *j, const int64_t *at, int64_t *from) {
  uint32_t rank = ref_rank(j, 0), n;
  const int64_t *axes = ir_attr_iv(j->g, j->id, GANTRY_A_AXES, &n);
  switch (j->n->op) {
    case GANTRY_OP_PERMUTE:
      for (uint32_t k = 0; k < rank; k++) from[ref_iv(j, GANTRY_A_PERM)[k]] = at[k];
      return;
    case GANTRY_OP_REVERSE:
      memcpy(from, at, sizeof(int64_t) * rank);
      for (uint32_t k = 0; k < n; k++) from[axes[k]] = ref_dims(j, 0)[axes[k]] - 1 - at[axes[k]];
      return;
    case GANTRY_OP_BROADCAST:
      for (uint32_t k = 0; k < rank; k++) from[k] = at[axes[k]];
      return;
    default: /* SLICE */
      for (uint32_t k = 0; k < rank; k++) from[k] = ref_iv(j, GANTRY_A_START)[k] + at[k] * ref_iv(j, GANTRY_A_STEP)[k];
  }
}

void ref_move(const ref_job *j) {
  int64_t at[GANTRY_MAX_RANK] = {0}, from[GANTRY_MAX_RANK] = {0};
  uint32_t rank = ref_rank(j, 0);
  const int64_t *in = ref_dims(j, 0), *out = ir_dims(j->g, j->id);
  switch (j->n->op) {
    case GANTRY_OP_RESHAPE: case GANTRY_OP_STOP_GRAD: case GANTRY_OP_RECOMPUTE: memcpy(j->out, j->in[0], sizeof(double) * (size_t)j->count); return;
    case GANTRY_OP_CONCAT: concat(j); return;
    case GANTRY_OP_PAD: /* the other way round: where does each input element go */
      do {
        for (uint32_t k = 0; k < rank; k++) from[k] = ref_iv(j, GANTRY_A_LO)[k] + at[k] * (1 + ref_iv(j, GANTRY_A_INTERIOR)[k]);
        j->out[ref_flat(rank, out, from)] = j->in[0][ref_flat(rank, in, at)];
      } while (ref_next(rank, in, at));
      return;
  }
  do {
    source_of(j, at, from);
    j->out[ref_flat(j->n->rank, out, at)] = j->in[0][ref_flat(rank, in, from)];
  } while (ref_next(j->n->rank, out, at));
}
