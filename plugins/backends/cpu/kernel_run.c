/* kernel_run.c - walking a compiled kernel: tiles of kept points outside, tiles of reduced points inside, instructions tile by tile. */
#include <string.h>

#include "kernel.h"

static void index_fill(const cpu_code *c, const cpu_tile *t, uint32_t rank, char *reg) {
  int64_t inner = 1, ext = t->ext[c->access], start = t->start[c->access];
  for (uint32_t k = c->access + 1; k < rank; k++) inner *= t->ext[k];
  for (int64_t p = 0; p < t->points;)
    for (int64_t v = start; v < start + ext; v++)
      for (int64_t i = 0; i < inner; i++, p++) switch (c->dtype) {
          case GANTRY_F32: case GANTRY_BF16: ((float *)(void *)reg)[p] = (float)v; break;
          case GANTRY_F64: ((double *)(void *)reg)[p] = (double)v; break;
          case GANTRY_I64: ((int64_t *)(void *)reg)[p] = v; break;
          case GANTRY_U8: case GANTRY_BOOL: ((uint8_t *)reg)[p] = (uint8_t)v; break;
          default: ((uint32_t *)(void *)reg)[p] = (uint32_t)v;
        }
}

static int64_t whole(double v) { return v >= 9223372036854775807. ? INT64_MAX : v <= -9223372036854775808. ? INT64_MIN : v == v ? (int64_t)v : 0; }

static void imm_fill(const cpu_code *c, int64_t n, char *reg) {
  float f = (float)c->imm;
  int64_t w = whole(c->imm);
  for (int64_t i = 0; i < n; i++) switch (c->dtype) {
      case GANTRY_F32: case GANTRY_BF16: ((float *)(void *)reg)[i] = f; break;
      case GANTRY_F64: ((double *)(void *)reg)[i] = c->imm; break;
      case GANTRY_I64: ((int64_t *)(void *)reg)[i] = w; break;
      case GANTRY_U8: case GANTRY_BOOL: ((uint8_t *)reg)[i] = (uint8_t)w; break;
      default: ((uint32_t *)(void *)reg)[i] = (uint32_t)w;
    }
}

static void code_run(const cpu *self, const cpu_kernel *k, const cpu_code *c, uint32_t n, const cpu_tile *t, char **p, char *scratch, char *workspace) {
  for (; n; n--, c++) {
    switch (c->what) {
      case CPU_CODE_LOOP: c->fn(p[c->reg], p[c->a], p[c->b], p[c->c], t->points, c->imm); break;
      case CPU_CODE_LOAD: {
        const cpu_access *a = &k->access[c->access];
        char *memory = (char *)cpu_at(&a->at, workspace) + cpu_access_offset(a, t, k->rank);
        if (k->reg_at[c->reg] < 0) p[c->reg] = memory;
        else if (a->dtype != GANTRY_BF16) cpu_access_load(a, t, k->rank, memory, p[c->reg]);
        else {
          cpu_access_load(a, t, k->rank, memory, scratch + k->staging);
          self->loops->load_bf16(p[c->reg], scratch + k->staging, NULL, NULL, t->points, 0);
        }
        break;
      }
      case CPU_CODE_INDEX: index_fill(c, t, k->rank, p[c->reg]); break;
      case CPU_CODE_IMM: imm_fill(c, t->points, p[c->reg]); break;
    }
    if (c->bf16) self->loops->round_bf16(p[c->reg], p[c->reg], NULL, NULL, t->points, 0);
  }
}

static void section_run(const cpu *self, const cpu_kernel *k, const cpu_section *s, const cpu_tile *t, char **p, char *scratch, char *workspace) {
  for (uint32_t i = 0; i < s->n_outs; i++)
    if (s->outs[i].into) {
      const cpu_access *a = &k->access[s->outs[i].access];
      p[s->outs[i].reg] = (char *)cpu_at(&a->at, workspace) + cpu_access_offset(a, t, k->rank);
    }
  code_run(self, k, s->each, s->n_each, t, p, scratch, workspace);
  for (uint32_t i = 0; i < s->n_outs; i++) {
    const cpu_out *o = &s->outs[i];
    const cpu_access *a = &k->access[o->access];
    if (o->into) continue;
    char *memory = (char *)cpu_at(&a->at, workspace) + cpu_access_offset(a, t, k->rank), *from = p[o->reg];
    if (a->dtype == GANTRY_BF16) {
      self->loops->store_bf16(scratch + k->staging, from, NULL, NULL, t->points, 0);
      from = scratch + k->staging;
    }
    if (a->direct) memmove(memory, from, (size_t)(t->points * a->size));
    else cpu_access_store(a, t, k->rank, memory, from);
  }
}

/* Moves to the next tile over axes [from, to); the extents come from k->ext and are cut at the end. 0 after the last. */
static int tile_next(const cpu_kernel *k, cpu_tile *t, uint32_t from, uint32_t to) {
  for (uint32_t a = to; a > from; a--) {
    t->start[a - 1] += k->ext[a - 1];
    if (t->start[a - 1] < k->dims[a - 1]) return 1;
    t->start[a - 1] = 0;
  }
  return 0;
}
static void tile_cut(const cpu_kernel *k, cpu_tile *t) {
  t->points = 1;
  for (uint32_t a = 0; a < k->rank; a++) {
    int64_t left = k->dims[a] - t->start[a];
    t->ext[a] = left < k->ext[a] ? left : k->ext[a];
    t->points *= t->ext[a];
  }
}
static void tile_kept(const cpu_kernel *k, const cpu_tile *t, cpu_tile *kept) {
  *kept = *t;
  for (uint32_t a = k->n_a; a < k->n_a + k->n_r; a++) {
    kept->start[a] = 0;
    kept->points /= kept->ext[a];
    kept->ext[a] = 1;
  }
}

/* The next tile of kept points: axes B, then A. */
static int kept_next(const cpu_kernel *k, cpu_tile *t) {
  if (k->has_b && tile_next(k, t, k->rank - 1, k->rank)) return 1;
  return tile_next(k, t, 0, k->n_a);
}

void cpu_kernel_run(const cpu *self, const cpu_kernel *k, char *workspace) {
  char *scratch = self->scratch, **p = (char **)(void *)(scratch + k->pointers);
  cpu_tile t = {.points = 1}, kept;
  for (uint32_t r = 0; r < k->n_regs; r++) p[r] = k->reg_at[r] < 0 ? NULL : scratch + k->reg_at[r];
  tile_cut(k, &t);
  code_run(self, k, k->body.once, k->body.n_once, &t, p, scratch, workspace);
  tile_kept(k, &t, &kept);
  code_run(self, k, k->after.once, k->after.n_once, &kept, p, scratch, workspace);
  do {
    int64_t j = 0;
    tile_cut(k, &t);
    tile_kept(k, &t, &kept);
    for (uint32_t i = 0; i < k->n_reduces; i++) cpu_reduce_start(k, &k->reduces[i], scratch, kept.points);
    do {
      tile_cut(k, &t);
      section_run(self, k, &k->body, &t, p, scratch, workspace);
      for (uint32_t i = 0; i < k->n_reduces; i++) cpu_reduce_add(k, &k->reduces[i], scratch, p[k->reduces[i].reg], &t, j);
      j += t.points / kept.points;
    } while (tile_next(k, &t, k->n_a, k->n_a + k->n_r));
    for (uint32_t i = 0; i < k->n_reduces; i++) cpu_reduce_finish(k, &k->reduces[i], scratch, kept.points);
    section_run(self, k, &k->after, &kept, p, scratch, workspace);
  } while (kept_next(k, &t));
}
