/* build.h - readable construction on top of ir_op(): broadcasting arithmetic, constants, reductions, the current bindings.
 * Every function returns 0 and leaves g->err set on failure. */
#ifndef IR_BUILD_H
#define IR_BUILD_H
#include "ir/ir.h"

ir_id ir_const(ir_graph *g, uint32_t dtype, double v);                                        /* scalar */
ir_id ir_full(ir_graph *g, uint32_t dtype, uint32_t rank, const int64_t *dims, double v);
ir_id ir_array(ir_graph *g, uint32_t dtype, uint32_t rank, const int64_t *dims, const double *v);
ir_id ir_zeros_like(ir_graph *g, ir_id x);

/* MAP with NumPy broadcasting: inserts RESHAPE and BROADCAST. cmp kinds and exponents through at. */
ir_id ir_map(ir_graph *g, uint32_t op, const ir_id *in, uint32_t n, const gantry_attr *at, uint32_t n_at);
ir_id ir_1(ir_graph *g, uint32_t op, ir_id a);
ir_id ir_2(ir_graph *g, uint32_t op, ir_id a, ir_id b);
ir_id ir_where(ir_graph *g, ir_id c, ir_id a, ir_id b);
ir_id ir_cmp(ir_graph *g, uint32_t kind, ir_id a, ir_id b);
ir_id ir_pow(ir_graph *g, ir_id a, double exponent);
ir_id ir_cast(ir_graph *g, ir_id a, uint32_t dtype);
ir_id ir_scale(ir_graph *g, ir_id a, double k);               /* a * k, k of a's type */
ir_id ir_broadcast_to(ir_graph *g, ir_id a, uint32_t rank, const int64_t *dims); /* NumPy rule */

ir_id ir_reshape(ir_graph *g, ir_id a, uint32_t rank, const int64_t *dims);
ir_id ir_permute(ir_graph *g, ir_id a, const int64_t *perm);
ir_id ir_sum(ir_graph *g, ir_id a, const int64_t *axes, uint32_t n); /* axes disappear */
ir_id ir_sum_all(ir_graph *g, ir_id a);
ir_id ir_mean_all(ir_graph *g, ir_id a);
ir_id ir_matmul(ir_graph *g, ir_id a, ir_id b, int ta, int tb);
#define ir_add(g, a, b) ir_2((g), GANTRY_OP_ADD, (a), (b))
#define ir_sub(g, a, b) ir_2((g), GANTRY_OP_SUB, (a), (b))
#define ir_mul(g, a, b) ir_2((g), GANTRY_OP_MUL, (a), (b))
#define ir_div(g, a, b) ir_2((g), GANTRY_OP_DIV, (a), (b))
#define ir_neg(g, a) ir_1((g), GANTRY_OP_NEG, (a))
#endif
