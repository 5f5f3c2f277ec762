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

/* Cells of a grid that differ in a rate have the same graphs: each is planned once in a process. */
static gantry_status known_workspace(const train_program *p, uint32_t precision, double recompute, train_memo *memo, int64_t *bytes, err *e) {
  for (uint32_t k = 0; memo && k < memo->p.n; k++)
    if (memo->p.p[k].graph == p->hash && memo->p.p[k].precision == precision && memo->p.p[k].recompute == recompute) return *bytes = memo->p.p[k].workspace, GANTRY_OK;
  TRY(workspace_of(p->g, p->name, precision, recompute, bytes, e));
  train_known one = {p->hash, precision, recompute, *bytes};
  if (memo) VEC_PUSH(memo->p, one);
  return GANTRY_OK;
}

gantry_status train_memory(const train_run *r, train_memo *memo, int64_t *bytes, err *e) {
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
    TRY(known_workspace(&r->programs.p[k], train_precision(r->cfg), r->cfg->recompute, memo, &one, e));
    if (one > workspace) workspace = one; /* programs run one after another in one place */
  }
  *bytes += workspace;
  return GANTRY_OK;
}
