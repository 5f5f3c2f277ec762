/* cmd_plugins.c - the plugins there are, read from their files without running them: list, describe, schema; and new, a folder for one of your own. */
#include <stdio.h>

#include "abi/params.h"
#include "cli/commands.h"
#include "cli/open.h"
#include "cli/plugins_check.h"
#include "cli/plugins_new.h"

static void list(abi_registry *reg, int why) {
  for (uint32_t k = 0; k < abi_count(reg); k++) {
    const abi_plugin *p = abi_at(reg, k);
    if (!p->refused) printf("%-12s %-20s %-8s %s\n", abi_kind_name(p->desc->kind), p->desc->name, p->desc->version, p->desc->summary);
    if (!p->refused && why) printf("%33s%s\n", "", p->path);
  }
  for (uint32_t k = 0; k < abi_count(reg); k++) {
    const abi_plugin *p = abi_at(reg, k);
    if (p->refused && (why || strncmp(p->refused, "shadowed", 8))) printf("refused      %s: %s\n", p->path, p->refused);
  }
}

static void names(const char *title, const char *const *s) {
  if (!s || !*s) return;
  printf("  %s", title);
  for (; *s; s++) printf(" %s", *s);
  printf("\n");
}

static void describe(const abi_plugin *p) {
  const gantry_plugin *d = p->desc;
  printf("%s/%s  %s  %s  (ABI %u.%u, %s)\n", abi_kind_folder(d->kind), d->name, d->version, d->summary, d->abi_major, d->abi_minor, d->license);
  if (d->paper) printf("  %s\n", d->paper);
  names("needs", d->needs);
  names("provides", d->provides);
  if (d->kind == GANTRY_KIND_REGULARIZER) printf("  acts on d; \"of\": [\"g\"], [\"d\"] or [\"g\", \"d\"] in the experiment says otherwise\n");
  for (uint32_t k = 0; k < d->param_count; k++) {
    static const char *const types[] = {"?", "bool", "int", "float", "enum", "string", "ints", "floats", "path"};
    const gantry_param *q = abi_param_at(d, k);
    char value[64];
    buf range = {0};
    abi_param_range(q, &range);
    if (q->flags & GANTRY_PF_REQUIRED) snprintf(value, sizeof value, "required");
    else if (q->type == GANTRY_P_BOOL) snprintf(value, sizeof value, "%s", q->def != 0 ? "true" : "false");
    else if (q->type == GANTRY_P_INT || q->type == GANTRY_P_FLOAT) snprintf(value, sizeof value, "%.10g", q->def);
    else snprintf(value, sizeof value, "%s", q->def_str ? q->def_str : "\"\"");
    printf("  %-14s %-6s default %-12s %s%s%s\n", q->key, types[q->type], value, range.p, q->unit ? " " : "", q->unit ? q->unit : "");
    printf("  %-14s %s%s\n", "", q->doc, q->type == GANTRY_P_FLOAT && !(q->flags & GANTRY_PF_STRUCTURAL) ? " (schedulable)" : "");
    buf_free(&range);
  }
}

/* As text at once, or as JSON collected in json (see cfg_describe). */
static void tell(const abi_plugin *p, buf *json) {
  if (!json) {
    describe(p);
    return;
  }
  buf_puts(json, json->n > 1 ? ",\n" : "");
  cfg_describe(p, json);
}

/* "losses/hinge", "loss/hinge" or just "hinge", which may be several. */
static int describe_named(abi_registry *reg, const char *word, buf *json) {
  int found = 0;
  const char *slash = strchr(word, '/'), *name = slash ? slash + 1 : word;
  for (uint32_t k = 0; k < abi_count(reg); k++) {
    const abi_plugin *p = abi_at(reg, k);
    if (p->refused || strcmp(p->desc->name, name)) continue;
    size_t len = slash ? (size_t)(slash - word) : 0;
    const char *folder = abi_kind_folder(p->desc->kind), *kind = abi_kind_name(p->desc->kind);
    if (slash && !(strlen(folder) == len && !strncmp(folder, word, len)) && !(strlen(kind) == len && !strncmp(kind, word, len))) continue;
    tell(p, json);
    found = 1;
  }
  if (!found) fprintf(stderr, "gantry plugins: there is no plugin \"%s\"; `gantry plugins list` shows them\n", word);
  return found;
}

static int describe_all(abi_registry *reg, const char *const *words, uint32_t n, int as_json) {
  buf text = {0}, *json = as_json ? &text : NULL;
  int rc = EXIT_OK;
  if (json) buf_putc(json, '[');
  for (uint32_t k = 0; k < n; k++)
    if (!describe_named(reg, words[k], json)) rc = EXIT_USAGE;
  for (uint32_t k = 0; !n && k < abi_count(reg); k++)
    if (!abi_at(reg, k)->refused) tell(abi_at(reg, k), json);
  if (json) printf("%s]\n", text.p);
  buf_free(&text);
  return rc;
}

int cmd_plugins(int argc, char **argv) {
  if (argc > 1 && !strcmp(argv[1], "check")) return plugins_check(argc - 1, argv + 1);
  enum { WHY, JSON, OPEN, N = OPEN + OPEN_N };
  flag f[N] = {[WHY] = {.name = "--why", .help = "list: every file, and why one is not used", .type = FLAG_BOOL}, [JSON] = {.name = "--json", .help = "describe: as JSON", .type = FLAG_BOOL}, OPEN_FLAGS};
  const char *words[32];
  uint32_t n;
  int rc = flags_parse(argc, argv, "gantry plugins list [--why] | describe [--json] [[KIND/]NAME...] | schema | new KIND NAME [DIR] | check FILE...", f, N, words, 32, &n);
  if (rc) return rc < 0 ? EXIT_OK : rc;
  err e = {0};
  arena *a = arena_new();
  abi_registry *reg = open_registry(a, f + OPEN, &e);
  if (!reg) rc = flags_error("plugins", &e);
  else if (!n || !strcmp(words[0], "list")) list(reg, f[WHY].on);
  else if (!strcmp(words[0], "schema")) {
    buf out = {0};
    cfg_schema(reg, &out);
    fwrite(out.p, 1, out.n, stdout);
    buf_free(&out);
  } else if (!strcmp(words[0], "describe")) {
    rc = describe_all(reg, words + 1, n - 1, f[JSON].on);
  } else if (!strcmp(words[0], "new") && (n == 3 || n == 4)) {
    if (plugins_new(reg, words[1], words[2], n == 4 ? words[3] : NULL, a, &e)) rc = flags_error("plugins new", &e);
  } else {
    if (!strcmp(words[0], "new")) fprintf(stderr, "gantry plugins: new KIND NAME [DIR], as in: gantry plugins new loss mine\n");
    else fprintf(stderr, "gantry plugins: list, describe, schema, new or check, not \"%s\"\n", words[0]);
    rc = EXIT_USAGE;
  }
  abi_registry_close(reg);
  arena_free(a);
  return rc;
}
