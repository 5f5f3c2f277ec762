/* resolve.h - from the JSON tree of one cell to a cfg_run: what the files of this room share. Private to harness/config.
 *
 * Reading a value does three things at once: it checks it, stores it, and puts it (defaults too) into `out`, the canonical
 * tree. So a setting that is read is in the canonical text, and one that is not read is refused as an unknown key. */
#ifndef CONFIG_RESOLVE_H
#define CONFIG_RESOLVE_H
#include "config/doc.h"

typedef struct chosen { const cfg_element *el; const gantry_plugin *desc; } chosen;
typedef struct resolver {
  arena *a;
  abi_registry *reg;
  layers from;      /* for messages */
  const char *dir;  /* what relative paths are relative to */
  json_t *cfg;      /* the merged tree of the cell */
  cfg_run *r;
  VEC(chosen) plugins;
  VEC(const char *) warnings;
  err *e;
} resolver;

/* Fills rs->r (owned by rs->a). */
gantry_status resolve_run(resolver *rs);
gantry_status resolve_schedules(resolver *rs, json_t *out);
gantry_status resolve_check(resolver *rs);                 /* what fits together */

/* The object at key of parent, or NULL if it is absent or null; refuses other types and keys not in `known` (NULL: any). */
gantry_status read_object(resolver *rs, const json_t *parent, const char *path, const char *key, const char *const *known, json_t **got);
gantry_status refuse_unknown(resolver *rs, const json_t *o, const char *path, const char *const *known, uint32_t n);
gantry_status read_int(resolver *rs, const json_t *o, json_t *out, const char *path, const char *key, int64_t def, int64_t lo, int64_t hi, int64_t *dst);
gantry_status read_num(resolver *rs, const json_t *o, json_t *out, const char *path, const char *key, double def, double lo, double hi, double *dst);
gantry_status read_word(resolver *rs, const json_t *o, json_t *out, const char *path, const char *key, const char *def, const char *const *choices, const char **dst);
gantry_status read_bool(resolver *rs, const json_t *o, const char *path, const char *key, int def, int *dst);
gantry_status read_duration(resolver *rs, const json_t *o, json_t *out, const char *path, const char *key, cfg_duration def, cfg_duration *dst);
/* An integer that is left out of `out` where it is not given, so that it belongs to no older run's identity; *dst is then -1. */
gantry_status read_maybe(resolver *rs, const json_t *o, json_t *out, const char *path, const char *key, int64_t *dst);
/* A path as the user means it: relative to the experiment file, "~/" to the home; a bare word that is no file there is left as it is. */
const char *resolve_path(resolver *rs, const char *s);
const char *join(resolver *rs, const char *path, const char *key);
/* One plugin object. `extra`: keys besides the plugin's parameters. *got NULL: switched off (checked all the same). */
gantry_status read_element(resolver *rs, json_t *v, const char *path, const char *id, uint32_t kind, const char *const *extra, cfg_element *el, json_t **out);
#endif
