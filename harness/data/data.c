/* data.c - opening, reading, fingerprinting and uploading a data set. See data.h. */
#include "data/data.h"

#include <gantry/ops.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"

/* A data set plugin is called with a builder-like context: parameters and fail, no graph. */
struct data_ctx {
  abi_world *world;
  abi_builder *builder;
};

typedef struct lot { uint64_t drawn; int64_t index; } lot;
static int by_lot(const void *a, const void *b) {
  const lot *x = a, *y = b;
  return x->drawn != y->drawn ? (x->drawn > y->drawn) - (x->drawn < y->drawn) : (x->index > y->index) - (x->index < y->index);
}

/* One byte a sample of the set, 1 = kept: the `keep` of them whose lots are the lowest. */
static uint8_t *draw_subset(int64_t count, int64_t keep, uint64_t seed) {
  lot *lots = mem_alloc(sizeof *lots * (size_t)count);
  uint8_t *kept = mem_alloc((size_t)count);
  for (int64_t k = 0; k < count; k++) lots[k] = (lot){hash_mix(hash_mix(seed, 0x6461746153756273u), (uint64_t)k), k};
  qsort(lots, (size_t)count, sizeof *lots, by_lot);
  for (int64_t k = 0; k < keep; k++) kept[lots[k].index] = 1;
  free(lots);
  return kept;
}

static gantry_status read_block(data_set *d, int64_t first, int64_t n, void *bytes, int32_t *labels) {
  abi_frame f = abi_enter(d->ctx->builder, d->el, NULL, NULL);
  abi_doing(d->ctx->builder, "read");
  gantry_status st = d->iface->read(&d->ctx->builder->cx, d->self, first, n, bytes, labels);
  return abi_leave(d->ctx->builder, f, st, "read");
}

/* The whole set passes through a block of it; what is kept goes to its place. */
static gantry_status read_subset(data_set *d, uint64_t seed, err *e) {
  enum { BLOCK = 256 };
  uint8_t *kept = draw_subset(d->info.count, d->count, seed);
  char *block = mem_alloc((size_t)(BLOCK * d->sample_bytes));
  int32_t labels[BLOCK];
  int64_t at = 0;
  gantry_status st = GANTRY_OK;
  for (int64_t first = 0; first < d->info.count && !st; first += BLOCK) {
    int64_t n = d->info.count - first < BLOCK ? d->info.count - first : BLOCK;
    if (read_block(d, first, n, block, d->own_labels ? labels : NULL)) st = abi_builder_status(d->ctx->builder, e);
    for (int64_t k = 0; k < n && !st; k++) {
      if (!kept[first + k]) continue;
      memcpy((char *)d->memory.p + at * d->sample_bytes, block + k * d->sample_bytes, (size_t)d->sample_bytes);
      if (d->own_labels) d->own_labels[at] = labels[k];
      at++;
    }
  }
  free(kept);
  free(block);
  return st;
}

/* 1: the plugin holds the samples as they are wanted; nothing is copied. */
static int borrow_whole(data_set *d, err *e) {
  abi_builder *b = d->ctx->builder;
  if (!GANTRY_HAS(d->iface, whole) || !d->iface->whole) return 0;
  const void *samples = NULL;
  const int32_t *labels = NULL;
  abi_frame f = abi_enter(b, d->el, NULL, NULL);
  abi_doing(b, "whole");
  gantry_status st = d->iface->whole(&b->cx, d->self, &samples, &labels);
  if (abi_leave(b, f, st == GANTRY_E_UNSUPPORTED ? GANTRY_OK : st, "whole")) return abi_builder_status(b, e), 0;
  if (st) return 0;
  if (!samples || (uintptr_t)samples % 64 || (d->info.classes && !labels)) {
    err_set(e, GANTRY_E_INVALID, "%s: whole() gave samples that are absent or not 64-byte aligned, or no labels", d->el->plugin->name);
    return 0;
  }
  d->bytes = samples;
  d->labels = d->info.classes ? labels : NULL;
  d->ahead = d->sample_bytes * d->count > (256 << 20);
  return 1;
}

static gantry_status read_all(data_set *d, int64_t limit_seed, err *e) {
  enum { BLOCK = 4096 };
  int subset = limit_seed >= 0 && d->count < d->info.count;
  if (!subset && (borrow_whole(d, e) || e->code)) return e->code;
  TRY(data_memory_make(d->sample_bytes * d->count, d->where, &d->memory, e));
  d->bytes = d->memory.p;
  d->ahead = d->memory.in_file;
  if (d->info.classes) d->labels = d->own_labels = aligned_alloc(64, (sizeof(int32_t) * (size_t)d->count + 63) & ~(size_t)63);
  if (d->info.classes && !d->labels) return err_set(e, GANTRY_E_NOMEM, "the labels of %lld samples do not fit into memory: set data.limit", (long long)d->count);
  if (subset) return read_subset(d, (uint64_t)limit_seed, e);
  for (int64_t first = 0; first < d->count; first += BLOCK) {
    int64_t n = d->count - first < BLOCK ? d->count - first : BLOCK;
    if (read_block(d, first, n, (char *)d->memory.p + first * d->sample_bytes, d->own_labels ? d->own_labels + first : NULL)) return abi_builder_status(d->ctx->builder, e);
  }
  return GANTRY_OK;
}

