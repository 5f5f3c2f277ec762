/* test_opt_conv.c - convolutions beside a change of size: each of their six places is rewritten to a convolution of that stride with the same values, 1 x 1
 * filters to a convolution of the small image; what only looks alike is left alone. */
#include "opt/left_over.h"

typedef struct shape { int64_t taps[2], lo[2], k[2], stride, groups; } shape;
/* A sum of products in another order: NaN and the infinities may change places. */
static uint32_t left(ir_graph *g, ir_id y, const char *rule, int fires) { return left_over_of(g, y, rule, fires, 1); }

enum { N = 2, H = 8, W = 6, C = 4, O = 6 };

static gantry_attr iv(uint32_t key, uint32_t n, const int64_t *v) { return (gantry_attr){.key = key, .n = n, .v.iv = v}; }

static ir_id leaf(ir_graph *g, const char *name, int64_t a, int64_t b, int64_t c, int64_t d) { return ir_leaf(g, GANTRY_OP_INPUT, name, GANTRY_F64, 4, (int64_t[]){a, b, c, d}); }

static ir_id up(ir_graph *g, ir_id x, const int64_t *k) {
  int64_t d[4], axes[4] = {0, 1, 3, 5};
  memcpy(d, ir_dims(g, x), sizeof d);
  int64_t wide[6] = {d[0], d[1], k[0], d[2], k[1], d[3]}, out[4] = {d[0], d[1] * k[0], d[2] * k[1], d[3]};
  gantry_attr at[] = {iv(GANTRY_A_DIMS, 6, wide), iv(GANTRY_A_AXES, 4, axes)};
  return ir_reshape(g, ir_op(g, GANTRY_OP_BROADCAST, &x, 1, at, 2), 4, out);
}
static ir_id down(ir_graph *g, ir_id x, const int64_t *k) {
  int64_t d[4];
  memcpy(d, ir_dims(g, x), sizeof d);
  return ir_sum(g, ir_reshape(g, x, 6, (int64_t[]){d[0], d[1] / k[0], k[0], d[2] / k[1], k[1], d[3]}), (int64_t[]){2, 4}, 2);
}

static ir_id conv(ir_graph *g, uint32_t op, ir_id a, ir_id b, const shape *s, const int64_t *dims) {
  ir_id in[2] = {a, b};
  int64_t stride[2] = {s->stride, s->stride}, hi[2] = {s->taps[0] - 1 - s->lo[0], s->taps[1] - 1 - s->lo[1]};
  gantry_attr at[] = {iv(GANTRY_A_STRIDE, 2, stride), iv(GANTRY_A_PAD_LO, 2, s->lo), iv(GANTRY_A_PAD_HI, 2, hi), {.key = GANTRY_A_GROUPS, .n = 1, .v.i = s->groups}, iv(GANTRY_A_DIMS, 4, dims)};
  return ir_op(g, op, in, 2, at, dims ? 5 : 4);
}

/* The six places: U in front of each face (of either operand of WGRAD), S behind two of them. */
enum { CONV_U, DGRAD_U, WGRAD_UX, WGRAD_UG, S_CONV, S_DGRAD, PLACES };
static const char *const rules[PLACES] = {"conv-of-enlarged", "conv-dgrad-of-enlarged", "conv-wgrad-of-enlarged", "conv-wgrad-of-enlarged", "pool-of-conv", "pool-of-conv"};

static ir_id build(ir_graph *g, int place, const shape *s) {
  int64_t h = H * s->k[0], w = W * s->k[1], image[4] = {N, h, w, C}, filter[4] = {O, s->taps[0], s->taps[1], C / s->groups};
  ir_id f = leaf(g, "w", O, s->taps[0], s->taps[1], C / s->groups), small_x = leaf(g, "x", N, H, W, C), small_g = leaf(g, "g", N, H, W, O), x = leaf(g, "X", N, h, w, C), y = leaf(g, "G", N, h, w, O);
  switch (place) {
    case CONV_U: return conv(g, GANTRY_OP_CONV, up(g, small_x, s->k), f, s, NULL);
    case DGRAD_U: return conv(g, GANTRY_OP_CONV_DGRAD, up(g, small_g, s->k), f, s, image);
    case WGRAD_UX: return conv(g, GANTRY_OP_CONV_WGRAD, up(g, small_x, s->k), y, s, filter);
    case WGRAD_UG: return conv(g, GANTRY_OP_CONV_WGRAD, x, up(g, small_g, s->k), s, filter);
    case S_CONV: return down(g, conv(g, GANTRY_OP_CONV, x, f, s, NULL), s->k);
  }
  return down(g, conv(g, GANTRY_OP_CONV_DGRAD, y, f, s, image), s->k);
}

static void test_opt_conv__six_places(void) {
  static const shape shapes[] = {{{3, 3}, {1, 1}, {2, 2}, 1, 1}, {{3, 3}, {1, 1}, {4, 3}, 1, 1}, {{2, 5}, {1, 1}, {2, 2}, 1, 1}, {{5, 2}, {0, 0}, {2, 3}, 1, 1}};
  static const uint32_t what[PLACES] = {GANTRY_OP_CONV_DGRAD, GANTRY_OP_CONV_DGRAD, GANTRY_OP_ADD, GANTRY_OP_ADD, GANTRY_OP_CONV, GANTRY_OP_CONV};
  for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++)
    for (int place = 0; place < PLACES; place++) {
      ir_graph *g = ir_new();
      T_CHECK(left(g, build(g, place, &shapes[k]), rules[place], 1) == what[place]);
    }
}

