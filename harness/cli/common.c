/* common.c - what several commands do: opening the registry and the database, naming a run, printing tables. See cli.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "report/exchange.h"
#include "report/model.h"
#include "store/layout.h"

int cli_parse(int argc, char **argv, const char *usage, flag *f, uint32_t n, int want, const char **words, uint32_t cap, uint32_t *n_words) {
  int rc = flags_parse(argc, argv, usage, f, n, words, cap, n_words);
  if (rc) return rc < 0 ? EXIT_OK : rc;
  if (want == CLI_ANY || (want >= 0 ? *n_words == (uint32_t)want : *n_words >= (uint32_t)-want)) return -1;
  fprintf(stderr, "gantry %s: usage: %s\n", argv[0], usage);
  return EXIT_USAGE;
}

gantry_status cli_db(arena *a, const char *given, db **out, err *e) { return db_open_read(layout_db(a, given), out, e); }

gantry_status cli_find_run(db *d, arena *a, const char *what, db_table *row, err *e) {
  const char *slash = strchr(what, '/'), *last = strrchr(what, '/');
  if (!slash || slash == last) {
    TRY(db_query(d, a, row, e, "SELECT * FROM runs WHERE substr(run,1,length(?1))=?1 GROUP BY run_id ORDER BY run_id LIMIT 3", "t", what));
  } else {
    const char *seed = last + 1 + (last[1] == 's');
    TRY(db_query(d, a, row, e, "SELECT * FROM runs WHERE grid=? AND (cast(cell AS TEXT)=?2 OR label=?2) AND cast(seed AS TEXT)=?3 LIMIT 3", "ttt", arena_strn(a, what, (size_t)(slash - what)),
                 arena_strn(a, slash + 1, (size_t)(last - slash - 1)), seed));
  }
  if (row->n_rows == 1) return GANTRY_OK;
  if (row->n_rows) return err_set(e, GANTRY_E_CONFIG, "\"%s\" fits several runs, %s and %s among them: give more of the name", what, db_at(row, 0, 0)->s, db_at(row, 1, 0)->s);
  return err_set(e, GANTRY_E_CONFIG, "there is no run \"%s\"; a run is named by the beginning of its uid or as grid/cell/seed (see gantry ls)", what);
}

static void json_value(buf *b, const db_value *v) {
  if (v->type == DB_INT || (v->type == DB_REAL && isfinite(v->f))) buf_puts(b, v->s);
  else exchange_json(b, v->s);
}

void cli_print(const db_table *t, int how) {
  buf b = {0};
  if (how == PRINT_TEXT) {
    report_aligned(t, &b);
  } else if (how == PRINT_JSON) {
    buf_putc(&b, '[');
    for (uint32_t r = 0; r < t->n_rows; r++) {
      buf_puts(&b, r ? ",\n {" : "\n {");
      for (uint32_t c = 0; c < t->n_cols; c++) {
        if (c) buf_puts(&b, ", ");
        exchange_json(&b, t->cols[c]);
        buf_puts(&b, ": ");
        json_value(&b, db_at(t, r, c));
      }
      buf_putc(&b, '}');
    }
    buf_puts(&b, t->n_rows ? "\n]\n" : "]\n");
  } else {
    for (uint32_t r = 0; r <= t->n_rows; r++) {
      for (uint32_t c = 0; c < t->n_cols; c++) {
        if (c) buf_putc(&b, ',');
        exchange_csv(&b, r ? db_at(t, r - 1, c)->s : t->cols[c]);
      }
      buf_putc(&b, '\n');
    }
  }
  fwrite(b.p, 1, b.n, stdout);
  buf_free(&b);
}
