/* emit.c - a group as the instructions of one kernel.
 *
 * In goes a group (roots over one iteration space), out come loads, instructions and stores, or the reason why it cannot be one kernel.
 * A place is where in a node's elements the current point of the iteration space is: an affine map per axis of the node. Walking from a
 * root to its inputs, views only change the place; arithmetic keeps it; a value in memory turns it into offset and strides. */
#include "plan/work.h"

#include <stdlib.h>

typedef struct place {
  int64_t off[GANTRY_MAX_RANK], coef[GANTRY_MAX_RANK][GANTRY_MAX_RANK]; /* [axis of the node][iteration axis] */
  int64_t lo[GANTRY_MAX_RANK], hi[GANTRY_MAX_RANK];                     /* bounds on the iteration axes */
  uint32_t bounded, level;
} place;

enum { PLACE_EMPTY = 2 }; /* a place's `bounded`: no point of the space lies inside */

typedef struct seen { ir_id node; uint32_t reg, at; } seen; /* at: index into places; nearly all nodes of a kernel share a few, and places are large */

typedef struct emitter {
  const plan *p;
  const plan_group *gr;
  plan_kernel *k;
  VEC(seen) seen;
  VEC(place) places;
  int bad;
} emitter;

static uint32_t fail(emitter *m, int why) {
  if (!m->bad) m->bad = why;
  return 0;
}

static uint32_t put(emitter *m, uint32_t level, gantry_inst i) {
  gantry_inst *at = m->k->insts[level];
  for (uint32_t k = 0; k < m->k->n[level]; k++)
    if (at[k].op == i.op && !memcmp(&at[k], &i, sizeof i)) return k;
  if (m->k->n[0] + m->k->n[1] >= PLAN_MAX_INSTS) return fail(m, PLAN_EMIT_LARGE);
  at[m->k->n[level]] = i;
  return m->k->n[level]++;
}

static uint32_t imm(emitter *m, uint32_t level, uint32_t dtype, double v) { return put(m, level, (gantry_inst){.op = GANTRY_K_IMM, .dtype = dtype, .imm = v}); }

static uint32_t load(emitter *m, uint32_t value, const gantry_access *a, uint32_t level) {
  plan_kernel *k = m->k;
  uint32_t i = 0;
  while (i < k->n_loads && (k->load_value[i] != value || memcmp(&k->loads[i], a, sizeof *a))) i++;
  if (i == k->n_loads) {
    if (i >= PLAN_MAX_LOADS) return fail(m, PLAN_EMIT_LARGE);
    k->loads[i] = *a;
    k->load_value[k->n_loads++] = value;
  }
  return put(m, level, (gantry_inst){.op = GANTRY_K_LOAD, .dtype = m->p->values.p[value].dtype, .a = i});
}

static void rows(const ir_graph *g, ir_id id, int64_t *stride) {
  int64_t s = 1;
  for (uint32_t k = ir_at(g, id)->rank; k-- > 0;) {
    stride[k] = s;
    s *= ir_dims(g, id)[k];
  }
}

/* The place as one offset into the node's dense elements. */
static void flatten(const emitter *m, ir_id node, const place *at, gantry_access *a) {
  int64_t stride[GANTRY_MAX_RANK];
  memset(a, 0, sizeof *a);
  rows(m->p->g, node, stride);
  for (uint32_t k = 0; k < ir_at(m->p->g, node)->rank; k++) {
    a->offset += at->off[k] * stride[k];
    for (uint32_t i = 0; i < m->gr->rank; i++) a->stride[i] += at->coef[k][i] * stride[k];
  }
  a->bounded = at->bounded != 0;
  for (uint32_t i = 0; i < m->gr->rank; i++) {
    a->lo[i] = at->bounded ? at->lo[i] : 0;
    a->hi[i] = at->bounded ? at->hi[i] : m->gr->dims[i];
  }
}

