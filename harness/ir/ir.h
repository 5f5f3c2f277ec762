/* ir.h - the graph: hash-consed, single-output nodes in growable arrays, topologically ordered by construction.
 *
 * Every pass is a loop over ids. A node is made by ir_op(), which infers its shape and type, folds and normalises what is
 * trivially equal, and returns an existing node for an equal one. Operations are those of <gantry/ops.def>; elementwise
 * inputs have equal shapes here (broadcasting is the business of ir/build.h). Id 0 is poisoned: operations on it give 0.
 * Errors are sticky in graph->err: the first one keeps its message, later calls return 0. Labels name the place in a plugin. */
#ifndef IR_IR_H
#define IR_IR_H
#include "base/err.h"
#include "base/mem.h"

typedef uint32_t ir_id;

typedef struct ir_attr { /* canonical: numbers are in graph->nums; doubles are stored as their bits */
  uint32_t key, n, off;
} ir_attr;

typedef struct ir_node {
  uint16_t op;
  uint8_t dtype, rank;
  uint32_t n_in, in_off;      /* into graph->in */
  uint32_t dims_off;          /* into graph->dims */
  uint32_t n_attr, attr_off;  /* into graph->attrs; sorted by key */
  uint32_t label;             /* into graph->names */
  uint64_t hash;              /* of structure, inputs included; labels excluded; equal on every machine */
} ir_node;

enum { IR_STORE = 1, IR_OUTPUT = 2 };
typedef struct ir_root { /* what the program must produce */
  uint32_t kind, name;   /* STORE: the state's value after the program; OUTPUT: a value to be read back */
  ir_id id;
} ir_root;

typedef struct ir_graph {
  VEC(ir_node) nodes;     /* nodes.p[0] is the poisoned one */
  VEC(ir_id) in;
  VEC(int64_t) dims;
  VEC(ir_attr) attrs;
  VEC(int64_t) nums;
  VEC(char *) names;      /* interned strings; 0 is "" */
  VEC(ir_root) roots;
  uint32_t *table;        /* open addressing, node ids */
  uint32_t table_cap, label;
  uint32_t precision;     /* GANTRY_PRECISION_TF32: contractions of f32 may round their operands so; set by opt_run_in, read by plan/ */
  uint32_t *name_table;   /* open addressing, indices into names */
  uint32_t name_cap;
  err err;
} ir_graph;

ir_graph *ir_new(void);
void ir_free(ir_graph *g);

/* ops.def as data. */
typedef struct ir_op_info {
  const char *name, *doc;
  int8_t arity;
  uint8_t cls, diff; /* IR_SOURCE ..., IR_DIFF ... */
} ir_op_info;
enum { IR_SOURCE = 1, IR_MAP, IR_MOVE, IR_REDUCE, IR_LIB, IR_CONTROL };
enum { IR_DIFF = 1, IR_KINK, IR_NONE };
const ir_op_info *ir_op_get(uint32_t op); /* NULL if there is no such opcode */
const char *ir_dtype_name(uint32_t dtype);
int64_t ir_dtype_size(uint32_t dtype);    /* bytes; 0 if there is no such type */
int ir_is_float(uint32_t dtype);

/* Strings. */
uint32_t ir_intern(ir_graph *g, const char *s);
static inline const char *ir_name(const ir_graph *g, uint32_t n) { return g->names.p[n]; }

/* Making nodes. */
ir_id ir_op(ir_graph *g, uint32_t op, const ir_id *in, uint32_t n_in, const gantry_attr *at, uint32_t n_at);
ir_id ir_leaf(ir_graph *g, uint32_t op, const char *name, uint32_t dtype, uint32_t rank, const int64_t *dims); /* INPUT or STATE */
void ir_store(ir_graph *g, const char *state, ir_id v);  /* replaces an earlier root of that name */
void ir_output(ir_graph *g, const char *name, ir_id v);
gantry_status ir_fail(ir_graph *g, gantry_status code, const char *fmt, ...) __attribute__((format(printf, 3, 4))); /* with the current label */

/* Reading nodes. */
static inline const ir_node *ir_at(const ir_graph *g, ir_id id) { return &g->nodes.p[id]; }
static inline const int64_t *ir_dims(const ir_graph *g, ir_id id) { return g->dims.p + g->nodes.p[id].dims_off; }
static inline ir_id ir_in(const ir_graph *g, ir_id id, uint32_t k) { return g->in.p[g->nodes.p[id].in_off + k]; }
int64_t ir_count(const ir_graph *g, ir_id id);                                   /* elements */
const int64_t *ir_attr_iv(const ir_graph *g, ir_id id, uint32_t key, uint32_t *n); /* NULL, n 0 if absent */
int64_t ir_attr_i(const ir_graph *g, ir_id id, uint32_t key, int64_t absent);
double ir_attr_f(const ir_graph *g, ir_id id, uint32_t key, uint32_t k, double absent);
/* The node's attributes as the ABI has them; arrays point into the arena. Returns how many. */
uint32_t ir_attrs_abi(const ir_graph *g, ir_id id, arena *a, const gantry_attr **out);

/* ir/print.c: one line per live node, "%12 = add f32[64,10] %10 %11  ; d/conv1"; stable. */
void ir_print(const ir_graph *g, buf *b);
void ir_print_shape(const ir_graph *g, ir_id id, buf *b); /* "f32[64,10]" */
/* Hash of what the program computes: the live nodes, leaf names and roots; labels and dead nodes do not matter. */
uint64_t ir_hash(const ir_graph *g);

/* ir/verify.c: every node re-inferred, ids in order, roots of the state's type. For use between stages. */
gantry_status ir_verify(const ir_graph *g, const char *stage, err *e);

/* ir/live.c: live[id] = 1 for what the roots need. Caller frees. */
uint8_t *ir_live(const ir_graph *g);
int ir_depends(const ir_graph *g, ir_id y, ir_id x); /* whether y is computed from x; 0 where either is 0 */

/* ir/ref.c: the reference interpreter, obviously correct, every value as f64 (integers are wrapped to their width; f32 is not
 * rounded, bf16 is). bind() fills `count` doubles for an INPUT or STATE leaf and returns 0. values[k], of want[k], is
 * malloc'd by ir_eval and freed by the caller. */
typedef gantry_status ir_bind(void *user, const char *name, uint32_t dtype, int64_t count, double *dst, err *e);
gantry_status ir_eval(const ir_graph *g, const ir_id *want, uint32_t n_want, ir_bind *bind, void *user, double **values, err *e);
#endif
