/* The database: the questions people ask of it, batches, resuming, read-only access, foreign files, and how fast rows go in. */
#include "opened.h"
#include "synthetic.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include <time.h>

#include "base/files.h"
#include "store/layout.h"

/* All rows as "a|b;c|d". */
static const char *ask(w *x, const char *sql) {
  db_table t;
  buf b = {0};
  if (db_query(x->d, x->a, &t, &x->e, sql, "")) {
    T_STR(x->e.msg, "");
    return "";
  }
  for (uint32_t r = 0; r < t.n_rows; r++)
    for (uint32_t c = 0; c < t.n_cols; c++) buf_printf(&b, "%s%s", c ? "|" : r ? ";" : "", db_at(&t, r, c)->s ? db_at(&t, r, c)->s : "NULL");
  const char *s = arena_str(x->a, b.p ? b.p : "");
  buf_free(&b);
  return s;
}

static void test_db__fourteen_questions(void) {
  w x;
  begin(&x);
  synthetic_fill(x.d, &x.e);
  /* which cell is best, with how much spread, and how many diverged */
  T_STR(ask(&x, "SELECT label,n,diverged,mean,sd FROM ranking WHERE grid='t' AND metric='fid' AND weights='ema' ORDER BY diverged, mean LIMIT 2"), "loss=hinge sn=on|1|0|33|NULL;loss=hinge sn=off|3|0|36|1");
  T_STR(ask(&x, "SELECT label,n,diverged,mean FROM ranking WHERE cell=5 AND weights='raw'"), "loss=wgan sn=on|2|1|29.5");
  /* a factor against another, from the tidy view */
  T_STR(ask(&x, "SELECT loss,sn,count(fid) n,avg(fid) FROM g_t GROUP BY loss,sn ORDER BY cell"), "ns|off|3|41;ns|on|3|39;hinge|off|3|36;hinge|on|1|33;wgan|on|2|28.5");
  /* the effect of each factor in matched pairs */
  T_STR(ask(&x, "SELECT factor,from_level,to_level,n_pairs,round(mean_change_pct,2),n_lower FROM effects WHERE metric='fid' AND weights='ema'"), "loss|ns|hinge|4|-12.44|4;loss|ns|wgan|2|-25.98|2;sn|off|on|4|-5.09|4");
  /* a curve against steps, images and time */
  T_STR(ask(&x, "SELECT step,images,train_s,value FROM curves WHERE cell=0 AND seed=1 AND metric='loss_d' AND step IN (40,50)"), "40|2560|0.8|0.025;50|3200|1|NULL");
  T_STR(ask(&x, "SELECT label,seed,step,path FROM samples WHERE cell=0 AND seed=2"), "loss=ns sn=off|2|100|runs/t/000/s2/samples/00000100.png");
  /* runs whose best is much better than their last */
  T_STR(ask(&x, "SELECT label,seed,best,best_step,last FROM results WHERE metric='fid' AND weights='ema' AND last>1.2*best"), "loss=ns sn=off|1|30|50|40");
  /* time to reach a value */
  T_STR(ask(&x, "SELECT label,avg(t) FROM (SELECT run,label,min(train_s) t FROM curves WHERE metric='fid' AND weights='ema' AND value<=34 GROUP BY run) GROUP BY label ORDER BY 1"), "loss=hinge sn=on|2;loss=ns sn=off|1;loss=wgan sn=on|2");
  T_STR(ask(&x, "SELECT level,avg(status='diverged') FROM levels JOIN runs USING(run,grid,cell,seed) WHERE factor='loss' GROUP BY level ORDER BY 2 DESC LIMIT 1"), "wgan|0.3333333333333333");
  T_STR(ask(&x, "SELECT label,seed,status FROM missing ORDER BY seed"), "loss=hinge sn=on|2|failed;loss=hinge sn=on|3|queued");
  /* what differs between two runs */
  T_STR(ask(&x, "SELECT path,a.value,b.value FROM (SELECT * FROM settings WHERE cell=0 AND seed=1) a FULL JOIN (SELECT * FROM settings WHERE cell=3 AND seed=1) b USING(path) WHERE a.value IS NOT b.value ORDER BY 1"), "loss.name|ns|hinge;regularizers.sn.name|NULL|sn");
  T_STR(ask(&x, "SELECT label,seed,code,text FROM events WHERE level='error' ORDER BY run,step"), "loss=hinge sn=on|2|SIGSEGV|the process was ended by SIGSEGV");
  T_STR(ask(&x, "SELECT count(*),min(d),max(d) FROM (SELECT r.last-e.last d FROM results r JOIN results e USING(run,metric,protocol) WHERE r.weights='raw' AND e.weights='ema' AND r.last IS NOT NULL AND e.last IS NOT NULL)"), "13|1|1");
  T_STR(ask(&x, "SELECT metric,protocol,count(*) FROM results GROUP BY 1,2"), "fid|fid 10000 train|26");
  T_STR(ask(&x, "SELECT label,seed,error_class,error_text FROM runs WHERE status IN ('failed','lost','killed')"), "loss=hinge sn=on|2|SIGSEGV|the process was ended by SIGSEGV");
  T_STR(ask(&x, "SELECT DISTINCT round(1000*images/train_s) FROM runs WHERE images>0"), "3200000");
  T_STR(ask(&x, "SELECT label,excluded FROM cells WHERE excluded IS NOT NULL"), "loss=wgan sn=off|nothing bounds the critic");
  T_STR(ask(&x, "PRAGMA integrity_check"), "ok");
  T_CHECK(file_exists(arena_fmt(x.a, "%s-wal", x.path)));
  end(&x);
}

