/* probe.h - what the cells of an experiment are, asked of workers: many cells a process, none of them at the mercy of another's plugin. Private to harness/sched. */
#ifndef SCHED_PROBE_H
#define SCHED_PROBE_H
#include "sched/child.h"
#include "sched/sched.h"

typedef struct probe_fact { const char *name, *value; } probe_fact;
typedef struct probe_question {
  uint32_t cell;
  uint8_t answered, alone, crashed; /* alone: in a process of its own; crashed: building the cell did, twice; its key stands for that */
  const char *file, *failed;        /* settings; why the cell cannot run, or NULL */
  VEC(probe_fact) facts;            /* "train_key", "params.g" ... as in records */
} probe_question;
typedef gantry_status probe_fn(void *user, const probe_question *q, err *e);

/* Asks for cells[0..n-1] of x, the first seed each, and gives every answer to fn, in no particular order. keys, by cell: what the answer is remembered under. A cell that cannot run is an error that names it. */
gantry_status probe_ask(const cfg_experiment *x, const uint32_t *cells, const char *const *keys, uint32_t n, const sched_options *o, probe_fn *fn, void *user, err *e);
#endif
