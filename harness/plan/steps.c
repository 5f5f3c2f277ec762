/* steps.c - groups and library nodes as steps with what they read and write; roots of the program get their named tensors. */
#include "plan/work.h"

#include <stdlib.h>

static plan_step *step_new(plan *p, plan_step s) {
  VEC_PUSH(p->steps, s);
  return &p->steps.p[p->steps.n - 1];
}

static void note(plan_list *l, uint32_t v) {
  for (uint32_t k = 0; k < l->n; k++)
    if (l->p[k] == v) return;
  VEC_PUSH(*l, v);
}

gantry_status plan_step_of_group(plan *p, uint32_t gi) {
  plan_group *gr = &p->groups.p[gi];
  plan_kernel *k = mem_alloc(sizeof *k);
  gantry_status st = GANTRY_OK;
  if (plan_emit(p, gr, k, 1) != PLAN_EMIT_OK) st = err_set(p->e, GANTRY_E_INTERNAL, "plan: %s: a kernel that was possible is not", p->name);
  if (!st && k->n_stores) {
    plan_step s = {.group = gi, .out = PLAN_NO_VALUE, .scratch = PLAN_NO_VALUE};
    gantry_kernel *q = ARENA_NEW(p->mem, gantry_kernel);
    uint32_t body = k->n[0], n = k->n[0] + k->n[1];
    gantry_inst *insts = ARENA_ARRAY(p->mem, gantry_inst, n);
    memcpy(insts, k->insts[0], sizeof *insts * body);
    for (uint32_t i = body; i < n; i++) {
      insts[i] = k->insts[1][i - body];
      if (insts[i].op >= GANTRY_K_LOAD) continue; /* what it names is no register of the epilogue */
      insts[i].a += body;
      insts[i].b += body;
      insts[i].c += body;
    }
    q->struct_size = sizeof *q;
    q->rank = gr->rank;
    q->kept = gr->kept;
    q->body = body;
    memcpy(q->dims, gr->dims, sizeof q->dims);
    q->loads = arena_copy(p->mem, k->loads, sizeof *k->loads * k->n_loads);
    q->insts = insts;
    for (uint32_t i = 0; i < k->n_stores; i++) k->stores[i].reg += k->store_level[i] ? body : 0;
    q->stores = arena_copy(p->mem, k->stores, sizeof *k->stores * k->n_stores);
    q->n_loads = k->n_loads;
    q->n_insts = n;
    q->n_stores = k->n_stores;
    s.kernel = q;
    s.load_values = arena_copy(p->mem, k->load_value, sizeof(uint32_t) * k->n_loads);
    s.store_values = arena_copy(p->mem, k->store_value, sizeof(uint32_t) * k->n_stores);
    for (uint32_t i = 0; i < k->n_loads; i++) note(&s.reads, k->load_value[i]);
    for (uint32_t i = 0; i < k->n_stores; i++) note(&s.writes, k->store_value[i]);
    for (uint32_t i = 0; i < gr->roots.n; i++) {
      ir_id v = p->values.p[gr->roots.p[i].value].node;
      s.key = v > s.key ? v : s.key;
    }
    step_new(p, s);
  }
  free(k->inlined.p);
  free(k);
  return st;
}

uint32_t plan_copy(plan *p, ir_id shape, uint32_t from, const char *name) {
  uint32_t v = plan_value_new(p, shape);
  plan_group gr = {.fixed = 1};
  plan_root r = {.node = shape, .value = v, .copy = from != PLAN_NO_VALUE, .from = from};
  p->values.p[v].name = name;
  p->values.p[v].needed = 1;
  for (uint32_t k = 0; k < ir_at(p->g, shape)->rank; k++) {
    if (ir_dims(p->g, shape)[k] == 1) continue;
    gr.perm[gr.rank] = gr.rank;
    gr.dims[gr.rank++] = ir_dims(p->g, shape)[k];
  }
  gr.kept = gr.rank;
  VEC_PUSH(gr.roots, r);
  VEC_PUSH(p->groups, gr);
  p->copies++;
  return v;
}

