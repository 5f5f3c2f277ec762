/* cmd_report.c - `gantry report`: a grid as a page (HTML), for a repository (Markdown), a paper (LaTeX) or a program (CSV, JSON), or as a table here. */
#include <stdio.h>
#include <string.h>

#include "base/files.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "report/model.h"
#include "store/layout.h"

enum { TEXT, HTML, MARKDOWN, CSV, LATEX, JSON };
static const struct { const char *name; int format; } endings[] = {{"html", HTML}, {"htm", HTML}, {"md", MARKDOWN}, {"markdown", MARKDOWN}, {"csv", CSV}, {"tex", LATEX}, {"latex", LATEX}, {"json", JSON}, {"txt", TEXT}, {"text", TEXT}};
static const char *const tables[] = {[REPORT_CELLS] = "cells", [REPORT_EFFECTS] = "effects", [REPORT_CURVES] = "curves", [REPORT_PAIRS] = "pairs"};

typedef struct wish { const char *out, *grid, *file, *format, *table; int how, which; } wish;

/* What is to be written, from --format, else the ending of the file's name; --table alone means CSV. */
static gantry_status understand(wish *w, err *e) {
  const char *dot = w->file ? strrchr(w->file, '.') : NULL, *name = w->format ? w->format : dot && !strchr(dot, '/') ? dot + 1 : NULL;
  w->how = w->table ? CSV : TEXT;
  if (w->format || w->file) {
    size_t k = 0;
    while (k < sizeof endings / sizeof *endings && (!name || strcmp(endings[k].name, name))) k++;
    if (k == sizeof endings / sizeof *endings)
      return err_set(e, GANTRY_E_CONFIG, "%s: a report is a .html, .md, .csv, .tex, .json or .txt file, or one of these with --format", w->format ? w->format : w->file);
    w->how = endings[k].format;
  }
  if (!w->table) return GANTRY_OK;
  if (w->how != CSV) return err_set(e, GANTRY_E_CONFIG, "--table chooses one of the tables of CSV; the other formats have them all, or none");
  for (w->which = 0; w->which < (int)(sizeof tables / sizeof *tables); w->which++)
    if (!strcmp(tables[w->which], w->table)) return GANTRY_OK;
  return err_set(e, GANTRY_E_CONFIG, "--table %s: there are cells, effects, curves and pairs", w->table);
}

static gantry_status write_report(const wish *w, db *d, arena *a, buf *b, err *e) {
  report_model one, *all = &one;
  uint32_t n = 1;
  if (w->how == CSV || w->how == LATEX || w->how == JSON) TRY(report_load_all(d, w->grid, a, &all, &n, e));
  else TRY(report_load(d, w->grid, a, &one, e));
  switch (w->how) {
    case HTML: return report_html(d, all, path_dir(a, layout_db(a, w->out)), a, b, e);
    case MARKDOWN: return report_markdown(d, all, a, b, e);
    case CSV: return report_csv(d, all, n, w->which, a, b, e);
    case LATEX: return report_latex(all, n, a, b), GANTRY_OK;
    case JSON: return report_json(all, n, a, b), GANTRY_OK;
    default: return report_text(all, a, b), GANTRY_OK;
  }
}

int cmd_report(int argc, char **argv) {
  enum { OUT, GRID, OUTPUT, FORMAT, TABLE, N };
  flag f[N] = {[OUT] = {.name = "--out", .value = "DIR", .help = "the folder or database (default $GANTRY_OUT or gantry-out)", .type = FLAG_TEXT},
               [GRID] = {.name = "--grid", .value = "NAME", .help = "which grid (default: the newest)", .type = FLAG_TEXT},
               [OUTPUT] = {.name = "--output", .value = "FILE", .help = "report.html, .md, .csv, .tex, .json or .txt (-o); without it to standard output", .type = FLAG_TEXT},
               [FORMAT] = {.name = "--format", .value = "NAME", .help = "text (default), html, md, csv, tex or json, whatever the file is called", .type = FLAG_TEXT},
               [TABLE] = {.name = "--table", .value = "NAME", .help = "of CSV: cells (default), effects, curves or pairs", .type = FLAG_TEXT}};
  const char *words[3];
  uint32_t n;
  int code = cli_parse(argc, argv, "gantry report [DB] [--grid NAME] [-o report.html|.md|.csv|.tex|.json]", f, N, CLI_ANY, words, 3, &n);
  if (code >= 0) return code;
  arena *a = arena_new();
  err e = {0};
  db *d = NULL;
  buf b = {0};
  wish w = {.out = n ? words[0] : f[OUT].text, .grid = f[GRID].text, .file = f[OUTPUT].text, .format = f[FORMAT].text, .table = f[TABLE].text};
  gantry_status st = understand(&w, &e);
  if (!st) st = cli_db(a, w.out, &d, &e);
  if (!st) st = write_report(&w, d, a, &b, &e);
  if (!st && w.file) st = file_write(w.file, b.p ? b.p : "", b.n, &e);
  if (!st && w.file) fprintf(stderr, "gantry: wrote %s (%zu KB)\n", w.file, (b.n + 1023) / 1024);
  else if (!st) fwrite(b.p, 1, b.n, stdout);
  code = st ? flags_error("report", &e) : EXIT_OK;
  buf_free(&b);
  db_close(d);
  arena_free(a);
  return code;
}
