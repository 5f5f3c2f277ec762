/* test_gan.c - GAN steps against closed forms, and what a run promises: batch statistics in order, lookahead with its derivative, resuming to
 * equal bytes, errors that name their place. */
#include "ad/ad.h"
#include "ir/build.h"
#include "run.h"

#include <gantry/nn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define POINT "\"data\": {\"name\": \"gaussians\", \"modes\": 1, \"radius\": 0, \"sigma\": 0, \"count\": 64}"
#define SGD "{\"name\": \"sgd\", \"lr\": 0.3}"
#define DIRAC "{" POINT ", \"g\": {\"arch\": {\"name\": \"dirac\"}, \"optim\": " SGD "}, \"d\": {\"arch\": {\"name\": \"dirac\"}, \"optim\": " SGD "}, \"loss\": {\"name\": \"nonsaturating\"}, "

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

/* Both coordinates move alike: theta and psi are the common value, the logit of a fake is 2 theta psi, of the real point (0) it is 0. */
static void dirac(const char *base, int simultaneous) {
  test_run t;
  double theta = 0.8, psi = 0.6, h = 0.3;
  if (test_run_open(&t, base, 1, 0, 1))
    for (int k = 0; k < 60; k++) {
      T_CHECK(!train_steps(t.r, k, 1, &t.e));
      double old_psi = psi;
      psi -= h * sigmoid(2 * theta * psi) * theta;
      double seen = simultaneous ? old_psi : psi;
      theta += h * sigmoid(-2 * theta * seen) * seen;
      T_NEAR(test_run_value(&t, "g/theta", 0), theta, 2e-5);
      T_NEAR(test_run_value(&t, "d/psi", 1), psi, 2e-5);
    }
  T_CHECK(!t.e.code);
  test_run_close(&t);
}
static void test_gan__dirac_alternating(void) { dirac(DIRAC "\"train\": {\"batch\": 4, \"length\": {\"steps\": 60}}}", 0); }
static void test_gan__dirac_simultaneous(void) { dirac(DIRAC "\"train\": {\"batch\": 4, \"updates\": \"simultaneous\", \"length\": {\"steps\": 60}}}", 1); }

static void test_gan__dirac_with_r1_is_damped(void) {
  test_run t;
  double theta = 0.8, psi = 0.6, h = 0.3, gamma = 0.5;
  if (test_run_open(&t, DIRAC "\"regularizers\": {\"r1\": {\"name\": \"r1\", \"gamma\": 0.5}}, \"train\": {\"batch\": 4, \"length\": {\"steps\": 60}}}", 1, 0, 1))
    for (int k = 0; k < 60; k++) {
      T_CHECK(!train_steps(t.r, k, 1, &t.e));
      psi -= h * (sigmoid(2 * theta * psi) * theta + gamma * psi); /* gradient of D at the real point is psi */
      theta += h * sigmoid(-2 * theta * psi) * psi;
      T_NEAR(test_run_value(&t, "g/theta", 0), theta, 2e-5);
    }
  T_CHECK(fabs(theta) + fabs(psi) < 0.7);
  T_CHECK(!t.e.code);
  test_run_close(&t);
}

/* Lazy terms add updates of D, so all of them move less: c = 1 / (1 + 1/4 + 1/2). G, which has none, moves as ever. */
static void test_gan__lazy_terms_correct_every_update(void) {
  test_run t;
  double theta = 0.8, psi = 0.6, c = 1 / 1.75, h = 0.3;
  if (test_run_open(&t, DIRAC "\"regularizers\": {\"r1\": {\"name\": \"r1\", \"gamma\": 0.1, \"every\": {\"steps\": 4}}, \"r2\": {\"name\": \"r2\", \"gamma\": 0.05, \"every\": {\"steps\": 2}}}, \"train\": {\"batch\": 4, \"length\": {\"steps\": 20}}}", 1, 0, 1))
    for (int k = 0; k < 20; k++) {
      T_CHECK(!train_steps(t.r, k, 1, &t.e));
      psi -= c * h * sigmoid(2 * theta * psi) * theta;
      if (k % 4 == 0) psi -= c * h * 4 * 0.1 * psi; /* D is linear: its gradient is psi everywhere */
      if (k % 2 == 0) psi -= c * h * 2 * 0.05 * psi;
      theta += h * sigmoid(-2 * theta * psi) * psi;
      T_NEAR(test_run_value(&t, "d/psi", 0), psi, 2e-5);
      T_NEAR(test_run_value(&t, "g/theta", 0), theta, 2e-5);
    }
  T_CHECK(!t.e.code);
  test_run_close(&t);
}

