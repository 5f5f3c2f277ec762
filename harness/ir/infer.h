/* infer.h - inside the room: one operation on its way into the graph.
 *
 * ir_op() decodes the ABI's attributes into an ir_call; infer_<family>() checks every attribute and input, fills in the defaults of
 * attributes left out (so that equal operations become equal nodes) and the result's type and shape. The verifier runs the same
 * functions over the nodes that are there. An attribute that no family asked about is refused: it was meant for another opcode. */
#ifndef IR_INFER_H
#define IR_INFER_H
#include "ir/ir.h"

enum { IR_MAX_ARGS = 8, IR_MAX_NUMBER = 1 << 30 };
#define IR_MAX_ELEMENTS ((int64_t)1 << 40)

typedef struct ir_arg { /* one attribute, decoded */
  uint32_t key, n;
  int used;
  int64_t iv[GANTRY_MAX_RANK]; /* integers, or the bits of one double */
  double *fv;                  /* a VALUE of several numbers: a private copy, freed by ir_call_end */
} ir_arg;

typedef struct ir_call {
  const ir_graph *g;
  err *e;
  uint32_t op, n_in, n_args;
  const ir_id *in;
  ir_arg args[IR_MAX_ARGS];
  uint32_t dtype, rank;
  int64_t dims[GANTRY_MAX_RANK];
} ir_call;

typedef gantry_status ir_infer_fn(ir_call *c);
gantry_status ir_infer(ir_call *c); /* by opcode; also refuses attributes nobody asked about */
ir_infer_fn infer_source, infer_map, infer_move, infer_reduce, infer_matmul, infer_conv, infer_fir, infer_grid, infer_index, infer_control, infer_linalg;

/* Decodes n ABI attributes; complains about unknown keys, doubles and impossible lengths. */
gantry_status ir_decode(ir_call *c, const gantry_attr *at, uint32_t n);
void ir_call_end(ir_call *c);
enum { IR_ATTR_INT = 1, IR_ATTR_INTS, IR_ATTR_REAL, IR_ATTR_REALS };
int ir_attr_kind(uint32_t key);           /* IR_ATTR_*, 0 for an unknown key */
const char *ir_attr_name(uint32_t key);

/* "op: message (at label)"; returns the status. */
gantry_status ir_bad(ir_call *c, gantry_status code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
char *ir_shape_text(uint32_t rank, const int64_t *dims, char dst[200]); /* "[64,32]" */

/* Attributes. Absent ones take their default; IR_NEEDED has none and is an error. */
#define IR_NEEDED INT64_MIN
ir_arg *ir_arg_find(ir_call *c, uint32_t key);
ir_arg *ir_arg_new(ir_call *c, uint32_t key, uint32_t n);
gantry_status ir_arg_int(ir_call *c, uint32_t key, int64_t absent, int64_t lo, int64_t hi, int64_t *out);
gantry_status ir_arg_ints(ir_call *c, uint32_t key, uint32_t n, int64_t absent, int64_t lo, int64_t hi, int64_t **out);
gantry_status ir_arg_real(ir_call *c, uint32_t key, double *out);
gantry_status ir_arg_dims(ir_call *c, int64_t **dims, uint32_t *rank); /* DIMS: every one >= 1, at most 2^40 elements */
gantry_status ir_arg_axes(ir_call *c, uint32_t rank, const int64_t **axes, uint32_t *n); /* AXES: increasing, below rank */
gantry_status ir_check_dims(ir_call *c, uint32_t rank, const int64_t *dims, const char *what);

/* Inputs. */
static inline const ir_node *ir_call_node(const ir_call *c, uint32_t k) { return &c->g->nodes.p[c->in[k]]; }
static inline const int64_t *ir_call_dims(const ir_call *c, uint32_t k) { return c->g->dims.p + c->g->nodes.p[c->in[k]].dims_off; }
gantry_status ir_need_float(ir_call *c, uint32_t k);
gantry_status ir_need_same_dtype(ir_call *c, uint32_t j, uint32_t k);
gantry_status ir_need_rank(ir_call *c, uint32_t k, uint32_t lo, uint32_t hi, const char *layout);
void ir_result(ir_call *c, uint32_t dtype, uint32_t rank, const int64_t *dims);

/* normal.c: what an operation trivially equals. Returns a node, or 0 for none; may itself build nodes. */
ir_id ir_normal(ir_graph *g, ir_call *c);
/* fold.c: the value of a MAP operation whose inputs are all constants, if its bits are certain. */
ir_id ir_fold(ir_graph *g, ir_call *c);
double ir_round_to(uint32_t dtype, double v); /* CAST from a float: rounded; to integers truncated, saturated, NaN to 0; to bool v != 0 */
int ir_fill_value(const ir_graph *g, ir_id id, double *v); /* 1 if the node is a constant of one number */
ir_id ir_refill(ir_graph *g, const ir_call *c, double v); /* a constant of c's result type and shape */
/* ref_map.c: one element of a MAP operation. in: type of the first operand that counts (the second for WHERE). */
double ir_scalar(uint32_t op, uint32_t in, uint32_t out, double param, double a, double b, double c);

/* node.c: inserts a checked operation, or finds its equal. */
ir_id ir_insert(ir_graph *g, const ir_call *c);
uint64_t ir_call_hash(const ir_call *c);
#endif
