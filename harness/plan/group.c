/* group.c - which values share a kernel.
 *
 * Every value that is computed begins as a group of its own. Then groups merge, in a fixed order: a producer into its consumer where
 * both visit the same points (optimizer updates; an activation with the sums over it; a reduction with what follows it on the kept
 * shape), and reductions over the same space that read the same large tensor (mean and variance, the gradients of scale and shift).
 * Emission is the judge of what can be one kernel; a path through a third group forbids a merge. */
#include "plan/work.h"

#include <stdlib.h>

static uint32_t group_new(plan *p, plan_group gr) {
  VEC_PUSH(p->groups, gr);
  return p->groups.n - 1;
}

static void space_of(const plan *p, ir_id node, plan_group *gr) { /* a map over the node's shape */
  for (uint32_t k = 0; k < ir_at(p->g, node)->rank; k++) {
    if (ir_dims(p->g, node)[k] == 1) continue;
    gr->perm[gr->rank] = gr->rank;
    gr->dims[gr->rank++] = ir_dims(p->g, node)[k];
  }
  gr->kept = gr->rank;
}

static void space_of_reduce(const plan *p, ir_id node, plan_group *gr) {
  ir_id x = ir_in(p->g, node, 0);
  uint32_t mask = plan_mask(p->g, node), full = 0;
  for (int reduced = 0; reduced < 2; reduced++) {
    full = 0;
    for (uint32_t k = 0; k < ir_at(p->g, x)->rank; k++) {
      if (ir_dims(p->g, x)[k] == 1) continue;
      if ((int)(mask >> k & 1) == reduced) {
        gr->perm[full] = gr->rank;
        gr->dims[gr->rank++] = ir_dims(p->g, x)[k];
      }
      full++;
    }
    if (!reduced) gr->kept = gr->rank;
  }
  gr->reduce = 1;
}

static void part(plan *p, ir_id source, ir_id whole, int64_t offset, const int64_t *stride) {
  plan_group gr = {.fixed = 1};
  plan_root r = {.node = plan_strip(p->g, source), .value = p->value_of[whole], .strided = 1, .offset = offset};
  memcpy(r.stride, stride, sizeof r.stride);
  space_of(p, r.node, &gr);
  VEC_PUSH(gr.roots, r);
  group_new(p, gr);
}

static void rows(const ir_graph *g, ir_id id, int64_t *stride) {
  int64_t s = 1;
  for (uint32_t k = ir_at(g, id)->rank; k-- > 0;) {
    stride[k] = s;
    s *= ir_dims(g, id)[k];
  }
}

static void group_of(plan *p, ir_id v) {
  const ir_graph *g = p->g;
  int64_t stride[GANTRY_MAX_RANK] = {0}, offset = 0;
  plan_group gr = {0};
  plan_root r = {.node = v, .value = p->value_of[v]};
  uint32_t n, rank = ir_at(g, v)->rank;
  switch (ir_at(g, v)->op) {
    case GANTRY_OP_CONCAT: {
      uint32_t axis = (uint32_t)ir_attr_i(g, v, GANTRY_A_AXIS, 0);
      rows(g, v, stride);
      for (uint32_t k = 0; k < ir_at(g, v)->n_in; k++) {
        part(p, ir_in(g, v, k), v, offset, stride);
        offset += ir_dims(g, ir_in(g, v, k))[axis] * stride[axis];
      }
      return;
    }
    case GANTRY_OP_PAD: {
      const int64_t *lo = ir_attr_iv(g, v, GANTRY_A_LO, &n), *interior = ir_attr_iv(g, v, GANTRY_A_INTERIOR, &n);
      gr.fixed = 1;
      r.node = 0;
      space_of(p, v, &gr);
      VEC_PUSH(gr.roots, r);
      group_new(p, gr);
      rows(g, v, stride);
      for (uint32_t k = 0; k < rank; k++) {
        offset += (lo ? lo[k] : 0) * stride[k];
        stride[k] *= 1 + (interior ? interior[k] : 0);
      }
      part(p, ir_in(g, v, 0), v, offset, stride);
      return;
    }
  }
  if (plan_reduces(g, v)) {
    space_of_reduce(p, v, &gr);
    r.level = 1;
  } else
    space_of(p, v, &gr);
  VEC_PUSH(gr.roots, r);
  group_new(p, gr);
}

static int by_id(const void *a, const void *b) {
  ir_id x = *(const ir_id *)a, y = *(const ir_id *)b;
  return x < y ? -1 : x > y;
}

