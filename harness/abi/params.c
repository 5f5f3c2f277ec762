/* params.c - see params.h. */
#include "abi/params.h"

#include <math.h>
#include <stdlib.h>

const gantry_param *abi_param_at(const gantry_plugin *desc, uint32_t k) {
  return (const gantry_param *)(const void *)((const char *)desc->params + (size_t)k * desc->param_stride);
}

int abi_param_find(const gantry_plugin *desc, const char *key) {
  for (uint32_t k = 0; k < desc->param_count; k++)
    if (!strcmp(abi_param_at(desc, k)->key, key)) return (int)k;
  return -1;
}

static void parse_list(const char *s, abi_value *v, arena *a) {
  uint32_t n = s && *s ? 1 : 0;
  for (const char *p = s; p && *p; p++) n += *p == ',';
  double *d = ARENA_ARRAY(a, double, n);
  for (uint32_t k = 0; k < n; k++) {
    char *end;
    d[k] = strtod(s, &end);
    s = *end == ',' ? end + 1 : end;
  }
  v->list = d;
  v->n = n;
}

abi_value *abi_defaults(const gantry_plugin *desc, arena *a) {
  abi_value *v = ARENA_ARRAY(a, abi_value, desc->param_count + 1);
  for (uint32_t k = 0; k < desc->param_count; k++) {
    const gantry_param *p = abi_param_at(desc, k);
    v[k].f = p->def;
    v[k].s = p->def_str;
    if (p->type == GANTRY_P_INTS || p->type == GANTRY_P_FLOATS) parse_list(p->def_str, &v[k], a);
    for (uint32_t c = 0; p->type == GANTRY_P_ENUM && p->choices && p->choices[c]; c++)
      if (p->def_str && !strcmp(p->choices[c], p->def_str)) v[k].f = c;
  }
  return v;
}

void abi_param_range(const gantry_param *p, buf *b) {
  if (p->type == GANTRY_P_ENUM) {
    buf_puts(b, "one of ");
    for (uint32_t c = 0; p->choices && p->choices[c]; c++) buf_printf(b, "%s%s", c ? ", " : "", p->choices[c]);
    return;
  }
  if (p->type == GANTRY_P_BOOL) {
    buf_puts(b, "true or false");
    return;
  }
  if (p->type == GANTRY_P_STRING || p->type == GANTRY_P_PATH) {
    buf_puts(b, p->type == GANTRY_P_PATH ? "a path" : "a text");
    return;
  }
  if (p->lo > p->hi) {
    buf_puts(b, p->type == GANTRY_P_INT ? "a whole number" : "any number");
    return;
  }
  int open_lo = (p->flags & GANTRY_PF_OPEN_LO) != 0, open_hi = (p->flags & GANTRY_PF_OPEN_HI) != 0;
  if (isinf(p->hi))
    buf_printf(b, "%s %g", open_lo ? ">" : ">=", p->lo);
  else
    buf_printf(b, "in %c%g, %g%c", open_lo ? '(' : '[', p->lo, p->hi, open_hi ? ')' : ']');
}

gantry_status abi_param_check(const gantry_param *p, double v, err *e) {
  int whole = p->type == GANTRY_P_INT || p->type == GANTRY_P_INTS;
  if (isnan(v) || (whole && (v != floor(v) || fabs(v) > 9007199254740992.0))) return err_set(e, GANTRY_E_CONFIG, "must be a %s number, is %g", whole ? "whole" : "finite", v);
  if (p->lo > p->hi) return GANTRY_OK;
  int low = v < p->lo || ((p->flags & GANTRY_PF_OPEN_LO) && v == p->lo), high = v > p->hi || ((p->flags & GANTRY_PF_OPEN_HI) && v == p->hi);
  if (!low && !high) return GANTRY_OK;
  buf range = {0};
  abi_param_range(p, &range);
  err_set(e, GANTRY_E_CONFIG, "must be %s, is %g", range.p, v);
  buf_free(&range);
  return e->code;
}
