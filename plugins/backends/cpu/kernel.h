/* kernel.h - a compiled kernel: the iteration space in the order it is walked, instructions with their registers, accesses.
 *
 * The space is walked as [A.., R.., B]: kept axes, reduced axes in their own order, and at most one kept axis inside the reduced
 * ones where memory is contiguous along it (the channels of a batch norm). A tile is a rectangle of at most CPU_TILE points; its
 * registers stay in the first-level cache. What does not change from tile to tile is computed once. */
#ifndef CPU_KERNEL_H
#define CPU_KERNEL_H
#include "cpu.h"

enum { CPU_TILE = 1024, CPU_SLOT = 4096, CPU_CHUNK = 512 };

typedef struct cpu_tile {
  int64_t start[GANTRY_MAX_RANK], ext[GANTRY_MAX_RANK];
  int64_t points;
} cpu_tile;

typedef struct cpu_access {
  cpu_place at; /* of element i = 0 */
  int64_t size;
  uint32_t dtype, buffer;
  int bounded, direct; /* direct: a full tile is contiguous here */
  int64_t stride[GANTRY_MAX_RANK], lo[GANTRY_MAX_RANK], hi[GANTRY_MAX_RANK];
} cpu_access;

enum { CPU_CODE_LOOP, CPU_CODE_LOAD, CPU_CODE_INDEX, CPU_CODE_IMM, CPU_CODE_NONE };
typedef struct cpu_code {
  uint32_t what, reg, a, b, c, dtype, access; /* access: of a load; axis: of an index */
  int bf16;                                   /* round the result */
  cpu_loop *fn;
  double imm;
} cpu_code;

typedef struct cpu_out { uint32_t reg, access; int into; } cpu_out; /* into: the register is the memory itself */
typedef struct cpu_section { cpu_code *once, *each; cpu_out *outs; uint32_t n_once, n_each, n_outs; int64_t points; } cpu_section;
typedef struct cpu_reduce { uint32_t reg, result, kind, dtype; const cpu_reducer *with; int64_t acc, square, shift; } cpu_reduce; /* offsets in scratch */

struct cpu_kernel {
  uint32_t rank, n_a, n_r, has_b, n_regs, n_access, n_reduces, section_count;
  int64_t dims[GANTRY_MAX_RANK], ext[GANTRY_MAX_RANK], reduced; /* reduced: elements per kept point */
  int64_t *reg_at;      /* offset of each register in scratch; -1: set per tile */
  cpu_access *access;
  cpu_reduce *reduces;
  cpu_section body, after;
  int64_t scratch_bytes, staging; /* staging: a slot for bf16 bits */
  uint32_t pointers;              /* offset in scratch of the register pointers */
  /* as generated C (emit_c.h): its function in the source, UINT32_MAX if it has none; what it is called with; how many parts it may be cut into */
  uint32_t function, n_at;
  cpu_place *at;
  char **bound;                   /* at, as addresses in the workspace of the last run */
  int64_t split, work;            /* work: points times instructions */
};

void cpu_access_load(const cpu_access *a, const cpu_tile *t, uint32_t rank, const char *memory, char *reg);
void cpu_access_store(const cpu_access *a, const cpu_tile *t, uint32_t rank, char *memory, const char *reg);
int64_t cpu_access_offset(const cpu_access *a, const cpu_tile *t, uint32_t rank); /* bytes, of the tile's first point */

/* kernel_reduce.c */
void cpu_reduce_start(const cpu_kernel *k, const cpu_reduce *r, char *scratch, int64_t kept_points);
void cpu_reduce_add(const cpu_kernel *k, const cpu_reduce *r, char *scratch, const char *reg, const cpu_tile *t, int64_t j0);
void cpu_reduce_finish(const cpu_kernel *k, const cpu_reduce *r, char *scratch, int64_t kept_points);
int64_t cpu_reduce_bytes(const cpu_kernel *k, cpu_reduce *r, int64_t at); /* assigns its places from `at` on; returns the end */
#endif
