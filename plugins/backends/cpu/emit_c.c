/* emit_c.c - from one kernel to the C text of one function, bit for bit what the interpreter computes.
 *
 * The loops are those of the interpreter's walk (kernel_space.c): kept axes A, reduced axes R, at most one kept axis B inside them. The innermost one
 * is the run: a loop that the compiler vectorises. An instruction stands at the depth of the last axis that it depends on. Where the run axis is
 * short, it is joined with the axis around it into one run, and what depends on the short axis alone (a channel's scale) is computed once into an
 * array that repeats (`q`). Reduced elements go to lane j % 8 as in kernel_reduce.c. */
#include "emit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void dependencies(emit *e) {
  const gantry_kernel *k = e->k;
  uint32_t kept = 0;
  for (uint32_t t = 0; t < e->o->rank; t++)
    if (t < e->o->n_a || t >= e->o->n_a + e->o->n_r) kept |= 1u << t;
  for (uint32_t i = 0; i < k->n_insts; i++) {
    const gantry_inst *q = &k->insts[i];
    uint32_t args[3] = {q->a, q->b, q->c};
    e->dep[i] = 0;
    for (uint32_t j = 0; j < emit_operands(q->op); j++) e->dep[i] |= e->dep[args[j]];
    if (q->op == GANTRY_K_LOAD) e->dep[i] = emit_access_dep(e, i);
    if (q->op == GANTRY_K_REDUCE) e->dep[i] = kept;
    if (q->op == GANTRY_K_INDEX)
      for (uint32_t t = 0; t < e->o->rank; t++)
        if (e->m->axis[t] == q->a && e->k->dims[q->a] > 1) e->dep[i] |= 1u << t;
  }
}

/* May the last two loops be one run? Every access walks both as one axis, or repeats with the inner one. */
static int blocks(const emit *e) {
  const cpu_kernel *o = e->o;
  if (e->n_loops < 2) return 0;
  uint32_t x = emit_run_axis(e), y = emit_around(e);
  if (o->dims[x] >= SHORT || o->dims[x] < 2) return 0;
  if ((y < o->n_a) != (x < o->n_a || x >= o->n_a + o->n_r) && !(o->has_b && x == o->rank - 1 && y >= o->n_a)) return 0;
  if (o->n_r && x < o->n_a + o->n_r) return 0; /* a reduced run has lanes along it */
  for (uint32_t i = 0; i < e->k->body; i++)
    if (e->k->insts[i].op == GANTRY_K_INDEX && (e->dep[i] >> x & 1 || e->dep[i] >> y & 1)) return 0;
  for (uint32_t a = 0; a < o->n_access; a++) {
    const cpu_access *q = &o->access[a];
    int store = a >= e->k->n_insts;
    if (e->m->level[a] != 0 || !(emit_access_dep(e, a) >> x & 1 || emit_access_dep(e, a) >> y & 1)) continue;
    if (q->bounded && (q->lo[x] > 0 || q->hi[x] < o->dims[x] || q->lo[y] > 0 || q->hi[y] < o->dims[y])) return 0;
    if (q->stride[y] == q->stride[x] * o->dims[x] && q->stride[x]) continue;
    if (q->stride[y] || store) return 0;
  }
  if (o->n_r > 1 && o->dims[y] % ALIKE) return 0; /* a block begins at lane 0 */
  return 1;
}

static void places(emit *e) { /* of every instruction of the body */
  uint32_t x = emit_run_axis(e), y = e->block ? emit_around(e) : x;
  for (uint32_t i = 0; i < e->k->body; i++) {
    uint32_t d = e->dep[i];
    e->where[i] = !(d >> x & 1 || d >> y & 1) ? AT_LOOP : e->block && !(d >> y & 1) ? AT_PERIODIC : AT_RUN;
  }
}

