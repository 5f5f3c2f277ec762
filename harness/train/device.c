/* device.c - from "auto", "cuda" or "cuda:1" and the run's settings to an open session. See train.h.
 *
 * auto takes the backend that scores highest on this machine; one that cannot run here scores 0. */
#include <limits.h>
#include <stdlib.h>

#include "train/train.h"

static abi_plugin *best(const train_run *r, err *e) {
  abi_plugin *found = NULL;
  int32_t most = 0;
  for (uint32_t k = 0; k < abi_count(r->registry); k++) {
    abi_plugin *p = abi_at(r->registry, k);
    err ignored = {0}; /* one that does not load is doctor's business */
    gantry_probe probe;
    if (p->refused || p->desc->kind != GANTRY_KIND_BACKEND || abi_open(p, &ignored) || exec_probe(p->live->iface, p->live->name, &probe, &ignored) || probe.score <= most) continue;
    most = probe.score;
    found = p;
  }
  if (!found) err_set(e, GANTRY_E_DEVICE, "no backend can run on this machine: `gantry doctor` tells why");
  return found;
}

static gantry_status named(train_run *r, uint32_t *index, err *e) {
  const char *colon = strchr(r->device, ':');
  char *end = NULL;
  long k = colon ? strtol(colon + 1, &end, 10) : 0;
  if (colon && (end == colon + 1 || *end || k < 0 || k > 1023 || colon == r->device)) return err_set(e, GANTRY_E_CONFIG, "--device %s: a backend and a number, as in cuda:1", r->device);
  *index = (uint32_t)k;
  r->backend = abi_need(r->registry, GANTRY_KIND_BACKEND, colon ? arena_strn(r->mem, r->device, (size_t)(colon - r->device)) : r->device, e);
  return r->backend ? GANTRY_OK : e->code;
}

uint32_t train_precision(const cfg_run *cfg) {
  static const char *const names[] = {[GANTRY_PRECISION_F32] = "f32", [GANTRY_PRECISION_TF32] = "tf32", [GANTRY_PRECISION_BF16] = "bf16"};
  uint32_t k = 0;
  while (strcmp(names[k], cfg->precision)) k++; /* the experiment's reader takes no others */
  return k;
}

static gantry_status choose(train_run *r, uint32_t *index, err *e) {
  if (strcmp(r->device, "auto")) TRY(named(r, index, e));
  else if (!(r->backend = best(r, e))) return e->code;
  return abi_open(r->backend, e);
}

const char *train_device_open(abi_registry *reg, const char *device, arena *a, err *e) {
  train_run r = {.registry = reg, .mem = a, .device = device};
  gantry_open o = {.threads = 1};
  if (choose(&r, &o.device, e)) return NULL;
  const char *name = r.backend->live->name;
  exec_session *s = exec_open_as(r.backend->live->iface, name, o, e);
  exec_close(s);
  return s ? arena_str(a, name) : NULL;
}

gantry_status train_session(train_run *r, err *e) {
  gantry_open o = {.threads = (uint32_t)r->cfg->threads, .folder = r->folder, .precision = train_precision(r->cfg)};
  gantry_probe probe;
  TRY(choose(r, &o.device, e));
  if (o.precision) {
    TRY(exec_probe(r->backend->live->iface, r->backend->live->name, &probe, e));
    if (!(probe.precisions >> o.precision & 1)) return err_set(e, GANTRY_E_UNSUPPORTED, "train.precision \"%s\": backend %s does not compute in it; leave it out, or say \"f32\"", r->cfg->precision, r->backend->live->name);
  }
  r->session = exec_open_as(r->backend->live->iface, r->backend->live->name, o, e);
  return r->session ? GANTRY_OK : e->code;
}
