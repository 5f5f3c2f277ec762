/* plan.c - what an experiment still needs. See sched.h.
 *
 * The identity of a run is what can change its weights, and only the worker can say that (it builds the graphs). Its answers are
 * kept under everything they depend on: settings, the bytes of the plugins, the host program, the state of the data's files. So a
 * finished grid is recognised without starting a process. */
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/hash.h"
#include "base/log.h"
#include "sched/child.h"
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
  char length[64];
  snprintf(length, sizeof length, "%u %.17g", r->length.unit, r->length.n);
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

/* ---- asking workers ---- */

typedef struct asking {
  child c;
  uint32_t cell;
  char key[65];
  const char *file, *log, *failed;
  int64_t ended_ms; /* when we ended it ourselves: it hung */
  VEC(sched_fact) facts;
  arena *a;
} asking;

static void on_answer(void *user, const rec *r) {
  asking *q = user;
  if (r->type == REC_FACT) {
    VEC_PUSH(q->facts, ((sched_fact){arena_str(q->a, r->u.fact.key), arena_str(q->a, r->u.fact.value), NULL}));
  } else if (r->type == REC_DONE && strcmp(r->u.done.status, "done")) {
    q->failed = arena_str(q->a, r->u.done.text ? r->u.done.text : r->u.done.status);
  }
}

/* Not below --out: looking at a plan leaves nothing there. */
static const char *probe_dir(arena *a) {
  const char *tmp = getenv("TMPDIR");
  return arena_fmt(a, "%s/gantry-probe-%ld", tmp && *tmp ? tmp : "/tmp", (long)getpid());
}

static gantry_status ask(asking *q, const cfg_run *r, uint64_t seed, const sched_options *o, err *e) {
  const char *dir = probe_dir(q->a);
  TRY(dir_make(dir, e));
  q->file = arena_fmt(q->a, "%s/%u.json", dir, q->cell);
  q->log = arena_fmt(q->a, "%s/%u.log", dir, q->cell);
  unlink(q->log);
  TRY(file_write(q->file, r->json, strlen(r->json), e));
  VEC(const char *) argv = {0};
  const char *fixed[] = {o->exe, "worker", "--probe", "--config", q->file, "--seed", arena_fmt(q->a, "%llu", (unsigned long long)seed), "--fd", "3"};
  for (size_t k = 0; k < sizeof fixed / sizeof *fixed; k++) VEC_PUSH(argv, fixed[k]);
  for (const char *const *x = o->extra; x && *x; x++) VEC_PUSH(argv, *x);
  VEC_PUSH(argv, NULL);
  static const char *const env[] = {"OMP_NUM_THREADS=1", "OMP_WAIT_POLICY=passive", "OPENBLAS_NUM_THREADS=1", NULL};
  gantry_status st = child_start(&q->c, argv.p, env, q->log, 0, on_answer, q, e);
  free(argv.p);
  return st;
}

/* A plugin that crashes is its cell's failure, not the grid's: the cell gets a key of its own, so that its runs are made, crash in workers of
 * their own and are recorded as failed. The key is not remembered: a rebuilt plugin is asked again. */
static int stands_for_a_crash(asking *q, const char *label) {
  int sig = q->c.end.signal;
  char key[65], text[80];
  if (!q->ended_ms && sig != SIGSEGV && sig != SIGBUS && sig != SIGILL && sig != SIGFPE && sig != SIGABRT) return 0;
  log_line(LOG_WARN, "cell %s: building it crashed with %s; its runs will fail: %s", label, proc_signal_name(sig), log_tail(q->a, q->log, 4000));
  snprintf(text, sizeof text, "crashed|%s", q->key);
  sha_hex(text, strlen(text), key);
  q->facts.n = 0;
  VEC_PUSH(q->facts, ((sched_fact){"train_key", arena_str(q->a, key), NULL}));
  return 1;
}

static gantry_status take_answer(asking *q, const cfg_experiment *x, db *d, int write, err *e) {
  const char *label = x->cells[q->cell].label;
  const proc_end *end = &q->c.end;
  int has_key = 0;
  for (uint32_t k = 0; k < q->facts.n; k++) has_key |= !strcmp(q->facts.p[k].name, "train_key");
  if (q->failed) return err_set(e, GANTRY_E_CONFIG, "cell %s cannot run: %s", label, q->failed);
  if (stands_for_a_crash(q, label)) return GANTRY_OK;
  if (end->signal) return err_set(e, GANTRY_E_CONFIG, "cell %s: building it crashed with %s: %s", label, proc_signal_name(end->signal), log_tail(q->a, q->log, 800));
  if (end->code || !has_key) return err_set(e, GANTRY_E_CONFIG, "cell %s: its worker ended with status %d and no answer: %s", label, end->code, log_tail(q->a, q->log, 800));
  for (uint32_t k = 0; k < q->facts.n && write; k++) TRY(db_probe_put(d, q->key, q->facts.p[k].name, q->facts.p[k].value, e));
  return GANTRY_OK;
}

