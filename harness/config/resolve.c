/* resolve.c - one cell: sections, elements and schedules into a cfg_run with every default filled in, and its canonical text.
 * See resolve.h. */
#include "config/resolve.h"

#include <stdlib.h>

#include <gantry/metric.h>

#include "base/files.h"

static const char *const nothing[] = {NULL};

static gantry_status note_plugin(resolver *rs, const cfg_element *el) {
  chosen c = {.el = el, .desc = abi_find(rs->reg, el->kind, el->name)->desc};
  VEC_PUSH(rs->plugins, c);
  return GANTRY_OK;
}

/* read_object where a plugin is wanted: its bare name is the mistake that is made, and easily put right. */
static gantry_status read_named(resolver *rs, const json_t *parent, const char *path, const char *key, json_t **v) {
  const json_t *x = json_object_get(parent, key);
  const char *full = *path ? join(rs, path, key) : key;
  if (json_is_string(x)) return layers_fail(&rs->from, full, AT_VALUE, rs->e, "%s must be an object { ... }, is a text: write {\"name\": \"%s\"}", full, json_string_value(x));
  return read_object(rs, parent, path, key, NULL, v);
}

/* An element that must be there; `def` is the plugin's name where the file is silent, or NULL. */
static gantry_status required(resolver *rs, const json_t *parent, json_t *parent_out, const char *path, const char *key, uint32_t kind, const char *def, const char *const *extra, cfg_element *el, json_t **made) {
  json_t *v, *silent = NULL;
  const char *full = join(rs, path, key);
  TRY(read_named(rs, parent, path, key, &v));
  if (!v && !def) return layers_fail(&rs->from, full, AT_KEY, rs->e, "\"%s\" is missing: {\"name\": ...} (see gantry plugins list)", full);
  if (def && !json_object_get(v, "name")) {
    silent = v ? json_deep_copy(v) : json_object();
    json_object_set_new(v = silent, "name", json_string(def));
  }
  gantry_status st = read_element(rs, v, full, key, kind, extra, el, made);
  json_decref(silent);
  if (st) return st;
  json_object_set_new(parent_out, key, *made);
  return note_plugin(rs, el);
}

static gantry_status resolve_data(resolver *rs, json_t *out) {
  static const char *const extra[] = {"split", "range", "limit", "limit_seed", "storage", NULL}, *const storages[] = {"auto", "memory", "file", NULL};
  cfg_run *r = rs->r;
  json_t *made;
  TRY(required(rs, rs->cfg, out, "", "data", GANTRY_KIND_DATASET, NULL, extra, &r->data, &made));
  const json_t *v = json_object_get(rs->cfg, "data"), *range = json_object_get(v, "range");
  TRY(read_word(rs, v, made, "data", "split", "train", NULL, &r->split));
  TRY(read_int(rs, v, made, "data", "limit", 0, 0, INT64_C(1) << 53, &r->limit));
  TRY(read_maybe(rs, v, made, "data", "limit_seed", &r->limit_seed));
  TRY(read_word(rs, v, made, "data", "storage", "auto", storages, &r->storage));
  if (r->limit_seed >= 0 && !r->limit) return layers_fail(&rs->from, "data.limit_seed", AT_KEY, rs->e, "data.limit_seed says which samples data.limit keeps: set data.limit too");
  r->range[0] = -1;
  r->range[1] = 1;
  if (range && !json_is_null(range)) {
    if (json_array_size(range) != 2 || !json_is_number(json_array_get(range, 0)) || !json_is_number(json_array_get(range, 1)) || json_number_value(json_array_get(range, 0)) >= json_number_value(json_array_get(range, 1)))
      return layers_fail(&rs->from, "data.range", AT_VALUE, rs->e, "data.range must be [low, high] with low < high, as in [-1, 1]");
    for (size_t k = 0; k < 2; k++) r->range[k] = json_number_value(json_array_get(range, k));
  }
  json_object_set_new(made, "range", json_pack("[f,f]", r->range[0], r->range[1]));
  return GANTRY_OK;
}

