/* Any bytes as a PNG or a JPEG file of an image folder: decoded and fitted to 16 x 16. */
#include "../../plugins/datasets/image_folder.c"
#include "fuzz.h"

static gantry_status fail(gantry_ctx *cx, gantry_status st, const char *text) {
  (void)cx;
  if (!text || !*text) abort();
  return st;
}

static int64_t choices[5];
static int64_t i64(gantry_ctx *cx, uint32_t k) { (void)cx; return choices[k]; }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  static const gantry_param_api param = {.struct_size = sizeof param, .i64 = i64};
  static const gantry_host host = {.struct_size = sizeof host, .param = &param, .fail = fail};
  if (n < 2) return 0;
  gantry_ctx cx = {&host};
  char path[64];
  int fd = fuzz_file(data + 1, n - 1, path);
  entry x = {.path = path, .bytes = (int64_t)n - 1};
  picture im = {0};
  unsigned char out[16 * 16 * 3];
  choices[FIT] = data[0] % 3;
  choices[FILTER] = data[0] / 4 % 2;
  choices[CHANNELS] = data[0] / 8 % 2 ? 3 : 0;
  if (!decode(&cx, &x, &im)) {
    if (im.w <= 0 || im.h <= 0 || (im.c != 1 && im.c != 3)) abort();
    set s = {.files = &x, .n = 1, .head = {.h = 16, .w = 16, .c = data[0] / 16 % 2 ? 1 : 3}};
    if (im.w * im.h < 1 << 20) fit(&cx, &s, &x, &im, out);
  }
  free(im.px);
  close(fd);
  return 0;
}
