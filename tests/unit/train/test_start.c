/* test_start.c - what a run starts from: seeds of their own for initial weights, order of samples and other draws; given weights; a drawn subset of
 * the data. Each setting moves what it names and nothing else, and each belongs to the run's identity. */
#include "base/safetensors.h"
#include "run.h"

#define BASE(data, width, train) \
  "{\"data\": {\"name\": \"gaussians\", \"count\": 97" data "}, \"g\": {\"arch\": {\"name\": \"mlp\", \"width\": " width "}, \"ema\": {\"decay\": 0.5}}, " \
  "\"d\": {\"arch\": {\"name\": \"mlp\", \"width\": 4}}, \"train\": {\"batch\": 10, \"length\": {\"steps\": 9}" train "}}"

enum { WEIGHT, ORDER, LATENT, N_SEEN };
typedef struct seen { double v[N_SEEN]; char key[65]; } seen;

/* A weight before the first step; the first sample's number and a value that G made of its first latent in the first step. */
static seen look(const char *base, uint64_t seed) {
  test_run t;
  seen s = {{NAN, NAN, NAN}, ""};
  if (test_run_open(&t, base, seed, 1, 1)) {
    train_key(t.r, s.key);
    s.v[WEIGHT] = test_run_value(&t, "g/hidden0/linear/weight", 0);
    int64_t order[10];
    float fake[20];
    if (!train_steps(t.r, 0, 1, &t.e) && !exec_read(t.r->session, "out/d_step/indices", order, sizeof order, &t.e) && !exec_read(t.r->session, "out/d_step/fake", fake, sizeof fake, &t.e)) {
      s.v[ORDER] = (double)order[0] * 1e4 + (double)order[1] * 100 + (double)order[2];
      s.v[LATENT] = (double)fake[0];
    }
  }
  T_CHECK(!t.e.code);
  test_run_close(&t);
  return s;
}

static void moves(const char *base, const char *what, int weight, int order, int latent) {
  seen a = look(BASE("", "4", ""), 1), b = look(base, 1), c = look(base, 2);
  int moved[] = {weight, order, latent};
  if (strcmp(a.key, b.key) == 0) printf("# %s does not change the identity\n", what);
  T_CHECK(strcmp(a.key, b.key) != 0 && strcmp(b.key, c.key) != 0);
  for (int k = 0; k < N_SEEN; k++) {
    int differs = a.v[k] != b.v[k], fixed = b.v[k] == c.v[k];
    if (differs != moved[k] || (k != LATENT && fixed != moved[k])) printf("# %s: value %d moved %d, fixed over the run's seeds %d\n", what, k, differs, fixed);
    T_CHECK(differs == moved[k]);
    if (k != LATENT) T_CHECK(fixed == moved[k]); /* fakes follow the weights too */
  }
}

static void test_start__each_seed_moves_its_own(void) {
  moves(BASE("", "4", ", \"init_seed\": 71"), "init_seed", 1, 0, 1);
  moves(BASE("", "4", ", \"data_seed\": 71"), "data_seed", 0, 1, 0);
  moves(BASE("", "4", ", \"noise_seed\": 71"), "noise_seed", 0, 0, 1);
  seen own = look(BASE("", "4", ", \"init_seed\": 2, \"data_seed\": 2, \"noise_seed\": 2"), 1), two = look(BASE("", "4", ""), 2);
  T_CHECK(!memcmp(own.v, two.v, sizeof own.v)); /* a seed means the same whichever way it is given */
}

static int save(test_run *t, const char *path) {
  static const char *const names[] = {"g/hidden0/linear/weight", "d/hidden0/linear/weight"};
  st_tensor x[2];
  for (int k = 0; k < 2; k++) {
    const exec_tensor *e = exec_tensor_get(t->r->session, names[k]);
    if (!e) return 0;
    void *data = arena_alloc(t->mem, (size_t)e->bytes);
    if (exec_read(t->r->session, names[k], data, e->bytes, &t->e)) return 0;
    x[k] = (st_tensor){.name = names[k], .dtype = e->dtype, .rank = e->rank, .bytes = e->bytes, .data = data};
    memcpy(x[k].dims, e->dims, sizeof x[k].dims);
  }
  return !st_write(path, x, 2, NULL, 0, NULL, &t->e);
}

