/* validate.c - see validate.h. Every refusal says what is wrong with the file and what its author should do. */
#include "abi/validate.h"

#include <ctype.h>
#include <math.h>

#include "abi/params.h"
#include "abi/registry.h"
#include "abi/since.h"

#define TEXT_MAX VALIDATE_TEXT_MAX
#define COUNT_MAX VALIDATE_COUNT_MAX

/* What a pure plugin may import: it computes nothing, so it needs nothing but memory, strings and the maths of constants. */
static const char *const allowed[] = {
  "memcpy", "memmove", "memset", "memcmp", "memchr", "bcmp", "strlen", "strcmp", "strncmp", "strchr", "strrchr", "strstr", "snprintf", "vsnprintf",
  "__memcpy_chk", "__memmove_chk", "__memset_chk", "__snprintf_chk", "__vsnprintf_chk", "__stack_chk_fail", NULL};
/* libm, for double and, with an f or l behind it, for the other two. */
static const char *const maths[] = {
  "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "ceil", "copysign", "cos", "cosh", "erf", "erfc", "exp", "exp10", "exp2", "expm1", "fabs", "fdim", "floor", "fma",
  "fmax", "fmin", "fmod", "frexp", "hypot", "ilogb", "ldexp", "lgamma", "llrint", "llround", "log", "log10", "log1p", "log2", "logb", "lrint", "lround", "modf", "nan", "nearbyint",
  "nextafter", "nexttoward", "pow", "remainder", "remquo", "rint", "round", "scalbln", "scalbn", "sin", "sincos", "sinh", "sqrt", "tan", "tanh", "tgamma", "trunc", NULL};

static int in_list(const char *const *list, const char *s) {
  for (; *list; list++)
    if (!strcmp(*list, s)) return 1;
  return 0;
}

static int good_name(const char *s) {
  if (!islower((unsigned char)*s)) return 0;
  for (; *s; s++)
    if (!islower((unsigned char)*s) && !isdigit((unsigned char)*s) && *s != '_') return 0;
  return 1;
}

static int is_maths(const char *s) {
  char base[32];
  size_t n = strlen(s);
  if (in_list(maths, s)) return 1;
  if (n < 2 || n >= sizeof base || (s[n - 1] != 'f' && s[n - 1] != 'l')) return 0;
  memcpy(base, s, n - 1);
  base[n - 1] = 0;
  return in_list(maths, base);
}

int validate_list(const elf_image *im, const char *const *list) {
  if (!list) return 1;
  if ((uintptr_t)list % sizeof *list) return 0;
  for (int k = 0; k < COUNT_MAX; k++) {
    if (!elf_inside(im, list + k, sizeof *list)) return 0;
    if (!list[k]) return 1;
    if (!elf_string(im, list[k], TEXT_MAX)) return 0;
  }
  return 0;
}

/* What stands in for a function that many reach for. */
static const char *instead_of(const char *s) {
  static const struct { const char *has, *use; } rows[] = {
    {"rand", "gan_uniform and gan_normal draw in the step itself"}, {"print", "speak through host->log and host->fail"}, {"put", "speak through host->log and host->fail"}, {"fwrite", "speak through host->log and host->fail"},
    {"alloc", "nothing has to be kept between calls: arrays on the stack, states for what lasts"}, {"free", "nothing has to be kept between calls: arrays on the stack, states for what lasts"},
    {"exit", "refuse with host->fail"}, {"abort", "refuse with host->fail"}, {"assert", "refuse with host->fail"}};
  for (size_t k = 0; k < sizeof rows / sizeof *rows; k++)
    if (strstr(s, rows[k].has)) return rows[k].use;
  return NULL;
}

static gantry_status check_imports(const elf_image *im, const char *kind, err *e) {
  buf names = {0}, use = {0};
  for (const char *const *s = im->imports; *s; s++) {
    if (in_list(allowed, *s) || is_maths(*s)) continue;
    if (!strcmp(*s, "__cxa_finalize") || !strncmp(*s, "_ITM_", 5) || !strcmp(*s, "__gmon_start__")) {
      buf_free(&names);
      buf_free(&use);
      return err_set(e, GANTRY_E_CONFIG, "contains start-up files: add -nostartfiles, or use plugin.mk");
    }
    if (names.n < 200) buf_printf(&names, "%s\"%.60s\"", names.n ? ", " : "", *s);
    const char *instead = instead_of(*s);
    if (instead && !(use.n && strstr(use.p, instead))) buf_printf(&use, "%s%s", use.n ? "; " : "", instead);
  }
  if (names.n)
    err_set(e, GANTRY_E_CONFIG, "imports %s: a plugin of kind %s only builds graphs and may import memory and string functions, snprintf and libm%s%s%s", names.p, kind, use.n ? " (" : "", use.n ? use.p : "", use.n ? ")" : "");
  buf_free(&names);
  buf_free(&use);
  return e->code;
}

