/* rules_file.c - tests of the file itself: what can be seen without running it, and how it loads. */
#include <dlfcn.h>
#include <stdio.h>
#include <time.h>

#include "abi/registry.h"
#include "abi/validate.h"
#include "check/subject.h"

static uint32_t say(subject *s, gantry_status st, const err *e) { return st ? check_say(s, CHECK_FAIL, "%s", e->msg) : CHECK_PASS; }

uint32_t check_file(subject *s) {
  err e = {0};
  elf_image im;
  return say(s, elf_read(s->path, s->mem, &im, &e), &e);
}

uint32_t check_descriptor(subject *s) {
  err e = {0};
  elf_image im;
  if (elf_read(s->path, s->mem, &im, &e)) return check_say(s, CHECK_SKIP, "the file could not be read, see file");
  return say(s, validate_descriptor(&im, &e), &e);
}

uint32_t check_params_table(subject *s) {
  err e = {0};
  return say(s, validate_params(&s->im, &e), &e);
}

uint32_t check_interface(subject *s) {
  err e = {0};
  return say(s, validate_interface(&s->im, &e), &e);
}

static uint32_t elf_rule(subject *s, int rule) {
  err e = {0};
  if (!validate_elf_binds(&s->im)) return check_say(s, CHECK_SKIP, "the ELF rules are off in a host built with a sanitizer");
  return say(s, validate_elf(&s->im, rule, &e), &e);
}
uint32_t check_elf_exports(subject *s) { return elf_rule(s, VALIDATE_EXPORTS); }
uint32_t check_elf_imports(subject *s) { return elf_rule(s, VALIDATE_IMPORTS); }
uint32_t check_elf_libraries(subject *s) { return elf_rule(s, VALIDATE_LIBRARIES); }
uint32_t check_elf_code(subject *s) { return elf_rule(s, VALIDATE_CODE_AT_LOAD); }
uint32_t check_elf_writable(subject *s) { return elf_rule(s, VALIDATE_WRITABLE); }
uint32_t check_elf_segments(subject *s) { return elf_rule(s, VALIDATE_SEGMENTS); }

/* The child has loaded the plugin once already, so this measures the dynamic linker's work and not the disk. */
uint32_t check_load(subject *s) {
  struct timespec a, b;
  clock_gettime(CLOCK_MONOTONIC, &a);
  void *again = dlopen(s->path, RTLD_NOW | RTLD_LOCAL);
  clock_gettime(CLOCK_MONOTONIC, &b);
  double ms = (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) * 1e-6;
  if (!again) return check_say(s, CHECK_FAIL, "%s", dlerror());
  return ms > 50 ? check_say(s, CHECK_WARN, "loading takes %.0f ms", ms) : CHECK_PASS;
}

static int writable(const void *p) {
  FILE *f = fopen("/proc/self/maps", "re");
  char line[600], mode[8];
  unsigned long lo, hi;
  int found = 0;
  while (f && fgets(line, sizeof line, f))
    if (sscanf(line, "%lx-%lx %7s", &lo, &hi, mode) == 3 && (unsigned long)p >= lo && (unsigned long)p < hi) found = mode[1] == 'w';
  if (f) fclose(f);
  return found;
}

uint32_t check_read_only(subject *s) {
  if (writable(s->live)) return check_say(s, CHECK_FAIL, "its descriptor can be written: declare it const and link with -Wl,-z,relro");
  if (writable(s->live->iface)) return check_say(s, CHECK_FAIL, "its interface table can be written: declare it const and link with -Wl,-z,relro");
  return CHECK_PASS;
}
