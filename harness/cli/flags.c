/* flags.c - see flags.h. */
#include "cli/flags.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "abi/registry.h"

void flags_help(const char *usage, const flag *flags, uint32_t n) {
  printf("usage: %s\n", usage);
  for (uint32_t k = 0; k < n; k++) {
    char left[64];
    snprintf(left, sizeof left, "%s%s%s", flags[k].name, flags[k].value ? " " : "", flags[k].value ? flags[k].value : "");
    printf("  %-28s %s\n", left, flags[k].help);
  }
}

static int complain(const char *command, const char *fmt, const char *a, const char *b) {
  fprintf(stderr, "gantry %s: ", command);
  fprintf(stderr, fmt, a, b);
  fprintf(stderr, " (see gantry %s --help)\n", command);
  return EXIT_USAGE;
}

static int store(flag *f, const char *command, const char *value) {
  char *end;
  f->on = 1;
  switch (f->type) {
    case FLAG_TEXT: f->text = value; return 0;
    case FLAG_INT:
      errno = 0;
      f->number = strtoll(value, &end, 10);
      if (end == value || *end || errno) return complain(command, "%s takes a whole number, not \"%s\"", f->name, value);
      return 0;
    case FLAG_LIST:
      if (f->n_list == sizeof f->list / sizeof *f->list) return complain(command, "%s is given too often%s", f->name, "");
      f->list[f->n_list++] = value;
      return 0;
    default: return 0;
  }
}

static int unknown(const char *command, const char *word, const flag *flags, uint32_t n) {
  const char *names[64];
  uint32_t m = n < 64 ? n : 64;
  for (uint32_t k = 0; k < m; k++) names[k] = flags[k].name;
  const char *near = abi_nearest(word, names, m);
  return near ? complain(command, "unknown option %s (did you mean %s?)", word, near) : complain(command, "unknown option %s%s", word, "");
}

/* What may follow, for shells (cmd_complete.c): ":files" after an option that takes a place, options where one is begun, else ":words". */
static void complete(const char *before, const char *begun, const flag *flags, uint32_t n) {
  for (uint32_t k = 0; k < n; k++) {
    if (flags[k].type == FLAG_BOOL || (strcmp(flags[k].name, before) && !(!strcmp(before, "-o") && !strcmp(flags[k].name, "--output")))) continue;
    if (!strcmp(flags[k].value, "DIR") || !strcmp(flags[k].value, "FILE")) puts(":files");
    return;
  }
  if (*begun != '-') puts(":words");
  for (uint32_t k = 0; *begun == '-' && k < n; k++)
    if (!strncmp(flags[k].name, begun, strlen(begun))) puts(flags[k].name);
}

int flags_parse(int argc, char **argv, const char *usage, flag *flags, uint32_t n, const char **words, uint32_t cap, uint32_t *n_words) {
  const char *command = argv[0];
  int only_words = 0;
  *n_words = 0;
  if (argc == 4 && !strcmp(argv[1], "--complete")) {
    complete(argv[2], argv[3], flags, n);
    return -1;
  }
  for (int i = 1; i < argc; i++) {
    const char *w = argv[i];
    if (only_words || w[0] != '-' || !w[1]) {
      if (*n_words + 1 >= cap) return complain(command, "too many words: \"%s\"%s", w, "");
      words[(*n_words)++] = w;
      continue;
    }
    if (!strcmp(w, "--")) {
      only_words = 1;
      continue;
    }
    if (!strcmp(w, "--help")) {
      flags_help(usage, flags, n);
      return -1;
    }
    size_t len = strcspn(w, "=");
    flag *f = NULL;
    for (uint32_t k = 0; k < n && !f; k++)
      if ((strlen(flags[k].name) == len && !strncmp(flags[k].name, w, len)) || (!strcmp(flags[k].name, "--output") && !strcmp(w, "-o"))) f = &flags[k];
    if (!f) return unknown(command, w, flags, n);
    const char *value = w[len] ? w + len + 1 : NULL;
    if (f->type == FLAG_BOOL && value) return complain(command, "%s takes no value%s", f->name, "");
    if (f->type != FLAG_BOOL && !value && !(value = i + 1 < argc ? argv[++i] : NULL)) return complain(command, "%s needs a value: %s", f->name, f->value ? f->value : "");
    int rc = store(f, command, value ? value : "");
    if (rc) return rc;
  }
  words[*n_words] = NULL;
  return EXIT_OK;
}

int flags_error(const char *command, const err *e) {
  fprintf(stderr, "gantry %s: %s\n", command, e->msg);
  switch (e->code) {
    case GANTRY_E_CONFIG:
    case GANTRY_E_SHAPE:
    case GANTRY_E_UNSUPPORTED: return EXIT_USAGE;
    case GANTRY_E_NOMEM:
    case GANTRY_E_DEVICE: return EXIT_RESOURCES;
    case GANTRY_E_INVALID:
    case GANTRY_E_DTYPE: return EXIT_PLUGIN;
    default: return EXIT_FAILED;
  }
}
