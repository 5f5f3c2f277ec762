/* verify.c - a stand-alone checker of programs: in goes a flat program, out comes the first thing that is wrong with it.
 *
 * Every access stays within its buffer, every place of the workspace is written before it is read and not overwritten by another value
 * before its last reader, a kernel stores over what it loads only element for element. It shares no code with the planner. */
#include <stdlib.h>

#include "plan/plan.h"

static const gantry_buffer *buffer(const gantry_program *g, uint32_t k) { return (const gantry_buffer *)(const void *)((const char *)g->buffers + (size_t)k * g->buffer_stride); }
static const gantry_step_rec *step(const gantry_program *g, uint32_t k) { return (const gantry_step_rec *)(const void *)((const char *)g->steps + (size_t)k * g->step_stride); }
static int64_t end_of(const gantry_buffer *b) { return b->offset + b->elements * ir_dtype_size(b->dtype); }
static int overlap(const gantry_buffer *a, const gantry_buffer *b) {
  if (a->space != b->space) return 0;
  if (a->space == GANTRY_SPACE_NAMED) return a == b;
  return a->offset < end_of(b) && b->offset < end_of(a);
}

enum { HELD = 1, LOST = 2 }; /* holds a value; held one that was overwritten */
typedef struct check {
  const gantry_program *g;
  uint8_t *written; /* by buffer: 0, HELD or LOST */
  uint32_t at;
  err *e;
} check;

static gantry_status bad(check *c, const char *what, uint32_t b) {
  const char *name = b < c->g->n_buffers && buffer(c->g, b)->name ? buffer(c->g, b)->name : "";
  return err_set(c->e, GANTRY_E_INTERNAL, "plan: %s: step %u: %s (buffer %u %s)", c->g->name, c->at, what, b, name);
}

static gantry_status reads(check *c, uint32_t b) {
  if (b >= c->g->n_buffers) return bad(c, "reads a buffer that does not exist", b);
  if (buffer(c->g, b)->space != GANTRY_SPACE_WORKSPACE) return GANTRY_OK;
  if (c->written[b] == LOST) return bad(c, "reads a value that another has overwritten: two are alive in one place", b);
  if (!c->written[b]) return bad(c, "reads what nobody wrote", b);
  return GANTRY_OK;
}

static void writes(check *c, uint32_t b) { /* whatever else lived there is gone */
  for (uint32_t k = 0; k < c->g->n_buffers; k++)
    if (k != b && c->written[k] && overlap(buffer(c->g, k), buffer(c->g, b))) c->written[k] = LOST;
  c->written[b] = HELD;
}

static gantry_status within(check *c, const gantry_access *a, const gantry_kernel *k, uint32_t axes) {
  int64_t lo = a->offset, hi = a->offset;
  if (a->buffer >= c->g->n_buffers) return bad(c, "names a buffer that does not exist", a->buffer);
  for (uint32_t d = 0; d < axes; d++) {
    int64_t from = 0, to = k->dims[d];
    if (a->bounded) {
      if (a->lo[d] > from) from = a->lo[d];
      if (a->hi[d] < to) to = a->hi[d];
      if (from >= to) return GANTRY_OK; /* touches nothing */
    }
    int64_t first = from * a->stride[d], last = (to - 1) * a->stride[d];
    lo += first < last ? first : last;
    hi += first < last ? last : first;
  }
  if (lo < 0 || hi >= buffer(c->g, a->buffer)->elements) return bad(c, "reaches outside its buffer", a->buffer);
  return GANTRY_OK;
}

