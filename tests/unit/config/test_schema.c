/* The JSON Schema: valid JSON, complete, and true to the plugins' tables. */
#include "fixture.h"

#include <jansson.h>

static void test_schema__names_every_plugin_and_section(void) {
  buf b = {0};
  cfg_schema(fixture_registry(), &b);
  json_error_t why;
  json_t *s = json_loads(b.p, JSON_REJECT_DUPLICATES, &why);
  T_CHECK(s != NULL);
  json_t *base = json_object_get(json_object_get(json_object_get(json_object_get(s, "properties"), "base"), "properties"), "regularizers");
  T_CHECK(json_array_size(json_object_get(json_object_get(base, "additionalProperties"), "anyOf")) == 7);
  static const char *const keys[] = {"data", "g", "d", "net", "loss", "regularizers", "schedules", "train", "metrics", "samples", "checkpoints", "log"};
  json_t *sections = json_object_get(json_object_get(json_object_get(s, "properties"), "base"), "properties");
  for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) T_CHECK(json_is_object(json_object_get(sections, keys[k])));
  json_t *adam = json_array_get(json_object_get(json_object_get(json_object_get(s, "definitions"), "optim"), "anyOf"), 0);
  json_t *beta = json_object_get(json_object_get(adam, "properties"), "beta1");
  T_CHECK(json_real_value(json_object_get(beta, "exclusiveMaximum")) == 1 && json_real_value(json_object_get(beta, "default")) == 0.5);
  T_CHECK(json_is_false(json_object_get(adam, "additionalProperties")));
  json_decref(s);
  buf_free(&b);
  fixture_done();
}

T_MAIN(T(test_schema__names_every_plugin_and_section))
