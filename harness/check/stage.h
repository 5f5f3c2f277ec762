/* stage.h - inside the room: a small run around the plugin under test, built by the checker as the host builds a training step.
 *
 * A stage makes one graph. Networks that the plugin is not are smooth toys (toy.c), inputs are leaves named "x/...", everything that the plugin gave
 * back is an output. Values come from check_bind(): a pure function of seed and name. The host's tables that the plugin sees can be longer or
 * shorter than they are, lack what is optional, and fail at the k-th call. */
#ifndef CHECK_STAGE_H
#define CHECK_STAGE_H
#include "abi/build.h"
#include "check/subject.h"

typedef struct check_form { uint32_t rank; int64_t h, w, c; } check_form; /* of the data: images h x w x c, or vectors of c */
enum { CHECK_FORMS = 6 };
extern const check_form check_forms[CHECK_FORMS];

enum { HOST_PLAIN, HOST_LONGER, HOST_SHORTER, HOST_MISSING };
typedef struct stage_options {
  uint32_t host;        /* HOST_* */
  uint32_t fail_at;     /* the call of the plugin that fails; 0 = none */
  int64_t batch;        /* 0 = 4 */
  const gantry_plugin *live; /* NULL: the subject's; else another copy of it */
  double lazy;          /* optimizers: 0 = 1 */
  const char *weight;   /* optimizers: name of the weight */
  int64_t weight_dims[2];
  uint32_t weight_rank; /* optimizers: 0 = 2; else a weight of so many axes, 1 to 4 */
  const check_form *form; /* NULL: the subject's */
  uint8_t lazy_term;    /* regularizers: the term alone, as a program of its own */
} stage_options;

typedef struct stage_out { const char *name; ir_id id; } stage_out;
typedef struct stage_asked { uint32_t app; ir_id id; } stage_asked;
typedef struct stage_kept { uint32_t pass, set, how; const char *name; ir_id id; } stage_kept;

typedef struct stage {
  subject *s;
  stage_options o;
  abi_world *world;
  abi_builder *b;
  abi_element el;        /* the plugin under test */
  check_form form;
  gantry_host *host;
  uint32_t calls;        /* that the plugin has made into the host */
  uint8_t plugin_failed; /* it called fail() itself */
  VEC(stage_out) outs;
  VEC(stage_kept) kept;  /* metrics */
  VEC(ir_id) wrt;        /* what the outputs named "y..." are differentiated by, in the tests of gradients */
  VEC(stage_asked) asked;  /* weights that the plugin asked for: the application, and what it got */
  const char *shared;    /* the first one that one application asked for twice */
  const char *narrow;    /* metrics: the first value that is not f64 */
  uint32_t touched;      /* bit 1 << role: a network whose weights the plugin rebound although the update is another's */
  const char *touched_name;
} stage;

uint32_t stage_scenes(const subject *s);                     /* how many this kind has; 0: nothing to build */
const char *stage_scene_name(const subject *s, uint32_t scene);
/* Builds scene k with these values. The error says what was wrong with it. */
gantry_status stage_open(subject *s, const abi_value *v, uint32_t scene, const stage_options *o, stage **out, err *e);
stage *stage_bare(subject *s); /* a builder and host tables alone: data sets */
void stage_close(stage *st);
uint64_t stage_hash(stage *st); /* of everything built: outputs and states */
/* GANTRY_OK, or CHECK_WARN-worthy: refused by an operation of the host instead of in the plugin's words. */
int stage_refused_by_operation(const stage *st, const err *e);
ir_id stage_find(const stage *st, const char *output);
double stage_work(const stage *st); /* multiplications of the outputs, roughly */
int64_t stage_weights(const stage *st, uint32_t *tensors);

/* rules_build.c: what one build came to; of all scenes, the worst. */
enum { BUILT, REFUSED, REFUSED_BY_OPERATION, BROKEN };
typedef struct outcome { int how; uint64_t hash; uint32_t calls; uint32_t touched; char why[600]; char touched_name[120]; } outcome;
outcome check_build(subject *s, const abi_value *v, uint32_t scene, const stage_options *o);
outcome check_build_all(subject *s, const abi_value *v, const stage_options *o);
/* Built or refused in the plugin's own words is PASS; all else is FAIL, said with `with` in front. */
uint32_t check_judge(subject *s, const char *with, const outcome *x);

/* hostile.c */
void hostile_host(stage *st);
void *hostile_struct(stage *st, const void *p, size_t now, size_t since); /* a struct given to the plugin, longer or shorter */

/* toy.c: the networks and the optimizer that a stage lends. */
extern const gantry_plugin check_toy_arch, check_toy_optim;

/* stage_gan.c, stage_metric.c: kinds. */
gantry_status stage_loss(stage *st, uint32_t scene), stage_arch(stage *st, uint32_t scene), stage_optim(stage *st, uint32_t scene), stage_regularizer(stage *st, uint32_t scene), stage_metric(stage *st, uint32_t scene);
ir_id stage_toy_loss(void *stage, abi_builder *b, uint32_t net, ir_id logit_real, ir_id logit_fake); /* mean (logit - target)^2, targets 1 and 0 */
void stage_output(stage *st, const char *name, ir_id id);
ir_id stage_images(stage *st, const char *name, int64_t n);

/* point.c: values for the leaves, and derivatives. */
typedef struct point {
  const stage *st;
  uint64_t seed;
  double h;               /* leaves of `moved` are moved by h along a random direction */
  const ir_id *moved;
  uint32_t n_moved;
  const ir_graph *frozen; /* a copy whose stopped gradients are leaves with the values of the base point */
  double **stopped;
  double spread;          /* 0 = 1: scale of inputs "x/..." */
  const stage_out *given; /* leaves whose values are given: name and index into values */
  const double *const *values;
  uint32_t n_given;
} point;
gantry_status check_bind_point(void *user, const char *name, uint32_t dtype, int64_t count, double *dst, err *e);
typedef struct derivative { double analytic, numeric; } derivative;
/* Of <u, y> along a random direction of xs. order 2: of the gradient's projection. frozen: values that gan_stop() hides are held fixed. */
gantry_status check_derivative(stage *st, ir_id y, const ir_id *xs, uint32_t n, int order, uint64_t seed, int frozen, double h, derivative *out, err *e);
#endif
