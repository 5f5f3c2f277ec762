/* designs.c - which combinations of levels an experiment runs: product, one_at_a_time, leave_one_out, cumulative, zip, random.
 *
 * A combination is one level per axis. Where an axis' `when` does not hold it takes no level, so combinations that differ only
 * there fall together. Everything is in the order of the file; the random design is a fixed function of its seed. */
#include <stdlib.h>

#include "base/hash.h"
#include "config/expand.h"

typedef struct making { plan_in *in; arena *a; combos *out; } making;

static const char *label_of(making *m, const int32_t *lv) {
  buf b = {0};
  for (uint32_t k = 0; k < m->in->n_axes; k++)
    if (lv[k] >= 0) buf_printf(&b, "%s%s=%s", b.n ? " " : "", m->in->axes[k].name, m->in->axes[k].levels[lv[k]].label);
  const char *s = arena_str(m->a, b.n ? b.p : "base");
  buf_free(&b);
  return s;
}

static void add(making *m, const int32_t *wanted) {
  uint32_t n = m->in->n_axes;
  int32_t *lv = ARENA_ARRAY(m->a, int32_t, n + 1);
  memcpy(lv, wanted, sizeof *lv * n);
  for (uint32_t k = 0; k < n; k++)
    if (m->in->axes[k].when && !matches(m->in, m->in->axes[k].when, lv, m->a)) lv[k] = -1;
  for (uint32_t i = 0; i < m->out->n; i++)
    if (!memcmp(m->out->p[i].level, lv, sizeof *lv * n)) return;
  combo c = {.label = label_of(m, lv), .level = lv};
  VEC_PUSH(*m->out, c);
}

static void baseline(const plan_in *in, int32_t *lv) {
  for (uint32_t k = 0; k < in->n_axes; k++) lv[k] = (int32_t)in->axes[k].baseline;
}

/* The last level that is not the baseline: "on" of an on/off axis. */
static int32_t fullest(const axis *x) {
  for (uint32_t k = x->n; k-- > 0;)
    if (k != x->baseline) return (int32_t)k;
  return (int32_t)x->baseline;
}

enum { MAX_PRODUCT = 20000 };

static gantry_status product(making *m, const place *at, err *e) {
  uint32_t n = m->in->n_axes, k;
  double total = 1;
  for (k = 0; k < n; k++) total *= m->in->axes[k].n;
  if (total > MAX_PRODUCT) return doc_fail(m->in->src_design, at, AT_VALUE, e, "the product of the axes has %.0f combinations, more than the %d that are expanded; choose {\"random\": n}", total, MAX_PRODUCT);
  int32_t *lv = ARENA_ARRAY(m->a, int32_t, n + 1);
  do {
    add(m, lv);
    for (k = n; k-- > 0;) { /* the last axis runs fastest */
      if (++lv[k] < (int32_t)m->in->axes[k].n) break;
      lv[k] = 0;
    }
  } while (k < n);
  return GANTRY_OK;
}

static void one_at_a_time(making *m) {
  uint32_t n = m->in->n_axes;
  int32_t *lv = ARENA_ARRAY(m->a, int32_t, n + 1);
  baseline(m->in, lv);
  add(m, lv);
  for (uint32_t k = 0; k < n; k++)
    for (int32_t i = 0; i < (int32_t)m->in->axes[k].n; i++) {
      baseline(m->in, lv);
      lv[k] = i;
      add(m, lv);
    }
}

static void leave_one_out(making *m) {
  uint32_t n = m->in->n_axes;
  int32_t *lv = ARENA_ARRAY(m->a, int32_t, n + 1);
  for (uint32_t out = 0; out <= n; out++) { /* out = 0: everything; then everything but one */
    for (uint32_t k = 0; k < n; k++) lv[k] = k + 1 == out ? (int32_t)m->in->axes[k].baseline : fullest(&m->in->axes[k]);
    add(m, lv);
  }
}

static void cumulative(making *m) {
  uint32_t n = m->in->n_axes;
  int32_t *lv = ARENA_ARRAY(m->a, int32_t, n + 1);
  baseline(m->in, lv);
  add(m, lv);
  for (uint32_t k = 0; k < n; k++) {
    lv[k] = fullest(&m->in->axes[k]);
    add(m, lv);
  }
}

static void random_draw(making *m, int64_t want, uint64_t seed) {
  uint32_t n = m->in->n_axes;
  int32_t *lv = ARENA_ARRAY(m->a, int32_t, n + 1);
  uint32_t before = m->out->n;
  for (uint64_t t = 0; t < (uint64_t)want * 200 && m->out->n - before < (uint64_t)want; t++) {
    for (uint32_t k = 0; k < n; k++) lv[k] = (int32_t)(hash_mix(hash_mix(seed, t), k) % m->in->axes[k].n);
    int shut = 0;
    for (uint32_t k = 0; k < m->in->n_excludes; k++) shut |= matches(m->in, m->in->excludes[k].when, lv, m->a);
    if (!shut) add(m, lv);
  }
}

/* ---- ladders ---- */