/* Where a node of the group's full (level 0) or kept (level 1) shape is at the current point. 0 if it has another shape. */
static int home(const plan *p, const plan_group *gr, ir_id node, uint32_t level, place *at) {
  const int64_t *d = ir_dims(p->g, node);
  uint32_t j = 0, n = level ? gr->kept : gr->rank;
  memset(at, 0, sizeof *at);
  at->level = level;
  for (uint32_t k = 0; k < ir_at(p->g, node)->rank; k++) {
    if (d[k] == 1) continue;
    uint32_t axis = level ? j : j < n ? gr->perm[j] : 0;
    if (j >= n || gr->dims[axis] != d[k]) return 0;
    at->coef[k][axis] = 1;
    j++;
  }
  return j == n;
}

static int same_place(const place *a, const place *b) { return !memcmp(a->off, b->off, sizeof a->off) && !memcmp(a->coef, b->coef, sizeof a->coef) && !a->bounded && !b->bounded && a->level == b->level; }

static const plan_root *root_of(const emitter *m, ir_id node) {
  for (uint32_t k = 0; k < m->gr->roots.n; k++)
    if (m->gr->roots.p[k].node == node && !m->gr->roots.p[k].copy && !m->gr->roots.p[k].strided) return &m->gr->roots.p[k];
  return NULL;
}

static uint32_t emit(emitter *m, ir_id node, const place *at);
static uint32_t compute(emitter *m, ir_id node, const place *at);

/* Where node's single input is, for a view. */
static int through(emitter *m, ir_id v, const place *at, place *to) {
  const ir_graph *g = m->p->g;
  ir_id x = plan_input(g, v, 0);
  const int64_t *d = ir_dims(g, x), *a, *b;
  uint32_t n, rank = ir_at(g, x)->rank;
  *to = *at;
  memset(to->off, 0, sizeof to->off);
  memset(to->coef, 0, sizeof to->coef);
#define MOVE_AXIS(DST, SRC, MUL, ADD)                                                                                   \
  do {                                                                                                                  \
    to->off[DST] = at->off[SRC] * (MUL) + (ADD);                                                                        \
    for (uint32_t i_ = 0; i_ < m->gr->rank; i_++) to->coef[DST][i_] = at->coef[SRC][i_] * (MUL);                        \
  } while (0)
  switch (ir_at(g, v)->op) {
    case GANTRY_OP_PERMUTE:
      a = ir_attr_iv(g, v, GANTRY_A_PERM, &n);
      for (uint32_t k = 0; k < rank; k++) MOVE_AXIS(a[k], k, 1, 0);
      return 1;
    case GANTRY_OP_BROADCAST:
      a = ir_attr_iv(g, v, GANTRY_A_AXES, &n);
      for (uint32_t k = 0; k < rank; k++) MOVE_AXIS(k, a[k], 1, 0);
      return 1;
    case GANTRY_OP_REVERSE:
      a = ir_attr_iv(g, v, GANTRY_A_AXES, &n);
      for (uint32_t k = 0; k < rank; k++) MOVE_AXIS(k, k, 1, 0);
      for (uint32_t k = 0; k < n; k++) MOVE_AXIS(a[k], a[k], -1, d[a[k]] - 1);
      return 1;
    case GANTRY_OP_SLICE:
      a = ir_attr_iv(g, v, GANTRY_A_START, &n);
      b = ir_attr_iv(g, v, GANTRY_A_STEP, &n);
      for (uint32_t k = 0; k < rank; k++) MOVE_AXIS(k, k, b ? b[k] : 1, a[k]);
      return 1;
    case GANTRY_OP_PAD:
      a = ir_attr_iv(g, v, GANTRY_A_LO, &n);
      if (!at->bounded)
        for (uint32_t i = 0; i < m->gr->rank; i++) {
          to->lo[i] = 0;
          to->hi[i] = m->gr->dims[i];
        }
      if (!to->bounded) to->bounded = 1;
      for (uint32_t k = 0; k < rank; k++) {
        MOVE_AXIS(k, k, 1, -(a ? a[k] : 0));
        uint32_t axis = GANTRY_MAX_RANK;
        for (uint32_t i = 0; i < m->gr->rank; i++)
          if (to->coef[k][i]) {
            if (axis != GANTRY_MAX_RANK) return 0;
            axis = i;
          }
        if (axis == GANTRY_MAX_RANK) {
          if (to->off[k] < 0 || to->off[k] >= d[k]) to->bounded = PLACE_EMPTY;
          continue;
        }
        int64_t c = to->coef[k][axis], o = to->off[k]; /* 0 <= o + c i < d */
        int64_t lo = c > 0 ? (o >= 0 ? 0 : (-o + c - 1) / c) : (o < d[k] ? 0 : (o - d[k]) / -c + 1), hi = c > 0 ? (d[k] - o + c - 1) / c : o / -c + 1;
        if (c > 0 ? o >= d[k] : o < 0) hi = 0;
        if (lo > to->lo[axis]) to->lo[axis] = lo;
        if (hi < to->hi[axis]) to->hi[axis] = hi;
        if (to->hi[axis] < to->lo[axis]) to->hi[axis] = to->lo[axis];
      }
      return 1;
  }
  return 0;
}

