/* nn/style.h - one vocabulary of parameters for all architectures, and what they mean.
 *
 * An architecture's table of parameters begins with GAN_STYLE_ROWS, in the order of GAN_P_*; image architectures go on with GAN_IMAGE_ROWS. Its
 * build() reads them all with gan_style_open(), which also fetches labels and the reference batch, and then asks the functions here for
 * weights' beginnings, norms, activations, embeddings and D's last layers. So one axis of an experiment fits every architecture. */
#ifndef GANTRY_NN_STYLE_H
#define GANTRY_NN_STYLE_H
#include <gantry/arch.h>
#include <gantry/nn/activation.h>
#include <gantry/nn/attention.h>
#include <gantry/nn/condition.h>
#include <gantry/nn/minibatch.h>
#include <gantry/nn/noise.h>
#include <gantry/nn/norm.h>
#include <gantry/nn/resample.h>

enum { GAN_P_WIDTH, GAN_P_Z, GAN_P_NORM, GAN_P_ACT, GAN_P_SLOPE, GAN_P_INIT, GAN_P_INIT_SCALE, GAN_P_OUT_ACT, GAN_P_DROPOUT, GAN_P_CONDITION, GAN_P_EMBED,
       GAN_P_REFERENCE, GAN_P_MINIBATCH_STD, GAN_P_MINIBATCH_KERNELS, GAN_P_MINIBATCH_DIMS, GAN_P_STYLE_END,
       GAN_P_SIZE = GAN_P_STYLE_END, GAN_P_UP, GAN_P_DOWN, GAN_P_ATTENTION_AT, GAN_P_IMAGE_END };
enum { GAN_CONDITION_NONE, GAN_CONDITION_CONCAT, GAN_CONDITION_EVERYWHERE, GAN_CONDITION_NORM, GAN_CONDITION_PROJECTION, GAN_CONDITION_AUXILIARY };
static const char *const gan_norm_choices_[] = {GAN_NORM_CHOICES}, *const gan_init_choices_[] = {GAN_INIT_CHOICES}, *const gan_act_choices_[] = {"auto", GAN_ACT_CHOICES},
                         *const gan_out_act_choices_[] = {"auto", "tanh", "sigmoid", "none", NULL},
                         *const gan_condition_choices_[] = {"none", "concat", "everywhere", "norm", "projection", "auxiliary", NULL};

