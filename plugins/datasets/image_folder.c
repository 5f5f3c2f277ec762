/* image_folder - PNG and JPEG files below a folder, with the subfolders' names as classes.
 *
 * In: `path`, searched whole; names beginning with a dot and other kinds of files are passed over. Where it holds train/ or test/, those are the splits,
 * else everything is "train". Samples stand in the byte order of class and file name. Out: u8 [H, W, C], alpha dropped, 16 bit reduced to 8.
 * Decoding thousands of files takes longer than training a small net, so what was decoded is kept as one file in the user's cache folder, named by a
 * hash of everything it depends on; nothing is ever written beside the images. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gantry/cache.h>
#include <gantry/dataset.h>
#include <math.h>
#include <setjmp.h>
#include <sha2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jpeglib.h>
#include <jerror.h>
#include <png.h>
#include <zlib.h>

#define MAGIC "gantryI2" /* what a pack begins with, and part of its name: older ones are made anew */
enum { PATH, SIZE, FIT, FILTER, CHANNELS };
enum { FIT_NONE, FIT_CROP, FIT_STRETCH };
enum { FILTER_AREA, FILTER_TRIANGLE };
enum { MAX_SIDE = 1 << 16, MAX_PIXELS = 1 << 26, MAX_DEPTH = 8, PATH_CAP = 4096 };
static const char *const fits[] = {"none", "crop", "stretch", NULL};
static const char *const filters[] = {"area", "triangle", NULL};
static const gantry_param params[] = {
  {.key = "path", .doc = "folder with PNG and JPEG files; its subfolders are classes", .type = GANTRY_P_PATH, .flags = GANTRY_PF_REQUIRED},
  {.key = "size", .doc = "side of the square samples; 0 = width and height of the first image", .unit = "pixels", .type = GANTRY_P_INT, .lo = 0, .hi = 8192, .flags = GANTRY_PF_STRUCTURAL},
  {.key = "fit", .doc = "images of another size: none refuses them, crop scales their largest centred part, stretch scales them whole", .type = GANTRY_P_ENUM, .def_str = "none", .choices = fits},
  {.key = "filter", .doc = "antialiasing of scaled images: area averages what a pixel covers, triangle weighs by distance", .type = GANTRY_P_ENUM, .def_str = "area", .choices = filters},
  {.key = "channels", .doc = "1 gray, 3 RGB; 0 = as the first image", .type = GANTRY_P_INT, .lo = 0, .hi = 3, .flags = GANTRY_PF_STRUCTURAL}};

typedef struct entry { char *path; int32_t label; uint32_t reserved0; int64_t bytes, seconds, nanoseconds; } entry;
typedef struct pack_head { /* as it stands in a cached file, followed by the labels and, at the next multiple of 64, the pixels; little endian like every machine this runs on */
  char magic[8];
  int64_t count, h, w, c;
  uint32_t classes, crc;
} pack_head;
typedef struct set {
  entry *files;
  char **classes;
  size_t n, n_classes;
  pack_head head;
  unsigned char *pack, *pixels; /* the mapped pack, and its parts */
  int32_t *labels;
} set;
typedef struct picture { int64_t w, h, c; unsigned char *px; } picture;

__attribute__((format(printf, 3, 4))) static gantry_status failed(gantry_ctx *cx, gantry_status code, const char *form, ...) {
  char text[2 * PATH_CAP];
  va_list ap;
  va_start(ap, form);
  vsnprintf(text, sizeof text, form, ap);
  va_end(ap);
  return cx->host->fail(cx, code, text);
}

/* ---- finding files ---- */

static int is_image(const char *name) {
  const char *dot = strrchr(name, '.');
  return dot && (!strcasecmp(dot, ".png") || !strcasecmp(dot, ".jpg") || !strcasecmp(dot, ".jpeg"));
}
static int is_folder(const char *dir, const char *name) {
  char path[PATH_CAP];
  struct stat st;
  return snprintf(path, sizeof path, "%s/%s", dir, name) < (int)sizeof path && !stat(path, &st) && S_ISDIR(st.st_mode);
}
static int by_bytes(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }
static int visible(const struct dirent *d) { return d->d_name[0] != '.'; }
static int compare_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }
static int compare_entry(const void *a, const void *b) {
  const entry *x = a, *y = b;
  return x->label != y->label ? (x->label > y->label) - (x->label < y->label) : strcmp(x->path, y->path);
}

