/* test_hash.c - SHA-256 is that of FIPS 180-4, whatever the pieces it comes in. */
#include "base/hash.h"
#include "t.h"

static void test_hash__known(void) { /* FIPS 180-4's examples */
  char got[65];
  sha_hex("abc", 3, got);
  T_CHECK(!strcmp(got, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
  sha_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, got);
  T_CHECK(!strcmp(got, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"));
}

static void test_hash__pieces(void) {
  unsigned char bytes[700];
  char want[65], got[65];
  for (size_t k = 0; k < sizeof bytes; k++) bytes[k] = (unsigned char)(hash_mix(k, 3) >> 17);
  for (size_t n = 0; n < sizeof bytes; n++) {
    sha *s = sha_new();
    sha_hex(bytes, n, want);
    for (size_t at = 0, piece = 0; at < n; at += piece) { /* 1, 8, 27, 64, 125 ... bytes: on and across blocks */
      size_t j = at % 7 + 1;
      piece = j * j * j < n - at ? j * j * j : n - at;
      sha_put(s, bytes + at, piece);
    }
    sha_end(s, got);
    T_CHECK(!strcmp(want, got));
  }
}

T_MAIN(T(test_hash__known), T(test_hash__pieces))
