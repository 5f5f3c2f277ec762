/* test_combinations.c - random legal combinations of loss, regularizers, architectures, optimizers and conditioning: each builds, differentiates, trains ten steps with
 * finite numbers, and resumes to equal bytes after five. GANTRY_COMBINATIONS says how many (24; `make check`: 300).
 *
 * What can be combined is read from the plugins' tables: every enumeration and switch is drawn, sizes are kept small, other numbers are the defaults. The draw keeps to
 * what is known to fit most of the time; what is refused is printed with its reason, and is at most a fifth. */
#include <gantry/arch.h>
#include <gantry/loss.h>
#include <gantry/regularizer.h>

#include "run.h"

static uint64_t seed_state;
static uint32_t draw(uint32_t n) { /* splitmix64: 0 .. n-1 */
  uint64_t z = (seed_state += 0x9e3779b97f4a7c15u);
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return (uint32_t)((z ^ z >> 31) % n);
}
static int chance(double p) { return draw(1000000) < p * 1e6; }

/* Sizes and numbers that are not the default's. */
typedef struct numbers { const char *key; double of[4]; uint32_t n; } numbers;
static const numbers known[] = {{"width", {3, 4, 6}, 3}, {"z", {2, 3}, 2}, {"depth", {1, 2}, 2}, {"reference", {4}, 1}, {"minibatch_std", {0, 0, 0, 4}, 4}, {"minibatch_kernels", {0, 0, 0, 2}, 4},
                                {"minibatch_dims", {2}, 1}, {"dropout", {0, 0, 0.2}, 3}, {"embed", {0, 2}, 2}, {"plain", {0, 1}, 2}, {"pieces", {0, 0, 2}, 3}, {"steps", {1, 2}, 2},
                                {"crop", {0, 1}, 2}, {"shift", {1}, 1}, {"p", {0, 0.6}, 2}, {"interval", {1, 3}, 2}, {"speed", {100}, 1}, {"power_steps", {1, 2}, 2}, {"lr", {1e-4, 5e-4}, 2},
                                {"w", {0, 3}, 2}, {"map_layers", {1, 2}, 2}, {"max_width", {4, 6}, 2}, {"mixing", {0, 0.5}, 2}, {"batch_shrink", {1, 2}, 2}};

typedef struct choice { int images, rgb, large; const gantry_loss *loss; const char *d_norm, *d_condition; int simultaneous, packed, has_w; } choice;

static void put_number(buf *b, const gantry_param *p) {
  for (size_t k = 0; k < sizeof known / sizeof *known; k++)
    if (!strcmp(known[k].key, p->key) && !(p->type == GANTRY_P_FLOAT && !strcmp(p->key, "shift"))) {
      buf_printf(b, ", \"%s\": %g", p->key, known[k].of[draw(known[k].n)]);
      return;
    }
}

static int takes(const gantry_plugin *p, const char *key) {
  for (uint32_t k = 0; k < p->param_count; k++)
    if (!strcmp(((const gantry_param *)(const void *)((const char *)p->params + (size_t)k * p->param_stride))->key, key)) return 1;
  return 0;
}

