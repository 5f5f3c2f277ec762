/* store_rows.c - what the database takes in and how fast it answers: `make bench-store`.
 *
 * store_rows DIR writes DIR/gantry.db and prints one "name value" line each:
 *   eight processes stream scalars through record sockets into one writer while a reader asks all the time: rows a second, bytes a row, reader's questions and refusals;
 *   then 1000 runs of 50 metrics with 200 rows each (10 million rows): the milliseconds of one series and of the list of all runs, in this process. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/files.h"
#include "base/proc.h"
#include "store/db.h"

enum { WRITERS = 8, METRICS = 8, STEPS = 60000, RUNS = 1000, MANY = 50, EACH = 200 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void fail(const err *e) {
  fprintf(stderr, "store_rows: %s\n", e->msg);
  exit(1);
}

typedef struct writer { int fd; pid_t pid; rec_reader *reader; int64_t run, rows; db *d; err *e; } writer;

static void on_record(void *user, const rec *r) {
  writer *w = user;
  if (db_record(w->d, w->run, r, w->e)) fail(w->e);
  w->rows += r->type == REC_SCALAR;
  if (r->type == REC_SYNC) rec_answer(w->fd, r->u.sync.token);
}

static void write_rows(int fd) { /* in a child */
  static const char *const names[METRICS] = {"loss_d", "loss_g", "d_accuracy_real", "d_accuracy_fake", "d_grad_norm", "g_grad_norm", "r1", "steps_per_second"};
  rec_writer *w = rec_writer_new(fd, 0);
  err e = {0};
  for (int64_t s = 1; s <= STEPS; s++) {
    for (int k = 0; k < METRICS; k++) rec_put(w, &(rec){.type = REC_SCALAR, .step = 20 * s, .u.scalar = {.name = names[k], .value = 0.001 * (double)s + k}});
    rec_put(w, &(rec){.type = REC_CLOCK, .step = 20 * s, .u.clock = {.images = 64 * s, .d_updates = s, .g_updates = s, .train_ms = s}});
  }
  _exit(rec_sync(w, &e) ? 1 : 0);
}

static pid_t start_reader(const char *path, int report) {
  pid_t pid = fork();
  if (pid) return pid;
  int64_t asked = 0, refused = 0;
  for (;;) {
    arena *a = arena_new();
    db *d = NULL;
    db_table t;
    err e = {0};
    if (db_open_read(path, &d, &e) || db_query(d, a, &t, &e, "SELECT run_id, metric_id, n, last FROM summary", "") || db_query(d, a, &t, &e, "SELECT max(step) FROM clock", "")) refused++;
    asked++;
    db_close(d);
    arena_free(a);
    int64_t both[2] = {asked, refused};
    if (write(report, both, sizeof both) < 0) _exit(0);
    usleep(20000);
  }
}

static int64_t file_bytes(const char *path) {
  struct stat s;
  return stat(path, &s) ? 0 : (int64_t)s.st_size;
}

static void ingest(const char *dir, db *d, arena *a) {
  writer w[WRITERS];
  struct pollfd p[WRITERS];
  err e = {0};
  int report[2], open = WRITERS;
  db_run run;
  const char *path = path_join(a, dir, "gantry.db");
  if (pipe(report)) exit(1);
  for (int k = 0; k < WRITERS; k++) {
    if (db_new_run(d, arena_fmt(a, "w%d", k), "{}", 1, arena_fmt(a, "runs/w/%d", k), a, &run, &e)) fail(&e);
    w[k] = (writer){.run = run.id, .d = d, .e = &e, .reader = rec_reader_new()};
  }
  if (db_commit(d, &e)) fail(&e);
  pid_t reader = start_reader(path, report[1]);
  double begin = now();
  for (int k = 0; k < WRITERS; k++) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) exit(1);
    w[k].pid = fork();
    if (!w[k].pid) {
      for (int j = 0; j < k; j++) close(w[j].fd);
      close(pair[0]);
      write_rows(pair[1]);
    }
    close(pair[1]);
    w[k].fd = pair[0];
    p[k] = (struct pollfd){.fd = pair[0], .events = POLLIN};
  }
  static char bytes[1 << 16];
  while (open) {
    poll(p, WRITERS, 100);
    for (int k = 0; k < WRITERS; k++) {
      if (p[k].fd < 0 || !p[k].revents) continue;
      ssize_t n = read(p[k].fd, bytes, sizeof bytes);
      if (n > 0 && rec_feed(w[k].reader, bytes, (size_t)n, on_record, &w[k], &e)) fail(&e);
      if (n <= 0) p[k].fd = -1, open--;
    }
    if (db_tick(d, proc_now_ms(), &e)) fail(&e);
  }
  if (db_commit(d, &e)) fail(&e);
  double took = now() - begin;
  kill(reader, SIGKILL);
  int64_t rows = 0, both[2] = {0, 0}, more[2];
  int good = 1, status;
  for (int k = 0; k < WRITERS; k++) rows += w[k].rows, good &= waitpid(w[k].pid, &status, 0) > 0 && status == 0;
  waitpid(reader, NULL, 0);
  close(report[1]);
  while (read(report[0], more, sizeof more) == (ssize_t)sizeof more) both[0] = more[0], both[1] = more[1];
  printf("writers_ok %d\nrows %lld\nrows_per_second %.0f\nreader_questions %lld\nreader_refusals %lld\n", good, (long long)rows, (double)rows / took, (long long)both[0], (long long)both[1]);
}

