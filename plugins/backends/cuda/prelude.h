/* prelude.h - the language that kernels are written in: CUDA C for NVRTC, and C11 for tests without a GPU, out of one text. Carried inside the
 * plugin as text (with scalar.h, elementwise.h and philox.h around it, put together by the Makefile), never compiled into it.
 *
 *   K_BEGIN(name, n) .. K_END(name, n)  a kernel of n pointers at[0..n-1]; `block` counts its blocks of K_BLOCK threads
 *   K_THREADS .. K_SYNC | K_DONE        what each thread does, `tid` of it; K_SYNC ends with a barrier. There is no other barrier, and no return
 *   K_OWN(T, x), K_MINE(x)              a thread's variable that outlives a section
 *   K_SHARED                            in front of a block's variable
 *   K_ADD(p, v)                         adds to a 64-bit integer in any order: sums of integers have one result. There is none for floats
 *
 * As C a section is a loop over the threads of a block and a kernel a loop over blocks: what one thread of a block writes another must
 * not read before the next section. */
#ifdef __CUDACC_RTC__
#define K_BEGIN(NAME, N)                                                                                        \
  struct NAME##_in { char *at[N]; };                                                                            \
  extern "C" __global__ void __launch_bounds__(K_BLOCK) NAME(const __grid_constant__ NAME##_in k_in) {          \
    char *const *const at = k_in.at;                                                                            \
    const long long block = (long long)blockIdx.x;
#define K_END(NAME, N) }
#define K_SHARED __shared__
#define K_THREADS { const int tid = (int)threadIdx.x;
#define K_SYNC } __syncthreads();
#define K_DONE }
#define K_OWN(T, X) T X
#define K_MINE(X) X
#define K_ADD(P, V) atomicAdd((unsigned long long *)(P), (unsigned long long)(V))
#define K_UNROLL _Pragma("unroll")
#define K_ALIGNED __align__(16)
#else
#define K_BEGIN(NAME, N) static void NAME##_block(const long long block, char *const *const at) {
#define K_END(NAME, N)                                                                                          \
  }                                                                                                             \
  __attribute__((visibility("default"))) const int NAME##_in = N;                                               \
  __attribute__((visibility("default"))) void NAME(long long k_blocks, char *const *k_at) {                     \
    for (long long k_b = 0; k_b < k_blocks; k_b++) NAME##_block(k_b, k_at);                                     \
  }
#define K_SHARED
#define K_THREADS for (int tid = 0; tid < K_BLOCK; tid++) {
#define K_SYNC }
#define K_DONE }
#define K_OWN(T, X) T X[K_BLOCK]
#define K_MINE(X) X[tid]
#define K_ADD(P, V) (*(unsigned long long *)(P) += (unsigned long long)(V))
#define K_UNROLL
#define K_ALIGNED __attribute__((aligned(16)))
#endif
#define K_BLOCK 256

/* Four elements at once; 16 bytes are the most that one instruction moves. */
#define K_FOUR(T, X) typedef struct K_ALIGNED k_four_##X { T x[4]; } k_four_##X;
#define K_FOUR_SMALL(T, W, X) typedef union k_four_##X { T x[4]; W all; } k_four_##X;
K_FOUR(float, f32)
K_FOUR(double, f64)
K_FOUR(int32_t, i32)
K_FOUR(int64_t, i64)
K_FOUR(uint32_t, u32)
K_FOUR_SMALL(uint16_t, uint64_t, b16)
K_FOUR_SMALL(uint8_t, uint32_t, u8)
typedef struct K_ALIGNED k_sixteen { uint32_t x[4]; } k_sixteen;

/* Elements of a contraction: f32, f64, or the bits of bf16, which is the only thing here that 16 bits are. */
GK_FN double k_wide_f32(float x) { return (double)x; }
GK_FN double k_wide_f64(double x) { return x; }
GK_FN double k_wide_b16(uint16_t x) { return (double)gk_from_bf16(x); }
GK_FN void k_put_f32(float *to, double x) { *to = (float)x; }
GK_FN void k_put_f64(double *to, double x) { *to = x; }
GK_FN void k_put_b16(uint16_t *to, double x) { *to = gk_to_bf16((float)x); }
#ifdef __CUDACC_RTC__
GK_FN double k_wide(float x) { return k_wide_f32(x); }
GK_FN double k_wide(double x) { return k_wide_f64(x); }
GK_FN double k_wide(uint16_t x) { return k_wide_b16(x); }
GK_FN void k_put(float *to, double x) { k_put_f32(to, x); }
GK_FN void k_put(double *to, double x) { k_put_f64(to, x); }
GK_FN void k_put(uint16_t *to, double x) { k_put_b16(to, x); }
#else
#define k_wide(X) _Generic((X), float: k_wide_f32, double: k_wide_f64, uint16_t: k_wide_b16)(X)
#define k_put(TO, X) _Generic((TO), float *: k_put_f32, double *: k_put_f64, uint16_t *: k_put_b16)(TO, X)
#endif

/* A variance on the way: count, mean, squared deviations from it; joining two is exact about shifts (Chan, Golub & LeVeque 1979). */
typedef struct k_moments { double n, mean, m2; } k_moments;
GK_FN k_moments k_moments_of(double n, double shift, double sum, double squares) {
  k_moments m;
  m.n = n;
  m.mean = n > 0. ? shift + sum / n : 0.;
  m.m2 = n > 0. ? squares - sum * (sum / n) : 0.;
  return m;
}
GK_FN k_moments k_moments_join(k_moments a, k_moments b) {
  k_moments m;
  double d = b.mean - a.mean;
  if (!(b.n > 0.)) return a;
  if (!(a.n > 0.)) return b;
  m.n = a.n + b.n;
  m.mean = a.mean + d * (b.n / m.n);
  m.m2 = a.m2 + b.m2 + d * d * (a.n * b.n / m.n);
  return m;
}