/* Room for one more in an array that doubles; NULL = out of memory, the old array stays. */
static void *room(void *p, size_t n, size_t size) { return n & (n - 1) ? p : realloc(p, (n ? 2 * n : 1) * size); }

static gantry_status add_file(gantry_ctx *cx, set *s, const char *path, int32_t label) {
  struct stat st;
  if (stat(path, &st)) return failed(cx, GANTRY_E_IO, "%s: %s", path, strerror(errno));
  entry *more = room(s->files, s->n, sizeof *more);
  if (!more) return failed(cx, GANTRY_E_NOMEM, "%s: out of memory", path);
  s->files = more;
  s->files[s->n] = (entry){.path = strdup(path), .label = label, .bytes = st.st_size, .seconds = st.st_mtim.tv_sec, .nanoseconds = st.st_mtim.tv_nsec};
  return s->files[s->n++].path ? GANTRY_OK : failed(cx, GANTRY_E_NOMEM, "%s: out of memory", path);
}

static gantry_status add_class(gantry_ctx *cx, set *s, const char *name) {
  for (size_t k = 0; k < s->n_classes; k++)
    if (!strcmp(s->classes[k], name)) return GANTRY_OK;
  char **more = room(s->classes, s->n_classes, sizeof *more);
  if (!more) return failed(cx, GANTRY_E_NOMEM, "%s: out of memory", name);
  s->classes = more;
  s->classes[s->n_classes] = strdup(name);
  return s->classes[s->n_classes++] ? GANTRY_OK : failed(cx, GANTRY_E_NOMEM, "%s: out of memory", name);
}

/* only_classes: notes the names of subfolders and looks no further. At depth 0 a subfolder is a class, further down it is just a place. */
static gantry_status list(gantry_ctx *cx, set *s, const char *dir, int depth, int32_t label, int only_classes) {
  struct dirent **d = NULL;
  gantry_status st = GANTRY_OK;
  int n = depth < MAX_DEPTH ? scandir(dir, &d, visible, by_bytes) : (errno = ELOOP, -1);
  if (n < 0) return failed(cx, GANTRY_E_IO, "%s: %s: set data.path to a folder that holds PNG or JPEG files", dir, strerror(errno));
  for (int k = 0; k < n; k++) {
    char path[PATH_CAP];
    const char *name = d[k]->d_name;
    if (!st && snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path) st = failed(cx, GANTRY_E_IO, "%s: its path is too long", dir);
    if (!st && is_folder(dir, name)) {
      if (only_classes) {
        st = add_class(cx, s, name);
      } else {
        if (!depth) {
          char *const *at = bsearch(&name, s->classes, s->n_classes, sizeof *s->classes, compare_text);
          label = at ? (int32_t)(at - s->classes) : -1;
        }
        st = list(cx, s, path, depth + 1, label, 0);
      }
    } else if (!st && !only_classes && is_image(name)) {
      if (!depth && s->n_classes) st = failed(cx, GANTRY_E_CONFIG, "%s: stands beside subfolders, so it has no class: move it into one of them, or all images into one folder", path);
      else st = add_file(cx, s, path, depth ? label : 0);
    }
    free(d[k]);
  }
  free(d);
  return st;
}

/* Classes are numbered over both splits, so a class that one of them lacks shifts nothing. */
static gantry_status find_files(gantry_ctx *cx, set *s, const char *path, const char *split) {
  char dir[PATH_CAP];
  int train = is_folder(path, "train"), test = is_folder(path, "test"), wants_test = !strcmp(split, "test");
  gantry_status st = GANTRY_OK;
  if (!wants_test && strcmp(split, "train")) return failed(cx, GANTRY_E_CONFIG, "%s: there are the splits train and test only", split);
  if (train + test == 0 && wants_test) return failed(cx, GANTRY_E_CONFIG, "%s: there is no split \"test\": the folder has no subfolders train and test, so all of it is \"train\"", path);
  if (train + test && !(wants_test ? test : train)) return failed(cx, GANTRY_E_CONFIG, "%s: there is no split \"%s\": a subfolder of that name is missing", path, split);
  for (int k = 0; k < 2 && !st && train + test; k++)
    if ((k ? test : train) && snprintf(dir, sizeof dir, "%s/%s", path, k ? "test" : "train") < (int)sizeof dir) st = list(cx, s, dir, 0, 0, 1);
  snprintf(dir, sizeof dir, train + test ? "%s/%s" : "%s", path, split);
  if (!st && train + test == 0) st = list(cx, s, dir, 0, 0, 1);
  if (!st && s->n_classes) qsort(s->classes, s->n_classes, sizeof *s->classes, compare_text);
  if (!st) st = list(cx, s, dir, 0, 0, 0);
  if (!st && !s->n) return failed(cx, GANTRY_E_IO, "%s: no PNG or JPEG file was found below it: set data.path to a folder that holds some", dir);
  if (!st) qsort(s->files, s->n, sizeof *s->files, compare_entry);
  return st;
}

