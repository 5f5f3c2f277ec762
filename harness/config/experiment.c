/* experiment.c - cfg_load: the file and what it extends, axes into cells, every cell resolved, equal cells found.
 *
 * Precedence, weakest first: plugin defaults, extends, base, levels, rules, --set. Everything that can be refused is refused here,
 * before any run starts; what is only doubtful becomes a warning. */
#include <stdio.h>
#include <stdlib.h>

#include <gantry/metric.h>

#include "base/files.h"
#include "config/expand.h"
#include "config/resolve.h"

enum { MAX_EXTENDS = 8, MAX_SEEDS = 10000 };

typedef struct loading {
  arena *a;
  err *e;
  abi_registry *reg;
  const cfg_options *o;
  cfg_experiment *x;
  doc docs[MAX_EXTENDS]; /* the file, then what it extends, and so on */
  uint32_t n_docs;
  layer *sets;           /* values written last into every cell */
  uint32_t n_sets;
  json_t *base, *owned;  /* owned: array keeping made values alive */
  plan_in in;
  VEC(const char *) warnings;
} loading;

static void warn(loading *l, const char *text) {
  for (uint32_t k = 0; k < l->warnings.n; k++)
    if (!strcmp(l->warnings.p[k], text)) return;
  VEC_PUSH(l->warnings, text);
}

static const char *const top_keys[] = {"gantry", "name", "question", "extends", "base", "axes", "ladder", "rules", "exclude", "design", "baseline", "seeds", "judge"};
enum { N_TOP = sizeof top_keys / sizeof *top_keys };

/* A section: the file's own, or of the nearest file it extends. */
static const json_t *top(loading *l, const char *key, const doc **src) {
  for (uint32_t k = 0; k < l->n_docs; k++) {
    const json_t *v = json_object_get(l->docs[k].root, key);
    *src = &l->docs[k];
    if (v && !json_is_null(v)) return v;
  }
  *src = &l->docs[0];
  return NULL;
}

static gantry_status read_files(loading *l, const char *path) {
  for (;;) {
    if (l->n_docs == MAX_EXTENDS) return doc_fail(&l->docs[l->n_docs - 1], NULL, AT_KEY, l->e, "\"extends\" goes in a circle or more than %d deep", MAX_EXTENDS);
    doc *d = &l->docs[l->n_docs];
    gantry_status st = doc_read(d, path, l->a, l->e);
    if (d->root) l->n_docs++;
    if (st) return st;
    const char *const *keys;
    uint32_t n = object_keys(l->a, d->root, &keys);
    for (uint32_t k = 0; k < n; k++) {
      int ok = 0;
      for (int i = 0; i < N_TOP; i++) ok |= !strcmp(keys[k], top_keys[i]);
      if (!ok) return doc_fail(d, doc_place(d, d->root, keys[k], 0), AT_KEY, l->e, "unknown key \"%s\"%s", keys[k], near_hint(l->a, keys[k], top_keys, N_TOP));
    }
    const json_t *version = json_object_get(d->root, "gantry"), *next = json_object_get(d->root, "extends");
    if (!json_is_integer(version) || json_integer_value(version) != 1)
      return doc_fail(d, doc_place(d, d->root, "gantry", 0), AT_VALUE, l->e, "\"gantry\": 1 must say which version of the format this is");
    if (!next) return GANTRY_OK;
    if (!json_is_string(next)) return doc_fail(d, doc_place(d, d->root, "extends", 0), AT_VALUE, l->e, "\"extends\" must be the path of another experiment file");
    path = path_join(l->a, path_dir(l->a, path), json_string_value(next));
    if (!file_exists(path)) return doc_fail(d, doc_place(d, d->root, "extends", 0), AT_VALUE, l->e, "there is no file %s", path);
  }
}

/* ---- --set and --smoke ---- */

static void add_set(loading *l, const char *said, const char *path, json_t *value) {
  doc *d = ARENA_NEW(l->a, doc);
  *d = (doc){.name = said, .text = ""};
  json_array_append_new(l->owned, value);
  l->sets[l->n_sets++] = (layer){.path = path, .value = value, .src = d};
}

