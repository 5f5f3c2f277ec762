/* update.c - one symbolic optimizer update of a network's bindings: gradients, gradient hooks, optimizer, after-update rules. */
#include "abi/build.h"
#include "abi/since.h"
#include "ad/ad.h"
#include "ir/build.h"

static gantry_status gradient_hooks(abi_builder *b, uint32_t role, const gantry_step *st, gantry_t *grads, uint32_t n) {
  for (uint32_t k = 0; k < b->world->n_regs; k++) {
    const abi_regularizer *r = &b->world->regs[k];
    const gantry_regularizer *iface = r->el.plugin->iface;
    if (!iface->gradient || !(r->of >> role & 1)) continue;
    abi_frame f = abi_enter(b, &r->el, arena_fmt(b->mem, "regularizers/%s", r->el.id), NULL);
    ir_id *before = ARENA_ARRAY(b->mem, ir_id, n);
    for (uint32_t j = 0; j < n; j++) before[j] = grads[j].id;
    TRY(ABI_CALL(b, f, "gradient", iface->gradient(&b->cx, st, grads, n)));
    for (uint32_t j = 0; j < n; j++)
      if (!abi_given(b, &r->el, "gradient", grads[j], before[j])) return b->err.code;
  }
  return GANTRY_OK;
}

static gantry_status after_hooks(abi_builder *b, uint32_t role, const gantry_step *st, const abi_state *s, gantry_t *w) {
  gantry_weight view = {.struct_size = sizeof view, .net = role, .name = s->name, .out_axis = s->out_axis, .flags = s->flags};
  for (uint32_t k = 0; k < b->world->n_regs; k++) {
    const abi_regularizer *r = &b->world->regs[k];
    const gantry_regularizer *iface = r->el.plugin->iface;
    if (!iface->after || !(r->of >> role & 1)) continue;
    ir_id before = w->id;
    abi_frame f = abi_enter(b, &r->el, arena_fmt(b->mem, "regularizers/%s/%s", r->el.id, s->name), NULL);
    const gantry_weight *lent = b->lend ? b->lend(b, &view, sizeof view, SINCE_0_1(gantry_weight, reserved0)) : &view;
    TRY(ABI_CALL(b, f, "after", iface->after(&b->cx, st, lent, w)));
    if (!abi_given(b, &r->el, "after", *w, before)) return b->err.code;
  }
  return GANTRY_OK;
}

gantry_status abi_gradients(abi_builder *b, uint32_t role, ir_id loss, ir_id *grads) {
  if (b->err.code || b->g->err.code) return b->err.code ? b->err.code : b->g->err.code;
  if (!loss) return err_set(&b->err, GANTRY_E_INVALID, "update: there is no loss");
  uint32_t n = abi_params(b, role, NULL, NULL, 0);
  ir_id *w = ARENA_ARRAY(b->mem, ir_id, n);
  abi_params(b, role, w, NULL, n);
  return ad_grad(b->g, loss, 0, w, n, grads);
}

gantry_status abi_descend(abi_builder *b, uint32_t role, ir_id *given, const gantry_step *st) {
  if (b->err.code || b->g->err.code) return b->err.code ? b->err.code : b->g->err.code;
  const abi_net *net = abi_world_net(b->world, role);
  if (!net || !net->optim.plugin) return err_set(&b->err, GANTRY_E_INVALID, "update: that network has no optimizer in this run");
  uint32_t n = abi_params(b, role, NULL, NULL, 0);
  ir_id *w = ARENA_ARRAY(b->mem, ir_id, n);
  const abi_state **which = ARENA_ARRAY(b->mem, const abi_state *, n);
  gantry_t *grads = ARENA_ARRAY(b->mem, gantry_t, n);
  abi_params(b, role, w, which, n);
  /* copies: the list of states may move while hooks and optimizer declare theirs */
  const char **names = ARENA_ARRAY(b->mem, const char *, n);
  abi_state *copies = ARENA_ARRAY(b->mem, abi_state, n);
  for (uint32_t k = 0; k < n; k++) {
    copies[k] = *which[k];
    names[k] = copies[k].name;
    grads[k] = abi_t(given[k]);
  }
  if (st) TRY(gradient_hooks(b, role, st, grads, n));
  ir_id count = ir_add(b->g, abi_counter(b, arena_fmt(b->mem, "%s.updates", net->scope)), ir_const(b->g, GANTRY_I64, 1));
  gantry_optim_in in = {.struct_size = sizeof in, .net = role, .count = abi_t(ir_cast(b->g, count, GANTRY_F32)), .lazy = net->lazy > 0 ? net->lazy : 1, .flags = st ? 0 : GANTRY_OPTIM_DIFFERENTIATED};
  gantry_t *fresh = ARENA_ARRAY(b->mem, gantry_t, n); /* bound after all of them are built: an optimizer sees the weights of before */
  const gantry_optim *optim = net->optim.plugin->iface;
  for (uint32_t k = 0; k < n; k++) {
    in.name = names[k];
    in.weight = abi_t(w[k]);
    in.grad = grads[k];
    given[k] = grads[k].id;
    abi_frame f = abi_enter(b, &net->optim, arena_fmt(b->mem, "optim/%s", names[k]), NULL);
    TRY(ABI_CALL(b, f, "update", optim->update(&b->cx, &in, &fresh[k])));
    if (!abi_given(b, &net->optim, arena_fmt(b->mem, "update of %s", names[k]), fresh[k], w[k])) return b->err.code;
    if (st) TRY(after_hooks(b, role, st, &copies[k], &fresh[k]));
  }
  for (uint32_t k = 0; k < n; k++) abi_bind(b, names[k], fresh[k].id);
  abi_bind(b, arena_fmt(b->mem, "counter/%s.updates", net->scope), count);
  return b->err.code;
}

gantry_status abi_update(abi_builder *b, uint32_t role, ir_id loss, const gantry_step *st, ir_id *grads_out) {
  ir_id *g = grads_out ? grads_out : ARENA_ARRAY(b->mem, ir_id, abi_params(b, role, NULL, NULL, 0));
  const abi_net *net = abi_world_net(b->world, role);
  if (!net || !net->optim.plugin) return err_set(&b->err, GANTRY_E_INVALID, "update: that network has no optimizer in this run");
  TRY(abi_gradients(b, role, loss, g));
  return abi_descend(b, role, g, st);
}
