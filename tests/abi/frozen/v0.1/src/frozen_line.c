/* frozen_line - points on a line in the plane, in two classes; built once, see ../README.md. */
#include <gantry/dataset.h>
enum { COUNT };
static const gantry_param params[] = {{.key = "count", .doc = "samples", .type = GANTRY_P_INT, .def = 64, .lo = 1, .hi = 1e6}};
static const char here;
static gantry_status open_set(gantry_ctx *cx, const char *split, gantry_dataset_info *info, void **self) {
  (void)split;
  info->dtype = GANTRY_F32;
  info->count = cx->host->param->i64(cx, COUNT);
  info->rank = 1;
  info->dims[0] = 2;
  info->classes = 2;
  *self = (void *)(uintptr_t)&here;
  return GANTRY_OK;
}
static gantry_status read_set(gantry_ctx *cx, void *self, int64_t first, int64_t n, void *dst, int32_t *labels) {
  (void)cx, (void)self;
  for (int64_t k = 0; k < n; k++) {
    float t = (float)((first + k) * 7 % 64) / 32 - 1;
    ((float *)dst)[2 * k] = t;
    ((float *)dst)[2 * k + 1] = 0.5f * t + 0.25f;
    if (labels) labels[k] = (int32_t)((first + k) % 2);
  }
  return GANTRY_OK;
}
static void close_set(void *self) { (void)self; }
static const gantry_dataset iface = {.struct_size = sizeof iface, .open = open_set, .read = read_set, .close = close_set};
static const char *const provides[] = {"data.image", "data.label", NULL};
GANTRY_PLUGIN(GANTRY_KIND_DATASET, "frozen_line", "1.0.0", "points of the first release") .provides = provides, .params = params, .param_count = 1, .iface = &iface GANTRY_PLUGIN_END
