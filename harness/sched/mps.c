/* mps.c - see mps.h. Observed with the control program of driver 535: -d returns 0 once it listens; `quit` waits for the daemon, and its status is that of the servers
 * (1 where one could not start), so whether the daemon is gone is asked anew; get_server_list ends with 1 where nobody answers. */
#include "sched/mps.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/tree.h"
#include "sched/child.h"

#define CONTROL "nvidia-cuda-mps-control"
enum { KEEPER_FD = 3, START_MS = 20000, OPEN_MS = 120000, END_MS = 20000, QUICK_MS = 10000 };

/* The keeper. $1: the folder. It says "up" or nothing, and then waits for its pipe to close; 5 seconds are for clients that are just being killed with their parent. */
static const char keeper[] =
  "trap '' HUP INT\n"
  "trap : TERM\n"
  "export CUDA_MPS_PIPE_DIRECTORY=\"$1/pipe\" CUDA_MPS_LOG_DIRECTORY=\"$1/log\"\n"
  CONTROL " -d </dev/null 3>&- || exit 1\n"
  "echo up >&3\n"
  "read line <&3\n"
  "echo quit -t 5 | " CONTROL " 3>&-\n"
  "echo get_server_list | " CONTROL " 3>&- || rm -rf \"$1\"\n"; /* still there: its folder stays, for the next start */

int mps_installed(void) {
  const char *path = getenv("PATH");
  char file[4200];
  for (const char *p = path; p && *p;) {
    size_t n = strcspn(p, ":");
    if (n && n < 4096) {
      snprintf(file, sizeof file, "%.*s/%s", (int)n, p, CONTROL);
      if (!access(file, X_OK)) return 1;
    }
    p += n + (p[n] == ':');
  }
  return 0;
}

int mps_has_driver(void) { return access("/dev/nvidiactl", F_OK) == 0; }

/* Runs a program to its end. Its exit status, or -1 where it could not be started, was ended by a signal, or took too long and was ended. */
static int run(const char *const *argv, const char *const *env, const char *log, int64_t ms) {
  proc p;
  proc_end end = {0};
  err e = {0};
  if (proc_start(&(proc_spec){.argv = argv, .env = env, .log_path = log}, &p, &e)) return -1;
  for (int64_t until = proc_now_ms() + ms; !proc_check(&p, 0, &end, &e) && !end.exited && proc_now_ms() < until;) usleep(5000);
  if (!end.exited) {
    proc_signal(&p, SIGKILL);
    proc_check(&p, 1, &end, &e);
    return -1;
  }
  return end.signal ? -1 : end.code;
}

static int command(const char *text, const char *const *env) {
  const char *argv[] = {"/bin/sh", "-c", "echo \"$1\" | " CONTROL, "sh", text, NULL};
  return run(argv, env, "/dev/null", QUICK_MS);
}

int mps_answers(void) { return mps_installed() && command("get_server_list", NULL) == 0; }

/* Which --out a daemon belongs to: a copy of the folder is another one, a moved one is the same. */
static int mark_of(const char *out, arena *a, char text[64]) {
  struct stat s;
  if (stat(path_join(a, out, "gantry.lock"), &s)) return 0;
  snprintf(text, 64, "%llx.%llx", (unsigned long long)s.st_dev, (unsigned long long)s.st_ino);
  return 1;
}

static int ours(const char *folder, const char *out, arena *a) {
  struct stat s;
  char mark[64], there[64] = "";
  if (lstat(folder, &s) || !S_ISDIR(s.st_mode) || s.st_uid != geteuid() || s.st_mode & 077 || !strstr(folder, "/gantry-mps-") || !mark_of(out, a, mark)) return 0;
  FILE *f = fopen(path_join(a, folder, "owner"), "re");
  if (f && !fgets(there, sizeof there, f)) there[0] = 0;
  if (f) fclose(f);
  return !strcmp(mark, there);
}

int mps_leftover(const char *out) {
  arena *a = arena_new();
  const char *record = path_join(a, out, "mps");
  buf text = {0};
  err e = {0};
  int found = 0;
  if (!file_exists(record) || file_read(record, &text, 4096, &e)) goto done;
  text.p[strcspn(text.p, "\n")] = 0;
  if (ours(text.p, out, a)) {
    const char *env[] = {arena_fmt(a, "CUDA_MPS_PIPE_DIRECTORY=%s/pipe", text.p), NULL};
    if ((found = command("get_server_list", env) == 0)) command("quit -t 5", env);
    if (command("get_server_list", env)) tree_remove(text.p, &e);
  }
  unlink(record);
done:
  buf_free(&text);
  arena_free(a);
  return found;
}

