/* tree.c - what the config room does with JSON trees: dotted paths, merging, labels, and one canonical text. See doc.h.
 *
 * The canonical text is what identity is hashed from: keys sorted by bytes, no spaces, numbers in the shortest form that reads
 * back to the same double, so 2e-4 and 0.0002 are one setting. */
#include "config/doc.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const char *near_hint(arena *a, const char *word, const char *const *known, uint32_t n) {
  const char *near = abi_nearest(word, known, n);
  return near ? arena_fmt(a, " (did you mean \"%s\"?)", near) : "";
}

uint32_t object_keys(arena *a, const json_t *o, const char *const **keys) {
  const char **out = ARENA_ARRAY(a, const char *, json_object_size(o) + 1), *key;
  uint32_t n = 0;
  json_t *v;
  json_object_foreach((json_t *)(uintptr_t)o, key, v)
    if (strcmp(key, "note")) out[n++] = arena_str(a, key);
  *keys = out;
  return n;
}

json_t *path_get(json_t *root, const char *path) {
  char key[256];
  json_t *v = root;
  while (v && *path) {
    size_t n = strcspn(path, ".");
    if (n >= sizeof key) return NULL;
    memcpy(key, path, n);
    key[n] = 0;
    v = json_object_get(v, key);
    path += n + (path[n] == '.');
  }
  return v;
}

int path_overlap(const char *a, const char *b) {
  size_t n = strlen(a), m = strlen(b), k = n < m ? n : m;
  if (memcmp(a, b, k)) return 0;
  return n == m || (n < m ? b[k] == '.' : a[k] == '.');
}

int path_put(json_t *root, const char *path, json_t *value) {
  char key[256];
  json_t *v = root;
  for (;;) {
    size_t n = strcspn(path, ".");
    if (!n || n >= sizeof key || !json_is_object(v)) return 0;
    memcpy(key, path, n);
    key[n] = 0;
    if (!path[n]) return json_object_set_new(v, key, json_deep_copy(value)) == 0;
    json_t *next = json_object_get(v, key);
    if (!next) {
      next = json_object();
      json_object_set_new(v, key, next);
    }
    v = next;
    path += n + 1;
  }
}

void tree_merge(json_t *dst, const json_t *src) {
  const char *key;
  json_t *v;
  json_object_foreach((json_t *)(uintptr_t)src, key, v) {
    json_t *old = json_object_get(dst, key);
    const char *was = json_string_value(json_object_get(old, "name")), *is = json_string_value(json_object_get(v, "name"));
    if (json_is_object(old) && json_is_object(v) && !(was && is && strcmp(was, is))) tree_merge(old, v);
    else json_object_set_new(dst, key, json_deep_copy(v));
  }
}

void json_number(buf *b, double v) {
  char s[40];
  for (int digits = 15; digits <= 17; digits++) {
    snprintf(s, sizeof s, "%.*g", digits, v);
    if (strtod(s, NULL) == v) break;
  }
  buf_puts(b, s);
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

void json_canonical(buf *b, const json_t *v) {
  if (json_is_object(v)) {
    size_t n = json_object_size(v), k = 0;
    const char **keys = mem_alloc(sizeof *keys * (n + 1)), *key;
    json_t *x;
    json_object_foreach((json_t *)(uintptr_t)v, key, x) keys[k++] = key;
    qsort(keys, n, sizeof *keys, by_bytes);
    buf_putc(b, '{');
    for (k = 0; k < n; k++) {
      json_t *name = json_string(keys[k]);
      if (k) buf_putc(b, ',');
      json_canonical(b, name);
      json_decref(name);
      buf_putc(b, ':');
      json_canonical(b, json_object_get(v, keys[k]));
    }
    buf_putc(b, '}');
    free(keys);
  } else if (json_is_array(v)) {
    buf_putc(b, '[');
    for (size_t k = 0; k < json_array_size(v); k++) {
      if (k) buf_putc(b, ',');
      json_canonical(b, json_array_get(v, k));
    }
    buf_putc(b, ']');
  } else if (json_is_number(v)) {
    json_number(b, json_number_value(v));
  } else {
    char *s = json_dumps(v, JSON_ENCODE_ANY);
    buf_puts(b, s ? s : "null");
    free(s);
  }
}

const char *json_label(arena *a, const json_t *v) {
  if (json_is_boolean(v)) return json_is_true(v) ? "on" : "off";
  if (json_is_string(v)) return arena_str(a, json_string_value(v));
  if (json_is_object(v) && json_is_string(json_object_get(v, "name"))) return arena_str(a, json_string_value(json_object_get(v, "name")));
  buf b = {0};
  json_canonical(&b, v);
  const char *s = arena_str(a, b.p);
  buf_free(&b);
  return s;
}
