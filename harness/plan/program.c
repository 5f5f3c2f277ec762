/* program.c - the planner's entry: grouping, emission, order, memory, and the flat program of it. See plan.h. */
#include <stdlib.h>

#include "plan/internal.h"

static void count(plan *p) {
  for (uint32_t s = 0; s < p->order.n; s++) {
    const group *x = &p->groups.p[p->order.p[s]];
    if (x->library) {
      p->stats.libs++;
      continue;
    }
    const gantry_kernel *k = x->kernel;
    p->stats.kernels++;
    int64_t points = 1, kept = 1;
    for (uint32_t a = 0; a < k->rank; a++) {
      points *= k->dims[a];
      if (a < k->kept) kept *= k->dims[a];
    }
    for (uint32_t j = 0; j < k->n_loads; j++) {
      const place *b = &p->buffers.p[k->loads[j].buffer];
      int64_t moved = points * ir_dtype_size(b->dtype);
      p->stats.bytes_moved += moved < b->bytes ? moved : b->bytes;
    }
    for (uint32_t j = 0; j < k->n_stores; j++) p->stats.bytes_moved += (k->stores[j].reg < k->body ? points : kept) * ir_dtype_size(p->buffers.p[k->stores[j].to.buffer].dtype);
    p->stats.flops += (double)points * k->body + (double)kept * (k->n_insts - k->body);
  }
}

static void assemble(plan *p) {
  gantry_buffer *buffers = ARENA_ARRAY(p->mem, gantry_buffer, p->buffers.n + 1);
  gantry_step_rec *steps = ARENA_ARRAY(p->mem, gantry_step_rec, p->order.n + 1);
  const char **labels = ARENA_ARRAY(p->mem, const char *, p->g->names.n + 1);
  for (uint32_t k = 0; k < p->buffers.n; k++) {
    const place *b = &p->buffers.p[k];
    buffers[k] = (gantry_buffer){.space = b->space, .dtype = b->dtype, .offset = b->offset, .elements = b->elements, .name = b->name};
  }
  for (uint32_t k = 0; k < p->order.n; k++) {
    const group *x = &p->groups.p[p->order.p[k]];
    steps[k] = (gantry_step_rec){.kind = x->library ? GANTRY_STEP_LIB : GANTRY_STEP_KERNEL, .label = x->label, .kernel = x->kernel, .lib = x->library};
  }
  for (uint32_t k = 0; k < p->g->names.n; k++) labels[k] = arena_str(p->mem, ir_name(p->g, k));
  gantry_program *g = &p->program;
  g->struct_size = sizeof *g;
  g->version = GANTRY_PROGRAM_VERSION;
  g->name = p->name;
  g->buffers = buffers;
  g->steps = steps;
  g->labels = labels;
  g->n_buffers = p->buffers.n;
  g->n_steps = p->order.n;
  g->n_labels = p->g->names.n;
  g->buffer_stride = sizeof *buffers;
  g->step_stride = sizeof *steps;
}

/* What only the making needs; the graph belongs to the caller. */
static void drop_scratch(plan *p) {
  for (uint32_t k = 0; p->uses && k < p->g->nodes.n; k++) free(p->uses[k].p);
  free(p->uses);
  free(p->live);
  p->uses = NULL;
  p->live = NULL;
  free(p->extra_writers.p);
  free(p->late.p);
  p->extra_writers.p = NULL;
  p->late.p = NULL;
}

plan *plan_make(const ir_graph *g, const char *program, plan_query *query, void *user, err *e) {
  plan *p = mem_alloc(sizeof *p);
  uint32_t n = g->nodes.n;
  p->g = g;
  p->mem = arena_new();
  p->e = e;
  p->name = arena_str(p->mem, program);
  p->query = query;
  p->user = user;
  p->live = ir_live(g);
  p->materialised = ARENA_ARRAY(p->mem, uint8_t, n);
  p->producer = ARENA_ARRAY(p->mem, uint32_t, n);
  p->buffer = ARENA_ARRAY(p->mem, uint32_t, n);
  p->uses = mem_alloc(sizeof *p->uses * (n + 1));
  for (uint32_t k = 0; k < n; k++) p->producer[k] = p->buffer[k] = PLAN_NONE;
  plan_want_roots(p);
  gantry_status st = plan_group(p);
  if (!st) st = plan_place_roots(p);
  for (uint32_t k = 0; k < p->groups.n && !st; k++)
    if (!p->groups.p[k].dead) st = plan_emit(p, k);
  if (!st) st = plan_order(p);
  if (!st) st = plan_memory(p);
  if (!st) {
    count(p);
    assemble(p);
  }
  drop_scratch(p);
  if (st) {
    err_wrap(e, "planning");
    plan_free(p);
    return NULL;
  }
  p->stats.workspace_bytes = p->program.workspace_bytes;
  p->g = NULL;
  return p;
}

void plan_free(plan *p) {
  if (!p) return;
  for (uint32_t k = 0; k < p->groups.n; k++) {
    free(p->groups.p[k].stores.p);
    free(p->groups.p[k].after.p);
    free(p->groups.p[k].reduces.p);
  }
  free(p->groups.p);
  free(p->buffers.p);
  free(p->order.p);
  free(p->named.p);
  free(p->constants.p);
  arena_free(p->mem);
  free(p);
}

const gantry_program *plan_program(const plan *p) { return &p->program; }

uint32_t plan_names(const plan *p, const plan_named **out) {
  *out = p->named.p;
  return p->named.n;
}

uint32_t plan_constants(const plan *p, const plan_constant **out) {
  *out = p->constants.p;
  return p->constants.n;
}

void plan_get_stats(const plan *p, plan_stats *out) { *out = p->stats; }
