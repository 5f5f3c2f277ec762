/* params.h - the values of one plugin instance's parameters, resolved: defaults filled in, checked against the plugin's table.
 * Made by config/ from JSON (or by tests by hand), read by the host's side of gantry_param_api. */
#ifndef ABI_PARAMS_H
#define ABI_PARAMS_H
#include <gantry/abi.h>

#include "base/err.h"
#include "base/mem.h"

typedef struct abi_value { /* one parameter, by its type */
  double f;          /* BOOL, INT, FLOAT; ENUM: index into choices */
  const char *s;     /* STRING, ENUM, PATH */
  const double *list;/* INTS, FLOATS */
  uint32_t n;        /* of list */
  uint8_t set;       /* 0: the default */
} abi_value;

/* n = param_count values, all defaults; arena-owned. A REQUIRED parameter is left with set = 0. */
abi_value *abi_defaults(const gantry_plugin *desc, arena *a);
/* The parameter's index, or -1. */
int abi_param_find(const gantry_plugin *desc, const char *key);
const gantry_param *abi_param_at(const gantry_plugin *desc, uint32_t k); /* honours the stride */
/* Range check of one number: message "must be in [0, 1)", without the parameter's name. */
gantry_status abi_param_check(const gantry_param *p, double v, err *e);
/* "[0, 1)", ">= 1", "any number", or "one of a, b, c". */
void abi_param_range(const gantry_param *p, buf *b);
#endif
