/* schema.c - JSON Schema (draft-07) of the experiment format with the plugins at hand, for editors that complete and check while
 * one types. It says less than cfg_load: what plugins need of each other, and axes against paths, only gantry itself checks. */
#include <stdio.h>
#include <stdlib.h>

#include "config/doc.h"

static json_t *object(void) { return json_object(); }
static json_t *typed(const char *type) { return json_pack("{s:s}", "type", type); }
static json_t *ref(const char *name) {
  char path[80];
  snprintf(path, sizeof path, "#/definitions/%s", name);
  return json_pack("{s:s}", "$ref", path);
}
static void put(json_t *o, const char *key, json_t *v) { json_object_set_new(o, key, v); }

/* {"type": "object", "properties": p, "additionalProperties": false}; takes p. */
static json_t *closed(json_t *p) {
  put(p, "note", object());
  return json_pack("{s:s, s:o, s:b}", "type", "object", "properties", p, "additionalProperties", 0);
}
static json_t *map_of(json_t *v) { return json_pack("{s:s, s:o}", "type", "object", "additionalProperties", v); }

static json_t *param_schema(const gantry_param *p) {
  json_t *s = object();
  static const char *const types[] = {"", "boolean", "integer", "number", "string", "string", "array", "array", "string"};
  put(s, "type", json_string(p->type <= GANTRY_P_PATH ? types[p->type] : "string"));
  if (p->doc) put(s, "description", p->unit && *p->unit ? json_sprintf("%s (%s)", p->doc, p->unit) : json_string(p->doc));
  if (p->type == GANTRY_P_ENUM) {
    json_t *choices = json_array();
    for (const char *const *c = p->choices; c && *c; c++) json_array_append_new(choices, json_string(*c));
    put(s, "enum", choices);
  }
  if ((p->type == GANTRY_P_INT || p->type == GANTRY_P_FLOAT) && p->lo <= p->hi) {
    put(s, p->flags & GANTRY_PF_OPEN_LO ? "exclusiveMinimum" : "minimum", json_real(p->lo));
    if (p->hi < 1e300) put(s, p->flags & GANTRY_PF_OPEN_HI ? "exclusiveMaximum" : "maximum", json_real(p->hi));
  }
  if (p->type == GANTRY_P_INTS || p->type == GANTRY_P_FLOATS) put(s, "items", typed(p->type == GANTRY_P_INTS ? "integer" : "number"));
  if (!(p->flags & GANTRY_PF_REQUIRED)) {
    if (p->type == GANTRY_P_BOOL) put(s, "default", json_boolean(p->def != 0));
    else if (p->type == GANTRY_P_INT) put(s, "default", json_integer((json_int_t)p->def));
    else if (p->type == GANTRY_P_FLOAT) put(s, "default", json_real(p->def));
    else if (p->def_str && p->type != GANTRY_P_INTS && p->type != GANTRY_P_FLOATS) put(s, "default", json_string(p->def_str));
  }
  return s;
}

typedef json_t *extra_fn(void);

/* One of the plugins of a kind, each with its own parameters. */
static json_t *element(abi_registry *reg, uint32_t kind, extra_fn *extra) {
  json_t *any = json_array();
  for (uint32_t k = 0; k < abi_count(reg); k++) {
    const abi_plugin *p = abi_at(reg, k);
    if (p->refused || p->desc->kind != kind) continue;
    json_t *props = object(), *required = json_pack("[s]", "name");
    put(props, "name", json_pack("{s:s, s:s}", "const", p->desc->name, "description", p->desc->summary));
    for (uint32_t i = 0; i < p->desc->param_count; i++) {
      const gantry_param *q = abi_param_at(p->desc, i);
      put(props, q->key, param_schema(q));
      if (q->flags & GANTRY_PF_REQUIRED) json_array_append_new(required, json_string(q->key));
    }
    if (extra) {
      json_t *more = extra();
      json_object_update(props, more);
      json_decref(more);
    }
    json_t *one = closed(props);
    put(one, "required", required);
    json_array_append_new(any, one);
  }
  return json_pack("{s:o}", "anyOf", any);
}

