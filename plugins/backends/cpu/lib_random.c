/* lib_random.c - RANDOM_BITS: Philox4x32-10 words, each a function of seed, stream, invocation, sample and element alone. */
#include <gantry/philox.h>
#include <stdlib.h>

#include "lib.h"

typedef struct bits { uint32_t stream; int64_t samples, each; } bits;

static int supports(const gantry_lib *l) { return l->n_in == 2 && l->out.dtype == GANTRY_U32 && l->in[0].dtype == GANTRY_U32 && l->in[1].dtype == GANTRY_U32; }

static gantry_status run(const cpu *self, const cpu_lib *l, char *workspace) {
  const bits *q = l->own;
  const uint32_t *key = cpu_at(&l->in[0], workspace), *invocation = cpu_at(&l->in[1], workspace);
  uint32_t *out = cpu_at(&l->out, workspace), ctr[4] = {q->stream, invocation[0], 0, 0}, word[4];
  (void)self;
  for (int64_t s = 0; s < q->samples; s++) {
    ctr[2] = (uint32_t)s;
    for (int64_t e = 0; e < q->each; e += 4) {
      ctr[3] = (uint32_t)(e / 4);
      gantry_philox4x32(ctr, key, word);
      for (int64_t i = 0; i < 4 && e + i < q->each; i++) *out++ = word[i];
    }
  }
  return GANTRY_OK;
}

static gantry_status make(const cpu_compile *c, cpu_lib *l) {
  bits *q = calloc(1, sizeof *q);
  if (!q) return cpu_fail(c, GANTRY_E_NOMEM, "out of memory");
  l->own = q;
  l->run = run;
  q->stream = (uint32_t)(uint64_t)cpu_attr_i(&l->lib, GANTRY_A_STREAM, 0);
  q->samples = l->lib.out.rank ? l->lib.out.dims[0] : 1;
  q->each = cpu_count(&l->lib.out) / q->samples;
  return GANTRY_OK;
}
const cpu_family cpu_random = {supports, NULL, make};
