/* plan.c - what an experiment still needs. See sched.h.
 *
 * The identity of a run is what can change its weights, and only the worker can say that (it builds the graphs). Its answers are
 * kept under everything they depend on: settings, the bytes of the plugins, the host program, the state of the data's files. So a
 * finished grid is recognised without starting a process. Asking is probe.c's. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/files.h"
#include "base/hash.h"
#include "base/log.h"
#include "sched/probe.h"
#include "sched/sched.h"
#include "store/layout.h"

const char *sched_action_name(int action) {
  static const char *const names[] = {"done", "evaluate", "continue", "train", "retry", "failed", "same"};
  return names[action];
}

static void put_stat(sha *s, const char *path) {
  struct stat info;
  char text[160];
  if (stat(path, &info)) return;
  int n = snprintf(text, sizeof text, "%lld %lld.%09ld\n", (long long)info.st_size, (long long)info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
  sha_put(s, text, (size_t)n);
  if (!S_ISDIR(info.st_mode)) return;
  enum { MOST = 10000 }; /* files looked at; of larger folders the time of the folder itself must do */
  arena *a = arena_new();
  char **names;
  err ignored = {0};
  if (!dir_list(path, a, &names, &ignored))
    for (int k = 0; k < MOST && names[k]; k++) {
      sha_put(s, names[k], strlen(names[k]) + 1);
      if (stat(path_join(a, path, names[k]), &info)) continue;
      n = snprintf(text, sizeof text, "%lld %lld.%09ld\n", (long long)info.st_size, (long long)info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
      sha_put(s, text, (size_t)n);
    }
  arena_free(a);
}

static void put_text(sha *s, const char *text) { sha_put(s, text, strlen(text) + 1); }

void sched_plugins_of(const cfg_run *r, abi_registry *reg, sched_each_plugin *fn, void *user) {
  const cfg_element *one[] = {&r->data, &r->g.arch, &r->g.optim, &r->d.arch, &r->d.optim, &r->loss, &r->net.arch, &r->net.optim};
  for (size_t k = 0; k < sizeof one / sizeof *one; k++)
    if (one[k]->name) fn(user, one[k]->path, abi_find(reg, one[k]->kind, one[k]->name));
  for (uint32_t k = 0; k < r->n_regs; k++) fn(user, r->regs[k].path, abi_find(reg, GANTRY_KIND_REGULARIZER, r->regs[k].name));
  for (uint32_t k = 0; k < r->n_metrics; k++) fn(user, r->metrics[k].el.path, abi_find(reg, GANTRY_KIND_METRIC, r->metrics[k].el.name));
}

static void hash_plugin(void *user, const char *slot, const abi_plugin *p) {
  put_text(user, slot);
  put_text(user, p->sha256);
}

/* Everything the worker's answer depends on that can be seen without asking it. */
static void probe_key(const cfg_run *r, abi_registry *reg, const sched_options *o, char hex[65]) {
  sha *s = sha_new();
  put_text(s, r->train_json);
  char length[96];
  snprintf(length, sizeof length, "%u %.17g %.17g", r->length.unit, r->length.n, r->recompute); /* the latter shapes no weights, but the memory that is told */
  put_text(s, length);
  sched_plugins_of(r, reg, hash_plugin, s);
  put_text(s, r->eval_json); /* metrics shape no weights, but whether they can be computed is asked too */
  for (uint32_t k = 0; k < r->n_metrics; k++) {
    const abi_plugin *f = r->metrics[k].features ? abi_find(reg, GANTRY_KIND_ARCH, r->metrics[k].features) : NULL;
    if (!f) continue;
    arena *a = arena_new();
    put_text(s, f->sha256);
    put_stat(s, arena_fmt(a, "%.*s.safetensors", (int)strlen(f->path) - 3, f->path));
    arena_free(a);
  }
  put_stat(s, o->exe);
  const gantry_plugin *data = abi_find(reg, GANTRY_KIND_DATASET, r->data.name)->desc;
  for (uint32_t k = 0; k < data->param_count; k++)
    if (abi_param_at(data, k)->type == GANTRY_P_PATH && r->data.values[k].s) {
      put_text(s, r->data.values[k].s);
      put_stat(s, r->data.values[k].s);
    }
  if (r->init_from) {
    put_text(s, r->init_from);
    put_stat(s, r->init_from);
  }
  for (const char *const *x = o->extra; x && *x; x++) put_text(s, *x);
  sha_end(s, hex);
}

static int wanted(const cfg_cell *c) { return c->run && c->same_as < 0; }

