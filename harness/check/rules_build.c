/* rules_build.c - tests of what a plugin builds: with its defaults, under hostile hosts, over its parameters, and always the same. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/files.h"
#include "base/hash.h"
#include "check/stage.h"

outcome check_build(subject *s, const abi_value *v, uint32_t scene, const stage_options *o) {
  stage *st;
  err e = {0};
  outcome x = {0};
  if (!stage_open(s, v, scene, o, &st, &e)) x.hash = stage_hash(st);
  else {
    x.how = e.code == GANTRY_E_INTERNAL || strstr(e.msg, "gave no reason") ? BROKEN : stage_refused_by_operation(st, &e) ? REFUSED_BY_OPERATION : REFUSED;
    snprintf(x.why, sizeof x.why, "%.599s", e.msg);
    x.hash = hash_str(e.msg, 3);
  }
  x.calls = st->calls;
  x.touched = st->touched;
  if (st->touched_name) snprintf(x.touched_name, sizeof x.touched_name, "%s", st->touched_name);
  stage_close(st);
  return x;
}

outcome check_build_all(subject *s, const abi_value *v, const stage_options *o) {
  outcome worst = {0};
  uint64_t hash = 1;
  for (uint32_t k = 0; k < stage_scenes(s); k++) {
    outcome x = check_build(s, v, k, o);
    hash = hash_mix(hash, x.hash);
    if (x.how > worst.how || !k) worst = x;
  }
  worst.hash = hash;
  return worst;
}

/* ---- configure ---- */

static int64_t weights(subject *s, const abi_value *v, uint32_t *tensors) {
  int64_t sum = 0;
  *tensors = 0;
  for (uint32_t k = 0; k < stage_scenes(s); k += 2) {
    stage *st;
    err e = {0};
    uint32_t t = 0;
    if (stage_open(s, v, k, NULL, &st, &e)) sum = INT64_MAX / 4;
    else sum += stage_weights(st, &t);
    *tensors += t;
    stage_close(st);
  }
  return sum;
}

/* Sizes down to 2 as long as the same weights are there, only smaller. */
static void shrink(subject *s) {
  uint32_t had, has;
  int64_t before = weights(s, s->values, &had);
  for (uint32_t k = 0; k < s->live->param_count; k++) {
    const gantry_param *p = abi_param_at(s->live, k);
    double old = s->values[k].f, low = p->lo > 2 ? p->lo : 2;
    if (p->type != GANTRY_P_INT || p->lo > p->hi || old <= low || low > p->hi) continue;
    s->values[k].f = low;
    int64_t now = check_build_all(s, s->values, NULL).how == BUILT ? weights(s, s->values, &has) : INT64_MAX;
    if (now < before && has == had) before = now;
    else s->values[k].f = old;
  }
}

uint32_t check_configure(subject *s) {
  const char *key;
  outcome x = {.how = BROKEN};
  if (check_needs_value(s->live, s->values, &key)) return check_say(s, CHECK_SKIP, "its parameter \"%s\" has no default: give one with --set %s=...", key, key);
  check_doing(s, "building with the defaults");
  char first[600] = "";
  for (s->form = 0; s->form < CHECK_FORMS; s->form++) {
    x = check_build_all(s, s->values, NULL);
    if (x.how == BUILT) break;
    if (!first[0]) snprintf(first, sizeof first, "%s", x.why);
    if (x.how == BROKEN) break;
  }
  if (x.how != BUILT) return check_say(s, CHECK_FAIL, "cannot be built with its defaults: %s", x.how == BROKEN ? x.why : first);
  if (s->live->kind == GANTRY_KIND_ARCH) shrink(s);
  s->out->form = s->form;
  for (uint32_t k = 0; k < s->live->param_count && k < CHECK_PARAMS; k++) s->out->f[k] = s->values[k].f;
  s->out->configured = 1;
  if (s->live->kind != GANTRY_KIND_ARCH) return CHECK_PASS;
  buf b = {0};
  uint32_t tensors;
  check_values_print(s->live, s->values, &b);
  const check_form *f = &check_forms[s->form];
  if (f->rank == 3) check_say(s, CHECK_PASS, "checked with %s, %lld weights, on images %lld x %lld x %lld", b.p, (long long)weights(s, s->values, &tensors), (long long)f->h, (long long)f->w, (long long)f->c);
  else check_say(s, CHECK_PASS, "checked with %s, on vectors of %lld", b.p, (long long)f->c);
  buf_free(&b);
  return CHECK_PASS;
}

