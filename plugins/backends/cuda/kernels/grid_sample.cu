/* GRID_SAMPLE: a thread per element of the result, corners in order. S axes, N, C, POINTS, X[3], DMASK; at: x, grid, out */
K_THREADS
const long long t = block * K_BLOCK + tid;
if (t < N * POINTS * C) {
  const long long c = t % C, p = t / C, n = p / POINTS;
  const T *where = (const T *)at[1] + p * S;
  T sum = 0;
  for (int corner = 0; corner < 1 << S; corner++) {
    long long to = 0;
    double weight = 1;
    int inside = 1;
    for (int a = 0; a < S; a++) {
      const double w = (double)where[a], base = floor(w), f = w - base, pixel = base + (corner >> a & 1);
      inside = inside && pixel >= 0 && pixel < (double)X[a];
      to = to * X[a] + (inside ? (long long)pixel : 0);
      weight *= DMASK >> a & 1 ? (corner >> a & 1 ? 1. : -1.) : corner >> a & 1 ? f : 1 - f;
    }
    if (inside) sum += ((const T *)at[0])[(n * X[0] * X[1] * X[2] + to) * C + c] * (T)weight;
  }
  ((T *)at[2])[t] = sum;
}
K_DONE
