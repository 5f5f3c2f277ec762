/* test_hash.c - SHA-256 is what another library says, whatever the pieces it comes in. */
#include <sha2.h>

#include "base/hash.h"
#include "t.h"

static unsigned char bytes[5000];

static void fill(void) {
  for (size_t k = 0; k < sizeof bytes; k++) bytes[k] = (unsigned char)(hash_mix(k, 3) >> 17);
}

static void test_hash__pieces(void) {
  char want[SHA256_DIGEST_STRING_LENGTH], got[65];
  fill();
  for (size_t n = 0; n < 700; n++) {
    sha *s = sha_new();
    SHA256Data(bytes, n, want);
    for (size_t at = 0, piece = 0; at < n; at += piece) { /* 1, 8, 27, 64, 125 ... bytes: on and across blocks */
      size_t j = at % 7 + 1;
      piece = j * j * j < n - at ? j * j * j : n - at;
      sha_put(s, bytes + at, piece);
    }
    sha_end(s, got);
    T_CHECK(!strcmp(want, got));
  }
  for (size_t n = 700; n <= sizeof bytes; n += 43) { /* in one piece, from every alignment */
    size_t from = n % 64;
    SHA256Data(bytes + from, n - from, want);
    sha_hex(bytes + from, n - from, got);
    T_CHECK(!strcmp(want, got));
  }
}

static void test_hash__known(void) { /* FIPS 180-4's examples */
  char got[65];
  sha_hex("abc", 3, got);
  T_CHECK(!strcmp(got, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
  sha_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, got);
  T_CHECK(!strcmp(got, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"));
}

T_MAIN(T(test_hash__pieces), T(test_hash__known))
