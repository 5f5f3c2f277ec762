/* programs.c - beginning, logging and ending a program; compiling all of them; running steps. See train.h. */
#include <gantry/ops.h>
#include <stdio.h>
#include <stdlib.h>

#include "exec/inputs.h"
#include "ir/build.h"
#include "train/train.h"

typedef struct logged { const char *name; ir_id id; } logged;
typedef VEC(logged) log_list;

abi_builder *train_program_begin(train_run *r, const char *name) {
  abi_builder *b = abi_builder_new(r->world, name);
  b->user = mem_alloc(sizeof(log_list));
  return b;
}

void train_log(abi_builder *b, const char *name, ir_id scalar) {
  log_list *l = b->user;
  if (!scalar) return;
  VEC_PUSH(*l, ((logged){arena_str(b->mem, name), scalar}));
}

void train_trace(train_run *r, abi_builder *b, const char *name, ir_id v) {
  if (r->trace && v) ir_output(b->g, name, v);
}

/* Adds this invocation's values to the window sums: one f64 [n,3] state per program. */
static void close_log(abi_builder *b, const log_list *l) {
  if (!l->n) return;
  gantry_ctx *cx = &b->cx;
  int64_t one = 1, n = l->n;
  abi_state s = {.name = arena_fmt(b->mem, "log/%s", b->program), .role = GANTRY_ROLE_COUNTER, .dtype = GANTRY_F64, .rank = 2, .dims = {n, 3}};
  ir_id window = abi_state_here(b, &s);
  gantry_t *v = ARENA_ARRAY(b->mem, gantry_t, n);
  for (uint32_t k = 0; k < l->n; k++) v[k] = gan_reshape(cx, gan_f64(cx, abi_t(l->p[k].id)), 1, &one);
  gantry_t all = gan_concat(cx, v, l->n, 0), zero = gan_const_like(cx, all, 0);
  gantry_t finite = gan_eq(cx, gan_sub(cx, all, all), zero), is = gan_f64(cx, finite);
  int64_t column[2] = {n, 1};
  gantry_t parts[3] = {gan_reshape(cx, gan_where(cx, finite, all, zero), 2, column), gan_reshape(cx, is, 2, column),
                       gan_reshape(cx, gan_sub(cx, gan_const_like(cx, is, 1), is), 2, column)};
  abi_bind(b, s.name, gan_add(cx, abi_t(window), gan_concat(cx, parts, 3, 1)).id);
}

/* Every draw as an output, under the name of its place; a place that draws twice numbers them, so that none hides another. */
static void trace_draws(abi_builder *b) {
  for (uint32_t k = 0; k < b->draws.n; k++) {
    uint32_t before = 0;
    for (uint32_t j = 0; j < k; j++) before += !strcmp(b->draws.p[j].name, b->draws.p[k].name);
    ir_output(b->g, before ? arena_fmt(b->mem, "draw/%s.%u", b->draws.p[k].name, before) : arena_fmt(b->mem, "draw/%s", b->draws.p[k].name), b->draws.p[k].id);
  }
}

gantry_status train_program_end(train_run *r, abi_builder *b, ir_id keep, uint32_t mark, err *e) {
  log_list *l = b->user;
  const char *invocation = arena_fmt(b->mem, "%s.invocation", b->program);
  ir_id count = abi_counter(b, invocation);
  abi_bind(b, arena_fmt(b->mem, "counter/%s", invocation), ir_add(b->g, count, ir_const(b->g, GANTRY_I64, 1)));
  close_log(b, l);
  for (uint32_t k = 0; r->contributes && k < b->transformed.n; k++) /* weight hooks run inside applications */
    if (b->transformed.p[k].in != b->transformed.p[k].out) r->contributes[b->transformed.p[k].hook] = 1;
  abi_store_bindings(b, keep, mark);
  if (r->trace) trace_draws(b);
  gantry_status st = abi_builder_status(b, e);
  if (!st) {
    train_program p = {.name = arena_str(r->mem, b->program), .hash = ir_hash(b->g), .n_log = l->n, .log = ARENA_ARRAY(r->mem, const char *, l->n + 1)};
    for (uint32_t k = 0; k < l->n; k++) p.log[k] = arena_str(r->mem, l->p[k].name);
    p.g = b->g;
    b->g = ir_new(); /* the program keeps the graph */
    VEC_PUSH(r->programs, p);
  }
  train_program_drop(b);
  return st;
}

void train_program_drop(abi_builder *b) {
  log_list *l = b->user;
  free(l->p);
  free(l);
  b->user = NULL;
  abi_builder_free(b);
}