static gantry_status resolve_ema(resolver *rs, const json_t *g, json_t *out, cfg_net *net) {
  static const char *const known[] = {"on", "half_life", "decay", "ramp_up", NULL};
  json_t *v;
  int on;
  TRY(read_object(rs, g, "g", "ema", known, &v));
  if (!v) return GANTRY_OK;
  json_t *made = json_object();
  gantry_status st;
  cfg_duration def = {CFG_KIMG, 10};
  if (json_object_get(v, "decay")) def.unit = CFG_NEVER;
  if ((st = read_bool(rs, v, "g.ema", "on", 1, &on))) goto done;
  if ((st = read_duration(rs, v, made, "g.ema", "half_life", def, &net->ema_half_life))) goto done;
  if (net->ema_half_life.unit == CFG_END || (net->ema_half_life.unit != CFG_NEVER && json_object_get(v, "decay"))) {
    st = layers_fail(&rs->from, "g.ema.half_life", AT_VALUE, rs->e, "g.ema takes a half_life {unit: number} or a decay per step, not both");
    goto done;
  }
  if (net->ema_half_life.unit == CFG_NEVER && (st = read_num(rs, v, made, "g.ema", "decay", 0, 0, 1, &net->ema_decay))) goto done;
  if (net->ema_half_life.unit == CFG_NEVER && on && net->ema_decay == 1) {
    st = layers_fail(&rs->from, "g.ema.decay", AT_VALUE, rs->e, "g.ema.decay 1 keeps the first weights for ever: it is the share of the average that each step keeps, as in 0.999");
    goto done;
  }
  st = read_num(rs, v, made, "g.ema", "ramp_up", net->ema_half_life.unit == CFG_NEVER ? 0 : 0.05, 0, 1e6, &net->ema_ramp_up);
  net->ema = (uint8_t)on;
done:
  if (!st && on) json_object_set(out, "ema", made);
  json_decref(made);
  return st;
}

/* "latent": {"distribution": ..., "noise": ...} of G. */
static gantry_status resolve_latent(resolver *rs, const json_t *g, json_t *out, cfg_net *net) {
  static const char *const known[] = {"distribution", "noise", NULL}, *const distributions[] = {"auto", "normal", "uniform", NULL};
  json_t *v, *made;
  const char *how;
  TRY(read_object(rs, g, "g", "latent", known, &v));
  if (!v) return GANTRY_OK;
  json_object_set_new(out, "latent", made = json_object());
  TRY(read_word(rs, v, made, "g.latent", "distribution", "auto", distributions, &how));
  TRY(read_num(rs, v, made, "g.latent", "noise", 0, 0, 1e6, &net->latent_noise));
  if (strcmp(how, "auto")) net->latent = how;
  return GANTRY_OK;
}

/* How D sees a batch: "pack" and "batches". */
static gantry_status resolve_views(resolver *rs, const json_t *d, json_t *out) {
  static const char *const batches[] = {"separate", "joint", NULL};
  const char *how;
  TRY(read_int(rs, d, out, "d", "pack", 1, 1, 1024, &rs->r->pack));
  TRY(read_word(rs, d, out, "d", "batches", "separate", batches, &how));
  rs->r->joint = !strcmp(how, "joint");
  return GANTRY_OK;
}

