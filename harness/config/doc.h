/* doc.h - JSON texts with the place of every key and value, and what the config room does with trees: copies, dotted paths,
 * one canonical text. Private to harness/config.
 *
 * Jansson gives trees without places, so the text is walked a second time beside the tree. A tree of one resolved cell comes
 * from several texts; `layers` remember which text last wrote which path, and a message finds its place through them. */
#ifndef CONFIG_DOC_H
#define CONFIG_DOC_H
#include <jansson.h>

#include "config/config.h"

typedef struct place { const json_t *parent; const char *key; size_t index; uint32_t key_line, key_col, line, col; } place;
typedef struct doc {
  const char *name, *text; /* the file as the user wrote it */
  json_t *root;
  place *places;
  uint32_t n_places;
} doc;
/* The tree is freed by doc_free; texts and places are the arena's. */
gantry_status doc_read(doc *d, const char *path, arena *a, err *e);
/* Jansson drops a key silently where it finds no memory, and a run would train with other settings than were asked for: from here on it ends the process instead, as the rest of the host. */
void doc_memory(void);
gantry_status doc_parse(doc *d, const char *name, const char *text, size_t n, arena *a, err *e);
void doc_free(doc *d);
const place *doc_place(const doc *d, const json_t *parent, const char *key, size_t index);
enum { AT_KEY = 0, AT_VALUE = 1 };
/* "file:line:column: message", the line and a caret. place NULL: only the file's name. */
gantry_status doc_fail(const doc *d, const place *p, int at, err *e, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void doc_say(const doc *d, const place *p, int at, buf *out, const char *text);

/* One writing of a value: path "" = merged at the root. parent with key, or index where key is NULL, is where it stands in src. */
typedef struct layer { const char *path; const json_t *value, *parent; const char *key; size_t index; const doc *src; } layer;
typedef struct layers { const layer *p; uint32_t n; } layers; /* later ones win */
gantry_status layers_fail(const layers *l, const char *path, int at, err *e, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void layers_say(const layers *l, const char *path, int at, buf *out, const char *text);

/* " (did you mean "x"?)" or "". */
const char *near_hint(arena *a, const char *word, const char *const *known, uint32_t n);
uint32_t object_keys(arena *a, const json_t *o, const char *const **keys); /* in file order, without "note" */

/* Dotted paths. get: NULL if there is none. overlap: equal, or one contains the other. */
json_t *path_get(json_t *root, const char *path);
int path_overlap(const char *a, const char *b);
/* Objects missing on the way are made; false if something on the way is no object. */
int path_put(json_t *root, const char *path, json_t *value);
/* src over dst: objects merge, everything else and objects of another plugin ("name" differs) replace. */
void tree_merge(json_t *dst, const json_t *src);

void json_number(buf *b, double v);            /* shortest text that reads back to v */
void json_canonical(buf *b, const json_t *v);  /* sorted keys, no spaces, shortest numbers */
const char *json_label(arena *a, const json_t *v); /* on off null 0.5 text; an object: its name */
#endif
