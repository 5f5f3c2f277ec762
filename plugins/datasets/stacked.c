/* stacked - stacked MNIST: three images of an idx set as the three channels of one, and a thousand classes, 100 a + 10 b + c (Srivastava et al.
 * 2017, VEEGAN; Metz et al. 2017). Which three make sample i is a pure function of (seed, i), so the set is as long as `count` says. */
#include <gantry/philox.h>

#include "idx_file.h"

enum { PATH, COUNT, SEED };
static const gantry_param params[] = {
  {.key = "path", .doc = "folder with the idx files of the ten-class set that is stacked", .type = GANTRY_P_PATH, .flags = GANTRY_PF_REQUIRED},
  {.key = "count", .doc = "samples in the set; VEEGAN and PacGAN: 128000", .type = GANTRY_P_INT, .def = 128000, .lo = 1, .hi = 1e8},
  {.key = "seed", .doc = "of the choice of three", .type = GANTRY_P_INT, .def = 1, .lo = 0, .hi = 4294967295.0}};

typedef struct set {
  idx_bytes images, labels;
  uint32_t n, pixels, key, split;
  int64_t count;
} set;

static gantry_status open_set(gantry_ctx *cx, const char *split, gantry_dataset_info *info, void **self) {
  set *s = calloc(1, sizeof *s);
  if (!s) return cx->host->fail(cx, GANTRY_E_NOMEM, "out of memory");
  *self = s;
  uint32_t d[3];
  gantry_status st = idx_read_split(cx, cx->host->param->str(cx, PATH), split, d, &s->images, &s->labels);
  if (st) return st;
  for (uint32_t k = 0; k < d[0]; k++)
    if (s->labels.p[k] > 9) return failed(cx, GANTRY_E_CONFIG, "stacking makes 1000 classes of ten: this set has more than ten", cx->host->param->str(cx, PATH));
  for (const char *c = split; *c; c++) s->split = s->split * 31 + (unsigned char)*c;
  s->n = d[0];
  s->pixels = d[1] * d[2];
  s->key = (uint32_t)cx->host->param->i64(cx, SEED);
  s->count = info->count = cx->host->param->i64(cx, COUNT);
  info->dtype = GANTRY_U8;
  info->rank = 3;
  info->dims[0] = d[1];
  info->dims[1] = d[2];
  info->dims[2] = 3;
  info->classes = 1000;
  return GANTRY_OK;
}

static gantry_status read_set(gantry_ctx *cx, void *self, int64_t first, int64_t n, void *dst, int32_t *labels) {
  const set *s = self;
  unsigned char *out = dst;
  if (first < 0 || n < 0 || first + n > s->count) return cx->host->fail(cx, GANTRY_E_INVALID, "samples outside the set");
  for (int64_t i = 0; i < n; i++, out += 3 * s->pixels) {
    uint64_t index = (uint64_t)(first + i);
    uint32_t r[4], key[2] = {s->key, 0x7374636bu}, counter[4] = {(uint32_t)index, (uint32_t)(index >> 32), s->split, 0};
    int32_t label = 0;
    gantry_philox4x32(counter, key, r);
    for (int c = 0; c < 3; c++) {
      uint32_t which = (uint32_t)(((uint64_t)r[c] * s->n) >> 32);
      const unsigned char *from = s->images.p + (size_t)which * s->pixels;
      for (uint32_t k = 0; k < s->pixels; k++) out[3 * k + (uint32_t)c] = from[k];
      label = 10 * label + s->labels.p[which];
    }
    if (labels) labels[i] = label;
  }
  return GANTRY_OK;
}

static void close_set(void *self) {
  set *s = self;
  if (s) {
    idx_free(&s->images);
    idx_free(&s->labels);
  }
  free(s);
}

static const gantry_dataset iface = {.struct_size = sizeof iface, .open = open_set, .read = read_set, .close = close_set};
static const char *const provides[] = {"data.image", "data.label", NULL};
GANTRY_PLUGIN(GANTRY_KIND_DATASET, "stacked", "1.0.0", "three idx images as the channels of one: stacked MNIST")
  .paper = "Srivastava et al. 2017, arXiv:1705.07761", .provides = provides, .params = params, .param_count = 3, .iface = &iface
GANTRY_PLUGIN_END
