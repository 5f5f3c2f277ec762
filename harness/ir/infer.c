/* infer.c - what the families of shape inference share: which family an opcode belongs to, messages, common demands on inputs. */
#include "ir/infer.h"

#include <ctype.h>
#include <stdio.h>

static ir_infer_fn *family(uint32_t op) {
  switch (ir_op_get(op)->cls) {
    case IR_SOURCE: return infer_source;
    case IR_MAP: return infer_map;
    case IR_MOVE: return infer_move;
    case IR_REDUCE: return infer_reduce;
    case IR_CONTROL: return infer_control;
  }
  switch (op) {
    case GANTRY_OP_RANDOM_BITS: return infer_source;
    case GANTRY_OP_ARGMAX: case GANTRY_OP_TOPK: case GANTRY_OP_SORT_INDEX: return infer_reduce;
    case GANTRY_OP_MATMUL: return infer_matmul;
    case GANTRY_OP_CONV: case GANTRY_OP_CONV_DGRAD: case GANTRY_OP_CONV_WGRAD: return infer_conv;
    case GANTRY_OP_FIR: case GANTRY_OP_FIR_FGRAD: return infer_fir;
    case GANTRY_OP_GRID_SAMPLE: case GANTRY_OP_GRID_SPLAT: return infer_grid;
    case GANTRY_OP_GATHER: case GANTRY_OP_SCATTER_ADD: case GANTRY_OP_WIN_ARGMAX: return infer_index;
    case GANTRY_OP_PSD_POWER: case GANTRY_OP_EIGVALSH: return infer_linalg;
  }
  return NULL;
}

gantry_status ir_infer(ir_call *c) {
  ir_infer_fn *fn = family(c->op);
  if (!fn) return ir_bad(c, GANTRY_E_INTERNAL, "belongs to no family of shape inference");
  TRY(fn(c));
  for (uint32_t k = 0; k < c->n_args; k++)
    if (!c->args[k].used) return ir_bad(c, GANTRY_E_INVALID, "takes no attribute %s", ir_attr_name(c->args[k].key));
  return ir_check_dims(c, c->rank, c->dims, "the result");
}

gantry_status ir_bad(ir_call *c, gantry_status code, const char *fmt, ...) {
  if (c->e->code) return c->e->code;
  char text[1000], name[32] = "op";
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  const ir_op_info *info = ir_op_get(c->op);
  if (info) snprintf(name, sizeof name, "%s", info->name);
  for (char *p = name; *p; p++) *p = (char)tolower((unsigned char)*p);
  const char *label = ir_name(c->g, c->g->label);
  return *label ? err_set(c->e, code, "%s: %s (at %s)", name, text, label) : err_set(c->e, code, "%s: %s", name, text);
}

char *ir_shape_text(uint32_t rank, const int64_t *dims, char dst[200]) {
  size_t at = 1;
  memcpy(dst, "[", 2);
  for (uint32_t k = 0; k < rank && k < GANTRY_MAX_RANK; k++) at += (size_t)snprintf(dst + at, 200 - at, k ? ",%lld" : "%lld", (long long)dims[k]);
  snprintf(dst + at, 200 - at, "]");
  return dst;
}

gantry_status ir_need_float(ir_call *c, uint32_t k) {
  if (ir_is_float(ir_call_node(c, k)->dtype)) return GANTRY_OK;
  return ir_bad(c, GANTRY_E_DTYPE, "needs floating-point numbers, input %u is %s", k, ir_dtype_name(ir_call_node(c, k)->dtype));
}

gantry_status ir_need_same_dtype(ir_call *c, uint32_t j, uint32_t k) {
  uint32_t a = ir_call_node(c, j)->dtype, b = ir_call_node(c, k)->dtype;
  if (a == b) return GANTRY_OK;
  return ir_bad(c, GANTRY_E_DTYPE, "types %s and %s differ; cast one", ir_dtype_name(a), ir_dtype_name(b));
}

gantry_status ir_need_rank(ir_call *c, uint32_t k, uint32_t lo, uint32_t hi, const char *layout) {
  char text[200];
  const ir_node *n = ir_call_node(c, k);
  if (n->rank >= lo && n->rank <= hi) return GANTRY_OK;
  return ir_bad(c, GANTRY_E_SHAPE, "input %u has shape %s, needs %s", k, ir_shape_text(n->rank, ir_call_dims(c, k), text), layout);
}

void ir_result(ir_call *c, uint32_t dtype, uint32_t rank, const int64_t *dims) {
  c->dtype = dtype;
  c->rank = rank;
  if (rank && rank <= GANTRY_MAX_RANK) memcpy(c->dims, dims, sizeof(int64_t) * rank);
}
