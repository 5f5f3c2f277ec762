/* The parent's side of running: this binary is its own worker (argv[1] "worker"), whose behaviour the batch size chooses. */
#include "../config/fixture.h"
#include "probing.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/proc.h"
#include "sched/sched.h"

/* ---- the worker ---- */

static volatile sig_atomic_t asked;
static void on_term(int sig) {
  (void)sig;
  asked = 1;
}

static int done(rec_writer *w, const char *status, const char *cls, const char *text, int code) {
  err e = {0};
  rec_put(w, &(rec){.type = REC_DONE, .u.done = {.status = status, .error_class = cls, .text = text}});
  rec_flush(w, &e);
  _exit(code); /* a worker's last word, whatever is still allocated */
}

static void count_start(const char *dir) { /* how often this run was started */
  char path[400];
  snprintf(path, sizeof path, "%s/starts", dir);
  FILE *f = fopen(path, "a");
  if (f) fputc('x', f), fclose(f);
}
static long starts(const char *dir) {
  char path[400];
  snprintf(path, sizeof path, "%s/starts", dir);
  FILE *f = fopen(path, "r");
  long n = 0;
  while (f && fgetc(f) == 'x') n++;
  if (f) fclose(f);
  return n;
}

static int worker(int argc, char **argv) {
  err e = {0};
  buf json = {0};
  const char *dir = flag(argc, argv, "--dir");
  if (!strcmp(argv[2], "--probe")) return probe(argc, argv, atoi(flag(argc, argv, "--fd")));
  rec_writer *w = rec_writer_new(atoi(flag(argc, argv, "--fd")), 1);
  if (file_read(flag(argc, argv, "--config"), &json, 1 << 20, &e)) return 64;
  int batch = atoi(strstr(json.p, "\"batch\":") + 8), length = atoi(strstr(json.p, "\"steps\":") + 8);
  char key[40];
  snprintf(key, sizeof key, "key-of-batch-%d", batch);
  char *at = strstr(json.p, "\"length\":{\"steps\":");
  int total = at ? atoi(at + 18) : length, again_from_0 = batch == 3 || batch == 7 || batch == 8 || batch == 10 || batch == 12, from = starts(dir) && !again_from_0 ? 5 : 0;
  signal(SIGTERM, on_term);
  signal(SIGSEGV, SIG_DFL); /* a sanitizer would catch it */
  count_start(dir);
  fprintf(stderr, "a line in the log\n");
  rec_put(w, &(rec){.type = REC_HELLO, .u.hello = {.resumed_from = from ? from : -1, .total_steps = total}});
  put_fact(w, "train_key", key);
  for (int s = from + 1; s <= total; s++) {
    rec_put(w, &(rec){.type = REC_SCALAR, .step = s, .u.scalar = {.name = "loss_d", .value = s == 3 ? NAN : 1.0 / s, .n_bad = s == 3}});
    rec_put(w, &(rec){.type = REC_CLOCK, .step = s, .u.clock = {.images = 64 * s, .d_updates = s, .g_updates = s, .train_ms = 2 * s}});
    rec_put(w, &(rec){.type = REC_PROGRESS, .step = s, .u.progress = {.total = total, .its = 10, .loss_d = 1, .loss_g = 1}});
    rec_flush(w, &e);
    if (batch >= 100 && s % 2 == 0) {
      rec_put(w, &(rec){.type = REC_EVAL, .step = s, .u.eval = {.metric = "fid", .protocol = "p1", .weights = "raw", .value = batch, .n_fake = 1, .n_real = 1, .ms = 1, .better = -1}});
      rec_flush(w, &e);
      for (int k = 0; k < 10 && !asked; k++) usleep(10000);
    }
    if (s == 5 && batch == 2) return done(w, "diverged", "NaN", "the loss is not finite", 0);
    if (s == 5 && (batch == 3 || (batch == 4 && starts(dir) == 1))) raise(SIGSEGV);
    if (s == 5 && batch == 5) return done(w, "failed", "configuration", "no such backend", 64);
    if (s == 5 && batch == 7) return write(atoi(flag(argc, argv, "--fd")), "garbage that is no record at all", 32) == 32 ? (sleep(5), 0) : 1;
    if (s == 5 && batch == 10) put_beat(w, "metric fd"), sleep(60);
    if (s == 5 && batch == 11 && starts(dir) == 1) fprintf(stderr, "gantry: out of memory (1 bytes for the host's own data)\n"), _exit(71);
    if (s == 5 && batch == 12) _exit(0);
    if (s == 5 && batch == 13)
      for (int k = 0; k < 400000; k++) fprintf(stderr, "the same line over and over again, to the end of the disk\n"), k % 1000 ? 0 : usleep(1000); /* 24 MB, where 1 is allowed */
    if (s == 5 && batch == 14) usleep(300000); /* beside others: see b=11 */
    if (s == 5 && batch == 8) fprintf(stderr, "it just left\n"), _exit(3);
    if (batch == 6)
      for (int k = 0; k < 1000 && !asked; k++) usleep(10000);
    if (asked) return done(w, "stopped", NULL, NULL, 75);
  }
  rec_put(w, &(rec){.type = REC_EVAL, .step = total, .u.eval = {.metric = "fid", .protocol = "p1", .weights = "raw", .value = 10.0 + batch + atoi(flag(argc, argv, "--seed")), .n_fake = 1, .n_real = 1, .ms = 1, .better = -1}});
  rec_put(w, &(rec){.type = REC_ARTIFACT, .step = total, .u.artifact = {.kind = "samples", .path = "samples/a.png"}});
  return done(w, "done", NULL, NULL, 0);
}

