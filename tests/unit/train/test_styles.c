/* test_styles.c - the style-based G: what the tap w holds and does, mixing, noise, truncation in samples, path length. Networks of 8 x 8 pixels; whole training steps are held to
 * PyTorch by test_golden.c. */
#include <gantry/nn.h>

#include "eval/eval.h"
#include "exec/inputs.h"
#include "ir/build.h"
#include "run.h"

enum { N = 32, LAYERS = 4, DIMS = 6 };
#define STYLES(g, more)                                                                                                                                                     \
  "{\"data\": {\"name\": \"patterns\"}, \"g\": {\"arch\": {\"name\": \"stylegan2\", \"width\": 4, \"z\": 6, \"map_layers\": 2" g "}, \"optim\": {\"name\": \"adam\", \"lr\": 0.005}}, " \
  "\"d\": {\"arch\": {\"name\": \"stylegan2\", \"width\": 4}, \"optim\": {\"name\": \"adam\", \"lr\": 0.002}}, \"train\": {\"batch\": 8, \"length\": {\"steps\": 100}}" more "}"

typedef struct probe { abi_builder *b; const char *name; } probe;
static probe begin(test_run *t, const char *name) { return (probe){abi_builder_new(t->r->world, name), name}; }
static gantry_call g_of(probe *p, const char *input, gantry_t x, uint32_t flags) {
  gantry_named in = {input, x, 0};
  return abi_apply(p->b, GANTRY_G, &in, 1, GANTRY_NO_STATE_UPDATE | flags);
}
static gantry_t draw_z(probe *p) { return abi_t(abi_draw_input(p->b, GANTRY_G, "z", N)); }
static gantry_t tap(probe *p, gantry_call c, const char *name) { return abi_t(abi_out(p->b, c, name)); }
/* Compiles the probe, runs it `times`, reads the output "y" of that many f32 numbers. */
static int end(test_run *t, probe *p, gantry_t y, float *out, size_t count, int times) {
  if (y.id) ir_output(p->b->g, "y", y.id);
  exec_program *x = !abi_builder_status(p->b, &t->e) && !exec_upload_inputs(t->r->session, t->r->world, 1, &t->e) ? exec_compile(t->r->session, p->b->g, p->name, &t->e) : NULL;
  int ok = x != NULL;
  for (int k = 0; k < times && ok; k++) ok = !exec_run(t->r->session, &x, 1, &t->e);
  ok = ok && !exec_read(t->r->session, arena_fmt(t->mem, "out/%s/y", p->name), out, (int64_t)(count * sizeof *out), &t->e);
  if (!ok) printf("# %s: %s\n", p->name, t->e.msg);
  abi_builder_free(p->b);
  return ok;
}

/* ---- the tap w ---- */
static void test_styles__w_is_one_for_all_layers_without_mixing(void) {
  test_run t;
  static float w[N][LAYERS][DIMS];
  if (test_run_open(&t, STYLES("", ""), 1, 0, 1)) {
    probe p = begin(&t, "plain");
    T_CHECK(end(&t, &p, tap(&p, g_of(&p, "z", draw_z(&p), 0), "w"), &w[0][0][0], sizeof w / sizeof(float), 1));
    for (int k = 0; k < N; k++)
      for (int l = 1; l < LAYERS; l++) T_CHECK(!memcmp(w[k][0], w[k][l], sizeof w[k][l]));
    T_CHECK(memcmp(w[0][0], w[1][0], sizeof w[0][0]) != 0);
  } else
    T_CHECK(0);
  test_run_close(&t);
}

/* Every sample begins with its own w and changes once, somewhere from the second layer on, to one of another z; at evaluation never. */
static void test_styles__mixing_takes_later_layers_from_another_z(void) {
  test_run t;
  static float w[2][N][LAYERS][DIMS];
  int from[LAYERS + 1] = {0};
  if (test_run_open(&t, STYLES(", \"mixing\": 1", ""), 1, 0, 1)) {
    probe p = begin(&t, "mixed");
    gantry_t z = draw_z(&p), both[2] = {tap(&p, g_of(&p, "z", z, 0), "w"), tap(&p, g_of(&p, "z", z, GANTRY_EVAL), "w")};
    T_CHECK(end(&t, &p, gan_concat(&p.b->cx, both, 2, 0), &w[0][0][0][0], sizeof w / sizeof(float), 1));
    for (int k = 0; k < N; k++) {
      int at = 0;
      for (int l = 0; l < LAYERS; l++) {
        int own = !memcmp(w[0][k][l], w[1][k][0], sizeof w[0][k][l]);
        T_CHECK(!memcmp(w[1][k][l], w[1][k][0], sizeof w[0][k][l])); /* evaluation */
        if (!own && !at) at = l ? l : LAYERS;
        T_CHECK(l ? own == !at : own);
        if (at && l > at) T_CHECK(!memcmp(w[0][k][l], w[0][k][at], sizeof w[0][k][l]));
      }
      from[at]++;
    }
    T_CHECK(!from[0] && from[1] && from[2] && from[3] && !from[LAYERS]);
  } else
    T_CHECK(0);
  test_run_close(&t);
}

