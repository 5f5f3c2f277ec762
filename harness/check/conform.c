/* conform.c - the table of conformance tests, and running them one by one on a file. See conform.h.
 *
 * In goes a path; out come results. The file is read and judged as data first; only what passes is loaded, and only inside children. The test
 * "configure" finds the parameters that the others use and hands them to its parent through the shared page. */
#include "check/conform.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>

#include "abi/registry.h"
#include "abi/validate.h"
#include "check/child.h"
#include "check/op_rows.h"
#include "check/subject.h"

#define K(kind) (1u << GANTRY_KIND_##kind)
enum {
  PURE = K(LOSS) | K(ARCH) | K(OPTIM) | K(REGULARIZER) | K(METRIC),
  NEEDS_FILE = 1, NEEDS_LIVE = 2, NEEDS_CONFIGURED = 4, AND_CHOICES = 12, BUILT_CHOICES = 20 /* configured, and once for each other choice of the plugin's; BUILT: nothing is evaluated */
};
typedef struct test { check_about about; uint32_t needs; check_fn *run; } test;
static const test tests[] = {
  {{"file", "a readable shared object of this machine", 0}, 0, check_file},
  {{"descriptor", "one constant descriptor of this ABI with names and texts", 0}, 0, check_descriptor},
  {{"parameters", "the parameter table: keys, docs, types, defaults within their ranges", 0}, NEEDS_FILE, check_params_table},
  {{"interface", "the kind's table is complete, its lists lie in the file", 0}, NEEDS_FILE, check_interface},
  {{"elf-exports", "nothing but the descriptor is exported", PURE}, NEEDS_FILE, check_elf_exports},
  {{"elf-imports", "only memory and string functions, snprintf and libm; no start-up files", PURE}, NEEDS_FILE, check_elf_imports},
  {{"elf-libraries", "no library comes along but libm and libc", PURE}, NEEDS_FILE, check_elf_libraries},
  {{"elf-code-at-load", "no constructors, destructors or indirect functions", PURE}, NEEDS_FILE, check_elf_code},
  {{"elf-writable", "no writable global or thread-local data", PURE}, NEEDS_FILE, check_elf_writable},
  {{"elf-segments", "no text relocations, no executable stack", PURE}, NEEDS_FILE, check_elf_segments},
  {{"load", "loads with every symbol resolved, within 50 ms", 0}, NEEDS_LIVE, check_load},
  {{"read-only", "descriptor and tables cannot be written once loaded", 0}, NEEDS_LIVE, check_read_only},
  {{"configure", "builds with its defaults; the smallest legal sizes of an architecture", PURE}, NEEDS_LIVE, check_configure},
  {{"host-bigger-tables", "a newer host: every table has slots it does not know", PURE}, NEEDS_CONFIGURED, check_bigger_tables},
  {{"host-shorter-tables", "an older host: every table is cut to the first release", PURE}, NEEDS_CONFIGURED, check_shorter_tables},
  {{"host-missing-tables", "optional tables are NULL, extensions unknown", PURE}, NEEDS_CONFIGURED, check_missing_tables},
  {{"host-call-fails", "the k-th call into the host fails, for every k", PURE}, NEEDS_CONFIGURED, check_op_fails},
  {{"parameter-bounds", "every parameter at its bounds and choices builds or is refused in words", PURE}, NEEDS_CONFIGURED, check_bounds},
  {{"parameter-random", "random legal parameters build or are refused in words", PURE}, NEEDS_CONFIGURED, check_random_params},
  {{"parameter-matters", "every parameter changes something (warning)", PURE}, NEEDS_CONFIGURED, check_each_param},
  {{"parameter-schedulable", "a FLOAT that is read as a number is declared structural: else a schedule of it does nothing", PURE & ~K(METRIC)}, NEEDS_CONFIGURED, check_schedulable},
  {{"shapes", "batches of 1, 2, 3 and 5; weights of 1 to 4 axes", PURE}, BUILT_CHOICES, check_shapes},
  {{"sizes", "data of other shapes builds or is refused in words: height, width and channels all different", K(ARCH) | K(REGULARIZER) | K(METRIC)}, NEEDS_CONFIGURED, check_sizes},
  {{"term-lazily", "a term builds as a program of its own, as with \"every\"", K(REGULARIZER)}, BUILT_CHOICES, check_lazy_term},
  {{"weights-evaluation", "evaluation asks for the weights that training asks for", K(ARCH)}, BUILT_CHOICES, check_eval_weights},
  {{"weights-apart", "no two layers of one application share a weight (warning)", K(ARCH)}, NEEDS_CONFIGURED, check_weights_apart},
  {{"deterministic", "the same graph again, from dirty memory and from copies at other addresses", PURE}, NEEDS_CONFIGURED, check_deterministic},
  {{"own-network", "D's update changes no weight of G, G's none of D", K(LOSS) | K(ARCH) | K(REGULARIZER)}, BUILT_CHOICES, check_leak},
  {{"grad-order-1", "gradients against differences in f64", K(LOSS) | K(ARCH) | K(REGULARIZER)}, AND_CHOICES, check_grad_1},
  {{"grad-order-2", "gradients of gradients against differences in f64", K(LOSS) | K(ARCH) | K(REGULARIZER)}, AND_CHOICES, check_grad_2},
  {{"grad-stopped", "no value depends on what gan_stop() hides (a fault in losses, else a warning)", K(LOSS) | K(ARCH) | K(REGULARIZER)}, AND_CHOICES, check_grad_stopped},
  {{"grad-reaches", "a gradient reaches everything that is to learn", K(LOSS) | K(ARCH) | K(REGULARIZER)}, BUILT_CHOICES, check_grad_reaches},
  {{"loss-chance", "chance_d and chance_g are the losses where D cannot tell", K(LOSS)}, AND_CHOICES, check_loss_chance},
  {{"loss-finite", "finite losses and gradients at logits of any size", K(LOSS)}, AND_CHOICES, check_loss_finite},
  {{"optim-slots", "every slot that is declared is set", K(OPTIM)}, AND_CHOICES, check_optim_slots},
  {{"optim-zero-gradient", "a gradient of zero moves no weight away from zero and makes no NaN", K(OPTIM)}, AND_CHOICES, check_optim_zero},
  {{"optim-save-load", "steps after saving and loading are bit for bit those without", K(OPTIM)}, AND_CHOICES, check_optim_resume},
  {{"optim-split", "a weight in two halves moves as the whole (warning: not elementwise)", K(OPTIM)}, NEEDS_CONFIGURED, check_optim_split},
  {{"optim-descends", "comes nearer to the minimum of a quadratic", K(OPTIM)}, AND_CHOICES, check_optim_quadratic},
  {{"metric-identical-sets", "equal sets are judged no worse than different ones", K(METRIC)}, NEEDS_CONFIGURED, check_metric_identical},
  {{"metric-values", "every value follows from something that was kept, and is f64 (warning)", K(METRIC)}, NEEDS_CONFIGURED, check_metric_values},
  {{"metric-order", "the order of samples does not matter", K(METRIC)}, NEEDS_CONFIGURED, check_metric_order},
  {{"metric-batches", "batches with padding give what the whole set gives", K(METRIC)}, NEEDS_CONFIGURED, check_metric_batches},
  {{"data-opens", "opens, describes itself rightly and the same twice", K(DATASET)}, NEEDS_LIVE, check_dataset_info},
  {{"data-pure", "the same samples whatever was read before, alone or in blocks, with labels or without", K(DATASET)}, NEEDS_LIVE, check_dataset_pure},
  {{"data-values", "finite samples, labels within the classes, named arrays as promised", K(DATASET)}, NEEDS_LIVE, check_dataset_values},
  {{"data-parameters", "every parameter changes something (warning)", K(DATASET)}, NEEDS_LIVE, check_dataset_params},
  {{"data-refuses", "an unknown split is refused in words or is the whole set; two may be open at once", K(DATASET)}, NEEDS_LIVE, check_dataset_refuses},
  {{"data-memory", "the k-th allocation fails, for every k", K(DATASET)}, NEEDS_LIVE, check_dataset_memory},
  {{"backend-opens", "probe, open and close, twice", K(BACKEND)}, NEEDS_LIVE, check_backend_open},
  {{"backend-memory", "buffers begin as zeros, keep what is written, and too large ones are refused", K(BACKEND)}, NEEDS_LIVE, check_backend_memory},
  {{"op", "one operation on one type and layout against the f64 reference", K(BACKEND)}, NEEDS_LIVE, check_backend_ops},
  {{"specials", "NaN, infinities and -0 through every elementwise operation", K(BACKEND)}, NEEDS_LIVE, check_backend_specials},
  {{"random-programs", "random programs against the f64 reference", K(BACKEND)}, NEEDS_LIVE, check_backend_random},
  {{"run-again", "a program run twice gives the same bits", K(BACKEND)}, NEEDS_LIVE, check_backend_again},
};
enum { TESTS = sizeof tests / sizeof *tests };

