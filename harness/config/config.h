/* config.h - the experiment file: read, checked against the plugins' tables, expanded into cells, resolved into settings.
 *
 * The only room that sees JSON. What comes out is plain C: an experiment with its factors and cells, and for each cell a cfg_run with
 * every default filled in. Everything is owned by the experiment's (or the run's) arena. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H
#include "abi/params.h"
#include "abi/registry.h"

enum { CFG_NEVER = 0, CFG_STEPS, CFG_IMAGES, CFG_KIMG, CFG_EPOCHS, CFG_FRACTION, CFG_END };
typedef struct cfg_duration { uint32_t unit; double n; } cfg_duration; /* END: only at the end */

typedef struct cfg_element { /* {"name": plugin, parameters..., reserved words} */
  const char *id, *path;     /* key chosen by the user (regularizers, metrics), dotted path: "regularizers.r1" */
  const char *name;
  uint32_t kind, of;         /* of: GANTRY_G, GANTRY_D as bits (1 << GANTRY_G | 1 << GANTRY_D); 0 = not given */
  const abi_value *values;   /* by the plugin's own index */
  int64_t order;
  cfg_duration every;        /* CFG_NEVER = not given */
  uint8_t force;             /* regularizers: the user insists on a combination that is refused for a reason */
} cfg_element;

typedef struct cfg_net {
  cfg_element arch, optim;
  const char *latent;        /* G only: distribution of z, "normal" or "uniform"; NULL = the arch's own */
  double latent_noise;       /* G only: standard deviation of noise added to z while training */
  uint8_t ema;               /* G only */
  cfg_duration ema_half_life;
  double ema_decay, ema_ramp_up; /* decay per step used if half_life is not given (CFG_NEVER) */
} cfg_net;

typedef struct cfg_schedule { /* multiplies the leaves it names */
  const char *id, *shape;     /* "linear" "exponential" "cosine" "step" "constant" */
  const char *const *of;      /* dotted paths, NULL-terminated */
  double to, factor;          /* final multiplier; factor of each step of "step" */
  cfg_duration start, end, warmup, every;
} cfg_schedule;

enum { CFG_RAW = 1, CFG_EMA = 2 };
typedef struct cfg_metric {
  cfg_element el;
  const char *features;       /* or NULL */
  int64_t fake, real_limit;   /* samples of G; real samples used at most, 0 = all */
  const char *real;           /* split used as the reference set */
  uint32_t weights;           /* bits CFG_RAW, CFG_EMA */
} cfg_metric;

typedef struct cfg_run {
  const char *grid, *label;   /* "penalty=on lr=1e-3" */
  cfg_element data;
  const char *split;
  double range[2];
  int64_t limit;              /* samples used, 0 = all */
  int64_t limit_seed;         /* which of them: drawn with this seed, or -1 = the first */
  const char *storage;        /* of the samples: "auto", "memory", "file" */
  const char *method;         /* "gan": g, d and loss; "classifier": net */
  cfg_net g, d, net;
  cfg_element loss;
  const cfg_element *regs;
  uint32_t n_regs;            /* in hook order: order, then id */
  const cfg_schedule *schedules;
  uint32_t n_schedules;
  int64_t batch, d_steps, g_steps, threads;
  int64_t accumulate;         /* parts of a batch whose gradients are added up before each update; 1 = none */
  int64_t pack;               /* d.pack: images that D judges together; 1 = none */
  uint8_t joint;              /* d.batches joint: D sees real and fake in one application */
  uint8_t simultaneous;
  const char *precision;      /* "f32" */
  double recompute;           /* share of the bytes moved that may be moved again to hold less in memory; no part of the identity */
  int64_t init_seed, data_seed, noise_seed; /* of initial weights, of the order of samples, of all other draws; -1 = the run's seed */
  const char *init_from;      /* safetensors file whose weights the networks start from, or NULL */
  cfg_duration length;
  const cfg_metric *metrics;
  uint32_t n_metrics;
  int64_t grid_rows, grid_cols, interpolations, checkpoint_keep;
  double truncate;            /* samples: z stays within +- this; 0 = no limit */
  uint8_t truncate_clips;     /* values outside are moved to it, not drawn again */
  uint8_t truncates_w;        /* samples: w is moved towards its average */
  double psi;                 /* by so much of its distance being kept */
  cfg_duration sample_every, checkpoint_every, log_every;
  const char *checkpoint_best; /* metric id or NULL */
  const char *json;            /* resolved and canonical: sorted keys, every default; reads back to the same run */
  const char *train_json;      /* the part of it that can change the weights; length left out unless a schedule depends on it */
  const char *eval_json;       /* the metrics part: a run trained before is evaluated again where it differs */
  arena *mem;
} cfg_run;

