/* Everything an experiment file can be refused for: each with its place, what is wrong, and what to do. */
#include "fixture.h"

/* A complete file in four lines, so that a place can be told from another; %s are spots for additions. */
static char *file_text(arena *a, const char *data, const char *train, const char *more_base, const char *more) {
  return arena_fmt(a, "{\"gantry\": 1, \"name\": \"x\", \"base\": {\n  \"data\": {\"name\": \"gaussians\"%s},\n  \"g\": {\"arch\": {\"name\": \"dcgan\"}}, \"d\": {\"arch\": {\"name\": \"dcgan\"}},\n"
                      "  \"train\": {\"length\": {\"steps\": 100}%s}%s}%s}\n", data, train, more_base, more);
}

static void refuse_text(const char *text, const cfg_options *o, const char *where, const char *what) {
  abi_registry *reg = fixture_registry();
  char path[100], at[160];
  err e = {0};
  snprintf(path, sizeof path, "%s/exp.json", fixture_dir);
  T_CHECK(file_write(path, text, strlen(text), &e) == 0);
  cfg_experiment *x = NULL;
  T_CHECK(cfg_load(path, reg, o, &x, &e) == GANTRY_E_CONFIG && x == NULL);
  T_HAS(e.msg, what);
  if (where) {
    snprintf(at, sizeof at, "%s:%s: ", path, where);
    T_HAS(e.msg, at);
    T_CHECK(strchr(e.msg, '^') != NULL);
  }
  cfg_free(x);
}

static void base_refused(const char *data, const char *train, const char *more_base, const char *where, const char *what) {
  arena *a = arena_new();
  refuse_text(file_text(a, data, train, more_base, ""), NULL, where, what);
  arena_free(a);
}

static void refused(const char *more, const char *where, const char *what) {
  arena *a = arena_new();
  refuse_text(file_text(a, "", "", ", \"regularizers\": {\"r1\": {\"name\": \"r1\"}}", more), NULL, where, what);
  arena_free(a);
}

static void test_refuse__json_itself(void) {
  refuse_text("{\"gantry\": 1,\n  \"name\" \"x\"}", NULL, NULL, "exp.json:2:");
  refuse_text("{\"gantry\": 1,\n  \"name\" \"x\"}", NULL, NULL, "not valid JSON");
  refuse_text("", NULL, NULL, "not valid JSON");
  refuse_text("[1]", NULL, NULL, "an experiment is a JSON object");
  refuse_text("{\"gantry\": 1, \"name\": \"a\",\n \"name\": {\"x\": [1, {\"y\": 2}]}}", NULL, "2:2", "the key \"name\" stands twice in this object (first on line 1)");
  refuse_text("{\"gantry\": 2}", NULL, "1:12", "\"gantry\": 1 must say");
  refuse_text("{\"gantry\": 1, \"nmae\": 1}", NULL, "1:15", "unknown key \"nmae\" (did you mean \"name\"?)");
  refuse_text("{\"gantry\": 1, \"name\": \"a/b\", \"base\": {}}", NULL, "1:23", "must name the experiment");
  refuse_text("{\"gantry\": 1, \"name\": \"a\"}", NULL, NULL, "\"base\" is missing");
  refuse_text("{\"gantry\": 1, \"name\": \"a\", \"extends\": \"none.json\"}", NULL, "1:39", "there is no file");
}

