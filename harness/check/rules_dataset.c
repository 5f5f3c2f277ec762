/* rules_dataset.c - tests of data sets: they read files and allocate, so what counts is that they are pure, honest about themselves, and bear being
 * refused files and memory. */
#include <gantry/dataset.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "abi/elf.h"
#include "base/hash.h"
#include "check/memory_fault.h"
#include "check/stage.h"

typedef struct opened { stage *st; gantry_dataset_info info; void *self; const gantry_dataset *iface; int64_t bytes; } opened;

static gantry_status data_open(subject *s, const char *split, opened *d, err *e) {
  *d = (opened){.iface = s->live->iface, .info = {.struct_size = sizeof d->info}};
  d->st = stage_bare(s);
  abi_builder *b = d->st->b;
  abi_frame f = abi_enter(b, &d->st->el, NULL, NULL);
  abi_doing(b, "open");
  if (abi_leave(b, f, d->iface->open(&b->cx, split, &d->info, &d->self), split)) return abi_builder_status(b, e); /* data_close() closes what there is */
  d->bytes = ir_dtype_size(d->info.dtype);
  for (uint32_t k = 0; k < d->info.rank && k < 4; k++) d->bytes *= d->info.dims[k];
  return GANTRY_OK;
}
static void data_close(opened *d) {
  if (d->self) d->iface->close(d->self);
  stage_close(d->st);
}
static gantry_status data_read(opened *d, int64_t first, int64_t n, void *dst, int32_t *labels, err *e) {
  abi_builder *b = d->st->b;
  abi_frame f = abi_enter(b, &d->st->el, NULL, NULL);
  d->st->s->now = d->st;
  if (ABI_CALL(b, f, "read", d->iface->read(&b->cx, d->self, first, n, dst, labels))) return abi_builder_status(b, e);
  return GANTRY_OK;
}

/* The first split that opens; SKIP where its parameters are missing. */
static uint32_t any_split(subject *s, opened *d, const char **split) {
  static const char *const splits[] = {"train", "test", "all", "valid"};
  const char *key;
  err first = {0};
  if (check_needs_value(s->live, s->values, &key)) return check_say(s, CHECK_SKIP, "its parameter \"%s\" has no default: give one with --set %s=...", key, key);
  for (int k = 0; k < 4; k++) {
    err e = {0};
    check_doing(s, "opening the split \"%s\"", splits[k]);
    *split = splits[k];
    if (!data_open(s, splits[k], d, &e)) return CHECK_PASS;
    data_close(d);
    if (!first.code) first = e;
  }
  return strstr(first.msg, "gave no reason") ? check_say(s, CHECK_FAIL, "opens no split, and gives no reason") : check_say(s, CHECK_SKIP, "there is nothing to open here: %s (give its parameters with --set)", first.msg);
}

uint32_t check_dataset_info(subject *s) {
  opened d, again;
  const char *split;
  err e = {0};
  uint32_t verdict = any_split(s, &d, &split);
  if (verdict) return verdict;
  const gantry_dataset_info *i = &d.info;
  if (i->dtype != GANTRY_U8 && i->dtype != GANTRY_F32) verdict = check_say(s, CHECK_FAIL, "samples are u8 or f32, not type %u", i->dtype);
  else if (i->rank != 1 && i->rank != 3) verdict = check_say(s, CHECK_FAIL, "samples have rank 1 (vectors) or 3 (images), not %u", i->rank);
  else if (i->count < 1) verdict = check_say(s, CHECK_FAIL, "says that it has %lld samples", (long long)i->count);
  for (uint32_t k = 0; !verdict && k < i->rank; k++)
    if (i->dims[k] < 1) verdict = check_say(s, CHECK_FAIL, "dimension %u of a sample is %lld", k, (long long)i->dims[k]);
  if (!verdict && data_open(s, split, &again, &e)) verdict = check_say(s, CHECK_FAIL, "opens once but not a second time: %s", e.msg), data_close(&again);
  else if (!verdict) {
    const gantry_dataset_info *j = &again.info;
    if (j->count != i->count || j->rank != i->rank || j->dtype != i->dtype || j->classes != i->classes || memcmp(j->dims, i->dims, sizeof(int64_t) * i->rank)) verdict = check_say(s, CHECK_FAIL, "describes itself differently the second time");
    data_close(&again);
  }
  if (!verdict) check_say(s, CHECK_PASS, "%lld samples, %u classes", (long long)i->count, i->classes);
  data_close(&d);
  return verdict;
}

enum { LOOK = 64 }; /* samples looked at, at both ends */