static gantry_status kernel(check *c, const gantry_kernel *k) {
  if (k->rank > GANTRY_MAX_RANK || k->kept > k->rank || k->body > k->n_insts) return bad(c, "has an impossible iteration space", 0);
  for (uint32_t i = 0; i < k->n_insts; i++) {
    const gantry_inst *q = &k->insts[i];
    if (q->op != GANTRY_K_LOAD) continue;
    if (q->a >= k->n_loads) return bad(c, "loads what is not in its list", 0);
    TRY(within(c, &k->loads[q->a], k, i >= k->body ? k->kept : k->rank));
    TRY(reads(c, k->loads[q->a].buffer));
    if (buffer(c->g, k->loads[q->a].buffer)->dtype != q->dtype) return bad(c, "loads another element type", k->loads[q->a].buffer);
  }
  for (uint32_t s = 0; s < k->n_stores; s++) {
    const gantry_access *to = &k->stores[s].to;
    if (k->stores[s].reg >= k->n_insts) return bad(c, "stores a register that does not exist", to->buffer);
    int after = k->stores[s].reg >= k->body;
    uint32_t axes = after ? k->kept : k->rank;
    TRY(within(c, to, k, axes));
    if (buffer(c->g, to->buffer)->dtype != k->insts[k->stores[s].reg].dtype) return bad(c, "stores another element type", to->buffer);
    for (uint32_t i = 0; i < k->n_insts; i++) {
      if (k->insts[i].op != GANTRY_K_LOAD) continue;
      const gantry_access *from = &k->loads[k->insts[i].a];
      const gantry_buffer *x = buffer(c->g, from->buffer), *y = buffer(c->g, to->buffer);
      if (!overlap(x, y)) continue;
      int same = (i >= k->body) == after && x->offset == y->offset && ir_dtype_size(x->dtype) == ir_dtype_size(y->dtype) && from->offset == to->offset && !from->bounded && !to->bounded;
      for (uint32_t d = 0; d < axes; d++) same = same && from->stride[d] == to->stride[d];
      if (!same) return bad(c, "writes over what it still reads", to->buffer);
    }
    for (uint32_t t = 0; t < s; t++)
      if (overlap(buffer(c->g, k->stores[t].to.buffer), buffer(c->g, to->buffer))) return bad(c, "writes one place twice", to->buffer);
  }
  for (uint32_t s = 0; s < k->n_stores; s++) writes(c, k->stores[s].to.buffer);
  return GANTRY_OK;
}

static gantry_status library(check *c, const gantry_lib *l) {
  for (uint32_t k = 0; k <= l->n_in; k++) {
    const gantry_operand *o = k < l->n_in ? &l->in[k] : &l->out;
    int64_t n = 1;
    if (o->buffer >= c->g->n_buffers) return bad(c, "names a buffer that does not exist", o->buffer);
    for (uint32_t d = 0; d < o->rank; d++) n *= o->dims[d];
    if (o->offset < 0 || o->offset + n > buffer(c->g, o->buffer)->elements) return bad(c, "reaches outside its buffer", o->buffer);
    if (k == l->n_in) break;
    TRY(reads(c, o->buffer));
    if (overlap(buffer(c->g, o->buffer), buffer(c->g, l->out.buffer))) return bad(c, "writes over its operand", o->buffer);
    if (l->scratch != GANTRY_NO_BUFFER && overlap(buffer(c->g, o->buffer), buffer(c->g, l->scratch))) return bad(c, "has its scratch over an operand", o->buffer);
  }
  if (l->scratch != GANTRY_NO_BUFFER) {
    if (overlap(buffer(c->g, l->out.buffer), buffer(c->g, l->scratch))) return bad(c, "has its scratch over its result", l->scratch);
    writes(c, l->scratch);
  }
  writes(c, l->out.buffer);
  return GANTRY_OK;
}

gantry_status plan_verify(const gantry_program *g, err *e) {
  check c = {.g = g, .e = e, .written = mem_alloc(g->n_buffers + 1)};
  gantry_status st = GANTRY_OK;
  for (uint32_t k = 0; k < g->n_buffers && !st; k++) {
    const gantry_buffer *b = buffer(g, k);
    if (b->space == GANTRY_SPACE_WORKSPACE && (b->offset < 0 || b->offset % 64 || end_of(b) > g->workspace_bytes)) st = bad(&c, "a buffer lies outside the workspace or off its grid", k);
    if (b->space == GANTRY_SPACE_NAMED && !b->name) st = bad(&c, "a named buffer has no name", k);
  }
  for (c.at = 0; c.at < g->n_steps && !st; c.at++) {
    const gantry_step_rec *r = step(g, c.at);
    st = r->kind == GANTRY_STEP_KERNEL ? kernel(&c, r->kernel) : r->kind == GANTRY_STEP_LIB ? library(&c, r->lib) : bad(&c, "is of no known kind", 0);
  }
  free(c.written);
  return st;
}