static void many_runs(db *d, arena *a) {
  err e = {0};
  char metric[MANY][16];
  for (int m = 0; m < MANY; m++) snprintf(metric[m], sizeof metric[m], "m%02d", m);
  db_cell cell = {.label = "base", .config_json = "{\"train\":{\"batch\":64}}", .same_as = -1};
  db_grid g = {.name = "many", .spec_json = "{}", .judge_metric = "m00", .judge_weights = "raw", .judge_reduce = "last", .better = -1, .cells = &cell, .n_cells = 1};
  int64_t grid;
  if (db_put_grid(d, &g, &grid, &e)) fail(&e);
  for (int r = 0; r < RUNS; r++) {
    db_run run;
    if (db_new_run(d, arena_fmt(a, "m%d", r), cell.config_json, (uint64_t)r, arena_fmt(a, "runs/m/%d", r), a, &run, &e) || db_link_run(d, grid, 0, (uint64_t)r, run.id, &e)) fail(&e);
    for (int s = 1; s <= EACH; s++) {
      for (int m = 0; m < MANY; m++) db_record(d, run.id, &(rec){.type = REC_SCALAR, .step = s, .u.scalar = {.name = metric[m], .value = s + m}}, &e);
      db_record(d, run.id, &(rec){.type = REC_CLOCK, .step = s, .u.clock = {.images = 64 * s, .d_updates = s, .g_updates = s, .train_ms = s}}, &e);
      if (db_tick(d, 0, &e)) fail(&e);
    }
    db_run_end(d, run.id, &(db_end){.status = "done"}, &e);
    if (e.code) fail(&e);
  }
  if (db_commit(d, &e)) fail(&e);
}

static int by_value(const void *a, const void *b) { return *(const double *)a < *(const double *)b ? -1 : 1; }

static void ask(const char *name, const char *path, arena *a, const char *sql) {
  double ms[9];
  uint32_t rows = 0;
  err e = {0};
  db *d = NULL;
  if (db_open_read(path, &d, &e)) fail(&e);
  for (int k = 0; k < 9; k++) {
    db_table t;
    double begin = now();
    if (db_query(d, a, &t, &e, sql, "")) fail(&e);
    ms[k] = 1e3 * (now() - begin);
    rows = t.n_rows;
  }
  db_close(d);
  qsort(ms, 9, sizeof *ms, by_value);
  printf("%s_ms %.2f\n%s_rows %u\n", name, ms[4], name, rows);
}

int main(int argc, char **argv) {
  if (argc < 2) return fprintf(stderr, "store_rows DIR\n"), 64;
  err e = {0};
  db *d = NULL;
  uint32_t lost;
  arena *a = arena_new();
  const char *path = path_join(a, argv[1], "gantry.db");
  signal(SIGPIPE, SIG_IGN);
  if (db_open(argv[1], &d, &lost, &e)) fail(&e);
  ingest(argv[1], d, a);
  db_close(d);
  printf("bytes_per_row %.1f\n", (double)file_bytes(path) / ((double)WRITERS * STEPS * METRICS));
  if (db_open(argv[1], &d, &lost, &e)) fail(&e);
  many_runs(d, a);
  db_close(d);
  db_run one;
  if (db_open(argv[1], &d, &lost, &e) || db_find_run(d, "m500", a, &one, &e)) fail(&e);
  db_close(d);
  ask("series", path, a, arena_fmt(a, "SELECT step, value FROM curves WHERE run='%s' AND metric='m25' ORDER BY step", one.uid));
  ask("runs", path, a, "SELECT grid, cell, label, seed, status, step, total_steps, round(train_s,1), run FROM runs WHERE grid='many' ORDER BY grid, cell, seed");
  ask("rows_in_all", path, a, "SELECT count(*) FROM scalar");
  arena_free(a);
  return 0;
}
