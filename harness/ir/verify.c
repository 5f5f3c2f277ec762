/* verify.c - the stage verifier: takes a graph and says whether every node is one that ir_op() could have made.
 *
 * Inputs precede their users, attributes are complete and in order, type, shape and hash follow from them, roots exist and fit the
 * states they are stored to. A damaged graph is a bug of the stage named, found here and not as wrong numbers much later. */
#include "base/hash.h"
#include "ir/infer.h"

static gantry_status bad(err *e, const char *stage, ir_id id, const char *what) { return err_set(e, GANTRY_E_INTERNAL, "%s: node %u %s; this is a bug", stage, id, what); }

static int range_ok(uint32_t off, uint32_t n, uint32_t total) { return off <= total && n <= total - off; }

static gantry_status verify_leaf(const ir_graph *g, ir_id id, const char *stage, err *e) {
  const ir_node *n = ir_at(g, id);
  int64_t name = ir_attr_i(g, id, GANTRY_A_NAME, -1);
  if (n->n_in || name <= 0 || name >= g->names.n) return bad(e, stage, id, "is a leaf without a name");
  if (!ir_dtype_size(n->dtype) || n->rank > GANTRY_MAX_RANK) return bad(e, stage, id, "has no valid type");
  for (uint32_t k = 0; k < n->rank; k++)
    if (ir_dims(g, id)[k] < 1) return bad(e, stage, id, "has a size below 1");
  uint64_t h = hash_mix(hash_str(ir_name(g, (uint32_t)name), n->op), n->dtype * 16u + n->rank);
  for (uint32_t k = 0; k < n->rank; k++) h = hash_mix(h, (uint64_t)ir_dims(g, id)[k]);
  return h == n->hash ? GANTRY_OK : bad(e, stage, id, "does not have the hash of its contents");
}

static gantry_status verify_node(const ir_graph *g, ir_id id, const char *stage, arena *a, err *e) {
  const ir_node *n = ir_at(g, id);
  const ir_op_info *info = ir_op_get(n->op);
  if (!info) return bad(e, stage, id, "has an unknown opcode");
  if (!range_ok(n->in_off, n->n_in, g->in.n) || !range_ok(n->dims_off, n->rank, g->dims.n) || !range_ok(n->attr_off, n->n_attr, g->attrs.n) || n->label >= g->names.n)
    return bad(e, stage, id, "points outside the graph");
  if (info->arity >= 0 ? n->n_in != (uint32_t)info->arity : !n->n_in) return bad(e, stage, id, "has the wrong number of inputs");
  for (uint32_t k = 0; k < n->n_in; k++)
    if (!ir_in(g, id, k) || ir_in(g, id, k) >= id) return bad(e, stage, id, "uses a node that does not precede it");
  for (uint32_t k = 0; k < n->n_attr; k++) {
    const ir_attr *at = &g->attrs.p[n->attr_off + k];
    if (!range_ok(at->off, at->n, g->nums.n)) return bad(e, stage, id, "points outside the graph");
    if (k && at->key <= at[-1].key) return bad(e, stage, id, "has attributes out of order");
  }
  if (n->op == GANTRY_OP_INPUT || n->op == GANTRY_OP_STATE) return verify_leaf(g, id, stage, e);
  err why = {0};
  ir_call c = {.g = g, .e = &why, .op = n->op, .n_in = n->n_in, .in = n->n_in ? g->in.p + n->in_off : NULL};
  const gantry_attr *at;
  uint32_t n_at = ir_attrs_abi(g, id, a, &at);
  gantry_status status = GANTRY_OK;
  if (ir_decode(&c, at, n_at) || ir_infer(&c)) status = err_set(e, GANTRY_E_INTERNAL, "%s: node %u is not valid: %s; this is a bug", stage, id, why.msg);
  else if (c.dtype != n->dtype || c.rank != n->rank || (n->rank && memcmp(c.dims, ir_dims(g, id), sizeof(int64_t) * n->rank)))
    status = bad(e, stage, id, "has another type or shape than its inputs give");
  else if (c.n_args != n->n_attr) status = bad(e, stage, id, "lacks attributes");
  else if (ir_call_hash(&c) != n->hash) status = bad(e, stage, id, "does not have the hash of its contents");
  ir_call_end(&c);
  return status;
}

static gantry_status verify_root(const ir_graph *g, const ir_root *r, const char *stage, err *e) {
  if (!r->id || r->id >= g->nodes.n || r->name >= g->names.n) return err_set(e, GANTRY_E_INTERNAL, "%s: a root points outside the graph; this is a bug", stage);
  if (r->kind != IR_STORE) return GANTRY_OK;
  for (ir_id id = 1; id < g->nodes.n; id++) {
    const ir_node *n = ir_at(g, id), *v = ir_at(g, r->id);
    if (n->op != GANTRY_OP_STATE || ir_attr_i(g, id, GANTRY_A_NAME, 0) != r->name) continue;
    if (n->dtype == v->dtype && n->rank == v->rank && (!n->rank || !memcmp(ir_dims(g, id), ir_dims(g, r->id), sizeof(int64_t) * n->rank))) return GANTRY_OK;
    buf b = {0};
    ir_print_shape(g, id, &b);
    buf_puts(&b, ", the value stored to it is ");
    ir_print_shape(g, r->id, &b);
    err_set(e, GANTRY_E_SHAPE, "%s: state \"%s\" is %s", stage, ir_name(g, r->name), b.p);
    buf_free(&b);
    return e->code;
  }
  return GANTRY_OK;
}

gantry_status ir_verify(const ir_graph *g, const char *stage, err *e) {
  if (g->err.code) return err_set(e, g->err.code, "%s: %s", stage, g->err.msg);
  gantry_status status = GANTRY_OK;
  arena *a = arena_new();
  for (ir_id id = 1; !status && id < g->nodes.n; id++) status = verify_node(g, id, stage, a, e);
  for (uint32_t k = 0; !status && k < g->roots.n; k++) status = verify_root(g, &g->roots.p[k], stage, e);
  arena_free(a);
  return status;
}
