/* conv_winograd.c - 4x4 convolutions of stride 2 with fewer multiplications: the layer that DCGANs are made of, in its three faces.
 *
 * By even and odd pixels such a convolution is four of stride 1 with 2x2 filters. Two neighbouring outputs of a filter of two taps need three
 * products instead of four (Winograd 1980; Lavin and Gray, arXiv:1509.09308, as F(2,2)):
 *   y0 = d0 g0 + d1 g1 = (d0 - d1) g0 + d1 (g0 + g1)        y1 = d1 g0 + d2 g1 = d1 (g0 + g1) - (d1 - d2) g1
 * so a tile of 2x2 outputs takes 9 products per channel instead of 16, by additions that lose next to no precision. The products are nine matrix
 * products ("planes") over tiles and channels:
 *   CONV        outputs from the image: planes [tiles, 4 c] x [4 c, o], the four phases beside each other
 *   CONV_WGRAD  the filter from image and gradient, where the gradient's pairs are the taps: [o, tiles] x [tiles, 4 c]
 *   CONV_DGRAD  the image's four phases from the gradient: two phases of an axis read windows that lie one pixel apart, which share one of their three
 *               values, so there are five values an axis and 25 planes; phases that read the same plane are multiplied at once
 * Batches are cut into slices of a fixed size, and a filter gradient is the sum over slices in order, so results do not depend on threads. */
#include <stdlib.h>
#include <string.h>

#include "conv.h"
#include "dnnl_common.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(GANTRY_SANITIZED)
#define WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDE
#endif
enum { SLICE_BYTES = 3 << 20, ALIGN = 16 };

typedef struct shape { /* what all three share */
  int64_t n, c, o, h, w, oh, ow, th, tw, tiles; /* tiles: of one image */
} shape;

static shape shape_of(const conv_shape *q) {
  shape s = {.n = q->n, .c = q->c, .o = q->o, .h = q->in[1], .w = q->in[2], .oh = q->out[1], .ow = q->out[2], .th = (q->out[1] + 1) / 2, .tw = (q->out[2] + 1) / 2};
  s.tiles = s.th * s.tw;
  return s;
}

/* By shape alone: the layer's geometry, channels that make products large, and tiles that are mostly full. CONV_DGRAD's 25 planes cost more to make: with
 * 32 or 64 channels of the gradient oneDNN is ahead (5.0 against 8.0 ms on 64x16x16x32 -> 32x32x32), from 80 on it is behind (9.9 against 9.2 on
 * 64x12x12x80 -> 24x24x40). */
int conv_winograd_fits(const conv_shape *q) {
  if (q->spatial != 2 || q->groups != 1) return 0;
  for (int a = 1; a < 3; a++)
    if (q->k[a] != 4 || q->stride[a] != 2 || q->dilation[a] != 1 || q->lo[a] != 1 || q->in[a] != 2 * q->out[a]) return 0;
  shape s = shape_of(q);
  return s.c >= 32 && s.o >= (q->op == GANTRY_OP_CONV_DGRAD ? 80 : 32) && s.tiles * 36 * 100 <= s.oh * s.ow * 16 * 62;
}

static int64_t planes_in(const conv_shape *q) { return q->op == GANTRY_OP_CONV_DGRAD ? 25 : 9; }
static int64_t wide(const shape *s, const conv_shape *q) { return q->op == GANTRY_OP_CONV_DGRAD ? s->o : 4 * s->c; }  /* of a transformed input */
static int64_t deep(const shape *s, const conv_shape *q) { return q->op == GANTRY_OP_CONV_DGRAD ? 36 * s->c : 9 * s->o; } /* of the products, or the gradient's planes */

static int64_t filter_elements(const shape *s) { return 36 * s->o * s->c; }

/* Images at a time: what the second-level cache nearly holds, but in CONV no less than the filter, which is read again for each slice. Measured with
 * 1, 3, 8 and 64 MB. */
