/* host_net.c - applications of networks, taps, fresh inputs: the host's side of gantry_net_api, without update (update.c). */
#include <gantry/nn/random.h>

#include "abi/build.h"
#include "abi/since.h"
#include "ir/build.h"

static const gantry_net *net_desc(const abi_net *n) {
  const gantry_arch *arch = n->arch.plugin->iface;
  return (const gantry_net *)(const void *)((const char *)arch->nets + (size_t)n->index * arch->net_stride);
}

static const char *role_name(uint32_t role) { return role == GANTRY_G ? "G" : role == GANTRY_D ? "D" : role == GANTRY_FEATURES ? "the feature network" : "this network"; }

static abi_net *need_net(abi_builder *b, uint32_t role) {
  abi_net *n = abi_world_net(b->world, role);
  if (!n) err_set(&b->err, GANTRY_E_INVALID, "%s does not exist in this run", role_name(role));
  return n;
}

/* The batch size of an application: the first axis of its first input. */
static int64_t batch_of(abi_builder *b, const gantry_named *in, uint32_t n) {
  for (uint32_t k = 0; k < n; k++)
    if (in[k].t.id && in[k].t.id < b->g->nodes.n && ir_at(b->g, in[k].t.id)->rank) return ir_dims(b->g, in[k].t.id)[0];
  return 0;
}

static int takes(const abi_net *net, const char *input) {
  size_t len = strlen(input);
  for (const char *const *x = net_desc(net)->inputs; x && *x; x++)
    if (!strncmp(*x, input, len) && ((*x)[len] == ':' || !(*x)[len])) return 1;
  return 0;
}

static int in_list(const char *const *list, const char *s) {
  for (; list && *list; list++)
    if (!strcmp(*list, s)) return 1;
  return 0;
}

static void list_inputs(const abi_net *net, buf *b) {
  const char *sep = "";
  for (const char *const *x = net_desc(net)->inputs; x && *x; x++, sep = ", ") buf_printf(b, "%s%.*s", sep, (int)strcspn(*x, ":"), *x);
  sep = "; taps that can be fed: ";
  for (const char *const *x = net_desc(net)->taps; x && *x; x++, sep = ", ") buf_printf(b, "%s%s", sep, *x);
}

/* What a network is fed: every name is an input or a tap of it, every handle is there, and so is every input but labels, unless a tap behind them is fed. */
static int feeds(abi_builder *b, const abi_net *net, const gantry_named *in, uint32_t n) {
  int tap_fed = 0;
  for (uint32_t k = 0; k < n; k++) {
    int tap = in[k].name && in_list(net_desc(net)->taps, in[k].name);
    tap_fed |= tap;
    if (in[k].name && (tap || takes(net, in[k].name))) {
      if (!abi_usable(b, in[k].t, arena_fmt(b->mem, "apply: what %s is fed as ", net->scope), in[k].name)) return 0;
      continue;
    }
    buf there = {0};
    list_inputs(net, &there);
    err_set(&b->err, GANTRY_E_INVALID, "apply: %s (%s) has no input \"%s\"; it has %s", net->scope, net->arch.plugin->name, in[k].name ? in[k].name : "", there.n ? there.p : "none");
    buf_free(&there);
    return 0;
  }
  for (const char *const *x = net_desc(net)->inputs; x && *x && !tap_fed; x++) {
    size_t len = strcspn(*x, ":");
    int fed = !strcmp(*x + len, ":label") || !strcmp(*x + len, ":sequence");
    for (uint32_t k = 0; k < n; k++) fed |= !strncmp(in[k].name, *x, len) && !in[k].name[len];
    if (fed) continue;
    err_set(&b->err, GANTRY_E_INVALID, "apply: %s (%s) is not fed its input \"%.*s\"", net->scope, net->arch.plugin->name, (int)len, *x);
    return 0;
  }
  return 1;
}

