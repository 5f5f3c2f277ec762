/* WIN_ARGMAX: a thread per window and channel. N, C, X[3], Y[3], WINDOW[3], STRIDE[3], LO[3]; at: x, out */
K_THREADS
const long long t = block * K_BLOCK + tid;
if (t < N * Y[0] * Y[1] * Y[2] * C) {
  const long long c = t % C, y2 = t / C % Y[2], y1 = t / C / Y[2] % Y[1], y0 = t / C / Y[2] / Y[1] % Y[0], n = t / C / Y[2] / Y[1] / Y[0];
  const T *x = (const T *)at[0] + n * X[0] * X[1] * X[2] * C + c;
  long long best = -1;
  T top = 0;
  for (long long i = 0; i < WINDOW[0]; i++)
    for (long long j = 0; j < WINDOW[1]; j++)
      for (long long k = 0; k < WINDOW[2]; k++) {
        const long long a = y0 * STRIDE[0] + i - LO[0], b = y1 * STRIDE[1] + j - LO[1], d = y2 * STRIDE[2] + k - LO[2], p = (a * X[1] + b) * X[2] + d;
        if (a >= 0 && a < X[0] && b >= 0 && b < X[1] && d >= 0 && d < X[2]) {
          const T v = x[p * C];
          if (best < 0 || (v != v ? top == top : top < v)) {
            best = p;
            top = v;
          }
        }
      }
  ((int32_t *)at[1])[t] = (int32_t)best;
}
K_DONE
