/* verdict.h - what the end of a worker process means: a status for the database, a class of failure, and whether it is worth another try.
 * Private to harness/sched. */
#ifndef SCHED_VERDICT_H
#define SCHED_VERDICT_H
#include "sched/child.h"
#include "store/db.h"

/* Why the parent ended a child itself, if it did. */
enum { ENDED_NOT = 0, ENDED_ASKED, ENDED_HUNG, ENDED_LOG, ENDED_EARLY };

typedef struct verdict {
  db_end end;        /* strings live in the arena given */
  uint8_t again;     /* this class may pass on another try */
  uint8_t alone;     /* with no other run beside it: it ran out of memory */
  uint8_t device;    /* the device failed it: where several runs share one, perhaps by another's fault */
} verdict;

typedef struct verdict_in {
  const child *c;
  const char *status, *error_class, *text; /* its last record, or NULL */
  const char *doing, *log, *eval_key;      /* what it said it was doing last; its log file */
  const char *why;                         /* ENDED_EARLY: what it was compared with */
  int64_t silent_s, memory_bytes;          /* ENDED_HUNG: for how long; the limit it had, 0 = none */
  int ended;
} verdict_in;

verdict verdict_of(const verdict_in *in, arena *a);
#endif
