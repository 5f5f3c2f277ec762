/* cmd_init.c - `gantry init DATA`: looks at the data and writes a two-cell experiment that runs. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/files.h"
#include "base/image.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "report/exchange.h"

typedef struct seen { const char *what, *data, *nets, *metrics, *judge, *name; int size, batch, steps; } seen;

static int ends(const char *s, const char *tail) {
  size_t n = strlen(s), m = strlen(tail);
  return n >= m && !strcmp(s + n - m, tail);
}

/* "dir" holds images, IDX files, or neither. */
static gantry_status look(const char *path, arena *a, seen *s, err *e) {
  struct stat info;
  char **names;
  uint32_t images = 0, idx = 0;
  const char *first = NULL;
  *s = (seen){.metrics = "{}", .judge = ""};
  if (!strcmp(path, "gaussians")) {
    *s = (seen){.what = "eight Gaussians on a ring (made on the fly)", .data = "{\"name\": \"gaussians\", \"layout\": \"ring\", \"modes\": 8}", .name = "gaussians", .batch = 128, .steps = 5000,
                .metrics = "{\"coverage\": {\"name\": \"mode_coverage\", \"fake\": 5000, \"every\": {\"fraction\": 0.25}}}", .judge = "coverage.high_quality"};
    return GANTRY_OK;
  }
  if (stat(path, &info)) return err_set(e, GANTRY_E_CONFIG, "there is nothing at %s; give a folder of images, a folder of IDX files (MNIST), or the word gaussians", path);
  char *full = realpath(path, NULL);
  const char *real = arena_str(a, full ? full : path), *slash = strrchr(real, '/');
  free(full);
  const char *dir = S_ISDIR(info.st_mode) ? real : path_dir(a, real);
  TRY(dir_list(dir, a, &names, e));
  for (char **n = names; *n; n++) {
    if (ends(*n, ".png") || ends(*n, ".jpg") || ends(*n, ".jpeg") || ends(*n, ".PNG") || ends(*n, ".JPG")) {
      if (!first && (ends(*n, ".png") || ends(*n, ".PNG"))) first = *n;
      images++;
    }
    idx += strstr(*n, "idx3-ubyte") != NULL || strstr(*n, "images.idx") != NULL;
  }
  s->name = slash && slash[1] ? slash + 1 : "data";
  buf quoted = {0};
  exchange_json(&quoted, dir);
  if (idx) {
    s->what = arena_fmt(a, "%u IDX file%s of images", idx, idx == 1 ? "" : "s");
    s->data = arena_fmt(a, "{\"name\": \"idx\", \"path\": %s, \"split\": \"train\"}", quoted.p);
    s->size = 28, s->batch = 64, s->steps = 20000;
  } else if (images) {
    image im;
    err ignored = {0};
    s->size = 64;
    if (first && !png_read(path_join(a, dir, first), &im, &ignored)) {
      int64_t side = im.w < im.h ? im.w : im.h;
      s->size = side < 64 ? 32 : side < 128 ? 64 : 128;
      image_free(&im);
    }
    s->what = arena_fmt(a, "%u image%s", images, images == 1 ? "" : "s");
    s->data = arena_fmt(a, "{\"name\": \"image_folder\", \"path\": %s, \"size\": [%d, %d]}", quoted.p, s->size, s->size);
    s->batch = 32, s->steps = 50000;
  } else
    err_set(e, GANTRY_E_CONFIG, "%s holds neither PNG or JPEG images nor IDX files; give a folder of images, a folder of IDX files (MNIST), or the word gaussians", dir);
  buf_free(&quoted);
  return e->code;
}

