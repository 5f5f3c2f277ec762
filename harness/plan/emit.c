/* emit.c - one group's instructions: every fused node once per way it is seen, views folded into the strides of loads.
 *
 * A view says, for each axis of a node, which iteration axis drives it and how: index = mul * i[axis] + off. PERMUTE, BROADCAST, SLICE and
 * REVERSE turn one view into another; a RESHAPE or PAD reads the buffer behind it. Body and epilogue are emitted side by side and joined. */
#include <stdlib.h>

#include "plan/internal.h"

typedef struct axis_view { int32_t axis; int64_t mul, off; } axis_view;
typedef struct view { uint32_t rank; axis_view a[GANTRY_MAX_RANK]; } view;

typedef struct emitted { ir_id node; uint8_t space; view v; uint32_t reg; } emitted;

typedef struct emitter {
  plan *p;
  group *x;
  uint32_t index;
  VEC(gantry_inst) code[2]; /* by space: epilogue or map; body */
  VEC(gantry_access) loads;
  VEC(emitted) memo;
} emitter;

static uint32_t emit(emitter *m, ir_id id, const view *v, uint8_t space);

static uint32_t push(emitter *m, uint8_t space, gantry_inst i) {
  VEC_PUSH(m->code[space], i);
  return m->code[space].n - 1;
}

static uint32_t immediate(emitter *m, uint8_t space, uint32_t dtype, double value) {
  for (uint32_t k = 0; k < m->code[space].n; k++) {
    const gantry_inst *i = &m->code[space].p[k];
    if (i->op == GANTRY_K_IMM && i->dtype == dtype && !memcmp(&i->imm, &value, sizeof value)) return k;
  }
  return push(m, space, (gantry_inst){.op = GANTRY_K_IMM, .dtype = dtype, .imm = value});
}

/* A load of a dense buffer seen as a node of the given dims. */
static gantry_access access_of(const view *v, const int64_t *dims, uint32_t buffer) {
  gantry_access a = {.buffer = buffer};
  int64_t stride = 1;
  for (uint32_t k = v->rank; k-- > 0; stride *= dims[k]) {
    a.offset += v->a[k].off * stride;
    if (v->a[k].axis >= 0) a.stride[v->a[k].axis] += v->a[k].mul * stride;
  }
  return a;
}

static uint32_t load(emitter *m, uint8_t space, const gantry_access *a, uint32_t dtype) {
  uint32_t k = 0;
  while (k < m->loads.n && memcmp(&m->loads.p[k], a, sizeof *a)) k++;
  if (k == m->loads.n) VEC_PUSH(m->loads, *a);
  return push(m, space, (gantry_inst){.op = GANTRY_K_LOAD, .dtype = dtype, .a = k});
}

static uint32_t iteration_rank(const emitter *m, uint8_t space) { return m->x->rank + (space == SPACE_BODY ? m->x->n_red : 0); }
static int64_t iteration_dim(const emitter *m, uint32_t a) { return a < m->x->rank ? m->x->dims[a] : m->x->in_dims[m->x->red_axes[a - m->x->rank]]; }

static int64_t ceil_div(int64_t a, int64_t b) { return a / b + (a % b != 0 && (a < 0) == (b < 0)); }