static gantry_status resolve_net(resolver *rs, json_t *out, const char *key, cfg_net *net) {
  static const char *const known_g[] = {"arch", "optim", "ema", "latent", NULL}, *const known_d[] = {"arch", "optim", "pack", "batches", NULL}, *const known_net[] = {"arch", "optim", NULL};
  json_t *v, *made = json_object(), *ignored;
  json_object_set_new(out, key, made);
  TRY(read_object(rs, rs->cfg, "", key, *key == 'g' ? known_g : *key == 'd' ? known_d : known_net, &v));
  if (!v) return layers_fail(&rs->from, key, AT_KEY, rs->e, "\"%s\" is missing: {\"arch\": {\"name\": ...}, \"optim\": {...}}", key);
  TRY(required(rs, v, made, key, "arch", GANTRY_KIND_ARCH, NULL, nothing, &net->arch, &ignored));
  TRY(required(rs, v, made, key, "optim", GANTRY_KIND_OPTIM, "adam", nothing, &net->optim, &ignored));
  if (*key == 'd') return resolve_views(rs, v, made);
  if (*key != 'g') return GANTRY_OK;
  TRY(resolve_latent(rs, v, made, net));
  return resolve_ema(rs, v, made, net);
}

static int by_order(const void *a, const void *b) {
  const cfg_element *x = a, *y = b;
  if (x->order != y->order) return x->order < y->order ? -1 : 1;
  return strcmp(x->id, y->id);
}

/* Ids become parts of dotted paths and column names. */
static gantry_status check_id(resolver *rs, const char *path, const char *id) {
  size_t n = strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
  if (n && !id[n] && n < 64) return GANTRY_OK;
  return layers_fail(&rs->from, path, AT_KEY, rs->e, "\"%s\" cannot be an id: letters, digits, _ and - only, at most 63", id);
}

static gantry_status resolve_regularizers(resolver *rs, json_t *out) {
  static const char *const extra[] = {"on", "of", "every", "order", "force", NULL};
  json_t *v, *x, *made, *all;
  const char *const *keys;
  TRY(read_object(rs, rs->cfg, "", "regularizers", NULL, &v));
  uint32_t n = v ? object_keys(rs->a, v, &keys) : 0;
  cfg_element *els = ARENA_ARRAY(rs->a, cfg_element, n + 1);
  json_object_set_new(out, "regularizers", all = json_object());
  for (uint32_t k = 0; k < n; k++) {
    const char *path = join(rs, "regularizers", keys[k]);
    TRY(check_id(rs, path, keys[k]));
    TRY(read_named(rs, v, "regularizers", keys[k], &x));
    if (!x) continue;
    TRY(read_element(rs, x, path, keys[k], GANTRY_KIND_REGULARIZER, extra, &els[rs->r->n_regs], &made));
    if (!made) continue;
    json_object_set_new(all, keys[k], made);
    rs->r->n_regs++;
  }
  qsort(els, rs->r->n_regs, sizeof *els, by_order);
  rs->r->regs = els;
  for (uint32_t k = 0; k < rs->r->n_regs; k++) TRY(note_plugin(rs, &els[k]));
  return GANTRY_OK;
}

static gantry_status read_weights(resolver *rs, const json_t *v, json_t *out, const char *path, uint32_t *bits) {
  const json_t *w = json_object_get(v, "weights");
  *bits = 0;
  if (!w || json_is_null(w)) *bits = rs->r->g.ema ? CFG_EMA : CFG_RAW;
  size_t n = json_is_array(w) ? json_array_size(w) : json_is_string(w) ? 1 : 0;
  for (size_t k = 0; k < n; k++) {
    const json_t *one = json_is_array(w) ? json_array_get(w, k) : w;
    const char *s = json_is_string(one) ? json_string_value(one) : "";
    if (!strcmp(s, "raw")) *bits |= CFG_RAW;
    else if (!strcmp(s, "ema")) *bits |= CFG_EMA;
    else *bits |= 1u << 30;
  }
  if (!*bits || *bits & 1u << 30) return layers_fail(&rs->from, join(rs, path, "weights"), AT_VALUE, rs->e, "%s.weights must be a list out of \"raw\" and \"ema\"", path);
  if (!rs->r->g.ema) *bits = CFG_RAW; /* a cell that switches the average off is still measured */
  json_t *list = json_array();
  if (*bits & CFG_EMA) json_array_append_new(list, json_string("ema"));
  if (*bits & CFG_RAW) json_array_append_new(list, json_string("raw"));
  json_object_set_new(out, "weights", list);
  return GANTRY_OK;
}

