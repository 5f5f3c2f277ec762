/* test_networks.c - what labels, attention, presets and dropout do inside networks, and how a trained G is looked at: every test fails where its technique does
 * nothing. */
#include <gantry/nn.h>

#include "eval/eval.h"
#include "exec/inputs.h"
#include "ir/build.h"
#include "run.h"

#define SGD "{\"name\": \"sgd\", \"lr\": 0.1}"
#define POINTS(g, d, more) \
  "{\"data\": {\"name\": \"gaussians\", \"modes\": 24, \"sigma\": 0.05, \"count\": 240}, \"g\": {\"arch\": {\"name\": \"mlp\", \"width\": 8, \"depth\": 1" g "}, \"optim\": " SGD "}, " \
  "\"d\": {\"arch\": {\"name\": \"mlp\", \"width\": 8, \"depth\": 1" d "}, \"optim\": " SGD "}, \"train\": {\"batch\": 4, \"length\": {\"steps\": 10}}" more "}"

/* ---- tables by class: one update of SGD moves the rows of the classes it saw, and no other ---- */
static void rows_move(const char *base, const char *table, const char *labels, int columns) {
  test_run t;
  int32_t label[4];
  static float before[24 * 16], after[24 * 16];
  int moved = 0;
  if (test_run_open(&t, base, 1, 1, 1)) {
    int64_t bytes = 24 * columns * 4;
    T_CHECK(!exec_read(t.r->session, table, before, bytes, &t.e) && !train_steps(t.r, 0, 1, &t.e) && !exec_read(t.r->session, table, after, bytes, &t.e) && !exec_read(t.r->session, labels, label, 16, &t.e));
    for (int k = 0; k < 24; k++) {
      int seen = 0, same = !memcmp(before + k * columns, after + k * columns, (size_t)columns * 4);
      for (int j = 0; j < 4; j++) seen |= label[j] == k;
      T_CHECK(seen || same);
      moved += !same;
    }
    T_CHECK(moved >= 2);
  }
  if (t.e.code) printf("# %s\n", t.e.msg);
  T_CHECK(!t.e.code);
  test_run_close(&t);
}
static void test_networks__embeddings_learn_their_own_class(void) {
  rows_move(POINTS(", \"condition\": \"concat\", \"embed\": 3", ", \"condition\": \"concat\", \"embed\": 3", ""), "g/hidden0/label/weight", "out/g_step/labels", 3);
  rows_move(POINTS(", \"condition\": \"concat\", \"embed\": 3", ", \"condition\": \"concat\", \"embed\": 3", ""), "d/hidden0/label/weight", "out/d_step/labels", 3);
  rows_move(POINTS("", ", \"condition\": \"projection\"", ""), "d/projection/weight", "out/d_step/labels", 8);
}
static void test_networks__conditional_norm_learns_by_class(void) {
  rows_move(POINTS(", \"norm\": \"batch\", \"condition\": \"norm\"", "", ""), "g/hidden0/norm/gain", "out/g_step/labels", 8);
  rows_move(POINTS(", \"norm\": \"batch\", \"condition\": \"norm\"", "", ""), "g/hidden0/norm/offset", "out/g_step/labels", 8);
}

