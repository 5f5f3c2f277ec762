/* registry.c - see registry.h. Finds plugin files, reads and validates them as data, keeps refused ones with the reason. */
#include "abi/registry.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

#include "abi/validate.h"
#include "base/files.h"

struct abi_registry {
  arena *mem;
  VEC(abi_plugin *) list;
};

static const struct { const char *name, *folder; } kinds[] = {
  {NULL, NULL}, {"loss", "losses"}, {"arch", "archs"}, {"optim", "optim"}, {"regularizer", "regularizers"}, {"metric", "metrics"}, {"dataset", "datasets"}, {"backend", "backends"}};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

const char *abi_kind_name(uint32_t kind) { return kind < N_KINDS ? kinds[kind].name : NULL; }
const char *abi_kind_folder(uint32_t kind) { return kind < N_KINDS ? kinds[kind].folder : NULL; }

abi_sources abi_default_sources(arena *a, const char *const *files, uint32_t n_files, const char *const *roots, uint32_t n_roots) {
  const char **r = ARENA_ARRAY(a, const char *, n_roots + 64);
  uint32_t n = 0;
  for (uint32_t k = 0; k < n_roots; k++) r[n++] = roots[k];
  const char *env = getenv("GANTRY_PLUGIN_PATH");
  while (env && *env && n < n_roots + 60) {
    size_t len = strcspn(env, ":");
    if (len) r[n++] = arena_strn(a, env, len);
    env += len + (env[len] == ':');
  }
  char exe[4096];
  ssize_t len = readlink("/proc/self/exe", exe, sizeof exe - 1);
  if (len > 0) {
    exe[len] = 0;
    const char *dir = path_dir(a, exe);
    r[n++] = arena_fmt(a, "%s/../lib/gantry/plugins", dir);
    r[n++] = arena_fmt(a, "%s/plugins", dir);
    r[n++] = arena_fmt(a, "%s/../plugins", dir); /* test binaries stand one folder below the build */
    r[n++] = arena_fmt(a, "%s/../../plugins", dir);
  }
  return (abi_sources){files, n_files, r, n};
}

static void read_one(abi_registry *r, const char *path, uint32_t folder_kind, int is_explicit) {
  abi_plugin *p = ARENA_NEW(r->mem, abi_plugin);
  elf_image im;
  err e = {0};
  p->path = strchr(path, '/') ? arena_str(r->mem, path) : arena_fmt(r->mem, "./%s", path); /* dlopen looks for a name without a slash among the system's libraries */
  p->explicit_file = is_explicit != 0;
  if (!elf_read(p->path, r->mem, &im, &e) && !validate_plugin(&im, &e)) {
    p->desc = im.desc;
    if (folder_kind && im.desc->kind != folder_kind)
      err_set(&e, GANTRY_E_CONFIG, "is a %s but lies in %s/: move it to %s/", abi_kind_name(im.desc->kind), abi_kind_folder(folder_kind), abi_kind_folder(im.desc->kind));
  }
  if (!e.code) file_sha256(path, p->sha256, &e);
  if (e.code) p->refused = arena_str(r->mem, e.msg);
  VEC_PUSH(r->list, p);
}

/* Files of a later root that an earlier one already provides (same kind and name) are refused as shadowed. */
static gantry_status mark_duplicates(abi_registry *r, err *e) {
  for (uint32_t k = 0; k < r->list.n; k++) {
    abi_plugin *p = r->list.p[k];
    for (uint32_t j = 0; j < k && !p->refused; j++) {
      const abi_plugin *q = r->list.p[j];
      if (q->refused || q->desc->kind != p->desc->kind || strcmp(q->desc->name, p->desc->name)) continue;
      if (q->explicit_file && p->explicit_file) return err_set(e, GANTRY_E_CONFIG, "%s and %s are both the %s \"%s\"", q->path, p->path, abi_kind_name(p->desc->kind), p->desc->name);
      p->refused = arena_fmt(r->mem, "shadowed by %s", q->path);
    }
  }
  return GANTRY_OK;
}

static int by_name(const void *x, const void *y) {
  const abi_plugin *a = *(abi_plugin *const *)x, *b = *(abi_plugin *const *)y;
  uint32_t ka = a->desc ? a->desc->kind : 99, kb = b->desc ? b->desc->kind : 99;
  if (ka != kb) return ka < kb ? -1 : 1;
  int c = a->desc && b->desc ? strcmp(a->desc->name, b->desc->name) : 0;
  if (!c) c = (a->refused != NULL) - (b->refused != NULL);
  return c ? c : strcmp(a->path, b->path);
}

