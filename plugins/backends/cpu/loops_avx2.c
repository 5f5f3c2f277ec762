/* loops_avx2.c - the inner loops compiled for AVX2; the text is in loops_body.h. FMA stays off: results are the same bits everywhere. */
#include <math.h>

#include "loops.h"
#if defined(__x86_64__)
#pragma GCC target("avx2")
#endif
#define CPU_TABLE cpu_loops_avx2
#define CPU_TABLE_NAME "avx2"
#include "loops_body.h"