static gantry_status resolve_metrics(resolver *rs, json_t *out) {
  static const char *const extra[] = {"on", "every", "features", "fake", "real", "real_limit", "weights", NULL};
  json_t *v, *x, *made, *all;
  const char *const *keys;
  TRY(read_object(rs, rs->cfg, "", "metrics", NULL, &v));
  uint32_t n = v ? object_keys(rs->a, v, &keys) : 0;
  cfg_metric *ms = ARENA_ARRAY(rs->a, cfg_metric, n + 1);
  json_object_set_new(out, "metrics", all = json_object());
  for (uint32_t k = 0; k < n; k++) {
    cfg_metric *m = &ms[rs->r->n_metrics];
    const char *path = join(rs, "metrics", keys[k]);
    TRY(check_id(rs, path, keys[k]));
    TRY(read_named(rs, v, "metrics", keys[k], &x));
    if (!x) continue;
    TRY(read_element(rs, x, path, keys[k], GANTRY_KIND_METRIC, extra, &m->el, &made));
    if (!made) continue;
    json_object_set_new(all, keys[k], made);
    if (m->el.every.unit == CFG_NEVER) {
      m->el.every.unit = CFG_END;
      json_object_set_new(made, "every", json_string("end"));
    }
    TRY(read_word(rs, x, made, path, "features", NULL, NULL, &m->features));
    TRY(read_int(rs, x, made, path, "fake", 10000, 1, 100000000, &m->fake));
    TRY(read_int(rs, x, made, path, "real_limit", 0, 0, INT64_C(1) << 53, &m->real_limit));
    TRY(read_word(rs, x, made, path, "real", rs->r->split, NULL, &m->real));
    TRY(read_weights(rs, x, made, path, &m->weights));
    rs->r->n_metrics++;
  }
  rs->r->metrics = ms;
  for (uint32_t k = 0; k < rs->r->n_metrics; k++) TRY(note_plugin(rs, &ms[k].el));
  return GANTRY_OK;
}

/* Where the weights and the random numbers come from. */
static gantry_status resolve_start(resolver *rs, const json_t *v, json_t *made) {
  cfg_run *r = rs->r;
  TRY(read_maybe(rs, v, made, "train", "init_seed", &r->init_seed));
  TRY(read_maybe(rs, v, made, "train", "data_seed", &r->data_seed));
  TRY(read_maybe(rs, v, made, "train", "noise_seed", &r->noise_seed));
  TRY(read_word(rs, v, NULL, "train", "init_from", NULL, NULL, &r->init_from));
  if (!r->init_from) return GANTRY_OK;
  const char *path = resolve_path(rs, r->init_from);
  if (!file_exists(path)) return layers_fail(&rs->from, "train.init_from", AT_VALUE, rs->e, "train.init_from: there is no file %s (gantry export RUN -o FILE writes one)", path);
  json_object_set_new(made, "init_from", json_string(r->init_from = path));
  return GANTRY_OK;
}

