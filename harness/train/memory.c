/* memory.c - the memory that a run will hold, from its graphs alone: no backend is opened and nothing is allocated. See train.h.
 *
 * What libraries want for themselves inside a step is not known without them; of it the estimate is short. */
#include "opt/opt.h"
#include "train/train.h"

static gantry_status no_scratch(void *user, const gantry_lib *step, int64_t *scratch_bytes, err *e) {
  (void)user, (void)step, (void)e;
  *scratch_bytes = 0;
  return GANTRY_OK;
}

static gantry_status workspace_of(const ir_graph *g, const char *name, uint32_t precision, double recompute, int64_t *bytes, err *e) {
  ir_graph *optimised = opt_run_in(g, precision, NULL, e);
  plan *p = optimised ? plan_make(optimised, name, recompute, no_scratch, NULL, e) : NULL;
  if (p) *bytes = plan_program(p)->workspace_bytes;
  plan_free(p);
  ir_free(optimised);
  return p ? GANTRY_OK : e->code;
}

gantry_status train_memory(const train_run *r, int64_t *bytes, err *e) {
  int64_t workspace = 0;
  *bytes = data_memory_bytes(r->data);
  for (uint32_t k = 0; k < r->world->states.n; k++) {
    const abi_state *s = &r->world->states.p[k];
    int64_t n = ir_dtype_size(s->dtype);
    for (uint32_t j = 0; j < s->rank; j++) n *= s->dims[j];
    *bytes += n;
  }
  for (uint32_t k = 0; k < r->programs.n; k++) {
    int64_t one = 0;
    TRY(workspace_of(r->programs.p[k].g, r->programs.p[k].name, train_precision(r->cfg), r->cfg->recompute, &one, e));
    if (one > workspace) workspace = one; /* programs run one after another in one place */
  }
  *bytes += workspace;
  return GANTRY_OK;
}
