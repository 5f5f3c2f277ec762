/* elf.c - see elf.h.
 *
 * Maps the loadable segments of a shared object into ordinary memory at their relative places, applies the relative relocations, and
 * finds the descriptor in the dynamic symbol table. So `plugins list` needs no driver of a backend and cannot be crashed or
 * fooled into running code by a file. */
#include "abi/elf.h"

#include <elf.h>
#include <stdlib.h>

#include "base/files.h"

enum { SPAN_MAX = 256 << 20, FILE_MAX = 256 << 20 };

typedef struct dynamic {
  uint64_t sym, str, strsz, rela, relasz, relr, relrsz, hash, gnu_hash, runs_code, textrel;
  uint64_t needed[64]; /* offsets of names in the string table */
  uint32_t n_needed;
} dynamic;

int elf_inside(const elf_image *im, const void *p, size_t n) {
  uintptr_t lo = (uintptr_t)im->mem, at = (uintptr_t)p;
  return p && at >= lo && at - lo <= im->span && n <= im->span - (at - lo);
}

int elf_string(const elf_image *im, const char *s, size_t max) {
  if (!s) return 0;
  for (size_t i = 0; i <= max; i++) {
    if (!elf_inside(im, s + i, 1)) return 0;
    if (!s[i]) return 1;
  }
  return 0;
}

static void *at(const elf_image *im, uint64_t va, uint64_t n) { return va <= im->span && n <= im->span - va ? (void *)(im->mem + va) : NULL; }

/* Reads an Elf64_Sym, Elf64_Rela ... at a place that need not be aligned. */
#define GET(im, va, type, out) (at((im), (va), sizeof(type)) ? (memcpy((out), at((im), (va), sizeof(type)), sizeof(type)), 1) : 0)

static gantry_status read_dynamic(const elf_image *im, uint64_t va, uint64_t bytes, dynamic *d, err *e) {
  for (uint64_t k = 0; k < bytes / sizeof(Elf64_Dyn); k++) {
    Elf64_Dyn x;
    if (!GET(im, va + k * sizeof x, Elf64_Dyn, &x)) return err_set(e, GANTRY_E_IO, "its dynamic section lies outside the file");
    switch (x.d_tag) {
      case DT_NULL: return GANTRY_OK;
      case DT_SYMTAB: d->sym = x.d_un.d_ptr; break;
      case DT_STRTAB: d->str = x.d_un.d_ptr; break;
      case DT_STRSZ: d->strsz = x.d_un.d_val; break;
      case DT_RELA: d->rela = x.d_un.d_ptr; break;
      case DT_RELASZ: d->relasz = x.d_un.d_val; break;
      case DT_HASH: d->hash = x.d_un.d_ptr; break;
      case DT_GNU_HASH: d->gnu_hash = x.d_un.d_ptr; break;
      case DT_INIT_ARRAYSZ: case DT_FINI_ARRAYSZ: case DT_INIT: case DT_FINI: d->runs_code |= x.d_un.d_val; break;
      case DT_TEXTREL: d->textrel = 1; break;
      case DT_FLAGS: d->textrel |= x.d_un.d_val & DF_TEXTREL; break;
      case DT_NEEDED: case DT_AUXILIARY: case DT_FILTER: case DT_AUDIT: case DT_DEPAUDIT:
        if (d->n_needed == sizeof d->needed / sizeof *d->needed) return err_set(e, GANTRY_E_IO, "it needs more than %u libraries", d->n_needed);
        d->needed[d->n_needed++] = x.d_un.d_val;
        break;
#ifdef DT_RELR
      case DT_RELR: d->relr = x.d_un.d_ptr; break;
      case DT_RELRSZ: d->relrsz = x.d_un.d_val; break;
#endif
      default: break;
    }
  }
  return GANTRY_OK;
}

static gantry_status relocate_word(const elf_image *im, uint64_t where, uint64_t addend, err *e) {
  unsigned char *w = at(im, where, 8);
  if (!w || addend > im->span) return err_set(e, GANTRY_E_IO, "a relocation points outside the file");
  uint64_t x = (uint64_t)(uintptr_t)im->mem + addend;
  memcpy(w, &x, 8);
  return GANTRY_OK;
}

