/* attrs.c - attributes: decoded from the ABI's form, checked for presence, length and range, and read back from nodes.
 *
 * Everything that comes from a plugin is suspect: keys, counts, null arrays, negative sizes and products that overflow are refused
 * here, so that no later room has to think about them. */
#include <stdlib.h>

#include "ir/infer.h"

static const struct { uint8_t key, kind; const char *name; } attr_table[] = {
  {GANTRY_A_VALUE, IR_ATTR_REALS, "VALUE"}, {GANTRY_A_DIMS, IR_ATTR_INTS, "DIMS"}, {GANTRY_A_DTYPE, IR_ATTR_INT, "DTYPE"},
  {GANTRY_A_AXIS, IR_ATTR_INT, "AXIS"}, {GANTRY_A_AXES, IR_ATTR_INTS, "AXES"}, {GANTRY_A_PERM, IR_ATTR_INTS, "PERM"},
  {GANTRY_A_START, IR_ATTR_INTS, "START"}, {GANTRY_A_STOP, IR_ATTR_INTS, "STOP"}, {GANTRY_A_STEP, IR_ATTR_INTS, "STEP"},
  {GANTRY_A_LO, IR_ATTR_INTS, "LO"}, {GANTRY_A_HI, IR_ATTR_INTS, "HI"}, {GANTRY_A_INTERIOR, IR_ATTR_INTS, "INTERIOR"},
  {GANTRY_A_KIND, IR_ATTR_INT, "KIND"}, {GANTRY_A_EXPONENT, IR_ATTR_REAL, "EXPONENT"}, {GANTRY_A_K, IR_ATTR_INT, "K"},
  {GANTRY_A_TA, IR_ATTR_INT, "TA"}, {GANTRY_A_TB, IR_ATTR_INT, "TB"}, {GANTRY_A_STRIDE, IR_ATTR_INTS, "STRIDE"},
  {GANTRY_A_PAD_LO, IR_ATTR_INTS, "PAD_LO"}, {GANTRY_A_PAD_HI, IR_ATTR_INTS, "PAD_HI"}, {GANTRY_A_DILATION, IR_ATTR_INTS, "DILATION"},
  {GANTRY_A_GROUPS, IR_ATTR_INT, "GROUPS"}, {GANTRY_A_STREAM, IR_ATTR_INT, "STREAM"}, {GANTRY_A_UP, IR_ATTR_INTS, "UP"},
  {GANTRY_A_DOWN, IR_ATTR_INTS, "DOWN"}, {GANTRY_A_FLIP, IR_ATTR_INT, "FLIP"}, {GANTRY_A_DMASK, IR_ATTR_INT, "DMASK"},
  {GANTRY_A_BATCH, IR_ATTR_INT, "BATCH"}, {GANTRY_A_WINDOW, IR_ATTR_INTS, "WINDOW"}, {GANTRY_A_NAME, IR_ATTR_INT, "NAME"}};

int ir_attr_kind(uint32_t key) { return key >= 1 && key <= sizeof attr_table / sizeof *attr_table ? attr_table[key - 1].kind : 0; }
const char *ir_attr_name(uint32_t key) { return key >= 1 && key <= sizeof attr_table / sizeof *attr_table ? attr_table[key - 1].name : "?"; }

