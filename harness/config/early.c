/* early.c - the experiment's "early_stopping" section. See loading.h.
 *
 *   "early_stopping": {"rule": "median", "after": {"fraction": 0.25}, "least": 3}
 *   "early_stopping": {"rule": "asha", "after": {"steps": 500}, "factor": 3}
 *
 * It belongs to the grid, not to a run: no key depends on it, so taking it away lets the runs it ended go on. */
#include "config/loading.h"
#include "config/resolve.h"

/* The first evaluation comes before the end. Epochs have a length only once the data are read: in doubt, yes. */
static int on_the_way(const cfg_run *r, cfg_duration every) {
  if (every.unit == CFG_NEVER || every.unit == CFG_END) return 0;
  if (every.unit == CFG_FRACTION) return every.n < 1;
  if (every.unit == CFG_EPOCHS || r->length.unit == CFG_EPOCHS) return every.unit != r->length.unit || every.n < r->length.n;
  int64_t total = cfg_total_steps(r, 1);
  return cfg_steps(r, every, 1, total) < total;
}

/* Some cell computes the judged metric before its end: without that no run would ever be stopped. */
static int seen_on_the_way(const cfg_experiment *x) {
  size_t n = strcspn(x->judge_metric, ".");
  for (uint32_t k = 0; k < x->n_cells; k++)
    for (uint32_t j = 0; x->cells[k].run && j < x->cells[k].run->n_metrics; j++) {
      const cfg_element *el = &x->cells[k].run->metrics[j].el;
      if (!strncmp(el->id, x->judge_metric, n) && !el->id[n] && on_the_way(x->cells[k].run, el->every)) return 1;
    }
  return 0;
}

gantry_status loading_early(loading *l) {
  static const char *const known[] = {"rule", "after", "factor", "least", NULL}, *const rules[] = {"median", "asha", NULL};
  const doc *src;
  const json_t *v = loading_top(l, "early_stopping", &src);
  cfg_early *q = &l->x->early;
  if (!v) return GANTRY_OK;
  layer root = {.path = "", .value = src->root, .src = src};
  resolver rs = {.a = l->a, .reg = l->reg, .from = {&root, 1}, .dir = l->x->dir, .cfg = src->root, .e = l->e};
  json_t *o = NULL, *out = json_object();
  const char *at = "early_stopping", *rule = "";
  gantry_status st = read_object(&rs, src->root, "", at, known, &o);
  if (!st) st = read_word(&rs, o, out, at, "rule", "median", rules, &rule);
  if (!st) st = read_duration(&rs, o, out, at, "after", (cfg_duration){CFG_FRACTION, 0.25}, &q->after);
  if (!st) st = read_num(&rs, o, out, at, "factor", 3, 1.5, 100, &q->factor);
  if (!st) st = read_int(&rs, o, out, at, "least", 3, 1, 1000, &q->least);
  q->rule = strcmp(rule, "asha") ? CFG_MEDIAN : CFG_ASHA;
  json_decref(out);
  TRY(st);
  if (q->after.unit == CFG_EPOCHS || q->after.unit == CFG_END) return layers_fail(&rs.from, "early_stopping.after", AT_VALUE, l->e, "early_stopping.after counts steps, images, kimg or a fraction of the run");
  if (!l->x->judge_metric || !l->x->judge_better) return layers_fail(&rs.from, at, AT_KEY, l->e, "early_stopping needs a metric to judge by, of which more or less is better: see \"judge\"");
  return GANTRY_OK;
}

gantry_status loading_early_seen(loading *l) {
  const doc *src;
  if (!loading_top(l, "early_stopping", &src) || l->o->smoke || seen_on_the_way(l->x)) return GANTRY_OK; /* a smoke test evaluates once, and is not there to be stopped */
  layer root = {.path = "", .value = src->root, .src = src};
  layers from = {&root, 1};
  const char *metric = l->x->judge_metric;
  return layers_fail(&from, "early_stopping", AT_KEY, l->e, "early_stopping looks at %s on the way, which is computed at the end only: set metrics.%.*s.every to less than a run's length", metric, (int)strcspn(metric, "."), metric);
}
