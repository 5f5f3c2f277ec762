/* spectral_norm - every filter divided by an estimate of its largest singular value, on any architecture, in D, G or both (`of`). The filter is seen as a
 * matrix [out, rest] (that of a transposed convolution too, with its own outputs); u and v are states that begin as random directions; `power_steps`
 * iterations are made with no gradient through u and v, once per update as in the paper's algorithm, or at every application of the network as PyTorch's
 * hook makes them (D on real, then D on fake). At evaluation the stored vectors are used as they are, as PyTorch's. Where G's update applies D, its vectors
 * are iterated but not stored. */
#include <gantry/nn.h>
#include <gantry/regularizer.h>

enum { POWER_STEPS, EPS, PER };
static const char *const pers[] = {"update", "application", NULL};
static const gantry_param params[] = {
  {.key = "power_steps", .doc = "power iterations each time", .type = GANTRY_P_INT, .def = 1, .lo = 1, .hi = 50},
  {.key = "eps", .doc = "least length of a vector that is divided by its length", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL, .def = 1e-12, .lo = 0, .hi = 1},
  {.key = "per", .doc = "when to iterate: once per update (the paper), or at every application of the network (PyTorch's hook)", .type = GANTRY_P_ENUM, .def_str = "update", .choices = pers}};

static gantry_t unit(gantry_ctx *cx, gantry_t v, double eps) {
  gantry_t length = gan_sqrt(cx, gan_sum_all(cx, gan_square(cx, v)));
  return gan_div(cx, v, gan_max(cx, length, gan_const(cx, eps)));
}

static gantry_t vector(gantry_ctx *cx, const char *name, int64_t n) {
  gantry_state_desc d;
  int64_t dims[2] = {n, 1};
  memset(&d, 0, sizeof d);
  d.struct_size = sizeof d;
  d.role = GANTRY_ROLE_BUFFER; d.name = name; d.dims = dims; d.rank = 2; d.init = GANTRY_INIT_UNIT; d.init_scale = 1;
  return cx->host->graph->state(cx, &d);
}

static gantry_status weight(gantry_ctx *cx, const gantry_weight *w, gantry_t *value) {
  int64_t dims[GANTRY_MAX_RANK], perm[GANTRY_MAX_RANK], flat[2];
  if (!(w->flags & GANTRY_W_MATRIX)) return GANTRY_OK;
  if (GANTRY_HAS(w, last) && w->last.id && gan_param_i(cx, PER) == 0) {
    *value = w->last;
    return GANTRY_OK;
  }
  uint32_t r = gan_shape(cx, *value, dims), n = 0;
  if (r < 2) return GANTRY_OK;
  perm[n++] = w->out_axis;
  for (uint32_t k = 0; k < r; k++)
    if (k != w->out_axis) perm[n++] = k;
  flat[0] = dims[w->out_axis];
  flat[1] = gan_count(cx, *value) / flat[0];
  gantry_t m = gan_reshape(cx, gan_permute(cx, *value, perm), 2, flat), fixed = gan_stop(cx, m);
  gantry_t u = vector(cx, "u", flat[0]), v = vector(cx, "v", flat[1]);
  double eps = gan_param_f(cx, EPS);
  if (!w->eval) {
    for (int64_t k = gan_param_i(cx, POWER_STEPS); k > 0; k--) {
      v = unit(cx, gan_matmul_t(cx, fixed, u, 1, 0), eps);
      u = unit(cx, gan_matmul(cx, fixed, v), eps);
    }
    gan_set(cx, "u", u);
    gan_set(cx, "v", v);
  }
  gantry_t sigma = gan_sum_all(cx, gan_mul(cx, gan_stop(cx, u), gan_matmul(cx, m, gan_stop(cx, v))));
  *value = gan_div(cx, *value, sigma);
  return GANTRY_OK;
}

static const gantry_regularizer iface = {.struct_size = sizeof iface, .stage = GANTRY_STAGE_OTHER, .flags = GANTRY_REG_BOUNDS_D | GANTRY_REG_EACH_APPLICATION, .weight = weight};
GANTRY_PLUGIN(GANTRY_KIND_REGULARIZER, "spectral_norm", "1.1.0", "weights divided by their largest singular value")
  .paper = "Miyato et al. 2018, arXiv:1802.05957", .params = params, .param_count = 3, .iface = &iface
GANTRY_PLUGIN_END
