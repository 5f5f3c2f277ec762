/* log.h - lines for people, on standard error. Results go to standard output and are printed by cli/ alone. */
#ifndef BASE_LOG_H
#define BASE_LOG_H
enum { LOG_ERROR = 1, LOG_WARN = 2, LOG_INFO = 3, LOG_DEBUG = 4 };
/* Shown if level <= $GANTRY_LOG (error, warn, info, debug; default info). */
void log_line(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#endif
