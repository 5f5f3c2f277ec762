/* rules_optim.c - tests of optimizers: a few steps simulated on the reference interpreter, slots carried from step to step by name. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "check/numeric.h"
#include "check/stage.h"
#include "ir/build.h"

enum { SLOTS = 64, SIZE_MAX_W = 16 };
typedef struct slots { uint32_t n; char name[SLOTS][120]; double v[SLOTS][SIZE_MAX_W]; int64_t count[SLOTS]; } slots;
typedef struct trial { /* one weight under one optimizer */
  subject *s;
  stage *st;
  slots slots;
  double w[SIZE_MAX_W];
  int64_t n, steps;
} trial;

static int find_slot(const slots *s, const char *name) {
  for (uint32_t k = 0; k < s->n; k++)
    if (!strcmp(s->name[k], name)) return (int)k;
  return -1;
}

static gantry_status trial_open(trial *t, subject *s, const char *weight, int64_t rows, int64_t cols, err *e) {
  const stage_options o = {.weight = weight, .weight_dims = {rows, cols}};
  *t = (trial){.s = s, .n = rows * cols};
  TRY(stage_open(s, s->values, 0, &o, &t->st, e));
  point p = {.st = t->st, .seed = s->seed};
  for (uint32_t k = 0; k < t->st->world->states.n; k++) {
    const abi_state *x = &t->st->world->states.p[k];
    int64_t n = 1;
    if (!strncmp(x->name, "counter/", 8)) continue;
    for (uint32_t j = 0; j < x->rank; j++) n *= x->dims[j];
    if (t->slots.n == SLOTS || n > SIZE_MAX_W) return err_set(e, GANTRY_E_UNSUPPORTED, "the checker follows at most %d slots of %d numbers", SLOTS, SIZE_MAX_W);
    snprintf(t->slots.name[t->slots.n], 120, "%s", x->name);
    t->slots.count[t->slots.n] = n;
    TRY(check_bind_point(&p, x->name, x->dtype, n, t->slots.v[t->slots.n++], e));
  }
  return GANTRY_OK;
}
static void trial_close(trial *t) { stage_close(t->st); }

static gantry_status trial_step(trial *t, const double *grad, err *e) {
  const ir_graph *g = t->st->b->g;
  ir_id want[SLOTS + 1] = {stage_find(t->st, "y")};
  int slot[SLOTS + 1];
  uint32_t n = 1;
  for (uint32_t k = 0; k < g->roots.n && n <= SLOTS; k++)
    if (g->roots.p[k].kind == IR_STORE && (slot[n] = find_slot(&t->slots, ir_name(g, g->roots.p[k].name))) >= 0) want[n++] = g->roots.p[k].id;
  double count = (double)++t->steps, *out[SLOTS + 1] = {NULL};
  stage_out given[SLOTS + 3] = {{"x/weight", 0}, {"x/grad", 1}, {"count", 2}};
  const double *values[SLOTS + 3] = {t->w, grad, &count};
  for (uint32_t k = 0; k < t->slots.n; k++) given[k + 3] = (stage_out){t->slots.name[k], k + 3}, values[k + 3] = t->slots.v[k];
  point p = {.st = t->st, .seed = t->s->seed, .given = given, .values = values, .n_given = t->slots.n + 3};
  gantry_status status = ir_eval(g, want, n, check_bind_point, &p, out, e);
  if (!status) {
    memcpy(t->w, out[0], sizeof(double) * (size_t)t->n);
    for (uint32_t k = 1; k < n; k++) memcpy(t->slots.v[slot[k]], out[k], sizeof(double) * (size_t)t->slots.count[slot[k]]);
  }
  for (uint32_t k = 0; k < n; k++) free(out[k]);
  return status;
}

static double number(uint64_t seed, int64_t k) { return 2 * check_uniform(seed, (uint64_t)k) - 1; }
static void gradient_at(const trial *t, double *g) {
  for (int64_t k = 0; k < t->n; k++) g[k] = number(t->s->seed + 100 + (uint64_t)t->steps, k);
}
static uint32_t broken(subject *s, const err *e) { return check_say(s, CHECK_FAIL, "%s", e->msg); }

uint32_t check_optim_slots(subject *s) {
  trial t;
  err e = {0};
  uint32_t verdict = trial_open(&t, s, NULL, 3, 2, &e) ? broken(s, &e) : (uint32_t)CHECK_PASS;
  for (uint32_t k = 0; !verdict && k < t.slots.n; k++) {
    const ir_graph *g = t.st->b->g;
    const abi_state *x = abi_world_state(t.st->world, t.slots.name[k]);
    int stored = 0;
    for (uint32_t j = 0; j < g->roots.n; j++) stored |= g->roots.p[j].kind == IR_STORE && !strcmp(ir_name(g, g->roots.p[j].name), t.slots.name[k]);
    if (x->role == GANTRY_ROLE_PARAM) verdict = check_say(s, CHECK_FAIL, "slot \"%s\" has the role of a weight: it would be trained; use GANTRY_ROLE_COUNTER", x->name);
    else if (!stored && x->init == GANTRY_INIT_CONSTANT) verdict = check_say(s, CHECK_FAIL, "slot \"%s\" is read and never set: it keeps its first value, and the optimizer forgets", x->name);
  }
  trial_close(&t);
  return verdict;
}

