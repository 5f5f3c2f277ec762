/* kernel_make.c - from the host's kernel to one that runs: every instruction gets its loop, its register and its place in the order.
 *
 * Instructions whose operands do not change between tiles are moved in front of the loop. A load that is contiguous over a tile is no
 * copy: its register is the memory itself. So is the register of a contiguous store, unless a load of the same memory is still needed. */
#include <stdlib.h>
#include <string.h>

#include "emit_c.h"

static uint32_t operands(uint32_t op) {
  switch (op) {
    case GANTRY_K_LOAD: case GANTRY_K_IMM: case GANTRY_K_INDEX: case GANTRY_K_REDUCE: return 0;
    case GANTRY_OP_WHERE: return 3;
  }
  return op >= GANTRY_OP_ADD && op <= GANTRY_OP_SHR ? 2 : 1;
}

static gantry_status check(const cpu_make *m) {
  const gantry_kernel *k = m->k;
  if (k->rank > GANTRY_MAX_RANK || k->kept > k->rank || k->body > k->n_insts || (k->kept == k->rank && k->body != k->n_insts))
    return cpu_fail(m->c, GANTRY_E_INVALID, "a kernel of rank %u with %u kept axes and %u of %u instructions in its body makes no sense", k->rank, k->kept, k->body, k->n_insts);
  for (uint32_t x = 0; x < k->rank; x++)
    if (k->dims[x] < 1) return cpu_fail(m->c, GANTRY_E_INVALID, "axis %u of a kernel has %lld elements", x, (long long)k->dims[x]);
  for (uint32_t i = 0; i < k->n_insts; i++) {
    const gantry_inst *q = &k->insts[i];
    uint32_t n = operands(q->op), args[3] = {q->a, q->b, q->c};
    int bad = cpu_type(q->dtype) < 0;
    for (uint32_t j = 0; j < n; j++) bad |= args[j] >= i;
    bad |= q->op == GANTRY_K_LOAD && (q->a >= k->n_loads || k->loads[q->a].buffer >= m->c->program->n_buffers);
    bad |= q->op == GANTRY_K_INDEX && (q->a >= k->rank || (i >= k->body && q->a >= k->kept));
    bad |= q->op == GANTRY_K_REDUCE && (i < k->body || q->a >= k->body || (q->kind != GANTRY_OP_SUM && q->kind != GANTRY_OP_RMAX && q->kind != GANTRY_OP_VAR));
    if (bad) return cpu_fail(m->c, GANTRY_E_INVALID, "instruction %u of a kernel (opcode %u) is malformed", i, q->op);
  }
  for (uint32_t s = 0; s < k->n_stores; s++)
    if (k->stores[s].reg >= k->n_insts || k->stores[s].to.buffer >= m->c->program->n_buffers) return cpu_fail(m->c, GANTRY_E_INVALID, "store %u of a kernel is malformed", s);
  return GANTRY_OK;
}

static gantry_status loop_of(const cpu_make *m, const gantry_inst *q, cpu_code *code) {
  const cpu_loops *l = m->c->self->loops;
  const gantry_inst *r = m->k->insts;
  int type = cpu_type(q->dtype), from = operands(q->op) ? cpu_type(r[q->a].dtype) : type;
  code->what = CPU_CODE_LOOP;
  code->bf16 = q->dtype == GANTRY_BF16;
  switch (q->op) {
    case GANTRY_OP_CMP: code->fn = q->kind < CPU_KINDS ? l->cmp[q->kind][from] : NULL; break;
    case GANTRY_OP_CAST: code->fn = l->cast[from][type]; break;
    case GANTRY_OP_WHERE: code->fn = l->where[type]; break;
    case GANTRY_OP_POW:
      code->fn = l->op[q->op][type];
      for (int p = 0; type == CPU_T_F32 && p < CPU_POWERS; p++)
        if (cpu_powers[p] == q->imm) code->fn = l->power[p];
      break;
    case GANTRY_OP_BITCAST:
      /* registers hold bf16 as floats, so its bits are out of reach here */
      code->fn = cpu_size(r[q->a].dtype) == cpu_size(q->dtype) && q->dtype != GANTRY_BF16 && r[q->a].dtype != GANTRY_BF16 ? l->op[q->op][from] : NULL;
      break;
    default: code->fn = q->op < CPU_OPS ? l->op[q->op][from] : NULL;
  }
  if (!code->fn) return cpu_fail(m->c, GANTRY_E_UNSUPPORTED, "the CPU backend has no elementwise operation %u for element type %u", q->op, q->dtype);
  return GANTRY_OK;
}