static gantry_status resolve_train(resolver *rs, json_t *out) {
  static const char *const known[] = {"batch", "d_steps", "g_steps", "accumulate", "updates", "length", "precision", "threads", "recompute", "init_seed", "data_seed", "noise_seed", "init_from", NULL};
  static const char *const updates[] = {"alternating", "simultaneous", NULL}, *const precisions[] = {"f32", "tf32", "bf16", NULL};
  json_t *v, *made = json_object();
  cfg_run *r = rs->r;
  const char *how;
  json_object_set_new(out, "train", made);
  TRY(read_object(rs, rs->cfg, "", "train", known, &v));
  TRY(read_int(rs, v, made, "train", "batch", 64, 1, 1 << 20, &r->batch));
  TRY(read_int(rs, v, made, "train", "d_steps", 1, 1, 10000, &r->d_steps));
  TRY(read_int(rs, v, made, "train", "g_steps", 1, 1, 10000, &r->g_steps));
  TRY(read_int(rs, v, made, "train", "accumulate", 1, 1, 10000, &r->accumulate));
  TRY(read_int(rs, v, made, "train", "threads", 1, 1, 1024, &r->threads));
  TRY(read_num(rs, v, made, "train", "recompute", 0, 0, 1, &r->recompute));
  TRY(read_word(rs, v, made, "train", "updates", "alternating", updates, &how));
  TRY(read_word(rs, v, made, "train", "precision", "f32", precisions, &r->precision));
  TRY(read_duration(rs, v, made, "train", "length", (cfg_duration){CFG_NEVER, 0}, &r->length));
  TRY(resolve_start(rs, v, made));
  r->simultaneous = !strcmp(how, "simultaneous");
  if (r->length.unit == CFG_NEVER) return layers_fail(&rs->from, "train", AT_KEY, rs->e, "train.length is missing: how long a run is, as in {\"steps\": 20000} or {\"kimg\": 1000}");
  if (r->length.unit == CFG_END || r->length.unit == CFG_FRACTION) return layers_fail(&rs->from, "train.length", AT_VALUE, rs->e, "train.length must be in steps, images, kimg or epochs");
  if (r->simultaneous && (r->d_steps != 1 || r->g_steps != 1)) return layers_fail(&rs->from, "train.updates", AT_VALUE, rs->e, "train.updates \"simultaneous\" updates both networks once a step: d_steps and g_steps must be 1");
  if (r->simultaneous && r->accumulate != 1) return layers_fail(&rs->from, "train.accumulate", AT_VALUE, rs->e, "train.accumulate needs alternating updates: with \"simultaneous\" both networks are updated in one program");
  if (r->accumulate != 1 && strcmp(r->method, "gan")) return layers_fail(&rs->from, "train.accumulate", AT_VALUE, rs->e, "train.accumulate is for GANs: a classifier's batch is one part");
  if (r->batch % r->accumulate) return layers_fail(&rs->from, "train.accumulate", AT_VALUE, rs->e, "train.batch (%lld) must be a multiple of train.accumulate (%lld)", (long long)r->batch, (long long)r->accumulate);
  if (r->pack > 1 && r->batch / r->accumulate % r->pack)
    return layers_fail(&rs->from, "d.pack", AT_VALUE, rs->e, "D sees batches of %lld images: that must be a multiple of d.pack (%lld)", (long long)(r->batch / r->accumulate), (long long)r->pack);
  return GANTRY_OK;
}

