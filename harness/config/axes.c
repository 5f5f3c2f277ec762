/* axes.c - reading axes, rungs, rules and exclusions, and the predicate that ties them together. See expand.h. */
#include "config/expand.h"

#include <stdlib.h>

static const char id_chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

/* An object of {path: value}. */
static gantry_status read_writes(const doc *src, const json_t *o, const json_t *parent, const char *key, size_t index, arena *a, writes *out, err *e) {
  if (!json_is_object(o)) return doc_fail(src, doc_place(src, parent, key, index), AT_VALUE, e, "must be an object {\"path\": value, ...}");
  const char *const *keys;
  uint32_t n = object_keys(a, o, &keys);
  layer *l = ARENA_ARRAY(a, layer, n);
  for (uint32_t k = 0; k < n; k++) l[k] = (layer){.path = keys[k], .value = json_object_get(o, keys[k]), .parent = o, .key = keys[k], .src = src};
  *out = (writes){l, n};
  return GANTRY_OK;
}

static const char *text_of(arena *a, const json_t *v) {
  buf b = {0};
  json_canonical(&b, v);
  const char *s = arena_str(a, b.p);
  buf_free(&b);
  return s;
}

static gantry_status allow_keys(const doc *src, const json_t *o, const char *const *known, uint32_t n, arena *a, err *e) {
  const char *const *keys;
  uint32_t m = object_keys(a, o, &keys);
  for (uint32_t i = 0; i < m; i++) {
    int ok = 0;
    for (uint32_t k = 0; k < n; k++) ok |= !strcmp(known[k], keys[i]);
    if (!ok) return doc_fail(src, doc_place(src, o, keys[i], 0), AT_KEY, e, "unknown key \"%s\"%s", keys[i], near_hint(a, keys[i], known, n));
  }
  return GANTRY_OK;
}

static gantry_status read_values(const doc *src, axis *x, const json_t *values, int drawn, arena *a, err *e) {
  const json_t *path = json_object_get(x->self, "path");
  if (!json_is_string(path)) return doc_fail(src, doc_place(src, x->self, "path", 0), AT_VALUE, e, "axis \"%s\": \"path\" must be a dotted path such as \"train.batch\"", x->name);
  if (!json_array_size(values)) return doc_fail(src, doc_place(src, x->self, "values", 0), AT_VALUE, e, "axis \"%s\": \"values\" must be a list with at least one value", x->name);
  x->path = arena_str(a, json_string_value(path));
  x->n = (uint32_t)json_array_size(values);
  level *v = ARENA_ARRAY(a, level, x->n);
  for (uint32_t k = 0; k < x->n; k++) {
    const json_t *one = json_array_get(values, k);
    layer l = {.path = x->path, .value = one, .parent = values, .index = k, .src = src};
    uint32_t before = 0; /* draws of the same value: the second is "value#2" */
    for (uint32_t i = 0; drawn && i < k; i++) if (json_equal(json_array_get(values, i), one)) before++;
    v[k] = (level){.label = before ? arena_fmt(a, "%s#%u", json_label(a, one), before + 1) : json_label(a, one), .value_json = text_of(a, one), .sets = {arena_copy(a, &l, sizeof l), 1}, .at = doc_place(src, values, NULL, k)};
  }
  x->levels = v;
  return GANTRY_OK;
}

static gantry_status read_levels(const doc *src, axis *x, const json_t *levels, arena *a, err *e) {
  const char *const *keys;
  x->path = "";
  x->n = json_is_object(levels) ? object_keys(a, levels, &keys) : 0;
  if (!x->n) return doc_fail(src, doc_place(src, x->self, "levels", 0), AT_VALUE, e, "axis \"%s\": \"levels\" must be an object {\"label\": {\"path\": value}}", x->name);
  level *v = ARENA_ARRAY(a, level, x->n);
  for (uint32_t k = 0; k < x->n; k++) {
    const json_t *one = json_object_get(levels, keys[k]);
    v[k] = (level){.label = keys[k], .at = doc_place(src, levels, keys[k], 0)};
    TRY(read_writes(src, one, levels, keys[k], 0, a, &v[k].sets, e));
    v[k].value_json = text_of(a, one);
  }
  x->levels = v;
  return GANTRY_OK;
}

