/* Runs that the file calls running: true while their process lives, "lost" for every reader once it is gone, and the reader changes nothing. */
#include "opened.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/hash.h"
#include "base/files.h"

static int64_t run_of(w *x, int seed, pid_t pid) {
  db_run r;
  int32_t none = 0;
  db_cell c = {.label = "base", .config_json = "{}", .level = &none, .same_as = -1};
  db_grid g = {.name = "g", .question = "", .spec_json = "{}", .judge_weights = "auto", .judge_reduce = "last", .better = -1, .cells = &c, .n_cells = 1};
  int64_t grid;
  T_CHECK(db_put_grid(x->d, &g, &grid, &x->e) == 0);
  T_CHECK(db_new_run(x->d, arena_fmt(x->a, "key-%d", seed), "{}", (uint64_t)seed, arena_fmt(x->a, "runs/%d", seed), x->a, &r, &x->e) == 0);
  T_CHECK(db_link_run(x->d, grid, 0, (uint64_t)seed, r.id, &x->e) == 0);
  T_CHECK(db_run_start(x->d, r.id, pid, 100, 0, &x->e) == 0);
  T_CHECK(db_grid_view(x->d, grid, &x->e) == 0 && db_commit(x->d, &x->e) == 0);
  return r.id;
}

static const char *ask(w *x, db *d, const char *sql) {
  db_table t;
  buf b = {0};
  if (db_query(d, x->a, &t, &x->e, sql, "")) return x->e.msg;
  for (uint32_t k = 0; k < t.n_rows; k++)
    for (uint32_t c = 0; c < t.n_cols; c++) buf_printf(&b, "%s%s", k + c ? "|" : "", db_at(&t, k, c)->s ? db_at(&t, k, c)->s : "-");
  const char *text = arena_str(x->a, b.p ? b.p : "");
  buf_free(&b);
  return text;
}

static void bytes_of(w *x, char hex[65]) {
  buf b = {0};
  T_CHECK(file_read(x->path, &b, 1 << 26, &x->e) == 0);
  sha_hex(b.p, b.n, hex);
  buf_free(&b);
}

static void test_db_lost__readers_say_so_and_write_nothing(void) {
  w x;
  db *d = NULL;
  uint32_t lost;
  char before[65], after[65];
  begin(&x);
  pid_t child = fork();
  if (!child) {
    pause();
    _exit(0);
  }
  run_of(&x, 1, getpid());
  run_of(&x, 2, child);
  T_CHECK(db_open_read(x.path, &d, &x.e) == 0);
  T_STR(ask(&x, d, "SELECT status FROM runs ORDER BY seed"), "running|running"); /* both live */
  db_close(d);
  T_CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
  db_close(x.d); /* everything is in the one file */
  x.d = NULL;
  bytes_of(&x, before);
  T_CHECK(db_open_read(x.path, &d, &x.e) == 0);
  T_STR(ask(&x, d, "SELECT status FROM runs ORDER BY seed"), "running|lost");
  T_STR(ask(&x, d, "SELECT status FROM g_g ORDER BY seed"), "running|lost");
  T_STR(ask(&x, d, "SELECT seed, status FROM missing ORDER BY seed"), "1|running|2|lost");
  T_STR(ask(&x, d, "SELECT status FROM run ORDER BY seed"), "running|lost");
  T_HAS(ask(&x, d, "SELECT error_text FROM runs WHERE seed=2"), "`gantry run` with the same experiment goes on from its newest checkpoint");
  T_STR(ask(&x, d, "SELECT seed FROM failures"), "2");
  T_STR(ask(&x, d, "SELECT status FROM main.run ORDER BY seed"), "running|running"); /* the file still says so */
  T_HAS(ask(&x, d, "DELETE FROM main.run"), "queries only read");
  err_clear(&x.e);
  db_close(d);
  bytes_of(&x, after);
  T_STR(after, before);
  T_CHECK(db_open(x.out, &x.d, &lost, &x.e) == 0 && lost == 1); /* the next writer finds it as before */
  T_STR(ask(&x, x.d, "SELECT status FROM main.run ORDER BY seed"), "running|lost");
  T_STR(ask(&x, x.d, "SELECT code FROM event"), "LOST");
  end(&x);
}

T_MAIN(T(test_db_lost__readers_say_so_and_write_nothing))
