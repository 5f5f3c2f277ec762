/* host_graph.c - the host's side of gantry_graph_api and gantry_param_api, and the host table itself. */
#include "abi/build.h"
#include "abi/since.h"
#include "ad/ad.h"
#include "base/hash.h"
#include "base/log.h"
#include "ir/build.h"

static const char *scope_of(const abi_builder *b) { /* after the last barrier */
  const char *s = b->scope.p + b->scope.n;
  while (s > b->scope.p && s[-1]) s--;
  return s;
}

static const char *full_name(abi_builder *b, const char *name) { return arena_fmt(b->mem, "%s%s", scope_of(b), name); }

static gantry_status fail(gantry_ctx *cx, gantry_status code, const char *message) {
  abi_builder *b = abi_of(cx);
  if (b->g->err.code && !b->err.code) err_set(&b->err, b->g->err.code, "%s", b->g->err.msg);
  return err_set(&b->err, code ? code : GANTRY_E_INVALID, "%s", message ? message : "failed and gave no reason");
}

static void log_message(gantry_ctx *cx, uint32_t level, const char *message) {
  abi_builder *b = abi_of(cx);
  log_line(level < LOG_ERROR ? LOG_ERROR : (int)level, "%s: %s", b->el ? b->el->plugin->name : "host", message);
}

static const void *ext(gantry_ctx *cx, const char *id) {
  (void)cx;
  (void)id;
  return NULL;
}

int abi_usable(abi_builder *b, gantry_t t, const char *what, const char *name) {
  if (b->err.code || b->g->err.code) return 0;
  if (t.id && t.id < b->g->nodes.n) return 1;
  const char *quote = name ? "\"" : "";
  if (t.id) err_set(&b->err, GANTRY_E_INVALID, "%s%s%s%s: a tensor handle of another build was used: handles are valid during one callback only", what, quote, name ? name : "", quote);
  else err_set(&b->err, GANTRY_E_INVALID, "%s%s%s%s is handle 0, though no call before it failed: a variable that was never set, or a tensor that the host does not give here", what, quote, name ? name : "", quote);
  return 0;
}

/* Random bits get the run's seed, the program's invocation count, and a stream that depends on the place alone: program, application,
 * scope, and how many draws this place made before. An unrelated operation elsewhere moves nothing. */
static gantry_t random_bits(abi_builder *b, const gantry_attr *at, uint32_t n_at) {
  uint64_t path = hash_str(scope_of(b), hash_str(b->place, hash_str(b->program, 1)));
  uint32_t ordinal = 0, k = 0;
  for (; k < b->ordinals.n && b->ordinals.p[k].path != path; k++) {}
  if (k == b->ordinals.n) VEC_PUSH(b->ordinals, ((abi_ordinal){path, 0, 0}));
  ordinal = b->ordinals.p[k].n++;
  static const int64_t two = 2;
  const char *seed = abi_world_seed(b->world, strcmp(b->program, "init") ? ABI_SEED_NOISE : ABI_SEED_INIT);
  ir_id in[2] = {ir_leaf(b->g, GANTRY_OP_INPUT, seed, GANTRY_U32, 1, &two), ir_cast(b->g, abi_counter(b, arena_fmt(b->mem, "%s.invocation", b->program)), GANTRY_U32)};
  gantry_attr all[4];
  if (n_at > 2) {
    err_set(&b->err, GANTRY_E_INVALID, "random bits take DIMS only");
    return abi_t(0);
  }
  for (uint32_t j = 0; j < n_at; j++) all[j] = at[j];
  all[n_at] = (gantry_attr){GANTRY_A_STREAM, 1, {.i = (int64_t)(hash_mix(path, ordinal) & 0xffffffffu)}};
  ir_id id = ir_op(b->g, GANTRY_OP_RANDOM_BITS, in, 2, all, n_at + 1);
  VEC_PUSH(b->draws, ((abi_draw){arena_fmt(b->mem, "%s%s%s%u", b->place, *b->place ? "/" : "", scope_of(b), ordinal), id}));
  return abi_t(id);
}