/* ---- the tests ---- */

typedef struct world { char out[64], self[300]; cfg_experiment *x; db *d; arena *a; sched_options o; sched_plan p; sched_outcome r; err e; } world;

static void begin(world *w, const char *batches, int seeds, int steps) {
  char path[128], text[1500];
  memset(w, 0, sizeof *w);
  abi_registry *reg = fixture_registry();
  w->a = arena_new();
  strcpy(w->out, "/tmp/gantry-test-XXXXXX");
  T_CHECK(mkdtemp(w->out) != NULL);
  snprintf(path, sizeof path, "%s/exp.json", w->out);
  snprintf(text, sizeof text, "{\"gantry\": 1, \"name\": \"t\", \"base\": {\"data\": {\"name\": \"gaussians\"}, \"g\": {\"arch\": {\"name\": \"dcgan\"}}, \"d\": {\"arch\": {\"name\": \"dcgan\"}}, \"log\": {\"every\": {\"kimg\": 1}},"
           "\"train\": {\"length\": {\"steps\": %d}}, \"metrics\": {\"fid\": {\"name\": \"fid\", \"every\": {\"steps\": 2}}}}, \"axes\": {\"b\": {\"path\": \"train.batch\", \"values\": [%s]}}, \"seeds\": %d}", steps, batches, seeds);
  T_CHECK(file_write(path, text, strlen(text), &w->e) == 0);
  T_CHECK(cfg_load(path, reg, NULL, &w->x, &w->e) == 0);
  w->o = (sched_options){.exe = proc_self(w->self, sizeof w->self), .out = w->out, .quiet = 1, .retries = 1};
}
static void end(world *w) {
  char cmd[100];
  T_STR(w->e.msg, "");
  cfg_free(w->x);
  arena_free(w->a);
  snprintf(cmd, sizeof cmd, "rm -rf '%s'", w->out);
  T_CHECK(system(cmd) == 0);
}
static void go(world *w) {
  uint32_t lost;
  if (db_open(w->out, &w->d, &lost, &w->e)) return;
  if (!sched_plan_make(w->x, fixture_registry(), &w->o, w->d, 1, w->a, &w->p, &w->e)) sched_run(w->x, &w->p, &w->o, w->d, &w->r, &w->e);
}
static int64_t ask(world *w, const char *sql) {
  db_table t;
  if (db_query(w->d, w->a, &t, &w->e, sql, "") || !t.n_rows) return -999;
  return db_at(&t, 0, 0)->i;
}
static const char *ask_text(world *w, const char *sql) {
  db_table t;
  if (db_query(w->d, w->a, &t, &w->e, sql, "") || !t.n_rows || !db_at(&t, 0, 0)->s) return "";
  return db_at(&t, 0, 0)->s;
}

