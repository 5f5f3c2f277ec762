/* validate.h - the rules a plugin file must keep before it is listed as usable. */
#ifndef ABI_VALIDATE_H
#define ABI_VALIDATE_H
#include "abi/elf.h"

/* Checks ABI version, descriptor, parameter table and the ELF rules of the kind. The error is the refusal's text. */
gantry_status validate_plugin(const elf_image *im, err *e);
#endif
