/* group.c - which nodes share a kernel. One walk from consumers to producers; deterministic.
 *
 * A node that can be fused joins the kernel of its only consumer. If several steps want it, it is computed once where it can also be stored
 * element for element, unless it is a trivial function of one tensor, which is cheaper to repeat than to store and load. Nothing that costs
 * more than a load is computed under a broadcast. A reduction joins the kernel of the elementwise nodes that read it, or of a reduction over
 * the same axes of an equal shape. Joins that would make two kernels wait for each other are not made. */
#include "plan/internal.h"

#include <stdlib.h>

static uint32_t cls(const ir_graph *g, ir_id id) { return ir_op_get(ir_at(g, id)->op)->cls; }

int plan_is_fill(const ir_graph *g, ir_id id) {
  for (;;) {
    const ir_node *n = ir_at(g, id);
    if (n->op == GANTRY_OP_CONST) {
      uint32_t k;
      ir_attr_iv(g, id, GANTRY_A_VALUE, &k);
      return k <= 1;
    }
    if (n->op != GANTRY_OP_BROADCAST && n->op != GANTRY_OP_RESHAPE && n->op != GANTRY_OP_PERMUTE) return 0;
    id = ir_in(g, id, 0);
  }
}

ir_id plan_base(const ir_graph *g, ir_id id) {
  while (ir_at(g, id)->op == GANTRY_OP_RESHAPE || cls(g, id) == IR_CONTROL) id = ir_in(g, id, 0);
  return id;
}

/* A RESHAPE that only adds or drops axes of size 1 keeps its place in a kernel. */
static int unit_reshape(const ir_graph *g, ir_id id) {
  ir_id in = ir_in(g, id, 0);
  const int64_t *a = ir_dims(g, id), *b = ir_dims(g, in);
  uint32_t i = 0, j = 0, ra = ir_at(g, id)->rank, rb = ir_at(g, in)->rank;
  for (;;) {
    while (i < ra && a[i] == 1) i++;
    while (j < rb && b[j] == 1) j++;
    if (i == ra || j == rb) return i == ra && j == rb;
    if (a[i++] != b[j++]) return 0;
  }
}

uint32_t plan_new_group(plan *p, ir_id key, uint32_t rank, const int64_t *dims) {
  group x = {.key = key, .rank = rank, .label = ir_at(p->g, key)->label};
  for (uint32_t k = 0; k < rank; k++) x.dims[k] = dims[k];
  VEC_PUSH(p->groups, x);
  return p->groups.n - 1;
}

void plan_edge(plan *p, uint32_t from, uint32_t to) {
  if (from == to || from == PLAN_NONE || to == PLAN_NONE) return;
  group *x = &p->groups.p[from];
  for (uint32_t k = 0; k < x->after.n; k++)
    if (x->after.p[k] == to) return;
  VEC_PUSH(x->after, to);
}

int plan_reaches(plan *p, uint32_t from, uint32_t to) {
  if (from == to) return 1;
  uint8_t *seen = mem_alloc(p->groups.n);
  VEC(uint32_t) stack = {0};
  int found = 0;
  VEC_PUSH(stack, from);
  seen[from] = 1;
  while (stack.n && !found) {
    const group *x = &p->groups.p[stack.p[--stack.n]];
    for (uint32_t k = 0; k < x->after.n && !found; k++) {
      uint32_t y = x->after.p[k];
      found = y == to;
      if (!seen[y]) {
        seen[y] = 1;
        VEC_PUSH(stack, y);
      }
    }
  }
  free(stack.p);
  free(seen);
  return found;
}

uint32_t plan_temporary(plan *p, uint32_t dtype, int64_t elements, int64_t bytes) {
  place b = {.space = GANTRY_SPACE_WORKSPACE, .dtype = dtype, .elements = elements, .bytes = bytes, .first = PLAN_NONE, .shares = PLAN_NONE};
  VEC_PUSH(p->buffers, b);
  return p->buffers.n - 1;
}

uint32_t plan_named_buffer(plan *p, const char *name, uint32_t dtype, uint32_t rank, const int64_t *dims, int is_output) {
  for (uint32_t k = 0; k < p->named.n; k++)
    if (!strcmp(p->named.p[k].name, name)) return p->named.p[k].buffer;
  place b = {.space = GANTRY_SPACE_NAMED, .dtype = dtype, .elements = 1, .name = arena_str(p->mem, name), .shares = PLAN_NONE};
  plan_named n = {.name = b.name, .dtype = dtype, .rank = rank, .buffer = p->buffers.n, .is_output = is_output != 0};
  for (uint32_t k = 0; k < rank; k++) {
    b.elements *= dims[k];
    n.dims[k] = dims[k];
  }
  b.bytes = b.elements * ir_dtype_size(dtype);
  VEC_PUSH(p->buffers, b);
  VEC_PUSH(p->named, n);
  return n.buffer;
}