#if defined(__x86_64__)
enum { MACHINE = EM_X86_64, RELATIVE = R_X86_64_RELATIVE, IRELATIVE = R_X86_64_IRELATIVE, ABSOLUTE = R_X86_64_64 };
#else
enum { MACHINE = EM_AARCH64, RELATIVE = R_AARCH64_RELATIVE, IRELATIVE = R_AARCH64_IRELATIVE, ABSOLUTE = R_AARCH64_ABS64 };
#endif

static gantry_status relocate(const elf_image *im, const dynamic *d, uint64_t *runs_code, err *e) {
  for (uint64_t k = 0; k < d->relasz / sizeof(Elf64_Rela); k++) {
    Elf64_Rela r;
    if (!GET(im, d->rela + k * sizeof r, Elf64_Rela, &r)) return err_set(e, GANTRY_E_IO, "its relocations lie outside the file");
    uint32_t type = (uint32_t)ELF64_R_TYPE(r.r_info);
    if (type == RELATIVE) TRY(relocate_word(im, r.r_offset, (uint64_t)r.r_addend, e));
    if (type == IRELATIVE) *runs_code = 1;
    if (type != ABSOLUTE) continue; /* a pointer to a symbol that others might replace; here the file's own */
    Elf64_Sym s;
    if (!GET(im, d->sym + ELF64_R_SYM(r.r_info) * sizeof s, Elf64_Sym, &s)) return err_set(e, GANTRY_E_IO, "a relocation names no symbol");
    if (s.st_shndx != SHN_UNDEF) TRY(relocate_word(im, r.r_offset, s.st_value + (uint64_t)r.r_addend, e));
  }
  uint64_t next = 0;
  for (uint64_t k = 0; k < d->relrsz / 8; k++) { /* packed relative relocations: an address, then bitmaps of the 63 words after it */
    uint64_t x, old;
    if (!GET(im, d->relr + k * 8, uint64_t, &x)) return err_set(e, GANTRY_E_IO, "its relocations lie outside the file");
    for (int bit = 0; bit < (x & 1 ? 63 : 1); bit++) {
      if ((x & 1) && !(x >> (bit + 1) & 1)) continue;
      uint64_t where = x & 1 ? next + 8 * (uint64_t)bit : x;
      if (!GET(im, where, uint64_t, &old)) return err_set(e, GANTRY_E_IO, "a relocation points outside the file");
      TRY(relocate_word(im, where, old, e));
    }
    next = x & 1 ? next + 63 * 8 : x + 8;
  }
  return GANTRY_OK;
}

/* Number of dynamic symbols: from the classic hash table, or by walking the GNU one, which covers the exported symbols only. */
static uint64_t symbol_count(const elf_image *im, const dynamic *d) {
  uint32_t h[4];
  if (d->hash && at(im, d->hash, 8)) {
    memcpy(h, at(im, d->hash, 8), 8);
    return h[1];
  }
  if (!d->gnu_hash || !at(im, d->gnu_hash, 16)) return d->str > d->sym ? (d->str - d->sym) / sizeof(Elf64_Sym) : 0;
  memcpy(h, at(im, d->gnu_hash, 16), 16);
  uint64_t buckets = d->gnu_hash + 16 + (uint64_t)h[2] * 8, chains = buckets + (uint64_t)h[0] * 4, last = 0;
  for (uint32_t b = 0; b < h[0]; b++) {
    uint32_t s;
    if (!GET(im, buckets + 4 * (uint64_t)b, uint32_t, &s)) return 0;
    if (s > last) last = s;
  }
  if (last < h[1]) return h[1];
  for (uint32_t chain;; last++) {
    if (!GET(im, chains + 4 * (last - h[1]), uint32_t, &chain)) return 0;
    if (chain & 1) return last + 1;
  }
}