static json_t *reg_extra(void) {
  json_t *o = json_pack("{s:o, s:o, s:o, s:o}", "on", typed("boolean"), "order", typed("integer"), "every", ref("duration"), "force", typed("boolean"));
  put(o, "of", json_pack("{s:[{s:[s,s]},{s:s,s:{s:[s,s]}}]}", "anyOf", "enum", "g", "d", "type", "array", "items", "enum", "g", "d"));
  return o;
}
static json_t *metric_extra(void) {
  json_t *o = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "on", typed("boolean"), "every", ref("duration"), "features", typed("string"), "fake", typed("integer"), "real", typed("string"), "real_limit", typed("integer"));
  put(o, "weights", json_pack("{s:s, s:{s:[s,s]}}", "type", "array", "items", "enum", "ema", "raw"));
  return o;
}
static json_t *seed(void) { return json_pack("{s:[s,s], s:i}", "type", "integer", "null", "minimum", 0); }
static json_t *data_extra(void) {
  json_t *o = json_pack("{s:o, s:o, s:o}", "split", typed("string"), "limit", json_pack("{s:[s,s]}", "type", "integer", "null"), "limit_seed", seed());
  put(o, "storage", json_pack("{s:[s,s,s]}", "enum", "auto", "memory", "file"));
  put(o, "range", json_pack("{s:s, s:{s:s}, s:i, s:i}", "type", "array", "items", "type", "number", "minItems", 2, "maxItems", 2));
  return o;
}

static json_t *durations(void) {
  static const char *const units[] = {"steps", "images", "kimg", "epochs", "fraction"};
  json_t *any = json_array();
  json_array_append_new(any, json_pack("{s:s}", "const", "end"));
  for (size_t k = 0; k < sizeof units / sizeof *units; k++) {
    json_t *o = closed(json_pack("{s:{s:s, s:i}}", units[k], "type", "number", "exclusiveMinimum", 0));
    put(o, "required", json_pack("[s]", units[k]));
    json_array_append_new(any, o);
  }
  return json_pack("{s:o, s:s}", "anyOf", any, "description", "{unit: number} or \"end\"");
}

static json_t *base_schema(abi_registry *reg) {
  json_t *p = object(), *g = object(), *d = object(), *ema = object(), *train = object(), *schedule = object(), *samples = object(), *checkpoints = object(), *log = object();
  put(p, "data", element(reg, GANTRY_KIND_DATASET, data_extra));
  put(ema, "on", typed("boolean"));
  put(ema, "half_life", ref("duration"));
  put(ema, "decay", typed("number"));
  put(ema, "ramp_up", typed("number"));
  put(g, "arch", ref("arch"));
  put(g, "optim", ref("optim"));
  put(g, "ema", closed(ema));
  put(d, "arch", ref("arch"));
  put(d, "optim", ref("optim"));
  put(g, "latent", closed(json_pack("{s:{s:[s,s,s]}, s:o}", "distribution", "enum", "auto", "normal", "uniform", "noise", typed("number"))));
  put(d, "pack", json_pack("{s:s, s:i}", "type", "integer", "minimum", 1));
  put(d, "batches", json_pack("{s:[s,s]}", "enum", "separate", "joint"));
  put(p, "g", closed(g));
  put(p, "d", closed(d));
  put(p, "net", closed(json_pack("{s:o, s:o}", "arch", ref("arch"), "optim", ref("optim"))));
  put(p, "loss", element(reg, GANTRY_KIND_LOSS, NULL));
  put(p, "regularizers", map_of(element(reg, GANTRY_KIND_REGULARIZER, reg_extra)));
  put(p, "metrics", map_of(element(reg, GANTRY_KIND_METRIC, metric_extra)));
  static const char *const times[] = {"start", "end", "warmup", "every"}, *const seeds[] = {"init_seed", "data_seed", "noise_seed"}, *const counts[] = {"batch", "d_steps", "g_steps", "accumulate", "threads"};
  for (int k = 0; k < 4; k++) put(schedule, times[k], ref("duration"));
  put(schedule, "of", json_pack("{s:s, s:{s:s}}", "type", "array", "items", "type", "string"));
  put(schedule, "on", typed("boolean"));
  put(schedule, "shape", json_pack("{s:[s,s,s,s,s]}", "enum", "linear", "exponential", "cosine", "step", "constant"));
  put(schedule, "to", typed("number"));
  put(schedule, "factor", typed("number"));
  put(p, "schedules", map_of(closed(schedule)));
  for (int k = 0; k < 5; k++) put(train, counts[k], json_pack("{s:s, s:i}", "type", "integer", "minimum", 1));
  put(train, "updates", json_pack("{s:[s,s]}", "enum", "alternating", "simultaneous"));
  put(train, "precision", json_pack("{s:[s,s,s]}", "enum", "f32", "tf32", "bf16"));
  put(train, "length", ref("duration"));
  put(train, "recompute", json_pack("{s:s, s:i, s:i}", "type", "number", "minimum", 0, "maximum", 1));
  for (int k = 0; k < 3; k++) put(train, seeds[k], seed());
  put(train, "init_from", typed("string"));
  put(p, "train", closed(train));
  put(samples, "grid", json_pack("{s:s, s:{s:s}, s:i, s:i}", "type", "array", "items", "type", "integer", "minItems", 2, "maxItems", 2));
  put(samples, "interpolations", typed("integer"));
  put(samples, "truncation", closed(json_pack("{s:o, s:{s:[s,s]}, s:o}", "at", typed("number"), "method", "enum", "resample", "clip", "psi", typed("number"))));
  put(samples, "every", ref("duration"));
  put(p, "samples", closed(samples));
  put(checkpoints, "every", ref("duration"));
  put(checkpoints, "keep", typed("integer"));
  put(checkpoints, "best", typed("string"));
  put(p, "checkpoints", closed(checkpoints));
  put(log, "every", ref("duration"));
  put(p, "log", closed(log));
  return closed(p);
}

