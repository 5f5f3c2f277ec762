/* check.c - what of a cell fits together: schedules and the leaves they multiply, capabilities that plugins need and provide,
 * losses that want a bounded critic. Everything here is decided from constant data, before anything is built. */
#include <stdlib.h>

#include <gantry/loss.h>
#include <gantry/regularizer.h>

#include "config/resolve.h"

/* The schedulable leaf that `path` names. *off: it belongs to an element that this cell switches off. */
static gantry_status find_leaf(resolver *rs, const char *where, const char *path, int *off) {
  *off = 0;
  VEC(const char *) known = {0};
  for (uint32_t k = 0; k < rs->plugins.n; k++) {
    const chosen *c = &rs->plugins.p[k];
    for (uint32_t i = 0; i < c->desc->param_count; i++) {
      const gantry_param *p = abi_param_at(c->desc, i);
      const char *full = join(rs, c->el->path, p->key);
      int fits = p->type == GANTRY_P_FLOAT && !(p->flags & GANTRY_PF_STRUCTURAL);
      if (fits) VEC_PUSH(known, full);
      if (strcmp(full, path)) continue;
      free(known.p);
      if (!fits) return layers_fail(&rs->from, where, AT_VALUE, rs->e, "%s cannot be scheduled: it is read when the networks are built", path);
      return GANTRY_OK;
    }
  }
  char *element = arena_str(rs->a, path), *dot = strrchr(element, '.');
  if (dot) *dot = 0;
  const json_t *on = json_object_get(path_get(rs->cfg, element), "on");
  *off = dot && json_is_false(on);
  if (!*off) layers_fail(&rs->from, where, AT_VALUE, rs->e, "there is no setting \"%s\" to schedule%s", path, near_hint(rs->a, path, known.p, known.n));
  free(known.p);
  return rs->e->code;
}

static gantry_status read_targets(resolver *rs, const json_t *v, const char *path, cfg_schedule *s, json_t *out) {
  const json_t *of = json_object_get(v, "of");
  const char *where = join(rs, path, "of");
  size_t n = json_is_array(of) ? json_array_size(of) : json_is_string(of) ? 1 : 0, kept = 0;
  if (!n) return layers_fail(&rs->from, of ? where : path, of ? AT_VALUE : AT_KEY, rs->e, "%s.of must list the settings it multiplies, as in [\"g.optim.lr\"]", path);
  const char **list = ARENA_ARRAY(rs->a, const char *, n + 1);
  json_t *made = json_array();
  for (size_t k = 0; k < n; k++) {
    const json_t *one = json_is_array(of) ? json_array_get(of, k) : of;
    int off = 0;
    gantry_status st = json_is_string(one) ? find_leaf(rs, where, json_string_value(one), &off) : layers_fail(&rs->from, where, AT_VALUE, rs->e, "%s.of must be a list of texts", path);
    if (st) {
      json_decref(made);
      return st;
    }
    if (off) continue;
    list[kept++] = arena_str(rs->a, json_string_value(one));
    json_array_append_new(made, json_string(list[kept - 1]));
  }
  s->of = list;
  json_object_set_new(out, "of", made);
  return GANTRY_OK;
}

static gantry_status read_schedule(resolver *rs, const json_t *v, const char *path, cfg_schedule *s, json_t *out) {
  static const char *const known[] = {"of", "on", "shape", "to", "factor", "start", "end", "warmup", "every"};
  static const char *const shapes[] = {"linear", "exponential", "cosine", "step", "constant", NULL};
  const cfg_duration never = {CFG_NEVER, 0}, at_end = {CFG_END, 0};
  TRY(refuse_unknown(rs, v, path, known, sizeof known / sizeof *known));
  TRY(read_word(rs, v, out, path, "shape", "linear", shapes, &s->shape));
  int is_step = !strcmp(s->shape, "step"), constant = !strcmp(s->shape, "constant");
  TRY(read_num(rs, v, out, path, "to", constant ? 1 : 0, 0, 1e12, &s->to));
  TRY(read_num(rs, v, out, path, "factor", 0.1, 0, 1e12, &s->factor));
  TRY(read_duration(rs, v, out, path, "start", never, &s->start));
  TRY(read_duration(rs, v, out, path, "end", is_step || constant ? never : at_end, &s->end));
  TRY(read_duration(rs, v, out, path, "warmup", never, &s->warmup));
  TRY(read_duration(rs, v, out, path, "every", never, &s->every));
  if (!strcmp(s->shape, "exponential") && s->to <= 0) return layers_fail(&rs->from, join(rs, path, "to"), AT_VALUE, rs->e, "%s.to must be above 0 for an exponential schedule", path);
  if (s->start.unit == s->end.unit && s->start.unit != CFG_END && s->start.unit != CFG_NEVER && s->start.n >= s->end.n) return layers_fail(&rs->from, join(rs, path, "end"), AT_VALUE, rs->e, "%s ends before it starts: \"end\" must be after \"start\"", path);
  if (is_step && s->every.unit == CFG_NEVER) return layers_fail(&rs->from, path, AT_KEY, rs->e, "%s: a \"step\" schedule needs \"every\"", path);
  return read_targets(rs, v, path, s, out);
}

