/* op_rows.h - inside the room: one row per operation (and per variant of it that has code of its own) that a backend must compute, with the inputs it is
 * given and how far from the f64 reference the answer may be, and why. */
#ifndef CHECK_OP_ROWS_H
#define CHECK_OP_ROWS_H
#include "ir/ir.h"

typedef struct op_tolerance { double f32, f64, bf16; const char *why; } op_tolerance; /* relative to the largest of the answer; 0 = the same bits */
typedef struct op_input { uint32_t dtype, rank; int64_t dims[4]; double lo, hi; } op_input; /* dtype 0: the row's type; values uniform in [lo, hi), integers floored */
typedef struct op_row {
  uint32_t op, types;      /* bits 1 << GANTRY_F32 ... */
  const op_tolerance *tolerance;
  gantry_attr at[8];
  uint32_t n_at, n_in;
  const op_input *in[3];
  const char *variant;     /* "ta": told apart in the test's name; NULL = the only one */
} op_row;

uint32_t check_op_rows_count(void);              /* rows of one operation stand together */
const op_row *check_op_row_at(uint32_t k);
const char *check_op_row_name(uint32_t k);       /* the operation's name */
enum { CHECK_DENSE, CHECK_PERMUTED, CHECK_SLICED, CHECK_REVERSED, CHECK_BROADCAST, CHECK_LAYOUTS }; /* how operands lie in memory */
const char *check_layout_name(uint32_t layout);  /* "dense"; NULL past the last */
#endif