static void test_gan__d_steps_and_schedule(void) {
  test_run t;
  double theta = 0.8, psi = 0.6;
  if (test_run_open(&t, DIRAC "\"schedules\": {\"s\": {\"of\": [\"d.optim.lr\"], \"shape\": \"linear\", \"to\": 0}}, \"train\": {\"batch\": 4, \"d_steps\": 3, \"length\": {\"steps\": 20}}}", 1, 0, 1))
    for (int k = 0; k < 20; k++) {
      T_CHECK(!train_steps(t.r, k, 1, &t.e));
      double h = 0.3 * (1 - k / 20.0); /* the multiplier belongs to the step, not to the update */
      for (int d = 0; d < 3; d++) psi -= h * sigmoid(2 * theta * psi) * theta;
      theta += 0.3 * sigmoid(-2 * theta * psi) * psi;
      T_NEAR(test_run_value(&t, "g/theta", 0), theta, 2e-5);
      T_NEAR(test_run_value(&t, "d/psi", 0), psi, 2e-5);
    }
  T_CHECK(!t.e.code);
  test_run_close(&t);
}

/* Exactly every 41st step: the f32 next to 1/41, times 41, is below 1. */
static void test_gan__a_step_schedule_is_on_time(void) {
  test_run t;
  double theta = 0.8, psi = 0.6;
  if (test_run_open(&t, DIRAC "\"schedules\": {\"s\": {\"of\": [\"d.optim.lr\"], \"shape\": \"step\", \"factor\": 0.25, \"every\": {\"steps\": 41}, \"start\": {\"steps\": 2}}}, \"train\": {\"batch\": 4, \"length\": {\"steps\": 130}}}", 1, 0, 1))
    for (int k = 0; k < 130; k++) {
      T_CHECK(!train_steps(t.r, k, 1, &t.e));
      psi -= 0.3 * pow(0.25, k < 2 ? 0 : (k - 2) / 41) * sigmoid(2 * theta * psi) * theta;
      theta += 0.3 * sigmoid(-2 * theta * psi) * psi;
      T_NEAR(test_run_value(&t, "d/psi", 0), psi, 1e-4);
    }
  T_CHECK(!t.e.code);
  test_run_close(&t);
}

static void test_gan__averaged_weights_follow_their_half_life(void) {
  test_run t;
  double theta = 0.8, psi = 0.6, ema = 0.8;
  if (test_run_open(&t, "{" POINT ", \"g\": {\"arch\": {\"name\": \"dirac\"}, \"optim\": " SGD ", \"ema\": {\"half_life\": {\"images\": 40}, \"ramp_up\": 0}}, \"d\": {\"arch\": {\"name\": \"dirac\"}, \"optim\": " SGD
                        "}, \"loss\": {\"name\": \"nonsaturating\"}, \"train\": {\"batch\": 4, \"length\": {\"steps\": 20}}}", 1, 0, 1))
    for (int k = 0; k < 20; k++) {
      T_CHECK(!train_steps(t.r, k, 1, &t.e));
      psi -= 0.3 * sigmoid(2 * theta * psi) * theta;
      theta += 0.3 * sigmoid(-2 * theta * psi) * psi;
      ema = theta + pow(0.5, 4.0 / 40) * (ema - theta);
      T_NEAR(test_run_value(&t, "ema/g/theta", 0), ema, 2e-5);
    }
  T_CHECK(!t.e.code);
  test_run_close(&t);
}

/* ---- lookahead ---- */

