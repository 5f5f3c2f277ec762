/* cmd_worker.c - one run in a process of its own: what the parent of `gantry run` starts. Not for typing.
 *
 *   gantry worker --config FILE --seed N --dir DIR [--fd N] [--plugin FILE]... [--plugin-path DIR]... [--stop-after N]
 *   gantry worker --open --device NAME [--plugin ...]           opens the device, names its backend on standard output, and closes it
 *   gantry worker --probe --config FILE... --seed N [--fd N]   says what the runs are (key, parameters, memory) and trains nothing; see worker_probe.c
 *
 * Records go to the descriptor; standard error is the run's log. SIGTERM: checkpoint, then exit 75. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/files.h"
#include "cli/commands.h"
#include "cli/crash.h"
#include "cli/flags.h"
#include "cli/worker.h"

static volatile int stop_requested;

static void on_signal(int number) {
  (void)number;
  stop_requested = 1;
}

void worker_fact(rec_writer *w, const char *key, const char *value) {
  rec r = {.type = REC_FACT};
  r.u.fact.key = key;
  r.u.fact.value = value;
  rec_put(w, &r);
}

void worker_beat(rec_writer *w, const char *doing) {
  rec r = {.type = REC_BEAT};
  err ignored = {0};
  r.u.beat.doing = doing;
  rec_put(w, &r);
  rec_flush(w, &ignored);
}

void worker_done(rec_writer *w, int64_t step, const char *status, const err *e) {
  static const char *const classes[] = {"", "plugin", "shape", "dtype", "unsupported", "config", "io", "memory", "device", "internal", "cancelled"};
  rec r = {.type = REC_DONE, .step = step};
  err ignored = {0};
  r.u.done.status = status;
  r.u.done.error_class = e && e->code > 0 && e->code <= GANTRY_E_CANCELLED ? classes[e->code] : "";
  r.u.done.text = e ? e->msg : "";
  rec_put(w, &r);
  rec_flush(w, &ignored); /* if the parent is gone, nobody is left to be told */
}

gantry_status worker_load(const char *path, abi_registry *reg, cfg_run **out, arena *a, err *e) {
  buf text = {0};
  gantry_status st = file_read(path, &text, 64 << 20, e);
  if (!st) st = cfg_run_parse(text.p, reg, path_dir(a, path), out, e);
  buf_free(&text);
  return st;
}

static int open_device(const char *const *plugins, uint32_t n_plugins, const char *const *roots, uint32_t n_roots, const char *device) {
  err e = {0};
  arena *a = arena_new();
  abi_sources sources = abi_default_sources(a, plugins, n_plugins, roots, n_roots);
  abi_registry *reg = abi_registry_open(&sources, &e);
  const char *name = reg ? train_device_open(reg, device, a, &e) : NULL;
  if (name) puts(name);
  abi_registry_close(reg);
  arena_free(a);
  return name ? EXIT_OK : flags_error("worker", &e);
}

int cmd_worker(int argc, char **argv) {
  enum { CONFIG, SEED, DIR, FD, PROBE, PLUGIN, PLUGIN_PATH, STOP_AFTER, CACHE, DEVICE, OPEN_DEVICE, N };
  flag f[N] = {
    [CONFIG] = {.name = "--config", .value = "FILE", .help = "resolved settings of the run; of each, with --probe", .type = FLAG_LIST},
    [SEED] = {.name = "--seed", .value = "N", .help = "the run's seed", .type = FLAG_INT},
    [DIR] = {.name = "--dir", .value = "DIR", .help = "the run's folder", .type = FLAG_TEXT},
    [FD] = {.name = "--fd", .value = "N", .help = "descriptor that records are written to", .type = FLAG_INT},
    [PROBE] = {.name = "--probe", .help = "say what the runs are and stop", .type = FLAG_BOOL},
    [PLUGIN] = {.name = "--plugin", .value = "FILE", .help = "a plugin file", .type = FLAG_LIST},
    [PLUGIN_PATH] = {.name = "--plugin-path", .value = "DIR", .help = "a root of plugin folders", .type = FLAG_LIST},
    [CACHE] = {.name = "--cache", .value = "DIR", .help = "where what metrics keep of real images is shared between runs", .type = FLAG_TEXT},
    [DEVICE] = {.name = "--device", .value = "NAME", .help = "backend: cpu, cuda, cuda:1, auto (default cpu)", .type = FLAG_TEXT},
    [OPEN_DEVICE] = {.name = "--open", .help = "open the device and stop", .type = FLAG_BOOL},
    [STOP_AFTER] = {.name = "--stop-after", .value = "N", .help = "checkpoint and stop at this step", .type = FLAG_INT}};
  const char *words[2];
  uint32_t n_words;
  int rc = flags_parse(argc, argv, "gantry worker --config FILE --seed N --dir DIR", f, N, words, 2, &n_words);
  if (rc) return rc < 0 ? EXIT_OK : rc;
  if (f[OPEN_DEVICE].on) return open_device(f[PLUGIN].list, f[PLUGIN].n_list, f[PLUGIN_PATH].list, f[PLUGIN_PATH].n_list, f[DEVICE].on ? f[DEVICE].text : "cpu");
  if (!f[CONFIG].on || (!f[PROBE].on && !f[DIR].on)) {
    fprintf(stderr, "gantry worker: --config and --dir are needed; `gantry run` is the command for people\n");
    return EXIT_USAGE;
  }
  err e = {0};
  arena *a = arena_new();
  abi_sources sources = abi_default_sources(a, f[PLUGIN].list, f[PLUGIN].n_list, f[PLUGIN_PATH].list, f[PLUGIN_PATH].n_list);
  rec_writer *w = f[FD].on ? rec_writer_new((int)f[FD].number, 0) : NULL;
  abi_registry *reg = abi_registry_open(&sources, &e);
  cfg_run *cfg = NULL;
  train_run *r = NULL;
  int outcome = TRAIN_DONE;
  struct sigaction act = {.sa_handler = on_signal};
  sigaction(SIGTERM, &act, NULL);
  crash_describe(&r);
  worker_beat(w, "opening the data and building the programs");
  if (reg && f[PROBE].on) {
    rc = worker_probe(f[CONFIG].list, f[CONFIG].n_list, (uint64_t)f[SEED].number, f[FD].on ? (int)f[FD].number : -1, reg, &r);
  } else if (reg && !worker_load(f[CONFIG].list[0], reg, &cfg, a, &e) && !train_open(cfg, reg, (uint64_t)f[SEED].number, 0, &r, &e)) {
    train_loop_options o = {.dir = f[DIR].text, .cache = f[CACHE].text, .rec = w, .stop = &stop_requested, .stop_after = f[STOP_AFTER].number};
    if (f[DEVICE].on) r->device = f[DEVICE].text;
    r->folder = f[DIR].text;
    worker_beat(w, "compiling");
    if (!train_start(r, &e)) train_loop(r, &o, &outcome, &e);
  }
  if (e.code) {
    rc = flags_error("worker", &e);
    worker_done(w, 0, "failed", &e);
  } else if (!f[PROBE].on) {
    static const char *const names[] = {"done", "diverged", "stopped"};
    worker_done(w, r->total_steps, names[outcome], NULL);
    rc = outcome == TRAIN_STOPPED ? EXIT_STOPPED : EXIT_OK;
  }
  rec_writer_free(w);
  train_close(r);
  cfg_run_free(cfg);
  abi_registry_close(reg);
  arena_free(a);
  return rc;
}
