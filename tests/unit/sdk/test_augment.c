/* test_augment.c - every transform of nn/augment.h and nn/warp.h for given draws, against loops and closed forms, by the reference interpreter and the CPU backend. */
#include <gantry/nn.h>

#include "abi/build.h"
#include "device.h"
#include "ir/build.h"

enum { N = 2, H = 8, W = 6, C = 3, S = 24 };
static float value(int n, int i, int j, int c) { return (float)sin(1.3 * n + 0.9 * i + 0.37 * j * j + 1.7 * c); }

/* Inputs by name: "x" and draws "a", "b" of two samples. */
typedef struct inputs { const float *x; double a[2], b[2]; } inputs;
static gantry_status bind(void *user, const char *name, uint32_t dtype, int64_t count, double *dst, err *e) {
  const inputs *in = user;
  (void)dtype;
  (void)e;
  for (int64_t k = 0; k < count; k++) dst[k] = !strcmp(name, "x") ? (double)in->x[k] : !strcmp(name, "a") ? in->a[k] : in->b[k];
  return GANTRY_OK;
}

typedef gantry_t transform(gantry_ctx *cx, gantry_t x, gantry_t a, gantry_t b);

/* out (H W C of x, two samples) = f(x; a, b). */
static void apply(transform *f, const inputs *in, int64_t height, int64_t width, int64_t channels, double *out) {
  err e = {0};
  device d = device_open(&e);
  abi_world *w = abi_world_new();
  abi_builder *b = abi_builder_new(w, "augment");
  int64_t dims[4] = {2, height, width, channels}, two = 2, count = 2 * height * width * channels;
  gantry_t y = f(&b->cx, abi_t(ir_leaf(b->g, GANTRY_OP_INPUT, "x", GANTRY_F32, 4, dims)), abi_t(ir_leaf(b->g, GANTRY_OP_INPUT, "a", GANTRY_F32, 1, &two)), abi_t(ir_leaf(b->g, GANTRY_OP_INPUT, "b", GANTRY_F32, 1, &two)));
  double *v = NULL;
  if (y.id) ir_output(b->g, "y", y.id);
  T_CHECK(!abi_builder_status(b, &e) && y.id && ir_count(b->g, y.id) == count);
  T_CHECK(!e.code && !ir_eval(b->g, &y.id, 1, bind, (void *)(uintptr_t)in, &v, &e));
  for (int64_t k = 0; k < count; k++) out[k] = v ? v[k] : NAN;
  T_CHECK(d.session && device_compare(&d, b->g, "augment", bind, (void *)(uintptr_t)in, &e) < 1e-4);
  if (e.code) printf("# %s\n", e.msg);
  free(v);
  abi_builder_free(b);
  abi_world_free(w);
  device_close(&d);
}

static float image[N * H * W * C];
static const float *pixels(void) {
  for (int k = 0; k < N * H * W * C; k++) image[k] = value(k / (H * W * C), k / (W * C) % H, k / C % W, k % C);
  return image;
}
/* The value at a place, 0 outside. */
static double at(int n, int i, int j, int c) { return i < 0 || j < 0 || i >= H || j >= W ? 0 : (double)value(n, i, j, c); }
static int reflected(int i, int size) { return i < 0 ? -i : i >= size ? 2 * (size - 1) - i : i; }

#define EACH(out, expected)                                      \
  for (int n = 0, k = 0; n < N; n++)                             \
    for (int i = 0; i < H; i++)                                  \
      for (int j = 0; j < W; j++)                                \
        for (int c = 0; c < C; c++, k++) T_NEAR((out)[k], (expected), 1e-5)

static gantry_t mirror(gantry_ctx *cx, gantry_t x, gantry_t a, gantry_t b) { (void)b; return gan_mirror(cx, x, a); }
static gantry_t shift(gantry_ctx *cx, gantry_t x, gantry_t a, gantry_t b) { return gan_shift(cx, x, a, b, 0); }
static gantry_t shift_reflected(gantry_ctx *cx, gantry_t x, gantry_t a, gantry_t b) { return gan_shift(cx, x, a, b, 1); }
static gantry_t cut_out(gantry_ctx *cx, gantry_t x, gantry_t a, gantry_t b) { return gan_cut_out(cx, x, a, b, 4, 3); }

