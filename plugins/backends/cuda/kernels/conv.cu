/* CONV where cuDNN does not do it: a thread per element of the result, sums in f64. N, C, O, G, X[3], Y[3], KS[3], STRIDE[3], LO[3], DIL[3];
 * at: x, w, out */
K_THREADS
const long long t = block * K_BLOCK + tid;
if (t < N * Y[0] * Y[1] * Y[2] * O) {
  const long long o = t % O, y2 = t / O % Y[2], y1 = t / O / Y[2] % Y[1], y0 = t / O / Y[2] / Y[1] % Y[0], n = t / O / Y[2] / Y[1] / Y[0];
  const long long each = C / G, first = o / (O / G) * each;
  double sum = 0;
  for (long long k0 = 0; k0 < KS[0]; k0++)
    for (long long k1 = 0; k1 < KS[1]; k1++)
      for (long long k2 = 0; k2 < KS[2]; k2++) {
        const long long i0 = y0 * STRIDE[0] + k0 * DIL[0] - LO[0], i1 = y1 * STRIDE[1] + k1 * DIL[1] - LO[1], i2 = y2 * STRIDE[2] + k2 * DIL[2] - LO[2];
        if (i0 >= 0 && i0 < X[0] && i1 >= 0 && i1 < X[1] && i2 >= 0 && i2 < X[2]) {
          const T *x = (const T *)at[0] + (((n * X[0] + i0) * X[1] + i1) * X[2] + i2) * C + first;
          const T *w = (const T *)at[1] + (((o * KS[0] + k0) * KS[1] + k1) * KS[2] + k2) * each;
          for (long long c = 0; c < each; c++) sum += k_wide(x[c]) * k_wide(w[c]);
        }
      }
  k_put((T *)at[2] + t, sum);
}
K_DONE
