/* internal.h - the planner's own data: groups of nodes, their kernels, buffers and order.
 *
 * A group becomes one step. A kernel group has an outer space (the kept axes) and, if it reduces, a body space (outer axes, then reduced
 * ones). A node is evaluated inside groups; if its value is read by other steps it is also materialised: it has a buffer. */
#ifndef PLAN_INTERNAL_H
#define PLAN_INTERNAL_H
#include "plan/plan.h"

#define PLAN_NONE 0xffffffffu
enum { PLAN_MEMBERS_MAX = 72 };
enum { SPACE_OUTER = 0, SPACE_BODY = 1 };

/* One place that wants a node's value: in group g, in one of its spaces. fusible: may be computed there; else it reads a buffer. */
typedef struct use {
  uint32_t group;
  uint8_t space, identity, expands, fusible; /* identity: element for element; expands: under a broadcast */
} use;
typedef VEC(use) use_list;

typedef struct plan_store { /* a value written by a group */
  ir_id node;
  uint32_t buffer;       /* index into plan->buffers */
  uint8_t space;         /* of the node in its group */
  uint8_t placed;        /* 0: dense; 1: at offset and strides below (CONCAT, interior PAD) */
  int64_t offset, stride[GANTRY_MAX_RANK]; /* per axis of the node */
} plan_store;

typedef struct group {
  ir_id lib;             /* the library node, or 0 for a kernel */
  ir_id key;             /* largest node: creation order */
  uint32_t rank, n_red;  /* outer axes; reduced axes */
  int64_t dims[GANTRY_MAX_RANK];
  int64_t red_axes[GANTRY_MAX_RANK], in_dims[GANTRY_MAX_RANK]; /* of the reduced operand */
  uint32_t in_rank, members, label;
  uint8_t dead;          /* merged into another group */
  VEC(plan_store) stores;
  VEC(uint32_t) after;   /* groups that must run later */
  VEC(ir_id) reduces;    /* REDUCE nodes computed here */
  gantry_kernel *kernel; /* emitted */
  gantry_lib *library;
  uint32_t position, from; /* from: 1 + buffer that a late copy reads instead of its node, or 0 */
} group;

typedef struct plan_late { uint32_t temporary, target; ir_id base, leaf; uint32_t first; } plan_late; /* second half of a copy between states */

typedef struct place { /* a buffer while it is being planned */
  uint32_t space, dtype;
  int64_t elements, bytes, offset;
  const char *name;
  uint32_t first, last;  /* positions of first write and last read; workspace only */
  uint32_t shares;       /* in-place: takes over this buffer's memory, or PLAN_NONE */
} place;

struct plan {
  const ir_graph *g;
  arena *mem;
  err *e;
  const char *name;
  plan_query *query;
  void *user;
  uint8_t *live, *materialised;
  uint32_t *producer;    /* group that computes a materialised node (its first writer) */
  uint32_t *buffer;      /* of a materialised node or leaf */
  use_list *uses;
  VEC(group) groups;
  VEC(place) buffers;
  VEC(uint32_t) order;
  VEC(plan_named) named;
  VEC(uint32_t) extra_writers; /* pairs: node, group (CONCAT slots and fills) */
  VEC(plan_constant) constants;
  VEC(plan_late) late;
  gantry_program program;
  plan_stats stats;
};

/* group.c */
gantry_status plan_group(plan *p);
uint32_t plan_new_group(plan *p, ir_id key, uint32_t rank, const int64_t *dims);
void plan_edge(plan *p, uint32_t from, uint32_t to);
int plan_reaches(plan *p, uint32_t from, uint32_t to);
int plan_is_fill(const ir_graph *g, ir_id id);       /* a constant that is one number */
ir_id plan_base(const ir_graph *g, ir_id id);        /* through RESHAPE and CONTROL: the node whose dense buffer holds these elements */
uint32_t plan_buffer_of(plan *p, ir_id id);          /* of plan_base(id) */
uint32_t plan_named_buffer(plan *p, const char *name, uint32_t dtype, uint32_t rank, const int64_t *dims, int is_output);
uint32_t plan_temporary(plan *p, uint32_t dtype, int64_t elements, int64_t bytes);
/* emit.c */
gantry_status plan_emit(plan *p, uint32_t group);
/* stores.c: STORE and OUTPUT roots: plan_want_roots before grouping, plan_place_roots after it */
void plan_want_roots(plan *p);
gantry_status plan_place_roots(plan *p);
/* order.c, memory.c */
gantry_status plan_order(plan *p);
gantry_status plan_memory(plan *p);
#endif
