/* rules_form.c - tests of what a plugin builds in places that the configuration does not show: other shapes of data, a term in a program of its own,
 * evaluation, several blocks of one network; and of how parameters are read. */
#include <gantry/regularizer.h>

#include "check/stage.h"

/* ---- other shapes of data ---- */

/* Height, width, channels, batch and the widths of layers all differ, so that an axis taken for another shows. */
uint32_t check_sizes(subject *s) {
  static const check_form forms[] = {{3, 6, 10, 3}, {3, 8, 16, 1}, {3, 16, 8, 3}, {3, 32, 32, 1}, {3, 12, 12, 2}, {1, 1, 1, 3}, {1, 1, 1, 7}};
  enum { N = sizeof forms / sizeof *forms };
  uint32_t built = 0;
  for (uint32_t k = 0; k < N; k++) {
    const stage_options o = {.form = &forms[k], .batch = 5};
    const char *with = forms[k].rank == 1 ? arena_fmt(s->mem, "vectors of %lld", (long long)forms[k].c) : arena_fmt(s->mem, "images %lld x %lld x %lld", (long long)forms[k].h, (long long)forms[k].w, (long long)forms[k].c);
    check_doing(s, "building for %s", with);
    outcome x = check_build_all(s, s->values, &o);
    if (check_judge(s, with, &x)) return CHECK_FAIL;
    built += x.how == BUILT;
  }
  return check_say(s, CHECK_PASS, built == N ? "%u shapes" : "%u of 7 shapes built, the others were refused in words", built);
}

/* ---- terms in a program of their own ---- */

static const char *has_term(subject *s, uint32_t scene, const stage_options *o, outcome *x) {
  stage *st;
  err e = {0};
  const char *found = NULL;
  *x = check_build(s, s->values, scene, o);
  if (x->how == BUILT && !stage_open(s, s->values, scene, o, &st, &e)) {
    if (stage_find(st, "y")) found = "";
    stage_close(st);
  } else if (x->how == BUILT) stage_close(st);
  return found;
}

uint32_t check_lazy_term(subject *s) {
  const stage_options lazily = {.lazy_term = 1};
  uint32_t terms = 0;
  if (!((const gantry_regularizer *)s->live->iface)->term) return check_say(s, CHECK_SKIP, "it has no term");
  for (uint32_t k = 0; k < 2; k++) {
    outcome main_program, own;
    check_doing(s, "%s, the term as a program of its own", stage_scene_name(s, k));
    int usual = has_term(s, k, NULL, &main_program) != NULL, lazy = has_term(s, k, &lazily, &own) != NULL;
    if (own.how == REFUSED) continue;
    if (own.how != BUILT) return check_say(s, CHECK_FAIL, "%s, the term as a program of its own (\"every\"): %s: there D is not applied yet (step->d_real and d_fake are 0): apply it, as with gan_apply_d", stage_scene_name(s, k), own.why);
    if (usual && !lazy) return check_say(s, CHECK_FAIL, "%s has a term, but as a program of its own (\"every\") it has none: it would be dropped", stage_scene_name(s, k));
    terms += lazy != 0;
  }
  return terms ? CHECK_PASS : check_say(s, CHECK_SKIP, "it has no term as a program of its own");
}

/* ---- evaluation ---- */

static int declares(const stage *st, const abi_state *s) {
  const abi_state *x = abi_world_state(st->world, s->name);
  return x && x->role == s->role;
}

static uint32_t compare_weights(subject *s, const check_form *form) {
  const stage_options o = {.form = form};
  uint32_t verdict = CHECK_PASS;
  for (uint32_t k = 0; k + 1 < stage_scenes(s) && !verdict; k += 2) {
    stage *train, *eval;
    err e = {0};
    int built = !stage_open(s, s->values, k, &o, &train, &e);
    built = !stage_open(s, s->values, k + 1, &o, &eval, &e) && built;
    for (int side = 0; built && side < 2; side++) {
      const stage *one = side ? eval : train, *other = side ? train : eval;
      for (uint32_t j = 0; j < one->world->states.n && !verdict; j++) {
        const abi_state *w = &one->world->states.p[j];
        if (w->role != GANTRY_ROLE_PARAM || declares(other, w)) continue;
        verdict = check_say(s, CHECK_FAIL, "%s: the weight \"%s\" is asked for in %s: build() must ask for the same weights every time", stage_scene_name(s, k), w->name, side ? "evaluation (GANTRY_EVAL) only" : "training, not in evaluation (GANTRY_EVAL)");
      }
    }
    stage_close(train);
    stage_close(eval);
  }
  return verdict;
}

/* At every size that builds: small data may lack the layer. */
uint32_t check_eval_weights(subject *s) {
  uint32_t verdict = CHECK_PASS;
  for (uint32_t form = 0; form < CHECK_FORMS && !verdict; form++) verdict = compare_weights(s, &check_forms[form]);
  return verdict;
}

/* ---- one weight in two layers ---- */

/* At every size that builds: small data may have a single block. */
uint32_t check_weights_apart(subject *s) {
  uint32_t verdict = CHECK_PASS;
  for (uint32_t form = 0; form < CHECK_FORMS && !verdict; form++)
    for (uint32_t k = 0; k < stage_scenes(s) && !verdict; k += 2) {
      const stage_options o = {.form = &check_forms[form]};
      stage *st;
      err e = {0};
      if (!stage_open(s, s->values, k, &o, &st, &e) && st->shared)
        verdict = check_say(s, CHECK_WARN, "%s asks twice for the weight \"%s\" in one application: as intended, if two layers are to share it; else gan_open() lacks an index", stage_scene_name(s, k), st->shared);
      stage_close(st);
    }
  return verdict;
}

/* ---- how parameters are read ---- */

uint32_t check_schedulable(subject *s) {
  for (uint32_t k = 0; k < s->live->param_count; k++) {
    abi_value *v = check_values_copy(s, s->values);
    check_build_all(s, v, NULL);
    for (uint32_t j = 0; check_value_other(abi_param_at(s->live, k), &s->values[k], j, &v[k]); j++) check_build_all(s, v, NULL);
  }
  for (uint32_t k = 0; k < 6; k++) {
    abi_value *v = check_values_copy(s, s->values);
    check_values_random(s, v, s->seed + 700 + k);
    check_build_all(s, v, NULL);
  }
  for (uint32_t k = 0; k < s->live->param_count && k < CHECK_PARAMS; k++) {
    const gantry_param *p = abi_param_at(s->live, k);
    if (p->type != GANTRY_P_FLOAT || (p->flags & GANTRY_PF_STRUCTURAL) || !s->read_constant[k] || s->read_scalar[k]) continue;
    return check_say(s, CHECK_FAIL, "\"%s\" is read as a number (gan_param_f) but declared without GANTRY_PF_STRUCTURAL: a schedule of it would change nothing. Read it with gan_param, or give it the flag", p->key);
  }
  return CHECK_PASS;
}
