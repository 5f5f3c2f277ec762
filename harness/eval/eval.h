/* eval.h - what is done with a trained G and no training: sample grids, interpolations, metrics.
 *
 * Works on a world, a session and a data set; programs are compiled at first use and kept. Latents of samples and of metrics come from
 * streams of their own at fixed positions: the same z at every evaluation of a run, whatever training drew. */
#ifndef EVAL_EVAL_H
#define EVAL_EVAL_H
#include "abi/build.h"
#include "abi/registry.h"
#include "base/image.h"
#include "data/data.h"
#include "exec/exec.h"

typedef struct eval_cached { const char *name; exec_program *exe; uint64_t hash; } eval_cached;
typedef struct eval_set { const char *split; int64_t limit; const char *name; data_set *data; } eval_set; /* name: of its tensors on the device */
typedef struct eval_context {
  abi_world *world;
  exec_session *session;    /* NULL: graphs are built and nothing runs (eval_metric_build) */
  abi_registry *registry;
  const abi_element *data_el;
  const data_set *train;    /* already uploaded as "train" */
  const double *range;
  uint64_t seed;
  double truncate;          /* of samples and interpolations, not of metrics; 0 = none: see abi_builder */
  uint8_t truncate_clips;
  uint8_t truncates_w;      /* of samples and interpolations: w is moved to its average + psi (w - average), where G has the taps "w" and "w_avg" */
  double psi;
  int64_t mix;              /* eval_grid: so many first layers take the style of the row, the others that of the column; 0 = none */
  arena *mem;
  VEC(eval_cached) programs;
  VEC(eval_set) sets;
  void (*beat)(void *user, const char *doing); /* called between batches, or NULL: a sign of life */
  void *beat_user;
  const char *features;     /* name of the feature network that is loaded, or NULL */
  char features_sha[65];    /* of its weights */
  const char *cache;        /* folder for what metrics keep of real sets, or NULL */
  /* Told of everything that a metric's passes kept, f64, before its values are given; and then also of the sets themselves, as "trace.samples", "trace.labels", "trace.z" (not with a cache). Or NULL. */
  void (*kept)(void *user, uint32_t set, const char *name, uint32_t rank, const int64_t *dims, const double *data);
  void *kept_user;
} eval_context;

void eval_init(eval_context *c, abi_world *w, exec_session *s, abi_registry *reg, const abi_element *data_el, const data_set *train, const double *range, uint64_t seed);
void eval_free(eval_context *c);
/* Compiles b's graph as a program of that name; frees b. */
exec_program *eval_compile(eval_context *c, abi_builder *b, err *e);
exec_program *eval_cached_program(const eval_context *c, const char *name); /* NULL if not compiled yet */

/* Whether samples of such a set can be drawn: images of one channel or three (f32 ones through data.range), points in the plane. */
int eval_drawable(const data_set *d);
extern const char eval_undrawable[]; /* the words for one that cannot */

/* weights: GANTRY_EMA or 0. A PNG of rows x cols samples, enlarged to a comfortable size; points in the plane become a scatter plot over
 * real ones. What is not drawable is refused. A conditional G draws one row per class (up to 64 classes; then row r shows class r mod classes), the same latents in every row.
 * interpolate: each row goes from one latent to another: on the great circle between them where they are normal (slerp: White 2016,
 * arXiv:1609.04468), on a straight line where uniform. With c->mix the first column and the first row are samples, and the others are made of the styles of those two, for a G
 * whose tap "w" holds one for each layer; in the corner is the average w (Karras et al. 2019, arXiv:1812.04948, figure 3). */
gantry_status eval_grid(eval_context *c, uint32_t weights, int64_t rows, int64_t cols, int interpolate, const char *path, err *e);
gantry_t eval_class_of(gantry_ctx *cx, gantry_t index, int64_t classes); /* i32: i64 index mod classes */
/* 0..255 as 8-bit files have them, back in the data's range: what both real and generated images are before a metric sees them. */
gantry_t eval_quantize(abi_builder *b, gantry_t images, const data_set *d);

typedef struct eval_request {
  const abi_element *metric;
  const char *features;     /* feature network, or NULL */
  int64_t fake;             /* samples of G */
  const char *real;         /* split of the reference set */
  int64_t real_limit;       /* 0 = all */
  uint32_t weights;         /* 0 or GANTRY_EMA */
  const char *fake_split;   /* not NULL: images of this split stand in for generated ones: the floor of a distance */
} eval_request;
typedef struct eval_result {
  uint32_t n;               /* values, in the metric's order */
  double *value;            /* arena of the context */
  int64_t n_fake, n_real, ms;
  const char *protocol;     /* one line: metric, parameters, features, counts, reference set, conventions */
} eval_result;
gantry_status eval_metric(eval_context *c, const eval_request *q, eval_result *out, err *e);
/* Builds every graph that eval_metric would run, in a context without a session: what a metric refuses, a set that is not there, a feature network that does not fit the images
 * come out before anything trains. Reads no samples. */
gantry_status eval_metric_build(eval_context *c, const eval_request *q, err *e);

/* cache.c: what one pass kept of a real set, as a file named by everything it depends on. *hit = 0: not there. */
typedef struct eval_kept { uint32_t set, how, rank; const char *name; int64_t dims[GANTRY_MAX_RANK]; double *data; int64_t room; } eval_kept;
gantry_status eval_cache_get(const eval_context *c, const char *key, uint32_t set, arena *a, eval_kept **list, uint32_t *n, int *hit, err *e);
void eval_cache_put(const eval_context *c, const char *key, const eval_kept *list, uint32_t n); /* a cache that cannot be written is no error */

/* features.c: loads the network and its weights into the world and session (if there is one), once. */
gantry_status eval_features_load(eval_context *c, const char *name, err *e);
/* Whether the weights have the shapes that the network asked for when it was last built. */
gantry_status eval_features_fit(eval_context *c, err *e);

/* scatter.c: points in the plane as a picture; the view follows the reference points. */
image eval_scatter(const float *reference, int64_t n_reference, const float *points, int64_t n, int64_t size);
#endif
