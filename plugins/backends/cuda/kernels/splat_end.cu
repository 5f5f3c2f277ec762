/* GRID_SPLAT, third of three: integers become values again. A sample with a value that is not finite is NaN everywhere. */
K_THREADS
const long long t = block * K_BLOCK + tid, each = X[0] * X[1] * X[2] * C;
if (t < N * each) {
  const double scale = ((const double *)at[3])[N * each + t / each];
  ((T *)at[2])[t] = (T)(scale == scale ? (double)((const long long *)at[3])[t] / scale : GK_NAND);
}
K_DONE
