/* hostile.c - the host as a plugin must be able to bear it: tables with more slots than it knows, tables cut to the first release, optional parts that
 * are not there, and calls that fail. What lies behind the end of a table is a pointer that nobody can follow. See stage.h. */
#include <stdlib.h>

#include "abi/since.h"
#include "check/stage.h"

enum { TAIL = 512, TRAP = 0xA5 };

static stage *stage_of(gantry_ctx *cx) { return abi_of(cx)->user; }

/* Counts a call of the plugin itself, not of the toys it applies; 1: this one fails. */
static int fails(gantry_ctx *cx) {
  stage *st = stage_of(cx);
  const abi_element *el = abi_of(cx)->el;
  if (!el || el->plugin != st->el.plugin || ++st->calls != st->o.fail_at) return 0;
  abi_host.fail(cx, GANTRY_E_UNSUPPORTED, "the checker lets this call fail");
  return 1;
}

static gantry_t op(gantry_ctx *cx, uint32_t opcode, const gantry_t *in, uint32_t n_in, const gantry_attr *at, uint32_t n_at) { return fails(cx) ? abi_t(0) : abi_graph_api.op(cx, opcode, in, n_in, at, n_at); }
static gantry_status grad(gantry_ctx *cx, gantry_t y, gantry_t seed, const gantry_t *xs, uint32_t n, gantry_t *dxs) {
  if (!fails(cx)) return abi_graph_api.grad(cx, y, seed, xs, n, dxs);
  for (uint32_t k = 0; k < n; k++) dxs[k].id = 0;
  return GANTRY_E_UNSUPPORTED;
}
static gantry_t state(gantry_ctx *cx, const gantry_state_desc *d) { return fails(cx) ? abi_t(0) : abi_graph_api.state(cx, d); }
/* One application that asks twice for one weight shares it between two layers. */
static gantry_t weight(gantry_ctx *cx, const gantry_state_desc *d) {
  if (fails(cx)) return abi_t(0);
  stage *st = stage_of(cx);
  abi_builder *b = abi_of(cx);
  gantry_t t = abi_graph_api.weight(cx, d);
  if (!t.id || !b->el || b->el->plugin != st->el.plugin || ir_at(b->g, t.id)->op != GANTRY_OP_STATE) return t;
  for (uint32_t k = 0; k < st->asked.n && !st->shared; k++)
    if (st->asked.p[k].id == t.id && st->asked.p[k].app == b->app) st->shared = ir_name(b->g, (uint32_t)ir_attr_i(b->g, t.id, GANTRY_A_NAME, 0));
  VEC_PUSH(st->asked, ((stage_asked){b->app, t.id}));
  return t;
}
static gantry_call apply(gantry_ctx *cx, uint32_t net, const gantry_named *in, uint32_t n, uint32_t flags) { return fails(cx) ? (gantry_call){0} : abi_net_api.apply(cx, net, in, n, flags); }
static gantry_t out(gantry_ctx *cx, gantry_call call, const char *tap) { return fails(cx) ? abi_t(0) : abi_net_api.out(cx, call, tap); }
static gantry_t draw(gantry_ctx *cx, uint32_t net, const char *input, int64_t n) { return fails(cx) ? abi_t(0) : abi_net_api.draw(cx, net, input, n); }
static gantry_t data(gantry_ctx *cx, const char *name) { return fails(cx) ? abi_t(0) : abi_net_api.data(cx, name); }
static gantry_t reference(gantry_ctx *cx, const char *what, int64_t n) { return fails(cx) ? abi_t(0) : abi_net_api.reference(cx, what, n); }
static gantry_t loss(gantry_ctx *cx, uint32_t net, gantry_t real, gantry_t fake) { return fails(cx) ? abi_t(0) : abi_net_api.loss(cx, net, real, fake); }
static void note_read(gantry_ctx *cx, uint32_t index, uint8_t *read) {
  if (index < CHECK_PARAMS && abi_of(cx)->el && abi_of(cx)->el->plugin == stage_of(cx)->el.plugin) read[index] = 1;
}
static gantry_t scalar(gantry_ctx *cx, uint32_t index) {
  note_read(cx, index, stage_of(cx)->s->read_scalar);
  return fails(cx) ? abi_t(0) : abi_param_api.scalar(cx, index);
}
static double f64(gantry_ctx *cx, uint32_t index) {
  note_read(cx, index, stage_of(cx)->s->read_constant);
  return abi_param_api.f64(cx, index);
}
static gantry_t features(gantry_ctx *cx, gantry_t images, const char *tap) { return fails(cx) ? abi_t(0) : abi_metric_api.features(cx, images, tap); }
static gantry_t kept(gantry_ctx *cx, uint32_t set, const char *name) { return fails(cx) ? abi_t(0) : abi_metric_api.kept(cx, set, name); }

