/* err.h - the error idiom of the host: a status and one message in the caller's struct, first error wins.
 *
 * A function that can fail returns gantry_status and takes `err *e` last; it fills e where the failure is known best
 * (err_set), and callers on the way out add where it happened (err_wrap). A user reads one line: where, what, what to do. */
#ifndef BASE_ERR_H
#define BASE_ERR_H
#include <gantry/abi.h>

typedef struct err {
  gantry_status code;
  char msg[1500];
} err;

/* Keeps the first error; returns the code kept. fmt is a finished sentence without a newline. */
gantry_status err_set(err *e, gantry_status code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* As err_set for GANTRY_E_IO with strerror(errno) appended. */
gantry_status err_errno(err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Puts "context: " in front of the message. Returns the code kept; does nothing while there is no error. */
gantry_status err_wrap(err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void err_clear(err *e);

#define TRY(x)                 \
  do {                         \
    gantry_status try_ = (x);  \
    if (try_) return try_;     \
  } while (0)
#endif
