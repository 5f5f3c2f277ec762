/* ref.c - the reference interpreter: values for the nodes wanted, everything in f64 with libm, in order of creation. What is bf16 is rounded to it.
 *
 * The arbiter of what an operation means: backends, gradients and rewrites are compared with it. A value is an array of doubles;
 * i64 beyond 2^53 are therefore not exact. Values that are not wanted are freed as soon as their last user is done. */
#include "ir/ref.h"

#include <math.h>
#include <stdlib.h>

static ref_fn *operation(uint32_t op) {
  switch (ir_op_get(op)->cls) {
    case IR_SOURCE: return ref_source;
    case IR_MAP: return ref_map;
    case IR_MOVE: case IR_CONTROL: return ref_move;
    case IR_REDUCE: return ref_reduce;
  }
  switch (op) {
    case GANTRY_OP_RANDOM_BITS: return ref_source;
    case GANTRY_OP_ARGMAX: case GANTRY_OP_TOPK: case GANTRY_OP_SORT_INDEX: return ref_reduce;
    case GANTRY_OP_MATMUL: return ref_matmul;
    case GANTRY_OP_CONV: case GANTRY_OP_CONV_DGRAD: case GANTRY_OP_CONV_WGRAD: return ref_conv;
    case GANTRY_OP_FIR: case GANTRY_OP_FIR_FGRAD: return ref_fir;
    case GANTRY_OP_GRID_SAMPLE: case GANTRY_OP_GRID_SPLAT: return ref_grid;
    case GANTRY_OP_GATHER: case GANTRY_OP_SCATTER_ADD: case GANTRY_OP_WIN_ARGMAX: return ref_index;
    case GANTRY_OP_PSD_POWER: case GANTRY_OP_EIGVALSH: return ref_linalg;
  }
  return NULL;
}

double ref_wrap(uint32_t dtype, double v) { return ir_is_float(dtype) ? v : ir_scalar(GANTRY_OP_CAST, GANTRY_I64, dtype, 0, v, 0, 0); }

static gantry_status eval_node(const ir_graph *g, ir_id id, double **v, ir_bind *bind, void *user, err *e) {
  const ir_node *n = ir_at(g, id);
  int64_t count = ir_count(g, id);
  ref_job j = {.g = g, .id = id, .n = n, .all = v, .count = count};
  for (uint32_t k = 0; k < n->n_in && k < 3; k++) j.in[k] = v[ir_in(g, id, k)];
  j.out = v[id] = mem_alloc(sizeof(double) * (size_t)count);
  if (n->op == GANTRY_OP_INPUT || n->op == GANTRY_OP_STATE) {
    const char *name = ir_name(g, (uint32_t)ir_attr_i(g, id, GANTRY_A_NAME, 0));
    if (!bind) return err_set(e, GANTRY_E_INVALID, "nothing is bound to \"%s\"", name);
    gantry_status status = bind(user, name, n->dtype, count, v[id], e);
    return status ? err_set(e, status, "nothing is bound to \"%s\"", name) : GANTRY_OK;
  }
  ref_fn *fn = operation(n->op);
  if (!fn) return err_set(e, GANTRY_E_INTERNAL, "the reference interpreter does not know %s", ir_op_get(n->op)->name);
  fn(&j);
  for (int64_t k = 0; n->dtype == GANTRY_BF16 && k < count; k++) j.out[k] = ir_round_to(GANTRY_BF16, j.out[k]);
  return GANTRY_OK;
}

gantry_status ir_eval(const ir_graph *g, const ir_id *want, uint32_t n_want, ir_bind *bind, void *user, double **values, err *e) {
  if (g->err.code) return err_set(e, g->err.code, "%s", g->err.msg);
  uint32_t *uses = mem_alloc(sizeof(uint32_t) * g->nodes.n);
  double **v = mem_alloc(sizeof(double *) * g->nodes.n);
  gantry_status status = GANTRY_OK;
  for (uint32_t k = 0; k < n_want; k++) {
    if (!want[k] || want[k] >= g->nodes.n) {
      status = err_set(e, GANTRY_E_INVALID, "value %u wanted is no tensor of the graph", k);
      goto done;
    }
    uses[want[k]]++;
  }
  for (ir_id id = g->nodes.n - 1; id; id--)
    for (uint32_t k = 0; uses[id] && k < ir_at(g, id)->n_in; k++) uses[ir_in(g, id, k)]++;
  for (ir_id id = 1; !status && id < g->nodes.n; id++) {
    if (!uses[id]) continue;
    status = eval_node(g, id, v, bind, user, e);
    for (uint32_t k = 0; k < ir_at(g, id)->n_in; k++) {
      ir_id in = ir_in(g, id, k);
      if (--uses[in]) continue;
      free(v[in]);
      v[in] = NULL;
    }
  }
  for (uint32_t k = 0; !status && k < n_want; k++) {
    values[k] = v[want[k]];
    if (values[k] && --uses[want[k]]) { /* wanted twice: each caller's slot gets its own copy */
      size_t bytes = sizeof(double) * (size_t)ir_count(g, want[k]);
      v[want[k]] = memcpy(mem_alloc(bytes), values[k], bytes);
    } else
      v[want[k]] = NULL;
  }
done:
  for (ir_id id = 0; id < g->nodes.n; id++) free(v[id]);
  free(v);
  free(uses);
  return status;
}
