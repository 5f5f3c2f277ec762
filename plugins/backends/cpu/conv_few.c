/* conv_few.c - convolutions in f32 to or from an image of one to four channels: a generator's last layer, a discriminator's gradient to its input.
 *
 * Libraries vectorise over channels, of which the image has too few. Here the taps stand beside each other instead: with F channels of the image and
 * taps ky, kx, a pixel's channels times the filter as a matrix [channels, ky kx F] give all that the pixel adds to its surroundings,
 * and rows of kx F numbers lie in the image as they lie in the product. So
 *   CONV_DGRAD to few    product of the gradient's pixels, rows added to the image where their windows are
 *   CONV to few          the same with the filter turned round (stride 1)
 *   CONV_WGRAD from few  the other way round: rows of the gradient, gathered, times the pixels of x (stride 1)
 * Sums run along channels (or pixels of an image slice) in order and then over taps (or slices) in order: bits depend neither on threads nor, thanks to
 * fused multiply-adds in one chain, on the width of vectors. Needs AVX2 with FMA; elsewhere conv_gemm.c does it, and again where a filter gradient is not
 * finite: pixels at the border are multiplied by zeros beyond it here, which is wrong for NaN and infinities alone.
 * One thread of an EPYC, microseconds as matrix products of patches / here: 64 x 32x32x32 and a 3x3 filter to 3 channels CONV 8100 / 1970, CONV_DGRAD
 * 3700 / 1930, CONV_WGRAD 4400 / 2380; 4x4 and stride 2, CONV_DGRAD of 64 x 16x16x64 to 32x32x3 1800 / 1180, of 64 x 14x14x32 to 28x28x1 540 / 210. */
#include <stdlib.h>
#include <string.h>

#include "conv.h"

typedef struct few { /* [pixels of `pixels`, channels] and the image [h, w, f] */
  int64_t n, channels, f, ph, pw, h, w, ky, kx, stride[2], lo[2], cols, band, slices; /* cols: ky kx f, rounded up; band: rows of pixels at a time */
  int64_t wide, high;                                                                /* of the image with its margins */
} few;
enum { MOST_COLS = 64, BAND = 256, SLICES = 8, SLACK = 16 };

static few few_of(const conv_shape *q) {
  int dgrad = q->op == GANTRY_OP_CONV_DGRAD;
  few s = {.n = q->n, .channels = dgrad ? q->o : q->c, .f = dgrad ? q->c : q->o, .ky = q->k[1], .kx = q->k[2]};
  s.ph = dgrad ? q->out[1] : q->in[1];
  s.pw = dgrad ? q->out[2] : q->in[2];
  s.h = dgrad ? q->in[1] : q->out[1];
  s.w = dgrad ? q->in[2] : q->out[2];
  for (int a = 0; a < 2; a++) {
    s.stride[a] = q->stride[a + 1];
    s.lo[a] = dgrad ? q->lo[a + 1] : q->k[a + 1] - 1 - q->lo[a + 1];
  }
  s.cols = (s.ky * s.kx * s.f + 15) / 16 * 16;
  s.band = s.pw >= BAND ? 1 : BAND / s.pw < s.ph ? BAND / s.pw : s.ph;
  s.slices = s.n < SLICES ? s.n : SLICES;
  s.high = (s.ph - 1) * s.stride[0] + s.ky;
  s.wide = (s.pw - 1) * s.stride[1] + s.kx;
  if (s.high < s.h + s.lo[0]) s.high = s.h + s.lo[0];
  if (s.wide < s.w + s.lo[1]) s.wide = s.w + s.lo[1];
  return s;
}

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define NAME(X) X##_avx512
#define TARGET __attribute__((target("avx512f,avx2,fma")))
#define VECTOR __m512
#define WIDTH 16
#define MOST_VECTORS 4
#define LOAD _mm512_loadu_ps
#define STORE _mm512_storeu_ps
#define ZERO _mm512_setzero_ps()
#define SPREAD _mm512_set1_ps
#define FMA _mm512_fmadd_ps
#define ADD _mm512_add_ps
#define MASK __mmask16
#define MASK_OF(N) ((__mmask16)((1u << (N)) - 1))
#define LOAD_FIRST(S, M) _mm512_maskz_loadu_ps(M, S)
#include "conv_few_body.h"
#undef NAME
#undef TARGET
#undef VECTOR
#undef WIDTH
#undef MOST_VECTORS
#undef LOAD
#undef STORE
#undef ZERO
#undef SPREAD
#undef FMA
#undef ADD
#undef MASK
#undef MASK_OF
#undef LOAD_FIRST
#define NAME(X) X##_avx2
#define TARGET __attribute__((target("avx2,fma")))
#define VECTOR __m256
#define WIDTH 8
#define MOST_VECTORS 2
#define LOAD _mm256_loadu_ps
#define STORE _mm256_storeu_ps
#define ZERO _mm256_setzero_ps()
#define SPREAD _mm256_set1_ps
#define FMA _mm256_fmadd_ps
#define ADD _mm256_add_ps
#define MASK __m256i
#define MASK_OF(N) _mm256_cmpgt_epi32(_mm256_set1_epi32((int)(N)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
#define LOAD_FIRST(S, M) _mm256_maskload_ps(S, M)
#include "conv_few_body.h"

