/* GRID_SPLAT, second of three: a thread per value adds it to its corners as an integer. A weight's magnitude is at most 1. */
K_THREADS
const long long t = block * K_BLOCK + tid, pixels = X[0] * X[1] * X[2];
if (t < N * POINTS * C) {
  const long long c = t % C, p = t / C, n = p / POINTS;
  const T *where = (const T *)at[1] + p * S;
  const double scale = ((const double *)at[3])[N * pixels * C + n], v = (double)((const T *)at[0])[t];
  for (int corner = 0; corner < 1 << S; corner++) {
    long long to = 0;
    double weight = 1;
    int inside = scale == scale;
    for (int a = 0; a < S; a++) {
      const double w = (double)where[a], base = floor(w), f = w - base, pixel = base + (corner >> a & 1);
      inside = inside && pixel >= 0 && pixel < (double)X[a];
      to = to * X[a] + (inside ? (long long)pixel : 0);
      weight *= DMASK >> a & 1 ? (corner >> a & 1 ? 1. : -1.) : corner >> a & 1 ? f : 1 - f;
    }
    if (inside) K_ADD((long long *)at[3] + (n * pixels + to) * C + c, (long long)floor(v * (double)(T)weight * scale + 0.5));
  }
}
K_DONE