/* PAD without interior: a load of the tensor inside, with bounds on the iteration axes. */
static uint32_t padded(emitter *m, ir_id id, const view *v, uint8_t space) {
  const ir_graph *g = m->p->g;
  ir_id in = ir_in(g, id, 0);
  uint32_t n;
  const int64_t *lo = ir_attr_iv(g, id, GANTRY_A_LO, &n), *dims = ir_dims(g, in);
  view inner = *v;
  gantry_access a;
  int64_t from[GANTRY_MAX_RANK], to[GANTRY_MAX_RANK];
  for (uint32_t k = 0; k < GANTRY_MAX_RANK; k++) from[k] = 0, to[k] = k < iteration_rank(m, space) ? iteration_dim(m, k) : 1;
  for (uint32_t k = 0; k < n; k++) {
    axis_view *x = &inner.a[k];
    x->off -= lo[k];
    if (x->axis < 0 || !x->mul) {
      if (x->off < 0 || x->off >= dims[k]) return immediate(m, space, ir_at(g, id)->dtype, 0);
      continue;
    }
    int64_t first = x->mul > 0 ? ceil_div(-x->off, x->mul) : ceil_div(x->off - dims[k] + 1, -x->mul);
    int64_t end = x->mul > 0 ? ceil_div(dims[k] - x->off, x->mul) : ceil_div(x->off + 1, -x->mul);
    if (first > from[x->axis]) from[x->axis] = first;
    if (end < to[x->axis]) to[x->axis] = end;
  }
  for (uint32_t k = 0; k < iteration_rank(m, space); k++)
    if (from[k] >= to[k]) return immediate(m, space, ir_at(g, id)->dtype, 0); /* nothing but padding is seen */
  a = access_of(&inner, dims, plan_buffer_of(m->p, in));
  a.bounded = 1;
  memcpy(a.lo, from, sizeof from);
  memcpy(a.hi, to, sizeof to);
  return load(m, space, &a, ir_at(g, id)->dtype);
}

static uint32_t index_of(emitter *m, ir_id id, const view *v, uint8_t space) {
  const ir_node *n = ir_at(m->p->g, id);
  const axis_view *x = &v->a[ir_attr_i(m->p->g, id, GANTRY_A_AXIS, 0)];
  if (x->axis < 0) return immediate(m, space, n->dtype, (double)x->off);
  uint32_t r = push(m, space, (gantry_inst){.op = GANTRY_K_INDEX, .dtype = n->dtype, .a = (uint32_t)x->axis});
  if (x->mul != 1) {
    uint32_t k = immediate(m, space, n->dtype, (double)x->mul);
    r = push(m, space, (gantry_inst){.op = GANTRY_OP_MUL, .dtype = n->dtype, .a = r, .b = k});
  }
  if (x->off) {
    uint32_t k = immediate(m, space, n->dtype, (double)x->off);
    r = push(m, space, (gantry_inst){.op = GANTRY_OP_ADD, .dtype = n->dtype, .a = r, .b = k});
  }
  return r;
}

/* The view of a movement's input. */
static view through(const ir_graph *g, ir_id id, const view *v) {
  ir_id in = ir_in(g, id, 0);
  uint32_t n, j = 0;
  const int64_t *p, *q, *dims = ir_dims(g, in), *out = ir_dims(g, id);
  view r = {.rank = ir_at(g, in)->rank};
  switch (ir_at(g, id)->op) {
    case GANTRY_OP_PERMUTE:
      p = ir_attr_iv(g, id, GANTRY_A_PERM, &n);
      for (uint32_t k = 0; k < n; k++) r.a[p[k]] = v->a[k];
      break;
    case GANTRY_OP_BROADCAST:
      p = ir_attr_iv(g, id, GANTRY_A_AXES, &n);
      for (uint32_t k = 0; k < n; k++) r.a[k] = v->a[p[k]];
      break;
    case GANTRY_OP_SLICE:
      p = ir_attr_iv(g, id, GANTRY_A_START, &n);
      q = ir_attr_iv(g, id, GANTRY_A_STEP, &n);
      for (uint32_t k = 0; k < n; k++) r.a[k] = (axis_view){v->a[k].axis, v->a[k].mul * q[k], p[k] + v->a[k].off * q[k]};
      break;
    case GANTRY_OP_REVERSE:
      p = ir_attr_iv(g, id, GANTRY_A_AXES, &n);
      memcpy(r.a, v->a, sizeof r.a);
      for (uint32_t k = 0; k < n; k++) r.a[p[k]] = (axis_view){v->a[p[k]].axis, -v->a[p[k]].mul, dims[p[k]] - 1 - v->a[p[k]].off};
      break;
    default: /* RESHAPE that adds or drops axes of size 1 */
      for (uint32_t k = 0; k < r.rank; k++) {
        r.a[k] = (axis_view){-1, 0, 0};
        if (dims[k] == 1) continue;
        while (out[j] == 1) j++;
        r.a[k] = v->a[j++];
      }
  }
  return r;
}

