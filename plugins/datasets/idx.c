/* idx - images and labels in the idx format of MNIST and its family (Fashion-MNIST, KMNIST, EMNIST), plain or gzipped.
 *
 * `path` is a folder that holds {train,t10k}-images-idx3-ubyte[.gz] and the labels beside them; split "train" reads the first, "test" the second.
 * A relative path is looked for beside the experiment file and below /usr/share/datasets (Debian's packages dataset-*). */
#include "idx_file.h"

enum { PATH };
static const gantry_param params[] = {{.key = "path", .doc = "folder with the idx files", .type = GANTRY_P_PATH, .flags = GANTRY_PF_REQUIRED}};

typedef struct set {
  idx_bytes images, labels;
  int32_t *classes; /* the labels as whole() gives them */
  int64_t count, bytes;
} set;

static gantry_status open_set(gantry_ctx *cx, const char *split, gantry_dataset_info *info, void **self) {
  set *s = calloc(1, sizeof *s);
  if (!s) return cx->host->fail(cx, GANTRY_E_NOMEM, "out of memory");
  *self = s;
  uint32_t d[3];
  gantry_status st = idx_read_split(cx, cx->host->param->str(cx, PATH), split, d, &s->images, &s->labels);
  if (st) return st;
  uint32_t classes = 0;
  for (uint32_t k = 0; k < d[0]; k++)
    if (s->labels.p[k] + 1u > classes) classes = s->labels.p[k] + 1u;
  s->count = d[0];
  s->bytes = (int64_t)d[1] * d[2];
  info->dtype = GANTRY_U8;
  info->count = d[0];
  info->rank = 3;
  info->dims[0] = d[1];
  info->dims[1] = d[2];
  info->dims[2] = 1;
  info->classes = classes;
  return GANTRY_OK;
}

static gantry_status read_set(gantry_ctx *cx, void *self, int64_t first, int64_t n, void *dst, int32_t *labels) {
  const set *s = self;
  if (first < 0 || n < 0 || first + n > s->count) return cx->host->fail(cx, GANTRY_E_INVALID, "samples outside the set");
  memcpy(dst, s->images.p + first * s->bytes, (size_t)(n * s->bytes));
  for (int64_t k = 0; labels && k < n; k++) labels[k] = s->labels.p[first + k];
  return GANTRY_OK;
}

/* Of a mapped entry alone: memory of our own is given back by whoever copies it. */
static gantry_status whole_set(gantry_ctx *cx, void *self, const void **samples, const int32_t **labels) {
  set *s = self;
  if (!s->images.map) return GANTRY_E_UNSUPPORTED;
  if (!s->classes) s->classes = malloc(sizeof *s->classes * (size_t)s->count);
  if (!s->classes) return cx->host->fail(cx, GANTRY_E_NOMEM, "out of memory");
  for (int64_t k = 0; k < s->count; k++) s->classes[k] = s->labels.p[k];
  *samples = s->images.p;
  *labels = s->classes;
  return GANTRY_OK;
}

static void close_set(void *self) {
  set *s = self;
  if (s) {
    idx_free(&s->images);
    idx_free(&s->labels);
    free(s->classes);
  }
  free(s);
}

static const gantry_dataset iface = {.struct_size = sizeof iface, .open = open_set, .read = read_set, .close = close_set, .whole = whole_set};
static const char *const provides[] = {"data.image", "data.label", NULL};
GANTRY_PLUGIN(GANTRY_KIND_DATASET, "idx", "1.0.0", "images in MNIST's idx format, plain or gzipped")
  .provides = provides, .params = params, .param_count = 1, .iface = &iface
GANTRY_PLUGIN_END