#define GAN_STYLE_ROWS(WIDTH_DOC, WIDTH, Z, NORM, ACT, INIT, OUT_ACT)                                                                                                       \
  {.key = "width", .doc = WIDTH_DOC, .type = GANTRY_P_INT, .def = WIDTH, .lo = 1, .hi = 65536},                                                                             \
  {.key = "z", .doc = "dimensions of G's random input", .type = GANTRY_P_INT, .def = Z, .lo = 1, .hi = 65536},                                                              \
  {.key = "norm", .doc = "normalization of hidden layers; virtual: by a fixed reference batch (Salimans et al. 2016)", .type = GANTRY_P_ENUM, .def_str = NORM, .choices = gan_norm_choices_}, \
  {.key = "act", .doc = "activation of hidden layers; auto: relu in G, leaky_relu in D", .type = GANTRY_P_ENUM, .def_str = ACT, .choices = gan_act_choices_},                \
  {.key = "slope", .doc = "leaky ReLU's slope below zero", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL, .def = 0.2, .lo = 0, .hi = 1},                             \
  {.key = "init", .doc = "first weights: normal (standard deviation 0.02, DCGAN), xavier (uniform, Glorot & Bengio 2010), he (normal, He et al. 2015), orthogonal (Saxe et al. 2014)", .type = GANTRY_P_ENUM, .def_str = INIT, .choices = gan_init_choices_}, \
  {.key = "init_scale", .doc = "normal: the standard deviation; else the gain; 0 = 0.02 and 1", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL, .def = 0, .lo = 0, .hi = 1000},        \
  {.key = "out_act", .doc = "activation of G's output; auto: tanh for images, none for vectors", .type = GANTRY_P_ENUM, .def_str = OUT_ACT, .choices = gan_out_act_choices_}, \
  {.key = "dropout", .doc = "share of this network's hidden values that are dropped while training", .type = GANTRY_P_FLOAT, .flags = GANTRY_PF_STRUCTURAL | GANTRY_PF_OPEN_HI, .def = 0, .lo = 0, .hi = 1},  \
  {.key = "condition", .doc = "how the class enters. concat: joined to z in G, to the image in D (Mirza & Osindero 2014); everywhere: to the input of every hidden layer; norm: gains and offsets of "     \
     "the norm by class (conditional batch norm); projection: D's logit plus <embedding, features> (Miyato & Koyama 2018); auxiliary: D names the class too (Odena et al. 2017, with the regularizer auxiliary_classifier)", \
   .type = GANTRY_P_ENUM, .def_str = "none", .choices = gan_condition_choices_},                                                                                            \
  {.key = "embed", .doc = "concat and everywhere: dimensions of the class's learned embedding; 0 = one-hot", .type = GANTRY_P_INT, .def = 0, .lo = 0, .hi = 65536},          \
  {.key = "reference", .doc = "norm virtual: samples of the fixed reference batch", .type = GANTRY_P_INT, .def = 64, .lo = 1, .hi = 65536},                                  \
  {.key = "minibatch_std", .doc = "D: group size of minibatch standard deviation (Karras et al. 2018), 0 = none", .type = GANTRY_P_INT, .def = 0, .lo = 0, .hi = 65536},     \
  {.key = "minibatch_kernels", .doc = "D: kernels of minibatch discrimination (Salimans et al. 2016: 100), 0 = none", .type = GANTRY_P_INT, .def = 0, .lo = 0, .hi = 65536}, \
  {.key = "minibatch_dims", .doc = "D: numbers per kernel of minibatch discrimination (Salimans et al. 2016: 5)", .type = GANTRY_P_INT, .def = 5, .lo = 1, .hi = 65536}

#define GAN_IMAGE_ROWS(UPS, UP, DOWNS, DOWN)                                                                                                                                \
  {.key = "size", .doc = "height and width of the images; 0 = the data's", .unit = "pixels", .type = GANTRY_P_INT, .def = 0, .lo = 0, .hi = 1024},                            \
  {.key = "up", .doc = "how G doubles the size: strided transposed convolution; nearest neighbour and a convolution; fir: the filter [1,3,3,1] and a convolution", .type = GANTRY_P_ENUM, .def_str = UP, .choices = UPS}, \
  {.key = "down", .doc = "how D halves the size: strided convolution; a convolution and average pooling; fir: a convolution and the filter [1,3,3,1]", .type = GANTRY_P_ENUM, .def_str = DOWN, .choices = DOWNS}, \
  {.key = "attention_at", .doc = "size of the feature map on which self-attention acts (Zhang et al. 2019), 0 = none", .unit = "pixels", .type = GANTRY_P_INT, .def = 0, .lo = 0, .hi = 1024}

typedef struct gan_style {
  int64_t width, z, out_act, condition, embed, minibatch_std, minibatch_kernels, minibatch_dims, classes;
  int64_t act;        /* GAN_ACT_* */
  double slope, dropout;
  gan_init init;
  gan_norm_options norm;
  gantry_t label;     /* i32 [n + reference rows]; 0 if the network is unconditional */
  int is_g, eval;
} gan_style;

/* Number of halvings from an image's side down to a base of 4 to 7 pixels; 0 if there is none. 28 = 7 * 4, 32 = 4 * 8. */
static inline int64_t gan_style_halvings(int64_t size) {
  int64_t k = 0;
  while (size > 7 && size % 2 == 0) size /= 2, k++;
  return size >= 4 && size <= 7 ? k : 0;
}

/* [input] of an architecture whose G takes z alone: its dimensions. */
static inline gantry_status gan_style_input(gantry_ctx *cx, const gantry_build *b, const char *name, int64_t dims[GANTRY_MAX_RANK], uint32_t *rank) {
  (void)b;
  (void)name;
  dims[0] = gan_param_i(cx, GAN_P_Z);
  *rank = 1;
  return GANTRY_OK;
}

