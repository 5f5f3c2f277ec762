/* world.c - see world.h. */
#include "abi/world.h"

#include <stdlib.h>

abi_world *abi_world_new(void) {
  abi_world *w = mem_alloc(sizeof *w);
  w->mem = arena_new();
  for (int k = 0; k < ABI_SEEDS; k++) w->seeds[k] = -1;
  return w;
}

void abi_world_free(abi_world *w) {
  if (!w) return;
  free(w->states.p);
  free(w->inputs.p);
  arena_free(w->mem);
  free(w);
}

abi_net *abi_world_net(const abi_world *w, uint32_t role) {
  for (uint32_t k = 0; k < w->n_nets; k++)
    if (w->nets[k].role == role) return &w->nets[k];
  return NULL;
}

const abi_state *abi_world_state(const abi_world *w, const char *name) {
  for (uint32_t k = 0; k < w->states.n; k++)
    if (!strcmp(w->states.p[k].name, name)) return &w->states.p[k];
  return NULL;
}

static void describe(const abi_state *s, int beginning, buf *b) {
  static const char *const roles[] = {"?", "weight", "buffer", "counter"}, *const inits[] = {"constant", "normal", "uniform", "xavier", "he", "orthogonal", "unit"};
  buf_printf(b, "%s %s[", s->role <= GANTRY_ROLE_COUNTER ? roles[s->role] : "?", ir_dtype_name(s->dtype));
  for (uint32_t k = 0; k < s->rank; k++) buf_printf(b, "%s%lld", k ? "," : "", (long long)s->dims[k]);
  buf_puts(b, "]");
  if (beginning) buf_printf(b, " that begins as %s %.9g", s->init <= GANTRY_INIT_UNIT ? inits[s->init] : "?", s->init_scale);
}

gantry_status abi_world_declare(abi_world *w, const abi_state *s, err *e) {
  const abi_state *old = abi_world_state(w, s->name);
  if (old) {
    int shape = old->role != s->role || old->dtype != s->dtype || old->rank != s->rank || memcmp(old->dims, s->dims, sizeof(int64_t) * s->rank);
    int beginning = old->init != s->init || memcmp(&old->init_scale, &s->init_scale, sizeof s->init_scale);
    if (!shape && !beginning) return GANTRY_OK;
    buf b = {0};
    describe(old, !shape, &b);
    buf_puts(&b, " and asked for as ");
    describe(s, !shape, &b);
    err_set(e, GANTRY_E_SHAPE, "\"%s\" was declared as %s: two things of one name? Give one of them another name, or a scope of its own (gan_open with an index)", s->name, b.p);
    buf_free(&b);
    return e->code;
  }
  abi_state copy = *s;
  copy.name = arena_str(w->mem, s->name);
  VEC_PUSH(w->states, copy);
  return GANTRY_OK;
}

const abi_input *abi_world_input(abi_world *w, const abi_input *in) {
  for (uint32_t k = 0; k < w->inputs.n; k++)
    if (!strcmp(w->inputs.p[k].name, in->name)) return &w->inputs.p[k];
  abi_input copy = *in;
  copy.name = arena_str(w->mem, in->name);
  VEC_PUSH(w->inputs, copy);
  return &w->inputs.p[w->inputs.n - 1];
}

const char *abi_world_seed(abi_world *w, uint32_t what) {
  static const char *const own[] = {"seed/init", "seed/data", "seed/noise"};
  abi_input in = {.name = "seed", .dtype = GANTRY_U32, .rank = 1, .dims = {2}};
  if (w->seeds[what] >= 0) {
    in.name = own[what];
    in.words[0] = (uint32_t)w->seeds[what];
    in.words[1] = (uint32_t)(w->seeds[what] >> 32);
  }
  return abi_world_input(w, &in)->name;
}
