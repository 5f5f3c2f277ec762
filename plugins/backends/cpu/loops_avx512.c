/* loops_avx512.c - the inner loops compiled for AVX-512; the text is in loops_body.h. FMA stays off: results are the same bits everywhere. */
#include <math.h>

#include "loops.h"
#if defined(__x86_64__)
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")
#endif
#define CPU_TABLE cpu_loops_avx512
#define CPU_TABLE_NAME "avx512"
#include "loops_body.h"
