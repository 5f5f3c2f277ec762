/* numeric.c - see numeric.h. In goes a case, out comes agreement or an error that says by how much the derivative is off. */
#include "check/numeric.h"

#include <gantry/philox.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ad/ad.h"
#include "base/hash.h"
#include "ir/build.h"

double check_uniform(uint64_t seed, uint64_t n) {
  uint32_t ctr[4] = {(uint32_t)n, (uint32_t)(n >> 32), 0, 0}, key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)}, out[4];
  gantry_philox4x32(ctr, key, out);
  return ((double)out[0] + (double)(out[1] >> 12) / 1048576.0) / 4294967296.0;
}

typedef struct point { /* the values bound to the leaves */
  const check_case *c;
  uint64_t seed;
  uint32_t moved;   /* how many inputs are moved: the inputs of the case */
  double h;         /* along the direction */
} point;

static uint64_t name_seed(const point *p, const char *name) { return hash_str(name, p->seed); }

/* Distinct multiples of step in random order: a Fisher-Yates shuffle driven by the counter stream. */
static void shuffled(const check_input *in, uint64_t seed, int64_t count, double *dst) {
  for (int64_t k = 0; k < count; k++) dst[k] = in->lo + in->step * (double)k;
  for (int64_t k = count - 1; k > 0; k--) {
    int64_t j = (int64_t)(check_uniform(seed, (uint64_t)k) * (double)(k + 1));
    double t = dst[k];
    dst[k] = dst[j];
    dst[j] = t;
  }
}

static double direction(uint64_t seed, int64_t k) { return 2 * check_uniform(seed ^ 0x517cc1b727220a95u, (uint64_t)k) - 1; }

static gantry_status bind(void *user, const char *name, uint32_t dtype, int64_t count, double *dst, err *e) {
  const point *p = user;
  uint64_t seed = name_seed(p, name);
  (void)e;
  if (name[0] != 'x') { /* u, w: fixed random projections */
    for (int64_t k = 0; k < count; k++) dst[k] = 2 * check_uniform(seed, (uint64_t)k) - 1;
    return GANTRY_OK;
  }
  const check_input *in = &p->c->in[name[1] - '0'];
  if (in->step > 0) shuffled(in, seed, count, dst);
  else
    for (int64_t k = 0; k < count; k++) dst[k] = in->lo + (in->hi - in->lo) * check_uniform(seed, (uint64_t)k);
  for (int64_t k = 0; k < count; k++) dst[k] = ir_is_float(dtype) ? dst[k] + p->h * direction(seed, k) : floor(dst[k]);
  return GANTRY_OK;
}

static ir_id leaf_like(ir_graph *g, const char *prefix, uint32_t k, ir_id like) {
  char name[40];
  int64_t dims[GANTRY_MAX_RANK] = {0};
  snprintf(name, sizeof name, "%s%u", prefix, k);
  if (ir_at(g, like)->rank) memcpy(dims, ir_dims(g, like), sizeof(int64_t) * ir_at(g, like)->rank);
  return ir_leaf(g, GANTRY_OP_INPUT, name, ir_at(g, like)->dtype, ir_at(g, like)->rank, dims);
}

static ir_id dot(ir_graph *g, ir_id a, ir_id b) { return ir_sum_all(g, ir_mul(g, a, b)); }

static ir_id build(ir_graph *g, const check_case *c, ir_id *xs) {
  for (uint32_t k = 0; k < c->n; k++) {
    char name[16];
    snprintf(name, sizeof name, "x%u", k);
    xs[k] = ir_leaf(g, GANTRY_OP_INPUT, name, c->in[k].dtype, c->in[k].rank, c->in[k].dims);
  }
  return c->build(g, xs, c->arg);
}

/* The inputs a gradient exists for. */
static uint32_t reals(const check_case *c, const ir_id *xs, ir_id *out) {
  uint32_t n = 0;
  for (uint32_t k = 0; k < c->n; k++)
    if (ir_is_float(c->in[k].dtype)) out[n++] = xs[k];
  return n;
}