/* A label outside 0 .. classes-1 would be read as no class at all: networks would be conditioned on nothing, silently. */
static gantry_status check_labels(const data_set *d, err *e) {
  for (int64_t k = 0; d->labels && k < d->count; k++)
    if (d->labels[k] < 0 || (uint32_t)d->labels[k] >= d->info.classes)
      return err_set(e, GANTRY_E_INVALID, "%s (%s): sample %lld of those used from \"%s\" has the label %d, but the set declares %u classes: labels count from 0 to %u", d->el->path ? d->el->path : "data", d->el->plugin->name,
                     (long long)k, d->split, d->labels[k], d->info.classes, d->info.classes - 1);
  return GANTRY_OK;
}

static gantry_status check_info(const data_set *d, err *e) {
  const gantry_dataset_info *i = &d->info;
  int64_t n = 1;
  if ((i->dtype != GANTRY_U8 && i->dtype != GANTRY_F32) || (i->rank != 1 && i->rank != 3) || i->count < 1)
    return err_set(e, GANTRY_E_INVALID, "the data set describes itself wrongly: samples are u8 or f32, of rank 1 or 3, at least one of them");
  for (uint32_t k = 0; k < i->rank; k++) {
    if (i->dims[k] < 1 || i->dims[k] > (1 << 24)) return err_set(e, GANTRY_E_INVALID, "the data set's samples have an impossible size");
    n *= i->dims[k];
  }
  return n > (1 << 28) ? err_set(e, GANTRY_E_INVALID, "the data set's samples have an impossible size") : GANTRY_OK;
}

gantry_status data_open(const abi_element *el, const data_options *o, data_set **out, err *e) {
  data_set *d = mem_alloc(sizeof *d);
  d->ctx = mem_alloc(sizeof *d->ctx);
  d->ctx->world = abi_world_new();
  d->ctx->builder = abi_builder_new(d->ctx->world, "data");
  d->el = el;
  d->split = arena_str(d->ctx->world->mem, o->split);
  d->iface = el->plugin->iface;
  d->lo = (float)o->range[0];
  d->hi = (float)o->range[1];
  d->where = o->where;
  d->info.struct_size = sizeof d->info;
  abi_builder *b = d->ctx->builder;
  abi_frame f = abi_enter(b, el, NULL, NULL);
  abi_doing(b, "open");
  if (abi_leave(b, f, d->iface->open(&b->cx, o->split, &d->info, &d->self), o->split)) {
    abi_builder_status(b, e);
    goto failed;
  }
  if (check_info(d, e)) goto failed;
  d->count = o->limit > 0 && o->limit < d->info.count ? o->limit : d->info.count;
  d->sample_bytes = ir_dtype_size(d->info.dtype);
  for (uint32_t k = 0; k < d->info.rank; k++) d->sample_bytes *= d->info.dims[k];
  if (o->shape_only) {
    if (d->info.classes) d->labels = d->own_labels = mem_alloc(sizeof(int32_t)); /* that there are some is all that graphs ask */
    *out = d;
    return GANTRY_OK;
  }
  if (read_all(d, o->limit_seed, e) || check_labels(d, e)) goto failed;
  sha *h = sha_new();
  int64_t shape[8] = {d->info.dtype, d->info.rank, d->count, d->info.dims[0], d->info.dims[1], d->info.dims[2], d->info.classes, 0};
  sha_put(h, shape, sizeof shape);
  sha_put(h, d->bytes, (size_t)(d->sample_bytes * d->count));
  if (d->labels) sha_put(h, d->labels, sizeof(int32_t) * (size_t)d->count);
  sha_end(h, d->sha256);
  *out = d;
  return GANTRY_OK;
failed:
  data_close(d);
  return e->code;
}

void data_close(data_set *d) {
  if (!d) return;
  if (d->self && d->iface->close) d->iface->close(d->self);
  abi_builder_free(d->ctx->builder);
  abi_world_free(d->ctx->world);
  free(d->ctx);
  data_memory_free(&d->memory);
  free(d->own_labels);
  free(d);
}

