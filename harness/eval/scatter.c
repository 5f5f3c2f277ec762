/* scatter.c - points in the plane as a picture: real samples pale gray, generated ones blue. See eval.h. */
#include <math.h>
#include <stdlib.h>

#include "eval/eval.h"

static void dot(image *im, double x, double y, int r, const uint8_t color[3]) {
  int64_t cx = llround(x), cy = llround(y);
  for (int64_t j = cy - r; j <= cy + r; j++)
    for (int64_t i = cx - r; i <= cx + r; i++) {
      if (i < 0 || j < 0 || i >= im->w || j >= im->h || (i - cx) * (i - cx) + (j - cy) * (j - cy) > r * r) continue;
      memcpy(im->px + 3 * (j * im->w + i), color, 3);
    }
}

image eval_scatter(const float *reference, int64_t n_reference, const float *points, int64_t n, int64_t size) {
  static const uint8_t gray[3] = {190, 190, 190}, blue[3] = {31, 90, 180};
  image im = {size, size, 3, mem_alloc((size_t)(3 * size * size))};
  double reach = 1e-6;
  memset(im.px, 255, (size_t)(3 * size * size));
  for (int64_t k = 0; k < 2 * n_reference; k++)
    if (isfinite(reference[k])) reach = fmax(reach, fabs((double)reference[k]));
  double scale = (double)size / (2.6 * reach), middle = (double)size / 2;
  for (int64_t k = 0; k < n_reference; k++) dot(&im, middle + scale * reference[2 * k], middle - scale * reference[2 * k + 1], 3, gray);
  for (int64_t k = 0; k < n; k++)
    if (isfinite(points[2 * k]) && isfinite(points[2 * k + 1]) && fabsf(points[2 * k]) < 1e6f && fabsf(points[2 * k + 1]) < 1e6f)
      dot(&im, middle + scale * points[2 * k], middle - scale * points[2 * k + 1], 2, blue);
  return im;
}
