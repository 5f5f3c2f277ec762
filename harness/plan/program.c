/* program.c - from graph to program: the stages in order, then buffers, steps and labels laid out flat. */
#include "plan/work.h"

#include <stdlib.h>

typedef VEC(gantry_buffer) buffers;

static uint32_t buffer_of(buffers *all, const plan_value *v) {
  gantry_buffer b = {.space = v->name ? GANTRY_SPACE_NAMED : GANTRY_SPACE_WORKSPACE, .dtype = v->dtype, .elements = v->count, .name = v->name};
  for (uint32_t k = 0; v->name && k < all->n; k++)
    if (all->p[k].name && !strcmp(all->p[k].name, v->name)) return k;
  if (!v->name) b.offset = v->offset;
  VEC_PUSH(*all, b);
  return all->n - 1;
}

static uint32_t label_of(plan *p, const plan_step *s) {
  ir_id v = s->lib;
  if (!v) { /* a kernel is named after the last value it writes */
    for (uint32_t k = 0; k < s->writes.n; k++)
      if (p->values.p[s->writes.p[k]].node > v) v = p->values.p[s->writes.p[k]].node;
  }
  return ir_at(p->g, v)->label;
}

gantry_status plan_emit_program(plan *p) {
  buffers all = {0};
  uint32_t n = p->steps.n, n_named = 0;
  gantry_step_rec *recs = ARENA_ARRAY(p->mem, gantry_step_rec, n + 1);
  const char **labels = ARENA_ARRAY(p->mem, const char *, p->g->names.n + 1);
  for (uint32_t k = 0; k < p->g->names.n; k++) labels[k] = arena_str(p->mem, p->g->names.p[k]);
  for (uint32_t v = 0; v < p->values.n; v++) {
    plan_value *x = &p->values.p[v];
    if (x->last == PLAN_NONE && !x->leaf) continue; /* lives in registers only */
    x->buffer = buffer_of(&all, x);
  }
  for (uint32_t t = 0; t < n; t++) {
    const plan_step *s = &p->steps.p[p->order[t]];
    recs[t].label = label_of(p, s);
    if (s->kernel) {
      gantry_kernel *k = s->kernel;
      gantry_access *loads = ARENA_ARRAY(p->mem, gantry_access, k->n_loads + 1);
      gantry_store *stores = ARENA_ARRAY(p->mem, gantry_store, k->n_stores + 1);
      memcpy(loads, k->loads, sizeof *loads * k->n_loads);
      memcpy(stores, k->stores, sizeof *stores * k->n_stores);
      for (uint32_t i = 0; i < k->n_loads; i++) loads[i].buffer = p->values.p[s->load_values[i]].buffer;
      for (uint32_t i = 0; i < k->n_stores; i++) stores[i].to.buffer = p->values.p[s->store_values[i]].buffer;
      k->loads = loads;
      k->stores = stores;
      recs[t].kind = GANTRY_STEP_KERNEL;
      recs[t].kernel = k;
    } else {
      gantry_lib *l = s->call;
      gantry_operand *in = ARENA_ARRAY(p->mem, gantry_operand, l->n_in + 1);
      memcpy(in, l->in, sizeof *in * l->n_in);
      for (uint32_t i = 0; i < l->n_in; i++) in[i].buffer = p->values.p[s->operands[i]].buffer;
      l->in = in;
      l->out.buffer = p->values.p[s->out].buffer;
      if (s->scratch != PLAN_NO_VALUE) l->scratch = p->values.p[s->scratch].buffer;
      recs[t].kind = GANTRY_STEP_LIB;
      recs[t].lib = l;
    }
  }
  p->program = (gantry_program){.struct_size = sizeof p->program, .version = GANTRY_PROGRAM_VERSION, .name = p->name, .workspace_bytes = p->workspace, .steps = recs, .labels = labels,
                                .n_buffers = all.n, .n_steps = n, .n_labels = p->g->names.n, .buffer_stride = sizeof(gantry_buffer), .step_stride = sizeof(gantry_step_rec)};
  p->program.buffers = arena_copy(p->mem, all.p, sizeof *all.p * all.n);
  p->named = ARENA_ARRAY(p->mem, plan_named, all.n + 1);
  for (uint32_t b = 0; b < all.n; b++) {
    if (!all.p[b].name) continue;
    plan_named *d = &p->named[n_named++];
    d->name = all.p[b].name;
    d->dtype = all.p[b].dtype;
    d->buffer = b;
    for (uint32_t v = 0; v < p->values.n; v++) {
      const plan_value *x = &p->values.p[v];
      if (!x->name || x->buffer != b || (x->last == PLAN_NONE && !x->leaf) || (d->rank && !x->leaf)) continue;
      d->rank = x->rank;
      memcpy(d->dims, x->dims, sizeof d->dims);
      d->is_output |= x->is_output;
    }
  }
  p->n_named = n_named;
  free(all.p);
  return GANTRY_OK;
}

plan *plan_make(const ir_graph *g, const char *program, double recompute, plan_query *query, void *user, err *e) {
  plan *p = mem_alloc(sizeof *p);
  p->mem = arena_new();
  p->g = g;
  p->name = arena_str(p->mem, program);
  p->query = query;
  p->user = user;
  p->e = e;
  p->live = ir_live(g);
  gantry_status st = g->err.code ? err_set(e, g->err.code, "%s", g->err.msg) : GANTRY_OK;
  if (!st) st = plan_mark(p);
  if (!st) st = plan_groups(p);
  if (!st) st = plan_steps(p);
  if (!st) st = plan_order(p);
  if (!st) st = plan_recompute(p, recompute);
  if (!st) st = plan_memory(p);
  if (!st) st = plan_emit_program(p);
  free(p->live);
  p->live = NULL;
  if (!st) return p;
  plan_free(p);
  return NULL;
}

void plan_free(plan *p) {
  if (!p) return;
  for (uint32_t k = 0; k < p->groups.n; k++) {
    free(p->groups.p[k].roots.p);
    free(p->groups.p[k].loads.p);
  }
  for (uint32_t k = 0; k < p->steps.n; k++) {
    free(p->steps.p[k].reads.p);
    free(p->steps.p[k].writes.p);
    free(p->steps.p[k].deps.p);
  }
  free(p->values.p);
  free(p->constants.p);
  free(p->groups.p);
  free(p->steps.p);
  free(p->live);
  arena_free(p->mem);
  free(p);
}

const gantry_program *plan_program(const plan *p) { return &p->program; }
uint32_t plan_constants(const plan *p, const plan_constant **out) {
  *out = p->constants.p;
  return p->constants.n;
}
uint32_t plan_names(const plan *p, const plan_named **out) {
  *out = p->named;
  return p->n_named;
}
