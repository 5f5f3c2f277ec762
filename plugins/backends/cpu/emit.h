/* emit.h - inside the writer of C: one kernel while its text is made.
 *
 *   emit_c.c      which loops there are, where each instruction stands; functions of a program, each once; the whole text
 *   emit_loops.c  the function: loops, runs, reductions, what follows them
 *   emit_inst.c   types, places in memory, single instructions and stores */
#ifndef CPU_EMIT_H
#define CPU_EMIT_H
#include "emit_c.h"

enum { RUN = 1024, SHORT = 256, BLOCK_POINTS = 512, ALIKE = 8 };
enum { AT_LOOP, AT_PERIODIC, AT_RUN }; /* where the value of an instruction lives */

typedef struct emit {
  const cpu_make *m;
  const gantry_kernel *k;
  const cpu_kernel *o;
  cpu_text t;
  uint32_t loop[GANTRY_MAX_RANK], n_loops; /* walked axes, outermost first; the last is the run */
  int block;             /* the last two loops are one run */
  int whole_b;           /* B is not split between threads */
  int64_t rows, width;   /* block: rows at a time, of that many elements */
  uint32_t *dep;         /* by instruction: bit per walked axis */
  uint8_t *where, *kept; /* kept: a periodic value that the run reads */
  int after;             /* writing the part after the reductions */
} emit;

#define P(...) cpu_put(&e->t, __VA_ARGS__)

const char *emit_type(uint32_t dtype);   /* of a register, as C names it */
const char *emit_suffix(uint32_t dtype); /* of the functions of elementwise.h */
int emit_is_float(uint32_t dtype);
static inline uint32_t emit_run_axis(const emit *e) { return e->loop[e->n_loops - 1]; }
static inline uint32_t emit_around(const emit *e) { return e->loop[e->n_loops - 2]; } /* the axis joined with the run in a block */
uint32_t emit_operands(uint32_t op);
uint32_t emit_access_dep(const emit *e, uint32_t access); /* bit per walked axis that its element depends on */
uint32_t emit_slot(const emit *e, uint32_t access);       /* its place in at[] */
void emit_ref(emit *e, uint32_t inst, int in_run);
/* Pointer of what the run touches, at its first element, and its bounds; n_loops are open, x0 is where the run begins. */
void emit_pointer(emit *e, uint32_t access, uint32_t n_loops, const char *x0);
/* One instruction as a declaration; run: inside the run loop, memory is p[i]; else it is reached through the loops' variables. 0: it cannot be written. */
int emit_instruction(emit *e, uint32_t inst, int run, uint32_t n_loops);
void emit_store(emit *e, uint32_t access, uint32_t reg, int run, uint32_t n_loops);
int emit_function(emit *e); /* all but its name */
#endif