static void test_opt_conv__one_by_one(void) {
  static const shape s = {{1, 1}, {0, 0}, {2, 3}, 1, 1};
  static const uint32_t what[PLACES] = {GANTRY_OP_RESHAPE, GANTRY_OP_RESHAPE, GANTRY_OP_CONV_WGRAD, GANTRY_OP_CONV_WGRAD, GANTRY_OP_CONV, GANTRY_OP_CONV_DGRAD};
  for (int place = 0; place < PLACES; place++) {
    ir_graph *g = ir_new();
    T_CHECK(left(g, build(g, place, &s), rules[place], 1) == what[place]);
  }
}

/* Grouped filters, a filter along one axis only, an enlargement of more than four. */
static void test_opt_conv__others_are_left_alone(void) {
  static const shape grouped = {{3, 3}, {1, 1}, {2, 2}, 1, 2}, flat = {{3, 1}, {1, 0}, {2, 2}, 1, 1}, wide = {{3, 3}, {1, 1}, {5, 2}, 1, 1};
  static const shape *const shapes[] = {&grouped, &flat, &wide};
  for (int k = 0; k < 3; k++)
    for (int place = 0; place < PLACES; place++) {
      ir_graph *g = ir_new();
      left(g, build(g, place, shapes[k]), rules[place], 0);
    }
  static const shape s = {{3, 3}, {1, 1}, {2, 2}, 1, 1};
  for (int k = 0; k < 2; k++) { /* a stride of its own; no padding */
    ir_graph *g = ir_new();
    ir_id in[2] = {up(g, leaf(g, "x", N, H, W, C), s.k), leaf(g, "w", O, 3, 3, C)};
    int64_t stride[2] = {k ? 1 : 2, k ? 1 : 2}, pad[2] = {k ? 0 : 1, k ? 0 : 1};
    gantry_attr at[] = {iv(GANTRY_A_STRIDE, 2, stride), iv(GANTRY_A_PAD_LO, 2, pad), iv(GANTRY_A_PAD_HI, 2, pad)};
    T_CHECK(left(g, ir_op(g, GANTRY_OP_CONV, in, 2, at, 3), "conv-of-enlarged", 0) == GANTRY_OP_CONV);
  }
  ir_graph *g = ir_new(); /* repeated as a whole instead of pixel by pixel */
  int64_t d[6] = {N, 2, 3, 2, 4, C}, axes[4] = {0, 2, 4, 5}; /* so small that it would pass for one of 3 x 4 */
  ir_id x = leaf(g, "x", N, 3, 4, C);
  gantry_attr at[] = {iv(GANTRY_A_DIMS, 6, d), iv(GANTRY_A_AXES, 4, axes)};
  ir_id tiled = ir_reshape(g, ir_op(g, GANTRY_OP_BROADCAST, &x, 1, at, 2), 4, (int64_t[]){N, 6, 8, C});
  T_CHECK(left(g, conv(g, GANTRY_OP_CONV, tiled, leaf(g, "w", O, 3, 3, C), &s, NULL), "conv-of-enlarged", 0) == GANTRY_OP_CONV);
  g = ir_new(); /* sums of pixels that are far apart */
  ir_id y = conv(g, GANTRY_OP_CONV, leaf(g, "X", N, 2 * H, 2 * W, C), leaf(g, "w", O, 3, 3, C), &s, NULL);
  T_CHECK(left(g, ir_sum(g, ir_reshape(g, y, 6, (int64_t[]){N, 2, H, 2, W, O}), (int64_t[]){1, 3}, 2), "pool-of-conv", 0) == GANTRY_OP_SUM);
}

static void test_opt_conv__bias(void) {
  static const shape s = {{3, 3}, {1, 1}, {2, 2}, 1, 1};
  for (int along = 0; along < 2; along++) { /* a number per channel; along 0: per column, which is no bias */
    ir_graph *g = ir_new();
    ir_id y = build(g, S_CONV, &s), full = ir_in(g, ir_in(g, y, 0), 0), b = ir_leaf(g, GANTRY_OP_INPUT, "b", GANTRY_F64, 1, (int64_t[]){along ? O : 2 * W});
    int64_t d[4] = {N, 2 * H, 2 * W, O}, axis[1] = {along ? 3 : 2};
    gantry_attr at[] = {iv(GANTRY_A_DIMS, 4, d), iv(GANTRY_A_AXES, 1, axis)};
    T_CHECK(left(g, down(g, ir_add(g, full, ir_op(g, GANTRY_OP_BROADCAST, &b, 1, at, 2)), s.k), "pool-of-conv", along) == (along ? GANTRY_OP_ADD : GANTRY_OP_SUM));
  }
  for (int all = 0; all < 2; all++) { /* its gradient: over all of space, or along one axis */
    ir_graph *g = ir_new();
    ir_id big = up(g, leaf(g, "g", N, H, W, O), s.k);
    left(g, ir_sum(g, big, all ? (int64_t[]){0, 1, 2} : (int64_t[]){0, 1}, all ? 3 : 2), "sum-of-enlarged", all);
  }
}

T_MAIN(T(test_opt_conv__six_places), T(test_opt_conv__one_by_one), T(test_opt_conv__others_are_left_alone), T(test_opt_conv__bias))
