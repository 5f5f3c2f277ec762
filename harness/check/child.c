/* child.c - one test in a process of its own, killed with everything it started when its time is over. See child.h. */
#include "check/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "abi/registry.h"
#include "base/proc.h"
#include "check/stage.h"

check_shared *check_share(void) {
  void *p = mmap(NULL, sizeof(check_shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return p == MAP_FAILED ? mem_alloc(SIZE_MAX) : p; /* which says that there is no memory */
}
void check_unshare(check_shared *p) { munmap(p, sizeof *p); }

uint32_t check_say(subject *s, uint32_t verdict, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(s->out->why, sizeof s->out->why, fmt, ap);
  va_end(ap);
  return verdict;
}

void check_part(subject *s, uint32_t verdict, const char *name, const char *fmt, ...) {
  if (s->out->n_subs == CHECK_SUBS) return;
  check_sub *sub = &s->out->subs[s->out->n_subs++];
  va_list ap;
  sub->verdict = verdict;
  snprintf(sub->name, sizeof sub->name, "%s", name);
  va_start(ap, fmt);
  vsnprintf(sub->why, sizeof sub->why, fmt, ap);
  va_end(ap);
}

void check_doing(subject *s, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(s->out->doing, sizeof s->out->doing, fmt, ap);
  va_end(ap);
}

static void run_here(subject *s, check_fn *run) {
  err e = {0};
  if (s->plugin && abi_open(s->plugin, &e)) s->out->verdict = check_say(s, CHECK_FAIL, "%s", e.msg);
  else {
    if (s->plugin) s->live = s->plugin->live;
    s->out->verdict = s->varies ? check_over_choices(s, run) : run(s);
  }
  s->out->done = 1;
}

/* ---- who crashed ---- */

static subject *crashing; /* of the child process: a signal handler is given nothing else */

static void put(char *to, size_t room, const char *text) {
  size_t n = strlen(to);
  for (; *text && n + 1 < room; text++) to[n++] = *text;
  to[n] = 0;
}

static void on_crash(int number) {
  const stage *st = crashing->now;
  const abi_builder *b = st && st->world ? st->world->building : NULL;
  char *to = crashing->out->hook;
  if (b && b->el && b->doing) {
    put(to, sizeof crashing->out->hook, " in ");
    put(to, sizeof crashing->out->hook, b->doing);
    put(to, sizeof crashing->out->hook, " (");
    put(to, sizeof crashing->out->hook, b->el->plugin->name);
    put(to, sizeof crashing->out->hook, ")");
  }
  raise(number); /* SA_RESETHAND: this time it ends the process */
}

static void listen_for_crashes(subject *s) {
  static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
  static char stack[1 << 16]; /* an overflowing stack is one of the reasons to come here */
  crashing = s;
  sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
  for (size_t k = 0; k < sizeof signals / sizeof *signals; k++) sigaction(signals[k], &(struct sigaction){.sa_handler = on_crash, .sa_flags = (int)(SA_RESETHAND | SA_NODEFER | SA_ONSTACK)}, NULL);
}

static int64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* What a child wrote to standard output and error, in one line. */
static void printed(int fd, char *out, size_t n) {
  ssize_t k = pread(fd, out, n - 1, 0);
  out[k > 0 ? k : 0] = 0;
  for (char *c = out; *c; c++)
    if ((unsigned char)*c < ' ') *c = c[1] ? ' ' : 0;
}

static void judge_end(subject *s, int status, int timed_out, const char *said, int64_t timeout) {
  check_shared *out = s->out;
  const char *during = out->doing[0] ? ": " : "";
  if (timed_out) out->verdict = check_say(s, CHECK_TIMEOUT, "did not come back within %lld ms%s%s", (long long)timeout, during, out->doing);
  else if (WIFSIGNALED(status)) out->verdict = check_say(s, CHECK_CRASH, "%s%s%s%s%s%s", proc_signal_name(WTERMSIG(status)), out->hook, during, out->doing, said[0] ? "; it printed: " : "", said);
  else if (!out->done) out->verdict = check_say(s, CHECK_FAIL, "ended the process with status %d (exit or abort)%s%s", WEXITSTATUS(status), during, out->doing);
  else if (said[0] && out->verdict != CHECK_FAIL) out->verdict = check_say(s, CHECK_FAIL, "printed \"%.200s\": a plugin speaks through host->fail and host->log", said);
}

void check_run_child(subject *s, check_fn *run, const check_options *o, int64_t *ms) {
  check_shared *out = s->out;
  const int64_t t0 = now_ms(), timeout = o->timeout_ms ? o->timeout_ms : 30000;
  const gantry_plugin *live = s->live;
  out->done = out->verdict = out->n_subs = 0;
  out->why[0] = out->doing[0] = out->hook[0] = 0;
  if (o->in_process) {
    run_here(s, run);
    *ms = now_ms() - t0;
    return;
  }
  int said = memfd_create("gantry-check", MFD_CLOEXEC), status = 0, timed_out = 0;
  fflush(NULL); /* what this process has still to print is not the child's */
  pid_t parent = getpid(), pid = fork();
  if (pid == 0) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null >= 0) dup2(null, 0);
    if (said >= 0) dup2(said, 1), dup2(said, 2);
    setvbuf(stdout, NULL, _IOLBF, 0);
    listen_for_crashes(s);
    run_here(s, run);
    fflush(stdout);
    _exit(0);
  }
  if (pid < 0) out->verdict = check_say(s, CHECK_FAIL, "cannot start a process: %s", strerror(errno));
  else {
    setpgid(pid, pid);
    int64_t pause = 200; /* microseconds */
    siginfo_t end;
    for (;;) {
      end.si_pid = 0;
      if (waitid(P_PID, (id_t)pid, &end, WEXITED | WNOHANG | WNOWAIT) && errno != EINTR) break;
      if (end.si_pid) break;
      if ((timed_out = now_ms() - t0 > timeout) != 0) break;
      nanosleep(&(struct timespec){0, pause * 1000}, NULL);
      if (pause < 5000) pause += pause / 4;
    }
    kill(-pid, SIGKILL); /* the group: whatever the plugin started goes too. Not yet reaped, so the number is still the child's */
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    char text[400];
    if (said >= 0) printed(said, text, sizeof text);
    judge_end(s, status, timed_out, said >= 0 ? text : "", timeout);
  }
  if (said >= 0) close(said);
  s->live = live;
  *ms = now_ms() - t0;
}
