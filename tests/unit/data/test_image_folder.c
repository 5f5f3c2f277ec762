/* test_image_folder.c - the data set of PNG and JPEG files: order, classes, splits, scaling, damaged files, the cache. */
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jpeglib.h>
#include <zlib.h>

#include "base/files.h"
#include "base/image.h"
#include "config/config.h"
#include "data/data.h"
#include "t.h"

typedef struct opened { arena *mem; abi_registry *registry; cfg_experiment *x; abi_element el; data_set *d; err e; } opened;
typedef struct place { arena *mem; char *root, *images; } place;

static place place_new(void) {
  place p = {.mem = arena_new()};
  p.root = arena_str(p.mem, "/tmp/gantry-test-XXXXXX");
  T_CHECK(mkdtemp(p.root) != NULL);
  p.images = arena_fmt(p.mem, "%s/images", p.root);
  err e = {0};
  T_CHECK(!dir_make(p.images, &e));
  setenv("GANTRY_CACHE", arena_fmt(p.mem, "%s/cache", p.root), 1);
  return p;
}
static void place_free(place *p) {
  T_CHECK(!system(arena_fmt(p->mem, "chmod -R u+w %s; rm -rf %s", p->root, p->root)));
  arena_free(p->mem);
}

/* A PNG of one value, or with px its pixels. */
static void put_png(place *p, const char *name, int64_t w, int64_t h, int64_t c, int value, const uint8_t *px) {
  err e = {0};
  char *path = path_join(p->mem, p->images, name);
  image im = {.w = w, .h = h, .c = c, .px = malloc((size_t)(w * h * c))};
  if (px) memcpy(im.px, px, (size_t)(w * h * c));
  else memset(im.px, value, (size_t)(w * h * c));
  T_CHECK(!dir_make(path_dir(p->mem, path), &e) && !png_write(path, &im, &e));
  image_free(&im);
}

static size_t jpeg_bytes(uint8_t **out, int w, int h, int c, int value) {
  struct jpeg_compress_struct j;
  struct jpeg_error_mgr errors;
  unsigned long n = 0;
  *out = NULL;
  j.err = jpeg_std_error(&errors);
  jpeg_create_compress(&j);
  jpeg_mem_dest(&j, out, &n);
  j.image_width = (JDIMENSION)w;
  j.image_height = (JDIMENSION)h;
  j.input_components = c;
  j.in_color_space = c == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(&j);
  jpeg_set_quality(&j, 100, TRUE);
  jpeg_start_compress(&j, TRUE);
  JSAMPROW row = malloc((size_t)(w * c));
  for (int y = 0; y < h; y++) {
    for (int x = 0; x < w * c; x++) row[x] = (JSAMPLE)(value + (x * 7 + y * 5) % 3);
    jpeg_write_scanlines(&j, &row, 1);
  }
  free(row);
  jpeg_finish_compress(&j);
  jpeg_destroy_compress(&j);
  return n;
}

static void put_bytes(place *p, const char *name, const void *bytes, size_t n) {
  err e = {0};
  T_CHECK(!file_write(path_join(p->mem, p->images, name), bytes, n, &e));
}

static int open_set(opened *o, place *p, const char *split, const char *more) {
  *o = (opened){.mem = arena_new()};
  char *json = arena_fmt(o->mem, "{\"gantry\": 1, \"name\": \"t\", \"seeds\": 1, \"base\": {\"data\": {\"name\": \"image_folder\", \"path\": \"%s\"%s}, \"g\": {\"arch\": {\"name\": \"mlp\"}}, \"d\": {\"arch\": {\"name\": \"mlp\"}}, \"train\": {\"length\": {\"steps\": 1}}}}", p->images, more);
  const char *path = path_join(o->mem, p->root, "e.json");
  abi_sources s = abi_default_sources(o->mem, NULL, 0, NULL, 0);
  cfg_options options = {0};
  o->registry = abi_registry_open(&s, &o->e);
  if (!o->registry || file_write(path, json, strlen(json), &o->e) || cfg_load(path, o->registry, &options, &o->x, &o->e)) return 0;
  abi_plugin *plugin = abi_need(o->registry, GANTRY_KIND_DATASET, "image_folder", &o->e);
  if (!plugin || abi_open(plugin, &o->e)) return 0;
  const data_options from = {.split = split, .limit_seed = -1, .range = {-1, 1}};
  o->el = (abi_element){.plugin = plugin->live, .values = o->x->cells[0].run->data.values, .path = "data", .id = "data"};
  return !data_open(&o->el, &from, &o->d, &o->e);
}
static void close_set(opened *o) {
  data_close(o->d);
  cfg_free(o->x);
  abi_registry_close(o->registry);
  arena_free(o->mem);
}
static uint8_t pixel(const opened *o, int64_t sample, int64_t at) { return o->d ? ((const uint8_t *)o->d->bytes)[sample * o->d->sample_bytes + at] : 0; }

static void refused(place *p, const char *split, const char *more, const char *words) {
  opened o;
  T_CHECK(!open_set(&o, p, split, more));
  T_HAS(o.e.msg, words);
  close_set(&o);
}