static void remember(sched_facts *f, arena *a, const char *name, const char *value) {
  sched_fact *one = ARENA_NEW(a, sched_fact);
  *one = (sched_fact){arena_str(a, name), arena_str(a, value), f->all};
  f->all = one;
  if (!strcmp(name, "train_key")) f->train_key = arena_str(a, value);
  if (!strcmp(name, "params.g")) f->params_g = arena_str(a, value);
  if (!strcmp(name, "params.d")) f->params_d = arena_str(a, value);
  if (!strcmp(name, "memory.bytes")) f->memory = arena_str(a, value);
  if (!strcmp(name, "steps.total")) f->steps = strtoll(value, NULL, 10);
}

typedef struct answer_user { const cfg_experiment *x; db *d; sched_plan *p; const char *const *keys; arena *a; int write; } answer_user;
static gantry_status take_answer(void *user, const probe_question *q, err *e) {
  answer_user *u = user;
  for (uint32_t k = 0; k < q->facts.n; k++) {
    if (u->write && !q->crashed) TRY(db_probe_put(u->d, u->keys[q->cell], q->facts.p[k].name, q->facts.p[k].value, e)); /* of a crash nothing is remembered: a rebuilt plugin is asked again */
    remember(&u->p->cells[q->cell], u->a, q->facts.p[k].name, q->facts.p[k].value);
  }
  return u->write ? db_tick(u->d, proc_now_ms(), e) : GANTRY_OK; /* others may want to write beside us */
}

static gantry_status probe_cells(const cfg_experiment *x, abi_registry *reg, const sched_options *o, db *d, int write, arena *a, sched_plan *p, err *e) {
  uint32_t *ask = ARENA_ARRAY(a, uint32_t, x->n_cells + 1);
  const char **keys = ARENA_ARRAY(a, const char *, x->n_cells + 1);
  for (uint32_t k = 0; k < x->n_cells; k++) {
    db_table known = {0};
    char key[65];
    if (!wanted(&x->cells[k]) || !x->cells[k].selected) continue;
    probe_key(x->cells[k].run, reg, o, key);
    if (d) TRY(db_probe_get(d, key, a, &known, e));
    for (uint32_t i = 0; i < known.n_rows; i++) remember(&p->cells[k], a, db_at(&known, i, 0)->s, db_at(&known, i, 1)->s);
    if (known.n_rows) continue;
    keys[k] = arena_str(a, key);
    ask[p->probed++] = k;
  }
  answer_user u = {x, d, p, keys, a, write};
  return probe_ask(x, ask, keys, p->probed, o, take_answer, &u, e);
}

/* ---- comparing with the database ---- */

static gantry_status write_grid(const cfg_experiment *x, db *d, arena *a, int64_t *id, err *e) {
  db_factor *f = ARENA_ARRAY(a, db_factor, x->n_factors + 1);
  db_cell *c = ARENA_ARRAY(a, db_cell, x->n_cells + 1);
  for (uint32_t k = 0; k < x->n_factors; k++) {
    const cfg_factor *from = &x->factors[k];
    db_level *lv = ARENA_ARRAY(a, db_level, from->n_levels + 1);
    for (uint32_t i = 0; i < from->n_levels; i++) lv[i] = (db_level){from->levels[i].label, from->levels[i].value_json};
    f[k] = (db_factor){from->name, from->path, lv, from->n_levels, from->baseline};
  }
  for (uint32_t k = 0; k < x->n_cells; k++) {
    const cfg_cell *from = &x->cells[k];
    c[k] = (db_cell){.label = from->label, .excluded = from->excluded, .config_json = from->run ? from->run->json : NULL, .level = from->level, .same_as = from->same_as};
  }
  db_grid g = {.name = x->name, .question = x->question, .spec_json = x->spec_json, .judge_metric = x->judge_metric, .judge_weights = x->judge_weights, .judge_reduce = x->judge_reduce,
               .better = x->judge_better, .factors = f, .cells = c, .n_factors = x->n_factors, .n_cells = x->n_cells};
  return db_put_grid(d, &g, id, e);
}

static int decide(const sched_job *j, const cfg_experiment *x, const sched_options *o) {
  const char *s = j->run.status;
  if (!j->run.id) return SCHED_TRAIN;
  if (!strcmp(s, "diverged")) return SCHED_DONE; /* an outcome */
  if (!strcmp(s, "pruned")) return x->early.rule && !o->again ? SCHED_DONE : SCHED_CONTINUE;
  if (!strcmp(s, "done")) return j->run.step < j->total ? SCHED_CONTINUE : strcmp(j->run.eval_key, j->eval_key) ? SCHED_EVALUATE : SCHED_DONE;
  int same = !*j->run.eval_key || !strcmp(j->run.eval_key, j->try_key); /* not: it failed as a smoke test, with another metric, or with a plugin that was rebuilt since */
  if (!strcmp(s, "failed") && same) return o->again ? SCHED_RETRY : SCHED_FAILED; /* one that was killed from outside just goes on */
  return j->run.step > 0 ? SCHED_CONTINUE : SCHED_TRAIN;
}