static uint32_t reshape(emitter *m, ir_id v, const place *at) {
  const ir_graph *g = m->p->g;
  ir_id x = plan_input(g, v, 0);
  const int64_t *a = ir_dims(g, x), *b = ir_dims(g, v);
  uint32_t i = 0, j = 0, ra = ir_at(g, x)->rank, rb = ir_at(g, v)->rank;
  place to = *at;
  memset(to.off, 0, sizeof to.off);
  memset(to.coef, 0, sizeof to.coef);
  for (;;) {
    while (i < ra && a[i] == 1) i++;
    while (j < rb && b[j] == 1) j++;
    if (i == ra || j == rb || a[i] != b[j]) break;
    to.off[i] = at->off[j];
    memcpy(to.coef[i++], at->coef[j], sizeof at->coef[j]);
    j++;
  }
  if (i == ra && j == rb) return emit(m, x, &to);
  gantry_access flat, own;
  flatten(m, v, at, &flat);
  while (ir_at(g, x)->op == GANTRY_OP_RESHAPE && m->p->value_of[x] == PLAN_NO_VALUE) x = plan_input(g, x, 0);
  const plan_root *r = root_of(m, x);
  if (r) {
    place here;
    if (!home(m->p, m->gr, x, r->level, &here) || here.level != at->level || at->bounded) return fail(m, PLAN_EMIT_ILLEGAL);
    flatten(m, x, &here, &own);
    if (memcmp(&own, &flat, sizeof own)) return fail(m, PLAN_EMIT_ILLEGAL);
    return emit(m, x, &here);
  }
  if (m->p->value_of[x] == PLAN_NO_VALUE) return fail(m, PLAN_EMIT_ILLEGAL);
  return load(m, m->p->value_of[x], &flat, at->level);
}

static uint32_t iota(emitter *m, ir_id v, const place *at) {
  uint32_t axis = (uint32_t)ir_attr_i(m->p->g, v, GANTRY_A_AXIS, 0), t = ir_at(m->p->g, v)->dtype, sum = 0;
  int any = 0;
  if (at->bounded) return fail(m, PLAN_EMIT_ILLEGAL);
  for (uint32_t i = 0; i < m->gr->rank; i++) {
    int64_t c = at->coef[axis][i];
    if (!c) continue;
    uint32_t r = put(m, at->level, (gantry_inst){.op = GANTRY_K_INDEX, .dtype = t, .a = i});
    if (c != 1) r = put(m, at->level, (gantry_inst){.op = GANTRY_OP_MUL, .dtype = t, .a = r, .b = imm(m, at->level, t, (double)c)});
    sum = any ? put(m, at->level, (gantry_inst){.op = GANTRY_OP_ADD, .dtype = t, .a = sum, .b = r}) : r;
    any = 1;
  }
  if (at->off[axis] || !any) {
    uint32_t r = imm(m, at->level, t, (double)at->off[axis]);
    sum = any ? put(m, at->level, (gantry_inst){.op = GANTRY_OP_ADD, .dtype = t, .a = sum, .b = r}) : r;
  }
  return sum;
}