static gantry_status read_sets(loading *l) {
  l->sets = ARENA_ARRAY(l->a, layer, l->o->n_set + 8 + 2 * json_object_size(json_object_get(l->base, "metrics")));
  for (uint32_t k = 0; k < l->o->n_set; k++) {
    const char *eq = strchr(l->o->set[k], '='), *said = arena_fmt(l->a, "--set %s", l->o->set[k]);
    if (!eq || eq == l->o->set[k]) return err_set(l->e, GANTRY_E_CONFIG, "%s: must be path=value, as in --set train.batch=32", said);
    json_t *v = json_loads(eq + 1, JSON_DECODE_ANY, NULL);
    if (!v) v = json_string(eq + 1);
    if (!v) return err_set(l->e, GANTRY_E_CONFIG, "%s: the value is not valid UTF-8", said);
    const char *path = arena_strn(l->a, l->o->set[k], (size_t)(eq - l->o->set[k]));
    int is_top = 0;
    for (int i = 0; i < N_TOP; i++) is_top |= !strncmp(path, top_keys[i], strlen(top_keys[i])) && strchr(".", path[strlen(top_keys[i])]);
    if (is_top && strncmp(path, "base", 4)) { /* seeds, judge and the like belong to the file itself */
      int ok = path_put(l->docs[0].root, path, v);
      json_decref(v);
      if (!ok) return err_set(l->e, GANTRY_E_CONFIG, "%s: the file has no place \"%s\"", said, path);
    } else
      add_set(l, said, path, v);
  }
  return GANTRY_OK;
}

static void add_smoke(loading *l) {
  static const struct { const char *path, *json; } small[] = {
    {"train.length", "{\"steps\":10}"}, {"samples.every", "\"end\""}, {"checkpoints.every", "{\"steps\":5}"}, {"log.every", "{\"steps\":1}"}};
  for (size_t k = 0; k < sizeof small / sizeof *small; k++) add_set(l, "--smoke", small[k].path, json_loads(small[k].json, JSON_DECODE_ANY, NULL));
  const char *const *ids;
  uint32_t n = object_keys(l->a, json_object_get(l->base, "metrics"), &ids);
  for (uint32_t k = 0; k < n; k++) {
    add_set(l, "--smoke", arena_fmt(l->a, "metrics.%s.every", ids[k]), json_string("end"));
    const json_t *fake = json_object_get(json_object_get(json_object_get(l->base, "metrics"), ids[k]), "fake");
    if (!json_is_integer(fake) || json_integer_value(fake) > 256) add_set(l, "--smoke", arena_fmt(l->a, "metrics.%s.fake", ids[k]), json_integer(256));
  }
}

/* ---- the experiment's own settings ---- */

static gantry_status read_name(loading *l) {
  const doc *src;
  const json_t *v = json_object_get(l->docs[0].root, "name"), *q = top(l, "question", &src);
  const char *s = json_is_string(v) ? json_string_value(v) : "";
  size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
  if (!n || s[n] || n > 64 || *s == '-') return doc_fail(&l->docs[0], doc_place(&l->docs[0], l->docs[0].root, "name", 0), AT_VALUE, l->e, "\"name\" must name the experiment: letters, digits, _ and -, at most 64; it becomes a folder and a table");
  l->x->name = l->o->smoke ? arena_fmt(l->a, "%s_smoke", s) : arena_str(l->a, s);
  l->x->question = json_is_string(q) ? arena_str(l->a, json_string_value(q)) : NULL;
  return GANTRY_OK;
}

