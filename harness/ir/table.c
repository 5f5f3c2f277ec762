/* table.c - ops.def and the element types as data: names, arities, classes, sizes. Read by every pass; nothing is computed here. */
#include "ir/ir.h"

enum { DIFF = IR_DIFF, KINK = IR_KINK, NONE = IR_NONE, SOURCE = IR_SOURCE, MAP = IR_MAP, MOVE = IR_MOVE, REDUCE = IR_REDUCE, LIB = IR_LIB, CONTROL = IR_CONTROL };

const ir_op_info *ir_op_get(uint32_t op) {
  static const ir_op_info infos[] = {
#define OP(number, name, arity, cls, diff, doc) [number] = {#name, doc, arity, cls, diff},
#include <gantry/ops.def>
#undef OP
  };
  if (op >= sizeof infos / sizeof *infos || !infos[op].name) return NULL;
  return &infos[op];
}

const char *ir_dtype_name(uint32_t dtype) {
  static const char *const names[] = {"?", "f32", "f64", "bf16", "i32", "i64", "u32", "u8", "bool"};
  return dtype < sizeof names / sizeof *names ? names[dtype] : "?";
}

int64_t ir_dtype_size(uint32_t dtype) {
  static const uint8_t sizes[] = {0, 4, 8, 2, 4, 8, 4, 1, 1};
  return dtype < sizeof sizes ? sizes[dtype] : 0;
}

int ir_is_float(uint32_t dtype) { return dtype == GANTRY_F32 || dtype == GANTRY_F64 || dtype == GANTRY_BF16; }