typedef struct bound { double theta, psi; } bound;
static gantry_status bind_point(void *user, const char *name, uint32_t dtype, int64_t count, double *dst, err *e) {
  const bound *b = user;
  (void)dtype;
  (void)e;
  double v = !strcmp(name, "g/theta") ? b->theta : !strcmp(name, "d/psi") ? b->psi : !strcmp(name, "param/regularizers.flip.fake") ? 1 : !strcmp(name, "param/regularizers.flip.real") ? 0 : !strncmp(name, "param/", 6) ? 0.3 : 0;
  for (int64_t k = 0; k < count; k++) dst[k] = v;
  return GANTRY_OK;
}

/* G's loss after k updates of D, whose target of fakes is `fake`, by hand in f64. */
static double unrolled_loss(double theta, double psi, int k, double fake) {
  for (; k > 0; k--) psi -= 0.3 * (sigmoid(2 * theta * psi) - fake) * theta;
  return log1p(exp(-2 * theta * psi));
}

static void unrolled(const char *base, double fake) {
  test_run t;
  if (test_run_open(&t, base, 1, 1, 0)) {
    const ir_graph *g = NULL;
    for (uint32_t k = 0; k < t.r->programs.n; k++)
      if (!strcmp(t.r->programs.p[k].name, "g_step")) g = t.r->programs.p[k].g;
    ir_id want[2] = {0, 0};
    for (uint32_t k = 0; g && k < g->roots.n; k++) {
      if (!strcmp(ir_name(g, g->roots.p[k].name), "loss_g")) want[0] = g->roots.p[k].id;
      if (!strcmp(ir_name(g, g->roots.p[k].name), "grad/g/theta")) want[1] = g->roots.p[k].id;
    }
    bound b = {0.8, 0.6};
    double *v[2] = {NULL, NULL}, h = 1e-5;
    T_CHECK(g && want[0] && want[1] && !ir_eval(g, want, 2, bind_point, &b, v, &t.e));
    if (v[0] && v[1]) {
      T_NEAR(v[0][0], unrolled_loss(0.8, 0.6, 2, fake), 1e-9);
      double slope = (unrolled_loss(0.8 + h, 0.6, 2, fake) - unrolled_loss(0.8 - h, 0.6, 2, fake)) / (2 * h);
      T_NEAR(v[1][0] + v[1][1], slope, 1e-7); /* both coordinates moved together */
      double plain = -sigmoid(-2 * 0.8 * 0.6) * 2 * 0.6;
      T_CHECK(fabs(slope - plain) > 1e-2); /* looking ahead does make a difference */
    }
    free(v[0]);
    free(v[1]);
    /* D itself is not touched by the lookahead */
    for (uint32_t k = 0; g && k < g->roots.n; k++) T_CHECK(g->roots.p[k].kind != IR_STORE || strcmp(ir_name(g, g->roots.p[k].name), "d/psi"));
  }
  T_CHECK(!t.e.code);
  test_run_close(&t);
}
#define LOOK "\"look\": {\"name\": \"unrolled\", \"steps\": 2}"
static void test_gan__two_unrolled_updates_match_differences(void) {
  unrolled(DIRAC "\"regularizers\": {" LOOK "}, \"train\": {\"batch\": 4, \"length\": {\"steps\": 10}}}", 0);
  unrolled(DIRAC "\"regularizers\": {" LOOK ", \"flip\": {\"name\": \"label_flip\", \"real\": 0, \"fake\": 1}}, \"train\": {\"batch\": 4, \"length\": {\"steps\": 10}}}", 1); /* D's targets are the experiment's, looking ahead too */
}

/* ---- batch norm ---- */