/* ---- the auxiliary classifier: D learns to name classes, G to obey them ---- */
/* Share of 24 points (a mode's centre each) or of 24 images of G whose class D names rightly. */
static double named(test_run *t, int of_g) {
  enum { N = 24 };
  const int64_t n = N, dims[2] = {N, 2};
  float x[2 * N], score[N * 4];
  int32_t label[N];
  int right = 0;
  for (int k = 0; k < N; k++) {
    label[k] = k % 4;
    x[2 * k] = (float)(2 * cos(acos(-1) / 2 * (k % 4)));
    x[2 * k + 1] = (float)(2 * sin(acos(-1) / 2 * (k % 4)));
  }
  abi_builder *b = abi_builder_new(t->r->world, "probe");
  gantry_named seen[2] = {{"image", abi_t(ir_leaf(b->g, GANTRY_OP_INPUT, "probe/x", GANTRY_F32, 2, dims)), 0}, {"label", abi_t(ir_leaf(b->g, GANTRY_OP_INPUT, "probe/label", GANTRY_I32, 1, &n)), 0}};
  if (of_g) {
    gantry_named in[2] = {{"z", abi_t(abi_draw_input(b, GANTRY_G, "z", N)), 0}, seen[1]};
    seen[0].t = abi_t(abi_out(b, abi_apply(b, GANTRY_G, in, 2, GANTRY_EVAL | GANTRY_NO_STATE_UPDATE), "image"));
  }
  ir_id class = abi_out(b, abi_apply(b, GANTRY_D, seen, 2, GANTRY_EVAL | GANTRY_NO_STATE_UPDATE), "class");
  if (class) ir_output(b->g, "class", class);
  int ok = !abi_builder_status(b, &t->e) && !exec_upload_inputs(t->r->session, t->r->world, 1, &t->e) && !exec_tensor_make(t->r->session, "probe/x", GANTRY_F32, 2, dims, &t->e) && !exec_tensor_make(t->r->session, "probe/label", GANTRY_I32, 1, &n, &t->e) &&
           !exec_write(t->r->session, "probe/x", x, sizeof x, &t->e) && !exec_write(t->r->session, "probe/label", label, sizeof label, &t->e);
  exec_program *p = ok ? exec_compile(t->r->session, b->g, "probe", &t->e) : NULL;
  T_CHECK(p && !exec_run(t->r->session, &p, 1, &t->e) && !exec_read(t->r->session, "out/probe/class", score, sizeof score, &t->e));
  for (int k = 0; k < N; k++) {
    int best = 0;
    for (int j = 1; j < 4; j++)
      if (score[4 * k + j] > score[4 * k + best]) best = j;
    right += best == label[k];
  }
  abi_builder_free(b);
  if (t->e.code) printf("# %s\n", t->e.msg);
  return right / (double)N;
}
#define ACGAN(on) \
  "{\"data\": {\"name\": \"gaussians\", \"modes\": 4, \"sigma\": 0.05, \"count\": 400}, \"g\": {\"arch\": {\"name\": \"mlp\", \"width\": 24, \"depth\": 1, \"condition\": \"concat\"}, \"optim\": {\"name\": \"adam\", \"lr\": 0.01}}, " \
  "\"d\": {\"arch\": {\"name\": \"mlp\", \"width\": 24, \"depth\": 1, \"condition\": \"auxiliary\"}, \"optim\": {\"name\": \"adam\", \"lr\": 0.01}}, " \
  "\"regularizers\": {\"ac\": {\"name\": \"auxiliary_classifier\", \"on\": " on ", \"of\": [\"d\", \"g\"]}}, \"train\": {\"batch\": 32, \"length\": {\"steps\": 150}}}"
static void test_networks__the_auxiliary_classifier_names_and_is_obeyed(void) {
  test_run t;
  if (test_run_open(&t, ACGAN("true"), 1, 0, 1) && !train_steps(t.r, 0, 150, &t.e)) {
    T_CHECK(named(&t, 0) == 1);
    T_CHECK(named(&t, 1) > 0.8);
  } else
    T_CHECK(0);
  test_run_close(&t);
  if (test_run_open(&t, ACGAN("false"), 1, 0, 1) && !train_steps(t.r, 0, 150, &t.e)) T_CHECK(named(&t, 1) < 0.8);
  test_run_close(&t);
}

/* ---- attention begins as nothing and learns ---- */
static void test_networks__attention_grows_from_zero(void) {
  if (!file_exists("/usr/share/datasets/fashion-mnist")) T_SKIP("no Fashion-MNIST: install dataset-fashion-mnist");
  static const char *const base = "{\"data\": {\"name\": \"idx\", \"path\": \"fashion-mnist\", \"limit\": 64}, \"g\": {\"arch\": {\"name\": \"dcgan\", \"width\": 4, \"z\": 4, \"attention_at\": 14}}, "
                                  "\"d\": {\"arch\": {\"name\": \"dcgan\", \"width\": 8, \"norm\": \"none\", \"init\": \"he\", \"attention_at\": 14}, \"optim\": {\"name\": \"adam\", \"lr\": 0.001}}, \"train\": {\"batch\": 4, \"length\": {\"steps\": 10}}}";
  test_run t;
  float loss[2] = {0, 0}, one = 1;
  for (int k = 0; k < 2; k++) { /* the first loss, with gamma 0 and with gamma 1 */
    if (test_run_open(&t, base, 1, 1, 1)) {
      T_CHECK(test_run_value(&t, "d/down14/attention/gamma", 0) == 0 && test_run_value(&t, "g/up14/attention/gamma", 0) == 0);
      if (k) T_CHECK(!exec_write(t.r->session, "d/down14/attention/gamma", &one, 4, &t.e));
      T_CHECK(!train_steps(t.r, 0, 1, &t.e) && !exec_read(t.r->session, "out/d_step/loss_d", &loss[k], 4, &t.e));
      if (!k) T_CHECK(test_run_value(&t, "d/down14/attention/gamma", 0) != 0 && test_run_value(&t, "g/up14/attention/gamma", 0) != 0); /* learns */
    } else
      T_CHECK(0);
    test_run_close(&t);
  }
  T_CHECK(fabsf(loss[0] - loss[1]) > 1e-6f);
}

