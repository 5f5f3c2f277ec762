/* print.c - plans for people: one line per step, or the instructions of each kernel; and the counts that go with them. Works on the
 * flat program alone, so it stays true after the graph is gone. */
#include "plan/work.h"

static const gantry_buffer *buffer(const gantry_program *g, uint32_t k) { return (const gantry_buffer *)(const void *)((const char *)g->buffers + (size_t)k * g->buffer_stride); }

static void put_buffer(const gantry_program *g, uint32_t k, buf *b) {
  const gantry_buffer *x = buffer(g, k);
  if (x->name) buf_printf(b, "%s", x->name);
  else buf_printf(b, "@%lld", (long long)x->offset);
  buf_printf(b, ":%s*%lld", ir_dtype_name(x->dtype), (long long)x->elements);
}

static void put_dims(uint32_t n, const int64_t *dims, buf *b) {
  buf_putc(b, '[');
  for (uint32_t k = 0; k < n; k++) buf_printf(b, k ? ",%lld" : "%lld", (long long)dims[k]);
  buf_putc(b, ']');
}

static const char *inst_name(uint32_t op) {
  switch (op) {
    case GANTRY_K_LOAD: return "load";
    case GANTRY_K_IMM: return "imm";
    case GANTRY_K_INDEX: return "index";
    case GANTRY_K_REDUCE: return "reduce";
  }
  return ir_op_get(op) ? ir_op_get(op)->name : "?";
}

static void put_access(const gantry_program *g, const gantry_access *a, uint32_t rank, buf *b) {
  put_buffer(g, a->buffer, b);
  buf_printf(b, " +%lld ", (long long)a->offset);
  put_dims(rank, a->stride, b);
  for (uint32_t k = 0; a->bounded && k < rank; k++) buf_printf(b, " %lld..%lld", (long long)a->lo[k], (long long)a->hi[k]);
}

static void put_kernel(const gantry_program *g, const gantry_kernel *k, buf *b) {
  for (uint32_t i = 0; i < k->n_insts; i++) {
    const gantry_inst *q = &k->insts[i];
    buf_printf(b, "  %s%%%u = %s %s", i >= k->body ? "| " : "", i, inst_name(q->op), ir_dtype_name(q->dtype));
    switch (q->op) {
      case GANTRY_K_LOAD:
        buf_putc(b, ' ');
        put_access(g, &k->loads[q->a], i >= k->body ? k->kept : k->rank, b);
        break;
      case GANTRY_K_IMM: buf_printf(b, " %.17g", q->imm); break;
      case GANTRY_K_INDEX: buf_printf(b, " i%u", q->a); break;
      case GANTRY_K_REDUCE: buf_printf(b, " %s of %%%u", inst_name(q->kind), q->a); break;
      default: {
        const ir_op_info *info = ir_op_get(q->op);
        uint32_t args[3] = {q->a, q->b, q->c};
        for (int j = 0; info && j < info->arity && j < 3; j++) buf_printf(b, " %%%u", args[j]);
        if (q->op == GANTRY_OP_CMP) buf_printf(b, " kind %u", q->kind);
        if (q->op == GANTRY_OP_POW) buf_printf(b, " ^ %.17g", q->imm);
      }
    }
    buf_putc(b, '\n');
  }
  for (uint32_t s = 0; s < k->n_stores; s++) {
    buf_printf(b, "  store %%%u to ", k->stores[s].reg);
    put_access(g, &k->stores[s].to, k->stores[s].reg >= k->body ? k->kept : k->rank, b);
    buf_putc(b, '\n');
  }
}

static double contraction(const gantry_lib *l) { /* multiplications and additions */
  double n = 2;
  const gantry_operand *big = &l->out;
  switch (l->op) {
    case GANTRY_OP_MATMUL:
      for (uint32_t k = 0; k < l->out.rank; k++) n *= (double)l->out.dims[k];
      for (uint32_t k = 0; k < l->n_attrs; k++)
        if (l->attrs[k].key == GANTRY_A_TA && l->attrs[k].v.i) return n * (double)l->in[0].dims[l->in[0].rank - 2];
      return n * (double)l->in[0].dims[l->in[0].rank - 1];
    case GANTRY_OP_CONV: case GANTRY_OP_CONV_DGRAD: case GANTRY_OP_CONV_WGRAD: {
      const gantry_operand *w = l->op == GANTRY_OP_CONV_WGRAD ? &l->out : &l->in[1], *y = l->op == GANTRY_OP_CONV ? &l->out : l->op == GANTRY_OP_CONV_DGRAD ? &l->in[0] : &l->in[1];
      for (uint32_t k = 0; k < w->rank; k++) n *= (double)w->dims[k];
      for (uint32_t k = 0; k + 1 < y->rank; k++) n *= (double)y->dims[k];
      return n;
    }
  }
  for (uint32_t k = 0; k < big->rank; k++) n *= (double)big->dims[k];
  return n;
}

typedef struct cost { double flops, bytes, contraction; } cost;

