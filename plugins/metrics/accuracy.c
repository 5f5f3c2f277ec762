/* accuracy - share of held-out images whose class a classifier names rightly; the measure of feature networks. */
#include <gantry/metric.h>
#include <gantry/nn.h>

static const gantry_value values[] = {{"accuracy", "", "share of right answers on the test split", 1, 0}};
static const gantry_pass passes[] = {{GANTRY_HELD_OUT, 0, NULL}};

static gantry_status pass(gantry_ctx *cx, uint32_t k, const gantry_batch *b) {
  (void)k;
  if (!b->label.id) return gan_fail(cx, "the data set has no labels");
  gantry_t right = gan_f32(cx, gan_eq(cx, gan_argmax(cx, cx->host->metric->features(cx, b->x, "class"), 1), b->label));
  return cx->host->metric->keep(cx, "right", gan_sum_all(cx, gan_f64(cx, gan_mul(cx, right, b->valid))), GANTRY_KEEP_SUM);
}

static gantry_status finish(gantry_ctx *cx, gantry_t *v, uint32_t n) {
  (void)n;
  v[0] = gan_div(cx, cx->host->metric->kept(cx, GANTRY_HELD_OUT, "right"), cx->host->metric->kept(cx, GANTRY_HELD_OUT, "n"));
  return GANTRY_OK;
}

static const gantry_metric iface = {.struct_size = sizeof iface, .values = values, .n_values = 1, .value_stride = sizeof values[0], .passes = passes, .n_passes = 1, .pass_stride = sizeof passes[0], .pass = pass, .finish = finish};
static const char *const needs[] = {"data.label", NULL};
GANTRY_PLUGIN(GANTRY_KIND_METRIC, "accuracy", "1.0.0", "share of right answers of a classifier")
  .needs = needs, .iface = &iface
GANTRY_PLUGIN_END
