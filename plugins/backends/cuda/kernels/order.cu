/* SORT_INDEX and TOPK: a thread per element counts who comes before it, which is its place; equal elements keep their order. x is [OUTER, N], KEEP
 * places are written, DESCENDING turns the order. at: x, out */
K_THREADS
const long long t = block * K_BLOCK + tid;
if (t < OUTER * N) {
  const long long row = t / N, k = t % N;
  const T *x = (const T *)at[0] + row * N;
  const T mine = x[k];
  long long place = 0;
  for (long long j = 0; j < N; j++) {
    const T v = x[j];
    const int less = mine != mine ? v == v : v < mine, more = v != v ? mine == mine : mine < v; /* NaN is larger than every number */
    place += DESCENDING ? more : less;
    place += !less && !more && j < k;
  }
  if (place < KEEP) ((int32_t *)at[1])[row * KEEP + place] = (int32_t)k;
}
K_DONE
