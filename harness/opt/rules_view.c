/* rules_view.c - rewrites of rearrangements and of sums over them: what was only moved or copied need not be moved or summed. */
#include "opt/rules.h"

static ir_id make(ir_graph *g, uint32_t op, ir_id x, const gantry_attr *at, uint32_t n) { return ir_op(g, op, &x, 1, at, n); }

/* bits: a permutation that moves axes of size 1 only leaves the elements' order alone. */
ir_id rule_permute_units(ir_graph *g, ir_id id) {
  int64_t perm[GANTRY_MAX_RANK], dims[GANTRY_MAX_RANK], last = -1;
  uint32_t n = opt_list(g, id, GANTRY_A_PERM, perm);
  opt_shape(g, id, dims);
  for (uint32_t k = 0; k < n; k++) {
    if (dims[k] == 1) continue;
    if (perm[k] < last) return 0;
    last = perm[k];
  }
  return ir_reshape(g, ir_in(g, id, 0), n, dims);
}

/* bits: new axes of size 1 are a reshape. */
ir_id rule_broadcast_units(ir_graph *g, ir_id id) {
  int64_t dims[GANTRY_MAX_RANK];
  uint32_t n = opt_shape(g, id, dims);
  return ir_count(g, id) == ir_count(g, ir_in(g, id, 0)) ? ir_reshape(g, ir_in(g, id, 0), n, dims) : 0;
}

/* bits */
ir_id rule_broadcast_broadcast(ir_graph *g, ir_id id) {
  ir_id x = ir_in(g, id, 0);
  int64_t outer[GANTRY_MAX_RANK], inner[GANTRY_MAX_RANK], dims[GANTRY_MAX_RANK];
  if (!opt_is(g, x, GANTRY_OP_BROADCAST)) return 0;
  opt_list(g, id, GANTRY_A_AXES, outer);
  uint32_t n = opt_list(g, x, GANTRY_A_AXES, inner), rank = opt_shape(g, id, dims);
  for (uint32_t k = 0; k < n; k++) inner[k] = outer[inner[k]];
  gantry_attr at[] = {opt_ints(GANTRY_A_DIMS, rank, dims), opt_ints(GANTRY_A_AXES, n, inner)};
  return make(g, GANTRY_OP_BROADCAST, ir_in(g, x, 0), at, 2);
}

static int swaps_last_two(const ir_graph *g, ir_id id) {
  int64_t perm[GANTRY_MAX_RANK];
  if (!opt_is(g, id, GANTRY_OP_PERMUTE)) return 0;
  uint32_t n = opt_list(g, id, GANTRY_A_PERM, perm);
  for (uint32_t k = 0; k + 2 < n; k++)
    if (perm[k] != k) return 0;
  return n >= 2 && perm[n - 2] == n - 1;
}

/* bits: the product of the same numbers in the same order; the library reads the operand the other way. */
ir_id rule_matmul_permute(ir_graph *g, ir_id id) {
  ir_id a = ir_in(g, id, 0), b = ir_in(g, id, 1);
  int sa = swaps_last_two(g, a), sb = swaps_last_two(g, b);
  int ta = (int)ir_attr_i(g, id, GANTRY_A_TA, 0), tb = (int)ir_attr_i(g, id, GANTRY_A_TB, 0);
  if (!sa && !sb) return 0;
  return ir_matmul(g, sa ? ir_in(g, a, 0) : a, sb ? ir_in(g, b, 0) : b, ta ^ sa, tb ^ sb);
}

static ir_id slice(ir_graph *g, ir_id x, uint32_t rank, const int64_t *start, const int64_t *stop, const int64_t *step) {
  gantry_attr at[] = {opt_ints(GANTRY_A_START, rank, start), opt_ints(GANTRY_A_STOP, rank, stop), opt_ints(GANTRY_A_STEP, rank, step)};
  return make(g, GANTRY_OP_SLICE, x, at, 3);
}

/* bits: a slice that takes nothing of the padding. Either each of the original elements (interior padding skipped), or, without
 * interior padding, any part of them. */