static int unit_only(const ir_graph *g, ir_id id) { /* a RESHAPE whose axes other than 1 stay as they are */
  ir_id in = ir_in(g, id, 0);
  uint32_t i = 0, j = 0, ri = ir_at(g, id)->rank, rj = ir_at(g, in)->rank;
  for (;;) {
    while (i < ri && ir_dims(g, id)[i] == 1) i++;
    while (j < rj && ir_dims(g, in)[j] == 1) j++;
    if (i == ri || j == rj) return i == ri && j == rj;
    if (ir_dims(g, id)[i++] != ir_dims(g, in)[j++]) return 0;
  }
}

static int reduced_here(const emitter *m, ir_id id) {
  for (uint32_t k = 0; k < m->x->reduces.n; k++)
    if (m->x->reduces.p[k] == id) return 1;
  return 0;
}

static view body_view(const emitter *m) {
  const group *x = m->x;
  view v = {.rank = x->in_rank};
  int32_t outer = 0, reduced = 0;
  for (uint32_t k = 0; k < x->in_rank; k++) {
    int is = reduced < (int32_t)x->n_red && x->red_axes[reduced] == (int64_t)k;
    v.a[k] = (axis_view){is ? (int32_t)x->rank + reduced++ : outer++, 1, 0};
  }
  return v;
}

static view outer_view(const emitter *m) {
  view v = {.rank = m->x->rank};
  for (uint32_t k = 0; k < v.rank; k++) v.a[k] = (axis_view){(int32_t)k, 1, 0};
  return v;
}

static uint32_t emit_map(emitter *m, ir_id id, const view *v, uint8_t space) {
  const ir_graph *g = m->p->g;
  const ir_node *n = ir_at(g, id);
  uint32_t in[3] = {0, 0, 0};
  for (uint32_t k = 0; k < n->n_in && k < 3; k++) in[k] = emit(m, ir_in(g, id, k), v, space);
  return push(m, space, (gantry_inst){.op = n->op, .dtype = n->dtype, .a = in[0], .b = in[1], .c = in[2], .kind = (uint32_t)ir_attr_i(g, id, GANTRY_A_KIND, 0), .imm = ir_attr_f(g, id, GANTRY_A_EXPONENT, 0, 0)});
}

static uint32_t emit_fresh(emitter *m, ir_id id, const view *v, uint8_t space) {
  const ir_graph *g = m->p->g;
  const ir_node *n = ir_at(g, id);
  uint32_t cls = ir_op_get(n->op)->cls;
  if (plan_is_fill(g, id)) {
    ir_id c = id;
    while (ir_at(g, c)->op != GANTRY_OP_CONST) c = ir_in(g, c, 0);
    return immediate(m, space, n->dtype, ir_attr_f(g, c, GANTRY_A_VALUE, 0, 0));
  }
  if (cls == IR_CONTROL) return emit(m, ir_in(g, id, 0), v, space);
  if (reduced_here(m, id)) {
    view b = body_view(m);
    uint32_t r = emit(m, ir_in(g, id, 0), &b, SPACE_BODY);
    return push(m, space, (gantry_inst){.op = GANTRY_K_REDUCE, .dtype = n->dtype, .a = r, .kind = n->op});
  }
  int elsewhere = m->p->materialised[id] && m->p->producer[id] != m->index;
  if (elsewhere || n->op == GANTRY_OP_INPUT || n->op == GANTRY_OP_STATE || (n->op == GANTRY_OP_CONST)) {
    gantry_access a = access_of(v, ir_dims(g, id), plan_buffer_of(m->p, id));
    return load(m, space, &a, n->dtype);
  }
  if (n->op == GANTRY_OP_IOTA) return index_of(m, id, v, space);
  if (cls == IR_MAP) return emit_map(m, id, v, space);
  if (n->op == GANTRY_OP_PAD) return padded(m, id, v, space);
  if (n->op == GANTRY_OP_RESHAPE && !unit_only(g, id)) {
    gantry_access a = access_of(v, ir_dims(g, id), plan_buffer_of(m->p, id));
    return load(m, space, &a, n->dtype);
  }
  view inner = through(g, id, v);
  return emit(m, ir_in(g, id, 0), &inner, space);
}