/* ---- decoding: both libraries leave by longjmp, so everything that must survive lives in structs of the caller ---- */

typedef struct jpeg_fail { struct jpeg_error_mgr base; jmp_buf out; char why[JMSG_LENGTH_MAX]; } jpeg_fail;
typedef struct png_fail { char why[JMSG_LENGTH_MAX]; } png_fail;

static void jpeg_die(j_common_ptr cinfo) {
  jpeg_fail *f = (jpeg_fail *)(void *)cinfo->err;
  f->base.format_message(cinfo, f->why);
  longjmp(f->out, 1);
}
static void jpeg_say(j_common_ptr cinfo, int level) { /* the library would paint what is missing gray */
  if (level < 0 && (cinfo->err->msg_code == JWRN_JPEG_EOF || cinfo->err->msg_code == JWRN_HIT_MARKER)) jpeg_die(cinfo);
}

static int decode_jpeg(FILE *file, struct jpeg_decompress_struct *j, jpeg_fail *f, picture *out) {
  j->err = jpeg_std_error(&f->base);
  f->base.error_exit = jpeg_die;
  f->base.emit_message = jpeg_say;
  if (setjmp(f->out)) {
    jpeg_destroy_decompress(j);
    return 0;
  }
  jpeg_create_decompress(j);
  jpeg_stdio_src(j, file);
  jpeg_read_header(j, TRUE);
  if ((uint64_t)j->image_width * j->image_height > MAX_PIXELS) {
    snprintf(f->why, sizeof f->why, "it claims %u x %u pixels, more than can be read", j->image_width, j->image_height);
    longjmp(f->out, 1);
  }
  if (j->jpeg_color_space != JCS_GRAYSCALE) j->out_color_space = JCS_RGB;
  jpeg_start_decompress(j);
  *out = (picture){.w = j->output_width, .h = j->output_height, .c = j->output_components};
  out->px = malloc((size_t)(out->w * out->h * out->c));
  if (!out->px) ERREXIT1(j, JERR_OUT_OF_MEMORY, 0);
  while (j->output_scanline < j->output_height) {
    JSAMPROW row = out->px + (int64_t)j->output_scanline * out->w * out->c;
    jpeg_read_scanlines(j, &row, 1);
  }
  jpeg_finish_decompress(j);
  jpeg_destroy_decompress(j);
  return 1;
}

static void png_die(png_structp png, png_const_charp text) {
  png_fail *f = png_get_error_ptr(png);
  snprintf(f->why, sizeof f->why, "%s", text);
  png_longjmp(png, 1);
}
static void png_say(png_structp png, png_const_charp text) { /* concerns metadata that is not read */
  (void)png;
  (void)text;
}

static int decode_png(FILE *file, int64_t bytes, png_fail *f, picture *out) {
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, f, png_die, png_say);
  png_infop info = png ? png_create_info_struct(png) : NULL;
  if (!info || setjmp(png_jmpbuf(png))) {
    png_destroy_read_struct(&png, &info, NULL);
    return 0;
  }
  png_set_user_limits(png, MAX_SIDE, MAX_SIDE);
  png_init_io(png, file);
  png_read_info(png, info);
  png_uint_32 w, h;
  int depth, type;
  png_get_IHDR(png, info, &w, &h, &depth, &type, NULL, NULL, NULL);
  /* deflate never packs better than 1032 : 1, so a larger claim is known to be false before memory is asked for */
  if ((uint64_t)w * h > MAX_PIXELS || (int64_t)(png_get_rowbytes(png, info) * h) / 1032 > bytes) png_error(png, "it claims more pixels than it can hold");
  if (depth == 16) png_set_strip_16(png);
  if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
  if (type == PNG_COLOR_TYPE_GRAY && depth < 8) png_set_expand_gray_1_2_4_to_8(png);
  png_set_strip_alpha(png);
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  *out = (picture){.w = w, .h = h, .c = png_get_channels(png, info)};
  out->px = calloc((size_t)(out->w * out->h), (size_t)out->c);
  if (!out->px) png_error(png, "out of memory");
  for (int k = 0; k < passes; k++)
    for (int64_t y = 0; y < out->h; y++) png_read_row(png, out->px + y * out->w * out->c, NULL);
  png_read_end(png, NULL);
  png_destroy_read_struct(&png, &info, NULL);
  return 1;
}

