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

static void test_expand__drawn_axes(void) {
  cfg_experiment *x = good("{" BASE ", \"axes\": {\"lr\": {\"path\": \"g.optim.lr\", \"draw\": {\"log_uniform\": [1e-5, 1e-2], \"n\": 200}}, \"batch\": {\"path\": \"train.batch\", \"draw\": {\"uniform\": [8, 64], \"integer\": true, \"n\": 200, \"seed\": 3}}, "
                           "\"slope\": {\"path\": \"d.optim.lr\", \"draw\": {\"choice\": [0.1, 0.2], \"n\": 200}}}, \"design\": [\"zip\"], \"seeds\": 5}", NULL);
  if (!x) return;
  T_CHECK(x->n_cells == 200 && x->n_factors == 3);
  uint32_t low = 0, wide = 0, first = 0, whole = 0;
  for (uint32_t k = 0; k < x->n_cells; k++) {
    double lr = strtod(x->factors[0].levels[k].value_json, NULL), batch = strtod(x->factors[1].levels[k].value_json, NULL), one = strtod(x->factors[2].levels[k].value_json, NULL);
    T_CHECK(lr >= 1e-5 && lr <= 1e-2 && batch >= 8 && batch <= 64 && (one == 0.1 || one == 0.2));
    T_CHECK(strtod(x->factors[0].levels[k].label, NULL) == lr); /* the label is the value */
    low += lr < 3.1623e-4;
    wide += batch < 36;
    first += one == 0.1;
    whole += batch == (double)(int)batch;
  }
  T_CHECK(low > 75 && low < 125 && wide > 75 && wide < 125 && first > 75 && first < 125 && whole == 200);
  /* fewer draws are the first of more; another seed draws others; the stored text is what was drawn */
  cfg_experiment *y = good("{" BASE ", \"axes\": {\"lr\": {\"path\": \"g.optim.lr\", \"draw\": {\"log_uniform\": [1e-5, 1e-2], \"n\": 4}}}, \"seeds\": 5}", NULL);
  cfg_experiment *z = good("{" BASE ", \"axes\": {\"lr\": {\"path\": \"g.optim.lr\", \"draw\": {\"log_uniform\": [1e-5, 1e-2], \"n\": 4, \"seed\": 9}}}, \"seeds\": 5}", NULL);
  if (y && z) {
    for (int k = 0; k < 4; k++) T_STR(y->factors[0].levels[k].value_json, x->factors[0].levels[k].value_json);
    T_CHECK(strcmp(y->factors[0].levels[0].value_json, z->factors[0].levels[0].value_json) != 0);
    T_HAS(y->spec_json, "\"values\":[");
    T_CHECK(!strstr(y->spec_json, "draw"));
  }
  cfg_free(x);
  cfg_free(y);
  cfg_free(z);
  static const char *const bad[][2] = {{"{\"log_uniform\": [0, 1], \"n\": 3}", "both above 0"}, {"{\"uniform\": [2, 1], \"n\": 3}", "[lowest, highest]"}, {"{\"uniform\": [1, 2]}", "how many values"}, {"{\"n\": 3}", "needs uniform, log_uniform or choice"},
                                       {"{\"uniform\": [1, 2], \"choice\": [1], \"n\": 3}", "not from two"}, {"{\"unifrom\": [1, 2], \"n\": 3}", "did you mean \"uniform\""}, {"7", "must be an object"}};
  for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
    char text[1500];
    err e = {0};
    snprintf(text, sizeof text, "{" BASE ", \"axes\": {\"lr\": {\"path\": \"g.optim.lr\", \"draw\": %s}}}", bad[k][0]);
    T_CHECK(load_text(text, NULL, &e) == NULL);
    T_HAS(e.msg, bad[k][1]);
  }
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
  T_HAS(x->warnings[0], "axis gamma: level \"2\" changes nothing against \"1\" in some cells, as in r1=off gamma=2: a \"when\" would say when it applies");
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

T_MAIN(T(test_expand__drawn_axes), T(test_expand__three_realistic_files), T(test_expand__designs), T(test_expand__precedence_and_rules), T(test_expand__only_keeps_numbers_and_smoke_is_small),
       T(test_expand__equal_cells_and_levels_that_change_nothing), T(test_expand__train_json_is_what_shapes_the_weights), T(test_expand__durations), T(test_expand__judge_names_one_value), T(test_expand__extends))