ir_id abi_pack(abi_builder *b, ir_id x, int64_t m) {
  int64_t split[GANTRY_MAX_RANK], perm[GANTRY_MAX_RANK], joined[GANTRY_MAX_RANK];
  if (!x || m < 2) return x;
  uint32_t r = ir_at(b->g, x)->rank;
  if (r < 2 || r >= GANTRY_MAX_RANK || ir_dims(b->g, x)[0] % m) {
    err_set(&b->err, GANTRY_E_CONFIG, "%lld images cannot be packed by %lld: batch sizes must be multiples of d.pack", r ? (long long)ir_dims(b->g, x)[0] : 0LL, (long long)m);
    return 0;
  }
  split[0] = joined[0] = ir_dims(b->g, x)[0] / m;
  split[1] = m;
  for (uint32_t k = 1; k < r; k++) split[k + 1] = joined[k] = ir_dims(b->g, x)[k];
  joined[r - 1] *= m;
  for (uint32_t k = 0; k <= r; k++) perm[k] = k == 0 ? 0 : k + 1 < r ? k + 1 : k == r - 1 ? 1 : r; /* n, space, m, c */
  return ir_reshape(b->g, ir_permute(b->g, ir_reshape(b->g, x, r + 1, split), perm), r, joined);
}

/* The update's labels for a batch of n, or labels drawn from the data; 0 if the data has none. */
static ir_id labels_for(abi_builder *b, int64_t n) {
  if (!b->labels) return b->world->draw_labels ? b->world->draw_labels(b->world->user, b, n) : 0;
  int64_t have = ir_dims(b->g, b->labels)[0];
  gantry_t l = abi_t(b->labels), parts[64];
  if (n == have) return b->labels;
  if (n < have) return gan_slice_axis(&b->cx, l, 0, 0, n, 1).id;
  if (n % have || n / have > 64) {
    err_set(&b->err, GANTRY_E_SHAPE, "a network with labels is applied to %lld samples in an update of %lld: feed \"label\"", (long long)n, (long long)have);
    return 0;
  }
  for (int64_t k = 0; k < n / have; k++) parts[k] = l;
  return gan_concat(&b->cx, parts, (uint32_t)(n / have), 0).id;
}

/* What the architecture gets: images packed, labels filled in. */
static uint32_t complete(abi_builder *b, const abi_net *net, const gantry_named *in, uint32_t n_in, gantry_named *all) {
  int has_label = 0;
  uint32_t k = 0;
  for (; k < n_in; k++) {
    all[k] = in[k];
    has_label |= !strcmp(in[k].name, "label");
    if (net->pack > 1 && !strcmp(in[k].name, "image")) all[k].t = abi_t(abi_pack(b, in[k].t.id, net->pack));
  }
  if (has_label || !net->shape.classes || !takes(net, "label") || (!b->labels && !net->uses_label)) return k;
  ir_id label = labels_for(b, batch_of(b, all, k));
  if (label) all[k++] = (gantry_named){"label", abi_t(label), 0};
  return k;
}

