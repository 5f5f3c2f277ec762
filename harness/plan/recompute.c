/* recompute.c - values that are computed again instead of kept, where that makes the program's memory smaller.
 *
 * In goes a plan whose steps have an order; out comes one in which some steps stand twice. Between the forward and the backward half of a step a network's activations lie in memory and nobody
 * touches them. Where such a value comes from a kernel that visits its points one by one, and what that kernel reads is in memory anyway when the value is wanted next (normalization and activation after a convolution, whose
 * result the backward half needs too), a second kernel makes it again from the same instructions, to the same bits, and its first place is free in between.
 *
 * Greedy, at the fullest position of the program: of the values that lie idle there, the one with most bytes freed for each byte moved again is given up, until the next one would move more than the share allowed of what
 * the program moves, or would free nothing. What an author marked with gan_recompute() costs nothing in this account, and may come from a library step or a reduction too. */
#include "plan/work.h"

#include <stdlib.h>

enum { DEPTH = 6, MAX_AGAIN = 512 };

typedef struct uses { int32_t first, last, writers, before, after; } uses; /* before, after: the nearest touch around the fullest position */

typedef struct once_more { uint32_t step, value; } once_more; /* a copy of the step, for the sake of the value */
typedef struct again { /* one value computed again: what to insert before position `at` */
  VEC(once_more) copies; /* producers first */
  plan_list stretched; /* values that must live until `at` */
  int32_t at;
  double moved;        /* bytes that the copies read and write */
  int64_t held;        /* bytes at the fullest position that were free there before */
  uint8_t marked;
} again;

typedef struct again_work {
  plan *p;
  plan_list order;   /* steps by position */
  uses *of;           /* by value */
  uint32_t *writer;   /* by value: the step, or PLAN_NO_VALUE */
  int64_t *live;      /* bytes by position */
  int32_t peak;
  uint32_t room;      /* of the arrays by value */
} again_work;

static int64_t bytes_of(const plan_value *v) { return v->name || v->leaf ? 0 : (v->count * ir_dtype_size(v->dtype) + 63) & ~(int64_t)63; }

static void touch(again_work *w, uint32_t v, int32_t t, int writes, uint32_t s) {
  uses *u = &w->of[v];
  if (u->first == PLAN_NONE) u->first = t;
  u->last = t;
  if (!writes) return;
  u->writers++;
  w->writer[v] = s;
}

static void measure(again_work *w) {
  plan *p = w->p;
  uint32_t n = w->order.n;
  for (uint32_t v = 0; v < p->values.n; v++) {
    w->of[v] = (uses){PLAN_NONE, PLAN_NONE, 0, PLAN_NONE, PLAN_NONE};
    w->writer[v] = PLAN_NO_VALUE;
  }
  memset(w->live, 0, sizeof *w->live * (n + 1));
  for (uint32_t t = 0; t < n; t++) {
    const plan_step *s = &p->steps.p[w->order.p[t]];
    for (uint32_t k = 0; k < s->reads.n; k++) touch(w, s->reads.p[k], (int32_t)t, 0, 0);
    for (uint32_t k = 0; k < s->writes.n; k++) touch(w, s->writes.p[k], (int32_t)t, 1, w->order.p[t]);
  }
  for (uint32_t v = 0; v < p->values.n; v++) /* differences first */
    if (w->of[v].first != PLAN_NONE) {
      w->live[w->of[v].first] += bytes_of(&p->values.p[v]);
      w->live[w->of[v].last + 1] -= bytes_of(&p->values.p[v]);
    }
  w->peak = 0;
  for (uint32_t t = 1; t < n; t++) {
    w->live[t] += w->live[t - 1];
    if (w->live[t] > w->live[w->peak]) w->peak = (int32_t)t;
  }
  for (int32_t t = 0; t < (int32_t)n; t++) {
    const plan_step *s = &p->steps.p[w->order.p[t]];
    for (uint32_t k = 0; k < s->reads.n + s->writes.n; k++) {
      uses *u = &w->of[k < s->reads.n ? s->reads.p[k] : s->writes.p[k - s->reads.n]];
      if (t <= w->peak) u->before = t;
      if (t >= w->peak && u->after == PLAN_NONE) u->after = t;
    }
  }
}

/* Which store of the step's kernel writes v at every point, once; -1: none. */
static int store_of(const plan_step *s, uint32_t v) {
  int found = -1;
  for (uint32_t k = 0; k < s->kernel->n_stores; k++) {
    if (s->store_values[k] != v) continue;
    if (found >= 0 || s->kernel->stores[k].reg >= s->kernel->body) return -1;
    found = (int)k;
  }
  return found;
}

