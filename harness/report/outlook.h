/* outlook.h - before a grid runs: how long it will take and how small a difference it can show.
 *
 * Both come from runs that are in the database already (of the same cell, else of the same grid, else of any grid); where there are none, that is said. */
#ifndef REPORT_OUTLOOK_H
#define REPORT_OUTLOOK_H
#include "report/model.h"

/* Seconds of one step of a run with these settings: from runs of `config_json`, else of grid, else 0 (unknown). */
gantry_status outlook_step_seconds(db *d, const char *grid, const char *config_json, double *seconds, err *e);
/* Spread between seeds within a cell, pooled over finished runs of the grid (of ln value where log_scale), and how many degrees of freedom it rests on; df 0: none. */
gantry_status outlook_spread(db *d, const char *grid, const char *metric, const char *weights, int log_scale, double *sd, int64_t *df, err *e);
/* The least true difference of two levels that n seeds in k contexts find with 80 % power at the 5 % level, two-sided (paired over seeds, seeds as blocks):
 * (t.975 + t.8) sd sqrt(2 / (n k)), n - 1 degrees of freedom. NaN below 2 seeds. */
double outlook_detectable(double sd, uint32_t n, uint32_t k);
#endif