static void test_styles__mixing_has_its_probability(void) {
  test_run t;
  static float w[N][LAYERS][DIMS];
  int mixed = 0;
  if (test_run_open(&t, STYLES(", \"mixing\": 0.5", ""), 1, 0, 1)) {
    probe p = begin(&t, "half");
    T_CHECK(end(&t, &p, tap(&p, g_of(&p, "z", draw_z(&p), 0), "w"), &w[0][0][0], sizeof w / sizeof(float), 1));
    for (int k = 0; k < N; k++) mixed += memcmp(w[k][0], w[k][LAYERS - 1], sizeof w[k][0]) != 0;
    T_CHECK(mixed > N / 4 && mixed < N - N / 4);
  } else
    T_CHECK(0);
  test_run_close(&t);
}

/* Feeding w gives the image that its z gives; as [n,w] and as [n,layers,w]; and a layer's own w matters. */
static void test_styles__a_fed_w_makes_the_image(void) {
  test_run t;
  static float d[4];
  if (test_run_open(&t, STYLES("", ""), 1, 0, 1)) {
    probe p = begin(&t, "fed");
    gantry_ctx *cx = &p.b->cx;
    gantry_call g = g_of(&p, "z", draw_z(&p), GANTRY_EVAL);
    gantry_t w = tap(&p, g, "w"), x = tap(&p, g, "image"), parts[2], out[4];
    const int64_t two[2] = {N, DIMS}, one = 1;
    gantry_t flat = gan_reshape(cx, gan_slice_axis(cx, w, 1, 0, 1, 1), 2, two);
    parts[0] = gan_slice_axis(cx, w, 1, 0, LAYERS - 1, 1);
    parts[1] = gan_mul_k(cx, gan_slice_axis(cx, w, 1, LAYERS - 1, LAYERS, 1), -3);
    gantry_t fed[3] = {w, flat, gan_concat(cx, parts, 2, 1)};
    for (int k = 0; k < 3; k++) out[k] = gan_reshape(cx, gan_max_all(cx, gan_abs(cx, gan_sub(cx, x, tap(&p, g_of(&p, "w", fed[k], GANTRY_EVAL), "image")))), 1, &one);
    out[3] = gan_reshape(cx, gan_max_all(cx, gan_abs(cx, x)), 1, &one);
    T_CHECK(end(&t, &p, gan_concat(cx, out, 4, 0), d, 4, 1));
    T_CHECK(d[0] == 0 && d[1] == 0 && d[2] > 1e-3f && d[3] > 0);
    p = begin(&t, "wrong");
    g_of(&p, "w", gan_mul_k(&p.b->cx, gan_normal(&p.b->cx, 2, (const int64_t[]){N, DIMS + 1}), 1), GANTRY_EVAL);
    T_CHECK(abi_builder_status(p.b, &t.e) && strstr(t.e.msg, "the tap w is fed as [n,w]"));
    abi_builder_free(p.b);
  } else
    T_CHECK(0);
  test_run_close(&t);
}

/* The running average moves a two-hundredth of the way to the batch's mean, in each application that trains. */
static void test_styles__the_average_of_w_is_kept(void) {
  test_run t;
  static float w[N][LAYERS][DIMS], average[DIMS], mean[DIMS];
  if (test_run_open(&t, STYLES("", ""), 1, 0, 1)) {
    probe p = begin(&t, "mean");
    gantry_named in = {"z", draw_z(&p), 0};
    gantry_t y = tap(&p, abi_apply(p.b, GANTRY_G, &in, 1, 0), "w");
    abi_store_bindings(p.b, 0, abi_mark(p.b));
    T_CHECK(end(&t, &p, y, &w[0][0][0], sizeof w / sizeof(float), 1) && !exec_read(t.r->session, "g/w_avg", average, sizeof average, &t.e));
    for (int k = 0; k < N; k++)
      for (int d = 0; d < DIMS; d++) mean[d] += w[k][0][d] / N;
    for (int d = 0; d < DIMS; d++) T_NEAR((double)average[d], 0.005 * (double)mean[d], 1e-6);
  } else
    T_CHECK(0);
  test_run_close(&t);
}