/* ", key: value" of every parameter that is drawn. */
static void put_params(buf *b, const gantry_plugin *p, const char *role, choice *c) {
  const char *norm = "none", *condition = NULL;
  int spatial = takes(p, "size"), dense = chance(0.3), style_based = takes(p, "demodulate"), equalized = style_based && chance(0.6);
  for (uint32_t k = 0; k < p->param_count; k++) {
    const gantry_param *x = (const gantry_param *)(const void *)((const char *)p->params + (size_t)k * p->param_stride);
    uint32_t n = 0;
    while (x->type == GANTRY_P_ENUM && x->choices[n]) n++;
    if (!strcmp(x->key, "equalized")) buf_printf(b, ", \"equalized\": %s", equalized ? "true" : "false");
    else if (x->type == GANTRY_P_BOOL && chance(0.5)) buf_printf(b, ", \"%s\": %s", x->key, chance(0.5) ? "true" : "false");
    if (x->type == GANTRY_P_INT || x->type == GANTRY_P_FLOAT) {
      if (!strcmp(x->key, "attention_at") && c->large && chance(0.5)) buf_puts(b, ", \"attention_at\": 8");
      if (!strcmp(x->key, "dense")) buf_printf(b, ", \"dense\": %d", dense && strcmp(norm, "instance") ? 5 : 0);
      else put_number(b, x);
    }
    if (x->type != GANTRY_P_ENUM || !strcmp(x->key, "preset")) continue;
    const char *v = x->choices[draw(n)];
    if (!strcmp(x->key, "norm")) {
      if (!spatial && !strcmp(v, "instance") && chance(0.95)) v = "layer";
      if (style_based && *role == 'g') v = chance(0.98) ? "none" : v; /* and classes enter by z */
      norm = v;
    }
    if (equalized && !strcmp(x->key, "init") && chance(0.98)) v = "normal";
    if (!strcmp(x->key, "condition")) {
      if (*role == 'g' && chance(0.98)) v = x->choices[draw(4)]; /* projection and auxiliary are D's */
      if (style_based && *role == 'g' && chance(0.98)) v = x->choices[draw(2)];
      if (!strcmp(v, "norm") && (!strcmp(norm, "none") || !strcmp(norm, "pixel"))) v = chance(0.9) ? "concat" : v;
      if (c->packed && *role == 'd' && chance(0.95)) v = "none";
      condition = v;
    }
    if (!strcmp(x->key, "adapt") && !(c->loss->flags & GANTRY_LOSS_THRESHOLD) && chance(0.9)) v = "none";
    if (!strcmp(x->key, "by") && !(c->loss->flags & GANTRY_LOSS_THRESHOLD)) v = "loss";
    buf_printf(b, ", \"%s\": \"%s\"", x->key, v);
  }
  if (*role == 'd') c->d_norm = norm, c->d_condition = condition;
}

static int lists(const char *const *list, const char *what) {
  for (; list && *list; list++)
    if (!strcmp(*list, what)) return 1;
  return 0;
}

static int has_networks(const gantry_plugin *p) {
  const gantry_arch *a = p->iface;
  for (uint32_t k = 0; k < a->n_nets; k++)
    if (((const gantry_net *)(const void *)((const char *)a->nets + (size_t)k * a->net_stride))->role == GANTRY_D) return 1;
  return 0;
}

/* One of a kind that fits the data. */
static const gantry_plugin *pick(abi_registry *reg, uint32_t kind, const choice *c) {
  for (;;) {
    abi_plugin *p = abi_at(reg, draw(abi_count(reg)));
    if (p->refused || p->desc->kind != kind || (kind == GANTRY_KIND_ARCH && !has_networks(p->desc))) continue;
    if (c->images || !lists(p->desc->needs, "data.image")) return p->desc;
  }
}

/* Most combinations that could not stand together are left out; some stay, to be refused. */
static int fits(const gantry_plugin *p, const choice *c) {
  const gantry_regularizer *r = p->iface;
  if (lists(p->needs, "data.image") && !c->images && chance(0.99)) return 0;
  if (lists(p->needs, "loss.targets") && !(c->loss->flags & GANTRY_LOSS_TARGETS) && chance(0.95)) return 0;
  if (lists(p->needs, "d.class")) return c->d_condition && !strcmp(c->d_condition, "auxiliary") ? chance(0.8) : chance(0.01);
  if (lists(p->needs, "g.w")) return chance(c->has_w ? 0.6 : 0.01);
  if (r->control && c->simultaneous && !lists(p->needs, "data.image") && chance(0.95)) return 0;
  return chance(0.2);
}

