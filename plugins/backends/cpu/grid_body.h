/* grid_body.h - the body of lib_grid.c for one element type: REAL and NAME(x) are defined by whoever includes it. */

static inline void NAME(coordinates)(const grid *q, const REAL *from, double at[3]) {
  for (uint32_t k = 0; k < q->axes; k++) at[k] = (double)from[k];
}

static int64_t NAME(pixels)(const grid *q) {
  int64_t n = 1;
  for (uint32_t k = 0; k < q->axes; k++) n *= q->in[k];
  return n;
}

static void NAME(sample)(const grid *q, const REAL *x, const REAL *coordinates, REAL *out) {
  int64_t ch = q->channels, image = NAME(pixels)(q) * ch;
  double at[3], weight;
  for (int64_t s = 0; s < q->samples; s++, x += image)
    for (int64_t p = 0; p < q->points; p++, coordinates += q->axes, out += ch) {
      NAME(coordinates)(q, coordinates, at);
      memset(out, 0, sizeof(REAL) * (size_t)ch);
      for (uint32_t k = 0; k < 1u << q->axes; k++) {
        int64_t pixel = corner(q, at, k, &weight);
        if (pixel < 0) continue;
        const REAL *from = x + pixel * ch, w = (REAL)weight;
        for (int64_t n = 0; n < ch; n++) out[n] += from[n] * w;
      }
    }
}

static void NAME(splat)(const grid *q, const REAL *v, const REAL *coordinates, REAL *out) {
  int64_t ch = q->channels, image = NAME(pixels)(q) * ch;
  double at[3], weight;
  memset(out, 0, sizeof(REAL) * (size_t)(q->samples * image));
  for (int64_t s = 0; s < q->samples; s++, out += image)
    for (int64_t p = 0; p < q->points; p++, coordinates += q->axes, v += ch) {
      NAME(coordinates)(q, coordinates, at);
      for (uint32_t k = 0; k < 1u << q->axes; k++) {
        int64_t pixel = corner(q, at, k, &weight);
        if (pixel < 0) continue;
        REAL *to = out + pixel * ch, w = (REAL)weight;
        for (int64_t n = 0; n < ch; n++) to[n] += v[n] * w;
      }
    }
}