/* whole() against read(): the same samples and labels, at the place that was promised. */
static uint32_t compare_whole(subject *s, opened *d, int64_t base, int64_t n, const unsigned char *block, const int32_t *labels) {
  const void *all = NULL;
  const int32_t *all_labels = NULL;
  err e = {0};
  if (!GANTRY_HAS(d->iface, whole) || !d->iface->whole) return CHECK_PASS;
  check_doing(s, "whole()");
  abi_builder *b = d->st->b;
  abi_frame f = abi_enter(b, &d->st->el, NULL, NULL);
  gantry_status st = d->iface->whole(&b->cx, d->self, &all, &all_labels);
  if (abi_leave(b, f, st == GANTRY_E_UNSUPPORTED ? GANTRY_OK : st, "whole")) return abi_builder_status(b, &e), check_say(s, CHECK_FAIL, "%s", e.msg);
  if (st) return CHECK_PASS;
  if (!all || (uintptr_t)all % 64) return check_say(s, CHECK_FAIL, "whole() gives samples at %p: they must be there and 64-byte aligned", all);
  if (d->info.classes && !all_labels) return check_say(s, CHECK_FAIL, "whole() gives no labels, though the set has %u classes", d->info.classes);
  if (memcmp((const char *)all + base * d->bytes, block, (size_t)(n * d->bytes))) return check_say(s, CHECK_FAIL, "whole() and read() give other samples");
  if (d->info.classes && memcmp(all_labels + base, labels, sizeof *labels * (size_t)n)) return check_say(s, CHECK_FAIL, "whole() and read() give other labels");
  return CHECK_PASS;
}

uint32_t check_dataset_pure(subject *s) {
  opened d, other;
  const char *split;
  err e = {0};
  uint32_t verdict = any_split(s, &d, &split);
  if (verdict) return verdict;
  int64_t n = d.info.count < LOOK ? d.info.count : LOOK, base = d.info.count - n;
  unsigned char *block = mem_alloc((size_t)(n * d.bytes)), *one = mem_alloc((size_t)d.bytes);
  int32_t *labels = mem_alloc(sizeof *labels * (size_t)n), label = 0;
  int has_labels = d.info.classes > 0;
  for (int end = 0; end < 2 && !verdict; end++, base = 0) {
    check_doing(s, "reading samples %lld to %lld", (long long)base, (long long)(base + n - 1));
    if (data_read(&d, base, n, block, has_labels ? labels : NULL, &e)) verdict = check_say(s, CHECK_FAIL, "%s", e.msg);
    for (int64_t k = n - 1; k >= 0 && !verdict; k--) { /* backwards, one by one, with labels or without */
      label = -7;
      if (data_read(&d, base + k, 1, one, has_labels && k % 2 ? &label : NULL, &e)) verdict = check_say(s, CHECK_FAIL, "%s", e.msg);
      else if (memcmp(one, block + k * d.bytes, (size_t)d.bytes)) verdict = check_say(s, CHECK_FAIL, "sample %lld is another one when it is read alone: read() must depend on first and n only", (long long)(base + k));
      else if (has_labels && k % 2 && label != labels[k]) verdict = check_say(s, CHECK_FAIL, "the label of sample %lld is %d alone and %d in a block", (long long)(base + k), label, labels[k]);
    }
  }
  if (!verdict) verdict = compare_whole(s, &d, 0, n, block, labels);
  if (!verdict && data_open(s, split, &other, &e)) verdict = check_say(s, CHECK_FAIL, "%s", e.msg), data_close(&other);
  else if (!verdict) { /* the same samples in another opening, while the first is open */
    if (data_read(&other, 0, 1, one, NULL, &e)) verdict = check_say(s, CHECK_FAIL, "%s", e.msg);
    else if (memcmp(one, block, (size_t)d.bytes)) verdict = check_say(s, CHECK_FAIL, "sample 0 is another one when the set is opened again");
    data_close(&other);
  }
  free(labels);
  free(one);
  free(block);
  data_close(&d);
  return verdict;
}