static gantry_t op(gantry_ctx *cx, uint32_t opcode, const gantry_t *in, uint32_t n_in, const gantry_attr *at, uint32_t n_at) {
  abi_builder *b = abi_of(cx);
  const ir_op_info *info = ir_op_get(opcode);
  if (b->err.code || b->g->err.code) return abi_t(0);
  if (!info) {
    err_set(&b->err, GANTRY_E_UNSUPPORTED, "operation %u is unknown to this gantry: it needs a newer one", opcode);
    return abi_t(0);
  }
  if (opcode == GANTRY_OP_INPUT || opcode == GANTRY_OP_STATE) {
    err_set(&b->err, GANTRY_E_INVALID, "%s is the host's: use state() or param->scalar()", info->name);
    return abi_t(0);
  }
  if (opcode == GANTRY_OP_RANDOM_BITS) return random_bits(b, at, n_at);
  ir_id ids[64];
  if (n_in > 64) {
    err_set(&b->err, GANTRY_E_INVALID, "%s: at most 64 inputs", info->name);
    return abi_t(0);
  }
  for (uint32_t k = 0; k < n_in; k++) {
    if ((!in[k].id || in[k].id >= b->g->nodes.n) && !abi_usable(b, in[k], arena_fmt(b->mem, "%s: its input %u of %u", info->name, k + 1, n_in), NULL)) return abi_t(0); /* the words only where they are needed */
    ids[k] = in[k].id;
  }
  if (info->cls == IR_MAP) return abi_t(ir_map(b->g, opcode, ids, n_in, at, n_at));
  return abi_t(ir_op(b->g, opcode, ids, n_in, at, n_at));
}

static int32_t op_known(gantry_ctx *cx, uint32_t opcode) {
  (void)cx;
  return ir_op_get(opcode) != NULL;
}

static uint32_t shape(gantry_ctx *cx, gantry_t t, int64_t dims[GANTRY_MAX_RANK]) {
  abi_builder *b = abi_of(cx);
  if (!t.id || !abi_usable(b, t, "shape", NULL)) return 0;
  const ir_node *n = ir_at(b->g, t.id);
  for (uint32_t k = 0; k < n->rank; k++) dims[k] = ir_dims(b->g, t.id)[k];
  return n->rank;
}

static uint32_t dtype(gantry_ctx *cx, gantry_t t) {
  abi_builder *b = abi_of(cx);
  return t.id && abi_usable(b, t, "dtype", NULL) ? ir_at(b->g, t.id)->dtype : 0;
}

static gantry_status grad(gantry_ctx *cx, gantry_t y, gantry_t seed, const gantry_t *xs, uint32_t n, gantry_t *dxs) {
  abi_builder *b = abi_of(cx);
  ir_id *in = ARENA_ARRAY(b->mem, ir_id, n), *out = ARENA_ARRAY(b->mem, ir_id, n);
  for (uint32_t k = 0; k < n; k++) dxs[k].id = 0;
  for (uint32_t k = 0; k < n; k++) {
    if (!abi_usable(b, xs[k], "grad: what is differentiated by", NULL)) return b->err.code;
    in[k] = xs[k].id;
  }
  if (!abi_usable(b, y, "grad: what is differentiated", NULL) || (seed.id && !abi_usable(b, seed, "grad: the seed", NULL))) return b->err.code;
  gantry_status st = ad_grad(b->g, y.id, seed.id, in, n, out);
  for (uint32_t k = 0; k < n && !st; k++) dxs[k].id = out[k];
  return st;
}

static gantry_status scope(gantry_ctx *cx, const char *name, int64_t index) {
  abi_builder *b = abi_of(cx);
  if (name) {
    buf_puts(&b->scope, name);
    if (index >= 0) buf_printf(&b->scope, "%lld", (long long)index);
    buf_putc(&b->scope, '/');
  } else {
    const char *lo = scope_of(b);
    if (!*lo) return err_set(&b->err, GANTRY_E_INVALID, "a scope is closed that was not opened");
    size_t n = b->scope.n - 1;
    while (b->scope.p + n > lo && b->scope.p[n - 1] != '/') n--;
    b->scope.n = n;
    b->scope.p[n] = 0;
  }
  const char *here = scope_of(b);
  size_t len = strlen(here);
  b->g->label = ir_intern(b->g, len ? arena_strn(b->mem, here, len - 1) : "");
  return GANTRY_OK;
}

