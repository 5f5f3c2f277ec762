/* worker_probe.c - `gantry worker --probe`: what runs are (key, parameters, memory, graphs), for the parent that plans. See worker.h.
 *
 * A grid has hundreds of cells, and most of what a process costs (finding and reading the plugins, reading and hashing the data set) is the same for all of them. So one process looks
 * at many: the data set is read again only where a cell names another, and a graph that was planned is known. A plugin that crashes takes the process along; the parent sees
 * at which cell, and starts another. The log is emptied before each cell: what is in it after a crash is about that one. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/flags.h"
#include "cli/worker.h"

static gantry_status look(train_run *r, train_memo *memo, rec_writer *w, err *e) {
  char key[65], text[32];
  int64_t bytes = 0;
  train_key(r, key);
  worker_fact(w, "train_key", key);
  worker_fact(w, "data", r->data->sha256);
  snprintf(text, sizeof text, "%lld", (long long)train_param_count(r, GANTRY_G));
  worker_fact(w, "params.g", text);
  snprintf(text, sizeof text, "%lld", (long long)train_param_count(r, GANTRY_D));
  worker_fact(w, "params.d", text);
  if (r->cfg->limit > r->data->info.count) {
    char why[200];
    snprintf(why, sizeof why, "data.limit is %lld, but %s has only %lld samples in its split \"%.40s\": all of them are used", (long long)r->cfg->limit, r->cfg->data.name, (long long)r->data->info.count, r->cfg->split);
    worker_fact(w, "warning.limit", why);
  }
  snprintf(text, sizeof text, "%lld", (long long)r->total_steps);
  worker_fact(w, "steps.total", text);
  TRY(train_memory(r, memo, &bytes, e));
  snprintf(text, sizeof text, "%lld", (long long)bytes);
  worker_fact(w, "memory.bytes", text);
  for (uint32_t k = 0; k < r->programs.n; k++) {
    char name[300];
    snprintf(name, sizeof name, "graph.%s", r->programs.p[k].name);
    snprintf(text, sizeof text, "%016llx", (unsigned long long)r->programs.p[k].hash);
    worker_fact(w, name, text);
  }
  worker_beat(w, "building the metrics");
  TRY(train_metrics_build(r, e));
  return rec_flush(w, e);
}

int worker_probe(const char *const *configs, uint32_t n, uint64_t seed, int fd, abi_registry *reg, train_run **seen) {
  train_memo memo = {0};
  train_run *donor = NULL; /* the last run that read its data itself */
  cfg_run *donor_cfg = NULL;
  int rc = EXIT_OK;
  for (uint32_t k = 0; k < n; k++) {
    arena *a = arena_new();
    rec_writer *w = fd >= 0 ? rec_writer_new(fd, k) : NULL;
    cfg_run *cfg = NULL;
    err e = {0};
    fflush(stderr);
    if (n > 1 && ftruncate(STDERR_FILENO, 0)) { /* a terminal or a pipe has no length */
    }
    worker_beat(w, "opening the data and building the programs");
    if (!worker_load(configs[k], reg, &cfg, a, &e) && !train_open_beside(cfg, reg, seed, 0, donor, seen, &e)) look(*seen, &memo, w, &e);
    if (e.code) rc = flags_error("worker", &e);
    worker_done(w, 0, e.code ? "failed" : "done", e.code ? &e : NULL);
    train_run *r = *seen;
    *seen = NULL;
    if (r && !r->borrowed) {
      train_close(donor);
      cfg_run_free(donor_cfg);
      donor = r;
      donor_cfg = cfg;
    } else {
      train_close(r);
      cfg_run_free(cfg);
    }
    rec_writer_free(w);
    arena_free(a);
  }
  train_close(donor);
  cfg_run_free(donor_cfg);
  free(memo.p.p);
  return rc;
}
