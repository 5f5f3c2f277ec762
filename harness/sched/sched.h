/* sched.h - which runs an experiment still needs, and running them: child processes, retries, signals, live progress.
 *
 * The parent moves bytes: records come out of the children's pipes and go into the database. What a run is, how far it got and
 * whether it counts as finished is read from the database; how a run trains is the worker's business. */
#ifndef SCHED_SCHED_H
#define SCHED_SCHED_H
#include "config/config.h"
#include "store/db.h"

typedef struct sched_options {
  const char *exe, *out;          /* the program that answers to `worker`; the --out folder */
  const char *const *extra;       /* arguments handed to every worker, NULL-terminated, or NULL */
  int64_t jobs, max_failures;     /* 0: as many as fit the cores; no limit */
  int64_t timeout_s;              /* a run that gives no sign of life for so long is ended; 0 = never */
  int64_t memory_bytes;           /* most private memory of one run; 0 = no limit */
  int64_t log_bytes;              /* a run whose log grows beyond this is ended; 0 = no limit */
  int64_t retries;                /* further tries of a run that crashed, hung or ran out of memory */
  const char *on_event;           /* shell command for every run that ends, or NULL; see sched/notify.h */
  const char *device;             /* that workers are told to use ("auto", "cuda:1"), or NULL: one that is not shared */
  uint8_t quiet, again;           /* again: failed runs are tried once more */
  uint8_t mps;                    /* runs on one GPU may share it through NVIDIA's MPS; see sched/mps.h */
} sched_options;

/* SAME: a cell whose run another cell of the grid stands for. */
enum { SCHED_DONE, SCHED_EVALUATE, SCHED_CONTINUE, SCHED_TRAIN, SCHED_RETRY, SCHED_FAILED, SCHED_SAME };
typedef struct sched_job {
  uint32_t cell;
  uint64_t seed;
  int action;
  db_run run;
  const cfg_run *cfg;
  const char *label, *eval_key;
  const char *try_key;            /* what can make a run fail: its length, metrics and plugins; a run that failed under another one is tried anew */
  int64_t total;                  /* steps */
} sched_job;
typedef struct sched_fact { const char *name, *value; const struct sched_fact *next; } sched_fact;
typedef struct sched_facts { const char *train_key, *params_g, *params_d, *memory; int64_t steps; const sched_fact *all; } sched_facts; /* of one cell, from its probe */
typedef struct sched_plan {
  sched_job *jobs;                /* first seed of every cell first, so that early results cover the grid */
  uint32_t n, count[7];           /* by action */
  sched_facts *cells;             /* by cell; train_key NULL where not asked */
  int64_t grid_id;
  uint32_t probed;                /* cells that had to be asked, not remembered */
} sched_plan;
/* Asks workers for the keys of cells that are not remembered, compares with the database. write 0: only looks. */
gantry_status sched_plan_make(const cfg_experiment *x, abi_registry *reg, const sched_options *o, db *d, int write, arena *a, sched_plan *out, err *e);
const char *sched_action_name(int action);
/* why.c: what a cell that is to train has other than the run that it had in the database before: settings, data, plugins, graphs. In words, or NULL
 * where it never ran. */
gantry_status sched_why(const cfg_experiment *x, abi_registry *reg, const sched_plan *p, db *d, uint32_t cell, arena *a, const char **why, err *e);
typedef void sched_each_plugin(void *user, const char *slot, const abi_plugin *p);
void sched_plugins_of(const cfg_run *r, abi_registry *reg, sched_each_plugin *fn, void *user);

typedef struct sched_outcome { uint32_t done, diverged, pruned, failed, stopped, left; uint8_t interrupted; } sched_outcome;
gantry_status sched_run(const cfg_experiment *x, sched_plan *p, const sched_options *o, db *d, sched_outcome *out, err *e);
int64_t sched_cores(void);
#endif
