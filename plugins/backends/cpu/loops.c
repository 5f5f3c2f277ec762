/* loops.c - which table of inner loops this machine runs, and the element types as the interpreter numbers them. */
#include "loops.h"

const double cpu_powers[CPU_POWERS] = {2., 0.5, -0.5, -1., 3., 1.5, -1.5, -2.};

const cpu_loops *cpu_loops_pick(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return &cpu_loops_avx512;
  if (__builtin_cpu_supports("avx2")) return &cpu_loops_avx2;
#endif
  return &cpu_loops_base;
}

int cpu_type(uint32_t dtype) {
  switch (dtype) {
    case GANTRY_F32: case GANTRY_BF16: return CPU_T_F32;
    case GANTRY_F64: return CPU_T_F64;
    case GANTRY_I32: return CPU_T_I32;
    case GANTRY_I64: return CPU_T_I64;
    case GANTRY_U32: return CPU_T_U32;
    case GANTRY_U8: return CPU_T_U8;
    case GANTRY_BOOL: return CPU_T_BOOL;
  }
  return -1;
}

int64_t cpu_size(uint32_t dtype) {
  switch (dtype) {
    case GANTRY_F32: case GANTRY_I32: case GANTRY_U32: return 4;
    case GANTRY_F64: case GANTRY_I64: return 8;
    case GANTRY_BF16: return 2;
    case GANTRY_U8: case GANTRY_BOOL: return 1;
  }
  return 0;
}