gantry_status resolve_schedules(resolver *rs, json_t *out) {
  json_t *v, *x, *all;
  const char *const *keys;
  int on;
  TRY(read_object(rs, rs->cfg, "", "schedules", NULL, &v));
  uint32_t n = v ? object_keys(rs->a, v, &keys) : 0;
  cfg_schedule *list = ARENA_ARRAY(rs->a, cfg_schedule, n + 1);
  json_object_set_new(out, "schedules", all = json_object());
  for (uint32_t k = 0; k < n; k++) {
    const char *path = join(rs, "schedules", keys[k]);
    cfg_schedule *s = &list[rs->r->n_schedules];
    TRY(read_object(rs, v, "schedules", keys[k], NULL, &x));
    if (!x) continue;
    *s = (cfg_schedule){.id = keys[k]};
    json_t *made = json_object();
    json_object_set_new(all, keys[k], made);
    TRY(read_schedule(rs, x, path, s, made));
    TRY(read_bool(rs, x, path, "on", 1, &on));
    if (on && s->of[0]) rs->r->n_schedules++;
    else json_object_del(all, keys[k]); /* off, or everything it multiplies is off */
  }
  rs->r->schedules = list;
  return GANTRY_OK;
}

static int provides(const gantry_plugin *p, const char *what) {
  for (const char *const *s = p->provides; s && *s; s++)
    if (!strcmp(*s, what)) return 1;
  return 0;
}

/* Whether the experiment has it. An arch has networks of both roles; what it has for the role that it is not chosen for counts for nothing. */
static int provided(const resolver *rs, const char *what) {
  for (uint32_t k = 0; k < rs->plugins.n; k++) {
    const cfg_element *el = rs->plugins.p[k].el;
    if (!strncmp(what, "g.", 2) && el == &rs->r->d.arch) continue;
    if (!strncmp(what, "d.", 2) && el == &rs->r->g.arch) continue;
    if (provides(rs->plugins.p[k].desc, what)) return 1;
  }
  return 0;
}

/* "; choose loss lsgan or loss minimax" */
static const char *who_provides(resolver *rs, const char *what) {
  const char *who = "";
  for (uint32_t k = 0; k < abi_count(rs->reg); k++) {
    const abi_plugin *p = abi_at(rs->reg, k);
    const char *g = strncmp(what, "g.", 2) ? "" : "g.", *d = strncmp(what, "d.", 2) ? "" : "d.";
    if (!p->refused && provides(p->desc, what))
      who = arena_fmt(rs->a, "%s%s %s%s%s %s", who, *who ? " or" : "; choose", p->desc->kind == GANTRY_KIND_ARCH ? g : "", p->desc->kind == GANTRY_KIND_ARCH ? d : "", p->desc->kind == GANTRY_KIND_DATASET ? "data" : abi_kind_name(p->desc->kind), p->desc->name);
  }
  return *who ? who : ", nor does any installed plugin";
}

static gantry_status check_needs(resolver *rs, const chosen *c) {
  for (const char *const *need = c->desc->needs; need && *need; need++) {
    if (provided(rs, *need)) continue;
    return layers_fail(&rs->from, c->el->path, AT_KEY, rs->e, "%s (%s %s) needs %s, which nobody here provides%s", c->el->path, abi_kind_name(c->el->kind), c->desc->name, *need, who_provides(rs, *need));
  }
  return GANTRY_OK;
}

