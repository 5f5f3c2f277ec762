/* cifar - CIFAR-10 and CIFAR-100 in their binary layout (Krizhevsky 2009): records of one label byte (CIFAR-100: coarse, then fine) and 3072 bytes of
 * red, green and blue planes of 32 x 32. Files may be plain, gzipped (.gz) or xz-packed (.xz).
 *
 * `path` is a folder. CIFAR-10: data_batch_1.bin .. data_batch_5.bin and test_batch.bin; CIFAR-100: train.bin and test.bin. */
#include <gantry/dataset.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { PATH, LABELS, BATCHES };
enum { SIDE = 32, PIXELS = SIDE * SIDE, BLOCK = 1 << 20 };
static const char *const kinds[] = {"fine", "coarse", NULL};
static const gantry_param params[] = {
  {.key = "path", .doc = "folder with the .bin, .bin.gz or .bin.xz files", .type = GANTRY_P_PATH, .flags = GANTRY_PF_REQUIRED},
  {.key = "labels", .doc = "of CIFAR-100: its 100 fine classes or the 20 coarse ones", .type = GANTRY_P_ENUM, .def_str = "fine", .choices = kinds},
  {.key = "batches", .doc = "of CIFAR-10: read data_batch_1 up to this one; less than 5 is a part of the training set", .type = GANTRY_P_INT, .def = 5, .lo = 1, .hi = 5}};

typedef struct set {
  unsigned char *records; /* count records as in the files */
  size_t bytes, room;
  int64_t count;
  uint32_t label_bytes, label_at;
} set;

static gantry_status failed(gantry_ctx *cx, gantry_status code, const char *what, const char *path) {
  char text[1600];
  snprintf(text, sizeof text, "%s: %s", path, what);
  return cx->host->fail(cx, code, text);
}

static gantry_status append(gantry_ctx *cx, set *s, const unsigned char *p, size_t n) {
  if (!n) return GANTRY_OK; /* a packed file may hold nothing */
  if (s->bytes + n > s->room) {
    s->room = 2 * s->room + n + BLOCK;
    unsigned char *more = realloc(s->records, s->room);
    if (!more) return cx->host->fail(cx, GANTRY_E_NOMEM, "out of memory");
    s->records = more;
  }
  memcpy(s->records + s->bytes, p, n);
  s->bytes += n;
  return GANTRY_OK;
}

static gantry_status read_plain(gantry_ctx *cx, set *s, const char *path, unsigned char *block) {
  gzFile f = gzopen(path, "rb");
  gantry_status st = f ? GANTRY_OK : failed(cx, GANTRY_E_IO, "cannot be opened", path);
  int got = 0;
  while (!st && (got = gzread(f, block, BLOCK)) > 0) st = append(cx, s, block, (size_t)got);
  if (!st && (got < 0 || !gzeof(f))) st = failed(cx, GANTRY_E_IO, "damaged or truncated", path);
  if (f) gzclose(f);
  return st;
}

static gantry_status read_xz(gantry_ctx *cx, set *s, const char *path, unsigned char *block) {
  lzma_stream z = LZMA_STREAM_INIT;
  FILE *f = fopen(path, "rb");
  unsigned char *packed = malloc(BLOCK);
  gantry_status st = !f || !packed || lzma_stream_decoder(&z, UINT64_C(1) << 30, LZMA_CONCATENATED) != LZMA_OK ? failed(cx, GANTRY_E_IO, "cannot be opened", path) : GANTRY_OK;
  lzma_ret r = LZMA_OK;
  while (!st && r == LZMA_OK) {
    if (!z.avail_in && !feof(f)) {
      z.next_in = packed;
      z.avail_in = fread(packed, 1, BLOCK, f);
    }
    z.next_out = block;
    z.avail_out = BLOCK;
    r = lzma_code(&z, feof(f) ? LZMA_FINISH : LZMA_RUN);
    st = append(cx, s, block, BLOCK - z.avail_out);
  }
  if (!st && r != LZMA_STREAM_END) st = failed(cx, GANTRY_E_IO, "damaged or truncated", path);
  lzma_end(&z);
  free(packed);
  if (f) fclose(f);
  return st;
}

static int exists(const char *path) {
  FILE *f = fopen(path, "rb");
  if (f) fclose(f);
  return f != NULL;
}

