/* auxiliary_classifier - ACGAN: D also names the class of what it sees, G makes images whose class D names rightly. Cross-entropy of D's tap
 * "class" (arch parameter condition: auxiliary) with the labels, of both networks: set `of` to ["d", "g"]. */
#include <gantry/nn.h>
#include <gantry/regularizer.h>

enum { REAL, FAKE, G };
static const gantry_param params[] = {
  {.key = "real", .doc = "D: weight of the cross-entropy on real samples", .type = GANTRY_P_FLOAT, .def = 1, .lo = 0, .hi = 1e6},
  {.key = "fake", .doc = "D: weight on generated samples (Odena et al.: 1; many implementations: 0, which keeps D from learning G's mistakes)", .type = GANTRY_P_FLOAT, .def = 1, .lo = 0, .hi = 1e6},
  {.key = "g", .doc = "G: weight on its samples", .type = GANTRY_P_FLOAT, .def = 1, .lo = 0, .hi = 1e6}};

/* D's classes of images as it sees them; applied here in a program of the term's own ("every"). */
static gantry_t classes(gantry_ctx *cx, gantry_call made, gantry_t seen) { return gan_out(cx, made.id ? made : gan_apply_d(cx, seen), "class"); }

static gantry_status term(gantry_ctx *cx, const gantry_step *step, gantry_term *out) {
  if (!step->label_fake.id) return gan_fail(cx, "the data set has no classes to name");
  gantry_t named = classes(cx, step->d_fake, step->fake_seen);
  if (gan_dim(cx, named, 0) != gan_dim(cx, step->label_fake, 0)) return gan_fail(cx, "d.pack joins images of several classes to one, which has no class to name: leave d.pack out");
  gantry_t fake = gan_softmax_cross_entropy(cx, named, step->label_fake);
  if (step->net == GANTRY_G) {
    out->value = gan_mul(cx, gan_param(cx, G), fake);
    return GANTRY_OK;
  }
  gantry_t real = gan_softmax_cross_entropy(cx, classes(cx, step->d_real, step->real_seen), step->label_real);
  out->value = gan_add(cx, gan_mul(cx, gan_param(cx, REAL), real), gan_mul(cx, gan_param(cx, FAKE), fake));
  return GANTRY_OK;
}

static const gantry_regularizer iface = {.struct_size = sizeof iface, .stage = GANTRY_STAGE_OTHER, .term = term};
static const char *const needs[] = {"d.class", "data.label", NULL};
GANTRY_PLUGIN(GANTRY_KIND_REGULARIZER, "auxiliary_classifier", "1.0.0", "D names classes, G obeys them (ACGAN)")
  .paper = "Odena et al. 2017, arXiv:1610.09585", .needs = needs, .params = params, .param_count = 3, .iface = &iface
GANTRY_PLUGIN_END
