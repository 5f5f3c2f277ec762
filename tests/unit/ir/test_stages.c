/* test_stages.c - what passes rely on: the printer's text, the fingerprint, the verifier that rejects damaged graphs, size and abuse. */
#include <time.h>

#include "check/numeric.h"
#include "check/random_graph.h"
#include "ir/build.h"
#include "t.h"

#define L(...) ((int64_t[]){__VA_ARGS__})

static ir_graph *small(void) { /* one definition after another: C leaves the order of arguments open */
  ir_graph *g = ir_new();
  ir_id x = ir_leaf(g, GANTRY_OP_INPUT, "data/images", GANTRY_F32, 2, L(64, 10)), w = ir_leaf(g, GANTRY_OP_STATE, "d/fc/weight", GANTRY_F32, 2, L(5, 10));
  ir_id seed = ir_leaf(g, GANTRY_OP_INPUT, "seed", GANTRY_U32, 1, L(2)), step = ir_leaf(g, GANTRY_OP_INPUT, "step", GANTRY_U32, 0, NULL);
  ir_1(g, GANTRY_OP_EXP, x); /* dead */
  g->label = ir_intern(g, "d/fc");
  ir_id h = ir_matmul(g, x, w, 0, 1);
  g->label = 0;
  ir_id leak = ir_scale(g, h, 0.2), y = ir_where(g, ir_cmp(g, GANTRY_CMP_GT, h, ir_const(g, GANTRY_F32, 0)), h, leak);
  gantry_attr at[] = {{.key = GANTRY_A_DIMS, .n = 2, .v.iv = L(64, 5)}, {.key = GANTRY_A_STREAM, .n = 1, .v.i = 77}};
  ir_id noise = ir_cast(g, ir_op(g, GANTRY_OP_RANDOM_BITS, (ir_id[]){seed, step}, 2, at, 2), GANTRY_F32);
  ir_output(g, "loss", ir_mean_all(g, ir_add(g, y, noise)));
  ir_store(g, "d/fc/weight", ir_sub(g, w, ir_scale(g, ir_pow(g, w, 3), 0.01)));
  return g;
}

static void test_stages__print_golden(void) {
  ir_graph *g = small();
  buf b = {0};
  ir_print(g, &b);
  T_STR(b.p, "%1 = input f32[64,10] name=\"data/images\"\n"
             "%2 = state f32[5,10] name=\"d/fc/weight\"\n"
             "%3 = input u32[2] name=\"seed\"\n"
             "%4 = input u32[] name=\"step\"\n"
             "%6 = matmul f32[64,5] %1 %2 ta=0 tb=1  ; d/fc\n"
             "%8 = const f32[64,5] value=0.2\n"
             "%9 = mul f32[64,5] %6 %8\n"
             "%11 = const f32[64,5] value=0\n"
             "%12 = cmp bool[64,5] %6 %11 kind=gt\n"
             "%13 = where f32[64,5] %12 %6 %9\n"
             "%14 = random_bits u32[64,5] %3 %4 stream=77\n"
             "%15 = cast f32[64,5] %14\n"
             "%16 = add f32[64,5] %13 %15\n"
             "%17 = const f32[] value=320\n"
             "%18 = sum f32[] %16 axes=[0,1]\n"
             "%19 = div f32[] %18 %17\n"
             "%20 = pow f32[5,10] %2 exponent=3\n"
             "%22 = const f32[5,10] value=0.01\n"
             "%23 = mul f32[5,10] %22 %20\n"
             "%24 = sub f32[5,10] %2 %23\n"
             "output \"loss\" = %19\n"
             "store \"d/fc/weight\" = %24\n");
  buf_free(&b);
  ir_free(g);
}

static void test_stages__hash_golden(void) {
  ir_graph *g = small();
  T_CHECK(ir_hash(g) == 0x4ab9e13d8b48c876u); /* run keys contain it: a change retrains everything and needs a reason */
  ir_free(g);
}

