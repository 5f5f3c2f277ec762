/* image.h - PNG files (libpng) and grids of small images. Pixels are u8, row-major, channels interleaved, 1 (gray) or 3 (RGB). */
#ifndef BASE_IMAGE_H
#define BASE_IMAGE_H
#include "base/err.h"
#include "base/mem.h"

typedef struct image { int64_t w, h, c; uint8_t *px; } image; /* px malloc'd */
gantry_status png_write(const char *path, const image *im, err *e); /* atomic, like file_write */
gantry_status png_read(const char *path, image *out, err *e);       /* gray or RGB 8 bit; palette, alpha and 16 bit are converted */
/* rows x cols images of h x w x c, in order, with `gap` pixels of mid gray between and around; each enlarged by whole factor zoom. */
image image_grid(const uint8_t *px, int64_t rows, int64_t cols, int64_t h, int64_t w, int64_t c, int64_t gap, int64_t zoom);
void image_free(image *im);
#endif
