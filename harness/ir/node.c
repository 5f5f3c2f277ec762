/* node.c - the graph itself: growable arrays, interned strings, hash-consing, leaves, roots, the sticky error.
 *
 * An operation goes in as opcode, inputs and the ABI's attributes and comes out as an id: decoded, inferred, normalised, then found
 * among the nodes there are or appended. Equal operations are one node, so common subexpressions never exist twice. */
#include <stdlib.h>

#include "base/hash.h"
#include "ir/infer.h"

ir_graph *ir_new(void) {
  ir_graph *g = mem_alloc(sizeof *g);
  VEC_PUSH(g->nodes, (ir_node){0});
  VEC_PUSH(g->names, mem_str(""));
  VEC_RESERVE(g->in, 8); /* never null: "none from here" is an address too */
  VEC_RESERVE(g->dims, 8);
  VEC_RESERVE(g->attrs, 8);
  VEC_RESERVE(g->nums, 8);
  return g;
}

void ir_free(ir_graph *g) {
  if (!g) return;
  for (uint32_t k = 0; k < g->names.n; k++) free(g->names.p[k]);
  free(g->nodes.p);
  free(g->in.p);
  free(g->dims.p);
  free(g->attrs.p);
  free(g->nums.p);
  free(g->names.p);
  free(g->roots.p);
  free(g->table);
  free(g->name_table);
  free(g);
}

gantry_status ir_fail(ir_graph *g, gantry_status code, const char *fmt, ...) {
  if (g->err.code) return g->err.code;
  char *text = NULL;
  buf b = {0};
  va_list ap;
  va_start(ap, fmt);
  buf_vprintf(&b, fmt, ap);
  va_end(ap);
  text = b.p;
  if (*ir_name(g, g->label)) err_set(&g->err, code, "%s (at %s)", text, ir_name(g, g->label));
  else err_set(&g->err, code, "%s", text);
  buf_free(&b);
  return g->err.code;
}

/* ---- interned strings ---------------------------------------------------------------------------------------------------------- */

static uint32_t name_slot(const ir_graph *g, const char *s) {
  uint32_t mask = g->name_cap - 1, at = (uint32_t)hash_str(s, 0) & mask;
  while (g->name_table[at] && strcmp(g->names.p[g->name_table[at]], s)) at = (at + 1) & mask;
  return at;
}

uint32_t ir_intern(ir_graph *g, const char *s) {
  if (!s || !*s) return 0;
  if (2 * g->names.n >= g->name_cap) {
    g->name_cap = g->name_cap ? 2 * g->name_cap : 64;
    free(g->name_table);
    g->name_table = mem_alloc(sizeof(uint32_t) * g->name_cap);
    for (uint32_t k = 1; k < g->names.n; k++) g->name_table[name_slot(g, g->names.p[k])] = k;
  }
  uint32_t at = name_slot(g, s);
  if (!g->name_table[at]) {
    g->name_table[at] = g->names.n;
    VEC_PUSH(g->names, mem_str(s));
  }
  return g->name_table[at];
}

/* ---- hash-consing -------------------------------------------------------------------------------------------------------------- */

static int is_leaf(uint32_t op) { return op == GANTRY_OP_INPUT || op == GANTRY_OP_STATE; }

/* Leaves are found by name alone, so that one name with two shapes is noticed. */
static uint64_t leaf_key(uint32_t op, const char *name) { return hash_str(name, op); }

static uint64_t hash_shape(uint64_t h, uint32_t dtype, uint32_t rank, const int64_t *dims) {
  h = hash_mix(h, dtype * 16 + rank);
  for (uint32_t k = 0; k < rank; k++) h = hash_mix(h, (uint64_t)dims[k]);
  return h;
}

uint64_t ir_call_hash(const ir_call *c) {
  uint64_t h = hash_shape(c->op, c->dtype, c->rank, c->dims);
  for (uint32_t k = 0; k < c->n_in; k++) h = hash_mix(h, ir_call_node(c, k)->hash);
  for (uint32_t k = 0; k < c->n_args; k++) {
    const ir_arg *a = &c->args[k];
    h = hash_mix(h, (uint64_t)a->key << 32 | a->n);
    for (uint32_t j = 0; j < a->n; j++) {
      int64_t bits = a->iv[a->n <= GANTRY_MAX_RANK ? j : 0];
      if (a->fv && a->n > 1) memcpy(&bits, &a->fv[j], sizeof bits);
      h = hash_mix(h, (uint64_t)bits);
    }
  }
  return h;
}

