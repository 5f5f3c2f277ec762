/* gratings - square gray images of sinusoidal gratings, one orientation for each class, with Gaussian pixel noise: a mixture of Gaussians in image space.
 *
 * A sample of class c is   contrast * sin(2 pi cycles (u cos t + v sin t)) + sigma N(0, 1),   t = pi c / modes,   u, v in [-1/2, 1/2] the centre of a pixel.
 * Gratings are the classical stimuli of vision (Campbell & Robson 1968, J. Physiol. 197:551); as a mixture whose modes are known, the set plays for
 * convolutional networks the part that rings of Gaussians play for networks on the plane (Srivastava et al. 2017, arXiv:1705.07761).
 * Delivered as u8, [-1, 1] being 0..255 with what lies outside cut off; with contrast + 3 sigma <= 1 that is next to nothing.
 *
 * Arrays (named without "data."). data.modes [modes, size*size]: the gratings without noise, in [-1, 1] (the default data.range). data.sigma []: in d = size*size dimensions the noise has the length sigma sqrt(d), so
 * a ball of 3 sigma around a mode is empty; what is published is sigma sqrt(d/2), which is sigma itself in the plane, and 3 of it hold all of a mode.
 * Everything random comes from Philox with the sample's number as the counter: pure, in any order. */
#include <gantry/dataset.h>
#include <gantry/philox.h>
#include <math.h>
#include <stdlib.h>

enum { SIZE, MODES, CYCLES, CONTRAST, SIGMA, COUNT, SEED };
static const gantry_param params[] = {
  {.key = "size", .doc = "height and width", .unit = "pixels", .type = GANTRY_P_INT, .def = 16, .lo = 4, .hi = 256},
  {.key = "modes", .doc = "orientations, evenly over half a turn; the classes", .type = GANTRY_P_INT, .def = 8, .lo = 1, .hi = 1000},
  {.key = "cycles", .doc = "periods across the image (Campbell & Robson 1968)", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL | GANTRY_PF_OPEN_LO, .def = 2, .lo = 0, .hi = 128},
  {.key = "contrast", .doc = "amplitude of a grating", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL, .def = 0.8, .lo = 0, .hi = 1},
  {.key = "sigma", .doc = "standard deviation of each pixel's noise", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL, .def = 0.05, .lo = 0, .hi = 1000},
  {.key = "count", .doc = "samples in each split", .type = GANTRY_P_INT, .def = 4096, .lo = 1, .hi = 1e8},
  {.key = "seed", .doc = "of the samples; splits differ", .type = GANTRY_P_INT, .def = 1, .lo = 0, .hi = 4294967295.0}};

typedef struct gratings { int64_t size, modes; double sigma; float *mode, width; uint32_t key[2]; } gratings;

static gantry_status open_set(gantry_ctx *cx, const char *split, gantry_dataset_info *info, void **self) {
  const gantry_param_api *p = cx->host->param;
  gratings *g = calloc(1, sizeof *g);
  if (!g) return cx->host->fail(cx, GANTRY_E_NOMEM, "out of memory");
  *self = g;
  g->size = p->i64(cx, SIZE);
  g->modes = p->i64(cx, MODES);
  g->sigma = p->f64(cx, SIGMA);
  double cycles = p->f64(cx, CYCLES), contrast = p->f64(cx, CONTRAST);
  if (2 * cycles > (double)g->size) return cx->host->fail(cx, GANTRY_E_CONFIG, "cycles must not exceed half of size: there are not enough pixels for a period");
  g->mode = malloc((size_t)(g->modes * g->size * g->size) * sizeof *g->mode);
  if (!g->mode) return cx->host->fail(cx, GANTRY_E_NOMEM, "out of memory");
  for (int64_t m = 0, at = 0; m < g->modes; m++) {
    double turn = 3.14159265358979323846 * (double)m / (double)g->modes;
    for (int64_t y = 0; y < g->size; y++)
      for (int64_t x = 0; x < g->size; x++, at++) {
        double u = ((double)x + 0.5) / (double)g->size - 0.5, v = ((double)y + 0.5) / (double)g->size - 0.5;
        g->mode[at] = (float)(contrast * sin(6.28318530717958647692 * cycles * (u * cos(turn) + v * sin(turn))));
      }
  }
  g->width = (float)(g->sigma * sqrt((double)(g->size * g->size) / 2));
  g->key[0] = (uint32_t)p->i64(cx, SEED);
  for (const char *c = split; *c; c++) g->key[1] = g->key[1] * 31 + (unsigned char)*c;
  info->dtype = GANTRY_U8;
  info->count = p->i64(cx, COUNT);
  info->rank = 3;
  info->dims[0] = info->dims[1] = g->size;
  info->dims[2] = 1;
  info->classes = (uint32_t)g->modes;
  return GANTRY_OK;
}

