/* Experiments into cells: the counts of three realistic files, every design, precedence, equal cells, and what is warned about. */
#include "fixture.h"

static cfg_experiment *load_text(const char *text, const cfg_options *o, err *e) {
  abi_registry *reg = fixture_registry();
  char path[100];
  snprintf(path, sizeof path, "%s/exp.json", fixture_dir);
  T_CHECK(file_write(path, text, strlen(text), e) == 0);
  cfg_experiment *x = NULL;
  cfg_load(path, reg, o, &x, e);
  return x;
}

#define BASE "\"gantry\": 1, \"name\": \"x\", \"base\": {\"data\": {\"name\": \"gaussians\"}, \"g\": {\"arch\": {\"name\": \"dcgan\"}}, \"d\": {\"arch\": {\"name\": \"dcgan\"}}, " \
  "\"train\": {\"length\": {\"steps\": 100}}, \"regularizers\": {\"r1\": {\"name\": \"r1\", \"on\": false}, \"sn\": {\"name\": \"spectral_norm\", \"on\": false}}, \"metrics\": {\"fid\": {\"name\": \"fid\"}}}"

static cfg_experiment *good(const char *text, const cfg_options *o) {
  err e = {0};
  cfg_experiment *x = load_text(text, o, &e);
  T_STR(e.msg, "");
  T_CHECK(x != NULL);
  return x;
}

static void count(const cfg_experiment *x, uint32_t *cells, uint32_t *distinct, uint32_t *excluded) {
  *cells = *distinct = *excluded = 0;
  for (uint32_t k = 0; k < x->n_cells; k++) {
    *excluded += x->cells[k].excluded != NULL;
    *cells += !x->cells[k].excluded;
    *distinct += !x->cells[k].excluded && x->cells[k].same_as < 0;
  }
}

static void realistic(const char *name, uint32_t cells, uint32_t distinct, uint32_t excluded, uint32_t seeds) {
  char path[300];
  err e = {0};
  const char *root = getenv("GANTRY_ROOT");
  snprintf(path, sizeof path, "%s/tests/fixtures/experiments/%s", root ? root : ".", name);
  cfg_experiment *x = NULL;
  cfg_load(path, fixture_registry(), NULL, &x, &e);
  T_STR(e.msg, "");
  if (!x) return;
  uint32_t c, d, n;
  count(x, &c, &d, &n);
  T_CHECK(c == cells && d == distinct && n == excluded && x->n_seeds == seeds);
  for (uint32_t k = 0; k < x->n_cells; k++) { /* every resolved cell reads back to itself */
    if (!x->cells[k].run) continue;
    cfg_run *r = NULL;
    T_CHECK(cfg_run_parse(x->cells[k].run->json, fixture_registry(), x->dir, &r, &e) == 0);
    T_STR(e.msg, "");
    if (!r) break;
    T_STR(r->json, x->cells[k].run->json);
    T_STR(r->train_json, x->cells[k].run->train_json);
    cfg_run_free(r);
  }
  cfg_free(x);
}

static void test_expand__three_realistic_files(void) {
  realistic("fmnist_loss_sn_r1.json", 31, 31, 1, 5);
  realistic("ladder_dcgan32.json", 21, 20, 0, 5);
  realistic("sg2_ada_256.json", 8, 8, 4, 3);
}

static void test_expand__designs(void) {
#define AXES ", \"axes\": {\"b\": {\"path\": \"train.batch\", \"values\": [16, 32, 64]}, \"r1\": {\"path\": \"regularizers.r1.on\", \"values\": [false, true]}, " \
  "\"gamma\": {\"path\": \"regularizers.r1.gamma\", \"values\": [0.1, 1, 10], \"when\": {\"r1\": \"on\"}}}, \"baseline\": {\"gamma\": 1}, \"seeds\": 5"
  static const struct { const char *design; uint32_t cells; const char *last; } want[] = {
    {"\"product\"", 12, "b=64 r1=on gamma=10"},
    {"[\"one_at_a_time\"]", 4, "b=16 r1=on gamma=1"}, /* gamma cannot vary while r1 is off */
    {"\"leave_one_out\"", 4, "b=64 r1=on gamma=1"},
    {"\"cumulative\"", 4, "b=64 r1=on gamma=10"},
    {"[\"product\", \"one_at_a_time\"]", 12, "b=64 r1=on gamma=10"},
    {"[{\"random\": 5, \"seed\": 3}]", 5, NULL},
  };
  for (size_t k = 0; k < sizeof want / sizeof *want; k++) {
    char text[3000];
    snprintf(text, sizeof text, "{" BASE AXES ", \"design\": %s}", want[k].design);
    cfg_experiment *x = good(text, NULL);
    if (!x) continue;
    T_CHECK(x->n_cells == want[k].cells);
    if (want[k].last) T_STR(x->cells[x->n_cells - 1].label, want[k].last);
    if (x->n_factors == 3) T_CHECK(x->factors[2].baseline == 1);
    cfg_free(x);
  }
  cfg_experiment *x = good("{" BASE ", \"axes\": {\"b\": {\"path\": \"train.batch\", \"values\": [16, 32]}, \"lr\": {\"path\": \"g.optim.lr\", \"values\": [1e-3, 1e-4]}}, \"design\": \"zip\"}", NULL);
  T_CHECK(x && x->n_cells == 2);
  if (x) T_STR(x->cells[1].label, "b=32 lr=0.0001");
  if (x) T_CHECK(x->cells[1].run->batch == 32 && x->cells[1].run->g.optim.values[0].f == 1e-4);
  cfg_free(x);
}