/* ---- hostile hosts ---- */

static uint32_t same_under(subject *s, uint32_t host, const char *what) {
  const stage_options o = {.host = host};
  for (uint32_t k = 0; k < stage_scenes(s); k++) {
    check_doing(s, "%s %s", stage_scene_name(s, k), what);
    outcome plain = check_build(s, s->values, k, NULL), x = check_build(s, s->values, k, &o);
    if (x.how != plain.how) return check_say(s, CHECK_FAIL, "%s %s: %s", stage_scene_name(s, k), what, x.why[0] ? x.why : "it builds, and does not under the plain host");
    if (x.hash != plain.hash) return check_say(s, CHECK_FAIL, "%s %s is another graph", stage_scene_name(s, k), what);
  }
  return CHECK_PASS;
}
uint32_t check_bigger_tables(subject *s) { return same_under(s, HOST_LONGER, "under a host with more slots"); }
uint32_t check_shorter_tables(subject *s) { return same_under(s, HOST_SHORTER, "under a host of the first release"); }
uint32_t check_missing_tables(subject *s) { return same_under(s, HOST_MISSING, "under a host without optional tables"); }

/* Every call of one configuration. CHECK_PASS or what is said. */
static uint32_t fail_calls(subject *s, const abi_value *v, uint32_t most, uint32_t *tried) {
  buf b = {0};
  check_values_print(s->live, v, &b);
  uint32_t verdict = CHECK_PASS;
  for (uint32_t k = 0; k < stage_scenes(s) && !verdict; k++) {
    uint32_t calls = check_build(s, v, k, NULL).calls, step = most && calls > most ? calls / most : 1;
    for (uint32_t at = 1; at <= calls && !verdict; at += step, ++*tried) {
      const stage_options o = {.fail_at = at};
      check_doing(s, "%s with %.60s, when call %u of %u into the host fails", stage_scene_name(s, k), b.p, at, calls);
      outcome x = check_build(s, v, k, &o);
      if (!strstr(x.why, "the checker lets this call fail")) verdict = check_say(s, CHECK_FAIL, "%s: %s", s->out->doing, x.why[0] ? x.why : "nobody noticed");
    }
  }
  buf_free(&b);
  return verdict;
}

/* With the configuration, and, more coarsely, with random ones, whose branches have calls of their own. */
uint32_t check_op_fails(subject *s) {
  uint32_t tried = 0, verdict = fail_calls(s, s->values, s->quick ? 12 : 250, &tried);
  for (uint32_t k = 0; s->live->param_count && k < (s->quick ? 2 : 4) && !verdict; k++) {
    abi_value *v = check_values_copy(s, s->values);
    check_values_random(s, v, s->seed + 300 + k);
    if (check_build_all(s, v, NULL).how == BUILT) verdict = fail_calls(s, v, s->quick ? 6 : 25, &tried);
  }
  return verdict ? verdict : check_say(s, CHECK_PASS, "%u places", tried);
}

/* ---- parameters ---- */

uint32_t check_judge(subject *s, const char *with, const outcome *x) {
  if (x->how == BUILT || x->how == REFUSED) return CHECK_PASS;
  return check_say(s, CHECK_FAIL, "%s: %s%s", with, x->why, x->how == BROKEN ? "" : " (an operation refuses: build something that fits, or say with gan_fail what is wrong)");
}
static uint32_t judge(subject *s, const abi_value *v, const outcome *x) {
  buf b = {0};
  check_values_print(s->live, v, &b);
  uint32_t verdict = check_judge(s, b.p, x);
  buf_free(&b);
  return verdict;
}

