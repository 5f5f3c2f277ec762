/* backend.h - a device: it holds named buffers and runs programs. It never sees graphs, networks or plugins.
 *
 * The same graph must give the same bits on the same backend every time: no atomics on floats, no algorithm choice by time
 * within a run. Elementwise results equal gantry/scalar.h's on every backend. A backend may link libraries and own threads. */
#ifndef GANTRY_BACKEND_H
#define GANTRY_BACKEND_H
#include <gantry/program.h>
#ifdef __cplusplus
extern "C" {
#endif
typedef struct gantry_probe { /* struct_size set by the host */
  uint32_t struct_size;
  int32_t score;            /* 0: cannot run here (reason says why); else higher is preferred for `--device auto` */
  char device[128];         /* "AMD EPYC 9R14, 2 cores" */
  char libraries[256];      /* versions of what it uses: part of what a run records and freezes */
  char reason[256];
  uint32_t precisions;      /* bit 1 << GANTRY_PRECISION_* for each that contractions can compute in; 0 from backends older than this field: f32 alone */
  uint32_t reserved0;
} gantry_probe;

/* How MATMUL and the convolutions of f32 tensors compute. States, sums and everything else stay f32. */
enum {
  GANTRY_PRECISION_F32 = 0,
  GANTRY_PRECISION_TF32 = 1, /* operands rounded to 10 bits of mantissa where the device has units for that; since 0.3 only in steps that say so (gantry_lib.precision) */
  /* since 0.3. The host casts: a program holds CASTs and contractions whose operands and result are all bf16, products summed in f32 (or wider) and rounded once. Contractions of
   * f32 in such a session compute as under F32. Only a backend that says it has this bit is given contractions of bf16. */
  GANTRY_PRECISION_BF16 = 2
};

typedef struct gantry_open {
  uint32_t struct_size, device, threads, precision; /* precision: GANTRY_PRECISION_* */
  const char *folder; /* of the run, or NULL: choices that cost time or would differ from start to start are kept and found again there */
} gantry_open;

typedef struct gantry_query { /* struct_size set by the host; asked before memory is planned */
  uint32_t struct_size, supported; /* 0 or 1; truthful and total over ops.def's LIB class and the types it names */
  int64_t scratch_bytes;
} gantry_query;

/* Threads: [run] every function of one `self` is called by one thread at a time, which need not be the same one; several of them may be open in one process. Errors: a status
 * and host->fail(); a failed call leaves what it was given as it was. */
typedef struct gantry_backend {
  uint32_t struct_size, reserved0;
  gantry_status (*probe)(gantry_ctx *, gantry_probe *);                    /* touches no device memory */
  gantry_status (*open)(gantry_ctx *, const gantry_open *, void **self);
  void (*close)(void *self);
  gantry_status (*query)(gantry_ctx *, void *self, const gantry_lib *, gantry_query *);
  gantry_status (*alloc)(gantry_ctx *, void *self, int64_t bytes, void **buffer); /* zero-filled, 64-byte aligned */
  void (*release)(void *self, void *buffer);
  gantry_status (*upload)(gantry_ctx *, void *self, void *buffer, int64_t offset, int64_t bytes, const void *src);
  gantry_status (*download)(gantry_ctx *, void *self, void *buffer, int64_t offset, int64_t bytes, void *dst);
  /* named[i] is the device buffer of program->buffers[i] where its space is NAMED, else NULL. The program's arrays live only
   * during the call. */
  gantry_status (*compile)(gantry_ctx *, void *self, const gantry_program *, void *const *named, void **exe);
  void (*discard)(void *self, void *exe);
  /* Runs programs one after another; workspace holds the largest workspace_bytes of them. Asynchronous until sync() or download(). */
  gantry_status (*run)(gantry_ctx *, void *self, void *const *exes, uint32_t n, void *workspace);
  gantry_status (*sync)(gantry_ctx *, void *self);
  /* For people who look for a slow step: runs one program `runs` times and gives the shortest time of each of its steps in nanoseconds, ns[n_steps].
   * NULL where a backend cannot (and absent from tables whose struct_size ends before it). */
  gantry_status (*measure)(gantry_ctx *, void *self, void *exe, void *workspace, uint32_t runs, int64_t *ns);
  /* since 0.3, optional. Makes memory of the host a buffer that programs only read, without copying it; release() forgets the buffer and leaves the memory alone. It is 64-byte
   * aligned, perhaps a mapped file larger than memory, and stays as it is until then. GANTRY_E_UNSUPPORTED where a copy is better: where reading the host's memory is slower
   * than reading a buffer of alloc(), and a copy takes no more than half of what the device has free. */
  gantry_status (*adopt)(gantry_ctx *, void *self, const void *memory, int64_t bytes, void **buffer);
  /* since 0.3, optional, both or neither; for backends whose run() comes back before it is done. take() begins to read `bytes` of a buffer as they are after everything that was
   * asked for so far, makes them zero for everything asked for later, and does not wait. taken() looks whether they have come, waiting if `wait` is not 0: *ready 1, they are in
   * dst and the ticket is spent; *ready 0, ask again. Tickets come true in the order in which they were taken; a failed taken() spends its ticket, close() all of them. The host
   * holds no more than a few at a time. */
  gantry_status (*take)(gantry_ctx *, void *self, void *buffer, int64_t offset, int64_t bytes, void **ticket);
  gantry_status (*taken)(gantry_ctx *, void *self, void *ticket, uint32_t wait, void *dst, uint32_t *ready);
} gantry_backend;
#ifdef __cplusplus
}
#endif
#endif
