/* point.c - values for a stage's leaves, and derivatives at such a point by two ways: the graph's and central differences, in f64 on the reference
 * interpreter. See stage.h.
 *
 * A stopped gradient hides the dependence of a value from differentiation, and rightly so (power iteration, the maximum in a softmax). So the
 * graph is copied with a leaf in place of every STOP_GRAD, which keeps the value of the base point: then differences see what the graph sees. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ad/ad.h"
#include "base/hash.h"
#include "check/numeric.h"
#include "check/stage.h"
#include "ir/build.h"

static double direction(const char *name, uint64_t seed, int64_t k) { return 2 * check_uniform(hash_str(name, seed ^ 0x517cc1b727220a95u), (uint64_t)k) - 1; }
static double normal(uint64_t seed, int64_t k) { return sqrt(-2 * log(1 - check_uniform(seed, 2 * (uint64_t)k))) * cos(6.283185307179586 * check_uniform(seed, 2 * (uint64_t)k + 1)); }
static const char *leaf_name(const ir_graph *g, ir_id id) { return ir_name(g, (uint32_t)ir_attr_i(g, id, GANTRY_A_NAME, 0)); }

/* States begin as they would, with noise on constant weights so that nothing is symmetric; every layer keeps the size of what it passes on. */
static void state_values(const abi_state *s, uint64_t seed, int64_t count, double *dst) {
  double fan = 1, norm = 0;
  for (uint32_t k = 0; k < s->rank; k++)
    if (k != s->out_axis) fan *= (double)s->dims[k];
  for (int64_t k = 0; k < count; k++) {
    double z = normal(seed, k);
    switch (s->init) {
      case GANTRY_INIT_CONSTANT: dst[k] = s->init_scale + (s->role == GANTRY_ROLE_PARAM ? 0.1 * z : 0); break;
      default: dst[k] = z / sqrt(fan);
    }
    if (!ir_is_float(s->dtype)) dst[k] = floor(s->init_scale);
    norm += dst[k] * dst[k];
  }
  for (int64_t k = 0; s->init == GANTRY_INIT_UNIT && k < count; k++) dst[k] *= s->init_scale / sqrt(norm);
}

gantry_status check_bind_point(void *user, const char *name, uint32_t dtype, int64_t count, double *dst, err *e) {
  const point *p = user;
  const abi_world *w = p->st->world;
  uint64_t seed = hash_str(name, p->seed + 77);
  for (uint32_t k = 0; k < p->n_given; k++)
    if (!strcmp(p->given[k].name, name)) {
      memcpy(dst, p->values[p->given[k].id], sizeof(double) * (size_t)count);
      return GANTRY_OK;
    }
  if (!strncmp(name, "frozen/", 7)) {
    memcpy(dst, p->stopped[atoi(name + 7)], sizeof(double) * (size_t)count);
    return GANTRY_OK;
  }
  const abi_state *s = abi_world_state(w, name);
  const abi_input *in = NULL;
  for (uint32_t k = 0; k < w->inputs.n; k++)
    if (!strcmp(w->inputs.p[k].name, name)) in = &w->inputs.p[k];
  if (in && in->dtype == GANTRY_U32) dst[0] = (double)(uint32_t)p->seed, dst[1] = 1; /* seeds */
  else if (in) for (int64_t k = 0; k < count; k++) dst[k] = in->values ? (double)in->values[k] : in->value;
  else if (!strcmp(name, "count")) dst[0] = 3;
  else if (!strncmp(name, "counter/", 8)) for (int64_t k = 0; k < count; k++) dst[k] = 3;
  else if (s) state_values(s, seed, count, dst);
  else if (!strcmp(name, "x/target_real")) dst[0] = 0.9;
  else if (!strcmp(name, "x/target_fake")) dst[0] = 0.1;
  else if (!ir_is_float(dtype)) for (int64_t k = 0; k < count; k++) dst[k] = floor(3 * check_uniform(seed, (uint64_t)k)); /* classes */
  else if (!strncmp(name, "x/", 2)) for (int64_t k = 0; k < count; k++) dst[k] = (p->spread > 0 ? p->spread : 1) * normal(seed, k);
  else for (int64_t k = 0; k < count; k++) dst[k] = 2 * check_uniform(seed, (uint64_t)k) - 1; /* projections */
  for (uint32_t j = 0; j < p->n_moved && p->h != 0; j++)
    if (!strcmp(leaf_name(p->st->b->g, p->moved[j]), name))
      for (int64_t k = 0; k < count; k++) dst[k] += p->h * direction(name, p->seed, k);
  (void)e;
  return GANTRY_OK;
}

