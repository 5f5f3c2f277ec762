/* validate_interface.c - the table of a plugin's kind, read from the file: large enough, required slots set, lists and names where they claim to
 * be. So a plugin whose build() was forgotten is refused by name when it is found, not when a run calls nowhere. */
#include <gantry/arch.h>
#include <gantry/backend.h>
#include <gantry/dataset.h>
#include <gantry/loss.h>
#include <gantry/metric.h>
#include <gantry/optim.h>
#include <gantry/regularizer.h>

#include "abi/registry.h"
#include "abi/since.h"
#include "abi/validate.h"

typedef struct slot { const char *name; size_t offset; } slot;
#define SLOT(type, name) {#name, offsetof(type, name)}
static const struct { size_t least; slot required[13]; } tables[] = {
  [GANTRY_KIND_LOSS] = {SINCE_0_1(gantry_loss, g), {SLOT(gantry_loss, d), SLOT(gantry_loss, g)}},
  [GANTRY_KIND_ARCH] = {SINCE_0_1(gantry_arch, build), {SLOT(gantry_arch, build)}},
  [GANTRY_KIND_OPTIM] = {SINCE_0_1(gantry_optim, update), {SLOT(gantry_optim, update)}},
  [GANTRY_KIND_REGULARIZER] = {SINCE_0_1(gantry_regularizer, control), {{0}}},
  [GANTRY_KIND_METRIC] = {SINCE_0_1(gantry_metric, finish), {SLOT(gantry_metric, pass), SLOT(gantry_metric, finish)}},
  [GANTRY_KIND_DATASET] = {SINCE_0_1(gantry_dataset, close), {SLOT(gantry_dataset, open), SLOT(gantry_dataset, read), SLOT(gantry_dataset, close)}},
  [GANTRY_KIND_BACKEND] = {SINCE_0_1(gantry_backend, sync), {SLOT(gantry_backend, probe), SLOT(gantry_backend, open), SLOT(gantry_backend, close), SLOT(gantry_backend, query), SLOT(gantry_backend, alloc),
     SLOT(gantry_backend, release), SLOT(gantry_backend, upload), SLOT(gantry_backend, download), SLOT(gantry_backend, compile), SLOT(gantry_backend, discard), SLOT(gantry_backend, run), SLOT(gantry_backend, sync)}},
};

/* A function's address as the file has it; 0 = not set. */
static int slot_is_set(const elf_image *im, const void *iface, size_t offset) {
  const void *p;
  memcpy(&p, (const char *)iface + offset, sizeof p);
  return elf_inside(im, p, 1);
}

/* n rows of `stride` bytes, each at least `least` large, inside the file. */
static int good_rows(const elf_image *im, const void *rows, uint32_t n, uint32_t stride, size_t least) {
  return n && n <= VALIDATE_COUNT_MAX && stride >= least && stride % 8 == 0 && (uintptr_t)rows % 8 == 0 && elf_inside(im, rows, (size_t)n * stride);
}
static const void *row(const void *rows, uint32_t k, uint32_t stride) { return (const char *)rows + (size_t)k * stride; }

static gantry_status check_arch(const elf_image *im, const gantry_arch *a, err *e) {
  if (!good_rows(im, a->nets, a->n_nets, a->net_stride, SINCE_0_1(gantry_net, taps))) return err_set(e, GANTRY_E_CONFIG, "its list of networks lies outside the file or is empty");
  for (uint32_t k = 0; k < a->n_nets; k++) {
    const gantry_net *n = row(a->nets, k, a->net_stride);
    static const char *const wanted[] = {NULL, "image", "logit", NULL};
    int has = 0;
    if (n->role < GANTRY_G || n->role > GANTRY_FEATURES) return err_set(e, GANTRY_E_CONFIG, "network %u has the unknown role %u", k, n->role);
    if (!elf_string(im, n->name, VALIDATE_TEXT_MAX) || !validate_list(im, n->inputs) || !validate_list(im, n->taps) || !n->inputs || !n->taps)
      return err_set(e, GANTRY_E_CONFIG, "network %u lacks its name, inputs or taps", k);
    for (const char *const *t = n->taps; *t; t++) has |= wanted[n->role] && !strcmp(*t, wanted[n->role]);
    if (wanted[n->role] && !has) return err_set(e, GANTRY_E_CONFIG, "network \"%s\" declares no tap \"%s\", which every %s has", n->name, wanted[n->role], n->role == GANTRY_G ? "G" : "D");
    for (const char *const *i = n->inputs; *i; i++)
      if ((strstr(*i, ":normal") || strstr(*i, ":uniform")) && !slot_is_set(im, a, offsetof(gantry_arch, input)))
        return err_set(e, GANTRY_E_CONFIG, "its slot \"input\" is NULL, but network \"%s\" has the random input \"%s\"", n->name, *i);
  }
  return GANTRY_OK;
}