static gantry_status read_symbols(elf_image *im, const dynamic *d, arena *a, err *e) {
  uint64_t n = symbol_count(im, d), ni = 0, ne = 0;
  if (n > im->span / sizeof(Elf64_Sym) || !at(im, d->str, d->strsz)) return err_set(e, GANTRY_E_IO, "its symbol table lies outside the file");
  const char **imports = ARENA_ARRAY(a, const char *, n + 1), **exports = ARENA_ARRAY(a, const char *, n + 1);
  for (uint64_t k = 1; k < n; k++) {
    Elf64_Sym s;
    if (!GET(im, d->sym + k * sizeof s, Elf64_Sym, &s)) return err_set(e, GANTRY_E_IO, "its symbol table lies outside the file");
    const char *name = s.st_name < d->strsz ? at(im, d->str + s.st_name, 1) : NULL;
    if (!name || !elf_string(im, name, 4096)) return err_set(e, GANTRY_E_IO, "a symbol name lies outside the file");
    unsigned type = ELF64_ST_TYPE(s.st_info), bind = ELF64_ST_BIND(s.st_info);
    if (type == STT_SECTION || type == STT_FILE || bind == STB_LOCAL || !*name) continue;
    if (s.st_shndx == SHN_UNDEF) {
      imports[ni++] = name;
      continue;
    }
    exports[ne++] = name;
    if (type == STT_GNU_IFUNC) im->has_constructors = 1; /* its resolver runs while the file is loaded */
    if (!strcmp(name, GANTRY_PLUGIN_SYMBOL)) {
      im->desc = at(im, s.st_value, 8);
      if (!im->desc || (uintptr_t)im->desc % 8 || !at(im, s.st_value, im->desc->struct_size))
        return err_set(e, GANTRY_E_IO, "its descriptor lies outside the file");
    }
  }
  im->imports = imports;
  im->exports = exports;
  return GANTRY_OK;
}

static gantry_status read_needed(elf_image *im, const dynamic *d, arena *a, err *e) {
  const char **names = ARENA_ARRAY(a, const char *, d->n_needed + 1);
  for (uint32_t k = 0; k < d->n_needed; k++) {
    names[k] = d->needed[k] < d->strsz ? at(im, d->str + d->needed[k], 1) : NULL;
    if (!names[k] || !elf_string(im, names[k], 4096)) return err_set(e, GANTRY_E_IO, "a library's name lies outside the file");
  }
  im->needed = names;
  return GANTRY_OK;
}

/* Names of the sections behind the read-only part, with the objects in them, as far as the file has names; for messages alone. */
static const char *name_writable(const unsigned char *f, size_t n, uint64_t relro_end, arena *a) {
  Elf64_Ehdr h;
  Elf64_Shdr s, names, symbols, strings;
  buf b = {0};
  memcpy(&h, f, sizeof h);
#define SECTION(k, out) ((k) < h.e_shnum && h.e_shoff <= n && ((uint64_t)(k) + 1) * sizeof(Elf64_Shdr) <= n - h.e_shoff ? (memcpy((out), f + h.e_shoff + (size_t)(k) * sizeof(Elf64_Shdr), sizeof(Elf64_Shdr)), 1) : 0)
#define WITHIN(x) ((x).sh_type != SHT_NOBITS && (x).sh_offset <= n && (x).sh_size <= n - (x).sh_offset && (x).sh_size && !f[(x).sh_offset + (x).sh_size - 1])
  if (h.e_shentsize != sizeof s || !SECTION(h.e_shstrndx, &names) || !WITHIN(names)) return "";
  for (uint32_t k = 0; k < h.e_shnum && SECTION(k, &s); k++) {
    int thread_local_data = (s.sh_flags & SHF_TLS) != 0;
    if (!(s.sh_flags & SHF_WRITE) || !(s.sh_flags & SHF_ALLOC) || !s.sh_size || (s.sh_addr + s.sh_size <= relro_end && !thread_local_data) || s.sh_name >= names.sh_size) continue;
    buf_printf(&b, "%s%s", b.n ? ", " : "", (const char *)f + names.sh_offset + s.sh_name);
    uint32_t listed = 0;
    for (uint32_t t = 0; t < h.e_shnum && SECTION(t, &symbols); t++) {
      if (symbols.sh_type != SHT_SYMTAB || symbols.sh_offset > n || symbols.sh_size > n - symbols.sh_offset || !SECTION(symbols.sh_link, &strings) || !WITHIN(strings)) continue;
      for (uint64_t j = 0; j < symbols.sh_size / sizeof(Elf64_Sym) && listed < 4; j++) {
        Elf64_Sym x;
        memcpy(&x, f + symbols.sh_offset + j * sizeof x, sizeof x);
        unsigned type = ELF64_ST_TYPE(x.st_info);
        if (x.st_shndx == k && (type == STT_OBJECT || type == STT_TLS) && x.st_size && x.st_name < strings.sh_size) buf_printf(&b, "%s%.60s", listed++ ? ", " : ": ", (const char *)f + strings.sh_offset + x.st_name);
      }
    }
  }
#undef SECTION
#undef WITHIN
  const char *out = arena_str(a, b.n ? b.p : "");
  buf_free(&b);
  return out;
}