static void test_stages__hash_ignores_labels_dead_nodes_and_order(void) {
  ir_graph *a = ir_new(), *b = ir_new();
  ir_id x = ir_leaf(a, GANTRY_OP_INPUT, "x", GANTRY_F32, 1, L(4)), y = ir_leaf(a, GANTRY_OP_INPUT, "y", GANTRY_F32, 1, L(4));
  ir_output(a, "p", ir_mul(a, x, y));
  ir_output(a, "q", ir_sub(a, x, y));
  b->label = ir_intern(b, "elsewhere");
  y = ir_leaf(b, GANTRY_OP_INPUT, "y", GANTRY_F32, 1, L(4));
  ir_1(b, GANTRY_OP_TANH, y);
  x = ir_leaf(b, GANTRY_OP_INPUT, "x", GANTRY_F32, 1, L(4));
  ir_output(b, "q", ir_sub(b, x, y));
  ir_output(b, "p", ir_mul(b, y, x));
  T_CHECK(ir_hash(a) == ir_hash(b));
  uint64_t before = ir_hash(a);
  ir_output(a, "q", ir_sub(a, y, x));
  T_CHECK(ir_hash(a) != before);
  ir_free(a);
  ir_free(b);
}

/* Nothing of a node may be missing from the fingerprint: each variation gives another. */
static void test_stages__hash_sees_everything(void) {
  uint64_t seen[9];
  for (int k = 0; k < 9; k++) {
    ir_graph *g = ir_new();
    ir_id x = ir_leaf(g, k == 1 ? GANTRY_OP_STATE : GANTRY_OP_INPUT, k == 2 ? "z" : "x", k == 3 ? GANTRY_F64 : GANTRY_F32, 2, k == 4 ? L(2, 8) : L(4, 4));
    ir_id y = ir_pow(g, x, k == 5 ? 3.5 : 3);
    if (k == 6) y = ir_1(g, GANTRY_OP_TANH, x);
    if (k == 7) ir_store(g, "out", y);
    else ir_output(g, k == 8 ? "other" : "out", y);
    seen[k] = ir_hash(g);
    for (int j = 0; j < k; j++) T_CHECK(seen[j] != seen[k]);
    ir_free(g);
  }
}

/* Damages one thing at a time; the verifier must notice each. */
static void test_stages__verifier_rejects_damage(void) {
  for (int k = 0; k < 10; k++) {
    ir_graph *g = small();
    err e = {0};
    T_CHECK(!ir_verify(g, "built", &e));
    ir_id id = g->nodes.n - 1;
    while (ir_at(g, id)->n_in != 2 || ir_at(g, id)->op != GANTRY_OP_SUB) id--;
    ir_node *n = &g->nodes.p[id];
    switch (k) {
      case 0: g->in.p[n->in_off] = id; break;                /* uses itself */
      case 1: g->in.p[n->in_off] = 0; break;                 /* poisoned */
      case 2: n->dtype = GANTRY_F64; break;
      case 3: g->dims.p[n->dims_off]++; break;
      case 4: n->hash ^= 1; break;
      case 5: n->op = GANTRY_OP_ADD; break;                  /* same shape, other hash */
      case 6: n->op = 9999; break;
      case 7: n->in_off = g->in.n; break;
      case 8: n->n_in = 1; break;
      case 9: g->roots.p[0].id = g->nodes.n; break;
    }
    T_CHECK(ir_verify(g, "damaged", &e) == GANTRY_E_INTERNAL);
    T_HAS(e.msg, "damaged: ");
    ir_free(g);
  }
}

static void test_stages__verifier_compares_stores_with_states(void) {
  ir_graph *g = ir_new();
  err e = {0};
  ir_id w = ir_leaf(g, GANTRY_OP_STATE, "w", GANTRY_F32, 1, L(4));
  ir_store(g, "w", ir_sum_all(g, w));
  T_CHECK(ir_verify(g, "build", &e) == GANTRY_E_SHAPE);
  T_STR(e.msg, "build: state \"w\" is f32[4], the value stored to it is f32[]");
  ir_free(g);
}

static uint32_t draw(uint64_t *at, uint32_t n) { return (uint32_t)(check_uniform(99, (*at)++) * n); }