static void test_gan__batch_statistics_move_on_real_then_fake(void) {
  test_run t;
  const char *base = "{\"data\": {\"name\": \"gaussians\", \"sigma\": 0.5}, \"g\": {\"arch\": {\"name\": \"mlp\", \"width\": 5}, \"optim\": " SGD "}, \"d\": {\"arch\": {\"name\": \"mlp\", \"width\": 3, \"depth\": 1, \"norm\": \"batch\"}, \"optim\": " SGD
                     "}, \"loss\": {\"name\": \"hinge\"}, \"regularizers\": {\"gp\": {\"name\": \"gradient_penalty\", \"force\": true}}, \"train\": {\"batch\": 16, \"length\": {\"steps\": 3}}}";
  if (test_run_open(&t, base, 3, 1, 1)) {
    float w[6], x[2][32], mean[3] = {0}, var[3] = {1, 1, 1};
    T_CHECK(!exec_read(t.r->session, "d/hidden0/linear/weight", w, sizeof w, &t.e));
    T_CHECK(!train_steps(t.r, 0, 1, &t.e));
    T_CHECK(!exec_read(t.r->session, "out/d_step/real", x[0], sizeof x[0], &t.e) && !exec_read(t.r->session, "out/d_step/fake", x[1], sizeof x[1], &t.e));
    for (int side = 0; side < 2 && !t.e.code; side++) /* real, then fake; the penalty's pass leaves no trace */
      for (int c = 0; c < 3; c++) {
        double s = 0, q = 0;
        for (int n = 0; n < 16; n++) {
          double h = (double)w[2 * c] * (double)x[side][2 * n] + (double)w[2 * c + 1] * (double)x[side][2 * n + 1];
          s += h;
          q += h * h;
        }
        mean[c] = (float)(0.9 * (double)mean[c] + 0.1 * s / 16);
        var[c] = (float)(0.9 * (double)var[c] + 0.1 * (q - s * s / 16) / 15);
      }
    for (int c = 0; c < 3; c++) {
      T_NEAR(test_run_value(&t, "d/hidden0/norm/running_mean", c), (double)mean[c], 1e-5);
      T_NEAR(test_run_value(&t, "d/hidden0/norm/running_var", c), (double)var[c], 1e-5);
    }
  }
  T_CHECK(!t.e.code);
  test_run_close(&t);
}

/* ---- bits ---- */

#define SMALL "{\"data\": {\"name\": \"gaussians\", \"count\": 500}, \"g\": {\"arch\": {\"name\": \"mlp\", \"width\": 16}, \"optim\": {\"name\": \"adam\", \"lr\": 1e-3}, \"ema\": {\"half_life\": {\"images\": 500}}}, \"d\": {\"arch\": {\"name\": \"mlp\", \"width\": 16, \"dropout\": 0.1}, \"optim\": {\"name\": \"adam\", \"lr\": 1e-3}}, \"loss\": {\"name\": \"nonsaturating\"}, \"regularizers\": {\"gp\": {\"name\": \"gradient_penalty\"}, \"sn\": {\"name\": \"spectral_norm\"}}, \"train\": {\"batch\": 32, \"length\": {\"steps\": 60}}, \"metrics\": {\"c\": {\"name\": \"mode_coverage\", \"fake\": 300, \"every\": {\"steps\": 20}}}, \"samples\": {\"grid\": [2, 2], \"every\": {\"steps\": 30}}, \"checkpoints\": {\"every\": {\"steps\": 20}}, \"log\": {\"every\": {\"steps\": 10}}}"

static void train_to(const char *dir, int64_t stop_after, int *outcome, err *e) {
  test_run t;
  if (test_run_open(&t, SMALL, 5, 0, 1)) {
    train_loop_options o = {.dir = dir, .stop_after = stop_after};
    train_loop(t.r, &o, outcome, &t.e);
  }
  if (t.e.code) err_set(e, t.e.code, "%s", t.e.msg);
  test_run_close(&t);
}

static void test_gan__an_interrupted_run_ends_in_equal_bytes(void) {
  arena *a = arena_new();
  err e = {0};
  int outcome[3] = {9, 9, 9};
  const char *one = arena_fmt(a, "/tmp/gantry-loop-%d-a", (int)getpid()), *two = arena_fmt(a, "/tmp/gantry-loop-%d-b", (int)getpid());
  T_CHECK(!dir_make(one, &e) && !dir_make(two, &e));
  train_to(one, 0, &outcome[0], &e);
  train_to(two, 27, &outcome[1], &e); /* between two log points */
  train_to(two, 0, &outcome[2], &e);
  if (e.code) printf("# %s\n", e.msg);
  T_CHECK(!e.code && outcome[0] == TRAIN_DONE && outcome[1] == TRAIN_STOPPED && outcome[2] == TRAIN_DONE);
  static const char *const files[] = {"checkpoints/step-000000060.safetensors", "samples/00000060.png", "samples/ema-00000060.png"};
  for (int k = 0; k < 3; k++) {
    char x[65] = "", y[65] = "-";
    T_CHECK(!file_sha256(path_join(a, one, files[k]), x, &e) && !file_sha256(path_join(a, two, files[k]), y, &e));
    T_STR(x, y);
  }
  T_CHECK(system(arena_fmt(a, "rm -rf %s %s", one, two)) == 0);
  arena_free(a);
}

