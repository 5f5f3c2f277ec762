/* ARGMAX: a thread per result; x is [OUTER, N, INNER]. NaN counts as larger than every number, of equals the first wins. at: x, out */
K_THREADS
const long long t = block * K_BLOCK + tid;
if (t < OUTER * INNER) {
  const T *x = (const T *)at[0] + t / INNER * N * INNER + t % INNER;
  T top = x[0];
  long long best = 0;
  for (long long k = 1; k < N; k++) {
    const T v = x[k * INNER];
    if (v != v ? top == top : top < v) {
      best = k;
      top = v;
    }
  }
  ((int32_t *)at[1])[t] = (int32_t)best;
}
K_DONE