/* ---- presets: the published networks, by their numbers ---- */
static void preset(const char *name, int64_t g, int64_t d, const char *weight, double deviation) {
  test_run t;
  char base[1024];
  snprintf(base, sizeof base, "{\"data\": {\"name\": \"gaussians\", \"count\": 500}, \"g\": {\"arch\": {\"name\": \"mlp\", \"preset\": \"%s\", \"width\": 7, \"depth\": 1}}, \"d\": {\"arch\": {\"name\": \"mlp\", \"preset\": \"%s\", \"norm\": \"batch\"}}, \"train\": {\"batch\": 4, \"length\": {\"steps\": 2}}}", name, name);
  if (test_run_open(&t, base, 1, 0, 1)) {
    T_CHECK(train_param_count(t.r, GANTRY_G) == g && train_param_count(t.r, GANTRY_D) == d);
    const exec_tensor *x = exec_tensor_get(t.r->session, weight);
    T_CHECK(x != NULL);
    if (x) {
      float *v = mem_alloc((size_t)x->bytes);
      double q = 0;
      exec_read(t.r->session, weight, v, x->bytes, &t.e);
      for (int64_t k = 0; k < x->bytes / 4; k++) q += (double)v[k] * (double)v[k];
      T_NEAR(sqrt(q / (double)(x->bytes / 4)) / deviation, 1, 0.03);
      free(v);
    }
  } else
    T_CHECK(0);
  test_run_close(&t);
}
static void test_networks__presets_are_the_published_networks(void) {
  preset("pacgan", 2 * 400 + 3 * 400 * 400 + 4 * 2 * 400 + 2 * 400 + 2, 3 * 1000 + 2 * 201 * 1000 + 201, "g/hidden1/linear/weight", 0.02);
  preset("unrolled", 257 * 128 + 129 * 128 + 129 * 2, 3 * 128 + 129 * 128 + 129, "d/hidden1/linear/weight", 1.4 / sqrt(128)); /* orthogonal: every row of length 1.4 */
  preset("wgan_gp", 3 * 512 + 2 * 513 * 512 + 513 * 2, 3 * 512 + 2 * 513 * 512 + 513, "d/hidden1/linear/weight", sqrt(2.0 / 512));
}

/* ---- residual networks at 64 pixels: widths double towards 4 x 4, as SNGAN's ---- */
static const char *folder(arena *a, int side) {
  err e = {0};
  const char *made = arena_fmt(a, "/tmp/gantry-networks-%d-%d", (int)getpid(), side);
  size_t n = 16 + 8 * (size_t)(side * side);
  uint8_t *b = mem_alloc(n), labels[8 + 8] = {0, 0, 8, 1, 0, 0, 0, 8};
  memcpy(b, (uint8_t[16]){0, 0, 8, 3, 0, 0, 0, 8, 0, 0, 0, (uint8_t)side, 0, 0, 0, (uint8_t)side}, 16);
  for (size_t k = 16; k < n; k++) b[k] = (uint8_t)(k * 2654435761u >> 13);
  for (int k = 0; k < 8; k++) labels[8 + k] = (uint8_t)(k % 4);
  T_CHECK(!dir_make(made, &e) && !file_write(path_join(a, made, "train-images-idx3-ubyte"), b, n, &e) && !file_write(path_join(a, made, "train-labels-idx1-ubyte"), labels, sizeof labels, &e));
  free(b);
  return made;
}
static void test_networks__resnet_at_64_pixels(void) {
  test_run t;
  arena *a = arena_new();
  const char *dir = folder(a, 64);
  if (test_run_open(&t, arena_fmt(a, "{\"data\": {\"name\": \"idx\", \"path\": \"%s\"}, \"g\": {\"arch\": {\"name\": \"resnet\", \"width\": 2, \"z\": 4}}, \"d\": {\"arch\": {\"name\": \"resnet\", \"width\": 2, \"norm\": \"none\"}}, \"train\": {\"batch\": 2, \"length\": {\"steps\": 2}}}", dir), 1, 1, 1)) {
    static const struct { const char *name; int64_t out; } widths[] = {{"g/up8/conv_a/weight", 16}, {"g/up16/conv_a/weight", 8}, {"g/up32/conv_a/weight", 4}, {"g/up64/conv_a/weight", 2},
                                                                       {"d/down32/conv_b/weight", 2}, {"d/down16/conv_b/weight", 4}, {"d/down8/conv_b/weight", 8}, {"d/down4/conv_b/weight", 16}};
    for (size_t k = 0; k < sizeof widths / sizeof *widths; k++) {
      const exec_tensor *w = exec_tensor_get(t.r->session, widths[k].name);
      if (!w || w->dims[0] != widths[k].out) printf("# %s: %lld\n", widths[k].name, w ? (long long)w->dims[0] : -1LL);
      T_CHECK(w && w->dims[0] == widths[k].out && w->dims[1] == 3);
    }
    T_CHECK(!train_steps(t.r, 0, 1, &t.e));
    const exec_tensor *fake = exec_tensor_get(t.r->session, "out/d_step/fake");
    T_CHECK(fake && fake->dims[1] == 64 && fake->dims[2] == 64 && isfinite(test_run_value(&t, "d/logit/weight", 0)));
  } else
    T_CHECK(0);
  test_run_close(&t);
  T_CHECK(system(arena_fmt(a, "rm -rf %s", dir)) == 0);
  arena_free(a);
}