/* ---- noise ---- */
static double noise_apart(test_run *t, const char *name) { /* two images of one w */
  float v = NAN;
  probe p = begin(t, name);
  gantry_ctx *cx = &p.b->cx;
  gantry_t z = draw_z(&p), x = tap(&p, g_of(&p, "z", z, 0), "image"), y = tap(&p, g_of(&p, "z", z, 0), "image");
  T_CHECK(end(t, &p, gan_max_all(cx, gan_abs(cx, gan_sub(cx, x, y))), &v, 1, 1));
  return (double)v;
}
static void test_styles__noise_begins_at_nothing_and_is_fresh(void) {
  test_run t;
  float one = 1;
  if (test_run_open(&t, STYLES("", ""), 1, 0, 1)) {
    T_CHECK(noise_apart(&t, "silent") == 0);
    T_CHECK(!exec_write(t.r->session, "g/block8/layer_b/noise/strength", &one, sizeof one, &t.e) && noise_apart(&t, "loud") > 0.1);
  } else
    T_CHECK(0);
  test_run_close(&t);
}

/* ---- psi in samples ---- */
static int look(test_run *t, int has_psi, double psi, int mix, uint8_t px[4][64]) { /* 2 x 2 */
  eval_context c;
  const char *file = arena_fmt(t->mem, "/tmp/gantry-styles-%d.png", (int)getpid());
  eval_init(&c, t->r->world, t->r->session, t->r->registry, &t->r->data_el, t->r->data, t->r->cfg->range, 3);
  c.truncates_w = has_psi != 0;
  c.psi = psi;
  c.mix = mix;
  int ok = !eval_grid(&c, 0, 2, 2, 0, file, &t->e) && !exec_read(t->r->session, mix ? "out/mix.raw.2x2/images" : "out/sample.raw.2x2/images", px, 4 * 64, &t->e);
  unlink(file);
  eval_free(&c);
  return ok;
}
static void test_styles__psi_moves_samples_to_the_average(void) {
  test_run t;
  static uint8_t plain[4][64], one[4][64], half[4][64], none[4][64];
  float average[DIMS] = {0.3f, -0.2f, 0.1f, 0.4f, 0, 0.2f};
  if (test_run_open(&t, STYLES("", ""), 1, 0, 1)) {
    T_CHECK(!exec_write(t.r->session, "g/w_avg", average, sizeof average, &t.e));
    T_CHECK(look(&t, 0, 0, 0, plain) && look(&t, 1, 1, 0, one) && look(&t, 1, 0.5, 0, half) && look(&t, 1, 0, 0, none));
    T_CHECK(!memcmp(plain, one, sizeof one) && memcmp(plain, half, sizeof half) && memcmp(plain[0], plain[1], 64));
    for (int k = 1; k < 4; k++) T_CHECK(!memcmp(none[0], none[k], 64)); /* all are the image of the average */
    T_CHECK(memcmp(none[0], half[0], 64) != 0);
  } else
    T_CHECK(0);
  test_run_close(&t);
  if (test_run_open(&t, "{\"data\": {\"name\": \"patterns\"}, \"g\": {\"arch\": {\"name\": \"mlp\"}}, \"d\": {\"arch\": {\"name\": \"mlp\"}}, \"train\": {\"batch\": 2, \"length\": {\"steps\": 2}}}", 1, 0, 1))
    T_CHECK(!look(&t, 1, 0.5, 0, half) && strstr(t.e.msg, "mlp has no taps w and w_avg"));
  else
    T_CHECK(0);
  test_run_close(&t);
}

