/* mem.c - see mem.h. */
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CHUNK = 1 << 16, ALIGN = 64 };

typedef struct chunk {
  struct chunk *next;
  size_t used, cap;
  char *base;
} chunk;

struct arena {
  chunk *head;
};

static void out_of_memory(size_t bytes) {
  fprintf(stderr, "gantry: out of memory (%zu bytes for the host's own data)\n", bytes);
  _exit(71); /* EX_OSERR: what is in files is whole, and a run goes on from its checkpoint */
}

void *mem_alloc(size_t bytes) {
  void *p = calloc(1, bytes ? bytes : 1);
  if (!p) out_of_memory(bytes);
  return p;
}

void *mem_grow(void *p, size_t bytes) {
  void *q = realloc(p, bytes ? bytes : 1);
  if (!q) out_of_memory(bytes);
  return q;
}

char *mem_str(const char *s) {
  size_t n = strlen(s) + 1;
  return memcpy(mem_alloc(n), s, n);
}

arena *arena_new(void) { return mem_alloc(sizeof(arena)); }

void arena_free(arena *a) {
  if (!a) return;
  for (chunk *c = a->head; c;) {
    chunk *next = c->next;
    free(c->base);
    free(c);
    c = next;
  }
  free(a);
}

void *arena_alloc(arena *a, size_t bytes) {
  size_t need = (bytes + ALIGN - 1) / ALIGN * ALIGN;
  if (need < bytes) out_of_memory(bytes);
  if (!need) need = ALIGN;
  if (!a->head || a->head->cap - a->head->used < need) {
    chunk *c = mem_alloc(sizeof *c);
    c->cap = need > CHUNK ? need : CHUNK;
    c->base = aligned_alloc(ALIGN, c->cap);
    if (!c->base) out_of_memory(c->cap);
    c->next = a->head;
    a->head = c;
  }
  void *p = a->head->base + a->head->used;
  a->head->used += need;
  return memset(p, 0, need);
}

void *arena_copy(arena *a, const void *p, size_t bytes) { return bytes ? memcpy(arena_alloc(a, bytes), p, bytes) : arena_alloc(a, 0); }

char *arena_strn(arena *a, const char *s, size_t n) {
  char *d = arena_alloc(a, n + 1);
  memcpy(d, s, n);
  return d;
}

char *arena_str(arena *a, const char *s) { return s ? arena_strn(a, s, strlen(s)) : NULL; }

char *arena_fmt(arena *a, const char *fmt, ...) {
  va_list ap, again;
  va_start(ap, fmt);
  va_copy(again, ap);
  int n = vsnprintf(NULL, 0, fmt, ap);
  va_end(ap);
  char *d = arena_alloc(a, (size_t)n + 1);
  vsnprintf(d, (size_t)n + 1, fmt, again);
  va_end(again);
  return d;
}

static void buf_room(buf *b, size_t more) {
  if (b->cap - b->n > more) return;
  size_t cap = b->cap ? b->cap * 2 : 256;
  while (cap - b->n <= more) cap *= 2;
  b->p = mem_grow(b->p, cap);
  b->cap = cap;
}

void buf_put(buf *b, const void *bytes, size_t n) {
  buf_room(b, n);
  if (n) memcpy(b->p + b->n, bytes, n);
  b->n += n;
  b->p[b->n] = 0;
}

void buf_puts(buf *b, const char *s) { buf_put(b, s, strlen(s)); }
void buf_putc(buf *b, char c) { buf_put(b, &c, 1); }

void buf_vprintf(buf *b, const char *fmt, va_list ap) {
  va_list again;
  va_copy(again, ap);
  int n = vsnprintf(NULL, 0, fmt, ap);
  buf_room(b, (size_t)n);
  vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again);
  va_end(again);
  b->n += (size_t)n;
}

void buf_printf(buf *b, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  buf_vprintf(b, fmt, ap);
  va_end(ap);
}

void buf_free(buf *b) {
  free(b->p);
  *b = (buf){0};
}