static void set_fact(sched_facts *f, arena *a, const char *name, const char *value) {
  sched_fact *one = ARENA_NEW(a, sched_fact);
  *one = (sched_fact){arena_str(a, name), arena_str(a, value), f->all};
  f->all = one;
  if (!strcmp(name, "train_key")) f->train_key = arena_str(a, value);
  if (!strcmp(name, "params.g")) f->params_g = arena_str(a, value);
  if (!strcmp(name, "params.d")) f->params_d = arena_str(a, value);
  if (!strcmp(name, "memory.bytes")) f->memory = arena_str(a, value);
  if (!strcmp(name, "steps.total")) f->steps = strtoll(value, NULL, 10);
}

/* A plugin that loops while it builds: SIGABRT, whose handler says where, then SIGKILL. */
static void end_if_hung(asking *q, int64_t timeout_s) {
  enum { GRACE_MS = 5000 };
  int64_t now = proc_now_ms();
  if (q->ended_ms) {
    if (now - q->ended_ms > GRACE_MS) proc_signal(&q->c.p, SIGKILL);
  } else if (timeout_s > 0 && now - q->c.heard_ms > timeout_s * 1000) {
    q->ended_ms = now;
    log_line(LOG_WARN, "building cell %u shows no sign of life for %lld s (--timeout changes the limit)", q->cell, (long long)timeout_s);
    proc_signal(&q->c.p, SIGABRT);
  }
}

static int wanted(const cfg_cell *c) { return c->run && c->same_as < 0; }

static gantry_status probe_cells(const cfg_experiment *x, abi_registry *reg, const sched_options *o, db *d, int write, arena *a, sched_plan *p, err *e) {
  uint32_t next = 0, running = 0, slots = (uint32_t)sched_cores();
  asking *q = mem_alloc(sizeof *q * slots);
  child **list = mem_alloc(sizeof *list * slots);
  gantry_status st = GANTRY_OK;
  while (!st && (next < x->n_cells || running)) {
    for (; next < x->n_cells && running < slots && !st; next++) {
      const cfg_cell *c = &x->cells[next];
      db_table known = {0};
      char key[65];
      if (!wanted(c) || !c->selected) continue;
      probe_key(c->run, reg, o, key);
      if (d && (st = db_probe_get(d, key, a, &known, e))) break;
      for (uint32_t k = 0; k < known.n_rows; k++) set_fact(&p->cells[next], a, db_at(&known, k, 0)->s, db_at(&known, k, 1)->s);
      if (known.n_rows) continue;
      uint32_t s = 0;
      while (list[s]) s++;
      q[s] = (asking){.cell = next, .a = a};
      memcpy(q[s].key, key, sizeof key);
      if ((st = ask(&q[s], c->run, x->seeds[0], o, e))) break;
      list[s] = &q[s].c;
      running++;
      p->probed++;
    }
    if (!st && running) st = children_wait(list, slots, -1, NULL, 1000, e);
    for (uint32_t s = 0; s < slots && !st; s++) {
      if (list[s] && !list[s]->end.exited) end_if_hung(&q[s], o->timeout_s);
      if (!list[s] || !list[s]->end.exited) continue;
      st = take_answer(&q[s], x, d, write, e);
      if (!st && write) st = db_tick(d, proc_now_ms(), e); /* others may want to write beside us */
      for (uint32_t k = 0; k < q[s].facts.n; k++) set_fact(&p->cells[q[s].cell], a, q[s].facts.p[k].name, q[s].facts.p[k].value);
      child_free(list[s]);
      free(q[s].facts.p);
      unlink(q[s].file);
      unlink(q[s].log);
      list[s] = NULL;
      running--;
    }
  }
  for (uint32_t s = 0; s < slots; s++)
    if (list[s]) {
      child_free(list[s]);
      free(q[s].facts.p);
      unlink(q[s].file);
      unlink(q[s].log);
    }
  rmdir(probe_dir(a));
  free(q);
  free(list);
  return st;
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

gantry_status sched_plan_make(const cfg_experiment *x, abi_registry *reg, const sched_options *o, db *d, int write, arena *a, sched_plan *p, err *e) {
  *p = (sched_plan){.cells = ARENA_ARRAY(a, sched_facts, x->n_cells + 1), .jobs = ARENA_ARRAY(a, sched_job, (size_t)x->n_cells * x->n_seeds + 1)};
  TRY(probe_cells(x, reg, o, d, write, a, p, e));
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
