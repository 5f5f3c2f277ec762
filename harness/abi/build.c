/* build.c - the builder itself: bindings, scopes, callbacks, errors. See build.h. */
#include "abi/build.h"

#include <stdlib.h>

#include "ir/build.h"

abi_builder *abi_builder_new(abi_world *w, const char *program) {
  abi_builder *b = mem_alloc(sizeof *b);
  b->cx.host = &abi_host;
  b->world = w;
  b->g = ir_new();
  b->mem = arena_new();
  b->program = arena_str(b->mem, program);
  b->place = "";
  buf_puts(&b->scope, "");
  VEC_PUSH(b->apps, (abi_app){0});
  return b;
}

void abi_builder_free(abi_builder *b) {
  if (!b) return;
  if (b->world->building == b) b->world->building = NULL;
  for (uint32_t k = 0; k < b->apps.n; k++) free(b->apps.p[k].taps.p);
  free(b->apps.p);
  free(b->now.p);
  free(b->undo.p);
  free(b->transformed.p);
  free(b->ordinals.p);
  free(b->draws.p);
  free(b->keeps.p);
  buf_free(&b->scope);
  ir_free(b->g);
  arena_free(b->mem);
  free(b);
}

gantry_status abi_builder_status(abi_builder *b, err *e) {
  if (b->g->err.code && !b->err.code) err_set(&b->err, b->g->err.code, "%s", b->g->err.msg);
  if (b->err.code) err_set(e, b->err.code, "%s", b->err.msg);
  return b->err.code;
}

abi_frame abi_enter(abi_builder *b, const abi_element *el, const char *scope, const char *place) {
  /* The scope is a stack in one text: a frame notes where its own part begins, NULL closes never reach below it. */
  abi_frame f = {b->el, b->scope.n, 0, b->place, b->doing, b->net, b->err.code || b->g->err.code};
  b->el = el;
  b->world->building = b;
  if (scope) {
    buf_putc(&b->scope, '\0'); /* a barrier: the text after the last one is the scope */
    if (*scope) {
      buf_puts(&b->scope, scope);
      buf_putc(&b->scope, '/');
    }
  }
  if (place) b->place = place;
  f.inside = b->scope.n;
  return f;
}

void abi_doing(abi_builder *b, const char *what) { b->doing = what; }

gantry_status abi_leave(abi_builder *b, abi_frame f, gantry_status returned, const char *what) {
  if (b->g->err.code && !b->err.code) err_set(&b->err, b->g->err.code, "%s", b->g->err.msg);
  if (returned && !b->err.code) err_set(&b->err, returned, "failed with status %d and gave no reason", returned);
  if (b->scope.n > f.inside) err_set(&b->err, GANTRY_E_INVALID, "the scope \"%s\" was opened and never closed: every gan_open() needs a gan_close()", b->scope.p + f.inside);
  if (b->scope.n < f.inside) err_set(&b->err, GANTRY_E_INVALID, "more scopes were closed than opened: one gan_close() for each gan_open()");
  if (b->err.code && b->el && !f.failed) {
    if (b->el->path) err_wrap(&b->err, "%s (%s): %s", b->el->path, b->el->plugin->name, what);
    else err_wrap(&b->err, "%s: %s", b->el->plugin->name, what);
  }
  b->el = f.el;
  if (!f.el) b->world->building = NULL;
  b->place = f.place;
  b->doing = f.doing;
  b->net = f.net;
  b->scope.n = f.scope;
  b->scope.p[f.scope] = 0;
  return b->err.code;
}

ir_id abi_given(abi_builder *b, const abi_element *el, const char *hook, gantry_t t, ir_id like) {
  buf why = {0};
  if (b->err.code || b->g->err.code) return 0;
  if (!t.id) buf_puts(&why, "gave handle 0 back");
  else if (t.id >= b->g->nodes.n) buf_puts(&why, "gave a handle of another build back: handles are valid during one callback only");
  else if (like && (ir_at(b->g, t.id)->dtype != ir_at(b->g, like)->dtype || ir_at(b->g, t.id)->rank != ir_at(b->g, like)->rank ||
                    memcmp(ir_dims(b->g, t.id), ir_dims(b->g, like), sizeof(int64_t) * ir_at(b->g, like)->rank))) {
    buf_puts(&why, "gave ");
    ir_print_shape(b->g, t.id, &why);
    buf_puts(&why, " for ");
    ir_print_shape(b->g, like, &why);
  }
  if (why.n && el->path) err_set(&b->err, GANTRY_E_INVALID, "%s (%s): %s: %s", el->path, el->plugin->name, hook, why.p);
  else if (why.n) err_set(&b->err, GANTRY_E_INVALID, "%s: %s: %s", el->plugin->name, hook, why.p);
  int fine = !why.n;
  buf_free(&why);
  return fine ? t.id : 0;
}

