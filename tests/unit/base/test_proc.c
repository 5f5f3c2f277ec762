/* Child processes: pipe, environment, endings, and who is still there. */
#include "t.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "base/files.h"
#include "base/proc.h"

static void read_all(int fd, buf *b) {
  char text[256];
  for (;;) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, 5000) <= 0) return;
    ssize_t k = read(fd, text, sizeof text);
    if (k <= 0) return;
    buf_put(b, text, (size_t)k);
  }
}

static void test_proc__pipe_env_log_and_code(void) {
  err e = {0};
  char dir[] = "/tmp/gantry-test-XXXXXX", log[64];
  T_CHECK(mkdtemp(dir) != NULL);
  snprintf(log, sizeof log, "%s/log", dir);
  const char *argv[] = {"sh", "-c", "echo to-pipe $GANTRY_X >&3; echo to-log; exit 7", NULL}, *env[] = {"GANTRY_X=hello", NULL};
  proc p;
  T_CHECK(proc_start(&(proc_spec){.argv = argv, .env = env, .pipe_fd = 3, .log_path = log}, &p, &e) == 0);
  buf b = {0}, l = {0};
  read_all(p.fd, &b);
  T_STR(b.p, "to-pipe hello\n");
  proc_end end;
  T_CHECK(proc_check(&p, 1, &end, &e) == 0 && end.exited && end.code == 7 && end.signal == 0 && p.pid == 0);
  T_CHECK(file_read(log, &l, 1000, &e) == 0);
  T_STR(l.p, "to-log\n");
  proc_close(&p);
  buf_free(&b);
  buf_free(&l);
  unlink(log);
  rmdir(dir);
}

static void test_proc__signal_is_seen_and_nothing_after_reaping(void) {
  err e = {0};
  const char *argv[] = {"sleep", "30", NULL};
  proc p;
  T_CHECK(proc_start(&(proc_spec){.argv = argv}, &p, &e) == 0);
  proc_end end;
  T_CHECK(proc_check(&p, 0, &end, &e) == 0 && !end.exited);
  T_CHECK(proc_start_time(p.pid) > 0);
  pid_t pid = p.pid;
  proc_signal(&p, SIGKILL);
  T_CHECK(proc_check(&p, 1, &end, &e) == 0 && end.exited && end.signal == SIGKILL);
  T_CHECK(proc_start_time(pid) == -1);
  proc_signal(&p, SIGKILL); /* pid 0 would be our own group */
  T_STR(proc_signal_name(SIGSEGV), "SIGSEGV");
}

static void test_proc__missing_program_is_an_error(void) {
  err e = {0};
  const char *argv[] = {"/nowhere/gantry-none", NULL};
  proc p;
  T_CHECK(proc_start(&(proc_spec){.argv = argv, .pipe_fd = 3}, &p, &e) == GANTRY_E_IO);
  T_HAS(e.msg, "/nowhere/gantry-none");
  T_CHECK(p.pid == 0 && p.fd == -1);
}

static void test_proc__start_time_is_stable(void) {
  char a[64], self[256];
  T_CHECK(proc_start_time(getpid()) > 0 && proc_start_time(getpid()) == proc_start_time(getpid()));
  T_CHECK(strlen(proc_boot_id(a)) >= 32);
  T_HAS(proc_self(self, sizeof self), "test_proc");
}

T_MAIN(T(test_proc__pipe_env_log_and_code), T(test_proc__signal_is_seen_and_nothing_after_reaping), T(test_proc__missing_program_is_an_error), T(test_proc__start_time_is_stable))
