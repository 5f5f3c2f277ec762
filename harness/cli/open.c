/* open.c - see open.h. */
#include "cli/open.h"

#include <stdlib.h>

abi_registry *open_registry(arena *a, const flag *f, err *e) {
  abi_sources s = abi_default_sources(a, f[OPEN_PLUGIN].list, f[OPEN_PLUGIN].n_list, f[OPEN_PLUGIN_PATH].list, f[OPEN_PLUGIN_PATH].n_list);
  return abi_registry_open(&s, e);
}

gantry_status open_experiment(const char *path, abi_registry *reg, const flag *f, int smoke, cfg_experiment **out, err *e) {
  cfg_options o = {.set = f[OPEN_SET].list, .n_set = f[OPEN_SET].n_list, .only = f[OPEN_ONLY].list, .n_only = f[OPEN_ONLY].n_list, .smoke = smoke != 0};
  return cfg_load(path, reg, &o, out, e);
}

const cfg_cell *open_cell(const cfg_experiment *x, const char *which, err *e) {
  char *end = NULL;
  long number = which ? strtol(which, &end, 10) : -1;
  for (uint32_t k = 0; k < x->n_cells; k++) {
    const cfg_cell *c = &x->cells[k];
    if (c->excluded || !c->run) continue;
    if (!which || !strcmp(c->label, which) || (end && !*end && number == (long)k)) return c;
  }
  err_set(e, GANTRY_E_CONFIG, "%s has no cell \"%s\": `gantry plan %s` lists them", x->name, which ? which : "", x->path);
  return NULL;
}
