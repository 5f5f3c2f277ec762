/* text.c - see text.h. */
#include "text.h"

#include <sha2.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cuda_put(cuda_text *t, const char *fmt, ...) {
  va_list ap;
  for (;;) {
    va_start(ap, fmt);
    int n = vsnprintf(t->p ? t->p + t->n : NULL, t->p ? t->room - t->n : 0, fmt, ap);
    va_end(ap);
    if (n < 0 || t->failed) return;
    if (t->p && t->n + (size_t)n < t->room) {
      t->n += (size_t)n;
      return;
    }
    size_t room = 2 * (t->n + (size_t)n) + 4096;
    char *p = realloc(t->p, room);
    if (!p) {
      t->failed = 1;
      return;
    }
    t->p = p;
    t->room = room;
  }
}

void cuda_put_lines(cuda_text *t, const char *const *lines) {
  for (; *lines; lines++) cuda_put(t, "%s\n", *lines);
}

void cuda_text_free(cuda_text *t) {
  free(t->p);
  *t = (cuda_text){0};
}

void cuda_sha256(const void *data, size_t n, char hex[65]) {
  SHA2_CTX h;
  SHA256Init(&h);
  SHA256Update(&h, data, n);
  SHA256End(&h, hex);
}
