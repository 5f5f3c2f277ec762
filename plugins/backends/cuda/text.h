/* text.h - text that grows. A failure to grow is remembered in `failed` and checked once, by whoever takes the text. */
#ifndef CUDA_TEXT_H
#define CUDA_TEXT_H
#include <stddef.h>
typedef struct cuda_text { char *p; size_t n, room; int failed; } cuda_text;
void cuda_put(cuda_text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void cuda_put_lines(cuda_text *t, const char *const *lines); /* NULL-terminated */
void cuda_text_free(cuda_text *t);
void cuda_sha256(const void *data, size_t n, char hex[65]);
#endif