static void test_gan__the_same_seed_gives_the_same_bits_and_another_does_not(void) {
  float w[3][32];
  for (int k = 0; k < 3; k++) {
    test_run t;
    if (test_run_open(&t, SMALL, k == 2 ? 6 : 5, 0, 1)) {
      T_CHECK(!train_steps(t.r, 0, 5, &t.e));
      T_CHECK(!exec_read(t.r->session, "g/hidden0/linear/weight", w[k], sizeof w[k], &t.e));
    }
    test_run_close(&t);
  }
  T_CHECK(!memcmp(w[0], w[1], sizeof w[0]));
  T_CHECK(memcmp(w[0], w[2], sizeof w[0]));
}

static void test_gan__tracing_changes_no_bit(void) {
  float w[2][32];
  for (int k = 0; k < 2; k++) {
    test_run t;
    if (test_run_open(&t, SMALL, 5, k, 1)) {
      T_CHECK(!train_steps(t.r, 0, 5, &t.e));
      T_CHECK(!exec_read(t.r->session, "g/hidden0/linear/weight", w[k], sizeof w[k], &t.e));
    }
    test_run_close(&t);
  }
  T_CHECK(!memcmp(w[0], w[1], sizeof w[0]));
}

/* ---- the second method, and what metrics keep of real sets ---- */

static void evaluations(void *user, const rec *r) {
  double *v = user;
  if (r->type == REC_EVAL && r->step == 0) v[0] = r->u.eval.value;
  if (r->type == REC_EVAL && r->step > 0) v[1] = r->u.eval.value;
}

/* The accuracy of a network in training is looked at afresh each time, although its pass over real samples keeps its name. */
static void test_gan__a_classifier_learns_and_its_accuracy_is_not_cached(void) {
  test_run t;
  arena *a = arena_new();
  double v[2] = {-1, -1};
  int fds[2], outcome = 9;
  const char *dir = arena_fmt(a, "/tmp/gantry-classifier-%d", (int)getpid());
  const char *base = "{\"data\": {\"name\": \"gaussians\", \"count\": 800, \"modes\": 4, \"sigma\": 0.1}, \"net\": {\"arch\": {\"name\": \"classes\"}, \"optim\": {\"name\": \"adam\", \"lr\": 1e-2}}, "
                     "\"train\": {\"batch\": 32, \"length\": {\"steps\": 60}}, \"metrics\": {\"accuracy\": {\"name\": \"accuracy\", \"every\": \"end\"}}, \"checkpoints\": {\"every\": \"end\"}}";
  err e = {0};
  T_CHECK(!dir_make(dir, &e) && !pipe(fds));
  if (test_run_open(&t, base, 3, 0, 1)) {
    rec_writer *w = rec_writer_new(fds[1], 0);
    train_loop_options o = {.dir = dir, .cache = path_join(a, dir, "cache"), .rec = w};
    T_CHECK(!train_loop(t.r, &o, &outcome, &t.e) && outcome == TRAIN_DONE);
    rec_writer_free(w);
    char bytes[65536];
    ssize_t n = read(fds[0], bytes, sizeof bytes);
    rec_reader *reader = rec_reader_new();
    T_CHECK(n > 0 && !rec_feed(reader, bytes, (size_t)n, evaluations, v, &e));
    rec_reader_free(reader);
  }
  if (t.e.code) printf("# %s\n", t.e.msg);
  T_CHECK(v[0] >= 0 && v[0] < 0.8 && v[1] > 0.95);
  close(fds[0]);
  close(fds[1]);
  test_run_close(&t);
  T_CHECK(system(arena_fmt(a, "rm -rf %s", dir)) == 0);
  arena_free(a);
}

