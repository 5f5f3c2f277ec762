/* mark.c - which nodes become values in memory, and which are computed again inside the kernels that use them.
 *
 * In goes the graph, out come mat[] and a value per leaf, library step and materialised node. A node is computed inside its only
 * consumer; with several consumers, or where a broadcast would repeat it, only if it is cheap. */
#include "plan/work.h"

#include <stdlib.h>

ir_id plan_strip(const ir_graph *g, ir_id id) {
  while (ir_op_get(ir_at(g, id)->op)->cls == IR_CONTROL) id = ir_in(g, id, 0);
  return id;
}
ir_id plan_input(const ir_graph *g, ir_id id, uint32_t k) { return plan_strip(g, ir_in(g, id, k)); }

static int contiguous_slice(const ir_graph *g, ir_id id, int64_t *offset) {
  uint32_t n, rank = ir_at(g, id)->rank;
  ir_id x = ir_in(g, id, 0);
  const int64_t *start = ir_attr_iv(g, id, GANTRY_A_START, &n), *in = ir_dims(g, x), *out = ir_dims(g, id);
  int64_t stride = 1, at = 0;
  int partial = 0;
  for (uint32_t k = rank; k-- > 0;) {
    if (partial && out[k] != 1) return 0;
    if (out[k] != in[k]) partial = 1;
    if (out[k] != in[k] && out[k] > 1) {
      const int64_t *step = ir_attr_iv(g, id, GANTRY_A_STEP, &n);
      if (step && step[k] != 1) return 0;
    }
    at += start[k] * stride;
    stride *= in[k];
  }
  *offset += at;
  return 1;
}

static int same_order(const ir_graph *g, ir_id id) { /* a PERMUTE or BROADCAST that moves axes of one element only */
  ir_id x = ir_in(g, id, 0);
  uint32_t n;
  if (ir_count(g, x) != ir_count(g, id)) return 0;
  if (ir_at(g, id)->op == GANTRY_OP_BROADCAST) return 1;
  const int64_t *perm = ir_attr_iv(g, id, GANTRY_A_PERM, &n), *d = ir_dims(g, x);
  int64_t last = -1;
  for (uint32_t k = 0; k < n; k++) {
    if (d[perm[k]] == 1) continue;
    if (perm[k] < last) return 0;
    last = perm[k];
  }
  return 1;
}

ir_id plan_dense(const ir_graph *g, ir_id id, int64_t *offset) {
  *offset = 0;
  for (;;) {
    id = plan_strip(g, id);
    switch (ir_at(g, id)->op) {
      case GANTRY_OP_RESHAPE: break;
      case GANTRY_OP_SLICE:
        if (!contiguous_slice(g, id, offset)) return id;
        break;
      case GANTRY_OP_PERMUTE: case GANTRY_OP_BROADCAST:
        if (!same_order(g, id)) return id;
        break;
      default: return id;
    }
    id = ir_in(g, id, 0);
  }
}

uint32_t plan_mask(const ir_graph *g, ir_id id) {
  uint32_t n, m = 0;
  const int64_t *axes = ir_attr_iv(g, id, GANTRY_A_AXES, &n);
  for (uint32_t k = 0; k < n; k++) m |= 1u << axes[k];
  return m;
}
int plan_reduces(const ir_graph *g, ir_id id) {
  if (ir_op_get(ir_at(g, id)->op)->cls != IR_REDUCE) return 0;
  uint32_t m = plan_mask(g, id);
  const int64_t *d = ir_dims(g, ir_in(g, id, 0));
  for (uint32_t k = 0; k < ir_at(g, ir_in(g, id, 0))->rank; k++)
    if (m >> k & 1 && d[k] > 1) return 1;
  return 0;
}
int plan_array(const ir_graph *g, ir_id id) {
  uint32_t n;
  if (ir_at(g, id)->op != GANTRY_OP_CONST) return 0;
  ir_attr_iv(g, id, GANTRY_A_VALUE, &n);
  return n > 1;
}

uint32_t plan_value_new(plan *p, ir_id node) {
  plan_value v = {.node = node, .shares = PLAN_NONE, .first = PLAN_NONE, .last = PLAN_NONE};
  const ir_node *n = ir_at(p->g, node);
  v.dtype = n->dtype;
  v.rank = n->rank;
  v.count = node ? ir_count(p->g, node) : 0;
  for (uint32_t k = 0; k < n->rank; k++) v.dims[k] = ir_dims(p->g, node)[k];
  VEC_PUSH(p->values, v);
  return p->values.n - 1;
}

