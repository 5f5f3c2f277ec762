/* cmd_lint.c - `gantry lint EXP.json`: the training checklist on every cell, before anything is trained. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/open.h"
#include "diag/diag.h"

static db_value text(const char *s) { return (db_value){.type = DB_TEXT, .s = s}; }

/* One row per rule and detail, with the cells it concerns. */
static void check(const cfg_experiment *x, abi_registry *reg, arena *a, db_table *t, uint32_t level[4]) {
  static const char *const cols[] = {"level", "code", "cells", "found", "meaning", "remedy", "reference"};
  static const char *const levels[] = {"", "error", "warning", "hint"};
  enum { N = 7 };
  VEC(db_value) v = {0};
  *t = (db_table){.n_cols = N, .cols = (const char **)(uintptr_t)cols};
  for (const diag_rule *r = diag_rules(); r->code; r++) {
    buf first = {0}, who = {0};
    uint32_t hits = 0, cells = 0;
    for (uint32_t k = 0; k < x->n_cells; k++) {
      buf detail = {0};
      if (!x->cells[k].run || x->cells[k].same_as >= 0 || !x->cells[k].selected) continue;
      cells++;
      if (r->found(x->cells[k].run, reg, &detail)) {
        if (!hits++) buf_puts(&first, detail.p ? detail.p : "");
        if (hits <= 3) buf_printf(&who, "%s%s", hits > 1 ? "; " : "", x->cells[k].label);
      }
      buf_free(&detail);
    }
    if (hits) {
      const char *cells_text = hits == cells ? "all" : arena_fmt(a, hits > 3 ? "%s and %u more" : "%s", who.p, hits - 3);
      const db_value row[N] = {text(levels[r->level]), text(r->code), text(cells_text), text(arena_str(a, first.p)), text(r->meaning), text(r->remedy), text(r->reference ? r->reference : "")};
      for (int c = 0; c < N; c++) VEC_PUSH(v, row[c]);
      t->n_rows++;
      level[r->level]++;
    }
    buf_free(&first);
    buf_free(&who);
  }
  t->cells = arena_copy(a, v.p, sizeof *v.p * v.n);
  free(v.p);
}

int cmd_lint(int argc, char **argv) {
  enum { JSON, OPEN, N = OPEN + OPEN_N };
  flag f[N] = {[JSON] = {.name = "--json", .help = "as JSON", .type = FLAG_BOOL}, OPEN_FLAGS};
  const char *words[8];
  uint32_t n, level[4] = {0};
  int code = cli_parse(argc, argv, "gantry lint EXP.json [--json]", f, N, 1, words, 8, &n);
  if (code >= 0) return code;
  arena *a = arena_new();
  err e = {0};
  cfg_experiment *x = NULL;
  db_table t;
  abi_registry *reg = open_registry(a, f + OPEN, &e);
  if (reg && !open_experiment(words[0], reg, f + OPEN, 0, &x, &e)) {
    check(x, reg, a, &t, level);
    if (f[JSON].on) cli_print(&t, PRINT_JSON);
    for (uint32_t k = 0; k < t.n_rows && !f[JSON].on; k++)
      printf("%s %s (%s): %s\n    %s\n    do: %s%s%s%s\n", db_at(&t, k, 0)->s, db_at(&t, k, 1)->s, db_at(&t, k, 2)->s, db_at(&t, k, 3)->s, db_at(&t, k, 4)->s, db_at(&t, k, 5)->s, *db_at(&t, k, 6)->s ? " (" : "", db_at(&t, k, 6)->s,
             *db_at(&t, k, 6)->s ? ")" : "");
    for (const char *const *w = x->warnings; *w && !f[JSON].on; w++) printf("warning: %s\n", *w);
    if (!f[JSON].on) printf("errors %u, warnings %u, hints %u\n", level[DIAG_ERROR], level[DIAG_WARN], level[DIAG_INFO]);
    code = level[DIAG_ERROR] ? EXIT_FAILED : EXIT_OK;
  } else
    code = flags_error("lint", &e);
  cfg_free(x);
  abi_registry_close(reg);
  arena_free(a);
  return code;
}
