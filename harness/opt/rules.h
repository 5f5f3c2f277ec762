/* rules.h - inside the room: one local rewrite each. In goes a node of the graph being built, out comes an equal one, or 0.
 *
 * "bits": the result is the same bit for bit, NaN and -0 included. "real": the same in real arithmetic; rounding may differ, and the
 * comment at the rule says why that is worth it. No rule may turn a NaN or an infinity into a number. */
#ifndef OPT_RULES_H
#define OPT_RULES_H
#include "ir/build.h"

typedef ir_id opt_rule(ir_graph *g, ir_id id);
opt_rule rule_permute_units, rule_broadcast_units, rule_broadcast_broadcast, rule_matmul_permute, rule_slice_pad, rule_slice_slice, rule_slice_concat, rule_pad_pad;
opt_rule rule_sum_units, rule_sum_sum, rule_sum_broadcast, rule_sum_neg;
opt_rule rule_conv_enlarged, rule_dgrad_enlarged, rule_wgrad_enlarged, rule_pool_conv, rule_sum_enlarged;
opt_rule rule_stop_grad, rule_where_not, rule_where_where, rule_cast_cast, rule_mul_mul, rule_div_power_of_two, rule_add_neg, rule_sub_neg, rule_mul_neg, rule_mul_where, rule_add_wheres, rule_fold;

/* opt.c: node id of one graph, made again in another (or the same) on the inputs given; on the inputs' images under map; all roots. */
ir_id opt_copy(const ir_graph *from, ir_graph *to, ir_id id, const ir_id *in);
ir_id opt_copy_mapped(const ir_graph *from, ir_graph *to, ir_id id, const ir_id *map);
void opt_copy_roots(const ir_graph *from, ir_graph *to, const ir_id *map);

static inline gantry_attr opt_ints(uint32_t key, uint32_t n, const int64_t *v) { return (gantry_attr){.key = key, .n = n, .v.iv = v}; }
/* Copies out of the graph, which moves when it grows. */
uint32_t opt_shape(const ir_graph *g, ir_id id, int64_t dims[GANTRY_MAX_RANK]);
uint32_t opt_list(const ir_graph *g, ir_id id, uint32_t key, int64_t out[GANTRY_MAX_RANK]);
int opt_const(const ir_graph *g, ir_id id, double *v); /* a constant of one number */
static inline int opt_is(const ir_graph *g, ir_id id, uint32_t op) { return ir_at(g, id)->op == op; }
#endif