abi_registry *abi_registry_open(const abi_sources *s, err *e) {
  abi_registry *r = mem_alloc(sizeof *r);
  r->mem = arena_new();
  for (uint32_t k = 0; k < s->n_files; k++) {
    read_one(r, s->files[k], 0, 1);
    const abi_plugin *p = r->list.p[r->list.n - 1];
    if (p->refused) err_set(e, GANTRY_E_CONFIG, "plugin %s: %s", p->path, p->refused);
  }
  VEC(char *) seen = {0}; /* real paths: two roots may be the same folder */
  for (uint32_t k = 0; k < s->n_roots; k++)
    for (uint32_t kind = 1; kind < N_KINDS; kind++) {
      err ignored = {0};
      char **names;
      char *dir = realpath(arena_fmt(r->mem, "%s/%s", s->roots[k], kinds[kind].folder), NULL);
      int again = !dir;
      for (uint32_t i = 0; dir && i < seen.n; i++) again |= !strcmp(seen.p[i], dir);
      if (again) {
        free(dir);
        continue;
      }
      VEC_PUSH(seen, dir);
      if (dir_list(dir, r->mem, &names, &ignored)) continue;
      for (; *names; names++) {
        size_t len = strlen(*names);
        if (len > 3 && !strcmp(*names + len - 3, ".so")) read_one(r, path_join(r->mem, dir, *names), kind, 0);
      }
    }
  for (uint32_t i = 0; i < seen.n; i++) free(seen.p[i]);
  free(seen.p);
  if (!e->code) mark_duplicates(r, e);
  if (e->code) {
    abi_registry_close(r);
    return NULL;
  }
  if (r->list.n) qsort(r->list.p, r->list.n, sizeof *r->list.p, by_name);
  return r;
}

void abi_registry_close(abi_registry *r) {
  if (!r) return;
  free(r->list.p);
  arena_free(r->mem);
  free(r);
}

uint32_t abi_count(const abi_registry *r) { return r->list.n; }
abi_plugin *abi_at(abi_registry *r, uint32_t k) { return r->list.p[k]; }

abi_plugin *abi_find(abi_registry *r, uint32_t kind, const char *name) {
  for (uint32_t k = 0; k < r->list.n; k++) {
    abi_plugin *p = r->list.p[k];
    if (!p->refused && p->desc->kind == kind && !strcmp(p->desc->name, name)) return p;
  }
  return NULL;
}

/* Edit distance with two rows; words longer than the row are never near. */
static uint32_t distance(const char *a, const char *b) {
  enum { MAX = 64 };
  uint32_t row[MAX + 1], n = (uint32_t)strlen(b);
  if (n > MAX || strlen(a) > MAX) return MAX;
  for (uint32_t j = 0; j <= n; j++) row[j] = j;
  for (uint32_t i = 1; a[i - 1]; i++) {
    uint32_t diagonal = row[0];
    row[0] = i;
    for (uint32_t j = 1; j <= n; j++) {
      uint32_t change = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      if (row[j] + 1 < change) change = row[j] + 1;
      if (row[j - 1] + 1 < change) change = row[j - 1] + 1;
      row[j] = change;
    }
  }
  return row[n];
}

const char *abi_nearest(const char *word, const char *const *known, uint32_t n) {
  const char *best = NULL;
  uint32_t least = 1 + (uint32_t)strlen(word) / 3 + 1;
  for (uint32_t k = 0; k < n; k++) {
    uint32_t d = distance(word, known[k]);
    if (d < least) least = d, best = known[k];
  }
  return best;
}

abi_plugin *abi_need(abi_registry *r, uint32_t kind, const char *name, err *e) {
  abi_plugin *p = abi_find(r, kind, name);
  if (p) return p;
  VEC(const char *) known = {0};
  for (uint32_t k = 0; k < r->list.n; k++) {
    const abi_plugin *q = r->list.p[k];
    const char *base = strrchr(q->path, '/'), *file = base ? base + 1 : q->path;
    if (q->refused && !strncmp(file, name, strlen(name)) && !strcmp(file + strlen(name), ".so")) {
      err_set(e, GANTRY_E_CONFIG, "%s \"%s\": %s: %s", abi_kind_name(kind), name, q->path, q->refused);
      free(known.p);
      return NULL;
    }
    if (!q->refused && q->desc->kind == kind) VEC_PUSH(known, q->desc->name);
  }
  const char *near = abi_nearest(name, known.p, known.n);
  buf text = {0};
  buf_printf(&text, "no %s \"%s\"", abi_kind_name(kind), name);
  if (near) buf_printf(&text, " (did you mean \"%s\"?)", near);
  buf_puts(&text, known.n ? "; there are" : "; there is none at all: is GANTRY_PLUGIN_PATH right?");
  for (uint32_t k = 0; k < known.n; k++) buf_printf(&text, "%s %s", k ? "," : "", known.p[k]);
  buf_puts(&text, " (one of your own: --plugin FILE, or its folder in GANTRY_PLUGIN_PATH)");
  err_set(e, GANTRY_E_CONFIG, "%s", text.p);
  buf_free(&text);
  free(known.p);
  return NULL;
}

gantry_status abi_open(abi_plugin *p, err *e) {
  if (p->live) return GANTRY_OK;
  if (p->refused) return err_set(e, GANTRY_E_CONFIG, "plugin %s: %s", p->path, p->refused);
  /* Never unloaded: code may be referenced by thread-exit handlers and libraries' own threads. */
  void *so = dlopen(p->path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!so) return err_set(e, GANTRY_E_IO, "plugin %s: %s", p->path, dlerror());
  const gantry_plugin *live = dlsym(so, GANTRY_PLUGIN_SYMBOL);
  if (!live || live->kind != p->desc->kind || strcmp(live->name, p->desc->name)) return err_set(e, GANTRY_E_IO, "plugin %s changed while it was being used", p->path);
  p->live = live;
  return GANTRY_OK;
}
