/* metrics.c - see metrics.h. */
#include "train/metrics.h"

gantry_status train_metric_open(const train_run *r, uint32_t k, abi_element *out, err *e) {
  const cfg_element *el = &r->cfg->metrics[k].el;
  abi_plugin *p = abi_need(r->registry, GANTRY_KIND_METRIC, el->name, e);
  if (!p || abi_open(p, e)) return err_wrap(e, "%s", el->path);
  *out = (abi_element){.plugin = p->live, .values = el->values, .path = el->path, .id = el->id};
  return GANTRY_OK;
}

eval_request train_metric_request(const train_run *r, uint32_t k, const abi_element *el, int ema, const char *fake_split) {
  const cfg_metric *m = &r->cfg->metrics[k];
  return (eval_request){.metric = el, .features = m->features, .fake = m->fake, .real = m->real, .real_limit = m->real_limit, .weights = ema ? GANTRY_EMA : 0, .fake_split = fake_split};
}

/* A folder of images need not have one. */
static int has_test_split(train_run *r) {
  data_set *test = NULL;
  err ignored = {0};
  if (!r->test_split) r->test_split = data_open(&r->data_el, &(data_options){.split = "test", .limit_seed = -1, .range = {-1, 1}, .shape_only = 1}, &test, &ignored) ? 2 : 1;
  data_close(test);
  err_clear(&ignored);
  return r->test_split == 1;
}

int train_metric_has_floor(train_run *r, uint32_t k, const abi_element *el) {
  const gantry_metric *iface = el->plugin->iface;
  uint32_t fake = 0, real = 0;
  for (uint32_t j = 0; j < iface->n_passes; j++) {
    const gantry_pass *pass = (const gantry_pass *)(const void *)((const char *)iface->passes + (size_t)j * iface->pass_stride);
    fake += pass->set == GANTRY_FAKE;
    real += pass->set == GANTRY_REAL;
  }
  return fake && real && !strcmp(r->cfg->metrics[k].real, "train") && has_test_split(r);
}

int train_metric_wants(const train_run *r, uint32_t k, int ema) { return (r->cfg->metrics[k].weights & (ema ? CFG_EMA : CFG_RAW)) && (!ema || r->cfg->g.ema); }

gantry_status train_metrics_build(train_run *r, err *e) {
  eval_context c;
  gantry_status st = GANTRY_OK;
  eval_init(&c, r->world, NULL, r->registry, &r->data_el, r->data, r->cfg->range, r->seed);
  for (uint32_t k = 0; k < r->cfg->n_metrics && !st; k++) {
    abi_element el;
    if ((st = train_metric_open(r, k, &el, e))) break;
    /* raw and averaged weights have the same shapes: one of them tells */
    for (int ema = 0, built = 0; ema < 2 && !built && !st; ema++)
      if (train_metric_wants(r, k, ema)) {
        eval_request q = train_metric_request(r, k, &el, ema, NULL);
        st = eval_metric_build(&c, &q, e);
        built = 1;
      }
    if (!st && train_metric_has_floor(r, k, &el)) {
      eval_request q = train_metric_request(r, k, &el, 0, "test");
      if ((st = eval_metric_build(&c, &q, e))) err_wrap(e, "%s, with the data's split \"test\" in place of generated samples", el.path);
    }
  }
  eval_free(&c);
  return st;
}