static void put_regularizers(buf *b, abi_registry *reg, const choice *fixed) {
  choice c = *fixed;
  int n = 0;
  for (uint32_t k = 0; k < abi_count(reg); k++) {
    const abi_plugin *p = abi_at(reg, k);
    if (p->refused || p->desc->kind != GANTRY_KIND_REGULARIZER || !fits(p->desc, &c)) continue;
    const gantry_regularizer *r = p->desc->iface;
    buf_printf(b, "%s\"r%d\": {\"name\": \"%s\"", n ? ", " : "", n, p->desc->name);
    put_params(b, p->desc, "", &c);
    if (r->stage < GANTRY_STAGE_OTHER) buf_printf(b, ", \"order\": %d", n);
    if (r->flags & GANTRY_REG_PER_SAMPLE && !strcmp(fixed->d_norm, "batch") && chance(0.9)) buf_puts(b, ", \"force\": true");
    if (r->term && !lists(p->desc->needs, "d.class") && !fixed->simultaneous && chance(0.3)) buf_printf(b, ", \"every\": {\"steps\": %u}", 2 + draw(2));
    if ((r->weight || r->gradient || r->after || (r->control && !r->input) || lists(p->desc->needs, "d.class")) && chance(0.6)) buf_printf(b, ", \"of\": %s", r->weight && chance(0.3) ? "[\"g\"]" : "[\"d\", \"g\"]");
    if (lists(p->desc->needs, "g.w")) buf_puts(b, ", \"of\": [\"g\"]");
    buf_puts(b, "}");
    n++;
  }
}

static void put_network(buf *b, abi_registry *reg, const char *role, choice *c) {
  const gantry_plugin *arch = pick(reg, GANTRY_KIND_ARCH, c), *optim = pick(reg, GANTRY_KIND_OPTIM, c);
  buf_printf(b, "\"%s\": {\"arch\": {\"name\": \"%s\"", role, arch->name);
  if (*role == 'g') c->has_w = lists(arch->provides, "g.w");
  put_params(b, arch, role, c);
  buf_printf(b, "}, \"optim\": {\"name\": \"%s\"", optim->name);
  put_params(b, optim, "", c);
  buf_puts(b, "}");
}

/* The experiment of one draw. */
static void put_experiment(buf *b, abi_registry *reg, const char *folders[2], int serial) {
  choice c = {.images = chance(0.6), .simultaneous = chance(0.15), .packed = chance(0.12), .d_norm = "none"};
  c.rgb = chance(0.4);
  c.large = c.images && chance(0.2);
  const gantry_plugin *loss = pick(reg, GANTRY_KIND_LOSS, &c);
  c.loss = loss->iface;
  buf_printf(b, "{\"gantry\": 1, \"name\": \"t%d\", \"seeds\": 1, \"base\": {\"data\": ", serial);
  if (c.images) buf_printf(b, "{\"name\": \"%s\", \"path\": \"%s\"%s}, ", c.rgb ? "stacked" : "idx", folders[c.large], c.rgb ? ", \"count\": 64" : "");
  else buf_puts(b, "{\"name\": \"gaussians\", \"modes\": 4, \"sigma\": 0.1, \"count\": 64}, ");
  put_network(b, reg, "g", &c);
  if (chance(0.3)) buf_puts(b, ", \"ema\": {\"half_life\": {\"images\": 100}}");
  if (chance(0.2)) buf_puts(b, ", \"latent\": {\"distribution\": \"uniform\", \"noise\": 0.1}");
  buf_puts(b, "}, ");
  put_network(b, reg, "d", &c);
  if (c.packed) buf_puts(b, ", \"pack\": 2");
  if (chance(0.15)) buf_puts(b, ", \"batches\": \"joint\"");
  buf_printf(b, "}, \"loss\": {\"name\": \"%s\"", loss->name);
  put_params(b, loss, "", &c);
  buf_puts(b, "}, \"regularizers\": {");
  put_regularizers(b, reg, &c);
  buf_puts(b, "}");
  if (chance(0.3)) buf_puts(b, ", \"schedules\": {\"s\": {\"of\": [\"g.optim.lr\", \"d.optim.lr\"], \"shape\": \"cosine\", \"to\": 0.1}}");
  buf_printf(b, ", \"train\": {\"batch\": 8, \"length\": {\"steps\": 10}%s}}}", c.simultaneous ? ", \"updates\": \"simultaneous\"" : chance(0.15) ? ", \"accumulate\": 2" : chance(0.2) ? ", \"d_steps\": 2" : "");
}

typedef struct seen { const char *name; uint32_t kind, times; } seen;
static VEC(seen) plugins_seen;
static void count_plugins(const cfg_run *r) {
  const cfg_element *els[64] = {&r->g.arch, &r->g.optim, &r->d.arch, &r->d.optim, &r->loss};
  uint32_t n = 5;
  for (uint32_t k = 0; k < r->n_regs && n < 64; k++) els[n++] = &r->regs[k];
  for (uint32_t k = 0; k < plugins_seen.n; k++) {
    int here = 0;
    for (uint32_t i = 0; i < n; i++) here |= els[i]->kind == plugins_seen.p[k].kind && !strcmp(els[i]->name, plugins_seen.p[k].name);
    plugins_seen.p[k].times += (uint32_t)here;
  }
}

