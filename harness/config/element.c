/* element.c - plugin objects of a cell, checked against the plugins' own parameter tables: {"name": plugin, parameters ...}.
 *
 * The plugin's row decides everything: type, range, choices, default. Elements that are switched off are checked as well, then
 * dropped, so a misspelt parameter is found before the cell that switches it on. */
#include <stdlib.h>

#include "base/files.h"
#include "config/resolve.h"

/* A relative path is relative to the experiment file, "~/" to the home; a bare word that is no file there is left to the plugin,
 * which may know it as the name of an installed data set. */
const char *resolve_path(resolver *rs, const char *s) {
  const char *home = getenv("HOME");
  if (!*s || *s == '/') return arena_str(rs->a, s);
  if (s[0] == '~' && s[1] == '/' && home) return path_join(rs->a, home, s + 2);
  const char *full = path_join(rs->a, rs->dir, s);
  if (!file_exists(full) && !strchr(s, '/')) return arena_str(rs->a, s);
  char *real = realpath(full, NULL);
  const char *out = arena_str(rs->a, real ? real : full);
  free(real);
  return out;
}

static gantry_status one_number(resolver *rs, const gantry_param *p, const char *path, const json_t *v, double *dst) {
  err why = {0};
  *dst = json_number_value(v);
  if (!json_is_number(v)) return layers_fail(&rs->from, path, AT_VALUE, rs->e, "%s must be a number", path);
  if (abi_param_check(p, *dst, &why)) return layers_fail(&rs->from, path, AT_VALUE, rs->e, "%s %s%s%s", path, why.msg, p->unit && *p->unit ? " " : "", p->unit ? p->unit : "");
  return GANTRY_OK;
}

static gantry_status read_list(resolver *rs, const gantry_param *p, const char *path, const json_t *v, abi_value *dst) {
  if (!json_is_array(v)) return layers_fail(&rs->from, path, AT_VALUE, rs->e, "%s must be a list of numbers [ ... ]", path);
  size_t n = json_array_size(v);
  double *list = ARENA_ARRAY(rs->a, double, n);
  for (size_t k = 0; k < n; k++) TRY(one_number(rs, p, path, json_array_get(v, k), &list[k]));
  dst->list = list;
  dst->n = (uint32_t)n;
  return GANTRY_OK;
}

static gantry_status read_choice(resolver *rs, const gantry_param *p, const char *path, const json_t *v, abi_value *dst) {
  uint32_t n = 0, hit;
  while (p->choices && p->choices[n]) n++;
  const char *s = json_is_string(v) ? json_string_value(v) : "";
  for (hit = 0; hit < n; hit++)
    if (!strcmp(p->choices[hit], s)) break;
  if (hit == n) {
    buf range = {0};
    abi_param_range(p, &range);
    layers_fail(&rs->from, path, AT_VALUE, rs->e, "%s must be %s%s", path, range.p, near_hint(rs->a, s, p->choices, n));
    buf_free(&range);
    return rs->e->code;
  }
  dst->f = hit;
  dst->s = arena_str(rs->a, s);
  return GANTRY_OK;
}

static gantry_status read_param(resolver *rs, const gantry_param *p, const char *path, const json_t *v, abi_value *dst) {
  dst->set = 1;
  switch (p->type) {
    case GANTRY_P_BOOL:
      if (!json_is_boolean(v)) return layers_fail(&rs->from, path, AT_VALUE, rs->e, "%s must be true or false", path);
      dst->f = json_is_true(v);
      return GANTRY_OK;
    case GANTRY_P_INT:
    case GANTRY_P_FLOAT: return one_number(rs, p, path, v, &dst->f);
    case GANTRY_P_ENUM: return read_choice(rs, p, path, v, dst);
    case GANTRY_P_INTS:
    case GANTRY_P_FLOATS: return read_list(rs, p, path, v, dst);
    default:
      if (!json_is_string(v)) return layers_fail(&rs->from, path, AT_VALUE, rs->e, "%s must be a text in quotes", path);
      dst->s = p->type == GANTRY_P_PATH ? resolve_path(rs, json_string_value(v)) : arena_str(rs->a, json_string_value(v));
      return GANTRY_OK;
  }
}

static json_t *value_json(const gantry_param *p, const abi_value *v) {
  switch (p->type) {
    case GANTRY_P_BOOL: return json_boolean(v->f != 0);
    case GANTRY_P_INT:
    case GANTRY_P_FLOAT: return json_real(v->f);
    case GANTRY_P_INTS:
    case GANTRY_P_FLOATS: {
      json_t *list = json_array();
      for (uint32_t k = 0; k < v->n; k++) json_array_append_new(list, json_real(v->list[k]));
      return list;
    }
    default: return v->s ? json_string(v->s) : NULL;
  }
}

