/* plan.h - from a graph to a program: fusion groups, kernels, order, memory.
 *
 * Groups elementwise chains into kernels around at most one reduction, asks the backend about each library step, orders steps,
 * gives every temporary a place in one workspace, lets a state's new value be written over the old one where nobody reads the
 * old one afterwards (else through a temporary and a copy), and emits the flat program of <gantry/program.h>. */
#ifndef PLAN_PLAN_H
#define PLAN_PLAN_H
#include <gantry/program.h>

#include "ir/ir.h"

typedef gantry_status plan_query(void *user, const gantry_lib *step, int64_t *scratch_bytes, err *e); /* fails where unsupported */

typedef struct plan plan;
/* g has been through opt_run. OUTPUT roots become named buffers "out/<program>/<name>". `recompute`, 0 or more: how many bytes, as a share of all that the program moves, may be moved again
 * to have values computed twice instead of kept where memory is fullest (recompute.c); the results are the same bits. */
plan *plan_make(const ir_graph *g, const char *program, double recompute, plan_query *query, void *user, err *e);
void plan_free(plan *p);
const gantry_program *plan_program(const plan *p);

/* Named buffers of the program: what it reads and writes. */
typedef struct plan_named { const char *name; uint32_t dtype, rank; int64_t dims[GANTRY_MAX_RANK]; uint32_t buffer; uint8_t is_output; } plan_named;
uint32_t plan_names(const plan *p, const plan_named **out);

/* Array constants of the graph: named buffers whose contents the session uploads once. */
typedef struct plan_constant { const char *name; const void *data; int64_t bytes; } plan_constant;
uint32_t plan_constants(const plan *p, const plan_constant **out);

typedef struct plan_stats { uint32_t kernels, libs, copies; int64_t workspace_bytes, sum_of_temporaries, bytes_moved; double flops; } plan_stats;
void plan_get_stats(const plan *p, plan_stats *out);

/* For people: steps with shapes, buffers and labels ("plan"); the instructions of each kernel, bytes moved, operations and an estimate of the
 * time of each step ("kernels"), with what was measured beside it: ns[step] of one run, or NULL. */
void plan_print(const plan *p, buf *b);
void plan_print_kernels(const plan *p, const int64_t *ns, buf *b);

/* A stand-alone checker: no two live temporaries overlap, every read was written, stores alias loads only in place. */
gantry_status plan_verify(const gantry_program *prog, err *e);
#endif
