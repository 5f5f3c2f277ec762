/* arch.h - networks: what they take, what they offer, how one application of them is built. */
#ifndef GANTRY_ARCH_H
#define GANTRY_ARCH_H
#include <gantry/abi.h>
#ifdef __cplusplus
extern "C" {
#endif
/* One network of an architecture, constant data. Inputs are "name:type", NULL-terminated; types:
 *   normal, uniform   a random vector drawn by the host ("z:normal");   image   [n,H,W,C] or, for vector data, [n,k];
 *   label             i32 classes [n], fed by the host where the data has them (see gantry_net_api);   sequence (reserved).
 * Taps are what others may read or feed: "image" (G, required), "logit" [n] (D, required), "features", "w" [n,k] or [n,layers,k] (a style-based G's
 * latent) and "w_avg" [k], its running average, "class" [n,classes]: logits of D's auxiliary classifier. */
typedef struct gantry_net {
  uint32_t struct_size, role; /* GANTRY_G, GANTRY_D, GANTRY_FEATURES */
  const char *name;           /* "g", "d", "features" */
  const char *const *inputs;
  const char *const *taps;
} gantry_net;

typedef struct gantry_build { /* what one call of build() is for; filled by the host */
  uint32_t struct_size, net;  /* index into nets */
  int64_t batch;
  int64_t size[3];            /* spatial size of the data: D, H, W; 1 where there is no such axis */
  int64_t channels, classes;  /* channels (for vector data: the length of the vector); classes 0 = unlabelled */
  gantry_t images;            /* images D has seen so far, f32 scalar */
  uint32_t flags;             /* GANTRY_EVAL: running statistics, no dropout */
  uint32_t data_rank, reserved0; /* 1: vectors [n,k]; 3: images [n,H,W,C] */
} gantry_build;

typedef struct gantry_arch {
  uint32_t struct_size, reserved0;
  const gantry_net *nets;
  uint32_t n_nets, net_stride;
  /* [build] required for networks with random inputs: shape of one sample of it, e.g. z -> [128]. */
  gantry_status (*input)(gantry_ctx *, const gantry_build *, const char *name, int64_t dims[GANTRY_MAX_RANK], uint32_t *rank);
  /* [build] required. Builds one application: read `in` by name, publish every tap by t = net->tap(cx, "logit", t). Called again
   * for each application; states are shared by name, so two calls are the same network. */
  gantry_status (*build)(gantry_ctx *, const gantry_build *, const gantry_named *in, uint32_t n_in);
} gantry_arch;
#ifdef __cplusplus
}
#endif
#endif
