/* registry.h - the plugins there are: found as files, described without running their code, opened when a run needs them.
 *
 * Roots are searched in order: --plugin files, --plugin-path, $GANTRY_PLUGIN_PATH, <exe>/../lib/gantry/plugins, <exe>/plugins
 * (build tree). Inside a root: <folder of the kind>/ *.so. The current directory is never searched. */
#ifndef ABI_REGISTRY_H
#define ABI_REGISTRY_H
#include <gantry/abi.h>

#include "base/err.h"
#include "base/mem.h"

typedef struct abi_plugin {
  const char *path;
  char sha256[65];
  const gantry_plugin *desc;  /* copied out of the file: safe to read, callbacks in it are not callable */
  const char *refused;        /* why it is not usable, or NULL */
  const gantry_plugin *live;  /* after abi_open */
  uint8_t explicit_file;      /* came from --plugin */
} abi_plugin;

typedef struct abi_registry abi_registry;
typedef struct abi_sources { const char *const *files; uint32_t n_files; const char *const *roots; uint32_t n_roots; } abi_sources;
/* Never fails because of a bad plugin: that one is listed as refused. An explicit file that is refused is an error. */
abi_registry *abi_registry_open(const abi_sources *s, err *e);
void abi_registry_close(abi_registry *r); /* never unloads code */
/* The roots above, from the environment and the executable's place; arena-owned. */
abi_sources abi_default_sources(arena *a, const char *const *files, uint32_t n_files, const char *const *roots, uint32_t n_roots);

uint32_t abi_count(const abi_registry *r);
abi_plugin *abi_at(abi_registry *r, uint32_t k); /* sorted by kind, name, path; refused ones too */
abi_plugin *abi_find(abi_registry *r, uint32_t kind, const char *name); /* usable ones; NULL */
/* As abi_find; the error names the nearest known name, or why the file was refused. */
abi_plugin *abi_need(abi_registry *r, uint32_t kind, const char *name, err *e);
gantry_status abi_open(abi_plugin *p, err *e); /* dlopen RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE; sets live */
const char *abi_kind_name(uint32_t kind);      /* "loss"; NULL */
const char *abi_kind_folder(uint32_t kind);    /* "losses" */
const char *abi_nearest(const char *word, const char *const *known, uint32_t n); /* within edit distance 1 + length/3, or NULL */
#endif