uint32_t check_count(void) { return TESTS; }
check_about check_at(uint32_t k) { return tests[k].about; }

const char *check_verdict_name(uint32_t verdict) {
  static const char *const names[] = {"pass", "fail", "crash", "timeout", "skip", "warn"};
  return verdict < CHECK_VERDICTS ? names[verdict] : "?";
}

static void add(check_report *r, const regex_t *only, const char *name, uint32_t verdict, const char *why, int64_t ms) {
  check_result x = {.verdict = verdict, .ms = ms};
  if (only && regexec(only, name, 0, NULL, 0)) return;
  snprintf(x.test, sizeof x.test, "%s", name);
  snprintf(x.why, sizeof x.why, "%s", why);
  VEC_PUSH(r->results, x);
  r->count[verdict]++;
}

/* One test in its child; its parts, if it has any, are results of their own. */
static void run(subject *s, const test *t, const char *name, const check_options *o, const regex_t *only, check_report *r) {
  int64_t ms = 0;
  check_shared *out = s->out;
  s->varies = t->needs == AND_CHOICES ? 1 : t->needs == BUILT_CHOICES ? 2 : 0;
  check_run_child(s, t->run, o, &ms);
  char full[140];
  for (uint32_t k = 0; k < out->n_subs; k++) {
    snprintf(full, sizeof full, "%s%s%s", name, out->subs[k].name[0] ? ":" : "", out->subs[k].name);
    add(r, only, full, out->subs[k].verdict, out->subs[k].why, k ? 0 : ms);
  }
  if (!out->n_subs || out->verdict == CHECK_CRASH || out->verdict == CHECK_TIMEOUT || out->why[0]) add(r, only, name, out->verdict, out->why, ms);
}