static uint32_t emit(emitter *m, ir_id id, const view *v, uint8_t space) {
  view exact = {.rank = v->rank}; /* comparable byte for byte */
  for (uint32_t k = 0; k < v->rank; k++) {
    exact.a[k].axis = v->a[k].axis;
    exact.a[k].mul = v->a[k].axis < 0 ? 0 : v->a[k].mul;
    exact.a[k].off = v->a[k].off;
  }
  for (uint32_t k = 0; k < m->memo.n; k++) {
    const emitted *x = &m->memo.p[k];
    int same = x->node == id && x->space == space && x->v.rank == exact.rank;
    for (uint32_t a = 0; a < exact.rank && same; a++) same = x->v.a[a].axis == exact.a[a].axis && x->v.a[a].mul == exact.a[a].mul && x->v.a[a].off == exact.a[a].off;
    if (same) return x->reg;
  }
  uint32_t reg = emit_fresh(m, id, &exact, space);
  VEC_PUSH(m->memo, ((emitted){id, space, exact, reg}));
  return reg;
}

/* Operands of an instruction that are registers: how many of a, b, c. */
static uint32_t register_operands(uint32_t op) {
  if (op == GANTRY_K_LOAD || op == GANTRY_K_IMM || op == GANTRY_K_INDEX || op == GANTRY_K_REDUCE) return 0;
  return (uint32_t)ir_op_get(op)->arity;
}

/* Body first, then the rest with its registers moved up; axes of size 1 dropped. */
static gantry_kernel *assemble(emitter *m, const gantry_store *stores, uint32_t n_stores) {
  plan *p = m->p;
  const group *x = m->x;
  uint32_t body = x->n_red ? m->code[SPACE_BODY].n : m->code[SPACE_OUTER].n, extra = x->n_red ? m->code[SPACE_OUTER].n : 0;
  gantry_kernel *k = ARENA_NEW(p->mem, gantry_kernel);
  gantry_inst *code = ARENA_ARRAY(p->mem, gantry_inst, body + extra);
  memcpy(code, m->code[x->n_red ? SPACE_BODY : SPACE_OUTER].p, sizeof *code * body);
  for (uint32_t j = 0; j < extra; j++) {
    gantry_inst i = m->code[SPACE_OUTER].p[j];
    uint32_t *in[3] = {&i.a, &i.b, &i.c};
    for (uint32_t q = 0; q < register_operands(i.op); q++) *in[q] += body;
    code[body + j] = i;
  }
  gantry_access *loads = arena_copy(p->mem, m->loads.p, sizeof *loads * m->loads.n);
  gantry_store *out = arena_copy(p->mem, stores, sizeof *out * n_stores);
  uint32_t rank = x->rank + x->n_red, to = 0, where[GANTRY_MAX_RANK];
  k->struct_size = sizeof *k;
  for (uint32_t a = 0; a < rank; a++) {
    where[a] = PLAN_NONE;
    if (iteration_dim(m, a) == 1) continue;
    for (uint32_t j = 0; j < m->loads.n; j++) loads[j].stride[to] = loads[j].stride[a], loads[j].lo[to] = loads[j].lo[a], loads[j].hi[to] = loads[j].hi[a];
    for (uint32_t j = 0; j < n_stores; j++) out[j].to.stride[to] = out[j].to.stride[a];
    if (a < x->rank) k->kept++;
    k->dims[to] = iteration_dim(m, a);
    where[a] = to++;
  }
  if (x->n_red && k->kept == to) { /* every reduced axis had size 1: keep one, so that the kernel still reduces */
    for (uint32_t j = 0; j < m->loads.n; j++) loads[j].stride[to] = 0, loads[j].lo[to] = 0, loads[j].hi[to] = 1;
    for (uint32_t j = 0; j < n_stores; j++) out[j].to.stride[to] = 0;
    k->dims[to++] = 1;
  }
  for (uint32_t a = to; a < GANTRY_MAX_RANK; a++) {
    for (uint32_t j = 0; j < m->loads.n; j++) loads[j].stride[a] = loads[j].lo[a] = loads[j].hi[a] = 0;
    for (uint32_t j = 0; j < n_stores; j++) out[j].to.stride[a] = 0;
  }
  for (uint32_t j = 0; j < body + extra; j++) {
    if (code[j].op != GANTRY_K_INDEX) continue;
    if (where[code[j].a] == PLAN_NONE) code[j] = (gantry_inst){.op = GANTRY_K_IMM, .dtype = code[j].dtype};
    else code[j].a = where[code[j].a];
  }
  k->rank = to;
  k->body = body;
  k->loads = loads;
  k->insts = code;
  k->stores = out;
  k->n_loads = m->loads.n;
  k->n_insts = body + extra;
  k->n_stores = n_stores;
  return k;
}

