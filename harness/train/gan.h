/* gan.h - one update of G or D under construction: what method_gan.c (programs and their order) and gan_update.c (losses, terms, hooks, descent)
 * share. Private to harness/train. */
#ifndef TRAIN_GAN_H
#define TRAIN_GAN_H
#include "ir/build.h"
#include "train/train.h"

typedef struct train_update {
  train_run *r;
  abi_builder *b;
  gantry_step st;
  const gantry_loss *loss;
  uint32_t role;
  int64_t batch;  /* samples of each side: train.batch, or its part where gradients are accumulated */
  uint8_t is_lazy; /* a program of one lazy term, not that of the loss */
} train_update;

static inline const gantry_regularizer *train_hooks(const abi_regularizer *g) { return g->el.plugin->iface; }
static inline int64_t train_batch(const cfg_run *c) { return c->batch / c->accumulate; }

/* Notes whether a hook made something: its result is another tensor than before, or a state was set since `mark`. */
static inline void train_contributes(const train_update *u, const abi_regularizer *g, int changed, uint32_t mark) {
  if (changed || abi_mark(u->b) != mark) u->r->contributes[g - u->b->world->regs] = 1;
}

void train_update_open(train_update *u, train_run *r, abi_builder *b, uint32_t role);
/* How many images ago the real batch of a program after D's update was drawn: the last ones D saw, part by part. */
ir_id train_back(train_update *u);
/* Labels of the update: those of the real batch `back` images ago (0 = the next one). */
void train_labels(train_update *u, ir_id back);
/* That real batch. */
ir_id train_real(train_update *u, ir_id back);
gantry_call train_apply_g(abi_builder *b, int64_t n, uint32_t flags);
gantry_call train_apply_d(abi_builder *b, ir_id image, uint32_t flags);
/* D's view of a batch: every `input` hook of regularizers on D, in hook order. */
ir_id train_seen(train_update *u, ir_id x, int is_real);
ir_id train_detached(abi_builder *b, ir_id x);

/* Losses with all terms that are not lazy. D's fakes stay connected to G only if the caller left them so. */
ir_id train_loss_d(train_update *u, ir_id real, ir_id fake);
/* Through D, whose states and any lookahead are dropped afterwards. */
ir_id train_loss_g(train_update *u, gantry_call g, ir_id back);
/* world->loss: for plugins that update a network themselves (unrolling). */
ir_id train_loss_for_plugins(void *run, abi_builder *b, uint32_t net, ir_id logit_real, ir_id logit_fake);
/* Value and log of one term hook; the value is 0 where the plugin has none for this update. */
ir_id train_term(train_update *u, const abi_regularizer *g, ir_id *log);
/* What its log is called: its id, with _d or _g behind it where it acts on both networks. */
const char *train_term_name(const train_update *u, const abi_regularizer *g);
void train_log_rate(train_update *u, const char *name);
/* Gradients and optimizer; with accumulation only gradients, added to states "accumulate/<program>/<weight>". */
void train_descend(train_update *u, ir_id loss);
/* The optimizer on the mean of the gradients that program `grad` added up. */
void train_descend_sums(train_update *u, const char *grad);
/* The last hooks: 0/1 keep of this update, 0 = always. Their own states go on in any case. With accumulation the decisions of the parts are
 * remembered, and train_kept gives the update's: 1 if all were. */
ir_id train_control(train_update *u);
ir_id train_kept(train_update *u, const char *grad);
void train_count_images(train_update *u);
#endif