static void loops(emit *e) { /* which loops there are, in which order */
  const cpu_kernel *o = e->o;
  for (uint32_t t = 0; t < o->rank; t++) e->loop[e->n_loops++] = t;
  int parts = o->has_b && !o->n_a && e->m->c->self->threads > 1 && o->dims[o->rank - 1] >= 64;
  e->block = !parts && blocks(e);
  e->whole_b = o->has_b && !parts;
  if (!e->block) return;
  e->width = o->dims[emit_run_axis(e)];
  e->rows = o->n_r ? ALIKE : (BLOCK_POINTS + e->width - 1) / e->width;
  if (!o->n_r && e->rows > o->dims[emit_around(e)]) e->rows = o->dims[emit_around(e)]; /* what repeats is written anew inside each outer loop */
}

static uint32_t keep(struct cpu_source *s, cpu_text *t) { /* the function's number; UINT32_MAX without memory */
  for (uint32_t f = 0; f < s->n; f++) {
    size_t end = f + 1 < s->n ? s->from[f + 1] : s->functions.n, head = strlen("static void k00000");
    if (end - s->from[f] == t->n + head && !memcmp(s->functions.p + s->from[f] + head, t->p, t->n)) return f;
  }
  if (s->n == s->room) {
    size_t *from = realloc(s->from, sizeof *from * (s->room ? 2 * s->room : 64));
    if (!from) return UINT32_MAX;
    s->from = from;
    s->room = s->room ? 2 * s->room : 64;
  }
  s->from[s->n] = s->functions.n;
  cpu_put(&s->functions, "static void k%05u%s", s->n, t->p);
  return s->functions.failed ? UINT32_MAX : s->n++;
}

gantry_status cpu_emit_c(const cpu_make *m) {
  const gantry_kernel *k = m->k;
  cpu_kernel *o = m->out;
  emit e = {.m = m, .k = k, .o = o};
  gantry_status st = GANTRY_OK;
  int possible = 0;
  o->function = UINT32_MAX;
  o->n_at = k->n_loads + k->n_stores;
  o->at = calloc(o->n_at + 1, sizeof *o->at);
  o->bound = calloc(o->n_at + 1, sizeof *o->bound);
  e.dep = calloc(k->n_insts + 1, sizeof *e.dep);
  e.where = calloc(k->n_insts + 1, 1);
  e.kept = calloc(k->n_insts + 1, 1);
  if (!o->at || !o->bound || !e.dep || !e.where || !e.kept) st = cpu_fail(m->c, GANTRY_E_NOMEM, "out of memory");
  if (!st) {
    for (uint32_t a = 0; a < o->n_access; a++)
      if (m->level[a] != 2) o->at[emit_slot(&e, a)] = o->access[a].at;
    dependencies(&e);
    loops(&e);
    places(&e);
    possible = emit_function(&e) && !e.t.failed;
    o->split = o->n_a ? o->dims[0] : o->has_b && !e.whole_b ? o->dims[o->rank - 1] : 1;
    o->work = k->n_insts;
    for (uint32_t t = 0; t < o->rank; t++) o->work *= o->dims[t];
    if (possible) o->function = keep(m->c->source, &e.t);
  }
  free(e.dep);
  free(e.where);
  free(e.kept);
  free(e.t.p);
  return st;
}

void cpu_source_free(cpu_source *s) {
  if (!s) return;
  free(s->functions.p);
  free(s->from);
  free(s);
}

static const char *const prelude[] = {
#include "prelude_text.h"
};

char *cpu_source_text(const cpu_source *s) {
  cpu_text t = {0};
  for (size_t k = 0; k < sizeof prelude / sizeof *prelude; k++) cpu_put(&t, "%s\n", prelude[k]);
  if (s->n) cpu_put(&t, "%s", s->functions.p);
  cpu_put(&t, "typedef void gantry_fn(char *const *, int64_t, int64_t);\n__attribute__((visibility(\"default\"))) gantry_fn *const gantry_kernels[] = {");
  for (uint32_t f = 0; f < s->n; f++) cpu_put(&t, "k%05u, ", f);
  cpu_put(&t, "0};\n");
  if (!t.failed) return t.p;
  free(t.p);
  return NULL;
}

