/* numeric.h - are gradients right? Numeric derivatives along random directions, in f64 on the reference interpreter.
 *
 * A case builds y from inputs. Order 1 compares <v, grad <u, y>> with central differences of <u, y> along v; order 2 does the same to
 * the scalar <w, grad <u, y>>, order 3 once more: two evaluations per direction, however large the tensors. For linear maps the
 * inner products <A x, g> and <x, A' g> must agree to rounding. */
#ifndef CHECK_NUMERIC_H
#define CHECK_NUMERIC_H
#include "ir/ir.h"

typedef struct check_input {
  uint32_t dtype, rank; /* f64: differentiated; integer types: held fixed */
  int64_t dims[GANTRY_MAX_RANK];
  double lo, hi;        /* values are uniform in [lo, hi); keep away from poles and kinks by choosing them */
  double step;          /* > 0: values are multiples of step away from lo, shuffled so that no two are closer (for maxima and ties) */
} check_input;

enum { CHECK_MAX_INPUTS = 4 };
typedef struct check_case {
  const char *name;
  uint32_t n;
  check_input in[CHECK_MAX_INPUTS];
  ir_id (*build)(ir_graph *g, const ir_id *in, const void *arg);
  const void *arg;
} check_case;

/* GANTRY_OK, or the error names the case, the order, and both numbers. tol is relative to the larger of 1 and the derivative. */
gantry_status check_gradient(const check_case *c, int order, uint64_t seed, double tol, err *e);
/* y must be linear in input k: <y(x), g> = <x, dy/dx^T g> for random x and g. */
gantry_status check_adjoint(const check_case *c, uint32_t k, uint64_t seed, double tol, err *e);

/* A small counter-based stream for tests: uniform in [0, 1), a pure function of seed and n. */
double check_uniform(uint64_t seed, uint64_t n);
#endif