static int reads_state_that_changed(const again_work *w, uint32_t v, int32_t from, int32_t to) {
  const plan_value *x = &w->p->values.p[v];
  for (uint32_t k = 0; x->name && k < w->p->values.n; k++) {
    const plan_value *y = &w->p->values.p[k];
    if (y->leaf || !y->name || strcmp(x->name, y->name) || w->of[k].first == PLAN_NONE) continue;
    for (int32_t t = from + 1; t < to; t++) {
      const plan_step *s = &w->p->steps.p[w->order.p[t]];
      for (uint32_t j = 0; j < s->writes.n; j++)
        if (s->writes.p[j] == k) return 1;
    }
  }
  return 0;
}

static int has(const plan_list *l, uint32_t v) {
  for (uint32_t k = 0; k < l->n; k++)
    if (l->p[k] == v) return 1;
  return 0;
}

static int may(const again_work *w, uint32_t v) { /* may it be computed again at all? */
  const plan_value *x = &w->p->values.p[v];
  if (bytes_of(x) == 0 || !x->node || w->of[v].writers != 1) return 0;
  const plan_step *s = &w->p->steps.p[w->writer[v]];
  return x->again || (s->kernel && store_of(s, v) >= 0);
}

static int add_value(again_work *w, again *a, uint32_t v, int depth);

/* Is v there at the position where it is wanted, or can it be made so? */
static int provide(again_work *w, again *a, uint32_t v, int32_t made, int64_t wanted, int depth) {
  const plan_value *x = &w->p->values.p[v];
  if (x->leaf || x->name) return !reads_state_that_changed(w, v, made, a->at);
  if (w->of[v].last >= a->at || has(&a->stretched, v)) return 1;
  for (uint32_t k = 0; k < a->copies.n; k++)
    if (a->copies.p[k].value == v) return 1; /* made again already */
  if (w->of[v].last < w->peak && bytes_of(x) > wanted / 64 && may(w, v) && depth < DEPTH) return add_value(w, a, v, depth + 1);
  VEC_PUSH(a->stretched, v);
  if (w->of[v].last < w->peak) a->held += bytes_of(x);
  return 1;
}

static int add_value(again_work *w, again *a, uint32_t v, int depth) {
  uint32_t si = w->writer[v];
  const plan_step *s = &w->p->steps.p[si];
  int64_t wanted = bytes_of(&w->p->values.p[v]);
  if (a->copies.n > MAX_AGAIN) return 0;
  for (uint32_t k = 0; k < s->reads.n; k++)
    if (!provide(w, a, s->reads.p[k], w->of[v].first, wanted, depth)) return 0;
  once_more copy = {si, v};
  VEC_PUSH(a->copies, copy);
  a->moved += (double)wanted;
  for (uint32_t k = 0; k < s->reads.n; k++) a->moved += (double)(w->p->values.p[s->reads.p[k]].count * ir_dtype_size(w->p->values.p[s->reads.p[k]].dtype));
  return 1;
}

/* What giving up v at the fullest position would take; 0 if it cannot be. */
static int consider(again_work *w, uint32_t v, again *a) {
  const uses *u = &w->of[v];
  *a = (again){.at = u->after, .marked = w->p->values.p[v].again};
  if (u->first == PLAN_NONE || u->first >= w->peak || u->last <= w->peak || u->before >= w->peak || u->after <= w->peak || !may(w, v) || !add_value(w, a, v, 0)) return 0;
  for (uint32_t k = 0; k < a->stretched.n; k++) /* longer lives must not make another position the fullest */
    for (int32_t t = w->of[a->stretched.p[k]].last + 1; t <= a->at; t++) {
      int64_t more = 0;
      for (uint32_t j = 0; j < a->stretched.n; j++)
        if (t > w->of[a->stretched.p[j]].last) more += bytes_of(&w->p->values.p[a->stretched.p[j]]);
      int64_t less = t > u->before && t < a->at ? bytes_of(&w->p->values.p[v]) : 0;
      if (w->live[t] + more - less >= w->live[w->peak]) return 0;
    }
  int64_t between = 0; /* what the copies write and only they read lies beside v when it is wanted */
  for (uint32_t k = 0; k < a->copies.n; k++) {
    const plan_step *s = &w->p->steps.p[a->copies.p[k].step];
    for (uint32_t j = 0; j < s->writes.n; j++)
      if (s->writes.p[j] != v && (s->writes.p[j] == a->copies.p[k].value || !s->kernel || store_of(s, a->copies.p[k].value) < 0)) between += bytes_of(&w->p->values.p[s->writes.p[j]]);
  }
  if (w->live[a->at] + between >= w->live[w->peak]) return 0;
  return bytes_of(&w->p->values.p[v]) - a->held > w->live[w->peak] / 256;
}