static void test_expand__precedence_and_rules(void) {
  cfg_experiment *x = good("{" BASE ", \"axes\": {\"loss\": {\"levels\": {\"ns\": {\"loss\": {\"name\": \"nonsaturating\"}}, \"wgan\": {\"loss\": {\"name\": \"wasserstein\"}, \"train.batch\": 8}}}},"
    "\"rules\": [{\"when\": {\"loss\": \"wgan\"}, \"set\": {\"train.d_steps\": 5}}, {\"when\": {\"loss\": {\"not\": \"wgan\"}}, \"set\": {\"g.optim.beta1\": 0.25}}]}",
    &(cfg_options){.set = (const char *const[]){"train.g_steps=3", "seeds=[7,9]"}, .n_set = 2});
  if (!x) return;
  const cfg_run *a = x->cells[0].run, *b = x->cells[1].run;
  T_CHECK(a->d_steps == 1 && b->d_steps == 5 && a->g_steps == 3 && b->batch == 8 && a->batch == 64);
  T_CHECK(a->g.optim.values[1].f == 0.25 && b->g.optim.values[1].f == 0.5);
  T_CHECK(x->n_seeds == 2 && x->seeds[1] == 9);
  T_CHECK(a->checkpoint_keep == 2 && a->log_every.unit == CFG_STEPS && a->log_every.n == 20 && a->grid_rows == 8 && a->range[0] == -1);
  T_HAS(x->warnings[0], "2 seeds");
  T_HAS(x->warnings[1], "bounded critic");
  T_CHECK(x->judge_better == -1);
  T_STR(x->judge_metric, "fid");
  cfg_free(x);
}

static void test_expand__only_keeps_numbers_and_smoke_is_small(void) {
  const char *text = "{" BASE ", \"axes\": {\"b\": {\"path\": \"train.batch\", \"values\": [16, 32, 64]}}, \"seeds\": 5}";
  cfg_experiment *x = good(text, &(cfg_options){.only = (const char *const[]){"b=16,64"}, .n_only = 1});
  if (x) T_CHECK(x->n_cells == 3 && x->cells[0].selected && !x->cells[1].selected && x->cells[2].selected);
  cfg_free(x);
  x = good(text, &(cfg_options){.smoke = 1});
  if (x) T_CHECK(x->n_seeds == 1 && x->cells[2].run->length.n == 10 && x->cells[2].run->metrics[0].fake == 256);
  if (x) T_STR(x->name, "x_smoke");
  cfg_free(x);
}

static void test_expand__equal_cells_and_levels_that_change_nothing(void) {
  cfg_experiment *x = good("{" BASE ", \"seeds\": 5, \"axes\": {\"r1\": {\"path\": \"regularizers.r1.on\", \"values\": [false, true]}, \"gamma\": {\"path\": \"regularizers.r1.gamma\", \"values\": [1, 2]}}}", NULL);
  if (!x) return;
  T_CHECK(x->n_cells == 4 && x->cells[1].same_as == 0 && x->cells[3].same_as == -1);
  T_HAS(x->warnings[0], "axis gamma: level \"2\" changes nothing against \"1\" in the cell r1=off gamma=2");
  T_CHECK(x->warnings[1] == NULL);
  cfg_free(x);
}

