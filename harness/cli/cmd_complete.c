/* cmd_complete.c - `gantry complete -- WORD...`: what a shell may offer for the last word, one a line; ":files" leaves it to the shell. Not for typing.
 *
 * Options come from the command's own table, names of runs and grids from the database, plugins from their files, so a new command or plugin is completed
 * without anything said here. */
#include <stdio.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/open.h"

typedef struct command { const char *name; int hidden; int (*run)(int, char **); const char *takes; } command;
#define COMMAND(name, hidden, help) {#name, hidden, cmd_##name, help},
static const command commands[] = {
#include "cli/commands.def"
};
#undef COMMAND

static void offer(const char *word, const char *begun) {
  if (word && !strncmp(word, begun, strlen(begun))) puts(word);
}

/* What the command's own flags say; it prints, so its output passes through a pipe (a few hundred bytes, far below what a pipe holds). */
static void ask(const command *c, const char *before, const char *begun, char *answer, size_t n) {
  char *argv[] = {(char *)(uintptr_t)c->name, "--complete", (char *)(uintptr_t)before, (char *)(uintptr_t)begun, NULL};
  int ends[2], out;
  size_t got = 0;
  *answer = 0;
  fflush(stdout);
  if (pipe(ends)) return;
  if ((out = dup(1)) >= 0 && dup2(ends[1], 1) >= 0) {
    c->run(4, argv);
    fflush(stdout);
    dup2(out, 1);
  }
  close(out);
  close(ends[1]);
  for (ssize_t m; got + 1 < n && (m = read(ends[0], answer + got, n - 1 - got)) > 0;) got += (size_t)m;
  answer[got] = 0;
  close(ends[0]);
}

/* Names in the database of --out, or of the usual place. Nothing where there is none: a completion never complains. */
static void offer_query(const char *const *words, uint32_t n, const char *begun, const char *sql) {
  const char *out = NULL;
  arena *a = arena_new();
  db *d = NULL;
  db_table t;
  err ignored = {0};
  for (uint32_t k = 0; k + 1 < n; k++)
    if (!strcmp(words[k], "--out")) out = words[k + 1];
  if (!cli_db(a, out, &d, &ignored) && !db_query(d, a, &t, &ignored, sql, ""))
    for (uint32_t k = 0; k < t.n_rows; k++) offer(db_at(&t, k, 0)->s, begun);
  db_close(d);
  arena_free(a);
}

static void offer_plugins(const char *begun) {
  arena *a = arena_new();
  err ignored = {0};
  flag open[OPEN_N] = {OPEN_FLAGS};
  abi_registry *reg = open_registry(a, open, &ignored);
  const char *last = "";
  for (uint32_t k = 0; reg && k < abi_count(reg); k++) {
    const abi_plugin *p = abi_at(reg, k);
    if (!p->refused && strcmp(last, p->desc->name)) offer(last = p->desc->name, begun);
  }
  abi_registry_close(reg);
  arena_free(a);
}

static void of_plugins(const char *const *words, uint32_t n, const char *begun) {
  static const char *const verbs[] = {"list", "describe", "schema", "new", "check"};
  if (n == 2)
    for (size_t k = 0; k < sizeof verbs / sizeof *verbs; k++) offer(verbs[k], begun);
  else if (!strcmp(words[1], "describe")) offer_plugins(begun);
  else if (!strcmp(words[1], "check")) puts(":files");
  else if (!strcmp(words[1], "new") && n == 3)
    for (uint32_t k = GANTRY_KIND_LOSS; k < GANTRY_KIND_BACKEND; k++) offer(abi_kind_name(k), begun);
}

int cmd_complete(int argc, char **argv) {
  enum { MOST = 256 };
  static const char runs[] = "SELECT grid||'/'||cell||'/'||seed FROM runs ORDER BY grid, cell, seed", grids[] = "SELECT name FROM grid ORDER BY 1";
  const char *words[MOST];
  uint32_t n = 0;
  for (int k = argc > 1 && !strcmp(argv[1], "--") ? 2 : 1; k < argc && n < MOST; k++) words[n++] = argv[k];
  if (!n) return EXIT_OK;
  const char *begun = words[n - 1];
  const command *c = NULL;
  for (size_t k = 0; k < sizeof commands / sizeof *commands; k++) {
    if (n == 1 && !commands[k].hidden) offer(commands[k].name, begun);
    if (n == 2 && !strcmp(words[0], "help") && !commands[k].hidden) offer(commands[k].name, begun);
    if (n > 1 && !strcmp(commands[k].name, words[0])) c = &commands[k];
  }
  if (n == 1) offer("help", begun);
  if (!c) return EXIT_OK;
  char answer[8192];
  ask(c, words[n - 2], begun, answer, sizeof answer);
  if (strcmp(answer, ":words\n")) fputs(answer, stdout);
  else if (!strcmp(c->name, "plugins")) of_plugins(words, n, begun);
  else if (!strncmp(c->takes, "RUN", 3)) {
    offer_query(words, n, begun, runs);
    if (!strncmp(c->takes, "RUN|GRID", 8)) offer_query(words, n, begun, grids);
  } else if (!strncmp(c->takes, "[GRID]", 6)) offer_query(words, n, begun, grids);
  else puts(":files");
  return EXIT_OK;
}
