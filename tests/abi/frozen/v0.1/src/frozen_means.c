/* frozen_means - squared distance of the means of generated and real samples; built once, see ../README.md. */
#include <gantry/metric.h>
#include <gantry/nn.h>
static const gantry_value values[] = {{"distance", "", "squared distance of the means", -1, 0}};
static const gantry_pass passes[] = {{GANTRY_FAKE, 0, NULL}, {GANTRY_REAL, 0, NULL}};
static gantry_status pass(gantry_ctx *cx, uint32_t k, const gantry_batch *b) {
  static const int64_t rows = 0, along[1] = {0};
  int64_t d[GANTRY_MAX_RANK];
  gantry_t x = gan_f64(cx, gan_flatten(cx, b->x));
  (void)k;
  gan_shape(cx, x, d);
  x = gan_mul(cx, x, gan_broadcast(cx, gan_f64(cx, b->valid), 2, d, along));
  return cx->host->metric->keep(cx, "sum", gan_sum(cx, x, &rows, 1), GANTRY_KEEP_SUM);
}
static gantry_t mean(gantry_ctx *cx, uint32_t set) { return gan_div(cx, cx->host->metric->kept(cx, set, "sum"), cx->host->metric->kept(cx, set, "n")); }
static gantry_status finish(gantry_ctx *cx, gantry_t *v, uint32_t n) {
  (void)n;
  v[0] = gan_sum_all(cx, gan_square(cx, gan_sub(cx, mean(cx, GANTRY_FAKE), mean(cx, GANTRY_REAL))));
  return GANTRY_OK;
}
static const gantry_metric iface = {.struct_size = sizeof iface, .values = values, .n_values = 1, .value_stride = sizeof values[0], .passes = passes, .n_passes = 2, .pass_stride = sizeof passes[0], .pass = pass, .finish = finish};
static const char *const needs[] = {"g.image", NULL};
GANTRY_PLUGIN(GANTRY_KIND_METRIC, "frozen_means", "1.0.0", "distance of means of the first release") .needs = needs, .iface = &iface GANTRY_PLUGIN_END
