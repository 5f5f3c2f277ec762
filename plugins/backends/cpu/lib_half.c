/* lib_half.c - MATMUL and the three convolutions on operands of bf16: widened to f32 in the scratch, done by the f32 step, and the result rounded once.
 *
 * Products of two bf16 numbers are exact in f32, so this is what bf16 units with f32 sums compute, up to the order of the sums. It is for studying what bf16 does to a run
 * where there is no GPU, not for speed: it moves more memory than f32 does. */
#include <stdlib.h>
#include <string.h>

#include "lib.h"

typedef struct half { cpu_lib *inner; int64_t n[3]; /* elements of the operands and the result */ } half;

/* The step as it is done: the same shapes in f32, one behind the other in the scratch. */
static gantry_lib widened(const gantry_lib *l, gantry_operand in[2]) {
  gantry_lib w = *l;
  for (uint32_t k = 0; k < 2; k++) {
    in[k] = l->in[k];
    in[k].dtype = GANTRY_F32;
    in[k].offset = 0;
  }
  w.in = in;
  w.out.dtype = GANTRY_F32;
  w.out.offset = 0;
  return w;
}

static int64_t room(const gantry_operand *o) { return (cpu_count(o) * 4 + 63) & ~(int64_t)63; }

static int supports(const gantry_lib *l) {
  gantry_operand in[2];
  if (l->n_in != 2 || l->in[0].dtype != GANTRY_BF16 || l->in[1].dtype != GANTRY_BF16 || l->out.dtype != GANTRY_BF16) return 0;
  gantry_lib w = widened(l, in);
  return cpu_family_of(l->op)->supports(&w);
}

static int64_t scratch(cpu *self, const gantry_lib *l) {
  gantry_operand in[2];
  gantry_lib w = widened(l, in);
  return room(&in[0]) + room(&in[1]) + room(&w.out) + cpu_family_of(l->op)->scratch(self, &w);
}

static gantry_status run(const cpu *self, const cpu_lib *l, char *workspace) {
  const half *own = l->own;
  const cpu_lib *x = own->inner;
  for (uint32_t k = 0; k < 2; k++) self->loops->load_bf16(cpu_at(&x->in[k], workspace), cpu_at(&l->in[k], workspace), NULL, NULL, own->n[k], 0);
  gantry_status st = x->run(self, x, workspace);
  if (!st) self->loops->store_bf16(cpu_at(&l->out, workspace), cpu_at(&x->out, workspace), NULL, NULL, own->n[2], 0);
  return st;
}

static void discard(cpu_lib *l) {
  half *own = l->own;
  if (own) cpu_lib_free(own->inner);
}

static gantry_status make(const cpu_compile *c, cpu_lib *l) {
  char shapes[400];
  half *own = calloc(1, sizeof *own);
  cpu_lib *x = calloc(1, sizeof *x);
  l->own = own;
  l->run = run;
  l->free = discard;
  if (own) own->inner = x;
  else free(x);
  if (!own || !x || !(x->label = strdup(l->label))) return cpu_fail(c, GANTRY_E_NOMEM, "out of memory");
  if (l->lib.scratch == GANTRY_NO_BUFFER) return cpu_fail(c, GANTRY_E_INVALID, "the step on %s came without the scratch it asked for", cpu_shapes(&l->lib, shapes));
  x->lib = widened(&l->lib, x->operands);
  x->in[0] = x->in[1] = x->out = x->scratch = l->scratch;
  x->in[1].offset += room(&l->lib.in[0]);
  x->out.offset = x->in[1].offset + room(&l->lib.in[1]);
  x->scratch.offset = x->out.offset + room(&l->lib.out);
  for (uint32_t k = 0; k < 2; k++) own->n[k] = cpu_count(&l->lib.in[k]);
  own->n[2] = cpu_count(&l->lib.out);
  gantry_status st = cpu_family_of(l->lib.op)->make(c, x);
  x->lib.attrs = NULL;
  x->lib.n_attrs = 0;
  return st;
}
const cpu_family cpu_half = {supports, scratch, make};
