/* method_classifier.c - a network with the role features learns the data's labels: one program "step" of cross-entropy and an optimizer update.
 * The second method: it trains the feature networks that metrics look through, and shows that nothing but methods knows what is trained. */
#include <gantry/nn/loss.h>

#include "ir/build.h"
#include "train/train.h"

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
  if (logits.id) {
    loss = gan_softmax_cross_entropy(cx, logits, abi_t(label));
    accuracy = gan_mean_all(cx, gan_f32(cx, gan_eq(cx, gan_argmax(cx, logits, 1), abi_t(label))));
  }
  train_log(b, "loss", loss.id);
  train_log(b, "accuracy", accuracy.id);
  train_trace(r, b, "indices", index);
  train_trace(r, b, "loss", loss.id);
  if (loss.id) abi_update(b, GANTRY_FEATURES, loss.id, &st, NULL);
  uint32_t mark = abi_mark(b);
  abi_bind(b, "counter/images", gan_add(cx, abi_t(images), gan_full_as(cx, GANTRY_I64, 0, NULL, (double)c->batch)).id);
  r->most_programs = 1;
  return train_program_end(r, b, 0, mark, e);
}

static uint32_t step(const train_run *r, int64_t k, uint32_t *list) {
  (void)r;
  (void)k;
  list[0] = 0;
  return 1;
}

const train_method train_method_classifier = {"classifier", build, step};
