/* nn/attention.h - softmax and the self-attention block. */
#ifndef GANTRY_NN_ATTENTION_H
#define GANTRY_NN_ATTENTION_H
#include <gantry/nn/layers.h>

/* Over the last axis, with each row's maximum taken out. */
static inline gantry_t gan_softmax(gantry_ctx *cx, gantry_t x) {
  int64_t d[GANTRY_MAX_RANK];
  uint32_t r = gan_shape(cx, x, d);
  int64_t last = r ? r - 1 : 0;
  gantry_t top = gan_stop(cx, gan_reduce(cx, GANTRY_OP_RMAX, x, &last, 1)), e = gan_exp(cx, gan_sub(cx, x, gan_broadcast(cx, top, r, d, gan_axes_)));
  return gan_div(cx, e, gan_broadcast(cx, gan_sum(cx, e, &last, 1), r, d, gan_axes_));
}

/* Self-attention (Zhang et al. 2019, SAGAN, arXiv:1805.08318) on images [n,h,w,c], named "<name>/query|key|value|out" and "<name>/gamma":
 * x + gamma * out(softmax(query key') value), all of them 1 x 1 convolutions without bias, the inner three with c/8 channels (at least 1).
 * gamma is a number and begins at 0, so the block begins as the identity. Keys are not pooled, as in the paper's text. */
static inline gantry_t gan_self_attention(gantry_ctx *cx, const char *name, gantry_t x, gan_init init) {
  int64_t d[GANTRY_MAX_RANK], flat[3], back[4];
  if (gan_shape(cx, x, d) != 4) { gan_fail(cx, "self-attention takes images [n,h,w,c]"); return gan_none(); }
  int64_t inner = d[3] / 8 > 0 ? d[3] / 8 : 1;
  flat[0] = d[0]; flat[1] = d[1] * d[2]; flat[2] = inner;
  back[0] = d[0]; back[1] = d[1]; back[2] = d[2]; back[3] = inner;
  gan_open(cx, name, -1);
  gantry_t q = gan_reshape(cx, gan_conv_layer(cx, "query", x, inner, 1, 1, 0, 0, init), 3, flat);
  gantry_t k = gan_reshape(cx, gan_conv_layer(cx, "key", x, inner, 1, 1, 0, 0, init), 3, flat);
  gantry_t v = gan_reshape(cx, gan_conv_layer(cx, "value", x, inner, 1, 1, 0, 0, init), 3, flat);
  gantry_t seen = gan_reshape(cx, gan_matmul(cx, gan_softmax(cx, gan_matmul_t(cx, q, k, 0, 1)), v), 4, back);
  gantry_t gamma = gan_state(cx, "gamma", GANTRY_ROLE_PARAM, 0, NULL, 0);
  x = gan_add(cx, x, gan_mul(cx, gamma, gan_conv_layer(cx, "out", seen, d[3], 1, 1, 0, 0, init)));
  gan_close(cx);
  return x;
}
#endif
