/* conv_few_body.h - the loops of conv_few.c for one instruction set: VECTOR of WIDTH floats, NAME(x), TARGET and the operations on vectors are defined by
 * whoever includes it. Every number is one chain of fused multiply-adds along k, so all instruction sets give the same bits. */

/* P rows and V vectors of columns of c [+]= a b, where a's element (p, i) is a[p row + i step] and b's rows lie ldb apart. */
static inline TARGET __attribute__((always_inline)) void NAME(block)(const int P, const int V, int64_t k, const float *a, int64_t row, int64_t step, const float *b, int64_t ldb, float *c, int64_t ldc, int add) {
  VECTOR acc[8][4], now[4];
  _Pragma("GCC unroll 8") for (int p = 0; p < P; p++)
    _Pragma("GCC unroll 4") for (int v = 0; v < V; v++) acc[p][v] = add ? LOAD(c + p * ldc + v * WIDTH) : ZERO;
  for (int64_t i = 0; i < k; i++) {
    _Pragma("GCC unroll 4") for (int v = 0; v < V; v++) now[v] = LOAD(b + i * ldb + v * WIDTH);
    _Pragma("GCC unroll 8") for (int p = 0; p < P; p++) {
      VECTOR x = SPREAD(a[p * row + i * step]);
      _Pragma("GCC unroll 4") for (int v = 0; v < V; v++) acc[p][v] = FMA(x, now[v], acc[p][v]);
    }
  }
  _Pragma("GCC unroll 8") for (int p = 0; p < P; p++)
    _Pragma("GCC unroll 4") for (int v = 0; v < V; v++) STORE(c + p * ldc + v * WIDTH, acc[p][v]);
}

#define ROWS(P, V)                                                                                                               \
  for (; m >= P; m -= P, a += P * row, d += P * ldc) NAME(block)(P, V, k, a, row, step, b, ldc, d, ldc, add);                    \
  for (; m >= 4; m -= 4, a += 4 * row, d += 4 * ldc) NAME(block)(4, V, k, a, row, step, b, ldc, d, ldc, add);                    \
  for (; m > 0; m--, a += row, d += ldc) NAME(block)(1, V, k, a, row, step, b, ldc, d, ldc, add)
static TARGET void NAME(rows)(int V, int64_t m, int64_t k, const float *a, int64_t row, int64_t step, const float *b, float *d, int64_t ldc, int add) {
  switch (V) {
    case 1: ROWS(8, 1); return;
#if WIDTH == 16
    case 2: ROWS(8, 2); return;
    case 3: ROWS(8, 3); return;
    case 4: ROWS(4, 4); return;
#else
    case 2: ROWS(4, 2); return;
#endif
  }
}
#undef ROWS

/* c [m][cols] [+]= a [m][k] b [k][cols]; cols is a multiple of 16. */
static TARGET void NAME(product)(int64_t m, int64_t k, int64_t cols, const float *a, int64_t row, int64_t step, const float *b, float *c, int add) {
  for (int64_t at = 0; at < cols;) {
    int64_t left = (cols - at) / WIDTH, V = left < MOST_VECTORS ? left : MOST_VECTORS;
    NAME(rows)((int)V, m, k, a, row, step, b + at, c + at, cols, add);
    at += V * WIDTH;
  }
}

/* to[i steps of `stride`][run] += from[i steps of cols][run], i < n. What is stored is whole vectors, with zeros added behind the run; they are taken in turns, so
 * that none waits for what its neighbour has just stored. */
static TARGET void NAME(overlap)(float *to, int64_t stride, const float *from, int64_t cols, int64_t n, int64_t run) {
  int64_t span = run == 4 ? 4 : (run + WIDTH - 1) / WIDTH * WIDTH, turns = (span + stride - 1) / stride;
  MASK last = MASK_OF(run - (span - WIDTH));
  for (int64_t t = 0; t < turns; t++)
    for (int64_t i = t; i < n; i += turns) {
      float *d = to + i * stride;
      const float *s = from + i * cols;
      if (run == 4) {
        _mm_storeu_ps(d, _mm_add_ps(_mm_loadu_ps(d), _mm_loadu_ps(s)));
        continue;
      }
      for (int64_t r = 0; r < span - WIDTH; r += WIDTH) STORE(d + r, ADD(LOAD(d + r), LOAD(s + r)));
      d += span - WIDTH;
      STORE(d, ADD(LOAD(d), LOAD_FIRST(s + span - WIDTH, last)));
    }
}
