/* The checklist: each rule fires on a cell with its fault, and a published recipe passes without errors and warnings. */
#include "../config/fixture.h"

#include "diag/diag.h"

static int fires(const char *code, const char *loss, const char *norm, double lr, double beta1, int batch, int d_steps, const char *regs, const char *metrics) {
  abi_registry *reg = fixture_registry();
  char json[1500];
  err e = {0};
  cfg_run *r = NULL;
  snprintf(json, sizeof json, "{\"data\": {\"name\": \"gaussians\"}, \"g\": {\"arch\": {\"name\": \"dcgan\"}, \"optim\": {\"name\": \"adam\", \"lr\": %g, \"beta1\": %g}, \"ema\": {\"half_life\": {\"kimg\": 10}}},"
           "\"d\": {\"arch\": {\"name\": \"dcgan\", \"norm\": \"%s\"}}, \"loss\": {\"name\": \"%s\"}, \"train\": {\"batch\": %d, \"d_steps\": %d, \"length\": {\"steps\": 10}}, \"regularizers\": {%s}, \"metrics\": {%s}}",
           lr, beta1, norm, loss, batch, d_steps, regs, metrics);
  T_CHECK(cfg_run_parse(json, reg, ".", &r, &e) == 0);
  T_STR(e.msg, "");
  int hit = 0;
  for (const diag_rule *q = diag_rules(); r && q->code; q++) {
    buf d = {0};
    int found = q->found(r, reg, &d);
    T_CHECK(!found || (d.n && *q->meaning && *q->remedy));
    if (code ? !strcmp(q->code, code) : q->level != DIAG_INFO) hit |= found;
    buf_free(&d);
  }
  cfg_run_free(r);
  return hit;
}

static void test_lint__rules_fire_and_recipes_pass(void) {
  static const char fid[] = "\"fid\": {\"name\": \"fid\", \"features\": \"x\"}", r1[] = "\"r1\": {\"name\": \"r1\"}", sn[] = "\"sn\": {\"name\": \"spectral_norm\"}";
  char both[100];
  snprintf(both, sizeof both, "%s, %s", r1, sn);
  T_CHECK(!fires(NULL, "nonsaturating", "none", 2e-4, 0.5, 64, 1, "", fid));
  T_CHECK(!fires(NULL, "wasserstein", "layer", 1e-4, 0, 64, 5, r1, fid));
  T_CHECK(fires("UNBOUNDED_CRITIC", "wasserstein", "none", 1e-4, 0, 64, 5, "", fid));
  T_CHECK(fires("FEW_CRITIC_STEPS", "wasserstein", "none", 1e-4, 0, 64, 1, r1, fid));
  T_CHECK(!fires("FEW_CRITIC_STEPS", "wasserstein", "none", 1e-4, 0, 64, 1, sn, fid));
  T_CHECK(fires("TWO_BOUNDS", "hinge", "none", 1e-4, 0, 64, 1, both, fid) && !fires("TWO_BOUNDS", "hinge", "none", 1e-4, 0, 64, 1, sn, fid));
  T_CHECK(fires("BATCH_NORM_WITH_PENALTY", "hinge", "batch", 1e-4, 0, 64, 1, r1, fid) && !fires("BATCH_NORM_WITH_PENALTY", "hinge", "batch", 1e-4, 0, 64, 1, sn, fid));
  T_CHECK(fires("SMALL_BATCH_NORM", "hinge", "batch", 1e-4, 0, 8, 1, "", fid));
  T_CHECK(fires("HIGH_RATE", "hinge", "none", 0.01, 0, 64, 1, "", fid));
  T_CHECK(fires("HIGH_MOMENTUM", "hinge", "none", 1e-4, 0.9, 64, 1, "", fid));
  T_CHECK(fires("FEW_SAMPLES", "hinge", "none", 1e-4, 0, 64, 1, "", "\"fid\": {\"name\": \"fid\", \"features\": \"x\", \"fake\": 100}"));
  T_CHECK(fires("NO_METRIC", "hinge", "none", 1e-4, 0, 64, 1, "", ""));
  fixture_done();
}

T_MAIN(T(test_lint__rules_fire_and_recipes_pass))
