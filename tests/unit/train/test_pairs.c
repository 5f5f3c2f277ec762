/* test_pairs.c - every pair of techniques, put before the host: legal, legal with an order, one at a time, or refused and why. The answers are the table
 * sdk/docs/pairs.md; `make pairs` writes it, the test holds it to what the host says now. Which hook comes first is read from the plugins' tables.
 *
 * A technique is a few settings on top of one small labelled image experiment; a pair is both. */
#include <gantry/regularizer.h>

#include "run.h"

typedef struct technique { const char *name, *set[3]; const gantry_regularizer *hooks; } technique;
static const technique settings[] = { /* the first replaces G, which those behind it change further */
  {"style-based G, mixing and path length", {"g.arch={\"name\": \"stylegan2\", \"width\": 2, \"max_width\": 2, \"z\": 2, \"map_layers\": 1, \"mixing\": 0.5}", "regularizers.path_length={\"name\": \"path_length\", \"of\": [\"g\"]}"}, NULL},
  {"D norm batch", {"d.arch.norm=batch"}, NULL}, {"D norm virtual", {"d.arch.norm=virtual", "d.arch.reference=4"}, NULL}, {"D norm instance", {"d.arch.norm=instance"}, NULL},
  {"D norm layer", {"d.arch.norm=layer"}, NULL}, {"D norm pixel", {"d.arch.norm=pixel"}, NULL}, {"D and G concat", {"d.arch.condition=concat", "g.arch.condition=concat"}, NULL},
  {"D and G everywhere", {"d.arch.condition=everywhere", "g.arch.condition=everywhere"}, NULL}, {"G conditional norm", {"g.arch.condition=norm"}, NULL}, {"D conditional norm", {"d.arch.condition=norm"}, NULL},
  {"D projection", {"d.arch.condition=projection"}, NULL}, {"ACGAN", {"d.arch.condition=auxiliary", "regularizers.auxiliary_classifier={\"name\": \"auxiliary_classifier\", \"of\": [\"d\", \"g\"]}"}, NULL},
  {"packing", {"d.pack=2"}, NULL}, {"joint batches", {"d.batches=joint"}, NULL}, {"minibatch deviation", {"d.arch.minibatch_std=2"}, NULL}, {"minibatch discrimination", {"d.arch.minibatch_kernels=2"}, NULL},
  {"attention", {"d.arch.attention_at=8", "g.arch.attention_at=8"}, NULL}, {"dropout", {"d.arch.dropout=0.2", "g.arch.dropout=0.2"}, NULL}, {"accumulation", {"train.accumulate=2"}, NULL},
  {"simultaneous updates", {"train.updates=simultaneous"}, NULL}, {"several updates of D", {"train.d_steps=2"}, NULL}, {"averaged weights", {"g.ema={\"half_life\": {\"images\": 100}}"}, NULL}};

enum { MOST = 96 };
static technique all[MOST];
static int n_all;
static arena *mem;
static abi_registry *registry;
static const char *file;

static int path_length(const char *set) { return (int)strcspn(set, "="); }

/* The host's reason, without the place in the file; NULL if it builds. */
static const char *refused(const technique *a, const technique *b, const char *more) {
  const char *set[8];
  uint32_t n = 0;
  err e = {0};
  cfg_experiment *x = NULL;
  train_run *r = NULL;
  for (int k = 0; k < 3 && a->set[k]; k++) set[n++] = a->set[k];
  for (int k = 0; k < 3 && b->set[k]; k++) set[n++] = b->set[k];
  if (more) set[n++] = more;
  cfg_options o = {.set = set, .n_set = n};
  gantry_status st = cfg_load(file, registry, &o, &x, &e);
  if (!st) st = train_open(x->cells[0].run, registry, 1, 0, &r, &e);
  if (!st) train_close(r);
  cfg_free(x);
  if (!st) return NULL;
  const char *why = e.msg, *place = strncmp(why, "/tmp/", 5) ? NULL : strstr(why, ": ");
  if (!strncmp(why, "--set ", 6)) place = strstr(why, "}: ") ? strstr(why, "}: ") + 1 : strstr(why, ": ");
  why = place ? place + 2 : why;
  return arena_strn(mem, why, strcspn(why, "\n"));
}

