/* open.h - what several commands begin with: plugins, an experiment, one cell of it. */
#ifndef CLI_OPEN_H
#define CLI_OPEN_H
#include "cli/flags.h"
#include "config/config.h"

/* Flags that every command with an experiment understands; put them at the end of the command's own. */
#define OPEN_FLAGS                                                                                                            \
  {.name = "--set", .value = "path=value", .help = "changes a setting of every cell; may be repeated", .type = FLAG_LIST},     \
    {.name = "--only", .value = "axis=label", .help = "only the cells with this level; may be repeated", .type = FLAG_LIST},  \
    {.name = "--plugin", .value = "FILE", .help = "a plugin file; may be repeated", .type = FLAG_LIST},                       \
    {.name = "--plugin-path", .value = "DIR", .help = "a root of plugin folders; may be repeated", .type = FLAG_LIST}
enum { OPEN_SET = 0, OPEN_ONLY, OPEN_PLUGIN, OPEN_PLUGIN_PATH, OPEN_N };

abi_registry *open_registry(arena *a, const flag *open_flags, err *e);
/* Loads an experiment with those flags. */
gantry_status open_experiment(const char *path, abi_registry *reg, const flag *open_flags, int smoke, cfg_experiment **out, err *e);
/* The first cell that is not excluded, or the one with this label or number. */
const cfg_cell *open_cell(const cfg_experiment *x, const char *which, err *e);
#endif