/* Copies the loadable segments to their relative places; notes the dynamic section and what stays writable. */
static gantry_status read_segments(elf_image *im, const unsigned char *f, size_t n, arena *a, uint64_t *dyn, uint64_t *dyn_bytes, err *e) {
  Elf64_Ehdr h;
  memcpy(&h, f, sizeof h);
  if (h.e_phentsize != sizeof(Elf64_Phdr) || h.e_phoff > n || (uint64_t)h.e_phnum * sizeof(Elf64_Phdr) > n - h.e_phoff)
    return err_set(e, GANTRY_E_IO, "its program headers lie outside the file");
  uint64_t span = 0, write_end = 0, relro_end = 0, thread_local_bytes = 0;
  for (int pass = 0; pass < 2; pass++) {
    for (int k = 0; k < h.e_phnum; k++) {
      Elf64_Phdr p;
      memcpy(&p, f + h.e_phoff + (size_t)k * sizeof p, sizeof p);
      if (p.p_type == PT_DYNAMIC) *dyn = p.p_vaddr, *dyn_bytes = p.p_filesz;
      if (p.p_type == PT_GNU_RELRO) relro_end = p.p_vaddr + p.p_memsz;
      if (p.p_type == PT_GNU_STACK) im->executable_stack = (p.p_flags & PF_X) != 0;
      if (p.p_type == PT_TLS && !pass) thread_local_bytes += p.p_memsz;
      if (p.p_type != PT_LOAD) continue;
      uint64_t end = p.p_vaddr + p.p_memsz;
      if (end < p.p_vaddr || end > SPAN_MAX || p.p_offset > n || p.p_filesz > n - p.p_offset || p.p_filesz > p.p_memsz)
        return err_set(e, GANTRY_E_IO, "a segment lies outside the file: it is truncated or damaged");
      if (end > span) span = end;
      if ((p.p_flags & PF_W) && end > write_end) write_end = end;
      if (pass) memcpy((unsigned char *)im->mem + p.p_vaddr, f + p.p_offset, p.p_filesz);
    }
    if (!pass) {
      im->span = span;
      im->mem = arena_alloc(a, span ? span : 1);
    }
  }
  im->writable = name_writable(f, n, relro_end, a);
  im->writable_bytes = (write_end > relro_end ? write_end - relro_end : 0) + thread_local_bytes;
  return GANTRY_OK;
}

gantry_status elf_read(const char *path, arena *a, elf_image *out, err *e) {
  buf file = {0};
  *out = (elf_image){0};
  gantry_status st = file_read(path, &file, FILE_MAX, e);
  if (st) goto done;
  const unsigned char *f = (const unsigned char *)file.p;
  if (file.n < sizeof(Elf64_Ehdr) || memcmp(f, ELFMAG, SELFMAG) || f[EI_CLASS] != ELFCLASS64 || f[EI_DATA] != ELFDATA2LSB) {
    st = err_set(e, GANTRY_E_IO, "not a 64-bit shared object");
    goto done;
  }
  Elf64_Ehdr h;
  memcpy(&h, f, sizeof h);
  if (h.e_type != ET_DYN || h.e_machine != MACHINE) {
    st = err_set(e, GANTRY_E_IO, h.e_type != ET_DYN ? "not a shared object: link it with -shared" : "built for another processor");
    goto done;
  }
  uint64_t dyn = 0, dyn_bytes = 0;
  dynamic d = {0};
  if ((st = read_segments(out, f, file.n, a, &dyn, &dyn_bytes, e)) || (st = read_dynamic(out, dyn, dyn_bytes, &d, e)) || (st = relocate(out, &d, &d.runs_code, e))) goto done;
  if (!(st = read_symbols(out, &d, a, e))) st = read_needed(out, &d, a, e);
  out->has_constructors |= d.runs_code != 0;
  out->text_relocations = d.textrel != 0;
done:
  buf_free(&file);
  return st;
}
