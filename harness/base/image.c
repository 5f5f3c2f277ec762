/* image.c - see image.h. PNG through libpng's row interface, encoded in memory so that files appear whole. */
#include "base/image.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>

#include "base/files.h"

enum { MAX_SIDE = 1 << 16 };

typedef struct png_io {
  buf bytes;
  size_t at;
  char why[200];
} png_io;

static void on_error(png_structp png, png_const_charp text) {
  png_io *io = png_get_error_ptr(png);
  snprintf(io->why, sizeof io->why, "%s", text);
  png_longjmp(png, 1);
}
static void on_warning(png_structp png, png_const_charp text) {
  (void)png;
  (void)text; /* warnings concern metadata that is not read */
}
static void on_write(png_structp png, png_bytep p, size_t n) { buf_put(&((png_io *)png_get_io_ptr(png))->bytes, p, n); }
static void on_flush(png_structp png) { (void)png; }
static void on_read(png_structp png, png_bytep p, size_t n) {
  png_io *io = png_get_io_ptr(png);
  if (n > io->bytes.n - io->at) png_error(png, "the file ends early");
  memcpy(p, io->bytes.p + io->at, n);
  io->at += n;
}

static int encode(png_io *io, const image *im) {
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, io, on_error, on_warning);
  png_infop info = png ? png_create_info_struct(png) : NULL;
  if (!info || setjmp(png_jmpbuf(png))) {
    png_destroy_write_struct(&png, &info);
    return 0;
  }
  png_set_write_fn(png, io, on_write, on_flush);
  png_set_IHDR(png, info, (png_uint_32)im->w, (png_uint_32)im->h, 8, im->c == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB,
               PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  for (int64_t y = 0; y < im->h; y++) png_write_row(png, im->px + y * im->w * im->c);
  png_write_end(png, NULL);
  png_destroy_write_struct(&png, &info);
  return 1;
}

gantry_status png_write(const char *path, const image *im, err *e) {
  if (im->w < 1 || im->h < 1 || im->w > MAX_SIDE || im->h > MAX_SIDE || (im->c != 1 && im->c != 3))
    return err_set(e, GANTRY_E_INVALID, "%s: an image of %lld x %lld pixels with %lld channels cannot be written as PNG (1 or 3 channels, at most %d pixels a side)",
                   path, (long long)im->w, (long long)im->h, (long long)im->c, MAX_SIDE);
  png_io io = {0};
  gantry_status st = encode(&io, im) ? file_write(path, io.bytes.p, io.bytes.n, e) : err_set(e, GANTRY_E_INTERNAL, "%s: PNG encoder: %s", path, io.why);
  buf_free(&io.bytes);
  return st;
}

/* *out is the caller's, so what longjmp leaves of it can be freed there. */
static int decode(png_io *io, image *out) {
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, io, on_error, on_warning);
  png_infop info = png ? png_create_info_struct(png) : NULL;
  if (!info || setjmp(png_jmpbuf(png))) {
    png_destroy_read_struct(&png, &info, NULL);
    return 0;
  }
  png_set_user_limits(png, MAX_SIDE, MAX_SIDE);
  png_set_read_fn(png, io, on_read);
  png_read_info(png, info);
  png_uint_32 w, h;
  int depth, type;
  png_get_IHDR(png, info, &w, &h, &depth, &type, NULL, NULL, NULL);
  if ((uint64_t)w * h > (uint64_t)1 << 28) png_error(png, "more than 268 million pixels");
  if (depth == 16) png_set_strip_16(png);
  if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
  if (type == PNG_COLOR_TYPE_GRAY && depth < 8) png_set_expand_gray_1_2_4_to_8(png);
  png_set_strip_alpha(png);
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  out->w = w;
  out->h = h;
  out->c = png_get_channels(png, info);
  if (out->c != 1 && out->c != 3) png_error(png, "neither gray nor RGB");
  out->px = malloc((size_t)w * h * (size_t)out->c);
  if (!out->px) png_error(png, "out of memory");
  for (int k = 0; k < passes; k++)
    for (int64_t y = 0; y < out->h; y++) png_read_row(png, out->px + y * out->w * out->c, NULL);
  png_read_end(png, NULL);
  png_destroy_read_struct(&png, &info, NULL);
  return 1;
}

gantry_status png_read(const char *path, image *out, err *e) {
  *out = (image){0};
  png_io io = {0};
  gantry_status st = file_read(path, &io.bytes, (size_t)1 << 30, e);
  if (!st && (io.bytes.n < 8 || png_sig_cmp((png_const_bytep)io.bytes.p, 0, 8))) st = err_set(e, GANTRY_E_IO, "%s is not a PNG file", path);
  if (!st && !decode(&io, out)) {
    image_free(out);
    st = err_set(e, GANTRY_E_IO, "%s is a damaged PNG file: %s", path, io.why);
  }
  buf_free(&io.bytes);
  return st;
}

image image_grid(const uint8_t *px, int64_t rows, int64_t cols, int64_t h, int64_t w, int64_t c, int64_t gap, int64_t zoom) {
  int64_t th = h * zoom + gap, tw = w * zoom + gap;
  image im = {.w = cols * tw + gap, .h = rows * th + gap, .c = c};
  im.px = mem_alloc((size_t)(im.w * im.h * c));
  memset(im.px, 128, (size_t)(im.w * im.h * c));
  for (int64_t y = 0; y < rows * h * zoom; y++) {
    int64_t row = y / (h * zoom), in_y = y % (h * zoom) / zoom;
    uint8_t *line = im.px + (gap + row * th + y % (h * zoom)) * im.w * c;
    for (int64_t col = 0; col < cols; col++) {
      const uint8_t *from = px + (((row * cols + col) * h + in_y) * w) * c;
      uint8_t *to = line + (gap + col * tw) * c;
      for (int64_t x = 0; x < w * zoom; x++) memcpy(to + x * c, from + x / zoom * c, (size_t)c);
    }
  }
  return im;
}

void image_free(image *im) {
  free(im->px);
  *im = (image){0};
}
