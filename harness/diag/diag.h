/* diag.h - the training checklist as one table: a code, what is measured, what it means, what to do. Reads settings of a cell
 * before it is trained; asks plugins only for constant data. */
#ifndef DIAG_DIAG_H
#define DIAG_DIAG_H
#include "config/config.h"

enum { DIAG_ERROR = 1, DIAG_WARN = 2, DIAG_INFO = 3 };
typedef struct diag_rule {
  const char *code;
  int level;
  const char *meaning, *remedy, *reference; /* reference: paper or NULL */
  /* True if the cell has the fault; detail gets the numbers. */
  int (*found)(const cfg_run *r, abi_registry *reg, buf *detail);
} diag_rule;
/* Ends with code NULL. */
const diag_rule *diag_rules(void);
#endif
