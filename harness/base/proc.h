/* proc.h - child processes: start one with a two-way pipe on a chosen descriptor, see how it ended, tell whether a process is still there.
 *
 * A child has its own process group, so a Ctrl-C in the terminal reaches the parent alone, and dies with its parent unless it is told
 * to outlive it. Signals are
 * only ever sent to own children that have not been reaped, by their process id. */
#ifndef BASE_PROC_H
#define BASE_PROC_H
#include <sys/types.h>

#include "base/err.h"

typedef struct proc_spec {
  const char *const *argv; /* argv[0] is looked up in $PATH if it has no slash; NULL-terminated */
  const char *const *env;  /* "KEY=value" added to this process's environment, "KEY" taken out of it; NULL-terminated, or NULL */
  int pipe_fd;             /* the child's end of the pipe (a stream socket: both may write) appears here; 0 = no pipe */
  const char *log_path;    /* standard output and error of the child are appended here; NULL = inherited */
  int64_t memory_bytes;    /* most private memory the child may have (RLIMIT_DATA); 0 = no limit */
  int outlives;            /* 1: it is not killed when its parent ends */
} proc_spec;

typedef struct proc {
  pid_t pid;               /* 0: none, or reaped */
  int fd;                  /* our end of the pipe, non-blocking, or -1 */
} proc;

typedef struct proc_end { int exited, code, signal; } proc_end; /* exited 0: still running; signal 0: ended with code */

gantry_status proc_start(const proc_spec *s, proc *out, err *e); /* a program that cannot be executed is an error here */
gantry_status proc_check(proc *p, int wait, proc_end *end, err *e);
void proc_signal(const proc *p, int sig); /* nothing once reaped */
void proc_close(proc *p);                 /* closes the pipe */

int64_t proc_start_time(pid_t pid);       /* clock ticks since boot, from /proc; -1 if there is no such process */
const char *proc_boot_id(char out[64]);   /* "" where the kernel does not say */
const char *proc_signal_name(int sig);    /* "SIGSEGV" */
/* Path of the running program, arena-free: at most n bytes, "" on failure. */
const char *proc_self(char *out, size_t n);
int64_t proc_memory(void);                /* bytes this machine or this control group has; 0 if unknown */
int64_t proc_memory_available(void);      /* bytes of it that are free or could be freed at once; 0 if unknown */
int64_t proc_now_ms(void);                /* wall clock, ms since 1970 */
#endif
