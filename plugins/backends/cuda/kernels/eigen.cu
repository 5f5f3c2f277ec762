/* PSD_POWER and EIGVALSH: Jacobi's method with one block. NN rows, POWER (1: the power, 0: ascending eigenvalues), EXPONENT; at: x, out, scratch f64:
 * a [NN, NN], v [NN, NN], w [NN].
 *
 * A round turns NN / 2 disjoint pairs of rows and columns at once, in the order of a round-robin tournament, so every pair meets in every sweep;
 * sweeps end when what is off the diagonal is lost in rounding. A matrix with a NaN or infinity gives NaN everywhere. */
K_SHARED double lane[K_BLOCK], cosine[PAIRS], sine[PAIRS];
K_SHARED int row[PAIRS], column[PAIRS];
K_SHARED double off, diagonal;
K_SHARED int sound;
const double *x = (const double *)at[0];
double *out = (double *)at[1], *a = (double *)at[2], *v = a + NN * NN, *w = v + NN * NN;
int going = 1;
K_THREADS
double bad = 0;
for (long long t = tid; t < NN * NN; t += K_BLOCK) {
  const long long i = t / NN, j = t % NN;
  a[t] = (x[t] + x[j * NN + i]) / 2;
  v[t] = i == j;
  bad += x[t] - x[t]; /* 0 or NaN */
}
lane[tid] = bad;
K_SYNC
K_THREADS
if (tid == 0) {
  for (int k = 1; k < K_BLOCK; k++) lane[0] += lane[k];
  sound = lane[0] == 0;
}
K_SYNC
going = sound;
for (int sweep = 0; sweep < 60 && going; sweep++) {
  for (long long round = 0; round < 2 * PAIRS - 1; round++) {
    K_THREADS
    for (long long k = tid; k < PAIRS; k += K_BLOCK) { /* player 2 PAIRS - 1 stays, the others move around */
      const long long m = 2 * PAIRS - 1, p = k ? (round + k) % m : round, q = k ? (round + m - k) % m : m, i = p < q ? p : q, j = p < q ? q : p;
      double c = 1, s = 0;
      if (j < NN) {
        const double apq = a[i * NN + j], app = a[i * NN + i], aqq = a[j * NN + j];
        if (apq != 0) {
          const double tau = (aqq - app) / (2 * apq), t = (tau >= 0 ? 1. : -1.) / (gk_absd(tau) + gk_sqrtd(1 + tau * tau));
          c = 1 / gk_sqrtd(1 + t * t);
          s = t * c;
        }
      }
      row[k] = (int)i;
      column[k] = (int)(j < NN ? j : i);
      cosine[k] = c;
      sine[k] = s;
    }
    K_SYNC
    K_THREADS
    for (long long t = tid; t < PAIRS * NN; t += K_BLOCK) { /* rows of a, and of v, which holds eigenvectors as rows */
      const long long k = t / NN, n = t % NN, i = row[k], j = column[k];
      if (i != j) {
        const double p = a[i * NN + n], q = a[j * NN + n], e = v[i * NN + n], f = v[j * NN + n];
        a[i * NN + n] = cosine[k] * p - sine[k] * q;
        a[j * NN + n] = sine[k] * p + cosine[k] * q;
        v[i * NN + n] = cosine[k] * e - sine[k] * f;
        v[j * NN + n] = sine[k] * e + cosine[k] * f;
      }
    }
    K_SYNC
    K_THREADS
    for (long long t = tid; t < PAIRS * NN; t += K_BLOCK) {
      const long long k = t / NN, n = t % NN, i = row[k], j = column[k];
      if (i != j) {
        const double p = a[n * NN + i], q = a[n * NN + j];
        a[n * NN + i] = cosine[k] * p - sine[k] * q;
        a[n * NN + j] = sine[k] * p + cosine[k] * q;
      }
    }
    K_SYNC
  }
  K_THREADS
  double sum = 0;
  for (long long t = tid; t < NN * NN; t += K_BLOCK) sum += t / NN == t % NN ? 0. : a[t] * a[t];
  lane[tid] = sum;
  K_SYNC
  K_THREADS
  if (tid == 0) {
    off = 0;
    diagonal = 0;
    for (int k = 0; k < K_BLOCK; k++) off += lane[k];
    for (long long k = 0; k < NN; k++) diagonal += a[k * NN + k] * a[k * NN + k];
  }
  K_SYNC
  going = off > 1e-32 * diagonal;
}
K_THREADS
if (tid == 0)
  for (long long k = 0; k < NN; k++) w[k] = a[k * NN + k];
K_SYNC
K_THREADS
double top = w[0];
for (long long k = 1; k < NN; k++) top = gk_maxd(top, w[k]);
for (long long k = tid; k < NN; k += K_BLOCK) {
  if (POWER) a[k] = w[k] <= (double)NN * 2.220446049250313e-16 * top || w[k] <= 0 ? 0. : gk_powd(w[k], EXPONENT);
  else { /* its place among the others */
    long long place = 0;
    for (long long j = 0; j < NN; j++) place += w[j] < w[k] || (w[j] == w[k] && j < k);
    if (sound) out[place] = w[k];
  }
}
K_SYNC
K_THREADS
for (long long t = tid; t < (POWER ? NN * NN : 0); t += K_BLOCK) {
  const long long i = t / NN, j = t % NN;
  double sum = 0;
  for (long long k = 0; k < NN; k++) sum += v[k * NN + i] * a[k] * v[k * NN + j];
  out[t] = sum;
}
K_SYNC
K_THREADS
if (!sound)
  for (long long t = tid; t < (POWER ? NN * NN : NN); t += K_BLOCK) out[t] = GK_NAND;
K_DONE
