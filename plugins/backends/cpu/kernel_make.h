/* kernel_make.h - what compiling one kernel passes between kernel_make.c and kernel_space.c. */
#ifndef CPU_KERNEL_MAKE_H
#define CPU_KERNEL_MAKE_H
#include "kernel.h"

typedef struct cpu_make {
  const cpu_compile *c;
  const gantry_kernel *k;
  cpu_kernel *out;
  const gantry_access **from; /* of each access */
  uint8_t *level;             /* of each access: 0 at every point, 1 at kept points */
  uint32_t indexed;           /* bit per host axis: an instruction reads its index */
  uint32_t axis[GANTRY_MAX_RANK]; /* host axis of each walked axis */
  uint32_t *last;             /* last use of each register as an operand; UINT32_MAX: until the section ends */
  uint8_t *once;              /* of each instruction: the same in every tile */
} cpu_make;
void cpu_space_make(cpu_make *m, int64_t limit);
#endif
