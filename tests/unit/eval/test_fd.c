/* test_fd.c - the Frechet distance: against its closed form in the plane, and on real images nothing between a set and itself. */
#include "abi/params.h"
#include "base/safetensors.h"
#include "eval/eval.h"
#include "run.h"

#define BASE "{\"data\": {\"name\": \"idx\", \"path\": \"fashion-mnist\", \"limit\": 256}, \"g\": {\"arch\": {\"name\": \"dcgan\", \"width\": 4}}, \"d\": {\"arch\": {\"name\": \"dcgan\", \"width\": 4}}, \"loss\": {\"name\": \"hinge\"}, \"train\": {\"batch\": 8, \"length\": {\"steps\": 4}}}"

static double distance(eval_context *c, const abi_element *fd, int64_t fake, int64_t real, err *e) {
  eval_request q = {.metric = fd, .features = "fashion_cnn", .fake = fake, .real = "test", .real_limit = real, .fake_split = "test"};
  eval_result v;
  return eval_metric(c, &q, &v, e) ? (double)NAN : v.value[0];
}

static void test_fd__a_set_and_itself(void) {
  test_run t;
  if (!file_exists("/usr/share/datasets/fashion-mnist")) T_SKIP("no Fashion-MNIST: install dataset-fashion-mnist");
  if (test_run_open(&t, BASE, 1, 0, 1)) {
    eval_context c;
    abi_plugin *p = abi_need(t.registry, GANTRY_KIND_METRIC, "fd", &t.e);
    eval_init(&c, t.r->world, t.r->session, t.registry, &t.r->data_el, t.r->data, t.r->cfg->range, 1);
    if (p && !abi_open(p, &t.e)) {
      abi_element same = {.plugin = p->live, .values = abi_defaults(p->live, c.mem), .path = "metrics.same", .id = "same"}, other = same;
      other.path = "metrics.other", other.id = "other";
      double zero = distance(&c, &same, 500, 500, &t.e), apart = distance(&c, &other, 250, 500, &t.e);
      T_CHECK(fabs(zero) < 1e-4 * apart);
      T_CHECK(apart > 0);
    }
    eval_free(&c);
  }
  if (t.e.code) printf("# %s\n", t.e.msg);
  T_CHECK(!t.e.code);
  test_run_close(&t);
}

/* ---- points in the plane: for 2 x 2 matrices tr sqrt(A B) = sqrt(tr AB + 2 sqrt(det AB)) ---- */

typedef struct moments { double mean[2], c[3]; } moments; /* covariance: xx, xy, yy */

static moments moments_of(const float *x, int64_t n, int64_t divisor) {
  moments m = {{0, 0}, {0, 0, 0}};
  for (int64_t k = 0; k < n; k++)
    for (int a = 0; a < 2; a++) m.mean[a] += (double)x[2 * k + a] / (double)n;
  for (int64_t k = 0; k < n; k++) {
    double u = (double)x[2 * k] - m.mean[0], v = (double)x[2 * k + 1] - m.mean[1];
    m.c[0] += u * u / (double)divisor;
    m.c[1] += u * v / (double)divisor;
    m.c[2] += v * v / (double)divisor;
  }
  return m;
}

static double frechet(const moments *a, const moments *b) {
  double gap = pow(a->mean[0] - b->mean[0], 2) + pow(a->mean[1] - b->mean[1], 2);
  double product = a->c[0] * b->c[0] + 2 * a->c[1] * b->c[1] + a->c[2] * b->c[2];
  double det = (a->c[0] * a->c[2] - a->c[1] * a->c[1]) * (b->c[0] * b->c[2] - b->c[1] * b->c[1]);
  return gap + a->c[0] + a->c[2] + b->c[0] + b->c[2] - 2 * sqrt(product + 2 * sqrt(det));
}

#define PLANE "{\"data\": {\"name\": \"gaussians\", \"modes\": 3, \"sigma\": 0.4, \"count\": 700}, \"g\": {\"arch\": {\"name\": \"dirac\"}}, \"d\": {\"arch\": {\"name\": \"dirac\"}}, \"loss\": {\"name\": \"hinge\"}, \"train\": {\"batch\": 8, \"length\": {\"steps\": 4}}}"

static void closed_form(int convention, int of_generator) {
  test_run t;
  arena *a = arena_new();
  const char *build = getenv("GANTRY_BUILD") ? getenv("GANTRY_BUILD") : "build/release";
  if (test_run_open(&t, PLANE, 1, 0, 1) && !st_write(arena_fmt(a, "%s/fixtures/archs/identity.safetensors", build), NULL, 0, NULL, 0, NULL, &t.e)) {
    eval_context c;
    eval_result v = {0};
    data_set *test = NULL;
    abi_plugin *p = abi_need(t.registry, GANTRY_KIND_METRIC, "fd", &t.e);
    eval_init(&c, t.r->world, t.r->session, t.registry, &t.r->data_el, t.r->data, t.r->cfg->range, 1);
    if (p && !abi_open(p, &t.e) && !data_open(&t.r->data_el, &(data_options){.split = "test", .limit_seed = -1, .range = {-1, 1}}, &test, &t.e)) {
      abi_value *values = abi_defaults(p->live, c.mem);
      values[abi_param_find(p->live, "covariance")].f = convention;
      abi_element el = {.plugin = p->live, .values = values, .path = "metrics.fd", .id = "fd"};
      /* 330 of the one, all 700 of the other: batches of 200 with a rest on both sides */
      eval_request q = {.metric = &el, .features = "identity", .fake = 330, .real = "train", .fake_split = of_generator ? NULL : "test"};
      int64_t less = convention ? 0 : 1;
      moments real = moments_of(t.r->data->bytes, 700, 700 - less), fake = moments_of(test->bytes, 330, 330 - less), point = {{(double)0.8f, (double)0.8f}, {0, 0, 0}};
      T_CHECK(!eval_metric(&c, &q, &v, &t.e) && v.n == 1 && v.n_fake == 330 && v.n_real == 700);
      double want = frechet(of_generator ? &point : &fake, &real);
      if (v.n) T_CHECK(fabs(v.value[0] - want) < 1e-6 * fmax(1e-2, want));
      if (v.n && !of_generator) T_CHECK(want > 1e-4 && want < 1);
    }
    data_close(test);
    eval_free(&c);
  }
  if (t.e.code) printf("# %s\n", t.e.msg);
  T_CHECK(!t.e.code);
  test_run_close(&t);
  arena_free(a);
}
static void test_fd__closed_form_in_the_plane(void) { closed_form(0, 0); }
static void test_fd__covariance_divided_by_n(void) { closed_form(1, 0); }
static void test_fd__a_generator_that_makes_one_point(void) { closed_form(0, 1); }

T_MAIN(T(test_fd__closed_form_in_the_plane), T(test_fd__covariance_divided_by_n), T(test_fd__a_generator_that_makes_one_point), T(test_fd__a_set_and_itself))
