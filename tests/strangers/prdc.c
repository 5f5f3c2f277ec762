/* prdc - precision, recall (Kynkaanniemi et al. 2019, arXiv:1904.06991), density and coverage (Naeem et al. 2020, arXiv:2002.09797) by nearest neighbours.
 *
 * R_i is the distance of real sample i to its k-th nearest other real sample, F_j that of fake j among the fakes, d_ij = |r_i - f_j|, N reals, M fakes:
 *   precision = 1/M sum_j [some i: d_ij < R_i]      density  = 1/(k M) sum_ij [d_ij < R_i]
 *   recall    = 1/N sum_i [some j: d_ij < F_j]      coverage = 1/N sum_i [some j: d_ij < R_i]
 * with strict inequalities, as in the authors' code (github.com/clovaai/generative-evaluation-prdc, compute_prdc). Distances are those of pixels or of
 * the features of the experiment's feature network, squared, in f64; nothing takes a square root.
 *
 * Six passes: 0, 1 keep the rows of both sets; 2, 3 the squared radii, block of rows against the whole set; 4, 5 count, block against the other set. */
#include <gantry/metric.h>
#include <gantry/nn.h>

enum { K, SPACE };
static const char *const spaces[] = {"pixels", "features", NULL};
static const gantry_param params[] = {
  {.key = "k", .doc = "a sample's ball reaches to its k-th nearest neighbour (Naeem et al. 2020: 5; Kynkaanniemi et al. 2019: 3)", .type = GANTRY_P_INT, .def = 5, .lo = 1, .hi = 1000},
  {.key = "space", .doc = "where distances are measured: the samples themselves, or the tap \"features\" of the metric's feature network", .type = GANTRY_P_ENUM, .def_str = "pixels", .choices = spaces}};

static const gantry_value values[] = {
  {"precision", "", "share of fakes within a real sample's ball", 1, 0},
  {"recall", "", "share of reals within a fake sample's ball", 1, 0},
  {"density", "", "real balls around a fake, divided by k; near 1 for equal sets, and may exceed it", 0, 0},
  {"coverage", "", "share of real balls with a fake in them", 1, 0}};
static const gantry_pass passes[] = {{GANTRY_FAKE, 0, NULL}, {GANTRY_REAL, 0, NULL}, {GANTRY_REAL, 0, "x"}, {GANTRY_FAKE, 0, "x"}, {GANTRY_REAL, 0, "x"}, {GANTRY_FAKE, 0, "x"}};

static gantry_t kept(gantry_ctx *cx, uint32_t set, const char *name) { return cx->host->metric->kept(cx, set, name); }

/* [n,m]: |a|^2 - 2 a b' + |b|^2, not below 0. a [n,f], b [m,f], f64 */
static gantry_t squared_distances(gantry_ctx *cx, gantry_t a, gantry_t b) {
  int64_t col[2] = {gan_dim(cx, a, 0), 1}, row[2] = {1, gan_dim(cx, b, 0)};
  gantry_t aa = gan_reshape(cx, gan_row_sum(cx, gan_square(cx, a)), 2, col), bb = gan_reshape(cx, gan_row_sum(cx, gan_square(cx, b)), 2, row);
  gantry_t d = gan_sub(cx, gan_add(cx, aa, bb), gan_mul_k(cx, gan_matmul_t(cx, a, b, 0, 1), 2));
  return gan_max(cx, d, gan_const_like(cx, d, 0));
}
/* [n]: is any / how many of the row's truths. t bool [n,m] */
static gantry_t any(gantry_ctx *cx, gantry_t t) { static const int64_t last = 1; return gan_reduce(cx, GANTRY_OP_RMAX, gan_f64(cx, t), &last, 1); }
static gantry_t many(gantry_ctx *cx, gantry_t t) { return gan_row_sum(cx, gan_f64(cx, t)); }
static gantry_t as_row(gantry_ctx *cx, gantry_t v) { int64_t d[2] = {1, gan_count(cx, v)}; return gan_reshape(cx, v, 2, d); }
static gantry_status keep_sum(gantry_ctx *cx, const char *name, gantry_t v, gantry_t valid) {
  return cx->host->metric->keep(cx, name, gan_sum_all(cx, gan_mul(cx, v, gan_f64(cx, valid))), GANTRY_KEEP_SUM);
}