/* Where the input of a reduction is: the kept axes as they are, the reduced ones over the group's reduced axes (or at 0). */
static uint32_t reduction(emitter *m, ir_id v, const place *at) {
  const ir_graph *g = m->p->g;
  ir_id x = plan_input(g, v, 0);
  uint32_t op = ir_at(g, v)->op, mask = plan_mask(g, v), t = ir_at(g, v)->dtype, j = 0;
  place in;
  if (!plan_reduces(g, v)) {
    in = *at;
    memset(in.off, 0, sizeof in.off);
    memset(in.coef, 0, sizeof in.coef);
    for (uint32_t k = 0; k < ir_at(g, x)->rank; k++) {
      if (mask >> k & 1) continue;
      in.off[k] = at->off[j];
      memcpy(in.coef[k], at->coef[j++], sizeof in.coef[k]);
    }
    uint32_t r = emit(m, x, &in);
    return op == GANTRY_OP_VAR ? put(m, at->level, (gantry_inst){.op = GANTRY_OP_SUB, .dtype = t, .a = r, .b = r}) : r;
  }
  if (!m->gr->reduce || at->level != 1 || !home(m->p, m->gr, x, 0, &in)) return fail(m, PLAN_EMIT_ILLEGAL);
  for (uint32_t k = 0; k < ir_at(g, x)->rank; k++) /* the same axes must be the reduced ones */
    for (uint32_t i = 0; i < m->gr->rank; i++)
      if (in.coef[k][i] && (i >= m->gr->kept) != (mask >> k & 1)) return fail(m, PLAN_EMIT_ILLEGAL);
  uint32_t r = emit(m, x, &in);
  return put(m, 1, (gantry_inst){.op = GANTRY_K_REDUCE, .dtype = t, .a = r, .kind = op});
}

static uint32_t map(emitter *m, ir_id v, const place *at) {
  const ir_graph *g = m->p->g;
  const ir_node *n = ir_at(g, v);
  uint32_t r[3] = {0, 0, 0};
  if (at->bounded) return fail(m, PLAN_EMIT_ILLEGAL);
  for (uint32_t k = 0; k < n->n_in && k < 3; k++) r[k] = emit(m, plan_input(g, v, k), at);
  if (m->bad) return 0;
  return put(m, at->level, (gantry_inst){.op = n->op, .dtype = n->dtype, .a = r[0], .b = r[1], .c = r[2],
                                         .kind = n->op == GANTRY_OP_CMP ? (uint32_t)ir_attr_i(g, v, GANTRY_A_KIND, 0) : 0,
                                         .imm = n->op == GANTRY_OP_POW ? ir_attr_f(g, v, GANTRY_A_EXPONENT, 0, 1) : 0});
}

static uint32_t compute(emitter *m, ir_id v, const place *at) {
  const ir_graph *g = m->p->g;
  const ir_node *n = ir_at(g, v);
  place to;
  switch (ir_op_get(n->op)->cls) {
    case IR_MAP:
      if (!root_of(m, v)) VEC_PUSH(m->k->inlined, v);
      return map(m, v, at);
    case IR_REDUCE: return reduction(m, v, at);
    case IR_MOVE:
      if (n->op == GANTRY_OP_RESHAPE) return reshape(m, v, at);
      if (!through(m, v, at, &to)) return fail(m, PLAN_EMIT_ILLEGAL);
      if (to.bounded == PLACE_EMPTY) return imm(m, at->level, n->dtype, 0);
      return emit(m, plan_input(g, v, 0), &to);
  }
  if (n->op == GANTRY_OP_IOTA) return iota(m, v, at);
  if (n->op != GANTRY_OP_CONST || at->bounded) return fail(m, PLAN_EMIT_ILLEGAL);
  return imm(m, at->level, n->dtype, ir_attr_f(g, v, GANTRY_A_VALUE, 0, 0));
}

