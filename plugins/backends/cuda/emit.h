/* emit.h - a fused kernel of a program as text of prelude.h: what it computes, its blocks, its pointers.
 *
 *   emit_space.c   the iteration space with what can be one axis made one; accesses as they are seen then
 *   emit_inst.c    types, places in memory, single instructions, loads and stores of four elements at once
 *   emit_map.c     a thread per element or per four
 *   emit_reduce.c  lanes over the reduced axes, one tree; in two kernels where few points keep much
 *
 * Sizes, strides and immediates are constants of the text, so equal steps are equal text. How a reduction is split follows from the shape
 * alone, never from the device: the same program has the same bits on every GPU. */
#ifndef CUDA_EMIT_H
#define CUDA_EMIT_H
#include <gantry/program.h>

#include "text.h"

enum { EMIT_BLOCK = 256, EMIT_OPS = 64, EMIT_KINDS = 8, EMIT_AT = 48 };

typedef struct emit_access {
  uint32_t dtype, slot;  /* of its buffer; index into at[] */
  int bounded, never, four; /* never: no point lies inside; four: read or written by four elements */
  int64_t offset, stride[GANTRY_MAX_RANK], lo[GANTRY_MAX_RANK], hi[GANTRY_MAX_RANK]; /* by merged axis */
} emit_access;

typedef struct emit {
  const gantry_kernel *k;
  cuda_text t;
  int64_t dims[GANTRY_MAX_RANK];
  uint32_t axis[GANTRY_MAX_RANK];   /* host axis that a merged one ends with */
  uint32_t rank, kept;              /* merged axes, the first of them kept */
  int64_t points, reduced;          /* kept points; reduced points of each */
  emit_access *load, *store;        /* load: by instruction; store: by store */
  int four;                         /* the last axis is walked by four */
  int small;                        /* every index fits 32 bits */
} emit;

/* One kernel to launch: body is the text between K_BEGIN and K_END. at[] of the step: loads, stores, then the place for partial results. */
typedef struct emit_kernel { char *body; int64_t blocks; } emit_kernel;
typedef struct emit_result {
  emit_kernel kernel[2];
  uint32_t n, n_at;       /* kernels; pointers they take */
  int64_t partial_bytes;  /* between the first and the second */
  int64_t points;         /* of a map; 0: it has reductions */
  int four;               /* a map by four */
  uint64_t dense;         /* of a map: bit per pointer whose element is the thread's own, counted in row-major order */
} emit_result;

/* dtype_of gives the type of a buffer. 0: fine, else a status; why, if not NULL, names what cannot be written. */
gantry_status emit_step(const gantry_kernel *k, uint32_t (*dtype_of)(void *user, uint32_t buffer), void *user, emit_result *out, const char **why);
void emit_result_free(emit_result *r);

/* inside */
#define P(...) cuda_put(&e->t, __VA_ARGS__)
int emit_space(emit *e, uint32_t (*dtype_of)(void *, uint32_t), void *user);
int emit_can_four(const emit *e);                        /* may the last axis of the space be walked by four? */
const char *emit_type(uint32_t dtype);                   /* of a register */
const char *emit_index(const emit *e);                   /* of an index */
int emit_is_float(uint32_t dtype);
void emit_indices(emit *e, const char *flat, uint32_t from, uint32_t to); /* i<from> .. i<to-1> out of one number */
int emit_insts(emit *e, uint32_t from, uint32_t to);     /* instructions as declarations r<index> */
void emit_fours_before(emit *e, uint32_t from, uint32_t to); /* loads ahead of the loop over four */
void emit_stores(emit *e, int after);                    /* of one element, or into the four */
void emit_fours_after(emit *e);
int emit_map(emit *e, emit_result *out);
int emit_reduce(emit *e, emit_result *out);
#endif
