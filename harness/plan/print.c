/* print.c - a program for people: its steps with shapes, places and labels, and the instructions of each kernel. See plan.h. */
#include "plan/internal.h"

static void dims(buf *b, uint32_t rank, const int64_t *d) {
  buf_putc(b, '[');
  for (uint32_t k = 0; k < rank; k++) buf_printf(b, "%s%lld", k ? "," : "", (long long)d[k]);
  buf_putc(b, ']');
}

static void name(const plan *p, uint32_t buffer, buf *b) {
  const gantry_buffer *x = &p->program.buffers[buffer];
  if (x->space == GANTRY_SPACE_NAMED) buf_printf(b, "\"%s\"", x->name);
  else buf_printf(b, "w%u@%lld", buffer, (long long)x->offset);
}

static const char *opcode(uint32_t op) {
  switch (op) {
    case GANTRY_K_LOAD: return "LOAD";
    case GANTRY_K_IMM: return "IMM";
    case GANTRY_K_INDEX: return "INDEX";
    case GANTRY_K_REDUCE: return "REDUCE";
    default: return ir_op_get(op) ? ir_op_get(op)->name : "?";
  }
}

static void head(const plan *p, uint32_t k, buf *b) {
  const gantry_step_rec *s = &p->program.steps[k];
  buf_printf(b, "%4u ", k);
  if (s->kind == GANTRY_STEP_LIB) {
    const gantry_lib *l = s->lib;
    buf_printf(b, "%-12s ", opcode(l->op));
    name(p, l->out.buffer, b);
    buf_printf(b, " %s", ir_dtype_name(l->out.dtype));
    dims(b, l->out.rank, l->out.dims);
    buf_puts(b, " =");
    for (uint32_t j = 0; j < l->n_in; j++) {
      buf_putc(b, ' ');
      name(p, l->in[j].buffer, b);
      dims(b, l->in[j].rank, l->in[j].dims);
    }
  } else {
    const gantry_kernel *x = s->kernel;
    buf_printf(b, "%-12s ", x->kept < x->rank ? "reduce" : "map");
    dims(b, x->kept, x->dims);
    if (x->kept < x->rank) {
      buf_puts(b, " over ");
      dims(b, x->rank - x->kept, x->dims + x->kept);
    }
    buf_printf(b, " %u instructions:", x->n_insts);
    for (uint32_t j = 0; j < x->n_stores; j++) {
      buf_putc(b, ' ');
      name(p, x->stores[j].to.buffer, b);
    }
    buf_puts(b, " =");
    for (uint32_t j = 0; j < x->n_loads; j++) {
      buf_putc(b, ' ');
      name(p, x->loads[j].buffer, b);
    }
  }
  if (s->label && *p->program.labels[s->label]) buf_printf(b, "  ; %s", p->program.labels[s->label]);
  buf_putc(b, '\n');
}

static void summary(const plan *p, buf *b) {
  const plan_stats *s = &p->stats;
  buf_printf(b, "program %s: %u kernels (%u of them copies), %u library steps, workspace %.2f MB for %.2f MB of temporaries, kernels move %.2f MB\n", p->name, s->kernels, s->copies, s->libs,
             (double)s->workspace_bytes / 1e6, (double)s->sum_of_temporaries / 1e6, (double)s->bytes_moved / 1e6);
}

void plan_print(const plan *p, buf *b) {
  summary(p, b);
  for (uint32_t k = 0; k < p->program.n_steps; k++) head(p, k, b);
}

static void access(const plan *p, const gantry_access *a, uint32_t rank, buf *b) {
  name(p, a->buffer, b);
  buf_printf(b, " + %lld strides ", (long long)a->offset);
  dims(b, rank, a->stride);
  if (a->bounded) {
    buf_puts(b, " within ");
    dims(b, rank, a->lo);
    buf_puts(b, " to ");
    dims(b, rank, a->hi);
  }
}

void plan_print_kernels(const plan *p, buf *b) {
  summary(p, b);
  for (uint32_t k = 0; k < p->program.n_steps; k++) {
    head(p, k, b);
    const gantry_kernel *x = p->program.steps[k].kernel;
    if (!x) continue;
    for (uint32_t j = 0; j < x->n_insts; j++) {
      const gantry_inst *i = &x->insts[j];
      buf_printf(b, "       %s r%u: %s = %s", j < x->body ? "each" : "then", j, ir_dtype_name(i->dtype), opcode(i->op));
      if (i->op == GANTRY_K_LOAD) {
        buf_putc(b, ' ');
        access(p, &x->loads[i->a], x->rank, b);
      } else if (i->op == GANTRY_K_IMM)
        buf_printf(b, " %.9g", i->imm);
      else if (i->op == GANTRY_K_INDEX)
        buf_printf(b, " axis %u", i->a);
      else if (i->op == GANTRY_K_REDUCE)
        buf_printf(b, " %s r%u", opcode(i->kind), i->a);
      else {
        const uint32_t in[3] = {i->a, i->b, i->c};
        for (int q = 0; q < ir_op_get(i->op)->arity; q++) buf_printf(b, " r%u", in[q]);
        if (i->op == GANTRY_OP_CMP) buf_printf(b, " kind %u", i->kind);
        if (i->op == GANTRY_OP_POW) buf_printf(b, " ^ %.9g", i->imm);
      }
      buf_putc(b, '\n');
    }
    for (uint32_t j = 0; j < x->n_stores; j++) {
      buf_printf(b, "       store r%u -> ", x->stores[j].reg);
      access(p, &x->stores[j].to, x->rank, b);
      buf_putc(b, '\n');
    }
  }
}