static int all_finite(test_run *t) {
  for (uint32_t k = 0; k < t->r->n_states; k++) {
    const exec_tensor *x = exec_tensor_get(t->r->session, t->r->world->states.p[k].name);
    if (x->dtype != GANTRY_F32) continue;
    float *v = mem_alloc((size_t)x->bytes);
    exec_read(t->r->session, x->name, v, x->bytes, &t->e);
    int good = 1;
    for (int64_t j = 0; j < x->bytes / 4; j++) good &= isfinite(v[j]) != 0;
    if (!good) printf("# %s is not finite\n", x->name);
    free(v);
    if (!good) return 0;
  }
  return 1;
}

static int equal_states(test_run *a, test_run *b) {
  if (a->r->n_states != b->r->n_states) return 0;
  for (uint32_t k = 0; k < a->r->n_states; k++) {
    const exec_tensor *x = exec_tensor_get(a->r->session, a->r->world->states.p[k].name), *y = exec_tensor_get(b->r->session, a->r->world->states.p[k].name);
    if (!y || x->bytes != y->bytes) return 0;
    char *v = mem_alloc((size_t)x->bytes), *w = mem_alloc((size_t)x->bytes);
    int same = !exec_read(a->r->session, x->name, v, x->bytes, &a->e) && !exec_read(b->r->session, y->name, w, y->bytes, &b->e) && !memcmp(v, w, (size_t)x->bytes);
    if (!same) printf("# %s differs after resuming\n", x->name);
    free(v);
    free(w);
    if (!same) return 0;
  }
  return 1;
}

/* Training can diverge for its own reasons (two penalties of 1e8 and plain gradient descent): then numbers beyond a million are logged before the first that is none. 0: they were not. */
static int diverges(const char *json) {
  test_run t;
  double largest = 0, mean[256];
  int64_t bad[256], any = 0;
  if (!test_run_open_cell(&t, json, 0, 1, 0, 1)) return 0;
  for (int64_t step = 0; step < 10 && !any && !t.e.code; step++) {
    train_steps(t.r, step, 1, &t.e);
    for (uint32_t k = 0; k < t.r->programs.n && !t.e.code; k++) {
      const train_program *p = &t.r->programs.p[k];
      T_CHECK(p->n_log <= 256);
      if (p->n_log > 256 || train_log_read(t.r, p, mean, bad, &t.e)) break;
      for (uint32_t j = 0; j < p->n_log; j++) {
        any += bad[j];
        if (isfinite(mean[j]) && fabs(mean[j]) > largest) largest = fabs(mean[j]);
      }
    }
  }
  test_run_close(&t);
  return largest > 1e6;
}

enum { REFUSED, GOOD, BAD };
static int one(const char *json, const char *dir, arena *mem) {
  test_run t, u;
  int ok = test_run_open_cell(&t, json, 0, 1, 0, 1), verdict = BAD, finite = 1;
  if (!ok) {
    const char *why = t.e.msg;
    if (!strncmp(why, "/tmp/", 5)) why = strstr(why, ": ") + 2; /* without the place in the file */
    printf("# refused: %.*s\n", (int)strcspn(why, "\n"), why);
    verdict = t.e.code == GANTRY_E_INTERNAL ? BAD : REFUSED;
    test_run_close(&t);
    return verdict;
  }
  const char *path;
  char sha[65];
  int64_t bytes, step = -1;
  buf warnings = {0};
  ok = !train_steps(t.r, 0, 5, &t.e) && !train_save(t.r, dir, 5, NULL, mem, &path, sha, &bytes, &t.e) && !train_steps(t.r, 5, 5, &t.e) && (finite = all_finite(&t));
  if (test_run_open_cell(&u, json, 0, 1, 0, 1) && ok && !train_load(u.r, dir, &step, &warnings, &u.e) && step == 5 && !train_steps(u.r, 5, 5, &u.e) && equal_states(&t, &u)) verdict = GOOD;
  if (!finite && diverges(json)) {
    printf("# refused: it diverges, as numbers beyond a million before the first that is none show\n");
    verdict = REFUSED;
  }
  if (verdict == BAD) printf("# %s%s\n# %s\n", t.e.msg, u.e.msg, json);
  else if (verdict == GOOD) count_plugins(t.r->cfg);
  buf_free(&warnings);
  test_run_close(&t);
  test_run_close(&u);
  return verdict;
}