static void test_db__summary_follows_batches_and_resuming(void) {
  w x;
  begin(&x);
  db_run r;
  T_CHECK(db_new_run(x.d, "k", "{}", 1, "d", x.a, &r, &x.e) == 0);
  static const double v[] = {3, 1, NAN, 5, 4, 2};
  for (int s = 0; s < 6; s++) {
    db_record(x.d, r.id, &(rec){.type = REC_SCALAR, .step = s, .u.scalar = {.name = "m", .value = v[s], .n_bad = s == 2}}, &x.e);
    if (s % 2) T_CHECK(db_commit(x.d, &x.e) == 0); /* three batches */
  }
  T_STR(ask(&x, "SELECT n,n_bad,last,last_step,min,min_step,max,max_step FROM summary"), "6|1|2|5|1|1|5|3");
  db_record(x.d, r.id, &(rec){.type = REC_HELLO, .u.hello = {.resumed_from = 2, .total_steps = 9}}, &x.e);
  T_CHECK(db_commit(x.d, &x.e) == 0);
  T_STR(ask(&x, "SELECT n,n_bad,last,last_step,min,min_step,max,max_step FROM summary"), "3|1|NULL|2|1|1|3|0");
  T_STR(ask(&x, "SELECT max(step),count(*) FROM scalar"), "2|3");
  T_STR(ask(&x, "SELECT resumed_from_step,total_steps FROM run"), "2|9");
  db_record(x.d, r.id, &(rec){.type = REC_SCALAR, .step = 3, .u.scalar = {.name = "m", .value = INFINITY}}, &x.e);
  T_CHECK(db_commit(x.d, &x.e) == 0);
  T_STR(ask(&x, "SELECT last,last_step,max FROM summary"), "inf|3|inf");
  end(&x);
}