static int64_t slice_of(const conv_shape *q) {
  shape s = shape_of(q);
  int64_t bytes = q->op == GANTRY_OP_CONV && 4 * filter_elements(&s) > SLICE_BYTES ? 4 * filter_elements(&s) : SLICE_BYTES;
  int64_t each = 4 * s.tiles * (planes_in(q) * wide(&s, q) + deep(&s, q)), n = bytes / each;
  return n < 1 ? 1 : n < s.n ? n : s.n;
}

/* Elements: filter planes (or the gradient's), then per worker the transformed input and the products of a slice. */
static int64_t slice_elements(const conv_shape *q) {
  shape s = shape_of(q);
  return (slice_of(q) * s.tiles * (planes_in(q) * wide(&s, q) + deep(&s, q)) + (s.c > s.o ? s.c : s.o) + ALIGN - 1) / ALIGN * ALIGN;
}
static int64_t workers(const conv_shape *q, uint32_t threads) {
  int64_t slices = (q->n + slice_of(q) - 1) / slice_of(q);
  return q->op == GANTRY_OP_CONV_WGRAD ? 1 : threads < slices ? threads : slices;
}
int64_t conv_winograd_scratch(const conv_shape *q, uint32_t threads) {
  shape s = shape_of(q);
  return 4 * ((filter_elements(&s) + ALIGN - 1) / ALIGN * ALIGN + (s.c > s.o ? s.c : s.o) + ALIGN + workers(q, threads) * slice_elements(q));
}

/* ---- where plane (jy, jx) of phase (sy, sx) stands among the 25 of CONV_DGRAD ---------------------------------------------------- */
typedef struct phase { int64_t q, at, count; } phase; /* plane of the input, place and number of the phases that share it */
static phase phase_of(int sy, int sx, int jy, int jx) {
  int qy = jy + 2 * sy, qx = jx + 2 * sx, ny = qy == 2 ? 2 : 1, nx = qx == 2 ? 2 : 1;
  return (phase){qy * 5 + qx, (ny == 2 ? sy : 0) * nx + (nx == 2 ? sx : 0), ny * nx};
}
static int64_t first_of(int64_t q) { /* phases in the planes before q */
  int64_t n = 0;
  for (int64_t p = 0; p < q; p++) n += (p / 5 == 2 ? 2 : 1) * (p % 5 == 2 ? 2 : 1);
  return n;
}

/* ---- transforms of one vector of channels ---------------------------------------------------------------------------------------- */
/* nine inputs to nine planes: d0 - d1, d1, d1 - d2 on both axes */
WIDE static void spread(const float *const d[9], float *v, int64_t plane, int64_t n) {
  _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) {
    float a0 = d[0][i] - d[3][i], a1 = d[1][i] - d[4][i], a2 = d[2][i] - d[5][i], b0 = d[3][i], b1 = d[4][i], b2 = d[5][i];
    float c0 = d[3][i] - d[6][i], c1 = d[4][i] - d[7][i], c2 = d[5][i] - d[8][i];
    v[i] = a0 - a1, v[plane + i] = a1, v[2 * plane + i] = a1 - a2;
    v[3 * plane + i] = b0 - b1, v[4 * plane + i] = b1, v[5 * plane + i] = b1 - b2;
    v[6 * plane + i] = c0 - c1, v[7 * plane + i] = c1, v[8 * plane + i] = c1 - c2;
  }
}

/* sixteen inputs to 25 planes: a - b, b, b - c, c, c - d on both axes */
WIDE static void spread_twice(const float *const d[16], float *v, int64_t plane, int64_t n) {
  for (int r = 0; r < 5; r++) {
    const float *const *p = d + 4 * (r >> 1), *const *q = p + 4;
    float *out = v + 5 * r * plane;
    if (r & 1) {
      p = d + 4 * ((r + 1) / 2);
      _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) {
        float a = p[0][i], b = p[1][i], c = p[2][i], e = p[3][i];
        out[i] = a - b, out[plane + i] = b, out[2 * plane + i] = b - c, out[3 * plane + i] = c, out[4 * plane + i] = c - e;
      }
      continue;
    }
    _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) {
      float a = p[0][i] - q[0][i], b = p[1][i] - q[1][i], c = p[2][i] - q[2][i], e = p[3][i] - q[3][i];
      out[i] = a - b, out[plane + i] = b, out[2 * plane + i] = b - c, out[3 * plane + i] = c, out[4 * plane + i] = c - e;
    }
  }
}