gantry_status ir_decode(ir_call *c, const gantry_attr *at, uint32_t n) {
  if (n && !at) return ir_bad(c, GANTRY_E_INVALID, "%u attributes announced, none given", n);
  if (n > IR_MAX_ARGS) return ir_bad(c, GANTRY_E_INVALID, "%u attributes; no operation takes so many", n);
  for (uint32_t k = 0; k < n; k++) {
    int kind = ir_attr_kind(at[k].key);
    if (!kind) return ir_bad(c, GANTRY_E_UNSUPPORTED, "unknown attribute %u", at[k].key);
    const char *name = ir_attr_name(at[k].key);
    if (ir_arg_find(c, at[k].key)) return ir_bad(c, GANTRY_E_INVALID, "attribute %s is given twice", name);
    int list = kind == IR_ATTR_INTS || kind == IR_ATTR_REALS;
    uint32_t count = list ? at[k].n : 1;
    if (list ? kind == IR_ATTR_INTS && count > GANTRY_MAX_RANK : at[k].n > 1)
      return ir_bad(c, GANTRY_E_INVALID, "attribute %s has %u values, at most %d are possible", name, at[k].n, list ? GANTRY_MAX_RANK : 1);
    if (kind == IR_ATTR_REALS && !count) return ir_bad(c, GANTRY_E_INVALID, "attribute %s has no values", name);
    if ((kind == IR_ATTR_INTS && count && !at[k].v.iv) || (kind == IR_ATTR_REALS && count > 1 && !at[k].v.fv))
      return ir_bad(c, GANTRY_E_INVALID, "attribute %s is a null array", name);
    ir_arg *a = ir_arg_new(c, at[k].key, count);
    a->used = 0;
    if (kind == IR_ATTR_INT) a->iv[0] = at[k].v.i;
    else if (kind == IR_ATTR_INTS) {
      if (count) memcpy(a->iv, at[k].v.iv, sizeof(int64_t) * count);
    } else if (kind == IR_ATTR_REAL || count == 1) memcpy(a->iv, &at[k].v.f, sizeof(double));
    else {
      if (at[k].n > 1u << 24) return ir_bad(c, GANTRY_E_INVALID, "attribute %s has %u values; constants are small", name, at[k].n);
      a->fv = mem_alloc(sizeof(double) * count);
      memcpy(a->fv, at[k].v.fv, sizeof(double) * count);
    }
  }
  return GANTRY_OK;
}

void ir_call_end(ir_call *c) {
  for (uint32_t k = 0; k < c->n_args; k++) free(c->args[k].fv);
}

ir_arg *ir_arg_find(ir_call *c, uint32_t key) {
  for (uint32_t k = 0; k < c->n_args; k++)
    if (c->args[k].key == key) return &c->args[k];
  return NULL;
}

/* Kept sorted by key, as nodes store them. */
ir_arg *ir_arg_new(ir_call *c, uint32_t key, uint32_t n) {
  uint32_t at = c->n_args++;
  for (; at && c->args[at - 1].key > key; at--) c->args[at] = c->args[at - 1];
  c->args[at] = (ir_arg){.key = key, .n = n, .used = 1};
  return &c->args[at];
}

/* The attribute, made with its default where it is absent; NULL after an error. */
static ir_arg *arg_at(ir_call *c, uint32_t key, uint32_t n, int64_t absent) {
  ir_arg *a = ir_arg_find(c, key);
  if (!a && absent == IR_NEEDED) {
    ir_bad(c, GANTRY_E_INVALID, "attribute %s is missing", ir_attr_name(key));
    return NULL;
  }
  if (!a) {
    if (c->n_args == IR_MAX_ARGS) {
      ir_bad(c, GANTRY_E_INVALID, "too many attributes");
      return NULL;
    }
    a = ir_arg_new(c, key, n);
    for (uint32_t k = 0; k < n; k++) a->iv[k] = absent;
  }
  a->used = 1;
  if (a->n != n) {
    ir_bad(c, GANTRY_E_INVALID, "attribute %s has %u values where %u are needed", ir_attr_name(key), a->n, n);
    return NULL;
  }
  return a;
}

gantry_status ir_arg_ints(ir_call *c, uint32_t key, uint32_t n, int64_t absent, int64_t lo, int64_t hi, int64_t **out) {
  ir_arg *a = arg_at(c, key, n, absent);
  if (!a) return c->e->code;
  for (uint32_t k = 0; k < n; k++)
    if (a->iv[k] < lo || a->iv[k] > hi)
      return ir_bad(c, GANTRY_E_INVALID, "attribute %s is %lld, must be in [%lld, %lld]", ir_attr_name(key), (long long)a->iv[k], (long long)lo, (long long)hi);
  *out = a->iv;
  return GANTRY_OK;
}

gantry_status ir_arg_int(ir_call *c, uint32_t key, int64_t absent, int64_t lo, int64_t hi, int64_t *out) {
  int64_t *v;
  TRY(ir_arg_ints(c, key, 1, absent, lo, hi, &v));
  *out = *v;
  return GANTRY_OK;
}

gantry_status ir_arg_real(ir_call *c, uint32_t key, double *out) {
  ir_arg *a = arg_at(c, key, 1, IR_NEEDED);
  if (!a) return c->e->code;
  memcpy(out, a->iv, sizeof *out);
  return GANTRY_OK;
}