static int one_at_a_time(const technique *a, const technique *b) {
  for (int j = 0; j < 3 && a->set[j]; j++)
    for (int k = 0; k < 3 && b->set[k]; k++)
      if (path_length(a->set[j]) == path_length(b->set[k]) && !strncmp(a->set[j], b->set[k], (size_t)path_length(a->set[j]))) return 1;
  return 0;
}

/* -1 if a's hook comes first where both have one, 1 if b's, 0 if they do not meet. */
static int first(const technique *a, const technique *b) {
  const gantry_regularizer *x = a->hooks, *y = b->hooks;
  if (!x || !y || x->stage == y->stage) return 0;
  int meet = (x->input && y->input) || (x->target && y->target) || (x->gradient && y->gradient) || (x->weight && y->weight) || (x->after && y->after) || (x->control && y->control);
  return !meet ? 0 : x->stage < y->stage ? -1 : 1;
}

static void add(technique t) {
  T_CHECK(n_all < MOST);
  if (n_all < MOST) all[n_all++] = t;
}

static void collect(void) {
  static const uint32_t kinds[2] = {GANTRY_KIND_LOSS, GANTRY_KIND_REGULARIZER};
  for (int i = 0; i < 2; i++)
    for (uint32_t k = 0; k < abi_count(registry); k++) {
      const abi_plugin *p = abi_at(registry, k);
      if (p->refused || p->desc->kind != kinds[i] || !strcmp(p->desc->name, "auxiliary_classifier") || !strcmp(p->desc->name, "path_length")) continue; /* with what they need, among the settings */
      const char *n = p->desc->name;
      add((technique){i ? n : arena_fmt(mem, "loss %s", n), {i ? arena_fmt(mem, "regularizers.%s={\"name\": \"%s\"}", n, n) : arena_fmt(mem, "loss={\"name\": \"%s\"}", n)}, i ? p->desc->iface : NULL});
    }
  for (size_t k = 0; k < sizeof settings / sizeof *settings; k++) add(settings[k]);
}

static void put(buf *b, const char *name) { buf_printf(b, "%s%s", b->n ? ", " : "", name); }
static VEC(const char *) reasons;
static int reason(const char *why) {
  for (uint32_t k = 0; k < reasons.n; k++)
    if (!strcmp(reasons.p[k], why)) return (int)k + 1;
  VEC_PUSH(reasons, why);
  return (int)reasons.n;
}

enum { LEGAL, ORDER, EXCLUSIVE, NO };
static uint8_t verdict[MOST][MOST];
static int why_not[MOST][MOST];

static void table(buf *out) {
  int count[4] = {0, 0, 0, 0};
  for (int i = 0; i < n_all; i++)
    for (int j = i + 1; j < n_all; j++) {
      const char *why = one_at_a_time(&all[i], &all[j]) ? "" : refused(&all[i], &all[j], NULL);
      int v = !why ? LEGAL : !*why ? EXCLUSIVE : NO;
      if (v == NO && strstr(why, "say which comes first by \"order\"") && !refused(&all[i], &all[j], arena_fmt(mem, "regularizers.%s.order=1", all[j].name))) v = ORDER;
      if (v == NO) why_not[i][j] = why_not[j][i] = reason(why);
      verdict[i][j] = verdict[j][i] = (uint8_t)v;
      count[v]++;
    }
  buf_printf(out, "# Pairs of techniques\n\nWritten by `make pairs`, which puts every pair before the host; a test holds it to what the host says. %d techniques, %d pairs: %d legal as they are, %d legal once the experiment gives an `order`, "
                  "%d exclude each other because they are values of one setting, %d refused before a run starts.\n\n"
                  "A pair that a row does not name is legal, and its two hooks do not meet. *after* and *before*: both act at one place in the life of an update, in this order, whatever the order in the experiment.\n\n"
                  "| technique | acts after | acts before | needs an order with | not together with | refused with (reason) |\n|---|---|---|---|---|---|\n", n_all, n_all * (n_all - 1) / 2, count[LEGAL], count[ORDER], count[EXCLUSIVE], count[NO]);
  for (int i = 0; i < n_all; i++) {
    buf columns[5] = {{0}, {0}, {0}, {0}, {0}};
    for (int j = 0; j < n_all; j++) {
      if (i == j) continue;
      int f = first(&all[i], &all[j]);
      if (verdict[i][j] == LEGAL && f) put(&columns[f < 0], all[j].name);
      if (verdict[i][j] == ORDER) put(&columns[2], all[j].name);
      if (verdict[i][j] == EXCLUSIVE) put(&columns[3], all[j].name);
      if (verdict[i][j] == NO) put(&columns[4], arena_fmt(mem, "%s (%d)", all[j].name, why_not[i][j]));
    }
    buf_printf(out, "| %s |", all[i].name);
    for (int k = 0; k < 5; k++) {
      buf_printf(out, " %s |", columns[k].n ? columns[k].p : "");
      buf_free(&columns[k]);
    }
    buf_puts(out, "\n");
  }
  buf_puts(out, "\nReasons, as the host says them:\n\n");
  for (uint32_t k = 0; k < reasons.n; k++) buf_printf(out, "%u. %s\n", k + 1, reasons.p[k]);
  free(reasons.p);
}

