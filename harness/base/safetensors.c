/* safetensors.c - see safetensors.h.
 *
 * The header is a small, fixed shape of JSON, so a hand parser of exactly that shape reads it: anything else is refused. Offsets
 * must cover the data part without holes or overlaps, as the format demands, so no size in the header is ever trusted alone. */
#include "base/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/hash.h"

enum { MAX_HEADER = 100 << 20 }; /* the format's own limit */

static const struct { const char *name; uint32_t dtype; int64_t size; } types[] = {
  {"F32", GANTRY_F32, 4}, {"F64", GANTRY_F64, 8}, {"BF16", GANTRY_BF16, 2}, {"I32", GANTRY_I32, 4},
  {"I64", GANTRY_I64, 8}, {"U32", GANTRY_U32, 4}, {"U8", GANTRY_U8, 1}, {"BOOL", GANTRY_BOOL, 1},
};
enum { N_TYPES = sizeof types / sizeof *types };

/* ---- writing ---- */

static void put_string(buf *b, const char *s) {
  buf_putc(b, '"');
  for (; *s; s++) {
    unsigned char c = (unsigned char)*s;
    if (c == '"' || c == '\\') buf_putc(b, '\\');
    if (c < 0x20) buf_printf(b, "\\u%04x", c);
    else buf_putc(b, *s);
  }
  buf_putc(b, '"');
}

static int by_key(const void *a, const void *b) { return strcmp(((const st_meta *)a)->key, ((const st_meta *)b)->key); }

static gantry_status make_header(buf *h, const st_tensor *t, uint32_t n, const st_meta *meta, uint32_t n_meta, err *e) {
  buf_putc(h, '{');
  if (n_meta) {
    st_meta *sorted = mem_alloc(sizeof *sorted * n_meta);
    memcpy(sorted, meta, sizeof *sorted * n_meta);
    qsort(sorted, n_meta, sizeof *sorted, by_key);
    buf_puts(h, "\"__metadata__\":{");
    for (uint32_t i = 0; i < n_meta; i++) {
      if (i) buf_putc(h, ',');
      put_string(h, sorted[i].key);
      buf_putc(h, ':');
      put_string(h, sorted[i].value);
    }
    buf_putc(h, '}');
    free(sorted);
  }
  int64_t at = 0;
  for (uint32_t i = 0; i < n; i++) {
    const char *type = NULL;
    int64_t size = 0, count = 1;
    for (int k = 0; k < N_TYPES; k++)
      if (types[k].dtype == t[i].dtype) type = types[k].name, size = types[k].size;
    for (uint32_t d = 0; d < t[i].rank; d++) count *= t[i].dims[d];
    if (!type || count * size != t[i].bytes)
      return err_set(e, GANTRY_E_INTERNAL, "tensor %s: %lld bytes do not fit its shape and type", t[i].name, (long long)t[i].bytes);
    if (h->n > 1) buf_putc(h, ',');
    put_string(h, t[i].name);
    buf_printf(h, ":{\"dtype\":\"%s\",\"shape\":[", type);
    for (uint32_t d = 0; d < t[i].rank; d++) buf_printf(h, "%s%lld", d ? "," : "", (long long)t[i].dims[d]);
    buf_printf(h, "],\"data_offsets\":[%lld,%lld]}", (long long)at, (long long)(at + t[i].bytes));
    at += t[i].bytes;
  }
  buf_putc(h, '}');
  while (h->n % 8) buf_putc(h, ' ');
  return GANTRY_OK;
}

static gantry_status put_both(file_out *f, sha *s, const void *p, size_t n, err *e) {
  sha_put(s, p, n);
  return file_put(f, p, n, e);
}

