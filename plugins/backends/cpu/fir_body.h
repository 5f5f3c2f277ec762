/* fir_body.h - the body of lib_fir.c for one element type: REAL and NAME(x) are defined by whoever includes it. */

static void NAME(filter)(const fir *q, const REAL *x, const REAL *f, REAL *out) {
  int64_t ch = q->channels;
  for (int64_t s = 0; s < q->samples; s++, x += q->in[0] * q->in[1] * q->in[2] * ch)
    for (int64_t i = 0; i < q->out[0]; i++)
      for (int64_t j = 0; j < q->out[1]; j++)
        for (int64_t k = 0; k < q->out[2]; k++, out += ch) {
          memset(out, 0, sizeof(REAL) * (size_t)ch);
          for (int64_t a = 0; a < q->taps[0]; a++) {
            int64_t y = source(q, 0, i, a);
            for (int64_t b = 0; b < q->taps[1] && y >= 0; b++) {
              int64_t z = source(q, 1, j, b);
              for (int64_t c = 0; c < q->taps[2] && z >= 0; c++) {
                int64_t w = source(q, 2, k, c);
                if (w < 0) continue;
                const REAL *from = x + ((y * q->in[1] + z) * q->in[2] + w) * ch, weight = f[place(q, a, b, c)];
                for (int64_t n = 0; n < ch; n++) out[n] += from[n] * weight;
              }
            }
          }
        }
}

/* Each tap's sum of x * g over samples, outputs and channels. */
static void NAME(filter_gradient)(const fir *q, const REAL *x, const REAL *g, REAL *out) {
  int64_t ch = q->channels, image = q->in[0] * q->in[1] * q->in[2] * ch, result = q->out[0] * q->out[1] * q->out[2] * ch;
  for (int64_t a = 0; a < q->taps[0]; a++)
    for (int64_t b = 0; b < q->taps[1]; b++)
      for (int64_t c = 0; c < q->taps[2]; c++) {
        double sum = 0;
        for (int64_t s = 0; s < q->samples; s++)
          for (int64_t i = 0; i < q->out[0]; i++) {
            int64_t y = source(q, 0, i, a);
            for (int64_t j = 0; j < q->out[1] && y >= 0; j++) {
              int64_t z = source(q, 1, j, b);
              for (int64_t k = 0; k < q->out[2] && z >= 0; k++) {
                int64_t w = source(q, 2, k, c);
                if (w < 0) continue;
                const REAL *from = x + s * image + ((y * q->in[1] + z) * q->in[2] + w) * ch, *with = g + s * result + ((i * q->out[1] + j) * q->out[2] + k) * ch;
                for (int64_t n = 0; n < ch; n++) sum += (double)from[n] * (double)with[n];
              }
            }
          }
        out[place(q, a, b, c)] = (REAL)sum;
      }
}
