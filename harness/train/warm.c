/* warm.c - train.init_from: networks that start from given weights instead of fresh ones. See train.h.
 *
 * In: a safetensors file (`gantry export` or a checkpoint). What belongs to a network, its parameters and buffers, is taken by name and shape; what the
 * file lacks stays fresh, and averaged weights that it lacks start from the raw ones. Optimizers, counters and schedules start anew: this begins a run,
 * it does not continue one. The file's content, not its path, is part of the run's identity. */
#include <stdio.h>
#include <stdlib.h>

#include "base/files.h"
#include "base/safetensors.h"
#include "train/train.h"

struct warm_file { st_file f; };

void train_warm_close(train_run *r) {
  if (r->warm) st_free(&r->warm->f);
  free(r->warm);
}

/* What belongs to a network; *t: the file's tensor for it, NULL if there is none by that name. */
static int of_network(const train_run *r, const abi_state *s, const st_tensor **t) {
  if (!s->net || (s->role != GANTRY_ROLE_PARAM && s->role != GANTRY_ROLE_BUFFER)) return 0;
  *t = st_find(&r->warm->f, s->name);
  if (!*t && !strncmp(s->name, "ema/", 4)) *t = st_find(&r->warm->f, s->name + 4);
  return 1;
}

static int fits(const st_tensor *t, const abi_state *s) { return t && t->dtype == s->dtype && t->rank == s->rank && !memcmp(t->dims, s->dims, sizeof(int64_t) * s->rank); }

gantry_status train_warm_open(train_run *r, err *e) {
  const char *path = r->cfg->init_from, *other = NULL, *absent = NULL;
  struct warm_file *w = mem_alloc(sizeof *w);
  if (file_sha256(path, r->warm_sha, e) || st_read(path, &w->f, e)) {
    free(w);
    return err_wrap(e, "train.init_from");
  }
  r->warm = w;
  uint32_t all = 0, taken = 0;
  for (uint32_t k = 0; k < r->n_states; k++) {
    const abi_state *s = &r->world->states.p[k];
    const st_tensor *t;
    if (!strncmp(s->name, "ema/", 4) || !of_network(r, s, &t)) continue;
    all++;
    taken += (uint32_t)fits(t, s);
    if (!t && !absent) absent = s->name;
    if (t && !fits(t, s) && !other) other = s->name;
  }
  if (!taken) return err_set(e, GANTRY_E_CONFIG, "train.init_from: no tensor of %s fits this run's networks by name and shape (%s \"%s\")", path, other ? "another shape:" : "not there:", other ? other : absent ? absent : "");
  r->warm_partial = taken < all;
  r->warm_text = arena_fmt(r->mem, "%u of %u tensors of the networks start from %s%s%s%s%s%s", taken, all, path, other ? "; another shape: " : "", other ? other : "", absent ? "; not there: " : "", absent ? absent : "",
                           r->warm_partial ? " (what does not fit stays fresh)" : "");
  return GANTRY_OK;
}

gantry_status train_warm_load(train_run *r, err *e) {
  for (uint32_t k = 0; k < r->n_states; k++) {
    const abi_state *s = &r->world->states.p[k];
    const st_tensor *t;
    if (of_network(r, s, &t) && fits(t, s)) TRY(exec_write(r->session, s->name, t->data, t->bytes, e));
  }
  return GANTRY_OK;
}
