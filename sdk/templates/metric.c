/* example - distance between the mean generated and the mean real sample: 0 for a G that at least gets the average right.
 *
 * A metric keeps things while the host passes sets of samples by (pass), and makes its values from what was kept (finish, in f64). See <gantry/metric.h>. */
#include <gantry/metric.h>
#include <gantry/nn.h>

static const gantry_value values[] = {{"distance", "", "Euclidean distance of the mean samples, in the data's range", -1, 0}}; /* -1: lower is better */
static const gantry_pass passes[] = {{GANTRY_FAKE, 0, NULL}, {GANTRY_REAL, 0, NULL}};

static gantry_status pass(gantry_ctx *cx, uint32_t k, const gantry_batch *b) {
  static const int64_t rows = 0;
  (void)k; /* both passes keep the same */
  gantry_t x = gan_flatten(cx, b->x);
  int64_t d[2] = {b->n, gan_dim(cx, x, 1)};
  gantry_t counted = gan_mul(cx, x, gan_broadcast(cx, b->valid, 2, d, &rows)); /* the last batch is padded: its extra rows count nothing */
  return cx->host->metric->keep(cx, "sum", gan_sum(cx, gan_f64(cx, counted), &rows, 1), GANTRY_KEEP_SUM);
}

static gantry_t mean(gantry_ctx *cx, uint32_t set) { return gan_div(cx, cx->host->metric->kept(cx, set, "sum"), cx->host->metric->kept(cx, set, "n")); }

static gantry_status finish(gantry_ctx *cx, gantry_t *v, uint32_t n) {
  (void)n; /* one value */
  v[0] = gan_sqrt(cx, gan_sum_all(cx, gan_square(cx, gan_sub(cx, mean(cx, GANTRY_FAKE), mean(cx, GANTRY_REAL)))));
  return GANTRY_OK;
}

static const gantry_metric iface = {.struct_size = sizeof iface, .values = values, .n_values = 1, .value_stride = sizeof values[0],
                                    .passes = passes, .n_passes = 2, .pass_stride = sizeof passes[0], .pass = pass, .finish = finish};
GANTRY_PLUGIN(GANTRY_KIND_METRIC, "example", "0.1.0", "distance of the mean samples") .iface = &iface
GANTRY_PLUGIN_END
