/* metric.c - runs a metric plugin: its passes batch by batch, what they keep in f64 in set order, and the closing graph. See eval.h. */
#include <gantry/ops.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/hash.h"
#include "eval/eval.h"
#include "ir/build.h"

enum { BATCH = 200 };

typedef eval_kept kept_value; /* one name kept for one set; rows: dims[0] = rows so far */

typedef struct metric_run {
  eval_context *c;
  const eval_request *q;
  const gantry_metric *iface;
  const char *prefix;            /* "metric.<id>.<weights>" */
  VEC(kept_value) kept;
  int64_t size[5];               /* of each set; 0 = not used */
  gantry_t z;                    /* latents of the batch that is being built */
} metric_run;

static kept_value *find_kept(metric_run *m, uint32_t set, const char *name) {
  for (uint32_t k = 0; k < m->kept.n; k++)
    if (m->kept.p[k].set == set && !strcmp(m->kept.p[k].name, name)) return &m->kept.p[k];
  return NULL;
}

static const char *tensor_name(metric_run *m, arena *a, uint32_t set, const char *name) { return arena_fmt(a, "kept/%s/%u/%s", m->prefix, set, name); }

/* Begins what passes keep of a set under a name, of the shape that one batch gives; its numbers are not there yet. NULL and an error where rows are no rows. */
static kept_value *new_kept(metric_run *m, uint32_t set, uint32_t how, const char *name, uint32_t rank, const int64_t *dims, err *e) {
  kept_value fresh = {.set = set, .how = how, .name = arena_str(m->c->mem, name), .rank = rank};
  memcpy(fresh.dims, dims, sizeof *dims * rank);
  if (how == GANTRY_KEEP_ROWS) {
    if (!rank || dims[0] != BATCH) {
      err_set(e, GANTRY_E_SHAPE, "keep(\"%s\", rows): the first axis must be the batch", name);
      return NULL;
    }
    fresh.dims[0] = 0;
  }
  VEC_PUSH(m->kept, fresh);
  return &m->kept.p[m->kept.n - 1];
}

/* The graph side of kept(): an input that upload_kept fills before the program runs. */
static ir_id kept_input(abi_builder *b, uint32_t set, const char *name) {
  metric_run *m = b->user;
  if (set < 5 && !strcmp(name, "n")) return ir_const(b->g, GANTRY_F64, (double)m->size[set]);
  const kept_value *v = find_kept(m, set, name);
  if (v) return ir_leaf(b->g, GANTRY_OP_INPUT, tensor_name(m, b->mem, set, name), GANTRY_F64, v->rank, v->dims);
  err_set(&b->err, GANTRY_E_INVALID, "kept(\"%s\"): no pass has kept that for this set", name);
  return 0;
}

static ir_id feature_input(abi_builder *b, ir_id images, const char *tap) {
  const metric_run *m = b->user;
  if (images && !abi_world_net(b->world, GANTRY_FEATURES)) {
    err_set(&b->err, GANTRY_E_CONFIG, "a feature network is needed: set %s.features, for instance to \"fashion_cnn\"", m->q->metric->path);
    return 0;
  }
  gantry_named in = {"image", abi_t(images), 0};
  gantry_call call = images ? abi_apply(b, GANTRY_FEATURES, &in, 1, GANTRY_EVAL | GANTRY_NO_STATE_UPDATE) : (gantry_call){0};
  return abi_out(b, call, tap);
}

/* Uploads what is kept so far; programs may read any of it. */
static gantry_status upload_kept(metric_run *m, err *e) {
  for (uint32_t k = 0; k < m->kept.n; k++) {
    const kept_value *v = &m->kept.p[k];
    const char *name = tensor_name(m, m->c->mem, v->set, v->name);
    int64_t n = 1;
    for (uint32_t j = 0; j < v->rank; j++) n *= v->dims[j];
    TRY(exec_tensor_make(m->c->session, name, GANTRY_F64, v->rank, v->dims, e));
    TRY(exec_write(m->c->session, name, v->data, n * 8, e));
  }
  return GANTRY_OK;
}