/* The kernel that makes only the value of store `which`: the instructions that lead there, over all axes, the stored order outermost first. */
static gantry_kernel *kernel_of(plan *p, const plan_step *s, int which, uint32_t **load_values) {
  const gantry_kernel *k = s->kernel;
  gantry_kernel *q = ARENA_NEW(p->mem, gantry_kernel);
  uint8_t *used = mem_alloc(k->body + 1);
  uint32_t *reg = mem_alloc(sizeof *reg * (k->body + 1)), perm[GANTRY_MAX_RANK], back[GANTRY_MAX_RANK];
  const gantry_store *to = &k->stores[which];
  gantry_inst *insts = ARENA_ARRAY(p->mem, gantry_inst, k->body + 1);
  gantry_access *loads = ARENA_ARRAY(p->mem, gantry_access, k->n_loads + 1);
  gantry_store *store = ARENA_NEW(p->mem, gantry_store);
  *q = (gantry_kernel){.struct_size = sizeof *q, .rank = k->rank, .kept = k->rank, .n_stores = 1};
  *load_values = ARENA_ARRAY(p->mem, uint32_t, k->n_loads + 1);
  for (uint32_t d = 0; d < k->rank; d++) { /* by falling stride of what is stored */
    uint32_t at = d;
    while (at > 0 && to->to.stride[perm[at - 1]] < to->to.stride[d]) {
      perm[at] = perm[at - 1];
      at--;
    }
    perm[at] = d;
  }
  for (uint32_t d = 0; d < k->rank; d++) {
    q->dims[d] = k->dims[perm[d]];
    back[perm[d]] = d;
  }
  used[to->reg] = 1;
  for (uint32_t i = k->body; i-- > 0;) {
    if (!used[i] || k->insts[i].op >= GANTRY_K_LOAD) continue;
    const gantry_inst *o = &k->insts[i];
    for (int n = ir_op_get(o->op)->arity, j = 0; j < n && j < 3; j++) used[j == 0 ? o->a : j == 1 ? o->b : o->c] = 1;
  }
  for (uint32_t i = 0; i < k->body; i++) {
    if (!used[i]) continue;
    gantry_inst *o = &insts[q->n_insts];
    *o = k->insts[i];
    reg[i] = q->n_insts++;
    if (o->op == GANTRY_K_INDEX) o->a = back[o->a];
    if (o->op == GANTRY_K_LOAD) {
      const gantry_access *from = &k->loads[o->a];
      gantry_access *x = &loads[q->n_loads];
      *x = *from;
      for (uint32_t d = 0; d < k->rank; d++) {
        x->stride[d] = from->stride[perm[d]];
        x->lo[d] = from->lo[perm[d]];
        x->hi[d] = from->hi[perm[d]];
      }
      (*load_values)[q->n_loads] = s->load_values[o->a];
      o->a = q->n_loads++;
    }
    if (o->op >= GANTRY_K_LOAD) continue;
    o->a = reg[o->a];
    o->b = reg[o->b];
    o->c = reg[o->c];
  }
  *store = *to;
  store->reg = reg[to->reg];
  for (uint32_t d = 0; d < k->rank; d++) store->to.stride[d] = to->to.stride[perm[d]];
  q->body = q->n_insts;
  q->insts = insts;
  q->loads = loads;
  q->stores = store;
  free(used);
  free(reg);
  return q;
}

static void note(plan_list *l, uint32_t v) {
  if (!has(l, v)) VEC_PUSH(*l, v);
}
static uint32_t twin(plan *p, uint32_t v) {
  plan_value x = p->values.p[v];
  VEC_PUSH(p->values, x);
  return p->values.n - 1;
}

/* Step si once more, writing new values; renamed[] says which old value is which new one from here on. */
static uint32_t copy_step(plan *p, uint32_t si, uint32_t v, uint32_t *renamed) {
  plan_step s = p->steps.p[si], c = {.group = s.group, .lib = s.lib, .out = PLAN_NO_VALUE, .scratch = PLAN_NO_VALUE, .key = s.key};
  int which = s.kernel ? store_of(&s, v) : -1;
  if (s.kernel) {
    if (which >= 0) c.kernel = kernel_of(p, &s, which, &c.load_values);
    else {
      c.kernel = arena_copy(p->mem, s.kernel, sizeof *s.kernel);
      c.load_values = arena_copy(p->mem, s.load_values, sizeof *s.load_values * s.kernel->n_loads);
    }
    c.store_values = ARENA_ARRAY(p->mem, uint32_t, c.kernel->n_stores + 1);
    for (uint32_t k = 0; k < c.kernel->n_loads; k++) {
      c.load_values[k] = renamed[c.load_values[k]];
      note(&c.reads, c.load_values[k]);
    }
    for (uint32_t k = 0; k < c.kernel->n_stores; k++) {
      uint32_t old = which >= 0 ? v : s.store_values[k];
      c.store_values[k] = twin(p, old);
      note(&c.writes, c.store_values[k]);
      renamed[old] = c.store_values[k];
    }
  } else {
    c.call = arena_copy(p->mem, s.call, sizeof *s.call);
    c.operands = arena_copy(p->mem, s.operands, sizeof *s.operands * (s.call->n_in + 1));
    for (uint32_t k = 0; k < s.call->n_in; k++) {
      c.operands[k] = renamed[c.operands[k]];
      note(&c.reads, c.operands[k]);
    }
    if (s.scratch != PLAN_NO_VALUE) {
      c.scratch = twin(p, s.scratch);
      note(&c.writes, c.scratch);
    }
    c.out = twin(p, s.out);
    note(&c.writes, c.out);
    renamed[s.out] = c.out;
  }
  VEC_PUSH(p->steps, c);
  return p->steps.n - 1;
}

