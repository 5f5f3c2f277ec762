/* states.c - a run's states to and from checkpoints. What is saved are the states that training declared, in that order: a checkpoint's
 * bytes follow from the run and the step alone, whatever was sampled or evaluated on the way. */
#include <stdio.h>
#include <stdlib.h>

#include "store/checkpoint.h"
#include "train/train.h"

gantry_status train_save(train_run *r, const char *dir, int64_t step, const double *best, arena *a, const char **path, char sha[65], int64_t *bytes, err *e) {
  uint32_t n = r->n_states;
  st_tensor *t = mem_alloc(sizeof *t * (n + 1));
  arena *mem = arena_new();
  char key[65], step_text[32];
  gantry_status st = GANTRY_OK;
  *bytes = 0;
  for (uint32_t k = 0; k < n && !st; k++) {
    const exec_tensor *x = exec_tensor_get(r->session, r->world->states.p[k].name);
    void *data = arena_alloc(mem, (size_t)x->bytes);
    st = exec_read(r->session, x->name, data, x->bytes, e);
    t[k] = (st_tensor){.name = x->name, .dtype = x->dtype, .rank = x->rank, .bytes = x->bytes, .data = data};
    memcpy(t[k].dims, x->dims, sizeof t[k].dims);
    *bytes += x->bytes;
  }
  train_key(r, key);
  snprintf(step_text, sizeof step_text, "%lld", (long long)step);
  st_meta meta[] = {{"step", step_text}, {"train_key", key}};
  if (!st) st = ckpt_save(dir, step, t, n, meta, 2, r->cfg->checkpoint_keep, best, a, path, sha, e);
  arena_free(mem);
  free(t);
  return st ? err_wrap(e, "checkpoint") : GANTRY_OK;
}

double train_best(const train_run *r, const char *dir) {
  char key[65];
  train_key(r, key);
  return ckpt_best(dir, key);
}

/* Only a checkpoint of this very run is loaded: same key, every state there with its shape. */
static gantry_status load(train_run *r, const st_file *f, err *e) {
  char key[65];
  const char *saved = st_meta_get(f, "train_key");
  train_key(r, key);
  if (!saved || strcmp(saved, key)) return err_set(e, GANTRY_E_CONFIG, "the checkpoint belongs to other settings, data or plugins than this run's");
  for (uint32_t k = 0; k < r->n_states; k++) {
    const char *name = r->world->states.p[k].name;
    const exec_tensor *x = exec_tensor_get(r->session, name);
    const st_tensor *t = st_find(f, name);
    if (!t || t->dtype != x->dtype || t->bytes != x->bytes) return err_set(e, GANTRY_E_IO, "the checkpoint lacks \"%s\" or has it in another shape", name);
    TRY(exec_write(r->session, name, t->data, t->bytes, e));
  }
  return GANTRY_OK;
}

gantry_status train_load(train_run *r, const char *dir, int64_t *step, buf *warnings, err *e) {
  st_file f = {0};
  TRY(ckpt_load_newest(dir, &f, step, warnings, e));
  if (*step < 0) return GANTRY_OK;
  gantry_status st = load(r, &f, e);
  if (!st) st = ckpt_finish_best(dir, &f, *step, e);
  st_free(&f);
  return st ? err_wrap(e, "%s: resuming from step %lld", dir, (long long)*step) : GANTRY_OK;
}
