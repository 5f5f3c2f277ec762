/* test_augmentation.c - what augmentation does to a run: who is transformed and in which order, how p of ADA moves, what consistency asks of D. The images are 12 x 12
 * and made here. */
#include "run.h"

enum { SIDE = 12, COUNT = 64, PIXELS = SIDE * SIDE };
typedef struct place { arena *mem; char *dir; } place;

/* A folder in idx format: bright squares at places that the label decides. */
static place place_new(void) {
  place p = {arena_new(), NULL};
  err e = {0};
  static uint8_t images[16 + COUNT * PIXELS], labels[8 + COUNT];
  static const uint8_t head[16] = {0, 0, 8, 3, 0, 0, 0, COUNT, 0, 0, 0, SIDE, 0, 0, 0, SIDE};
  p.dir = arena_fmt(p.mem, "/tmp/gantry-augmentation-%d", (int)getpid());
  memcpy(images, head, 16);
  memcpy(labels, head, 8);
  labels[3] = 1;
  for (int k = 0; k < COUNT; k++) {
    labels[8 + k] = (uint8_t)(k % 4);
    for (int j = 0; j < PIXELS; j++) images[16 + k * PIXELS + j] = (uint8_t)(j % SIDE / 6 == k % 2 && j / SIDE / 6 == k / 2 % 2 ? 200 + k % 50 : 30);
  }
  T_CHECK(!dir_make(p.dir, &e) && !file_write(path_join(p.mem, p.dir, "train-images-idx3-ubyte"), images, sizeof images, &e) && !file_write(path_join(p.mem, p.dir, "train-labels-idx1-ubyte"), labels, sizeof labels, &e));
  return p;
}
static void place_free(place *p) {
  T_CHECK(system(arena_fmt(p->mem, "rm -rf %s", p->dir)) == 0);
  arena_free(p->mem);
}

static int open_run(place *p, test_run *t, const char *regularizers, const char *d_lr, const char *loss) {
  return test_run_open(t, arena_fmt(p->mem, "{\"data\": {\"name\": \"idx\", \"path\": \"%s\"}, \"g\": {\"arch\": {\"name\": \"mlp\", \"width\": 8, \"z\": 4}, \"optim\": {\"name\": \"sgd\", \"lr\": 0}}, \"d\": {\"arch\": {\"name\": \"mlp\", \"width\": 8}, "
                                            "\"optim\": {\"name\": \"adam\", \"lr\": %s}}, \"loss\": {\"name\": \"%s\"}, \"regularizers\": {%s}, \"train\": {\"batch\": 8, \"length\": {\"steps\": 400}}}", p->dir, d_lr, loss, regularizers), 1, 1, 1);
}
static int traced(test_run *t, const char *name, float *out) {
  const exec_tensor *x = exec_tensor_get(t->r->session, name);
  return x && x->bytes == 8 * PIXELS * 4 && !exec_read(t->r->session, name, out, x->bytes, &t->e);
}

/* In front of D: real-only transforms, transforms of both, noise. The elements are named in another order on purpose. */
static void test_augmentation__the_stages_have_their_order(void) {
  place p = place_new();
  test_run t;
  static float real[8 * PIXELS], seen[8 * PIXELS], fake[8 * PIXELS], fake_seen[8 * PIXELS], g_seen[8 * PIXELS];
  if (open_run(&p, &t, "\"a\": {\"name\": \"input_noise\", \"std\": 1e-3}, \"b\": {\"name\": \"diffaugment\", \"color\": false, \"translation\": 0}, \"c\": {\"name\": \"augment_real\", \"mirror\": 0, \"brightness\": 50}", "0", "nonsaturating")) {
    T_CHECK(!train_steps(t.r, 0, 1, &t.e) && traced(&t, "out/d_step/real", real) && traced(&t, "out/d_step/real_seen", seen) && traced(&t, "out/d_step/fake", fake) && traced(&t, "out/d_step/fake_seen", fake_seen));
    T_CHECK(traced(&t, "out/g_step/fake_seen", g_seen));
    for (int n = 0; n < 8; n++) {
      int holes[3] = {0, 0, 0};
      double by = NAN;
      for (int j = n * PIXELS; j < (n + 1) * PIXELS; j++) {
        int hole = fabsf(seen[j]) < 0.01f && seen[j] != 0; /* cut out after the brightness, before the noise */
        holes[0] += hole;
        holes[1] += fabsf(fake_seen[j]) < 0.01f && fabsf(fake[j]) > 0.02f;
        holes[2] += fabsf(g_seen[j]) < 0.01f;
        if (!hole && isnan(by)) by = (double)(seen[j] - real[j]);
        if (!hole) T_NEAR((double)(seen[j] - real[j]), by, 1e-2); /* one brightness for the whole image */
      }
      T_CHECK(holes[0] >= 9 && holes[0] <= 36 && holes[1] > 0 && holes[2] >= 9);
    }
  } else
    T_CHECK(0);
  test_run_close(&t);
  if (open_run(&p, &t, "\"c\": {\"name\": \"augment_real\", \"mirror\": 1}", "0", "nonsaturating")) { /* reals alone */
    T_CHECK(!train_steps(t.r, 0, 1, &t.e) && traced(&t, "out/d_step/real", real) && traced(&t, "out/d_step/real_seen", seen) && !exec_tensor_get(t.r->session, "out/d_step/fake_seen"));
    for (int j = 0; j < 8 * PIXELS; j++) T_CHECK(seen[j] == real[j - j % SIDE + SIDE - 1 - j % SIDE]);
  } else
    T_CHECK(0);
  test_run_close(&t);
  place_free(&p);
}