/* In an application with averaged weights, what follows the network is read from its averaged copies. */
static const char *state_name(abi_builder *b, const char *full, uint32_t role) {
  return (b->flags & GANTRY_EMA) && role != GANTRY_ROLE_COUNTER ? arena_fmt(b->mem, "ema/%s", full) : full;
}

static int describe_state(abi_builder *b, const gantry_state_desc *d, abi_state *s) {
  if (d->struct_size < SINCE_0_1(gantry_state_desc, reserved0)) {
    err_set(&b->err, GANTRY_E_INVALID, "a gantry_state_desc's struct_size is %u: fill the struct with zeros and set struct_size = sizeof of it", d->struct_size);
    return 0;
  }
  if (!d->name || !*d->name || d->rank > GANTRY_MAX_RANK || (d->rank && !d->dims)) {
    err_set(&b->err, GANTRY_E_INVALID, "a state needs a name, at most %d dimensions, and dims for them", GANTRY_MAX_RANK);
    return 0;
  }
  *s = (abi_state){.name = state_name(b, full_name(b, d->name), d->role), .role = d->role, .dtype = d->dtype ? d->dtype : GANTRY_F32, .rank = d->rank, .init = d->init,
                   .init_scale = d->init_scale, .out_axis = d->out_axis, .flags = d->flags, .net = d->role == GANTRY_ROLE_COUNTER ? 0 : b->net};
  for (uint32_t k = 0; k < d->rank; k++) s->dims[k] = d->dims[k];
  return 1;
}

static gantry_t state(gantry_ctx *cx, const gantry_state_desc *d) {
  abi_builder *b = abi_of(cx);
  abi_state s;
  return abi_t(!b->err.code && describe_state(b, d, &s) ? abi_state_here(b, &s) : 0);
}

static gantry_status set(gantry_ctx *cx, const char *name, gantry_t v) {
  abi_builder *b = abi_of(cx);
  if (!abi_usable(b, v, "the new value of the state ", name)) return b->err.code;
  const char *full = full_name(b, name);
  if (b->flags & GANTRY_EMA) return GANTRY_OK; /* averaged copies are not trained */
  abi_bind(b, full, v.id);
  return b->err.code;
}

/* What this hook last made of the same weight in this program, or 0. */
static ir_id made_before(const abi_builder *b, uint32_t name, uint32_t eval, uint32_t hook, ir_id in) {
  for (uint32_t k = b->transformed.n; k > 0; k--) {
    const abi_transformed *t = &b->transformed.p[k - 1];
    if (t->in == in && t->eval == eval && t->name == name && t->hook == hook) return t->out;
  }
  return 0;
}

static ir_id transform(abi_builder *b, const abi_state *s, ir_id w) {
  const char *plain = (b->flags & GANTRY_EMA) ? s->name + 4 : s->name;
  gantry_weight view = {.struct_size = sizeof view, .net = b->net, .name = plain, .out_axis = s->out_axis, .flags = s->flags, .eval = (b->flags & GANTRY_EVAL) != 0};
  for (uint32_t k = 0; k < b->world->n_regs; k++) {
    const abi_regularizer *r = &b->world->regs[k];
    const gantry_regularizer *iface = r->el.plugin->iface;
    if (!iface->weight || !(r->of >> b->net & 1)) continue;
    uint32_t net = b->net, name = ir_intern(b->g, s->name), eval = b->flags & GANTRY_EVAL;
    ir_id in = w, last = made_before(b, name, eval, k, in);
    if (last && !(iface->flags & GANTRY_REG_EACH_APPLICATION)) {
      w = last;
      continue;
    }
    view.last = abi_t(last);
    abi_frame f = abi_enter(b, &r->el, arena_fmt(b->mem, "regularizers/%s/%s", r->el.id, plain), NULL);
    const gantry_weight *lent = b->lend ? b->lend(b, &view, sizeof view, SINCE_0_1(gantry_weight, reserved0)) : &view;
    b->net = net;
    gantry_t t = abi_t(w);
    if (ABI_CALL(b, f, "weight", iface->weight(&b->cx, lent, &t)) || !(w = abi_given(b, &r->el, "weight", t, in))) return 0;
    VEC_PUSH(b->transformed, ((abi_transformed){name, eval, k, in, w}));
  }
  return w;
}

