/* cli.h - what the commands about results share: opening databases, naming runs, printing tables. */
#ifndef CLI_CLI_H
#define CLI_CLI_H
#include "cli/flags.h"
#include "store/db.h"

enum { CLI_ANY = -1000 };
/* Parses with flags_parse. -1: go on; else the exit code. want: words exactly, at least -want, or CLI_ANY. */
int cli_parse(int argc, char **argv, const char *usage, flag *f, uint32_t n, int want, const char **words, uint32_t cap, uint32_t *n_words);
gantry_status cli_db(arena *a, const char *given, db **out, err *e); /* for reading */
/* The row of view `runs` that RUN names: a prefix of a uid, or grid/cell/seed where cell is its number or label. */
gantry_status cli_find_run(db *d, arena *a, const char *what, db_table *row, err *e);
enum { PRINT_TEXT, PRINT_JSON, PRINT_CSV };
void cli_print(const db_table *t, int how); /* to standard output */
#endif