static uint64_t probe_key(const ir_graph *g, ir_id id) {
  const ir_node *n = ir_at(g, id);
  return is_leaf(n->op) ? leaf_key(n->op, ir_name(g, (uint32_t)ir_attr_i(g, id, GANTRY_A_NAME, 0))) : n->hash;
}

static void table_room(ir_graph *g) {
  if (2 * g->nodes.n < g->table_cap) return;
  g->table_cap = g->table_cap ? 2 * g->table_cap : 256;
  free(g->table);
  g->table = mem_alloc(sizeof(uint32_t) * g->table_cap);
  for (uint32_t k = 1; k < g->nodes.n; k++) {
    uint32_t at = (uint32_t)probe_key(g, k) & (g->table_cap - 1);
    while (g->table[at]) at = (at + 1) & (g->table_cap - 1);
    g->table[at] = k;
  }
}

static int equal(const ir_graph *g, ir_id id, const ir_call *c) {
  const ir_node *n = ir_at(g, id);
  if (n->op != c->op || n->dtype != c->dtype || n->rank != c->rank || n->n_in != c->n_in || n->n_attr != c->n_args) return 0;
  if (n->rank && memcmp(ir_dims(g, id), c->dims, sizeof(int64_t) * n->rank)) return 0;
  if (n->n_in && memcmp(g->in.p + n->in_off, c->in, sizeof(ir_id) * n->n_in)) return 0;
  for (uint32_t k = 0; k < c->n_args; k++) {
    const ir_arg *a = &c->args[k];
    const ir_attr *b = &g->attrs.p[n->attr_off + k];
    const void *values = a->fv && a->n > 1 ? (const void *)a->fv : (const void *)a->iv;
    if (a->key != b->key || a->n != b->n || (a->n && memcmp(values, g->nums.p + b->off, sizeof(int64_t) * a->n))) return 0;
  }
  return 1;
}

static ir_id append(ir_graph *g, const ir_call *c, uint64_t hash, uint32_t slot) {
  ir_node n = {.op = (uint16_t)c->op, .dtype = (uint8_t)c->dtype, .rank = (uint8_t)c->rank, .n_in = c->n_in, .in_off = g->in.n,
               .dims_off = g->dims.n, .n_attr = c->n_args, .attr_off = g->attrs.n, .label = g->label, .hash = hash};
  for (uint32_t k = 0; k < c->n_in; k++) VEC_PUSH(g->in, c->in[k]);
  for (uint32_t k = 0; k < c->rank; k++) VEC_PUSH(g->dims, c->dims[k]);
  for (uint32_t k = 0; k < c->n_args; k++) {
    const ir_arg *a = &c->args[k];
    ir_attr at = {a->key, a->n, g->nums.n};
    VEC_PUSH(g->attrs, at);
    for (uint32_t j = 0; j < a->n; j++) {
      int64_t bits;
      if (a->fv && a->n > 1) memcpy(&bits, &a->fv[j], sizeof bits);
      else bits = a->iv[j];
      VEC_PUSH(g->nums, bits);
    }
  }
  g->table[slot] = g->nodes.n;
  VEC_PUSH(g->nodes, n);
  return g->nodes.n - 1;
}

ir_id ir_insert(ir_graph *g, const ir_call *c) {
  table_room(g);
  uint64_t h = ir_call_hash(c);
  uint32_t at = (uint32_t)h & (g->table_cap - 1);
  for (; g->table[at]; at = (at + 1) & (g->table_cap - 1))
    if (ir_at(g, g->table[at])->hash == h && equal(g, g->table[at], c)) return g->table[at];
  return append(g, c, h, at);
}

/* ---- making nodes -------------------------------------------------------------------------------------------------------------- */