static void test_db__batches_wait_for_time_or_number(void) {
  w x;
  begin(&x);
  db_run r;
  T_CHECK(db_new_run(x.d, "k", "{}", 1, "d", x.a, &r, &x.e) == 0 && db_commit(x.d, &x.e) == 0);
  db *reader;
  T_CHECK(db_open_read(x.path, &reader, &x.e) == 0);
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  int64_t now = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
  db *writer = x.d;
  db_record(writer, r.id, &(rec){.type = REC_SCALAR, .step = 1, .u.scalar = {.name = "m", .value = 1}}, &x.e);
  T_CHECK(db_tick(writer, now, &x.e) == 0);
  x.d = reader;
  T_STR(ask(&x, "SELECT count(*) FROM scalar"), "0"); /* not yet */
  T_CHECK(db_tick(writer, now + 1000, &x.e) == 0);
  T_STR(ask(&x, "SELECT count(*) FROM scalar"), "1");
  for (int s = 2; s < 5000; s++) db_record(writer, r.id, &(rec){.type = REC_SCALAR, .step = s, .u.scalar = {.name = "m", .value = 1}}, &x.e);
  T_CHECK(db_tick(writer, now, &x.e) == 0);
  T_STR(ask(&x, "SELECT count(*) FROM scalar"), "4999");
  db_record(writer, r.id, &(rec){.type = REC_SCALAR, .step = 5000, .u.scalar = {.name = "m", .value = 1}}, &x.e);
  db_record(writer, r.id, &(rec){.type = REC_SYNC, .u.sync = {.token = 1}}, &x.e);
  T_STR(ask(&x, "SELECT count(*) FROM scalar"), "5000"); /* who asks for safety waits for no batch */
  db_close(reader);
  x.d = writer;
  end(&x);
}

static void test_db__reading_never_writes(void) {
  w x;
  begin(&x);
  synthetic_fill(x.d, &x.e);
  db_close(x.d);
  T_CHECK(db_open_read(x.path, &x.d, &x.e) == 0);
  db_table t;
  static const char *const bad[] = {"DELETE FROM run", "DROP TABLE run", "UPDATE run SET seed=1", "PRAGMA user_version=9", "SELECT 1; SELECT 2", "", "SELECT nonsense"};
  for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
    err e = {0};
    T_CHECK(db_query(x.d, x.a, &t, &e, bad[k], "") == GANTRY_E_CONFIG);
    T_CHECK(*e.msg);
  }
  T_STR(ask(&x, "SELECT count(*) FROM run"), "15");
  db_close(x.d);
  x.d = NULL;
  T_CHECK(chmod(x.path, 0444) == 0 && chmod(x.out, 0555) == 0); /* an archive */
  T_CHECK(db_open_read(x.path, &x.d, &x.e) == 0);
  T_STR(ask(&x, "SELECT count(*) FROM run"), "15");
  T_CHECK(chmod(x.out, 0755) == 0);
  end(&x);
}

static void test_db__foreign_and_newer_files_are_refused(void) {
  w x;
  begin(&x);
  db_close(x.d);
  x.d = NULL;
  uint32_t lost;
  sqlite3 *h;
  T_CHECK(sqlite3_open(x.path, &h) == 0 && sqlite3_exec(h, "PRAGMA user_version=99", NULL, NULL, NULL) == 0);
  sqlite3_close(h);
  T_CHECK(db_open(x.out, &x.d, &lost, &x.e) == GANTRY_E_IO);
  T_HAS(x.e.msg, "newer gantry");
  err_clear(&x.e);
  T_CHECK(db_open_read(x.path, &x.d, &x.e) == GANTRY_E_IO);
  T_HAS(x.e.msg, "newer gantry");
  err_clear(&x.e);
  unlink(x.path);
  T_CHECK(sqlite3_open(x.path, &h) == 0 && sqlite3_exec(h, "CREATE TABLE other(a)", NULL, NULL, NULL) == 0);
  sqlite3_close(h);
  T_CHECK(db_open(x.out, &x.d, &lost, &x.e) == GANTRY_E_IO);
  T_HAS(x.e.msg, "another program");
  err_clear(&x.e);
  T_CHECK(file_write(x.path, "this is no database, only a text that is long enough", 52, &x.e) == 0);
  T_CHECK(db_open(x.out, &x.d, &lost, &x.e) == GANTRY_E_IO);
  err_clear(&x.e);
  T_CHECK(db_open_read("/nowhere/gantry.db", &x.d, &x.e) == GANTRY_E_IO);
  T_HAS(x.e.msg, "there is no database /nowhere/gantry.db");
  x.d = NULL;
  end(&x);
}