static void add_rungs(making *m, const char *label, uint32_t upto, uint32_t skip, uint8_t kept_only) {
  VEC(layer) sets = {0};
  for (uint32_t k = 0; k <= upto && k < m->in->n_rungs; k++) {
    const level *r = &m->in->rungs[k];
    if (k == skip || (!r->keep && (kept_only || k != upto))) continue;
    for (uint32_t s = 0; s < r->sets.n; s++) VEC_PUSH(sets, r->sets.p[s]);
  }
  combo c = {.label = label, .level = ARENA_NEW(m->a, int32_t), .sets = {arena_copy(m->a, sets.p, sizeof *sets.p * sets.n), sets.n}};
  c.level[0] = (int32_t)m->out->n;
  free(sets.p);
  VEC_PUSH(*m->out, c);
}

static void ladder_cumulative(making *m) {
  for (uint32_t k = 0; k < m->in->n_rungs; k++) add_rungs(m, m->in->rungs[k].label, k, UINT32_MAX, 0);
}

static void ladder_leave_one_out(making *m) {
  uint32_t first = 0;
  while (first < m->in->n_rungs && !m->in->rungs[first].keep) first++; /* the rung at the bottom cannot be left out */
  for (uint32_t k = first + 1; k < m->in->n_rungs; k++)
    if (m->in->rungs[k].keep) add_rungs(m, arena_fmt(m->a, "full minus %s", m->in->rungs[k].label), m->in->n_rungs - 1, k, 1);
}

static void rungs_become_levels(making *m) {
  level *lv = ARENA_ARRAY(m->a, level, m->out->n + 1);
  for (uint32_t k = 0; k < m->out->n; k++) {
    lv[k].label = m->out->p[k].label;
    lv[k].value_json = k < m->in->n_rungs ? m->in->rungs[k].value_json : "{}";
  }
  m->in->axes[0].levels = lv;
  m->in->axes[0].n = m->out->n;
}

static gantry_status one_design(making *m, const json_t *d, const place *at, err *e) {
  static const char *const names[] = {"product", "one_at_a_time", "leave_one_out", "cumulative", "zip", "random"};
  const doc *src = m->in->src_design;
  const json_t *count = json_object_get(d, "random");
  if (count) {
    json_int_t n = json_integer_value(count);
    if (n < 1 || n > 100000 || m->in->is_ladder) return doc_fail(src, at, AT_VALUE, e, "{\"random\": n} draws n cells from axes; n from 1 to 100000");
    random_draw(m, n, (uint64_t)json_integer_value(json_object_get(d, "seed")));
    return GANTRY_OK;
  }
  const char *s = json_is_string(d) ? json_string_value(d) : "";
  if (!strcmp(s, "random")) return doc_fail(src, at, AT_VALUE, e, "a random design says how many cells: {\"random\": 20}");
  if (m->in->is_ladder && strcmp(s, "cumulative") && strcmp(s, "leave_one_out")) return doc_fail(src, at, AT_VALUE, e, "a ladder has the designs \"cumulative\" and \"leave_one_out\"");
  if (!strcmp(s, "product")) return product(m, at, e);
  if (!strcmp(s, "one_at_a_time")) one_at_a_time(m);
  else if (!strcmp(s, "leave_one_out")) m->in->is_ladder ? ladder_leave_one_out(m) : leave_one_out(m);
  else if (!strcmp(s, "cumulative")) m->in->is_ladder ? ladder_cumulative(m) : cumulative(m);
  else if (!strcmp(s, "zip")) {
    uint32_t n = m->in->n_axes ? m->in->axes[0].n : 1;
    int32_t *lv = ARENA_ARRAY(m->a, int32_t, m->in->n_axes + 1);
    for (uint32_t k = 1; k < m->in->n_axes; k++)
      if (m->in->axes[k].n != n) return doc_fail(src, at, AT_VALUE, e, "zip takes the k-th level of every axis, but \"%s\" has %u levels and \"%s\" has %u", m->in->axes[0].name, n, m->in->axes[k].name, m->in->axes[k].n);
    for (uint32_t i = 0; i < n; i++) {
      for (uint32_t k = 0; k < m->in->n_axes; k++) lv[k] = (int32_t)i;
      add(m, lv);
    }
  } else
    return doc_fail(src, at, AT_VALUE, e, "unknown design%s; designs are product, one_at_a_time, leave_one_out, cumulative, zip, {\"random\": n}", near_hint(m->a, s, names, 6));
  return GANTRY_OK;
}

gantry_status make_combos(plan_in *in, const json_t *design, const json_t *design_parent, arena *a, combos *out, err *e) {
  making m = {in, a, out};
  if (!design && in->is_ladder) ladder_cumulative(&m);
  else if (!design) return product(&m, NULL, e);
  else if (json_is_array(design))
    for (size_t k = 0; k < json_array_size(design); k++) TRY(one_design(&m, json_array_get(design, k), doc_place(in->src_design, design, NULL, k), e));
  else TRY(one_design(&m, design, doc_place(in->src_design, design_parent, "design", 0), e));
  if (in->is_ladder) rungs_become_levels(&m);
  return GANTRY_OK;
}
