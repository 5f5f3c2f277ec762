/* child.c - see child.h. */
#include "sched/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RECORD_FD = 3, TURN = 16 }; /* TURN: pieces of a pipe read before others have theirs */

gantry_status child_start(child *c, const char *const *argv, const char *const *env, const char *log, int64_t memory_bytes, rec_fn *fn, void *user, err *e) {
  *c = (child){.fn = fn, .user = user, .heard_ms = proc_now_ms()};
  TRY(proc_start(&(proc_spec){.argv = argv, .env = env, .pipe_fd = RECORD_FD, .log_path = log, .memory_bytes = memory_bytes}, &c->p, e));
  c->reader = rec_reader_new();
  return GANTRY_OK;
}

/* What the pipe holds now, up to `turns` pieces. 1: it is at its end. */
static int read_pipe(child *c, int turns) {
  char bytes[1 << 16];
  while (c->p.fd >= 0) {
    if (turns-- == 0) return 0;
    ssize_t k = read(c->p.fd, bytes, sizeof bytes);
    if (k < 0 && errno == EINTR) continue;
    if (k < 0) return errno != EAGAIN;
    if (k == 0) return 1;
    c->heard_ms = proc_now_ms();
    err why = {0};
    if (!c->damaged && rec_feed(c->reader, bytes, (size_t)k, c->fn, c->user, &why)) {
      c->damaged = 1;
      proc_signal(&c->p, SIGKILL); /* nothing it says can be trusted any more */
    }
  }
  return 1;
}

static gantry_status look(child *c, err *e) {
  proc_end end;
  int at_end = read_pipe(c, TURN);
  TRY(proc_check(&c->p, 0, &end, e));
  if (end.exited) {
    read_pipe(c, 4 * TURN); /* what it wrote between the two looks */
    proc_close(&c->p);
    c->end = end;
  } else if (at_end) {
    proc_close(&c->p); /* it closed its pipe: only its end is still to come */
  }
  return GANTRY_OK;
}

gantry_status children_wait(child **c, uint32_t n, int also, int *news, int ms, err *e) {
  struct pollfd *p = mem_alloc(sizeof *p * (n + 1));
  nfds_t k = 0;
  int pipeless = 0;
  if (also >= 0) p[k++] = (struct pollfd){.fd = also, .events = POLLIN};
  for (uint32_t i = 0; i < n; i++) {
    if (!c[i] || c[i]->end.exited) continue;
    if (c[i]->p.fd >= 0) p[k++] = (struct pollfd){.fd = c[i]->p.fd, .events = POLLIN};
    else pipeless = 1;
  }
  int rc = poll(p, k, pipeless && ms > 10 ? 10 : ms);
  gantry_status st = rc < 0 && errno != EINTR ? err_errno(e, "waiting for worker processes") : GANTRY_OK;
  if (news) *news = rc > 0 && also >= 0 && (p[0].revents & POLLIN) != 0;
  free(p);
  for (uint32_t i = 0; i < n && !st; i++)
    if (c[i] && !c[i]->end.exited) st = look(c[i], e);
  return st;
}

void child_free(child *c) {
  proc_end end;
  err e = {0};
  if (c->p.pid > 0) { /* only on the way out of an error */
    proc_signal(&c->p, SIGKILL);
    proc_check(&c->p, 1, &end, &e);
  }
  proc_close(&c->p);
  rec_reader_free(c->reader);
  c->reader = NULL;
}

const char *log_tail(arena *a, const char *path, size_t bytes) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat info;
  if (fd < 0 || fstat(fd, &info)) {
    if (fd >= 0) close(fd);
    return "";
  }
  off_t from = info.st_size > (off_t)bytes ? info.st_size - (off_t)bytes : 0;
  char *text = arena_alloc(a, bytes + 1);
  ssize_t n = pread(fd, text, bytes, from);
  close(fd);
  if (n <= 0) return "";
  text[n] = 0;
  while (n && (text[n - 1] == '\n' || text[n - 1] == ' ')) text[--n] = 0;
  char *line = from ? strchr(text, '\n') : NULL; /* not a half line */
  return line ? line + 1 : text;
}