static gantry_status resolve_outputs(resolver *rs, json_t *out) {
  static const char *const methods[] = {"resample", "clip", NULL}, *const known_t[] = {"at", "method", "psi", NULL};
  static const char *const known_s[] = {"grid", "interpolations", "every", "truncation", NULL}, *const known_c[] = {"every", "keep", "best", NULL}, *const known_l[] = {"every", NULL};
  json_t *v, *made;
  cfg_run *r = rs->r;
  json_object_set_new(out, "samples", made = json_object());
  TRY(read_object(rs, rs->cfg, "", "samples", known_s, &v));
  const json_t *grid = json_object_get(v, "grid");
  r->grid_rows = r->grid_cols = 8;
  if (grid && !json_is_null(grid)) {
    r->grid_rows = json_integer_value(json_array_get(grid, 0));
    r->grid_cols = json_integer_value(json_array_get(grid, 1));
    if (json_array_size(grid) != 2 || r->grid_rows < 1 || r->grid_cols < 1 || r->grid_rows > 256 || r->grid_cols > 256)
      return layers_fail(&rs->from, "samples.grid", AT_VALUE, rs->e, "samples.grid must be [rows, columns], whole numbers from 1 to 256");
  }
  json_object_set_new(made, "grid", json_pack("[I,I]", (json_int_t)r->grid_rows, (json_int_t)r->grid_cols));
  TRY(read_int(rs, v, made, "samples", "interpolations", 0, 0, 1000, &r->interpolations));
  json_t *t, *cut;
  TRY(read_object(rs, v, "samples", "truncation", known_t, &t));
  if (t) {
    const char *how;
    json_object_set_new(made, "truncation", cut = json_object());
    r->truncates_w = json_object_get(t, "psi") != NULL;
    if (r->truncates_w) TRY(read_num(rs, t, cut, "samples.truncation", "psi", 1, 0, 2, &r->psi));
    if (!r->truncates_w || json_object_get(t, "at")) {
      TRY(read_num(rs, t, cut, "samples.truncation", "at", 2, 1e-3, 100, &r->truncate));
      TRY(read_word(rs, t, cut, "samples.truncation", "method", "resample", methods, &how));
      r->truncate_clips = !strcmp(how, "clip");
    } else if (json_object_get(t, "method"))
      return layers_fail(&rs->from, "samples.truncation.method", AT_KEY, rs->e, "samples.truncation.method says how z is kept within \"at\", which is not given: leave it out, or add \"at\"");
  }
  TRY(read_duration(rs, v, made, "samples", "every", (cfg_duration){CFG_FRACTION, 0.25}, &r->sample_every));
  json_object_set_new(out, "checkpoints", made = json_object());
  TRY(read_object(rs, rs->cfg, "", "checkpoints", known_c, &v));
  TRY(read_duration(rs, v, made, "checkpoints", "every", (cfg_duration){CFG_FRACTION, 0.5}, &r->checkpoint_every));
  TRY(read_int(rs, v, made, "checkpoints", "keep", 2, 0, 1000000, &r->checkpoint_keep));
  TRY(read_word(rs, v, made, "checkpoints", "best", NULL, NULL, &r->checkpoint_best));
  if (r->checkpoint_best) {
    const char *const *ids;
    const json_t *all = json_object_get(rs->cfg, "metrics"); /* those switched off too: the cell then has no best */
    uint32_t n = object_keys(rs->a, all, &ids), on = 0;
    if (!json_object_get(all, r->checkpoint_best)) return layers_fail(&rs->from, "checkpoints.best", AT_VALUE, rs->e, "checkpoints.best: there is no metric \"%s\"%s", r->checkpoint_best, near_hint(rs->a, r->checkpoint_best, ids, n));
    for (uint32_t k = 0; k < r->n_metrics; k++) {
      if (strcmp(r->metrics[k].el.id, r->checkpoint_best)) continue;
      const abi_plugin *p = abi_find(rs->reg, GANTRY_KIND_METRIC, r->metrics[k].el.name);
      const gantry_metric *m = p ? p->desc->iface : NULL;
      on = 1;
      if (m && m->n_values && !m->values[0].better)
        return layers_fail(&rs->from, "checkpoints.best", AT_VALUE, rs->e, "checkpoints.best: of \"%s\" of the metric \"%s\" neither more nor less is better, so no checkpoint can be the best", m->values[0].name, r->checkpoint_best);
    }
    if (!on) r->checkpoint_best = NULL, json_object_del(made, "best");
  }
  json_object_set_new(out, "log", made = json_object());
  TRY(read_object(rs, rs->cfg, "", "log", known_l, &v));
  return read_duration(rs, v, made, "log", "every", (cfg_duration){CFG_STEPS, 20}, &r->log_every);
}

/* Whether anything that shapes the weights is stated relative to the run's length. */
static int length_matters(const cfg_run *r) {
  for (uint32_t k = 0; k < r->n_schedules; k++) {
    const cfg_schedule *s = &r->schedules[k];
    const cfg_duration d[] = {s->start, s->end, s->warmup, s->every};
    for (int i = 0; i < 4; i++)
      if (d[i].unit == CFG_END || d[i].unit == CFG_FRACTION) return 1;
  }
  for (uint32_t k = 0; k < r->n_regs; k++)
    if (r->regs[k].every.unit == CFG_FRACTION || r->regs[k].every.unit == CFG_END) return 1;
  return r->g.ema && r->g.ema_half_life.unit == CFG_FRACTION;
}

