/* ad.h - gradients as a graph rewrite: reverse mode, appended to the same graph, so any order works.
 *
 * dxs[i] = sum over y of seed * dy/dxs[i]; seed 0 = ones. Where y does not depend on xs[i], dxs[i] is zeros of its shape. Xs may be
 * any nodes, also intermediate ones. Rules are in vjp_<family>.c, one per opcode, written in the op set itself. */
#ifndef AD_AD_H
#define AD_AD_H
#include "ir/ir.h"

gantry_status ad_grad(ir_graph *g, ir_id y, ir_id seed, const ir_id *xs, uint32_t n, ir_id *dxs);

/* The rule of one node: given the cotangent of its output, cotangents of its inputs (0 = none). need[k] = 0: not wanted. */
typedef void ad_vjp(ir_graph *g, ir_id node, ir_id cotangent, const uint8_t *need, ir_id *d_in);
ad_vjp *ad_rule(uint32_t op); /* NULL where there is none */
#endif
