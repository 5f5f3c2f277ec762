/* opt.c - the driver: copies what the roots need into a new graph, node by node, and asks the table of rules about each.
 *
 * Copying through ir_op() folds and merges again whatever the rules made equal. It is repeated until no rule fires, so what a rule
 * uncovers is seen by the others; the last copy holds live nodes only. */
#include "opt/opt.h"

#include <stdlib.h>

#include "opt/rules.h"

enum { MAX_ROUNDS = 8, MAX_STEPS = 16 };

static const struct { const char *name; uint32_t op; opt_rule *fn; } table[] = {
  {"stop-grad", GANTRY_OP_STOP_GRAD, rule_stop_grad},
  {"fold", 0, rule_fold},
  {"permute-of-units", GANTRY_OP_PERMUTE, rule_permute_units},
  {"broadcast-of-units", GANTRY_OP_BROADCAST, rule_broadcast_units},
  {"broadcast-of-broadcast", GANTRY_OP_BROADCAST, rule_broadcast_broadcast},
  {"matmul-of-permute", GANTRY_OP_MATMUL, rule_matmul_permute},
  {"slice-of-pad", GANTRY_OP_SLICE, rule_slice_pad},
  {"slice-of-slice", GANTRY_OP_SLICE, rule_slice_slice},
  {"slice-of-concat", GANTRY_OP_SLICE, rule_slice_concat},
  {"pad-of-pad", GANTRY_OP_PAD, rule_pad_pad},
  {"sum-of-units", GANTRY_OP_SUM, rule_sum_units},
  {"sum-of-broadcast", GANTRY_OP_SUM, rule_sum_broadcast},
  {"sum-of-sum", GANTRY_OP_SUM, rule_sum_sum},
  {"sum-of-neg", GANTRY_OP_SUM, rule_sum_neg},
  {"where-of-not", GANTRY_OP_WHERE, rule_where_not},
  {"where-of-where", GANTRY_OP_WHERE, rule_where_where},
  {"cast-of-cast", GANTRY_OP_CAST, rule_cast_cast},
  {"mul-of-mul", GANTRY_OP_MUL, rule_mul_mul},
  {"mul-of-neg", GANTRY_OP_MUL, rule_mul_neg},
  {"div-by-power-of-two", GANTRY_OP_DIV, rule_div_power_of_two},
  {"add-of-neg", GANTRY_OP_ADD, rule_add_neg},
  {"sub-of-neg", GANTRY_OP_SUB, rule_sub_neg},
  {"mul-of-where", GANTRY_OP_MUL, rule_mul_where},
  {"add-of-wheres", GANTRY_OP_ADD, rule_add_wheres},
  {"conv-of-enlarged", GANTRY_OP_CONV, rule_conv_enlarged},
  {"conv-dgrad-of-enlarged", GANTRY_OP_CONV_DGRAD, rule_dgrad_enlarged},
  {"conv-wgrad-of-enlarged", GANTRY_OP_CONV_WGRAD, rule_wgrad_enlarged},
  {"pool-of-conv", GANTRY_OP_SUM, rule_pool_conv},
  {"sum-of-enlarged", GANTRY_OP_SUM, rule_sum_enlarged},
};
enum { RULES = sizeof table / sizeof *table };

const char *opt_rule_name(uint32_t k) { return k < RULES ? table[k].name : NULL; }

uint32_t opt_shape(const ir_graph *g, ir_id id, int64_t dims[GANTRY_MAX_RANK]) {
  uint32_t rank = ir_at(g, id)->rank;
  if (rank) memcpy(dims, ir_dims(g, id), sizeof(int64_t) * rank);
  return rank;
}

uint32_t opt_list(const ir_graph *g, ir_id id, uint32_t key, int64_t out[GANTRY_MAX_RANK]) {
  uint32_t n;
  const int64_t *v = ir_attr_iv(g, id, key, &n);
  if (n) memcpy(out, v, sizeof(int64_t) * n);
  return n;
}