static gantry_status emit_lib(plan *p, group *x) {
  const ir_graph *g = p->g;
  const ir_node *n = ir_at(g, x->lib);
  gantry_lib *l = ARENA_NEW(p->mem, gantry_lib);
  gantry_operand *in = ARENA_ARRAY(p->mem, gantry_operand, n->n_in + 1);
  for (uint32_t k = 0; k <= n->n_in; k++) {
    ir_id id = k < n->n_in ? ir_in(g, x->lib, k) : x->lib;
    gantry_operand *o = k < n->n_in ? &in[k] : &l->out;
    *o = (gantry_operand){.buffer = plan_buffer_of(p, id), .dtype = ir_at(g, id)->dtype, .rank = ir_at(g, id)->rank};
    memcpy(o->dims, ir_dims(g, id), sizeof(int64_t) * o->rank);
  }
  l->struct_size = sizeof *l;
  l->op = n->op;
  l->in = in;
  l->n_in = n->n_in;
  l->n_attrs = ir_attrs_abi(g, x->lib, p->mem, &l->attrs);
  l->scratch = GANTRY_NO_BUFFER;
  int64_t bytes = 0;
  gantry_status st = p->query(p->user, l, &bytes, p->e);
  if (st) return err_wrap(p->e, "%s (at %s)", ir_op_get(n->op)->name, ir_name(g, n->label));
  if (bytes > 0) l->scratch = plan_temporary(p, GANTRY_U8, bytes, bytes);
  x->library = l;
  return GANTRY_OK;
}

gantry_status plan_emit(plan *p, uint32_t index) {
  group *x = &p->groups.p[index];
  if (x->lib) return emit_lib(p, x);
  emitter m = {.p = p, .x = x, .index = index};
  gantry_store *stores = mem_alloc(sizeof *stores * (x->stores.n + 1));
  view outer = outer_view(&m), body = body_view(&m);
  for (uint32_t k = 0; k < x->stores.n; k++) {
    const plan_store *s = &x->stores.p[k];
    uint8_t space = x->n_red ? s->space : SPACE_OUTER;
    const view *v = space == SPACE_BODY ? &body : &outer;
    const int64_t *dims = space == SPACE_BODY ? x->in_dims : x->dims;
    gantry_access late = x->from ? access_of(v, dims, x->from - 1) : (gantry_access){0};
    stores[k].reg = x->from ? load(&m, space, &late, ir_at(p->g, s->node)->dtype) : s->node ? emit(&m, s->node, v, space) : immediate(&m, space, p->buffers.p[s->buffer].dtype, 0);
    stores[k].reserved0 = space;
    stores[k].to = access_of(v, dims, s->buffer);
    if (s->placed) {
      memset(stores[k].to.stride, 0, sizeof stores[k].to.stride);
      stores[k].to.offset = s->offset;
      for (uint32_t a = 0; a < v->rank; a++) stores[k].to.stride[v->a[a].axis] = s->stride[a];
    }
  }
  for (uint32_t k = 0; k < x->stores.n; k++) {
    if (x->n_red && stores[k].reserved0 == SPACE_OUTER) stores[k].reg += m.code[SPACE_BODY].n;
    stores[k].reserved0 = 0;
  }
  x->kernel = assemble(&m, stores, x->stores.n);
  free(stores);
  free(m.code[0].p);
  free(m.code[1].p);
  free(m.loads.p);
  free(m.memo.p);
  return GANTRY_OK;
}
