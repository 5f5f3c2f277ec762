/* grad.c - reverse mode: marks what depends on the xs, walks down from y once, sums cotangents, asks each opcode's rule.
 *
 * In go y, a seed and the xs; appended to the graph are their gradients. Ids are topologically ordered, so both walks are loops and
 * nothing recurses. "No gradient" is an absent cotangent, never zeros: independent parts cost nothing. */
#include "ad/ad.h"

#include <stdlib.h>

#include "ad/vjp.h"

ad_vjp *ad_rule(uint32_t op) {
  const ir_op_info *info = ir_op_get(op);
  if (!info || info->diff == IR_NONE) return NULL;
  switch (info->cls) {
    case IR_MAP: return vjp_map;
    case IR_MOVE: return vjp_move;
    case IR_REDUCE: return vjp_reduce;
    case IR_CONTROL: return vjp_pass;
  }
  switch (op) {
    case GANTRY_OP_MATMUL: return vjp_matmul;
    case GANTRY_OP_CONV: case GANTRY_OP_CONV_DGRAD: case GANTRY_OP_CONV_WGRAD: return vjp_conv;
    case GANTRY_OP_FIR: case GANTRY_OP_FIR_FGRAD: return vjp_fir;
    case GANTRY_OP_GRID_SAMPLE: case GANTRY_OP_GRID_SPLAT: return vjp_grid;
    case GANTRY_OP_GATHER: case GANTRY_OP_SCATTER_ADD: return vjp_index;
  }
  return NULL;
}

static gantry_status check(ir_graph *g, ir_id y, ir_id seed, const ir_id *xs, uint32_t n) {
  if (!ir_is_float(ir_at(g, y)->dtype)) return ir_fail(g, GANTRY_E_DTYPE, "grad: y is %s; only floating-point values have gradients", ir_dtype_name(ir_at(g, y)->dtype));
  for (uint32_t k = 0; k < n; k++)
    if (!ir_is_float(ir_at(g, xs[k])->dtype)) return ir_fail(g, GANTRY_E_DTYPE, "grad: x %u is %s; only floating-point values have gradients", k, ir_dtype_name(ir_at(g, xs[k])->dtype));
  const ir_node *a = ir_at(g, y), *b = ir_at(g, seed);
  if (a->dtype != b->dtype || a->rank != b->rank || (a->rank && memcmp(ir_dims(g, y), ir_dims(g, seed), sizeof(int64_t) * a->rank))) {
    buf text = {0};
    ir_print_shape(g, seed, &text);
    buf_puts(&text, ", y is ");
    ir_print_shape(g, y, &text);
    ir_fail(g, GANTRY_E_SHAPE, "grad: the seed is %s", text.p);
    buf_free(&text);
  }
  return g->err.code;
}

/* needs[id] = 1 where a gradient must flow: an x, or a differentiable function of one. */
static void mark(const ir_graph *g, ir_id y, const ir_id *xs, uint32_t n, uint8_t *needs) {
  for (uint32_t k = 0; k < n; k++)
    if (xs[k] <= y) needs[xs[k]] = 1;
  for (ir_id id = 1; id <= y; id++) {
    if (needs[id] || !ir_is_float(ir_at(g, id)->dtype) || !ad_rule(ir_at(g, id)->op)) continue;
    for (uint32_t k = 0; k < ir_at(g, id)->n_in; k++) needs[id] |= needs[ir_in(g, id, k)];
  }
}

static void propagate(ir_graph *g, ir_id id, const uint8_t *needs, ir_id *cotangent) {
  ad_vjp *rule = ad_rule(ir_at(g, id)->op);
  uint32_t n = ir_at(g, id)->n_in, any = 0;
  uint8_t few_need[8] = {0}, *need = n <= 8 ? few_need : mem_alloc(n);
  ir_id few[8] = {0}, *d = n <= 8 ? few : mem_alloc(sizeof(ir_id) * n);
  for (uint32_t k = 0; k < n; k++) any |= need[k] = needs[ir_in(g, id, k)];
  if (rule && any) {
    uint32_t label = g->label;
    g->label = ir_at(g, id)->label; /* what a gradient costs is charged to the layer it belongs to */
    rule(g, id, cotangent[id], need, d);
    for (uint32_t k = 0; k < n; k++) {
      ir_id in = ir_in(g, id, k);
      if (d[k] && need[k]) cotangent[in] = cotangent[in] ? ir_add(g, cotangent[in], d[k]) : d[k];
    }
    g->label = label;
  }
  if (need != few_need) free(need);
  if (d != few) free(d);
}

