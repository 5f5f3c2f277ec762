/* GATHER: x is [BATCH, MIDDLE, SIZE, INNER], the index [BATCH, PICKS]; a thread per element E (as many bytes as a row's length and place allow).
 * at: x, index, out */
K_THREADS
const long long t = block * K_BLOCK + tid;
if (t < BATCH * MIDDLE * PICKS * INNER) {
  const long long k = t % INNER, p = t / INNER % PICKS, m = t / INNER / PICKS, b = m / MIDDLE, i = (long long)((const INDEX *)at[1])[b * PICKS + p];
  E none = {0};
  ((E *)at[2])[t] = i >= 0 && i < SIZE ? ((const E *)at[0])[(m * SIZE + i) * INNER + k] : none;
}
K_DONE