/* Random opcodes, inputs and attributes: an id or an error with a message, never a crash, and the graph stays valid. */
static void test_stages__abuse(void) {
  uint64_t at = 0;
  uint32_t made = 0, refused = 0;
#define R(n) draw(&at, (n))
  for (int round = 0; round < 300; round++) {
    ir_graph *g = ir_new();
    ir_id pool[40] = {0};
    uint32_t n_pool = 0;
    for (uint32_t k = 0; k < 6; k++) {
      int64_t dims[4] = {1 + R(3), 1 + R(4), 1 + R(4), 1 + R(3)};
      char name[4] = {'x', (char)('0' + k), 0};
      pool[n_pool++] = ir_leaf(g, GANTRY_OP_INPUT, name, R(3) ? GANTRY_F32 : 1 + R(8), R(5), dims);
    }
    for (int k = 0; k < 200; k++) {
      static const int64_t wild[] = {0, 1, 2, 3, 1, 1, 2, 0, -1, 4, 7, INT64_MAX, INT64_MIN, (int64_t)1 << 40, 4294967296};
      int64_t lists[4][10];
      gantry_attr attrs[4];
      ir_id in[3];
      uint32_t op = R(155), n = ir_op_get(op) && R(20) ? (uint32_t)(ir_op_get(op)->arity < 0 ? 2 : ir_op_get(op)->arity) : R(4), n_at = R(5);
      for (uint32_t j = 0; j < 3; j++) in[j] = R(60) ? pool[R(n_pool)] : R(1000);
      for (uint32_t j = 0; j < n_at; j++) {
        for (int i = 0; i < 10; i++) lists[j][i] = wild[R(R(4) ? 8 : 15)];
        attrs[j] = (gantry_attr){.key = R(32), .n = R(10), .v.iv = lists[j]};
        uint32_t key = attrs[j].key;
        int list = key == GANTRY_A_DIMS || (key >= GANTRY_A_AXES && key <= GANTRY_A_INTERIOR) || (key >= GANTRY_A_STRIDE && key <= GANTRY_A_DILATION) || key == GANTRY_A_UP || key == GANTRY_A_DOWN || key == GANTRY_A_WINDOW || (key == GANTRY_A_VALUE && attrs[j].n != 1);
        if (!list) attrs[j].v.i = lists[j][0], attrs[j].n = R(9) ? 1 : attrs[j].n;
      }
      ir_id id = ir_op(g, op, in, n, attrs, n_at);
      if (id) {
        made++;
        pool[n_pool < 40 ? n_pool++ : R(40)] = id;
      } else if (g->err.code) {
        refused++;
        T_CHECK(g->err.msg[0]);
        err_clear(&g->err);
      }
    }
    err e = {0};
    t_check_msg(!ir_verify(g, "abused", &e), __LINE__, __FILE__, e.msg);
    ir_free(g);
  }
  T_CHECK(made > 500 && refused > 5000);
}

/* Every node of many graphs, asked for once more: the same node comes back, for every operation that occurs. */
static void test_stages__every_operation_is_hash_consed(void) {
  check_random o = {GANTRY_F32, 80, CHECK_ALL | CHECK_GRADIENT};
  uint8_t seen[200] = {0};
  uint32_t kinds = 0;
  for (uint64_t seed = 1; seed <= 30; seed++) {
    err e = {0};
    ir_graph *g = check_random_graph(seed, &o, &e);
    T_CHECK(g != NULL);
    if (!g) continue;
    uint32_t n = g->nodes.n;
    arena *a = arena_new();
    for (ir_id id = 1; id < n; id++) {
      uint32_t op = ir_at(g, id)->op;
      if (op == GANTRY_OP_INPUT || op == GANTRY_OP_STATE) continue;
      const gantry_attr *at;
      uint32_t n_at = ir_attrs_abi(g, id, a, &at);
      T_CHECK(ir_op(g, op, g->in.p + ir_at(g, id)->in_off, ir_at(g, id)->n_in, at, n_at) == id);
      kinds += !seen[op];
      seen[op] = 1;
    }
    T_CHECK(g->nodes.n == n);
    arena_free(a);
    ir_free(g);
  }
  T_CHECK(kinds > 50);
}

static void test_stages__random_graphs_are_reproducible(void) {
  check_random o = {GANTRY_F32, 60, CHECK_ALL | CHECK_GRADIENT};
  uint64_t last = 0;
  for (uint64_t seed = 1; seed <= 20; seed++) {
    err e = {0};
    ir_graph *a = check_random_graph(seed, &o, &e), *b = check_random_graph(seed, &o, &e);
    T_CHECK(a && b && ir_hash(a) == ir_hash(b) && !ir_verify(a, "random", &e));
    T_CHECK(a && ir_hash(a) != last);
    if (a) last = ir_hash(a);
    ir_free(a);
    ir_free(b);
  }
}

T_MAIN(T(test_stages__print_golden), T(test_stages__hash_golden), T(test_stages__hash_ignores_labels_dead_nodes_and_order), T(test_stages__hash_sees_everything),
       T(test_stages__verifier_rejects_damage), T(test_stages__verifier_compares_stores_with_states), T(test_stages__abuse), T(test_stages__every_operation_is_hash_consed), T(test_stages__random_graphs_are_reproducible))