uint32_t plan_buffer_of(plan *p, ir_id id) {
  id = plan_base(p->g, id);
  const ir_node *n = ir_at(p->g, id);
  if (p->buffer[id] != PLAN_NONE) return p->buffer[id];
  if (n->op == GANTRY_OP_INPUT || n->op == GANTRY_OP_STATE)
    p->buffer[id] = plan_named_buffer(p, ir_name(p->g, (uint32_t)ir_attr_i(p->g, id, GANTRY_A_NAME, 0)), n->dtype, n->rank, ir_dims(p->g, id), 0);
  else
    p->buffer[id] = plan_temporary(p, n->dtype, ir_count(p->g, id), ir_count(p->g, id) * ir_dtype_size(n->dtype));
  return p->buffer[id];
}

static void want(plan *p, ir_id id, use u) { VEC_PUSH(p->uses[id], u); }

/* Marks id as stored by group g and makes everyone else who wants it wait for g. */
static void materialise(plan *p, ir_id id, uint32_t g, uint8_t space) {
  if (!p->materialised[id]) {
    p->materialised[id] = 1;
    p->producer[id] = g;
    plan_store s = {.node = id, .buffer = plan_buffer_of(p, id), .space = space};
    if (!p->groups.p[g].lib) VEC_PUSH(p->groups.p[g].stores, s);
  }
  for (uint32_t k = 0; k < p->uses[id].n; k++) plan_edge(p, g, p->uses[id].p[k].group);
}

static int trivial(const ir_graph *g, ir_id id) {
  uint32_t tensors = 0;
  const ir_node *n = ir_at(g, id);
  for (uint32_t k = 0; k < n->n_in; k++) tensors += !plan_is_fill(g, ir_in(g, id, k));
  if (tensors > 1) return 0;
  switch (n->op) {
    case GANTRY_OP_NEG:
    case GANTRY_OP_ABS:
    case GANTRY_OP_NOT:
    case GANTRY_OP_CAST:
    case GANTRY_OP_CMP:
    case GANTRY_OP_ADD:
    case GANTRY_OP_SUB:
    case GANTRY_OP_MUL:
    case GANTRY_OP_MAX:
    case GANTRY_OP_MIN: return 1;
    default: return 0;
  }
}

typedef struct wanted { /* summary of the uses of a node */
  uint32_t groups, first; /* distinct (group, space) pairs that may fuse it; the first one's index */
  int stored, expands;    /* somebody reads a buffer; somebody is under a broadcast */
} wanted;

static wanted summarise(const plan *p, ir_id id) {
  const use_list *u = &p->uses[id];
  wanted w = {0};
  for (uint32_t k = 0; k < u->n; k++) {
    const use *x = &u->p[k];
    w.stored |= !x->fusible;
    w.expands |= x->fusible && x->expands;
    int seen = !x->fusible;
    for (uint32_t j = 0; j < k && !seen; j++) seen = u->p[j].fusible && u->p[j].group == x->group && u->p[j].space == x->space;
    if (!seen && !w.groups++) w.first = k;
  }
  return w;
}

/* Every use of id in group g is element for element in one space. */
static int identity_in(const plan *p, ir_id id, uint32_t g, uint8_t space) {
  const use_list *u = &p->uses[id];
  for (uint32_t k = 0; k < u->n; k++)
    if (u->p[k].group == g && (!u->p[k].fusible || !u->p[k].identity || u->p[k].space != space)) return 0;
  return 1;
}

/* Could id be computed and stored in g without a cycle: no other reader may run before g. */
static int may_store_in(plan *p, ir_id id, uint32_t g) {
  const use_list *u = &p->uses[id];
  if (p->groups.p[g].members >= PLAN_MEMBERS_MAX) return 0;
  for (uint32_t k = 0; k < u->n; k++)
    if (u->p[k].group != g && u->p[k].group != PLAN_NONE && plan_reaches(p, u->p[k].group, g)) return 0;
  return 1;
}

static void inputs(plan *p, ir_id id, use u) {
  for (uint32_t k = 0; k < ir_at(p->g, id)->n_in; k++) want(p, ir_in(p->g, id, k), u);
}

