/* MATMUL where cuBLASLt does not do it: tiles of 16 x 16, a thread per element, sums in f64. BATCH, M, NN, KK, TA, TB; at: a, b, out */
K_SHARED T left[16][17], right[16][17];
K_OWN(double, sum);
const long long down = (M + 15) / 16, across = (NN + 15) / 16, image = block / (down * across), row = block / across % down * 16, column = block % across * 16;
const T *a = (const T *)at[0] + image * M * KK, *b = (const T *)at[1] + image * KK * NN;
T *out = (T *)at[2] + image * M * NN;
K_THREADS
K_MINE(sum) = 0;
K_DONE
for (long long k0 = 0; k0 < KK; k0 += 16) {
  K_THREADS
  const long long i = tid / 16, j = tid % 16; /* neighbours in memory go to neighbouring threads, whichever way an operand is stored */
  const long long ai = TA ? j : i, ak = TA ? i : j, bk = TB ? j : i, bj = TB ? i : j;
  left[ai][ak] = row + ai < M && k0 + ak < KK ? a[TA ? (k0 + ak) * M + row + ai : (row + ai) * KK + k0 + ak] : (T)0;
  right[bk][bj] = column + bj < NN && k0 + bk < KK ? b[TB ? (column + bj) * KK + k0 + bk : (k0 + bk) * NN + column + bj] : (T)0;
  K_SYNC
  K_THREADS
  const int i = tid / 16, j = tid % 16;
  for (int k = 0; k < 16; k++) K_MINE(sum) += k_wide(left[i][k]) * k_wide(right[k][j]);
  K_SYNC
}
K_THREADS
const long long i = row + tid / 16, j = column + tid % 16;
if (i < M && j < NN) k_put(out + i * NN + j, K_MINE(sum));
K_DONE
