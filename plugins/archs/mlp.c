/* mlp - fully connected G and D, for points in the plane and small images. Images are flattened for D and reshaped by G.
 *
 * `preset` gives the exact networks of published toy tables; it decides widths, depths, activations, norms, z and first weights, whatever the
 * other parameters say. */
#include <gantry/nn.h>

enum { DEPTH = GAN_P_STYLE_END, PIECES, PRESET };
enum { OWN, PACGAN, UNROLLED, WGAN_GP };
static const char *const presets[] = {"none", "pacgan", "unrolled", "wgan_gp", NULL};
static const gantry_param params[] = {
  GAN_STYLE_ROWS("units of each hidden layer", 128, 2, "none", "relu", "he", "auto"),
  {.key = "depth", .doc = "hidden layers", .type = GANTRY_P_INT, .def = 3, .lo = 0, .hi = 64},
  {.key = "pieces", .doc = "maxout: each hidden unit is the largest of so many linear functions, in place of act (Goodfellow et al. 2013, arXiv:1302.4389); 0 = no maxout", .type = GANTRY_P_INT, .def = 0, .lo = 0, .hi = 64},
  {.key = "preset", .doc = "pacgan: Lin et al. 2018 (arXiv:1712.04086), rings and grids: z 2, G 4 x 400 batch norm ReLU, D 3 x 200 maxout of 5, N(0, 0.02). unrolled: Metz et al. 2017 (arXiv:1611.02163), their "
     "notebook: z 256, 2 x 128 tanh, orthogonal 1.4. wgan_gp: Gulrajani et al. 2017 (arXiv:1704.00028), their toy script: z 2, 3 x 512 ReLU, He", .type = GANTRY_P_ENUM, .def_str = "none", .choices = presets}};

static const char *const g_inputs[] = {"z:normal", "label:label", NULL}, *const d_inputs[] = {"image", "label:label", NULL};
static const char *const g_taps[] = {"image", NULL}, *const d_taps[] = {"features", "logit", "class", NULL};
static const gantry_net nets[] = {{sizeof(gantry_net), GANTRY_G, "g", g_inputs, g_taps}, {sizeof(gantry_net), GANTRY_D, "d", d_inputs, d_taps}};

typedef struct shape { int64_t depth, pieces; } shape;

static shape preset(gantry_ctx *cx, gan_style *s) {
  shape own = {gan_param_i(cx, DEPTH), gan_param_i(cx, PIECES)};
  static const shape depth[4] = {{0, 0}, {4, 0}, {2, 0}, {3, 0}}, maxout = {3, 5};
  static const int64_t width[4] = {0, 400, 128, 512}, z[4] = {0, 2, 256, 2}, act[4] = {0, GAN_ACT_RELU, GAN_ACT_TANH, GAN_ACT_RELU};
  static const gan_init init[4] = {{0, 0}, {GANTRY_INIT_NORMAL, 0.02}, {GANTRY_INIT_ORTHOGONAL, 1.4}, {GANTRY_INIT_HE, 1}};
  int64_t p = gan_param_i(cx, PRESET);
  if (p == OWN) return own;
  if (s->norm.reference) gan_fail(cx, "a preset decides the norm: leave norm out, or preset");
  s->width = width[p];
  s->z = z[p];
  s->act = act[p];
  s->init = init[p];
  s->norm.kind = p == PACGAN && s->is_g ? GAN_NORM_BATCH : GAN_NORM_NONE;
  if (p != PACGAN || s->is_g) return depth[p];
  s->width = 200;
  return maxout;
}

static gantry_status input(gantry_ctx *cx, const gantry_build *b, const char *name, int64_t dims[GANTRY_MAX_RANK], uint32_t *rank) {
  gan_style s = {.z = gan_param_i(cx, GAN_P_Z), .is_g = 1};
  (void)b;
  (void)name;
  preset(cx, &s);
  dims[0] = s.z;
  *rank = 1;
  return GANTRY_OK;
}

static gantry_t maxout(gantry_ctx *cx, gantry_t x, int64_t pieces) {
  static const int64_t last = 2;
  int64_t d[3] = {gan_dim(cx, x, 0), gan_dim(cx, x, 1) / pieces, pieces};
  return gan_reduce(cx, GANTRY_OP_RMAX, gan_reshape(cx, x, 3, d), &last, 1);
}

static gantry_t hidden(gantry_ctx *cx, const gan_style *s, shape form, gantry_t x) {
  int64_t pieces = form.pieces > 1 ? form.pieces : 1;
  for (int64_t k = 0; k < form.depth; k++) {
    gan_open(cx, "hidden", k);
    x = gan_linear(cx, "linear", gan_style_join(cx, s, "label", x, k == 0), s->width * pieces, s->norm.kind == GAN_NORM_NONE, s->init);
    if (pieces > 1) x = gan_style_norm(cx, s, "norm", maxout(cx, x, pieces));
    else x = gan_style_act(cx, s, gan_style_norm(cx, s, "norm", x));
    x = gan_dropout(cx, x, s->dropout, s->eval);
    gan_close(cx);
  }
  return form.depth ? x : gan_style_join(cx, s, "label", x, 1);
}

static gantry_status build(gantry_ctx *cx, const gantry_build *b, const gantry_named *in, uint32_t n) {
  gan_style s = gan_style_open(cx, b, nets[b->net].role, in, n);
  shape form = preset(cx, &s);
  int64_t dims[4] = {0, b->size[1], b->size[2], b->channels};
  if (s.is_g) {
    int64_t out = b->data_rank == 3 ? dims[1] * dims[2] * dims[3] : b->channels;
    gantry_t x = gan_style_samples(cx, &s, hidden(cx, &s, form, gan_style_reference(cx, &s, gan_arg(in, n, "z"), "z")));
    x = gan_style_out(cx, &s, gan_linear(cx, "out", x, out, 1, s.init));
    dims[0] = gan_dim(cx, x, 0);
    gan_tap(cx, "image", b->data_rank == 3 ? gan_reshape(cx, x, 4, dims) : x);
    return GANTRY_OK;
  }
  gantry_t x = hidden(cx, &s, form, gan_flatten(cx, gan_style_reference(cx, &s, gan_arg(in, n, "image"), "image")));
  gan_style_head(cx, &s, "out", gan_style_minibatch_std(cx, &s, gan_style_samples(cx, &s, x)));
  return GANTRY_OK;
}

static const gantry_arch iface = {.struct_size = sizeof iface, .nets = nets, .n_nets = 2, .net_stride = sizeof nets[0], .input = input, .build = build};
static const char *const provides[] = {"g.image", "d.logit", "d.features", "d.class", NULL};
GANTRY_PLUGIN(GANTRY_KIND_ARCH, "mlp", "1.0.0", "fully connected networks")
  .provides = provides, .params = params, .param_count = sizeof params / sizeof *params, .iface = &iface
GANTRY_PLUGIN_END
