/* early.h - early stopping: whether a run that was just evaluated does so badly beside the others that it is ended. Private to harness/sched.
 *
 * Compared are evaluations of the judging metric at the same step of runs of the same grid and the same seed, never across seeds (a hard seed is no bad setting), and the
 * baseline's runs are never ended (every comparison needs them). The rules:
 *   median  ended if the value is worse than the median of at least `least` others (the median stopping rule of Golovin et al. 2017, on values at equal steps)
 *   asha    at the first evaluation at or after `after` * factor^j, j = 0, 1, ...: ended unless it is among the best 1/factor of those that came there, once `least` others did
 *           (asynchronous successive halving, Li et al. 2020)
 * What is ended depends on which runs came first, so it may differ between two executions of a grid; the weights of every run do not. A run that was ended has the status "pruned": it
 * is an outcome, no mean counts it, and without the section (or with --retry) it goes on. */
#ifndef SCHED_EARLY_H
#define SCHED_EARLY_H
#include "sched/sched.h"

/* 1: end it; `why` (arena-owned) says what it was compared with. */
gantry_status early_judge(const cfg_experiment *x, db *d, int64_t grid_id, const sched_job *j, const rec *r, arena *a, int *end, const char **why, err *e);
#endif
