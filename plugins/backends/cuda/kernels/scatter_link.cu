/* SCATTER_ADD, second of three: each pick finds the next one of its row, and the first of a row says so. No two threads write one place. */
K_THREADS
const long long t = block * K_BLOCK + tid;
if (t < BATCH * PICKS) {
  const long long b = t / PICKS, p = t % PICKS;
  const INDEX *index = (const INDEX *)at[1] + b * PICKS;
  const long long row = (long long)index[p];
  int32_t *first = (int32_t *)at[3] + b * SIZE, *next = (int32_t *)at[3] + BATCH * SIZE + b * PICKS;
  if (row >= 0 && row < SIZE) {
    long long q = p + 1, before = 0;
    while (q < PICKS && (long long)index[q] != row) q++;
    next[p] = q < PICKS ? (int32_t)q : -1;
    while (before < p && (long long)index[before] != row) before++;
    if (before == p) first[row] = (int32_t)p;
  }
}
K_DONE