static gantry_status decode(gantry_ctx *cx, const entry *x, picture *out) {
  FILE *file = fopen(x->path, "rb");
  if (!file) return failed(cx, GANTRY_E_IO, "%s: %s", x->path, strerror(errno));
  unsigned char head[8] = {0};
  size_t got = fread(head, 1, sizeof head, file);
  rewind(file);
  struct jpeg_decompress_struct j;
  jpeg_fail jf = {0};
  png_fail pf = {0};
  int ok = 0, jpeg = head[0] == 0xff && head[1] == 0xd8; /* by content: wrong suffixes are common */
  memset(&j, 0, sizeof j);
  if (jpeg) ok = decode_jpeg(file, &j, &jf, out);
  else if (got == sizeof head && !png_sig_cmp(head, 0, sizeof head)) ok = decode_png(file, x->bytes, &pf, out);
  else snprintf(pf.why, sizeof pf.why, "neither PNG nor JPEG");
  fclose(file);
  if (ok && (out->c == 1 || out->c == 3)) return GANTRY_OK;
  free(out->px);
  out->px = NULL;
  return failed(cx, GANTRY_E_IO, "%s: cannot be read as an image: %s: replace or remove the file", x->path, ok ? "neither gray nor RGB" : jpeg ? jf.why : pf.why);
}

/* ---- scaling ---- */

/* Weight that source pixel `at` has in target pixel `to`, when `scale` source pixels fall on one. Narrower than a pixel (enlarging) the triangle stays 1 wide. */
static double weight(uint32_t filter, double at, double to, double scale) {
  if (filter == FILTER_AREA) return fmax(0, fmin(at + 1, (to + 1) * scale) - fmax(at, to * scale));
  return fmax(0, 1 - fabs(at + 0.5 - (to + 0.5) * scale) / fmax(1, scale));
}

/* One axis: in [outer, n, inner] -> out [outer, m, inner]. */
static void scale_axis(const float *in, float *out, int64_t outer, int64_t n, int64_t m, int64_t inner, uint32_t filter) {
  double scale = (double)n / (double)m, reach = fmax(1, scale);
  for (int64_t i = 0; i < m; i++) {
    double centre = ((double)i + 0.5) * scale;
    int64_t lo = (int64_t)floor(centre - reach) - 1, hi = (int64_t)ceil(centre + reach) + 1;
    if (lo < 0) lo = 0;
    if (hi > n) hi = n;
    for (int64_t o = 0; o < outer; o++)
      for (int64_t k = 0; k < inner; k++) {
        double sum = 0, total = 0;
        for (int64_t p = lo; p < hi; p++) {
          double w = weight(filter, (double)p, (double)i, scale);
          sum += w * (double)in[(o * n + p) * inner + k];
          total += w;
        }
        out[(o * m + i) * inner + k] = (float)(sum / total);
      }
  }
}

/* The part x0, y0, w, h of `im` (already of the wanted channels), scaled to tw x th. */
static int scale_to(const picture *im, int64_t x0, int64_t y0, int64_t w, int64_t h, int64_t tw, int64_t th, uint32_t filter, unsigned char *dst) {
  float *a = malloc(sizeof *a * (size_t)(w * h * im->c)), *b = malloc(sizeof *b * (size_t)(tw * h * im->c)), *d = malloc(sizeof *d * (size_t)(tw * th * im->c));
  int ok = a && b && d;
  if (ok) {
    for (int64_t y = 0; y < h; y++)
      for (int64_t x = 0; x < w * im->c; x++) a[y * w * im->c + x] = im->px[((y0 + y) * im->w + x0) * im->c + x];
    scale_axis(a, b, h, w, tw, im->c, filter);
    scale_axis(b, d, 1, h, th, tw * im->c, filter);
    for (int64_t k = 0; k < tw * th * im->c; k++) dst[k] = (unsigned char)lrintf(fminf(255, fmaxf(0, d[k])));
  }
  free(a);
  free(b);
  free(d);
  return ok;
}