gantry_status st_write(const char *path, const st_tensor *t, uint32_t n, const st_meta *meta, uint32_t n_meta, char sha_out[65], err *e) {
  buf h = {0};
  file_out f = {.fd = -1};
  sha *s = sha_new();
  char hex[65];
  unsigned char len[8];
  gantry_status st = make_header(&h, t, n, meta, n_meta, e);
  if (st) goto done;
  for (int i = 0; i < 8; i++) len[i] = (unsigned char)((uint64_t)h.n >> (8 * i));
  if ((st = file_begin(&f, path, e))) goto done;
  if ((st = put_both(&f, s, len, sizeof len, e))) goto done;
  if ((st = put_both(&f, s, h.p, h.n, e))) goto done;
  for (uint32_t i = 0; i < n; i++)
    if ((st = put_both(&f, s, t[i].data, (size_t)t[i].bytes, e))) goto done;
  st = file_commit(&f, e);
done:
  if (st) file_abandon(&f);
  sha_end(s, hex);
  if (!st && sha_out) memcpy(sha_out, hex, sizeof hex);
  buf_free(&h);
  return st;
}

/* ---- reading ---- */

typedef struct scan {
  const char *p, *end;
  arena *mem;
  const char *bad; /* what is wrong; kept once set */
} scan;

static void refuse(scan *s, const char *why) {
  if (!s->bad) s->bad = why;
  s->p = s->end;
}
static void space(scan *s) {
  while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t')) s->p++;
}
static int peek(scan *s, char c) {
  space(s);
  return s->p < s->end && *s->p == c;
}
static int take(scan *s, char c) { return peek(s, c) ? (s->p++, 1) : 0; }
static void want(scan *s, char c) {
  if (!take(s, c)) refuse(s, "its header is not of the expected form");
}

static uint32_t hex4(scan *s) {
  uint32_t v = 0;
  for (int i = 0; i < 4; i++) {
    if (s->p >= s->end) return refuse(s, "a string in its header ends early"), 0;
    char c = *s->p++;
    uint32_t d = c >= '0' && c <= '9' ? (uint32_t)(c - '0') : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10) : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10) : 16;
    if (d == 16) return refuse(s, "a bad \\u escape in its header"), 0;
    v = v * 16 + d;
  }
  return v;
}

static char *put_utf8(char *d, uint32_t c) {
  if (c < 0x80) *d++ = (char)c;
  else if (c < 0x800) *d++ = (char)(0xc0 | c >> 6), *d++ = (char)(0x80 | (c & 63));
  else if (c < 0x10000) *d++ = (char)(0xe0 | c >> 12), *d++ = (char)(0x80 | (c >> 6 & 63)), *d++ = (char)(0x80 | (c & 63));
  else *d++ = (char)(0xf0 | c >> 18), *d++ = (char)(0x80 | (c >> 12 & 63)), *d++ = (char)(0x80 | (c >> 6 & 63)), *d++ = (char)(0x80 | (c & 63));
  return d;
}

static const char *string(scan *s) {
  want(s, '"');
  const char *q = s->p;
  while (q < s->end && *q != '"') q += *q == '\\' ? 2 : 1;
  if (q >= s->end) return refuse(s, "a string in its header ends early"), "";
  char *out = arena_alloc(s->mem, (size_t)(q - s->p) + 1), *d = out; /* escapes only shrink */
  while (s->p < q) {
    char c = *s->p++;
    if (c != '\\') {
      *d++ = c;
      continue;
    }
    c = *s->p++;
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *k = c ? strchr(from, c) : NULL;
    if (k) {
      *d++ = to[k - from];
    } else if (c == 'u') {
      uint32_t v = hex4(s);
      if (v >= 0xd800 && v < 0xdc00 && s->p + 1 < q && s->p[0] == '\\' && s->p[1] == 'u') {
        s->p += 2;
        uint32_t low = hex4(s);
        if (low < 0xdc00 || low > 0xdfff) refuse(s, "a bad \\u escape in its header");
        v = 0x10000 + ((v - 0xd800) << 10) + (low & 0x3ff);
      }
      if (!v) refuse(s, "a NUL character in its header");
      d = put_utf8(d, v);
    } else {
      refuse(s, "a bad escape in its header");
    }
    if (s->bad) return "";
  }
  s->p = q + 1;
  *d = 0;
  return out;
}

