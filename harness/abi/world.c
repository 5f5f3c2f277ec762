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

gantry_status abi_world_declare(abi_world *w, const abi_state *s, err *e) {
  const abi_state *old = abi_world_state(w, s->name);
  if (old) {
    if (old->role != s->role || old->dtype != s->dtype || old->rank != s->rank || memcmp(old->dims, s->dims, sizeof(int64_t) * s->rank))
      return err_set(e, GANTRY_E_SHAPE, "state \"%s\" is declared twice with different role, type or shape: give one of them another name or scope", s->name);
    return GANTRY_OK;
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