static gantry_status read_seeds(loading *l) {
  const doc *src;
  const json_t *v = top(l, "seeds", &src);
  const place *at = doc_place(src, src->root, "seeds", 0);
  json_int_t n = json_is_array(v) ? (json_int_t)json_array_size(v) : json_is_integer(v) ? json_integer_value(v) : v ? -1 : 5;
  if (n < 1 || n > MAX_SEEDS) return doc_fail(src, at, AT_VALUE, l->e, "\"seeds\" must be how many seeds (1 to %d) or a list of them", MAX_SEEDS);
  uint64_t *seeds = ARENA_ARRAY(l->a, uint64_t, n);
  for (json_int_t k = 0; k < n; k++) {
    const json_t *one = json_array_get(v, (size_t)k);
    if (json_is_array(v) && (!json_is_integer(one) || json_integer_value(one) < 0)) return doc_fail(src, doc_place(src, v, NULL, (size_t)k), AT_VALUE, l->e, "a seed is a whole number, 0 or more");
    seeds[k] = (uint64_t)(json_is_array(v) ? json_integer_value(one) : k + 1);
    for (json_int_t i = 0; i < k; i++)
      if (seeds[i] == seeds[k]) return doc_fail(src, doc_place(src, v, NULL, (size_t)k), AT_VALUE, l->e, "the seed %llu stands twice", (unsigned long long)seeds[k]);
  }
  l->x->seeds = seeds;
  l->x->n_seeds = l->o->smoke ? 1 : (uint32_t)n;
  if (n < 5 && !l->o->smoke) warn(l, arena_fmt(l->a, "%lld seed%s: small differences cannot be told from chance (5 or more are recommended)", (long long)n, n == 1 ? "" : "s"));
  return GANTRY_OK;
}

/* The values that the metric with this id gives, or NULL if its plugin is unknown (which its cell will report). */
static const gantry_metric *metric_of(loading *l, const char *id) {
  const json_t *name = json_object_get(json_object_get(json_object_get(l->base, "metrics"), id), "name");
  const abi_plugin *p = json_is_string(name) ? abi_find(l->reg, GANTRY_KIND_METRIC, json_string_value(name)) : NULL;
  return p ? p->desc->iface : NULL;
}

static const gantry_value *value_at(const gantry_metric *m, uint32_t k) { return (const gantry_value *)(const void *)((const char *)m->values + (size_t)k * m->value_stride); }

/* A metric of one value goes by its id, one of several values by id.value; which of them judges must be said or is the first. */
static gantry_status judge_value(loading *l, const doc *src, const place *at) {
  cfg_experiment *x = l->x;
  if (!x->judge_metric) return GANTRY_OK;
  char *id = arena_str(l->a, x->judge_metric), *dot = strchr(id, '.');
  if (dot) *dot++ = 0;
  const gantry_metric *m = metric_of(l, id);
  if (!m || !m->n_values) return GANTRY_OK;
  const char **names = ARENA_ARRAY(l->a, const char *, m->n_values);
  uint32_t hit = dot ? m->n_values : 0;
  for (uint32_t k = 0; k < m->n_values; k++) {
    names[k] = value_at(m, k)->name;
    if (dot && !strcmp(names[k], dot)) hit = k;
  }
  if (hit == m->n_values) {
    buf all = {0};
    for (uint32_t k = 0; k < m->n_values; k++) buf_printf(&all, "%s%s.%s", k ? ", " : "", id, names[k]);
    doc_fail(src, at, AT_VALUE, l->e, "judge: metric \"%s\" has no value \"%s\"%s; it has %s", id, dot, near_hint(l->a, dot, names, m->n_values), all.p);
    buf_free(&all);
    return l->e->code;
  }
  x->judge_metric = m->n_values > 1 ? arena_fmt(l->a, "%s.%s", id, names[hit]) : id;
  x->judge_better = value_at(m, hit)->better;
  return GANTRY_OK;
}

