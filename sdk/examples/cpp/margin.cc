// margin - hinge with a margin, in C++17: handles with operators, tables as constant data without constructors.
#include <gantry/loss.h>
#include <gantry/nn.h>

namespace {

// A tensor and the context it belongs to. Nothing is owned: a handle is good during one callback.
struct tensor {
  gantry_ctx *cx;
  gantry_t t;
};
tensor operator+(tensor a, tensor b) { return {a.cx, gan_add(a.cx, a.t, b.t)}; }
tensor operator-(tensor a, tensor b) { return {a.cx, gan_sub(a.cx, a.t, b.t)}; }
tensor operator-(tensor a) { return {a.cx, gan_neg(a.cx, a.t)}; }
tensor relu(tensor a) { return {a.cx, gan_relu(a.cx, a.t)}; }
tensor mean(tensor a) { return {a.cx, gan_mean_all(a.cx, a.t)}; }

enum { MARGIN };

constexpr gantry_param make_margin() {
  gantry_param p{};
  p.key = "margin";
  p.doc = "distance from zero that costs nothing";
  p.type = GANTRY_P_FLOAT;
  p.def = 1;
  p.hi = 100;
  return p;
}
constexpr gantry_param params[] = {make_margin()};

gantry_status d(gantry_ctx *cx, const gantry_loss_in *in, gantry_t *loss) {
  tensor m{cx, gan_param(cx, MARGIN)}, real{cx, in->logit_real}, fake{cx, in->logit_fake};
  *loss = (mean(relu(m - real)) + mean(relu(m + fake))).t;
  return GANTRY_OK;
}

gantry_status g(gantry_ctx *cx, const gantry_loss_in *in, gantry_t *loss) {
  *loss = (-mean(tensor{cx, in->logit_fake})).t;
  return GANTRY_OK;
}

constexpr gantry_loss make_loss() {
  gantry_loss l{};
  l.struct_size = sizeof l;
  l.flags = GANTRY_LOSS_THRESHOLD;
  l.chance_d = 2;
  l.d = d;
  l.g = g;
  return l;
}
constexpr gantry_loss iface = make_loss();

constexpr gantry_plugin make_plugin() {
  gantry_plugin p{};
  p.struct_size = sizeof p;
  p.magic = GANTRY_MAGIC;
  p.abi_major = GANTRY_ABI_MAJOR;
  p.abi_minor = GANTRY_TARGET_MINOR;
  p.kind = GANTRY_KIND_LOSS;
  p.name = "cpp_margin";
  p.version = "1.0.0";
  p.summary = "hinge with a margin, in C++";
  p.license = "MIT";
  p.params = params;
  p.param_count = 1;
  p.param_stride = sizeof(gantry_param);
  p.iface = &iface;
  return p;
}

}  // namespace

extern "C" {
extern GANTRY_EXPORT const gantry_plugin gantry_plugin_v0;
constexpr gantry_plugin gantry_plugin_v0 = make_plugin();
}
