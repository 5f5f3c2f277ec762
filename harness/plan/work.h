/* work.h - inside the room: a plan while it is being made.
 *
 * Values are what gets memory: leaves (named tensors), results of library steps, results of kernels. Groups are kernels to be: roots
 * (values they store) over one iteration space; everything between is recomputed inside, in registers. Stages, in this order:
 *   mark.c    which nodes become values           group.c   which of them share a kernel
 *   emit.c    a group as kernel instructions      steps.c   groups and library steps as one dependency graph
 *   order.c   their order, states written in place or through copies
 *   recompute.c  what is computed again instead of kept
 *   memory.c  offsets in the workspace            program.c the flat program */
#ifndef PLAN_WORK_H
#define PLAN_WORK_H
#include "plan/plan.h"

enum { PLAN_MAX_LOADS = 24, PLAN_MAX_STORES = 8, PLAN_MAX_INSTS = 96, PLAN_NONE = -1 };

typedef VEC(uint32_t) plan_list;

typedef struct plan_value {
  ir_id node;
  uint32_t dtype, rank;
  int64_t dims[GANTRY_MAX_RANK], count;
  const char *name;    /* the named tensor it lives in, NULL: workspace */
  uint8_t leaf, is_output, needed; /* needed: somebody outside its own kernel reads it */
  int32_t shares;      /* value whose place it takes over in place, or PLAN_NONE */
  int32_t first, last; /* positions of the steps that write it first and touch it last */
  int64_t offset;
  uint32_t buffer;
  uint8_t packed;      /* has an offset */
  uint8_t again;       /* gan_recompute(): may be computed again whatever it costs */
} plan_value;

typedef struct plan_root { /* one thing a group stores */
  ir_id node;            /* 0: zeros */
  uint32_t value, level; /* level 0: at every point, 1: at kept points */
  uint32_t from;         /* copy: the value it is copied from; the node gives the shape */
  uint8_t copy, strided;
  int64_t offset, stride[GANTRY_MAX_RANK]; /* strided: element offset and stride per axis of the node */
} plan_root;

typedef struct plan_group {
  VEC(plan_root) roots;
  uint32_t rank, kept;               /* iteration axes; no axis of one element */
  int64_t dims[GANTRY_MAX_RANK];
  uint32_t perm[GANTRY_MAX_RANK];    /* iteration axis of each axis of the full shape */
  uint8_t reduce, dead, fixed;       /* fixed: takes no part in merging */
  plan_list loads;                   /* values read; filled by emission */
  uint32_t step;
} plan_group;

typedef struct plan_step {
  uint32_t group;        /* or */
  ir_id lib;             /* library node; 0: a group */
  uint32_t out, scratch; /* of a library step: values; scratch PLAN_NO_VALUE if none */
  plan_list reads, writes, deps;
  ir_id key;             /* creation order */
  gantry_kernel *kernel;
  uint32_t *load_values, *store_values; /* value behind each load and store of the kernel */
  gantry_lib *call;
  uint32_t *operands;
} plan_step;
#define PLAN_NO_VALUE 0xffffffffu

struct plan {
  const ir_graph *g;
  arena *mem;
  const char *name;
  plan_query *query;
  void *user;
  err *e;
  uint8_t *live, *mat;   /* by node */
  uint32_t *value_of;    /* by node; PLAN_NO_VALUE */
  VEC(plan_value) values;
  VEC(plan_group) groups;
  VEC(plan_step) steps;
  uint32_t *order;       /* step at each position */
  int64_t workspace, sum_temporaries;
  gantry_program program;
  plan_named *named;
  uint32_t n_named, copies, again; /* again: steps that recompute.c added */
  VEC(plan_constant) constants;
};

/* graph reading */
ir_id plan_strip(const ir_graph *g, ir_id id); /* through STOP_GRAD and RECOMPUTE */
ir_id plan_input(const ir_graph *g, ir_id id, uint32_t k);
ir_id plan_dense(const ir_graph *g, ir_id id, int64_t *offset); /* the node whose dense elements, from offset on, are id's */
int plan_reduces(const ir_graph *g, ir_id id); /* a REDUCE over at least one axis of more than one element */
uint32_t plan_mask(const ir_graph *g, ir_id id); /* bit per reduced axis */
int plan_array(const ir_graph *g, ir_id id);   /* a CONST of more than one number */
uint32_t plan_value_new(plan *p, ir_id node);

gantry_status plan_mark(plan *p);
gantry_status plan_groups(plan *p);
gantry_status plan_steps(plan *p);
uint32_t plan_copy(plan *p, ir_id shape, uint32_t from, const char *name); /* a value that is a copy, and its group and step */
gantry_status plan_step_of_group(plan *p, uint32_t group);
gantry_status plan_order(plan *p);
gantry_status plan_recompute(plan *p, double share);
gantry_status plan_memory(plan *p);
gantry_status plan_emit_program(plan *p);

/* Emission. Fails softly (returns the reason) where a group cannot be one kernel. */
enum { PLAN_EMIT_OK, PLAN_EMIT_ILLEGAL, PLAN_EMIT_LARGE };
typedef struct plan_kernel { /* filled by plan_emit */
  gantry_inst insts[2][PLAN_MAX_INSTS * 2]; /* body and after */
  uint32_t n[2], n_loads, n_stores;
  gantry_access loads[PLAN_MAX_LOADS * 2];
  uint32_t load_value[PLAN_MAX_LOADS * 2];
  gantry_store stores[PLAN_MAX_STORES * 2]; /* reg counts within its level */
  uint32_t store_value[PLAN_MAX_STORES * 2], store_level[PLAN_MAX_STORES * 2];
  VEC(ir_id) inlined; /* MAP nodes computed inside, roots excluded */
} plan_kernel;
int plan_emit(const plan *p, const plan_group *gr, plan_kernel *out, int final); /* final: only needed roots are stored */
#endif