static void test_sched__grid_runs_and_a_second_time_does_nothing(void) {
  world w;
  begin(&w, "16, 32", 2, 20);
  go(&w);
  T_STR(w.e.msg, "");
  T_CHECK(w.r.done == 4 && w.r.failed == 0 && w.p.probed == 2 && w.p.count[SCHED_TRAIN] == 4);
  T_CHECK(ask(&w, "SELECT count(*) FROM runs WHERE status='done' AND step=20") == 4);
  T_CHECK(ask(&w, "SELECT count(*) FROM scalar") == 80 && ask(&w, "SELECT count(*) FROM clock") == 80);
  T_CHECK(ask(&w, "SELECT count(*) FROM summary WHERE n=20 AND n_bad=1 AND last_step=20 AND max=1 AND max_step=1") == 4);
  T_CHECK(ask(&w, "SELECT count(*) FROM scalar WHERE value IS NULL AND step=3") == 4);
  T_STR(ask_text(&w, "SELECT label||' '||n||' '||mean FROM ranking ORDER BY mean LIMIT 1"), "b=16 2 27.5");
  T_STR(ask_text(&w, "SELECT path FROM samples LIMIT 1"), "runs/t/000-b=16/s1/samples/a.png");
  T_CHECK(ask(&w, "SELECT count(*) FROM g_t WHERE b='32' AND fid>40") == 2);
  T_CHECK(ask(&w, "SELECT count(*) FROM run_plugin") == 28);
  db_close(w.d);
  int64_t t0 = proc_now_ms();
  go(&w);
  T_CHECK(proc_now_ms() - t0 < 1000);
  T_CHECK(w.p.probed == 0 && w.p.count[SCHED_DONE] == 4 && w.r.done == 0);
  T_CHECK(starts(arena_fmt(w.a, "%s/%s", w.out, w.p.jobs[0].run.dir)) == 1);
  db_close(w.d);
  end(&w);
}

static void test_sched__one_failure_touches_one_run(void) {
  world w;
  begin(&w, "1, 2, 3, 4, 5, 7, 8", 1, 8);
  go(&w);
  T_STR(w.e.msg, "");
  T_CHECK(w.r.done == 2 && w.r.diverged == 1 && w.r.failed == 4);
  T_STR(ask_text(&w, "SELECT status FROM runs WHERE label='b=2'"), "diverged");
  T_STR(ask_text(&w, "SELECT status||' '||error_class||' '||attempt FROM runs WHERE label='b=3'"), "failed crash 2");
  T_CHECK(ask(&w, "SELECT exit_signal FROM run r JOIN runs v ON v.run_id=r.id WHERE v.label='b=3'") == SIGSEGV);
  T_STR(ask_text(&w, "SELECT status||' '||attempt FROM runs WHERE label='b=4'"), "done 2");
  T_STR(ask_text(&w, "SELECT status||' '||error_text FROM runs WHERE label='b=5'"), "failed no such backend");
  T_STR(ask_text(&w, "SELECT status||' '||error_class FROM runs WHERE label='b=7'"), "failed damaged records");
  T_STR(ask_text(&w, "SELECT status||' '||error_text FROM runs WHERE label='b=8'"), "failed it just left");
  T_CHECK(ask(&w, "SELECT count(*) FROM missing") == 4);
  /* the resumed run has every step once */
  T_CHECK(ask(&w, "SELECT count(*) FROM scalar s JOIN runs v ON v.run_id=s.run_id WHERE v.label='b=4'") == 8);
  T_CHECK(ask(&w, "SELECT n FROM summary s JOIN runs v ON v.run_id=s.run_id WHERE v.label='b=4'") == 8);
  db_close(w.d);
  go(&w); /* failed ones stay failed unless asked for */
  T_CHECK(w.p.count[SCHED_FAILED] == 4 && w.p.count[SCHED_DONE] == 3);
  db_close(w.d);
  end(&w);
}

