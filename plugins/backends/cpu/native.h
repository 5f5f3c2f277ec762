/* native.h - generated C as machine code: compiled once by the system's C compiler, kept on disk, loaded here.
 *
 * Entries lie in the user's cache folder (gantry/cache.h), named by the hash of the text, the compiler (path, size and time
 * of its file), the flags and the processor (model and features). An entry that is damaged, of another owner or writable by others is built again;
 * beyond 512 the longest unused go. Processes that want the same entry at once leave it to the first of them and interpret meanwhile, half a minute at most.
 * Without a compiler nothing happens: the interpreter computes the same bits (but for the
 * sign and payload of a NaN that comes out of two). GANTRY_KERNELS=interpret switches this off, =compile waits for the
 * compiler before the first run. */
#ifndef CPU_NATIVE_H
#define CPU_NATIVE_H
#include "emit_c.h"

enum { CPU_NATIVE_OFF, CPU_NATIVE_AUTO, CPU_NATIVE_WAIT };
int cpu_native_mode(void);

typedef struct cpu_native cpu_native;
/* Takes the text. Loads it at once if the cache has it; else nothing runs until cpu_native_start(). NULL: it cannot be had. */
cpu_native *cpu_native_new(char *text);
void cpu_native_start(cpu_native *n); /* begins compiling in a process of its own, unless that has begun */
/* 1: ready; 0: not yet; -1: it failed and will not come. */
int cpu_native_ready(cpu_native *n, int wait);
int cpu_native_begun(const cpu_native *n);
cpu_fn *const *cpu_native_table(const cpu_native *n);
void cpu_native_free(cpu_native *n); /* a compiler that still runs is ended */
#endif