/* ---- a checkpoint is never ahead of its rows ---- */

typedef struct sync_asked { int count; int64_t token; } sync_asked;
static void note_sync(void *user, const rec *r) {
  sync_asked *s = user;
  if (r->type == REC_SYNC) s->count++, s->token = r->u.sync.token;
}

/* The other end says nothing until it has looked: no checkpoint may be there before it answered. */
static void test_gan__a_checkpoint_waits_until_its_rows_are_safe(void) {
  int p[2];
  arena *a = arena_new();
  err e = {0};
  const char *dir = arena_fmt(a, "/tmp/gantry-sync-%d", (int)getpid()), *file = path_join(a, dir, "checkpoints/step-000000005.safetensors.sha256");
  T_CHECK(!dir_make(dir, &e) && socketpair(AF_UNIX, SOCK_STREAM, 0, p) == 0);
  pid_t child = fork();
  if (child == 0) {
    test_run t;
    int outcome = 9, ok = 0;
    close(p[0]);
    rec_writer *w = rec_writer_new(p[1], 0);
    if (test_run_open(&t, SMALL, 5, 0, 1)) {
      train_loop_options o = {.dir = dir, .rec = w, .stop_after = 5};
      ok = !train_loop(t.r, &o, &outcome, &t.e) && outcome == TRAIN_STOPPED;
    }
    _exit(ok ? 0 : 1);
  }
  close(p[1]);
  rec_reader *r = rec_reader_new();
  sync_asked s = {0};
  char bytes[65536];
  for (ssize_t k; !s.count && (k = read(p[0], bytes, sizeof bytes)) > 0;) T_CHECK(!rec_feed(r, bytes, (size_t)k, note_sync, &s, &e));
  usleep(200000);
  T_CHECK(s.count == 1 && !file_exists(file));
  rec_answer(p[0], s.token);
  int status;
  while (read(p[0], bytes, sizeof bytes) > 0) continue;
  T_CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0 && file_exists(file));
  rec_reader_free(r);
  close(p[0]);
  T_CHECK(system(arena_fmt(a, "rm -rf %s", dir)) == 0);
  arena_free(a);
}

/* ---- errors ---- */

static void fails(const char *loss, const char *words) {
  test_run t;
  char json[1024];
  snprintf(json, sizeof json, "{\"gantry\": 1, \"name\": \"t\", \"seeds\": 1, \"base\": {" POINT ", \"g\": {\"arch\": {\"name\": \"mlp\"}}, \"d\": {\"arch\": {\"name\": \"mlp\"}}, \"loss\": {\"name\": \"%s\"}, \"train\": {\"batch\": 4, \"length\": {\"steps\": 2}}}}", loss);
  T_CHECK(!test_run_open_cell(&t, json, 0, 1, 0, 0));
  T_HAS(t.e.msg, words);
  test_run_close(&t);
}
static void test_gan__a_loss_that_refuses_is_quoted(void) { fails("says_no", "loss (says_no): loss of D: this loss refuses on principle"); }
static void test_gan__a_misfit_names_operation_shapes_and_place(void) { fails("wrong_shape", "margin"); }

T_MAIN(T(test_gan__dirac_alternating), T(test_gan__dirac_simultaneous), T(test_gan__dirac_with_r1_is_damped), T(test_gan__lazy_terms_correct_every_update), T(test_gan__d_steps_and_schedule), T(test_gan__a_step_schedule_is_on_time), T(test_gan__averaged_weights_follow_their_half_life),
       T(test_gan__two_unrolled_updates_match_differences), T(test_gan__batch_statistics_move_on_real_then_fake), T(test_gan__an_interrupted_run_ends_in_equal_bytes),
       T(test_gan__the_same_seed_gives_the_same_bits_and_another_does_not), T(test_gan__tracing_changes_no_bit), T(test_gan__a_classifier_learns_and_its_accuracy_is_not_cached), T(test_gan__a_checkpoint_waits_until_its_rows_are_safe), T(test_gan__a_loss_that_refuses_is_quoted), T(test_gan__a_misfit_names_operation_shapes_and_place))