static const char *why_not(const subject *s, const test *t, const abi_plugin *p) {
  if ((t->needs & NEEDS_FILE) && !s->im.desc) return "the file has no descriptor";
  if (t->needs > NEEDS_FILE && p->refused) return "the file is refused and not loaded";
  if ((t->needs & NEEDS_CONFIGURED) && !s->out->configured) return "the plugin could not be built, see configure";
  return NULL;
}

/* "op/MATMUL:f32:dense:tn" */
static int wanted_op(const regex_t *only, uint32_t k) {
  const op_row *r = check_op_row_at(k);
  for (uint32_t type = GANTRY_F32; only && type <= GANTRY_BOOL; type++)
    for (uint32_t layout = 0; check_layout_name(layout); layout++) {
      char name[120];
      snprintf(name, sizeof name, "op/%s:%s:%s%s%s", check_op_row_name(k), ir_dtype_name(type), check_layout_name(layout), r->variant ? ":" : "", r->variant ? r->variant : "");
      if ((r->types >> type & 1) && !regexec(only, name, 0, NULL, 0)) return 1;
    }
  return !only;
}

/* Any row of the operation whose first row is k; they run together. */
static int wanted_rows(const regex_t *only, uint32_t k) {
  uint32_t first = k;
  for (; k < check_op_rows_count() && check_op_row_at(k)->op == check_op_row_at(first)->op; k++)
    if (wanted_op(only, k)) return 1;
  return 0;
}

