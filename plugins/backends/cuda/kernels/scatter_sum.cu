/* SCATTER_ADD, third of three: a thread per element of the result adds its row's picks in the order of the index. */
K_THREADS
const long long t = block * K_BLOCK + tid;
if (t < BATCH * MIDDLE * SIZE * INNER) {
  const long long k = t % INNER, row = t / INNER % SIZE, m = t / INNER / SIZE, b = m / MIDDLE;
  const int32_t *first = (const int32_t *)at[3] + b * SIZE, *next = (const int32_t *)at[3] + BATCH * SIZE + b * PICKS;
  T sum = 0;
  for (int32_t p = first[row]; p >= 0; p = next[p]) sum = (T)(sum + ((const T *)at[0])[(m * PICKS + p) * INNER + k]);
  ((T *)at[2])[t] = sum;
}
K_DONE
