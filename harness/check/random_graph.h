/* random_graph.h - random well-typed graphs from a seed, for comparing any two ways of computing the same thing.
 *
 * The same seed and options give the same graph on every machine. Values stay moderate (every operation that grows is squashed), so
 * that f32 against f64 is a matter of rounding. */
#ifndef CHECK_RANDOM_GRAPH_H
#define CHECK_RANDOM_GRAPH_H
#include "ir/ir.h"

enum {
  CHECK_MAP = 1, CHECK_MOVE = 2, CHECK_REDUCE = 4, CHECK_MATMUL = 8, CHECK_CONV = 16, CHECK_INDEX = 32, CHECK_INTEGER = 64,
  CHECK_RANDOM = 128,   /* RANDOM_BITS */
  CHECK_SAMPLING = 256, /* FIR, GRID_SAMPLE and their adjoints */
  CHECK_EXACT = 512,    /* only operations whose bits are the same everywhere: no exp, no sums */
  CHECK_GRADIENT = 1024, /* also outputs the gradient of the sum of everything */
  CHECK_ALL = 511 & ~CHECK_EXACT
};
typedef struct check_random { uint32_t dtype, nodes, families; } check_random; /* dtype f32 or f64; about that many operations */
/* INPUTs "in0".., STATEs "state0".. (each stored again) and OUTPUTs "out0"..; NULL on error. */
ir_graph *check_random_graph(uint64_t seed, const check_random *o, err *e);
/* Values for the leaves of such a graph: an ir_bind whose user is a check_values; in [-2, 2) for floats, small for integers. */
typedef struct check_values { uint64_t seed; int special; } check_values; /* special: sprinkle NaN, infinities, -0 and denormals */
gantry_status check_bind(void *user, const char *name, uint32_t dtype, int64_t count, double *dst, err *e);
#endif