static void test_sched__every_class_of_failure_has_its_policy(void) {
  world w;
  begin(&w, "10, 11, 12, 13, 14", 1, 8);
#ifdef GANTRY_SANITIZED /* where everything takes longer */
  w.o.timeout_s = 6;
#else
  w.o.timeout_s = 1;
#endif
  w.o.log_bytes = 1 << 20;
  w.o.memory_bytes = 6000000000;
  w.o.on_event = "echo $GANTRY_EVENT $GANTRY_LABEL $GANTRY_SEED >>\"$GANTRY_DIR/event\"";
  /* a log that is long from earlier starts is no flood */
  const char *old = arena_fmt(w.a, "%s/runs/t/004-b=14/s1", w.out);
  char *lines = mem_alloc(2 << 20);
  memset(lines, '\n', 2 << 20);
  T_CHECK(dir_make(old, &w.e) == 0 && file_write(path_join(w.a, old, "log.txt"), lines, 2 << 20, &w.e) == 0);
  free(lines);
  go(&w);
  T_STR(w.e.msg, "");
  T_CHECK(w.r.done == 2 && w.r.failed == 3);
  T_STR(ask_text(&w, "SELECT status||' '||error_class||' '||attempt FROM runs WHERE label='b=10'"), "failed hung 2");
  T_HAS(ask_text(&w, "SELECT error_text FROM runs WHERE label='b=10'"), "while metric fd");
  T_STR(ask_text(&w, "SELECT status||' '||attempt FROM runs WHERE label='b=11'"), "done 2");
  T_STR(ask_text(&w, "SELECT code FROM events WHERE label='b=11'"), "memory");
  T_HAS(ask_text(&w, "SELECT text FROM events WHERE label='b=11'"), "it may have 6.0 GB");
  T_STR(ask_text(&w, "SELECT status||' '||error_class||' '||attempt FROM runs WHERE label='b=12'"), "failed ended early 2");
  T_STR(ask_text(&w, "SELECT status||' '||error_class||' '||attempt FROM runs WHERE label='b=13'"), "failed log flood 1");
  T_STR(ask_text(&w, "SELECT status||' '||attempt FROM runs WHERE label='b=14'"), "done 1");
  T_CHECK(ask(&w, "SELECT min(length(log_tail)) FROM run WHERE status='failed'") > 0);
  /* the user's command was told once per run, after its last try */
  for (uint32_t k = 0; k < w.p.n; k++) {
    buf said = {0};
    T_CHECK(file_read(arena_fmt(w.a, "%s/%s/event", w.out, w.p.jobs[k].run.dir), &said, 1000, &w.e) == 0);
    T_STR(said.p, arena_fmt(w.a, "%s %s 1\n", k == 1 || k == 4 ? "finished" : "failed", w.p.jobs[k].label));
    buf_free(&said);
  }
  db_close(w.d);
  end(&w);
}

/* A machine that sleeps: parent and worker stand still together, and the parent wakes first. */
static void test_sched__a_sleeping_machine_is_no_hung_run(void) {
  world w;
  begin(&w, "6", 1, 6);
  w.o.timeout_s = 2;
  w.o.retries = 0;
  pid_t child = fork();
  if (child == 0) {
    go(&w);
    _exit(w.r.stopped == 1 && w.r.failed == 0 ? 0 : 1);
  }
  char path[200], dir[200];
  snprintf(dir, sizeof dir, "%s/runs/t/000-b=6/s1", w.out);
  for (int k = 0; k < 1000 && !starts(dir); k++) usleep(10000);
  long worker_pid = 0;
  snprintf(path, sizeof path, "/proc/%ld/task/%ld/children", (long)child, (long)child);
  FILE *f = fopen(path, "r");
  T_CHECK(f && fscanf(f, "%ld", &worker_pid) == 1);
  if (f) fclose(f);
  if (worker_pid > 0) {
    kill(child, SIGSTOP);
    kill((pid_t)worker_pid, SIGSTOP);
    usleep(3000000);
    kill(child, SIGCONT);
    usleep(300000);
    kill((pid_t)worker_pid, SIGCONT);
  }
  kill(child, SIGTERM);
  int status;
  waitpid(child, &status, 0);
  T_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  end(&w);
}

