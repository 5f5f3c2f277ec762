/* Which cells are a factor's pairs: full grids, axes that apply in some cells only, cells that are the same runs, designs with holes. */
#include "t.h"

#include "report/pairs.h"

enum { OFF, ON };
/* "from-to/context from-to/context ..." of one factor from level 0 to `to`. */
static const char *found(const pairs_cell *c, uint32_t cells, uint32_t factors, uint32_t f, int32_t to, arena *a) {
  pairs_pair *p;
  uint32_t contexts, n = pairs_find(c, cells, factors, f, 0, to, a, &p, &contexts);
  const char *s = arena_fmt(a, "%u:", contexts);
  for (uint32_t k = 0; k < n; k++) s = arena_fmt(a, "%s %u-%u/%u", s, p[k].from, p[k].to, p[k].context);
  return s;
}

static void test_pairs__of_a_product_are_one_a_context(void) {
  static const int32_t lv[4][2] = {{0, 0}, {0, 1}, {1, 0}, {1, 1}};
  pairs_cell c[4];
  arena *a = arena_new();
  for (int k = 0; k < 4; k++) c[k] = (pairs_cell){lv[k], -1, 0};
  T_STR(found(c, 4, 2, 0, 1, a), "2: 0-2/0 1-3/1");
  T_STR(found(c, 4, 2, 1, 1, a), "2: 0-1/0 2-3/1");
  c[1].left_out = 1;
  T_STR(found(c, 4, 2, 0, 1, a), "1: 0-2/0");
  arena_free(a);
}

/* r1 off/on, gamma 0.1/1/10 where r1 is on, lr: what switching r1 on does is read from every gamma, and all that share the run without r1 are one context. */
static void test_pairs__an_axis_that_follows_is_no_difference(void) {
  static const int32_t lv[8][3] = {{OFF, -1, 0}, {OFF, -1, 1}, {ON, 0, 0}, {ON, 0, 1}, {ON, 1, 0}, {ON, 1, 1}, {ON, 2, 0}, {ON, 2, 1}};
  pairs_cell c[8];
  arena *a = arena_new();
  for (int k = 0; k < 8; k++) c[k] = (pairs_cell){lv[k], -1, 0};
  T_STR(found(c, 8, 3, 0, ON, a), "2: 0-2/0 0-4/0 0-6/0 1-3/1 1-5/1 1-7/1");
  T_STR(found(c, 8, 3, 1, 2, a), "2: 2-6/0 3-7/1");
  T_STR(found(c, 8, 3, 2, 1, a), "4: 0-1/0 2-3/1 4-5/2 6-7/3");
  arena_free(a);
}

/* The same grid without `when`: the cells without r1 are the same runs for every gamma. It says what the other says. */
static void test_pairs__the_same_runs_count_once(void) {
  static const int32_t lv[12][3] = {{OFF, 0, 0}, {OFF, 0, 1}, {OFF, 1, 0}, {OFF, 1, 1}, {OFF, 2, 0}, {OFF, 2, 1}, {ON, 0, 0}, {ON, 0, 1}, {ON, 1, 0}, {ON, 1, 1}, {ON, 2, 0}, {ON, 2, 1}};
  pairs_cell c[12];
  arena *a = arena_new();
  for (int k = 0; k < 12; k++) c[k] = (pairs_cell){lv[k], k >= 2 && k < 6 ? k % 2 : -1, 0};
  T_STR(found(c, 12, 3, 0, ON, a), "2: 0-6/0 1-7/1 0-8/0 1-9/1 0-10/0 1-11/1");
  T_STR(found(c, 12, 3, 1, 2, a), "2: 6-10/0 7-11/1");
  T_STR(found(c, 12, 3, 2, 1, a), "4: 0-1/0 6-7/1 8-9/2 10-11/3");
  T_STR(found(c, 6, 3, 1, 1, a), "2: 0-0/0 1-1/1"); /* nowhere anything else: the level changed nothing, which is for the report to say */
  arena_free(a);
}

static void test_pairs__designs_with_holes(void) {
  static const int32_t out[3][2] = {{ON, ON}, {OFF, ON}, {ON, OFF}}, zip[2][2] = {{0, 0}, {1, 1}};
  pairs_cell c[3];
  arena *a = arena_new();
  for (int k = 0; k < 3; k++) c[k] = (pairs_cell){out[k], -1, 0};
  T_STR(found(c, 3, 2, 0, ON, a), "1: 1-0/0");
  T_STR(found(c, 3, 2, 1, ON, a), "1: 2-0/0");
  for (int k = 0; k < 2; k++) c[k] = (pairs_cell){zip[k], -1, 0};
  T_STR(found(c, 2, 2, 0, 1, a), "0:");
  arena_free(a);
}

/* Two contexts that a third pair joins are one; and more pairs than cells are no trouble. */
static void test_pairs__joined_contexts(void) {
  static int32_t lv[20][3];
  pairs_cell c[20];
  arena *a = arena_new();
  for (int k = 0; k < 20; k++) { /* ten settings of one axis where the factor is off, ten of another where it is on */
    lv[k][0] = k >= 10;
    lv[k][1] = k < 10 ? k : -1;
    lv[k][2] = k < 10 ? -1 : k - 10;
    c[k] = (pairs_cell){lv[k], -1, 0};
  }
  pairs_pair *p;
  uint32_t contexts;
  T_CHECK(pairs_find(c, 20, 3, 0, 0, 1, a, &p, &contexts) == 100 && contexts == 1 && p[99].from == 9 && p[99].to == 19 && p[99].context == 0);
  arena_free(a);
}

T_MAIN(T(test_pairs__of_a_product_are_one_a_context), T(test_pairs__an_axis_that_follows_is_no_difference), T(test_pairs__the_same_runs_count_once), T(test_pairs__designs_with_holes), T(test_pairs__joined_contexts))
