/* loops_base.c - the inner loops compiled for any x86-64 (or other) machine; the text is in loops_body.h. FMA stays off: results are the same bits everywhere. */
#include <math.h>

#include "loops.h"
#define CPU_TABLE cpu_loops_base
#define CPU_TABLE_NAME "base"
#include "loops_body.h"