static gantry_status read_judge(loading *l) {
  static const char *const known[] = {"metric", "weights", "reduce"}, *const weights[] = {"ema", "raw", "auto"}, *const reduces[] = {"last", "best"};
  const doc *src;
  const json_t *v = top(l, "judge", &src), *metrics = json_object_get(l->base, "metrics");
  const char *const *ids;
  uint32_t n = object_keys(l->a, metrics, &ids);
  cfg_experiment *x = l->x;
  x->judge_metric = n ? ids[0] : NULL;
  x->judge_weights = "auto";
  x->judge_reduce = "last";
  const char *const *keys = NULL;
  uint32_t m = object_keys(l->a, v, &keys);
  for (uint32_t k = 0; k < m; k++) {
    const place *at = doc_place(src, v, keys[k], 0);
    const json_t *one = json_object_get(v, keys[k]);
    const char *s = json_is_string(one) ? arena_str(l->a, json_string_value(one)) : "";
    int which = -1, ok = 0;
    for (int i = 0; i < 3; i++)
      if (!strcmp(keys[k], known[i])) which = i;
    if (which < 0) return doc_fail(src, at, AT_KEY, l->e, "unknown key \"%s\"%s", keys[k], near_hint(l->a, keys[k], known, 3));
    if (which == 0) {
      char *id = arena_str(l->a, s); /* "prdc.recall": one value of a metric that has several */
      id[strcspn(id, ".")] = 0;
      if (!json_object_get(metrics, id)) return doc_fail(src, at, AT_VALUE, l->e, "judge: there is no metric \"%s\"%s", id, near_hint(l->a, id, ids, n));
      x->judge_metric = s;
    } else {
      for (int i = 0; i < (which == 1 ? 3 : 2); i++) ok |= !strcmp(s, which == 1 ? weights[i] : reduces[i]);
      if (!ok) return doc_fail(src, at, AT_VALUE, l->e, which == 1 ? "judge.weights must be \"ema\", \"raw\" or \"auto\"" : "judge.reduce must be \"last\" or \"best\"");
      *(which == 1 ? &x->judge_weights : &x->judge_reduce) = s;
    }
  }
  return judge_value(l, src, doc_place(src, v, "metric", 0));
}

static gantry_status read_sections(loading *l) {
  plan_in *in = &l->in;
  const doc *src_ladder, *src_baseline;
  const json_t *axes = top(l, "axes", &in->src_axes), *ladder = top(l, "ladder", &src_ladder), *baseline = top(l, "baseline", &src_baseline);
  const json_t *rules = top(l, "rules", &in->src_rules), *excludes = top(l, "exclude", &in->src_exclude);
  if (axes && ladder) return doc_fail(src_ladder, doc_place(src_ladder, src_ladder->root, "ladder", 0), AT_KEY, l->e, "an experiment has axes or a ladder, not both");
  if (axes && !json_is_object(axes)) return doc_fail(in->src_axes, doc_place(in->src_axes, in->src_axes->root, "axes", 0), AT_VALUE, l->e, "\"axes\" must be an object {\"name\": {...}}");
  if (baseline && !json_is_object(baseline)) return doc_fail(src_baseline, doc_place(src_baseline, src_baseline->root, "baseline", 0), AT_VALUE, l->e, "\"baseline\" must be an object {\"axis\": \"label\"}");
  if (ladder) in->src_axes = src_ladder;
  if (ladder) TRY(read_ladder(in, ladder, l->a, l->e));
  else if (axes) TRY(read_axes(in, axes, baseline, src_baseline, l->a, l->e));
  TRY(read_rules(in, rules, l->a, l->e));
  TRY(read_excludes(in, excludes, l->a, l->e));
  for (uint32_t k = 0; k < l->o->n_set; k++) {
    const axis *x = k < l->n_sets ? axis_writing(in, l->sets[k].path) : NULL;
    if (x && !in->is_ladder) return err_set(l->e, GANTRY_E_CONFIG, "%s: the axis \"%s\" varies this path; choose a level with --only %s=LABEL", l->sets[k].src->name, x->name, x->name);
  }
  return GANTRY_OK;
}

/* ---- cells ---- */