gantry_call abi_apply(abi_builder *b, uint32_t role, const gantry_named *given, uint32_t n_given, uint32_t flags) {
  const gantry_call none = {0};
  if (b->err.code || b->g->err.code) return none;
  abi_net *net = need_net(b, role);
  if (!net) return none;
  if ((flags & GANTRY_EMA) && !net->has_ema) {
    err_set(&b->err, GANTRY_E_INVALID, "averaged weights of %s are asked for, but the experiment keeps none: set %s.ema", role_name(role), net->scope);
    return none;
  }
  if (!feeds(b, net, given, n_given)) return none;
  uint32_t nth = 0, id = b->apps.n, mark = abi_mark(b);
  for (uint32_t k = 1; k < b->apps.n; k++) nth += b->apps.p[k].net == net && !b->apps.p[k].is_part;
  gantry_named *in = ARENA_ARRAY(b->mem, gantry_named, n_given + 1);
  uint32_t n_in = complete(b, net, given, n_given, in);
  if (b->err.code || b->g->err.code) return none;
  VEC_PUSH(b->apps, ((abi_app){.net = net, .flags = flags, .fed = in, .n_fed = n_in}));
  gantry_build build = net->shape;
  build.struct_size = sizeof build;
  build.net = net->index;
  build.batch = batch_of(b, in, n_in);
  build.flags = flags & GANTRY_EVAL;
  build.images = abi_t(b->images ? b->images : abi_counter_f32(b, "images"));
  uint32_t outer_app = b->app, outer_flags = b->flags;
  abi_frame f = abi_enter(b, &net->arch, net->scope, arena_fmt(b->mem, "%s.%u", net->scope, nth));
  b->app = id;
  b->flags = flags;
  b->net = role;
  const gantry_build *lent = b->lend ? b->lend(b, &build, sizeof build, SINCE_0_1(gantry_build, reserved0)) : &build;
  abi_doing(b, "build");
  gantry_status st = ((const gantry_arch *)net->arch.plugin->iface)->build(&b->cx, lent, in, n_in);
  b->app = outer_app;
  b->flags = outer_flags;
  st = abi_leave(b, f, st, arena_fmt(b->mem, "build %s", net->scope));
  b->apps.p[id].fed = NULL; /* belonged to the caller of apply() */
  b->apps.p[id].n_fed = 0;
  if (flags & GANTRY_NO_STATE_UPDATE) abi_rollback(b, mark);
  return st ? none : (gantry_call){id};
}

static gantry_call apply(gantry_ctx *cx, uint32_t role, const gantry_named *in, uint32_t n, uint32_t flags) {
  return abi_apply(abi_of(cx), role, in, n, flags);
}

static gantry_t tap(gantry_ctx *cx, const char *name, gantry_t t) {
  abi_builder *b = abi_of(cx);
  if (b->err.code || b->g->err.code) return abi_t(0);
  if (!b->app) {
    err_set(&b->err, GANTRY_E_INVALID, "tap(\"%s\"): only while a network is built", name);
    return abi_t(0);
  }
  abi_app *a = &b->apps.p[b->app];
  if (!in_list(net_desc(a->net)->taps, name)) {
    err_set(&b->err, GANTRY_E_INVALID, "tap \"%s\" is not in the taps that the plugin declares", name);
    return abi_t(0);
  }
  for (uint32_t k = 0; k < a->n_fed; k++)
    if (!strcmp(a->fed[k].name, name)) t = a->fed[k].t;
  if (!abi_usable(b, t, "the tap ", name)) return abi_t(0);
  VEC_PUSH(a->taps, ((abi_tap){arena_str(b->mem, name), t.id}));
  return t;
}

ir_id abi_out(abi_builder *b, gantry_call call, const char *name) {
  if (b->err.code || b->g->err.code) return 0;
  if (!call.id || call.id >= b->apps.n) {
    err_set(&b->err, GANTRY_E_INVALID, "tap \"%s\" of an application that was not made here", name);
    return 0;
  }
  const abi_app *a = &b->apps.p[call.id];
  for (uint32_t k = 0; k < a->taps.n; k++)
    if (!strcmp(a->taps.p[k].name, name)) return a->taps.p[k].id;
  buf t = {0};
  for (uint32_t k = 0; k < a->taps.n; k++) buf_printf(&t, "%s%s", k ? ", " : "", a->taps.p[k].name);
  err_set(&b->err, GANTRY_E_INVALID, "%s has no tap \"%s\": it offers %s%s", a->net->arch.plugin->name, name, t.n ? t.p : "none", strcmp(name, "class") ? "" : "; a D names classes with d.arch.condition \"auxiliary\"");
  buf_free(&t);
  return 0;
}

int abi_has_tap(const abi_builder *b, gantry_call call, const char *name) {
  for (uint32_t k = 0; call.id && call.id < b->apps.n && k < b->apps.p[call.id].taps.n; k++)
    if (!strcmp(b->apps.p[call.id].taps.p[k].name, name)) return 1;
  return 0;
}