/* A picture of mixed styles: the average in the corner, samples beside and below it, which stay the same, and what the layers from both make of them. */
static void test_styles__pictures_mix_rows_and_columns(void) {
  test_run t;
  static uint8_t mixed[3][4][64], none[4][64];
  if (test_run_open(&t, STYLES("", ""), 1, 0, 1)) {
    for (int k = 0; k < 3; k++) T_CHECK(look(&t, 0, 0, k + 1, mixed[k]));
    T_CHECK(look(&t, 1, 0, 0, none));
    for (int k = 0; k < 3; k++) {
      T_CHECK(!memcmp(mixed[k][0], none[0], 64));
      for (int j = 1; j < 3; j++) T_CHECK(!memcmp(mixed[k][j], mixed[0][j], 64) && memcmp(mixed[k][j], mixed[k][3], 64)); /* the column's, the row's: sources */
      T_CHECK(!k || memcmp(mixed[k][3], mixed[k - 1][3], 64));
    }
    T_CHECK(memcmp(mixed[0][1], mixed[0][2], 64) && !look(&t, 0, 0, 4, mixed[0]) && strstr(t.e.msg, "4 layers with a style of their own: the first 1 to 3"));
  } else
    T_CHECK(0);
  test_run_close(&t);
}
/* With all layers but the last from the row, a picture is nearer to the row's source; with all but the first from the column, to the column's. */
static void test_styles__mixed_layers_are_the_first_of_the_row(void) {
  test_run t;
  static uint8_t px[4][64];
  double apart[2][2] = {{0, 0}, {0, 0}};
  if (test_run_open(&t, STYLES(", \"map_lr\": 1", ""), 1, 0, 1))
    for (int k = 0; k < 2; k++) {
      T_CHECK(look(&t, 0, 0, k ? 3 : 1, px));
      for (int i = 0; i < 64; i++) apart[k][0] += abs(px[3][i] - px[1][i]), apart[k][1] += abs(px[3][i] - px[2][i]);
    }
  test_run_close(&t);
  T_CHECK(apart[0][0] < apart[0][1] && apart[1][1] < apart[1][0]); /* px[1] is the column's source, px[2] the row's */
  if (!(apart[0][0] < apart[0][1] && apart[1][1] < apart[1][0])) printf("# %g %g %g %g\n", apart[0][0], apart[0][1], apart[1][0], apart[1][1]);
}

/* ---- path length ---- */

/* Standard deviation of the lengths of 32 latents after 60 steps: the term holds it down, which grows while G learns; its average follows the lengths. */
static double spread(const char *base, double *mean) {
  test_run t;
  double v = NAN;
  static float length[N];
  if (test_run_open(&t, base, 1, 0, 1) && !train_steps(t.r, 0, 60, &t.e)) {
    if (mean) *mean = test_run_value(&t, "regularizers/pl/mean", 0);
    probe p = begin(&t, "lengths");
    gantry_ctx *cx = &p.b->cx;
    gantry_call g = g_of(&p, "z", draw_z(&p), GANTRY_EVAL);
    gantry_t x = tap(&p, g, "image"), j = gan_grad(cx, gan_sum_all(cx, gan_mul(cx, x, gan_mul_k(cx, gan_normal_like(cx, x), 0.125))), tap(&p, g, "w"));
    if (end(&t, &p, gan_sqrt(cx, gan_mul_k(cx, gan_row_sum(cx, gan_square(cx, j)), 1.0 / LAYERS)), length, N, 1)) {
      double sum = 0, square = 0;
      for (int k = 0; k < N; k++) sum += (double)length[k] / N, square += (double)length[k] * (double)length[k] / N;
      v = sqrt(square - sum * sum);
    }
  }
  if (t.e.code) printf("# %s\n", t.e.msg);
  test_run_close(&t);
  return v;
}
static void test_styles__path_length_makes_lengths_alike(void) {
  double mean = NAN, without = spread(STYLES(", \"map_lr\": 1", ""), NULL), with = spread(STYLES(", \"map_lr\": 1", ", \"regularizers\": {\"pl\": {\"name\": \"path_length\", \"of\": [\"g\"], \"weight\": 10, \"decay\": 0.1, \"every\": {\"steps\": 2}}}"), &mean);
  T_CHECK(with < 0.5 * without && mean > 0);
  if (!(with < 0.5 * without)) printf("# standard deviation of path lengths: %.3f without, %.3f with the term; its average %.4f\n", without, with, mean);
}

T_MAIN(T(test_styles__w_is_one_for_all_layers_without_mixing), T(test_styles__mixing_takes_later_layers_from_another_z), T(test_styles__mixing_has_its_probability), T(test_styles__a_fed_w_makes_the_image),
       T(test_styles__the_average_of_w_is_kept), T(test_styles__noise_begins_at_nothing_and_is_fresh), T(test_styles__psi_moves_samples_to_the_average), T(test_styles__pictures_mix_rows_and_columns), T(test_styles__mixed_layers_are_the_first_of_the_row), T(test_styles__path_length_makes_lengths_alike))