/* A path into an element that does not exist would make half an element; elsewhere unknown keys are found when the cell is read. */
static gantry_status write_one(loading *l, json_t *cfg, const layers *from, const layer *w) {
  static const char *const maps[] = {"regularizers.", "metrics.", "schedules."};
  static const char *const sections[] = {"data", "g", "d", "net", "loss", "regularizers", "schedules", "train", "metrics", "samples", "checkpoints", "log"};
  enum { N = sizeof sections / sizeof *sections };
  char head[256];
  int known = 0;
  snprintf(head, sizeof head, "%.*s", (int)strcspn(w->path, "."), w->path);
  for (int k = 0; k < N; k++) known |= !strcmp(head, sections[k]);
  if (!known) return layers_fail(from, w->path, AT_KEY, l->e, "unknown path \"%s\"%s", w->path, near_hint(l->a, head, sections, N));
  for (int k = 0; k < 3; k++) {
    size_t n = strlen(maps[k]);
    if (strncmp(w->path, maps[k], n) || !strchr(w->path + n, '.')) continue;
    snprintf(head, sizeof head, "%.*s", (int)strcspn(w->path + n, "."), w->path + n);
    const char *const *ids;
    const json_t *map = json_object_get(cfg, k == 0 ? "regularizers" : k == 1 ? "metrics" : "schedules");
    uint32_t m = object_keys(l->a, map, &ids);
    if (!json_object_get(map, head)) return layers_fail(from, w->path, AT_KEY, l->e, "unknown path \"%s\": %.*s has no element \"%s\"%s", w->path, (int)n - 1, maps[k], head, near_hint(l->a, head, ids, m));
  }
  if (!path_put(cfg, w->path, (json_t *)(uintptr_t)w->value)) return layers_fail(from, w->path, AT_KEY, l->e, "unknown path \"%s\": something on the way is not an object", w->path);
  return GANTRY_OK;
}

typedef VEC(layer) layer_list;
static void push(layer_list *v, writes w) {
  for (uint32_t k = 0; k < w.n; k++) VEC_PUSH(*v, w.p[k]);
}

static gantry_status resolve_cell(loading *l, const combo *c, cfg_cell *cell) {
  layer_list all = {0};
  for (uint32_t k = l->n_docs; k-- > 0;) { /* nearest file on top */
    const json_t *root = l->docs[k].root, *base = json_object_get(root, "base");
    layer one = {.path = "", .value = base, .parent = root, .key = "base", .src = &l->docs[k]};
    if (base) VEC_PUSH(all, one);
  }
  uint32_t first = all.n;
  push(&all, c->sets);
  for (uint32_t k = 0; k < l->in.n_axes && !l->in.is_ladder; k++)
    if (c->level[k] >= 0) push(&all, l->in.axes[k].levels[c->level[k]].sets);
  for (uint32_t k = 0; k < l->in.n_rules; k++)
    if (matches(&l->in, l->in.rules[k].when, c->level, l->a)) push(&all, l->in.rules[k].sets);
  push(&all, (writes){l->sets, l->n_sets});
  resolver rs = {.a = l->a, .reg = l->reg, .from = {all.p, all.n}, .dir = l->x->dir, .cfg = json_deep_copy(l->base), .e = l->e};
  gantry_status st = GANTRY_OK;
  for (uint32_t k = first; k < all.n && !st; k++) {
    layers upto = {all.p, k + 1};
    st = write_one(l, rs.cfg, &upto, &all.p[k]);
  }
  if (!st) st = resolve_run(&rs);
  for (uint32_t k = 0; k < rs.warnings.n; k++) warn(l, rs.warnings.p[k]);
  if (!st) {
    rs.r->grid = l->x->name;
    rs.r->label = cell->label;
    cell->run = rs.r;
  } else if (l->x->n_cells > 1)
    snprintf(l->e->msg + strlen(l->e->msg), sizeof l->e->msg - strlen(l->e->msg), "\n    (in the cell %s)", cell->label);
  json_decref(rs.cfg);
  free(rs.warnings.p);
  free(all.p);
  return st;
}

/* The one axis in which two cells differ, or NULL. */
static const axis *single_difference(const loading *l, const combo *a, const combo *b) {
  const axis *x = NULL;
  for (uint32_t k = 0; k < l->in.n_axes; k++) {
    if (a->level[k] == b->level[k]) continue;
    if (x) return NULL;
    x = &l->in.axes[k];
  }
  return x;
}