/* ---- dropout in G: a new mask in every application while training, none at evaluation ---- */
static double distance_of_two(test_run *t, uint32_t flags) {
  abi_builder *b = abi_builder_new(t->r->world, flags ? "still" : "noisy");
  gantry_ctx *cx = &b->cx;
  gantry_named in = {"z", abi_t(abi_draw_input(b, GANTRY_G, "z", 64)), 0};
  gantry_t x = abi_t(abi_out(b, abi_apply(b, GANTRY_G, &in, 1, GANTRY_NO_STATE_UPDATE | flags), "image")), y = abi_t(abi_out(b, abi_apply(b, GANTRY_G, &in, 1, GANTRY_NO_STATE_UPDATE | flags), "image"));
  ir_output(b->g, "apart", gan_max_all(cx, gan_abs(cx, gan_sub(cx, x, y))).id);
  float v = NAN;
  exec_program *p = !abi_builder_status(b, &t->e) && !exec_upload_inputs(t->r->session, t->r->world, 1, &t->e) ? exec_compile(t->r->session, b->g, b->program, &t->e) : NULL;
  T_CHECK(p && !exec_run(t->r->session, &p, 1, &t->e) && !exec_read(t->r->session, flags ? "out/still/apart" : "out/noisy/apart", &v, 4, &t->e));
  abi_builder_free(b);
  return (double)v;
}
static void test_networks__dropout_in_g_is_for_training(void) {
  test_run t;
  if (test_run_open(&t, POINTS(", \"dropout\": 0.5", "", ""), 1, 0, 1)) {
    T_CHECK(distance_of_two(&t, 0) > 0.01);
    T_CHECK(distance_of_two(&t, GANTRY_EVAL) == 0);
  } else
    T_CHECK(0);
  test_run_close(&t);
}

/* ---- looking at G ---- */
static int look(test_run *t, int64_t rows, int64_t cols, int interpolate, const char *tensor, void *out, int64_t bytes) {
  eval_context c;
  const char *file = arena_fmt(t->mem, "/tmp/gantry-look-%d.png", (int)getpid());
  eval_init(&c, t->r->world, t->r->session, t->r->registry, &t->r->data_el, t->r->data, t->r->cfg->range, 3);
  int ok = !eval_grid(&c, 0, rows, cols, interpolate, file, &t->e);
  const exec_tensor *x = exec_tensor_get(t->r->session, tensor);
  ok = ok && x && x->bytes == bytes && !exec_read(t->r->session, tensor, out, bytes, &t->e);
  if (!ok) printf("# %s %s: %lld bytes\n", tensor, t->e.msg, x ? (long long)x->bytes : -1LL);
  unlink(file);
  eval_free(&c);
  return ok;
}
#define ECHO(data, latent) "{\"data\": " data ", \"g\": {\"arch\": {\"name\": \"echo\"}" latent "}, \"d\": {\"arch\": {\"name\": \"echo\"}}, \"train\": {\"batch\": 2, \"length\": {\"steps\": 2}}}"

