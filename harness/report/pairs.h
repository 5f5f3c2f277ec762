/* pairs.h - which cells a factor's effect is read from.
 *
 * A pair is two cells that differ in one factor alone. A factor that applies to one of the two only (`when`) is no difference of its own: it follows from
 * the one that is looked at. Cells that are the same runs stand for their first one: a pair of them is counted once, and a cell is no pair with itself (what a
 * factor does where it means nothing is not a 0 to be averaged in). Pairs that share a cell are no independent evidence, so they are one context together. */
#ifndef REPORT_PAIRS_H
#define REPORT_PAIRS_H
#include "base/mem.h"

typedef struct pairs_cell { const int32_t *level; int64_t same_as; uint8_t left_out; } pairs_cell; /* level: by factor, -1 = does not apply; same_as: an earlier cell, or -1 */
typedef struct pairs_pair { uint32_t from, to, context; } pairs_pair;

/* The pairs of `factor` between two of its levels, in the order of the cells; returns how many. Where every pair is a cell with itself, those. */
uint32_t pairs_find(const pairs_cell *cells, uint32_t n_cells, uint32_t n_factors, uint32_t factor, int32_t from, int32_t to, arena *a, pairs_pair **out, uint32_t *contexts);
#endif