ir_id rule_slice_pad(ir_graph *g, ir_id id) {
  ir_id pad = ir_in(g, id, 0);
  if (!opt_is(g, pad, GANTRY_OP_PAD)) return 0;
  ir_id x = ir_in(g, pad, 0);
  int64_t start[GANTRY_MAX_RANK], stop[GANTRY_MAX_RANK], step[GANTRY_MAX_RANK], lo[GANTRY_MAX_RANK], interior[GANTRY_MAX_RANK], dims[GANTRY_MAX_RANK], out[GANTRY_MAX_RANK];
  uint32_t rank = opt_shape(g, x, dims);
  opt_shape(g, id, out);
  opt_list(g, id, GANTRY_A_START, start);
  opt_list(g, id, GANTRY_A_STOP, stop);
  opt_list(g, id, GANTRY_A_STEP, step);
  opt_list(g, pad, GANTRY_A_LO, lo);
  opt_list(g, pad, GANTRY_A_INTERIOR, interior);
  for (uint32_t k = 0; k < rank; k++) {
    int64_t pitch = interior[k] + 1, from = start[k] - lo[k], last = from + (out[k] - 1) * step[k];
    if (out[k] == 1) step[k] = pitch;
    if (from < 0 || from % pitch || step[k] % pitch || last > (dims[k] - 1) * pitch) return 0;
    start[k] = from / pitch;
    step[k] /= pitch;
    stop[k] = start[k] + (out[k] - 1) * step[k] + 1;
  }
  return slice(g, x, rank, start, stop, step);
}

/* bits */
ir_id rule_slice_slice(ir_graph *g, ir_id id) {
  ir_id inner = ir_in(g, id, 0);
  if (!opt_is(g, inner, GANTRY_OP_SLICE)) return 0;
  int64_t start[GANTRY_MAX_RANK], stop[GANTRY_MAX_RANK], step[GANTRY_MAX_RANK], start0[GANTRY_MAX_RANK], step0[GANTRY_MAX_RANK], out[GANTRY_MAX_RANK];
  uint32_t rank = opt_shape(g, id, out);
  opt_list(g, id, GANTRY_A_START, start);
  opt_list(g, id, GANTRY_A_STEP, step);
  opt_list(g, inner, GANTRY_A_START, start0);
  opt_list(g, inner, GANTRY_A_STEP, step0);
  for (uint32_t k = 0; k < rank; k++) {
    start[k] = start0[k] + start[k] * step0[k];
    step[k] = out[k] == 1 ? 1 : step[k] * step0[k];
    stop[k] = start[k] + (out[k] - 1) * step[k] + 1;
  }
  return slice(g, ir_in(g, inner, 0), rank, start, stop, step);
}

/* bits: a slice that lies in one part of the concatenation. */
ir_id rule_slice_concat(ir_graph *g, ir_id id) {
  ir_id cat = ir_in(g, id, 0);
  if (!opt_is(g, cat, GANTRY_OP_CONCAT)) return 0;
  int64_t start[GANTRY_MAX_RANK], stop[GANTRY_MAX_RANK], step[GANTRY_MAX_RANK], axis = ir_attr_i(g, cat, GANTRY_A_AXIS, 0), at = 0;
  uint32_t rank = opt_list(g, id, GANTRY_A_START, start);
  opt_list(g, id, GANTRY_A_STOP, stop);
  opt_list(g, id, GANTRY_A_STEP, step);
  for (uint32_t k = 0; k < ir_at(g, cat)->n_in; k++) {
    ir_id part = ir_in(g, cat, k);
    int64_t next = at + ir_dims(g, part)[axis];
    if (start[axis] >= at && stop[axis] <= next) {
      start[axis] -= at;
      stop[axis] -= at;
      return slice(g, part, rank, start, stop, step);
    }
    at = next;
  }
  return 0;
}

/* bits: zeros around zeros. */
ir_id rule_pad_pad(ir_graph *g, ir_id id) {
  ir_id inner = ir_in(g, id, 0);
  if (!opt_is(g, inner, GANTRY_OP_PAD)) return 0;
  int64_t a[3][GANTRY_MAX_RANK] = {{0}}, b[3][GANTRY_MAX_RANK] = {{0}};
  static const uint32_t keys[] = {GANTRY_A_LO, GANTRY_A_HI, GANTRY_A_INTERIOR};
  uint32_t rank = 0;
  for (uint32_t k = 0; k < 3; k++) {
    rank = opt_list(g, id, keys[k], a[k]);
    opt_list(g, inner, keys[k], b[k]);
  }
  for (uint32_t k = 0; k < rank; k++) {
    if (a[2][k]) return 0; /* zeros between the inner padding's zeros: rare, left alone */
    a[0][k] += b[0][k];
    a[1][k] += b[1][k];
  }
  gantry_attr at[] = {opt_ints(GANTRY_A_LO, rank, a[0]), opt_ints(GANTRY_A_HI, rank, a[1]), opt_ints(GANTRY_A_INTERIOR, rank, b[2])};
  return make(g, GANTRY_OP_PAD, ir_in(g, inner, 0), at, 3);
}

