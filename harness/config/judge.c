/* judge.c - which value of which metric decides between cells, and whether more of it is better. See loading.h. */
#include <gantry/metric.h>

#include "config/loading.h"

/* The values that the metric with this id gives, or NULL if its plugin is unknown (which its cell will report). */
static const gantry_metric *metric_of(loading *l, const char *id) {
  const json_t *name = json_object_get(json_object_get(json_object_get(l->base, "metrics"), id), "name");
  const abi_plugin *p = json_is_string(name) ? abi_find(l->reg, GANTRY_KIND_METRIC, json_string_value(name)) : NULL;
  return p ? p->desc->iface : NULL;
}

static const gantry_value *value_at(const gantry_metric *m, uint32_t k) { return (const gantry_value *)(const void *)((const char *)m->values + (size_t)k * m->value_stride); }

/* A metric of one value goes by its id, one of several values by id.value; which of them judges must be said or is the first that can: its better is not 0. */
static gantry_status judge_value(loading *l, const doc *src, const place *at, int said) {
  cfg_experiment *x = l->x;
  if (!x->judge_metric) return GANTRY_OK;
  char *id = arena_str(l->a, x->judge_metric), *dot = strchr(id, '.');
  if (dot) *dot++ = 0;
  const gantry_metric *m = metric_of(l, id);
  if (!m || !m->n_values) return GANTRY_OK;
  const char **names = ARENA_ARRAY(l->a, const char *, m->n_values);
  uint32_t hit = m->n_values, fit = m->n_values; /* fit: the first value of which more or less is better */
  for (uint32_t k = 0; k < m->n_values; k++) {
    names[k] = value_at(m, k)->name;
    if (dot && !strcmp(names[k], dot)) hit = k;
    if (value_at(m, k)->better && fit == m->n_values) fit = k;
  }
  if (!dot) hit = fit;
  if (!dot && fit == m->n_values && !said) return x->judge_metric = NULL, GANTRY_OK; /* nobody asked for it */
  if (hit < m->n_values ? !value_at(m, hit)->better : !dot)
    return doc_fail(src, at, AT_VALUE, l->e, "judge: %s%s%s says of itself that neither more nor less of it is better, so it cannot decide between cells%s%s%s%s", id, dot ? "." : "", dot ? dot : "", fit < m->n_values ? "; " : "",
                    fit < m->n_values ? id : "", fit < m->n_values ? "." : "", fit < m->n_values ? arena_fmt(l->a, "%s can", names[fit]) : "");
  if (hit == m->n_values) {
    buf all = {0};
    for (uint32_t k = 0; k < m->n_values; k++) buf_printf(&all, "%s%s.%s", k ? ", " : "", id, names[k]);
    doc_fail(src, at, AT_VALUE, l->e, "judge: metric \"%s\" has no value \"%s\"%s; it has %s", id, dot, near_hint(l->a, dot, names, m->n_values), all.p);
    buf_free(&all);
    return l->e->code;
  }
  x->judge_metric = m->n_values > 1 ? arena_fmt(l->a, "%s.%s", id, names[hit]) : id;
  x->judge_better = value_at(m, hit)->better;
  return GANTRY_OK;
}

gantry_status loading_judge(loading *l) {
  static const char *const known[] = {"metric", "weights", "reduce"}, *const weights[] = {"ema", "raw", "auto"}, *const reduces[] = {"last", "best"};
  const doc *src;
  const json_t *v = loading_top(l, "judge", &src), *metrics = json_object_get(l->base, "metrics");
  const char *const *ids;
  uint32_t n = object_keys(l->a, metrics, &ids);
  cfg_experiment *x = l->x;
  x->judge_metric = n ? ids[0] : NULL;
  x->judge_weights = "auto";
  x->judge_reduce = "last";
  const char *const *keys = NULL;
  uint32_t m = object_keys(l->a, v, &keys);
  for (uint32_t k = 0; k < m; k++) {
    const place *at = doc_place(src, v, keys[k], 0);
    const json_t *one = json_object_get(v, keys[k]);
    const char *s = json_is_string(one) ? arena_str(l->a, json_string_value(one)) : "";
    int which = -1, ok = 0;
    for (int i = 0; i < 3; i++)
      if (!strcmp(keys[k], known[i])) which = i;
    if (which < 0) return doc_fail(src, at, AT_KEY, l->e, "unknown key \"%s\"%s", keys[k], near_hint(l->a, keys[k], known, 3));
    if (which == 0) {
      char *id = arena_str(l->a, s); /* "prdc.recall": one value of a metric that has several */
      id[strcspn(id, ".")] = 0;
      if (!json_object_get(metrics, id)) return doc_fail(src, at, AT_VALUE, l->e, "judge: there is no metric \"%s\"%s", id, near_hint(l->a, id, ids, n));
      x->judge_metric = s;
    } else {
      for (int i = 0; i < (which == 1 ? 3 : 2); i++) ok |= !strcmp(s, which == 1 ? weights[i] : reduces[i]);
      if (!ok) return doc_fail(src, at, AT_VALUE, l->e, which == 1 ? "judge.weights must be \"ema\", \"raw\" or \"auto\"" : "judge.reduce must be \"last\" or \"best\"");
      *(which == 1 ? &x->judge_weights : &x->judge_reduce) = s;
    }
  }
  int said = json_object_get(v, "metric") != NULL;
  for (uint32_t k = 0; !said && k < n; k++) { /* the first metric that can decide */
    x->judge_metric = ids[k];
    TRY(judge_value(l, src, NULL, 0));
    if (x->judge_metric) break;
  }
  return said ? judge_value(l, src, doc_place(src, v, "metric", 0), 1) : GANTRY_OK;
}


/* The weights that judge must be among those that are measured, or other numbers than those that were asked for would be ranked under their name. */
gantry_status loading_judge_weights(loading *l) {
  const doc *src;
  const json_t *v = loading_top(l, "judge", &src);
  const char *want = l->x->judge_weights, *dot = l->x->judge_metric ? strchr(l->x->judge_metric, '.') : NULL;
  uint32_t bit = !strcmp(want, "ema") ? CFG_EMA : CFG_RAW, cells = 0, with = 0;
  if (!l->x->judge_metric || !strcmp(want, "auto")) return GANTRY_OK;
  const char *id = dot ? arena_strn(l->a, l->x->judge_metric, (size_t)(dot - l->x->judge_metric)) : l->x->judge_metric;
  for (uint32_t k = 0; k < l->x->n_cells; k++) {
    const cfg_run *r = l->x->cells[k].run;
    for (uint32_t i = 0; r && i < r->n_metrics; i++)
      if (!strcmp(r->metrics[i].el.id, id)) cells++, with += (r->metrics[i].weights & bit) != 0;
  }
  if (with == cells) return GANTRY_OK;
  const char *what = bit == CFG_EMA ? "averaged weights: see g.ema" : arena_fmt(l->a, "raw weights: see metrics.%s.weights", id);
  if (!with) return doc_fail(src, doc_place(src, v, "weights", 0), AT_VALUE, l->e, "judge.weights is \"%s\", but no cell measures %s of %s", want, id, what);
  loading_warn(l, arena_fmt(l->a, "judge.weights is \"%s\", but %u of %u cells measure %s of other weights only and are judged by those (%s)", want, cells - with, cells, id, what));
  return GANTRY_OK;
}