/* A u8 set's arrays speak of samples as read() gives them, 0..255. "modes" lie among the samples and move with them; "sigma" is a distance between samples and shrinks with them. Others are left alone. */
static const float *in_range(const data_set *d, const gantry_array *a, arena *mem) {
  float scale = (d->hi - d->lo) / 255.0f, shift = !strcmp(a->name, "modes") ? d->lo : 0;
  if (d->info.dtype != GANTRY_U8 || (strcmp(a->name, "modes") && strcmp(a->name, "sigma"))) return a->values;
  size_t n = 1;
  for (uint32_t k = 0; k < a->rank && k < 4; k++) n *= (size_t)a->dims[k];
  float *v = ARENA_ARRAY(mem, float, n);
  for (size_t k = 0; k < n; k++) v[k] = a->values[k] * scale + shift;
  return v;
}

gantry_status data_arrays(data_set *d, abi_world *w, err *e) {
  abi_builder *b = d->ctx->builder;
  for (uint32_t k = 0; d->iface->array && k < 1000; k++) {
    gantry_array a = {.struct_size = sizeof a};
    abi_frame f = abi_enter(b, d->el, NULL, NULL);
    abi_doing(b, "array");
    gantry_status st = d->iface->array(&b->cx, d->self, k, &a);
    if (abi_leave(b, f, st == GANTRY_E_UNSUPPORTED ? GANTRY_OK : st, "array")) return abi_builder_status(b, e);
    if (st) return GANTRY_OK;
    abi_input in = {.name = arena_fmt(w->mem, "data/%s", a.name), .dtype = GANTRY_F32, .rank = a.rank, .values = in_range(d, &a, w->mem)};
    for (uint32_t j = 0; j < a.rank && j < 4; j++) in.dims[j] = a.dims[j];
    abi_world_input(w, &in);
  }
  return GANTRY_OK;
}

static uint32_t sample_dims(const data_set *d, int64_t n, int64_t dims[GANTRY_MAX_RANK]) {
  dims[0] = n;
  for (uint32_t k = 0; k < d->info.rank; k++) dims[k + 1] = d->info.dims[k];
  return d->info.rank + 1;
}

int64_t data_memory_bytes(const data_set *d) { return (d->memory.p && !d->memory.in_file ? d->memory.bytes : 0) + (d->own_labels ? 4 * d->count : 0); }

gantry_status data_upload(data_set *d, exec_session *s, const char *name, err *e) {
  char full[256];
  int64_t dims[GANTRY_MAX_RANK];
  snprintf(full, sizeof full, "data/%s/samples", name);
  uint32_t rank = sample_dims(d, d->count, dims);
  TRY(exec_tensor_adopt(s, full, d->info.dtype, rank, dims, d->bytes, e));
  if (!exec_tensor_get(s, full)->adopted && d->memory.p) {
    TRY(exec_sync(s, e));
    data_memory_free(&d->memory);
    d->bytes = NULL;
    d->ahead = 0;
  }
  if (!d->labels) return GANTRY_OK;
  snprintf(full, sizeof full, "data/%s/labels", name);
  if ((uintptr_t)d->labels % 64 == 0) return exec_tensor_adopt(s, full, GANTRY_I32, 1, &d->count, d->labels, e);
  TRY(exec_tensor_make(s, full, GANTRY_I32, 1, &d->count, e)); /* a plugin's own, which need not be aligned */
  return exec_write(s, full, d->labels, d->count * 4, e);
}

ir_id data_labels(abi_builder *b, const data_set *d, const char *name, ir_id indices) {
  if (!d->labels) {
    err_set(&b->err, GANTRY_E_CONFIG, "the data set (%s) has no labels", d->el->plugin->name);
    return 0;
  }
  ir_id all = ir_leaf(b->g, GANTRY_OP_INPUT, arena_fmt(b->mem, "data/%s/labels", name), GANTRY_I32, 1, &d->count);
  return gan_gather(&b->cx, abi_t(all), abi_t(indices), 0, 0).id;
}

ir_id data_gather(abi_builder *b, const data_set *d, const char *name, ir_id indices) {
  int64_t dims[GANTRY_MAX_RANK];
  uint32_t rank = sample_dims(d, d->count, dims);
  gantry_ctx *cx = &b->cx;
  ir_id all = ir_leaf(b->g, GANTRY_OP_INPUT, arena_fmt(b->mem, "data/%s/samples", name), d->info.dtype, rank, dims);
  gantry_t x = gan_f32(cx, gan_gather(cx, abi_t(all), abi_t(indices), 0, 0));
  if (d->info.dtype != GANTRY_U8) return x.id;
  return gan_add_k(cx, gan_mul_k(cx, x, (d->hi - d->lo) / 255.0), d->lo).id;
}
