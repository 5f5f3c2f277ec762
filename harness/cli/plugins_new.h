/* plugins_new.h - `gantry plugins new`: a folder for a plugin of one's own. */
#ifndef CLI_PLUGINS_NEW_H
#define CLI_PLUGINS_NEW_H
#include "abi/registry.h"

/* kind: "loss" or "losses"; dir NULL: the name. Prints what was made and what comes next. */
gantry_status plugins_new(abi_registry *reg, const char *kind, const char *name, const char *dir, arena *a, err *e);
#endif