uint32_t check_bounds(subject *s) {
  for (uint32_t k = 0; k < s->live->param_count; k++) {
    const gantry_param *p = abi_param_at(s->live, k);
    abi_value *v = check_values_copy(s, s->values), other;
    for (uint32_t j = 0; check_value_other(p, &s->values[k], j, &other); j++) {
      v[k] = other;
      check_doing(s, "building with %s = %s%.9g", p->key, p->type == GANTRY_P_ENUM ? other.s : "", p->type == GANTRY_P_ENUM ? 0 : other.f);
      outcome x = check_build_all(s, v, NULL);
      if (judge(s, v, &x)) return CHECK_FAIL;
    }
  }
  return CHECK_PASS;
}

uint32_t check_random_params(subject *s) {
  uint32_t built = 0, n = s->quick ? 8 : 50;
  for (uint32_t k = 0; s->live->param_count && k < n; k++) {
    abi_value *v = check_values_copy(s, s->values);
    buf b = {0};
    check_values_random(s, v, s->seed + k);
    check_values_print(s->live, v, &b);
    check_doing(s, "building with %s", b.p);
    buf_free(&b);
    outcome x = check_build_all(s, v, NULL);
    built += x.how == BUILT;
    if (judge(s, v, &x)) return CHECK_FAIL;
  }
  if (!s->live->param_count) return CHECK_PASS;
  return built == n ? check_say(s, CHECK_PASS, "%u sets", n) : check_say(s, CHECK_PASS, "%u of %u sets built, the others were refused in words", built, n);
}

/* A parameter that is read as a runtime scalar shows as a leaf, one read as a constant changes the graph. */
static int has_scalar(subject *s, const abi_value *v, const char *key) {
  int found = 0;
  for (uint32_t k = 0; k < stage_scenes(s) && !found; k++) {
    stage *st;
    err e = {0};
    if (!stage_open(s, v, k, NULL, &st, &e)) {
      uint8_t *live = ir_live(st->b->g);
      char name[200];
      snprintf(name, sizeof name, "param/%s.%s", st->el.path, key);
      for (ir_id id = 1; id < st->b->g->nodes.n; id++)
        if (live[id] && ir_at(st->b->g, id)->op == GANTRY_OP_INPUT && !strcmp(ir_name(st->b->g, (uint32_t)ir_attr_i(st->b->g, id, GANTRY_A_NAME, 0)), name)) found = 1;
      free(live);
    }
    stage_close(st);
  }
  return found;
}

static int matters(subject *s, const abi_value *at, uint32_t k) {
  const gantry_param *p = abi_param_at(s->live, k);
  outcome now = check_build_all(s, at, NULL);
  abi_value *v = check_values_copy(s, at), other;
  if (now.how != BUILT) return 0;
  for (uint32_t j = 0; check_value_other(p, &at[k], j, &other); j++) {
    v[k] = other;
    if (check_build_all(s, v, NULL).hash != now.hash) return 1;
  }
  return p->type == GANTRY_P_FLOAT && !(p->flags & GANTRY_PF_STRUCTURAL) && has_scalar(s, at, p->key);
}

uint32_t check_each_param(subject *s) {
  buf idle = {0};
  for (uint32_t k = 0; k < s->live->param_count; k++) {
    uint32_t type = abi_param_at(s->live, k)->type;
    check_doing(s, "looking for an effect of %s", abi_param_at(s->live, k)->key);
    int found = type == GANTRY_P_STRING || type == GANTRY_P_PATH || type == GANTRY_P_INTS || type == GANTRY_P_FLOATS || matters(s, s->values, k);
    for (uint32_t j = 0; !found && j < (s->quick ? 12 : 40); j++) { /* some matter only together with others */
      abi_value *v = check_values_copy(s, s->values);
      check_values_random(s, v, s->seed + 1000 + j);
      found = matters(s, v, k);
    }
    if (!found) buf_printf(&idle, "%s%s", idle.n ? ", " : "", abi_param_at(s->live, k)->key);
  }
  if (idle.n) check_say(s, CHECK_WARN, "no value of these was seen to change anything: %s", idle.p);
  uint32_t verdict = idle.n ? CHECK_WARN : CHECK_PASS;
  buf_free(&idle);
  return verdict;
}

