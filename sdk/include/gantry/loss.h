/* loss.h - the objective of the two networks, as a function of D's logits.
 *
 * The constant fields are all that monitors, dynamic balance, ADA, lint and legality checks know about a loss. The two
 * functions build one scalar each, to be minimised, as a mean over the batch. */
#ifndef GANTRY_LOSS_H
#define GANTRY_LOSS_H
#include <gantry/abi.h>
#ifdef __cplusplus
extern "C" {
#endif
enum {
  GANTRY_LOSS_TARGETS = 1,   /* reads target_real and target_fake: label smoothing and flipping act */
  GANTRY_LOSS_THRESHOLD = 2, /* a logit above `threshold` means "real": accuracy is defined */
  GANTRY_LOSS_PAIRS = 4,     /* pairs each real with a fake (relativistic): G's update needs D(real) */
  GANTRY_LOSS_LIPSCHITZ = 8  /* needs a Lipschitz bound on D: weight clipping, a gradient penalty or spectral norm */
};

typedef struct gantry_loss_in { /* filled by the host */
  uint32_t struct_size, net;    /* whose loss: GANTRY_D or GANTRY_G */
  int64_t batch;
  gantry_t logit_real, logit_fake;   /* [batch]; logit_real is 0 in G's loss unless GANTRY_LOSS_PAIRS */
  gantry_t target_real, target_fake; /* [] or [batch], absolute; after smoothing and flipping; 0 without GANTRY_LOSS_TARGETS */
} gantry_loss_in;

typedef struct gantry_loss_constants { /* filled by the host with the fields of gantry_loss, changed by constants() */
  uint32_t struct_size, reserved0;
  double threshold, chance_d, chance_g;
} gantry_loss_constants;

typedef struct gantry_loss {
  uint32_t struct_size, flags;
  double threshold;                /* see GANTRY_LOSS_THRESHOLD */
  double target_real, target_fake; /* the plain targets, before any transform. A loss with FLOAT parameters of these two names gets those instead,
                                      and its threshold lies half way between them */
  double chance_d, chance_g;       /* value of each loss where D cannot tell real from fake (logit at its threshold), with default
                                      parameters; see constants() */
  gantry_status (*d)(gantry_ctx *, const gantry_loss_in *, gantry_t *loss); /* [build] required */
  gantry_status (*g)(gantry_ctx *, const gantry_loss_in *, gantry_t *loss); /* [build] required */
  /* [build] since 0.3, optional. The three numbers where they follow from parameters, read with host->param->f64, i64 and str: nothing is built here. */
  gantry_status (*constants)(gantry_ctx *, gantry_loss_constants *out);
} gantry_loss;
#ifdef __cplusplus
}
#endif
#endif
