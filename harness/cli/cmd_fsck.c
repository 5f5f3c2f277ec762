/* cmd_fsck.c - `gantry fsck`: does the database hold together, and do the files say the same as it does? Changes nothing.
 *
 * Each finding is one line with what to do. Not findings: checkpoints that were rotated away, and files of runs that are going now. */
#include <stdio.h>

#include "base/files.h"
#include "base/proc.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "store/checkpoint.h"
#include "store/layout.h"

typedef struct search { db *d; const char *out; arena *a; uint32_t found, looked; } search;

static void found(search *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void found(search *s, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  vprintf(fmt, ap);
  va_end(ap);
  putchar('\n');
  s->found++;
}

static gantry_status database(search *s, err *e) {
  static const char *const dangling[][2] = {
    {"scalar", "SELECT count(*) FROM scalar WHERE run_id NOT IN(SELECT id FROM run) OR metric_id NOT IN(SELECT id FROM metric)"},
    {"clock", "SELECT count(*) FROM clock WHERE run_id NOT IN(SELECT id FROM run)"},
    {"summary", "SELECT count(*) FROM summary s WHERE s.n<>(SELECT count(*) FROM scalar x WHERE x.run_id=s.run_id AND x.metric_id=s.metric_id)"},
    {"eval", "SELECT count(*) FROM eval WHERE metric_id NOT IN(SELECT id FROM metric) OR protocol_id NOT IN(SELECT id FROM protocol)"}};
  db_table t;
  TRY(db_query(s->d, s->a, &t, e, "PRAGMA integrity_check", ""));
  for (uint32_t k = 0; k < t.n_rows; k++)
    if (strcmp(db_at(&t, k, 0)->s, "ok")) found(s, "database: %s (copy the folder, then: sqlite3 gantry.db .recover)", db_at(&t, k, 0)->s);
  TRY(db_query(s->d, s->a, &t, e, "SELECT DISTINCT \"table\" FROM pragma_foreign_key_check", ""));
  for (uint32_t k = 0; k < t.n_rows; k++) found(s, "database: rows of %s point to nothing", db_at(&t, k, 0)->s);
  for (size_t k = 0; k < sizeof dangling / sizeof *dangling; k++) {
    TRY(db_query(s->d, s->a, &t, e, dangling[k][1], ""));
    if (db_at(&t, 0, 0)->i) found(s, "database: %s rows of %s do not fit the rest", db_at(&t, 0, 0)->s, dangling[k][0]);
  }
  return GANTRY_OK;
}

static gantry_status processes(search *s, err *e) {
  char boot[64];
  db_table t;
  proc_boot_id(boot);
  TRY(db_query(s->d, s->a, &t, e, "SELECT uid, pid, start_time, boot_id FROM main.run WHERE status='running'", ""));
  for (uint32_t k = 0; k < t.n_rows; k++) {
    const char *b = db_at(&t, k, 3)->s;
    if (!b || strcmp(b, boot) || proc_start_time((pid_t)db_at(&t, k, 1)->i) != db_at(&t, k, 2)->i) found(s, "run %s: said to be running, but its process is gone (gantry run continues it)", db_at(&t, k, 0)->s);
  }
  return GANTRY_OK;
}

static gantry_status pictures(search *s, err *e) {
  db_table t;
  TRY(db_query(s->d, s->a, &t, e, "SELECT r.uid, r.dir, x.path, x.sha256, x.kind, r.status FROM artifact x JOIN run r ON r.id=x.run_id ORDER BY x.id", ""));
  for (uint32_t k = 0; k < t.n_rows; k++) {
    const char *dir = db_at(&t, k, 1)->s, *sha = db_at(&t, k, 3)->s, *file = path_join(s->a, path_join(s->a, s->out, dir), db_at(&t, k, 2)->s);
    char hex[65];
    int checkpoint = !strcmp(db_at(&t, k, 4)->s, "checkpoint");
    if (!layout_is_run(dir) || strstr(db_at(&t, k, 2)->s, "..")) {
      found(s, "run %s: its file %s/%s would lie outside runs/", db_at(&t, k, 0)->s, dir, db_at(&t, k, 2)->s);
      continue;
    }
    if (!strcmp(db_at(&t, k, 5)->s, "running")) continue;
    s->looked++;
    err why = {0};
    if (!file_exists(file)) {
      if (!checkpoint) found(s, "run %s: %s is gone", db_at(&t, k, 0)->s, file);
    } else if (sha && !file_sha256(file, hex, &why) && strcmp(hex, sha)) {
      found(s, "run %s: %s is not what was written%s", db_at(&t, k, 0)->s, file, checkpoint ? " (the checkpoint before it will be used)" : "");
    } else if (why.code) {
      found(s, "run %s: %s", db_at(&t, k, 0)->s, why.msg);
    }
  }
  return GANTRY_OK;
}

/* A finished or stopped run can be continued and sampled from only with a checkpoint. */
static gantry_status checkpoints(search *s, err *e) {
  db_table t;
  TRY(db_query(s->d, s->a, &t, e, "SELECT uid, dir, status FROM run WHERE status IN('done','stopped','killed','lost') AND step>0 ORDER BY id", ""));
  for (uint32_t k = 0; k < t.n_rows; k++) {
    const char *dir = path_join(s->a, s->out, db_at(&t, k, 1)->s);
    buf warn = {0};
    st_file f;
    int64_t step = -1;
    err why = {0};
    if (!layout_is_run(db_at(&t, k, 1)->s)) continue;
    if (!file_exists(dir)) found(s, "run %s: its folder %s is gone", db_at(&t, k, 0)->s, dir);
    else if (ckpt_load_newest(dir, &f, &step, &warn, &why)) found(s, "run %s: %s", db_at(&t, k, 0)->s, why.msg);
    else if (warn.n) found(s, "run %s: %.*s", db_at(&t, k, 0)->s, (int)strcspn(warn.p, "\n"), warn.p);
    if (step >= 0) st_free(&f);
    s->looked++;
    buf_free(&warn);
  }
  return GANTRY_OK;
}

int cmd_fsck(int argc, char **argv) {
  flag f[1] = {{.name = "--out", .value = "DIR", .help = "the folder or database (default $GANTRY_OUT or gantry-out)", .type = FLAG_TEXT}};
  const char *words[2];
  uint32_t n;
  int code = cli_parse(argc, argv, "gantry fsck [--out DIR]", f, 1, 0, words, 2, &n);
  if (code >= 0) return code;
  arena *a = arena_new();
  err e = {0};
  search s = {.a = a, .out = path_dir(a, layout_db(a, f[0].text))};
  gantry_status st = cli_db(a, f[0].text, &s.d, &e);
  if (!st) st = database(&s, &e);
  if (!st) st = processes(&s, &e);
  if (!st) st = pictures(&s, &e);
  if (!st) st = checkpoints(&s, &e);
  if (st) code = flags_error("fsck", &e);
  else {
    printf("%u files and folders looked at, %u findings\n", s.looked, s.found);
    code = s.found ? EXIT_FAILED : EXIT_OK;
  }
  db_close(s.d);
  arena_free(a);
  return code;
}
