/* doc.c - reading a JSON text with places, and messages that point into it. See doc.h. */
#include "config/doc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/files.h"

enum { MAX_TEXT = 16 << 20, WINDOW = 140 };

typedef struct walk {
  const char *p, *end, *line_start;
  uint32_t line;
  doc *d;
  VEC(place) out;
  arena *a;
  err *e;
} walk;

static uint32_t column(const char *line_start, const char *p) {
  uint32_t col = 1;
  for (const char *s = line_start; s < p; s++) col += ((unsigned char)*s & 0xc0) != 0x80; /* characters, not bytes */
  return col;
}

static void skip_space(walk *w) {
  for (; w->p < w->end && (*w->p == ' ' || *w->p == '\t' || *w->p == '\r' || *w->p == '\n'); w->p++)
    if (*w->p == '\n') w->line++, w->line_start = w->p + 1;
}

static void skip_string(walk *w) { /* the text is known to be well-formed */
  for (w->p++; *w->p != '"'; w->p++) w->p += *w->p == '\\';
  w->p++;
}

static const char *key_text(walk *w, const char *from) {
  json_t *k = json_loadb(from, (size_t)(w->p - from), JSON_DECODE_ANY, NULL);
  const char *s = arena_str(w->a, json_is_string(k) ? json_string_value(k) : "");
  json_decref(k);
  return s;
}

static gantry_status walk_value(walk *w, const json_t *v);

static gantry_status walk_object(walk *w, const json_t *v) {
  uint32_t first = w->out.n;
  w->p++;
  for (skip_space(w); *w->p != '}'; skip_space(w)) {
    if (*w->p == ',') {
      w->p++;
      continue;
    }
    const char *start = w->p;
    place at = {.parent = v, .key_line = w->line, .key_col = column(w->line_start, start)};
    skip_string(w);
    at.key = key_text(w, start);
    for (uint32_t i = first; i < w->out.n; i++)
      if (w->out.p[i].parent == v && w->out.p[i].key && !strcmp(w->out.p[i].key, at.key))
        return doc_fail(w->d, &at, AT_KEY, w->e, "the key \"%s\" stands twice in this object (first on line %u)", at.key, w->out.p[i].key_line);
    skip_space(w);
    w->p++; /* the colon */
    skip_space(w);
    at.line = w->line;
    at.col = column(w->line_start, w->p);
    VEC_PUSH(w->out, at);
    TRY(walk_value(w, v ? json_object_get(v, at.key) : NULL));
  }
  w->p++;
  return GANTRY_OK;
}

static gantry_status walk_array(walk *w, const json_t *v) {
  size_t index = 0;
  w->p++;
  for (skip_space(w); *w->p != ']'; skip_space(w)) {
    if (*w->p == ',') {
      w->p++;
      continue;
    }
    place at = {.parent = v, .index = index, .line = w->line, .col = column(w->line_start, w->p)};
    at.key_line = at.line;
    at.key_col = at.col;
    VEC_PUSH(w->out, at);
    TRY(walk_value(w, v ? json_array_get(v, index) : NULL));
    index++;
  }
  w->p++;
  return GANTRY_OK;
}

/* v is NULL where a duplicate key made the tree and the text disagree; the duplicate is reported further up. */
static gantry_status walk_value(walk *w, const json_t *v) {
  switch (*w->p) {
    case '{': return walk_object(w, json_is_object(v) ? v : NULL);
    case '[': return walk_array(w, json_is_array(v) ? v : NULL);
    case '"': skip_string(w); return GANTRY_OK;
    default:
      while (w->p < w->end && !strchr(",]} \t\r\n", *w->p)) w->p++;
      return GANTRY_OK;
  }
}

void doc_memory(void) { json_set_alloc_funcs(mem_alloc, free); }

gantry_status doc_parse(doc *d, const char *name, const char *text, size_t n, arena *a, err *e) {
  *d = (doc){.name = arena_str(a, name), .text = arena_strn(a, text, n)};
  json_error_t why;
  const char *nul = memchr(text, 0, n); /* Jansson passes over it in places, and every text after it would be cut */
  if (nul) {
    place at = {.key_line = 1, .key_col = 1};
    const char *line = text;
    for (const char *s = text; s < nul; s++)
      if (*s == '\n') at.key_line++, line = s + 1;
    at.key_col = column(line, nul);
    return doc_fail(d, &at, AT_KEY, e, "not valid JSON: a byte 0 stands here; is this a text file?");
  }
  d->root = json_loadb(text, n, 0, &why);
  if (!d->root) {
    place at = {.key_line = (uint32_t)(why.line > 0 ? why.line : 1), .key_col = (uint32_t)(why.column > 0 ? why.column : 1)};
    return doc_fail(d, &at, AT_KEY, e, "not valid JSON: %s", why.text);
  }
  if (!json_is_object(d->root)) return doc_fail(d, NULL, AT_KEY, e, "an experiment is a JSON object { ... }");
  walk w = {.p = d->text, .end = d->text + n, .line_start = d->text, .line = 1, .d = d, .a = a, .e = e};
  skip_space(&w);
  gantry_status st = walk_value(&w, d->root);
  d->places = arena_copy(a, w.out.p, sizeof(place) * w.out.n);
  d->n_places = w.out.n;
  free(w.out.p);
  return st;
}

