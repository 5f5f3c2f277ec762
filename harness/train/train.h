/* train.h - one run: its world, session, programs, and the loop that drives them from log point to log point.
 *
 * A method (method_gan.c, method_classifier.c) builds the programs of one step and says which of them a given step runs. Everything
 * else here, and in eval/, knows only named states and programs. A run is resumed by loading its states: nothing else remembers. */
#ifndef TRAIN_TRAIN_H
#define TRAIN_TRAIN_H
#include "abi/build.h"
#include "config/config.h"
#include "data/data.h"
#include "exec/exec.h"
#include "store/record.h"

typedef struct train_program { /* one program of the method */
  const char *name;
  ir_graph *g;               /* kept until compiled */
  uint64_t hash;             /* of the graph: part of the run's identity */
  exec_program *exe;
  const char **log;          /* names of logged scalars; their window sums are the state "log/<name>" f64 [n,3]: sum, count, non-finite */
  uint32_t n_log;
} train_program;

typedef struct train_run train_run;
typedef struct train_method {
  const char *name;
  /* Builds every program of a step against run->world (declaring states). */
  gantry_status (*build)(train_run *r, err *e);
  /* The programs of step k in order; returns how many (at most run->most_programs, which build() sets). A pure function of k. */
  uint32_t (*step)(const train_run *r, int64_t k, uint32_t *list);
} train_method;

struct train_run {
  const cfg_run *cfg;
  abi_registry *registry;
  const train_method *method;
  arena *mem;
  abi_world *world;
  abi_element data_el, loss;
  data_set *data;
  uint8_t borrowed;          /* data is another run's */
  VEC(train_program) programs;
  exec_session *session;
  abi_plugin *backend;
  const char *device;        /* "cpu", "cuda:1", "auto": the best there is */
  const char *folder;        /* of the run, where a backend may freeze its choices; NULL: none */
  uint64_t seed;
  int64_t total_steps;
  uint32_t most_programs;    /* of one step */
  uint32_t n_states;         /* states that training declared: what a checkpoint holds */
  uint8_t trace;             /* adds every draw, input, loss and gradient as outputs of the programs */
  struct warm_file *warm;     /* weights that the networks start from (train.init_from), or NULL */
  char warm_sha[65];         /* of that file */
  const char *warm_text;     /* how much of it fits */
  uint8_t warm_partial;      /* some tensors of the networks are not in it, or in another shape */
  uint8_t test_split;        /* of the data: 0 not asked yet, 1 there, 2 not there */
  uint8_t *contributes;      /* by regularizer, in hook order: one of its hooks made something in some program */
  void *method_state;        /* arena-owned */
};

/* world.c: opens the plugins and the data set, makes networks and hooks. device: "cpu". */
gantry_status train_open(const cfg_run *cfg, abi_registry *reg, uint64_t seed, int trace, train_run **out, err *e);
/* The same, with the data set of `from` (NULL: none) where both read the same samples: for many runs in one process that are looked at one after another. `from`, its settings included,
 * must outlive the run, and neither may have a session. */
gantry_status train_open_beside(const cfg_run *cfg, abi_registry *reg, uint64_t seed, int trace, const train_run *from, train_run **out, err *e);
void train_close(train_run *r);
uint32_t train_precision(const cfg_run *cfg); /* device.c: GANTRY_PRECISION_* */
/* device.c: opens the backend that r->device names, in the run's precision. */
gantry_status train_session(train_run *r, err *e);
/* Opens and closes the device that `device` names. The backend's name, or NULL. */
const char *train_device_open(abi_registry *reg, const char *device, arena *a, err *e);
/* Opens the backend, compiles every program, runs the init program. */
gantry_status train_start(train_run *r, err *e);
/* sha256 of what can change the weights: train_json, seed, data content, given weights, graph hashes. */
void train_key(const train_run *r, char hex[65]);
/* Runs steps first .. first+n-1, up to so many of them in one call of the backend. */
enum { TRAIN_STEPS_TOGETHER = 8 };
gantry_status train_steps(train_run *r, int64_t first, int64_t n, err *e);
/* memory.c: bytes of states, data and the workspace that the largest program needs; known before anything is opened. */
typedef struct train_known { uint64_t graph; uint32_t precision; double recompute; int64_t workspace; } train_known;
typedef struct train_memo { VEC(train_known) p; } train_memo; /* of graphs that were planned before; starts as zeros, free(memo.p.p) */
gantry_status train_memory(const train_run *r, train_memo *memo, int64_t *bytes, err *e); /* memo may be NULL */
int64_t train_param_count(const train_run *r, uint32_t role);