uint32_t check_optim_zero(subject *s) {
  static const double zero[SIZE_MAX_W];
  trial t;
  err e = {0};
  uint32_t verdict = trial_open(&t, s, NULL, 3, 2, &e) ? broken(s, &e) : (uint32_t)CHECK_PASS;
  double before[SIZE_MAX_W];
  for (int64_t k = 0; k < t.n; k++) t.w[k] = before[k] = number(s->seed, k);
  for (int step = 0; step < 3 && !verdict; step++) {
    if (trial_step(&t, zero, &e)) verdict = broken(s, &e);
    for (int64_t k = 0; k < t.n && !verdict; k++) {
      if (!isfinite(t.w[k])) verdict = check_say(s, CHECK_FAIL, "a gradient of zero makes the weight %g in step %d: something is divided by zero", t.w[k], step + 1);
      else if (fabs(t.w[k]) > fabs(before[k]) * (1 + 1e-12)) verdict = check_say(s, CHECK_FAIL, "a gradient of zero moves a weight from %.9g to %.9g", before[k], t.w[k]);
    }
  }
  trial_close(&t);
  return verdict;
}

uint32_t check_optim_resume(subject *s) {
  trial a, b;
  err e = {0};
  uint32_t verdict = CHECK_PASS;
  double g[SIZE_MAX_W];
  int opened = !trial_open(&a, s, NULL, 3, 2, &e);
  opened = !trial_open(&b, s, NULL, 3, 2, &e) && opened;
  if (!opened) verdict = broken(s, &e);
  for (int64_t k = 0; k < a.n; k++) a.w[k] = number(s->seed, k);
  for (int step = 0; step < 6 && !verdict; step++) {
    if (step == 3) { /* saved from a, loaded into b by name */
      memcpy(b.w, a.w, sizeof b.w);
      b.steps = a.steps;
      for (uint32_t k = 0; k < b.slots.n && !verdict; k++) {
        int from = find_slot(&a.slots, b.slots.name[k]);
        if (from < 0) verdict = check_say(s, CHECK_FAIL, "slot \"%s\" has another name each time the update is built: a checkpoint does not find it", b.slots.name[k]);
        else memcpy(b.slots.v[k], a.slots.v[from], sizeof b.slots.v[k]);
      }
    }
    gradient_at(&a, g);
    if (!verdict && (trial_step(&a, g, &e) || (step >= 3 && trial_step(&b, g, &e)))) verdict = broken(s, &e);
  }
  if (!verdict && memcmp(a.w, b.w, sizeof(double) * (size_t)a.n)) verdict = check_say(s, CHECK_FAIL, "after saving and loading it goes on differently: something that it remembers is no state");
  trial_close(&a);
  trial_close(&b);
  return verdict;
}

uint32_t check_optim_split(subject *s) {
  trial whole, half[2];
  err e = {0};
  uint32_t verdict = CHECK_PASS;
  int opened = !trial_open(&whole, s, "d/a/weight", 4, 2, &e);
  opened = !trial_open(&half[0], s, "d/b/weight", 2, 2, &e) && opened;
  opened = !trial_open(&half[1], s, "d/c/weight", 2, 2, &e) && opened;
  if (!opened) verdict = broken(s, &e);
  for (int64_t k = 0; k < 8; k++) whole.w[k] = half[k / 4].w[k % 4] = number(s->seed, k);
  for (int step = 0; step < 4 && !verdict; step++) {
    double g[SIZE_MAX_W];
    gradient_at(&whole, g);
    if (trial_step(&whole, g, &e) || trial_step(&half[0], g, &e) || trial_step(&half[1], g + 4, &e)) verdict = broken(s, &e);
  }
  for (int64_t k = 0; k < 8 && !verdict; k++)
    if (!(fabs(whole.w[k] - half[k / 4].w[k % 4]) <= 1e-12 * fmax(1, fabs(whole.w[k])))) verdict = check_say(s, CHECK_WARN, "a weight moves otherwise when it is stored in two halves: the update is not elementwise (as intended, if it looks at whole tensors)");
  for (int k = 0; k < 2; k++) trial_close(&half[k]);
  trial_close(&whole);
  return verdict;
}

uint32_t check_optim_quadratic(subject *s) {
  trial t;
  err e = {0};
  uint32_t verdict = trial_open(&t, s, NULL, 3, 2, &e) ? broken(s, &e) : (uint32_t)CHECK_PASS;
  double first = 0, last = 0;
  for (int64_t k = 0; k < t.n; k++) t.w[k] = number(s->seed, k), first += t.w[k] * t.w[k];
  for (int step = 0; step < 30 && !verdict; step++) {
    double g[SIZE_MAX_W];
    memcpy(g, t.w, sizeof g); /* of |w|^2 / 2 */
    if (trial_step(&t, g, &e)) verdict = broken(s, &e);
  }
  for (int64_t k = 0; k < t.n; k++) last += t.w[k] * t.w[k];
  if (!verdict && !(last < first)) verdict = check_say(s, CHECK_FAIL, "30 steps on |w|^2 / 2 take |w|^2 from %.6g to %.6g: it climbs, or stands", first, last);
  trial_close(&t);
  return verdict;
}
