/* cmd_doctor.c - `gantry doctor`: what this machine and this installation are, and what of it would stand in the way. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/files.h"
#include "base/proc.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/open.h"
#include "exec/exec.h"
#include "sched/mps.h"
#include "sched/sched.h"
#include "store/layout.h"

static void say(int ok, int *bad, const char *name, const char *text) {
  printf("%-5s %-12s %s\n", ok ? "ok" : "BAD", name, text);
  *bad += !ok;
}

static void machine(arena *a, int *bad) {
  struct utsname u;
  char line[256], cpu[200] = "unknown processor";
  int64_t memory = proc_memory_available();
  FILE *f = fopen("/proc/cpuinfo", "re");
  while (f && fgets(line, sizeof line, f))
    if (!strncmp(line, "model name", 10) && strchr(line, ':')) {
      snprintf(cpu, sizeof cpu, "%.180s", strchr(line, ':') + 2);
      cpu[strcspn(cpu, "\n")] = 0;
      break;
    }
  if (f) fclose(f);
  int known = uname(&u) == 0;
  say(known, bad, "system", known ? arena_fmt(a, "%s %s %s", u.sysname, u.release, u.machine) : "unknown");
  say(1, bad, "processor", arena_fmt(a, "%s, %lld cores for this process", cpu, (long long)sched_cores()));
  say(memory > (512 << 20), bad, "memory", arena_fmt(a, "%.1f GB available", (double)memory / (1 << 30)));
  say(!mps_has_driver() || access("/dev/nvidiactl", R_OK) == 0, bad, "GPU", mps_has_driver() ? "an NVIDIA driver is loaded" : "no NVIDIA driver: the CPU backend is used");
  if (mps_has_driver() || mps_installed()) /* nothing here stands in the way: without it runs take turns */
    say(1, bad, "MPS", !mps_installed() ? "nvidia-cuda-mps-control is not on PATH: runs on one GPU take turns (it comes with the driver: nvidia-cuda-mps, nvidia-compute-utils)"
                       : mps_answers()  ? "a daemon is running: runs on one GPU share it through that"
                                        : "there: gantry run starts a daemon of its own where several runs use one GPU");
}

/* What a backend says of this machine. One that cannot run stands in the way only where its device seems to be there. */
static void backend(abi_plugin *p, arena *a, int *bad) {
  err e = {0};
  gantry_probe q;
  if (abi_open(p, &e) || exec_probe(p->live->iface, p->live->name, &q, &e)) say(0, bad, "backend", e.msg);
  else if (q.score <= 0) say(strcmp(p->desc->name, "cuda") || !mps_has_driver(), bad, "backend", arena_fmt(a, "%s %s loads and cannot run here: %s", p->desc->name, p->desc->version, q.reason));
  else say(!q.reason[0], bad, "backend", arena_fmt(a, "%s %s: %s; %s%s%s", p->desc->name, p->desc->version, q.device, q.libraries, q.reason[0] ? "; it runs, slower than it could: " : "", q.reason));
}

static void plugins(abi_registry *reg, arena *a, int *bad) {
  uint32_t good = 0, backends = 0;
  for (uint32_t k = 0; k < abi_count(reg); k++) {
    const abi_plugin *p = abi_at(reg, k);
    if (p->refused) say(0, bad, "plugin", arena_fmt(a, "%s: %s", p->path, p->refused));
    else good++, backends += p->desc->kind == GANTRY_KIND_BACKEND;
  }
  say(good > 0, bad, "plugins", good ? arena_fmt(a, "%u usable", good) : "none found: set GANTRY_PLUGIN_PATH or give --plugin-path");
  for (uint32_t k = 0; k < abi_count(reg); k++) {
    abi_plugin *p = abi_at(reg, k);
    if (!p->refused && p->desc->kind == GANTRY_KIND_BACKEND) backend(p, a, bad);
  }
  if (!backends) say(0, bad, "backend", "none: nothing can be trained");
}

static void folder(arena *a, const char *given, int *bad) {
  const char *out = layout_out(a, given), *at = file_exists(out) ? out : ".";
  struct statvfs s;
  db *d = NULL;
  err e = {0};
  int writable = access(at, W_OK) == 0, known = statvfs(at, &s) == 0;
  double gb = known ? (double)s.f_bavail * (double)s.f_frsize / 1e9 : 0;
  say(writable, bad, "folder", arena_fmt(a, "%s %s", out, !writable ? "cannot be written" : at == out ? "is writable" : "does not exist yet; it can be made"));
  say(gb > 1, bad, "disk", arena_fmt(a, "%.1f GB free", gb));
  if (!file_exists(layout_db(a, given))) return;
  db_table t;
  gantry_status st = cli_db(a, given, &d, &e);
  if (!st) st = db_query(d, a, &t, &e, "SELECT quick_check FROM pragma_quick_check LIMIT 3", "");
  int good = !st && t.n_rows == 1 && !strcmp(db_at(&t, 0, 0)->s, "ok");
  say(good, bad, "database", st ? e.msg : good ? "sound" : db_at(&t, 0, 0)->s);
  db_close(d);
}

int cmd_doctor(int argc, char **argv) {
  enum { OUT, OPEN, N = OPEN + OPEN_N };
  flag f[N] = {[OUT] = {.name = "--out", .value = "DIR", .help = "the folder to look at (default $GANTRY_OUT or gantry-out)", .type = FLAG_TEXT}, OPEN_FLAGS};
  const char *words[2];
  uint32_t n;
  int bad = 0, code = cli_parse(argc, argv, "gantry doctor [--out DIR]", f, N, 0, words, 2, &n);
  if (code >= 0) return code;
  arena *a = arena_new();
  err e = {0};
  machine(a, &bad);
  say(db_library_fits(), &bad, "SQLite", db_library_fits() ? db_library() : arena_fmt(a, "%s: 3.37 or newer is needed", db_library()));
  abi_registry *reg = open_registry(a, f + OPEN, &e);
  if (reg) plugins(reg, a, &bad);
  else say(0, &bad, "plugins", e.msg);
  folder(a, f[OUT].text, &bad);
  if (bad) printf("%d thing%s stand%s in the way\n", bad, bad == 1 ? "" : "s", bad == 1 ? "s" : "");
  abi_registry_close(reg);
  arena_free(a);
  return bad ? EXIT_FAILED : EXIT_OK;
}