/* OpenMP and OpenBLAS read these when the backend is loaded. Threads are part of a run's identity. The CPU backend's bits do not depend on them, those of a backend that
 * leaves its libraries to choose would, so whichever command runs it gives the same number. */
static void set_threads(int64_t n) {
  char text[32];
  snprintf(text, sizeof text, "%lld", (long long)n);
  setenv("OMP_NUM_THREADS", text, 1);
  setenv("OMP_WAIT_POLICY", "passive", 1);
  setenv("OPENBLAS_NUM_THREADS", "1", 1);
}

gantry_status train_start(train_run *r, err *e) {
  set_threads(r->cfg->threads);
  TRY(train_session(r, e));
  TRY(data_upload(r->data, r->session, "train", e));
  abi_builder *b = abi_builder_new(r->world, "init");
  abi_build_init(b, 0);
  gantry_status st = abi_builder_status(b, e);
  TRY(st ? st : exec_upload_inputs(r->session, r->world, r->seed, e));
  for (uint32_t k = 0; k < r->world->states.n; k++) {
    const abi_state *s = &r->world->states.p[k];
    TRY(exec_tensor_make(r->session, s->name, s->dtype, s->rank, s->dims, e));
  }
  exec_program *init = exec_compile(r->session, b->g, "init", e);
  abi_builder_free(b);
  if (!init) return e->code;
  TRY(exec_run(r->session, &init, 1, e));
  if (r->warm) TRY(train_warm_load(r, e));
  for (uint32_t k = 0; k < r->programs.n; k++) { /* these alone compute in the run's precision: initial values, samples and metrics are f32 whatever a run trains in */
    train_program *p = &r->programs.p[k];
    if (!(p->exe = exec_compile_in(r->session, p->g, p->name, train_precision(r->cfg), r->cfg->recompute, e))) return e->code;
  }
  return exec_sync(r->session, e);
}

/* Samples of a file are asked for a few steps before they are used; at the first step of a stretch also those between. Terms that draw more than a batch an update wait for theirs. */
static void fetch_ahead(const train_run *r, int64_t step, int begin) {
  enum { AHEAD = 4 };
  int64_t own = r->world->seeds[ABI_SEED_DATA], each = r->cfg->batch * r->cfg->d_steps;
  uint64_t seed = own >= 0 ? (uint64_t)own : r->seed;
  const uint32_t words[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
  data_ahead(r->data, words, (step + (begin ? 0 : AHEAD)) * each, (begin ? AHEAD + 1 : 1) * each);
}

/* Steps handed over together: what a backend is asked for again and again it may prepare as a whole (a CUDA graph of several steps). Sizes are powers of two at their own
 * multiples, so that few sequences occur, whatever the lengths of the stretches between points; files are read ahead step by step. */
static int64_t steps_together(const train_run *r, int64_t step, int64_t left) {
  int64_t n = r->data->ahead ? 1 : TRAIN_STEPS_TOGETHER;
  while (n > left || step % n) n /= 2;
  return n;
}

gantry_status train_steps(train_run *r, int64_t first, int64_t n, err *e) {
  uint32_t *which = mem_alloc(sizeof *which * r->most_programs);
  exec_program **list = mem_alloc(sizeof *list * r->most_programs * TRAIN_STEPS_TOGETHER);
  gantry_status st = GANTRY_OK;
  for (int64_t k = first, end = first + n; k < end && !st;) {
    uint32_t m = 0;
    if (r->data->ahead) fetch_ahead(r, k, k == first);
    for (int64_t stop = k + steps_together(r, k, end - k); k < stop; k++) {
      uint32_t programs = r->method->step(r, k, which);
      for (uint32_t j = 0; j < programs; j++) list[m++] = r->programs.p[which[j]].exe;
    }
    st = exec_run(r->session, list, m, e);
  }
  free(which);
  free(list);
  return st;
}

gantry_status train_log_read(train_run *r, const train_program *p, double *mean, int64_t *bad, err *e) {
  if (!p->n_log) return GANTRY_OK;
  char name[256];
  snprintf(name, sizeof name, "log/%s", p->name);
  size_t bytes = sizeof(double) * 3 * p->n_log;
  double *w = mem_alloc(bytes);
  gantry_status st = exec_read(r->session, name, w, (int64_t)bytes, e);
  for (uint32_t k = 0; k < p->n_log && !st; k++) {
    mean[k] = w[3 * k + 1] > 0 ? w[3 * k] / w[3 * k + 1] : (double)__builtin_nanf("");
    bad[k] = (int64_t)w[3 * k + 2];
  }
  memset(w, 0, bytes);
  if (!st) st = exec_write(r->session, name, w, (int64_t)bytes, e);
  free(w);
  return st;
}