static int find_label(const axis *x, const char *label) {
  for (uint32_t k = 0; k < x->n; k++)
    if (!strcmp(x->levels[k].label, label)) return (int)k;
  return -1;
}

static int find_axis(const plan_in *in, const char *name) {
  for (uint32_t k = 0; k < in->n_axes; k++)
    if (!strcmp(in->axes[k].name, name)) return (int)k;
  return -1;
}

static gantry_status unknown_axis(const plan_in *in, const doc *src, const place *at, const char *name, arena *a, err *e) {
  const char **names = ARENA_ARRAY(a, const char *, in->n_axes + 1);
  for (uint32_t k = 0; k < in->n_axes; k++) names[k] = in->axes[k].name;
  return doc_fail(src, at, AT_KEY, e, "there is no axis \"%s\"%s", name, near_hint(a, name, names, in->n_axes));
}

static gantry_status unknown_label(const doc *src, const place *at, const axis *x, const char *label, arena *a, err *e) {
  const char **labels = ARENA_ARRAY(a, const char *, x->n + 1);
  buf all = {0};
  for (uint32_t k = 0; k < x->n; k++) {
    labels[k] = x->levels[k].label;
    buf_printf(&all, "%s%s", k ? ", " : "", labels[k]);
  }
  doc_fail(src, at, AT_VALUE, e, "axis \"%s\" has no level \"%s\"%s; it has %s", x->name, label, near_hint(a, label, labels, x->n), all.p ? all.p : "none");
  buf_free(&all);
  return e->code;
}

static gantry_status check_axis(const plan_in *in, axis *x, err *e) {
  for (uint32_t i = 0; i < x->n; i++) {
    for (uint32_t k = 0; k < i; k++)
      if (!strcmp(x->levels[i].label, x->levels[k].label))
        return doc_fail(in->src_axes, x->levels[i].at, AT_VALUE, e, "axis \"%s\" has two levels labelled \"%s\"; use \"levels\" to give them names of their own", x->name, x->levels[i].label);
    for (uint32_t s = 0; s < x->levels[i].sets.n; s++) {
      const layer *l = &x->levels[i].sets.p[s];
      const axis *other = axis_writing(in, l->path);
      if (other && other != x)
        return doc_fail(in->src_axes, x->levels[i].at, AT_KEY, e, "the axes \"%s\" and \"%s\" both write %s: one of them must leave it alone", other->name, x->name, l->path);
    }
  }
  return GANTRY_OK;
}

const axis *axis_writing(const plan_in *in, const char *path) {
  for (uint32_t k = 0; k < in->n_axes; k++)
    for (uint32_t i = 0; i < in->axes[k].n; i++)
      for (uint32_t s = 0; s < in->axes[k].levels[i].sets.n; s++)
        if (path_overlap(in->axes[k].levels[i].sets.p[s].path, path)) return &in->axes[k];
  return NULL;
}

static gantry_status read_baseline(plan_in *in, const json_t *baseline, const doc *src, arena *a, err *e) {
  const char *const *keys;
  if (!baseline) return GANTRY_OK;
  uint32_t n = object_keys(a, baseline, &keys);
  for (uint32_t k = 0; k < n; k++) {
    int x = find_axis(in, keys[k]);
    const place *at = doc_place(src, baseline, keys[k], 0);
    if (x < 0) return unknown_axis(in, src, at, keys[k], a, e);
    const char *label = json_label(a, json_object_get(baseline, keys[k]));
    int i = find_label(&in->axes[x], label);
    if (i < 0) return unknown_label(src, at, &in->axes[x], label, a, e);
    in->axes[x].baseline = (uint32_t)i;
  }
  return GANTRY_OK;
}

