/* Any bytes as the calls of a hostile plugin: operations with any inputs and any attributes, a gradient of what came out, the rewrites, the plan. Every call answers or refuses with a
 * message; what was accepted passes the verifier after each stage. No value is computed: sizes may be anything up to 2^40 elements. */
#include "fuzz.h"

#include "ad/ad.h"
#include "ir/ir.h"
#include "opt/opt.h"
#include "plan/plan.h"

typedef struct stream { const uint8_t *p; size_t n; } stream;
static uint32_t byte(stream *s) {
  if (!s->n) return 0;
  s->n--;
  return *s->p++;
}

/* Sizes are mostly those of a neighbour's shape, sometimes the edges of every check. */
static int64_t integer(stream *s) {
  static const int64_t edges[] = {-1, INT64_MAX, INT64_MIN, INT64_C(1) << 40, INT64_C(1) << 31, INT64_C(1) << 62, 255, 1 << 20};
  uint32_t v = byte(s);
  return v < 240 ? (int64_t)(v % 12) : edges[v % 8];
}

static double real(stream *s) {
  static const double edges[] = {0.0, -0.0, 1e300, -1e-300, 1.0 / 0.0, -1.0 / 0.0, 0.0 / 0.0, 0.5};
  uint32_t v = byte(s);
  return v < 200 ? (double)v / 16 - 4 : edges[v % 8];
}

static gantry_status query(void *user, const gantry_lib *step, int64_t *scratch_bytes, err *e) {
  (void)user, (void)step, (void)e;
  *scratch_bytes = 64;
  return GANTRY_OK;
}

static void refused(const err *e) {
  if (!e->code || !e->msg[0]) abort(); /* a refusal has a code and says why */
}

static ir_id call(ir_graph *g, stream *s) {
  int64_t ints[8][GANTRY_MAX_RANK + 2];
  double reals[8][4];
  gantry_attr at[10];
  ir_id in[8];
  uint32_t op = byte(s), n_in = 0, n_at = byte(s) % 6, count = (uint32_t)g->nodes.n;
  for (int tries = 0; tries < 256 && (!ir_op_get(op) || op == GANTRY_OP_INPUT || op == GANTRY_OP_STATE); tries++) op = (op + 1) % 256;
  const ir_op_info *info = ir_op_get(op);
  n_in = info->arity >= 0 ? (uint32_t)info->arity : 1 + byte(s) % 4;
  for (uint32_t k = 0; k < n_in; k++) {
    uint32_t back = byte(s);
    in[k] = back == 255 ? UINT32_MAX : count - 1 - back % count; /* also the poisoned node, and one that there isn't */
  }
  for (uint32_t k = 0; k < n_at; k++) {
    uint32_t length = byte(s) % (GANTRY_MAX_RANK + 2);
    at[k].key = byte(s) % 32;
    for (uint32_t j = 0; j < length; j++) ints[k][j] = integer(s);
    for (uint32_t j = 0; j < 4; j++) reals[k][j] = at[k].key == GANTRY_A_VALUE || at[k].key == GANTRY_A_EXPONENT ? real(s) : 0;
    at[k].n = length;
    switch (at[k].key) {
    case GANTRY_A_VALUE: at[k].n = length = length < 4 ? length : 4, length == 1 ? (at[k].v.f = reals[k][0]) : (at[k].v.fv = reals[k], 0); break;
    case GANTRY_A_EXPONENT: at[k].n = 1, at[k].v.f = reals[k][0]; break;
    case GANTRY_A_DTYPE: case GANTRY_A_AXIS: case GANTRY_A_KIND: case GANTRY_A_K: case GANTRY_A_TA: case GANTRY_A_TB: case GANTRY_A_GROUPS: case GANTRY_A_STREAM:
    case GANTRY_A_FLIP: case GANTRY_A_DMASK: case GANTRY_A_BATCH: case GANTRY_A_NAME: at[k].n = 1, at[k].v.i = length ? ints[k][0] : 0; break;
    default: at[k].v.iv = ints[k];
    }
  }
  return ir_op(g, op, in, n_in, at, n_at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  stream s = {data, n};
  ir_graph *g = ir_new();
  err e = {0};
  for (uint32_t k = 0; k < 4; k++) { /* leaves of every type that networks have */
    static const uint32_t types[] = {GANTRY_F32, GANTRY_F32, GANTRY_F64, GANTRY_I32, GANTRY_U8, GANTRY_BOOL, GANTRY_U32, GANTRY_I64};
    int64_t dims[GANTRY_MAX_RANK];
    char name[16];
    uint32_t rank = byte(&s) % 6;
    for (uint32_t j = 0; j < rank; j++) dims[j] = 1 + byte(&s) % 9;
    snprintf(name, sizeof name, "leaf/%u", k);
    ir_leaf(g, k % 2 ? GANTRY_OP_STATE : GANTRY_OP_INPUT, name, types[byte(&s) % 8], rank, dims);
  }
  ir_id last = 0, first = 1;
  for (int k = 0; k < 40 && s.n; k++) {
    ir_id made = call(g, &s);
    if (!made && g->err.code) refused(&g->err);
    g->err = (err){0}; /* a plugin that looks away goes on */
    if (made) last = made;
  }
  if (ir_verify(g, "made", &e)) abort();
  if (!last) goto done;
  if (n && data[0] & 1) {
    ir_id dx = 0;
    if (ad_grad(g, last, 0, &first, 1, &dx)) refused(&g->err);
    else ir_output(g, "dx", dx);
    if (n > 1 && data[1] & 1 && dx && !g->err.code && !ad_grad(g, dx, 0, &first, 1, &dx)) ir_output(g, "dxx", dx);
    g->err = (err){0};
  }
  ir_output(g, "last", last);
  if (ir_verify(g, "differentiated", &e)) abort();
  ir_graph *better = opt_run(g, NULL, &e);
  if (!better) refused(&e);
  else if (ir_verify(better, "rewritten", &e)) abort();
  for (int again = 0; again < 2 && better; again++) { /* values kept, and as many as possible computed again */
    plan *p = plan_make(better, "fuzz", again, query, NULL, &e);
    if (!p) refused(&e);
    else if (plan_verify(plan_program(p), &e)) abort();
    plan_free(p);
    e = (err){0};
  }
  ir_free(better);
done:
  ir_free(g);
  return 0;
}
