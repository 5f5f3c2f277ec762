/* cmd_query.c - `gantry query "SQL"`: one read-only statement on the views. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/commands.h"

static const char views[] =
  "views and their columns (experiments/FORMAT.md says what they mean):\n"
  "  runs      run grid cell label seed status step total_steps images train_s error_class error_text attempt dir run_id config_id\n"
  "  cells     grid cell label config_id excluded same_as\n"
  "  results   run grid cell label seed status metric protocol weights last last_step best best_step n n_bad\n"
  "  ranking   grid metric protocol weights cell label n diverged mean sd mean_best\n"
  "  curves    run grid cell label seed metric weights step images train_s value protocol\n"
  "  pairs     grid factor from_level to_level from_cell to_cell seed metric protocol weights from_value to_value change_pct\n"
  "  effects   grid factor from_level to_level metric protocol weights n_pairs mean_change_pct n_lower\n"
  "  levels    run grid cell seed factor level is_baseline\n"
  "  settings  run grid cell seed path value\n"
  "  samples   run grid cell label seed step kind path sha256 bytes\n"
  "  events    run grid cell label seed step level code text\n"
  "  failures  run grid cell label seed status step error_class exit_code exit_signal plugin place error_text attempt log_tail\n"
  "  missing   grid cell label seed status\n"
  "  tags      run grid cell label seed tag\n"
  "  notes     run grid created_ms text\n"
  "  g_<grid>  run cell label seed status step images train_s, and a column for each factor and metric";

int cmd_query(int argc, char **argv) {
  enum { OUT, JSON, CSV, N };
  flag f[N] = {[OUT] = {.name = "--out", .value = "DIR", .help = "the folder or database (default $GANTRY_OUT or gantry-out)", .type = FLAG_TEXT},
               [JSON] = {.name = "--json", .help = "as JSON", .type = FLAG_BOOL},
               [CSV] = {.name = "--csv", .help = "as CSV", .type = FLAG_BOOL}};
  const char *words[4];
  uint32_t n;
  int code = cli_parse(argc, argv, "gantry query [DB] \"SELECT ...\" [--json|--csv]", f, N, -1, words, 4, &n);
  for (int k = 1; code >= 0 && k < argc; k++)
    if (!strcmp(argv[k], "--help")) puts(views);
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
