/* hash.h - fingerprints. SHA-256 names contents and runs (nettle's, which uses the processor's own instructions: five times as fast as plain C, and a data set is read whole at every start); the 64-bit mix names things inside one process. */
#ifndef BASE_HASH_H
#define BASE_HASH_H
#include <stddef.h>
#include <stdint.h>

uint64_t hash_bytes(const void *p, size_t n, uint64_t seed); /* the same on every machine */
uint64_t hash_str(const char *s, uint64_t seed);
uint64_t hash_mix(uint64_t a, uint64_t b);

typedef struct sha sha; /* incremental SHA-256 */
sha *sha_new(void);
void sha_put(sha *s, const void *p, size_t n);
void sha_end(sha *s, char hex[65]); /* frees s */
void sha_hex(const void *p, size_t n, char hex[65]);
#endif
