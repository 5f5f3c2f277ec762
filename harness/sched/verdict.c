/* verdict.c - see verdict.h.
 *
 *   class            how it shows                                        another try
 *   configuration    exit 64, or its last record says so                 no
 *   refused          exit 70, and its last record says why in words      no
 *   crash            SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, exit 70   yes
 *   memory           exit 71, or a failed allocation under the limit     yes, alone
 *   device           its last record says so: a GPU was lost, or refuses yes (see sched/run.c on MPS)
 *   hung             no sign of life for --timeout seconds               yes
 *   log flood        its log grew beyond all measure                     no
 *   damaged records  its stream made no sense                            yes
 *   killed           SIGKILL, SIGTERM, SIGINT, SIGHUP from outside       yes
 *   ended early      it left without a last record                       yes */
#include "sched/verdict.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { EX_CONFIG_ = 64, EX_PLUGIN = 70, EX_RESOURCE = 71, EX_STOPPED = 75, LOG_TAIL = 4096 };

static int of_device(const verdict_in *in) { return in->c->end.code == EX_RESOURCE && in->error_class && !strcmp(in->error_class, "device"); }

static int out_of_memory(const verdict_in *in, const char *tail) {
  if (in->c->end.code == EX_RESOURCE) return 1;
  if (!in->memory_bytes || (in->c->end.signal != SIGABRT && in->c->end.signal != SIGSEGV)) return 0;
  return strstr(tail, "bad_alloc") || strstr(tail, "out of memory") || strstr(tail, "annot allocate memory") || strstr(tail, "emory allocation still failed");
}

/* The sentence of the log that explains most: the crash handler's line, else the last one. */
static const char *best_line(arena *a, const char *tail) {
  const char *at = strstr(tail, "gantry worker: ended by "), *last = strrchr(tail, '\n');
  if (at) {
    const char *trace = strstr(at, "; backtrace");
    size_t n = strcspn(at, "\n");
    return arena_strn(a, at, trace && trace < at + n ? (size_t)(trace - at) : n);
  }
  return arena_str(a, last ? last + 1 : tail);
}

/* The crash handler's line says "in plugin NAME (path) while it built PLACE; backtrace:". */
static void name_plugin(const char *tail, verdict *v, arena *a) {
  static const char in[] = " in plugin ", built[] = " while it built ", end[] = "; backtrace";
  const char *at = strstr(tail, in), *line_end = at ? at + strcspn(at, "\n") : NULL, *place = at ? strstr(at, built) : NULL;
  if (!place || place > line_end) return;
  v->end.plugin = arena_strn(a, at + sizeof in - 1, (size_t)(place - at) - (sizeof in - 1));
  place += sizeof built - 1;
  const char *stop = strstr(place, end);
  v->end.place = arena_strn(a, place, (size_t)((stop && stop < line_end ? stop : line_end) - place));
}

static void by_signal(const verdict_in *in, verdict *v, const char *tail, arena *a) {
  int s = in->c->end.signal, outside = s == SIGKILL || s == SIGTERM || s == SIGINT || s == SIGHUP;
  const char *name = proc_signal_name(s), *line = best_line(a, tail);
  v->again = 1;
  if (outside) {
    v->end.status = "killed";
    v->end.error_class = "killed";
    v->end.error_text = arena_fmt(a, "the process was ended by %s from outside%s", name, s == SIGKILL ? " (the kernel does that when memory runs out)" : "");
    return;
  }
  v->end.error_class = "crash";
  v->end.error_text = strncmp(line, "gantry worker: ", 15) ? arena_fmt(a, "the process was ended by %s%s%s", name, *line ? ": " : "", line) : arena_str(a, line + 15);
}

verdict verdict_of(const verdict_in *in, arena *a) {
  const proc_end *end = &in->c->end;
  verdict v = {.end = {.status = "failed", .code = end->code, .signal = end->signal, .error_class = in->error_class, .error_text = in->text}};
  if (in->ended == ENDED_EARLY && !in->c->damaged && (end->signal || end->code == EX_STOPPED)) {
    v.end = (db_end){.status = "pruned", .code = end->code, .signal = end->signal, .error_class = "early stopping", .error_text = in->why};
    return v;
  }
  if (in->ended == ENDED_ASKED && end->signal) {
    v.end.status = "stopped";
    v.end.error_class = v.end.error_text = NULL;
    return v;
  }
  if (!end->signal && end->code == EX_STOPPED) {
    v.end = (db_end){.status = "stopped", .code = end->code};
    return v;
  }
  if (!end->signal && !in->c->damaged && end->code == 0 && in->status && (!strcmp(in->status, "done") || !strcmp(in->status, "diverged"))) {
    v.end.status = in->status;
    v.end.eval_key = in->eval_key;
    return v;
  }
  const char *tail = v.end.log_tail = log_tail(a, in->log, LOG_TAIL);
  name_plugin(tail, &v, a);
  if (in->c->damaged) {
    v.end.error_class = "damaged records";
    v.end.error_text = "its records could not be read, so it was ended";
    v.again = 1;
  } else if (in->ended == ENDED_HUNG) {
    v.end.error_class = "hung";
    v.end.error_text = arena_fmt(a, "no sign of life for %lld s while %s, so it was ended (--timeout changes the limit)%s%s", (long long)in->silent_s, in->doing && *in->doing ? in->doing : "starting", strstr(tail, " in plugin ") ? ": " : "",
                                 strstr(tail, " in plugin ") ? best_line(a, tail) : "");
    v.again = 1;
  } else if (in->ended == ENDED_LOG) {
    v.end.error_class = "log flood";
    v.end.error_text = arena_fmt(a, "its log %s grew without end, so it was ended: look at what it repeats", in->log);
  } else if (of_device(in)) {
    v.again = v.device = 1;
  } else if (out_of_memory(in, tail)) {
    v.end.error_class = "memory";
    /* a backend knows better whose memory it was, and how much was asked for */
    if (!in->text || !*in->text) v.end.error_text = in->memory_bytes ? arena_fmt(a, "out of memory: it may have %.1f GB (--memory changes the limit); a smaller train.batch or width needs less", (double)in->memory_bytes / 1e9) : "out of memory: a smaller train.batch or width needs less";
    v.again = v.alone = 1;
  } else if (end->signal) {
    by_signal(in, &v, tail, a);
  } else if (end->code == EX_PLUGIN) { /* in words: a plugin or the host refused what was built, and would again */
    v.again = !(in->status && in->text && *in->text);
    v.end.error_class = v.again ? "crash" : "refused";
  } else if (!v.end.error_class) {
    v.end.error_class = end->code == EX_CONFIG_ ? "configuration" : "ended early";
    v.again = end->code != EX_CONFIG_;
  }
  if (!v.end.error_text) {
    const char *line = best_line(a, tail);
    v.end.error_text = *line ? line : arena_fmt(a, "the process ended with status %d and said nothing", end->code);
  }
  return v;
}
