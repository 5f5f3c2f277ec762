/* fixture.h - a registry of small plugins for the config tests: compiled once per test binary into a scratch folder, so that the
 * tests do not depend on which plugins the tree happens to have. They describe themselves and build nothing. */
#ifndef FIXTURE_H
#define FIXTURE_H
#include <unistd.h>

#include "base/files.h"
#include "config/config.h"
#include "t.h"

typedef struct fixture { const char *kind, *folder, *name, *params, *more; } fixture;
static const char fixture_code[] =
  "#include <gantry/loss.h>\n#include <gantry/regularizer.h>\n#include <gantry/metric.h>\n#include <gantry/arch.h>\n#include <gantry/optim.h>\n#include <gantry/dataset.h>\n"
  "#define F(k, d, l, h) {.key = k, .doc = \"a number\", .type = GANTRY_P_FLOAT, .def = d, .lo = l, .hi = h}\n"
  "#define N(k, d, l, h) {.key = k, .doc = \"a count\", .type = GANTRY_P_INT, .def = d, .lo = l, .hi = h, .flags = GANTRY_PF_STRUCTURAL}\n"
  "#define B(k, d) {.key = k, .doc = \"a switch\", .type = GANTRY_P_BOOL, .def = d}\n"
  "#define S(k, d) {.key = k, .doc = \"a text\", .type = GANTRY_P_STRING, .def_str = d}\n"
  "#define P(k) {.key = k, .doc = \"a file\", .type = GANTRY_P_PATH, .flags = GANTRY_PF_REQUIRED}\n"
  "#define L(k, d) {.key = k, .doc = \"a list\", .type = GANTRY_P_INTS, .def_str = d, .lo = 1, .hi = 4096}\n"
  "#define E(k, d, c) {.key = k, .doc = \"a word\", .type = GANTRY_P_ENUM, .def_str = d, .choices = c}\n"
  "static const char *const norms[] __attribute__((unused)) = {\"none\", \"batch\", \"layer\", 0};\n"
  "static const gantry_param params[] = { PARAMS };\nstatic gantry_status never(void) { return GANTRY_E_INTERNAL; }\nMORE\n"
  "GANTRY_PLUGIN(KIND, NAME, \"1.0.0\", \"fixture\") .params = params, .param_count = sizeof params / sizeof *params, .param_stride = sizeof *params, .iface = &iface EXTRA GANTRY_PLUGIN_END\n";

#define LOSS(f) "static const gantry_loss iface = {.struct_size = sizeof iface, .flags = " f ", .d = (void *)never, .g = (void *)never};"
#define REG(f) "static const gantry_regularizer iface = {.struct_size = sizeof iface, .flags = " f ", .stage = GANTRY_STAGE_OTHER, .term = (void *)never};"
#define ARCH "static const char *const none[] = {0}, *const image[] = {\"image\", 0}, *const logit[] = {\"logit\", 0};\nstatic const gantry_net nets[] = {{sizeof(gantry_net), GANTRY_G, \"g\", none, image}, {sizeof(gantry_net), GANTRY_D, \"d\", image, logit}};\n" \
  "static const gantry_arch iface = {.struct_size = sizeof iface, .nets = nets, .n_nets = 2, .net_stride = sizeof nets[0], .build = (void *)never};"
#define OPTIM "static const gantry_optim iface = {.struct_size = sizeof iface, .update = (void *)never};"
#define DATA "static const gantry_dataset iface = {.struct_size = sizeof iface, .open = (void *)never, .read = (void *)never, .close = (void *)never};"
#define ONE "static const gantry_value v[] = {{\"value\", \"\", \"x\", -1, 0}};" METRIC
#define METRIC "static const gantry_pass passes[] = {{GANTRY_FAKE, 0, 0}};\nstatic const gantry_metric iface = {.struct_size = sizeof iface, .values = v, .n_values = sizeof v / sizeof *v, .value_stride = sizeof *v, .passes = passes, .n_passes = 1, " \
  ".pass_stride = sizeof *passes, .pass = (void *)never, .finish = (void *)never};"