static void test_augment__mirror_shift_and_cutout(void) {
  double y[N * H * W * C];
  inputs in = {pixels(), {1, 0}, {0, 0}};
  apply(mirror, &in, H, W, C, y);
  EACH(y, at(n, i, n ? j : W - 1 - j, c));
  in = (inputs){pixels(), {2, -3}, {-1, 4}};
  apply(shift, &in, H, W, C, y);
  EACH(y, at(n, i - (int)in.a[n], j - (int)in.b[n], c));
  apply(shift_reflected, &in, H, W, C, y);
  EACH(y, at(n, reflected(i - (int)in.a[n], H), reflected(j - (int)in.b[n], W), c));
  in = (inputs){pixels(), {-2, 5}, {3, -1}};
  apply(cut_out, &in, H, W, C, y);
  EACH(y, i >= in.a[n] && i < in.a[n] + 4 && j >= in.b[n] && j < in.b[n] + 3 ? 0 : at(n, i, j, c));
}

static gantry_t brighter(gantry_ctx *cx, gantry_t x, gantry_t a, gantry_t b) { (void)b; return gan_brighter(cx, x, a); }
static gantry_t contrast(gantry_ctx *cx, gantry_t x, gantry_t a, gantry_t b) { (void)b; return gan_contrast(cx, x, a); }
static gantry_t saturate(gantry_ctx *cx, gantry_t x, gantry_t a, gantry_t b) { (void)b; return gan_saturate(cx, x, a); }

static void test_augment__brightness_contrast_and_saturation(void) {
  double y[N * H * W * C], mean[N] = {0};
  inputs in = {pixels(), {0.3, 1.6}, {0, 0}};
  for (int n = 0; n < N; n++)
    for (int i = 0; i < H; i++)
      for (int j = 0; j < W; j++)
        for (int c = 0; c < C; c++) mean[n] += at(n, i, j, c) / (H * W * C);
  apply(brighter, &in, H, W, C, y);
  EACH(y, at(n, i, j, c) + in.a[n]);
  apply(contrast, &in, H, W, C, y);
  EACH(y, mean[n] + in.a[n] * (at(n, i, j, c) - mean[n]));
  apply(saturate, &in, H, W, C, y);
  EACH(y, (1 - in.a[n]) * (at(n, i, j, 0) + at(n, i, j, 1) + at(n, i, j, 2)) / 3 + in.a[n] * at(n, i, j, c));
}

/* ---- maps of colours ---- */
static gantry_t colour_shift(gantry_ctx *cx, gantry_t x, gantry_t a, gantry_t b) { (void)b; return gan_recolour(cx, x, gan_colour_shift(cx, 2, a)); }
static gantry_t colour_scale(gantry_ctx *cx, gantry_t x, gantry_t a, gantry_t b) { (void)b; return gan_recolour(cx, x, gan_colour_gray(cx, 2, a, gan_none())); }
static gantry_t luma(gantry_ctx *cx, gantry_t x, gantry_t a, gantry_t b) { (void)b; return gan_recolour(cx, x, gan_colour_gray(cx, 2, a, gan_const(cx, 1))); }
static gantry_t saturation(gantry_ctx *cx, gantry_t x, gantry_t a, gantry_t b) { (void)b; return gan_recolour(cx, x, gan_colour_gray(cx, 2, gan_const(cx, 1), a)); }
static gantry_t hue(gantry_ctx *cx, gantry_t x, gantry_t a, gantry_t b) { (void)b; return gan_recolour(cx, x, gan_colour_turn(cx, 2, a)); }
static double gray(int n, int i, int j) { return (at(n, i, j, 0) + at(n, i, j, 1) + at(n, i, j, 2)) / 3; }

static void test_augment__maps_of_colours(void) {
  double y[N * H * W * C], third = 2 * acos(-1) / 3;
  inputs in = {pixels(), {-1, 0.4}, {0, 0}};
  apply(colour_shift, &in, H, W, C, y);
  EACH(y, at(n, i, j, c) + in.a[n]);
  apply(colour_scale, &in, H, W, C, y);
  EACH(y, at(n, i, j, c) * in.a[n]);
  apply(luma, &in, H, W, C, y); /* -1: the gray part changes its sign */
  EACH(y, at(n, i, j, c) + (in.a[n] - 1) * gray(n, i, j));
  apply(saturation, &in, H, W, C, y);
  EACH(y, gray(n, i, j) + in.a[n] * (at(n, i, j, c) - gray(n, i, j)));
  in = (inputs){pixels(), {third, -third}, {0, 0}}; /* a third of a turn exchanges the channels in a ring */
  apply(hue, &in, H, W, C, y);
  EACH(y, at(n, i, j, (c + (n ? 1 : 2)) % 3));
}