ir_id ir_op(ir_graph *g, uint32_t op, const ir_id *in, uint32_t n_in, const gantry_attr *at, uint32_t n_at) {
  if (g->err.code) return 0;
  const ir_op_info *info = ir_op_get(op);
  if (!info) return ir_fail(g, GANTRY_E_UNSUPPORTED, "unknown operation %u", op), 0;
  ir_id few[8], *own = n_in <= 8 ? few : NULL, id = 0;
  ir_call c = {.g = g, .e = &g->err, .op = op, .n_in = n_in};
  if (info->arity >= 0 ? n_in != (uint32_t)info->arity : n_in < 1 || n_in > 4096) {
    if (info->arity >= 0) ir_bad(&c, GANTRY_E_INVALID, "takes %d inputs, %u are given", info->arity, n_in);
    else ir_bad(&c, GANTRY_E_INVALID, "takes 1 to 4096 inputs, %u are given", n_in);
    return 0;
  }
  if (n_in && !in) return ir_bad(&c, GANTRY_E_INVALID, "the inputs are a null array"), 0;
  for (uint32_t k = 0; k < n_in; k++) {
    if (!in[k]) return 0;
    if (in[k] >= g->nodes.n) return ir_bad(&c, GANTRY_E_INVALID, "input %u is %u, which is no tensor of this graph", k, in[k]), 0;
  }
  /* a private copy: the caller's array may lie in the graph, which moves when it grows */
  if (!own) own = mem_alloc(sizeof(ir_id) * n_in);
  for (uint32_t k = 0; k < n_in; k++) own[k] = in[k];
  c.in = own;
  if (!ir_decode(&c, at, n_at) && !ir_infer(&c)) {
    id = ir_normal(g, &c);
    if (!id && !g->err.code) id = ir_insert(g, &c);
  }
  ir_call_end(&c);
  if (own != few) free(own);
  return id;
}

ir_id ir_leaf(ir_graph *g, uint32_t op, const char *name, uint32_t dtype, uint32_t rank, const int64_t *dims) {
  if (g->err.code) return 0;
  ir_call c = {.g = g, .e = &g->err, .op = op, .dtype = dtype, .rank = rank};
  if (!is_leaf(op)) return ir_fail(g, GANTRY_E_INTERNAL, "operation %u is no leaf", op), 0;
  if (!name || !*name) return ir_bad(&c, GANTRY_E_INVALID, "has no name"), 0;
  if (!ir_dtype_size(dtype)) return ir_bad(&c, GANTRY_E_DTYPE, "\"%s\" has the unknown type %u", name, dtype), 0;
  if (rank && !dims) return ir_bad(&c, GANTRY_E_INVALID, "\"%s\" has no sizes", name), 0;
  if (ir_check_dims(&c, rank, dims, name)) return 0;
  if (rank) memcpy(c.dims, dims, sizeof(int64_t) * rank);
  ir_arg_new(&c, GANTRY_A_NAME, 1)->iv[0] = ir_intern(g, name);
  table_room(g);
  uint64_t key = leaf_key(op, name);
  uint32_t at = (uint32_t)key & (g->table_cap - 1);
  for (; g->table[at]; at = (at + 1) & (g->table_cap - 1)) {
    ir_id id = g->table[at];
    if (ir_at(g, id)->op != op || ir_attr_i(g, id, GANTRY_A_NAME, 0) != c.args[0].iv[0]) continue;
    if (equal(g, id, &c)) return id;
    char was[200], now[200];
    ir_bad(&c, GANTRY_E_SHAPE, "\"%s\" was %s%s, now %s%s", name, ir_dtype_name(ir_at(g, id)->dtype), ir_shape_text(ir_at(g, id)->rank, ir_dims(g, id), was),
           ir_dtype_name(dtype), ir_shape_text(rank, dims, now));
    return 0;
  }
  return append(g, &c, hash_shape(key, dtype, rank, c.dims), at);
}

static void add_root(ir_graph *g, uint32_t kind, const char *name, ir_id v) {
  if (g->err.code) return;
  if (!v || v >= g->nodes.n) {
    ir_fail(g, GANTRY_E_INVALID, "%s \"%s\" has no value", kind == IR_STORE ? "state" : "output", name);
    return;
  }
  ir_root r = {kind, ir_intern(g, name), v};
  for (uint32_t k = 0; k < g->roots.n; k++)
    if (g->roots.p[k].kind == kind && g->roots.p[k].name == r.name) {
      g->roots.p[k] = r;
      return;
    }
  VEC_PUSH(g->roots, r);
}

void ir_store(ir_graph *g, const char *state, ir_id v) { add_root(g, IR_STORE, state, v); }
void ir_output(ir_graph *g, const char *name, ir_id v) { add_root(g, IR_OUTPUT, name, v); }

int64_t ir_count(const ir_graph *g, ir_id id) {
  int64_t n = 1;
  for (uint32_t k = 0; k < ir_at(g, id)->rank; k++) n *= ir_dims(g, id)[k];
  return n;
}
