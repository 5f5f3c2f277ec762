/* program.h - what a backend compiles: a flat list of library calls and fused kernels over buffers, offsets and names.
 *
 * The host has already differentiated, optimised, grouped, ordered and laid out memory. Buffers are places in one workspace
 * (an offset) or named tensors of the session (an index into the names that compile() binds); no pointer to tensor data
 * crosses. All arrays travel with a stride, all structs carry struct_size where they may grow. */
#ifndef GANTRY_PROGRAM_H
#define GANTRY_PROGRAM_H
#include <gantry/abi.h>
#ifdef __cplusplus
extern "C" {
#endif
#define GANTRY_PROGRAM_VERSION 1
#define GANTRY_NO_BUFFER 0xffffffffu

enum { GANTRY_SPACE_WORKSPACE = 1, GANTRY_SPACE_NAMED = 2 };
typedef struct gantry_buffer {
  uint32_t space, dtype;
  int64_t offset;      /* WORKSPACE: bytes from its start, a multiple of 64; NAMED: 0 */
  int64_t elements;
  const char *name;    /* NAMED: the tensor's name; WORKSPACE: NULL */
} gantry_buffer;

/* One access of a kernel: element index = offset + sum over axes of i[a] * stride[a], i in the kernel's iteration space. Where
 * `bounded`, an i outside lo[a] <= i[a] < hi[a] on any axis reads 0 of the type (loads) or writes nothing (stores). */
typedef struct gantry_access {
  uint32_t buffer, bounded;
  int64_t offset;
  int64_t stride[GANTRY_MAX_RANK], lo[GANTRY_MAX_RANK], hi[GANTRY_MAX_RANK];
} gantry_access;

/* One scalar instruction in SSA form: its register is its index. Elementwise opcodes are those of ops.def (class MAP, with
 * `kind` = GANTRY_CMP_* for CMP, `imm` = exponent for POW; the operand type of CMP, CAST and BITCAST is that of register a);
 * besides them: */
enum {
  GANTRY_K_LOAD = 1001,   /* a = index into loads */
  GANTRY_K_IMM = 1002,    /* imm (exact for every type but i64 beyond 2^53) */
  GANTRY_K_INDEX = 1003,  /* a = axis of the iteration space: i[a], converted to dtype */
  GANTRY_K_REDUCE = 1004  /* a = register of the body, kind = GANTRY_OP_SUM, RMAX or VAR: its reduction over the reduced axes */
};
typedef struct gantry_inst {
  uint32_t op, dtype; /* dtype of the result */
  uint32_t a, b, c, kind;
  double imm;
} gantry_inst;

typedef struct gantry_store { gantry_access to; uint32_t reg, reserved0; } gantry_store;

/* A fused kernel. The iteration space has `rank` axes; the first `kept` stay, the others are reduced (kept == rank: a map).
 * Instructions 0 .. body-1 run for every point of the space; body .. n_insts-1 once per kept point, after the reductions: they
 * may use K_REDUCE, loads over kept axes, immediates, and each other. A store of a register < body writes at every point, of
 * the others once per kept point. Stores never alias loads unless element for element with equal strides (in-place). */
typedef struct gantry_kernel {
  uint32_t struct_size, rank, kept, body;
  int64_t dims[GANTRY_MAX_RANK];
  const gantry_access *loads;
  const gantry_inst *insts;
  const gantry_store *stores;
  uint32_t n_loads, n_insts, n_stores, reserved0;
} gantry_kernel;

/* An operand of a library step: dense, row-major, starting at `offset` elements into its buffer. */
typedef struct gantry_operand {
  uint32_t buffer, dtype, rank, reserved0;
  int64_t offset;
  int64_t dims[GANTRY_MAX_RANK];
} gantry_operand;

typedef struct gantry_lib {
  uint32_t struct_size, op; /* GANTRY_OP_* of class LIB */
  const gantry_operand *in;
  const gantry_attr *attrs;
  gantry_operand out;
  uint32_t n_in, n_attrs;
  uint32_t scratch;    /* buffer of the bytes that query() asked for, or GANTRY_NO_BUFFER */
  uint32_t precision;  /* since 0.3, reserved before: how a contraction of f32 computes in a session that was opened with GANTRY_PRECISION_TF32: in that, or 0, in f32, as programs that
                          are no step of training do. 0 in every other session. */
} gantry_lib;

enum { GANTRY_STEP_KERNEL = 1, GANTRY_STEP_LIB = 2 };
typedef struct gantry_step_rec {
  uint32_t kind, label; /* label: index into labels, for messages */
  const gantry_kernel *kernel;
  const gantry_lib *lib;
} gantry_step_rec;

typedef struct gantry_program {
  uint32_t struct_size, version;
  const char *name;
  int64_t workspace_bytes;
  const gantry_buffer *buffers;
  const gantry_step_rec *steps;
  const char *const *labels;
  uint32_t n_buffers, n_steps, n_labels, buffer_stride, step_stride, reserved0;
} gantry_program;

#ifdef __cplusplus
}
#endif
#endif