/* 32 images of 16 x 16 in 4 classes, and the experiment that all techniques change. */
static void prepare(const char *dir) {
  err e = {0};
  size_t n = 16 + 32 * 256;
  uint8_t *b = mem_alloc(n), labels[8 + 32] = {0, 0, 8, 1, 0, 0, 0, 32};
  memcpy(b, (uint8_t[16]){0, 0, 8, 3, 0, 0, 0, 32, 0, 0, 0, 16, 0, 0, 0, 16}, 16);
  for (size_t k = 16; k < n; k++) b[k] = (uint8_t)(k * 2654435761u >> 13);
  for (int k = 0; k < 32; k++) labels[8 + k] = (uint8_t)(k % 4);
  file = path_join(mem, dir, "pair.json");
  const char *json = arena_fmt(mem, "{\"gantry\": 1, \"name\": \"pair\", \"seeds\": 1, \"base\": {\"data\": {\"name\": \"idx\", \"path\": \"%s\"}, \"g\": {\"arch\": {\"name\": \"dcgan\", \"width\": 2, \"z\": 2}}, "
                                    "\"d\": {\"arch\": {\"name\": \"dcgan\", \"width\": 2, \"norm\": \"layer\"}}, \"train\": {\"batch\": 8, \"length\": {\"steps\": 10}}}}", dir);
  T_CHECK(!dir_make(dir, &e) && !file_write(path_join(mem, dir, "train-images-idx3-ubyte"), b, n, &e) && !file_write(path_join(mem, dir, "train-labels-idx1-ubyte"), labels, sizeof labels, &e) && !file_write(file, json, strlen(json), &e));
  free(b);
}

static void test_pairs__the_table_is_what_the_host_says(void) {
  mem = arena_new();
  err e = {0};
  abi_sources s = abi_default_sources(mem, NULL, 0, NULL, 0);
  const char *dir = arena_fmt(mem, "/tmp/gantry-pairs-%d", (int)getpid()), *root = getenv("GANTRY_ROOT") ? getenv("GANTRY_ROOT") : ".", *kept = path_join(mem, root, "sdk/docs/pairs.md");
  prepare(dir);
  registry = abi_registry_open(&s, &e);
  buf out = {0};
  T_CHECK(registry != NULL);
  if (registry) {
    collect();
    table(&out);
  }
  if (getenv("GANTRY_WRITE_PAIRS")) T_CHECK(!file_write(kept, out.p, out.n, &e));
  buf text = {0};
  T_CHECK(!file_read(kept, &text, 1 << 20, &e));
  int same = text.n == out.n && out.n && !memcmp(text.p, out.p, out.n);
  buf_free(&text);
  if (!same) printf("# sdk/docs/pairs.md is not what the host says now: make pairs\n");
  T_CHECK(same);
  T_CHECK(system(arena_fmt(mem, "rm -rf %s", dir)) == 0);
  buf_free(&out);
  abi_registry_close(registry);
  arena_free(mem);
}

T_MAIN(T(test_pairs__the_table_is_what_the_host_says))