static void test_expand__train_json_is_what_shapes_the_weights(void) {
  cfg_experiment *x = good("{" BASE ", \"axes\": {\"n\": {\"levels\": {\"short\": {\"train.length\": {\"steps\": 100}}, \"long\": {\"train.length\": {\"kimg\": 64}, \"samples.every\": \"end\"}, \"lr\": {\"g.optim.lr\": 1e-3}}}}}", NULL);
  if (!x) return;
  T_STR(x->cells[0].run->train_json, x->cells[1].run->train_json); /* a longer run continues the shorter one */
  T_CHECK(strcmp(x->cells[0].run->train_json, x->cells[2].run->train_json));
  T_CHECK(cfg_total_steps(x->cells[1].run, 0) == 1000);
  cfg_free(x);
  x = good("{" BASE ", \"axes\": {\"n\": {\"path\": \"train.length\", \"values\": [{\"steps\": 100}, {\"steps\": 200}]}}}", NULL);
  if (x) T_STR(x->cells[0].label, "n={\"steps\":100}");
  cfg_free(x);
}

static void test_expand__durations(void) {
  cfg_experiment *x = good("{" BASE "}", NULL);
  if (!x) return;
  cfg_run r = *x->cells[0].run;
  r.batch = 64;
  r.d_steps = 5;
  T_CHECK(cfg_steps(&r, (cfg_duration){CFG_IMAGES, 320}, 0, 0) == 1 && cfg_steps(&r, (cfg_duration){CFG_IMAGES, 321}, 0, 0) == 2);
  T_CHECK(cfg_steps(&r, (cfg_duration){CFG_EPOCHS, 2}, 3200, 0) == 20 && cfg_steps(&r, (cfg_duration){CFG_FRACTION, 0.1}, 0, 1000) == 100);
  T_CHECK(cfg_steps(&r, (cfg_duration){CFG_END, 0}, 0, 1000) == 1000 && cfg_steps(&r, (cfg_duration){CFG_FRACTION, 0.001}, 0, 10) == 1);
  T_CHECK(cfg_steps(&r, (cfg_duration){CFG_NEVER, 0}, 0, 10) == INT64_MAX);
  cfg_free(x);
}

static void test_expand__judge_names_one_value(void) {
#define TWO "{\"gantry\": 1, \"name\": \"x\", \"seeds\": 5, \"base\": {\"data\": {\"name\": \"gaussians\"}, \"g\": {\"arch\": {\"name\": \"dcgan\"}}, \"d\": {\"arch\": {\"name\": \"dcgan\"}}, " \
  "\"train\": {\"length\": {\"steps\": 1}}, \"metrics\": {\"pr\": {\"name\": \"prdc\"}, \"fid\": {\"name\": \"fid\"}}}"
  cfg_experiment *x = good(TWO "}", NULL);
  if (x) T_STR(x->judge_metric, "pr.precision");
  if (x) T_CHECK(x->judge_better == 1);
  cfg_free(x);
  x = good(TWO ", \"judge\": {\"metric\": \"pr.recall\", \"weights\": \"raw\"}}", NULL);
  if (x) T_STR(x->judge_metric, "pr.recall");
  cfg_free(x);
  err e = {0};
  x = load_text(TWO ", \"judge\": {\"metric\": \"pr.recal\"}}", NULL, &e);
  T_CHECK(x == NULL);
  T_HAS(e.msg, "metric \"pr\" has no value \"recal\" (did you mean \"recall\"?); it has pr.precision, pr.recall");
}

static void test_expand__extends(void) {
  err e = {0};
  fixture_registry();
  char parent[100];
  snprintf(parent, sizeof parent, "%s/parent.json", fixture_dir);
  const char *text = "{" BASE ", \"seeds\": 7}";
  T_CHECK(file_write(parent, text, strlen(text), &e) == 0);
  cfg_experiment *x = good("{\"gantry\": 1, \"name\": \"child\", \"extends\": \"parent.json\", \"base\": {\"train\": {\"batch\": 8}, \"loss\": {\"name\": \"hinge\"}}}", NULL);
  if (!x) return;
  T_CHECK(x->n_cells == 1 && x->n_seeds == 7 && x->cells[0].run->batch == 8 && x->cells[0].run->length.n == 100);
  T_STR(x->cells[0].run->loss.name, "hinge");
  T_STR(x->name, "child");
  cfg_free(x);
  fixture_done();
}

T_MAIN(T(test_expand__three_realistic_files), T(test_expand__designs), T(test_expand__precedence_and_rules), T(test_expand__only_keeps_numbers_and_smoke_is_small),
       T(test_expand__equal_cells_and_levels_that_change_nothing), T(test_expand__train_json_is_what_shapes_the_weights), T(test_expand__durations), T(test_expand__judge_names_one_value), T(test_expand__extends))
