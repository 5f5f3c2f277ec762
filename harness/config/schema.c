/* schema.c - JSON Schema (draft-07) of the experiment format with the plugins there are, for editors: completion, ranges, docs. Made from the
 * same parameter tables that validate. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "config/config.h"

static json_t *ref(const char *name) { return json_pack("{s:s+}", "$ref", "#/definitions/", name); }

static json_t *typed(const char *type, const char *doc) {
  json_t *o = json_pack("{s:s}", "type", type);
  if (doc) json_object_set_new(o, "description", json_string(doc));
  return o;
}

static json_t *number(double v, int whole) { return whole ? json_integer((json_int_t)v) : json_real(v); }

static void range(json_t *o, const gantry_param *p, int whole) {
  if (p->lo > p->hi) return;
  if (isfinite(p->lo)) json_object_set_new(o, p->flags & GANTRY_PF_OPEN_LO ? "exclusiveMinimum" : "minimum", number(p->lo, whole));
  if (isfinite(p->hi)) json_object_set_new(o, p->flags & GANTRY_PF_OPEN_HI ? "exclusiveMaximum" : "maximum", number(p->hi, whole));
}

static json_t *parameter(const gantry_param *p) {
  static const char *const types[] = {"", "boolean", "integer", "number", "string", "string", "array", "array", "string"};
  json_t *o = typed(types[p->type], p->doc), *items;
  int whole = p->type == GANTRY_P_INT || p->type == GANTRY_P_INTS;
  switch (p->type) {
    case GANTRY_P_BOOL: json_object_set_new(o, "default", json_boolean(p->def != 0)); break;
    case GANTRY_P_INT:
    case GANTRY_P_FLOAT:
      if (!(p->flags & GANTRY_PF_REQUIRED)) json_object_set_new(o, "default", number(p->def, whole));
      range(o, p, whole);
      break;
    case GANTRY_P_INTS:
    case GANTRY_P_FLOATS:
      items = typed(whole ? "integer" : "number", NULL);
      range(items, p, whole);
      json_object_set_new(o, "items", items);
      break;
    case GANTRY_P_ENUM: {
      json_t *choices = json_array();
      for (uint32_t k = 0; p->choices[k]; k++) json_array_append_new(choices, json_string(p->choices[k]));
      json_object_set_new(o, "enum", choices);
    } /* fall through */
    default:
      if (p->def_str) json_object_set_new(o, "default", json_string(p->def_str));
  }
  return o;
}

/* {"name": "adam", its parameters, the reserved words} */
static json_t *plugin(const gantry_plugin *d) {
  json_t *properties = json_object(), *required = json_pack("[s]", "name");
  json_object_set_new(properties, "name", json_pack("{s:s,s:s}", "const", d->name, "description", d->summary));
  for (uint32_t k = 0; k < d->param_count; k++) {
    const gantry_param *p = abi_param_at(d, k);
    json_object_set_new(properties, p->key, parameter(p));
    if (p->flags & GANTRY_PF_REQUIRED) json_array_append_new(required, json_string(p->key));
  }
  json_object_set_new(properties, "on", typed("boolean", "false leaves the element out"));
  json_object_set_new(properties, "of", json_pack("{s:[s,s,s]}", "enum", "g", "d", "both"));
  json_object_set_new(properties, "every", ref("duration"));
  json_object_set_new(properties, "order", typed("integer", "place among elements of one stage"));
  json_object_set_new(properties, "note", json_object());
  if (d->kind == GANTRY_KIND_METRIC) {
    json_object_set_new(properties, "features", typed("string", "feature network"));
    json_object_set_new(properties, "fake", typed("integer", "samples of G"));
    json_object_set_new(properties, "real", typed("string", "split used as the reference set"));
    json_object_set_new(properties, "weights", json_object());
  }
  if (d->kind == GANTRY_KIND_DATASET) {
    json_object_set_new(properties, "split", typed("string", "train, test, ..."));
    json_object_set_new(properties, "range", json_pack("{s:s,s:{s:s},s:i,s:i}", "type", "array", "items", "type", "number", "minItems", 2, "maxItems", 2));
    json_object_set_new(properties, "limit", typed("integer", "samples used at most"));
  }
  return json_pack("{s:s,s:o,s:o,s:b}", "type", "object", "properties", properties, "required", required, "additionalProperties", 0);
}

static json_t *elements(const char *kind) { return json_pack("{s:s,s:o}", "type", "object", "additionalProperties", ref(kind)); }

static json_t *network(void) {
  return json_pack("{s:s,s:{s:o,s:o,s:{s:s}}}", "type", "object", "properties", "arch", ref("arch"), "optim", ref("optim"), "ema", "type", "object");
}

void cfg_schema(abi_registry *reg, buf *out) {
  static const char *const units[] = {"steps", "images", "kimg", "epochs", "fraction"};
  json_t *definitions = json_object(), *duration = json_object();
  for (size_t k = 0; k < sizeof units / sizeof *units; k++) json_object_set_new(duration, units[k], typed("number", NULL));
  json_object_set_new(definitions, "duration", json_pack("{s:[{s:s},{s:s,s:o,s:b,s:i,s:i}]}", "anyOf", "const", "end", "type", "object", "properties", duration, "additionalProperties", 0, "minProperties", 1, "maxProperties", 1));
  for (uint32_t kind = GANTRY_KIND_LOSS; kind <= GANTRY_KIND_DATASET; kind++) {
    json_t *any = json_array();
    for (uint32_t k = 0; k < abi_count(reg); k++)
      if (!abi_at(reg, k)->refused && abi_at(reg, k)->desc->kind == kind) json_array_append_new(any, plugin(abi_at(reg, k)->desc));
    json_object_set_new(definitions, abi_kind_name(kind), json_pack("{s:o}", "anyOf", any));
  }
  json_t *base = json_pack("{s:s,s:{s:o,s:o,s:o,s:o,s:o,s:o,s:{s:s},s:{s:s},s:{s:s},s:{s:s},s:{s:s},s:{}},s:b}", "type", "object", "properties", "data", ref("dataset"), "g", network(), "d", network(), "loss", ref("loss"),
                           "regularizers", elements("regularizer"), "metrics", elements("metric"), "schedules", "type", "object", "train", "type", "object", "samples", "type", "object", "checkpoints", "type", "object", "log",
                           "type", "object", "note", "additionalProperties", 0);
  json_t *properties = json_pack("{s:{s:i},s:{s:s},s:{s:s},s:o}", "gantry", "const", 1, "name", "type", "string", "question", "type", "string", "base", base);
  static const char *const free_form[] = {"axes", "ladder", "rules", "exclude", "design", "baseline", "seeds", "judge", "extends", "note"};
  for (size_t k = 0; k < sizeof free_form / sizeof *free_form; k++) json_object_set_new(properties, free_form[k], json_object());
  json_t *root = json_pack("{s:s,s:s,s:s,s:o,s:[s,s],s:b,s:o}", "$schema", "http://json-schema.org/draft-07/schema#", "title", "Gantry experiment", "type", "object", "properties", properties, "required", "gantry", "name",
                           "additionalProperties", 0, "definitions", definitions);
  char *text = json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
  if (text) buf_printf(out, "%s\n", text);
  free(text);
  json_decref(root);
}
