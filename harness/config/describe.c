/* describe.c - a plugin's descriptor as JSON, for tools: what `gantry plugins describe --json` prints. Read from the file, nothing of the plugin runs. */
#include <stdlib.h>

#include "config/doc.h"

static json_t *list(const char *const *s) {
  json_t *a = json_array();
  for (; s && *s; s++) json_array_append_new(a, json_string(*s));
  return a;
}

static json_t *fallback(const gantry_param *q) {
  if (q->flags & GANTRY_PF_REQUIRED) return json_null();
  switch (q->type) {
    case GANTRY_P_BOOL: return json_boolean(q->def != 0);
    case GANTRY_P_INT: return json_integer((json_int_t)q->def);
    case GANTRY_P_FLOAT: return json_real(q->def);
    default: return json_string(q->def_str ? q->def_str : "");
  }
}

static json_t *param(const gantry_param *q) {
  static const char *const types[] = {"?", "bool", "int", "float", "enum", "string", "ints", "floats", "path"};
  int number = q->type == GANTRY_P_INT || q->type == GANTRY_P_FLOAT || q->type == GANTRY_P_INTS || q->type == GANTRY_P_FLOATS;
  json_t *o = json_pack("{s:s, s:s, s:s, s:o, s:b, s:b, s:b}", "key", q->key, "type", types[q->type <= GANTRY_P_PATH ? q->type : 0], "doc", q->doc ? q->doc : "", "default", fallback(q), "required",
                        (q->flags & GANTRY_PF_REQUIRED) != 0, "schedulable", q->type == GANTRY_P_FLOAT && !(q->flags & GANTRY_PF_STRUCTURAL), "deprecated", (q->flags & GANTRY_PF_DEPRECATED) != 0);
  if (q->unit && *q->unit) json_object_set_new(o, "unit", json_string(q->unit));
  if (number && q->lo <= q->hi) {
    json_object_set_new(o, "low", json_real(q->lo));
    json_object_set_new(o, "high", json_real(q->hi));
    json_object_set_new(o, "low_excluded", json_boolean(q->flags & GANTRY_PF_OPEN_LO));
    json_object_set_new(o, "high_excluded", json_boolean(q->flags & GANTRY_PF_OPEN_HI));
    json_object_set_new(o, "log", json_boolean(q->flags & GANTRY_PF_LOG));
  }
  if (q->type == GANTRY_P_ENUM) json_object_set_new(o, "choices", list(q->choices));
  return o;
}

void cfg_describe(const abi_plugin *p, buf *out) {
  doc_memory();
  const gantry_plugin *d = p->desc;
  json_t *params = json_array();
  for (uint32_t k = 0; k < d->param_count; k++) json_array_append_new(params, param(abi_param_at(d, k)));
  json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s?, s:s, s:[i,i], s:s, s:s, s:o, s:o, s:o}", "kind", abi_kind_name(d->kind), "name", d->name, "version", d->version, "summary", d->summary, "paper", d->paper, "license",
                        d->license ? d->license : "", "abi", d->abi_major, d->abi_minor, "file", p->path, "sha256", p->sha256, "needs", list(d->needs), "provides", list(d->provides), "params", params);
  char *text = json_dumps(o, JSON_INDENT(1));
  buf_puts(out, text ? text : "{}");
  free(text);
  json_decref(o);
}