/* Two standard normal numbers from two words (Box & Muller 1958). */
static void normal2(const uint32_t bits[2], double out[2]) {
  double r = sqrt(-2 * log(((double)bits[0] + 1) / 4294967296.0)), turn = 6.28318530717958647692 * (double)bits[1] / 4294967296.0;
  out[0] = r * cos(turn);
  out[1] = r * sin(turn);
}

static unsigned char level(double v) { return (unsigned char)(v <= -1 ? 0 : v >= 1 ? 255 : floor(127.5 * (v + 1) + 0.5)); }

static gantry_status read_set(gantry_ctx *cx, void *self, int64_t first, int64_t n, void *dst, int32_t *labels) {
  const gratings *g = self;
  int64_t pixels = g->size * g->size;
  unsigned char *out = dst;
  (void)cx;
  for (int64_t i = 0; i < n; i++, out += pixels) {
    uint64_t index = (uint64_t)(first + i);
    uint32_t bits[4], counter[4] = {(uint32_t)index, (uint32_t)(index >> 32), 0, 0};
    gantry_philox4x32(counter, g->key, bits); /* block 0: the class; from block 1 on the noise of four pixels each */
    int64_t mode = (int64_t)(((uint64_t)bits[0] * (uint64_t)g->modes) >> 32);
    for (int64_t p = 0; p < pixels; p += 4) {
      double z[4];
      counter[2] = (uint32_t)(1 + p / 4);
      gantry_philox4x32(counter, g->key, bits);
      normal2(bits, z);
      normal2(bits + 2, z + 2);
      for (int64_t q = 0; q < 4 && p + q < pixels; q++) out[p + q] = level((double)g->mode[mode * pixels + p + q] + g->sigma * z[q]);
    }
    if (labels) labels[i] = (int32_t)mode;
  }
  return GANTRY_OK;
}

static gantry_status array(gantry_ctx *cx, void *self, uint32_t k, gantry_array *out) {
  const gratings *g = self;
  (void)cx;
  if (k > 1) return GANTRY_E_UNSUPPORTED;
  out->name = k ? "sigma" : "modes";
  out->values = k ? &g->width : g->mode;
  out->rank = k ? 0 : 2;
  out->dims[0] = g->modes;
  out->dims[1] = g->size * g->size;
  return GANTRY_OK;
}

static void close_set(void *self) {
  gratings *g = self;
  if (g) free(g->mode);
  free(g);
}

static const gantry_dataset iface = {.struct_size = sizeof iface, .open = open_set, .read = read_set, .array = array, .close = close_set};
static const char *const provides[] = {"data.modes", "data.sigma", "data.label", NULL};
GANTRY_PLUGIN(GANTRY_KIND_DATASET, "gratings", "0.1.0", "images of gratings, a mixture of Gaussians in image space")
  .paper = "Campbell & Robson 1968, J. Physiol. 197:551", .provides = provides, .params = params, .param_count = sizeof params / sizeof *params, .iface = &iface
GANTRY_PLUGIN_END