static void write_text(buf *b, const seen *s) {
  char name[48];
  size_t n = 0;
  for (const char *p = s->name; *p && n < 40; p++) name[n++] = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ? *p : '_';
  name[n] = 0;
  buf_printf(b, "{\"gantry\": 1, \"name\": \"%s_first\",\n \"note\": \"Written by gantry init for %s. Notes are ignored, anywhere.\",\n", n ? name : "data", s->what);
  buf_puts(b, " \"question\": \"Does R1 help here?\",\n \"base\": {\n");
  buf_printf(b, "  \"data\": %s,\n", s->data);
  if (s->size) {
    buf_printf(b, "  \"g\": {\"arch\": {\"name\": \"dcgan\", \"size\": %d, \"width\": 32}, \"optim\": {\"name\": \"adam\", \"lr\": 2e-4, \"beta1\": 0.5}, \"ema\": {\"half_life\": {\"kimg\": 10}}},\n", s->size);
    buf_printf(b, "  \"d\": {\"arch\": {\"name\": \"dcgan\", \"size\": %d, \"width\": 32, \"norm\": \"none\"}, \"optim\": {\"name\": \"adam\", \"lr\": 2e-4, \"beta1\": 0.5}},\n", s->size);
  } else {
    buf_puts(b, "  \"g\": {\"arch\": {\"name\": \"mlp\"}, \"optim\": {\"name\": \"adam\", \"lr\": 1e-3, \"beta1\": 0.5}},\n  \"d\": {\"arch\": {\"name\": \"mlp\"}, \"optim\": {\"name\": \"adam\", \"lr\": 1e-3, \"beta1\": 0.5}},\n");
  }
  buf_printf(b, "  \"loss\": {\"name\": \"nonsaturating\"},\n  \"regularizers\": {\"r1\": {\"name\": \"r1\", \"gamma\": %s, \"on\": false}},\n", s->size ? "1" : "0.1");
  buf_printf(b, "  \"train\": {\"batch\": %d, \"length\": {\"steps\": %d}},\n  \"metrics\": %s,\n", s->batch, s->steps, s->metrics);
  buf_puts(b, "  \"samples\": {\"grid\": [8, 8], \"every\": {\"fraction\": 0.1}}\n },\n");
  buf_puts(b, " \"axes\": {\"r1\": {\"path\": \"regularizers.r1.on\", \"values\": [false, true]}},\n \"baseline\": {\"r1\": \"off\"},\n \"seeds\": 5");
  if (*s->judge) buf_printf(b, ",\n \"judge\": {\"metric\": \"%s\", \"weights\": \"auto\", \"reduce\": \"last\"}", s->judge);
  buf_puts(b, "\n}\n");
}

int cmd_init(int argc, char **argv) {
  enum { OUTPUT, FORCE, N };
  flag f[N] = {[OUTPUT] = {.name = "--output", .value = "FILE", .help = "the file to write (-o; default experiment.json)", .type = FLAG_TEXT}, [FORCE] = {.name = "--force", .help = "replace a file that is there", .type = FLAG_BOOL}};
  const char *words[3];
  uint32_t n;
  int code = cli_parse(argc, argv, "gantry init DATA [-o EXP.json]      DATA: a folder of images, a folder of IDX files, or gaussians", f, N, 1, words, 3, &n);
  if (code >= 0) return code;
  arena *a = arena_new();
  err e = {0};
  seen s;
  buf b = {0};
  const char *file = f[OUTPUT].on ? f[OUTPUT].text : "experiment.json";
  gantry_status st = look(words[0], a, &s, &e);
  if (!st && file_exists(file) && !f[FORCE].on) st = err_set(&e, GANTRY_E_CONFIG, "%s is there already; --force replaces it", file);
  if (!st) {
    write_text(&b, &s);
    st = file_write(file, b.p, b.n, &e);
  }
  if (!st) printf("%s: %s, two cells, five seeds\nnext: gantry plan %s, gantry run %s --smoke, gantry run %s\n", file, s.what, file, file, file);
  code = st ? flags_error("init", &e) : EXIT_OK;
  buf_free(&b);
  arena_free(a);
  return code;
}
