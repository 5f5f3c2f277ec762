/* child.h - one worker process and its stream of records. Private to harness/sched. */
#ifndef SCHED_CHILD_H
#define SCHED_CHILD_H
#include "base/proc.h"
#include "store/record.h"

typedef struct child {
  proc p;
  rec_reader *reader;
  rec_fn *fn;
  void *user;
  proc_end end;      /* end.exited once it is over and its pipe is empty */
  uint8_t damaged;   /* the stream stopped making sense; the process was killed */
  int64_t heard_ms;  /* when it was started or last wrote to its pipe */
} child;
/* log: file for its standard output and error. env: added to the environment. memory_bytes: see proc_spec. */
gantry_status child_start(child *c, const char *const *argv, const char *const *env, const char *log, int64_t memory_bytes, rec_fn *fn, void *user, err *e);
/* Waits at most ms for news of any of n children (NULL entries are skipped) or of the descriptor `also` (-1: none; *news set), and
 * delivers their records, at most a megabyte of each, so that one that floods its pipe does not keep the others waiting. */
gantry_status children_wait(child **c, uint32_t n, int also, int *news, int ms, err *e);
void child_free(child *c);
/* The last lines of a log, for error reports. */
const char *log_tail(arena *a, const char *path, size_t bytes);
#endif
