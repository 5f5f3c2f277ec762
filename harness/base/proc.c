/* proc.c - see proc.h. */
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* In the child: after fork, only calls that are safe there. Failures travel to the parent as errno through `report`. */
static void become(const proc_spec *s, int pipe_end, int report, pid_t parent) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  setpgid(0, 0);
  if (!s->outlives) {
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a run's folder must never have two writers, so a worker does not outlive its parent */
    if (getppid() != parent) _exit(127);
  }
#ifndef GANTRY_SANITIZED /* the address sanitizer reserves terabytes */
  if (s->memory_bytes > 0) setrlimit(RLIMIT_DATA, &(struct rlimit){(rlim_t)s->memory_bytes, (rlim_t)s->memory_bytes});
#endif
  if (s->log_path) {
    int log = open(s->log_path, O_WRONLY | O_CREAT | O_APPEND, 0666);
    if (log < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0) goto failed;
    if (log > 2) close(log);
    int null = open("/dev/null", O_RDONLY);
    if (null >= 0) {
      dup2(null, 0);
      if (null > 2) close(null);
    }
  }
  if (s->pipe_fd) {
    if (report == s->pipe_fd && (report = fcntl(report, F_DUPFD_CLOEXEC, s->pipe_fd + 1)) < 0) _exit(127);
    if (pipe_end == s->pipe_fd) fcntl(pipe_end, F_SETFD, 0);
    else if (dup2(pipe_end, s->pipe_fd) < 0) goto failed;
  }
  for (const char *const *v = s->env; v && *v; v++) {
    if (!strchr(*v, '=')) unsetenv(*v);
    else putenv((char *)(uintptr_t)*v); /* strings live until exec */
  }
  execvp(s->argv[0], (char *const *)(uintptr_t)s->argv);
failed:;
  int why = errno;
  ssize_t done = write(report, &why, sizeof why);
  (void)done;
  _exit(127);
}

static void close_pair(int p[2]) {
  if (p[0] >= 0) close(p[0]);
  if (p[1] >= 0) close(p[1]);
}

gantry_status proc_start(const proc_spec *s, proc *out, err *e) {
  int data[2] = {-1, -1}, report[2] = {-1, -1}, why = 0;
  *out = (proc){.fd = -1};
  if ((s->pipe_fd && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, data)) || pipe2(report, O_CLOEXEC)) {
    gantry_status st = err_errno(e, "cannot make a pipe to %s", s->argv[0]);
    close_pair(data);
    return st;
  }
  pid_t parent = getpid(), pid = fork();
  if (pid == 0) become(s, data[1], report[1], parent);
  if (pid < 0) {
    gantry_status st = err_errno(e, "cannot start %s", s->argv[0]);
    close_pair(data);
    close_pair(report);
    return st;
  }
  close(report[1]);
  ssize_t k;
  do k = read(report[0], &why, sizeof why);
  while (k < 0 && errno == EINTR);
  close(report[0]);
  if (s->pipe_fd) close(data[1]);
  if (k == (ssize_t)sizeof why) {
    waitpid(pid, NULL, 0);
    if (s->pipe_fd) close(data[0]);
    errno = why;
    return err_errno(e, "cannot start %s", s->argv[0]);
  }
  out->pid = pid;
  if (s->pipe_fd) {
    fcntl(data[0], F_SETFL, O_NONBLOCK);
    out->fd = data[0];
  }
  return GANTRY_OK;
}

gantry_status proc_check(proc *p, int wait, proc_end *end, err *e) {
  *end = (proc_end){0};
  int status;
  pid_t k;
  do k = waitpid(p->pid, &status, wait ? 0 : WNOHANG);
  while (k < 0 && errno == EINTR);
  if (k < 0) return err_errno(e, "cannot wait for process %ld", (long)p->pid);
  if (k == 0) return GANTRY_OK;
  p->pid = 0;
  end->exited = 1;
  if (WIFSIGNALED(status)) end->signal = WTERMSIG(status);
  else end->code = WEXITSTATUS(status);
  return GANTRY_OK;
}

void proc_signal(const proc *p, int sig) {
  if (p->pid > 0) kill(p->pid, sig);
}

void proc_close(proc *p) {
  if (p->fd >= 0) close(p->fd);
  p->fd = -1;
}

int64_t proc_start_time(pid_t pid) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
  FILE *f = fopen(path, "re");
  if (!f) return -1;
  size_t n = fread(text, 1, sizeof text - 1, f);
  fclose(f);
  text[n] = 0;
  char *s = strrchr(text, ')'); /* the name in brackets may hold anything; field 3, the state, follows it */
  if (!s) return -1;
  if (s[1] && (s[2] == 'Z' || s[2] == 'X')) return -1; /* dead, only not yet reaped */
  for (int field = 2; s && field < 22; field++) s = strchr(s + 1, ' ');
  return s ? strtoll(s, NULL, 10) : -1;
}

const char *proc_boot_id(char out[64]) {
  FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
  out[0] = 0;
  if (f) {
    if (fgets(out, 64, f)) out[strcspn(out, "\n")] = 0;
    fclose(f);
  }
  return out;
}

const char *proc_signal_name(int sig) {
  static const struct { int sig; const char *name; } names[] = {
    {SIGSEGV, "SIGSEGV"}, {SIGABRT, "SIGABRT"}, {SIGBUS, "SIGBUS"}, {SIGFPE, "SIGFPE"}, {SIGILL, "SIGILL"}, {SIGKILL, "SIGKILL"},
    {SIGTERM, "SIGTERM"}, {SIGINT, "SIGINT"}, {SIGPIPE, "SIGPIPE"}, {SIGHUP, "SIGHUP"}, {SIGXCPU, "SIGXCPU"}, {SIGSYS, "SIGSYS"},
  };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (names[i].sig == sig) return names[i].name;
  return "a signal";
}

const char *proc_self(char *out, size_t n) {
  ssize_t k = readlink("/proc/self/exe", out, n - 1);
  out[k > 0 ? k : 0] = 0;
  return out;
}

int64_t proc_memory(void) {
  long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
  int64_t n = pages > 0 && size > 0 ? (int64_t)pages * size : 0;
  long long group;
  FILE *f = fopen("/sys/fs/cgroup/memory.max", "re");
  if (f) {
    if (fscanf(f, "%lld", &group) == 1 && group > 0 && (!n || group < n)) n = group;
    fclose(f);
  }
  return n;
}

int64_t proc_memory_available(void) {
  char line[256];
  long long kb = 0;
  int64_t all = proc_memory();
  FILE *f = fopen("/proc/meminfo", "re");
  while (f && fgets(line, sizeof line, f))
    if (sscanf(line, "MemAvailable: %lld", &kb) == 1) break;
  if (f) fclose(f);
  return (int64_t)kb * 1024 < all ? (int64_t)kb * 1024 : all;
}

int64_t proc_now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
