/* Any bytes as Fashion-MNIST's files: images and labels, plain or gzipped (both are read through zlib). */
#include "../../plugins/datasets/idx.c"
#include "fuzz.h"

static char dir[64];
static const char *str(gantry_ctx *cx, uint32_t k) { (void)cx; (void)k; return dir; }
static gantry_status fail(gantry_ctx *cx, gantry_status st, const char *text) {
  (void)cx;
  if (!text || !*text) abort();
  return st;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  static const gantry_param_api param = {.struct_size = sizeof param, .str = str};
  static const gantry_host host = {.struct_size = sizeof host, .param = &param, .fail = fail};
  gantry_ctx cx = {&host};
  gantry_dataset_info info = {.struct_size = sizeof info};
  void *self = NULL;
  char path[200];
  if (!*dir) {
    strcpy(dir, "/dev/shm/gantry-fuzz-XXXXXX");
    if (!mkdtemp(dir)) abort();
  }
  size_t cut = n > 1 ? 1 + (size_t)data[0] * (n - 1) / 256 : 0;
  snprintf(path, sizeof path, "%s/train-images-idx3-ubyte", dir);
  fuzz_write(path, data + (n > 0), n > 1 ? n - cut : 0);
  snprintf(path, sizeof path, "%s/train-labels-idx1-ubyte", dir);
  fuzz_write(path, data + n - (n > 1 ? cut - 1 : 0), n > 1 ? cut - 1 : 0);
  if (!iface.open(&cx, "train", &info, &self)) {
    int64_t bytes = info.dims[0] * info.dims[1] * info.dims[2];
    unsigned char *one = malloc((size_t)bytes + 1);
    int32_t label;
    if (iface.read(&cx, self, info.count - 1, 1, one, &label) || label < 0 || label >= (int32_t)info.classes) abort();
    if (!iface.read(&cx, self, info.count, 1, one, &label)) abort();
    free(one);
  }
  if (self) iface.close(self);
  return 0;
}
