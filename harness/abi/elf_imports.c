/* elf_imports.c - replaces what a loaded plugin imports, in that plugin alone: for checks that let its calls fail. See elf.h. */
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi/elf.h"

/* Addresses in the dynamic section are relocated by glibc, not by every loader. */
static const char *loaded(const struct link_map *m, uint64_t p) { return (const char *)(p < m->l_addr ? m->l_addr + p : p); }

static int patch(void **slot, void (*fn)(void)) {
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), at = (uintptr_t)slot & ~(page - 1);
  if (mprotect((void *)at, page, PROT_READ | PROT_WRITE)) return 0;
  memcpy(slot, &fn, sizeof fn);
  mprotect((void *)at, page, PROT_READ);
  return 1;
}

int elf_replace_import(const gantry_plugin *live, const char *name, void (*fn)(void)) {
  Dl_info info;
  struct link_map *m = NULL;
  uint64_t tables[2] = {0}, bytes[2] = {0}, sym = 0, str = 0;
  int n = 0;
  if (!dladdr1(live, &info, (void **)&m, RTLD_DL_LINKMAP) || !m) return 0;
  for (const ElfW(Dyn) *d = m->l_ld; d->d_tag != DT_NULL; d++) {
    if (d->d_tag == DT_JMPREL) tables[0] = d->d_un.d_ptr;
    if (d->d_tag == DT_PLTRELSZ) bytes[0] = d->d_un.d_val;
    if (d->d_tag == DT_RELA) tables[1] = d->d_un.d_ptr;
    if (d->d_tag == DT_RELASZ) bytes[1] = d->d_un.d_val;
    if (d->d_tag == DT_SYMTAB) sym = d->d_un.d_ptr;
    if (d->d_tag == DT_STRTAB) str = d->d_un.d_ptr;
  }
  for (int t = 0; t < 2; t++)
    for (uint64_t k = 0; tables[t] && k < bytes[t] / sizeof(ElfW(Rela)); k++) {
      ElfW(Rela) r;
      ElfW(Sym) s;
      memcpy(&r, loaded(m, tables[t]) + k * sizeof r, sizeof r);
      if (!ELF64_R_SYM(r.r_info)) continue;
      memcpy(&s, loaded(m, sym) + ELF64_R_SYM(r.r_info) * sizeof s, sizeof s);
      if (s.st_shndx == SHN_UNDEF && !strcmp(loaded(m, str) + s.st_name, name)) n += patch((void **)(m->l_addr + r.r_offset), fn);
    }
  return n;
}