/* nine products to four results: m0 + m1, m1 - m2 on both axes */
WIDE static void gather(const float *const m[9], float *const y[4], int64_t n) {
  _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) {
    float a0 = m[0][i] + m[3][i], a1 = m[1][i] + m[4][i], a2 = m[2][i] + m[5][i], b0 = m[3][i] - m[6][i], b1 = m[4][i] - m[7][i], b2 = m[5][i] - m[8][i];
    y[0][i] = a0 + a1, y[1][i] = a1 - a2, y[2][i] = b0 + b1, y[3][i] = b1 - b2;
  }
}

/* four taps (or gradients) to nine planes: g0, g0 + g1, g1 on both axes */
WIDE static void taps(const float *const g[4], float *const u[9], int64_t n) {
  _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) {
    float a = g[0][i], b = g[1][i], c = g[2][i], d = g[3][i];
    u[0][i] = a, u[1][i] = a + b, u[2][i] = b, u[3][i] = a + c, u[4][i] = (a + b) + (c + d), u[5][i] = b + d, u[6][i] = c, u[7][i] = c + d, u[8][i] = d;
  }
}

/* ---- whole tensors ---------------------------------------------------------------------------------------------------------------- */
/* The filter [o, 4, 4, c] as planes. CONV: [9][o][4 phases c]. DGRAD, taps swapped: by input plane [25][o][phases that read it, c]. */
static void filter_planes(const shape *s, int dgrad, const float *w, float *u) {
  for (int64_t o = 0; o < s->o; o++)
    for (int py = 0; py < 2; py++)
      for (int px = 0; px < 2; px++) {
        const float *g[4];
        float *to[9];
        for (int t = 0; t < 4; t++) {
          int ay = t >> 1, ax = t & 1;
          if (dgrad) ay = 1 - ay, ax = 1 - ax;
          g[t] = w + (((o * 4 + 2 * ay + py) * 4) + 2 * ax + px) * s->c;
        }
        for (int j = 0; j < 9; j++) {
          to[j] = u + (j * s->o + o) * 4 * s->c + (py * 2 + px) * s->c;
          if (!dgrad) continue;
          phase p = phase_of(1 - py, 1 - px, j / 3, j % 3); /* the pixel in front of an even one is padding: even pixels have odd taps */
          to[j] = u + first_of(p.q) * s->o * s->c + (o * p.count + p.at) * s->c;
        }
        taps(g, to, s->c);
      }
}

/* Tile `tile` of image x for CONV and WGRAD: four phases of 3x3 pixels. */
static void image_tile(const shape *s, const float *x, int64_t ty, int64_t tx, const float *zero, float *v, int64_t plane) {
  for (int py = 0; py < 2; py++)
    for (int px = 0; px < 2; px++) {
      const float *d[9];
      for (int k = 0; k < 9; k++) {
        int64_t y = 2 * (2 * ty + k / 3) + py - 1, z = 2 * (2 * tx + k % 3) + px - 1;
        d[k] = y < 0 || y >= s->h || z < 0 || z >= s->w ? zero : x + (y * s->w + z) * s->c;
      }
      spread(d, v + (py * 2 + px) * s->c, plane, s->c);
    }
}
/* Of the gradient y for DGRAD: 4x4 pixels. */
static void gradient_window(const shape *s, const float *y, int64_t ty, int64_t tx, const float *zero, float *v, int64_t plane) {
  const float *d[16];
  for (int k = 0; k < 16; k++) {
    int64_t r = 2 * ty + k / 4 - 1, z = 2 * tx + k % 4 - 1;
    d[k] = r < 0 || r >= s->oh || z < 0 || z >= s->ow ? zero : y + (r * s->ow + z) * s->o;
  }
  spread_twice(d, v, plane, s->o);
}
/* Of the gradient y for WGRAD: 2x2 pixels as taps. */
static void gradient_tile(const shape *s, const float *y, int64_t ty, int64_t tx, const float *zero, float *v, int64_t plane) {
  const float *g[4];
  float *to[9];
  for (int k = 0; k < 4; k++) {
    int64_t r = 2 * ty + k / 2, z = 2 * tx + k % 2;
    g[k] = r >= s->oh || z >= s->ow ? zero : y + (r * s->ow + z) * s->o;
  }
  for (int j = 0; j < 9; j++) to[j] = v + j * plane;
  taps(g, to, s->o);
}