static gantry_status read_params(resolver *rs, json_t *v, const char *path, const gantry_plugin *desc, const char *const *extra, abi_value *values, json_t *out) {
  uint32_t n_extra = 0;
  while (extra[n_extra]) n_extra++;
  const char **known = ARENA_ARRAY(rs->a, const char *, desc->param_count + n_extra + 1);
  known[0] = "name";
  uint32_t n = 1;
  for (uint32_t k = 0; k < desc->param_count; k++) known[n++] = abi_param_at(desc, k)->key;
  for (uint32_t k = 0; k < n_extra; k++) known[n++] = extra[k];
  TRY(refuse_unknown(rs, v, path, known, n));
  for (uint32_t k = 0; k < desc->param_count; k++) {
    const gantry_param *p = abi_param_at(desc, k);
    const json_t *x = json_object_get(v, p->key);
    int taken = 0;
    for (uint32_t i = 0; i < n_extra; i++) taken |= !strcmp(extra[i], p->key);
    if (taken) continue; /* the experiment's own word of that name goes first */
    const char *full = join(rs, path, p->key);
    if (x && !json_is_null(x)) TRY(read_param(rs, p, full, x, &values[k]));
    else if (p->flags & GANTRY_PF_REQUIRED)
      return layers_fail(&rs->from, path, AT_KEY, rs->e, "%s: %s needs \"%s\" (%s)", path, desc->name, p->key, p->doc ? p->doc : "no default");
    json_t *made = value_json(p, &values[k]);
    if (made) json_object_set_new(out, p->key, made);
    if ((p->flags & GANTRY_PF_DEPRECATED) && values[k].set) VEC_PUSH(rs->warnings, arena_fmt(rs->a, "%s is deprecated: %s", full, p->doc ? p->doc : ""));
  }
  return GANTRY_OK;
}

static gantry_status read_of(resolver *rs, const json_t *v, const char *path, cfg_element *el, json_t *out) {
  const json_t *of = json_object_get(v, "of");
  if (!of || json_is_null(of)) return GANTRY_OK;
  size_t n = json_is_array(of) ? json_array_size(of) : 1;
  json_t *list = json_array();
  for (size_t k = 0; k < n; k++) {
    const json_t *one = json_is_array(of) ? json_array_get(of, k) : of;
    const char *s = json_is_string(one) ? json_string_value(one) : "";
    if (!strcmp(s, "g")) el->of |= 1u << GANTRY_G;
    else if (!strcmp(s, "d")) el->of |= 1u << GANTRY_D;
    else {
      json_decref(list);
      return layers_fail(&rs->from, join(rs, path, "of"), AT_VALUE, rs->e, "%s.of says which network it acts on: \"g\", \"d\" or [\"g\", \"d\"]", path);
    }
  }
  if (el->of & 1u << GANTRY_D) json_array_append_new(list, json_string("d"));
  if (el->of & 1u << GANTRY_G) json_array_append_new(list, json_string("g"));
  json_object_set_new(out, "of", list);
  return GANTRY_OK;
}

static int allowed(const char *const *extra, const char *key) {
  for (; *extra; extra++)
    if (!strcmp(*extra, key)) return 1;
  return 0;
}

gantry_status read_element(resolver *rs, json_t *v, const char *path, const char *id, uint32_t kind, const char *const *extra, cfg_element *el, json_t **out) {
  const char *kind_name = abi_kind_name(kind);
  const json_t *name = json_object_get(v, "name");
  err why = {0};
  int on = 1;
  *out = NULL;
  if (!json_is_string(name)) return layers_fail(&rs->from, path, AT_KEY, rs->e, "%s needs a \"name\": which %s it is (see gantry plugins list)", path, kind_name);
  abi_plugin *plugin = abi_need(rs->reg, kind, json_string_value(name), &why);
  if (!plugin) return layers_fail(&rs->from, join(rs, path, "name"), AT_VALUE, rs->e, "%s", why.msg);
  const gantry_plugin *desc = plugin->desc;
  abi_value *values = abi_defaults(desc, rs->a);
  *el = (cfg_element){.id = arena_str(rs->a, id), .path = arena_str(rs->a, path), .name = desc->name, .kind = kind, .values = values};
  json_t *made = json_object();
  json_object_set_new(made, "name", json_string(desc->name));
  gantry_status st;
  if ((st = read_params(rs, v, path, desc, extra, values, made))) goto done;
  if (allowed(extra, "on") && (st = read_bool(rs, v, path, "on", 1, &on))) goto done;
  if (allowed(extra, "of") && (st = read_of(rs, v, path, el, made))) goto done;
  if (allowed(extra, "order") && (st = read_int(rs, v, json_object_get(v, "order") ? made : NULL, path, "order", 0, -1000000, 1000000, &el->order))) goto done;
  int force = 0;
  if (allowed(extra, "force") && (st = read_bool(rs, v, path, "force", 0, &force))) goto done;
  el->force = (uint8_t)force;
  if (force) json_object_set_new(made, "force", json_true());
  if (allowed(extra, "every")) st = read_duration(rs, v, made, path, "every", (cfg_duration){CFG_NEVER, 0}, &el->every);
done:
  if (!st && on) *out = made;
  else json_decref(made);
  return st;
}
