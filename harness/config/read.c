/* read.c - reading single settings of a cell: numbers, words, durations, with their defaults. See resolve.h. */
#include "config/resolve.h"

#include <math.h>
#include <stdlib.h>

const char *join(resolver *rs, const char *path, const char *key) { return *path ? arena_fmt(rs->a, "%s.%s", path, key) : arena_str(rs->a, key); }

static const char *type_name(const json_t *v) {
  switch (json_typeof(v)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "a list";
    case JSON_STRING: return "a text";
    case JSON_INTEGER:
    case JSON_REAL: return "a number";
    case JSON_NULL: return "null";
    default: return "true or false";
  }
}

static const json_t *given(const json_t *o, const char *key) {
  const json_t *v = json_object_get(o, key);
  return json_is_null(v) ? NULL : v; /* null = as if it were not there */
}

gantry_status refuse_unknown(resolver *rs, const json_t *o, const char *path, const char *const *known, uint32_t n) {
  const char *key;
  json_t *v;
  json_object_foreach((json_t *)(uintptr_t)o, key, v) {
    int ok = !strcmp(key, "note");
    for (uint32_t k = 0; k < n && !ok; k++) ok = !strcmp(key, known[k]);
    if (ok) continue;
    buf all = {0};
    for (uint32_t k = 0; k < n; k++) buf_printf(&all, "%s%s", k ? ", " : "", known[k]);
    const char *hint = near_hint(rs->a, key, known, n);
    layers_fail(&rs->from, join(rs, path, key), AT_KEY, rs->e, "unknown key \"%s\"%s%s%s; known here: %s", key, *path ? " in " : "", path, hint, all.p ? all.p : "none");
    buf_free(&all);
    return rs->e->code;
  }
  return GANTRY_OK;
}

static uint32_t count(const char *const *list) {
  uint32_t n = 0;
  while (list && list[n]) n++;
  return n;
}

gantry_status read_object(resolver *rs, const json_t *parent, const char *path, const char *key, const char *const *known, json_t **got) {
  *got = (json_t *)(uintptr_t)given(parent, key);
  const char *full = join(rs, path, key);
  if (!*got) return GANTRY_OK;
  if (!json_is_object(*got)) return layers_fail(&rs->from, full, AT_VALUE, rs->e, "%s must be an object { ... }, is %s", full, type_name(*got));
  return known ? refuse_unknown(rs, *got, full, known, count(known)) : GANTRY_OK;
}

gantry_status read_num(resolver *rs, const json_t *o, json_t *out, const char *path, const char *key, double def, double lo, double hi, double *dst) {
  const json_t *v = given(o, key);
  const char *full = join(rs, path, key);
  *dst = def;
  if (v && !json_is_number(v)) return layers_fail(&rs->from, full, AT_VALUE, rs->e, "%s must be a number, is %s", full, type_name(v));
  if (v) *dst = json_number_value(v);
  if (!(*dst >= lo && *dst <= hi)) return layers_fail(&rs->from, full, AT_VALUE, rs->e, "%s must be in [%g, %g], is %g", full, lo, hi, *dst);
  if (out) json_object_set_new(out, key, json_real(*dst));
  return GANTRY_OK;
}

gantry_status read_int(resolver *rs, const json_t *o, json_t *out, const char *path, const char *key, int64_t def, int64_t lo, int64_t hi, int64_t *dst) {
  double d;
  TRY(read_num(rs, o, NULL, path, key, (double)def, (double)lo, (double)hi, &d));
  const char *full = join(rs, path, key);
  if (d != floor(d)) return layers_fail(&rs->from, full, AT_VALUE, rs->e, "%s must be a whole number, is %g", full, d);
  *dst = (int64_t)d;
  if (out) json_object_set_new(out, key, json_integer(*dst));
  return GANTRY_OK;
}

gantry_status read_maybe(resolver *rs, const json_t *o, json_t *out, const char *path, const char *key, int64_t *dst) {
  *dst = -1;
  return given(o, key) ? read_int(rs, o, out, path, key, 0, 0, INT64_C(1) << 53, dst) : GANTRY_OK;
}