/* Batches 101 .. 105 in that order, one at a time; 105, worst of all, is the baseline. */
static void early(const char *section, const char *expected) {
  world w;
  char path[128], text[1500];
  begin(&w, "101, 102, 103, 104, 105", 1, 8);
  snprintf(path, sizeof path, "%s/exp.json", w.out);
  buf b = {0};
  T_CHECK(file_read(path, &b, 10000, &w.e) == 0);
  snprintf(text, sizeof text, "%.*s, \"baseline\": {\"b\": \"105\"}, %s}", (int)b.n - 1, b.p, section);
  T_CHECK(file_write(path, text, strlen(text), &w.e) == 0);
  cfg_free(w.x);
  T_CHECK(cfg_load(path, fixture_registry(), NULL, &w.x, &w.e) == 0);
  w.o.jobs = 1;
  go(&w);
  T_STR(w.e.msg, "");
  T_STR(ask_text(&w, "SELECT group_concat(substr(label,3)||' '||status||' '||step, ', ') FROM (SELECT * FROM runs ORDER BY cell)"), expected);
  T_CHECK(w.r.pruned && w.r.done + w.r.pruned == 5 && w.r.failed == 0);
  T_HAS(ask_text(&w, "SELECT text FROM events WHERE code='early stopping' LIMIT 1"), "other runs of seed 1");
  T_CHECK(ask(&w, "SELECT count(*) FROM missing") == 0);
  db_close(w.d);
  go(&w); /* an outcome */
  T_CHECK(w.p.count[SCHED_DONE] == 5);
  db_close(w.d);
  T_CHECK(file_write(path, b.p, b.n, &w.e) == 0);
  cfg_free(w.x);
  T_CHECK(cfg_load(path, fixture_registry(), NULL, &w.x, &w.e) == 0);
  go(&w); /* without the section they go on */
  T_CHECK(w.p.count[SCHED_CONTINUE] >= 1 && ask(&w, "SELECT count(*) FROM runs WHERE status='done' AND step=8") == 5);
  db_close(w.d);
  buf_free(&b);
  end(&w);
}
static void test_sched__early_stopping_by_the_median(void) { early("\"early_stopping\": {\"rule\": \"median\", \"after\": {\"fraction\": 0.5}, \"least\": 2}", "101 done 8, 102 done 8, 103 pruned 4, 104 pruned 4, 105 done 8"); }
static void test_sched__early_stopping_by_halving(void) { early("\"early_stopping\": {\"rule\": \"asha\", \"after\": {\"steps\": 2}, \"factor\": 2, \"least\": 1}", "101 done 8, 102 pruned 2, 103 pruned 2, 104 pruned 2, 105 done 8"); }

static void test_sched__stops_on_a_signal_and_continues(void) {
  world w;
  begin(&w, "6, 60", 1, 6);
  w.o.jobs = 1;
  pid_t child = fork();
  if (child == 0) {
    go(&w);
    int ok = w.r.interrupted && w.r.stopped == 1 && w.r.left == 1;
    db_close(w.d);
    _exit(ok ? 0 : 1);
  }
  for (int k = 0, going = 0; k < 200 && !going; k++) { /* before its run is going, the signal would end it like any program */
    db *look = NULL;
    err none = {0};
    usleep(100000);
    if (db_open_read(arena_fmt(w.a, "%s/gantry.db", w.out), &look, &none)) continue;
    w.d = look;
    going = ask(&w, "SELECT count(*) FROM runs WHERE status='running'") > 0;
    db_close(look);
    err_clear(&w.e); /* it may not have its tables yet */
    w.d = NULL;
  }
  kill(child, SIGTERM);
  int status;
  waitpid(child, &status, 0);
  T_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  uint32_t lost;
  T_CHECK(db_open(w.out, &w.d, &lost, &w.e) == 0 && lost == 0);
  T_CHECK(ask(&w, "SELECT count(*) FROM runs WHERE status='stopped'") == 1 && ask(&w, "SELECT count(*) FROM runs WHERE status='queued'") == 1);
  T_CHECK(sched_plan_make(w.x, fixture_registry(), &w.o, w.d, 0, w.a, &w.p, &w.e) == 0);
  T_CHECK(w.p.count[SCHED_CONTINUE] + w.p.count[SCHED_TRAIN] == 2);
  db_close(w.d);
  end(&w);
}