/* A copy of g in which every STOP_GRAD is the leaf "frozen/<k>"; stops[k] are their ids in g. map[id]: node in the copy. */
static ir_graph *freeze(const ir_graph *g, ir_id *map, ir_id *stops, uint32_t *n_stops, arena *a) {
  ir_graph *f = ir_new();
  *n_stops = 0;
  for (ir_id id = 1; id < g->nodes.n; id++) {
    const ir_node *n = ir_at(g, id);
    int64_t dims[GANTRY_MAX_RANK] = {0};
    if (n->rank) memcpy(dims, ir_dims(g, id), sizeof(int64_t) * n->rank);
    if (n->op == GANTRY_OP_INPUT || n->op == GANTRY_OP_STATE) {
      map[id] = ir_leaf(f, n->op, leaf_name(g, id), n->dtype, n->rank, dims);
    } else if (n->op == GANTRY_OP_STOP_GRAD) {
      char name[32];
      snprintf(name, sizeof name, "frozen/%u", *n_stops);
      map[id] = ir_leaf(f, GANTRY_OP_INPUT, name, n->dtype, n->rank, dims);
      stops[(*n_stops)++] = id;
    } else {
      const gantry_attr *at;
      uint32_t n_at = ir_attrs_abi(g, id, a, &at);
      ir_id *in = ARENA_ARRAY(a, ir_id, n->n_in + 1);
      for (uint32_t k = 0; k < n->n_in; k++) in[k] = map[ir_in(g, id, k)];
      map[id] = ir_op(f, n->op, in, n->n_in, at, n_at);
    }
  }
  return f;
}

static ir_id like(ir_graph *g, const char *prefix, uint32_t k, ir_id x) {
  char name[40];
  int64_t dims[GANTRY_MAX_RANK] = {0};
  snprintf(name, sizeof name, "%s%u", prefix, k);
  if (ir_at(g, x)->rank) memcpy(dims, ir_dims(g, x), sizeof(int64_t) * ir_at(g, x)->rank);
  return ir_leaf(g, GANTRY_OP_INPUT, name, ir_at(g, x)->dtype, ir_at(g, x)->rank, dims);
}
static ir_id dot(ir_graph *g, ir_id a, ir_id b) { return ir_sum_all(g, ir_mul(g, a, b)); }

static gantry_status value_at(const ir_graph *g, ir_id id, point *p, double h, double *out, err *e) {
  double *v = NULL;
  p->h = h;
  TRY(ir_eval(g, &id, 1, check_bind_point, p, &v, e));
  *out = v[0];
  free(v);
  return GANTRY_OK;
}

gantry_status check_derivative(stage *st, ir_id y, const ir_id *xs, uint32_t n, int order, uint64_t seed, int frozen, double h, derivative *out, err *e) {
  ir_graph *g = st->b->g, *f = NULL;
  arena *a = arena_new();
  point p = {.st = st, .seed = seed, .moved = xs, .n_moved = n};
  ir_id *d = ARENA_ARRAY(a, ir_id, n), s = dot(g, y, like(g, "u/", 0, y));
  gantry_status status = GANTRY_OK;
  for (int k = 1; k < order && s; k++) { /* <w, grad s> */
    ir_id sum = 0;
    if (ad_grad(g, s, 0, xs, n, d)) break;
    for (uint32_t j = 0; j < n; j++) {
      ir_id part = dot(g, d[j], like(g, k == 1 ? "w1/" : "w2/", j, d[j]));
      sum = sum ? ir_add(g, sum, part) : part;
    }
    s = sum;
  }
  ad_grad(g, s, 0, xs, n, d);
  uint32_t n_stops = 0;
  double **dv = ARENA_ARRAY(a, double *, n), up = 0, down = 0;
  ir_id *map = ARENA_ARRAY(a, ir_id, g->nodes.n + 1), *stops = ARENA_ARRAY(a, ir_id, g->nodes.n + 1);
  if (g->err.code) {
    status = err_set(e, g->err.code, "%s", g->err.msg);
    goto done;
  }
  if ((status = ir_eval(g, d, n, check_bind_point, &p, dv, e))) goto done;
  f = freeze(g, map, stops, &n_stops, a);
  p.stopped = ARENA_ARRAY(a, double *, n_stops + 1);
  if (frozen && n_stops && (status = ir_eval(g, stops, n_stops, check_bind_point, &p, p.stopped, e))) goto done;
  const ir_graph *at = frozen ? f : g;
  ir_id where = frozen ? map[s] : s;
  if ((status = value_at(at, where, &p, h, &up, e)) || (status = value_at(at, where, &p, -h, &down, e))) goto done;
  *out = (derivative){.numeric = (up - down) / (2 * h)};
  for (uint32_t k = 0; k < n; k++)
    for (int64_t j = 0; j < ir_count(g, xs[k]); j++) out->analytic += dv[k][j] * direction(leaf_name(g, xs[k]), seed, j);
done:
  for (uint32_t k = 0; k < n; k++) free(dv ? dv[k] : NULL);
  for (uint32_t k = 0; p.stopped && k < n_stops; k++) free(p.stopped[k]);
  ir_free(f);
  arena_free(a);
  return status;
}