static int wanted(const regex_t *only, const test *t) {
  if (!only || !regexec(only, t->about.id, 0, NULL, 0) || t->run == check_configure) return 1;
  if (t->run != check_backend_ops) return 0;
  for (uint32_t k = 0; k < check_op_rows_count(); k++)
    if (wanted_op(only, k)) return 1;
  return 0;
}

gantry_status check_plugin_file(const char *path, const check_options *o, check_report *r, err *e) {
  regex_t compiled, *only = NULL;
  char *whole = realpath(path, NULL); /* dlopen takes a name without a slash for a library's */
  subject s = {.path = path, .seed = o->seed, .quick = o->quick, .mem = arena_new()};
  *r = (check_report){.path = path};
  if (whole) s.path = arena_str(s.mem, whole);
  free(whole);
  if (o->only) {
    if (regcomp(&compiled, o->only, REG_EXTENDED | REG_NOSUB)) {
      arena_free(s.mem);
      return err_set(e, GANTRY_E_CONFIG, "--only %s: that is no regular expression", o->only);
    }
    only = &compiled;
  }
  s.out = check_share();
  const char *files[] = {s.path};
  abi_sources one = {files, 1, NULL, 0};
  err refused = {0}, found = {0};
  abi_registry *reg = abi_registry_open(&one, &refused);
  abi_plugin none = {.path = s.path, .refused = refused.msg}, *p = reg ? abi_at(reg, 0) : &none;
  if (elf_read(s.path, s.mem, &s.im, &found) || validate_descriptor(&s.im, &found)) s.im.desc = NULL;
  else snprintf(r->kind, sizeof r->kind, "%s", abi_kind_name(s.im.desc->kind)), snprintf(r->name, sizeof r->name, "%s", s.im.desc->name);
  gantry_status status = GANTRY_OK;
  for (uint32_t k = 0; k < TESTS && !status; k++) {
    const test *t = &tests[k];
    if (t->about.kinds && (!s.im.desc || !(t->about.kinds >> s.im.desc->kind & 1))) continue;
    if (!wanted(only, t)) continue;
    const char *not = why_not(&s, t, p);
    if (not) {
      add(r, only, t->about.id, CHECK_SKIP, not, 0);
      continue;
    }
    if (t->needs > NEEDS_FILE && !s.live) { /* opened in children alone: what the plugin is may crash */
      s.plugin = p;
      s.live = p->desc;
      s.values = abi_defaults(p->desc, s.mem);
      for (uint32_t j = 0; j < o->n_set && !status; j++) status = check_values_set(&s, s.values, o->set[j], e);
      if (status) break;
    }
    if (t->run == check_backend_ops)
      for (s.op = 0; s.op < check_op_rows_count(); s.op++) {
        char name[60];
        snprintf(name, sizeof name, "op/%s", check_op_row_name(s.op));
        if ((s.op && !strcmp(check_op_row_name(s.op - 1), check_op_row_name(s.op))) || !wanted_rows(only, s.op)) continue;
        run(&s, t, name, o, only, r);
      }
    else run(&s, t, t->about.id, o, only, r);
    if (t->run == check_configure && s.out->configured) {
      s.form = s.out->form;
      for (uint32_t j = 0; j < s.live->param_count && j < CHECK_PARAMS; j++)
        if (s.values[j].f != s.out->f[j]) s.values[j].f = s.out->f[j];
    }
  }
  abi_registry_close(reg);
  check_unshare(s.out);
  if (only) regfree(only);
  arena_free(s.mem);
  return status;
}

void check_report_free(check_report *r) { free(r->results.p); }
