/* values.c - parameters to try: every one legal by the plugin's own table. See subject.h. */
#include <math.h>
#include <stdlib.h>

#include "base/hash.h"
#include "check/numeric.h"
#include "check/subject.h"

abi_value *check_values_copy(subject *s, const abi_value *v) { return arena_copy(s->mem, v, sizeof *v * (s->live->param_count + 1)); }

static void enum_choice(const gantry_param *p, uint32_t k, abi_value *v) {
  v->f = k;
  v->s = p->choices[k];
}
static uint32_t choices(const gantry_param *p) {
  uint32_t n = 0;
  while (p->choices && p->choices[n]) n++;
  return n;
}

gantry_status check_values_set(subject *s, abi_value *v, const char *assignment, err *e) {
  const char *eq = strchr(assignment, '=');
  if (!eq) return err_set(e, GANTRY_E_CONFIG, "--set %s: write key=value", assignment);
  const char *key = arena_strn(s->mem, assignment, (size_t)(eq - assignment)), *text = arena_str(s->mem, eq + 1);
  int k = abi_param_find(s->live, key);
  if (k < 0) return err_set(e, GANTRY_E_CONFIG, "--set %s: %s has no parameter \"%s\"", assignment, s->live->name, key);
  const gantry_param *p = abi_param_at(s->live, (uint32_t)k);
  char *end;
  switch (p->type) {
    case GANTRY_P_BOOL: v[k].f = !strcmp(text, "true") || !strcmp(text, "1"); break;
    case GANTRY_P_INT: case GANTRY_P_FLOAT:
      v[k].f = strtod(text, &end);
      if (*end || end == text) return err_set(e, GANTRY_E_CONFIG, "--set %s: that is no number", assignment);
      if (abi_param_check(p, v[k].f, e)) return err_wrap(e, "--set %s", assignment);
      break;
    case GANTRY_P_ENUM: {
      uint32_t c = 0;
      while (c < choices(p) && strcmp(p->choices[c], text)) c++;
      if (c == choices(p)) return err_set(e, GANTRY_E_CONFIG, "--set %s: that is none of its choices", assignment);
      enum_choice(p, c, &v[k]);
      break;
    }
    case GANTRY_P_PATH: {
      char *real = realpath(text, NULL);
      v[k].s = real ? arena_str(s->mem, real) : text;
      free(real);
      break;
    }
    case GANTRY_P_STRING: v[k].s = text; break;
    default: return err_set(e, GANTRY_E_CONFIG, "--set %s: lists cannot be set here", assignment);
  }
  v[k].set = 1;
  return GANTRY_OK;
}

int check_needs_value(const gantry_plugin *d, const abi_value *v, const char **key) {
  for (uint32_t k = 0; k < d->param_count; k++) {
    *key = abi_param_at(d, k)->key;
    if ((abi_param_at(d, k)->flags & GANTRY_PF_REQUIRED) && !v[k].set) return 1;
  }
  return 0;
}

/* Bounds as numbers that may be taken; an unbounded side is far out. */
static void bounds(const gantry_param *p, double *lo, double *hi) {
  int unbounded = p->lo > p->hi;
  *lo = unbounded ? -1e3 : fmax(p->lo, -1e9);
  *hi = unbounded ? 1e3 : fmin(p->hi, 1e9);
  if (p->flags & GANTRY_PF_OPEN_LO) *lo = p->type == GANTRY_P_INT ? *lo + 1 : *lo + fmax(1e-6 * (*hi - *lo), 1e-12);
  if (p->flags & GANTRY_PF_OPEN_HI) *hi = p->type == GANTRY_P_INT ? *hi - 1 : *hi - 1e-6 * (*hi - *lo);
}

void check_values_random(subject *s, abi_value *v, uint64_t seed) {
  for (uint32_t k = 0; k < s->live->param_count; k++) {
    const gantry_param *p = abi_param_at(s->live, k);
    double u = check_uniform(hash_str(p->key, seed), 0), w = check_uniform(hash_str(p->key, seed), 1), lo, hi;
    if (u < 0.4) continue; /* as configured */
    u = (u - 0.4) / 0.6;
    bounds(p, &lo, &hi);
    switch (p->type) {
      case GANTRY_P_BOOL: v[k].f = u < 0.5; break;
      case GANTRY_P_ENUM: if (choices(p)) enum_choice(p, (uint32_t)(u * choices(p)), &v[k]); break;
      case GANTRY_P_INT: /* small numbers more often: sizes grow what is built */
        if (hi > lo + 64) hi = lo + 1 + floor(63 * w);
        v[k].f = lo + floor(u * (hi - lo + 1));
        break;
      case GANTRY_P_FLOAT:
        if (p->flags & GANTRY_PF_LOG) v[k].f = fmin(hi, fmax(lo, fmax(fabs(p->def), 1e-3) * pow(10, 6 * u - 3)));
        else v[k].f = hi - lo > 1e3 ? fmin(hi, fmax(lo, p->def + (2 * u - 1) * fmax(1, fabs(p->def)))) : lo + u * (hi - lo);
        break;
      default: break;
    }
  }
}

int check_value_other(const gantry_param *p, const abi_value *now, uint32_t k, abi_value *out) {
  double lo, hi;
  *out = *now;
  bounds(p, &lo, &hi);
  switch (p->type) {
    case GANTRY_P_BOOL: out->f = now->f == 0; return k == 0;
    case GANTRY_P_ENUM:
      if (k >= choices(p)) return 0;
      enum_choice(p, k, out);
      return 1;
    case GANTRY_P_INT: case GANTRY_P_FLOAT: {
      double middle = p->type == GANTRY_P_INT ? fmin(hi, now->f + 1) : fmin(hi, fmax(lo, now->f != 0 ? now->f * 0.5 : 0.25 * fmin(hi, 1)));
      out->f = k == 0 ? lo : k == 1 ? hi : middle;
      return k < 3;
    }
    default: return 0;
  }
}

void check_values_print(const gantry_plugin *d, const abi_value *v, buf *b) {
  arena *a = arena_new();
  const abi_value *def = abi_defaults(d, a);
  int any = 0;
  for (uint32_t k = 0; k < d->param_count; k++) {
    const gantry_param *p = abi_param_at(d, k);
    if (v[k].f == def[k].f && (!v[k].s || !def[k].s || !strcmp(v[k].s, def[k].s))) continue;
    buf_printf(b, "%s%s=", any++ ? " " : "", p->key);
    if (p->type == GANTRY_P_ENUM || p->type == GANTRY_P_STRING || p->type == GANTRY_P_PATH) buf_puts(b, v[k].s ? v[k].s : "");
    else buf_printf(b, "%.6g", v[k].f);
  }
  if (!any) buf_puts(b, "the defaults");
  arena_free(a);
}