static gantry_status pass(gantry_ctx *cx, uint32_t k, const gantry_batch *b) {
  int64_t near = gan_param_i(cx, K);
  uint32_t other = b->set == GANTRY_REAL ? GANTRY_FAKE : GANTRY_REAL;
  if (k < 2) {
    if (b->set_size <= near) return gan_fail(cx, "every set needs more than k samples: lower k, or raise \"fake\" and \"real_limit\"");
    gantry_t x = gan_param_i(cx, SPACE) ? cx->host->metric->features(cx, b->x, "features") : b->x;
    return cx->host->metric->keep(cx, "x", gan_flatten(cx, x), GANTRY_KEEP_ROWS);
  }
  gantry_t x = gan_f64(cx, b->x);
  int64_t col[2] = {b->n, 1};
  if (k < 4) {
    gantry_t d = squared_distances(cx, x, kept(cx, b->set, "x"));
    int64_t dims[2] = {b->n, gan_dim(cx, d, 1)}, kth[1] = {b->n};
    gantry_t self = gan_eq(cx, gan_iota(cx, GANTRY_I64, 2, dims, 1), gan_reshape(cx, b->index, 2, col));
    d = gan_where(cx, self, gan_const_like(cx, d, 1e300), d);
    gantry_t index = gan_slice_axis(cx, gan_topk(cx, gan_neg(cx, d), near), 1, near - 1, near, 1); /* [n,1] */
    return cx->host->metric->keep(cx, "radius", gan_reshape(cx, gan_gather(cx, d, index, 1, 1), 1, kth), GANTRY_KEEP_ROWS);
  }
  gantry_t d = squared_distances(cx, x, kept(cx, other, "x")), in_other = gan_lt(cx, d, as_row(cx, kept(cx, other, "radius")));
  keep_sum(cx, "in_other", any(cx, in_other), b->valid); /* recall of reals, precision of fakes */
  if (k == 5) return keep_sum(cx, "balls", many(cx, in_other), b->valid);
  gantry_t own = gan_reshape(cx, gan_gather(cx, kept(cx, b->set, "radius"), b->index, 0, 0), 2, col);
  return keep_sum(cx, "covered", any(cx, gan_lt(cx, d, own)), b->valid);
}

static gantry_status finish(gantry_ctx *cx, gantry_t *v, uint32_t n) {
  gantry_t fakes = kept(cx, GANTRY_FAKE, "n"), reals = kept(cx, GANTRY_REAL, "n");
  (void)n;
  v[0] = gan_div(cx, kept(cx, GANTRY_FAKE, "in_other"), fakes);
  v[1] = gan_div(cx, kept(cx, GANTRY_REAL, "in_other"), reals);
  v[2] = gan_mul_k(cx, gan_div(cx, kept(cx, GANTRY_FAKE, "balls"), fakes), 1.0 / (double)gan_param_i(cx, K));
  v[3] = gan_div(cx, kept(cx, GANTRY_REAL, "covered"), reals);
  return GANTRY_OK;
}

static const gantry_metric iface = {.struct_size = sizeof iface, .values = values, .n_values = sizeof values / sizeof *values, .value_stride = sizeof values[0],
                                    .passes = passes, .n_passes = sizeof passes / sizeof *passes, .pass_stride = sizeof passes[0], .pass = pass, .finish = finish};
GANTRY_PLUGIN(GANTRY_KIND_METRIC, "prdc", "0.1.0", "precision, recall, density, coverage by nearest neighbours")
  .paper = "Kynkaanniemi et al. 2019, arXiv:1904.06991; Naeem et al. 2020, arXiv:2002.09797",
  .params = params, .param_count = sizeof params / sizeof *params, .iface = &iface
GANTRY_PLUGIN_END