/* To c channels in place of the old pixels. Gray is the luma of ITU-R BT.601, as JPEG and most tools have it. */
static int to_channels(picture *im, int64_t c) {
  if (im->c == c) return 1;
  int64_t n = im->w * im->h;
  unsigned char *px = malloc((size_t)(n * c));
  for (int64_t k = 0; px && k < n; k++) {
    if (c == 3) memset(px + 3 * k, im->px[k], 3);
    else px[k] = (unsigned char)((299 * im->px[3 * k] + 587 * im->px[3 * k + 1] + 114 * im->px[3 * k + 2] + 500) / 1000);
  }
  free(im->px);
  im->px = px;
  im->c = c;
  return px != NULL;
}

static gantry_status fit(gantry_ctx *cx, const set *s, const entry *x, picture *im, unsigned char *dst) {
  const gantry_param_api *p = cx->host->param;
  int64_t w = s->head.w, h = s->head.h, how = p->i64(cx, FIT), cw = im->w, ch = im->h;
  if (im->c == 3 && s->head.c == 1 && !p->i64(cx, CHANNELS))
    return failed(cx, GANTRY_E_CONFIG, "%s: is RGB but %s is gray: set data.channels to 3 to keep colours, to 1 to drop them", x->path, s->files[0].path);
  if ((im->w != w || im->h != h) && how == FIT_NONE)
    return failed(cx, GANTRY_E_CONFIG, "%s: has %lld x %lld pixels where %lld x %lld are expected: set data.fit to \"crop\" or \"stretch\" to scale it, with data.filter \"area\" or \"triangle\"", x->path,
                  (long long)im->w, (long long)im->h, (long long)w, (long long)h);
  int ok = to_channels(im, s->head.c);
  if (ok && im->w == w && im->h == h) memcpy(dst, im->px, (size_t)(w * h * im->c));
  else if (ok) {
    if (how == FIT_CROP && im->w * h > im->h * w) cw = (im->h * w + h / 2) / h;
    else if (how == FIT_CROP) ch = (im->w * h + w / 2) / w;
    if (cw < 1) cw = 1;
    if (ch < 1) ch = 1;
    ok = scale_to(im, (im->w - cw) / 2, (im->h - ch) / 2, cw, ch, w, h, (uint32_t)p->i64(cx, FILTER), dst);
  }
  return ok ? GANTRY_OK : failed(cx, GANTRY_E_NOMEM, "%s: out of memory", x->path);
}

/* ---- the cache ---- */

static void hash_text(SHA2_CTX *h, const char *text) { SHA256Update(h, (const uint8_t *)text, strlen(text) + 1); }

/* The name of the pack: everything that decides what is in it. Returns 0 if the user has no cache folder. */
static int pack_name(gantry_ctx *cx, const set *s, const char *split, char *out, size_t cap) {
  const gantry_param_api *p = cx->host->param;
  char folder[PATH_CAP];
  if (!gan_cache_path(folder, sizeof folder)) return 0;
  SHA2_CTX h;
  SHA256Init(&h);
  hash_text(&h, MAGIC);
  hash_text(&h, p->str(cx, PATH));
  hash_text(&h, split);
  for (uint32_t k = SIZE; k <= CHANNELS; k++) {
    int64_t v = p->i64(cx, k);
    SHA256Update(&h, (const uint8_t *)&v, sizeof v);
  }
  for (size_t k = 0; k < s->n_classes; k++) hash_text(&h, s->classes[k]);
  for (size_t k = 0; k < s->n; k++) {
    const entry *x = &s->files[k];
    int64_t facts[] = {x->label, x->bytes, x->seconds, x->nanoseconds};
    hash_text(&h, x->path);
    SHA256Update(&h, (const uint8_t *)facts, sizeof facts);
  }
  char hex[SHA256_DIGEST_STRING_LENGTH];
  SHA256End(&h, hex);
  return snprintf(out, cap, "%s/%s.images", folder, hex) < (int)cap;
}