static void test_start__given_weights_are_taken(void) {
  char path[64], base[1024], key[65];
  snprintf(path, sizeof path, "/tmp/gantry-warm-%d.safetensors", (int)getpid());
  test_run a, b;
  double weight = NAN, bias = NAN;
  if (test_run_open(&a, BASE("", "4", ""), 5, 0, 1)) {
    weight = test_run_value(&a, "g/hidden0/linear/weight", 3);
    T_CHECK(save(&a, path));
    train_key(a.r, key);
  }
  snprintf(base, sizeof base, BASE("", "4", ", \"init_from\": \"%s\""), path);
  if (test_run_open(&b, base, 6, 0, 1)) {
    char other[65];
    T_CHECK(test_run_value(&b, "g/hidden0/linear/weight", 3) == weight);
    T_CHECK(test_run_value(&b, "ema/g/hidden0/linear/weight", 3) == weight); /* the file has no averaged ones */
    bias = test_run_value(&b, "g/hidden1/linear/weight", 0);                 /* not in the file: as this run's seed makes it */
    T_HAS(b.r->warm_text, "2 of ");
    T_CHECK(b.r->warm_partial);
    train_key(b.r, other);
    T_CHECK(strcmp(key, other) != 0);
  }
  test_run_close(&b);
  if (test_run_open(&b, BASE("", "4", ""), 6, 0, 1)) T_CHECK(test_run_value(&b, "g/hidden1/linear/weight", 0) == bias);
  test_run_close(&b);
  /* other content at the same place is another run; the same content elsewhere is the same */
  char before[65] = "", after[65] = "", moved[65] = "", elsewhere[80];
  if (test_run_open(&b, base, 6, 0, 0)) train_key(b.r, before);
  test_run_close(&b);
  snprintf(elsewhere, sizeof elsewhere, "%s.moved", path);
  T_CHECK(!rename(path, elsewhere));
  snprintf(base, sizeof base, BASE("", "4", ", \"init_from\": \"%s\""), elsewhere);
  if (test_run_open(&b, base, 6, 0, 0)) train_key(b.r, moved);
  test_run_close(&b);
  T_STR(before, moved);
  T_CHECK(!train_steps(a.r, 0, 1, &a.e) && save(&a, elsewhere));
  if (test_run_open(&b, base, 6, 0, 0)) train_key(b.r, after);
  test_run_close(&b);
  T_CHECK(*after && strcmp(before, after) != 0);
  test_run_close(&a);
  unlink(elsewhere);
}

static void test_start__weights_that_fit_nowhere_are_refused(void) {
  char path[64], json[1200];
  snprintf(path, sizeof path, "/tmp/gantry-warm-%d.safetensors", (int)getpid());
  test_run t;
  float v[3] = {1, 2, 3};
  st_tensor x = {.name = "g/hidden0/linear/weight", .dtype = GANTRY_F32, .rank = 1, .dims = {3}, .bytes = 12, .data = v};
  err e = {0};
  T_CHECK(!st_write(path, &x, 1, NULL, 0, NULL, &e));
  snprintf(json, sizeof json, "{\"gantry\": 1, \"name\": \"t\", \"seeds\": 1, \"base\": " BASE("", "4", ", \"init_from\": \"%s\"") "}", path);
  T_CHECK(!test_run_open_cell(&t, json, 0, 1, 0, 0));
  T_HAS(t.e.msg, "fits this run's networks by name and shape (another shape: \"g/hidden0/linear/weight\")");
  test_run_close(&t);
  unlink(path);
}

static void test_start__a_subset_is_drawn_nested_and_in_order(void) {
  test_run all, some, fewer, first;
  int ok = test_run_open(&all, BASE("", "4", ""), 1, 0, 0);
  ok &= test_run_open(&some, BASE(", \"limit\": 40, \"limit_seed\": 3", "4", ""), 1, 0, 0);
  ok &= test_run_open(&fewer, BASE(", \"limit\": 15, \"limit_seed\": 3", "4", ""), 1, 0, 0);
  ok &= test_run_open(&first, BASE(", \"limit\": 40", "4", ""), 1, 0, 0);
  T_CHECK(ok);
  const data_set *sets[] = {ok ? all.r->data : NULL, ok ? some.r->data : NULL, ok ? fewer.r->data : NULL};
  for (int s = 1; s < 3 && ok; s++) { /* each sample of the smaller set stands in the larger, in the same order, with its label */
    int64_t at = 0;
    for (int64_t k = 0; k < sets[s]->count; k++) {
      while (at < sets[s - 1]->count && memcmp((const float *)sets[s]->bytes + 2 * k, (const float *)sets[s - 1]->bytes + 2 * at, 8)) at++;
      T_CHECK(at < sets[s - 1]->count && (!sets[s]->labels || sets[s]->labels[k] == sets[s - 1]->labels[at]));
      at++;
    }
  }
  T_CHECK(ok && some.r->data->count == 40 && fewer.r->data->count == 15);
  T_CHECK(ok && strcmp(some.r->data->sha256, first.r->data->sha256) != 0);
  test_run_close(&all);
  test_run_close(&some);
  test_run_close(&fewer);
  test_run_close(&first);
}

T_MAIN(T(test_start__each_seed_moves_its_own), T(test_start__given_weights_are_taken), T(test_start__weights_that_fit_nowhere_are_refused), T(test_start__a_subset_is_drawn_nested_and_in_order))
