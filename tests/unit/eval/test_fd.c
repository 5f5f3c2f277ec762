/* test_fd.c - the Frechet distance on real images: nothing between a set and itself, something between sets of different size. */
#include "abi/params.h"
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

T_MAIN(T(test_fd__a_set_and_itself))
