/* conv_gemm_body.h - the body of conv_gemm.c for one element type: REAL, NAME(x) and GEMM are defined by whoever includes it. */

/* Rows [r, r + n) of the patch matrix. Where channels and taps are both dense in the image, a run of taps is one piece. */
static void NAME(fill)(const conv_shape *q, const REAL *restrict image, int64_t r, int64_t n, REAL *restrict row) {
  int64_t cg = q->c / q->groups, run = q->k[2] * cg, dense = q->groups == 1 && q->dilation[2] == 1, step = q->dilation[2] * q->c;
  for (window w = window_of(q, r); n; n--, advance(q, &w))
    for (int64_t k0 = 0; k0 < q->k[0]; k0++)
      for (int64_t k1 = 0; k1 < q->k[1]; k1++, row += run) {
        int64_t line = line_of(q, &w, k0, k1), from = line == INT64_MIN ? run : w.from * cg, to = line == INT64_MIN ? run : w.to * cg;
        if (dense && from == 0 && to == 4) memcpy(row, image + line, 4 * sizeof *row);
        else if (dense && to > from) memcpy(row + from, image + line + from, sizeof *row * (size_t)(to - from));
        else
          for (int64_t t = from / cg; t < to / cg; t++)
            for (int64_t i = 0; i < cg; i++) row[t * cg + i] = image[line + t * step + i];
        for (int64_t i = 0; i < from; i++) row[i] = 0;
        for (int64_t i = to; i < run; i++) row[i] = 0;
      }
}

/* The way back: adds rows to the pixels they came from, in order. */
static void NAME(add)(const conv_shape *q, REAL *restrict image, int64_t r, int64_t n, const REAL *restrict row) {
  int64_t cg = q->c / q->groups, run = q->k[2] * cg, dense = q->groups == 1 && q->dilation[2] == 1, step = q->dilation[2] * q->c;
  for (window w = window_of(q, r); n; n--, advance(q, &w))
    for (int64_t k0 = 0; k0 < q->k[0]; k0++)
      for (int64_t k1 = 0; k1 < q->k[1]; k1++, row += run) {
        int64_t line = line_of(q, &w, k0, k1), from = w.from * cg, to = w.to * cg;
        if (line == INT64_MIN) continue;
        if (dense && from == 0 && to == 4)
          for (int64_t i = 0; i < 4; i++) image[line + i] += row[i];
        else if (dense)
          for (int64_t i = from; i < to; i++) image[line + i] += row[i];
        else
          for (int64_t t = w.from; t < w.to; t++)
            for (int64_t i = 0; i < cg; i++) image[line + t * step + i] += row[t * cg + i];
      }
}

/* Three matrix products: y = P w', P = y w, w = y' P, where P are the patches of rows [r, r + n) of one group. */
void NAME(conv_gemm)(const conv_shape *q, const REAL *a, const REAL *b, REAL *out, REAL *patches) {
  int64_t rows = rows_of(q), width = width_of(q), step = slice_rows(q, (int64_t)sizeof(REAL)), cg = q->c / q->groups, og = q->o / q->groups;
  int direct = plain(q);
  int ld = (int)(direct ? q->c : width), o = (int)q->o, wide = (int)width;
  if (direct) step = rows < (1 << 30) ? rows : 1 << 30;
  if (q->op == GANTRY_OP_CONV_DGRAD && !direct) memset(out, 0, sizeof(REAL) * (size_t)(q->n * q->in[0] * q->in[1] * q->in[2] * q->c));
  for (int64_t r = 0; r < rows; r += step) {
    int64_t n = rows - r < step ? rows - r : step;
    for (int64_t g = 0; g < q->groups; g++) {
      if (q->op == GANTRY_OP_CONV_DGRAD) {
        REAL *p = direct ? out + r * q->c + g * cg : patches;
        GEMM(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)n, wide, (int)og, 1, a + r * q->o + g * og, o, b + g * og * width, wide, 0, p, ld);
        if (!direct) NAME(add)(q, out + g * cg, r, n, p);
        continue;
      }
      const REAL *p = direct ? a + r * q->c + g * cg : patches;
      if (!direct) NAME(fill)(q, a + g * cg, r, n, patches);
      if (q->op == GANTRY_OP_CONV) GEMM(CblasRowMajor, CblasNoTrans, CblasTrans, (int)n, (int)og, wide, 1, p, ld, b + g * og * width, wide, 0, out + r * q->o + g * og, o);
      else GEMM(CblasRowMajor, CblasTrans, CblasNoTrans, (int)og, wide, (int)n, 1, b + r * q->o + g * og, o, p, ld, r ? 1 : 0, out + g * og * width, wide);
    }
  }
}