/* The set a metric compares with: the training set itself where it is meant whole, else a set of its own. */
static gantry_status open_set(eval_context *c, const char *split, int64_t limit, const data_set **out, err *e) {
  if (!strcmp(split, c->train->split) && (!limit || limit >= c->train->count) && c->train->count == c->train->info.count) {
    *out = c->train;
    return GANTRY_OK;
  }
  for (uint32_t k = 0; k < c->sets.n; k++)
    if (!strcmp(c->sets.p[k].split, split) && c->sets.p[k].limit == limit) {
      *out = c->sets.p[k].data;
      return GANTRY_OK;
    }
  if (!c->session && !strcmp(split, c->train->split)) { /* to build graphs, the open set tells all: opening may mean unpacking */
    data_set *same = arena_copy(c->mem, c->train, sizeof *same);
    same->count = limit && limit < same->info.count ? limit : same->info.count;
    *out = same;
    return GANTRY_OK;
  }
  eval_set s = {.split = arena_str(c->mem, split), .limit = limit, .name = arena_fmt(c->mem, "reference.%s.%lld", split, (long long)limit)};
  const data_options from = {.split = split, .limit = limit, .limit_seed = -1, .range = {c->range[0], c->range[1]}, .where = c->train->where, .shape_only = !c->session};
  TRY(data_open(c->data_el, &from, &s.data, e));
  gantry_status st = c->session ? data_upload(s.data, c->session, s.name, e) : GANTRY_OK;
  if (st) {
    data_close(s.data);
    return st;
  }
  VEC_PUSH(c->sets, s);
  *out = s.data;
  return GANTRY_OK;
}

static const char *device_name(const eval_context *c, const data_set *d) {
  for (uint32_t k = 0; k < c->sets.n; k++)
    if (c->sets.p[k].data == d) return c->sets.p[k].name;
  return "train";
}

/* A conditional G is asked for its classes in turn: sample i is of class i mod classes. */
static int conditional(const eval_context *c) {
  const abi_net *g = abi_world_net(c->world, GANTRY_G);
  return g && g->uses_label;
}

/* One batch of a set's images; row is the i64 index of its first sample. */
static gantry_t batch_images(metric_run *m, abi_builder *b, uint32_t set, const data_set *real, gantry_t index, const gantry_t *label) {
  if (set != GANTRY_FAKE || m->q->fake_split) {
    return abi_t(data_gather(b, real, device_name(m->c, real), index.id));
  }
  gantry_named z[2] = {{"z", abi_t(abi_draw_input(b, GANTRY_G, "z", BATCH)), 0}, {"label", *label, 0}};
  m->z = z[0].t;
  gantry_call g = z[0].t.id ? abi_apply(b, GANTRY_G, z, label->id ? 2 : 1, GANTRY_EVAL | GANTRY_NO_STATE_UPDATE | m->q->weights) : (gantry_call){0};
  return eval_quantize(b, abi_t(abi_out(b, g, "image")), m->c->train);
}

/* The sets themselves, once each, beside what a pass keeps of them. */
static void keep_sets(metric_run *m, abi_builder *b, const gantry_pass *pass, const gantry_batch *batch) {
  static const char *const names[3] = {"trace.samples", "trace.labels", "trace.z"};
  const gantry_t t[3] = {batch->x, batch->label, m->z};
  if (!m->c->kept || pass->rows || find_kept(m, pass->set, names[0])) return;
  for (int k = 0; k < 3; k++)
    if (t[k].id) VEC_PUSH(b->keeps, ((abi_keep){names[k], t[k].id, GANTRY_KEEP_ROWS}));
}

static abi_builder *build_pass(metric_run *m, uint32_t k, const gantry_pass *pass, const data_set *real, const char *name) {
  abi_builder *b = abi_builder_new(m->c->world, name);
  gantry_ctx *cx = &b->cx;
  const int64_t n = BATCH;
  b->user = m;
  b->kept = kept_input;
  b->features = feature_input;
  b->program = "metric"; /* the same latents for every metric, raw and averaged */
  gantry_t row = gan_mul(cx, abi_t(abi_counter(b, "metric.invocation")), gan_full_as(cx, GANTRY_I64, 0, NULL, BATCH));
  gantry_t index = gan_add(cx, gan_iota(cx, GANTRY_I64, 1, &n, 0), row);
  gantry_batch batch = {.struct_size = sizeof batch, .set = pass->set, .index = index, .n = BATCH, .set_size = m->size[pass->set]};
  batch.valid = gan_f32(cx, gan_lt(cx, index, gan_full_as(cx, GANTRY_I64, 0, NULL, (double)m->size[pass->set])));
  b->sampling = 1;
  m->z = abi_t(0);
  if (!pass->rows && pass->set == GANTRY_FAKE && !m->q->fake_split && conditional(m->c)) batch.label = eval_class_of(cx, index, abi_world_net(m->c->world, GANTRY_G)->shape.classes);
  if (pass->rows)
    batch.x = gan_gather(cx, abi_t(kept_input(b, pass->set, pass->rows)), index, 0, 0);
  else if (pass->set != GANTRY_DRAWS)
    batch.x = batch_images(m, b, pass->set, real, index, &batch.label);
  if (!pass->rows && real && real->labels && pass->set != GANTRY_FAKE) batch.label = abi_t(data_labels(b, real, device_name(m->c, real), index.id));
  b->g->label = ir_intern(b->g, m->prefix); /* what fails now is the metric's, not the last network's */
  abi_frame f = abi_enter(b, m->q->metric, m->prefix, NULL);
  ABI_CALL(b, f, "pass", m->iface->pass(cx, k, &batch));
  keep_sets(m, b, pass, &batch);
  for (uint32_t j = 0; j < b->keeps.n && !b->err.code && !b->g->err.code; j++)
    ir_output(b->g, arena_fmt(b->mem, "%u/%s", b->keeps.p[j].how, b->keeps.p[j].name), ir_cast(b->g, b->keeps.p[j].id, GANTRY_F64));
  b->program = name;
  return b;
}

