/* test_coverage.c - mode_coverage on mixtures of images and vectors: every sample flat, modes and sigma in the units that the networks see. */
#include "abi/params.h"
#include "eval/eval.h"
#include "run.h"

/* Real samples in place of generated ones: noise of +-0.1 (f32 units) on 64 numbers puts each at 0.46 from its mode, which is 4.6 sigmas. */
static void coverage(const char *data, double sigmas, double out[3]) {
  test_run t;
  char base[700];
  out[0] = out[1] = out[2] = NAN;
  snprintf(base, sizeof base, "{\"data\": {\"name\": \"patterns\", %s}, \"g\": {\"arch\": {\"name\": \"mlp\", \"width\": 4}}, \"d\": {\"arch\": {\"name\": \"mlp\", \"width\": 4}}, \"train\": {\"batch\": 2, \"length\": {\"steps\": 2}}}", data);
  if (test_run_open(&t, base, 1, 0, 1)) {
    eval_context c;
    eval_result v = {0};
    abi_plugin *p = abi_need(t.registry, GANTRY_KIND_METRIC, "mode_coverage", &t.e);
    eval_init(&c, t.r->world, t.r->session, t.registry, &t.r->data_el, t.r->data, t.r->cfg->range, 1);
    if (p && !abi_open(p, &t.e)) {
      abi_value *values = abi_defaults(p->live, c.mem);
      values[abi_param_find(p->live, "sigmas")].f = sigmas;
      abi_element el = {.plugin = p->live, .values = values, .path = "metrics.coverage", .id = "coverage"};
      eval_request q = {.metric = &el, .fake = 64, .real = "train", .fake_split = "test"};
      if (!eval_metric(&c, &q, &v, &t.e) && v.n == 3) memcpy(out, v.value, sizeof(double) * 3);
    }
    eval_free(&c);
  }
  if (t.e.code) printf("# %s\n", t.e.msg);
  test_run_close(&t);
}

static void test_coverage__mixtures_of_any_shape(void) {
  static const char *const sets[] = {"\"side\": 8", "\"side\": 8, \"type\": \"u8\"", "\"side\": 8, \"type\": \"u8\", \"range\": [0, 1]", "\"side\": 8, \"type\": \"u8\", \"range\": [-3, 5]", "\"side\": 4, \"channels\": 4", "\"side\": 0, \"channels\": 64"};
  for (size_t k = 0; k < sizeof sets / sizeof *sets; k++) {
    double wide[3], narrow[3];
    coverage(sets[k], 6, wide);
    coverage(sets[k], 3, narrow);
    T_NEAR(wide[0], 4, 0);      /* all modes */
    T_NEAR(wide[1], 1, 0);      /* every sample near its own */
    T_NEAR(wide[2], 0, 1e-9);   /* equally often */
    T_NEAR(narrow[0], 0, 0);    /* sigma is neither larger nor smaller than said */
    T_NEAR(narrow[2], 0, 1e-9);
  }
}

T_MAIN(T(test_coverage__mixtures_of_any_shape))