/* Tables of the linker are writable where calls are bound lazily: no fault of the source. */
static gantry_status check_writable(const elf_image *im, err *e) {
  const char *what = im->writable;
  if (!im->writable_bytes) return GANTRY_OK;
  if (!strncmp(what, ".got", 4) && !strchr(what, ',')) return err_set(e, GANTRY_E_CONFIG, "its table of imports (%s, %llu bytes) stays writable: link with -Wl,-z,now, or use plugin.mk", what, (unsigned long long)im->writable_bytes);
  return err_set(e, GANTRY_E_CONFIG, "has %llu bytes of writable global data%s%s%s: keep what must last in a state", (unsigned long long)im->writable_bytes, *what ? " (" : "", what, *what ? ")" : "");
}

/* A library that comes along runs its own constructors, whatever the plugin itself imports. */
static gantry_status check_libraries(const elf_image *im, const char *kind, err *e) {
  static const char *const known[] = {"libc.", "libm.", "ld-linux", "ld-musl"};
  for (const char *const *s = im->needed; *s; s++) {
    int fine = 0;
    for (size_t k = 0; k < sizeof known / sizeof *known; k++) fine |= !strncmp(*s, known[k], strlen(known[k]));
    if (!fine) return err_set(e, GANTRY_E_CONFIG, "is linked with %s: a plugin of kind %s may need libm and libc alone (link with -Wl,--as-needed, or use plugin.mk)", *s, kind);
  }
  return GANTRY_OK;
}

gantry_status validate_elf(const elf_image *im, int rule, err *e) {
  const char *kind = abi_kind_name(im->desc->kind);
  switch (rule) {
    case VALIDATE_EXPORTS:
      for (const char *const *x = im->exports; *x; x++)
        if (strcmp(*x, GANTRY_PLUGIN_SYMBOL))
          return err_set(e, GANTRY_E_CONFIG, "exports \"%s\" besides " GANTRY_PLUGIN_SYMBOL ": build with -fvisibility=hidden, or use plugin.mk", *x);
      return GANTRY_OK;
    case VALIDATE_IMPORTS: return check_imports(im, kind, e);
    case VALIDATE_LIBRARIES: return check_libraries(im, kind, e);
    case VALIDATE_CODE_AT_LOAD:
      return im->has_constructors ? err_set(e, GANTRY_E_CONFIG, "has constructors: a plugin of kind %s runs no code when it is loaded or unloaded", kind) : GANTRY_OK;
    case VALIDATE_WRITABLE:
      return check_writable(im, e);
    default:
      if (im->text_relocations) return err_set(e, GANTRY_E_CONFIG, "has text relocations: compile with -fPIC, or use plugin.mk");
      return im->executable_stack ? err_set(e, GANTRY_E_CONFIG, "asks for an executable stack: link with -Wl,-z,noexecstack") : GANTRY_OK;
  }
}

static gantry_status check_default(const gantry_param *p, err *e) {
  switch (p->type) {
    case GANTRY_P_BOOL:
    case GANTRY_P_INT:
    case GANTRY_P_FLOAT:
      if (p->flags & GANTRY_PF_REQUIRED) return GANTRY_OK;
      if (p->type == GANTRY_P_BOOL) return p->def == 0 || p->def == 1 ? GANTRY_OK : err_set(e, GANTRY_E_CONFIG, "must be 0 or 1");
      return abi_param_check(p, p->def, e);
    case GANTRY_P_ENUM:
      if (!p->choices || !p->choices[0]) return err_set(e, GANTRY_E_CONFIG, "has no choices");
      if (!p->def_str || !in_list(p->choices, p->def_str)) return err_set(e, GANTRY_E_CONFIG, "is not one of its choices");
      return GANTRY_OK;
    default: return GANTRY_OK;
  }
}