gantry_status read_word(resolver *rs, const json_t *o, json_t *out, const char *path, const char *key, const char *def, const char *const *choices, const char **dst) {
  const json_t *v = given(o, key);
  const char *full = join(rs, path, key);
  *dst = def;
  if (v && !json_is_string(v)) return layers_fail(&rs->from, full, AT_VALUE, rs->e, "%s must be a text, is %s", full, type_name(v));
  if (v) *dst = arena_str(rs->a, json_string_value(v));
  int ok = !choices || !*dst;
  for (uint32_t k = 0; !ok && choices[k]; k++) ok = !strcmp(choices[k], *dst);
  if (!ok) {
    buf all = {0};
    for (uint32_t k = 0; choices[k]; k++) buf_printf(&all, "%s%s", k ? ", " : "", choices[k]);
    layers_fail(&rs->from, full, AT_VALUE, rs->e, "%s \"%s\" is unknown%s; it is one of %s", full, *dst, near_hint(rs->a, *dst, choices, count(choices)), all.p);
    buf_free(&all);
    return rs->e->code;
  }
  if (out && *dst) json_object_set_new(out, key, json_string(*dst));
  return GANTRY_OK;
}

gantry_status read_bool(resolver *rs, const json_t *o, const char *path, const char *key, int def, int *dst) {
  const json_t *v = given(o, key);
  const char *full = join(rs, path, key);
  if (v && !json_is_boolean(v)) return layers_fail(&rs->from, full, AT_VALUE, rs->e, "%s must be true or false, is %s", full, type_name(v));
  *dst = v ? json_is_true(v) : def;
  return GANTRY_OK;
}

static const char *const units[] = {NULL, "steps", "images", "kimg", "epochs", "fraction"};

static json_t *duration_json(cfg_duration d) {
  if (d.unit == CFG_END) return json_string("end");
  json_t *o = json_object();
  json_object_set_new(o, units[d.unit], json_real(d.n));
  return o;
}

gantry_status read_duration(resolver *rs, const json_t *o, json_t *out, const char *path, const char *key, cfg_duration def, cfg_duration *dst) {
  const json_t *v = given(o, key);
  const char *full = join(rs, path, key);
  *dst = def;
  if (json_is_string(v) && !strcmp(json_string_value(v), "end")) {
    *dst = (cfg_duration){CFG_END, 0};
  } else if (json_is_number(v)) {
    return layers_fail(&rs->from, full, AT_VALUE, rs->e, "%s needs a unit: {\"steps\": %g}, or images, kimg, epochs, fraction, or \"end\"", full, json_number_value(v));
  } else if (v) {
    if (!json_is_object(v)) return layers_fail(&rs->from, full, AT_VALUE, rs->e, "%s must be {unit: number} or \"end\", is %s", full, type_name(v));
    TRY(refuse_unknown(rs, v, full, units + 1, 5));
    const char *unit = NULL, *k;
    json_t *n = NULL, *x;
    int several = 0;
    json_object_foreach((json_t *)(uintptr_t)v, k, x) if (strcmp(k, "note")) several += unit != NULL, unit = k, n = x;
    if (!unit || several) return layers_fail(&rs->from, full, AT_VALUE, rs->e, "%s must have exactly one unit, as in {\"steps\": 1000}", full);
    double d = json_number_value(n);
    if (!json_is_number(n) || !(d > 0) || d > 1e15) return layers_fail(&rs->from, join(rs, full, unit), AT_VALUE, rs->e, "%s.%s must be a number above 0", full, unit);
    for (uint32_t u = CFG_STEPS; u <= CFG_FRACTION; u++)
      if (!strcmp(unit, units[u])) *dst = (cfg_duration){u, d};
    if (dst->unit == CFG_FRACTION && d > 1) return layers_fail(&rs->from, join(rs, full, unit), AT_VALUE, rs->e, "%s.fraction is a part of the run: above 0, at most 1", full);
    if ((dst->unit == CFG_STEPS || dst->unit == CFG_IMAGES) && d != floor(d)) return layers_fail(&rs->from, join(rs, full, unit), AT_VALUE, rs->e, "%s.%s must be a whole number", full, unit);
  }
  if (out && dst->unit != CFG_NEVER) json_object_set_new(out, key, duration_json(*dst));
  return GANTRY_OK;
}

int64_t cfg_steps(const cfg_run *r, cfg_duration d, int64_t count_, int64_t total) {
  double per_step = (double)(r->batch * (r->simultaneous ? 1 : r->d_steps)), n;
  switch (d.unit) {
    case CFG_NEVER: return INT64_MAX;
    case CFG_STEPS: n = d.n; break;
    case CFG_IMAGES: n = d.n / per_step; break;
    case CFG_KIMG: n = d.n * 1000 / per_step; break;
    case CFG_EPOCHS: n = d.n * (double)count_ / per_step; break;
    case CFG_FRACTION: n = d.n * (double)total; break;
    default: return total;
  }
  n = ceil(n - 1e-9 * n);
  return n < 1 ? 1 : n > 9e15 ? (int64_t)9e15 : (int64_t)n;
}

int64_t cfg_total_steps(const cfg_run *r, int64_t count_) { return cfg_steps(r, r->length, count_, 0); }