static void own_group(plan *p, ir_id id) {
  uint32_t g = plan_new_group(p, id, ir_at(p->g, id)->rank, ir_dims(p->g, id));
  p->groups.p[g].members++;
  materialise(p, id, g, SPACE_OUTER);
  inputs(p, id, (use){g, SPACE_OUTER, 1, 0, 1});
}

static void visit_map(plan *p, ir_id id) {
  wanted w = summarise(p, id);
  use_list *u = &p->uses[id];
  if (!w.stored && !w.expands && w.groups == 1 && p->groups.p[u->p[w.first].group].members < PLAN_MEMBERS_MAX) {
    use x = u->p[w.first];
    for (uint32_t k = 0; k < u->n; k++) x.identity &= u->p[k].identity;
    p->groups.p[x.group].members++;
    inputs(p, id, x);
    return;
  }
  if (!w.stored && !w.expands && trivial(p->g, id)) {
    for (uint32_t k = 0; k < u->n; k++) {
      p->groups.p[u->p[k].group].members++;
      inputs(p, id, u->p[k]);
    }
    return;
  }
  for (uint32_t k = 0; k < u->n; k++) {
    use x = u->p[k];
    if (!x.fusible || x.expands || !identity_in(p, id, x.group, x.space) || !may_store_in(p, id, x.group)) continue;
    p->groups.p[x.group].members++;
    materialise(p, id, x.group, x.space);
    inputs(p, id, x);
    return;
  }
  own_group(p, id);
}

static int same_reduction(const plan *p, const group *x, ir_id id) {
  ir_id in = ir_in(p->g, id, 0);
  uint32_t n;
  const int64_t *axes = ir_attr_iv(p->g, id, GANTRY_A_AXES, &n);
  return x->n_red == n && x->in_rank == ir_at(p->g, in)->rank && !memcmp(x->red_axes, axes, sizeof *axes * n) && !memcmp(x->in_dims, ir_dims(p->g, in), sizeof(int64_t) * x->in_rank);
}

static void join_reduction(plan *p, ir_id id, uint32_t g, int store) {
  group *x = &p->groups.p[g];
  ir_id in = ir_in(p->g, id, 0);
  uint32_t n;
  const int64_t *axes = ir_attr_iv(p->g, id, GANTRY_A_AXES, &n);
  x->n_red = n;
  x->in_rank = ir_at(p->g, in)->rank;
  memcpy(x->red_axes, axes, sizeof *axes * n);
  memcpy(x->in_dims, ir_dims(p->g, in), sizeof(int64_t) * x->in_rank);
  x->members++;
  VEC_PUSH(x->reduces, id);
  if (store) materialise(p, id, g, SPACE_OUTER);
  want(p, in, (use){g, SPACE_BODY, 1, 0, 1});
}

/* A kernel over the same kept axes that reduces the same operand over the same axes, or PLAN_NONE. */
static uint32_t sibling(const plan *p, ir_id id) {
  for (uint32_t k = p->groups.n; k-- > 0;) {
    const group *g = &p->groups.p[k];
    if (!g->dead && g->reduces.n && ir_in(p->g, g->reduces.p[0], 0) == ir_in(p->g, id, 0) && same_reduction(p, g, id)) return k;
  }
  return PLAN_NONE;
}

/* Everything of group `from` becomes part of group `to`. Both are kernels with equal outer axes, and neither waits for the other. */
static void merge(plan *p, uint32_t from, uint32_t to) {
  group *a = &p->groups.p[from], *b = &p->groups.p[to];
  for (uint32_t k = 0; k < a->stores.n; k++) VEC_PUSH(b->stores, a->stores.p[k]);
  b->members += a->members;
  if (a->key > b->key) b->key = a->key;
  for (ir_id id = 1; id < p->g->nodes.n; id++) {
    if (p->producer[id] == from) p->producer[id] = to;
    for (uint32_t k = 0; k < p->uses[id].n; k++)
      if (p->uses[id].p[k].group == from) p->uses[id].p[k].group = to;
  }
  for (uint32_t g = 0; g < p->groups.n; g++) {
    group *x = &p->groups.p[g];
    for (uint32_t k = 0; k < x->after.n; k++)
      if (x->after.p[k] == from) {
        x->after.p[k] = x->after.p[--x->after.n];
        plan_edge(p, g, to);
        break;
      }
  }
  for (uint32_t k = 0; k < p->groups.p[from].after.n; k++) plan_edge(p, to, p->groups.p[from].after.p[k]);
  p->groups.p[from].stores.n = p->groups.p[from].after.n = 0;
  p->groups.p[from].dead = 1;
}