static void test_db__a_changed_grid_keeps_its_runs(void) {
  w x;
  begin(&x);
  synthetic_fill(x.d, &x.e);
  db_level lv[] = {{"a", "1"}};
  db_factor f = {"n", "p", lv, 1, 0};
  int32_t zero = 0;
  db_cell c = {.label = "n=a", .config_json = "{}", .level = &zero, .same_as = -1};
  db_grid g = {.name = "t", .spec_json = "{\"v\":2}", .judge_weights = "auto", .judge_reduce = "last", .factors = &f, .n_factors = 1, .cells = &c, .n_cells = 1};
  int64_t id;
  T_CHECK(db_put_grid(x.d, &g, &id, &x.e) == 0 && id == 1);
  T_CHECK(db_grid_view(x.d, id, &x.e) == 0 && db_commit(x.d, &x.e) == 0);
  T_STR(ask(&x, "SELECT count(*) FROM run"), "15");
  T_STR(ask(&x, "SELECT count(*) FROM cells"), "1");
  db_run r;
  T_CHECK(db_find_run(x.d, "key-0-1", x.a, &r, &x.e) == 0 && r.id > 0);
  T_CHECK(db_link_run(x.d, id, 0, 1, r.id, &x.e) == 0);
  T_STR(ask(&x, "SELECT label,status,n FROM g_t JOIN (SELECT 1 one) ON 1"), "n=a|done|a");
  end(&x);
}

/* Fewer seeds or some cells only: what is not planned this time stays the grid's (a run that no grid names is what gc removes), as long as its cell trains as it did. */
static void test_db__a_narrower_plan_gives_nothing_up(void) {
  w x;
  begin(&x);
  db_level lv[] = {{"a", "1"}, {"b", "2"}};
  db_factor f = {"n", "p", lv, 2, 0};
  static const int32_t level[2][1] = {{0}, {1}};
  db_cell c[2] = {{.label = "n=a", .config_json = "{\"train\":{\"batch\":1},\"metrics\":{}}", .level = level[0], .same_as = -1}, {.label = "n=b", .config_json = "{\"train\":{\"batch\":2}}", .level = level[1], .same_as = -1}};
  db_grid g = {.name = "n", .spec_json = "{\"seeds\":3}", .judge_weights = "auto", .judge_reduce = "last", .factors = &f, .n_factors = 1, .cells = c, .n_cells = 2};
  int64_t id;
  db_run r;
  T_CHECK(db_put_grid(x.d, &g, &id, &x.e) == 0);
  for (uint32_t k = 0; k < 2; k++)
    for (uint64_t s = 1; s <= 3; s++) {
      T_CHECK(db_new_run(x.d, arena_fmt(x.a, "%u-%llu", k, (unsigned long long)s), c[k].config_json, s, arena_fmt(x.a, "runs/n/%u/s%llu", k, (unsigned long long)s), x.a, &r, &x.e) == 0);
      T_CHECK(db_link_run(x.d, id, k, s, r.id, &x.e) == 0);
      if (s < 3) T_CHECK(db_run_end(x.d, r.id, &(db_end){.status = "done"}, &x.e) == 0);
    }
  g.spec_json = "{\"seeds\":1}";
  c[0].config_json = "{\"train\":{\"batch\":1},\"metrics\":{\"fd\":{}}}"; /* another metric: the same training */
  T_CHECK(db_put_grid(x.d, &g, &id, &x.e) == 0);
  T_STR(ask(&x, "SELECT label,seed,status FROM runs ORDER BY 1,2"), "n=a|1|done;n=a|2|done;n=a|3|queued;n=b|1|done;n=b|2|done;n=b|3|queued");
  const uint64_t seeds[] = {1};
  T_CHECK(db_unlink_unfinished(x.d, id, seeds, 1, &x.e) == 0); /* nobody is going to finish these */
  T_STR(ask(&x, "SELECT label,seed FROM runs ORDER BY 1,2"), "n=a|1;n=a|2;n=b|1;n=b|2");
  c[0].config_json = "{\"train\":{\"batch\":9}}"; /* its runs are not this cell's any more */
  T_CHECK(db_put_grid(x.d, &g, &id, &x.e) == 0);
  T_STR(ask(&x, "SELECT label,seed FROM runs ORDER BY 1,2"), "n=b|1;n=b|2");
  c[1].excluded = "why";
  g.spec_json = "{\"seeds\":2}";
  T_CHECK(db_put_grid(x.d, &g, &id, &x.e) == 0 && db_commit(x.d, &x.e) == 0);
  T_STR(ask(&x, "SELECT count(*) FROM cell_run"), "0");
  end(&x);
}