static void test_image_folder__order_and_classes(void) {
  place p = place_new();
  opened o;
  put_png(&p, "b/2.png", 3, 2, 3, 30, NULL);
  put_png(&p, "a/9.png", 3, 2, 3, 20, NULL);
  put_png(&p, "a/10.PNG", 3, 2, 3, 10, NULL);
  put_png(&p, "b/deep/1.png", 3, 2, 1, 40, NULL);
  put_png(&p, "a/.hidden.png", 3, 2, 3, 99, NULL);
  put_bytes(&p, "b/notes.txt", "x", 1);
  int ok = open_set(&o, &p, "train", "");
  T_STR(o.e.msg, "");
  T_CHECK(ok && o.d->count == 4 && o.d->info.rank == 3 && o.d->info.dims[0] == 2 && o.d->info.dims[1] == 3 && o.d->info.dims[2] == 3 && o.d->info.classes == 2);
  for (int k = 0; ok && k < 4; k++) {
    T_CHECK(pixel(&o, k, 17) == 10 * (k + 1));
    T_CHECK(o.d->labels[k] == k / 2);
  }
  close_set(&o);
  put_png(&p, "stray.png", 3, 2, 3, 10, NULL);
  refused(&p, "train", "", "stands beside subfolders");
  place_free(&p);
}

static void test_image_folder__splits(void) {
  place p = place_new();
  opened o;
  refused(&p, "train", "", "no PNG or JPEG file was found");
  put_png(&p, "x.png", 2, 2, 1, 7, NULL);
  refused(&p, "test", "", "there is no split \"test\"");
  int ok = open_set(&o, &p, "train", "");
  T_CHECK(ok && o.d->count == 1 && o.d->info.classes == 0 && !o.d->labels && o.d->info.dims[2] == 1);
  close_set(&o);
  unlink(path_join(p.mem, p.images, "x.png"));
  put_png(&p, "train/a/1.png", 2, 2, 1, 1, NULL);
  put_png(&p, "train/b/1.png", 2, 2, 1, 2, NULL);
  refused(&p, "test", "", "a subfolder of that name is missing");
  put_png(&p, "test/b/1.png", 2, 2, 1, 3, NULL);
  ok = open_set(&o, &p, "test", "");
  T_CHECK(ok && o.d->count == 1 && o.d->info.classes == 2 && o.d->labels[0] == 1 && pixel(&o, 0, 0) == 3);
  close_set(&o);
  place_free(&p);
}

static void test_image_folder__sizes_and_channels(void) {
  place p = place_new();
  opened o;
  static const uint8_t blocks[] = {0, 4, 100, 100, 8, 12, 100, 100, 200, 200, 50, 51, 200, 200, 52, 53};
  put_png(&p, "a.png", 2, 2, 1, 7, NULL);
  put_png(&p, "b.png", 4, 4, 1, 0, blocks);
  refused(&p, "train", "", "b.png: has 4 x 4 pixels where 2 x 2 are expected: set data.fit to \"crop\" or \"stretch\" to scale it, with data.filter");
  refused(&p, "train", ", \"channels\": 2", "data.channels is 2");
  int ok = open_set(&o, &p, "train", ", \"fit\": \"stretch\"");
  T_CHECK(ok && pixel(&o, 0, 0) == 7 && pixel(&o, 1, 0) == 6 && pixel(&o, 1, 1) == 100 && pixel(&o, 1, 2) == 200 && (pixel(&o, 1, 3) == 51 || pixel(&o, 1, 3) == 52));
  close_set(&o);
  ok = open_set(&o, &p, "train", ", \"fit\": \"stretch\", \"filter\": \"triangle\", \"size\": 3, \"channels\": 3");
  T_CHECK(ok && o.d->sample_bytes == 27 && pixel(&o, 0, 0) == 7 && pixel(&o, 0, 26) == 7 && pixel(&o, 1, 9) == pixel(&o, 1, 10));
  close_set(&o);
  static const uint8_t wide[] = {9, 1, 2, 9, 9, 3, 4, 9}; /* 4 x 2: a crop keeps the middle */
  put_png(&p, "b.png", 4, 2, 1, 0, wide);
  ok = open_set(&o, &p, "train", ", \"fit\": \"crop\"");
  T_CHECK(ok && pixel(&o, 1, 0) == 1 && pixel(&o, 1, 1) == 2 && pixel(&o, 1, 2) == 3 && pixel(&o, 1, 3) == 4);
  close_set(&o);
  put_png(&p, "b.png", 2, 2, 3, 50, NULL);
  refused(&p, "train", "", "is RGB but");
  ok = open_set(&o, &p, "train", ", \"channels\": 1");
  T_CHECK(ok && pixel(&o, 1, 3) == 50);
  close_set(&o);
  place_free(&p);
}

