/* why.c - what a cell that is to train has other than the run that it had before. See sched.h.
 *
 * In: the cell's settings and its probe; the newest run that stands in the database for a cell of that label in that grid. Out: one sentence. A setting
 * explains most, so settings come first; where none differs the data, a plugin or a graph must, and each of those was recorded with the run. */
#include "sched/sched.h"

enum { MOST = 3 }; /* differences told; the rest are counted */

/* Leaves of two settings that differ and can change weights. ?1 the new JSON, ?2 the old one. */
static const char settings[] =
  "WITH n AS (SELECT substr(replace(fullkey,'\"',''),3) k, atom v FROM json_tree(?1) WHERE atom IS NOT NULL), o AS (SELECT substr(replace(fullkey,'\"',''),3) k, atom v FROM json_tree(?2) WHERE atom IS NOT NULL)"
  " SELECT k, was, now FROM (SELECT n.k, o.v was, n.v now FROM n LEFT JOIN o ON o.k=n.k WHERE o.v IS NOT n.v UNION ALL SELECT o.k, o.v, NULL FROM o WHERE o.k NOT IN (SELECT k FROM n))"
  " WHERE k NOT GLOB 'metrics.*' AND k NOT GLOB 'samples.*' AND k NOT GLOB 'checkpoints.*' AND k NOT GLOB 'log.*' AND k<>'data.storage' ORDER BY k";

typedef struct telling { buf text; uint32_t n; } telling;

static void tell(telling *t, const char *what) {
  if (t->n++ < MOST) buf_printf(&t->text, "%s%s", t->n > 1 ? "; " : "", what);
}

typedef struct plugin_user { telling *t; const db_table *old; arena *a; } plugin_user;
static void compare_plugin(void *user, const char *slot, const abi_plugin *p) {
  plugin_user *u = user;
  if (p->desc->kind == GANTRY_KIND_METRIC) return;
  for (uint32_t k = 0; k < u->old->n_rows; k++)
    if (!strcmp(db_at(u->old, k, 0)->s, slot) && strcmp(db_at(u->old, k, 1)->s, p->sha256)) tell(u->t, arena_fmt(u->a, "the plugin %s (%s) is another file than it was", p->desc->name, slot));
}

/* The programs' graphs: which part of a step is computed otherwise. */
static void compare_facts(telling *t, const sched_facts *f, const db_table *old, arena *a) {
  for (const sched_fact *now = f->all; now; now = now->next) {
    int graph = !strncmp(now->name, "graph.", 6);
    if (!graph && strcmp(now->name, "data")) continue;
    for (uint32_t r = 0; r < old->n_rows; r++)
      if (!strcmp(db_at(old, r, 0)->s, now->name) && strcmp(db_at(old, r, 1)->s, now->value)) tell(t, graph ? arena_fmt(a, "the graph of %s has changed", now->name + 6) : "the content of the data has changed");
  }
}

gantry_status sched_why(const cfg_experiment *x, abi_registry *reg, const sched_plan *p, db *d, uint32_t cell, arena *a, const char **why, err *e) {
  db_table run, t;
  telling said = {0};
  *why = NULL;
  TRY(db_query(d, a, &run, e, "SELECT r.id, k.json FROM grid g JOIN cell c ON c.grid_id=g.id JOIN cell_run x ON x.grid_id=g.id AND x.cell_idx=c.idx JOIN run r ON r.id=x.run_id JOIN config k ON k.id=r.config_id"
                              " WHERE g.name=? AND c.label=? AND r.step>0 ORDER BY r.id DESC LIMIT 1", "tt", x->name, x->cells[cell].label));
  if (!run.n_rows || !p->cells[cell].train_key) return GANTRY_OK;
  int64_t id = db_at(&run, 0, 0)->i;
  TRY(db_query(d, a, &t, e, "SELECT value FROM fact WHERE run_id=? AND key='train_key'", "i", id));
  if (t.n_rows && !strcmp(db_at(&t, 0, 0)->s, p->cells[cell].train_key)) return GANTRY_OK; /* another seed of it */
  TRY(db_query(d, a, &t, e, settings, "tt", x->cells[cell].run->json, db_at(&run, 0, 1)->s));
  for (uint32_t k = 0; k < t.n_rows; k++) {
    const db_value *was = db_at(&t, k, 1), *now = db_at(&t, k, 2);
    if (!strcmp(db_at(&t, k, 0)->s, "train.length") || !strncmp(db_at(&t, k, 0)->s, "train.length.", 13)) continue; /* alone it only continues a run */
    tell(&said, arena_fmt(a, "%s was %s, is %s", db_at(&t, k, 0)->s, was->s ? was->s : "not there", now->s ? now->s : "not there"));
  }
  if (!said.n) {
    TRY(db_query(d, a, &t, e, "SELECT key, value FROM fact WHERE run_id=?", "i", id));
    compare_facts(&said, &p->cells[cell], &t, a);
    TRY(db_query(d, a, &t, e, "SELECT s.slot, q.sha256 FROM run_plugin s JOIN plugin q ON q.id=s.plugin_id WHERE s.run_id=?", "i", id));
    plugin_user u = {&said, &t, a};
    sched_plugins_of(x->cells[cell].run, reg, compare_plugin, &u);
  }
  if (said.n > MOST) buf_printf(&said.text, " and %u more", said.n - MOST);
  if (said.n) *why = arena_str(a, said.text.p);
  buf_free(&said.text);
  return GANTRY_OK;
}