static exec_program *pass_program(metric_run *m, uint32_t k, const gantry_pass *pass, const data_set *real, const char *name, err *e) {
  exec_program *p = eval_cached_program(m->c, name);
  return p ? p : eval_compile(m->c, build_pass(m, k, pass, real, name), e);
}

/* Adds one batch's output to what is kept. valid: rows of it that exist. */
static gantry_status accumulate(metric_run *m, uint32_t set, uint32_t how, const char *name, const exec_tensor *t, int64_t valid, err *e) {
  kept_value *v = find_kept(m, set, name);
  int64_t n = t->bytes / 8, row = t->rank ? n / t->dims[0] : 1;
  if (!v) {
    if (!(v = new_kept(m, set, how, name, t->rank, t->dims, e))) return e->code;
    v->room = how == GANTRY_KEEP_ROWS ? m->size[set] * row : n;
    v->data = mem_alloc((size_t)v->room * 8);
    for (int64_t k = 0; how == GANTRY_KEEP_MAX && k < n; k++) v->data[k] = -INFINITY;
  }
  double *x = mem_alloc((size_t)t->bytes);
  gantry_status st = exec_read(m->c->session, t->name, x, t->bytes, e);
  if (!st && how == GANTRY_KEEP_ROWS) {
    memcpy(v->data + v->dims[0] * row, x, (size_t)(valid * row) * 8);
    v->dims[0] += valid;
  }
  for (int64_t k = 0; !st && how == GANTRY_KEEP_SUM && k < n; k++) v->data[k] += x[k];
  for (int64_t k = 0; !st && how == GANTRY_KEEP_MAX && k < n; k++) v->data[k] = fmax(v->data[k], x[k]);
  free(x);
  return st;
}

/* Names what a pass over real images keeps: the graph, the samples, how many of them, and the weights they are seen through. */
static const char *cache_key(metric_run *m, const char *program, const data_set *real, int64_t size) {
  char text[400], hex[65];
  uint64_t graph = 0;
  for (uint32_t k = 0; k < m->c->programs.n; k++)
    if (!strcmp(m->c->programs.p[k].name, program)) graph = m->c->programs.p[k].hash;
  int n = snprintf(text, sizeof text, "%016llx %s %lld %s", (unsigned long long)graph, real->sha256, (long long)size, m->c->features_sha);
  sha_hex(text, (size_t)n, hex);
  return arena_fmt(m->c->mem, "%s", hex);
}

