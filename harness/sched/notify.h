/* notify.h - telling the user's own command that a run ended: `gantry run --on-event CMD`. Private to harness/sched.
 *
 * CMD is given to /bin/sh in a process of its own, with GANTRY_EVENT (finished, diverged, failed, stopped), GANTRY_GRID, GANTRY_LABEL, GANTRY_SEED, GANTRY_RUN (uid),
 * GANTRY_DIR, GANTRY_STEP and, for failures, GANTRY_ERROR in its environment. It may take its time; its end is waited for a few seconds at the very end, its failure is a
 * warning and touches no run. At most NOTIFY_MOST run at once: what comes then is dropped with a warning. */
#ifndef SCHED_NOTIFY_H
#define SCHED_NOTIFY_H
#include "base/proc.h"

enum { NOTIFY_MOST = 16 };
typedef struct notifier {
  const char *command; /* NULL: nobody asked */
  proc at_work[NOTIFY_MOST];
} notifier;

typedef struct notice { const char *event, *grid, *label, *run, *dir, *error; uint64_t seed; int64_t step; } notice;
void notify(notifier *n, const notice *what);
void notify_reap(notifier *n, int64_t wait_ms); /* collects those that ended; waits for the others up to wait_ms, then ends them */
#endif
