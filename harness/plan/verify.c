/* verify.c - checks a program as a backend would have to trust it: every access inside its buffer, every temporary written before it is read,
 * no two live temporaries in one place, registers before their use, stores that alias loads only element for element. */
#include <stdlib.h>

#include "plan/internal.h"

typedef struct life { int64_t lo, hi; uint32_t first, last; uint8_t used; } life;

static int64_t bytes_of(const gantry_buffer *b) { return b->elements * ir_dtype_size(b->dtype); }

static gantry_status check_access(const gantry_program *g, const gantry_kernel *k, const gantry_access *a, uint32_t rank, uint32_t step, err *e) {
  if (a->buffer >= g->n_buffers) return err_set(e, GANTRY_E_INTERNAL, "step %u: buffer %u does not exist", step, a->buffer);
  int64_t lo = a->offset, hi = a->offset;
  for (uint32_t x = 0; x < rank; x++) {
    int64_t from = a->bounded ? a->lo[x] : 0, to = (a->bounded ? a->hi[x] : k->dims[x]) - 1;
    if (to < from) return GANTRY_OK; /* never inside its bounds */
    lo += (a->stride[x] < 0 ? to : from) * a->stride[x];
    hi += (a->stride[x] < 0 ? from : to) * a->stride[x];
  }
  if (lo < 0 || hi >= g->buffers[a->buffer].elements)
    return err_set(e, GANTRY_E_INTERNAL, "step %u: access %lld .. %lld lies outside buffer %u of %lld elements", step, (long long)lo, (long long)hi, a->buffer, (long long)g->buffers[a->buffer].elements);
  return GANTRY_OK;
}

static gantry_status check_kernel(const gantry_program *g, const gantry_kernel *k, uint32_t step, err *e) {
  if (k->rank > GANTRY_MAX_RANK || k->kept > k->rank || k->body > k->n_insts) return err_set(e, GANTRY_E_INTERNAL, "step %u: a kernel contradicts itself", step);
  for (uint32_t j = 0; j < k->n_loads; j++) {
    uint32_t rank = k->kept; /* loads of the epilogue run over kept axes only: strides of the others must not matter */
    for (uint32_t i = 0; i < k->body; i++)
      if (k->insts[i].op == GANTRY_K_LOAD && k->insts[i].a == j) rank = k->rank;
    TRY(check_access(g, k, &k->loads[j], rank, step, e));
  }
  for (uint32_t j = 0; j < k->n_stores; j++) {
    if (k->stores[j].reg >= k->n_insts) return err_set(e, GANTRY_E_INTERNAL, "step %u: store of register %u, which does not exist", step, k->stores[j].reg);
    TRY(check_access(g, k, &k->stores[j].to, k->stores[j].reg < k->body ? k->rank : k->kept, step, e));
  }
  for (uint32_t j = 0; j < k->n_insts; j++) {
    const gantry_inst *i = &k->insts[j];
    const uint32_t in[3] = {i->a, i->b, i->c};
    if (i->op == GANTRY_K_LOAD && i->a >= k->n_loads) return err_set(e, GANTRY_E_INTERNAL, "step %u: load %u does not exist", step, i->a);
    if (i->op == GANTRY_K_REDUCE && (i->a >= k->body || j < k->body)) return err_set(e, GANTRY_E_INTERNAL, "step %u: a reduction of a register outside the body", step);
    if (i->op >= GANTRY_K_LOAD) continue;
    for (int q = 0; q < ir_op_get(i->op)->arity; q++)
      if (in[q] >= j || (j >= k->body && in[q] < k->body)) return err_set(e, GANTRY_E_INTERNAL, "step %u: register %u is used before it is made", step, in[q]);
  }
  return GANTRY_OK;
}

static gantry_status touch(life *l, const gantry_program *g, uint32_t buffer, uint32_t step, int writes, err *e) {
  if (buffer == GANTRY_NO_BUFFER || g->buffers[buffer].space != GANTRY_SPACE_WORKSPACE) return GANTRY_OK;
  const gantry_buffer *b = &g->buffers[buffer];
  life *x = &l[buffer];
  if (!x->used) {
    if (!writes) return err_set(e, GANTRY_E_INTERNAL, "step %u: temporary %u is read before it is written", step, buffer);
    *x = (life){b->offset, b->offset + bytes_of(b), step, step, 1};
    if (b->offset % 64 || x->hi > g->workspace_bytes) return err_set(e, GANTRY_E_INTERNAL, "temporary %u lies outside the workspace", buffer);
  }
  x->last = step;
  return GANTRY_OK;
}

/* A temporary that begins where another one in the same place ends: only the in-place rule allows it. */
static int hands_over(const gantry_program *g, uint32_t a, uint32_t b, uint32_t step) {
  const gantry_kernel *k = g->steps[step].kernel;
  if (!k) return 0;
  int read = 0, wrote = 0;
  const gantry_access *to = NULL;
  for (uint32_t j = 0; j < k->n_stores; j++)
    if (k->stores[j].to.buffer == b) wrote++, to = &k->stores[j].to;
  for (uint32_t j = 0; j < k->n_loads; j++)
    if (k->loads[j].buffer == a) {
      read++;
      if (!to || k->loads[j].bounded || k->loads[j].offset != to->offset || memcmp(k->loads[j].stride, to->stride, sizeof to->stride)) return 0;
    }
  return read == 1 && wrote == 1;
}

gantry_status plan_verify(const gantry_program *g, err *e) {
  life *l = mem_alloc(sizeof *l * (g->n_buffers + 1));
  gantry_status st = GANTRY_OK;
  for (uint32_t s = 0; s < g->n_steps && !st; s++) {
    const gantry_step_rec *r = &g->steps[s];
    if (r->kernel) {
      st = check_kernel(g, r->kernel, s, e);
      for (uint32_t j = 0; j < r->kernel->n_loads && !st; j++) st = touch(l, g, r->kernel->loads[j].buffer, s, 0, e);
      for (uint32_t j = 0; j < r->kernel->n_stores && !st; j++) st = touch(l, g, r->kernel->stores[j].to.buffer, s, 1, e);
    } else {
      for (uint32_t j = 0; j < r->lib->n_in && !st; j++) st = touch(l, g, r->lib->in[j].buffer, s, 0, e);
      if (!st) st = touch(l, g, r->lib->out.buffer, s, 1, e);
      if (!st) st = touch(l, g, r->lib->scratch, s, 1, e);
    }
  }
  for (uint32_t a = 0; a < g->n_buffers && !st; a++)
    for (uint32_t b = 0; b < g->n_buffers && !st; b++) {
      if (a == b || !l[a].used || !l[b].used || l[a].hi <= l[b].lo || l[b].hi <= l[a].lo || l[a].last < l[b].first || l[b].last < l[a].first) continue;
      if ((l[a].last == l[b].first && hands_over(g, a, b, l[b].first)) || (l[b].last == l[a].first && hands_over(g, b, a, l[a].first))) continue;
      st = err_set(e, GANTRY_E_INTERNAL, "temporaries %u (steps %u-%u) and %u (steps %u-%u) are alive in one place", a, l[a].first, l[a].last, b, l[b].first, l[b].last);
    }
  free(l);
  return st;
}