static gantry_status run_pass(metric_run *m, uint32_t k, const gantry_pass *pass, const data_set *real, err *e) {
  eval_context *c = m->c;
  /* Not through a network that is being trained: what it sees changes under an equal name. */
  int fixed = m->q->features || !abi_world_net(c->world, GANTRY_FEATURES), cacheable = c->cache && real && !pass->rows && fixed;
  const char *key = NULL;
  const char *name = arena_fmt(c->mem, "%s.%u", m->prefix, k), *prefix = arena_fmt(c->mem, "out/%s/", name);
  TRY(upload_kept(m, e));
  exec_program *p = pass_program(m, k, pass, real, name, e);
  if (!p) return e->code;
  TRY(upload_kept(m, e));
  if (cacheable) {
    eval_kept *found;
    uint32_t n = 0;
    int hit = 0;
    key = cache_key(m, name, real, m->size[pass->set]);
    TRY(eval_cache_get(c, key, pass->set, c->mem, &found, &n, &hit, e));
    for (uint32_t j = 0; hit && j < n; j++) VEC_PUSH(m->kept, found[j]);
    if (hit) return GANTRY_OK;
  }
  uint32_t before = m->kept.n;
  size_t len = strlen(prefix);
  for (int64_t batch = 0, done = 0; done < m->size[pass->set]; batch++, done += BATCH) {
    int64_t left = m->size[pass->set] - done, valid = left < BATCH ? left : BATCH;
    if (exec_tensor_get(c->session, "counter/metric.invocation")) TRY(exec_write(c->session, "counter/metric.invocation", &batch, sizeof batch, e));
    TRY(exec_run(c->session, &p, 1, e));
    if (c->beat) c->beat(c->beat_user, m->q->metric->path);
    for (uint32_t j = 0; j < exec_tensor_count(c->session); j++) {
      const exec_tensor *t = exec_tensor_at(c->session, j);
      if (strncmp(t->name, prefix, len)) continue;
      TRY(accumulate(m, pass->set, (uint32_t)(t->name[len] - '0'), t->name + len + 2, t, valid, e));
    }
  }
  if (cacheable) eval_cache_put(c, key, m->kept.p + before, m->kept.n - before);
  return GANTRY_OK;
}

static abi_builder *build_finish(metric_run *m, const char *name) {
  abi_builder *b = abi_builder_new(m->c->world, name);
  gantry_t *v = ARENA_ARRAY(b->mem, gantry_t, m->iface->n_values);
  b->user = m;
  b->kept = kept_input;
  abi_frame f = abi_enter(b, m->q->metric, m->prefix, NULL);
  ABI_CALL(b, f, "finish", m->iface->finish(&b->cx, v, m->iface->n_values));
  for (uint32_t k = 0; k < m->iface->n_values && !b->err.code && !b->g->err.code; k++) {
    if (!v[k].id || ir_at(b->g, v[k].id)->rank)
      err_set(&b->err, GANTRY_E_SHAPE, "%s: finish gave no single number for value %u", m->q->metric->plugin->name, k);
    else
      ir_output(b->g, arena_fmt(b->mem, "%u", k), ir_cast(b->g, v[k].id, GANTRY_F64));
  }
  return b;
}

static gantry_status finish(metric_run *m, eval_result *out, err *e) {
  eval_context *c = m->c;
  const char *name = arena_fmt(c->mem, "%s.finish", m->prefix);
  TRY(upload_kept(m, e));
  exec_program *p = eval_cached_program(c, name);
  if (!p && !(p = eval_compile(c, build_finish(m, name), e))) return e->code;
  TRY(exec_run(c->session, &p, 1, e));
  out->n = m->iface->n_values;
  out->value = ARENA_ARRAY(c->mem, double, out->n);
  for (uint32_t k = 0; k < out->n; k++) TRY(exec_read(c->session, arena_fmt(c->mem, "out/%s/%u", name, k), &out->value[k], 8, e));
  return GANTRY_OK;
}

/* One line that says how the number was made; equal lines are comparable numbers. */
static const char *protocol(metric_run *m, const data_set *real) {
  buf t = {0};
  const abi_element *el = m->q->metric;
  buf_printf(&t, "%s %s", el->plugin->name, el->plugin->version);
  for (uint32_t k = 0; k < el->plugin->param_count; k++) {
    const gantry_param *p = abi_param_at(el->plugin, k);
    if (p->type == GANTRY_P_STRING || p->type == GANTRY_P_ENUM) buf_printf(&t, " %s=%s", p->key, el->values[k].s ? el->values[k].s : "");
    else buf_printf(&t, " %s=%.17g", p->key, el->values[k].f);
  }
  if (m->q->features) buf_printf(&t, " features=%s", m->q->features);
  if (m->size[GANTRY_FAKE]) buf_printf(&t, " fake=%lld", (long long)m->size[GANTRY_FAKE]);
  if (m->size[GANTRY_FAKE] && conditional(m->c) && !m->q->fake_split) buf_puts(&t, " labels=in-turn");
  if (real) buf_printf(&t, " real=%s[%lld]:%.12s", real->split, (long long)real->count, real->sha256);
  const char *s = arena_str(m->c->mem, t.p);
  buf_free(&t);
  return s;
}