int opt_const(const ir_graph *g, ir_id id, double *v) {
  uint32_t n;
  if (!opt_is(g, id, GANTRY_OP_CONST)) return 0;
  ir_attr_iv(g, id, GANTRY_A_VALUE, &n);
  *v = ir_attr_f(g, id, GANTRY_A_VALUE, 0, 0);
  return n == 1;
}

/* Applies rules to a new node until none fits. */
static ir_id settle(ir_graph *g, ir_id id, opt_stats *stats, uint32_t *fired) {
  for (int step = 0; step < MAX_STEPS && id; step++) {
    uint32_t k = 0;
    ir_id next = 0;
    for (; k < RULES && !next; k++)
      if (!table[k].op || opt_is(g, id, table[k].op)) next = table[k].fn(g, id);
    if (!next || next == id) return id;
    stats->hits[k - 1]++;
    ++*fired;
    id = next;
  }
  return id;
}

ir_id opt_copy(const ir_graph *from, ir_graph *to, ir_id id, const ir_id *in) {
  const ir_node n = *ir_at(from, id);
  to->label = ir_intern(to, ir_name(from, n.label));
  if (n.op == GANTRY_OP_INPUT || n.op == GANTRY_OP_STATE)
    return ir_leaf(to, n.op, ir_name(from, (uint32_t)ir_attr_i(from, id, GANTRY_A_NAME, 0)), n.dtype, n.rank, ir_dims(from, id));
  arena *a = arena_new();
  const gantry_attr *at;
  uint32_t n_at = ir_attrs_abi(from, id, a, &at);
  ir_id made = ir_op(to, n.op, in, n.n_in, at, n_at);
  arena_free(a);
  return made;
}

ir_id opt_copy_mapped(const ir_graph *from, ir_graph *to, ir_id id, const ir_id *map) {
  uint32_t n = ir_at(from, id)->n_in;
  ir_id few[8] = {0}, *in = n <= 8 ? few : mem_alloc(sizeof(ir_id) * n);
  for (uint32_t k = 0; k < n; k++) in[k] = map[ir_in(from, id, k)];
  ir_id made = opt_copy(from, to, id, in);
  if (in != few) free(in);
  return made;
}

void opt_copy_roots(const ir_graph *from, ir_graph *to, const ir_id *map) {
  to->label = 0;
  for (uint32_t k = 0; k < from->roots.n; k++) {
    const ir_root *r = &from->roots.p[k];
    if (r->kind == IR_STORE) ir_store(to, ir_name(from, r->name), map[r->id]);
    else ir_output(to, ir_name(from, r->name), map[r->id]);
  }
}

static ir_graph *round_of(const ir_graph *from, opt_stats *stats, uint32_t *fired) {
  ir_graph *to = ir_new();
  uint8_t *live = ir_live(from);
  ir_id *map = mem_alloc(sizeof(ir_id) * from->nodes.n);
  for (ir_id id = 1; id < from->nodes.n && !to->err.code; id++)
    if (live[id]) map[id] = settle(to, opt_copy_mapped(from, to, id, map), stats, fired);
  opt_copy_roots(from, to, map);
  free(map);
  free(live);
  return to;
}

ir_graph *opt_run(const ir_graph *g, opt_stats *stats, err *e) {
  opt_stats unread = {0};
  if (!stats) stats = &unread;
  memset(stats, 0, sizeof *stats);
  if (g->err.code) return err_set(e, g->err.code, "%s", g->err.msg), NULL;
  uint8_t *live = ir_live(g);
  for (ir_id id = 1; id < g->nodes.n; id++) stats->before += live[id];
  free(live);
  ir_graph *now = NULL;
  for (int round = 0; round < MAX_ROUNDS; round++) {
    uint32_t fired = 0;
    ir_graph *next = round_of(now ? now : g, stats, &fired);
    ir_free(now);
    now = next;
    if (now->err.code) {
      err_set(e, now->err.code, "optimiser: %s", now->err.msg);
      ir_free(now);
      return NULL;
    }
    if (!fired) break;
  }
  live = ir_live(now);
  for (ir_id id = 1; id < now->nodes.n; id++) stats->after += live[id];
  free(live);
  return now;
}
