/* validate.h - the rules a plugin file must keep before it is listed as usable. The file is read as data (elf.h); none of its code runs. */
#ifndef ABI_VALIDATE_H
#define ABI_VALIDATE_H
#include "abi/elf.h"

/* Every rule below, in order. The error is the refusal's text. */
gantry_status validate_plugin(const elf_image *im, err *e);

/* One by one, for `gantry plugins check`. All but the first want a descriptor that validate_descriptor accepted. */
gantry_status validate_descriptor(const elf_image *im, err *e); /* ABI, kind, names and texts */
gantry_status validate_params(const elf_image *im, err *e);
gantry_status validate_interface(const elf_image *im, err *e);  /* validate_interface.c: the kind's table, required slots set */

enum { VALIDATE_EXPORTS, VALIDATE_IMPORTS, VALIDATE_LIBRARIES, VALIDATE_CODE_AT_LOAD, VALIDATE_WRITABLE, VALIDATE_SEGMENTS, VALIDATE_ELF_RULES };
/* Whether the ELF rules bind this file: pure kinds, in a host built without sanitizers, which add imports, constructors and data of their own. */
int validate_elf_binds(const elf_image *im);
gantry_status validate_elf(const elf_image *im, int rule, err *e);

/* Texts and lists inside the image. */
enum { VALIDATE_TEXT_MAX = 4000, VALIDATE_COUNT_MAX = 1000 };
int validate_list(const elf_image *im, const char *const *list); /* NULL-terminated texts, or NULL */
#endif
