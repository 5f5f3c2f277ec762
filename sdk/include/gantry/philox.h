/* philox.h - Philox4x32-10 (Salmon, Moraes, Dror & Shaw 2011): four random words from a counter and a key, no state.
 *
 * In goes a 128-bit counter and a 64-bit key, out come 128 bits. The same text is compiled as C by the host and the CPU backend and
 * as CUDA C by NVRTC, so random bits are equal everywhere. How GANTRY_OP_RANDOM_BITS uses it:
 *   key = (seed[0], seed[1]); counter = (low 32 bits of STREAM, invocation, index along axis 0, block)
 *   element e of a sample, counted over the remaining axes, is word e % 4 of block e / 4; a scalar has index 0 and element 0. */
#ifndef GANTRY_PHILOX_H
#define GANTRY_PHILOX_H
#ifdef __CUDACC_RTC__
typedef unsigned int uint32_t;
typedef unsigned long long gantry_philox_wide;
#define GANTRY_PHILOX_FN static inline __device__
#else
#include <stdint.h>
typedef uint64_t gantry_philox_wide;
#ifdef __CUDACC__
#define GANTRY_PHILOX_FN static inline __host__ __device__
#else
#define GANTRY_PHILOX_FN static inline
#endif
#endif

GANTRY_PHILOX_FN void gantry_philox4x32(const uint32_t ctr[4], const uint32_t key[2], uint32_t out[4]) {
  uint32_t c0 = ctr[0], c1 = ctr[1], c2 = ctr[2], c3 = ctr[3], k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; round++) {
    gantry_philox_wide p = (gantry_philox_wide)0xD2511F53u * c0, q = (gantry_philox_wide)0xCD9E8D57u * c2;
    uint32_t n0 = (uint32_t)(q >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p >> 32) ^ c3 ^ k1;
    c0 = n0;
    c1 = (uint32_t)q;
    c2 = n2;
    c3 = (uint32_t)p;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}
#endif
