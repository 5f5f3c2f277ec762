/* prelude.h - what generated C begins with: the types, then (put in front by the Makefile) scalar.h and elementwise.h, then reducers into eight
 * lanes. Never compiled into the plugin itself: it is carried as text. */
/* Between loops that hand values on in buffers: gcc 12 at -O3, with -fno-trapping-math, mixes up such loops where the first one has a condition. */
#define K_FENCE __asm__ volatile("" ::: "memory");
typedef double k_v8d __attribute__((vector_size(64), aligned(8), may_alias));
typedef float k_v8f __attribute__((vector_size(32), aligned(4), may_alias));

/* Adds n elements to their lanes; the first is element j of the reduced space. */
#define K_LANES(WHOLE, STEP)                                                               \
  int64_t i = 0, lane = j % 8;                                                                     \
  for (; i < n && lane && lane < 8; i++, lane++) { STEP; }                                         \
  WHOLE                                                                                            \
  for (lane = 0; i < n; i++, lane++) { STEP; }
#define K_SUM_FLOAT(X, T, V)                                                                       \
  static inline void k_sum_##X(double *a, const T *x, int64_t n, int64_t j) {                      \
    K_LANES(k_v8d s = *(k_v8d *)a;                                                               \
            for (; i + 8 <= n; i += 8) s += __builtin_convertvector(*(const V *)(x + i), k_v8d);   \
            *(k_v8d *)a = s;, a[lane] += (double)x[i])                                             \
  }                                                                                                \
  static inline void k_var_##X(double *a, double *q, const T *x, int64_t n, int64_t j, double h) { \
    K_LANES(k_v8d s = *(k_v8d *)a; k_v8d p = *(k_v8d *)q; k_v8d k = h - (k_v8d){0};        \
            for (; i + 8 <= n; i += 8) {                                                           \
              k_v8d u = __builtin_convertvector(*(const V *)(x + i), k_v8d) - k;                   \
              s += u;                                                                              \
              p += u * u;                                                                          \
            }                                                                                      \
            *(k_v8d *)a = s; *(k_v8d *)q = p;, double u = (double)x[i] - h; a[lane] += u; q[lane] += u * u) \
  }
K_SUM_FLOAT(f32, float, k_v8f)
K_SUM_FLOAT(f64, double, k_v8d)
#define K_PLAIN(NAME, T, A, JOIN)                                                                  \
  static inline void k_##NAME(A *a, const T *x, int64_t n, int64_t j) {                            \
    K_LANES(for (; i + 8 <= n; i += 8) for (int l = 0; l < 8; l++) a[l] = JOIN(a[l], (A)x[i + l]);, a[lane] = JOIN(a[lane], (A)x[i])) \
  }
K_PLAIN(max_f32, float, double, e_join_max_f)
K_PLAIN(max_f64, double, double, e_join_max_f)
#define K_INTEGER(X, T) K_PLAIN(sum_##X, T, uint64_t, e_join_sum_i) K_PLAIN(max_##X, T, uint64_t, e_join_max_i)
K_INTEGER(i32, int32_t)
K_INTEGER(i64, int64_t)
K_INTEGER(u32, uint32_t)
K_INTEGER(u8, uint8_t)
