/* flags.h - command lines: long options, positional words, one line per mistake. Shared by every cmd_<name>.c. */
#ifndef CLI_FLAGS_H
#define CLI_FLAGS_H
#include "base/err.h"
#include "base/mem.h"

enum { FLAG_BOOL = 1, FLAG_TEXT, FLAG_INT, FLAG_LIST }; /* LIST: may be given more than once */
typedef struct flag {
  const char *name, *value, *help; /* "--jobs", "N", one line */
  int type;
  /* results */
  int on;                /* given */
  const char *text;
  int64_t number;
  const char *list[256];
  uint32_t n_list;
} flag;

/* Exit codes (sysexits where one fits). */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 64, EXIT_PLUGIN = 70, EXIT_RESOURCES = 71, EXIT_STOPPED = 75 };

/* Parses argv[1..]; "--x=v" and "--x v" both work, "--" ends options. Positional words go to words (at most cap), NULL-terminated. Returns
 * EXIT_OK, EXIT_USAGE after a message, or -1 after printing help for --help. */
int flags_parse(int argc, char **argv, const char *usage, flag *flags, uint32_t n, const char **words, uint32_t cap, uint32_t *n_words);
void flags_help(const char *usage, const flag *flags, uint32_t n);
/* Prints "gantry CMD: message" and gives the exit code that fits the status. */
int flags_error(const char *command, const err *e);
#endif
