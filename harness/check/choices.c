/* choices.c - a test at the other choices of a plugin: with the configuration, then once with every other value of each ENUM and BOOL. In goes a test, out
 * comes its worst verdict with the choice in front. What a plugin does behind a switch is otherwise seen by nobody. See subject.h.
 *
 * How much is tried follows from the size of what is built, never from the clock, so that a result is the same everywhere. */
#include <stdio.h>

#include "check/stage.h"

/* Rough cost of one repetition: nodes, and multiplications on the reference interpreter. 0: it cannot be built so. */
static double cost(subject *s, const abi_value *v) {
  double sum = 0;
  for (uint32_t k = 0; k < stage_scenes(s); k++) {
    stage *st;
    err e = {0};
    int built = !stage_open(s, v, k, NULL, &st, &e);
    if (built) sum += 2e3 * st->b->g->nodes.n + (s->varies == 2 ? 0 : 20 * stage_work(st));
    stage_close(st);
    if (!built) return 0;
  }
  return sum;
}

uint32_t check_over_choices(subject *s, check_fn *run) {
  uint32_t verdict = run(s), tried = 0, dear = 0, refused = 0;
  const uint8_t quick = s->quick;
  double left = (quick ? 5e6 : 2e7) * (s->live->kind == GANTRY_KIND_ARCH ? 1 : 3);
  abi_value *base = s->values;
  char first[600];
  snprintf(first, sizeof first, "%.599s", s->out->why);
  if (verdict == CHECK_FAIL) return verdict;
  for (uint32_t k = 0; k < s->live->param_count && verdict != CHECK_FAIL; k++) {
    const gantry_param *p = abi_param_at(s->live, k);
    abi_value other;
    if (p->type != GANTRY_P_BOOL && p->type != GANTRY_P_ENUM) continue;
    for (uint32_t j = 0; verdict != CHECK_FAIL && check_value_other(p, &base[k], j, &other); j++) {
      if (other.f == base[k].f) continue;
      abi_value *v = check_values_copy(s, base);
      v[k] = other;
      double needs = cost(s, v);
      if (needs <= 0) refused++;
      else if (needs > left) dear++;
      else {
        left -= needs;
        tried++;
        s->values = v;
        s->quick = 1;
        s->out->why[0] = 0;
        uint32_t here = run(s);
        s->values = base;
        s->quick = quick;
        if (here == CHECK_FAIL || (here == CHECK_WARN && verdict != CHECK_WARN)) {
          buf with = {0};
          if (p->type == GANTRY_P_ENUM) buf_printf(&with, "with %s=%s: %.560s", p->key, other.s, s->out->why);
          else buf_printf(&with, "with %s=%s: %.560s", p->key, other.f != 0 ? "true" : "false", s->out->why);
          snprintf(first, sizeof first, "%.599s", with.p);
          buf_free(&with);
          verdict = here;
        } else if (here == CHECK_PASS && verdict == CHECK_SKIP) verdict = here, first[0] = 0;
      }
    }
  }
  buf b = {0};
  buf_puts(&b, first);
  if (verdict == CHECK_PASS && (tried || refused || dear)) {
    buf_printf(&b, "%sand with %u other choices", first[0] ? "; " : "", tried);
    if (refused) buf_printf(&b, ", %u cannot be built here", refused);
    if (dear) buf_printf(&b, ", %u left out for their cost%s", dear, quick ? "; without --quick more are done" : "");
  }
  check_say(s, verdict, "%s", b.p ? b.p : "");
  buf_free(&b);
  return verdict;
}
