/* loops.h - the typed inner loops of the kernel interpreter, as tables of functions.
 *
 * One table per instruction set, compiled from the same text (loops_body.h) with the same bits: no contraction, no reassociation.
 * Registers of a kernel are arrays of n elements; bf16 lives in them as float. bool is a byte, 0 or 1. */
#ifndef CPU_LOOPS_H
#define CPU_LOOPS_H
#include <gantry/abi.h>
#include <stdint.h>

enum { CPU_T_F32, CPU_T_F64, CPU_T_I32, CPU_T_I64, CPU_T_U32, CPU_T_U8, CPU_T_BOOL, CPU_TYPES };
enum { CPU_LANES = 8, CPU_OPS = 56, CPU_KINDS = 7, CPU_POWERS = 8 };

typedef void cpu_loop(void *d, const void *a, const void *b, const void *c, int64_t n, double imm);
/* Adds n elements, the first of which is element j0 of the reduced space: lane = j % CPU_LANES. */
typedef void cpu_reduce_in(void *acc, void *square, const void *x, int64_t n, int64_t j0, double shift);
/* Adds `rows` rows of `width` elements to acc[lane][width], the first row being element j0 of the reduced space. */
typedef void cpu_reduce_out(void *acc, void *square, const void *x, int64_t rows, int64_t width, int64_t j0, const double *shift);

typedef struct cpu_reducer { cpu_reduce_in *in; cpu_reduce_out *out; } cpu_reducer;
typedef struct cpu_loops {
  const char *name;
  cpu_loop *op[CPU_OPS][CPU_TYPES];              /* by opcode and type of operand a */
  cpu_loop *cmp[CPU_KINDS][CPU_TYPES];
  cpu_loop *cast[CPU_TYPES][CPU_TYPES];          /* [from][to] */
  cpu_loop *where[CPU_TYPES];
  cpu_loop *power[CPU_POWERS];                   /* f32 with the exponents of cpu_powers */
  cpu_loop *round_bf16, *load_bf16, *store_bf16; /* float to rounded float; u16 to float; float to u16 */
  cpu_reducer sum[CPU_TYPES], max[CPU_TYPES], var[CPU_TYPES];
} cpu_loops;
extern const double cpu_powers[CPU_POWERS];
extern const cpu_loops cpu_loops_base, cpu_loops_avx2, cpu_loops_avx512;
const cpu_loops *cpu_loops_pick(void); /* the widest that this machine has */
int cpu_type(uint32_t dtype);          /* CPU_T_* of a register; -1 if there is no such type */
int64_t cpu_size(uint32_t dtype);      /* bytes of a stored element */
#endif
