/* emit_c.h - kernels as C text, and what the compiled text is called with.
 *
 * A source collects the functions of one program; equal kernels share one. A function computes the part [begin, end) of its kernel's outermost kept
 * axis: at[k] is the memory of load k, then of store k, at element 0 of the iteration space. */
#ifndef CPU_EMIT_C_H
#define CPU_EMIT_C_H
#include "kernel_make.h"

typedef void cpu_fn(char *const *at, int64_t begin, int64_t end);

typedef struct cpu_text { char *p; size_t n, room; int failed; } cpu_text;
void cpu_put(cpu_text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

struct cpu_source {
  cpu_text functions;   /* their definitions */
  size_t *from;         /* where each begins */
  uint32_t n, room;
};
void cpu_source_free(cpu_source *s);
/* Adds the kernel: sets out->function, out->at and out->split. */
gantry_status cpu_emit_c(const cpu_make *m);
/* The whole translation unit: prelude, functions, the table gantry_kernels[]. Caller frees; NULL without memory. */
char *cpu_source_text(const cpu_source *s);
#endif
