/* nn/condition.h - how a network learns of a sample's class: one-hot vectors, embeddings, class maps, the projection discriminator.
 * label is i32 [n] everywhere. */
#ifndef GANTRY_NN_CONDITION_H
#define GANTRY_NN_CONDITION_H
#include <gantry/nn/layers.h>

/* f32 [n,classes] */
static inline gantry_t gan_one_hot(gantry_ctx *cx, gantry_t label, int64_t classes) {
  static const int64_t rows[1] = {0};
  int64_t d[2];
  d[0] = gan_dim(cx, label, 0); d[1] = classes;
  return gan_f32(cx, gan_eq(cx, gan_broadcast(cx, label, 2, d, rows), gan_iota(cx, GANTRY_I32, 2, d, 1)));
}
/* f32 [n,dims]: rows of the table "<name>/weight" [classes,dims], on which spectral norm and its like act. */
static inline gantry_t gan_embedding(gantry_ctx *cx, const char *name, gantry_t label, int64_t classes, int64_t dims, gan_init init) {
  int64_t d[2];
  d[0] = classes; d[1] = dims;
  gan_open(cx, name, -1);
  gantry_t e = gan_gather(cx, gan_weight(cx, "weight", 2, d, 0, init), label, 0, 0);
  gan_close(cx);
  return e;
}
/* x with the vector of each sample as further channels: [n,c] or [n,s..,c], v [n,k] -> .. c + k. (Mirza & Osindero 2014, arXiv:1411.1784) */
static inline gantry_t gan_concat_vector(gantry_ctx *cx, gantry_t x, gantry_t v) {
  int64_t d[GANTRY_MAX_RANK], axes[2];
  gantry_t in[2];
  uint32_t r = gan_shape(cx, x, d);
  if (r == 1) gan_fail(cx, "a vector is joined to [n,c] or [n,s..,c], not to a tensor of one axis");
  if (r < 2) return gan_none();
  axes[0] = 0; axes[1] = r - 1;
  d[r - 1] = gan_dim(cx, v, -1);
  in[0] = x;
  in[1] = r == 2 ? v : gan_broadcast(cx, v, r, d, axes);
  return gan_concat(cx, in, 2, (int)r - 1);
}
/* [n]: the inner product of each sample's features [n,f] with the embedding of its class, to be added to the logit (Miyato & Koyama 2018,
 * arXiv:1802.05637). */
static inline gantry_t gan_projection(gantry_ctx *cx, const char *name, gantry_t features, gantry_t label, int64_t classes, gan_init init) {
  return gan_row_sum(cx, gan_mul(cx, features, gan_embedding(cx, name, label, classes, gan_dim(cx, features, -1), init)));
}
#endif
