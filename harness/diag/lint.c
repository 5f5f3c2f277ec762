/* lint.c - the table of diag.h. Parameters are found by the vocabulary that plugins share (norm, lr, beta1, out_act), so a plugin of
 * somebody else's is judged as well; where it has no such parameter the rule says nothing. */
#include <gantry/loss.h>
#include <gantry/regularizer.h>

#include "diag/diag.h"

static const abi_value *param(const cfg_element *el, abi_registry *reg, const char *key, const gantry_param **p) {
  const abi_plugin *plugin = abi_find(reg, el->kind, el->name);
  int k = plugin ? abi_param_find(plugin->desc, key) : -1;
  if (k < 0) return NULL;
  if (p) *p = abi_param_at(plugin->desc, (uint32_t)k);
  return &el->values[k];
}

static int number(const cfg_element *el, abi_registry *reg, const char *key, double *v) {
  const gantry_param *p = NULL;
  const abi_value *x = param(el, reg, key, &p);
  if (!x || (p->type != GANTRY_P_FLOAT && p->type != GANTRY_P_INT)) return 0;
  *v = x->f;
  return 1;
}

static int word_is(const cfg_element *el, abi_registry *reg, const char *key, const char *word) {
  const abi_value *x = param(el, reg, key, NULL);
  return x && x->s && !strcmp(x->s, word);
}

static uint32_t loss_flags(const cfg_run *r, abi_registry *reg) {
  const abi_plugin *p = abi_find(reg, GANTRY_KIND_LOSS, r->loss.name);
  return p ? ((const gantry_loss *)p->desc->iface)->flags : 0;
}

static const cfg_element *bound(const cfg_run *r, abi_registry *reg, uint32_t nth) {
  for (uint32_t k = 0; k < r->n_regs; k++) {
    const abi_plugin *p = abi_find(reg, GANTRY_KIND_REGULARIZER, r->regs[k].name);
    if (p && ((const gantry_regularizer *)p->desc->iface)->flags & GANTRY_REG_BOUNDS_D && !nth--) return &r->regs[k];
  }
  return NULL;
}

static int has_term(const cfg_run *r, const char *name) {
  for (uint32_t k = 0; k < r->n_regs; k++)
    if (!strcmp(r->regs[k].name, name)) return 1;
  return 0;
}

static int unbounded(const cfg_run *r, abi_registry *reg, buf *d) {
  if (!(loss_flags(r, reg) & GANTRY_LOSS_LIPSCHITZ) || bound(r, reg, 0)) return 0;
  buf_printf(d, "loss %s, nothing bounds D", r->loss.name);
  return 1;
}

static int two_bounds(const cfg_run *r, abi_registry *reg, buf *d) {
  const cfg_element *a = bound(r, reg, 0), *b = bound(r, reg, 1);
  if (!a || !b) return 0;
  buf_printf(d, "%s and %s", a->path, b->path);
  return 1;
}

static int batch_norm_with_penalty(const cfg_run *r, abi_registry *reg, buf *d) {
  if (!word_is(&r->d.arch, reg, "norm", "batch") || !(has_term(r, "gradient_penalty") || has_term(r, "r1"))) return 0;
  buf_puts(d, "d.arch.norm is batch, and a gradient penalty is on");
  return 1;
}

static int small_batch_norm(const cfg_run *r, abi_registry *reg, buf *d) {
  if (r->batch >= 16 || !(word_is(&r->d.arch, reg, "norm", "batch") || word_is(&r->g.arch, reg, "norm", "batch"))) return 0;
  buf_printf(d, "batch %lld with batch normalization", (long long)r->batch);
  return 1;
}

/* Weights of an equalized learning rate begin as N(0,1) and are scaled where they are used: a step is a smaller share of them (StyleGAN2's rate is 0.0025). */
static int equalized(const cfg_element *arch, abi_registry *reg) {
  const abi_value *x = param(arch, reg, "equalized", NULL);
  return x && x->f > 0;
}

static int high_rate(const cfg_run *r, abi_registry *reg, buf *d) {
  double g = 0, c = 0;
  int a = number(&r->g.optim, reg, "lr", &g), b = number(&r->d.optim, reg, "lr", &c);
  int adam_g = a && strstr(r->g.optim.name, "adam") && !equalized(&r->g.arch, reg), adam_d = b && strstr(r->d.optim.name, "adam") && !equalized(&r->d.arch, reg);
  if (!(adam_g && g > 2e-3) && !(adam_d && c > 5e-3)) return 0;
  buf_printf(d, "learning rates %g (G) and %g (D)", g, c);
  return 1;
}