static const fixture fixtures[] = {
  {"DATASET", "datasets", "idx", "P(\"path\")", DATA},
  {"DATASET", "datasets", "cifar", "P(\"path\")", DATA},
  {"DATASET", "datasets", "image_folder", "P(\"path\"), L(\"size\", \"64,64\"), S(\"fit\", \"crop\"), S(\"filter\", \"box\"), S(\"labels\", \"none\"), B(\"mirror\", 0)", DATA},
  {"DATASET", "datasets", "gaussians", "N(\"modes\", 8, 1, 1000)", DATA "\n#define EXTRA , .provides = (const char *const[]){\"data.modes\", 0}"},
  {"ARCH", "archs", "dcgan", "N(\"size\", 32, 4, 1024), N(\"width\", 64, 1, 4096), N(\"z\", 128, 1, 4096), E(\"norm\", \"batch\", norms), S(\"init\", \"normal\")", ARCH},
  {"ARCH", "archs", "stylegan2", "N(\"z\", 512, 1, 4096), N(\"w\", 512, 1, 4096), N(\"map_layers\", 8, 1, 16), F(\"map_lr\", 0.01, 0, 1), N(\"fmap_base\", 16384, 1, 1e6), N(\"fmap_max\", 512, 1, 4096), F(\"mixing\", 0.9, 0, 1), N(\"mbstd_group\", 4, 1, 64)", ARCH},
  {"OPTIM", "optim", "adam", "F(\"lr\", 2e-4, 0, 10), {.key = \"beta1\", .doc = \"decay\", .type = GANTRY_P_FLOAT, .def = 0.5, .lo = 0, .hi = 1, .flags = GANTRY_PF_OPEN_HI}, F(\"beta2\", 0.999, 0, 1), F(\"eps\", 1e-8, 0, 1)", OPTIM},
  {"LOSS", "losses", "nonsaturating", "B(\"unused\", 0)", LOSS("0")},
  {"LOSS", "losses", "minimax", "B(\"unused\", 0)", LOSS("0")},
  {"LOSS", "losses", "lsgan", "B(\"unused\", 0)", LOSS("0")},
  {"LOSS", "losses", "hinge", "B(\"unused\", 0)", LOSS("0")},
  {"LOSS", "losses", "wasserstein", "B(\"unused\", 0)", LOSS("GANTRY_LOSS_LIPSCHITZ")},
  {"REGULARIZER", "regularizers", "spectral_norm", "N(\"power_steps\", 1, 1, 100)", REG("GANTRY_REG_BOUNDS_D")},
  {"REGULARIZER", "regularizers", "r1", "F(\"gamma\", 1, 0, 1e6)", REG("GANTRY_REG_BOUNDS_D")},
  {"REGULARIZER", "regularizers", "label_smoothing", "F(\"real\", 0.9, 0, 1), F(\"fake\", 0, 0, 1)", REG("0")},
  {"REGULARIZER", "regularizers", "input_noise", "F(\"std\", 0.1, 0, 10)", REG("0")},
  {"REGULARIZER", "regularizers", "diffaugment", "S(\"ops\", \"color\")", REG("0")},
  {"REGULARIZER", "regularizers", "path_length", "F(\"weight\", 2, 0, 100), F(\"decay\", 0.01, 0, 1), N(\"batch_shrink\", 2, 1, 16)", REG("0")},
  {"REGULARIZER", "regularizers", "ada", "S(\"ops\", \"bgc\"), F(\"target\", 0.6, 0, 1), F(\"speed\", 500, 1, 1e6), F(\"p_start\", 0, 0, 1)", REG("0")},
  {"METRIC", "metrics", "fid", "S(\"resize\", \"none\"), B(\"mirror_real\", 0)", ONE},
  {"METRIC", "metrics", "kid", "S(\"resize\", \"none\"), N(\"subsets\", 100, 1, 1e6), N(\"subset_size\", 1000, 1, 1e6)", ONE},
  {"METRIC", "metrics", "ppl", "S(\"space\", \"w\"), S(\"sampling\", \"end\"), B(\"crop\", 0)", ONE},
  {"METRIC", "metrics", "memorization", "B(\"unused\", 0)", ONE},
  {"METRIC", "metrics", "prdc", "N(\"k\", 5, 1, 100)", "static const gantry_value v[] = {{\"precision\", \"\", \"x\", 1, 0}, {\"recall\", \"\", \"x\", 1, 0}};" METRIC},
  {"METRIC", "metrics", "coverage", "B(\"unused\", 0)", ONE "\n#define EXTRA , .needs = (const char *const[]){\"data.modes\", 0}"},
};
enum { N_FIXTURES = sizeof fixtures / sizeof *fixtures };

static char fixture_dir[64];
static abi_registry *fixture_registry(void) {
  static abi_registry *reg;
  if (reg) return reg;
  arena *a = arena_new();
  err e = {0};
  buf sh = {0};
  strcpy(fixture_dir, "/tmp/gantry-test-XXXXXX");
  if (!mkdtemp(fixture_dir)) return NULL;
  const char *root = getenv("GANTRY_ROOT");
  for (int k = 0; k < N_FIXTURES; k++) {
    const fixture *f = &fixtures[k];
    buf c = {0};
    const char *extra = strstr(f->more, "#define EXTRA");
    if (!extra) buf_puts(&c, "#define EXTRA\n");
    buf_printf(&c, "#define KIND GANTRY_KIND_%s\n#define NAME \"%s\"\n#define PARAMS %s\n", f->kind, f->name, f->params);
    const char *at = strstr(fixture_code, "MORE\n");
    buf_put(&c, fixture_code, (size_t)(at - fixture_code));
    buf_puts(&c, f->more);
    buf_puts(&c, at + 4);
    char *dir = arena_fmt(a, "%s/%s", fixture_dir, f->folder), *file = arena_fmt(a, "%s/%s.c", dir, f->name);
    if (dir_make(dir, &e) || file_write(file, c.p, c.n, &e)) return NULL;
    buf_printf(&sh, "cc -std=c11 -fPIC -shared -fvisibility=hidden -nostartfiles -Wl,-z,now -Wl,-z,relro -I%s/sdk/include -o %s/%s.so %s &\n", root ? root : ".", dir, f->name, file);
    if (k % 4 == 3) buf_puts(&sh, "wait\n");
    buf_free(&c);
  }
  buf_puts(&sh, "wait\n");
  T_CHECK(system(sh.p) == 0);
  buf_free(&sh);
  arena_free(a);
  const char *roots[] = {fixture_dir};
  reg = abi_registry_open(&(abi_sources){.roots = roots, .n_roots = 1}, &e);
  T_STR(e.msg, "");
  for (uint32_t k = 0; k < abi_count(reg); k++)
    if (abi_at(reg, k)->refused) T_STR(abi_at(reg, k)->refused, "");
  return reg;
}
static void fixture_done(void) {
  char cmd[100];
  abi_registry_close(fixture_registry());
  snprintf(cmd, sizeof cmd, "rm -rf '%s'", fixture_dir);
  T_CHECK(system(cmd) == 0);
}
#endif