gantry_call abi_part(abi_builder *b, gantry_call call, int64_t first, int64_t n, int64_t of) {
  if (!call.id || b->err.code || b->g->err.code) return (gantry_call){0};
  abi_app part = {.net = b->apps.p[call.id].net, .flags = b->apps.p[call.id].flags, .is_part = 1};
  for (uint32_t k = 0; k < b->apps.p[call.id].taps.n; k++) {
    abi_tap t = b->apps.p[call.id].taps.p[k];
    int64_t rows = ir_at(b->g, t.id)->rank ? ir_dims(b->g, t.id)[0] : 0;
    if (rows && rows * n % of == 0 && rows * first % of == 0) t.id = gan_slice_axis(&b->cx, abi_t(t.id), 0, rows * first / of, rows * (first + n) / of, 1).id;
    VEC_PUSH(part.taps, t);
  }
  VEC_PUSH(b->apps, part);
  return (gantry_call){b->apps.n - 1};
}

static gantry_t out(gantry_ctx *cx, gantry_call call, const char *name) { return abi_t(abi_out(abi_of(cx), call, name)); }

/* Shape [n, ...] (n is given in all[0]) and distribution of a random input; called inside a frame of the arch. */
static gantry_status random_input(abi_builder *b, const abi_net *net, const char *input, int64_t all[GANTRY_MAX_RANK], uint32_t *rank, const char **how) {
  int64_t dims[GANTRY_MAX_RANK] = {0};
  size_t len = strlen(input);
  const gantry_arch *arch = net->arch.plugin->iface;
  for (const char *const *x = net_desc(net)->inputs; x && *x; x++)
    if (!strncmp(*x, input, len) && (*x)[len] == ':') *how = *x + len + 1;
  if (!*how || !arch->input) return err_set(&b->err, GANTRY_E_INVALID, "%s has no random input \"%s\"", net->arch.plugin->name, input);
  if (strcmp(*how, "uniform") && strcmp(*how, "normal")) return err_set(&b->err, GANTRY_E_UNSUPPORTED, "input \"%s\" is of type \"%s\": only normal and uniform inputs can be drawn", input, *how);
  if (net->latent) *how = net->latent;
  gantry_build build = net->shape;
  build.struct_size = sizeof build;
  build.net = net->index;
  build.batch = all[0];
  gantry_status st = arch->input(&b->cx, &build, input, dims, rank);
  if (st) return st;
  if (*rank >= GANTRY_MAX_RANK) return err_set(&b->err, GANTRY_E_SHAPE, "input \"%s\" has too many dimensions", input);
  for (uint32_t k = 0; k < *rank; k++) all[k + 1] = dims[k];
  ++*rank;
  return GANTRY_OK;
}

ir_id abi_draw_input(abi_builder *b, uint32_t role, const char *input, int64_t n) {
  abi_net *net = need_net(b, role);
  if (!net || b->err.code) return 0;
  if (!strcmp(input, "label")) {
    ir_id l = b->world->draw_labels ? b->world->draw_labels(b->world->user, b, n) : 0;
    if (!l) err_set(&b->err, GANTRY_E_CONFIG, "labels are asked for, and the data set has none");
    return l;
  }
  int64_t all[GANTRY_MAX_RANK] = {n};
  uint32_t rank = 0;
  const char *how = NULL;
  gantry_t z = {0};
  const char *from = b->scope.p + b->scope.n, *place = *b->place ? b->place : "main"; /* who asks: an application, a hook by its scope, else the program itself */
  while (from > b->scope.p && from[-1]) from--;
  if (!*b->place && *from) place = arena_strn(b->mem, from, strlen(from) - 1);
  abi_frame f = abi_enter(b, &net->arch, arena_fmt(b->mem, "draw/%s", net->scope), NULL);
  abi_doing(b, "input");
  gantry_status st = random_input(b, net, input, all, &rank, &how);
  if (!st) {
    buf_printf(&b->scope, "%s/", input);
    f.inside = b->scope.n;
    if (!strcmp(how, "uniform")) {
      z = gan_uniform(&b->cx, rank, all);
      z = gan_add_k(&b->cx, gan_mul_k(&b->cx, z, 2), -1);
    } else if (b->truncate > 0 && !b->truncate_clips)
      z = gan_truncated_normal(&b->cx, rank, all, b->truncate);
    else
      z = gan_normal(&b->cx, rank, all);
    if (b->truncate > 0 && b->truncate_clips) z = gan_max(&b->cx, gan_const(&b->cx, -b->truncate), gan_min(&b->cx, gan_const(&b->cx, b->truncate), z));
    if (net->latent_noise > 0 && !b->sampling) z = gan_add(&b->cx, z, gan_mul_k(&b->cx, gan_normal(&b->cx, rank, all), net->latent_noise));
    VEC_PUSH(b->draws, ((abi_draw){arena_fmt(b->mem, "%s/%s/%s", place, net->scope, input), z.id}));
  }
  abi_leave(b, f, st, arena_fmt(b->mem, "input %s", input));
  return z.id;
}