static void outputs_of_tile(const shape *s, const float *m, int64_t plane, int64_t ty, int64_t tx, float *spare, float *y) {
  const float *from[9];
  float *to[4];
  for (int j = 0; j < 9; j++) from[j] = m + j * plane;
  for (int k = 0; k < 4; k++) {
    int64_t r = 2 * ty + k / 2, z = 2 * tx + k % 2;
    to[k] = r < s->oh && z < s->ow ? y + (r * s->ow + z) * s->o : spare;
  }
  gather(from, to, s->o);
}
static void pixels_of_tile(const shape *s, const float *m, int64_t tiles, int64_t tile, int64_t ty, int64_t tx, float *spare, float *x) {
  for (int sy = 0; sy < 2; sy++)
    for (int sx = 0; sx < 2; sx++) {
      const float *from[9];
      float *to[4];
      for (int j = 0; j < 9; j++) {
        phase p = phase_of(sy, sx, j / 3, j % 3);
        from[j] = m + first_of(p.q) * tiles * s->c + (tile * p.count + p.at) * s->c;
      }
      for (int k = 0; k < 4; k++) {
        int64_t r = 2 * (2 * ty + k / 2) + sy, z = 2 * (2 * tx + k % 2) + sx;
        to[k] = r < s->h && z < s->w ? x + (r * s->w + z) * s->c : spare;
      }
      gather(from, to, s->c);
    }
}

static int product(char ta, char tb, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c) {
  return dnnl_sgemm(ta, tb, m, n, k, 1, a, lda, b, ldb, beta, c, n) != dnnl_success;
}

/* One slice of CONV or DGRAD: images [from, from + n). */
static int slice_forward(const conv_shape *q, const shape *s, const float *in, const float *u, float *out, int64_t from, int64_t n, const float *zero, float *v) {
  int dgrad = q->op == GANTRY_OP_CONV_DGRAD, bad = 0;
  int64_t tiles = n * s->tiles, width = wide(s, q), plane = tiles * width, in_image = dgrad ? s->oh * s->ow * s->o : s->h * s->w * s->c, out_image = dgrad ? s->h * s->w * s->c : s->oh * s->ow * s->o;
  float *m = v + planes_in(q) * plane, *spare = m + tiles * deep(s, q);
  for (int64_t i = 0; i < n; i++)
    for (int64_t t = 0; t < s->tiles; t++)
      (dgrad ? gradient_window : image_tile)(s, in + (from + i) * in_image, t / s->tw, t % s->tw, zero, v + (i * s->tiles + t) * width, plane);
  if (!dgrad)
    for (int j = 0; j < 9; j++) bad |= product('N', 'T', tiles, s->o, 4 * s->c, v + j * plane, width, u + j * 4 * s->o * s->c, 4 * s->c, 0, m + j * tiles * s->o);
  for (int64_t p = 0; dgrad && p < 25; p++) {
    int64_t wide_n = (first_of(p + 1) - first_of(p)) * s->c;
    bad |= product('N', 'N', tiles, wide_n, s->o, v + p * plane, width, u + first_of(p) * s->o * s->c, wide_n, 0, m + first_of(p) * tiles * s->c);
  }
  for (int64_t i = 0; i < n; i++)
    for (int64_t t = 0; t < s->tiles; t++) {
      if (dgrad) pixels_of_tile(s, m, tiles, i * s->tiles + t, t / s->tw, t % s->tw, spare, out + (from + i) * out_image);
      else outputs_of_tile(s, m + (i * s->tiles + t) * s->o, tiles * s->o, t / s->tw, t % s->tw, spare, out + (from + i) * out_image);
    }
  return bad;
}