static uint32_t place_number(emitter *m, const place *at) {
  for (uint32_t k = m->places.n; k-- > 0;)
    if (!memcmp(&m->places.p[k], at, sizeof *at)) return k;
  VEC_PUSH(m->places, *at);
  return m->places.n - 1;
}

static uint32_t emit(emitter *m, ir_id v, const place *at) {
  if (m->bad) return 0;
  v = plan_strip(m->p->g, v);
  for (uint32_t k = 0; k < m->seen.n; k++)
    if (m->seen.p[k].node == v && !memcmp(&m->places.p[m->seen.p[k].at], at, sizeof *at)) return m->seen.p[k].reg;
  const plan_root *r = root_of(m, v);
  uint32_t reg, value = m->p->value_of[v];
  if (r) {
    place here;
    if (!home(m->p, m->gr, v, r->level, &here) || !same_place(&here, at)) return fail(m, PLAN_EMIT_ILLEGAL);
    reg = compute(m, v, at);
  } else if (value != PLAN_NO_VALUE) {
    gantry_access a;
    flatten(m, v, at, &a);
    reg = load(m, value, &a, at->level);
  } else
    reg = compute(m, v, at);
  if (!m->bad) {
    seen s = {.node = v, .reg = reg, .at = place_number(m, at)};
    VEC_PUSH(m->seen, s);
  }
  return reg;
}

static void store(emitter *m, const plan_root *r, uint32_t reg, const gantry_access *a, int final) {
  plan_kernel *k = m->k;
  if (m->bad || (final && !m->p->values.p[r->value].needed)) return;
  if (k->n_stores >= PLAN_MAX_STORES) {
    fail(m, PLAN_EMIT_LARGE);
    return;
  }
  memset(&k->stores[k->n_stores], 0, sizeof k->stores[0]);
  k->stores[k->n_stores].to = *a;
  k->stores[k->n_stores].reg = reg;
  k->store_level[k->n_stores] = r->level;
  k->store_value[k->n_stores++] = r->value;
}

int plan_emit(const plan *p, const plan_group *gr, plan_kernel *out, int final) {
  emitter m = {.p = p, .gr = gr, .k = out};
  out->n[0] = out->n[1] = out->n_loads = out->n_stores = out->inlined.n = 0;
  for (uint32_t k = 0; k < gr->roots.n && !m.bad; k++) {
    const plan_root *r = &gr->roots.p[k];
    gantry_access a;
    place at;
    memset(&a, 0, sizeof a);
    if (!r->node) {
      int64_t s = 1;
      for (uint32_t i = gr->rank; i-- > 0;) {
        a.stride[i] = s;
        s *= gr->dims[i];
      }
      store(&m, r, imm(&m, 0, p->values.p[r->value].dtype, 0), &a, final);
      continue;
    }
    if (!home(p, gr, r->node, r->level, &at)) {
      fail(&m, PLAN_EMIT_ILLEGAL);
      break;
    }
    flatten(&m, r->node, &at, &a);
    uint32_t reg;
    if (r->copy) reg = load(&m, r->from, &a, r->level);
    else reg = emit(&m, r->node, &at);
    if (r->strided) {
      memset(a.stride, 0, sizeof a.stride);
      a.offset = r->offset;
      for (uint32_t d = 0; d < ir_at(p->g, r->node)->rank; d++)
        for (uint32_t i = 0; i < gr->rank; i++) a.stride[i] += at.coef[d][i] * r->stride[d];
    }
    memset(a.lo, 0, sizeof a.lo);
    memset(a.hi, 0, sizeof a.hi);
    store(&m, r, reg, &a, final);
  }
  free(m.seen.p);
  free(m.places.p);
  return m.bad;
}