/* The elementwise readers of a reduction move into a kernel that already reduces the same operand: one pass over memory for both. */
static uint32_t with_sibling(plan *p, ir_id id, uint32_t g) {
  uint32_t s = sibling(p, id);
  const group *a = &p->groups.p[g];
  if (s == PLAN_NONE || s == g || a->n_red || a->members + p->groups.p[s].members > PLAN_MEMBERS_MAX) return g;
  if (plan_reaches(p, g, s) || plan_reaches(p, s, g) || !may_store_in(p, id, s)) return g;
  merge(p, g, s);
  return s;
}

static void visit_reduce(plan *p, ir_id id) {
  wanted w = summarise(p, id);
  const use_list *u = &p->uses[id];
  const ir_node *n = ir_at(p->g, id);
  for (uint32_t k = 0; k < u->n; k++) { /* the kernel of its elementwise readers */
    use x = u->p[k];
    const group *g = &p->groups.p[x.group];
    if (!x.fusible || x.expands || x.space != SPACE_OUTER || g->lib || !identity_in(p, id, x.group, SPACE_OUTER)) continue;
    if (g->rank != n->rank || memcmp(g->dims, ir_dims(p->g, id), sizeof(int64_t) * n->rank)) continue;
    if ((g->n_red && !same_reduction(p, g, id)) || !may_store_in(p, id, x.group)) continue;
    join_reduction(p, id, with_sibling(p, id, x.group), w.stored || w.groups > 1 || w.expands);
    return;
  }
  uint32_t s = sibling(p, id);
  if (s != PLAN_NONE && may_store_in(p, id, s)) {
    join_reduction(p, id, s, 1);
    return;
  }
  join_reduction(p, id, plan_new_group(p, id, n->rank, ir_dims(p->g, id)), 1);
}

/* PERMUTE, BROADCAST, SLICE, REVERSE: nothing to compute unless somebody needs the elements in a buffer of their own. */
static void visit_view(plan *p, ir_id id) {
  uint8_t grows = ir_count(p->g, id) > ir_count(p->g, ir_in(p->g, id, 0));
  wanted w = summarise(p, id);
  if (w.stored) {
    own_group(p, id);
    use_list *in = &p->uses[ir_in(p->g, id, 0)];
    use *last = &in->p[in->n - 1];
    last->identity = 0;
    last->expands = grows;
    return;
  }
  for (uint32_t k = 0; k < p->uses[id].n; k++) {
    use x = p->uses[id].p[k];
    x.identity = 0;
    x.expands |= grows;
    want(p, ir_in(p->g, id, 0), x);
  }
}

static void visit_reshape(plan *p, ir_id id) {
  int unit = unit_reshape(p->g, id);
  for (uint32_t k = 0; k < p->uses[id].n; k++) {
    use x = p->uses[id].p[k];
    x.identity = 0;
    x.fusible &= unit != 0;
    want(p, ir_in(p->g, id, 0), x);
  }
}

/* Written in parts: CONCAT one part per input; PAD with interior a fill and the input in steps. */
static uint32_t part(plan *p, ir_id whole, ir_id value, int64_t offset, const int64_t *scale) {
  uint32_t g = plan_new_group(p, whole, ir_at(p->g, value)->rank, ir_dims(p->g, value));
  plan_store s = {.node = value, .buffer = plan_buffer_of(p, whole), .placed = 1, .offset = offset};
  int64_t stride = 1;
  for (uint32_t a = ir_at(p->g, whole)->rank; a-- > 0; stride *= ir_dims(p->g, whole)[a]) s.stride[a] = stride * (scale ? scale[a] + 1 : 1);
  VEC_PUSH(p->groups.p[g].stores, s);
  for (uint32_t k = 0; k < p->uses[whole].n; k++) plan_edge(p, g, p->uses[whole].p[k].group);
  VEC_PUSH(p->extra_writers, whole);
  VEC_PUSH(p->extra_writers, g);
  want(p, value, (use){g, SPACE_OUTER, 1, 0, 1});
  return g;
}

static void visit_concat(plan *p, ir_id id) {
  int64_t axis = ir_attr_i(p->g, id, GANTRY_A_AXIS, 0), inner = 1, at = 0;
  for (uint32_t a = (uint32_t)axis + 1; a < ir_at(p->g, id)->rank; a++) inner *= ir_dims(p->g, id)[a];
  p->materialised[id] = 1;
  for (uint32_t k = 0; k < ir_at(p->g, id)->n_in; k++) {
    ir_id in = ir_in(p->g, id, k);
    uint32_t g = part(p, id, in, at * inner, NULL);
    if (!k) p->producer[id] = g;
    at += ir_dims(p->g, in)[axis];
  }
}

