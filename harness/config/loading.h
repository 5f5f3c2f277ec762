/* loading.h - one experiment while it is being read: shared by experiment.c, judge.c and cells.c. Private to harness/config. */
#ifndef CONFIG_LOADING_H
#define CONFIG_LOADING_H
#include "config/expand.h"

enum { MAX_EXTENDS = 8, MAX_SEEDS = 10000 };

typedef struct loading {
  arena *a;
  err *e;
  abi_registry *reg;
  const cfg_options *o;
  cfg_experiment *x;
  doc docs[MAX_EXTENDS]; /* the file, then what it extends, and so on */
  uint32_t n_docs;
  layer *sets;           /* values written last into every cell */
  uint32_t n_sets;
  json_t *base, *owned;  /* owned: array keeping made values alive */
  plan_in in;
  VEC(const char *) warnings;
} loading;

void loading_warn(loading *l, const char *text); /* each text once */
/* A section: the file's own, or of the nearest file it extends. */
const json_t *loading_top(loading *l, const char *key, const doc **src);
gantry_status loading_judge(loading *l);
gantry_status loading_judge_weights(loading *l); /* once the cells are there */
gantry_status loading_early(loading *l);
gantry_status loading_early_seen(loading *l); /* once the cells are there: the judged metric is computed before the end in some of them */
gantry_status loading_cells(loading *l, const combos *c);
#endif
