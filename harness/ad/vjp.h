/* vjp.h - inside the room: the families of derivative rules, and attributes copied out of the graph.
 *
 * Attribute arrays must not point into the graph while nodes are made, because it moves when it grows; an ad_attrs is a copy. */
#ifndef AD_VJP_H
#define AD_VJP_H
#include "ad/ad.h"
#include "ir/build.h"

ad_vjp vjp_map, vjp_move, vjp_reduce, vjp_matmul, vjp_conv, vjp_fir, vjp_grid, vjp_index, vjp_pass;

typedef struct ad_attrs {
  gantry_attr at[12];
  int64_t iv[12][GANTRY_MAX_RANK];
  uint32_t n;
} ad_attrs;
void ad_take(ad_attrs *a, const ir_graph *g, ir_id node, uint32_t key);                  /* the node's attribute */
void ad_put_i(ad_attrs *a, uint32_t key, int64_t v);
void ad_put_iv(ad_attrs *a, uint32_t key, uint32_t n, const int64_t *v);
void ad_put_dims(ad_attrs *a, const ir_graph *g, ir_id like);                            /* DIMS = shape of like */
ir_id ad_op1(ir_graph *g, uint32_t op, ir_id x, const ad_attrs *a);
ir_id ad_op2(ir_graph *g, uint32_t op, ir_id x, ir_id y, const ad_attrs *a);
#endif