static int varies(const cpu_make *m, uint32_t t, int kept) { /* does walked axis t take part in more than one tile? */
  const cpu_kernel *o = m->out;
  if (kept && t >= o->n_a && t < o->n_a + o->n_r) return 0;
  return o->ext[t] < o->dims[t];
}

static void find_once(cpu_make *m) {
  const gantry_kernel *k = m->k;
  for (uint32_t i = 0; i < k->n_insts; i++) {
    const gantry_inst *q = &k->insts[i];
    uint32_t n = operands(q->op), args[3] = {q->a, q->b, q->c};
    int once = 1, kept = i >= k->body;
    for (uint32_t j = 0; j < n; j++) once &= m->once[args[j]];
    if (q->op == GANTRY_K_REDUCE) once = 0;
    if (q->op == GANTRY_K_LOAD) {
      const cpu_access *a = &m->out->access[i];
      once = !a->bounded;
      for (uint32_t t = 0; t < m->out->rank; t++) once &= !varies(m, t, kept) || !a->stride[t];
    }
    if (q->op == GANTRY_K_INDEX)
      for (uint32_t t = 0; t < m->out->rank; t++) once &= m->axis[t] != q->a || !varies(m, t, kept);
    m->once[i] = (uint8_t)once;
  }
}

static void find_last(cpu_make *m) {
  const gantry_kernel *k = m->k;
  memset(m->last, 0, sizeof *m->last * k->n_insts);
  for (uint32_t i = 0; i < k->n_insts; i++) {
    const gantry_inst *q = &k->insts[i];
    uint32_t n = operands(q->op), args[3] = {q->a, q->b, q->c};
    for (uint32_t j = 0; j < n; j++)
      if (m->last[args[j]] < i) m->last[args[j]] = i;
    if (q->op == GANTRY_K_REDUCE) m->last[q->a] = UINT32_MAX;
  }
  for (uint32_t s = 0; s < k->n_stores; s++) m->last[k->stores[s].reg] = UINT32_MAX;
}

static int overlap(const cpu_make *m, uint32_t a, uint32_t b) {
  const gantry_buffer *x = cpu_buffer(m->c, a), *y = cpu_buffer(m->c, b);
  if (x->space != y->space) return 0;
  if (x->space == GANTRY_SPACE_NAMED) return m->c->named[a] == m->c->named[b];
  return x->offset < y->offset + y->elements * cpu_size(y->dtype) && y->offset < x->offset + x->elements * cpu_size(x->dtype);
}

/* May the register of store s be the memory it goes to? */
static int writes_through(const cpu_make *m, uint32_t s) {
  const gantry_kernel *k = m->k;
  const cpu_access *to = &m->out->access[k->n_insts + s];
  uint32_t reg = k->stores[s].reg, from = reg < k->body ? 0 : k->body, end = reg < k->body ? k->body : k->n_insts;
  const gantry_inst *q = &k->insts[reg];
  if (!to->direct || to->dtype == GANTRY_BF16 || m->once[reg] || q->op == GANTRY_K_LOAD || q->op == GANTRY_K_REDUCE) return 0;
  for (uint32_t e = 0; e < s; e++)
    if (k->stores[e].reg == reg) return 0;
  for (uint32_t i = from; i < end; i++) {
    if (k->insts[i].op != GANTRY_K_LOAD || !overlap(m, m->out->access[i].buffer, to->buffer)) continue;
    if (i > reg || (m->out->access[i].direct && !m->once[i] && m->last[i] > reg)) return 0;
  }
  return 1;
}

typedef struct slots { uint32_t *free, n_free, total; } slots;
static uint32_t slot_take(slots *s) { return s->n_free ? s->free[--s->n_free] : s->total++; }

/* Registers of one section, by linear scan: an operand's place is free again after its last use. */
static void section_slots(cpu_make *m, slots *s, uint32_t from, uint32_t end, uint32_t *slot, const uint8_t *outside) {
  const gantry_kernel *k = m->k;
  for (uint32_t i = from; i < end; i++) {
    const gantry_inst *q = &k->insts[i];
    if (m->once[i] || q->op == GANTRY_K_REDUCE) continue;
    if (!outside[i]) slot[i] = slot_take(s);
    uint32_t n = operands(q->op), args[3] = {q->a, q->b, q->c};
    for (uint32_t j = 0; j < n; j++) {
      uint32_t r = args[j];
      int again = 0;
      for (uint32_t e = 0; e < j; e++) again |= args[e] == r;
      if (!again && m->last[r] == i && !m->once[r] && !outside[r] && r >= from && k->insts[r].op != GANTRY_K_REDUCE) s->free[s->n_free++] = slot[r];
    }
    if (!outside[i] && !m->last[i]) s->free[s->n_free++] = slot[i];
  }
}

