/* cli.h - what the commands share: flags, exit codes, opening things, printing tables. */
#ifndef CLI_CLI_H
#define CLI_CLI_H
#include "abi/registry.h"
#include "store/db.h"

/* Exit codes: done (also with diverged runs); some runs failed; wrong usage or configuration; crashed plugin; machine or disk; stopped. */
enum { CLI_OK = 0, CLI_SOME_FAILED = 1, CLI_USAGE = 64, CLI_CRASH = 70, CLI_RESOURCE = 71, CLI_STOPPED = 75 };

typedef struct cli_list { const char **p; uint32_t n; } cli_list;
enum { FLAG_ON = 1, FLAG_TEXT, FLAG_COUNT, FLAG_LIST };
typedef struct cli_flag { /* dst: uint8_t, const char *, int64_t, cli_list by kind */
  const char *name; /* without the dashes */
  int kind;
  void *dst;
  const char *value, *help; /* value: what stands for it in the help */
} cli_flag;
/* Reads `--name value` and `--name=value` anywhere; everything else is positional. Returns -1 to go on, else the exit code (--help, or
 * an error already told). usage: "EXP.json [flags]"; about: a line or more. */
int cli_flags(int argc, char **argv, const cli_flag *flags, uint32_t n, const char *usage, const char *about, arena *a, cli_list *rest);
/* Exactly `want` positional arguments (want < 0: at least -want), else told and CLI_USAGE; 0 when fine. */
int cli_want(const cli_list *rest, int want, const char *command, const char *what);

int cli_fail(const err *e);              /* prints; the exit code that fits */
int cli_code(gantry_status st);
abi_registry *cli_registry(arena *a, const cli_list *files, const cli_list *roots, err *e);
gantry_status cli_db(arena *a, const char *given, db **out, err *e); /* for reading */
/* The row of view `runs` that RUN names: a prefix of a uid, or grid/cell/seed where cell is its number or label. */
gantry_status cli_find_run(db *d, arena *a, const char *what, db_table *row, err *e);
enum { PRINT_TEXT, PRINT_JSON, PRINT_CSV };
void cli_print(const db_table *t, int how); /* to standard output */
void cli_json_text(buf *b, const char *s);
#endif