/* Cells that are the same runs: no pair of a run with itself, and none twice. */
static void test_db__pairs_are_of_two_runs(void) {
  w x;
  begin(&x);
  db_level on[] = {{"off", "false"}, {"on", "true"}}, gamma[] = {{"1", "1"}, {"10", "10"}};
  db_factor f[] = {{"r1", "p", on, 2, 0}, {"gamma", "q", gamma, 2, 0}};
  static const int32_t level[4][2] = {{0, 0}, {0, 1}, {1, 0}, {1, 1}};
  db_cell c[4];
  for (int k = 0; k < 4; k++) c[k] = (db_cell){.label = arena_fmt(x.a, "%d", k), .config_json = "{}", .level = level[k], .same_as = k == 1 ? 0 : -1};
  db_grid g = {.name = "p", .spec_json = "{}", .judge_weights = "auto", .judge_reduce = "last", .factors = f, .n_factors = 2, .cells = c, .n_cells = 4};
  int64_t id;
  db_run r;
  T_CHECK(db_put_grid(x.d, &g, &id, &x.e) == 0);
  for (uint32_t k = 0; k < 4; k++) {
    if (k != 1) {
      T_CHECK(db_new_run(x.d, arena_fmt(x.a, "%u", k), "{}", 1, arena_fmt(x.a, "runs/p/%u/s1", k), x.a, &r, &x.e) == 0);
      db_record(x.d, r.id, &(rec){.type = REC_EVAL, .step = 1, .u.eval = {.metric = "fid", .protocol = "p", .weights = "raw", .value = 10.0 + k, .better = -1}}, &x.e);
      T_CHECK(db_run_end(x.d, r.id, &(db_end){.status = "done"}, &x.e) == 0);
    }
    T_CHECK(db_link_run(x.d, id, k, 1, r.id, &x.e) == 0);
  }
  T_CHECK(db_commit(x.d, &x.e) == 0);
  T_STR(ask(&x, "SELECT factor,from_cell,to_cell,from_value,to_value FROM pairs ORDER BY factor,to_cell"), "gamma|2|3|12|13;r1|0|2|10|12;r1|1|3|10|13");
  T_STR(ask(&x, "SELECT factor,n_pairs FROM effects ORDER BY factor"), "gamma|1;r1|2");
  for (int k = 2; k < 4; k++) T_CHECK(db_link_run(x.d, id, k, 1, 1, &x.e) == 0); /* one run everywhere */
  T_STR(ask(&x, "SELECT count(*) FROM pairs"), "0");
  end(&x);
}

/* A failure in the middle of several rows leaves none of them: half a grid would be taken for a whole one by the next run. */
static void test_db__half_a_grid_is_none(void) {
  w x;
  uint32_t lost;
  int64_t id;
  begin(&x);
  synthetic_fill(x.d, &x.e);
  T_CHECK(!db_commit(x.d, &x.e));
  db_cell c[] = {{.label = "good", .config_json = "{}", .same_as = -1}, {.label = NULL, .config_json = "{}", .same_as = -1}};
  db_grid g = {.name = "half", .spec_json = "{}", .judge_weights = "auto", .judge_reduce = "last", .cells = c, .n_cells = 2};
  for (int how = 0; how < 2; how++) { /* left to close, and with somebody who goes on to commit */
    T_CHECK(db_put_grid(x.d, &g, &id, &x.e) == GANTRY_E_IO);
    err_clear(&x.e);
    if (how) T_CHECK(db_commit(x.d, &x.e) == GANTRY_E_IO && strstr(x.e.msg, "run again"));
    err_clear(&x.e);
    if (how) T_CHECK(!db_commit(x.d, &x.e)); /* told once; the next transaction is a new one */
    else {
      db_close(x.d);
      T_CHECK(!db_open(x.out, &x.d, &lost, &x.e));
    }
  }
  db_close(x.d);
  T_CHECK(!db_open(x.out, &x.d, &lost, &x.e));
  T_STR(ask(&x, "SELECT count(*) FROM grid WHERE name='half'"), "0");
  T_STR(ask(&x, "SELECT count(*) FROM run"), "15");
  end(&x);
}

