/* order.c - which samples a batch holds: a keyed permutation per epoch, computed inside the program.
 *
 * Swap-or-not on 0 .. N-1: each round pairs x with k - x mod N and swaps the pair or not by one pseudo-random bit of the pair and the
 * round. Every round is an exact involution on any N, so an epoch visits each sample exactly once. Round keys come from a 32-bit mix of
 * seed, epoch and round; the bits from the same mix of the larger partner. 20 rounds of it pass the tests of uniformity in tests/unit/data. */
#include <gantry/ops.h>

#include "data/data.h"

enum { ROUNDS = 20 };

static gantry_t word(gantry_ctx *cx, double v) { return gan_full_as(cx, GANTRY_U32, 0, NULL, v); }

/* A bijective 32-bit mixer of the xorshift-multiply form (constants: Ettinger, lowbias32). */
static gantry_t mix(gantry_ctx *cx, gantry_t x) {
  x = gan_xor(cx, x, gan_shr(cx, x, word(cx, 16)));
  x = gan_mul(cx, x, word(cx, 0x7feb352d));
  x = gan_xor(cx, x, gan_shr(cx, x, word(cx, 15)));
  x = gan_mul(cx, x, word(cx, 0x846ca68b));
  return gan_xor(cx, x, gan_shr(cx, x, word(cx, 16)));
}

ir_id data_indices(abi_builder *b, const data_set *d, ir_id first, int64_t n) {
  gantry_ctx *cx = &b->cx;
  if (b->drawn.at && b->drawn.set == d && b->drawn.first == first && b->drawn.n == n) return b->drawn.at; /* labels and images of one batch ask alike; the graph would find each of its 500 nodes again */
  static const int64_t two = 2;
  gantry_t seeds = abi_t(ir_leaf(b->g, GANTRY_OP_INPUT, abi_world_seed(b->world, ABI_SEED_DATA), GANTRY_U32, 1, &two));
  gantry_t seed = gan_xor(cx, gan_slice_axis(cx, seeds, 0, 0, 1, 1), mix(cx, gan_slice_axis(cx, seeds, 0, 1, 2, 1)));
  gantry_t count = gan_full_as(cx, GANTRY_I64, 0, NULL, (double)d->count);
  gantry_t at = gan_add(cx, gan_iota(cx, GANTRY_I64, 1, &n, 0), abi_t(first));
  gantry_t epoch = gan_cast(cx, gan_div(cx, at, count), GANTRY_U32), x = gan_mod(cx, at, count);
  gantry_t key = mix(cx, gan_xor(cx, seed, mix(cx, gan_add(cx, epoch, word(cx, 0x9e3779b9)))));
  for (int r = 0; r < ROUNDS; r++) {
    gantry_t round = mix(cx, gan_add(cx, key, word(cx, (double)(0x632be5abu * (uint32_t)(r + 1)))));
    gantry_t k = gan_mod(cx, gan_cast(cx, round, GANTRY_I64), count);
    gantry_t partner = gan_mod(cx, gan_sub(cx, gan_add(cx, k, count), x), count);
    gantry_t larger = gan_cast(cx, gan_max(cx, x, partner), GANTRY_U32);
    gantry_t bit = gan_and(cx, mix(cx, gan_xor(cx, larger, mix(cx, gan_add(cx, round, word(cx, 0x85ebca6b))))), word(cx, 1));
    x = gan_where(cx, gan_eq(cx, bit, word(cx, 1)), partner, x);
  }
  b->drawn.set = d;
  b->drawn.first = first;
  b->drawn.n = n;
  return b->drawn.at = x.id;
}

static uint32_t mixed(uint32_t x) {
  x = (x ^ x >> 16) * 0x7feb352du;
  x = (x ^ x >> 15) * 0x846ca68bu;
  return x ^ x >> 16;
}

/* The same as numbers, for who must know beforehand. */
int64_t data_order(int64_t count, const uint32_t seed[2], int64_t position) {
  int64_t x = position % count;
  uint32_t key = mixed((seed[0] ^ mixed(seed[1])) ^ mixed((uint32_t)(position / count) + 0x9e3779b9u));
  for (uint32_t r = 0; r < ROUNDS; r++) {
    uint32_t round = mixed(key + 0x632be5abu * (r + 1));
    int64_t partner = ((int64_t)round % count + count - x) % count, larger = x > partner ? x : partner;
    if (mixed((uint32_t)larger ^ mixed(round + 0x85ebca6bu)) & 1) x = partner;
  }
  return x;
}

ir_id data_batch(abi_builder *b, const data_set *d, const char *name, ir_id first, int64_t n, ir_id *indices) {
  ir_id x = data_indices(b, d, first, n);
  if (indices) *indices = x;
  return data_gather(b, d, name, x);
}

ir_id data_draw_labels(abi_builder *b, const data_set *d, const char *name, int64_t n) {
  gantry_ctx *cx = &b->cx;
  if (!d->labels) return 0;
  abi_frame f = abi_enter(b, NULL, "draw/label", NULL);
  gantry_t at = gan_mod(cx, gan_cast(cx, gan_bits(cx, 1, &n), GANTRY_I64), gan_full_as(cx, GANTRY_I64, 0, NULL, (double)d->count));
  abi_leave(b, f, GANTRY_OK, "labels");
  return data_labels(b, d, name, at.id);
}

ir_id data_reference(abi_builder *b, const data_set *d, const char *name, const char *what, int64_t n) {
  gantry_ctx *cx = &b->cx;
  gantry_t i = gan_iota(cx, GANTRY_I64, 1, &n, 0), at = gan_div(cx, gan_mul(cx, i, gan_full_as(cx, GANTRY_I64, 0, NULL, (double)d->count)), gan_full_as(cx, GANTRY_I64, 0, NULL, (double)n));
  if (!strcmp(what, "label")) return d->labels ? data_labels(b, d, name, at.id) : 0;
  return data_gather(b, d, name, at.id);
}