/* Emits a group alone; where that is too large, the middle of what it computes becomes a value, until it fits. */
static gantry_status fit(plan *p, uint32_t gi, plan_kernel *k) {
  for (;;) {
    int why = plan_emit(p, &p->groups.p[gi], k, 0);
    if (why == PLAN_EMIT_OK) break;
    ir_id node = p->groups.p[gi].roots.p[0].node;
    if (why == PLAN_EMIT_ILLEGAL || !k->inlined.n)
      return err_set(p->e, GANTRY_E_INTERNAL, "plan: %s: no kernel can compute node %%%u (%s)", p->name, node, ir_op_get(ir_at(p->g, node)->op)->name);
    qsort(k->inlined.p, k->inlined.n, sizeof *k->inlined.p, by_id);
    ir_id v = k->inlined.p[k->inlined.n / 2];
    p->mat[v] = 1;
    p->value_of[v] = plan_value_new(p, v);
    group_of(p, v);
  }
  plan_group *gr = &p->groups.p[gi];
  gr->loads.n = 0;
  for (uint32_t i = 0; i < k->n_loads; i++) VEC_PUSH(gr->loads, k->load_value[i]);
  return GANTRY_OK;
}

/* Producers: makers[value] = the group or library node that writes it (parts: any of them stands for all). */
typedef struct net {
  uint32_t *group_of_value;            /* PLAN_NO_VALUE: library step or leaf */
  uint32_t *stamp, now;                /* by group */
  uint8_t *wanted;                     /* by value: a root of the program or a library step reads it */
  plan_list *lib_reads;                /* by value, of library results: the values they read */
  uint32_t *lib_stamp;
} net;

/* Does value v depend on group x, not counting direct loads by the group that asks? */
static int depends(plan *p, net *n, uint32_t v, uint32_t x) {
  uint32_t gi = n->group_of_value[v];
  const plan_list *reads = &n->lib_reads[v];
  if (gi != PLAN_NO_VALUE) {
    if (gi == x) return 1;
    if (n->stamp[gi] == n->now) return 0;
    n->stamp[gi] = n->now;
    /* a value written in parts has several groups */
    if (p->groups.p[gi].fixed) {
      for (uint32_t k = 0; k < p->groups.n; k++)
        if (k != gi && p->groups.p[k].fixed && p->groups.p[k].roots.p[0].value == v)
          for (uint32_t i = 0; i < p->groups.p[k].loads.n; i++)
            if (depends(p, n, p->groups.p[k].loads.p[i], x)) return 1;
    }
    reads = &p->groups.p[gi].loads;
  } else {
    if (n->lib_stamp[v] == n->now) return 0;
    n->lib_stamp[v] = n->now;
  }
  for (uint32_t k = 0; k < reads->n; k++)
    if (depends(p, n, reads->p[k], x)) return 1;
  return 0;
}

/* Is there a path from group x to group y through a third? */
static int path(plan *p, net *n, uint32_t x, uint32_t y) {
  n->now++;
  for (uint32_t k = 0; k < p->groups.p[y].loads.n; k++) {
    uint32_t v = p->groups.p[y].loads.p[k];
    if (n->group_of_value[v] == x) continue;
    if (depends(p, n, v, x)) return 1;
  }
  return 0;
}

static int same_axes(uint32_t na, const int64_t *a, uint32_t nb, const int64_t *b) { return na == nb && (!na || !memcmp(a, b, sizeof *a * na)); }

/* Lays x's roots into a copy of y, or y's into one of x. Returns 0 where the spaces do not fit. level: of a map inside a reduction. */
static int joined(const plan_group *x, const plan_group *y, uint32_t level, plan_group *out) {
  const plan_group *frame = x->reduce ? x : y, *other = x->reduce ? y : x;
  *out = *frame;
  memset(&out->roots, 0, sizeof out->roots);
  memset(&out->loads, 0, sizeof out->loads);
  if (frame->reduce && other->reduce) {
    if (!same_axes(x->rank, x->dims, y->rank, y->dims) || x->kept != y->kept || memcmp(x->perm, y->perm, sizeof *x->perm * x->rank)) return 0;
  } else if (frame->reduce) {
    int64_t full[GANTRY_MAX_RANK] = {0};
    for (uint32_t k = 0; k < frame->rank; k++) full[k] = frame->dims[frame->perm[k]];
    if (level ? !same_axes(frame->kept, frame->dims, other->rank, other->dims) : !same_axes(frame->rank, full, other->rank, other->dims)) return 0;
  } else if (!same_axes(x->rank, x->dims, y->rank, y->dims))
    return 0;
  for (uint32_t side = 0; side < 2; side++) {
    const plan_group *from = side ? y : x;
    for (uint32_t k = 0; k < from->roots.n; k++) {
      plan_root r = from->roots.p[k];
      if (frame->reduce && !from->reduce) r.level = level;
      VEC_PUSH(out->roots, r);
    }
  }
  return 1;
}

static int64_t points(const plan_group *g) {
  int64_t n = 1;
  for (uint32_t k = 0; k < g->rank; k++) n *= g->dims[k];
  return n;
}

