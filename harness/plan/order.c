/* order.c - one order of all steps: among those whose inputs are there, the one that frees the most bytes net of what it makes, if it frees
 * any; else the earliest in the graph. Simple, deterministic, and it sees the whole program. */
#include <stdlib.h>

#include "plan/internal.h"

/* Workspace buffers a group reads (first n_in) and writes (the rest), each once. */
static uint32_t touches(const plan *p, const group *x, uint32_t *list, uint32_t cap, uint32_t *n_in) {
  uint32_t n = 0;
#define ADD(buffer_)                                                                                  \
  do {                                                                                                \
    uint32_t b_ = (buffer_);                                                                          \
    int seen_ = b_ == GANTRY_NO_BUFFER || p->buffers.p[b_].space != GANTRY_SPACE_WORKSPACE || n >= cap; \
    for (uint32_t j_ = 0; j_ < n && !seen_; j_++) seen_ = list[j_] == b_;                             \
    if (!seen_) list[n++] = b_;                                                                       \
  } while (0)
  if (x->library) {
    for (uint32_t k = 0; k < x->library->n_in; k++) ADD(x->library->in[k].buffer);
    *n_in = n;
    ADD(x->library->out.buffer);
    ADD(x->library->scratch);
  } else {
    for (uint32_t k = 0; k < x->kernel->n_loads; k++) ADD(x->kernel->loads[k].buffer);
    *n_in = n;
    for (uint32_t k = 0; k < x->kernel->n_stores; k++) ADD(x->kernel->stores[k].to.buffer);
  }
#undef ADD
  return n;
}

enum { TOUCH_MAX = 512 };

gantry_status plan_order(plan *p) {
  uint32_t n = p->groups.n, list[TOUCH_MAX], n_in;
  uint32_t *waits = mem_alloc(sizeof *waits * (n + 1)), *readers = mem_alloc(sizeof *readers * (p->buffers.n + 1));
  uint8_t *done = mem_alloc(n + 1), *alive = mem_alloc(p->buffers.n + 1);
  uint32_t steps = 0;
  for (uint32_t g = 0; g < n; g++) {
    done[g] = p->groups.p[g].dead;
    if (done[g]) continue;
    steps++;
    for (uint32_t k = 0; k < p->groups.p[g].after.n; k++) waits[p->groups.p[g].after.p[k]]++;
    uint32_t m = touches(p, &p->groups.p[g], list, TOUCH_MAX, &n_in);
    (void)m;
    for (uint32_t k = 0; k < n_in; k++) readers[list[k]]++;
  }
  for (uint32_t step = 0; step < steps; step++) {
    uint32_t best = PLAN_NONE;
    int64_t best_gain = 0;
    for (uint32_t g = 0; g < n; g++) {
      if (done[g] || waits[g]) continue;
      int64_t gain = 0;
      uint32_t m = touches(p, &p->groups.p[g], list, TOUCH_MAX, &n_in);
      for (uint32_t k = 0; k < m; k++) {
        const place *b = &p->buffers.p[list[k]];
        if (k < n_in && readers[list[k]] == 1) gain += b->bytes;
        if (k >= n_in && !alive[list[k]] && readers[list[k]]) gain -= b->bytes;
      }
      if (gain < 0) gain = 0; /* what frees nothing goes in the graph's order */
      if (best == PLAN_NONE || gain > best_gain || (gain == best_gain && p->groups.p[g].key < p->groups.p[best].key)) {
        best = g;
        best_gain = gain;
      }
    }
    if (best == PLAN_NONE) {
      free(waits), free(readers), free(done), free(alive);
      return err_set(p->e, GANTRY_E_INTERNAL, "the steps of program %s wait for each other in a circle", p->name);
    }
    done[best] = 1;
    group *x = &p->groups.p[best];
    x->position = p->order.n;
    VEC_PUSH(p->order, best);
    uint32_t m = touches(p, x, list, TOUCH_MAX, &n_in);
    for (uint32_t k = 0; k < m; k++) {
      if (k < n_in) readers[list[k]]--;
      else alive[list[k]] = 1;
    }
    for (uint32_t k = 0; k < x->after.n; k++) waits[x->after.p[k]]--;
  }
  free(waits), free(readers), free(done), free(alive);
  return GANTRY_OK;
}