static gantry_status fail(gantry_ctx *cx, gantry_status code, const char *message) {
  stage *st = stage_of(cx);
  if (!abi_of(cx)->err.code && !abi_of(cx)->g->err.code) st->plugin_failed = 1;
  return abi_host.fail(cx, code, message);
}
static void silent(gantry_ctx *cx, uint32_t level, const char *message) { (void)cx, (void)level, (void)message; }

/* A copy of a struct that begins with struct_size: as it is, with a tail of traps, or cut behind its first release. */
static void *resized(arena *a, const void *p, size_t now, size_t since, uint32_t how) {
  size_t size = how == HOST_SHORTER ? since : how == HOST_LONGER ? now + TAIL : now;
  unsigned char *copy = arena_alloc(a, now + 2 * TAIL);
  memset(copy, TRAP, now + 2 * TAIL);
  memcpy(copy, p, size < now ? size : now);
  *(uint32_t *)(void *)copy = (uint32_t)size;
  return copy;
}

/* Cut to the first release, unless the plugin says that it needs more. */
void *hostile_struct(stage *st, const void *p, size_t now, size_t since) { return resized(st->b->mem, p, now, st->el.plugin->abi_minor > 1 ? now : since, st->o.host); }

/* What abi/ gives to callbacks by itself; networks and optimizers that the checker lends see it as it is. */
static const void *lend(abi_builder *b, const void *p, size_t now, size_t since) {
  stage *st = b->user;
  if (!b->el || b->el->plugin != st->el.plugin) return p;
  /* A weight hook for each application (since 0.2) rests on gantry_weight.last: an older host never calls it so. */
  int newer = st->el.plugin->kind == GANTRY_KIND_REGULARIZER && ((const gantry_regularizer *)st->el.plugin->iface)->flags & GANTRY_REG_EACH_APPLICATION;
  return hostile_struct(st, p, now, newer ? now : since);
}

#define COPY(type, table, last) ((type *)hostile_struct(st, &(table), sizeof(table), SINCE_0_1(type, last)))

void hostile_host(stage *st) {
  uint32_t kind = st->el.plugin->kind;
  gantry_graph_api *g = COPY(gantry_graph_api, abi_graph_api, label);
  gantry_net_api *n = COPY(gantry_net_api, abi_net_api, reference);
  gantry_metric_api *m = COPY(gantry_metric_api, abi_metric_api, kept);
  gantry_param_api *p = COPY(gantry_param_api, abi_param_api, scalar);
  gantry_host *h = COPY(gantry_host, abi_host, ext);
  g->op = op, g->grad = grad, g->state = state, g->weight = weight;
  n->apply = apply, n->out = out, n->draw = draw, n->data = data, n->reference = reference;
  if (GANTRY_HAS(n, loss)) n->loss = loss;
  m->features = features, m->kept = kept;
  p->scalar = scalar, p->f64 = f64;
  h->graph = g, h->net = n, h->metric = m, h->param = p, h->fail = fail, h->log = silent;
  int no_nets = kind == GANTRY_KIND_OPTIM || kind == GANTRY_KIND_DATASET || kind == GANTRY_KIND_BACKEND;
  if (st->o.host == HOST_MISSING && kind != GANTRY_KIND_METRIC) h->metric = NULL;
  if (st->o.host == HOST_MISSING && no_nets) h->net = NULL;
  st->host = h;
  st->b->cx.host = h;
  st->b->lend = lend;
}