static void find_equal(loading *l, const combo *c, cfg_cell *cells, uint32_t i) {
  for (uint32_t k = 0; k < i; k++) {
    if (!cells[k].run || strcmp(cells[k].run->json, cells[i].run->json)) continue;
    if (cells[i].same_as < 0) cells[i].same_as = (int64_t)k, cells[i].run = cells[k].run;
    const axis *x = single_difference(l, &c[k], &c[i]);
    if (x && (!l->in.is_ladder || k + 1 == i))
      warn(l, arena_fmt(l->a, "%s \"%s\" changes nothing against \"%s\"%s", l->in.is_ladder ? "rung" : arena_fmt(l->a, "axis %s: level", x->name), x->levels[c[i].level[x - l->in.axes]].label,
                        x->levels[c[k].level[x - l->in.axes]].label, l->in.is_ladder ? "" : arena_fmt(l->a, " in the cell %s: a \"when\" would say when it applies", cells[i].label)));
  }
}

static gantry_status selected(loading *l, const combo *c, uint8_t *yes) {
  *yes = 1;
  for (uint32_t k = 0; k < l->o->n_only; k++) {
    const char *eq = strchr(l->o->only[k], '='), *said = arena_fmt(l->a, "--only %s", l->o->only[k]);
    if (!eq) return err_set(l->e, GANTRY_E_CONFIG, "%s: must be axis=label", said);
    doc d = {.name = said, .text = ""};
    json_t *p = json_object(), *labels = json_array();
    for (const char *s = eq + 1; *s;) { /* several labels with commas */
      size_t n = strcspn(s, ",");
      json_array_append_new(labels, json_stringn(s, n));
      s += n + (s[n] == ',');
    }
    json_object_setn_new(p, l->o->only[k], (size_t)(eq - l->o->only[k]), labels);
    gantry_status st = check_predicate(&l->in, &d, p, NULL, "", l->a, l->e);
    if (!st && !matches(&l->in, p, c->level, l->a)) *yes = 0;
    json_decref(p);
    if (st) return st;
  }
  return GANTRY_OK;
}

static gantry_status make_cells(loading *l, const combos *c) {
  cfg_cell *cells = ARENA_ARRAY(l->a, cfg_cell, c->n + 1);
  l->x->cells = cells;
  l->x->n_cells = c->n;
  for (uint32_t i = 0; i < c->n; i++) {
    cells[i] = (cfg_cell){.label = c->p[i].label, .level = c->p[i].level, .same_as = -1};
    TRY(selected(l, &c->p[i], &cells[i].selected));
    for (uint32_t k = 0; k < l->in.n_excludes && !cells[i].excluded; k++)
      if (matches(&l->in, l->in.excludes[k].when, c->p[i].level, l->a)) cells[i].excluded = l->in.excludes[k].why;
    if (cells[i].excluded) continue;
    TRY(resolve_cell(l, &c->p[i], &cells[i]));
    find_equal(l, c->p, cells, i);
    if (cells[i].selected && cells[i].same_as >= 0) cells[cells[i].same_as].selected = 1; /* it stands for this one */
  }
  cfg_factor *f = ARENA_ARRAY(l->a, cfg_factor, l->in.n_axes + 1);
  for (uint32_t k = 0; k < l->in.n_axes; k++) {
    const axis *x = &l->in.axes[k];
    cfg_level *lv = ARENA_ARRAY(l->a, cfg_level, x->n + 1);
    for (uint32_t i = 0; i < x->n; i++) lv[i] = (cfg_level){x->levels[i].label, x->levels[i].value_json};
    f[k] = (cfg_factor){.name = x->name, .path = x->path, .levels = lv, .n_levels = x->n, .baseline = x->baseline};
  }
  l->x->factors = f;
  l->x->n_factors = l->in.n_axes;
  return GANTRY_OK;
}