/* Steps until d (INT64_MAX for CFG_NEVER): kimg and images count batch * d_steps real images a step, epochs `count` of them, fractions `total` steps. At least 1. */
int64_t cfg_steps(const cfg_run *r, cfg_duration d, int64_t count, int64_t total);
int64_t cfg_total_steps(const cfg_run *r, int64_t count);

typedef struct cfg_level { const char *label; const char *value_json; } cfg_level;
typedef struct cfg_factor { const char *name, *path; const cfg_level *levels; uint32_t n_levels, baseline; } cfg_factor;
typedef struct cfg_cell {
  const char *label;           /* "loss=ns sn=off"; ladders: the rung */
  const int32_t *level;        /* per factor; -1 = does not apply */
  const char *excluded;        /* the reason, or NULL */
  const cfg_run *run;          /* NULL if excluded */
  int64_t same_as;             /* index of an earlier cell with the same settings, or -1 */
  uint8_t selected;            /* 0: left out by --only; its place and number stay */
} cfg_cell;
enum { CFG_MEDIAN = 1, CFG_ASHA = 2 };
typedef struct cfg_early { /* ending runs that do badly; see sched/early.h */
  uint32_t rule;               /* 0: none */
  cfg_duration after;          /* no run is ended before this */
  double factor;               /* asha: one in so many goes on at each rung */
  int64_t least;               /* other runs of the same seed that a run is compared with at least */
} cfg_early;
typedef struct cfg_experiment {
  const char *name, *question, *path, *dir;
  const cfg_factor *factors;
  uint32_t n_factors;
  const cfg_cell *cells;
  uint32_t n_cells;
  const uint64_t *seeds;
  uint32_t n_seeds;
  const char *judge_metric, *judge_weights, *judge_reduce; /* "fd", or "coverage.modes" for a metric of several values; NULL without metrics */
  cfg_early early;
  int32_t judge_better;        /* -1: lower is better, +1: higher, 0: neither */
  const char *spec_json;       /* the file as resolved with extends and --set */
  const char *const *warnings; /* NULL-terminated */
  arena *mem;
} cfg_experiment;

typedef struct cfg_options { const char *const *set; uint32_t n_set; const char *const *only; uint32_t n_only; uint8_t smoke; } cfg_options;
/* Errors read "file:line:column: what (did you mean ...?)" with the line and a caret under it. */
gantry_status cfg_load(const char *path, abi_registry *reg, const cfg_options *o, cfg_experiment **out, err *e);
void cfg_free(cfg_experiment *x);
/* Reads a resolved run back (workers, tests). */
gantry_status cfg_run_parse(const char *json, abi_registry *reg, const char *dir, cfg_run **out, err *e);
void cfg_run_free(cfg_run *r);
/* One plugin's descriptor as a JSON object: kind, name, version, summary, paper, license, needs, provides, abi, file, params. */
void cfg_describe(const abi_plugin *p, buf *out);
/* JSON Schema (draft-07) of the experiment format with these plugins. */
void cfg_schema(abi_registry *reg, buf *out);
#endif