static gantry_status check_metric(const elf_image *im, const gantry_metric *m, err *e) {
  if (m->n_values > VALIDATE_COUNT_MAX || m->n_passes > VALIDATE_COUNT_MAX)
    return err_set(e, GANTRY_E_CONFIG, "has %u values and %u passes: a metric has at most %d of each", m->n_values, m->n_passes, VALIDATE_COUNT_MAX);
  if (!good_rows(im, m->values, m->n_values, m->value_stride, SINCE_0_1(gantry_value, better)) || !good_rows(im, m->passes, m->n_passes, m->pass_stride, SINCE_0_1(gantry_pass, rows)))
    return err_set(e, GANTRY_E_CONFIG, "its values or passes lie outside the file or are empty");
  for (uint32_t k = 0; k < m->n_values; k++) {
    const gantry_value *v = row(m->values, k, m->value_stride);
    if (!elf_string(im, v->name, VALIDATE_TEXT_MAX) || !*v->name || !elf_string(im, v->unit, VALIDATE_TEXT_MAX) || !elf_string(im, v->doc, VALIDATE_TEXT_MAX) || !*v->doc)
      return err_set(e, GANTRY_E_CONFIG, "value %u lacks its name, unit (\"\" = none) or doc", k);
    if (v->better < -1 || v->better > 1) return err_set(e, GANTRY_E_CONFIG, "value \"%s\": better is -1, 0 or 1, not %d", v->name, (int)v->better);
  }
  for (uint32_t k = 0; k < m->n_passes; k++) {
    const gantry_pass *p = row(m->passes, k, m->pass_stride);
    if (p->set < GANTRY_FAKE || p->set > GANTRY_DRAWS) return err_set(e, GANTRY_E_CONFIG, "pass %u names the unknown set %u", k, p->set);
    if (p->rows && !elf_string(im, p->rows, VALIDATE_TEXT_MAX)) return err_set(e, GANTRY_E_CONFIG, "pass %u has a name outside the file", k);
  }
  return GANTRY_OK;
}

static gantry_status check_regularizer(const elf_image *im, const gantry_regularizer *r, err *e) {
  for (size_t at = offsetof(gantry_regularizer, weight); at + sizeof(void *) <= r->struct_size; at += sizeof(void *))
    if (slot_is_set(im, r, at)) return GANTRY_OK;
  return err_set(e, GANTRY_E_CONFIG, "sets none of the hooks of a regularizer");
}

gantry_status validate_interface(const elf_image *im, err *e) {
  const uint32_t *iface = im->desc->iface, kind = im->desc->kind;
  if (!elf_inside(im, iface, 16) || (uintptr_t)iface % 8) return err_set(e, GANTRY_E_CONFIG, "has no interface table: set .iface to the address of the table of its kind");
  if (!*iface) return err_set(e, GANTRY_E_CONFIG, "its interface table's struct_size is 0: begin the table with .struct_size = sizeof of it, as in {.struct_size = sizeof iface, ...}");
  if (*iface < 16 || !elf_inside(im, iface, *iface)) return err_set(e, GANTRY_E_CONFIG, "its interface table's struct_size is %u, which reaches out of the file: set it to sizeof of the table", *iface);
  if (*iface < tables[kind].least)
    return err_set(e, GANTRY_E_CONFIG, "its interface table has %u bytes, that of kind %s in ABI %d.1 has %zu: set struct_size to sizeof of the table", *iface, abi_kind_name(kind), GANTRY_ABI_MAJOR, tables[kind].least);
  for (const slot *s = tables[kind].required; s->name; s++)
    if (!slot_is_set(im, iface, s->offset)) return err_set(e, GANTRY_E_CONFIG, "its slot \"%s\" is NULL: every %s sets it", s->name, abi_kind_name(kind));
  switch (kind) {
    case GANTRY_KIND_ARCH: return check_arch(im, im->desc->iface, e);
    case GANTRY_KIND_METRIC: return check_metric(im, im->desc->iface, e);
    case GANTRY_KIND_REGULARIZER: return check_regularizer(im, im->desc->iface, e);
    default: return GANTRY_OK;
  }
}
