/* CONV_DGRAD where cuDNN does not do it: a thread per element of the image; at: g, w, out */
K_THREADS
const long long t = block * K_BLOCK + tid;
if (t < N * X[0] * X[1] * X[2] * C) {
  const long long c = t % C, x2 = t / C % X[2], x1 = t / C / X[2] % X[1], x0 = t / C / X[2] / X[1] % X[0], n = t / C / X[2] / X[1] / X[0];
  const long long each = C / G, outs = O / G, first = c / each * outs;
  double sum = 0;
  for (long long k0 = 0; k0 < KS[0]; k0++)
    for (long long k1 = 0; k1 < KS[1]; k1++)
      for (long long k2 = 0; k2 < KS[2]; k2++) {
        const long long i0 = x0 + LO[0] - k0 * DIL[0], i1 = x1 + LO[1] - k1 * DIL[1], i2 = x2 + LO[2] - k2 * DIL[2];
        if (i0 >= 0 && i1 >= 0 && i2 >= 0 && i0 % STRIDE[0] == 0 && i1 % STRIDE[1] == 0 && i2 % STRIDE[2] == 0 && i0 / STRIDE[0] < Y[0] && i1 / STRIDE[1] < Y[1] && i2 / STRIDE[2] < Y[2]) {
          const T *g = (const T *)at[0] + (((n * Y[0] + i0 / STRIDE[0]) * Y[1] + i1 / STRIDE[1]) * Y[2] + i2 / STRIDE[2]) * O + first;
          const T *w = (const T *)at[1] + (((first * KS[0] + k0) * KS[1] + k1) * KS[2] + k2) * each + c % each;
          for (long long o = 0; o < outs; o++) sum += k_wide(g[o]) * k_wide(w[o * KS[0] * KS[1] * KS[2] * each]);
        }
      }
  k_put((T *)at[2] + t, sum);
}
K_DONE
