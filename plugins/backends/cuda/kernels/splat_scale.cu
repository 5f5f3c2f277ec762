/* GRID_SPLAT, first of three: clears the sums of a sample and finds the power of two that makes its values integers of 64 bits whose sum cannot
 * overflow. A block per sample; at: q, grid, out, sums i64 [N, pixels, C] and behind them scale f64 [N] */
K_SHARED double lane[K_BLOCK];
K_THREADS
const long long pixels = X[0] * X[1] * X[2];
double most = 0;
for (long long t = tid; t < pixels * C; t += K_BLOCK) ((long long *)at[3])[block * pixels * C + t] = 0;
for (long long t = tid; t < POINTS * C; t += K_BLOCK) most = gk_maxd(most, gk_absd((double)((const T *)at[0])[block * POINTS * C + t]));
lane[tid] = most;
K_SYNC
for (int half = K_BLOCK / 2; half; half /= 2) {
  K_THREADS
  if (tid < half) lane[tid] = gk_maxd(lane[tid], lane[tid + half]);
  K_SYNC
}
K_THREADS
if (tid == 0) {
  const double most = lane[0];
  double room = 4611686018427387904. / (double)(POINTS << S), scale = 1; /* 2^62 shared by every corner */
  if (most - most == 0. && most > 0.) {
    while (scale * most > room && scale > 1e-300) scale *= 0.5;
    while (scale * most * 2. <= room && scale < 1e300) scale *= 2.;
  }
  ((double *)at[3])[N * X[0] * X[1] * X[2] * C + block] = most - most == 0. ? scale : GK_NAND;
}
K_DONE