gantry_status abi_loss_constants(abi_builder *b, const abi_element *el, gantry_loss_constants *out) {
  const gantry_loss *l = el->plugin->iface;
  *out = (gantry_loss_constants){.struct_size = sizeof *out, .threshold = l->threshold, .chance_d = l->chance_d, .chance_g = l->chance_g};
  if (!GANTRY_HAS(l, constants) || !l->constants) return GANTRY_OK;
  abi_frame f = abi_enter(b, el, NULL, NULL);
  return ABI_CALL(b, f, "constants", l->constants(&b->cx, out));
}

/* ---- bindings ---- */

static abi_binding *find(abi_builder *b, uint32_t name) {
  for (uint32_t k = 0; k < b->now.n; k++)
    if (b->now.p[k].name == name) return &b->now.p[k];
  return NULL;
}

ir_id abi_get(abi_builder *b, const char *name) {
  abi_binding *x = find(b, ir_intern(b->g, name));
  return x ? x->id : 0;
}

ir_id abi_state_here(abi_builder *b, const abi_state *s) {
  uint32_t name = ir_intern(b->g, s->name);
  abi_binding *x = find(b, name);
  if (x) return abi_world_state(b->world, s->name) && abi_world_declare(b->world, s, &b->err) ? 0 : x->id;
  if (abi_world_declare(b->world, s, &b->err)) return 0;
  ir_id id = ir_leaf(b->g, GANTRY_OP_STATE, s->name, s->dtype, s->rank, s->dims);
  VEC_PUSH(b->now, ((abi_binding){name, id}));
  return id;
}

void abi_bind(abi_builder *b, const char *name, ir_id v) {
  uint32_t n = ir_intern(b->g, name);
  abi_binding *x = find(b, n);
  if (!x) {
    err_set(&b->err, GANTRY_E_INVALID, "set(\"%s\"): no such state has been read here: call state() first", name);
    return;
  }
  const ir_node *old = ir_at(b->g, x->id), *new = ir_at(b->g, v);
  if (v && (old->dtype != new->dtype || old->rank != new->rank || memcmp(ir_dims(b->g, x->id), ir_dims(b->g, v), sizeof(int64_t) * new->rank))) {
    buf t = {0};
    ir_print_shape(b->g, x->id, &t);
    buf_puts(&t, " cannot become ");
    ir_print_shape(b->g, v, &t);
    err_set(&b->err, GANTRY_E_SHAPE, "set(\"%s\"): %s", name, t.p);
    buf_free(&t);
    return;
  }
  VEC_PUSH(b->undo, *x);
  x = find(b, n);
  x->id = v;
}

uint32_t abi_mark(const abi_builder *b) { return b->undo.n; }

void abi_rollback(abi_builder *b, uint32_t mark) {
  while (b->undo.n > mark) {
    abi_binding old = b->undo.p[--b->undo.n];
    find(b, old.name)->id = old.id;
  }
}

void abi_store_bindings(abi_builder *b, ir_id keep, uint32_t mark) {
  if (keep && ir_at(b->g, keep)->dtype != GANTRY_BOOL) keep = ir_cmp(b->g, GANTRY_CMP_NE, keep, ir_const(b->g, ir_at(b->g, keep)->dtype, 0));
  for (uint32_t k = 0; k < b->now.n; k++) {
    const char *name = ir_name(b->g, b->now.p[k].name);
    const abi_state *s = abi_world_state(b->world, name);
    if (!s) continue;
    ir_id old = ir_leaf(b->g, GANTRY_OP_STATE, s->name, s->dtype, s->rank, s->dims), v = b->now.p[k].id;
    if (v == old) continue;
    int always = !keep;
    for (uint32_t j = mark; j < b->undo.n && !always; j++) always = b->undo.p[j].name == b->now.p[k].name;
    ir_store(b->g, name, always ? v : ir_where(b->g, keep, v, old));
  }
}

/* ---- inputs and counters ---- */

ir_id abi_scalar_input(abi_builder *b, const char *name, double value) {
  abi_input in = {.name = name, .dtype = GANTRY_F32, .value = value};
  abi_world_input(b->world, &in);
  return ir_leaf(b->g, GANTRY_OP_INPUT, name, GANTRY_F32, 0, NULL);
}

ir_id abi_counter(abi_builder *b, const char *name) {
  abi_state s = {.name = arena_fmt(b->mem, "counter/%s", name), .role = GANTRY_ROLE_COUNTER, .dtype = GANTRY_I64};
  return abi_state_here(b, &s);
}

ir_id abi_counter_f32(abi_builder *b, const char *name) { return ir_cast(b->g, abi_counter(b, name), GANTRY_F32); }