static void test_sched__a_killed_parent_leaves_lost_runs_that_continue(void) {
  world w;
  begin(&w, "6", 1, 6);
  pid_t child = fork();
  if (child == 0) {
    go(&w);
    _exit(0);
  }
  char dir[200];
  snprintf(dir, sizeof dir, "%s/runs/t/000-b=6/s1", w.out);
  for (int k = 0; k < 1000 && !starts(dir); k++) usleep(10000); /* until its worker is at work */
  usleep(300000);
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  usleep(50000);
  uint32_t lost = 0;
  T_CHECK(db_open(w.out, &w.d, &lost, &w.e) == 0 && lost == 1);
  T_STR(ask_text(&w, "SELECT status FROM runs"), "lost");
  T_CHECK(sched_plan_make(w.x, fixture_registry(), &w.o, w.d, 0, w.a, &w.p, &w.e) == 0);
  T_CHECK(w.p.count[SCHED_CONTINUE] + w.p.count[SCHED_TRAIN] == 1);
  db_close(w.d);
  end(&w);
}

static void test_sched__a_cell_that_cannot_run_stops_all_before_the_start(void) {
  world w;
  begin(&w, "16, 9", 1, 6);
  go(&w);
  T_STR(w.e.msg, "cell b=9 cannot run: the data set is not there");
  T_CHECK(ask(&w, "SELECT count(*) FROM run") == -999 || w.r.done == 0);
  err_clear(&w.e);
  db_close(w.d);
  end(&w);
}

static void test_sched__longer_continues_and_max_failures_stops(void) {
  world w;
  begin(&w, "16", 1, 10);
  go(&w);
  db_close(w.d);
  char out[64];
  strcpy(out, w.out);
  cfg_free(w.x);
  char path[128];
  snprintf(path, sizeof path, "%s/exp.json", out);
  const char *set[] = {"train.length={\"steps\": 30}"};
  T_CHECK(cfg_load(path, fixture_registry(), &(cfg_options){.set = set, .n_set = 1}, &w.x, &w.e) == 0);
  go(&w);
  T_STR(w.e.msg, "");
  T_CHECK(w.p.count[SCHED_CONTINUE] == 1 && w.r.done == 1);
  T_CHECK(ask(&w, "SELECT step FROM runs") == 30 && ask(&w, "SELECT count(*) FROM run") == 1);
  db_close(w.d);
  end(&w);
  begin(&w, "5, 50, 51, 52", 1, 8);
  w.o.jobs = 1;
  w.o.max_failures = 1;
  go(&w);
  T_CHECK(w.r.failed == 1 && w.r.left == 3);
  db_close(w.d);
  end(&w);
}

static void test_sched__two_parents_cannot_write_one_folder(void) {
  world w;
  begin(&w, "16", 1, 5);
  uint32_t lost;
  db *second = NULL;
  T_CHECK(db_open(w.out, &w.d, &lost, &w.e) == 0);
  T_CHECK(db_open(w.out, &second, &lost, &w.e) == GANTRY_E_IO);
  T_HAS(w.e.msg, "is being written by another gantry (process ");
  char pid[20];
  snprintf(pid, sizeof pid, "%ld", (long)getpid());
  T_HAS(w.e.msg, pid);
  err_clear(&w.e);
  db_close(w.d);
  end(&w);
  fixture_done();
}

int main(int argc, char **argv) {
  if (argc > 2 && !strcmp(argv[1], "worker")) return worker(argc, argv);
  static const t_case cases[] = {T(test_sched__grid_runs_and_a_second_time_does_nothing), T(test_sched__one_failure_touches_one_run), T(test_sched__every_class_of_failure_has_its_policy), T(test_sched__a_sleeping_machine_is_no_hung_run), T(test_sched__early_stopping_by_the_median), T(test_sched__early_stopping_by_halving), T(test_sched__stops_on_a_signal_and_continues),
                                 T(test_sched__a_killed_parent_leaves_lost_runs_that_continue), T(test_sched__a_cell_that_cannot_run_stops_all_before_the_start),
                                 T(test_sched__longer_continues_and_max_failures_stops), T(test_sched__two_parents_cannot_write_one_folder)};
  return t_run(argc, argv, cases, sizeof cases / sizeof *cases);
}
