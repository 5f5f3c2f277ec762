/* test_idx.c - MNIST's format, gzipped: what is unpacked is kept in the cache folder and used again, and an entry that is damaged, cut short, open to others or of another file is made anew. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/files.h"
#include "config/config.h"
#include "data/data.h"
#include "t.h"

enum { COUNT = 1100, SIDE = 32, PIXELS = SIDE * SIDE };
typedef struct place { arena *mem; char *root, *images; } place;

static uint8_t pixel(int64_t i, int salt) { return (uint8_t)(i * 7 + i / 251 + salt); }

static void put_set(const place *p, int salt) {
  const uint8_t head[16] = {0, 0, 8, 3, 0, 0, COUNT >> 8, COUNT & 255, 0, 0, 0, SIDE, 0, 0, 0, SIDE}, labels[8] = {0, 0, 8, 1, 0, 0, COUNT >> 8, COUNT & 255};
  uint8_t *px = malloc((size_t)COUNT * PIXELS), class[COUNT];
  for (int64_t i = 0; i < (int64_t)COUNT * PIXELS; i++) px[i] = pixel(i, salt);
  for (int k = 0; k < COUNT; k++) class[k] = (uint8_t)(k % 10);
  gzFile f = gzopen(p->images, "wb1");
  T_CHECK(gzwrite(f, head, 16) == 16 && gzwrite(f, px, COUNT * PIXELS) == COUNT * PIXELS && gzclose(f) == Z_OK);
  f = gzopen(arena_fmt(p->mem, "%s/train-labels-idx1-ubyte.gz", p->root), "wb1");
  T_CHECK(gzwrite(f, labels, 8) == 8 && gzwrite(f, class, COUNT) == COUNT && gzclose(f) == Z_OK);
  free(px);
}

static place place_new(void) {
  place p = {.mem = arena_new()};
  p.root = arena_str(p.mem, "/tmp/gantry-test-XXXXXX");
  T_CHECK(mkdtemp(p.root) != NULL);
  p.images = arena_fmt(p.mem, "%s/train-images-idx3-ubyte.gz", p.root);
  setenv("GANTRY_CACHE", arena_fmt(p.mem, "%s/cache", p.root), 1);
  put_set(&p, 0);
  return p;
}
static void place_free(place *p) {
  T_CHECK(!system(arena_fmt(p->mem, "rm -rf %s", p->root)));
  arena_free(p->mem);
}

/* Opens the set and looks at every sample. 1: it lies in a mapped entry, so the host made no copy; 0: it was unpacked; -1: refused; -2: wrong. */
static int look(const place *p, int salt) {
  err e = {0};
  arena *mem = arena_new();
  char *json = arena_fmt(mem, "{\"gantry\": 1, \"name\": \"t\", \"seeds\": 1, \"base\": {\"data\": {\"name\": \"idx\", \"path\": \"%s\"}, \"g\": {\"arch\": {\"name\": \"mlp\"}}, \"d\": {\"arch\": {\"name\": \"mlp\"}}, \"train\": {\"length\": {\"steps\": 1}}}}", p->root);
  const char *path = path_join(mem, p->root, "e.json");
  abi_sources sources = abi_default_sources(mem, NULL, 0, NULL, 0);
  abi_registry *registry = abi_registry_open(&sources, &e);
  cfg_experiment *x = NULL;
  cfg_options options = {0};
  data_set *d = NULL;
  int found = -1;
  abi_plugin *plugin = registry && !file_write(path, json, strlen(json), &e) && !cfg_load(path, registry, &options, &x, &e) ? abi_need(registry, GANTRY_KIND_DATASET, "idx", &e) : NULL;
  if (plugin && !abi_open(plugin, &e)) {
    const data_options from = {.split = "train", .limit_seed = -1, .range = {-1, 1}};
    abi_element el = {.plugin = plugin->live, .values = x->cells[0].run->data.values, .path = "data", .id = "data"};
    if (!data_open(&el, &from, &d, &e)) {
      const uint8_t *px = d->bytes;
      int good = d->count == COUNT && d->info.classes == 10;
      for (int64_t i = 0; good && i < (int64_t)COUNT * PIXELS; i++) good = px[i] == pixel(i, salt);
      for (int k = 0; good && k < COUNT; k++) good = d->labels[k] == k % 10;
      found = good ? !d->memory.p : -2;
      data_close(d);
    }
  }
  cfg_free(x);
  if (registry) abi_registry_close(registry);
  arena_free(mem);
  return found;
}

static char *entry_path(const place *p) { /* the only one, or NULL */
  err e = {0};
  char **names, *dir = arena_fmt(p->mem, "%s/cache", p->root);
  return dir_list(dir, p->mem, &names, &e) || !names[0] || names[1] ? NULL : path_join(p->mem, dir, names[0]);
}
static void change(const char *path, long at, int cut) { /* one byte, or the end */
  FILE *f = fopen(path, "r+b");
  T_CHECK(f != NULL);
  if (!f) return;
  fseek(f, at, SEEK_SET);
  int c = fgetc(f) ^ 0x40;
  fseek(f, at, SEEK_SET);
  fputc(c, f);
  fclose(f);
  if (cut) T_CHECK(!truncate(path, at));
}

static void damage_packed(const place *p) { /* its middle */
  struct stat st = {0};
  T_CHECK(!stat(p->images, &st));
  change(p->images, (long)st.st_size / 2, 0);
}

static void test_idx__unpacked_once(void) {
  place p = place_new();
  T_CHECK(look(&p, 0) == 0);
  char *entry = entry_path(&p);
  T_CHECK(entry != NULL);
  T_CHECK(look(&p, 0) == 1);
  damage_packed(&p); /* nobody unpacks it again */
  T_CHECK(look(&p, 0) == 1);
  put_set(&p, 5); /* another file at the same place */
  T_CHECK(look(&p, 5) == 0);
  T_CHECK(look(&p, 5) == 1);
  T_CHECK(entry_path(&p) != NULL); /* in place of the old one */
  place_free(&p);
}

static void test_idx__entries_that_do_not_count(void) {
  place p = place_new();
  static const long places[] = {50, 64, 600000, 64 + (long)COUNT * PIXELS - 1};
  T_CHECK(look(&p, 0) == 0);
  char *entry = entry_path(&p);
  for (int k = 0; entry && k < 8; k++) {
    change(entry, places[k / 2], k & 1);
    T_CHECK(look(&p, 0) == 0); /* unpacked, and kept anew */
    T_CHECK(look(&p, 0) == 1);
  }
  T_CHECK(entry && !chmod(entry, 0666));
  T_CHECK(look(&p, 0) == 0);
  T_CHECK(look(&p, 0) == 1);
  damage_packed(&p); /* damage shows where there is no entry */
  T_CHECK(entry && !unlink(entry));
  T_CHECK(look(&p, 0) == -1);
  T_CHECK(entry_path(&p) == NULL);
  put_set(&p, 0);
  setenv("GANTRY_CACHE", "/proc/nowhere", 1); /* nowhere to keep it: still a set */
  T_CHECK(look(&p, 0) == 0);
  place_free(&p);
}

T_MAIN(T(test_idx__unpacked_once), T(test_idx__entries_that_do_not_count))