static void test_db__ingest_is_fast_and_narrow(void) {
  w x;
  begin(&x);
  db_run r;
  T_CHECK(db_new_run(x.d, "k", "{}", 1, "d", x.a, &r, &x.e) == 0);
  static const char *const names[] = {"loss_d", "loss_g", "acc_real", "acc_fake", "grad_d", "grad_g", "steps_per_second", "r1"};
  struct timespec t0, t1;
  enum { STEPS = 12500, ROWS = STEPS * 8 };
  clock_gettime(CLOCK_MONOTONIC, &t0);
  for (int s = 0; s < STEPS; s++)
    for (int k = 0; k < 8; k++) {
      db_record(x.d, r.id, &(rec){.type = REC_SCALAR, .step = s * 20, .u.scalar = {.name = names[k], .value = 0.001 * s + k}}, &x.e);
      T_CHECK(db_tick(x.d, 0, &x.e) == 0);
    }
  T_CHECK(db_commit(x.d, &x.e) == 0);
  clock_gettime(CLOCK_MONOTONIC, &t1);
  double sec = (double)(t1.tv_sec - t0.tv_sec) + 1e-9 * (double)(t1.tv_nsec - t0.tv_nsec);
  T_STR(ask(&x, "SELECT count(*) FROM scalar"), "100000");
  db_close(x.d); /* which moves everything into the file */
  x.d = NULL;
  printf("# %.0f rows a second\n", ROWS / sec);
  T_CHECK(ROWS / sec > 50000); /* the aim is 250 000 on a quiet machine */
  struct stat info;
  T_CHECK(stat(x.path, &info) == 0 && (double)info.st_size / ROWS < 34);
  end(&x);
}

static void test_layout__safe_names(void) {
  arena *a = arena_new();
  T_STR(layout_run(a, "g", 7, "loss=ns lr=1e-3", 12), "runs/g/007-loss=ns_lr=1e-3/s12");
  T_STR(layout_run(a, "g", 7, "../../etc/passwd \"x\" ü", 1), "runs/g/007-.._.._etc_passwd_x_/s1");
  char longer[300];
  memset(longer, 'a', sizeof longer - 1);
  longer[sizeof longer - 1] = 0;
  T_CHECK(strlen(layout_run(a, "g", 1, longer, 1)) < 110);
  setenv("GANTRY_OUT", "/tmp/elsewhere", 1);
  T_STR(layout_db(a, NULL), "/tmp/elsewhere/gantry.db");
  T_STR(layout_db(a, "/tmp"), "/tmp/gantry.db");
  T_STR(layout_db(a, "x.db"), "x.db");
  unsetenv("GANTRY_OUT");
  T_STR(layout_out(a, NULL), "gantry-out");
  arena_free(a);
}

T_MAIN(T(test_db__half_a_grid_is_none), T(test_db__a_narrower_plan_gives_nothing_up), T(test_db__pairs_are_of_two_runs), T(test_db__fourteen_questions), T(test_db__summary_follows_batches_and_resuming), T(test_db__batches_wait_for_time_or_number), T(test_db__reading_never_writes),
       T(test_db__foreign_and_newer_files_are_refused), T(test_db__a_changed_grid_keeps_its_runs), T(test_db__ingest_is_fast_and_narrow), T(test_layout__safe_names))
