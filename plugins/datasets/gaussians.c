/* gaussians - mixtures of equal Gaussians in the plane: a ring of modes, or a square grid. Sample i is a pure function of (seed, i). */
#include <gantry/dataset.h>
#include <gantry/philox.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LAYOUT, MODES, RADIUS, SIGMA, COUNT, SEED };
static const char *const layouts[] = {"ring", "grid", NULL};
static const gantry_param params[] = {
  {.key = "layout", .doc = "ring: modes on a circle; grid: the nearest square number of modes, evenly from -radius to radius", .type = GANTRY_P_ENUM, .def_str = "ring", .choices = layouts},
  {.key = "modes", .doc = "number of modes", .type = GANTRY_P_INT, .def = 8, .lo = 1, .hi = 10000},
  {.key = "radius", .doc = "of the ring; half the side of the grid", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL, .def = 2, .lo = 0, .hi = 1e6},
  {.key = "sigma", .doc = "standard deviation of each mode", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL, .def = 0.02, .lo = 0, .hi = 1e6},
  {.key = "count", .doc = "samples in each split", .type = GANTRY_P_INT, .def = 50000, .lo = 1, .hi = 1e8},
  {.key = "seed", .doc = "of the samples; train and test differ", .type = GANTRY_P_INT, .def = 1, .lo = 0, .hi = 4294967295.0}};

typedef struct set {
  uint32_t modes, split;
  uint32_t key;
  float sigma;
  float *centers, shared_sigma;
} set;

static gantry_status open_set(gantry_ctx *cx, const char *split, gantry_dataset_info *info, void **self) {
  const gantry_param_api *p = cx->host->param;
  set *s = calloc(1, sizeof *s);
  if (!s) return cx->host->fail(cx, GANTRY_E_NOMEM, "out of memory");
  *self = s;
  uint32_t modes = (uint32_t)p->i64(cx, MODES), side = (uint32_t)lround(sqrt(modes));
  double radius = p->f64(cx, RADIUS);
  int grid = p->i64(cx, LAYOUT) == 1;
  s->modes = grid ? side * side : modes;
  s->sigma = s->shared_sigma = (float)p->f64(cx, SIGMA);
  s->key = (uint32_t)p->i64(cx, SEED);
  for (const char *c = split; *c; c++) s->split = s->split * 31 + (unsigned char)*c;
  s->centers = malloc(sizeof(float) * 2 * s->modes);
  if (!s->centers) return cx->host->fail(cx, GANTRY_E_NOMEM, "out of memory");
  for (uint32_t k = 0; k < s->modes; k++) {
    double turn = 6.283185307179586 * k / s->modes;
    s->centers[2 * k] = (float)(grid ? (side > 1 ? radius * (2.0 * (k % side) / (side - 1) - 1) : 0) : radius * cos(turn));
    s->centers[2 * k + 1] = (float)(grid ? (side > 1 ? radius * (2.0 * (k / side) / (side - 1) - 1) : 0) : radius * sin(turn));
  }
  info->dtype = GANTRY_F32;
  info->count = p->i64(cx, COUNT);
  info->rank = 1;
  info->dims[0] = 2;
  info->classes = s->modes;
  return GANTRY_OK;
}

static gantry_status read_set(gantry_ctx *cx, void *self, int64_t first, int64_t n, void *dst, int32_t *labels) {
  const set *s = self;
  float *out = dst;
  (void)cx;
  for (int64_t i = 0; i < n; i++) {
    uint64_t index = (uint64_t)(first + i);
    uint32_t r[4], key[2] = {s->key, 0x67617573u}, counter[4] = {(uint32_t)index, (uint32_t)(index >> 32), s->split, 0};
    gantry_philox4x32(counter, key, r);
    uint32_t mode = (uint32_t)(((uint64_t)r[0] * s->modes) >> 32);
    double u = ((double)r[1] + 1) / 4294967296.0, turn = 6.283185307179586 * (double)r[2] / 4294967296.0, length = s->sigma * sqrt(-2 * log(u));
    out[2 * i] = (float)(s->centers[2 * mode] + length * cos(turn));
    out[2 * i + 1] = (float)(s->centers[2 * mode + 1] + length * sin(turn));
    if (labels) labels[i] = (int32_t)mode;
  }
  return GANTRY_OK;
}

static gantry_status array(gantry_ctx *cx, void *self, uint32_t k, gantry_array *out) {
  set *s = self;
  (void)cx;
  if (k > 1) return GANTRY_E_UNSUPPORTED;
  out->name = k ? "sigma" : "modes";
  out->values = k ? &s->shared_sigma : s->centers;
  out->rank = k ? 0 : 2;
  out->dims[0] = s->modes;
  out->dims[1] = 2;
  return GANTRY_OK;
}

static void close_set(void *self) {
  set *s = self;
  if (s) free(s->centers);
  free(s);
}

static const gantry_dataset iface = {.struct_size = sizeof iface, .open = open_set, .read = read_set, .array = array, .close = close_set};
static const char *const provides[] = {"data.modes", "data.sigma", "data.label", NULL};
GANTRY_PLUGIN(GANTRY_KIND_DATASET, "gaussians", "1.0.0", "mixture of Gaussians in the plane")
  .provides = provides, .params = params, .param_count = 6, .iface = &iface
GANTRY_PLUGIN_END