/* The side of the square images that an architecture is to make or judge, one that gan_style_halvings() can take apart; 0 after a failure with the reason. */
static inline int64_t gan_style_image_size(gantry_ctx *cx, const gantry_build *b) {
  int64_t size = gan_param_i(cx, GAN_P_SIZE) ? gan_param_i(cx, GAN_P_SIZE) : b->size[1];
  if (b->data_rank != 3) gan_fail(cx, "this arch makes images: choose another (mlp) for vector data, or another data set");
  else if (size != b->size[1] || size != b->size[2]) gan_fail(cx, "the data's images are not of this arch's size: set arch.size to theirs, or leave it out (images must be square)");
  else if (!gan_style_halvings(size)) gan_fail(cx, "the image size must be 4, 5, 6 or 7 times a power of two from 2 on, such as 28, 32, 48 or 64");
  else return size;
  return 0;
}

/* How weights begin, from the parameters init and init_scale. */
static inline gan_init gan_style_init(gantry_ctx *cx) {
  gan_init i = gan_init_of(gan_param_i(cx, GAN_P_INIT));
  double scale = gan_param_f(cx, GAN_P_INIT_SCALE);
  if (scale > 0) i.scale = scale;
  return i;
}

/* Reads the parameters for one application of a network and fetches its labels; `role` is GANTRY_G or GANTRY_D. Whatever makes no sense fails
 * with a reason, and building goes on with poisoned handles. */
static inline gan_style gan_style_open(gantry_ctx *cx, const gantry_build *b, uint32_t role, const gantry_named *in, uint32_t n_in) {
  gan_style s;
  memset(&s, 0, sizeof s);
  s.is_g = role == GANTRY_G;
  s.eval = (b->flags & GANTRY_EVAL) != 0;
  s.width = gan_param_i(cx, GAN_P_WIDTH);
  s.z = gan_param_i(cx, GAN_P_Z);
  s.out_act = gan_param_i(cx, GAN_P_OUT_ACT);
  if (!s.out_act) s.out_act = b->data_rank == 3 ? 1 : 3;
  s.act = gan_param_i(cx, GAN_P_ACT) - 1;
  if (s.act < 0) s.act = s.is_g ? GAN_ACT_RELU : GAN_ACT_LEAKY_RELU;
  s.slope = gan_param_f(cx, GAN_P_SLOPE);
  s.dropout = gan_param_f(cx, GAN_P_DROPOUT);
  s.init = gan_style_init(cx);
  s.condition = gan_param_i(cx, GAN_P_CONDITION);
  s.embed = gan_param_i(cx, GAN_P_EMBED);
  s.minibatch_std = gan_param_i(cx, GAN_P_MINIBATCH_STD);
  s.minibatch_kernels = gan_param_i(cx, GAN_P_MINIBATCH_KERNELS);
  s.minibatch_dims = gan_param_i(cx, GAN_P_MINIBATCH_DIMS);
  s.norm.kind = gan_param_i(cx, GAN_P_NORM);
  s.norm.eval = s.eval;
  if (s.norm.kind == GAN_NORM_VIRTUAL) s.norm.reference = gan_param_i(cx, GAN_P_REFERENCE);
  if (s.is_g && (s.condition == GAN_CONDITION_PROJECTION || s.condition == GAN_CONDITION_AUXILIARY))
    gan_fail(cx, "condition projection and auxiliary belong to D: give G concat, everywhere or norm");
  if (s.condition == GAN_CONDITION_NONE) return s;
  s.classes = b->classes;
  s.label = gan_arg(in, n_in, "label");
  if (!b->classes || !s.label.id) {
    gan_fail(cx, "condition needs classes, and the data set has none: set condition to none, or choose labelled data");
    return s;
  }
  if (s.norm.reference) {
    gantry_t both[2];
    both[0] = s.label;
    both[1] = cx->host->net->reference(cx, "label", s.norm.reference);
    s.label = gan_concat(cx, both, 2, 0);
  }
  if (s.condition == GAN_CONDITION_NORM) {
    s.norm.classes = s.classes;
    s.norm.label = s.label;
    if (s.norm.kind == GAN_NORM_NONE || s.norm.kind == GAN_NORM_PIXEL) gan_fail(cx, "condition norm needs a norm with gain and offset: batch, virtual, instance or layer");
  }
  return s;
}

