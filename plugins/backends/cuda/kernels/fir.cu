/* FIR: a thread per element of the result; taps in row-major order. N, C, X[3], Y[3], KS[3], UP[3], DOWN[3], LO[3], FLIP; at: x, filter, out */
K_THREADS
const long long t = block * K_BLOCK + tid, taps = KS[0] * KS[1] * KS[2];
if (t < N * Y[0] * Y[1] * Y[2] * C) {
  const long long c = t % C, y2 = t / C % Y[2], y1 = t / C / Y[2] % Y[1], y0 = t / C / Y[2] / Y[1] % Y[0], n = t / C / Y[2] / Y[1] / Y[0];
  T sum = 0;
  for (long long k0 = 0; k0 < KS[0]; k0++)
    for (long long k1 = 0; k1 < KS[1]; k1++)
      for (long long k2 = 0; k2 < KS[2]; k2++) {
        const long long i0 = y0 * DOWN[0] + k0 - LO[0], i1 = y1 * DOWN[1] + k1 - LO[1], i2 = y2 * DOWN[2] + k2 - LO[2];
        if (i0 >= 0 && i1 >= 0 && i2 >= 0 && i0 % UP[0] == 0 && i1 % UP[1] == 0 && i2 % UP[2] == 0 && i0 / UP[0] < X[0] && i1 / UP[1] < X[1] && i2 / UP[2] < X[2]) {
          const long long k = (k0 * KS[1] + k1) * KS[2] + k2, from = ((n * X[0] + i0 / UP[0]) * X[1] + i1 / UP[1]) * X[2] + i2 / UP[2];
          sum += ((const T *)at[0])[from * C + c] * ((const T *)at[1])[FLIP ? taps - 1 - k : k];
        }
      }
  ((T *)at[2])[t] = sum;
}
K_DONE
