/* draw.c - axes whose values are drawn: {"path": "g.optim.lr", "draw": {"log_uniform": [1e-5, 1e-2], "n": 8, "seed": 1}}. See expand.h.
 *
 * The values are a fixed function of seed, the axis's name and their number, so that another axis or another n moves none of them; numbers are rounded to three digits, so that a label says
 * exactly what the run got. What was drawn is written into the experiment's stored text as "values". Random search over several axes: the same n everywhere and "design": ["zip"]. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "config/expand.h"

enum { MOST = 10000 };

static double rounded(double v) {
  char text[40];
  snprintf(text, sizeof text, "%.3g", v);
  return strtod(text, NULL);
}

static gantry_status bounds(const doc *src, const json_t *draw, const char *how, const char *axis_name, double *lo, double *hi, err *e) {
  const json_t *v = json_object_get(draw, how), *a = json_array_get(v, 0), *b = json_array_get(v, 1);
  *lo = json_number_value(a);
  *hi = json_number_value(b);
  int good = json_array_size(v) == 2 && json_is_number(a) && json_is_number(b) && *lo < *hi && (*how != 'l' || *lo > 0);
  return good ? GANTRY_OK : doc_fail(src, doc_place(src, draw, how, 0), AT_VALUE, e, "axis \"%s\": %s takes [lowest, highest]%s", axis_name, how, *how == 'l' ? ", both above 0" : "");
}

gantry_status draw_values(const doc *src, const axis *x, const json_t *draw, json_t **values, arena *a, err *e) {
  static const char *const known[] = {"uniform", "log_uniform", "choice", "n", "seed", "integer"};
  const char *const *keys;
  const char *how = NULL;
  const place *at = doc_place(src, x->self, "draw", 0);
  double lo = 0, hi = 0;
  if (!json_is_object(draw)) return doc_fail(src, at, AT_VALUE, e, "axis \"%s\": \"draw\" must be an object such as {\"log_uniform\": [1e-5, 1e-2], \"n\": 8}", x->name);
  uint32_t m = object_keys(a, draw, &keys);
  for (uint32_t k = 0; k < m; k++) {
    int which = -1;
    for (int i = 0; i < 6; i++)
      if (!strcmp(keys[k], known[i])) which = i;
    if (which < 0) return doc_fail(src, doc_place(src, draw, keys[k], 0), AT_KEY, e, "unknown key \"%s\"%s", keys[k], near_hint(a, keys[k], known, 6));
    if (which < 3 && how) return doc_fail(src, doc_place(src, draw, keys[k], 0), AT_KEY, e, "axis \"%s\" draws from one of uniform, log_uniform and choice, not from two", x->name);
    if (which < 3) how = known[which];
  }
  const json_t *n = json_object_get(draw, "n"), *seed = json_object_get(draw, "seed"), *whole = json_object_get(draw, "integer"), *list = json_object_get(draw, "choice");
  if (!how) return doc_fail(src, at, AT_VALUE, e, "axis \"%s\": \"draw\" needs uniform, log_uniform or choice", x->name);
  if (!json_is_integer(n) || json_integer_value(n) < 1 || json_integer_value(n) > MOST) return doc_fail(src, n ? doc_place(src, draw, "n", 0) : at, AT_VALUE, e, "axis \"%s\": draw.n says how many values are drawn, 1 to %d", x->name, MOST);
  if (seed && !json_is_integer(seed)) return doc_fail(src, doc_place(src, draw, "seed", 0), AT_VALUE, e, "axis \"%s\": draw.seed must be a whole number", x->name);
  if (whole && !json_is_boolean(whole)) return doc_fail(src, doc_place(src, draw, "integer", 0), AT_VALUE, e, "axis \"%s\": draw.integer must be true or false", x->name);
  if (*how == 'c' && !json_array_size(list)) return doc_fail(src, doc_place(src, draw, "choice", 0), AT_VALUE, e, "axis \"%s\": choice takes a list with at least one value", x->name);
  if (*how != 'c') TRY(bounds(src, draw, how, x->name, &lo, &hi, e));
  *values = json_array();
  uint64_t stream = hash_str(x->name, 0);
  for (json_int_t k = 0; k < json_integer_value(n); k++) {
    uint64_t bits = hash_mix(hash_mix((uint64_t)json_integer_value(seed), stream), (uint64_t)k);
    double u = (double)(bits >> 11) / 9007199254740992.0, v = *how == 'l' ? exp(log(lo) + u * (log(hi) - log(lo))) : lo + u * (hi - lo);
    if (*how == 'c') json_array_append(*values, json_array_get(list, (size_t)(u * (double)json_array_size(list))));
    else if (json_is_true(whole)) json_array_append_new(*values, json_integer((json_int_t)floor(v + 0.5)));
    else json_array_append_new(*values, json_real(rounded(v)));
  }
  return GANTRY_OK;
}