/* dir/stem.bin, packed or not, behind what was read before. *found = 0: it is not there. */
static gantry_status read_file(gantry_ctx *cx, set *s, const char *dir, const char *stem, int *found) {
  static const char *const ends[] = {"", ".gz", ".xz"};
  char path[1200];
  *found = 0;
  for (int k = 0; k < 3 && !*found; k++) {
    snprintf(path, sizeof path, "%s/%s.bin%s", dir, stem, ends[k]);
    if (!exists(path)) continue;
    *found = 1;
    size_t before = s->bytes, record = s->label_bytes + 3 * PIXELS;
    unsigned char *block = malloc(BLOCK);
    gantry_status st = !block ? cx->host->fail(cx, GANTRY_E_NOMEM, "out of memory") : k == 2 ? read_xz(cx, s, path, block) : read_plain(cx, s, path, block);
    free(block);
    if (st) return st;
    if (s->bytes == before || (s->bytes - before) % record) return failed(cx, GANTRY_E_IO, "not a whole number of CIFAR records: truncated, or another file", path);
  }
  return GANTRY_OK;
}

static gantry_status missing(gantry_ctx *cx, const char *dir, const char *stem, const char *hint) {
  char path[1200], text[300];
  snprintf(path, sizeof path, "%s/%s.bin[.gz|.xz]", dir, stem);
  snprintf(text, sizeof text, "not found: set data.path to the folder with the binary version of CIFAR%s", hint);
  return failed(cx, GANTRY_E_IO, text, path);
}

static gantry_status open_set(gantry_ctx *cx, const char *split, gantry_dataset_info *info, void **self) {
  set *s = calloc(1, sizeof *s);
  if (!s) return cx->host->fail(cx, GANTRY_E_NOMEM, "out of memory");
  *self = s;
  const char *dir = cx->host->param->str(cx, PATH);
  int train = !strcmp(split, "train"), found = 0, coarse = (int)cx->host->param->i64(cx, LABELS);
  if (!train && strcmp(split, "test")) return failed(cx, GANTRY_E_CONFIG, "there are the splits train and test only", split);
  s->label_bytes = 2;
  s->label_at = coarse ? 0 : 1;
  uint32_t classes = coarse ? 20 : 100;
  gantry_status st = read_file(cx, s, dir, train ? "train" : "test", &found);
  if (!st && !found) { /* CIFAR-10 */
    s->label_bytes = 1;
    s->label_at = 0;
    classes = 10;
    int64_t n = train ? cx->host->param->i64(cx, BATCHES) : 1;
    for (int64_t k = 1; k <= n && !st; k++) {
      char stem[32];
      snprintf(stem, sizeof stem, train ? "data_batch_%d" : "test_batch", (int)k);
      st = read_file(cx, s, dir, stem, &found);
      if (!st && !found) st = missing(cx, dir, stem, k > 1 ? ", or data.batches to how many of its training files there are" : "");
    }
  }
  if (st) return st;
  size_t record = s->label_bytes + 3 * PIXELS;
  s->count = (int64_t)(s->bytes / record);
  for (int64_t k = 0; k < s->count; k++)
    if (s->records[(size_t)k * record + s->label_at] >= classes) return failed(cx, GANTRY_E_IO, "a label is too large: not CIFAR's binary layout", dir);
  info->dtype = GANTRY_U8;
  info->count = s->count;
  info->rank = 3;
  info->dims[0] = info->dims[1] = SIDE;
  info->dims[2] = 3;
  info->classes = classes;
  return GANTRY_OK;
}

static gantry_status read_set(gantry_ctx *cx, void *self, int64_t first, int64_t n, void *dst, int32_t *labels) {
  const set *s = self;
  unsigned char *out = dst;
  if (first < 0 || n < 0 || first + n > s->count) return cx->host->fail(cx, GANTRY_E_INVALID, "samples outside the set");
  for (int64_t i = 0; i < n; i++, out += 3 * PIXELS) {
    const unsigned char *r = s->records + (size_t)(first + i) * (s->label_bytes + 3 * PIXELS);
    if (labels) labels[i] = r[s->label_at];
    r += s->label_bytes;
    for (int c = 0; c < 3; c++)
      for (int k = 0; k < PIXELS; k++) out[3 * k + c] = r[c * PIXELS + k];
  }
  return GANTRY_OK;
}

static void close_set(void *self) {
  set *s = self;
  if (s) free(s->records);
  free(s);
}

static const gantry_dataset iface = {.struct_size = sizeof iface, .open = open_set, .read = read_set, .close = close_set};
static const char *const provides[] = {"data.image", "data.label", NULL};
GANTRY_PLUGIN(GANTRY_KIND_DATASET, "cifar", "1.0.0", "CIFAR-10 and CIFAR-100, binary layout, plain or packed")
  .paper = "Krizhevsky 2009, Learning multiple layers of features from tiny images", .provides = provides, .params = params, .param_count = 3, .iface = &iface
GANTRY_PLUGIN_END