static void visit_pad(plan *p, ir_id id) {
  uint32_t n;
  const int64_t *interior = ir_attr_iv(p->g, id, GANTRY_A_INTERIOR, &n), *lo = ir_attr_iv(p->g, id, GANTRY_A_LO, &n);
  int64_t inner = 0, offset = 0, stride = 1;
  for (uint32_t a = 0; a < n; a++) inner |= interior[a];
  if (!inner) { /* a bounded load of the padded tensor's buffer */
    wanted w = summarise(p, id);
    if (w.stored) own_group(p, id);
    else
      for (uint32_t k = 0; k < p->uses[id].n; k++) want(p, ir_in(p->g, id, 0), (use){p->uses[id].p[k].group, p->uses[id].p[k].space, 0, 0, 0});
    if (w.stored) {
      use_list *in = &p->uses[ir_in(p->g, id, 0)];
      in->p[in->n - 1].fusible = 0;
    }
    return;
  }
  for (uint32_t a = n; a-- > 0; stride *= ir_dims(p->g, id)[a]) offset += lo[a] * stride;
  p->materialised[id] = 1;
  uint32_t fill = plan_new_group(p, id, ir_at(p->g, id)->rank, ir_dims(p->g, id));
  plan_store s = {.node = 0, .buffer = plan_buffer_of(p, id)}; /* node 0: zeros */
  VEC_PUSH(p->groups.p[fill].stores, s);
  p->producer[id] = fill;
  plan_edge(p, fill, part(p, id, ir_in(p->g, id, 0), offset, interior));
}

static void visit_lib(plan *p, ir_id id) {
  uint32_t g = plan_new_group(p, id, ir_at(p->g, id)->rank, ir_dims(p->g, id));
  p->groups.p[g].lib = id;
  materialise(p, id, g, SPACE_OUTER);
  inputs(p, id, (use){g, SPACE_OUTER, 0, 0, 0});
}

static void array_constant(plan *p, ir_id id) {
  const ir_node *n = ir_at(p->g, id);
  int64_t count = ir_count(p->g, id), size = ir_dtype_size(n->dtype);
  char *data = arena_alloc(p->mem, (size_t)(count * size));
  for (int64_t k = 0; k < count; k++) {
    double v = ir_attr_f(p->g, id, GANTRY_A_VALUE, (uint32_t)k, 0);
    float f = (float)v;
    int32_t i = (int32_t)v;
    int64_t l = (int64_t)v;
    uint32_t w = (uint32_t)l;
    uint8_t c = (uint8_t)l;
    const void *src = n->dtype == GANTRY_F64 ? (const void *)&v : n->dtype == GANTRY_F32 ? (const void *)&f : n->dtype == GANTRY_I64 ? (const void *)&l : n->dtype == GANTRY_I32 ? (const void *)&i : n->dtype == GANTRY_U32 ? (const void *)&w : (const void *)&c;
    memcpy(data + k * size, src, (size_t)size);
  }
  const char *name = arena_fmt(p->mem, "const/%016llx", (unsigned long long)n->hash);
  p->buffer[id] = plan_named_buffer(p, name, n->dtype, n->rank, ir_dims(p->g, id), 0);
  VEC_PUSH(p->constants, ((plan_constant){name, data, count * size}));
}

gantry_status plan_group(plan *p) {
  for (ir_id id = p->g->nodes.n; id-- > 1;) {
    if (!p->live[id]) continue;
    const ir_node *n = ir_at(p->g, id);
    wanted w = summarise(p, id);
    switch (ir_op_get(n->op)->cls) {
      case IR_SOURCE:
        if (n->op == GANTRY_OP_CONST && !plan_is_fill(p->g, id)) array_constant(p, id);
        else if ((n->op == GANTRY_OP_CONST || n->op == GANTRY_OP_IOTA) && w.stored) own_group(p, id);
        break;
      case IR_MAP: visit_map(p, id); break;
      case IR_REDUCE: visit_reduce(p, id); break;
      case IR_LIB: visit_lib(p, id); break;
      case IR_CONTROL:
        for (uint32_t k = 0; k < p->uses[id].n; k++) want(p, ir_in(p->g, id, 0), p->uses[id].p[k]);
        break;
      default:
        if (n->op == GANTRY_OP_RESHAPE) visit_reshape(p, id);
        else if (n->op == GANTRY_OP_CONCAT) visit_concat(p, id);
        else if (n->op == GANTRY_OP_PAD) visit_pad(p, id);
        else visit_view(p, id);
    }
  }
  return GANTRY_OK;
}
