/* notify.c - see notify.h. */
#include "sched/notify.h"

#include <signal.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

void notify(notifier *n, const notice *w) {
  proc *free_one = NULL;
  if (!n->command) return;
  notify_reap(n, 0);
  for (int k = 0; k < NOTIFY_MOST && !free_one; k++)
    if (!n->at_work[k].pid) free_one = &n->at_work[k];
  if (!free_one) {
    log_line(LOG_WARN, "--on-event: %d commands are still at work; nobody is told that %s s%llu %s", NOTIFY_MOST, w->label, (unsigned long long)w->seed, w->event);
    return;
  }
  arena *a = arena_new();
  err e = {0};
  const char *argv[] = {"/bin/sh", "-c", n->command, NULL};
  const char *env[] = {arena_fmt(a, "GANTRY_EVENT=%s", w->event), arena_fmt(a, "GANTRY_GRID=%s", w->grid), arena_fmt(a, "GANTRY_LABEL=%s", w->label), arena_fmt(a, "GANTRY_RUN=%s", w->run),
                       arena_fmt(a, "GANTRY_DIR=%s", w->dir), arena_fmt(a, "GANTRY_SEED=%llu", (unsigned long long)w->seed), arena_fmt(a, "GANTRY_STEP=%lld", (long long)w->step),
                       arena_fmt(a, "GANTRY_ERROR=%s", w->error ? w->error : ""), NULL};
  if (proc_start(&(proc_spec){.argv = argv, .env = env}, free_one, &e)) log_line(LOG_WARN, "--on-event: %s", e.msg);
  arena_free(a);
}

void notify_reap(notifier *n, int64_t wait_ms) {
  for (int64_t until = proc_now_ms() + wait_ms;;) {
    int left = 0;
    for (int k = 0; k < NOTIFY_MOST; k++) {
      proc_end end;
      err e = {0};
      if (!n->at_work[k].pid || proc_check(&n->at_work[k], 0, &end, &e)) continue;
      left += !end.exited;
      if (end.exited && (end.code || end.signal)) log_line(LOG_WARN, "--on-event: the command ended with %s%d", end.signal ? "signal " : "status ", end.signal ? end.signal : end.code);
    }
    if (!left || !wait_ms) return;
    if (proc_now_ms() > until) break;
    usleep(20000);
  }
  for (int k = 0; k < NOTIFY_MOST; k++) {
    proc_end end;
    err e = {0};
    if (!n->at_work[k].pid) continue;
    log_line(LOG_WARN, "--on-event: a command is still at work after %lld s and is ended", (long long)(wait_ms / 1000));
    proc_signal(&n->at_work[k], SIGKILL);
    proc_check(&n->at_work[k], 1, &end, &e);
  }
}
