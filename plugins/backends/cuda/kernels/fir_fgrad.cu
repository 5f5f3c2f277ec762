/* FIR_FGRAD: a block per tap, lanes over images, pixels and channels, sums in f64, joined by one tree. at: x, g, out */
K_SHARED double lane[K_BLOCK];
K_THREADS
const long long k2 = block % KS[2], k1 = block / KS[2] % KS[1], k0 = block / KS[2] / KS[1], all = N * Y[0] * Y[1] * Y[2] * C;
double sum = 0;
for (long long t = tid; t < all; t += K_BLOCK) {
  const long long c = t % C, y2 = t / C % Y[2], y1 = t / C / Y[2] % Y[1], y0 = t / C / Y[2] / Y[1] % Y[0], n = t / C / Y[2] / Y[1] / Y[0];
  const long long i0 = y0 * DOWN[0] + k0 - LO[0], i1 = y1 * DOWN[1] + k1 - LO[1], i2 = y2 * DOWN[2] + k2 - LO[2];
  if (i0 >= 0 && i1 >= 0 && i2 >= 0 && i0 % UP[0] == 0 && i1 % UP[1] == 0 && i2 % UP[2] == 0 && i0 / UP[0] < X[0] && i1 / UP[1] < X[1] && i2 / UP[2] < X[2])
    sum += (double)((const T *)at[0])[(((n * X[0] + i0 / UP[0]) * X[1] + i1 / UP[1]) * X[2] + i2 / UP[2]) * C + c] * (double)((const T *)at[1])[t];
}
lane[tid] = sum;
K_SYNC
for (int half = K_BLOCK / 2; half; half /= 2) {
  K_THREADS
  if (tid < half) lane[tid] += lane[tid + half];
  K_SYNC
}
K_THREADS
const long long taps = KS[0] * KS[1] * KS[2];
if (tid == 0) ((T *)at[2])[FLIP ? taps - 1 - block : block] = (T)lane[0];
K_DONE