static size_t pixels_at(const pack_head *h) { return (sizeof *h + (size_t)h->count * sizeof(int32_t) + 63) & ~(size_t)63; }
static size_t pack_bytes(const pack_head *h) { return pixels_at(h) + (size_t)(h->count * h->h * h->w * h->c); }

static uint32_t checksum(const set *s) {
  pack_head head = s->head;
  head.crc = 0;
  uLong c = crc32_z(0, (const Bytef *)&head, sizeof head);
  return (uint32_t)crc32_z(c, (const Bytef *)s->pack + sizeof head, pack_bytes(&head) - sizeof head);
}

static int plausible(const pack_head *h) { return h->count > 0 && h->w > 0 && h->w <= MAX_SIDE && h->h > 0 && h->h <= MAX_SIDE && (h->c == 1 || h->c == 3) && h->count <= ((int64_t)1 << 40) / (h->h * h->w * h->c); }

/* Maps the whole pack: the file's, or memory where fd is -1. A set larger than memory works as long as it is a file. */
static int map_pack(set *s, int fd, int writable) {
  void *p = mmap(NULL, pack_bytes(&s->head), writable ? PROT_READ | PROT_WRITE : PROT_READ, fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);
  if (p == MAP_FAILED) return 0;
  s->pack = p;
  s->labels = (int32_t *)(void *)(s->pack + sizeof s->head);
  s->pixels = s->pack + pixels_at(&s->head);
  return 1;
}

static void forget(set *s) {
  if (s->pack) munmap(s->pack, pack_bytes(&s->head));
  s->pack = NULL;
}