/* Opens the set of pass k and notes its size; *real is NULL where G makes it. */
static gantry_status open_pass(metric_run *m, uint32_t k, const gantry_pass **pass, const data_set **real, err *e) {
  const gantry_pass *p = *pass = (const gantry_pass *)(const void *)((const char *)m->iface->passes + (size_t)k * m->iface->pass_stride);
  *real = NULL;
  if (p->set < GANTRY_FAKE || p->set > GANTRY_DRAWS) return err_set(e, GANTRY_E_INVALID, "%s: pass %u names an unknown set", m->q->metric->plugin->name, k);
  if (p->set == GANTRY_REAL || p->set == GANTRY_HELD_OUT) {
    TRY(open_set(m->c, p->set == GANTRY_REAL ? m->q->real : "test", m->q->real_limit, real, e));
    m->size[p->set] = (*real)->count;
  } else if (p->set == GANTRY_FAKE && m->q->fake_split) {
    TRY(open_set(m->c, m->q->fake_split, 0, real, e));
    m->size[p->set] = (*real)->count < m->q->fake ? (*real)->count : m->q->fake;
  } else
    m->size[p->set] = m->q->fake;
  return GANTRY_OK;
}

static gantry_status run(metric_run *m, eval_result *out, err *e) {
  const data_set *real, *reference = NULL;
  const gantry_pass *pass;
  for (uint32_t k = 0; k < m->iface->n_passes; k++) {
    TRY(open_pass(m, k, &pass, &real, e));
    if (pass->set == GANTRY_REAL || pass->set == GANTRY_HELD_OUT) {
      out->n_real = m->size[pass->set];
      reference = real;
    } else
      out->n_fake = m->size[pass->set];
    TRY(run_pass(m, k, pass, real, e));
  }
  out->protocol = protocol(m, reference);
  return finish(m, out, e);
}

/* The same without a session: every graph is built on the shapes of what would be kept. */
static gantry_status build_all(metric_run *m, err *e) {
  const data_set *real;
  const gantry_pass *pass;
  gantry_status st = GANTRY_OK;
  for (uint32_t k = 0; k < m->iface->n_passes && !st; k++) {
    TRY(open_pass(m, k, &pass, &real, e));
    abi_builder *b = build_pass(m, k, pass, real, arena_fmt(m->c->mem, "%s.%u", m->prefix, k));
    st = abi_builder_status(b, e);
    for (uint32_t j = 0; j < b->keeps.n && !st; j++) {
      ir_id id = b->keeps.p[j].id;
      kept_value *v = new_kept(m, pass->set, b->keeps.p[j].how, b->keeps.p[j].name, ir_at(b->g, id)->rank, ir_dims(b->g, id), e);
      if (v && v->how == GANTRY_KEEP_ROWS) v->dims[0] = m->size[pass->set];
      if (!v) st = e->code;
    }
    abi_builder_free(b);
  }
  if (st) return st;
  abi_builder *b = build_finish(m, "finish");
  st = abi_builder_status(b, e);
  abi_builder_free(b);
  return st;
}

static metric_run begin(eval_context *c, const eval_request *q) {
  metric_run m = {.c = c, .q = q, .iface = q->metric->plugin->iface};
  m.prefix = arena_fmt(c->mem, "metric.%s.%s", q->metric->id, q->fake_split ? "real" : q->weights ? "ema" : "raw");
  return m;
}

static gantry_status end(metric_run *m, gantry_status st, err *e) {
  const char *path = m->q->metric->path;
  for (uint32_t k = 0; k < m->kept.n; k++) free(m->kept.p[k].data);
  free(m->kept.p);
  return !st ? GANTRY_OK : strncmp(e->msg, path, strlen(path)) ? err_wrap(e, "metric %s", path) : st; /* a plugin's own words begin with its place */
}

gantry_status eval_metric(eval_context *c, const eval_request *q, eval_result *out, err *e) {
  struct timespec a, b;
  *out = (eval_result){0};
  metric_run m = begin(c, q);
  clock_gettime(CLOCK_MONOTONIC, &a);
  gantry_status st = q->features ? eval_features_load(c, q->features, e) : GANTRY_OK;
  if (!st) st = run(&m, out, e);
  for (uint32_t k = 0; c->kept && !st && k < m.kept.n; k++) c->kept(c->kept_user, m.kept.p[k].set, m.kept.p[k].name, m.kept.p[k].rank, m.kept.p[k].dims, m.kept.p[k].data);
  clock_gettime(CLOCK_MONOTONIC, &b);
  out->ms = (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
  return end(&m, st, e);
}

gantry_status eval_metric_build(eval_context *c, const eval_request *q, err *e) {
  metric_run m = begin(c, q);
  gantry_status st = q->features ? eval_features_load(c, q->features, e) : GANTRY_OK;
  if (!st) st = build_all(&m, e);
  if (!st && q->features) st = eval_features_fit(c, e);
  return end(&m, st, e);
}
