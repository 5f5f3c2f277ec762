/* mode_coverage - how many modes of a mixture G reaches, and the share of its samples that lie near one.
 *
 * A sample is of high quality if it lies within `sigmas` standard deviations of its nearest mode; a mode is covered if at least one
 * sample of high quality is nearest to it (VEEGAN, PacGAN). reverse_kl is KL(histogram of samples || uniform) in nats. Within 3 sigma a
 * Gaussian in the plane has 98.9 % of its mass: a higher share means modes that are too narrow, not a better G. */
#include <gantry/metric.h>
#include <gantry/nn.h>

enum { SIGMAS };
static const gantry_param params[] = {
  {.key = "sigmas", .doc = "radius of a mode, in its standard deviations", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL | GANTRY_PF_OPEN_LO, .def = 3, .lo = 0, .hi = 100}};

static const gantry_value values[] = {
  {"modes", "", "modes with at least one sample of high quality", 1, 0},
  {"high_quality", "", "share of samples near a mode", 1, 0},
  {"reverse_kl", "nats", "KL of the samples' histogram over modes from uniform", -1, 0}};
static const gantry_pass passes[] = {{GANTRY_FAKE, 0, NULL}};

static gantry_status pass(gantry_ctx *cx, uint32_t k, const gantry_batch *b) {
  static const int64_t first[2] = {0, 2}, second[2] = {1, 2}, coordinate = 2, rows = 0;
  gantry_t modes = cx->host->net->data(cx, "data.modes"), sigma = cx->host->net->data(cx, "data.sigma");
  gantry_t x = gan_flatten(cx, b->x);
  int64_t m = gan_dim(cx, modes, 0), d[3] = {b->n, m, gan_dim(cx, modes, 1)};
  (void)k;
  if (x.id && modes.id && gan_dim(cx, x, 1) != d[2]) return gan_fail(cx, "a mode of data.modes must have as many numbers as a sample, an image H x W x C of them");
  gantry_t gap = gan_sub(cx, gan_broadcast(cx, x, 3, d, first), gan_broadcast(cx, modes, 3, d, second));
  gantry_t square = gan_sum(cx, gan_square(cx, gap), &coordinate, 1); /* [n, m] */
  gantry_t nearest = gan_argmax(cx, gan_neg(cx, square), 1);
  int64_t grid[2] = {b->n, m}, along[1] = {0};
  gantry_t hit = gan_eq(cx, gan_broadcast(cx, nearest, 2, grid, along), gan_iota(cx, GANTRY_I32, 2, grid, 1)); /* one mode per row */
  gantry_t counts = gan_mul(cx, gan_f32(cx, hit), gan_broadcast(cx, b->valid, 2, grid, along));
  gantry_t radius = gan_mul_k(cx, sigma, gan_param_f(cx, SIGMAS));
  gantry_t near = gan_mul(cx, counts, gan_f32(cx, gan_le(cx, square, gan_square(cx, radius))));
  cx->host->metric->keep(cx, "nearest", gan_sum(cx, gan_f64(cx, counts), &rows, 1), GANTRY_KEEP_SUM);
  return cx->host->metric->keep(cx, "near", gan_sum(cx, gan_f64(cx, near), &rows, 1), GANTRY_KEEP_SUM);
}

static gantry_status finish(gantry_ctx *cx, gantry_t *v, uint32_t n) {
  gantry_t near = cx->host->metric->kept(cx, GANTRY_FAKE, "near"), nearest = cx->host->metric->kept(cx, GANTRY_FAKE, "nearest");
  gantry_t total = cx->host->metric->kept(cx, GANTRY_FAKE, "n"), zero = gan_const_like(cx, near, 0);
  (void)n;
  v[0] = gan_sum_all(cx, gan_f64(cx, gan_gt(cx, near, zero)));
  v[1] = gan_div(cx, gan_sum_all(cx, near), total);
  gantry_t p = gan_div(cx, nearest, total), some = gan_gt(cx, p, zero), m = gan_const_like(cx, near, (double)gan_count(cx, near));
  v[2] = gan_sum_all(cx, gan_where(cx, some, gan_mul(cx, p, gan_log(cx, gan_mul(cx, gan_where(cx, some, p, gan_const_like(cx, p, 1)), m))), zero));
  return GANTRY_OK;
}

static const gantry_metric iface = {.struct_size = sizeof iface, .values = values, .n_values = 3, .value_stride = sizeof values[0],
                                    .passes = passes, .n_passes = 1, .pass_stride = sizeof passes[0], .pass = pass, .finish = finish};
static const char *const needs[] = {"data.modes", "data.sigma", NULL};
GANTRY_PLUGIN(GANTRY_KIND_METRIC, "mode_coverage", "1.0.0", "modes reached in a mixture of Gaussians")
  .paper = "Srivastava et al. 2017, arXiv:1705.07761; Lin et al. 2018, arXiv:1712.04086", .needs = needs, .params = params, .param_count = 1, .iface = &iface
GANTRY_PLUGIN_END
