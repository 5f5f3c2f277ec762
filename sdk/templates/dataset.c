/* example - two rings in the plane, one inside the other; the class of a point is its ring.
 *
 * A data set is an ordered list of samples of one shape. open() says what it is, read() delivers any stretch of it and must be pure: the same numbers
 * give the same samples, in any order of calls. The host does the rest: batches, epochs, mapping of u8 images to the experiment's range. A set of files
 * opens them in open() and reads in read(). See <gantry/dataset.h>. */
#include <gantry/dataset.h>
#include <gantry/philox.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { INNER, OUTER, NOISE, COUNT };
static const gantry_param params[] = { /* STRUCTURAL: read once, when the set is opened; no schedule moves them */
  {.key = "inner", .doc = "radius of the inner ring", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL, .def = 1, .lo = 0, .hi = 1e6},
  {.key = "outer", .doc = "radius of the outer ring", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL, .def = 2, .lo = 0, .hi = 1e6},
  {.key = "noise", .doc = "half the width of a ring", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL, .def = 0.05, .lo = 0, .hi = 1e6},
  {.key = "count", .doc = "samples in each split", .type = GANTRY_P_INT, .def = 20000, .lo = 1, .hi = 1e8}};

typedef struct rings { double radius[2], noise; uint32_t split; } rings;

static gantry_status open_set(gantry_ctx *cx, const char *split, gantry_dataset_info *info, void **self) {
  const gantry_param_api *p = cx->host->param;
  rings *r = calloc(1, sizeof *r);
  if (!r) return cx->host->fail(cx, GANTRY_E_NOMEM, "out of memory");
  *self = r;
  r->radius[0] = p->f64(cx, INNER);
  r->radius[1] = p->f64(cx, OUTER);
  r->noise = p->f64(cx, NOISE);
  if (r->radius[1] < r->radius[0]) return cx->host->fail(cx, GANTRY_E_CONFIG, "outer must not be below inner"); /* the user sees this with its place */
  if (strcmp(split, "train") && strcmp(split, "test")) return cx->host->fail(cx, GANTRY_E_CONFIG, "there are the splits train and test");
  r->split = strcmp(split, "train") != 0; /* the two hold different points */
  info->dtype = GANTRY_F32;
  info->count = p->i64(cx, COUNT);
  info->rank = 1; /* vectors of dims[0] numbers; images have rank 3: height, width, channels */
  info->dims[0] = 2;
  info->classes = 2;
  return GANTRY_OK;
}

static gantry_status read_set(gantry_ctx *cx, void *self, int64_t first, int64_t n, void *dst, int32_t *labels) {
  const rings *r = self;
  float *out = dst;
  (void)cx;
  for (int64_t i = 0; i < n; i++) {
    uint64_t index = (uint64_t)(first + i);
    uint32_t bits[4], key[2] = {1, r->split}, counter[4] = {(uint32_t)index, (uint32_t)(index >> 32), 0, 0};
    gantry_philox4x32(counter, key, bits); /* random numbers that depend on the sample's number alone */
    uint32_t ring = bits[0] & 1;
    double turn = 6.283185307179586 * bits[1] / 4294967296.0, radius = r->radius[ring] + r->noise * (2.0 * bits[2] / 4294967296.0 - 1);
    out[2 * i] = (float)(radius * cos(turn));
    out[2 * i + 1] = (float)(radius * sin(turn));
    if (labels) labels[i] = (int32_t)ring;
  }
  return GANTRY_OK;
}

static void close_set(void *self) { free(self); }

static const gantry_dataset iface = {.struct_size = sizeof iface, .open = open_set, .read = read_set, .close = close_set};
static const char *const provides[] = {"data.label", NULL};
GANTRY_PLUGIN(GANTRY_KIND_DATASET, "example", "0.1.0", "two rings in the plane")
  .provides = provides, .params = params, .param_count = sizeof params / sizeof *params, .iface = &iface
GANTRY_PLUGIN_END
