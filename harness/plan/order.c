/* order.c - the order of the steps, and which states are written in place.
 *
 * A state's new value goes straight into the state's tensor if everything that reads the old value can come before it, or reads it
 * element for element in the very kernel that writes; else it goes through a temporary and a copy at the end. The order is that of
 * creation, except that a step which frees more memory than it takes comes first. */
#include "plan/work.h"

#include <stdlib.h>

typedef struct sched {
  plan_list *readers, *writers; /* by value: steps */
  uint32_t *stamp, now;         /* by step */
} sched;

static void add(plan_list *l, uint32_t v) {
  for (uint32_t k = 0; k < l->n; k++)
    if (l->p[k] == v) return;
  VEC_PUSH(*l, v);
}

/* Does step s wait for step t? */
static int waits(plan *p, sched *c, uint32_t s, uint32_t t) {
  if (s == t) return 1;
  if (c->stamp[s] == c->now) return 0;
  c->stamp[s] = c->now;
  for (uint32_t k = 0; k < p->steps.p[s].deps.n; k++)
    if (waits(p, c, p->steps.p[s].deps.p[k], t)) return 1;
  return 0;
}

static void index_steps(plan *p, sched *c) {
  for (uint32_t s = 0; s < p->steps.n; s++) {
    for (uint32_t k = 0; k < p->steps.p[s].reads.n; k++) add(&c->readers[p->steps.p[s].reads.p[k]], s);
    for (uint32_t k = 0; k < p->steps.p[s].writes.n; k++) add(&c->writers[p->steps.p[s].writes.p[k]], s);
  }
}

static int same_access(const gantry_kernel *k, const gantry_access *a, const gantry_access *b, uint32_t axes) {
  return a->offset == b->offset && !a->bounded && !b->bounded && (!axes || !memcmp(a->stride, b->stride, sizeof *a->stride * axes)) && axes <= k->rank;
}

/* Does step s read value v only element for element where it writes value w? */
static int elementwise(const plan_step *s, uint32_t v, uint32_t w) {
  const gantry_kernel *k = s->kernel;
  if (!k) return 0;
  for (uint32_t t = 0; t < k->n_stores; t++) {
    if (s->store_values[t] != w) continue;
    int after = k->stores[t].reg >= k->body;
    for (uint32_t i = 0; i < k->n_insts; i++) {
      if (k->insts[i].op != GANTRY_K_LOAD || s->load_values[k->insts[i].a] != v) continue;
      if ((i >= k->body) != after || !same_access(k, &k->loads[k->insts[i].a], &k->stores[t].to, after ? k->kept : k->rank)) return 0;
    }
  }
  return 1;
}

/* Tries to have value w written into the tensor whose old value is v; adds the edges that this needs. */
static int in_place(plan *p, sched *c, uint32_t w, uint32_t v) {
  const plan_list *readers = &c->readers[v], *writers = &c->writers[w];
  for (uint32_t i = 0; i < readers->n; i++)
    for (uint32_t j = 0; j < writers->n; j++) {
      uint32_t r = readers->p[i], s = writers->p[j];
      if (r == s) {
        if (writers->n > 1 || !elementwise(&p->steps.p[s], v, w)) return 0;
        continue;
      }
      c->now++;
      if (waits(p, c, r, s)) return 0;
    }
  for (uint32_t i = 0; i < readers->n; i++)
    for (uint32_t j = 0; j < writers->n; j++)
      if (readers->p[i] != writers->p[j]) add(&p->steps.p[writers->p[j]].deps, readers->p[i]);
  return 1;
}

static gantry_status states(plan *p, sched *c) {
  uint32_t had = p->values.n;
  plan_list late = {0};
  for (uint32_t w = 0; w < had; w++) {
    if (p->values.p[w].leaf || !p->values.p[w].name || p->values.p[w].is_output) continue;
    for (uint32_t v = 0; v < had; v++) {
      if (!p->values.p[v].leaf || strcmp(p->values.p[v].name, p->values.p[w].name) || in_place(p, c, w, v)) continue;
      VEC_PUSH(late, w);
      break;
    }
  }
  gantry_status st = GANTRY_OK;
  for (uint32_t k = 0; k < late.n && !st; k++) {
    const char *name = p->values.p[late.p[k]].name;
    p->values.p[late.p[k]].name = NULL;
    uint32_t copy = plan_copy(p, p->values.p[late.p[k]].node, late.p[k], name);
    st = plan_step_of_group(p, p->groups.n - 1);
    if (st) break;
    uint32_t s = p->steps.n - 1;
    for (uint32_t i = 0; i < c->writers[late.p[k]].n; i++) add(&p->steps.p[s].deps, c->writers[late.p[k]].p[i]);
    for (uint32_t v = 0; v < had; v++)
      if (p->values.p[v].leaf && !strcmp(p->values.p[v].name, name))
        for (uint32_t i = 0; i < c->readers[v].n; i++) add(&p->steps.p[s].deps, c->readers[v].p[i]);
    (void)copy;
  }
  free(late.p);
  return st;
}