static int cost(uint32_t op) {
  switch (op) {
    case GANTRY_OP_EXP: case GANTRY_OP_EXPM1: case GANTRY_OP_LOG: case GANTRY_OP_LOG1P: case GANTRY_OP_SIN: case GANTRY_OP_COS: case GANTRY_OP_TANH:
    case GANTRY_OP_SIGMOID: case GANTRY_OP_ERF: case GANTRY_OP_POW: case GANTRY_OP_ATAN2: case GANTRY_OP_SQRT: case GANTRY_OP_RSQRT: case GANTRY_OP_DIV: return 5;
  }
  return 1;
}

static int is_unit_reshape(const ir_graph *g, ir_id id) { /* adds and removes axes of one element */
  ir_id x = ir_in(g, id, 0);
  const int64_t *a = ir_dims(g, x), *b = ir_dims(g, id);
  uint32_t i = 0, j = 0, ra = ir_at(g, x)->rank, rb = ir_at(g, id)->rank;
  for (;;) {
    while (i < ra && a[i] == 1) i++;
    while (j < rb && b[j] == 1) j++;
    if (i == ra || j == rb) return i == ra && j == rb;
    if (a[i++] != b[j++]) return 0;
  }
}

static int interior(const ir_graph *g, ir_id id) {
  uint32_t n;
  const int64_t *v = ir_attr_iv(g, id, GANTRY_A_INTERIOR, &n);
  for (uint32_t k = 0; k < n; k++)
    if (v[k]) return 1;
  return 0;
}

/* The node that a chain of views ends at: something computed or stored. */
static ir_id view_base(const plan *p, ir_id id) {
  for (id = plan_strip(p->g, id); ir_op_get(ir_at(p->g, id)->op)->cls == IR_MOVE && !p->mat[id]; id = plan_strip(p->g, ir_in(p->g, id, 0)))
    if (ir_at(p->g, id)->op == GANTRY_OP_CONCAT || (ir_at(p->g, id)->op == GANTRY_OP_PAD && interior(p->g, id))) return id;
  return id;
}

static int is_leaf(const ir_graph *g, ir_id id) { return ir_at(g, id)->op == GANTRY_OP_INPUT || ir_at(g, id)->op == GANTRY_OP_STATE || plan_array(g, id); }

typedef struct marks { ir_id *sink; uint8_t *expanded, *costs; } marks; /* sink: 0 none yet, UINT32_MAX several */

static void use(marks *m, ir_id v, ir_id sink, int expanded) {
  if (m->sink[v] && m->sink[v] != sink) m->sink[v] = UINT32_MAX;
  else m->sink[v] = sink;
  m->expanded[v] |= (uint8_t)expanded;
}

/* Everything that uses v has been decided: decides v and tells its inputs who uses them. */
static void decide(plan *p, marks *m, ir_id v) {
  const ir_graph *g = p->g;
  const ir_node *n = ir_at(g, v);
  int cls = ir_op_get(n->op)->cls, expands = m->expanded[v];
  if (cls == IR_CONTROL || cls == IR_LIB || is_leaf(g, v)) return;
  if (plan_reduces(g, v) || n->op == GANTRY_OP_CONCAT) p->mat[v] = 1;
  if (cls == IR_MAP || cls == IR_REDUCE)
    if (m->costs[v] > 4 && (m->sink[v] == UINT32_MAX || m->expanded[v])) p->mat[v] = 1;
  if (n->op == GANTRY_OP_PAD && !p->mat[v]) {
    ir_id base = view_base(p, ir_in(g, v, 0));
    int bc = ir_op_get(ir_at(g, base)->op)->cls;
    p->mat[v] = interior(g, v) || (bc == IR_SOURCE && !is_leaf(g, base));
    if (!p->mat[v] && bc != IR_LIB && bc != IR_SOURCE) p->mat[base] = 1;
  }
  if (n->op == GANTRY_OP_RESHAPE && !p->mat[v] && !is_unit_reshape(g, v)) {
    ir_id base = plan_strip(g, ir_in(g, v, 0));
    while (ir_at(g, base)->op == GANTRY_OP_RESHAPE) base = plan_strip(g, ir_in(g, base, 0));
    int bc = ir_op_get(ir_at(g, base)->op)->cls;
    if (bc != IR_LIB && bc != IR_SOURCE) p->mat[base] = 1;
    if (ir_at(g, base)->op == GANTRY_OP_IOTA) p->mat[base] = 1;
  }
  if (n->op == GANTRY_OP_BROADCAST && ir_count(g, v) > ir_count(g, ir_in(g, v, 0))) expands = 1;
  ir_id sink = p->mat[v] ? v : m->sink[v];
  if (p->mat[v]) expands = n->op == GANTRY_OP_BROADCAST && ir_count(g, v) > ir_count(g, ir_in(g, v, 0));
  for (uint32_t k = 0; k < n->n_in; k++) use(m, plan_input(g, v, k), sink, expands);
}

