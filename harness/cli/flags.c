/* flags.c - reading the command line of a command. See cli.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"

static void print_help(const char *command, const cli_flag *f, uint32_t n, const char *usage, const char *about) {
  printf("gantry %s %s\n\n%s\n", command, usage, about);
  if (n) printf("\n");
  for (uint32_t k = 0; k < n; k++) {
    char left[64];
    snprintf(left, sizeof left, "--%s%s%s", f[k].name, f[k].value ? " " : "", f[k].value ? f[k].value : "");
    printf("  %-24s %s\n", left, f[k].help);
  }
}

static void push(cli_list *l, arena *a, const char *s) {
  const char **p = ARENA_ARRAY(a, const char *, l->n + 1);
  for (uint32_t k = 0; k < l->n; k++) p[k] = l->p[k];
  p[l->n++] = s;
  l->p = p;
}

static int unknown(const char *command, const cli_flag *f, uint32_t n, const char *name) {
  const char **names = mem_alloc(sizeof *names * (n + 1));
  for (uint32_t k = 0; k < n; k++) names[k] = f[k].name;
  const char *near = abi_nearest(name, names, n);
  fprintf(stderr, "gantry %s: unknown flag --%s", command, name);
  if (near) fprintf(stderr, " (did you mean --%s?)", near);
  fprintf(stderr, "; `gantry help %s` lists them\n", command);
  free(names);
  return CLI_USAGE;
}

static int store(const char *command, const cli_flag *f, const char *value, arena *a) {
  char *end;
  switch (f->kind) {
    case FLAG_TEXT: *(const char **)f->dst = value; return -1;
    case FLAG_LIST: push(f->dst, a, value); return -1;
    default:
      errno = 0;
      *(int64_t *)f->dst = strtoll(value, &end, 10);
      if (!errno && *value && !*end && *(int64_t *)f->dst >= 0) return -1;
      fprintf(stderr, "gantry %s: --%s needs a whole number, not \"%s\"\n", command, f->name, value);
      return CLI_USAGE;
  }
}

int cli_flags(int argc, char **argv, const cli_flag *flags, uint32_t n, const char *usage, const char *about, arena *a, cli_list *rest) {
  *rest = (cli_list){0};
  for (int i = 1; i < argc; i++) {
    const char *s = argv[i];
    if (!strcmp(s, "-o")) s = "--output";
    if (!strcmp(s, "--help") || !strcmp(s, "-h")) return print_help(argv[0], flags, n, usage, about), 0;
    if (!strcmp(s, "--")) {
      while (++i < argc) push(rest, a, argv[i]);
      break;
    }
    if (s[0] != '-' || !s[1]) {
      push(rest, a, s);
      continue;
    }
    if (s[1] != '-') {
      fprintf(stderr, "gantry %s: flags are written with two dashes, not %s\n", argv[0], s);
      return CLI_USAGE;
    }
    const char *eq = strchr(s, '=');
    char *name = arena_strn(a, s + 2, eq ? (size_t)(eq - s - 2) : strlen(s + 2));
    const cli_flag *f = NULL;
    for (uint32_t k = 0; k < n; k++)
      if (!strcmp(flags[k].name, name)) f = &flags[k];
    if (!f) return unknown(argv[0], flags, n, name);
    if (f->kind == FLAG_ON) {
      *(uint8_t *)f->dst = 1;
      continue;
    }
    const char *value = eq ? eq + 1 : i + 1 < argc ? argv[++i] : NULL;
    if (!value) {
      fprintf(stderr, "gantry %s: --%s needs a value: %s\n", argv[0], name, f->value);
      return CLI_USAGE;
    }
    int rc = store(argv[0], f, value, a);
    if (rc >= 0) return rc;
  }
  return -1;
}

int cli_want(const cli_list *rest, int want, const char *command, const char *what) {
  if (want >= 0 ? rest->n == (uint32_t)want : rest->n >= (uint32_t)-want) return 0;
  fprintf(stderr, "gantry %s: needs %s; `gantry help %s` says more\n", command, what, command);
  return CLI_USAGE;
}