gantry_status read_axes(plan_in *in, const json_t *axes, const json_t *baseline, const doc *src_baseline, arena *a, err *e) {
  static const char *const known[] = {"path", "values", "levels", "draw", "when"};
  const doc *src = in->src_axes;
  const char *const *keys;
  uint32_t n = object_keys(a, axes, &keys);
  in->axes = ARENA_ARRAY(a, axis, n + 1);
  for (uint32_t k = 0; k < n; k++) {
    axis *x = &in->axes[in->n_axes];
    const place *at = doc_place(src, axes, keys[k], 0);
    *x = (axis){.name = keys[k], .self = json_object_get(axes, keys[k])};
    if (json_is_null(x->self)) continue; /* as if it were not there */
    if (keys[k][strspn(keys[k], id_chars)] || !*keys[k]) return doc_fail(src, at, AT_KEY, e, "\"%s\" cannot name an axis: letters, digits and _ only", keys[k]);
    if (!json_is_object(x->self)) return doc_fail(src, at, AT_VALUE, e, "axis \"%s\" must be {\"path\": ..., \"values\": [...]} or {\"levels\": {...}}", keys[k]);
    TRY(allow_keys(src, x->self, known, 5, a, e));
    const json_t *draw = json_object_get(x->self, "draw");
    if (draw && json_object_get(x->self, "values")) return doc_fail(src, at, AT_KEY, e, "axis \"%s\" has both \"values\" and \"draw\": one of them", keys[k]);
    if (draw) {
      json_t *drawn = NULL;
      TRY(draw_values(src, x, draw, &drawn, a, e));
      json_object_set_new((json_t *)(uintptr_t)x->self, "values", drawn); /* the stored text of the experiment says what was drawn */
      json_object_del((json_t *)(uintptr_t)x->self, "draw");
    }
    const json_t *values = json_object_get(x->self, "values"), *levels = json_object_get(x->self, "levels");
    if (!values == !levels) return doc_fail(src, at, AT_KEY, e, "axis \"%s\" needs either \"path\" and \"values\" (or \"draw\"), or \"levels\"", keys[k]);
    TRY(values ? read_values(src, x, values, draw != NULL, a, e) : read_levels(src, x, levels, a, e));
    x->when = json_object_get(x->self, "when");
    in->n_axes++;
    TRY(check_axis(in, x, e));
  }
  for (uint32_t k = 0; k < in->n_axes; k++)
    if (in->axes[k].when) TRY(check_predicate(in, src, in->axes[k].when, in->axes[k].self, "when", a, e));
  return read_baseline(in, baseline, src_baseline, a, e);
}

gantry_status read_ladder(plan_in *in, const json_t *ladder, arena *a, err *e) {
  static const char *const known[] = {"label", "set", "keep"};
  const doc *src = in->src_axes;
  uint32_t n = (uint32_t)json_array_size(ladder);
  if (!n) return doc_fail(src, doc_place(src, src->root, "ladder", 0), AT_VALUE, e, "\"ladder\" must be a list of rungs [{\"label\": ..., \"set\": {...}}, ...]");
  level *r = ARENA_ARRAY(a, level, n);
  for (uint32_t k = 0; k < n; k++) {
    const json_t *one = json_array_get(ladder, k), *set = json_object_get(one, "set"), *label = json_object_get(one, "label"), *keep = json_object_get(one, "keep");
    const place *at = doc_place(src, ladder, NULL, k);
    if (!json_is_object(one) || !json_is_string(label)) return doc_fail(src, at, AT_VALUE, e, "a rung is an object with a \"label\"");
    TRY(allow_keys(src, one, known, 3, a, e));
    r[k] = (level){.label = arena_str(a, json_string_value(label)), .value_json = set ? text_of(a, set) : "{}", .at = at, .keep = !json_is_false(keep)};
    if (set) TRY(read_writes(src, set, one, "set", 0, a, &r[k].sets, e));
    for (uint32_t i = 0; i < k; i++)
      if (!strcmp(r[i].label, r[k].label)) return doc_fail(src, at, AT_VALUE, e, "two rungs are labelled \"%s\"", r[k].label);
  }
  in->is_ladder = 1;
  in->rungs = r;
  in->n_rungs = n;
  in->axes = ARENA_NEW(a, axis);
  in->axes[0] = (axis){.name = "rung", .path = "", .levels = r, .n = n};
  in->n_axes = 1;
  return GANTRY_OK;
}