static uint32_t look_at_arrays(subject *s, opened *d) {
  for (uint32_t k = 0; d->iface->array && k < 1000; k++) {
    gantry_array a = {.struct_size = sizeof a};
    abi_builder *b = d->st->b;
    abi_frame f = abi_enter(b, &d->st->el, NULL, NULL);
    gantry_status st = d->iface->array(&b->cx, d->self, k, &a);
    err e = {0};
    if (abi_leave(b, f, st == GANTRY_E_UNSUPPORTED ? GANTRY_OK : st, "array")) return abi_builder_status(b, &e), check_say(s, CHECK_FAIL, "%s", e.msg);
    if (st) return CHECK_PASS;
    int listed = 0;
    for (const char *const *p = s->live->provides; p && *p && a.name; p++) listed |= !strncmp(*p, "data.", 5) && !strcmp(*p + 5, a.name);
    if (a.name && !strncmp(a.name, "data.", 5)) return check_say(s, CHECK_FAIL, "gives the array \"%s\": call it \"%s\", the host puts \"data.\" in front", a.name, a.name + 5);
    if (!listed) return check_say(s, CHECK_FAIL, "gives the array \"%s\" that its `provides` does not list as \"data.%s\"", a.name ? a.name : "", a.name ? a.name : "");
    if (!a.values || a.rank > 4) return check_say(s, CHECK_FAIL, "the array \"%s\" has no values or more than 4 dimensions", a.name);
    int64_t sample = 1, n = 1;
    for (uint32_t j = 0; j < d->info.rank && j < 4; j++) sample *= d->info.dims[j];
    for (uint32_t j = 0; j < a.rank; j++) n *= a.dims[j];
    if (!strcmp(a.name, "modes") && (a.rank != 2 || a.dims[1] != sample))
      return check_say(s, CHECK_FAIL, "the array \"modes\" has %u axes, the second of %lld: it is [m,%lld], a sample's numbers in each row", a.rank, a.rank > 1 ? (long long)a.dims[1] : 0LL, (long long)sample);
    for (int64_t j = 0; j < n; j++)
      if (!isfinite((double)a.values[j])) return check_say(s, CHECK_FAIL, "the array \"%s\" holds %g", a.name, (double)a.values[j]);
  }
  return CHECK_PASS;
}

uint32_t check_dataset_values(subject *s) {
  opened d;
  const char *split;
  err e = {0};
  uint32_t verdict = any_split(s, &d, &split);
  if (verdict) return verdict;
  int64_t n = d.info.count < LOOK ? d.info.count : LOOK;
  unsigned char *block = mem_alloc((size_t)(n * d.bytes));
  int32_t *labels = mem_alloc(sizeof *labels * (size_t)n);
  for (int64_t k = 0; k < n; k++) labels[k] = -7;
  if (data_read(&d, 0, n, block, d.info.classes ? labels : NULL, &e)) verdict = check_say(s, CHECK_FAIL, "%s", e.msg);
  for (int64_t k = 0; k < n && !verdict && d.info.classes; k++)
    if (labels[k] < 0 || labels[k] >= (int32_t)d.info.classes) verdict = check_say(s, CHECK_FAIL, "the label of sample %lld is %d, outside its %u classes", (long long)k, labels[k], d.info.classes);
  for (int64_t k = 0; k < n * d.bytes / 4 && !verdict && d.info.dtype == GANTRY_F32; k++) {
    float v;
    memcpy(&v, block + 4 * k, 4);
    if (!isfinite((double)v)) verdict = check_say(s, CHECK_FAIL, "sample %lld has the value %g", (long long)(k * 4 / d.bytes), (double)v);
  }
  if (!verdict) verdict = look_at_arrays(s, &d);
  free(labels);
  free(block);
  data_close(&d);
  return verdict;
}

/* What a set is: description, first and last samples with their labels, arrays. 0 if it cannot be opened so. */
static uint64_t looks(subject *s, const abi_value *v, const char *split) {
  opened d;
  err e = {0};
  abi_value *was = s->values;
  uint64_t h = 0;
  s->values = check_values_copy(s, v);
  if (!data_open(s, split, &d, &e)) {
    const int64_t facts[7] = {d.info.dtype, d.info.count, d.info.rank, d.info.classes, d.info.dims[0], d.info.dims[1], d.info.dims[2]};
    int64_t n = d.info.count < LOOK ? d.info.count : LOOK;
    unsigned char *block = mem_alloc((size_t)(n * d.bytes));
    int32_t *labels = mem_alloc(sizeof *labels * (size_t)n);
    h = hash_bytes(facts, sizeof facts, 1);
    for (int end = 0; end < 2 && h; end++) {
      if (data_read(&d, end ? d.info.count - n : 0, n, block, d.info.classes ? labels : NULL, &e)) h = 0;
      else h = hash_bytes(labels, d.info.classes ? sizeof *labels * (size_t)n : 0, hash_bytes(block, (size_t)(n * d.bytes), h));
    }
    for (uint32_t k = 0; h && d.iface->array && k < 1000; k++) {
      gantry_array a = {.struct_size = sizeof a};
      if (d.iface->array(&d.st->b->cx, d.self, k, &a) || !a.values || a.rank > 4) break;
      size_t count = 1;
      for (uint32_t j = 0; j < a.rank; j++) count *= (size_t)a.dims[j];
      h = hash_bytes(a.values, sizeof *a.values * count, h);
    }
    free(labels);
    free(block);
  }
  data_close(&d);
  s->values = was;
  return h;
}

