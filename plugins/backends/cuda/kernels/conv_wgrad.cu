/* CONV_WGRAD where cuDNN does not do it: a block per element of the filter, lanes over images and pixels, joined by one tree; at: x, g, out */
K_SHARED double lane[K_BLOCK];
K_THREADS
const long long each = C / G, c = block % each, k2 = block / each % KS[2], k1 = block / each / KS[2] % KS[1], k0 = block / each / KS[2] / KS[1] % KS[0], o = block / each / KS[2] / KS[1] / KS[0];
const long long from = o / (O / G) * each + c;
double sum = 0;
for (long long t = tid; t < N * Y[0] * Y[1] * Y[2]; t += K_BLOCK) {
  const long long y2 = t % Y[2], y1 = t / Y[2] % Y[1], y0 = t / Y[2] / Y[1] % Y[0], n = t / Y[2] / Y[1] / Y[0];
  const long long i0 = y0 * STRIDE[0] + k0 * DIL[0] - LO[0], i1 = y1 * STRIDE[1] + k1 * DIL[1] - LO[1], i2 = y2 * STRIDE[2] + k2 * DIL[2] - LO[2];
  if (i0 >= 0 && i0 < X[0] && i1 >= 0 && i1 < X[1] && i2 >= 0 && i2 < X[2])
    sum += k_wide(((const T *)at[0])[(((n * X[0] + i0) * X[1] + i1) * X[2] + i2) * C + from]) * k_wide(((const T *)at[1])[t * O + o]);
}
lane[tid] = sum;
K_SYNC
for (int half = K_BLOCK / 2; half; half /= 2) {
  K_THREADS
  if (tid < half) lane[tid] += lane[tid + half];
  K_SYNC
}
K_THREADS
if (tid == 0) k_put((T *)at[2] + block, lane[0]);
K_DONE