/* 1 = the pack was there and whole. Its claims are compared with its length before anything of that size is asked for. */
static int pack_read(set *s, const char *name) {
  struct stat st;
  int fd = open(name, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  pack_head *h = &s->head;
  int ok = !fstat(fd, &st) && read(fd, h, sizeof *h) == sizeof *h && !memcmp(h->magic, MAGIC, sizeof h->magic) && plausible(h) && (size_t)h->count == s->n && h->classes == s->n_classes;
  ok = ok && (int64_t)st.st_size == (int64_t)pack_bytes(h) && map_pack(s, fd, 0);
  if (ok && h->crc != checksum(s)) {
    forget(s);
    ok = 0;
  }
  close(fd);
  return ok;
}

/* A set that cannot be kept is still a set: a full disk or a read-only home costs time, not the run. */
static void not_kept(gantry_ctx *cx, const char *name) {
  char text[2 * PATH_CAP];
  snprintf(text, sizeof text, "%s: the decoded images could not be kept (%s); they will be decoded again next time", name, strerror(errno));
  cx->host->log(cx, 2, text);
}

/* Room for the pack: in a file beside its name (written to `beside`), else in memory. */
static int pack_begin(gantry_ctx *cx, set *s, const char *name, char beside[PATH_CAP + 32]) {
  *beside = 0;
  if (!name) return map_pack(s, -1, 1);
  char folder[PATH_CAP];
  snprintf(beside, PATH_CAP + 32, "%s.%ld", name, (long)getpid());
  int fd = !gan_cache_folder(folder, sizeof folder) ? -1 : open(beside, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), full = fd < 0 ? 0 : posix_fallocate(fd, 0, (off_t)pack_bytes(&s->head)), ok = fd >= 0 && !full && map_pack(s, fd, 1);
  if (full) errno = full;
  if (ok) {
    close(fd);
    return 1;
  }
  not_kept(cx, name);
  if (fd >= 0) close(fd), unlink(beside);
  *beside = 0;
  return map_pack(s, -1, 1);
}

/* The pack is complete: it gets its name, if it is a file. A failed write shows in msync. */
static void pack_end(gantry_ctx *cx, set *s, const char *name, const char *beside) {
  if (!*beside) return;
  memcpy(s->head.magic, MAGIC, sizeof s->head.magic);
  s->head.crc = checksum(s);
  memcpy(s->pack, &s->head, sizeof s->head);
  if (!msync(s->pack, pack_bytes(&s->head), MS_SYNC) && !rename(beside, name)) return;
  not_kept(cx, name);
  unlink(beside);
}

/* ---- the interface ---- */

/* name: of the pack to keep, or NULL. */
static gantry_status decode_all(gantry_ctx *cx, set *s, const char *name) {
  const gantry_param_api *p = cx->host->param;
  char beside[PATH_CAP + 32] = "";
  gantry_status st = GANTRY_OK;
  for (size_t k = 0; k < s->n && !st; k++) {
    picture im = {0};
    if ((st = decode(cx, &s->files[k], &im))) break;
    if (!k) {
      int64_t side = p->i64(cx, SIZE), c = p->i64(cx, CHANNELS);
      s->head = (pack_head){.count = (int64_t)s->n, .h = side ? side : im.h, .w = side ? side : im.w, .c = c ? c : im.c, .classes = (uint32_t)s->n_classes};
      if (!plausible(&s->head) || !pack_begin(cx, s, name, beside)) st = failed(cx, GANTRY_E_NOMEM, "%s: %zu images of this size fit neither into the cache folder nor into memory: set data.size to a smaller one", s->files[0].path, s->n);
    }
    if (!st) st = fit(cx, s, &s->files[k], &im, s->pixels + (int64_t)k * s->head.h * s->head.w * s->head.c);
    if (!st) s->labels[k] = s->files[k].label;
    free(im.px);
  }
  if (!st) pack_end(cx, s, name, beside);
  else if (*beside) unlink(beside);
  return st;
}

static void close_set(void *self) {
  set *s = self;
  if (!s) return;
  for (size_t k = 0; k < s->n; k++) free(s->files[k].path);
  for (size_t k = 0; k < s->n_classes; k++) free(s->classes[k]);
  free(s->files);
  free(s->classes);
  forget(s);
  free(s);
}

static gantry_status open_set(gantry_ctx *cx, const char *split, gantry_dataset_info *info, void **self) {
  char name[PATH_CAP];
  set *s = calloc(1, sizeof *s);
  if (!s) return cx->host->fail(cx, GANTRY_E_NOMEM, "out of memory");
  gantry_status st = GANTRY_OK;
  if (cx->host->param->i64(cx, CHANNELS) == 2) st = cx->host->fail(cx, GANTRY_E_CONFIG, "data.channels is 2: it may be 0 (as the first image), 1 (gray) or 3 (RGB)");
  if (!st) st = find_files(cx, s, cx->host->param->str(cx, PATH), split);
  int keeps = !st && pack_name(cx, s, split, name, sizeof name);
  if (!st && !(keeps && pack_read(s, name))) {
    st = decode_all(cx, s, keeps ? name : NULL);
  }
  if (st) {
    close_set(s);
    return st;
  }
  *self = s;
  info->dtype = GANTRY_U8;
  info->count = s->head.count;
  info->rank = 3;
  info->dims[0] = s->head.h;
  info->dims[1] = s->head.w;
  info->dims[2] = s->head.c;
  info->classes = s->head.classes;
  return GANTRY_OK;
}

static gantry_status read_set(gantry_ctx *cx, void *self, int64_t first, int64_t n, void *dst, int32_t *labels) {
  const set *s = self;
  int64_t bytes = s->head.h * s->head.w * s->head.c;
  if (first < 0 || n < 0 || n > s->head.count || first > s->head.count - n) return cx->host->fail(cx, GANTRY_E_INVALID, "samples outside the set");
  memcpy(dst, s->pixels + first * bytes, (size_t)(n * bytes));
  if (labels) memcpy(labels, s->labels + first, (size_t)n * sizeof *labels);
  return GANTRY_OK;
}

static gantry_status whole(gantry_ctx *cx, void *self, const void **samples, const int32_t **labels) {
  const set *s = self;
  (void)cx;
  *samples = s->pixels;
  *labels = s->labels;
  return GANTRY_OK;
}

static const gantry_dataset iface = {.struct_size = sizeof iface, .open = open_set, .read = read_set, .close = close_set, .whole = whole};
static const char *const provides[] = {"data.image", "data.label", NULL};
GANTRY_PLUGIN(GANTRY_KIND_DATASET, "image_folder", "1.0.0", "PNG and JPEG files of a folder, subfolders as classes")
  .provides = provides, .params = params, .param_count = sizeof params / sizeof *params, .iface = &iface
GANTRY_PLUGIN_END