/* A parameter of which no value that opens changes anything seen. Sizes are tried small: a bound may be a set of a billion samples. */
uint32_t check_dataset_params(subject *s) {
  opened d;
  const char *split;
  uint32_t verdict = any_split(s, &d, &split);
  buf idle = {0};
  const char *moving = NULL;
  if (verdict) return verdict;
  data_close(&d);
  uint64_t now = looks(s, s->values, split);
  for (uint32_t k = 0; k < s->live->param_count; k++) {
    const gantry_param *p = abi_param_at(s->live, k);
    if (p->type == GANTRY_P_FLOAT && !(p->flags & GANTRY_PF_STRUCTURAL) && !moving) moving = p->key;
    abi_value *v = check_values_copy(s, s->values), other;
    int found = p->type == GANTRY_P_STRING || p->type == GANTRY_P_PATH || p->type == GANTRY_P_INTS || p->type == GANTRY_P_FLOATS, tried = 0;
    for (uint32_t j = 0; !found && check_value_other(p, &s->values[k], j, &other); j++) {
      v[k] = other;
      if (p->type == GANTRY_P_INT && fabs(other.f) > 1e5) v[k].f = copysign(fmin(1e5, s->values[k].f + 3), other.f);
      if (v[k].f == s->values[k].f || (p->type != GANTRY_P_ENUM && p->type != GANTRY_P_BOOL && abi_param_check(p, v[k].f, &(err){0}))) continue;
      check_doing(s, "opening with %s = %s%.9g", p->key, p->type == GANTRY_P_ENUM ? v[k].s : "", p->type == GANTRY_P_ENUM ? 0 : v[k].f);
      uint64_t h = looks(s, v, split);
      tried += h != 0;
      found = h != 0 && h != now;
    }
    if (!found && tried) buf_printf(&idle, "%s%s", idle.n ? ", " : "", p->key);
  }
  if (idle.n) verdict = check_say(s, CHECK_WARN, "no value of these was seen to change anything: %s", idle.p);
  else if (moving) verdict = check_say(s, CHECK_WARN, "\"%s\" is declared without GANTRY_PF_STRUCTURAL, which says that schedules may move it: a data set is read once", moving);
  buf_free(&idle);
  return verdict;
}

uint32_t check_dataset_refuses(subject *s) {
  opened d, wrong;
  const char *split;
  err e = {0};
  uint32_t verdict = any_split(s, &d, &split);
  if (verdict) return verdict;
  check_doing(s, "opening a split that is not there");
  if (data_open(s, "no such split", &wrong, &e) && strstr(e.msg, "gave no reason")) verdict = check_say(s, CHECK_FAIL, "refuses an unknown split without a reason");
  else if (!e.code && wrong.info.count < 1) verdict = check_say(s, CHECK_FAIL, "opens an unknown split as an empty one");
  data_close(&wrong);
  data_close(&d);
  return verdict;
}

uint32_t check_dataset_memory(subject *s) {
  opened d;
  const char *split;
  uint32_t verdict = any_split(s, &d, &split), k = 1, most = s->quick ? 12 : 300;
  if (verdict) return verdict;
  data_close(&d);
  if (!memory_fault_install(s->live)) return check_say(s, CHECK_SKIP, "it imports no allocator that could be made to fail");
  for (; k <= most && !verdict; k++) {
    err e = {0};
    check_doing(s, "opening and reading, when allocation %u fails", k);
    memory_fault_arm(k);
    if (!data_open(s, split, &d, &e)) {
      unsigned char *one = mem_alloc((size_t)d.bytes);
      int32_t label;
      data_read(&d, 0, 1, one, d.info.classes ? &label : NULL, &e);
      free(one);
    }
    int failed = memory_fault_disarm();
    if (strstr(e.msg, "gave no reason")) verdict = check_say(s, CHECK_FAIL, "gives no reason when allocation %u fails", k);
    data_close(&d);
    if (!failed) break;
  }
  return verdict ? verdict : check_say(s, CHECK_PASS, "%u places", k - 1);
}