int abi_draws_uniform(abi_builder *b, uint32_t role, const char *input) {
  int64_t all[GANTRY_MAX_RANK] = {1};
  uint32_t rank = 0;
  const char *how = NULL;
  abi_net *net = need_net(b, role);
  if (!net) return 0;
  abi_frame f = abi_enter(b, &net->arch, NULL, NULL);
  abi_doing(b, "input");
  gantry_status st = random_input(b, net, input, all, &rank, &how);
  return !abi_leave(b, f, st, "input") && !strcmp(how, "uniform");
}

static gantry_t draw(gantry_ctx *cx, uint32_t role, const char *input, int64_t n) { return abi_t(abi_draw_input(abi_of(cx), role, input, n)); }

uint32_t abi_params(abi_builder *b, uint32_t role, ir_id *dst, const abi_state **which, uint32_t cap) {
  uint32_t n = 0;
  for (uint32_t k = 0; k < b->world->states.n; k++) {
    const abi_state *s = &b->world->states.p[k];
    if (s->role != GANTRY_ROLE_PARAM || s->net != role || !strncmp(s->name, "ema/", 4)) continue;
    if (n < cap) {
      if (dst) dst[n] = abi_state_here(b, s);
      if (which) which[n] = s;
    }
    n++;
  }
  return n;
}

static uint32_t params(gantry_ctx *cx, uint32_t role, gantry_t *dst, uint32_t cap) {
  abi_builder *b = abi_of(cx);
  ir_id *ids = ARENA_ARRAY(b->mem, ir_id, cap);
  uint32_t n = abi_params(b, role, ids, NULL, cap);
  for (uint32_t k = 0; k < n && k < cap; k++) dst[k] = abi_t(ids[k]);
  return n;
}

static gantry_status update(gantry_ctx *cx, uint32_t role, gantry_t loss) { return abi_update(abi_of(cx), role, loss.id, NULL, NULL); }

static gantry_t data(gantry_ctx *cx, const char *name) {
  abi_builder *b = abi_of(cx);
  const char *full = arena_fmt(b->mem, "data/%s", strncmp(name, "data.", 5) ? name : name + 5);
  for (uint32_t k = 0; k < b->world->inputs.n; k++) {
    const abi_input *in = &b->world->inputs.p[k];
    if (in->values && !strcmp(in->name, full)) return abi_t(ir_leaf(b->g, GANTRY_OP_INPUT, full, in->dtype, in->rank, in->dims));
  }
  err_set(&b->err, GANTRY_E_INVALID, "the data set provides no \"%s\"", name);
  return abi_t(0);
}