static int64_t bytes_of(const plan_value *v) { return v->name ? 0 : v->count * ir_dtype_size(v->dtype); }

gantry_status plan_order(plan *p) {
  uint32_t room = p->values.n + p->values.n, n_readers = p->values.n, steps_room = p->steps.n + p->values.n + 1;
  sched c = {mem_alloc(sizeof(plan_list) * (room + 1)), mem_alloc(sizeof(plan_list) * (room + 1)), mem_alloc(sizeof(uint32_t) * steps_room), 0};
  gantry_status st = GANTRY_OK;
  index_steps(p, &c);
  for (uint32_t v = 0; v < n_readers; v++) {
    for (uint32_t i = 0; i < c.readers[v].n; i++)
      for (uint32_t j = 0; j < c.writers[v].n; j++)
        if (c.readers[v].p[i] != c.writers[v].p[j]) add(&p->steps.p[c.readers[v].p[i]].deps, c.writers[v].p[j]);
    for (uint32_t j = 1; j < c.writers[v].n; j++) add(&p->steps.p[c.writers[v].p[j]].deps, c.writers[v].p[j - 1]); /* parts come after the zeros */
  }
  st = states(p, &c);
  for (uint32_t v = 0; v < room; v++) {
    free(c.readers[v].p);
    free(c.writers[v].p);
  }
  memset(c.readers, 0, sizeof(plan_list) * room);
  memset(c.writers, 0, sizeof(plan_list) * room);
  index_steps(p, &c);

  uint32_t n = p->steps.n, done = 0;
  uint32_t *left = mem_alloc(sizeof *left * (n + 1)), *unread = mem_alloc(sizeof *unread * (p->values.n + 1));
  uint8_t *placed = mem_alloc(n + 1);
  plan_list *next = mem_alloc(sizeof *next * (n + 1)), ready = {0};
  p->order = ARENA_ARRAY(p->mem, uint32_t, n + 1);
  for (uint32_t s = 0; s < n; s++) {
    left[s] = p->steps.p[s].deps.n;
    for (uint32_t k = 0; k < left[s]; k++) VEC_PUSH(next[p->steps.p[s].deps.p[k]], s);
    if (!left[s]) VEC_PUSH(ready, s);
  }
  for (uint32_t v = 0; v < p->values.n; v++) unread[v] = c.readers[v].n;
  while (!st && ready.n) {
    uint32_t pick = 0;
    int64_t best = 0;
    for (uint32_t i = 0; i < ready.n; i++) {
      const plan_step *s = &p->steps.p[ready.p[i]];
      int64_t net = 0;
      for (uint32_t k = 0; k < s->reads.n; k++)
        if (unread[s->reads.p[k]] == 1) net += bytes_of(&p->values.p[s->reads.p[k]]);
      for (uint32_t k = 0; k < s->writes.n; k++)
        if (s->writes.p[k] != s->scratch) net -= bytes_of(&p->values.p[s->writes.p[k]]);
      if (net < 0) net = 0;
      const plan_step *now = &p->steps.p[ready.p[pick]];
      if (!i || net > best || (net == best && (s->key < now->key || (s->key == now->key && ready.p[i] < ready.p[pick])))) {
        pick = i;
        best = net;
      }
    }
    uint32_t s = ready.p[pick];
    ready.p[pick] = ready.p[--ready.n];
    placed[s] = 1;
    p->order[done++] = s;
    for (uint32_t k = 0; k < p->steps.p[s].reads.n; k++) unread[p->steps.p[s].reads.p[k]]--;
    for (uint32_t k = 0; k < next[s].n; k++)
      if (!--left[next[s].p[k]]) VEC_PUSH(ready, next[s].p[k]);
  }
  if (!st && done != n) st = err_set(p->e, GANTRY_E_INTERNAL, "plan: %s: %u of %u steps wait for each other", p->name, n - done, n);
  for (uint32_t s = 0; s < n; s++) free(next[s].p);
  for (uint32_t v = 0; v < room; v++) {
    free(c.readers[v].p);
    free(c.writers[v].p);
  }
  free(c.readers);
  free(c.writers);
  free(c.stamp);
  free(left);
  free(unread);
  free(placed);
  free(next);
  free(ready.p);
  return st;
}
