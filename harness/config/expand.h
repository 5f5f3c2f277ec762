/* expand.h - axes, rungs, rules and designs: what the files that turn an experiment into cells share. Private to harness/config. */
#ifndef CONFIG_EXPAND_H
#define CONFIG_EXPAND_H
#include "config/doc.h"

typedef struct writes { const layer *p; uint32_t n; } writes;
typedef struct level { const char *label, *value_json; writes sets; const place *at; uint8_t keep; } level; /* keep: of a rung */
typedef struct axis { /* a ladder is one axis named "rung" whose levels are its cells */
  const char *name, *path;
  const level *levels;
  uint32_t n, baseline;
  const json_t *self, *when;
} axis;
typedef struct clause { const json_t *self, *when; writes sets; const char *why; } clause; /* of rules, of exclude */

typedef struct plan_in { /* everything that decides the cells */
  const doc *src_axes, *src_rules, *src_exclude, *src_design; /* the file each section came from */
  axis *axes;
  uint32_t n_axes;
  uint8_t is_ladder;
  const level *rungs; /* of a ladder, as written */
  uint32_t n_rungs;
  const clause *rules, *excludes;
  uint32_t n_rules, n_excludes;
} plan_in;

typedef struct combo { const char *label; int32_t *level; writes sets; } combo; /* sets: of a ladder; axes set by level */
typedef struct combos { combo *p; uint32_t n, cap; } combos;

/* draw.c: the values of an axis that says how to draw them; a new array. */
gantry_status draw_values(const doc *src, const axis *x, const json_t *draw, json_t **values, arena *a, err *e);
gantry_status read_axes(plan_in *in, const json_t *axes, const json_t *baseline, const doc *src_baseline, arena *a, err *e);
gantry_status read_ladder(plan_in *in, const json_t *ladder, arena *a, err *e);
gantry_status read_rules(plan_in *in, const json_t *rules, arena *a, err *e);
gantry_status read_excludes(plan_in *in, const json_t *excludes, arena *a, err *e);
/* {"axis": label | [labels] | {"not": ...}}: checked once, matched often. level[k] = -1: the axis does not apply. */
gantry_status check_predicate(const plan_in *in, const doc *src, const json_t *when, const json_t *parent, const char *key, arena *a, err *e);
int matches(const plan_in *in, const json_t *when, const int32_t *level, arena *a);
/* Which axis writes a path that overlaps `path`, or NULL. */
const axis *axis_writing(const plan_in *in, const char *path);

/* The combinations of all designs, each once, in a fixed order. Free p. For a ladder also fills the axis "rung". */
gantry_status make_combos(plan_in *in, const json_t *design, const json_t *design_parent, arena *a, combos *out, err *e);
#endif
