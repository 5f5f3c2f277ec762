/* optim.h - one update of one weight, given its gradient. Slots (momentum ...) are states in the open scope. */
#ifndef GANTRY_OPTIM_H
#define GANTRY_OPTIM_H
#include <gantry/abi.h>
#ifdef __cplusplus
extern "C" {
#endif
typedef struct gantry_optim_in { /* filled by the host */
  uint32_t struct_size, net;     /* GANTRY_G, GANTRY_D, GANTRY_FEATURES */
  const char *name;              /* full name of the weight: "d/conv1/weight" */
  gantry_t weight, grad;         /* equal shapes, f32 */
  gantry_t count;                /* f32 scalar: updates of this network including this one: 1, 2, ... */
  gantry_t keep;                 /* reserved: the host itself holds every state where an update is not kept */
  double lazy;                   /* c < 1 in every update of a network of which some terms run as programs of their own: k/(k+1) for one each k
                                    updates, in general 1 / (1 + sum of 1/k); else 1. Use learning rate * c and beta^c (Karras et al. 2020, appendix B) */
  uint32_t flags, reserved0;     /* GANTRY_OPTIM_*; since 0.2 */
} gantry_optim_in;
enum { GANTRY_OPTIM_DIFFERENTIATED = 1 }; /* a gradient will pass this update (unrolling): it must be finite where the given gradient is 0, see gan_safe_sqrt */

typedef struct gantry_optim {
  uint32_t struct_size, reserved0;
  /* [build] required. *weight = the new value. Declare slots with host->graph->state (GANTRY_ROLE_COUNTER); the scope is the
   * optimizer's own per weight, so "m" is enough of a name. */
  gantry_status (*update)(gantry_ctx *, const gantry_optim_in *, gantry_t *weight);
} gantry_optim;
#ifdef __cplusplus
}
#endif
#endif