gantry_status doc_read(doc *d, const char *path, arena *a, err *e) {
  buf b = {0};
  gantry_status st = file_read(path, &b, MAX_TEXT, e);
  if (!st) st = doc_parse(d, path, b.p, b.n, a, e);
  buf_free(&b);
  return st;
}

void doc_free(doc *d) {
  json_decref(d->root);
  d->root = NULL;
}

const place *doc_place(const doc *d, const json_t *parent, const char *key, size_t index) {
  for (uint32_t i = 0; parent && i < d->n_places; i++) {
    const place *p = &d->places[i];
    if (p->parent == parent && (key ? p->key && !strcmp(p->key, key) : !p->key && p->index == index)) return p;
  }
  return NULL;
}

void doc_say(const doc *d, const place *p, int at, buf *out, const char *text) {
  if (!p) {
    buf_printf(out, "%s: %s", d->name, text);
    return;
  }
  uint32_t line = at == AT_VALUE ? p->line : p->key_line, col = at == AT_VALUE ? p->col : p->key_col;
  buf_printf(out, "%s:%u:%u: %s", d->name, line, col, text);
  const char *s = d->text;
  for (uint32_t k = 1; k < line && s; k++) s = (s = strchr(s, '\n')) ? s + 1 : NULL;
  if (!s) return;
  size_t n = strcspn(s, "\r\n"), skip = 0;
  uint32_t left = col;
  while (left > WINDOW / 2 && n - skip > WINDOW) { /* long lines: the part around the caret */
    do skip++;
    while (((unsigned char)s[skip] & 0xc0) == 0x80);
    left--;
  }
  if (n - skip > WINDOW) n = skip + WINDOW;
  buf_puts(out, "\n    ");
  for (size_t k = skip; k < n; k++) buf_putc(out, s[k] == '\t' ? ' ' : s[k]);
  buf_printf(out, "\n    %*s", (int)left, "^");
}

gantry_status doc_fail(const doc *d, const place *p, int at, err *e, const char *fmt, ...) {
  buf text = {0}, all = {0};
  va_list ap;
  va_start(ap, fmt);
  buf_vprintf(&text, fmt, ap);
  va_end(ap);
  doc_say(d, p, at, &all, text.p);
  err_set(e, GANTRY_E_CONFIG, "%s", all.p);
  buf_free(&text);
  buf_free(&all);
  return e->code;
}

/* Whether `rest` exists below one layer; its place, or NULL where the source has none (command line). */
static int find_in(const layer *l, const char *rest, const place **at) {
  const json_t *parent = l->parent, *v = l->value;
  char key[256];
  const char *last = l->key;
  while (*rest) {
    size_t n = strcspn(rest, ".");
    if (n >= sizeof key) return 0;
    memcpy(key, rest, n);
    key[n] = 0;
    parent = v;
    v = json_object_get(v, key);
    if (!v) return 0;
    last = key;
    rest += n + (rest[n] == '.');
  }
  *at = doc_place(l->src, parent, last, l->index);
  return *at || !l->src->n_places;
}

static int find(const layers *l, const char *path, const doc **src, const place **at) {
  size_t n = strlen(path);
  for (uint32_t i = l->n; i-- > 0;) {
    const layer *k = &l->p[i];
    size_t m = strlen(k->path);
    if (m && (m > n || memcmp(k->path, path, m) || (path[m] && path[m] != '.'))) continue;
    if (find_in(k, m ? path + m + (path[m] == '.') : path, at)) return *src = k->src, 1;
  }
  return 0;
}

void layers_say(const layers *l, const char *path, int at, buf *out, const char *text) {
  const doc *src = l->p[0].src;
  char *shorter = mem_str(path);
  const place *p = NULL;
  int found = find(l, shorter, &src, &p);
  while (!found && strchr(shorter, '.')) { /* what is missing is reported at the object it is missing from */
    *strrchr(shorter, '.') = 0;
    found = find(l, shorter, &src, &p);
    at = AT_KEY;
  }
  doc_say(src, p, at, out, text);
  free(shorter);
}

gantry_status layers_fail(const layers *l, const char *path, int at, err *e, const char *fmt, ...) {
  buf text = {0}, all = {0};
  va_list ap;
  va_start(ap, fmt);
  buf_vprintf(&text, fmt, ap);
  va_end(ap);
  layers_say(l, path, at, &all, text.p);
  err_set(e, GANTRY_E_CONFIG, "%s", all.p);
  buf_free(&text);
  buf_free(&all);
  return e->code;
}