uint32_t check_shapes(subject *s) {
  static const int64_t batches[] = {1, 2, 3, 5};
  int optim = s->live->kind == GANTRY_KIND_OPTIM;
  for (uint32_t k = 0; k < 4; k++) {
    const stage_options o = {.batch = batches[k], .weight_rank = k + 1};
    const char *with = optim ? arena_fmt(s->mem, "a weight of %u axes", k + 1) : arena_fmt(s->mem, "a batch of %lld", (long long)batches[k]);
    check_doing(s, "building for %s", with);
    outcome x = check_build_all(s, s->values, &o);
    if (check_judge(s, with, &x)) return CHECK_FAIL;
  }
  return CHECK_PASS;
}

/* ---- determinism ---- */

/* Whatever stood on the stack before a call is not what the plugin may read. */
static void dirty_stack(int value) {
  volatile unsigned char garbage[65536];
  for (size_t k = 0; k < sizeof garbage; k++) garbage[k] = (unsigned char)value;
}

/* Another copy of the file, loaded at another address, as another process would have it. */
static const gantry_plugin *copy_of(subject *s) {
  buf file = {0};
  err e = {0};
  char path[64];
  const gantry_plugin *live = NULL;
  int fd = memfd_create("gantry-copy", MFD_CLOEXEC);
  if (fd >= 0 && !file_read(s->path, &file, 256 << 20, &e) && write(fd, file.p, file.n) == (ssize_t)file.n) {
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    live = so ? dlsym(so, GANTRY_PLUGIN_SYMBOL) : NULL;
  }
  buf_free(&file);
  if (fd >= 0 && !live) close(fd); /* else it stays open: the next copy must be another file to the loader */
  return live;
}

uint32_t check_deterministic(subject *s) {
  enum { COPIES = 5 };
  const gantry_plugin *copies[COPIES];
  for (int c = 0; c < COPIES; c++) copies[c] = copy_of(s);
  for (uint32_t k = 0; k < stage_scenes(s); k++) {
    check_doing(s, "%s, again", stage_scene_name(s, k));
    outcome first = check_build(s, s->values, k, NULL);
    for (int again = 0; again < 3; again++) {
      dirty_stack(again * 0x55);
      if (check_build(s, s->values, k, NULL).hash != first.hash) return check_say(s, CHECK_FAIL, "%s: the same call builds another graph the second time: something is read that was not set", stage_scene_name(s, k));
    }
    for (int c = 0; c < COPIES; c++) {
      const stage_options o = {.live = copies[c]};
      if (!copies[c]) return check_say(s, CHECK_WARN, "no second copy could be loaded: %s", dlerror());
      if (check_build(s, s->values, k, &o).hash != first.hash) return check_say(s, CHECK_FAIL, "%s: a copy of the file at another address builds another graph: something depends on addresses", stage_scene_name(s, k));
    }
  }
  return CHECK_PASS;
}

/* ---- the other network ---- */

uint32_t check_leak(subject *s) {
  for (uint32_t k = 0; k < stage_scenes(s); k++) {
    outcome x = check_build(s, s->values, k, NULL);
    if (x.touched) return check_say(s, CHECK_FAIL, "%s: the weight \"%s\" is changed by the plugin itself: weights change through the optimizer of the network under update alone (lookahead is for looking ahead)", stage_scene_name(s, k), x.touched_name);
  }
  return CHECK_PASS;
}
