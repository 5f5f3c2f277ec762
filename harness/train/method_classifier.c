/* method_classifier.c - a network with the role features learns the data's labels: one program "step" of cross-entropy and an optimizer update.
 * The second method: it trains the feature networks that metrics look through, and shows that nothing but methods knows what is trained. */
#include <gantry/nn/activation.h>

#include "ir/build.h"
#include "train/train.h"

/* mean of log sum exp(logit) - logit[label], with the row's maximum taken out, and the share of right answers */
static void cross_entropy(abi_builder *b, gantry_t logits, gantry_t label, gantry_t *loss, gantry_t *accuracy) {
  gantry_ctx *cx = &b->cx;
  static const int64_t rows[1] = {0}, last[1] = {1};
  int64_t d[GANTRY_MAX_RANK];
  if (gan_shape(cx, logits, d) != 2) {
    err_set(&b->err, GANTRY_E_SHAPE, "the tap \"class\" must be [n, classes]");
    return;
  }
  gantry_t hit = gan_f32(cx, gan_eq(cx, gan_broadcast(cx, label, 2, d, rows), gan_iota(cx, GANTRY_I32, 2, d, 1)));
  gantry_t top = gan_stop(cx, gan_reduce(cx, GANTRY_OP_RMAX, logits, last, 1)), shifted = gan_sub(cx, logits, gan_broadcast(cx, top, 2, d, rows));
  gantry_t total = gan_log(cx, gan_sum(cx, gan_exp(cx, shifted), last, 1));
  *loss = gan_mean_all(cx, gan_sub(cx, total, gan_sum(cx, gan_mul(cx, hit, shifted), last, 1)));
  *accuracy = gan_mean_all(cx, gan_f32(cx, gan_eq(cx, gan_argmax(cx, logits, 1), label)));
}

static gantry_status build(train_run *r, err *e) {
  const cfg_run *c = r->cfg;
  abi_builder *b = train_program_begin(r, "step");
  gantry_ctx *cx = &b->cx;
  gantry_step st = {.struct_size = sizeof st, .net = GANTRY_FEATURES, .batch = c->batch};
  gantry_t loss = {0}, accuracy = {0};
  ir_id index = 0, images = abi_counter(b, "images");
  b->images = abi_counter_f32(b, "images");
  b->clock = images;
  st.images = abi_t(b->images);
  ir_id x = data_batch(b, r->data, "train", images, c->batch, &index), label = data_labels(b, r->data, "train", index);
  gantry_named in = {"image", abi_t(x), 0};
  gantry_call call = label ? abi_apply(b, GANTRY_FEATURES, &in, 1, 0) : (gantry_call){0};
  gantry_t logits = abi_t(abi_out(b, call, "class"));
  if (logits.id) cross_entropy(b, logits, abi_t(label), &loss, &accuracy);
  train_log(b, "loss", loss.id);
  train_log(b, "accuracy", accuracy.id);
  train_trace(r, b, "indices", index);
  train_trace(r, b, "loss", loss.id);
  if (loss.id) abi_update(b, GANTRY_FEATURES, loss.id, &st, 1, NULL);
  uint32_t mark = abi_mark(b);
  abi_bind(b, "counter/images", gan_add(cx, abi_t(images), gan_full_as(cx, GANTRY_I64, 0, NULL, (double)c->batch)).id);
  return train_program_end(r, b, 0, mark, e);
}

static uint32_t step(const train_run *r, int64_t k, uint32_t *list, uint32_t cap) {
  (void)r;
  (void)k;
  (void)cap;
  list[0] = 0;
  return 1;
}

const train_method train_method_classifier = {"classifier", build, step};
