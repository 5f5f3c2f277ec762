/* precision.c - the arithmetic of bf16: in goes an optimised graph, out comes one whose contractions (MATMUL and the three convolutions) of f32 take and give bf16. Everything
 * else, sums, norms, losses, optimizers and states, stays as it was, in f32.
 *
 * Operands get a CAST to bf16, results a CAST back to f32. Equal casts are one node, so a weight is rounded once a program; a cast is elementwise, so it joins the kernel that
 * makes the operand, and an activation that only contractions read is stored in half the bytes. For the same reason the cast down moves in front of operations that only move elements,
 * and the cast up behind them.
 *
 * Results are bf16 (summed in f32, then rounded once), filter gradients included, because that is what networks train in every day, PyTorch's autocast rounds the same operands and the same results, and
 * it is the only combination with bf16 that the reference of cuDNN's convolution functions has a name for (PSEUDO_BFLOAT16_CONFIG, bf16 tensors and a convolution of f32:
 * https://docs.nvidia.com/deeplearning/cudnn/latest/api/cudnn-cnn-library.html; known from those who cite it, the page itself was not seen). It is not the only one that can
 * be described: cuDNN 9.19 finalises operation graphs of bf16 operands with a result of bf16 or of f32 alike, for all three faces and with as many engines (81, 85, 75). Which of these
 * run only a GPU can say. An f32 result of bf16 operands is documented for cuBLASLt.
 *
 * Left in f32 are products with an axis shorter than 8: tensor cores work on 8 elements of bf16 (16 bytes) at once, so there is little to win, and these are the products whose last digits
 * matter: a critic's logit, spectral norm's power iteration (a vector each), ADA's matrices of coordinates. A convolution to one pixel of fewer than 8 channels is such a product too. */
#include "opt/opt.h"

#include <stdlib.h>

#include "opt/rules.h"

enum { SHORT = 8 };

static int thin_product(const ir_graph *g, ir_id id) {
  uint32_t r = ir_at(g, id)->rank;
  const int64_t *out = ir_dims(g, id), *a = ir_dims(g, ir_in(g, id, 0));
  return out[r - 2] < SHORT || out[r - 1] < SHORT || a[ir_attr_i(g, id, GANTRY_A_TA, 0) ? r - 2 : r - 1] < SHORT;
}

/* y is the image that CONV would give, whichever face this is: the three agree. */
static int thin_conv(const ir_graph *g, ir_id id) {
  uint32_t op = ir_at(g, id)->op, r = ir_at(g, id)->rank;
  const int64_t *y = ir_dims(g, op == GANTRY_OP_CONV ? id : ir_in(g, id, op == GANTRY_OP_CONV_DGRAD ? 0 : 1));
  for (uint32_t k = 1; k + 1 < r; k++)
    if (y[k] != 1) return 0;
  return y[r - 1] < SHORT;
}

static int rounds(const ir_graph *g, ir_id id) {
  const ir_node *n = ir_at(g, id);
  if (n->dtype != GANTRY_F32) return 0;
  switch (n->op) {
    case GANTRY_OP_MATMUL: return !thin_product(g, id);
    case GANTRY_OP_CONV: case GANTRY_OP_CONV_DGRAD: case GANTRY_OP_CONV_WGRAD: return !thin_conv(g, id);
  }
  return 0;
}

static int moves(const ir_graph *g, ir_id id) { return ir_op_get(ir_at(g, id)->op)->cls == IR_MOVE && ir_at(g, id)->n_in == 1; }

/* The bf16 of which x is the f32, or 0. */
static ir_id widened(const ir_graph *g, ir_id x) { return x && opt_is(g, x, GANTRY_OP_CAST) && ir_at(g, x)->dtype == GANTRY_F32 && ir_at(g, ir_in(g, x, 0))->dtype == GANTRY_BF16 ? ir_in(g, x, 0) : 0; }

/* x in bf16, cast as early as moves allow; what was bf16 before is not rounded again. */
static ir_id narrow(ir_graph *g, ir_id x) {
  if (!x) return 0;
  if (widened(g, x)) return widened(g, x);
  if (!moves(g, x)) return ir_cast(g, x, GANTRY_BF16);
  ir_id in = narrow(g, ir_in(g, x, 0));
  return opt_copy(g, g, x, &in);
}

/* Any other node. Moves of what is bf16 stay so, and the f32 comes behind them: between two kernels lie half the bytes, and the cast is part of the second. */
static ir_id other(const ir_graph *from, ir_graph *to, ir_id id, const ir_id *map) {
  ir_id half = moves(from, id) ? widened(to, map[ir_in(from, id, 0)]) : 0;
  return half ? ir_cast(to, opt_copy(from, to, id, &half), GANTRY_F32) : opt_copy_mapped(from, to, id, map);
}

ir_graph *opt_bf16(const ir_graph *g, err *e) {
  ir_graph *to = ir_new();
  uint8_t *live = ir_live(g);
  ir_id *map = mem_alloc(sizeof(ir_id) * g->nodes.n);
  for (ir_id id = 1; id < g->nodes.n && !to->err.code; id++) {
    if (!live[id]) continue;
    if (!rounds(g, id)) {
      map[id] = other(g, to, id, map);
      continue;
    }
    to->label = ir_intern(to, ir_name(g, ir_at(g, id)->label)); /* messages about a cast name the contraction */
    ir_id in[2] = {narrow(to, map[ir_in(g, id, 0)]), narrow(to, map[ir_in(g, id, 1)])};
    map[id] = ir_cast(to, opt_copy(g, to, id, in), GANTRY_F32);
  }
  opt_copy_roots(g, to, map);
  free(map);
  free(live);
  if (!to->err.code) return to;
  err_set(e, to->err.code, "rounding to bf16: %s", to->err.msg);
  ir_free(to);
  return NULL;
}

ir_graph *opt_run_in(const ir_graph *g, uint32_t precision, opt_stats *stats, err *e) {
  ir_graph *optimised = opt_run(g, stats, e);
  if (optimised && precision == GANTRY_PRECISION_TF32) optimised->precision = precision; /* how a step computes, no other graph */
  if (!optimised || precision != GANTRY_PRECISION_BF16) return optimised;
  ir_graph *rounded = opt_bf16(optimised, e);
  ir_free(optimised);
  return rounded;
}
