/* memory_fault.c - see memory_fault.h. */
#include "check/memory_fault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/elf.h"

static uint32_t countdown; /* of the process: allocators have no context to keep it in */
static int came;

static int now(void) {
  if (!countdown || --countdown) return 0;
  came = 1;
  errno = ENOMEM;
  return 1;
}
static void *failing_malloc(size_t n) { return now() ? NULL : malloc(n); }
static void *failing_calloc(size_t n, size_t m) { return now() ? NULL : calloc(n, m); }
static void *failing_realloc(void *p, size_t n) { return now() ? NULL : realloc(p, n); }
static char *failing_strdup(const char *s) { return now() ? NULL : strdup(s); }
static void *failing_aligned(size_t a, size_t n) { return now() ? NULL : aligned_alloc(a, n); }

int memory_fault_install(const gantry_plugin *live) {
  const struct { const char *name; void (*fn)(void); } list[] = {
    {"malloc", (void (*)(void))failing_malloc}, {"calloc", (void (*)(void))failing_calloc}, {"realloc", (void (*)(void))failing_realloc}, {"strdup", (void (*)(void))failing_strdup}, {"aligned_alloc", (void (*)(void))failing_aligned}};
  int n = 0;
  for (size_t k = 0; k < sizeof list / sizeof *list; k++) n += elf_replace_import(live, list[k].name, list[k].fn);
  return n > 0;
}
void memory_fault_arm(uint32_t k) {
  countdown = k;
  came = 0;
}
int memory_fault_disarm(void) {
  countdown = 0;
  return came;
}
