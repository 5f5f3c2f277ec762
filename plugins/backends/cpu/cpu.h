/* cpu.h - inside the CPU backend: a session, a compiled program, and the two kinds of steps it runs one after another.
 *
 * A step is compiled once (kernel_compile.c, or one lib_*.c per family of library steps) and run many times; nothing is allocated
 * while running. Addresses are either absolute (named buffers, bound at compile) or relative to the workspace given at run. */
#ifndef CPU_CPU_H
#define CPU_CPU_H
#include <gantry/backend.h>
#include <stdint.h>

#include "loops.h"

typedef struct cpu { /* one open session */
  const cpu_loops *loops;
  uint32_t threads;
  char *scratch; /* registers and accumulators of the kernel that runs now; as large as the largest needs */
  int64_t scratch_bytes;
  void *dnnl; /* owned by dnnl.c */
  const void **adopted; /* the host's memory, not to be freed */
  uint32_t n_adopted;
} cpu;

typedef struct cpu_place { char *base; int64_t offset; } cpu_place; /* base NULL: relative to the workspace */
static inline void *cpu_at(const cpu_place *p, char *workspace) { return (p->base ? p->base : workspace) + p->offset; }

typedef struct cpu_kernel cpu_kernel;
typedef struct cpu_lib cpu_lib;

typedef struct cpu_source cpu_source; /* emit_c.h */
typedef struct cpu_compile { /* what compiling a step needs to know */
  gantry_ctx *ctx;
  cpu *self;
  const gantry_program *program;
  void *const *named;
  const char *label;
  cpu_source *source; /* kernels are written here as C too; NULL: they are not */
} cpu_compile;
const gantry_buffer *cpu_buffer(const cpu_compile *c, uint32_t k);
gantry_status cpu_place_of(const cpu_compile *c, uint32_t buffer, int64_t byte_offset, cpu_place *out);
/* "label: message" through host->fail */
gantry_status cpu_fail(const cpu_compile *c, gantry_status code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* kernels */
gantry_status cpu_kernel_make(const cpu_compile *c, const gantry_kernel *k, cpu_kernel **out);
void cpu_kernel_run(const cpu *self, const cpu_kernel *k, char *workspace);
void cpu_kernel_free(cpu_kernel *k);
int64_t cpu_kernel_scratch(const cpu_kernel *k);

/* library steps */
struct cpu_lib {
  gantry_status (*run)(const cpu *self, const cpu_lib *l, char *workspace); /* fails only where a library fails */
  void (*free)(cpu_lib *l);
  cpu_place in[2], out, scratch;
  gantry_lib lib;          /* a private copy: operands and attributes live in the two arrays below */
  gantry_operand operands[2];
  char *label;
  void *own;               /* of the family */
};
/* Calls fn for the pieces 0 .. pieces - 1 on `crew` threads, whose numbers are `who`. Which pieces there are must not follow from the crew. Returns what fn returned, or-ed. */
typedef int cpu_piece_fn(const void *user, int64_t piece, int64_t who);
int cpu_share(int64_t crew, int64_t pieces, cpu_piece_fn *fn, const void *user);
static inline int64_t cpu_crew(const cpu *self, int64_t pieces) { return self->threads < pieces ? self->threads : pieces; }

/* A family says whether it can do a step and how many bytes of scratch it wants, and prepares it. */
typedef struct cpu_family {
  int (*supports)(const gantry_lib *l);
  int64_t (*scratch)(cpu *self, const gantry_lib *l); /* NULL: none */
  gantry_status (*make)(const cpu_compile *c, cpu_lib *l);
} cpu_family;
const cpu_family *cpu_family_of(uint32_t op); /* NULL for an unknown opcode */
const cpu_family *cpu_family_for(const gantry_lib *l); /* the same by types too: contractions of bf16 are lib_half.c's */
extern const cpu_family cpu_half, cpu_conv, cpu_matmul, cpu_fir, cpu_grid, cpu_gather, cpu_select, cpu_random, cpu_linalg;

/* attributes of a library step */
const int64_t *cpu_attr_iv(const gantry_lib *l, uint32_t key, uint32_t *n); /* NULL if absent */
int64_t cpu_attr_i(const gantry_lib *l, uint32_t key, int64_t absent);
double cpu_attr_f(const gantry_lib *l, uint32_t key, double absent);
void cpu_attr_axes(const gantry_lib *l, uint32_t key, uint32_t n, int64_t absent, int64_t *dst); /* n values, or `absent` n times */
int64_t cpu_count(const gantry_operand *o);
char *cpu_shapes(const gantry_lib *l, char dst[400]); /* "f32[64,28,28,1] f32[32,4,4,1] -> f32[64,14,14,32]" */
#endif
