/* inputs.c - see inputs.h. */
#include "exec/inputs.h"

gantry_status exec_upload_inputs(exec_session *s, const abi_world *w, uint64_t seed, err *e) {
  uint32_t words[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
  for (uint32_t k = 0; k < w->inputs.n; k++) {
    const abi_input *in = &w->inputs.p[k];
    float scalar = (float)in->value;
    const void *src = !strcmp(in->name, "seed") ? (const void *)words : in->dtype == GANTRY_U32 ? (const void *)in->words : in->values ? (const void *)in->values : (const void *)&scalar;
    if (exec_tensor_get(s, in->name)) continue;
    TRY(exec_tensor_make(s, in->name, in->dtype, in->rank, in->dims, e));
    TRY(exec_write(s, in->name, src, exec_tensor_get(s, in->name)->bytes, e));
  }
  return GANTRY_OK;
}
