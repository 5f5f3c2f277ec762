/* experiment.c - cfg_load: the file and what it extends, axes into cells, every cell resolved, equal cells found.
 *
 * Precedence, weakest first: plugin defaults, extends, base, levels, rules, --set. Everything that can be refused is refused here,
 * before any run starts; what is only doubtful becomes a warning. */
#include <stdio.h>
#include <stdlib.h>

#include "base/files.h"
#include "config/loading.h"
#include "config/resolve.h"

void loading_warn(loading *l, const char *text) {
  for (uint32_t k = 0; k < l->warnings.n; k++)
    if (!strcmp(l->warnings.p[k], text)) return;
  VEC_PUSH(l->warnings, text);
}

static const char *const top_keys[] = {"gantry", "name", "question", "extends", "base", "axes", "ladder", "rules", "exclude", "design", "baseline", "seeds", "judge", "early_stopping"};
enum { N_TOP = sizeof top_keys / sizeof *top_keys };

const json_t *loading_top(loading *l, const char *key, const doc **src) {
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
  const json_t *v = json_object_get(l->docs[0].root, "name"), *q = loading_top(l, "question", &src);
  const char *s = json_is_string(v) ? json_string_value(v) : "";
  size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
  if (!n || s[n] || n > 64 || *s == '-') return doc_fail(&l->docs[0], doc_place(&l->docs[0], l->docs[0].root, "name", 0), AT_VALUE, l->e, "\"name\" must name the experiment: letters, digits, _ and -, at most 64; it becomes a folder and a table");
  l->x->name = l->o->smoke ? arena_fmt(l->a, "%s_smoke", s) : arena_str(l->a, s);
  l->x->question = json_is_string(q) ? arena_str(l->a, json_string_value(q)) : NULL;
  return GANTRY_OK;
}

static gantry_status read_seeds(loading *l) {
  const doc *src;
  const json_t *v = loading_top(l, "seeds", &src);
  const place *at = doc_place(src, src->root, "seeds", 0);
  json_int_t n = json_is_array(v) ? (json_int_t)json_array_size(v) : json_is_integer(v) ? json_integer_value(v) : v ? -1 : 5;
  if (n < 1 || n > MAX_SEEDS) return doc_fail(src, at, AT_VALUE, l->e, "\"seeds\" must be how many seeds (1 to %d) or a list of them", MAX_SEEDS);
  uint64_t *seeds = ARENA_ARRAY(l->a, uint64_t, n);
  for (json_int_t k = 0; k < n; k++) {
    const json_t *one = json_array_get(v, (size_t)k);
    if (json_is_array(v) && (!json_is_integer(one) || json_integer_value(one) < 0)) return doc_fail(src, doc_place(src, v, NULL, (size_t)k), AT_VALUE, l->e, "a seed is a whole number, 0 or more");
    seeds[k] = (uint64_t)(json_is_array(v) ? json_integer_value(one) : k + 1);
    for (json_int_t i = 0; json_is_array(v) && i < k; i++)
      if (seeds[i] == seeds[k]) return doc_fail(src, doc_place(src, v, NULL, (size_t)k), AT_VALUE, l->e, "the seed %llu stands twice", (unsigned long long)seeds[k]);
  }
  l->x->seeds = seeds;
  l->x->n_seeds = l->o->smoke ? 1 : (uint32_t)n;
  if (n < 5 && !l->o->smoke) loading_warn(l, arena_fmt(l->a, "%lld seed%s: small differences cannot be told from chance (5 or more are recommended)", (long long)n, n == 1 ? "" : "s"));
  return GANTRY_OK;
}

static gantry_status read_sections(loading *l) {
  plan_in *in = &l->in;
  const doc *src_ladder, *src_baseline;
  const json_t *axes = loading_top(l, "axes", &in->src_axes), *ladder = loading_top(l, "ladder", &src_ladder), *baseline = loading_top(l, "baseline", &src_baseline);
  const json_t *rules = loading_top(l, "rules", &in->src_rules), *excludes = loading_top(l, "exclude", &in->src_exclude);
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

static void write_spec(loading *l) {
  json_t *spec = json_object();
  const doc *src;
  for (int k = 0; k < N_TOP; k++) {
    const json_t *v = loading_top(l, top_keys[k], &src);
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
  if (!loading_top(l, "base", &src)) return doc_fail(&l->docs[0], NULL, AT_KEY, l->e, "\"base\" is missing: the settings that every cell starts from");
  TRY(read_sets(l));
  TRY(read_name(l));
  TRY(read_seeds(l));
  TRY(loading_judge(l));
  TRY(loading_early(l));
  TRY(read_sections(l));
  if (l->o->smoke) add_smoke(l);
  const json_t *design = loading_top(l, "design", &src);
  l->in.src_design = src;
  gantry_status st = make_combos(&l->in, design, src->root, l->a, &c, l->e);
  if (!st) st = loading_cells(l, &c);
  if (!st) st = loading_early_seen(l);
  if (!st) st = loading_judge_weights(l);
  free(c.p);
  if (!st) write_spec(l);
  return st;
}

gantry_status cfg_load(const char *path, abi_registry *reg, const cfg_options *o, cfg_experiment **out, err *e) {
  static const cfg_options none = {0};
  doc_memory();
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
  doc_memory();
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
