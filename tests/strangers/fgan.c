/* fgan - f-GAN (Nowozin, Cseke & Tomioka 2016, arXiv:1606.00709): the variational bound of an f-divergence.
 *
 * With D's logit v, output activation g_f and Fenchel conjugate f* (paper, tables 2 and 6):
 *
 *   loss of D = -E[g_f(v_real)] + E[f*(g_f(v_fake))]                       (6)
 *   loss of G = -E[g_f(v_fake)] + f'(1)      generator "trick", the analogue of the non-saturating loss (section 3.2)
 *               -E[f*(g_f(v_fake))] + f'(1)  generator "minimax"           (6)
 *
 *   divergence   g_f(v)                    f*(g_f(v)), simplified                       f'(1)   v0: g_f(v0) = f'(1)
 *   pearson      v                         v^2/4 + v                                    0       0
 *   hellinger    1 - e^-v                  e^v - 1                                      0       0
 *   kl           v                         e^(v-1)                                      1       1
 *   reverse_kl   -e^-v                     v - 1                                        -1      0
 *   js           log 2 - softplus(-v)      softplus(v) - log 2                          0       0
 *   alpha        1/(1-a) - softplus(-v)    (((1-a) softplus(-v))^(a/(a-1)) - 1)/a       0       -log(e^(1/(1-a)) - 1)
 *
 * Gantry knows a loss by constants that may not depend on parameters, so here v = logit + v0 (D's last bias absorbs it) and f'(1) is taken out of G's loss:
 * whatever the divergence, a logit above 0 means "real" and both losses are 0 where D cannot tell.
 * Exponents count as at most `limit` (no gradient passes beyond), where the paper's losses overflow. */
#include <gantry/loss.h>
#include <gantry/nn.h>

enum { DIVERGENCE, GENERATOR, ALPHA, LIMIT };
enum { PEARSON, HELLINGER, KL, REVERSE_KL, JS, ALPHA_DIVERGENCE };
enum { TRICK, MINIMAX };
static const char *const divergences[] = {"pearson", "hellinger", "kl", "reverse_kl", "js", "alpha", NULL};
static const char *const generators[] = {"trick", "minimax", NULL};
static const gantry_param params[] = {
  {.key = "divergence", .doc = "which f (Nowozin et al. 2016, table 2)", .type = GANTRY_P_ENUM, .def_str = "pearson", .choices = divergences},
  {.key = "generator", .doc = "what G minimises: trick: -E[g_f(v)] (section 3.2); minimax: -E[f*(g_f(v))]", .type = GANTRY_P_ENUM, .def_str = "trick", .choices = generators},
  {.key = "alpha", .doc = "divergence alpha: its order (0.5: like hellinger); nothing elsewhere", .type = GANTRY_P_FLOAT, .def = 0.5, .lo = 0.05, .hi = 0.95},
  {.key = "limit", .doc = "exponents of hellinger, kl, reverse_kl and alpha count as at most this", .type = GANTRY_P_FLOAT, .def = 20, .lo = 1, .hi = 80}};

/* e^x - 1 and e^x, x at most `limit` */
static gantry_t bounded(gantry_ctx *cx, gantry_t x) { return gan_min(cx, gan_param(cx, LIMIT), x); }
/* alpha: 1/(1-a) and softplus(-(logit + v0)) */
static gantry_t inverse(gantry_ctx *cx) { return gan_div(cx, gan_const(cx, 1), gan_sub(cx, gan_const(cx, 1), gan_param(cx, ALPHA))); }
static gantry_t alpha_plus(gantry_ctx *cx, gantry_t l) {
  gantry_t u = inverse(cx), v0 = gan_neg(cx, gan_add(cx, u, gan_log1p(cx, gan_neg(cx, gan_exp(cx, gan_neg(cx, u)))))); /* -log(e^u - 1) */
  return gan_softplus(cx, gan_neg(cx, bounded(cx, gan_add(cx, l, v0))));
}

/* g_f(logit + v0) - f'(1) */
static gantry_t output(gantry_ctx *cx, gantry_t l) {
  switch (gan_param_i(cx, DIVERGENCE)) {
    case HELLINGER:
    case REVERSE_KL: return gan_neg(cx, gan_expm1(cx, bounded(cx, gan_neg(cx, l))));
    case JS: return gan_sub(cx, gan_const(cx, 0.6931471805599453), gan_softplus(cx, gan_neg(cx, l)));
    case ALPHA_DIVERGENCE: return gan_sub(cx, inverse(cx), alpha_plus(cx, l));
    default: return l; /* pearson: v; kl: v - 1, v = l + 1 */
  }
}

/* f*(g_f(logit + v0)) - f'(1) */
static gantry_t conjugate(gantry_ctx *cx, gantry_t l) {
  gantry_t a = gan_param(cx, ALPHA);
  switch (gan_param_i(cx, DIVERGENCE)) {
    case HELLINGER:
    case KL: return gan_expm1(cx, bounded(cx, l));
    case REVERSE_KL: return l;
    case JS: return gan_add_k(cx, gan_softplus(cx, l), -0.6931471805599453);
    case ALPHA_DIVERGENCE: {
      gantry_t inner = gan_log(cx, gan_div(cx, alpha_plus(cx, l), inverse(cx))), exponent = gan_mul(cx, gan_mul(cx, gan_neg(cx, a), inverse(cx)), inner);
      return gan_div(cx, gan_expm1(cx, bounded(cx, exponent)), a);
    }
    default: return gan_add(cx, gan_mul_k(cx, gan_square(cx, l), 0.25), l);
  }
}

static gantry_status d(gantry_ctx *cx, const gantry_loss_in *in, gantry_t *loss) {
  *loss = gan_sub(cx, gan_mean_all(cx, conjugate(cx, in->logit_fake)), gan_mean_all(cx, output(cx, in->logit_real))); /* f'(1) cancels */
  return GANTRY_OK;
}

static gantry_status g(gantry_ctx *cx, const gantry_loss_in *in, gantry_t *loss) {
  gantry_t v = gan_param_i(cx, GENERATOR) == MINIMAX ? conjugate(cx, in->logit_fake) : output(cx, in->logit_fake);
  *loss = gan_neg(cx, gan_mean_all(cx, v));
  return GANTRY_OK;
}

static const gantry_loss iface = {.struct_size = sizeof iface, .flags = GANTRY_LOSS_THRESHOLD, .threshold = 0, .chance_d = 0, .chance_g = 0, .d = d, .g = g};
GANTRY_PLUGIN(GANTRY_KIND_LOSS, "fgan", "0.1.0", "variational bound of an f-divergence (f-GAN)")
  .paper = "Nowozin et al. 2016, arXiv:1606.00709", .params = params, .param_count = sizeof params / sizeof *params, .iface = &iface
GANTRY_PLUGIN_END