gantry_status ir_check_dims(ir_call *c, uint32_t rank, const int64_t *dims, const char *what) {
  int64_t count = 1;
  char text[200];
  if (rank > GANTRY_MAX_RANK) return ir_bad(c, GANTRY_E_SHAPE, "%s has %u axes, at most %d are possible", what, rank, GANTRY_MAX_RANK);
  for (uint32_t k = 0; k < rank; k++) {
    if (dims[k] < 1) return ir_bad(c, GANTRY_E_SHAPE, "%s is %s; every size must be at least 1", what, ir_shape_text(rank, dims, text));
    if (dims[k] > IR_MAX_ELEMENTS / count)
      return ir_bad(c, GANTRY_E_SHAPE, "%s is %s; a tensor has at most 2^40 elements", what, ir_shape_text(rank, dims, text));
    count *= dims[k];
  }
  return GANTRY_OK;
}

gantry_status ir_arg_dims(ir_call *c, int64_t **dims, uint32_t *rank) {
  ir_arg *a = ir_arg_find(c, GANTRY_A_DIMS);
  if (!a) return ir_bad(c, GANTRY_E_INVALID, "attribute DIMS is missing");
  a->used = 1;
  *dims = a->iv;
  *rank = a->n;
  return ir_check_dims(c, a->n, a->iv, "DIMS");
}

gantry_status ir_arg_axes(ir_call *c, uint32_t rank, const int64_t **axes, uint32_t *n) {
  ir_arg *a = ir_arg_find(c, GANTRY_A_AXES);
  if (!a) return ir_bad(c, GANTRY_E_INVALID, "attribute AXES is missing");
  a->used = 1;
  for (uint32_t k = 0; k < a->n; k++)
    if (a->iv[k] < 0 || a->iv[k] >= rank || (k && a->iv[k] <= a->iv[k - 1])) {
      char text[200];
      return ir_bad(c, GANTRY_E_INVALID, "AXES %s must increase and lie in [0, %u)", ir_shape_text(a->n, a->iv, text), rank);
    }
  *axes = a->iv;
  *n = a->n;
  return GANTRY_OK;
}

/* ---- reading nodes ------------------------------------------------------------------------------------------------------------- */

static const ir_attr *attr_of(const ir_graph *g, ir_id id, uint32_t key) {
  const ir_node *n = ir_at(g, id);
  for (uint32_t k = 0; k < n->n_attr; k++)
    if (g->attrs.p[n->attr_off + k].key == key) return &g->attrs.p[n->attr_off + k];
  return NULL;
}

const int64_t *ir_attr_iv(const ir_graph *g, ir_id id, uint32_t key, uint32_t *n) {
  const ir_attr *a = attr_of(g, id, key);
  *n = a ? a->n : 0;
  return a ? g->nums.p + a->off : NULL;
}

int64_t ir_attr_i(const ir_graph *g, ir_id id, uint32_t key, int64_t absent) {
  const ir_attr *a = attr_of(g, id, key);
  return a && a->n ? g->nums.p[a->off] : absent;
}

double ir_attr_f(const ir_graph *g, ir_id id, uint32_t key, uint32_t k, double absent) {
  const ir_attr *a = attr_of(g, id, key);
  if (!a || k >= a->n) return absent;
  double v;
  memcpy(&v, &g->nums.p[a->off + k], sizeof v);
  return v;
}

uint32_t ir_attrs_abi(const ir_graph *g, ir_id id, arena *a, const gantry_attr **out) {
  const ir_node *n = ir_at(g, id);
  gantry_attr *at = ARENA_ARRAY(a, gantry_attr, n->n_attr ? n->n_attr : 1);
  for (uint32_t k = 0; k < n->n_attr; k++) {
    const ir_attr *from = &g->attrs.p[n->attr_off + k];
    const int64_t *nums = g->nums.p + from->off;
    int kind = ir_attr_kind(from->key);
    at[k].key = from->key;
    at[k].n = from->n;
    if (kind == IR_ATTR_INT) at[k].v.i = nums[0];
    else if (kind == IR_ATTR_INTS) at[k].v.iv = arena_copy(a, nums, sizeof(int64_t) * from->n);
    else if (from->n == 1) memcpy(&at[k].v.f, nums, sizeof(double));
    else at[k].v.fv = arena_copy(a, nums, sizeof(double) * from->n);
  }
  *out = at;
  return n->n_attr;
}
