/* model.h - one grid as the reports see it: cells x seeds of the judging metric, what differs from what, and how sure that is. */
#ifndef REPORT_MODEL_H
#define REPORT_MODEL_H
#include "report/pairs.h"
#include "report/stats.h"
#include "store/db.h"

typedef struct report_run { const char *uid, *status, *dir, *error_class, *error_text; int64_t id, step, total; double value, train_s; double n_fake; uint8_t is_nan; } report_run; /* uid NULL: none; n_fake: samples behind the value, 0 without; is_nan: measured, and no number */
typedef struct report_cell {
  const char *label, *excluded;
  const int32_t *level;       /* by factor; -1 = does not apply */
  int64_t idx, same_as;
  stat_cell stat;             /* of the runs that have a value and did not diverge */
  uint32_t done, diverged, failed, pruned, unfinished;
  uint8_t close_to_best;      /* cannot be told apart from the best cell, paired over seeds */
  stat_effect against_base;   /* to the baseline cell; contexts 0 if it is that cell */
} report_cell;
typedef struct report_factor { const char *name; const char **levels; uint32_t n_levels, baseline; } report_factor;
typedef struct report_contrast { const char *factor, *from, *to; uint32_t f, level; stat_effect e; double worst_context, best_context; double p_holm; uint8_t nothing; } report_contrast; /* f, level: their numbers; nothing: every pair of runs is identical, step by step */
typedef struct report_model {
  const char *grid, *question, *metric, *weights, *reduce;
  int higher, log_scale;      /* log_scale: differences are of logarithms, shown as percentages */
  int64_t grid_id;
  report_cell *cells;
  uint32_t n_cells;
  const int64_t *seeds;
  uint32_t n_seeds;
  report_run *runs;           /* [cell][seed] */
  report_factor *factors;
  uint32_t n_factors;
  report_contrast *contrasts;
  uint32_t n_contrasts;
  uint32_t n_measured, n_nan; /* finished runs with the metric, and those of them where it was NaN */
  int coarse;                 /* the metric's values are counts or shares of counts */
  double untrained, real;     /* the metric of generators before their first step, and of held-out real images; NAN if not measured */
  int64_t best, base;         /* cells, or -1 */
  const char **warnings;
  uint32_t n_warnings;
} report_model;

/* grid NULL: the newest. */
gantry_status report_load(db *d, const char *grid, arena *a, report_model *m, err *e);
/* Every metric that a run of the grid has a value of, each as a model of its own, computed as the judging one is: m[0] is the judging metric's, the others follow by name, with the
 * goal that their plugins state and the grid's choice of weights and value (last, best). Their p-values are corrected within each metric. */
gantry_status report_load_all(db *d, const char *grid, arena *a, report_model **m, uint32_t *n, err *e);
/* The pairs of cells behind a contrast, in the order of the cells; returns how many. */
uint32_t report_pairs(const report_model *m, const report_contrast *c, arena *a, const pairs_pair **p);
uint32_t report_planned(const report_cell *c); /* runs, whatever became of them */
const report_run *report_run_at(const report_model *m, uint32_t cell, uint32_t seed);
/* A difference as it is shown: in percent on the log scale, else as it is. */
double report_shown(const report_model *m, double d);
/* "-12.3 %" on the log scale, else the plain difference. */
const char *report_change(const report_model *m, arena *a, double d);
const char *report_change_interval(const report_model *m, arena *a, const stat_effect *e);
const char *report_mean_sd(arena *a, const stat_cell *c); /* "12.3 ± 0.4" */
/* Sentences: what is best, how sure, what mattered. One per line. */
void report_verdict(const report_model *m, arena *a, buf *out);

void report_text(const report_model *m, arena *a, buf *out);     /* for the terminal */
gantry_status report_markdown(db *d, const report_model *m, arena *a, buf *out, err *e);
/* One file without outside parts; images below `out_dir` are put into it. */
gantry_status report_html(db *d, const report_model *m, const char *out_dir, arena *a, buf *out, err *e);
/* For programs: every number with all its digits. `n` models of one grid, from report_load_all. */
enum { REPORT_CELLS, REPORT_EFFECTS, REPORT_CURVES, REPORT_PAIRS };
gantry_status report_csv(db *d, const report_model *m, uint32_t n, int table, arena *a, buf *out, err *e); /* table: REPORT_* */
void report_json(const report_model *m, uint32_t n, arena *a, buf *out);
/* A tabular with the rules of the package booktabs, for a paper: a row per cell, a column per factor and metric. */
void report_latex(const report_model *m, uint32_t n, arena *a, buf *out);
/* An aligned table of text columns, numbers to the right. */
void report_aligned(const db_table *t, buf *out);
#endif
