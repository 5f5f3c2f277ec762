/* Files, PNG images and safetensors: round trips, and damage that must be refused without a crash. */
#include "t.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/image.h"
#include "base/safetensors.h"

static char *scratch(arena *a) {
  char *dir = arena_str(a, "/tmp/gantry-test-XXXXXX");
  T_CHECK(mkdtemp(dir) != NULL);
  return dir;
}
static void clear(const char *dir) {
  char cmd[300];
  snprintf(cmd, sizeof cmd, "rm -rf '%s'", dir);
  T_CHECK(system(cmd) == 0);
}

static void test_files__write_read_list(void) {
  arena *a = arena_new();
  err e = {0};
  char *dir = scratch(a), **names;
  T_CHECK(dir_make(path_join(a, dir, "x/y/z"), &e) == 0);
  T_CHECK(dir_make(path_join(a, dir, "x/y/z"), &e) == 0);
  char *f = path_join(a, dir, "x/b");
  T_CHECK(file_write(f, "one", 3, &e) == 0);
  T_CHECK(file_write(f, "three", 5, &e) == 0);
  T_CHECK(file_write(path_join(a, dir, "x/a"), "", 0, &e) == 0);
  buf b = {0};
  T_CHECK(file_read(f, &b, 5, &e) == 0);
  T_STR(b.p, "three");
  T_CHECK(file_read(f, &b, 4, &e) == GANTRY_E_IO);
  T_HAS(e.msg, "larger than");
  err_clear(&e);
  T_CHECK(dir_list(path_join(a, dir, "x"), a, &names, &e) == 0);
  T_STR(names[0], "a");
  T_STR(names[1], "b");
  T_STR(names[2], "y");
  T_CHECK(names[3] == NULL); /* nothing beside is left */
  char hex[65];
  T_CHECK(file_sha256(path_join(a, dir, "x/a"), hex, &e) == 0);
  T_STR(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  T_CHECK(file_write(path_join(a, dir, "none/b"), "one", 3, &e) == GANTRY_E_IO);
  T_HAS(e.msg, "none/b");
  T_STR(path_dir(a, "/a/b"), "/a");
  T_STR(path_dir(a, "b"), ".");
  T_STR(path_join(a, "/a/", "/b"), "/b");
  buf_free(&b);
  clear(dir);
  arena_free(a);
}

static void test_files__failed_write_keeps_the_old_file(void) {
  arena *a = arena_new();
  err e = {0};
  char *dir = scratch(a), *f = path_join(a, dir, "f"), **names;
  T_CHECK(file_write(f, "old", 3, &e) == 0);
  file_out o;
  T_CHECK(file_begin(&o, f, &e) == 0);
  T_CHECK(file_put(&o, "new", 3, &e) == 0);
  buf b = {0};
  T_CHECK(file_read(f, &b, 100, &e) == 0);
  T_STR(b.p, "old"); /* until the commit */
  file_abandon(&o);
  T_CHECK(dir_list(dir, a, &names, &e) == 0);
  T_STR(names[0], "f");
  T_CHECK(names[1] == NULL);
  buf_free(&b);
  clear(dir);
  arena_free(a);
}

static void test_image__round_trip_and_grid(void) {
  arena *a = arena_new();
  err e = {0};
  char *dir = scratch(a), *f = path_join(a, dir, "i.png");
  uint8_t px[2 * 2 * 3 * 3]; /* two images of 2 x 3 x 3 */
  for (size_t i = 0; i < sizeof px; i++) px[i] = (uint8_t)(i * 7);
  image g = image_grid(px, 1, 2, 2, 3, 3, 1, 2);
  T_CHECK(g.w == 15 && g.h == 6 && g.c == 3);
  T_CHECK(g.px[0] == 128);                            /* gap */
  T_CHECK(g.px[(1 * 15 + 1) * 3] == px[0] && g.px[(2 * 15 + 2) * 3] == px[0]); /* zoomed */
  T_CHECK(g.px[(1 * 15 + 8) * 3 + 1] == px[18 + 1]);  /* second image */
  T_CHECK(png_write(f, &g, &e) == 0);
  image r;
  T_CHECK(png_read(f, &r, &e) == 0);
  T_CHECK(r.w == 15 && r.h == 6 && r.c == 3 && !memcmp(r.px, g.px, 15 * 6 * 3));
  image_free(&r);
  image_free(&g);
  buf b = {0};
  T_CHECK(file_read(f, &b, 1 << 20, &e) == 0);
  for (size_t cut = 0; cut < b.n; cut += 5) { /* truncated anywhere */
    err why = {0};
    T_CHECK(file_write(f, b.p, cut, &e) == 0);
    T_CHECK(png_read(f, &r, &why) == GANTRY_E_IO && r.px == NULL);
  }
  buf_free(&b);
  clear(dir);
  arena_free(a);
}

static void test_safetensors__round_trip(void) {
  arena *a = arena_new();
  err e = {0};
  char *dir = scratch(a), *f = path_join(a, dir, "s"), *g = path_join(a, dir, "t");
  float w[6] = {1, 2, 3, 4, 5, -0.5f};
  uint8_t odd[3] = {7, 8, 9};
  double d = 1.0 / 3;
  st_tensor t[] = {{.name = "odd", .dtype = GANTRY_U8, .rank = 1, .dims = {3}, .bytes = 3, .data = odd},
                   {.name = "d/\"w\"\n", .dtype = GANTRY_F32, .rank = 2, .dims = {2, 3}, .bytes = 24, .data = w},
                   {.name = "scalar", .dtype = GANTRY_F64, .bytes = 8, .data = &d},
                   {.name = "empty", .dtype = GANTRY_I64, .rank = 2, .dims = {0, 4}, .data = odd}};
  st_meta m1[] = {{"z", "1"}, {"a", "\\x\té"}}, m2[] = {m1[1], m1[0]};
  char sha[65], again[65];
  T_CHECK(st_write(f, t, 4, m1, 2, sha, &e) == 0);
  T_CHECK(st_write(g, t, 4, m2, 2, NULL, &e) == 0);
  T_CHECK(file_sha256(g, again, &e) == 0);
  T_STR(sha, again); /* metadata is sorted */
  st_file r;
  T_CHECK(st_read(f, &r, &e) == 0);
  T_STR(e.msg, "");
  T_CHECK(r.n == 4);
  const st_tensor *x = st_find(&r, "d/\"w\"\n");
  T_CHECK(x && x->rank == 2 && x->dims[1] == 3 && !memcmp(x->data, w, 24) && (uintptr_t)x->data % 8 == 0);
  x = st_find(&r, "scalar");
  T_CHECK(x && x->rank == 0 && *(const double *)x->data == d);
  T_STR(st_meta_get(&r, "a"), "\\x\té");
  T_CHECK(st_find(&r, "none") == NULL && st_meta_get(&r, "none") == NULL);
  st_free(&r);
  clear(dir);
  arena_free(a);
}

static int refused(const char *path, const char *header, size_t data, const char *why) {
  err e = {0};
  buf b = {0};
  unsigned char len[8] = {0};
  size_t n = strlen(header);
  for (int i = 0; i < 8; i++) len[i] = (unsigned char)((uint64_t)n >> (8 * i));
  buf_put(&b, len, 8);
  buf_puts(&b, header);
  for (size_t i = 0; i < data; i++) buf_putc(&b, 'x');
  T_CHECK(file_write(path, b.p, b.n, &e) == 0);
  buf_free(&b);
  st_file r;
  int bad = st_read(path, &r, &e) == GANTRY_E_IO && r.mem == NULL;
  if (why) T_HAS(e.msg, why);
  st_free(&r);
  return bad;
}

static void test_safetensors__hostile_headers(void) {
  arena *a = arena_new();
  char *dir = scratch(a), *f = path_join(a, dir, "s");
#define ONE(type, shape, at) "{\"a\":{\"dtype\":\"" type "\",\"shape\":[" shape "],\"data_offsets\":[" at "]}}"
  T_CHECK(!refused(f, ONE("F32", "2", "0,8"), 8, NULL));
  T_CHECK(!refused(f, "{}", 0, NULL));
  T_CHECK(refused(f, ONE("F32", "2", "0,8"), 7, "truncated"));
  T_CHECK(refused(f, ONE("F32", "2", "0,8"), 9, "belong to no tensor"));
  T_CHECK(refused(f, ONE("F32", "2", "0,4"), 8, "does not fit"));
  T_CHECK(refused(f, ONE("F16", "2", "0,4"), 4, "not supported"));
  T_CHECK(refused(f, ONE("F32", "4611686018427387904,4", "0,0"), 0, "overflows"));
  T_CHECK(refused(f, ONE("F32", "2", "99999999999999999999,8"), 8, "too large"));
  T_CHECK(refused(f, ONE("F32", "1,1,1,1,1,1,1,1,1", "0,4"), 4, "8 axes"));
  T_CHECK(refused(f, ONE("U8", "2", "4,6"), 6, "holes"));
  T_CHECK(refused(f, "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}", 4, "one name"));
  T_CHECK(refused(f, "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}", 3, "overlap"));
  T_CHECK(refused(f, "{\"a\":{\"dtype\":\"U8\"}}", 0, "lacks"));
  T_CHECK(refused(f, "{} x", 0, "after its header"));
  T_CHECK(refused(f, "{\"a\\u0000\":{}}", 0, "NUL"));
  T_CHECK(refused(f, "{\"a\\", 0, NULL));
  static const char good[] = "{\"__metadata__\":{\"k\":\"v\\u00e9\"},\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}";
  for (size_t cut = 0; cut < sizeof good - 1; cut++) { /* cut anywhere */
    char part[sizeof good];
    memcpy(part, good, cut);
    part[cut] = 0;
    T_CHECK(refused(f, part, 2, NULL));
  }
  err e = {0};
  st_file r;
  T_CHECK(file_write(f, "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10, &e) == 0);
  T_CHECK(st_read(f, &r, &e) == GANTRY_E_IO); /* a header of 2^64 - 1 bytes */
  clear(dir);
  arena_free(a);
}

T_MAIN(T(test_files__write_read_list), T(test_files__failed_write_keeps_the_old_file), T(test_image__round_trip_and_grid),
       T(test_safetensors__round_trip), T(test_safetensors__hostile_headers))
