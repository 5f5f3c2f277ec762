/* RANDOM_BITS: a thread per four words. STREAM, SAMPLES, EACH; at: seed, invocation, out */
K_THREADS
const long long per = (EACH + 3) / 4, t = block * K_BLOCK + tid;
if (t < SAMPLES * per) {
  const uint32_t *seed = (const uint32_t *)at[0], *invocation = (const uint32_t *)at[1];
  const long long sample = t / per, word = t % per;
  uint32_t *to = (uint32_t *)at[2] + sample * EACH + 4 * word;
  uint32_t ctr[4], key[2], out[4];
  ctr[0] = (uint32_t)STREAM;
  ctr[1] = invocation[0];
  ctr[2] = (uint32_t)sample;
  ctr[3] = (uint32_t)word;
  key[0] = seed[0];
  key[1] = seed[1];
  gantry_philox4x32(ctr, key, out);
  for (int i = 0; i < 4; i++)
    if (4 * word + i < EACH) to[i] = out[i];
}
K_DONE