static void section_code(cpu_make *m, cpu_section *sec, uint32_t from, uint32_t end, cpu_code *all) {
  sec->once = calloc(end - from + 1, sizeof *sec->once);
  sec->each = calloc(end - from + 1, sizeof *sec->each);
  sec->outs = calloc(m->k->n_stores + 1, sizeof *sec->outs);
  for (uint32_t i = from; sec->once && sec->each && i < end; i++) {
    if (all[i].what == CPU_CODE_NONE) continue;
    if (m->once[i]) sec->once[sec->n_once++] = all[i];
    else sec->each[sec->n_each++] = all[i];
  }
}

static gantry_status accesses(cpu_make *m) {
  const gantry_kernel *k = m->k;
  cpu_kernel *o = m->out;
  o->n_access = k->n_insts + k->n_stores;
  for (uint32_t a = 0; a < o->n_access; a++) {
    int store = a >= k->n_insts;
    const gantry_access *f = store ? &k->stores[a - k->n_insts].to : k->insts[a].op == GANTRY_K_LOAD ? &k->loads[k->insts[a].a] : NULL;
    uint32_t reg = store ? k->stores[a - k->n_insts].reg : a;
    m->level[a] = (uint8_t)(reg >= k->body);
    static const gantry_access nothing;
    m->from[a] = f ? f : &nothing;
    if (!f) {
      m->level[a] = 2; /* takes no part */
      continue;
    }
    const gantry_buffer *b = cpu_buffer(m->c, f->buffer);
    cpu_access *d = &o->access[a];
    d->dtype = b->dtype;
    d->buffer = f->buffer;
    d->size = cpu_size(b->dtype);
    if (b->dtype != k->insts[reg].dtype) return cpu_fail(m->c, GANTRY_E_DTYPE, "a kernel moves element type %u to or from a buffer of type %u", k->insts[reg].dtype, b->dtype);
    gantry_status st = cpu_place_of(m->c, f->buffer, f->offset * d->size, &d->at);
    if (st) return st;
  }
  return GANTRY_OK;
}

static gantry_status assemble(cpu_make *m, cpu_code *all, uint32_t *slot, uint8_t *outside, uint32_t *free_slots) {
  const gantry_kernel *k = m->k;
  cpu_kernel *o = m->out;
  slots s = {.free = free_slots, .total = 1}; /* slot 0: staging */
  find_once(m);
  find_last(m);
  for (uint32_t i = 0; i < k->n_insts; i++) {
    const gantry_inst *q = &k->insts[i];
    cpu_code *c = &all[i];
    *c = (cpu_code){.reg = i, .a = q->a, .b = q->b, .c = q->c, .dtype = q->dtype, .imm = q->imm, .access = i};
    uint32_t n = operands(q->op);
    if (n < 3) c->c = c->a;
    if (n < 2) c->b = c->a;
    switch (q->op) {
      case GANTRY_K_LOAD:
        c->what = CPU_CODE_LOAD;
        outside[i] = o->access[i].direct && !m->once[i] && q->dtype != GANTRY_BF16;
        break;
      case GANTRY_K_IMM: c->what = CPU_CODE_IMM; c->bf16 = q->dtype == GANTRY_BF16; break;
      case GANTRY_K_INDEX: {
        c->what = CPU_CODE_IMM; /* an axis of one element */
        c->imm = 0;
        for (uint32_t t = 0; t < o->rank; t++)
          if (m->axis[t] == q->a) {
            c->what = CPU_CODE_INDEX;
            c->access = t;
          }
        break;
      }
      case GANTRY_K_REDUCE: c->what = CPU_CODE_NONE; break;
      default: {
        gantry_status st = loop_of(m, q, c);
        if (st) return st;
      }
    }
    if (m->once[i] || q->op == GANTRY_K_REDUCE) slot[i] = s.total++;
  }
  section_code(m, &o->body, 0, k->body, all);
  section_code(m, &o->after, k->body, k->n_insts, all);
  if (!o->body.once || !o->body.each || !o->body.outs || !o->after.once || !o->after.each || !o->after.outs) return cpu_fail(m->c, GANTRY_E_NOMEM, "out of memory");
  for (uint32_t i = 0; i < k->n_stores; i++) {
    uint32_t reg = k->stores[i].reg;
    cpu_section *sec = reg < k->body ? &o->body : &o->after;
    int into = writes_through(m, i);
    sec->outs[sec->n_outs++] = (cpu_out){.reg = reg, .access = k->n_insts + i, .into = into};
    if (into) outside[reg] = 1;
  }
  uint32_t common = s.total;
  section_slots(m, &s, 0, k->body, slot, outside);
  s.n_free = 0;
  for (uint32_t r = common; r < s.total; r++) s.free[s.n_free++] = s.total - 1 - (r - common);
  section_slots(m, &s, k->body, k->n_insts, slot, outside);
  int64_t bytes = CPU_SLOT;
  for (uint32_t i = 0; i < k->n_insts; i++) o->reg_at[i] = outside[i] ? -1 : (int64_t)slot[i] * bytes;
  o->staging = 0;
  int64_t at = (int64_t)s.total * bytes;
  for (uint32_t i = k->body; i < k->n_insts; i++) {
    const gantry_inst *q = &k->insts[i];
    if (q->op != GANTRY_K_REDUCE) continue;
    cpu_reduce *r = &o->reduces[o->n_reduces++];
    *r = (cpu_reduce){.reg = q->a, .result = i, .kind = q->kind, .dtype = q->dtype};
    const cpu_loops *l = m->c->self->loops;
    r->with = &(q->kind == GANTRY_OP_SUM ? l->sum : q->kind == GANTRY_OP_RMAX ? l->max : l->var)[cpu_type(q->dtype)];
    if (!r->with->in || k->insts[q->a].dtype != q->dtype) return cpu_fail(m->c, GANTRY_E_UNSUPPORTED, "the CPU backend cannot reduce element type %u", q->dtype);
    at = cpu_reduce_bytes(o, r, at);
  }
  o->pointers = (uint32_t)at;
  o->scratch_bytes = at + (int64_t)sizeof(char *) * k->n_insts;
  return GANTRY_OK;
}

