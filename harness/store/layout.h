/* layout.h - where things stand below --out: gantry.db, runs/<grid>/<cell>-<labels>/s<seed>/, reports. */
#ifndef STORE_LAYOUT_H
#define STORE_LAYOUT_H
#include "base/mem.h"

const char *layout_out(arena *a, const char *given);  /* given, or $GANTRY_OUT, or "gantry-out" */
const char *layout_db(arena *a, const char *given);   /* given may be the file or its folder; NULL as above */
/* Relative to --out. The label is made safe for file names and cut; the cell's number keeps it unique. */
const char *layout_run(arena *a, const char *grid, int64_t cell, const char *label, uint64_t seed);
/* Whether a run's folder as a database names it lies below runs/ of its --out: databases can come from elsewhere, and what they say is not believed. */
int layout_is_run(const char *dir);
#endif
