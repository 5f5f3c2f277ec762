/* plugins_new.c - `gantry plugins new KIND NAME [DIR]`: a folder with one C file, a Makefile, a README and an experiment that uses the plugin.
 *
 * In: sdk/templates/KIND.c and KIND.json, whole working plugins named "example", which lie beside the installed SDK or in the source tree. Out: the same
 * under the user's name. Nothing that exists is written over. */
#include "cli/plugins_new.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "abi/registry.h"
#include "base/files.h"
#include "base/proc.h"

static const char stands_for[] = "example";

typedef struct kind_text { const char *kind, *called, *use; } kind_text;
static const kind_text kinds[] = {
  {"loss", "A loss", "\"loss\": {\"name\": \"%s\"}"},
  {"arch", "An architecture", "\"d\": {\"arch\": {\"name\": \"%s\"}}"},
  {"optim", "An optimizer", "\"d\": {\"optim\": {\"name\": \"%s\"}}"},
  {"regularizer", "A regularizer", "\"regularizers\": {\"%s\": {\"name\": \"%s\"}}"},
  {"metric", "A metric", "\"metrics\": {\"%s\": {\"name\": \"%s\", \"fake\": 2000, \"every\": {\"steps\": 500}}}"},
  {"dataset", "A data set", "\"data\": {\"name\": \"%s\"}"}};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

/* Where templates/ and plugin.mk are: PREFIX/share/gantry, or sdk/ above a build folder. */
static const char *find_sdk(arena *a, err *e) {
  char self[4096];
  const char *dir = path_dir(a, proc_self(self, sizeof self)), *const places[] = {"../share/gantry", "../../sdk", "sdk"};
  for (size_t k = 0; k < sizeof places / sizeof *places; k++) {
    const char *sdk = path_join(a, dir, places[k]);
    if (file_exists(path_join(a, sdk, "templates/loss.c"))) {
      char *real = realpath(sdk, NULL);
      const char *out = arena_str(a, real ? real : sdk);
      free(real);
      return out;
    }
  }
  err_set(e, GANTRY_E_IO, "the templates of the SDK are neither in %s/../share/gantry nor in a source tree above: is gantry installed whole (make install)?", dir);
  return NULL;
}

static int name_is_good(const char *s) {
  if (*s < 'a' || *s > 'z') return 0;
  for (; *s; s++)
    if (!((*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9') || *s == '_')) return 0;
  return 1;
}

/* text with every "example" as name: templates use the word for nothing else. */
static void replaced(buf *b, const char *text, const char *name) {
  for (const char *at; (at = strstr(text, stands_for)); text = at + sizeof stands_for - 1) {
    buf_put(b, text, (size_t)(at - text));
    buf_puts(b, name);
  }
  buf_puts(b, text);
}

static gantry_status from_template(arena *a, const char *sdk, const char *kind, const char *suffix, const char *name, const char *file, err *e) {
  buf text = {0}, made = {0};
  gantry_status st = file_read(arena_fmt(a, "%s/templates/%s%s", sdk, kind, suffix), &text, 1 << 20, e);
  if (!st) {
    replaced(&made, text.p, name);
    st = file_write(file, made.p, made.n, e);
  }
  buf_free(&text);
  buf_free(&made);
  return st;
}

static gantry_status write_text(const char *file, const char *text, err *e) { return file_write(file, text, strlen(text), e); }

static gantry_status write_makefile(arena *a, const char *sdk, const char *name, const char *file, err *e) {
  return write_text(file, arena_fmt(a, "# make: %s.c -> %s.so      make check: gantry's conformance check of it\n"
                                       "all: %s.so\n"
                                       "include $(or $(wildcard %s/plugin.mk),$(shell pkg-config --variable=plugin_mk gantry))\n"
                                       "check: all ; $(GANTRY) plugins check %s.so\n", name, name, name, sdk, name), e);
}

static void command(buf *b, const char *text, const char *what) { buf_printf(b, "    %-56s # %s\n", text, what); }

static gantry_status write_readme(arena *a, const kind_text *k, const char *name, const char *file, err *e) {
  buf b = {0};
  buf_printf(&b, "# %s\n\n%s for Gantry, in one C file: `%s.c`.\n\n", name, k->called, name);
  command(&b, "make", arena_fmt(a, "%s.so; needs a C compiler and Gantry's headers", name));
  command(&b, arena_fmt(a, "gantry plugins check ./%s.so", name), "does it keep the rules, are its gradients right?");
  command(&b, arena_fmt(a, "gantry plugins describe %s --plugin ./%s.so", name, name), "its parameters");
  command(&b, arena_fmt(a, "gantry run try.json --plugin ./%s.so", name), "a small grid that uses it, on the CPU");
  command(&b, "gantry report -o report.html", "what came of it");
  buf_printf(&b, "\nIn an experiment:\n\n    %s\n\n", arena_fmt(a, k->use, name, name));
  buf_printf(&b, "To have it found without `--plugin`, put it into a folder `%s` below one of `GANTRY_PLUGIN_PATH`.\n", abi_kind_folder((uint32_t)(k - kinds) + 1));
  buf_printf(&b, "`gantry explain try.json --plugin ./%s.so --program d_step --stage ir` shows the graph of a step, with what this plugin adds to it.\n", name);
  gantry_status st = file_write(file, b.p, b.n, e);
  buf_free(&b);
  return st;
}

gantry_status plugins_new(abi_registry *reg, const char *kind, const char *name, const char *dir, arena *a, err *e) {
  const char *known[N_KINDS];
  const kind_text *k = NULL;
  for (uint32_t i = 0; i < N_KINDS; i++) {
    known[i] = kinds[i].kind;
    if (!strcmp(kind, kinds[i].kind) || !strcmp(kind, abi_kind_folder(i + 1))) k = &kinds[i];
  }
  if (!k) {
    const char *near = abi_nearest(kind, known, N_KINDS);
    return err_set(e, GANTRY_E_CONFIG, "there is no template for the kind \"%s\"%s; there are loss, arch, optim, regularizer, metric and dataset", kind, near ? arena_fmt(a, " (did you mean %s?)", near) : "");
  }
  if (!name_is_good(name)) return err_set(e, GANTRY_E_CONFIG, "a plugin's name begins with a letter and holds lower-case letters, digits and _, not \"%s\"", name);
  if (abi_find(reg, (uint32_t)(k - kinds) + 1, name)) return err_set(e, GANTRY_E_CONFIG, "there is a %s \"%s\" already (gantry plugins describe %s): take another name", k->kind, name, name);
  if (!dir) dir = name;
  char **inside;
  if (file_exists(dir) && !dir_list(dir, a, &inside, e) && inside[0]) return err_set(e, GANTRY_E_CONFIG, "%s is there and not empty: name another folder, as in gantry plugins new %s %s DIR", dir, k->kind, name);
  if (e->code) return e->code;
  const char *sdk = find_sdk(a, e);
  if (!sdk) return e->code;
  TRY(dir_make(dir, e));
  TRY(from_template(a, sdk, k->kind, ".c", name, arena_fmt(a, "%s/%s.c", dir, name), e));
  TRY(from_template(a, sdk, k->kind, ".json", name, path_join(a, dir, "try.json"), e));
  TRY(write_makefile(a, sdk, name, path_join(a, dir, "Makefile"), e));
  TRY(write_readme(a, k, name, path_join(a, dir, "README.md"), e));
  printf("%s: %s.c, Makefile, try.json, README.md\nnext: make -C %s && gantry run %s/try.json --plugin %s/%s.so\n", dir, name, dir, dir, dir, name);
  return GANTRY_OK;
}
