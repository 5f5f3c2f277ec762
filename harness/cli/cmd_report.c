/* cmd_report.c - `gantry report`: a grid as one HTML file, as Markdown, or as a table here. */
#include <stdio.h>
#include <string.h>

#include "base/files.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "report/model.h"
#include "store/layout.h"

int cmd_report(int argc, char **argv) {
  enum { OUT, GRID, OUTPUT, N };
  flag f[N] = {[OUT] = {.name = "--out", .value = "DIR", .help = "the folder or database (default $GANTRY_OUT or gantry-out)", .type = FLAG_TEXT},
               [GRID] = {.name = "--grid", .value = "NAME", .help = "which grid (default: the newest)", .type = FLAG_TEXT},
               [OUTPUT] = {.name = "--output", .value = "FILE", .help = "report.html or report.md (-o); without it a table is printed", .type = FLAG_TEXT}};
  const char *words[3];
  uint32_t n;
  int code = cli_parse(argc, argv, "gantry report [DB] [--grid NAME] [-o report.html]", f, N, CLI_ANY, words, 3, &n);
  if (code >= 0) return code;
  arena *a = arena_new();
  err e = {0};
  db *d = NULL;
  report_model m;
  buf b = {0};
  const char *given = n ? words[0] : f[OUT].text, *file = f[OUTPUT].text, *dot = file ? strrchr(file, '.') : NULL;
  int markdown = dot && (!strcmp(dot, ".md") || !strcmp(dot, ".markdown"));
  gantry_status st = GANTRY_OK;
  if (file && !markdown && !(dot && (!strcmp(dot, ".html") || !strcmp(dot, ".htm")))) st = err_set(&e, GANTRY_E_CONFIG, "%s: a report is a .html or a .md file", file);
  if (!st) st = cli_db(a, given, &d, &e);
  if (!st) st = report_load(d, f[GRID].text, a, &m, &e);
  if (!st && !file) report_text(&m, a, &b);
  else if (!st && markdown) st = report_markdown(d, &m, a, &b, &e);
  else if (!st) st = report_html(d, &m, path_dir(a, layout_db(a, given)), a, &b, &e);
  if (!st && file) st = file_write(file, b.p, b.n, &e);
  if (!st && file) fprintf(stderr, "gantry: wrote %s (%zu KB)\n", file, (b.n + 1023) / 1024);
  else if (!st) fwrite(b.p, 1, b.n, stdout);
  code = st ? flags_error("report", &e) : EXIT_OK;
  buf_free(&b);
  db_close(d);
  arena_free(a);
  return code;
}
