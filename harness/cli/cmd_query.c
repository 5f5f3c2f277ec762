/* cmd_query.c - `gantry query "SQL"`: one read-only statement on the views. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/commands.h"

static const char views[] =
  "views: runs cells results ranking curves samples levels pairs effects settings events missing, and g_<grid> with a column per factor and metric";

int cmd_query(int argc, char **argv) {
  enum { OUT, JSON, CSV, N };
  flag f[N] = {[OUT] = {.name = "--out", .value = "DIR", .help = "the folder or database (default $GANTRY_OUT or gantry-out)", .type = FLAG_TEXT},
               [JSON] = {.name = "--json", .help = "as JSON", .type = FLAG_BOOL},
               [CSV] = {.name = "--csv", .help = "as CSV", .type = FLAG_BOOL}};
  const char *words[4];
  uint32_t n;
  int code = cli_parse(argc, argv, "gantry query [DB] \"SELECT ...\" [--json|--csv]", f, N, -1, words, 4, &n);
  if (code >= 0) return code;
  if (n > 2) {
    fprintf(stderr, "gantry query: too many words; is the SQL in quotes?\n");
    return EXIT_USAGE;
  }
  arena *a = arena_new();
  err e = {0};
  db *d = NULL;
  db_table t;
  gantry_status st = cli_db(a, n == 2 ? words[0] : f[OUT].text, &d, &e);
  if (!st && (st = db_query(d, a, &t, &e, words[n - 1], "")) == GANTRY_E_CONFIG) {
    fprintf(stderr, "gantry query: %s\n%s\n", e.msg, views);
    code = EXIT_USAGE;
  } else if (st) {
    code = flags_error("query", &e);
  } else {
    cli_print(&t, f[JSON].on ? PRINT_JSON : f[CSV].on ? PRINT_CSV : PRINT_TEXT);
    code = EXIT_OK;
  }
  db_close(d);
  arena_free(a);
  return code;
}
