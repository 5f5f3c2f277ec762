/* regularizer.h - everything that is neither objective nor network: eight places in the life of an update.
 *
 * Each hook is optional, at least one is set. For one update they run in the order of the fields below; several plugins at one
 * hook run by `stage`, then by the experiment's `order`, then by element id. What a hook needs to remember is a state, so
 * resuming needs no code here. All hooks are [build]. */
#ifndef GANTRY_REGULARIZER_H
#define GANTRY_REGULARIZER_H
#include <gantry/abi.h>
#ifdef __cplusplus
extern "C" {
#endif
typedef struct gantry_step { /* read-only view of the update being built */
  uint32_t struct_size, net; /* whose update: GANTRY_D or GANTRY_G */
  int64_t batch;             /* samples of each side; with train.accumulate those of one part */
  gantry_t real, fake;       /* images before augmentation, [n,H,W,C] or [n,k]; real is 0 in an update that draws none */
  gantry_t real_seen, fake_seen; /* the same as D sees them, after every `input` hook */
  gantry_call g, d_real, d_fake; /* applications made for the main loss; 0 where none was made */
  gantry_t updates, images;  /* f32 scalars: updates of this network before this one, images seen */
  uint32_t reserved0;
  gantry_t label_real, label_fake; /* i32 [n]: classes of real and fake; 0 where the data has none. In D's update fakes have the labels of the
                                    * reals they stand beside, in G's those of a real batch: label frequencies are always the data's */
  int64_t logits;            /* rows of D's output: batch / d.pack; the length of per-sample targets */
  uint32_t loss_flags;       /* since 0.2, with the two below: GANTRY_LOSS_* of the experiment's loss (loss.h) */
  gantry_t loss;             /* f32 scalar: this network's loss without terms; 0 before it is built and in lazy programs */
  double threshold;          /* a logit of D above it means "real", where loss_flags has GANTRY_LOSS_THRESHOLD */
} gantry_step;

typedef struct gantry_weight { /* one trainable tensor, as layers ask for it */
  uint32_t struct_size, net;
  const char *name;            /* full state name */
  uint32_t out_axis, flags;    /* GANTRY_W_MATRIX: a filter of a linear or convolutional layer */
  uint32_t eval, reserved0;    /* eval 1: use what is stored, advance nothing */
  gantry_t last;               /* since 0.2: what this hook made of the same weight earlier in this update, or 0; see GANTRY_REG_EACH_APPLICATION */
  uint32_t reserved1;
} gantry_weight;

typedef struct gantry_input {
  uint32_t struct_size, is_real; /* which of D's inputs */
  uint32_t for_net, reserved0;   /* in whose update D is applied; a transform of both sides must treat all alike */
} gantry_input;

typedef struct gantry_term {   /* an addition to the loss of this update's network */
  uint32_t struct_size;
  uint32_t reserved0;
  gantry_t value;              /* scalar; 0 handle = no term in this update */
  gantry_t log;                /* scalar to log instead of value, or 0 */
} gantry_term;

typedef struct gantry_control {
  uint32_t struct_size, reserved0;
  gantry_t keep;               /* 0/1 scalar: where 0 every state of this update keeps its old value. 0 handle = 1 */
  gantry_t log;                /* since 0.2: f32 scalar to log under the element's id, or 0 */
} gantry_control;

/* REAL_ONLY .. PACK: the stages of the one pipeline in front of D; two elements of one of them need the experiment's `order`. Hooks elsewhere are OTHER; LATE
 * is after the others of the same hook (flipping labels comes after smoothing them, clipping gradients by norm after clipping them by value). */
enum { GANTRY_STAGE_REAL_ONLY = 100, GANTRY_STAGE_AUGMENT = 200, GANTRY_STAGE_NOISE = 300, GANTRY_STAGE_PACK = 350, GANTRY_STAGE_OTHER = 400, GANTRY_STAGE_LATE = 500 };

typedef struct gantry_regularizer {
  uint32_t struct_size, stage; /* GANTRY_STAGE_* */
  uint32_t flags, reserved0;   /* GANTRY_REG_* */
  gantry_status (*weight)(gantry_ctx *, const gantry_weight *, gantry_t *w);                      /* spectral norm, weight norm */
  gantry_status (*input)(gantry_ctx *, const gantry_step *, const gantry_input *, gantry_t *x);   /* noise, ADA, DiffAugment, flips */
  gantry_status (*target)(gantry_ctx *, const gantry_step *, gantry_t *real, gantry_t *fake);     /* smoothing, flipping (D's update) */
  gantry_status (*lookahead)(gantry_ctx *, const gantry_step *);                                  /* rebinds; dropped after the loss */
  gantry_status (*term)(gantry_ctx *, const gantry_step *, gantry_term *out);                     /* gradient penalty, R1, path length */
  gantry_status (*gradient)(gantry_ctx *, const gantry_step *, gantry_t *grads, uint32_t n);      /* clipping by value, by norm */
  gantry_status (*after)(gantry_ctx *, const gantry_step *, const gantry_weight *, gantry_t *w);  /* weight clipping */
  gantry_status (*control)(gantry_ctx *, const gantry_step *, gantry_control *out);               /* ADA's p, dynamic balance */
} gantry_regularizer;
enum {
  GANTRY_REG_BOUNDS_D = 1,  /* gives D a Lipschitz bound: satisfies GANTRY_LOSS_LIPSCHITZ */
  GANTRY_REG_PER_SAMPLE = 2, /* penalises D's gradient at each sample: meaningless where batch norm couples them, so refused there unless `force` */
  GANTRY_REG_EACH_APPLICATION = 4 /* weight() is called at every application of a network and may return `last`; without it, once per update */
};
#ifdef __cplusplus
}
#endif
#endif
