/* Any bytes as CIFAR's files: plain, gzipped or xz-packed by the first byte, read as CIFAR-10 and as CIFAR-100. A first byte above 5 makes whole records out of the rest, since the length
 * of a file is checked before anything else. */
#include "../../plugins/datasets/cifar.c"
#include "fuzz.h"

static char dir[64];
static int64_t coarse;
static const char *str(gantry_ctx *cx, uint32_t k) { (void)cx; (void)k; return dir; }
static int64_t i64(gantry_ctx *cx, uint32_t k) { (void)cx; return k == BATCHES ? 1 : coarse; }
static gantry_status fail(gantry_ctx *cx, gantry_status st, const char *text) {
  (void)cx;
  if (!text || !*text) abort();
  return st;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  static const char *const ends[] = {"", ".gz", ".xz"};
  static const gantry_param_api param = {.struct_size = sizeof param, .str = str, .i64 = i64};
  static const gantry_host host = {.struct_size = sizeof host, .param = &param, .fail = fail};
  gantry_ctx cx = {&host};
  gantry_dataset_info info = {.struct_size = sizeof info};
  void *self = NULL;
  char path[200];
  if (!n) return 0;
  if (!*dir) {
    strcpy(dir, "/dev/shm/gantry-fuzz-XXXXXX");
    if (!mkdtemp(dir)) abort();
  }
  uint32_t how = data[0];
  coarse = how & 1;
  const char *stem = how & 2 ? "train" : "data_batch_1";
  size_t record = (how & 2 ? 2 : 1) + 3 * PIXELS, whole = how > 5 ? (n - 1 + record - 1) / record * record : n - 1;
  unsigned char *bytes = calloc(whole + 1, 1);
  memcpy(bytes, data + 1, n - 1);
  snprintf(path, sizeof path, "%s/%s.bin%s", dir, stem, ends[how / 4 % 3]);
  fuzz_write(path, bytes, whole);
  if (!iface.open(&cx, "train", &info, &self)) {
    int32_t label;
    if (iface.read(&cx, self, info.count - 1, 1, bytes = realloc(bytes, 3 * PIXELS), &label) || label < 0 || label >= (int32_t)info.classes) abort();
    if (!iface.read(&cx, self, info.count, 1, bytes, &label)) abort();
  }
  if (self) iface.close(self);
  free(bytes);
  remove(path);
  return 0;
}
