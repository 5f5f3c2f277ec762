/* cells.c - every combination of levels into a cell: values written in their order, settings resolved, equal cells found. See loading.h. */
#include <stdio.h>
#include <stdlib.h>

#include "config/loading.h"
#include "config/resolve.h"

/* A path into an element that does not exist would make half an element; elsewhere unknown keys are found when the cell is read. */
static gantry_status write_one(loading *l, json_t *cfg, const layers *from, const layer *w) {
  static const char *const maps[] = {"regularizers.", "metrics.", "schedules."};
  static const char *const sections[] = {"data", "g", "d", "net", "loss", "regularizers", "schedules", "train", "metrics", "samples", "checkpoints", "log"};
  enum { N = sizeof sections / sizeof *sections };
  char head[256];
  int known = 0;
  snprintf(head, sizeof head, "%.*s", (int)strcspn(w->path, "."), w->path);
  for (int k = 0; k < N; k++) known |= !strcmp(head, sections[k]);
  if (!known) return layers_fail(from, w->path, AT_KEY, l->e, "unknown path \"%s\"%s", w->path, !strcmp(head, "base") && w->path[4] == '.' ? arena_fmt(l->a, " (paths begin inside \"base\": \"%s\")", w->path + 5) : near_hint(l->a, head, sections, N));
  for (int k = 0; k < 3; k++) {
    size_t n = strlen(maps[k]);
    if (strncmp(w->path, maps[k], n) || !strchr(w->path + n, '.')) continue;
    snprintf(head, sizeof head, "%.*s", (int)strcspn(w->path + n, "."), w->path + n);
    const char *const *ids;
    const json_t *map = json_object_get(cfg, k == 0 ? "regularizers" : k == 1 ? "metrics" : "schedules");
    uint32_t m = object_keys(l->a, map, &ids);
    if (map && !json_is_object(map)) return layers_fail(from, w->path, AT_KEY, l->e, "\"%.*s\" must be an object {\"id\": {\"name\": ...}}: each element goes by a name of yours, as in \"%s\"", (int)n - 1, maps[k], w->path);
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
  for (uint32_t k = 0; k < rs.warnings.n; k++) loading_warn(l, rs.warnings.p[k]);
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
    if (!x || (l->in.is_ladder && k + 1 != i)) continue;
    const char *what = arena_fmt(l->a, "%s \"%s\" changes nothing against \"%s\"", l->in.is_ladder ? "rung" : arena_fmt(l->a, "axis %s: level", x->name), x->levels[c[i].level[x - l->in.axes]].label, x->levels[c[k].level[x - l->in.axes]].label);
    int said = 0; /* of another cell */
    for (uint32_t w = 0; w < l->warnings.n; w++) said |= !strncmp(l->warnings.p[w], what, strlen(what));
    if (!said) loading_warn(l, l->in.is_ladder ? what : arena_fmt(l->a, "%s in some cells, as in %s: a \"when\" would say when it applies", what, cells[i].label));
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

static gantry_status none_selected(loading *l) {
  buf said = {0};
  for (uint32_t k = 0; k < l->o->n_only; k++) buf_printf(&said, "%s--only %s", k ? " " : "", l->o->only[k]);
  err_set(l->e, GANTRY_E_CONFIG, "%s: no cell has all of these levels; the design decides which combinations there are (\"one_at_a_time\" varies one axis only), and `gantry plan` without --only lists them", said.p);
  buf_free(&said);
  return l->e->code;
}

gantry_status loading_cells(loading *l, const combos *c) {
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
  uint32_t any = 0;
  for (uint32_t i = 0; i < c->n; i++) any += cells[i].selected;
  if (l->o->n_only && !any) return none_selected(l);
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