static void test_refuse__settings(void) {
  base_refused(", \"mods\": 3", "", "", "2:33", "unknown key \"mods\" in data (did you mean \"modes\"?)");
  base_refused(", \"modes\": 0", "", "", "2:42", "data.modes must be in [1, 1000], is 0");
  base_refused(", \"modes\": 2.5", "", "", "2:42", "whole number");
  base_refused(", \"modes\": \"8\"", "", "", "2:42", "must be a number");
  base_refused(", \"range\": [1, -1]", "", "", "2:42", "low < high");
  base_refused(", \"limit_seed\": 3", "", "", "2:33", "set data.limit too");
  base_refused("", ", \"init_from\": \"none.safetensors\"", "", "4:52", "there is no file");
  base_refused("", ", \"init_seed\": -1", "", "4:52", "train.init_seed must be in [0, ");
  base_refused("", ", \"batsh\": 3", "", "4:39", "unknown key \"batsh\" in train (did you mean \"batch\"?)");
  base_refused("", ", \"batch\": 0", "", "4:48", "train.batch must be in [1, ");
  base_refused("", ", \"precision\": \"f23\"", "", "4:52", "did you mean \"f32\"?");
  base_refused("", ", \"updates\": \"simultaneous\", \"d_steps\": 2", "", "4:50", "d_steps and g_steps must be 1");
  base_refused("", "", ", \"loss\": {\"name\": \"hindge\"}", "4:57", "no loss \"hindge\" (did you mean \"hinge\"?)");
  base_refused("", "", ", \"loss\": {\"nam\": \"hinge\"}", "4:49", "unknown key \"nam\"");
  base_refused("", "", ", \"log\": {\"every\": 20}", "4:57", "needs a unit: {\"steps\": 20}");
  base_refused("", "", ", \"log\": {\"every\": {\"step\": 20}}", "4:58", "unknown key \"step\" in log.every (did you mean \"steps\"?)");
  base_refused("", "", ", \"log\": {\"every\": {\"steps\": 0}}", "4:67", "above 0");
  base_refused("", "", ", \"log\": {\"every\": {\"steps\": 1, \"kimg\": 1}}", "4:57", "exactly one unit");
  base_refused("", "", ", \"log\": {\"every\": {\"fraction\": 2}}", "4:70", "at most 1");
  base_refused("", "", ", \"samples\": {\"grid\": [8]}", "4:60", "samples.grid must be [rows, columns]");
  base_refused("", "", ", \"checkpoints\": {\"best\": \"fid\"}", "4:64", "there is no metric \"fid\"");
  base_refused("", "", ", \"regularizers\": {\"r1\": {\"name\": \"r1\", \"of\": \"x\"}}", "4:84", "\"g\", \"d\" or [\"g\", \"d\"]");
  base_refused("", "", ", \"regularizers\": {\"r.1\": {\"name\": \"r1\"}}", "4:40", "cannot be an id");
  base_refused("", "", ", \"regularizers\": {\"r1\": {\"name\": \"r1\", \"on\": false, \"gama\": 1}}", "4:91", "did you mean \"gamma\"?"); /* switched off is checked too */
  base_refused("", "", ", \"schedules\": {\"s\": {\"of\": [\"g.optim.lrr\"]}}", "4:66", "no setting \"g.optim.lrr\" to schedule (did you mean \"g.optim.lr\"?)");
  base_refused("", "", ", \"schedules\": {\"s\": {\"of\": [\"g.arch.width\"]}}", "4:66", "cannot be scheduled");
  base_refused("", "", ", \"metrics\": {\"m\": {\"name\": \"fid\", \"weights\": [\"emma\"]}}", "4:84", "\"raw\" and \"ema\"");
  refuse_text("{\"gantry\": 1, \"name\": \"x\", \"base\": {\"data\": {\"name\": \"idx\"}}}", NULL, "1:37", "data: idx needs \"path\"");
  refuse_text("{\"gantry\": 1, \"name\": \"x\", \"base\": {\"data\": {\"name\": \"idx\", \"path\": \"p\"}, \"g\": {\"arch\": {\"name\": \"dcgan\"}}, \"d\": {\"arch\": {\"name\": \"dcgan\"}}, \"train\": {}}}", NULL, "1:143", "train.length is missing");
  refuse_text("{\"gantry\": 1, \"name\": \"x\", \"base\": {\"data\": {\"name\": \"idx\", \"path\": \"p\"},\n \"g\": {\"arch\": {\"name\": \"dcgan\"}}, \"d\": {\"arch\": {\"name\": \"dcgan\"}}, \"train\": {\"length\": {\"steps\": 1}},\n \"metrics\": {\"c\": {\"name\": \"coverage\"}}}}",
              NULL, "3:14", "metrics.c (metric coverage) needs data.modes, which nobody here provides; choose data gaussians");
}

