/* init.c - the program that gives every state its first value. Each state draws from a stream named after itself, so adding a layer
 * changes no other layer's beginning. */
#include <gantry/nn/random.h>
#include <math.h>

#include "abi/build.h"
#include "ir/build.h"

/* Orthonormal rows or columns: w (w'w)^-1/2 of a normal matrix, in f64. Axes are arranged so that out_axis counts rows. */
static ir_id orthogonal(abi_builder *b, const abi_state *s, ir_id normal) {
  ir_graph *g = b->g;
  int64_t perm[GANTRY_MAX_RANK], inverse[GANTRY_MAX_RANK], turned[GANTRY_MAX_RANK], flat[2] = {s->dims[s->out_axis], 1};
  uint32_t n = 0;
  perm[n++] = s->out_axis;
  for (uint32_t k = 0; k < s->rank; k++)
    if (k != s->out_axis) perm[n++] = k;
  for (uint32_t k = 0; k < s->rank; k++) {
    inverse[perm[k]] = k;
    turned[k] = s->dims[perm[k]];
    if (k) flat[1] *= turned[k];
  }
  ir_id m = ir_reshape(g, ir_permute(g, ir_cast(g, normal, GANTRY_F64), perm), 2, flat);
  int wide = flat[0] < flat[1];
  ir_id gram = ir_matmul(g, m, m, !wide, wide);
  gantry_attr at = {GANTRY_A_EXPONENT, 1, {.f = -0.5}};
  ir_id root = ir_op(g, GANTRY_OP_PSD_POWER, &gram, 1, &at, 1);
  ir_id q = wide ? ir_matmul(g, root, m, 0, 0) : ir_matmul(g, m, root, 0, 0);
  return ir_cast(g, ir_scale(g, ir_permute(g, ir_reshape(g, q, s->rank, turned), inverse), s->init_scale), GANTRY_F32);
}

static ir_id initial(abi_builder *b, const abi_state *s) {
  ir_graph *g = b->g;
  int64_t count = 1, fan_in, fan_out, out = s->rank ? s->dims[s->out_axis < s->rank ? s->out_axis : 0] : 1;
  for (uint32_t k = 0; k < s->rank; k++) count *= s->dims[k];
  fan_in = count / out;
  /* filters [out, k.., in] and [in, k.., out]: the other end axis and the window */
  int64_t in = s->rank ? s->dims[s->out_axis == 0 ? s->rank - 1 : 0] : 1;
  fan_out = s->rank > 1 ? count / in : out;
  if (s->init == GANTRY_INIT_CONSTANT || s->dtype != GANTRY_F32) return ir_full(g, s->dtype, s->rank, s->dims, s->init == GANTRY_INIT_CONSTANT ? s->init_scale : 0);
  gantry_ctx *cx = &b->cx;
  switch (s->init) {
    case GANTRY_INIT_UNIFORM:
    case GANTRY_INIT_XAVIER: {
      double a = s->init_scale * (s->init == GANTRY_INIT_UNIFORM ? 1 : sqrt(6.0 / (double)(fan_in + fan_out)));
      return gan_add_k(cx, gan_mul_k(cx, gan_uniform(cx, s->rank, s->dims), 2 * a), -a).id;
    }
    case GANTRY_INIT_NORMAL: return ir_scale(g, gan_normal(cx, s->rank, s->dims).id, s->init_scale);
    case GANTRY_INIT_HE: return ir_scale(g, gan_normal(cx, s->rank, s->dims).id, s->init_scale * sqrt(2.0 / (double)fan_in));
    case GANTRY_INIT_ORTHOGONAL: return s->rank > 1 ? orthogonal(b, s, gan_normal(cx, s->rank, s->dims).id) : ir_scale(g, gan_normal(cx, s->rank, s->dims).id, s->init_scale);
    case GANTRY_INIT_UNIT: {
      ir_id x = gan_normal(cx, s->rank, s->dims).id, norm = ir_1(g, GANTRY_OP_SQRT, ir_sum_all(g, ir_mul(g, x, x)));
      return ir_scale(g, ir_div(g, x, norm), s->init_scale);
    }
    default: err_set(&b->err, GANTRY_E_UNSUPPORTED, "state \"%s\" asks for the unknown initialisation %u", s->name, s->init); return 0;
  }
}

void abi_build_init(abi_builder *b, uint32_t first) {
  for (int averaged = 0; averaged < 2; averaged++) /* copies after what they copy */
    for (uint32_t k = first; k < b->world->states.n; k++) {
      abi_state s = b->world->states.p[k];
      if ((strncmp(s.name, "ema/", 4) == 0) != averaged || !strncmp(s.name, "counter/init.", 13)) continue;
      abi_frame f = abi_enter(b, NULL, s.name, "init");
      ir_id v = 0;
      if (averaged) {
        for (uint32_t j = 0; j < b->g->roots.n; j++)
          if (b->g->roots.p[j].kind == IR_STORE && !strcmp(ir_name(b->g, b->g->roots.p[j].name), s.name + 4)) v = b->g->roots.p[j].id;
        if (!v) err_set(&b->err, GANTRY_E_INTERNAL, "averaged state \"%s\" copies nothing", s.name);
      } else
        v = initial(b, &s);
      abi_leave(b, f, GANTRY_OK, "init");
      if (v) ir_store(b->g, s.name, v);
    }
}
