/* sha_blocks.h - inside base: SHA-256 of whole blocks by the processor's own instructions. */
#ifndef BASE_SHA_BLOCKS_H
#define BASE_SHA_BLOCKS_H
#include <stddef.h>
#include <stdint.h>
/* Takes blocks of 64 bytes into the state a..h and returns how many: all of them, or 0 where the processor has no such instructions. */
size_t sha_blocks(uint32_t state[8], const unsigned char *p, size_t blocks);
#endif