static int high_momentum(const cfg_run *r, abi_registry *reg, buf *d) {
  double g = 0, c = 0;
  number(&r->g.optim, reg, "beta1", &g);
  number(&r->d.optim, reg, "beta1", &c);
  if (g <= 0.6 && c <= 0.6) return 0;
  buf_printf(d, "beta1 %g (G) and %g (D)", g, c);
  return 1;
}

static int range_and_output(const cfg_run *r, abi_registry *reg, buf *d) {
  int tanh_out = word_is(&r->g.arch, reg, "out_act", "tanh"), sigmoid_out = word_is(&r->g.arch, reg, "out_act", "sigmoid");
  double lo = tanh_out ? -1 : 0;
  if ((!tanh_out && !sigmoid_out) || (r->range[0] == lo && r->range[1] == 1)) return 0;
  buf_printf(d, "G ends in %s, the data lie in [%g, %g]", tanh_out ? "tanh" : "sigmoid", r->range[0], r->range[1]);
  return 1;
}

static int few_critic_steps(const cfg_run *r, abi_registry *reg, buf *d) {
  if (!(loss_flags(r, reg) & GANTRY_LOSS_LIPSCHITZ) || r->d_steps >= 3 || has_term(r, "spectral_norm")) return 0;
  buf_printf(d, "loss %s with d_steps %lld", r->loss.name, (long long)r->d_steps);
  return 1;
}

static int no_average(const cfg_run *r, abi_registry *reg, buf *d) {
  (void)reg;
  if (r->g.ema) return 0;
  buf_puts(d, "g.ema is not set");
  return 1;
}

static int few_fakes(const cfg_run *r, abi_registry *reg, buf *d) {
  (void)reg;
  int hit = 0;
  for (uint32_t k = 0; k < r->n_metrics; k++) {
    if (!r->metrics[k].features || r->metrics[k].fake >= 5000) continue;
    buf_printf(d, "%s%s from %lld samples", hit ? ", " : "", r->metrics[k].el.path, (long long)r->metrics[k].fake);
    hit = 1;
  }
  return hit;
}

static int no_metric(const cfg_run *r, abi_registry *reg, buf *d) {
  (void)reg;
  if (r->n_metrics) return 0;
  buf_puts(d, "metrics is empty");
  return 1;
}

static const diag_rule rules[] = {
  {"UNBOUNDED_CRITIC", DIAG_ERROR, "A Wasserstein critic without a Lipschitz bound estimates nothing and its loss runs away.", "add gradient_penalty, spectral_norm or weight_clip", "Arjovsky et al. 2017", unbounded},
  {"RANGE_AND_OUTPUT", DIAG_ERROR, "G cannot produce the values that the data have, so D tells them apart at once.", "make data.range fit g.arch.out_act: [-1, 1] for tanh, [0, 1] for sigmoid", "Radford et al. 2016", range_and_output},
  {"BATCH_NORM_WITH_PENALTY", DIAG_WARN, "A gradient penalty is meant per sample; batch normalization in D ties the samples of a batch together.", "set d.arch.norm to layer, instance or none", "Gulrajani et al. 2017", batch_norm_with_penalty},
  {"TWO_BOUNDS", DIAG_WARN, "D is bounded twice, which can leave it too weak to learn; as an ablation that may be wanted.", "keep one, or make the other an axis", NULL, two_bounds},
  {"SMALL_BATCH_NORM", DIAG_WARN, "Statistics of few samples are noise that both networks have to learn around.", "a batch of 16 or more, or another norm", "Ioffe & Szegedy 2015", small_batch_norm},
  {"HIGH_RATE", DIAG_WARN, "Adam with such a rate oscillates in most published recipes.", "start at 2e-4", "Radford et al. 2016", high_rate},
  {"HIGH_MOMENTUM", DIAG_WARN, "Momentum carries each network past the point to which the other has moved.", "beta1 0.5 (DCGAN), 0 (WGAN-GP, StyleGAN)", "Radford et al. 2016; Gidel et al. 2019", high_momentum},
  {"FEW_CRITIC_STEPS", DIAG_WARN, "G follows a critic that is not yet near its optimum.", "train.d_steps 5", "Arjovsky et al. 2017", few_critic_steps},
  {"FEW_SAMPLES", DIAG_WARN, "Frechet distances from few samples are biased upwards, and differently for every model.", "10000 samples or more", "Chong & Forsyth 2020", few_fakes},
  {"NO_METRIC", DIAG_WARN, "Losses of a GAN do not say which cell is better.", "add a metric and a judge", "Lucic et al. 2018", no_metric},
  {"NO_AVERAGE", DIAG_INFO, "An average of G's weights is usually better than the last ones, at no training cost.", "g.ema {\"half_life\": {\"kimg\": 10}}", "Yazici et al. 2019", no_average},
  {NULL, 0, NULL, NULL, NULL, NULL}};

const diag_rule *diag_rules(void) { return rules; }