gantry_status validate_params(const elf_image *im, err *e) {
  const gantry_plugin *d = im->desc;
  if (!d->param_count) return GANTRY_OK;
  if (d->param_count > COUNT_MAX || d->param_stride < SINCE_0_1(gantry_param, choices) || d->param_stride % 8 || (uintptr_t)d->params % 8 || !elf_inside(im, d->params, (size_t)d->param_count * d->param_stride))
    return err_set(e, GANTRY_E_CONFIG, "its parameter table lies outside the file");
  for (uint32_t k = 0; k < d->param_count; k++) {
    const gantry_param *p = abi_param_at(d, k);
    if (!elf_string(im, p->key, TEXT_MAX) || !good_name(p->key)) return err_set(e, GANTRY_E_CONFIG, "parameter %u has no name of the form [a-z][a-z0-9_]*", k);
    if (!elf_string(im, p->doc, TEXT_MAX) || !*p->doc) return err_set(e, GANTRY_E_CONFIG, "parameter \"%s\" has no doc", p->key);
    if ((p->unit && !elf_string(im, p->unit, TEXT_MAX)) || (p->def_str && !elf_string(im, p->def_str, TEXT_MAX)) || !validate_list(im, p->choices))
      return err_set(e, GANTRY_E_CONFIG, "parameter \"%s\" has texts outside the file", p->key);
    if (p->type < GANTRY_P_BOOL || p->type > GANTRY_P_PATH) return err_set(e, GANTRY_E_CONFIG, "parameter \"%s\" has the unknown type %u", p->key, p->type);
    static const char *const reserved[] = {"name", "on", "of", "every", "order", "note", NULL};
    if (in_list(reserved, p->key)) return err_set(e, GANTRY_E_CONFIG, "parameter \"%s\" has a reserved name", p->key);
    for (uint32_t j = 0; j < k; j++)
      if (!strcmp(abi_param_at(d, j)->key, p->key)) return err_set(e, GANTRY_E_CONFIG, "parameter \"%s\" appears twice", p->key);
    err inner = {0};
    if (check_default(p, &inner)) return err_set(e, GANTRY_E_CONFIG, "the default of parameter \"%s\" %s", p->key, inner.msg);
  }
  return GANTRY_OK;
}

#if defined(GANTRY_SANITIZED) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

int validate_elf_binds(const elf_image *im) { return !SANITIZED && im->desc->kind != GANTRY_KIND_DATASET && im->desc->kind != GANTRY_KIND_BACKEND; }

gantry_status validate_descriptor(const elf_image *im, err *e) {
  const gantry_plugin *d = im->desc;
  if (!d) {
    for (const char *const *x = im->exports; *x; x++)
      if (!strncmp(*x, "gantry_plugin_v", 15))
        return err_set(e, GANTRY_E_CONFIG, "built for plugin ABI %s, this gantry speaks ABI %d: rebuild it with this gantry's headers", *x + 15, GANTRY_ABI_MAJOR);
    return err_set(e, GANTRY_E_CONFIG, "exports no " GANTRY_PLUGIN_SYMBOL ": define it with GANTRY_PLUGIN(...)%s%s", im->exports[0] ? "; it exports " : "", im->exports[0] ? im->exports[0] : "");
  }
  if ((uintptr_t)d % 8) return err_set(e, GANTRY_E_CONFIG, "its descriptor does not stand at a multiple of 8 bytes: define it with GANTRY_PLUGIN(...)");
  if (d->struct_size < SINCE_0_1(gantry_plugin, iface)) return err_set(e, GANTRY_E_CONFIG, "its descriptor has %u bytes, ABI %d.1 has %zu", d->struct_size, GANTRY_ABI_MAJOR, SINCE_0_1(gantry_plugin, iface));
  if (d->magic != GANTRY_MAGIC) return err_set(e, GANTRY_E_CONFIG, "its descriptor's magic number is wrong: define it with GANTRY_PLUGIN(...)");
  if (d->abi_major != GANTRY_ABI_MAJOR || d->abi_minor > GANTRY_ABI_MINOR)
    return err_set(e, GANTRY_E_CONFIG, "needs plugin ABI %u.%u, this gantry has %d.%d", d->abi_major, d->abi_minor, GANTRY_ABI_MAJOR, GANTRY_ABI_MINOR);
  if (!abi_kind_name(d->kind)) return err_set(e, GANTRY_E_CONFIG, "is of the unknown kind %u", d->kind);
  const char *const texts[] = {d->name, d->version, d->summary, d->license};
  for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
    if (!elf_string(im, texts[k], TEXT_MAX) || !*texts[k]) return err_set(e, GANTRY_E_CONFIG, "its name, version, summary or license is missing");
  if (!good_name(d->name)) return err_set(e, GANTRY_E_CONFIG, "its name \"%s\" is not of the form [a-z][a-z0-9_]*", d->name);
  if ((d->paper && !elf_string(im, d->paper, TEXT_MAX)) || !validate_list(im, d->needs) || !validate_list(im, d->provides)) return err_set(e, GANTRY_E_CONFIG, "its texts lie outside the file");
  return GANTRY_OK;
}

gantry_status validate_plugin(const elf_image *im, err *e) {
  TRY(validate_descriptor(im, e));
  TRY(validate_params(im, e));
  TRY(validate_interface(im, e));
  for (int rule = 0; validate_elf_binds(im) && rule < VALIDATE_ELF_RULES; rule++) TRY(validate_elf(im, rule, e));
  return GANTRY_OK;
}
