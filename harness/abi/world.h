/* world.h - what a run consists of, as plugins see it: its networks, regularizers, data, and every state declared so far.
 *
 * One world per run; builders (build.h) make programs against it. Nothing here knows JSON or GANs: networks have a role, a scope and an
 * optimizer, hooks have an order. */
#ifndef ABI_WORLD_H
#define ABI_WORLD_H
#include <gantry/arch.h>
#include <gantry/loss.h>
#include <gantry/metric.h>
#include <gantry/optim.h>
#include <gantry/regularizer.h>

#include "abi/params.h"
#include "ir/ir.h"

/* One configured plugin: what its callbacks may ask about. */
typedef struct abi_element {
  const gantry_plugin *plugin; /* live */
  const abi_value *values;
  const char *path;            /* dotted path in the experiment, "regularizers.gp": names its scalars and its errors */
  const char *id;              /* last part of the path: scope of a regularizer's states */
} abi_element;

typedef struct abi_net {
  uint32_t role;       /* GANTRY_G, GANTRY_D, GANTRY_FEATURES */
  const char *scope;   /* "g", "d", "features" */
  abi_element arch, optim;
  uint32_t index;      /* of the network in the arch's nets */
  gantry_build shape;  /* sizes of the data; batch, images and flags are filled per application */
  int64_t pack;        /* images that apply() joins to one before this network sees them; 0 and 1: none */
  double lazy;         /* correction of every update while some terms run lazily (optim.h); 0 = none */
  uint8_t has_ema;
  uint8_t uses_label;  /* its output depends on the label it is fed; found out by the method */
  const char *latent;  /* distribution of its random inputs where it is not the arch's own: "normal", "uniform", or NULL */
  double latent_noise; /* standard deviation of normal noise added to them while training */
} abi_net;

typedef struct abi_regularizer {
  abi_element el;
  uint32_t of;      /* bits 1 << role */
  uint32_t every;   /* term: 1 = in the main program; k = a program of its own each k-th update */
} abi_regularizer;

typedef struct abi_state { /* a declared state */
  const char *name;
  uint32_t role, dtype, rank, init, out_axis, flags, net; /* net: role of the network it follows, 0 = none */
  int64_t dims[GANTRY_MAX_RANK];
  double init_scale;
} abi_state;

typedef struct abi_input { /* a named input that the host fills once: scalars of parameters, arrays of the data set */
  const char *name;
  uint32_t dtype, rank;
  int64_t dims[GANTRY_MAX_RANK];
  double value;            /* scalars */
  const float *values;     /* arrays */
  uint32_t words[2];       /* seeds of their own (u32 [2], low word first); the input named "seed" is the run's */
} abi_input;

/* What random numbers are for. Each kind may have a seed of its own; else it is the run's. */
enum { ABI_SEED_INIT, ABI_SEED_DATA, ABI_SEED_NOISE, ABI_SEEDS };

typedef struct abi_builder abi_builder;
typedef struct abi_world {
  arena *mem;
  abi_net *nets;
  uint32_t n_nets;
  abi_regularizer *regs;   /* in hook order */
  uint32_t n_regs;
  VEC(abi_state) states;   /* in order of declaration */
  VEC(abi_input) inputs;
  const char *const *provided; /* arrays of the data set: names in `inputs` with the prefix "data/" */
  /* Multiplier of a scheduled leaf ("g.optim.lr") as a graph over counters, or 0; schedules are the method's business. */
  ir_id (*schedule)(void *user, abi_builder *b, const char *leaf);
  ir_id (*loss)(void *user, abi_builder *b, uint32_t net, ir_id logit_real, ir_id logit_fake); /* the method's loss of a network; NULL = it has none */
  /* What the data set gives to networks; NULL without one. Labels i32 [n] drawn from the data's, 0 if it has none; the first n samples ("image")
   * or labels ("label") of the first epoch, which are the same in every program. */
  ir_id (*draw_labels)(void *user, abi_builder *b, int64_t n);
  ir_id (*reference)(void *user, abi_builder *b, const char *what, int64_t n);
  void *user;
  int64_t seeds[ABI_SEEDS]; /* a seed of its own, or -1 (as abi_world_new sets it) */
  const abi_builder *building; /* whose callback runs now, or NULL: told when a plugin crashes */
} abi_world;

abi_world *abi_world_new(void);
void abi_world_free(abi_world *w);
abi_net *abi_world_net(const abi_world *w, uint32_t role);
const abi_state *abi_world_state(const abi_world *w, const char *name);
/* Declares or finds; another shape, type, role or first value under a known name is an error. */
gantry_status abi_world_declare(abi_world *w, const abi_state *s, err *e);
/* Declares the input (u32 [2]) that holds the seed of a kind of draws; its name. */
const char *abi_world_seed(abi_world *w, uint32_t what);
const abi_input *abi_world_input(abi_world *w, const abi_input *in); /* declares or finds */
#endif
