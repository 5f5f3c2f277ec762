/* build.h - building one program: a graph, the current bindings, and the plugin callback that is running.
 *
 * The host's side of every table in <gantry/abi.h>. A builder begins with the gantry_ctx that plugins get, so the host itself may use the
 * author's vocabulary (gan_add(&b->cx, ...)). Callbacks are run between abi_enter and abi_leave, which set scope, parameters and the
 * place that errors name. One thread. */
#ifndef ABI_BUILD_H
#define ABI_BUILD_H
#include "abi/world.h"
#include "ir/build.h"

typedef struct abi_binding { uint32_t name; ir_id id; } abi_binding;
typedef struct abi_tap { const char *name; ir_id id; } abi_tap;
typedef struct abi_app { /* one application of a network */
  const abi_net *net;
  uint32_t flags;
  const gantry_named *fed;
  uint32_t n_fed;
  uint8_t is_part;          /* rows of another application: no stream is named after it */
  VEC(abi_tap) taps;
} abi_app;
typedef struct abi_keep { const char *name; ir_id id; uint32_t how; } abi_keep;
typedef struct abi_draw { const char *name; ir_id id; } abi_draw;
typedef struct abi_transformed { uint32_t name, eval, hook; ir_id in, out; } abi_transformed; /* what a weight hook made of a weight */
typedef struct abi_ordinal { uint64_t path; uint32_t n, reserved0; } abi_ordinal;          /* random draws made at one place */

struct abi_builder {
  gantry_ctx cx;            /* first: what plugins see */
  abi_world *world;
  ir_graph *g;
  arena *mem;               /* until the builder is freed */
  const char *program;
  err err;                  /* sticky; a callback's failure */
  VEC(abi_binding) now;     /* current bindings; of one name the last counts */
  VEC(abi_binding) undo;    /* what set() replaced */
  VEC(abi_app) apps;        /* [0] unused: call ids are indices */
  VEC(abi_transformed) transformed;
  VEC(abi_ordinal) ordinals;
  VEC(abi_draw) draws;      /* every random tensor, for traces */
  VEC(abi_keep) keeps;      /* metrics */
  ir_id (*kept)(abi_builder *b, uint32_t set, const char *name);      /* metrics: set by eval/ */
  ir_id (*features)(abi_builder *b, ir_id images, const char *tap);
  void *user;
  /* the running callback */
  const abi_element *el;
  buf scope;                /* "d/conv1/" */
  const char *doing;        /* the hook that runs now, "term": told when it crashes */
  const char *place;        /* random streams: "d.2" in the second application of d */
  uint32_t app;             /* current application, 0 = none */
  uint32_t net;             /* role that new states follow */
  uint32_t flags;           /* of the current application */
  /* A struct of the host as plugins are to see it, longer or shorter than it is; NULL: as it is. The conformance check's. */
  const void *(*lend)(abi_builder *b, const void *p, size_t now, size_t since);
  uint8_t sampling;         /* drawn inputs are for looking at, not for training: no noise on them */
  uint8_t truncate_clips;   /* values beyond `truncate` are moved to it; else they are drawn again */
  double truncate;          /* normal inputs stay within +- this; 0 = no limit */
  struct { const void *set; ir_id first, at; int64_t n; } drawn; /* data_indices: what was asked for last, and its answer */
  ir_id labels;             /* i32 [n]: fed to networks whose applier fed none; 0 = drawn from the data */
  ir_id images;             /* f32 scalar: real images D has seen */
  ir_id clock;              /* i64 scalar: a count of images that lies within the current step; schedules read it */
};

abi_builder *abi_builder_new(abi_world *w, const char *program);
void abi_builder_free(abi_builder *b);
/* The first error of graph, callback or host, with everything known about its place. */
gantry_status abi_builder_status(abi_builder *b, err *e);

typedef struct abi_frame { const abi_element *el; size_t scope, inside; const char *place, *doing; uint32_t net, failed; } abi_frame; /* inside: end of the scope that the callback begins with; failed: an error was there before */
/* scope NULL keeps the scope; else it is replaced by scope + "/" ("" = the root). */
abi_frame abi_enter(abi_builder *b, const abi_element *el, const char *scope, const char *place);
/* what: "loss d", "term": for the message. Returns nonzero if anything failed. */
gantry_status abi_leave(abi_builder *b, abi_frame f, gantry_status returned, const char *what);
void abi_doing(abi_builder *b, const char *what);
/* Runs a callback between abi_enter and abi_leave, so that a crash in it can be told by name. */
#define ABI_CALL(b, f, what, call) (abi_doing((b), (what)), abi_leave((b), (f), (call), (what)))

