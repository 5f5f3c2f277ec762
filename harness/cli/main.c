/* main.c - `gantry COMMAND ...`: the table of commands and the help. */
#include <stdio.h>
#include <string.h>

#include "abi/registry.h"
#include "cli/cli.h"

#define CMD(name, help) int cmd_##name(int argc, char **argv);
#include "cli/commands.def"
#undef CMD

typedef struct command { const char *name; int (*fn)(int, char **); const char *help; } command;
static const command commands[] = {
#define CMD(name, help) {#name, cmd_##name, help},
#include "cli/commands.def"
#undef CMD
};
enum { N = sizeof commands / sizeof *commands };

static int help(FILE *to) {
  fprintf(to, "gantry - experiments with generative adversarial networks\n\n");
  for (int k = 0; k < N; k++) fprintf(to, "  %-12s %s\n", commands[k].name, commands[k].help);
  fprintf(to, "\n`gantry help COMMAND` or `gantry COMMAND --help` says more.\n");
  return to == stdout ? 0 : CLI_USAGE;
}

static const command *find(const char *name) {
  const char *names[N];
  for (int k = 0; k < N; k++) {
    names[k] = commands[k].name;
    if (!strcmp(names[k], name)) return &commands[k];
  }
  const char *near = abi_nearest(name, names, N);
  fprintf(stderr, "gantry: there is no command \"%s\"", name);
  if (near) fprintf(stderr, " (did you mean \"%s\"?)", near);
  fprintf(stderr, "; `gantry help` lists them\n");
  return NULL;
}

int main(int argc, char **argv) {
  if (argc < 2) return help(stderr);
  if (!strcmp(argv[1], "--version")) return printf("gantry 0.1.0 (plugin ABI %d.%d)\n", GANTRY_ABI_MAJOR, GANTRY_ABI_MINOR), 0;
  int asks = !strcmp(argv[1], "help") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h");
  if (asks && argc < 3) return help(stdout);
  const command *c = find(argv[asks ? 2 : 1]);
  if (!c) return CLI_USAGE;
  char *ask_help[] = {argv[asks ? 2 : 1], (char *)(uintptr_t) "--help", NULL};
  return asks ? c->fn(2, ask_help) : c->fn(argc - 1, argv + 1);
}