static json_t *axis_schema(void) {
  json_t *values = object(), *levels = object();
  put(values, "path", typed("string"));
  put(values, "values", json_pack("{s:s, s:i}", "type", "array", "minItems", 1));
  put(values, "when", typed("object"));
  put(values, "draw", closed(json_pack("{s:{s:s,s:i,s:i}, s:{s:s,s:i,s:i}, s:{s:s,s:i}, s:{s:s,s:i,s:i}, s:o, s:o}", "uniform", "type", "array", "minItems", 2, "maxItems", 2, "log_uniform", "type", "array", "minItems", 2, "maxItems", 2,
                                     "choice", "type", "array", "minItems", 1, "n", "type", "integer", "minimum", 1, "maximum", 10000, "seed", typed("integer"), "integer", typed("boolean"))));
  put(levels, "levels", map_of(typed("object")));
  put(levels, "when", typed("object"));
  json_t *v = closed(values), *l = closed(levels);
  put(v, "required", json_pack("[s]", "path"));
  put(l, "required", json_pack("[s]", "levels"));
  return json_pack("{s:[o,o]}", "anyOf", v, l);
}

void cfg_schema(abi_registry *reg, buf *out) {
  doc_memory();
  json_t *p = object();
  put(p, "gantry", json_pack("{s:i}", "const", 1));
  put(p, "name", json_pack("{s:s, s:s}", "type", "string", "pattern", "^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$"));
  put(p, "question", typed("string"));
  put(p, "extends", typed("string"));
  put(p, "base", base_schema(reg));
  put(p, "axes", map_of(axis_schema()));
  put(p, "ladder", json_pack("{s:s, s:o}", "type", "array", "items", closed(json_pack("{s:o, s:o, s:o}", "label", typed("string"), "set", typed("object"), "keep", typed("boolean")))));
  put(p, "rules", json_pack("{s:s, s:o}", "type", "array", "items", closed(json_pack("{s:o, s:o}", "when", typed("object"), "set", typed("object")))));
  put(p, "exclude", json_pack("{s:s, s:o}", "type", "array", "items", closed(json_pack("{s:o, s:o}", "when", typed("object"), "why", typed("string")))));
  put(p, "design", object());
  put(p, "baseline", typed("object"));
  put(p, "seeds", json_pack("{s:[o,o]}", "anyOf", json_pack("{s:s, s:i}", "type", "integer", "minimum", 1), json_pack("{s:s, s:{s:s}}", "type", "array", "items", "type", "integer")));
  put(p, "judge", closed(json_pack("{s:o, s:{s:[s,s,s]}, s:{s:[s,s]}}", "metric", typed("string"), "weights", "enum", "ema", "raw", "auto", "reduce", "enum", "last", "best")));
  put(p, "early_stopping", closed(json_pack("{s:{s:[s,s]}, s:{s:s}, s:{s:s,s:f,s:i}, s:{s:s,s:i}}", "rule", "enum", "median", "asha", "after", "$ref", "#/definitions/duration", "factor", "type", "number", "minimum", 1.5, "maximum", 100, "least", "type", "integer", "minimum", 1)));
  json_t *root = closed(p);
  put(root, "$schema", json_string("http://json-schema.org/draft-07/schema#"));
  put(root, "title", json_string("Gantry experiment"));
  put(root, "required", json_pack("[s,s]", "gantry", "name"));
  put(root, "definitions", json_pack("{s:o, s:o, s:o}", "duration", durations(), "arch", element(reg, GANTRY_KIND_ARCH, NULL), "optim", element(reg, GANTRY_KIND_OPTIM, NULL)));
  char *text = json_dumps(root, JSON_INDENT(1) | JSON_SORT_KEYS);
  buf_puts(out, text ? text : "{}");
  buf_putc(out, '\n');
  free(text);
  json_decref(root);
}
