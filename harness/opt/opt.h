/* opt.h - graph rewrites before planning: dead code, algebra on views and reductions, constant folding, casts.
 *
 * Local rules from one table, applied while the live part of a graph is copied into a new one. Results are the same bits except
 * where a rule says "exact in real arithmetic" and is therefore listed with its reason; none may drop a NaN. */
#ifndef OPT_OPT_H
#define OPT_OPT_H
#include <gantry/backend.h>

#include "ir/ir.h"

typedef struct opt_stats { uint32_t before, after; uint32_t hits[64]; } opt_stats; /* hits per rule, in table order */
ir_graph *opt_run(const ir_graph *g, opt_stats *stats, err *e); /* a new graph with the same roots; NULL on error */
/* precision.c: contractions of f32 on operands rounded to bf16. Not the same numbers, so only where an experiment asks for it. */
ir_graph *opt_bf16(const ir_graph *g, err *e);
ir_graph *opt_run_in(const ir_graph *g, uint32_t precision, opt_stats *stats, err *e); /* opt_run, and opt_bf16 where precision is GANTRY_PRECISION_BF16 */
const char *opt_rule_name(uint32_t k); /* NULL past the last */
#endif