static int has_avx512(void) { return __builtin_cpu_supports("avx512f") != 0; }
static int possible(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#else
static int has_avx512(void) { return 0; }
static int possible(void) { return 0; }
static void product_avx512(int64_t m, int64_t k, int64_t cols, const float *a, int64_t row, int64_t step, const float *b, float *c, int add) { (void)m, (void)k, (void)cols, (void)a, (void)row, (void)step, (void)b, (void)c, (void)add; }
static void overlap_avx512(float *to, int64_t stride, const float *from, int64_t cols, int64_t n, int64_t run) { (void)to, (void)stride, (void)from, (void)cols, (void)n, (void)run; }
#define product_avx2 product_avx512
#define overlap_avx2 overlap_avx512
#endif

typedef struct loops {
  void (*product)(int64_t m, int64_t k, int64_t cols, const float *a, int64_t row, int64_t step, const float *b, float *c, int add);
  void (*overlap)(float *to, int64_t stride, const float *from, int64_t cols, int64_t n, int64_t run);
} loops;
static loops loops_of(void) { return has_avx512() ? (loops){product_avx512, overlap_avx512} : (loops){product_avx2, overlap_avx2}; }

int conv_few_fits(const conv_shape *q) {
  if (!possible() || q->spatial != 2 || q->groups != 1) return 0;
  for (int a = 1; a < 3; a++)
    if (q->dilation[a] != 1 || (q->op != GANTRY_OP_CONV_DGRAD && (q->stride[a] != 1 || q->lo[a] >= q->k[a])) || q->stride[a] > q->k[a]) return 0;
  few s = few_of(q);
  return s.f <= 4 && s.channels >= 16 && s.ky * s.kx > 1 && s.cols <= MOST_COLS;
}

static int64_t crew_of(int64_t parts, uint32_t threads) { return threads < parts ? threads : parts; }
static int64_t each_of(const few *s) { return s->band * s->pw * s->cols + s->high * s->wide * s->f + SLACK; } /* floats of one worker; slack: vectors reach over the end */

int64_t conv_few_scratch(const conv_shape *q, uint32_t threads) {
  few s = few_of(q);
  int wgrad = q->op == GANTRY_OP_CONV_WGRAD;
  int64_t own = 4 * (s.channels * s.cols * (wgrad ? s.slices : 1) + crew_of(wgrad ? s.slices : s.n, threads) * each_of(&s)), patches = wgrad ? conv_gemm_scratch(q, 4) : 0;
  return own > patches ? own : patches;
}

/* The filter as [channels][ky][kx][f]; turned round where the pixels are those of CONV's x. */
static void filter_matrix(const conv_shape *q, const few *s, const float *w, float *m) {
  int64_t taps = s->ky * s->kx;
  memset(m, 0, sizeof *m * (size_t)(s->channels * s->cols));
  for (int64_t c = 0; c < s->channels; c++)
    for (int64_t t = 0; t < taps; t++)
      for (int64_t f = 0; f < s->f; f++)
        m[c * s->cols + t * s->f + f] = q->op == GANTRY_OP_CONV_DGRAD ? w[(c * taps + t) * s->f + f] : w[(f * taps + taps - 1 - t) * s->channels + c];
}

static void to_image(const few *s, loops run, const float *pixels, const float *m, float *image, float *room) {
  float *t = room, *margins = room + s->band * s->pw * s->cols;
  memset(margins, 0, sizeof *margins * (size_t)(s->high * s->wide * s->f + SLACK));
  for (int64_t y = 0; y < s->ph; y += s->band) {
    int64_t rows = s->ph - y < s->band ? s->ph - y : s->band;
    run.product(rows * s->pw, s->channels, s->cols, pixels + y * s->pw * s->channels, s->channels, 1, m, t, 0);
    for (int64_t r = 0; r < rows; r++)
      for (int64_t k = 0; k < s->ky; k++)
        run.overlap(margins + ((y + r) * s->stride[0] + k) * s->wide * s->f, s->stride[1] * s->f, t + r * s->pw * s->cols + k * s->kx * s->f, s->cols, s->pw, s->kx * s->f);
  }
  for (int64_t y = 0; y < s->h; y++) memcpy(image + y * s->w * s->f, margins + ((y + s->lo[0]) * s->wide + s->lo[1]) * s->f, sizeof *image * (size_t)(s->w * s->f));
}

/* sum [channels][cols] += what one image gives. */
static void from_image(const few *s, loops run, const float *pixels, const float *image, float *sum, float *room) {
  float *t = room, *margins = room + s->band * s->pw * s->cols;
  memset(margins, 0, sizeof *margins * (size_t)(s->high * s->wide * s->f + SLACK));
  for (int64_t y = 0; y < s->h; y++) memcpy(margins + ((y + s->lo[0]) * s->wide + s->lo[1]) * s->f, image + y * s->w * s->f, sizeof *image * (size_t)(s->w * s->f));
  int64_t line = s->kx * s->f;
  for (int64_t y = 0; y < s->ph; y += s->band) {
    int64_t rows = s->ph - y < s->band ? s->ph - y : s->band;
    for (int64_t p = 0; p < rows * s->pw; p++) {
      float *to = t + p * s->cols;
      for (int64_t k = 0; k < s->ky; k++) memcpy(to + k * line, margins + ((y + p / s->pw + k) * s->wide + p % s->pw) * s->f, sizeof *to * (size_t)line);
      for (int64_t i = s->ky * line; i < s->cols; i++) to[i] = 0;
    }
    run.product(s->channels, rows * s->pw, s->cols, pixels + y * s->pw * s->channels, 1, s->channels, t, sum, 1);
  }
}

static int finite(const float *v, int64_t n) {
  float sum = 0; /* of zeros, and NaN of anything else */
  for (int64_t i = 0; i < n; i++) sum += v[i] * 0;
  return sum == 0;
}

static void filter_gradient(const few *s, loops run, const float *x, const float *g, float *w, float *room, int64_t crew) {
  int64_t each = s->channels * s->cols, taps = s->ky * s->kx, pixels = s->ph * s->pw * s->channels, image = s->h * s->w * s->f;
  float *own = room + s->slices * each;
  memset(room, 0, sizeof *room * (size_t)(s->slices * each));
#pragma omp parallel for num_threads((int)crew) if (crew > 1) schedule(static)
  for (int64_t c = 0; c < crew; c++)
    for (int64_t k = s->slices * c / crew; k < s->slices * (c + 1) / crew; k++)
      for (int64_t i = s->n * k / s->slices; i < s->n * (k + 1) / s->slices; i++) from_image(s, run, x + i * pixels, g + i * image, room + k * each, own + c * each_of(s));
  for (int64_t k = 1; k < s->slices; k++)
    for (int64_t i = 0; i < each; i++) room[i] += room[k * each + i];
  for (int64_t f = 0; f < s->f; f++)
    for (int64_t t = 0; t < taps; t++)
      for (int64_t c = 0; c < s->channels; c++) w[(f * taps + taps - 1 - t) * s->channels + c] = room[c * s->cols + t * s->f + f];
}

void conv_few_run(const conv_shape *q, const float *a, const float *b, float *out, float *room, uint32_t threads) {
  few s = few_of(q);
  loops run = loops_of();
  int wgrad = q->op == GANTRY_OP_CONV_WGRAD;
  int64_t crew = crew_of(wgrad ? s.slices : s.n, threads);
  if (wgrad) {
    filter_gradient(&s, run, a, b, out, room, crew);
    if (!finite(out, s.channels * s.ky * s.kx * s.f)) conv_gemm_f32(q, a, b, out, room);
    return;
  }
  float *own = room + s.channels * s.cols;
  filter_matrix(q, &s, b, room);
#pragma omp parallel for num_threads((int)crew) if (crew > 1) schedule(static)
  for (int64_t c = 0; c < crew; c++)
    for (int64_t i = s.n * c / crew; i < s.n * (c + 1) / crew; i++)
      to_image(&s, run, a + i * s.ph * s.pw * s.channels, room, out + i * s.h * s.w * s.f, own + c * each_of(&s));
}