static int holds(const int64_t *list, uint32_t n, int64_t v) {
  for (uint32_t k = 0; k < n; k++)
    if (list[k] == v) return 1;
  return 0;
}

/* real: a sum of one element is that element (a backend's 0 + -0 is +0, which is all that can differ). */
ir_id rule_sum_units(ir_graph *g, ir_id id) {
  ir_id x = ir_in(g, id, 0);
  int64_t axes[GANTRY_MAX_RANK], dims[GANTRY_MAX_RANK], keep[GANTRY_MAX_RANK], rest[GANTRY_MAX_RANK];
  uint32_t n = opt_list(g, id, GANTRY_A_AXES, axes), rank = opt_shape(g, x, dims), kept = 0, left = 0;
  for (uint32_t k = 0; k < rank; k++) {
    int reduced = holds(axes, n, k);
    if (reduced && dims[k] == 1) continue;
    if (reduced) rest[left++] = kept;
    keep[kept++] = dims[k];
  }
  return kept == rank ? 0 : ir_sum(g, ir_reshape(g, x, kept, keep), rest, left);
}

/* bits: rounding knows no sign. The sum of x is often there already, and what is summed need not be negated element by element.
 * Not for unsigned integers, which have no NEG. */
ir_id rule_sum_neg(ir_graph *g, ir_id id) {
  int64_t axes[GANTRY_MAX_RANK];
  if (!opt_is(g, ir_in(g, id, 0), GANTRY_OP_NEG)) return 0;
  uint32_t n = opt_list(g, id, GANTRY_A_AXES, axes);
  return ir_neg(g, ir_sum(g, ir_in(g, ir_in(g, id, 0), 0), axes, n));
}

/* real: one reduction instead of two; another tree, the same numbers. */
ir_id rule_sum_sum(ir_graph *g, ir_id id) {
  ir_id inner = ir_in(g, id, 0);
  if (!opt_is(g, inner, GANTRY_OP_SUM)) return 0;
  int64_t outer[GANTRY_MAX_RANK], own[GANTRY_MAX_RANK], all[GANTRY_MAX_RANK];
  uint32_t n = opt_list(g, id, GANTRY_A_AXES, outer), m = opt_list(g, inner, GANTRY_A_AXES, own), count = 0, middle = 0;
  for (uint32_t k = 0; k < ir_at(g, ir_in(g, inner, 0))->rank; k++) {
    int gone = holds(own, m, k);
    if (gone || holds(outer, n, middle)) all[count++] = k;
    middle += !gone;
  }
  return ir_sum(g, ir_in(g, inner, 0), all, count);
}

/* real: n equal numbers added are n times the number; infinities and NaN stay what they are, and so does overflow. */
ir_id rule_sum_broadcast(ir_graph *g, ir_id id) {
  ir_id b = ir_in(g, id, 0);
  if (!opt_is(g, b, GANTRY_OP_BROADCAST)) return 0;
  ir_id x = ir_in(g, b, 0);
  int64_t axes[GANTRY_MAX_RANK], from[GANTRY_MAX_RANK], dims[GANTRY_MAX_RANK], out[GANTRY_MAX_RANK], rest[GANTRY_MAX_RANK], to[GANTRY_MAX_RANK], copies = 1;
  uint32_t n = opt_list(g, id, GANTRY_A_AXES, axes), m = opt_list(g, b, GANTRY_A_AXES, from), rank = opt_shape(g, b, dims), left = 0, kept = 0, place = 0;
  uint32_t dtype = ir_at(g, id)->dtype, out_rank = opt_shape(g, id, out);
  for (uint32_t k = 0, j = 0; k < rank; k++) { /* j: axis of x */
    int copied = !holds(from, m, k), reduced = holds(axes, n, k);
    if (copied && reduced) copies *= dims[k];
    if (!copied && reduced) rest[left++] = j;
    if (!copied && !reduced) to[kept++] = place;
    place += !reduced;
    j += !copied;
  }
  if (copies == 1 || (!ir_is_float(dtype) && copies > 255)) return 0;
  ir_id v = ir_scale(g, ir_sum(g, x, rest, left), (double)copies);
  gantry_attr at[] = {opt_ints(GANTRY_A_DIMS, out_rank, out), opt_ints(GANTRY_A_AXES, kept, to)};
  return make(g, GANTRY_OP_BROADCAST, v, at, 2);
}