static void test_refuse__grids(void) {
#define AXIS(n, v) "\"" n "\": {\"path\": \"" v "\", \"values\": [1, 2]}"
  refused(", \"axes\": {" AXIS("b", "train.batsh") "}", NULL, "unknown key \"batsh\" in train (did you mean \"batch\"?)");
  refused(", \"axes\": {" AXIS("b", "trian.batch") "}", NULL, "unknown path \"trian.batch\" (did you mean \"train\"?)");
  refused(", \"axes\": {" AXIS("b", "regularizers.r2.gamma") "}", NULL, "regularizers has no element \"r2\" (did you mean \"r1\"?)");
  refused(", \"axes\": {" AXIS("b", "train.batch") ", " AXIS("c", "train.batch") "}", NULL, "the axes \"b\" and \"c\" both write train.batch");
  refused(", \"axes\": {" AXIS("b", "train.batch") ", \"c\": {\"levels\": {\"z\": {\"train\": {}}}}}", NULL, "the axes \"b\" and \"c\" both write train");
  refused(", \"axes\": {\"b\": {\"path\": \"train.batch\", \"values\": [8, 8.0]}}", NULL, "two levels labelled \"8\"");
  refused(", \"axes\": {\"b\": {\"path\": \"train.batch\"}}", "4:90", "either \"path\" and \"values\" (or \"draw\"), or \"levels\"");
  refused(", \"axes\": {" AXIS("b", "train.batch") "}, \"baseline\": {\"b\": 3}", NULL, "axis \"b\" has no level \"3\"");
  refused(", \"axes\": {" AXIS("b", "train.batch") "}, \"baseline\": {\"c\": 1}", NULL, "there is no axis \"c\"");
  refused(", \"axes\": {" AXIS("b", "train.batch") "}, \"exclude\": [{\"when\": {\"b\": \"x\"}}]", NULL, "axis \"b\" has no level \"x\"");
  refused(", \"axes\": {" AXIS("b", "train.batch") "}, \"rules\": [{\"when\": {\"b\": 1}, \"set\": {\"train.batch\": 3}}]", NULL, "this rule writes train.batch, which the axis \"b\" varies");
  refused(", \"axes\": {" AXIS("b", "train.batch") "}, \"design\": \"prodcut\"", NULL, "unknown design (did you mean \"product\"?)");
  refused(", \"axes\": {" AXIS("b", "train.batch") "}, \"design\": [\"random\"]", NULL, "{\"random\": 20}");
  refused(", \"axes\": {" AXIS("b", "train.batch") ", \"c\": {\"path\": \"train.d_steps\", \"values\": [1]}}, \"design\": \"zip\"", NULL, "zip takes the k-th level");
  refused(", \"axes\": {" AXIS("b", "train.batch") "}, \"ladder\": []", NULL, "axes or a ladder, not both");
  refused(", \"seeds\": 0", NULL, "\"seeds\" must be how many");
  refused(", \"seeds\": [1, 2, 1]", NULL, "stands twice");
  refused(", \"judge\": {\"metric\": \"fid\"}", NULL, "there is no metric \"fid\"");
  refused(", \"ladder\": [{\"label\": \"a\"}, {\"label\": \"a\"}]", NULL, "two rungs are labelled \"a\"");
  refused(", \"ladder\": [{\"label\": \"a\", \"set\": {\"train.batch\": -1}}]", NULL, "train.batch must be in");
}

static void test_refuse__command_line(void) {
  arena *a = arena_new();
  const char *text = file_text(a, "", "", "", ", \"axes\": {" AXIS("b", "train.batch") "}");
#define SET(s) &(cfg_options){.set = (const char *const[]){s}, .n_set = 1}
  refuse_text(text, SET("train.batch=3"), NULL, "--set train.batch=3: the axis \"b\" varies this path; choose a level with --only b=LABEL");
  refuse_text(text, SET("train.d_steps"), NULL, "must be path=value");
  refuse_text(text, SET("train.d_steps=-1"), NULL, "--set train.d_steps=-1: train.d_steps must be in");
  refuse_text(text, SET("train.d_stesp=1"), NULL, "--set train.d_stesp=1: unknown key \"d_stesp\"");
  refuse_text(text, &(cfg_options){.only = (const char *const[]){"b=7"}, .n_only = 1}, NULL, "axis \"b\" has no level \"7\"");
  refuse_text(text, &(cfg_options){.only = (const char *const[]){"bb=1"}, .n_only = 1}, NULL, "there is no axis \"bb\" (did you mean \"b\"?)");
  arena_free(a);
}

static void test_refuse__every_cut_and_flip_is_survived(void) {
  arena *a = arena_new();
  err e = {0};
  abi_registry *reg = fixture_registry();
  char *text = file_text(a, ", \"modes\": 8", ", \"batch\": 32", ", \"regularizers\": {\"r1\": {\"name\": \"r1\", \"every\": {\"steps\": 4}}}", ", \"axes\": {" AXIS("b", "train.d_steps") "}, \"seeds\": [1, 2]");
  char path[100];
  snprintf(path, sizeof path, "%s/exp.json", fixture_dir);
  size_t n = strlen(text);
  int good = 0;
  for (size_t k = 0; k < 2 * n; k++) { /* the first half cuts, the second replaces one byte */
    char kept = text[k % n];
    if (k >= n) text[k - n] = "0\"}{[x"[k % 6];
    FILE *f = fopen(path, "w");
    fwrite(text, 1, k < n ? k : n, f);
    fclose(f);
    err why = {0};
    cfg_experiment *x = NULL;
    gantry_status st = cfg_load(path, reg, NULL, &x, &why);
    T_CHECK((st == 0) == (x != NULL) && (st == 0 || *why.msg));
    good += st == 0;
    cfg_free(x);
    text[k % n] = kept;
  }
  T_CHECK(good < (int)n);
  (void)e;
  arena_free(a);
  fixture_done();
}

T_MAIN(T(test_refuse__json_itself), T(test_refuse__settings), T(test_refuse__grids), T(test_refuse__command_line), T(test_refuse__every_cut_and_flip_is_survived))
