/* lib.h - making and freeing library steps; see cpu.h for what a family is. */
#ifndef CPU_LIB_H
#define CPU_LIB_H
#include "cpu.h"
gantry_status cpu_lib_make(const cpu_compile *c, const gantry_lib *l, cpu_lib **out);
void cpu_lib_free(cpu_lib *l);
#endif