/* <w, grad s>: the next scalar to be differentiated. */
static ir_id project(ir_graph *g, ir_id s, const ir_id *xs, uint32_t n, int order) {
  ir_id d[CHECK_MAX_INPUTS], sum = 0;
  char prefix[20];
  if (ad_grad(g, s, 0, xs, n, d)) return 0;
  snprintf(prefix, sizeof prefix, "w%d_", order);
  for (uint32_t k = 0; k < n; k++) {
    ir_id part = dot(g, d[k], leaf_like(g, prefix, k, d[k]));
    sum = sum ? ir_add(g, sum, part) : part;
  }
  return sum;
}

static gantry_status scalar_at(const ir_graph *g, ir_id id, point *p, double h, double *out, err *e) {
  double *v = NULL;
  p->h = h;
  TRY(ir_eval(g, &id, 1, bind, p, &v, e));
  *out = v[0];
  free(v);
  return GANTRY_OK;
}

gantry_status check_gradient(const check_case *c, int order, uint64_t seed, double tol, err *e) {
  ir_graph *g = ir_new();
  ir_id xs[CHECK_MAX_INPUTS], vary[CHECK_MAX_INPUTS], d[CHECK_MAX_INPUTS];
  double *dv[CHECK_MAX_INPUTS] = {NULL};
  point p = {.c = c, .seed = seed};
  gantry_status status = GANTRY_OK;
  ir_id y = build(g, c, xs), s = y ? dot(g, y, leaf_like(g, "u", 0, y)) : 0;
  uint32_t n = reals(c, xs, vary);
  for (int k = 1; k < order && s; k++) s = project(g, s, vary, n, k);
  if (!s || ad_grad(g, s, 0, vary, n, d)) {
    status = err_set(e, g->err.code ? g->err.code : GANTRY_E_INTERNAL, "%s, order %d: %s", c->name, order, g->err.msg);
    goto done;
  }
  const double h = 1e-5;
  double up, down, analytic = 0;
  if ((status = scalar_at(g, s, &p, h, &up, e)) || (status = scalar_at(g, s, &p, -h, &down, e))) goto done;
  p.h = 0;
  if ((status = ir_eval(g, d, n, bind, &p, dv, e))) goto done;
  for (uint32_t k = 0; k < n; k++) {
    uint64_t of = name_seed(&p, ir_name(g, (uint32_t)ir_attr_i(g, vary[k], GANTRY_A_NAME, 0)));
    for (int64_t j = 0; j < ir_count(g, vary[k]); j++) analytic += dv[k][j] * direction(of, j);
  }
  double numeric = (up - down) / (2 * h), scale = fmax(1, fmax(fabs(numeric), fabs(analytic)));
  if (!(fabs(numeric - analytic) <= tol * scale))
    status = err_set(e, GANTRY_E_INTERNAL, "%s, order %d, seed %llu: the graph says %.12g, differences say %.12g", c->name, order, (unsigned long long)seed, analytic, numeric);
done:
  for (uint32_t k = 0; k < CHECK_MAX_INPUTS; k++) free(dv[k]);
  ir_free(g);
  return status;
}

gantry_status check_adjoint(const check_case *c, uint32_t k, uint64_t seed, double tol, err *e) {
  ir_graph *g = ir_new();
  ir_id xs[CHECK_MAX_INPUTS], dx = 0, pair[2];
  double *v[2] = {NULL};
  point p = {.c = c, .seed = seed};
  gantry_status status = GANTRY_OK;
  ir_id y = build(g, c, xs), u = y ? leaf_like(g, "u", 0, y) : 0;
  if (!y || ad_grad(g, y, u, &xs[k], 1, &dx)) {
    status = err_set(e, g->err.code ? g->err.code : GANTRY_E_INTERNAL, "%s: %s", c->name, g->err.msg);
    goto done;
  }
  pair[0] = dot(g, y, u);
  pair[1] = dot(g, xs[k], dx);
  if ((status = ir_eval(g, pair, 2, bind, &p, v, e))) goto done;
  if (!(fabs(v[0][0] - v[1][0]) <= tol * fmax(1, fabs(v[0][0]))))
    status = err_set(e, GANTRY_E_INTERNAL, "%s, input %u, seed %llu: <A x, g> = %.15g, <x, A' g> = %.15g", c->name, k, (unsigned long long)seed, v[0][0], v[1][0]);
done:
  free(v[0]);
  free(v[1]);
  ir_free(g);
  return status;
}