/* The network's input with the reference batch of virtual batch norm behind it. what: "z" or "image". */
static inline gantry_t gan_style_reference(gantry_ctx *cx, const gan_style *s, gantry_t x, const char *what) {
  gantry_t both[2];
  if (!s->norm.reference) return x;
  both[0] = x;
  both[1] = cx->host->net->reference(cx, what, s->norm.reference);
  return gan_concat(cx, both, 2, 0);
}
/* The samples alone again. */
static inline gantry_t gan_style_samples(gantry_ctx *cx, const gan_style *s, gantry_t x) {
  return s->norm.reference ? gan_slice_axis(cx, x, 0, 0, gan_dim(cx, x, 0) - s->norm.reference, 1) : x;
}

/* What condition concat joins to the input (first = 1) and everywhere to every hidden layer's too; <name> is the embedding. */
static inline gantry_t gan_style_join(gantry_ctx *cx, const gan_style *s, const char *name, gantry_t x, int first) {
  if (s->condition != GAN_CONDITION_EVERYWHERE && !(first && s->condition == GAN_CONDITION_CONCAT)) return x;
  return gan_concat_vector(cx, x, s->embed ? gan_embedding(cx, name, s->label, s->classes, s->embed, s->init) : gan_one_hot(cx, s->label, s->classes));
}
/* The activation, the norm and the output's activation that the parameters chose. */
static inline gantry_t gan_style_act(gantry_ctx *cx, const gan_style *s, gantry_t x) { return gan_activate(cx, x, s->act, s->slope); }
static inline gantry_t gan_style_norm(gantry_ctx *cx, const gan_style *s, const char *name, gantry_t x) { return s->norm.kind == GAN_NORM_NONE ? x : gan_norm(cx, name, x, &s->norm); }
static inline gantry_t gan_style_out(gantry_ctx *cx, const gan_style *s, gantry_t x) { return s->out_act == 1 ? gan_tanh(cx, x) : s->out_act == 2 ? gan_sigmoid(cx, x) : x; }

/* On D's last feature map or vector, without the reference batch. */
static inline gantry_t gan_style_minibatch_std(gantry_ctx *cx, const gan_style *s, gantry_t x) { return s->minibatch_std ? gan_minibatch_std(cx, x, s->minibatch_std) : x; }
/* D's end, from features [n,f] without the reference batch: the taps "features", "logit" [n] from the linear layer `name` behind minibatch
 * discrimination, and for condition auxiliary "class" [n,classes]. */
static inline void gan_style_head(gantry_ctx *cx, const gan_style *s, const char *name, gantry_t features) {
  gantry_t label = s->label.id ? gan_style_samples(cx, s, s->label) : s->label;
  int64_t n = gan_dim(cx, features, 0);
  gantry_t x = gan_tap(cx, "features", features);
  if (s->condition == GAN_CONDITION_AUXILIARY) gan_tap(cx, "class", gan_linear(cx, "class", x, s->classes, 1, s->init));
  gantry_t seen = s->minibatch_kernels ? gan_minibatch_discrimination(cx, "minibatch", x, s->minibatch_kernels, s->minibatch_dims, s->init) : x;
  gantry_t logit = gan_reshape(cx, gan_linear(cx, name, seen, 1, 1, s->init), 1, &n);
  if (s->condition == GAN_CONDITION_PROJECTION) logit = gan_add(cx, logit, gan_projection(cx, "projection", x, label, s->classes, s->init));
  gan_tap(cx, "logit", logit);
}
#endif
