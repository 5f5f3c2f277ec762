/* engines.c - see engines.h. */
#include "engines.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE = 1024, SIGNATURE = 400 };
typedef struct choice { char signature[SIGNATURE]; dnn_engine engine; } choice;
struct gpu_engines { char path[PATH_MAX], head[320]; choice *list; uint32_t n; int other; };

/* "signature|engine|type=value,type=value" */
static int parse(const char *line, choice *c) {
  const char *bar = strchr(line, '|'), *p;
  char *end;
  if (!bar || bar == line || (size_t)(bar - line) >= SIGNATURE) return 0;
  memset(c, 0, sizeof *c);
  memcpy(c->signature, line, (size_t)(bar - line));
  c->engine.index = strtol(bar + 1, &end, 10);
  if (end == bar + 1 || *end != '|') return 0;
  for (p = end + 1; *p && *p != '\n' && c->engine.n_knobs < DNN_KNOBS;) {
    dnn_engine *e = &c->engine;
    e->knob[e->n_knobs] = strtol(p, &end, 10);
    if (end == p || *end != '=') return 0;
    p = end + 1;
    e->value[e->n_knobs] = strtol(p, &end, 10);
    if (end == p) return 0;
    e->n_knobs++;
    p = end + (*end == ',');
  }
  return *p == '\n';
}

static int append(gpu_engines *e, const choice *c) {
  choice *more = realloc(e->list, (e->n + 1) * sizeof *more);
  if (!more) return 0;
  e->list = more;
  e->list[e->n++] = *c;
  return 1;
}

gpu_engines *engines_open(const char *folder, const char *device_and_version) {
  gpu_engines *e = calloc(1, sizeof *e);
  char line[LINE];
  choice c;
  if (!e || snprintf(e->path, sizeof e->path, "%s/engines.txt", folder) >= (int)sizeof e->path - 32) {
    free(e);
    return NULL;
  }
  snprintf(e->head, sizeof e->head, "gantry engines 1: %.280s\n", device_and_version);
  FILE *f = fopen(e->path, "re");
  if (!f) return e;
  e->other = !fgets(line, sizeof line, f) || strcmp(line, e->head);
  while (!e->other && fgets(line, sizeof line, f))
    if (parse(line, &c)) append(e, &c);
  fclose(f);
  return e;
}

const dnn_engine *engines_find(const gpu_engines *e, const char *signature) {
  for (uint32_t k = 0; k < e->n; k++)
    if (!strcmp(e->list[k].signature, signature)) return &e->list[k].engine;
  return NULL;
}
int engines_other_device(const gpu_engines *e) { return e->other; }

int engines_add(gpu_engines *e, const char *signature, const dnn_engine *engine) {
  choice c = {.engine = *engine};
  char beside[PATH_MAX + 32];
  snprintf(c.signature, sizeof c.signature, "%s", signature);
  if (!append(e, &c)) return 0;
  snprintf(beside, sizeof beside, "%s.%ld", e->path, (long)getpid());
  FILE *f = fopen(beside, "we");
  int ok = f && fputs(e->head, f) >= 0;
  for (uint32_t k = 0; k < e->n && ok; k++) {
    const dnn_engine *x = &e->list[k].engine;
    ok = fprintf(f, "%s|%lld|", e->list[k].signature, (long long)x->index) > 0;
    for (uint32_t j = 0; j < x->n_knobs && ok; j++) ok = fprintf(f, j ? ",%lld=%lld" : "%lld=%lld", (long long)x->knob[j], (long long)x->value[j]) > 0;
    ok = ok && fputc('\n', f) != EOF;
  }
  ok = f && !fclose(f) && ok && !rename(beside, e->path);
  if (!ok) unlink(beside);
  return ok;
}

void engines_close(gpu_engines *e) {
  if (e) free(e->list);
  free(e);
}
