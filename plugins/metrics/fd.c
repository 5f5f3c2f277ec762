/* fd - Frechet distance between generated and real images in the space of a feature network: |mu1 - mu2|^2 + tr(C1 + C2 - 2 (C1 C2)^1/2).
 *
 * The network is named in the experiment and stands in every row's protocol: fd of fashion_cnn is not comparable with FID, which is this distance with
 * Inception-2015. Sums are kept in f64. The root's trace is the sum of roots of the eigenvalues of C1^1/2 C2 C1^1/2, which is symmetric, so
 * no complex numbers and no epsilon occur. `covariance` n-1 is numpy.cov's (pytorch-fid), n divides by the count. */
#include <gantry/metric.h>
#include <gantry/nn.h>

enum { TAP, COVARIANCE };
static const char *const conventions[] = {"n-1", "n", NULL};
static const gantry_param params[] = {
  {.key = "tap", .doc = "which tap of the feature network", .type = GANTRY_P_STRING, .def_str = "features"},
  {.key = "covariance", .doc = "divisor of the covariance", .type = GANTRY_P_ENUM, .def_str = "n-1", .choices = conventions}};
static const gantry_value values[] = {{"fd", "", "Frechet distance of features", -1, 0}};
static const gantry_pass passes[] = {{GANTRY_FAKE, 0, NULL}, {GANTRY_REAL, 0, NULL}};

static gantry_status pass(gantry_ctx *cx, uint32_t k, const gantry_batch *b) {
  static const int64_t rows = 0, along[1] = {0};
  gantry_t f = gan_f64(cx, cx->host->metric->features(cx, b->x, cx->host->param->str(cx, TAP)));
  int64_t d[GANTRY_MAX_RANK];
  (void)k;
  if (gan_shape(cx, f, d) != 2) return gan_fail(cx, "features must be [n, k]");
  f = gan_mul(cx, f, gan_broadcast(cx, gan_f64(cx, b->valid), 2, d, along));
  cx->host->metric->keep(cx, "x", gan_sum(cx, f, &rows, 1), GANTRY_KEEP_SUM);
  return cx->host->metric->keep(cx, "xx", gan_matmul_t(cx, f, f, 1, 0), GANTRY_KEEP_SUM);
}

static void moments(gantry_ctx *cx, uint32_t set, gantry_t *mean, gantry_t *covariance) {
  gantry_t n = cx->host->metric->kept(cx, set, "n"), sum = cx->host->metric->kept(cx, set, "x");
  int64_t k = gan_dim(cx, sum, 0), row[2] = {1, k};
  *mean = gan_div(cx, sum, n);
  gantry_t outer = gan_matmul_t(cx, gan_reshape(cx, *mean, 2, row), gan_reshape(cx, *mean, 2, row), 1, 0);
  *covariance = gan_sub(cx, gan_div(cx, cx->host->metric->kept(cx, set, "xx"), n), outer);
  if (gan_param_i(cx, COVARIANCE) == 0) *covariance = gan_mul(cx, *covariance, gan_div(cx, n, gan_add_k(cx, n, -1)));
}

static gantry_t trace(gantry_ctx *cx, gantry_t m) {
  int64_t d[GANTRY_MAX_RANK];
  gan_shape(cx, m, d);
  gantry_t diagonal = gan_eq(cx, gan_iota(cx, GANTRY_I32, 2, d, 0), gan_iota(cx, GANTRY_I32, 2, d, 1));
  return gan_sum_all(cx, gan_where(cx, diagonal, m, gan_const_like(cx, m, 0)));
}

static gantry_status finish(gantry_ctx *cx, gantry_t *v, uint32_t n) {
  gantry_t m1, c1, m2, c2;
  (void)n;
  moments(cx, GANTRY_FAKE, &m1, &c1);
  moments(cx, GANTRY_REAL, &m2, &c2);
  gantry_t root = gan_psd_power(cx, c1, 0.5), product = gan_matmul(cx, gan_matmul(cx, root, c2), root);
  gantry_t eigenvalues = gan_max(cx, gan_eigvalsh(cx, product), gan_const_like(cx, product, 0));
  gantry_t gap = gan_sum_all(cx, gan_square(cx, gan_sub(cx, m1, m2)));
  v[0] = gan_add(cx, gap, gan_sub(cx, gan_add(cx, trace(cx, c1), trace(cx, c2)), gan_mul_k(cx, gan_sum_all(cx, gan_sqrt(cx, eigenvalues)), 2)));
  return GANTRY_OK;
}

static const gantry_metric iface = {.struct_size = sizeof iface, .values = values, .n_values = 1, .value_stride = sizeof values[0], .passes = passes, .n_passes = 2, .pass_stride = sizeof passes[0], .pass = pass, .finish = finish};
static const char *const needs[] = {"g.image", NULL};
GANTRY_PLUGIN(GANTRY_KIND_METRIC, "fd", "1.0.0", "Frechet distance of features")
  .paper = "Heusel et al. 2017, arXiv:1706.08500 (there with Inception features)", .needs = needs, .params = params, .param_count = 2, .iface = &iface
GANTRY_PLUGIN_END
