/* main.c - finds the command. */
#include <stdio.h>
#include <string.h>

#include "abi/registry.h"
#include "cli/commands.h"
#include "cli/flags.h"

typedef struct command { const char *name; int hidden; const char *help; int (*run)(int, char **); } command;
static const command commands[] = {
#define COMMAND(name, hidden, help) {#name, hidden, help, cmd_##name},
#include "cli/commands.def"
#undef COMMAND
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static int help(FILE *to) {
  fprintf(to, "gantry - GAN experiments as grids: plugins describe, the host compiles\n\n");
  for (uint32_t k = 0; k < N_COMMANDS; k++)
    if (!commands[k].hidden) fprintf(to, "  gantry %-12s %s\n", commands[k].name, commands[k].help);
  fprintf(to, "\n`gantry COMMAND --help` lists a command's options.\n");
  return to == stdout ? EXIT_OK : EXIT_USAGE;
}

static int run(const char *name, int argc, char **argv) {
  for (uint32_t k = 0; k < N_COMMANDS; k++)
    if (!strcmp(commands[k].name, name)) return commands[k].run(argc, argv);
  const char *names[N_COMMANDS];
  for (uint32_t k = 0; k < N_COMMANDS; k++) names[k] = commands[k].name;
  const char *near = abi_nearest(name, names, N_COMMANDS);
  fprintf(stderr, "gantry: there is no command \"%s\"", name);
  if (near) fprintf(stderr, " (did you mean \"%s\"?)", near);
  fprintf(stderr, "; `gantry help` lists them\n");
  return EXIT_USAGE;
}

int main(int argc, char **argv) {
  if (argc < 2) return help(stderr);
  if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || (!strcmp(argv[1], "help") && argc < 3)) return help(stdout);
  if (!strcmp(argv[1], "--version")) {
    printf("gantry 0.1.0, plugin ABI %d.%d\n", GANTRY_ABI_MAJOR, GANTRY_ABI_MINOR);
    return EXIT_OK;
  }
  if (!strcmp(argv[1], "help")) {
    char *with_help[] = {argv[2], "--help", NULL};
    return run(argv[2], 2, with_help);
  }
  return run(argv[1], argc - 1, argv + 1);
}