typedef struct slot_user { db *d; int64_t run; err *e; } slot_user;
static void store_plugin(void *user, const char *slot, const abi_plugin *p) {
  slot_user *u = user;
  db_put_plugin(u->d, u->run, slot, p->sha256, abi_kind_name(p->desc->kind), p->desc->name, p->desc->version, p->path, u->e);
}

static gantry_status plan_one(const cfg_experiment *x, abi_registry *reg, const sched_options *o, db *d, int write, arena *a, sched_plan *p, uint32_t cell, uint64_t seed, err *e) {
  uint32_t of = x->cells[cell].same_as >= 0 ? (uint32_t)x->cells[cell].same_as : cell;
  const cfg_run *r = x->cells[of].run;
  char run_key[65], eval[65], tried[65];
  const char *variant = "";
  for (uint32_t k = 0; k < of; k++) /* cells that train alike but are not the same (another length, other metrics) are runs of their own */
    if (x->cells[k].run && !strcmp(x->cells[k].run->train_json, r->train_json)) variant = r->json;
  const char *text = arena_fmt(a, "%s|%llu|%s", p->cells[of].train_key, (unsigned long long)seed, variant);
  sha_hex(text, strlen(text), run_key);
  sha_hex(r->eval_json, strlen(r->eval_json), eval);
  sched_job j = {.cell = cell, .seed = seed, .cfg = r, .label = x->cells[cell].label, .eval_key = arena_str(a, eval), .total = p->cells[of].steps};
  if (d) TRY(db_find_run(d, run_key, a, &j.run, e));
  sha *h = sha_new();
  put_text(h, arena_fmt(a, "tried|%lld", (long long)j.total));
  put_text(h, r->eval_json);
  sched_plugins_of(r, reg, hash_plugin, h);
  sha_end(h, tried);
  j.try_key = arena_str(a, tried);
  j.action = of != cell ? SCHED_SAME : decide(&j, x, o);
  if (write) {
    if (!j.run.id) {
      TRY(db_new_run(d, run_key, r->json, seed, layout_run(a, x->name, of, x->cells[of].label, seed), a, &j.run, e));
      slot_user u = {d, j.run.id, e};
      sched_plugins_of(r, reg, store_plugin, &u);
      if (e->code) return e->code;
    }
    TRY(db_link_run(d, p->grid_id, cell, seed, j.run.id, e));
  }
  p->count[j.action]++;
  p->jobs[p->n++] = j;
  return GANTRY_OK;
}

/* What only the worker or the machine can tell, and nobody is kept from doing. Each text once. */
static void warn(const cfg_experiment *x, const sched_plan *p, arena *a) {
  const char **said = ARENA_ARRAY(a, const char *, x->n_cells + 1);
  int64_t threads = 0;
  uint32_t n = 0;
  for (uint32_t k = 0; k < x->n_cells; k++) {
    if (!x->cells[k].run || !x->cells[k].selected) continue;
    if (x->cells[k].run->threads > threads) threads = x->cells[k].run->threads;
    for (const sched_fact *f = p->cells[k].all; f; f = f->next) {
      uint32_t i = 0;
      if (strncmp(f->name, "warning.", 8)) continue;
      while (i < n && strcmp(said[i], f->value)) i++;
      if (i == n && n < x->n_cells) log_line(LOG_WARN, "%s", said[n++] = f->value);
    }
  }
  if (threads > sched_cores()) log_line(LOG_WARN, "train.threads is %lld, but gantry may use %lld core%s here: the threads share %s, which is slower than as many threads as cores, and one run goes at once", (long long)threads, (long long)sched_cores(), sched_cores() == 1 ? "" : "s", sched_cores() == 1 ? "it" : "them");
}

gantry_status sched_plan_make(const cfg_experiment *x, abi_registry *reg, const sched_options *o, db *d, int write, arena *a, sched_plan *p, err *e) {
  *p = (sched_plan){.cells = ARENA_ARRAY(a, sched_facts, x->n_cells + 1), .jobs = ARENA_ARRAY(a, sched_job, (size_t)x->n_cells * x->n_seeds + 1)};
  TRY(probe_cells(x, reg, o, d, write, a, p, e));
  warn(x, p, a);
  if (write) TRY(write_grid(x, d, a, &p->grid_id, e));
  for (uint32_t s = 0; s < x->n_seeds; s++)
    for (uint32_t k = 0; k < x->n_cells; k++) {
      const cfg_cell *c = &x->cells[k];
      uint32_t of = c->same_as >= 0 ? (uint32_t)c->same_as : k;
      if (c->excluded || !c->selected || !p->cells[of].train_key) continue;
      TRY(plan_one(x, reg, o, d, write, a, p, k, x->seeds[s], e));
    }
  if (write) TRY(db_unlink_unfinished(d, p->grid_id, x->seeds, x->n_seeds, e));
  if (write) TRY(db_grid_view(d, p->grid_id, e));
  return d && write ? db_commit(d, e) : GANTRY_OK;
}
