/* progress.h - what a person sees while runs are going: a block of lines that is redrawn on a terminal, a line now and then
 * elsewhere. Private to harness/sched. */
#ifndef SCHED_PROGRESS_H
#define SCHED_PROGRESS_H
#include <stdint.h>

typedef struct running { /* one run as it is shown */
  const char *label;
  uint64_t seed;
  int64_t step, total, started_ms;
  double its, loss_d, loss_g, judge;
} running;
typedef struct progress progress;
progress *progress_new(int quiet, uint32_t total, const char *judge);
void progress_free(progress *p);
/* One finished line that stays. */
void progress_say(progress *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Redraws if it is time. */
void progress_draw(progress *p, const running *const *r, uint32_t n, uint32_t finished, int64_t now_ms);
#endif