static void write_spec(loading *l) {
  json_t *spec = json_object();
  const doc *src;
  for (int k = 0; k < N_TOP; k++) {
    const json_t *v = top(l, top_keys[k], &src);
    if (v && strcmp(top_keys[k], "extends") && strcmp(top_keys[k], "base")) json_object_set_new(spec, top_keys[k], json_deep_copy(v));
  }
  json_object_set_new(spec, "base", json_deep_copy(l->base));
  json_t *sets = json_object();
  for (uint32_t k = 0; k < l->n_sets; k++) json_object_set_new(sets, l->sets[k].path, json_deep_copy(l->sets[k].value));
  if (l->n_sets) json_object_set(spec, "set", sets);
  json_decref(sets);
  buf b = {0};
  json_canonical(&b, spec);
  l->x->spec_json = arena_str(l->a, b.p);
  buf_free(&b);
  json_decref(spec);
}

static gantry_status load(loading *l, const char *path) {
  combos c = {0};
  const doc *src;
  TRY(read_files(l, path));
  for (uint32_t k = l->n_docs; k-- > 0;) {
    const json_t *base = json_object_get(l->docs[k].root, "base");
    if (base && !json_is_object(base)) return doc_fail(&l->docs[k], doc_place(&l->docs[k], l->docs[k].root, "base", 0), AT_VALUE, l->e, "\"base\" must be an object");
    if (base) tree_merge(l->base, base);
  }
  if (!top(l, "base", &src)) return doc_fail(&l->docs[0], NULL, AT_KEY, l->e, "\"base\" is missing: the settings that every cell starts from");
  TRY(read_sets(l));
  TRY(read_name(l));
  TRY(read_seeds(l));
  TRY(read_judge(l));
  TRY(read_sections(l));
  if (l->o->smoke) add_smoke(l);
  const json_t *design = top(l, "design", &src);
  l->in.src_design = src;
  gantry_status st = make_combos(&l->in, design, src->root, l->a, &c, l->e);
  if (!st) st = make_cells(l, &c);
  free(c.p);
  if (!st) write_spec(l);
  return st;
}

gantry_status cfg_load(const char *path, abi_registry *reg, const cfg_options *o, cfg_experiment **out, err *e) {
  static const cfg_options none = {0};
  arena *a = arena_new();
  loading l = {.a = a, .e = e, .reg = reg, .o = o ? o : &none, .x = ARENA_NEW(a, cfg_experiment), .base = json_object(), .owned = json_array()};
  l.x->mem = a;
  l.x->path = arena_str(a, path);
  l.x->dir = path_dir(a, path);
  gantry_status st = load(&l, path);
  VEC_PUSH(l.warnings, NULL);
  l.x->warnings = arena_copy(a, l.warnings.p, sizeof *l.warnings.p * l.warnings.n);
  free(l.warnings.p);
  for (uint32_t k = 0; k < l.n_docs; k++) doc_free(&l.docs[k]);
  json_decref(l.base);
  json_decref(l.owned);
  if (st) arena_free(a);
  else *out = l.x;
  return st;
}

void cfg_free(cfg_experiment *x) {
  if (x) arena_free(x->mem);
}

gantry_status cfg_run_parse(const char *json, abi_registry *reg, const char *dir, cfg_run **out, err *e) {
  arena *a = arena_new();
  doc d;
  gantry_status st = doc_parse(&d, "config.json", json, strlen(json), a, e);
  layer root = {.path = "", .value = d.root, .src = &d};
  resolver rs = {.a = a, .reg = reg, .from = {&root, 1}, .dir = dir ? dir : ".", .cfg = d.root, .e = e};
  if (!st) st = resolve_run(&rs);
  free(rs.warnings.p);
  doc_free(&d);
  if (st) {
    arena_free(a);
    return st;
  }
  rs.r->mem = a;
  rs.r->grid = rs.r->label = "";
  *out = rs.r;
  return GANTRY_OK;
}

void cfg_run_free(cfg_run *r) {
  if (r && r->mem) arena_free(r->mem);
}