static int make_folder(mps *m, const char *out, arena *a, const char **why) {
  const char *tmp = getenv("TMPDIR");
  char mark[64];
  err e = {0};
  if (!tmp || *tmp != '/' || strlen(tmp) > 60) tmp = "/tmp"; /* the path of a socket has 107 bytes */
  snprintf(m->folder, sizeof m->folder, "%s/gantry-mps-XXXXXX", tmp);
  m->record = path_join(a, out, "mps");
  if (!mkdtemp(m->folder)) {
    *why = arena_fmt(a, "no folder can be made in %s", tmp);
    m->folder[0] = 0;
    return 0;
  }
  const char *line = arena_fmt(a, "%s\n", m->folder);
  if (!mark_of(out, a, mark) || file_write(path_join(a, m->folder, "owner"), mark, strlen(mark), &e) || file_write(m->record, line, strlen(line), &e) || dir_make(path_join(a, m->folder, "pipe"), &e) ||
      dir_make(path_join(a, m->folder, "log"), &e)) {
    *why = arena_str(a, e.msg);
    return 0;
  }
  return 1;
}

static int start_keeper(mps *m, arena *a, const char **why) {
  const char *argv[] = {"/bin/sh", "-c", keeper, "gantry-mps", m->folder, NULL}, *log = path_join(a, m->folder, "log/said");
  char said[8] = "";
  err e = {0};
  if (proc_start(&(proc_spec){.argv = argv, .pipe_fd = KEEPER_FD, .log_path = log, .outlives = 1}, &m->keeper, &e)) {
    *why = arena_str(a, e.msg);
    return 0;
  }
  struct pollfd p = {.fd = m->keeper.fd, .events = POLLIN};
  if (poll(&p, 1, START_MS) > 0 && read(m->keeper.fd, said, sizeof said - 1) > 0) return 1;
  const char *tail = log_tail(a, log, 500), *last = strrchr(tail, '\n');
  *why = *tail ? (last ? last + 1 : tail) : "the daemon does not start";
  return 0;
}

/* A worker opens the device through the daemon: only that shows an old GPU, a missing right, a container or system that MPS does not work in. */
static int open_device(mps *m, const mps_spec *s, arena *a, const char **why) {
  const char *said = m->folder[0] ? path_join(a, m->folder, "log/open") : "/dev/null";
  VEC(const char *) argv = {0};
  VEC_PUSH(argv, s->exe);
  VEC_PUSH(argv, "worker");
  VEC_PUSH(argv, "--open");
  for (const char *const *x = s->extra; x && *x; x++) VEC_PUSH(argv, *x);
  VEC_PUSH(argv, NULL);
  int rc = run(argv.p, m->env, said, OPEN_MS);
  free(argv.p);
  const char *tail = log_tail(a, said, 1000), *last = strrchr(tail, '\n'), *line = last ? last + 1 : tail;
  if (!strncmp(line, "gantry worker: ", 15)) line += 15;
  if (rc) *why = rc < 0 ? "a worker that opens the GPU through it does not come to an end" : *line ? line : "no worker can open the GPU through it";
  else if (strncmp(line, "cuda", 4)) *why = "no GPU can be opened through it"; /* "auto" chose another backend */
  else {
    m->device = strcmp(s->device, "auto") ? NULL : "cuda";
    return 1;
  }
  return 0;
}

void mps_start(mps *m, const mps_spec *s, arena *a, const char **note) {
  const char *why = "";
  *m = (mps){.keeper.fd = -1};
  if (!mps_installed()) {
    *note = "MPS: " CONTROL " is not on PATH, so runs on one GPU take turns (gantry doctor tells more)";
    return;
  }
  if (mps_answers()) {
    m->state = MPS_USERS;
    m->device = strcmp(s->device, "auto") ? NULL : "cuda";
    *note = "MPS: the daemon that is already running is used, and left as it is";
    return;
  }
  m->env[0] = NULL;
  if (make_folder(m, s->out, a, &why)) {
    m->env[0] = arena_fmt(a, "CUDA_MPS_PIPE_DIRECTORY=%s/pipe", m->folder);
    m->env[1] = "CUDA_VISIBLE_DEVICES"; /* taken away: the daemon has it, and numbers what it shows from 0 */
    if (start_keeper(m, a, &why) && open_device(m, s, a, &why)) {
      m->state = MPS_OWN;
      *note = "MPS: runs on one GPU compute side by side (--mps off: they take turns)";
      return;
    }
  }
  *note = arena_fmt(a, "MPS cannot be used, so runs on one GPU take turns: %s", arena_str(a, why));
  mps_end(m);
}

void mps_end(mps *m) {
  proc_end end = {0};
  err e = {0};
  proc_close(&m->keeper); /* what the keeper waits for */
  for (int64_t until = proc_now_ms() + END_MS; m->keeper.pid && !proc_check(&m->keeper, 0, &end, &e) && !end.exited && proc_now_ms() < until;) usleep(5000);
  if (m->folder[0] && !m->keeper.pid) {
    if (end.exited && end.code == 1) tree_remove(m->folder, &e); /* it never started */
    if (!file_exists(m->folder)) unlink(m->record);
  }
  *m = (mps){.keeper.fd = -1};
}