static void rename_in(plan_list *l, uint32_t old, uint32_t now) {
  for (uint32_t k = 0; k < l->n; k++)
    if (l->p[k] == old) l->p[k] = now;
}

static void apply(again_work *w, again *a, uint32_t v) {
  plan *p = w->p;
  uint32_t had = p->values.n, *renamed = mem_alloc(sizeof *renamed * (had + 1));
  plan_list order = {0};
  for (uint32_t k = 0; k < had; k++) renamed[k] = k;
  for (int32_t t = 0; t < a->at; t++) VEC_PUSH(order, w->order.p[t]);
  for (uint32_t k = 0; k < a->copies.n; k++) {
    uint32_t c = copy_step(p, a->copies.p[k].step, a->copies.p[k].value, renamed);
    VEC_PUSH(order, c);
  }
  p->again += a->copies.n;
  for (uint32_t t = (uint32_t)a->at; t < w->order.n; t++) {
    plan_step *s = &p->steps.p[w->order.p[t]];
    rename_in(&s->reads, v, renamed[v]);
    for (uint32_t k = 0; s->kernel && k < s->kernel->n_loads; k++)
      if (s->load_values[k] == v) s->load_values[k] = renamed[v];
    for (uint32_t k = 0; s->call && k < s->call->n_in; k++)
      if (s->operands[k] == v) s->operands[k] = renamed[v];
    VEC_PUSH(order, w->order.p[t]);
  }
  free(w->order.p);
  w->order = order;
  free(renamed);
}

static void make_room(again_work *w) {
  if (w->room >= w->p->values.n && w->live) return;
  w->room = w->p->values.n * 2 + 64;
  free(w->of);
  free(w->writer);
  w->of = mem_alloc(sizeof *w->of * w->room);
  w->writer = mem_alloc(sizeof *w->writer * w->room);
}

static void done_with(again *a) {
  free(a->copies.p);
  free(a->stretched.p);
}

gantry_status plan_recompute(plan *p, double share) {
  again_work w = {.p = p};
  double moved = 0, budget = 0;
  int marked = 0;
  for (uint32_t v = 0; v < p->values.n; v++) marked |= p->values.p[v].again;
  if (share <= 0 && !marked) return GANTRY_OK;
  for (uint32_t t = 0; t < p->steps.n; t++) {
    const plan_step *s = &p->steps.p[p->order[t]];
    VEC_PUSH(w.order, p->order[t]);
    for (uint32_t k = 0; k < s->reads.n + s->writes.n; k++) {
      const plan_value *v = &p->values.p[k < s->reads.n ? s->reads.p[k] : s->writes.p[k - s->reads.n]];
      budget += share * (double)(v->count * ir_dtype_size(v->dtype));
    }
  }
  for (uint32_t round = 0; round < MAX_AGAIN; round++) {
    make_room(&w);
    free(w.live);
    w.live = mem_alloc(sizeof *w.live * (w.order.n + 2));
    measure(&w);
    again best = {0};
    uint32_t which = PLAN_NO_VALUE;
    double best_score = 0;
    for (uint32_t v = 0; v < p->values.n; v++) {
      again a;
      if (consider(&w, v, &a) && (a.marked || moved + a.moved <= budget)) {
        double score = (double)(bytes_of(&p->values.p[v]) - a.held) / (a.moved + 1);
        if (score > best_score) {
          again worse = best;
          best = a;
          a = worse;
          best_score = score;
          which = v;
        }
      }
      done_with(&a);
    }
    if (which != PLAN_NO_VALUE) {
      if (!best.marked) moved += best.moved;
      apply(&w, &best, which);
    }
    done_with(&best);
    if (which == PLAN_NO_VALUE) break;
  }
  p->order = ARENA_ARRAY(p->mem, uint32_t, w.order.n + 1);
  for (uint32_t t = 0; t < w.order.n; t++) p->order[t] = w.order.p[t];
  free(w.order.p);
  free(w.of);
  free(w.writer);
  free(w.live);
  return GANTRY_OK;
}
