/* emit_map.c - a kernel without reductions: a thread per element, or per four where everything moves by 16 bytes. And the entry that turns any
 * kernel of a program into text. See emit.h. */
#include <stdlib.h>
#include <string.h>

#include "emit.h"

/* Element t of the space is element t of the buffer. */
static int is_dense(const emit *e, const emit_access *d) {
  int64_t run = 1;
  if (d->bounded || d->offset) return 0;
  for (uint32_t t = e->rank; t-- > 0;) {
    if (d->stride[t] != run) return 0;
    run *= e->dims[t];
  }
  return 1;
}

int emit_map(emit *e, emit_result *out) {
  int64_t threads;
  e->four = emit_can_four(e);
  threads = e->points / (e->four ? 4 : 1);
  P(e->four ? "/* map by four */\n" : "/* map */\n");
  P("K_THREADS\nconst %s t = (%s)block * K_BLOCK + tid;\nif (t < %lld) {\n", emit_index(e), emit_index(e), (long long)threads);
  if (e->four) P("const %s p = t * 4;\n", emit_index(e));
  emit_indices(e, e->four ? "p" : "t", 0, e->rank);
  if (e->four) {
    emit_fours_before(e, 0, e->k->n_insts);
    P("K_UNROLL\nfor (int v = 0; v < 4; v++) {\n");
  }
  if (!emit_insts(e, 0, e->k->n_insts)) return 0;
  emit_stores(e, 0);
  if (e->four) {
    P("}\n");
    emit_fours_after(e);
  }
  P("}\nK_DONE\n");
  for (uint32_t i = 0; i < e->k->n_insts; i++)
    if (e->k->insts[i].op == GANTRY_K_LOAD && is_dense(e, &e->load[i])) out->dense |= 1ull << e->load[i].slot;
  for (uint32_t s = 0; s < e->k->n_stores; s++)
    if (is_dense(e, &e->store[s])) out->dense |= 1ull << e->store[s].slot;
  out->points = e->points;
  out->four = e->four;
  out->n = 1;
  out->kernel[0].blocks = (threads + EMIT_BLOCK - 1) / EMIT_BLOCK;
  out->kernel[0].body = e->t.p;
  return 1;
}

gantry_status emit_step(const gantry_kernel *k, uint32_t (*dtype_of)(void *, uint32_t), void *user, emit_result *out, const char **why) {
  emit e = {.k = k};
  int good = 0;
  memset(out, 0, sizeof *out);
  *why = "out of memory";
  out->n_at = k->n_loads + k->n_stores;
  if (k->n_loads + k->n_stores + 1 > EMIT_AT) *why = "more operands than a kernel takes";
  else if (emit_space(&e, dtype_of, user)) {
    *why = "an instruction that this backend does not know";
    good = k->kept == k->rank ? emit_map(&e, out) : emit_reduce(&e, out);
  }
  free(e.load);
  free(e.store);
  if (good && !e.t.failed) return GANTRY_OK;
  if (e.t.failed) *why = "out of memory";
  if (!good && !out->n) cuda_text_free(&e.t);
  emit_result_free(out);
  return e.t.failed ? GANTRY_E_NOMEM : GANTRY_E_UNSUPPORTED;
}

void emit_result_free(emit_result *r) {
  for (uint32_t k = 0; k < 2; k++) {
    free(r->kernel[k].body);
    r->kernel[k].body = NULL;
  }
}
