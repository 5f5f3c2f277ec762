/* elf.h - a plugin file read as data: its descriptor, imports and exports, without running any of its code. */
#ifndef ABI_ELF_H
#define ABI_ELF_H
#include <gantry/abi.h>

#include "base/err.h"
#include "base/mem.h"

typedef struct elf_image {
  const gantry_plugin *desc;    /* in a relocated copy of the file's segments; its callbacks are not callable */
  const char *const *imports;   /* undefined dynamic symbols, NULL-terminated */
  const char *const *exports;   /* defined global dynamic symbols */
  const char *const *needed;    /* libraries that the loader would load with it, NULL-terminated */
  const char *writable;         /* which sections that is, with the names of objects in them where the file has them: ".bss: counter, table"; "" = unknown */
  uint64_t writable_bytes;      /* writable after relocation: mutable globals, thread-local ones too */
  uint8_t has_constructors;     /* code that the loader would run: constructors, destructors, indirect functions */
  uint8_t executable_stack, text_relocations;
  const unsigned char *mem;
  uint64_t span;
} elf_image;

/* Everything is owned by the arena. Nothing that the file says is trusted. */
gantry_status elf_read(const char *path, arena *a, elf_image *out, err *e);
/* True if p .. p+n-1 lies in the image. */
int elf_inside(const elf_image *im, const void *p, size_t n);
/* True if s is a NUL-terminated string inside the image, of at most `max` bytes. */
int elf_string(const elf_image *im, const char *s, size_t max);
/* elf_imports.c: from now on the loaded plugin calls fn where it imports `name`; nobody else does. Returns how many places that were. */
int elf_replace_import(const gantry_plugin *live, const char *name, void (*fn)(void));
#endif
