/* stores.c - where the results of a program go. A value that a kernel computes is written straight into its state's tensor if nobody reads
 * the old value afterwards; else, and for values that a library step or another state holds, a copy runs at the end. */
#include "plan/internal.h"

static int is_leaf(const ir_graph *g, ir_id id) { return ir_at(g, id)->op == GANTRY_OP_STATE || ir_at(g, id)->op == GANTRY_OP_INPUT; }

void plan_want_roots(plan *p) {
  for (uint32_t k = 0; k < p->g->roots.n; k++) {
    ir_id base = plan_base(p->g, p->g->roots.p[k].id);
    use u = {.group = PLAN_NONE};
    VEC_PUSH(p->uses[base], u);
  }
}

static ir_id leaf_of(const ir_graph *g, uint32_t name) {
  for (ir_id id = 1; id < g->nodes.n; id++)
    if (ir_at(g, id)->op == GANTRY_OP_STATE && (uint32_t)ir_attr_i(g, id, GANTRY_A_NAME, 0) == name) return id;
  return 0;
}

/* May group g overwrite the state `leaf` (0 = not read in this program)? Readers elsewhere must be able to run before; a reader in g itself
 * must read each element where it is written. */
static int may_overwrite(plan *p, uint32_t g, const plan_store *s, ir_id leaf) {
  if (!leaf || !p->live[leaf]) return 1;
  const use_list *u = &p->uses[leaf];
  for (uint32_t k = 0; k < u->n; k++) {
    const use *x = &u->p[k];
    if (x->group == PLAN_NONE) return 0; /* another root stores the old value of this state */
    if (x->group == g ? !x->fusible || !x->identity || x->space != s->space : plan_reaches(p, g, x->group)) return 0;
  }
  for (uint32_t k = 0; k < u->n; k++) plan_edge(p, u->p[k].group, g);
  return 1;
}

/* A kernel at the end: the buffer of base, element by element, into a named tensor. */
static void copy(plan *p, ir_id base, uint32_t target, ir_id leaf) {
  uint32_t g = plan_new_group(p, base, ir_at(p->g, base)->rank, ir_dims(p->g, base));
  plan_store s = {.node = base, .buffer = target};
  VEC_PUSH(p->groups.p[g].stores, s);
  p->stats.copies++;
  if (p->materialised[base]) plan_edge(p, p->producer[base], g);
  for (uint32_t k = 0; k < p->extra_writers.n; k += 2)
    if (p->extra_writers.p[k] == base) plan_edge(p, p->extra_writers.p[k + 1], g);
  for (uint32_t k = 0; leaf && k < p->uses[leaf].n; k++) plan_edge(p, p->uses[leaf].p[k].group, g);
  use u = {g, SPACE_OUTER, 1, 0, 1};
  VEC_PUSH(p->uses[base], u);
}

/* A state that is copied into another one's tensor goes through a temporary first, so that exchanges come out right. */
static void copy_twice(plan *p, ir_id base, uint32_t target, ir_id leaf) {
  uint32_t first = plan_new_group(p, base, ir_at(p->g, base)->rank, ir_dims(p->g, base));
  const ir_node *n = ir_at(p->g, base);
  uint32_t t = plan_temporary(p, n->dtype, ir_count(p->g, base), ir_count(p->g, base) * ir_dtype_size(n->dtype));
  plan_store s = {.node = base, .buffer = t};
  VEC_PUSH(p->groups.p[first].stores, s);
  use u = {first, SPACE_OUTER, 1, 0, 1};
  VEC_PUSH(p->uses[base], u); /* a reader of base: whoever overwrites it waits */
  VEC_PUSH(p->late, ((plan_late){t, target, base, leaf, first}));
}

static void place_root(plan *p, const ir_root *r) {
  const ir_graph *g = p->g;
  ir_id base = plan_base(g, r->id), leaf = r->kind == IR_STORE ? leaf_of(g, r->name) : 0;
  const ir_node *n = ir_at(g, r->id);
  const char *name = r->kind == IR_STORE ? ir_name(g, r->name) : arena_fmt(p->mem, "out/%s/%s", p->name, ir_name(g, r->name));
  uint32_t target = plan_named_buffer(p, name, n->dtype, n->rank, ir_dims(g, r->id), r->kind == IR_OUTPUT);
  if (is_leaf(g, base) || p->buffer[base] == PLAN_NONE || !p->materialised[base]) {
    if (is_leaf(g, base)) copy_twice(p, base, target, leaf);
    else copy(p, base, target, leaf);
    return;
  }
  group *x = &p->groups.p[p->producer[base]];
  for (uint32_t k = 0; k < x->stores.n && !x->lib; k++) {
    plan_store *s = &x->stores.p[k];
    if (s->node != base || s->placed || !may_overwrite(p, p->producer[base], s, leaf)) continue;
    if (p->buffers.p[s->buffer].space == GANTRY_SPACE_WORKSPACE) {
      s->buffer = target;
      p->buffer[base] = target; /* later readers find the value here */
    } else {
      plan_store more = *s;
      more.buffer = target;
      VEC_PUSH(x->stores, more);
    }
    return;
  }
  copy(p, base, target, leaf);
}

gantry_status plan_place_roots(plan *p) {
  /* Values first read from other states, then all stores, so that every reader of an old value is known. */
  for (int leaves = 1; leaves >= 0; leaves--)
    for (uint32_t k = 0; k < p->g->roots.n; k++)
      if (is_leaf(p->g, plan_base(p->g, p->g->roots.p[k].id)) == leaves) place_root(p, &p->g->roots.p[k]);
  for (uint32_t k = 0; k < p->late.n; k++) {
    const plan_late *l = &p->late.p[k];
    uint32_t g = plan_new_group(p, l->base, ir_at(p->g, l->base)->rank, ir_dims(p->g, l->base));
    plan_store s = {.node = l->base, .buffer = l->target};
    VEC_PUSH(p->groups.p[g].stores, s);
    p->groups.p[g].from = l->temporary + 1;
    p->stats.copies++;
    plan_edge(p, l->first, g);
    for (uint32_t j = 0; l->leaf && j < p->uses[l->leaf].n; j++) plan_edge(p, p->uses[l->leaf].p[j].group, g);
  }
  return GANTRY_OK;
}