gantry_status ad_grad(ir_graph *g, ir_id y, ir_id seed, const ir_id *xs, uint32_t n, ir_id *dxs) {
  memset(dxs, 0, sizeof *dxs * n);
  if (g->err.code) return g->err.code;
  uint32_t total = g->nodes.n;
  for (uint32_t k = 0; k < n; k++)
    if (!xs[k]) return GANTRY_OK; /* poisoned: so are the gradients */
    else if (xs[k] >= total) return ir_fail(g, GANTRY_E_INVALID, "grad: x %u is no tensor of this graph", k);
  if (!y) return GANTRY_OK;
  if (y >= total || seed >= total) return ir_fail(g, GANTRY_E_INVALID, "grad: y or its seed is no tensor of this graph");
  if (!seed) {
    int64_t dims[GANTRY_MAX_RANK] = {0};
    if (ir_at(g, y)->rank) memcpy(dims, ir_dims(g, y), sizeof(int64_t) * ir_at(g, y)->rank);
    seed = ir_full(g, ir_at(g, y)->dtype, ir_at(g, y)->rank, dims, 1);
  }
  TRY(check(g, y, seed, xs, n));
  uint8_t *needs = mem_alloc((size_t)y + 1);
  ir_id *cotangent = mem_alloc(sizeof(ir_id) * ((size_t)y + 1));
  mark(g, y, xs, n, needs);
  if (needs[y]) cotangent[y] = seed;
  for (ir_id id = y; id && !g->err.code; id--)
    if (cotangent[id] && needs[id]) propagate(g, id, needs, cotangent);
  for (uint32_t k = 0; k < n; k++) dxs[k] = xs[k] <= y && cotangent[xs[k]] ? cotangent[xs[k]] : ir_zeros_like(g, xs[k]);
  free(needs);
  free(cotangent);
  if (g->err.code) memset(dxs, 0, sizeof *dxs * n);
  return g->err.code;
}

/* ---- attributes ---------------------------------------------------------------------------------------------------------------- */

void ad_put_iv(ad_attrs *a, uint32_t key, uint32_t n, const int64_t *v) {
  if (n) memcpy(a->iv[a->n], v, sizeof(int64_t) * n);
  a->at[a->n].key = key;
  a->at[a->n].n = n;
  a->n++;
}

void ad_put_i(ad_attrs *a, uint32_t key, int64_t v) {
  a->at[a->n].key = key;
  a->at[a->n].n = UINT32_MAX; /* a plain number, until the call */
  a->at[a->n].v.i = v;
  a->n++;
}

void ad_take(ad_attrs *a, const ir_graph *g, ir_id node, uint32_t key) {
  uint32_t n;
  const int64_t *v = ir_attr_iv(g, node, key, &n);
  switch (key) {
    case GANTRY_A_AXIS: case GANTRY_A_GROUPS: case GANTRY_A_FLIP: case GANTRY_A_DMASK: case GANTRY_A_BATCH: ad_put_i(a, key, n ? v[0] : 0); return;
    default: ad_put_iv(a, key, n, v);
  }
}

void ad_put_dims(ad_attrs *a, const ir_graph *g, ir_id like) { ad_put_iv(a, GANTRY_A_DIMS, ir_at(g, like)->rank, ir_dims(g, like)); }

static ir_id op(ir_graph *g, uint32_t opcode, const ir_id *in, uint32_t n, const ad_attrs *a) {
  gantry_attr at[12];
  for (uint32_t k = 0; k < a->n; k++) {
    at[k] = a->at[k];
    if (at[k].n == UINT32_MAX) at[k].n = 1;
    else at[k].v.iv = a->iv[k];
  }
  return ir_op(g, opcode, in, n, at, a->n);
}

ir_id ad_op1(ir_graph *g, uint32_t opcode, ir_id x, const ad_attrs *a) { return op(g, opcode, &x, 1, a); }
ir_id ad_op2(ir_graph *g, uint32_t opcode, ir_id x, ir_id y, const ad_attrs *a) { return op(g, opcode, (ir_id[]){x, y}, 2, a); }