static gantry_t weight(gantry_ctx *cx, const gantry_state_desc *d) {
  abi_builder *b = abi_of(cx);
  abi_state s;
  if (b->err.code || !describe_state(b, d, &s)) return abi_t(0);
  ir_id raw = abi_state_here(b, &s);
  return abi_t(raw ? transform(b, &s, raw) : 0);
}

static gantry_status label(gantry_ctx *cx, const char *text) {
  abi_builder *b = abi_of(cx);
  const char *here = scope_of(b);
  size_t len = strlen(here);
  b->g->label = ir_intern(b->g, text ? arena_fmt(b->mem, "%s%s", here, text) : len ? arena_strn(b->mem, here, len - 1) : "");
  return GANTRY_OK;
}

const gantry_graph_api abi_graph_api = {sizeof abi_graph_api, 0, op, op_known, shape, dtype, grad, scope, state, set, weight, label};

/* ---- parameters ---- */

static const abi_value *value(gantry_ctx *cx, uint32_t index, const gantry_param **p) {
  static const abi_value none;
  abi_builder *b = abi_of(cx);
  *p = NULL;
  if (!b->el || index >= b->el->plugin->param_count) {
    err_set(&b->err, GANTRY_E_INVALID, "parameter index %u lies beyond the plugin's table of %u: is param_count right?", index, b->el ? b->el->plugin->param_count : 0);
    return &none;
  }
  *p = abi_param_at(b->el->plugin, index);
  return &b->el->values[index];
}

static double param_f64(gantry_ctx *cx, uint32_t index) {
  const gantry_param *p;
  return value(cx, index, &p)->f;
}

static int64_t param_i64(gantry_ctx *cx, uint32_t index) {
  const gantry_param *p;
  return (int64_t)value(cx, index, &p)->f;
}

static const char *param_str(gantry_ctx *cx, uint32_t index) {
  const gantry_param *p;
  const char *s = value(cx, index, &p)->s;
  return s ? s : "";
}

static uint32_t param_list(gantry_ctx *cx, uint32_t index, double *dst, uint32_t cap) {
  const gantry_param *p;
  const abi_value *v = value(cx, index, &p);
  for (uint32_t k = 0; k < v->n && k < cap; k++) dst[k] = v->list[k];
  return v->n;
}

static gantry_t param_scalar(gantry_ctx *cx, uint32_t index) {
  abi_builder *b = abi_of(cx);
  const gantry_param *p;
  const abi_value *v = value(cx, index, &p);
  if (!p) return abi_t(0);
  if (p->type != GANTRY_P_FLOAT || (p->flags & GANTRY_PF_STRUCTURAL)) {
    err_set(&b->err, GANTRY_E_INVALID, "parameter \"%s\" is read as a runtime scalar but is not a schedulable FLOAT", p->key);
    return abi_t(0);
  }
  const char *leaf = arena_fmt(b->mem, "%s.%s", b->el->path ? b->el->path : b->el->plugin->name, p->key);
  ir_id base = abi_scalar_input(b, arena_fmt(b->mem, "param/%s", leaf), v->f);
  ir_id factor = b->world->schedule ? b->world->schedule(b->world->user, b, leaf) : 0;
  return abi_t(factor ? ir_mul(b->g, base, factor) : base);
}

const gantry_param_api abi_param_api = {sizeof abi_param_api, 0, param_f64, param_i64, param_str, param_list, param_scalar};
const gantry_host abi_host = {sizeof abi_host, GANTRY_ABI_MAJOR, GANTRY_ABI_MINOR, &abi_graph_api, &abi_net_api, &abi_metric_api, &abi_param_api, fail, log_message, ext};