static int merge(plan *p, net *n, uint32_t x, uint32_t y, plan_kernel *k) {
  plan_group *a = &p->groups.p[x], *b = &p->groups.p[y], both;
  if (a->roots.n + b->roots.n > 2 * PLAN_MAX_STORES || path(p, n, x, y) || path(p, n, y, x)) return 0;
  for (uint32_t level = 0; level < 2; level++) {
    if (level && a->reduce == b->reduce) break;
    if (!joined(a, b, level, &both)) continue;
    if (plan_emit(p, &both, k, 0) != PLAN_EMIT_OK) {
      free(both.roots.p);
      continue;
    }
    for (uint32_t i = 0; i < k->n_loads; i++) VEC_PUSH(both.loads, k->load_value[i]);
    free(b->roots.p);
    free(b->loads.p);
    *b = both;
    a->dead = 1;
    a->roots.n = a->loads.n = 0;
    for (uint32_t i = 0; i < both.roots.n; i++) n->group_of_value[both.roots.p[i].value] = y;
    return 1;
  }
  return 0;
}

static int shares_large(const plan *p, const plan_group *a, const plan_group *b) {
  for (uint32_t i = 0; i < a->loads.n; i++)
    for (uint32_t j = 0; j < b->loads.n; j++)
      if (a->loads.p[i] == b->loads.p[j] && 2 * p->values.p[a->loads.p[i]].count >= points(a)) return 1;
  return 0;
}

static void merge_into(plan *p, net *n, uint32_t y, plan_kernel *k) {
  for (int again = 1; again;) {
    again = 0;
    plan_group *b = &p->groups.p[y];
    for (uint32_t i = 0; i < b->loads.n && !again; i++) {
      uint32_t x = n->group_of_value[b->loads.p[i]];
      if (x == PLAN_NO_VALUE || x == y || p->groups.p[x].dead || p->groups.p[x].fixed) continue;
      again = merge(p, n, x, y, k);
    }
    for (uint32_t x = 0; x < y && !again && b->reduce; x++) {
      const plan_group *a = &p->groups.p[x];
      if (!a->dead && a->reduce && a->rank == b->rank && a->kept == b->kept && shares_large(p, a, b)) again = merge(p, n, x, y, k);
    }
  }
}

/* Values read by nobody outside their own kernel need no memory. */
static void find_needed(plan *p, const net *n) {
  for (uint32_t v = 0; v < p->values.n; v++) p->values.p[v].needed = n->wanted[v];
  for (uint32_t gi = 0; gi < p->groups.n; gi++) {
    const plan_group *gr = &p->groups.p[gi];
    for (uint32_t k = 0; k < gr->loads.n; k++)
      if (n->group_of_value[gr->loads.p[k]] != gi) p->values.p[gr->loads.p[k]].needed = 1;
    for (uint32_t k = 0; gr->fixed && k < gr->roots.n; k++) p->values.p[gr->roots.p[k].value].needed = 1;
  }
}

gantry_status plan_groups(plan *p) {
  const ir_graph *g = p->g;
  plan_kernel *k = mem_alloc(sizeof *k);
  gantry_status st = GANTRY_OK;
  for (ir_id v = 1; v < g->nodes.n; v++)
    if (p->live[v] && p->mat[v]) group_of(p, v);
  for (uint32_t had = 0; had != p->values.n && !st;) { /* a value made on the way changes what others load */
    had = p->values.n;
    for (uint32_t gi = 0; gi < p->groups.n && !st; gi++) st = fit(p, gi, k);
  }
  net n = {.group_of_value = ARENA_ARRAY(p->mem, uint32_t, p->values.n + 1), .stamp = ARENA_ARRAY(p->mem, uint32_t, p->groups.n + 1), .wanted = ARENA_ARRAY(p->mem, uint8_t, p->values.n + 1),
           .lib_reads = ARENA_ARRAY(p->mem, plan_list, p->values.n + 1), .lib_stamp = ARENA_ARRAY(p->mem, uint32_t, p->values.n + 1)};
  for (uint32_t v = 0; v < p->values.n; v++) n.group_of_value[v] = PLAN_NO_VALUE;
  for (uint32_t gi = 0; gi < p->groups.n; gi++)
    for (uint32_t i = 0; i < p->groups.p[gi].roots.n; i++) n.group_of_value[p->groups.p[gi].roots.p[i].value] = gi;
  int64_t offset;
  for (ir_id v = 1; v < g->nodes.n; v++) {
    if (!p->live[v] || ir_op_get(ir_at(g, v)->op)->cls != IR_LIB) continue;
    for (uint32_t i = 0; i < ir_at(g, v)->n_in; i++) {
      uint32_t in = p->value_of[plan_dense(g, ir_in(g, v, i), &offset)];
      n.wanted[in] = 1;
      VEC_PUSH(n.lib_reads[p->value_of[v]], in);
    }
    n.wanted[p->value_of[v]] = 1;
  }
  for (uint32_t i = 0; i < g->roots.n; i++) n.wanted[p->value_of[plan_dense(g, g->roots.p[i].id, &offset)]] = 1;
  for (uint32_t gi = 0; gi < p->groups.n && !st; gi++)
    if (!p->groups.p[gi].dead && !p->groups.p[gi].fixed) merge_into(p, &n, gi, k);
  find_needed(p, &n);
  for (uint32_t v = 0; v < p->values.n; v++) free(n.lib_reads[v].p);
  free(k->inlined.p);
  free(k);
  return st;
}