/* programs.c, for methods */
abi_builder *train_program_begin(train_run *r, const char *name);
/* Ends a program: counts its invocation, closes its log, stores bindings (old ones where keep is 0), records its graph. Frees the builder. */
gantry_status train_program_end(train_run *r, abi_builder *b, ir_id keep, uint32_t mark, err *e);
void train_program_drop(abi_builder *b); /* frees a program that turned out not to be needed */
void train_log(abi_builder *b, const char *name, ir_id scalar);
void train_trace(train_run *r, abi_builder *b, const char *name, ir_id v); /* an output in traces, else nothing */
/* A program's log window as it is after the steps handed over so far, cleared for those that follow: begun, and later (wait: now) ended with mean and count of non-finite values
 * per name where *ready. Only for programs that log something. */
gantry_status train_log_begin(train_run *r, const train_program *p, exec_ticket **out, err *e);
gantry_status train_log_read(train_run *r, const train_program *p, double *mean, int64_t *bad, err *e); /* both at once; nothing where nothing is logged */
gantry_status train_log_end(train_run *r, const train_program *p, exec_ticket *t, int wait, double *mean, int64_t *bad, int *ready, err *e);

/* schedules.c: multiplier of a leaf from the experiment's schedules, as a graph over counters; 0 = none */
ir_id train_schedule(void *run, abi_builder *b, const char *leaf);

/* states.c: checkpoints */
/* best: NULL, or the value that makes this the best checkpoint so far; it is written beside the file, which is kept as best.safetensors too. */
gantry_status train_save(train_run *r, const char *dir, int64_t step, const double *best, arena *a, const char **path, char sha[65], int64_t *bytes, err *e);
/* The value of best.safetensors if it is this run's, else NaN. */
double train_best(const train_run *r, const char *dir);
/* *step = -1 if there is no checkpoint. */
gantry_status train_load(train_run *r, const char *dir, int64_t *step, buf *warnings, err *e);

/* warm.c: train.init_from. Open reads and hashes the file and refuses one of which nothing fits; load puts its tensors over the fresh weights of both networks. */
gantry_status train_warm_open(train_run *r, err *e);
gantry_status train_warm_load(train_run *r, err *e);
void train_warm_close(train_run *r);

/* loop.c */
typedef struct train_loop_options { const char *dir, *cache; rec_writer *rec; uint32_t run; uint8_t smoke; volatile int *stop; int64_t stop_after; } train_loop_options;
enum { TRAIN_DONE = 0, TRAIN_DIVERGED = 1, TRAIN_STOPPED = 2 };
/* Resumes from the newest checkpoint in dir, trains to the end, logging, sampling, evaluating and saving on the way. */
gantry_status train_loop(train_run *r, const train_loop_options *o, int *outcome, err *e);

/* metrics.c: builds everything that the run's metrics will ask for, without a session, so that one that cannot be computed is refused before the run. Declares states: call it last. */
gantry_status train_metrics_build(train_run *r, err *e);

/* trace.c: steps 0 .. n-1 with every input, draw, loss, gradient and state before and after, as one safetensors file. */
gantry_status train_trace_file(train_run *r, int64_t n, const char *path, err *e);
/* The evaluation of one metric after n steps, as one safetensors file: the sets as it sees them, what its passes keep, its values. */
gantry_status train_trace_metric(train_run *r, const char *id, int64_t n, const char *path, err *e);

extern const train_method train_method_gan, train_method_classifier;
#endif
