/* mem.h - memory of the host: arenas by lifetime, growable arrays, growable text.
 *
 * An arena frees everything at once; what is allocated from it is zeroed and 64-byte aligned. Running out of memory for the host's
 * own small structures ends the process with a message: tensor memory is the backends' and reports errors properly. */
#ifndef BASE_MEM_H
#define BASE_MEM_H
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct arena arena;
arena *arena_new(void);
void arena_free(arena *a); /* NULL is fine */
void *arena_alloc(arena *a, size_t bytes);
char *arena_str(arena *a, const char *s); /* NULL gives NULL */
char *arena_strn(arena *a, const char *s, size_t n);
char *arena_fmt(arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void *arena_copy(arena *a, const void *p, size_t bytes);
#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_alloc((a), sizeof(type) * (size_t)(n)))

/* malloc family that cannot fail */
void *mem_alloc(size_t bytes); /* zeroed */
void *mem_grow(void *p, size_t bytes);
char *mem_str(const char *s);

/* Growable array: struct { T *p; uint32_t n, cap; } v; VEC_PUSH(v, x); free(v.p). */
#define VEC(T)       \
  struct {           \
    T *p;            \
    uint32_t n, cap; \
  }
#define VEC_RESERVE(v, want)                                              \
  do {                                                                    \
    if ((v).cap < (want)) {                                               \
      (v).cap = (uint32_t)(want) > 2 * (v).cap ? (uint32_t)(want) : 2 * (v).cap; \
      (v).p = mem_grow((v).p, sizeof *(v).p * (v).cap);                   \
    }                                                                     \
  } while (0)
#define VEC_PUSH(v, x)              \
  do {                              \
    VEC_RESERVE(v, (v).n + 1);      \
    (v).p[(v).n++] = (x);           \
  } while (0)

/* Growable text, always NUL-terminated once something was put. free(b.p). */
typedef struct buf {
  char *p;
  size_t n, cap;
} buf;
void buf_put(buf *b, const void *bytes, size_t n);
void buf_puts(buf *b, const char *s);
void buf_putc(buf *b, char c);
void buf_printf(buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(buf *b, const char *fmt, va_list ap);
void buf_free(buf *b);
#endif