static void force(plan *p, ir_id id, ir_id *sink) {
  int64_t offset;
  ir_id base = plan_dense(p->g, id, &offset);
  const ir_node *n = ir_at(p->g, base);
  sink[base] = UINT32_MAX;
  if (ir_op_get(n->op)->cls != IR_LIB && !is_leaf(p->g, base)) p->mat[base] = 1;
}

/* An array constant is a named tensor whose contents the session uploads once. */
static const char *array_constant(plan *p, ir_id id) {
  const ir_node *n = ir_at(p->g, id);
  int64_t count = ir_count(p->g, id), size = ir_dtype_size(n->dtype);
  char *data = arena_alloc(p->mem, (size_t)(count * size));
  for (int64_t k = 0; k < count; k++) {
    double v = ir_attr_f(p->g, id, GANTRY_A_VALUE, (uint32_t)k, 0);
    float f = (float)v;
    int64_t whole = ir_is_float(n->dtype) ? 0 : (int64_t)v;
    int32_t i = (int32_t)whole;
    uint32_t u = (uint32_t)whole, bits;
    uint8_t c = (uint8_t)whole;
    memcpy(&bits, &f, 4);
    uint16_t half = (uint16_t)(bits >> 16); /* the graph has rounded it already */
    const void *src = &c;
    switch (n->dtype) {
      case GANTRY_F32: src = &f; break;
      case GANTRY_F64: src = &v; break;
      case GANTRY_BF16: src = &half; break;
      case GANTRY_I32: src = &i; break;
      case GANTRY_I64: src = &whole; break;
      case GANTRY_U32: src = &u; break;
    }
    memcpy(data + k * size, src, (size_t)size);
  }
  plan_constant c = {arena_fmt(p->mem, "const/%016llx", (unsigned long long)n->hash), data, count * size};
  VEC_PUSH(p->constants, c);
  return c.name;
}

gantry_status plan_mark(plan *p) {
  const ir_graph *g = p->g;
  uint32_t n = g->nodes.n;
  marks m = {ARENA_ARRAY(p->mem, ir_id, n), ARENA_ARRAY(p->mem, uint8_t, n), ARENA_ARRAY(p->mem, uint8_t, n)};
  p->mat = ARENA_ARRAY(p->mem, uint8_t, n);
  p->value_of = ARENA_ARRAY(p->mem, uint32_t, n);
  for (ir_id v = 0; v < n; v++) p->value_of[v] = PLAN_NO_VALUE;
  for (ir_id v = 1; v < n; v++) {
    if (!p->live[v]) continue;
    int cls = ir_op_get(ir_at(g, v)->op)->cls, c = cls == IR_MAP ? cost(ir_at(g, v)->op) : cls == IR_REDUCE && !plan_reduces(g, v);
    if (cls == IR_MAP || cls == IR_MOVE || cls == IR_CONTROL || (cls == IR_REDUCE && !plan_reduces(g, v)))
      for (uint32_t k = 0; k < ir_at(g, v)->n_in; k++) c += m.costs[ir_in(g, v, k)];
    m.costs[v] = (uint8_t)(c > 200 ? 200 : c);
    if (cls == IR_LIB)
      for (uint32_t k = 0; k < ir_at(g, v)->n_in; k++) force(p, ir_in(g, v, k), m.sink);
  }
  for (uint32_t k = 0; k < g->roots.n; k++) force(p, g->roots.p[k].id, m.sink);
  for (ir_id v = n; v-- > 1;)
    if (p->live[v]) decide(p, &m, v);
  for (ir_id v = 1; v < n; v++) {
    const ir_node *node = ir_at(g, v);
    int leaf = is_leaf(g, v);
    if (!p->live[v] || !(leaf || p->mat[v] || ir_op_get(node->op)->cls == IR_LIB)) continue;
    uint32_t id = plan_value_new(p, v);
    p->value_of[v] = id;
    if (!leaf) continue;
    p->values.p[id].leaf = 1;
    p->values.p[id].name = plan_array(g, v) ? array_constant(p, v) : arena_str(p->mem, ir_name(g, (uint32_t)ir_attr_i(g, v, GANTRY_A_NAME, 0)));
  }
  for (ir_id v = 1; v < n; v++) { /* gan_recompute(x): x, if it lies in memory at all */
    int64_t offset;
    if (!p->live[v] || ir_at(g, v)->op != GANTRY_OP_RECOMPUTE) continue;
    uint32_t id = p->value_of[plan_dense(g, v, &offset)];
    if (id != PLAN_NO_VALUE) p->values.p[id].again = 1;
  }
  return GANTRY_OK;
}