/* What can change the weights. File paths are left out: the identity of data and of given weights is their content, which the run's process hashes. */
static const char *train_text(resolver *rs, const json_t *out) {
  static const char *const parts[] = {"d", "data", "g", "net", "loss", "regularizers", "schedules", "train"};
  json_t *t = json_object();
  for (size_t k = 0; k < sizeof parts / sizeof *parts; k++)
    if (json_object_get(out, parts[k])) json_object_set_new(t, parts[k], json_deep_copy(json_object_get(out, parts[k])));
  if (!length_matters(rs->r)) json_object_del(json_object_get(t, "train"), "length");
  json_object_del(json_object_get(t, "train"), "init_from");
  json_object_del(json_object_get(t, "data"), "storage"); /* the same samples wherever they lie */
  json_object_del(json_object_get(t, "train"), "recompute"); /* the same bits, kept or computed again */
  const gantry_plugin *data = abi_find(rs->reg, GANTRY_KIND_DATASET, rs->r->data.name)->desc;
  for (uint32_t k = 0; k < data->param_count; k++)
    if (abi_param_at(data, k)->type == GANTRY_P_PATH) json_object_del(json_object_get(t, "data"), abi_param_at(data, k)->key);
  buf b = {0};
  json_canonical(&b, t);
  const char *s = arena_str(rs->a, b.p);
  buf_free(&b);
  json_decref(t);
  return s;
}

/* The networks: g, d and a loss, or one "net" that learns the data's labels. */
static gantry_status resolve_networks(resolver *rs, json_t *out) {
  static const char *const of_gan[] = {"g", "d", "loss", "regularizers"};
  json_t *ignored;
  rs->r->method = json_object_get(rs->cfg, "net") ? "classifier" : "gan";
  if (!strcmp(rs->r->method, "gan")) {
    TRY(resolve_net(rs, out, "g", &rs->r->g));
    TRY(resolve_net(rs, out, "d", &rs->r->d));
    TRY(required(rs, rs->cfg, out, "", "loss", GANTRY_KIND_LOSS, "nonsaturating", nothing, &rs->r->loss, &ignored));
    return resolve_regularizers(rs, out);
  }
  for (size_t k = 0; k < 4; k++)
    if (json_object_get(rs->cfg, of_gan[k])) return layers_fail(&rs->from, of_gan[k], AT_KEY, rs->e, "\"%s\" belongs to a GAN, \"net\" to a classifier: an experiment has one or the other", of_gan[k]);
  return resolve_net(rs, out, "net", &rs->r->net);
}

static gantry_status resolve_all(resolver *rs, json_t *out) {
  static const char *const known[] = {"data", "g", "d", "net", "loss", "regularizers", "schedules", "train", "metrics", "samples", "checkpoints", "log"};
  TRY(refuse_unknown(rs, rs->cfg, "", known, sizeof known / sizeof *known));
  TRY(resolve_data(rs, out));
  TRY(resolve_networks(rs, out));
  TRY(resolve_train(rs, out));
  TRY(resolve_schedules(rs, out));
  TRY(resolve_metrics(rs, out));
  TRY(resolve_outputs(rs, out));
  return resolve_check(rs);
}

gantry_status resolve_run(resolver *rs) {
  rs->r = ARENA_NEW(rs->a, cfg_run);
  json_t *out = json_object();
  gantry_status st = resolve_all(rs, out);
  if (!st) {
    buf b = {0};
    json_canonical(&b, out);
    rs->r->json = arena_str(rs->a, b.p);
    b.n = 0;
    json_canonical(&b, json_object_get(out, "metrics"));
    rs->r->eval_json = arena_str(rs->a, b.p);
    buf_free(&b);
    rs->r->train_json = train_text(rs, out);
  }
  json_decref(out);
  free(rs->plugins.p);
  rs->plugins.p = NULL;
  rs->plugins.n = rs->plugins.cap = 0;
  return st;
}