/* A loss's threshold and chance values with these parameters: its constants, or what its constants() makes of them. */
gantry_status abi_loss_constants(abi_builder *b, const abi_element *loss, gantry_loss_constants *out);
/* Whether a handle that a plugin handed over can be used. If not the error begins with `what`, and `name` in quotes unless NULL; handle 0 is no news where a call failed before. */
int abi_usable(abi_builder *b, gantry_t t, const char *what, const char *name);
/* What a hook gave back: t itself, or 0 with an error that names hook and plugin where it is handle 0, belongs to another build, or has not the shape and type of `like`
 * (0: any). A handle that a failed call left at 0 is no news: the first error stands. */
ir_id abi_given(abi_builder *b, const abi_element *el, const char *hook, gantry_t t, ir_id like);

/* Bindings by full name. */
ir_id abi_get(abi_builder *b, const char *name);                 /* 0 if not bound */
ir_id abi_state_here(abi_builder *b, const abi_state *s);        /* declares and binds if need be */
void abi_bind(abi_builder *b, const char *name, ir_id v);
uint32_t abi_mark(const abi_builder *b);
void abi_rollback(abi_builder *b, uint32_t mark);                /* undoes every abi_bind since the mark */
/* STORE roots for every binding that is no longer the state's own leaf. Where keep (bool or 0/1 f32 scalar; 0 handle = always) is false, the
 * old value, except for names bound after `mark`: counters of time, control states and logs go on whether or not an update is kept. */
void abi_store_bindings(abi_builder *b, ir_id keep, uint32_t mark);

ir_id abi_scalar_input(abi_builder *b, const char *name, double value);   /* f32 scalar uploaded once */
ir_id abi_counter(abi_builder *b, const char *name);                     /* i64 scalar state "counter/<name>", starts at 0 */
ir_id abi_counter_f32(abi_builder *b, const char *name);

/* Networks. */
gantry_call abi_apply(abi_builder *b, uint32_t role, const gantry_named *in, uint32_t n, uint32_t flags);
ir_id abi_out(abi_builder *b, gantry_call call, const char *tap);
int abi_has_tap(const abi_builder *b, gantry_call call, const char *tap);
/* Rows first .. first+n-1 of an application's batch of `of`, as an application of their own: taps cut in proportion along their first axis. */
gantry_call abi_part(abi_builder *b, gantry_call call, int64_t first, int64_t n, int64_t of);
/* Images [n,..,c] as a network with pack m sees them, [n/m,..,m c]: m consecutive ones joined along the channels. */
ir_id abi_pack(abi_builder *b, ir_id x, int64_t m);
int abi_draws_uniform(abi_builder *b, uint32_t role, const char *input); /* whether that random input is uniform in this run */
ir_id abi_draw_input(abi_builder *b, uint32_t role, const char *input, int64_t n);
uint32_t abi_params(abi_builder *b, uint32_t role, ir_id *dst, const abi_state **which, uint32_t cap);
/* One optimizer update of the bindings of a network, both parts of it. st NULL: no gradient or after hooks (lookahead). grads_out may be NULL, else one
 * per parameter as given to the optimizer. */
gantry_status abi_gradients(abi_builder *b, uint32_t role, ir_id loss, ir_id *grads); /* one per parameter, as abi_params lists them */
/* The rest of an update, from gradients; what the gradient hooks made of them is put in their place. */
gantry_status abi_descend(abi_builder *b, uint32_t role, ir_id *grads, const gantry_step *st);
gantry_status abi_update(abi_builder *b, uint32_t role, ir_id loss, const gantry_step *st, ir_id *grads_out);

/* Tables, one file each. */
extern const gantry_graph_api abi_graph_api;
extern const gantry_net_api abi_net_api;
extern const gantry_metric_api abi_metric_api;
extern const gantry_param_api abi_param_api;
extern const gantry_host abi_host;
static inline abi_builder *abi_of(gantry_ctx *cx) { return (abi_builder *)(void *)cx; }
static inline gantry_t abi_t(ir_id id) { return (gantry_t){id}; }

/* init.c: adds STORE roots that give every declared state from index `first` on its initial value; EMA copies equal what they average. */
void abi_build_init(abi_builder *b, uint32_t first);
#endif
