/* pairs.c - see pairs.h. */
#include "report/pairs.h"

/* Nothing but the factor differs. */
static int neighbours(const pairs_cell *a, const pairs_cell *b, uint32_t n_factors, uint32_t factor) {
  for (uint32_t k = 0; k < n_factors; k++)
    if (k != factor && a->level[k] >= 0 && b->level[k] >= 0 && a->level[k] != b->level[k]) return 0;
  return 1;
}

static uint32_t first_of(const pairs_cell *cells, uint32_t k) { return cells[k].same_as >= 0 ? (uint32_t)cells[k].same_as : k; }

/* Pairs of different runs, each once; or those of a cell with itself. A pair of two first cells comes before all that repeat it, so only the others have to be looked for. */
static uint32_t collect(const pairs_cell *cells, uint32_t n_cells, uint32_t n_factors, uint32_t factor, int32_t from, int32_t to, int itself, arena *a, pairs_pair **out) {
  uint32_t n = 0, room = n_cells + 1;
  pairs_pair *p = ARENA_ARRAY(a, pairs_pair, room);
  for (uint32_t i = 0; i < n_cells; i++) {
    if (cells[i].left_out || cells[i].level[factor] != from) continue;
    for (uint32_t k = 0; k < n_cells; k++) {
      if (cells[k].left_out || cells[k].level[factor] != to || !neighbours(&cells[i], &cells[k], n_factors, factor)) continue;
      uint32_t x = first_of(cells, i), y = first_of(cells, k), seen = 0;
      if ((x == y) != itself) continue;
      if (x != i || y != k)
        while (seen < n && (p[seen].from != x || p[seen].to != y)) seen++;
      else seen = n;
      if (seen < n) continue;
      if (n == room) {
        pairs_pair *more = ARENA_ARRAY(a, pairs_pair, 2 * (size_t)room);
        memcpy(more, p, n * sizeof *p);
        p = more;
        room *= 2;
      }
      p[n++] = (pairs_pair){x, y, 0};
    }
  }
  *out = p;
  return n;
}

static uint32_t root_of(uint32_t *up, uint32_t k) {
  while (up[k] != k) k = up[k] = up[up[k]];
  return k;
}

uint32_t pairs_find(const pairs_cell *cells, uint32_t n_cells, uint32_t n_factors, uint32_t factor, int32_t from, int32_t to, arena *a, pairs_pair **out, uint32_t *contexts) {
  uint32_t n = collect(cells, n_cells, n_factors, factor, from, to, 0, a, out);
  if (!n) n = collect(cells, n_cells, n_factors, factor, from, to, 1, a, out);
  uint32_t *up = ARENA_ARRAY(a, uint32_t, n_cells + 1), *number = ARENA_ARRAY(a, uint32_t, n_cells + 1);
  for (uint32_t k = 0; k < n_cells; k++) up[k] = k, number[k] = UINT32_MAX;
  for (uint32_t k = 0; k < n; k++) up[root_of(up, (*out)[k].to)] = root_of(up, (*out)[k].from);
  *contexts = 0;
  for (uint32_t k = 0; k < n; k++) {
    uint32_t r = root_of(up, (*out)[k].from);
    if (number[r] == UINT32_MAX) number[r] = (*contexts)++;
    (*out)[k].context = number[r];
  }
  return n;
}