/* A folder in idx format with 64 images of side x side in 4 classes. */
static const char *folder(arena *a, const char *dir, int side) {
  err e = {0};
  const char *made = arena_fmt(a, "%s/images%d", dir, side);
  size_t n = 16 + 64 * (size_t)(side * side);
  uint8_t *b = mem_alloc(n), labels[8 + 64] = {0, 0, 8, 1, 0, 0, 0, 64};
  memcpy(b, (uint8_t[16]){0, 0, 8, 3, 0, 0, 0, 64, 0, 0, 0, (uint8_t)side, 0, 0, 0, (uint8_t)side}, 16);
  for (size_t k = 16; k < n; k++) b[k] = (uint8_t)(k * 2654435761u >> 13);
  for (int k = 0; k < 64; k++) labels[8 + k] = (uint8_t)(k % 4);
  T_CHECK(!dir_make(made, &e) && !file_write(path_join(a, made, "train-images-idx3-ubyte"), b, n, &e) && !file_write(path_join(a, made, "train-labels-idx1-ubyte"), labels, sizeof labels, &e));
  free(b);
  return made;
}

static void test_combinations__train_and_resume(void) {
  setenv("GANTRY_KERNELS", "interpret", 0); /* ten steps are too few for machine code to pay */
  const char *want = getenv("GANTRY_COMBINATIONS");
  int n = want ? atoi(want) : 24, count[3] = {0, 0, 0};
  arena *mem = arena_new();
  err e = {0};
  abi_sources s = abi_default_sources(mem, NULL, 0, NULL, 0);
  abi_registry *reg = abi_registry_open(&s, &e);
  const char *dir = arena_fmt(mem, "/tmp/gantry-combinations-%d", (int)getpid());
  T_CHECK(reg && !dir_make(dir, &e));
  const char *folders[2] = {folder(mem, dir, 8), folder(mem, dir, 16)};
  for (uint32_t k = 0; k < abi_count(reg); k++) {
    const gantry_plugin *p = abi_at(reg, k)->desc;
    if (abi_at(reg, k)->refused || (p->kind == GANTRY_KIND_ARCH && !has_networks(p))) continue;
    if (p->kind == GANTRY_KIND_LOSS || p->kind == GANTRY_KIND_ARCH || p->kind == GANTRY_KIND_OPTIM || p->kind == GANTRY_KIND_REGULARIZER) VEC_PUSH(plugins_seen, ((seen){p->name, p->kind, 0}));
  }
  for (int k = 0; k < n; k++) {
    buf json = {0};
    const char *run = arena_fmt(mem, "%s/%d", dir, k);
    seed_state = (uint64_t)(k + 1) * 7919;
    put_experiment(&json, reg, folders, k);
    T_CHECK(!dir_make(run, &e));
    int verdict = one(json.p, run, mem);
    count[verdict]++;
    T_CHECK(verdict != BAD);
    buf_free(&json);
  }
  printf("# %d of %d combinations train and resume, %d are refused\n", count[GOOD], n, count[REFUSED]);
  T_CHECK(count[REFUSED] * 5 <= n && count[GOOD] > 0);
  for (uint32_t k = 0; k < plugins_seen.n && n >= 300; k++) {
    if (plugins_seen.p[k].times < 3) printf("# %s %s: in %u combinations\n", abi_kind_name(plugins_seen.p[k].kind), plugins_seen.p[k].name, plugins_seen.p[k].times);
    T_CHECK(plugins_seen.p[k].times >= 3);
  }
  T_CHECK(system(arena_fmt(mem, "rm -rf %s", dir)) == 0);
  free(plugins_seen.p);
  abi_registry_close(reg);
  arena_free(mem);
}

T_MAIN(T(test_combinations__train_and_resume))