gantry_status cpu_kernel_make(const cpu_compile *c, const gantry_kernel *k, cpu_kernel **out) {
  uint32_t n = k->n_insts, n_access = n + k->n_stores;
  cpu_make m = {.c = c, .k = k};
  gantry_status st = check(&m);
  cpu_code *all = calloc(n + 1, sizeof *all);
  uint32_t *slot = calloc(n + 1, sizeof *slot), *free_slots = calloc(2 * (size_t)n + 2, sizeof *free_slots);
  uint8_t *outside = calloc(n + 1, 1);
  m.out = calloc(1, sizeof *m.out);
  m.from = calloc(n_access + 1, sizeof *m.from);
  m.level = calloc(n_access + 1, 1);
  m.last = calloc(n + 1, sizeof *m.last);
  m.once = calloc(n + 1, 1);
  if (m.out) {
    m.out->reg_at = calloc(n + 1, sizeof(int64_t));
    m.out->access = calloc(n_access + 1, sizeof(cpu_access));
    m.out->reduces = calloc(n + 1, sizeof(cpu_reduce));
    m.out->n_regs = n;
  }
  if (!st && (!all || !slot || !free_slots || !outside || !m.out || !m.from || !m.level || !m.last || !m.once || !m.out->reg_at || !m.out->access || !m.out->reduces))
    st = cpu_fail(c, GANTRY_E_NOMEM, "out of memory");
  if (!st) {
    int wide = 0;
    for (uint32_t i = 0; i < n; i++) {
      wide |= cpu_size(k->insts[i].dtype) == 8;
      if (k->insts[i].op == GANTRY_K_INDEX) m.indexed |= 1u << k->insts[i].a;
    }
    st = accesses(&m);
    if (!st) cpu_space_make(&m, wide ? CPU_TILE / 2 : CPU_TILE);
    if (!st) st = assemble(&m, all, slot, outside, free_slots);
    m.out->function = UINT32_MAX;
    if (!st && c->source) st = cpu_emit_c(&m);
  }
  free(all);
  free(slot);
  free(free_slots);
  free(outside);
  free(m.from);
  free(m.level);
  free(m.last);
  free(m.once);
  if (st) cpu_kernel_free(m.out);
  else *out = m.out;
  return st;
}

int64_t cpu_kernel_scratch(const cpu_kernel *k) { return k->scratch_bytes; }

void cpu_kernel_free(cpu_kernel *k) {
  if (!k) return;
  free(k->reg_at);
  free(k->at);
  free(k->bound);
  free(k->access);
  free(k->reduces);
  free(k->body.once);
  free(k->body.each);
  free(k->body.outs);
  free(k->after.once);
  free(k->after.each);
  free(k->after.outs);
  free(k);
}