/* What a step reads and writes, each place once, and how much it computes. */
static cost cost_of(const gantry_program *g, const gantry_step_rec *r) {
  cost c = {0};
  if (r->kind == GANTRY_STEP_LIB) {
    c.flops = contraction(r->lib);
    if (r->lib->op >= GANTRY_OP_MATMUL && r->lib->op <= GANTRY_OP_CONV_WGRAD) c.contraction = c.flops;
    for (uint32_t k = 0; k <= r->lib->n_in; k++) {
      const gantry_operand *o = k < r->lib->n_in ? &r->lib->in[k] : &r->lib->out;
      double n = (double)ir_dtype_size(o->dtype), most = 1;
      for (uint32_t d = 0; d < o->rank; d++) n *= (double)o->dims[d];
      for (uint32_t d = 0; d < r->lib->out.rank; d++) most *= (double)r->lib->out.dims[d];
      most *= (double)ir_dtype_size(r->lib->out.dtype);
      c.bytes += r->lib->op == GANTRY_OP_GATHER && n > most ? most : n; /* picks rows */
    }
    return c;
  }
  const gantry_kernel *k = r->kernel;
  double all = 1;
  for (uint32_t d = 0; d < k->rank; d++) all *= (double)k->dims[d];
  c.flops = all * k->body;
  for (uint32_t a = 0; a < k->n_loads + k->n_stores; a++) {
    const gantry_access *x = a < k->n_loads ? &k->loads[a] : &k->stores[a - k->n_loads].to;
    double n = (double)ir_dtype_size(buffer(g, x->buffer)->dtype);
    for (uint32_t d = 0; d < k->rank; d++)
      if (x->stride[d]) n *= (double)k->dims[d];
    c.bytes += n;
  }
  return c;
}

/* Microseconds on one core of 2023: 100 GFLOP/s in contractions, 20 elsewhere, 20 GB/s, a twentieth of a microsecond for any step. */
static double estimate(const cost *c) {
  double arithmetic = c->contraction > 0 ? c->flops / 100e3 : c->flops / 20e3, memory = c->bytes / 20e3;
  return 0.05 + (arithmetic > memory ? arithmetic : memory);
}

static void print(const plan *p, const int64_t *ns, buf *b, int kernels) {
  const gantry_program *g = &p->program;
  cost total = {0};
  double guess = 0, measured = 0;
  buf_printf(b, "program %s: %u steps", g->name, g->n_steps);
  if (p->again) buf_printf(b, ", %u of them again instead of keeping what they give", p->again);
  buf_printf(b, ", workspace %lld bytes\n", (long long)g->workspace_bytes);
  for (uint32_t i = 0; i < g->n_steps; i++) {
    const gantry_step_rec *r = (const gantry_step_rec *)(const void *)((const char *)g->steps + (size_t)i * g->step_stride);
    buf_printf(b, "%u ", i);
    if (r->kind == GANTRY_STEP_KERNEL) {
      const gantry_kernel *k = r->kernel;
      buf_printf(b, "kernel ");
      put_dims(k->kept, k->dims, b);
      if (k->kept < k->rank) {
        buf_printf(b, " over ");
        put_dims(k->rank - k->kept, k->dims + k->kept, b);
      }
      buf_printf(b, " %u instructions, %u loads, writes", k->n_insts, k->n_loads);
      for (uint32_t s = 0; s < k->n_stores; s++) {
        buf_putc(b, ' ');
        put_buffer(g, k->stores[s].to.buffer, b);
      }
    } else {
      const gantry_lib *l = r->lib;
      buf_printf(b, "%s", inst_name(l->op));
      for (uint32_t k = 0; k < l->n_in; k++) {
        buf_putc(b, ' ');
        put_dims(l->in[k].rank, l->in[k].dims, b);
        buf_putc(b, ' ');
        put_buffer(g, l->in[k].buffer, b);
      }
      buf_printf(b, " -> ");
      put_dims(l->out.rank, l->out.dims, b);
      buf_putc(b, ' ');
      put_buffer(g, l->out.buffer, b);
    }
    if (r->label < g->n_labels && g->labels[r->label][0]) buf_printf(b, "  ; %s", g->labels[r->label]);
    buf_putc(b, '\n');
    if (!kernels) continue;
    cost c = cost_of(g, r);
    buf_printf(b, "  moves %.3f MB, %.3f MFLOP, estimated %.1f us", c.bytes / 1e6, c.flops / 1e6, estimate(&c));
    if (ns) buf_printf(b, ", measured %.1f us: %.1f GFLOP/s, %.1f GB/s", (double)ns[i] / 1e3, c.flops / (double)(ns[i] + 1), c.bytes / (double)(ns[i] + 1));
    buf_putc(b, '\n');
    if (r->kind == GANTRY_STEP_KERNEL) put_kernel(g, r->kernel, b);
    total.bytes += c.bytes;
    total.flops += c.flops;
    total.contraction += c.contraction;
    guess += estimate(&c);
    if (ns) measured += (double)ns[i] / 1e3;
  }
  if (!kernels) return;
  buf_printf(b, "total %.3f MB moved, contraction GFLOP %.4f of %.4f, estimated %.1f us", total.bytes / 1e6, total.contraction / 1e9, total.flops / 1e9, guess);
  if (ns) buf_printf(b, ", measured %.1f us", measured);
  buf_putc(b, '\n');
}
void plan_print(const plan *p, buf *b) { print(p, NULL, b, 0); }
void plan_print_kernels(const plan *p, const int64_t *ns, buf *b) { print(p, ns, b, 1); }

void plan_get_stats(const plan *p, plan_stats *out) {
  const gantry_program *g = &p->program;
  *out = (plan_stats){.copies = p->copies, .workspace_bytes = g->workspace_bytes, .sum_of_temporaries = p->sum_temporaries};
  for (uint32_t i = 0; i < g->n_steps; i++) {
    const gantry_step_rec *r = (const gantry_step_rec *)(const void *)((const char *)g->steps + (size_t)i * g->step_stride);
    cost c = cost_of(g, r);
    *(r->kind == GANTRY_STEP_LIB ? &out->libs : &out->kernels) += 1;
    out->flops += c.flops;
    out->bytes_moved += (int64_t)c.bytes;
  }
}