static void test_image_folder__jpeg(void) {
  place p = place_new();
  opened o;
  uint8_t *bytes;
  size_t n = jpeg_bytes(&bytes, 24, 16, 3, 100);
  put_bytes(&p, "a.jpg", bytes, n);
  int ok = open_set(&o, &p, "train", "");
  T_STR(o.e.msg, "");
  T_CHECK(ok && o.d->info.dims[0] == 16 && o.d->info.dims[1] == 24 && o.d->info.dims[2] == 3 && pixel(&o, 0, 100) >= 98 && pixel(&o, 0, 100) <= 104);
  close_set(&o);
  for (size_t cut = 0; cut + 2 < n; cut += cut < 12 || cut + 12 > n ? 1 : 61) {
    put_bytes(&p, "a.jpg", bytes, cut);
    refused(&p, "train", "", "a.jpg: cannot be read as an image");
  }
  for (size_t k = 0; k + 9 < n; k++) /* the frame header: 65500 x 65500 pixels */
    if (bytes[k] == 0xff && bytes[k + 1] == 0xc0) bytes[k + 5] = bytes[k + 7] = 0xff;
  put_bytes(&p, "a.jpg", bytes, n);
  refused(&p, "train", "", "more than can be read");
  free(bytes);
  place_free(&p);
}

static void put_word(uint8_t *at, uint32_t v) {
  for (int k = 0; k < 4; k++) at[k] = (uint8_t)(v >> (24 - 8 * k));
}

static void test_image_folder__damaged_png(void) {
  place p = place_new();
  err e = {0};
  buf b = {0};
  uint8_t noise[12 * 12];
  for (int k = 0; k < 144; k++) noise[k] = (uint8_t)(k * 37);
  put_png(&p, "a.png", 12, 12, 1, 0, noise);
  T_CHECK(!file_read(path_join(p.mem, p.images, "a.png"), &b, 1 << 20, &e));
  for (size_t cut = 0; cut < b.n; cut += 7) {
    put_bytes(&p, "a.png", b.p, cut);
    refused(&p, "train", "", "a.png: cannot be read as an image");
  }
  static const uint32_t sides[] = {8000, 60000, 0x7fffffff, 0};
  for (int k = 0; k < 4; k++) {
    uint8_t *ihdr = (uint8_t *)b.p + 12;
    put_word(ihdr + 4, sides[k]);
    put_word(ihdr + 8, sides[k]);
    put_word(ihdr + 17, (uint32_t)crc32(0, ihdr, 17));
    put_bytes(&p, "a.png", b.p, b.n);
    refused(&p, "train", "", "a.png: cannot be read as an image");
  }
  buf_free(&b);
  place_free(&p);
}

/* The one pack in the cache folder, or NULL. */
static char *pack_path(place *p) {
  err e = {0};
  char **names, *dir = arena_fmt(p->mem, "%s/cache", p->root);
  if (dir_list(dir, p->mem, &names, &e) || !names[0] || names[1]) return NULL;
  return path_join(p->mem, dir, names[0]);
}

static void test_image_folder__cache(void) {
  place p = place_new();
  opened o;
  struct stat first = {0}, later = {0};
  put_png(&p, "a/1.png", 5, 4, 3, 77, NULL);
  put_png(&p, "b/1.png", 5, 4, 3, 78, NULL);
  T_CHECK(open_set(&o, &p, "train", ""));
  close_set(&o);
  char *pack = pack_path(&p);
  T_CHECK(pack && !stat(pack, &first));
  T_CHECK(open_set(&o, &p, "train", "") && o.d->info.classes == 2 && o.d->labels[1] == 1 && pixel(&o, 1, 59) == 78);
  close_set(&o);
  T_CHECK(pack && !stat(pack, &later) && first.st_ino == later.st_ino && first.st_mtim.tv_nsec == later.st_mtim.tv_nsec); /* used, not made again */
  for (size_t at = 0; pack && at < (size_t)first.st_size; at += 7) { /* any byte of it */
    err e = {0};
    buf b = {0};
    T_CHECK(!file_read(pack, &b, 1 << 20, &e));
    b.p[at] ^= 0x40;
    T_CHECK(!file_write(pack, b.p, at % 2 ? b.n : at, &e));
    buf_free(&b);
    T_CHECK(open_set(&o, &p, "train", "") && o.d->count == 2 && pixel(&o, 0, 0) == 77 && pixel(&o, 1, 59) == 78 && o.d->labels[1] == 1);
    close_set(&o);
  }
  put_png(&p, "b/1.png", 5, 4, 3, 90, NULL); /* a changed file is another pack */
  T_CHECK(open_set(&o, &p, "train", "") && pixel(&o, 1, 0) == 90);
  close_set(&o);
  T_CHECK(!pack_path(&p));
  DIR *d = opendir(p.images);
  int entries = 0;
  while (d && readdir(d)) entries++;
  if (d) closedir(d);
  T_CHECK(entries == 4); /* . .. a b */
  setenv("GANTRY_CACHE", "/proc/nowhere", 1);
  T_CHECK(open_set(&o, &p, "train", "") && pixel(&o, 1, 0) == 90); /* nowhere to keep it: still a set */
  close_set(&o);
  place_free(&p);
}

T_MAIN(T(test_image_folder__order_and_classes), T(test_image_folder__splits), T(test_image_folder__sizes_and_channels), T(test_image_folder__jpeg), T(test_image_folder__damaged_png), T(test_image_folder__cache))