/* Normal latents go along the great circle: weights sin((1-t)w)/sin w and sin(t w)/sin w of the ends; uniform ones along the straight line. */
static void test_networks__latents_go_on_the_great_circle(void) {
  enum { ROWS = 5, COLS = 8 };
  static const char *const latents[2] = {"", ", \"latent\": {\"distribution\": \"uniform\"}"};
  for (int uniform = 0; uniform < 2; uniform++) {
    test_run t;
    float x[ROWS * COLS * 2];
    double bent = 0;
    char base[1024];
    snprintf(base, sizeof base, ECHO("{\"name\": \"gaussians\", \"count\": 100}", "%s"), latents[uniform]);
    if (test_run_open(&t, base, 1, 0, 1) && look(&t, ROWS, COLS, 1, "out/interpolate.raw.5x8/images", x, sizeof x))
      for (int r = 0; r < ROWS; r++) {
        const float *a = x + 2 * COLS * r, *b = a + 2 * (COLS - 1);
        double la = hypot((double)a[0], (double)a[1]), lb = hypot((double)b[0], (double)b[1]), w = acos(((double)a[0] * (double)b[0] + (double)a[1] * (double)b[1]) / (la * lb));
        for (int k = 0; k < COLS; k++) {
          double s = k / (COLS - 1.0), from = uniform ? 1 - s : sin((1 - s) * w) / sin(w), to = uniform ? s : sin(s * w) / sin(w);
          for (int c = 0; c < 2; c++) T_NEAR((double)a[2 * k + c], from * (double)a[c] + to * (double)b[c], 1e-4);
          bent = fmax(bent, fabs(from - (1 - s)));
        }
      }
    else
      T_CHECK(0);
    T_CHECK(uniform ? bent == 0 : bent > 0.02);
    test_run_close(&t);
  }
}

/* Images of f32 values are drawn as u8 ones are: data.range is black to white, and what lies outside it is clipped. */
static void test_networks__float_images_are_drawn_through_the_range(void) {
  enum { COLS = 24 };
  test_run t;
  uint8_t px[4 * COLS * 64];
  int black = 0, white = 0;
  if (test_run_open(&t, ECHO("{\"name\": \"patterns\", \"range\": [-0.25, 0.125]}", ""), 1, 0, 1) && look(&t, 4, COLS, 0, "out/sample.raw.4x24/images", px, sizeof px))
    for (int r = 0; r < 4; r++)
      for (int k = 0; k < COLS; k++) {
        const uint8_t *im = px + (r * COLS + k) * 64;
        T_CHECK(im[0] == (r < 2 ? 0 : r == 2 ? 170 : 255)); /* the row's class: -0.5, -0.25, 0, 0.25 */
        black += im[63] == 0;
        white += im[63] == 255;
      }
  else
    T_CHECK(0);
  T_CHECK(black > 0 && white > 0); /* z is normal: some lies beyond either end */
  test_run_close(&t);
}

static void test_networks__a_grid_has_a_row_for_every_class(void) {
  test_run t;
  arena *a = arena_new();
  const char *dir = folder(a, 8);
  uint8_t px[4 * 6 * 64];
  if (test_run_open(&t, arena_fmt(a, ECHO("{\"name\": \"idx\", \"path\": \"%s\"}", ""), dir), 1, 0, 1) && look(&t, 8, 6, 0, "out/sample.raw.4x6/images", px, sizeof px)) {
    int differ = 0;
    for (int r = 0; r < 4; r++)
      for (int k = 0; k < 6; k++) {
        const uint8_t *im = px + (r * 6 + k) * 64, *top = px + k * 64;
        T_CHECK(abs(im[0] - (int)floor((r / 4.0 - 0.5 + 1) * 127.5 + 0.5)) <= 1); /* the row's class */
        T_CHECK(im[63] == top[63]);                                               /* the column's latent */
        differ += im[63] != px[63];
      }
    T_CHECK(differ > 8);
  } else
    T_CHECK(0);
  test_run_close(&t);
  T_CHECK(system(arena_fmt(a, "rm -rf %s", dir)) == 0);
  arena_free(a);
}

T_MAIN(T(test_networks__embeddings_learn_their_own_class), T(test_networks__conditional_norm_learns_by_class), T(test_networks__the_auxiliary_classifier_names_and_is_obeyed), T(test_networks__attention_grows_from_zero),
       T(test_networks__presets_are_the_published_networks), T(test_networks__resnet_at_64_pixels), T(test_networks__dropout_in_g_is_for_training), T(test_networks__latents_go_on_the_great_circle),
       T(test_networks__a_grid_has_a_row_for_every_class), T(test_networks__float_images_are_drawn_through_the_range))