static int forward(const conv_shape *q, const float *in, const float *w, float *out, float *room, uint32_t threads) {
  shape s = shape_of(q);
  int64_t slice = slice_of(q), slices = (s.n + slice - 1) / slice, each = slice_elements(q), crew = workers(q, threads);
  float *u = room, *zero = u + (filter_elements(&s) + ALIGN - 1) / ALIGN * ALIGN, *v = zero + ((s.c > s.o ? s.c : s.o) + ALIGN - 1) / ALIGN * ALIGN;
  int bad = 0;
  memset(zero, 0, sizeof *zero * (size_t)(s.c > s.o ? s.c : s.o));
  filter_planes(&s, q->op == GANTRY_OP_CONV_DGRAD, w, u);
#pragma omp parallel for num_threads((int)crew) if (crew > 1) schedule(static) reduction(| : bad)
  for (int64_t k = 0; k < crew; k++)
    for (int64_t i = slices * k / crew; i < slices * (k + 1) / crew; i++)
      bad |= slice_forward(q, &s, in, u, out, i * slice, s.n - i * slice < slice ? s.n - i * slice : slice, zero, v + k * each);
  return bad;
}

static int filter_gradient(const conv_shape *q, const float *x, const float *y, float *out, float *room, uint32_t threads) {
  shape s = shape_of(q);
  int64_t slice = slice_of(q), half = s.o / 2, wide_c = 4 * s.c;
  float *g = room, *zero = g + (filter_elements(&s) + ALIGN - 1) / ALIGN * ALIGN, *v = zero + ((s.c > s.o ? s.c : s.o) + ALIGN - 1) / ALIGN * ALIGN;
  int bad = 0, crew = (int)threads;
  memset(zero, 0, sizeof *zero * (size_t)(s.c > s.o ? s.c : s.o));
  for (int64_t from = 0; from < s.n; from += slice) {
    int64_t n = s.n - from < slice ? s.n - from : slice, tiles = n * s.tiles, plane = tiles * wide_c;
    float *d = v + 9 * plane;
#pragma omp parallel for num_threads(crew) if (crew > 1) schedule(static)
    for (int64_t t = 0; t < tiles; t++) {
      int64_t i = from + t / s.tiles, ty = t % s.tiles / s.tw, tx = t % s.tiles % s.tw;
      image_tile(&s, x + i * s.h * s.w * s.c, ty, tx, zero, v + t * wide_c, plane);
      gradient_tile(&s, y + i * s.oh * s.ow * s.o, ty, tx, zero, d + t * s.o, tiles * s.o);
    }
#pragma omp parallel for num_threads(crew) if (crew > 1) schedule(dynamic) reduction(| : bad)
    for (int k = 0; k < 18; k++) { /* always in halves: the bits are those of one thread */
      int64_t j = k / 2, o = k % 2 ? half : 0, many = k % 2 ? s.o - half : half;
      bad |= product('T', 'N', many, wide_c, tiles, d + j * tiles * s.o + o, s.o, v + j * plane, wide_c, from ? 1 : 0, g + (j * s.o + o) * wide_c);
    }
  }
  for (int64_t o = 0; o < s.o; o++)
    for (int p = 0; p < 4; p++) {
      const float *m[9];
      float *to[4];
      for (int j = 0; j < 9; j++) m[j] = g + (j * s.o + o) * wide_c + p * s.c;
      for (int t = 0; t < 4; t++) to[t] = out + ((o * 4 + 2 * (t >> 1) + (p >> 1)) * 4 + 2 * (t & 1) + (p & 1)) * s.c;
      gather(m, to, s.c);
    }
  return bad;
}

gantry_status conv_winograd_run(const conv_shape *q, const float *a, const float *b, float *out, float *room, uint32_t threads) {
  int bad = q->op == GANTRY_OP_CONV_WGRAD ? filter_gradient(q, a, b, out, room, threads) : forward(q, a, b, out, room, threads);
  return bad ? GANTRY_E_DEVICE : GANTRY_OK;
}