static int64_t number(scan *s) {
  space(s);
  int64_t v = 0;
  const char *start = s->p;
  for (; s->p < s->end && *s->p >= '0' && *s->p <= '9'; s->p++) {
    if (v > (INT64_MAX - 9) / 10) return refuse(s, "a number in its header is too large"), 0;
    v = v * 10 + (*s->p - '0');
  }
  if (s->p == start) refuse(s, "its header is not of the expected form");
  return v;
}

static void one_tensor(scan *s, st_tensor *t, int64_t *begin) {
  int64_t end = -1, size = 0, count = 1;
  int seen = 0;
  *begin = -1;
  want(s, '{');
  do {
    const char *key = string(s);
    want(s, ':');
    if (!strcmp(key, "dtype") && !(seen & 1)) {
      const char *type = string(s);
      seen |= 1;
      for (int k = 0; k < N_TYPES; k++)
        if (!strcmp(types[k].name, type)) t->dtype = types[k].dtype, size = types[k].size;
      if (!s->bad && !t->dtype) refuse(s, "a tensor has an element type that is not supported (F32 F64 BF16 I32 I64 U32 U8 BOOL are)");
    } else if (!strcmp(key, "shape") && !(seen & 2)) {
      seen |= 2;
      want(s, '[');
      if (!take(s, ']')) {
        do {
          if (t->rank == GANTRY_MAX_RANK) refuse(s, "a tensor has more than 8 axes");
          int64_t v = number(s);
          if (s->bad) return;
          t->dims[t->rank++] = v;
        } while (take(s, ','));
        want(s, ']');
      }
    } else if (!strcmp(key, "data_offsets") && !(seen & 4)) {
      seen |= 4;
      want(s, '[');
      *begin = number(s);
      want(s, ',');
      end = number(s);
      want(s, ']');
    } else {
      refuse(s, "its header is not of the expected form");
    }
  } while (take(s, ','));
  want(s, '}');
  if (s->bad) return;
  if (seen != 7) {
    refuse(s, "a tensor lacks its type, shape or place");
    return;
  }
  for (uint32_t d = 0; d < t->rank; d++)
    if (__builtin_mul_overflow(count, t->dims[d], &count)) refuse(s, "a tensor's size overflows");
  if (!s->bad && __builtin_mul_overflow(count, size, &t->bytes)) refuse(s, "a tensor's size overflows");
  if (!s->bad && (end < *begin || end - *begin != t->bytes)) refuse(s, "a tensor's place does not fit its shape");
}

typedef struct place { int64_t begin, end; } place;
static int by_begin(const void *a, const void *b) {
  const place *x = a, *y = b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  return x->end < y->end ? -1 : x->end > y->end;
}

/* Fills out->t (data = NULL) and the begin offsets. */
static void parse_header(scan *s, st_file *out, int64_t **begins, int64_t data_bytes) {
  VEC(st_tensor) t = {0};
  VEC(st_meta) m = {0};
  VEC(place) at = {0};
  want(s, '{');
  if (!take(s, '}')) {
    do {
      const char *name = string(s);
      want(s, ':');
      if (s->bad) break;
      if (!strcmp(name, "__metadata__")) {
        if (m.n) refuse(s, "it has two metadata sections");
        want(s, '{');
        if (take(s, '}')) continue;
        do {
          st_meta one = {.key = string(s)};
          want(s, ':');
          one.value = string(s);
          VEC_PUSH(m, one);
        } while (!s->bad && take(s, ','));
        want(s, '}');
        continue;
      }
      st_tensor one = {.name = name};
      place p;
      one_tensor(s, &one, &p.begin);
      p.end = p.begin + (s->bad ? 0 : one.bytes);
      VEC_PUSH(t, one);
      VEC_PUSH(at, p);
    } while (!s->bad && take(s, ','));
    want(s, '}');
  }
  space(s);
  if (!s->bad && s->p != s->end) refuse(s, "there is text after its header");
  out->t = arena_copy(out->mem, t.p, sizeof *t.p * t.n);
  out->n = t.n;
  out->meta = arena_copy(out->mem, m.p, sizeof *m.p * m.n);
  out->n_meta = m.n;
  *begins = ARENA_ARRAY(out->mem, int64_t, at.n + 1);
  for (uint32_t i = 0; i < at.n; i++) (*begins)[i] = at.p[i].begin;
  if (at.n) qsort(at.p, at.n, sizeof *at.p, by_begin);
  int64_t covered = 0;
  for (uint32_t i = 0; i < at.n && !s->bad; i++) {
    if (at.p[i].begin != covered) refuse(s, "its tensors overlap or leave holes");
    covered = at.p[i].end;
  }
  if (!s->bad && covered != data_bytes) refuse(s, covered > data_bytes ? "it is truncated" : "it has bytes that belong to no tensor");
  free(t.p);
  free(m.p);
  free(at.p);
}

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static void refuse_twins(scan *s, const st_file *f) {
  const char **names = mem_alloc(sizeof *names * (f->n + 1));
  for (uint32_t i = 0; i < f->n; i++) names[i] = f->t[i].name;
  qsort(names, f->n, sizeof *names, by_name);
  for (uint32_t i = 1; i < f->n; i++)
    if (!strcmp(names[i - 1], names[i])) refuse(s, "two of its tensors have one name");
  free(names);
}