static gantry_operand operand(const plan *p, ir_id id, int64_t offset) {
  gantry_operand o = {.dtype = ir_at(p->g, id)->dtype, .rank = ir_at(p->g, id)->rank, .offset = offset};
  for (uint32_t k = 0; k < o.rank; k++) o.dims[k] = ir_dims(p->g, id)[k];
  return o;
}

static gantry_status lib_step(plan *p, ir_id id) {
  const ir_node *n = ir_at(p->g, id);
  plan_step s = {.lib = id, .out = p->value_of[id], .scratch = PLAN_NO_VALUE, .key = id};
  gantry_lib *l = ARENA_NEW(p->mem, gantry_lib);
  gantry_operand *in = ARENA_ARRAY(p->mem, gantry_operand, n->n_in + 1);
  int64_t bytes = 0;
  s.operands = ARENA_ARRAY(p->mem, uint32_t, n->n_in + 1);
  for (uint32_t k = 0; k < n->n_in; k++) {
    int64_t offset;
    ir_id base = plan_dense(p->g, ir_in(p->g, id, k), &offset);
    s.operands[k] = p->value_of[base];
    in[k] = operand(p, ir_in(p->g, id, k), offset);
    note(&s.reads, s.operands[k]);
  }
  l->struct_size = sizeof *l;
  l->op = n->op;
  l->in = in;
  l->n_in = n->n_in;
  l->n_attrs = ir_attrs_abi(p->g, id, p->mem, &l->attrs);
  l->out = operand(p, id, 0);
  l->scratch = GANTRY_NO_BUFFER;
  l->precision = n->dtype == GANTRY_F32 ? p->g->precision : 0;
  note(&s.writes, s.out);
  if (p->query) {
    gantry_status st = p->query(p->user, l, &bytes, p->e);
    if (st) return err_wrap(p->e, "%s: %s%s%s", p->name, ir_op_get(n->op)->name, n->label ? " of " : "", ir_name(p->g, n->label));
  }
  if (bytes > 0) {
    s.scratch = plan_value_new(p, 0);
    plan_value *v = &p->values.p[s.scratch];
    v->dtype = GANTRY_U8;
    v->rank = 1;
    v->dims[0] = v->count = bytes;
    v->needed = 1;
    note(&s.writes, s.scratch);
  }
  s.call = l;
  step_new(p, s);
  return GANTRY_OK;
}

/* The tensor that a root of the program goes to: its value moves there, or a copy of it does. */
static void assign(plan *p, const ir_root *r) {
  int64_t offset;
  ir_id base = plan_dense(p->g, r->id, &offset), id = plan_strip(p->g, r->id);
  uint32_t v = p->value_of[base];
  const char *root = ir_name(p->g, r->name);
  const char *name = r->kind == IR_STORE ? arena_str(p->mem, root) : arena_fmt(p->mem, "out/%s/%s", p->name, root);
  if (p->values.p[v].leaf && r->kind == IR_STORE && !offset && p->values.p[v].count == ir_count(p->g, id) && !strcmp(p->values.p[v].name, name)) return; /* stays what it is */
  if (p->values.p[v].name || offset || p->values.p[v].count != ir_count(p->g, id)) v = plan_copy(p, id, p->value_of[id], name);
  plan_value *to = &p->values.p[v];
  to->name = name;
  to->is_output = r->kind == IR_OUTPUT;
  to->rank = ir_at(p->g, id)->rank;
  for (uint32_t k = 0; k < to->rank; k++) to->dims[k] = ir_dims(p->g, id)[k];
}

gantry_status plan_steps(plan *p) {
  const ir_graph *g = p->g;
  for (uint32_t kind = IR_STORE; kind <= IR_OUTPUT; kind++)
    for (uint32_t k = 0; k < g->roots.n; k++)
      if (g->roots.p[k].kind == kind) assign(p, &g->roots.p[k]);
  for (ir_id v = 1; v < g->nodes.n; v++)
    if (p->live[v] && ir_op_get(ir_at(g, v)->op)->cls == IR_LIB) TRY(lib_step(p, v));
  for (uint32_t k = 0; k < p->groups.n; k++)
    if (!p->groups.p[k].dead) TRY(plan_step_of_group(p, k));
  return GANTRY_OK;
}