/* Fixed samples: real ones from the data, random inputs as a state that is drawn once. */
static gantry_t reference(gantry_ctx *cx, const char *what, int64_t n) {
  abi_builder *b = abi_of(cx);
  if (b->err.code || b->g->err.code) return abi_t(0);
  const abi_net *net = b->app ? b->apps.p[b->app].net : NULL;
  if (!net || n < 1) {
    err_set(&b->err, GANTRY_E_INVALID, "reference(\"%s\"): only while a network is built, at least one sample", what);
    return abi_t(0);
  }
  ir_id x = 0;
  if (!strcmp(what, "image") || !strcmp(what, "label")) {
    int64_t m = *what == 'i' && net->pack > 1 ? net->pack : 1;
    if (b->world->reference) x = b->world->reference(b->world->user, b, what, n * m);
    if (!x) err_set(&b->err, GANTRY_E_CONFIG, "reference(\"%s\"): the data set has none", what);
    x = abi_pack(b, x, m);
    const char *name = arena_fmt(b->mem, "reference/%s/%s", net->scope, what);
    int known = 0; /* the same in every application */
    for (uint32_t k = 0; k < b->draws.n; k++) known |= !strcmp(b->draws.p[k].name, name);
    if (!known) VEC_PUSH(b->draws, ((abi_draw){name, x}));
    return abi_t(x);
  }
  int64_t all[GANTRY_MAX_RANK] = {n};
  uint32_t rank = 0;
  const char *how = NULL;
  if (random_input(b, net, what, all, &rank, &how)) return abi_t(0);
  gantry_state_desc d = {.struct_size = sizeof d, .role = GANTRY_ROLE_BUFFER, .name = arena_fmt(b->mem, "reference_%s", what), .dims = all, .rank = rank, .init = *how == 'u' ? GANTRY_INIT_UNIFORM : GANTRY_INIT_NORMAL, .init_scale = 1};
  return cx->host->graph->state(cx, &d);
}

static gantry_t loss(gantry_ctx *cx, uint32_t net, gantry_t logit_real, gantry_t logit_fake) {
  abi_builder *b = abi_of(cx);
  if (b->err.code || b->g->err.code) return abi_t(0);
  if (!b->world->loss) {
    err_set(&b->err, GANTRY_E_INVALID, "there is no loss of two networks in this run");
    return abi_t(0);
  }
  return abi_t(b->world->loss(b->world->user, b, net, logit_real.id, logit_fake.id));
}

const gantry_net_api abi_net_api = {sizeof abi_net_api, 0, apply, out, tap, draw, params, update, data, reference, loss};

/* ---- metrics ---- */

static gantry_t features(gantry_ctx *cx, gantry_t images, const char *name) {
  abi_builder *b = abi_of(cx);
  if (b->err.code) return abi_t(0);
  if (!b->features) {
    err_set(&b->err, GANTRY_E_INVALID, "features are asked for outside a metric that names a feature network");
    return abi_t(0);
  }
  return abi_t(abi_usable(b, images, "features: what they are asked of", NULL) ? b->features(b, images.id, name) : 0);
}

static gantry_status keep(gantry_ctx *cx, const char *name, gantry_t v, uint32_t how) {
  abi_builder *b = abi_of(cx);
  if (!abi_usable(b, v, "keep: the value ", name)) return b->err.code;
  if (how < GANTRY_KEEP_SUM || how > GANTRY_KEEP_MAX) return err_set(&b->err, GANTRY_E_INVALID, "keep(\"%s\"): unknown kind %u", name, how);
  for (uint32_t k = 0; k < b->keeps.n; k++)
    if (!strcmp(b->keeps.p[k].name, name)) return err_set(&b->err, GANTRY_E_INVALID, "keep(\"%s\") twice in one pass", name);
  VEC_PUSH(b->keeps, ((abi_keep){arena_str(b->mem, name), v.id, how}));
  return GANTRY_OK;
}

static gantry_t kept(gantry_ctx *cx, uint32_t set, const char *name) {
  abi_builder *b = abi_of(cx);
  if (b->err.code) return abi_t(0);
  if (!b->kept) {
    err_set(&b->err, GANTRY_E_INVALID, "kept(\"%s\") outside a metric", name);
    return abi_t(0);
  }
  return abi_t(b->kept(b, set, name));
}

const gantry_metric_api abi_metric_api = {sizeof abi_metric_api, 0, features, keep, kept};