static gantry_status read_all(int fd, const char *path, void *to, int64_t n, err *e) {
  char *p = to;
  while (n) {
    ssize_t k = read(fd, p, (size_t)n);
    if (k < 0 && errno == EINTR) continue;
    if (k < 0) return err_errno(e, "cannot read %s", path);
    if (!k) return err_set(e, GANTRY_E_IO, "%s: it is truncated", path);
    p += k;
    n -= k;
  }
  return GANTRY_OK;
}

gantry_status st_read(const char *path, st_file *out, err *e) {
  *out = (st_file){.mem = arena_new()};
  gantry_status st;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat info;
  unsigned char len[8];
  uint64_t head = 0;
  int64_t *begins = NULL;
  if (fd < 0 || fstat(fd, &info)) {
    st = err_errno(e, "cannot read %s", path);
    goto done;
  }
  if ((st = read_all(fd, path, len, 8, e))) goto done;
  for (int i = 0; i < 8; i++) head |= (uint64_t)len[i] << (8 * i);
  if (head > MAX_HEADER || (int64_t)head > (int64_t)info.st_size - 8) {
    st = err_set(e, GANTRY_E_IO, "%s is not a safetensors file or is truncated: its header claims %llu bytes", path, (unsigned long long)head);
    goto done;
  }
  char *text = arena_alloc(out->mem, head + 1);
  if ((st = read_all(fd, path, text, (int64_t)head, e))) goto done;
  int64_t data_bytes = (int64_t)info.st_size - 8 - (int64_t)head;
  scan s = {.p = text, .end = text + head, .mem = out->mem};
  parse_header(&s, out, &begins, data_bytes);
  if (!s.bad) refuse_twins(&s, out);
  if (s.bad) {
    st = err_set(e, GANTRY_E_IO, "%s is not a good safetensors file: %s", path, s.bad);
    goto done;
  }
  char *data = arena_alloc(out->mem, (size_t)data_bytes);
  if ((st = read_all(fd, path, data, data_bytes, e))) goto done;
  for (uint32_t i = 0; i < out->n; i++) /* a tensor after an odd-sized one is moved, so that elements can be read in place */
    out->t[i].data = begins[i] % 8 ? arena_copy(out->mem, data + begins[i], (size_t)out->t[i].bytes) : data + begins[i];
done:
  if (fd >= 0) close(fd);
  if (st) st_free(out);
  return st;
}

const st_tensor *st_find(const st_file *f, const char *name) {
  for (uint32_t i = 0; i < f->n; i++)
    if (!strcmp(f->t[i].name, name)) return &f->t[i];
  return NULL;
}

const char *st_meta_get(const st_file *f, const char *key) {
  for (uint32_t i = 0; i < f->n_meta; i++)
    if (!strcmp(f->meta[i].key, key)) return f->meta[i].value;
  return NULL;
}

void st_free(st_file *f) {
  arena_free(f->mem);
  *f = (st_file){0};
}
