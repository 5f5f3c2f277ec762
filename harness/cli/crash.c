/* crash.c - see crash.h. The handler runs in a damaged process, so it only reads, writes to descriptor 2, and raises the signal again:
 * the parent sees the real one, and a core file is written where the system is set up for it. */
#include "cli/crash.h"

#include <execinfo.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "abi/build.h"
#include "base/proc.h"

enum { FRAMES = 48, STACK = 1 << 16 };

static train_run *const *crash_run; /* a signal handler is given nothing else */

static void say(const char *text) {
  if (text && write(2, text, strlen(text)) < 0) return; /* nobody left to tell */
}

static void on_crash(int number) {
  void *frames[FRAMES];
  const train_run *r = crash_run ? *crash_run : NULL;
  const abi_builder *b = r && r->world ? r->world->building : NULL;
  say("gantry worker: ended by ");
  say(proc_signal_name(number));
  if (b && b->el) {
    say(" in plugin ");
    say(b->el->plugin->name);
    if (b->el->path) {
      say(" (");
      say(b->el->path);
      say(")");
    }
    say(" while it built ");
    say(b->program);
    if (b->doing) {
      say(", ");
      say(b->doing);
    }
    if (b->place && *b->place) {
      say(", ");
      say(b->place);
    }
  }
  say("; backtrace:\n");
  backtrace_symbols_fd(frames, backtrace(frames, FRAMES), 2);
  raise(number); /* SA_RESETHAND: this time it ends the process */
}

void crash_describe(train_run *const *run) {
  static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
  static char stack[STACK]; /* an overflowing stack is one of the reasons to come here */
  void *one[1];
  backtrace(one, 1); /* loads what it needs now, not in the handler */
  crash_run = run;
  sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
  for (size_t k = 0; k < sizeof signals / sizeof *signals; k++) sigaction(signals[k], &(struct sigaction){.sa_handler = on_crash, .sa_flags = (int)(SA_RESETHAND | SA_NODEFER | SA_ONSTACK)}, NULL);
}