/* p after `steps` updates of D. */
static double p_after(place *p, const char *ada, const char *d_lr, int steps) {
  test_run t;
  double v = NAN;
  if (open_run(p, &t, arena_fmt(p->mem, "\"ada\": {\"name\": \"ada\", \"mirror\": 0, \"turn\": 0, \"shift\": 0, \"rotation\": 0, \"scale\": 0, \"anisotropy\": 0, \"fraction\": 0, %s}", ada), d_lr, "nonsaturating") && !train_steps(t.r, 0, steps, &t.e)) v = test_run_value(&t, "regularizers/ada/p", 0);
  if (t.e.code) printf("# %s\n", t.e.msg);
  int logged = 0;
  for (uint32_t k = 0; t.r && k < t.r->programs.p[0].n_log; k++) logged |= !strcmp(t.r->programs.p[0].log[k], "ada");
  T_CHECK(!t.e.code && logged);
  test_run_close(&t);
  return v;
}

static void test_augmentation__p_rises_while_d_overfits(void) {
  place p = place_new();
  double rate = 4 * 8 / 640.0; /* a move every 4 batches of 8: 1 in 640 images */
  T_NEAR(p_after(&p, "\"speed\": 640, \"target\": -1, \"p\": 0.2", "0", 3), 0.2, 1e-6);
  T_CHECK(p_after(&p, "\"speed\": 640", "0.01", 80) > 10 * rate); /* D knows its 64 images by heart */
  T_NEAR(p_after(&p, "\"speed\": 640, \"target\": 1, \"p\": 0.2", "0", 12), 0.2 - 3 * rate, 1e-5);
  T_CHECK(p_after(&p, "\"speed\": 640, \"target\": 1, \"p\": 0.2", "0", 40) == 0);      /* never below 0 */
  T_CHECK(p_after(&p, "\"speed\": 40, \"target\": -0.9, \"p\": 0.5", "0.01", 40) > 1.5); /* but beyond 1 */
  place_free(&p);
}

static void test_augmentation__ada_needs_a_threshold_or_no_adaptation(void) {
  place p = place_new();
  test_run t;
  T_CHECK(!open_run(&p, &t, "\"ada\": {\"name\": \"ada\"}", "0", "relativistic"));
  T_HAS(t.e.msg, "set adapt to \"none\"");
  test_run_close(&t);
  T_CHECK(open_run(&p, &t, "\"ada\": {\"name\": \"ada\", \"adapt\": \"none\", \"p\": 0.5}", "0", "relativistic"));
  test_run_close(&t);
  place_free(&p);
}

/* The mean squared difference between D on an image and on its copy after training with a weight, whatever the weight. */
static double difference(place *p, const char *weight) {
  test_run t;
  float v = NAN;
  if (open_run(p, &t, arena_fmt(p->mem, "\"c\": {\"name\": \"consistency\", \"real\": %s, \"fake\": %s}", weight, weight), "0.003", "nonsaturating") && !train_steps(t.r, 0, 60, &t.e)) exec_read(t.r->session, "out/d_step/term/c", &v, 4, &t.e);
  T_CHECK(!t.e.code);
  test_run_close(&t);
  return (double)v / atof(weight);
}
static void test_augmentation__consistency_makes_d_consistent(void) {
  place p = place_new();
  double free_d = difference(&p, "1e-6"), bound = difference(&p, "10");
  T_CHECK(isfinite(bound) && bound < 0.2 * free_d);
  place_free(&p);
}

T_MAIN(T(test_augmentation__the_stages_have_their_order), T(test_augmentation__p_rises_while_d_overfits), T(test_augmentation__ada_needs_a_threshold_or_no_adaptation), T(test_augmentation__consistency_makes_d_consistent))
