/* hash.c - see hash.h. */
#include "base/hash.h"

#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* The finalizer of SplitMix64 (Steele, Lea & Flood 2014). */
static uint64_t scramble(uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9u;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

uint64_t hash_mix(uint64_t a, uint64_t b) { return scramble(a * 0x9e3779b97f4a7c15u + scramble(b + 0x632be59bd9b4e019u)); }

uint64_t hash_bytes(const void *p, size_t n, uint64_t seed) {
  const unsigned char *s = p;
  uint64_t h = hash_mix(seed, n);
  for (; n >= 8; s += 8, n -= 8) {
    uint64_t w = 0;
    for (int i = 0; i < 8; i++) w |= (uint64_t)s[i] << (8 * i);
    h = hash_mix(h, w);
  }
  uint64_t w = 0;
  for (size_t i = 0; i < n; i++) w |= (uint64_t)s[i] << (8 * i);
  return hash_mix(h, w);
}

uint64_t hash_str(const char *s, uint64_t seed) { return hash_bytes(s, strlen(s), seed); }

struct sha {
  struct sha256_ctx ctx;
};

sha *sha_new(void) {
  sha *s = mem_alloc(sizeof *s);
  sha256_init(&s->ctx);
  return s;
}

void sha_put(sha *s, const void *p, size_t n) { sha256_update(&s->ctx, n, p); }

void sha_end(sha *s, char hex[65]) {
  unsigned char d[SHA256_DIGEST_SIZE];
  sha256_digest(&s->ctx, sizeof d, d);
  free(s);
  for (int i = 0; i < 32; i++) {
    hex[2 * i] = "0123456789abcdef"[d[i] >> 4];
    hex[2 * i + 1] = "0123456789abcdef"[d[i] & 15];
  }
  hex[64] = 0;
}

void sha_hex(const void *p, size_t n, char hex[65]) {
  sha *s = sha_new();
  sha_put(s, p, n);
  sha_end(s, hex);
}
