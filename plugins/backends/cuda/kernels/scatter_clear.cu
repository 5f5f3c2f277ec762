/* SCATTER_ADD, first of three: no row has a first pick. at: u, index, out, lists (first[BATCH, SIZE], then next[BATCH, PICKS]) */
K_THREADS
const long long t = block * K_BLOCK + tid;
if (t < BATCH * SIZE) ((int32_t *)at[3])[t] = -1;
K_DONE