/* ---- the warp ---- */
/* A smooth blob off the centre, in pixels from it: x right, y down. */
static double blob(int n, double x, double y) { return exp(-((x - 2 - n) * (x - 2 - n) + 1.7 * (y + 1) * (y + 1)) / 14); }
static gantry_t scaled(gantry_ctx *cx, gantry_t x, gantry_t a, gantry_t b) { return gan_warp(cx, x, gan_scaling2(cx, 2, a, b)); }
static gantry_t moved(gantry_ctx *cx, gantry_t x, gantry_t a, gantry_t b) { return gan_warp(cx, x, gan_translation2(cx, 2, a, b)); }
static gantry_t turned(gantry_ctx *cx, gantry_t x, gantry_t a, gantry_t b) { (void)b; return gan_warp(cx, x, gan_rotation2(cx, 2, a)); }

/* The image at the mapped place of each pixel, away from the edges. map: 2 x 3 from the draws. */
static void warped(transform *f, inputs in, void (*map)(double a, double b, double m[6]), double tolerance) {
  static float x[2 * S * S];
  static double y[2 * S * S];
  double worst = 0;
  for (int k = 0; k < 2 * S * S; k++) x[k] = (float)blob(k / (S * S), k % S - 0.5 * (S - 1), k / S % S - 0.5 * (S - 1));
  in.x = x;
  apply(f, &in, S, S, 1, y);
  for (int n = 0; n < 2; n++)
    for (int i = 4; i < S - 4; i++)
      for (int j = 4; j < S - 4; j++) {
        double m[6], px = j - 0.5 * (S - 1), py = i - 0.5 * (S - 1);
        map(in.a[n], in.b[n], m);
        worst = fmax(worst, fabs(y[(n * S + i) * S + j] - blob(n, m[0] * px + m[1] * py + m[2], m[3] * px + m[4] * py + m[5])));
      }
  if (worst > tolerance) printf("# warped: %g off\n", worst);
  T_CHECK(worst <= tolerance);
}
static void map_scale(double a, double b, double m[6]) { memcpy(m, (double[6]){a, 0, 0, 0, b, 0}, 48); }
static void map_move(double a, double b, double m[6]) { memcpy(m, (double[6]){1, 0, a, 0, 1, b}, 48); }
static void map_turn(double a, double b, double m[6]) { (void)b; memcpy(m, (double[6]){cos(a), -sin(a), 0, sin(a), cos(a), 0}, 48); }

static void test_augment__warps_go_where_they_should(void) {
  double quarter = acos(-1) / 2;
  warped(scaled, (inputs){NULL, {1, 1}, {1, 1}}, map_scale, 1e-5); /* nothing: no value is lost */
  warped(moved, (inputs){NULL, {3, -2}, {-1, 0}}, map_move, 1e-5); /* whole pixels */
  warped(scaled, (inputs){NULL, {-1, 1}, {1, -1}}, map_scale, 0.03); /* mirrors and quarter turns: the wavelet is not quite symmetric */
  warped(turned, (inputs){NULL, {quarter, 2 * quarter}, {0, 0}}, map_turn, 0.03);
  warped(scaled, (inputs){NULL, {0.8, 1.25}, {0.8, 0.8}}, map_scale, 0.03); /* scale, anisotropy */
  warped(moved, (inputs){NULL, {0.4, -1.7}, {0.5, 2.3}}, map_move, 0.03); /* fractions of pixels */
  warped(turned, (inputs){NULL, {0.5, -1.1}, {0, 0}}, map_turn, 0.03);
}

/* What enters is the image reflected at its edge. */
static void test_augment__warps_reflect_at_the_edge(void) {
  static float x[2 * S * S];
  static double y[2 * S * S];
  for (int k = 0; k < 2 * S * S; k++) x[k] = (float)sin(0.7 * (k % S) + 0.4 * (k / S % S));
  inputs in = {x, {-5, 5}, {0, 3}};
  apply(moved, &in, S, S, 1, y);
  for (int n = 0; n < 2; n++)
    for (int i = 0; i < S; i++)
      for (int j = 0; j < S; j++) T_NEAR(y[(n * S + i) * S + j], (double)x[(n * S + reflected(i + (int)in.b[n], S)) * S + reflected(j + (int)in.a[n], S)], 1e-5);
}

T_MAIN(T(test_augment__mirror_shift_and_cutout), T(test_augment__brightness_contrast_and_saturation), T(test_augment__maps_of_colours), T(test_augment__warps_go_where_they_should), T(test_augment__warps_reflect_at_the_edge))