static gantry_status read_clauses(const plan_in *in, const doc *src, const json_t *list, const char *what, const clause **out, uint32_t *n, arena *a, err *e) {
  static const char *const known_rules[] = {"when", "set"}, *const known_exclude[] = {"when", "why"};
  int is_rule = !strcmp(what, "rules");
  if (!json_is_array(list)) return doc_fail(src, doc_place(src, src->root, what, 0), AT_VALUE, e, "\"%s\" must be a list", what);
  *n = (uint32_t)json_array_size(list);
  clause *c = ARENA_ARRAY(a, clause, *n);
  for (uint32_t k = 0; k < *n; k++) {
    const json_t *one = json_array_get(list, k), *why = json_object_get(one, "why");
    const place *at = doc_place(src, list, NULL, k);
    if (!json_is_object(one)) return doc_fail(src, at, AT_VALUE, e, "each of \"%s\" must be an object", what);
    TRY(allow_keys(src, one, is_rule ? known_rules : known_exclude, 2, a, e));
    c[k] = (clause){.self = one, .when = json_object_get(one, "when"), .why = json_is_string(why) ? arena_str(a, json_string_value(why)) : "excluded by the experiment file"};
    if (!c[k].when) return doc_fail(src, at, AT_VALUE, e, "each of \"%s\" needs \"when\": {\"axis\": \"label\"}", what);
    TRY(check_predicate(in, src, c[k].when, one, "when", a, e));
    if (!is_rule) continue;
    TRY(read_writes(src, json_object_get(one, "set"), one, "set", 0, a, &c[k].sets, e));
    for (uint32_t s = 0; s < c[k].sets.n; s++) {
      const axis *x = axis_writing(in, c[k].sets.p[s].path);
      if (x && !in->is_ladder) return doc_fail(src, doc_place(src, c[k].sets.p[s].parent, c[k].sets.p[s].key, 0), AT_KEY, e, "this rule writes %s, which the axis \"%s\" varies", c[k].sets.p[s].path, x->name);
    }
  }
  *out = c;
  return GANTRY_OK;
}

gantry_status read_rules(plan_in *in, const json_t *rules, arena *a, err *e) { return rules ? read_clauses(in, in->src_rules, rules, "rules", &in->rules, &in->n_rules, a, e) : GANTRY_OK; }
gantry_status read_excludes(plan_in *in, const json_t *excludes, arena *a, err *e) {
  return excludes ? read_clauses(in, in->src_exclude, excludes, "exclude", &in->excludes, &in->n_excludes, a, e) : GANTRY_OK;
}

gantry_status check_predicate(const plan_in *in, const doc *src, const json_t *when, const json_t *parent, const char *key, arena *a, err *e) {
  const char *const *keys;
  if (!json_is_object(when)) return doc_fail(src, doc_place(src, parent, key, 0), AT_VALUE, e, "\"%s\" must be an object {\"axis\": \"label\"}", key);
  uint32_t n = object_keys(a, when, &keys);
  for (uint32_t k = 0; k < n; k++) {
    const place *at = doc_place(src, when, keys[k], 0);
    int x = find_axis(in, keys[k]);
    if (x < 0) return unknown_axis(in, src, at, keys[k], a, e);
    const json_t *v = json_object_get(when, keys[k]);
    if (json_is_object(v)) {
      const json_t *not = json_object_get(v, "not");
      if (!not || json_object_size(v) != 1) return doc_fail(src, at, AT_VALUE, e, "a condition is a label, a list of labels, or {\"not\": ...}");
      v = not;
    }
    size_t m = json_is_array(v) ? json_array_size(v) : 1;
    for (size_t i = 0; i < m; i++) {
      const char *label = json_label(a, json_is_array(v) ? json_array_get(v, i) : v);
      if (find_label(&in->axes[x], label) < 0) return unknown_label(src, at, &in->axes[x], label, a, e);
    }
  }
  return GANTRY_OK;
}

int matches(const plan_in *in, const json_t *when, const int32_t *lv, arena *a) {
  const char *key;
  json_t *v;
  json_object_foreach((json_t *)(uintptr_t)when, key, v) {
    if (!strcmp(key, "note")) continue;
    int x = find_axis(in, key), hit = 0;
    if (x < 0 || lv[x] < 0) return 0;
    const json_t *not = json_is_object(v) ? json_object_get(v, "not") : NULL, *set = not ? not : v;
    size_t m = json_is_array(set) ? json_array_size(set) : 1;
    for (size_t i = 0; i < m && !hit; i++) hit = !strcmp(json_label(a, json_is_array(set) ? json_array_get(set, i) : set), in->axes[x].levels[lv[x]].label);
    if (hit == (not != NULL)) return 0;
  }
  return 1;
}