/* What samples.truncation.psi moves. */
static gantry_status check_psi(resolver *rs) {
  static const char *const taps[] = {"g.w", "g.w_avg"};
  for (int k = 0; k < 2 && rs->r->truncates_w; k++)
    if (!provided(rs, taps[k]))
      return layers_fail(&rs->from, "samples.truncation.psi", AT_VALUE, rs->e, "samples.truncation.psi moves w towards its average, and %s has no %s: truncate z with \"at\" instead, or change G%s", rs->r->g.arch.name, taps[k] + 2, who_provides(rs, taps[k]));
  return GANTRY_OK;
}

/* The flags are constant data of the interface, readable without running the plugin. */
static void warn_unbounded(resolver *rs) {
  const gantry_loss *loss = NULL;
  for (uint32_t k = 0; k < rs->plugins.n; k++) {
    const gantry_plugin *p = rs->plugins.p[k].desc;
    if (p->kind == GANTRY_KIND_LOSS) loss = p->iface;
    if (p->kind == GANTRY_KIND_REGULARIZER && ((const gantry_regularizer *)p->iface)->flags & GANTRY_REG_BOUNDS_D) return;
  }
  if (loss && loss->flags & GANTRY_LOSS_LIPSCHITZ)
    VEC_PUSH(rs->warnings, arena_fmt(rs->a, "loss %s needs a bounded critic, and nothing in some cell bounds D: add a gradient penalty, spectral norm or weight clipping", rs->r->loss.name));
}

static const abi_value *param_of(const chosen *c, const char *key) {
  int k = abi_param_find(c->desc, key);
  return k < 0 ? NULL : &c->el->values[k];
}

/* Batch norm in D couples the samples whose gradients a penalty takes one by one (Gulrajani et al. 2017, section 4). */
static gantry_status check_penalties(resolver *rs) {
  const abi_value *norm = NULL;
  for (uint32_t k = 0; k < rs->plugins.n; k++)
    if (rs->plugins.p[k].el == &rs->r->d.arch) norm = param_of(&rs->plugins.p[k], "norm");
  if (!norm || !norm->s || strcmp(norm->s, "batch")) return GANTRY_OK;
  for (uint32_t k = 0; k < rs->plugins.n; k++) {
    const chosen *c = &rs->plugins.p[k];
    if (c->desc->kind != GANTRY_KIND_REGULARIZER || !(((const gantry_regularizer *)c->desc->iface)->flags & GANTRY_REG_PER_SAMPLE)) continue;
    if (c->el->force || (c->el->of && !(c->el->of >> GANTRY_D & 1))) continue;
    return layers_fail(&rs->from, c->el->path, AT_KEY, rs->e,
                       "%s (%s) takes D's gradient sample by sample, and batch norm in D couples the samples: set d.arch.norm to \"layer\", \"instance\", \"virtual\" or \"none\", or say \"force\": true here",
                       c->el->path, c->desc->name);
  }
  return GANTRY_OK;
}

/* What transforms D's input in one stage does not commute, so the experiment says which comes first. */
static gantry_status check_stages(resolver *rs) {
  for (uint32_t k = 0; k < rs->r->n_regs; k++)
    for (uint32_t j = 0; j < k; j++) {
      const cfg_element *a = &rs->r->regs[j], *b = &rs->r->regs[k];
      const gantry_regularizer *x = abi_find(rs->reg, GANTRY_KIND_REGULARIZER, a->name)->desc->iface, *y = abi_find(rs->reg, GANTRY_KIND_REGULARIZER, b->name)->desc->iface;
      if (x->stage != y->stage || x->stage < GANTRY_STAGE_REAL_ONLY || x->stage >= GANTRY_STAGE_OTHER || a->order != b->order) continue;
      return layers_fail(&rs->from, b->path, AT_KEY, rs->e, "%s and %s both transform D's input in one stage: say which comes first by \"order\", as in \"order\": 1", a->path, b->path);
    }
  return GANTRY_OK;
}

gantry_status resolve_check(resolver *rs) {
  for (uint32_t k = 0; k < rs->plugins.n; k++) TRY(check_needs(rs, &rs->plugins.p[k]));
  TRY(check_psi(rs));
  TRY(check_penalties(rs));
  TRY(check_stages(rs));
  warn_unbounded(rs);
  return GANTRY_OK;
}
