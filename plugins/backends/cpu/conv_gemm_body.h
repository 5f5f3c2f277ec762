/* conv_gemm_body.h - the body of lib_conv_gemm.c for one element type: REAL, NAME(x) and GEMM are defined by whoever includes it. */

/* One row's run of kw x channels: taps [from, to) of the innermost axis lie inside the image. Where channels and taps are both dense
 * in the image it is one piece. */
static void NAME(fill_row)(const conv_shape *q, const REAL *image, int64_t r, REAL *row) {
  int64_t cg = q->c / q->groups, run = q->k[2] * cg;
  window w = window_of(q, r);
  const REAL *sample = image + w.sample * q->in[0] * q->in[1] * q->in[2] * q->c;
  int64_t d2 = q->dilation[2], from = w.at[2] >= 0 ? 0 : (-w.at[2] + d2 - 1) / d2, to = w.at[2] >= q->in[2] ? 0 : (q->in[2] - w.at[2] + d2 - 1) / d2;
  if (to > q->k[2]) to = q->k[2];
  if (from > to) from = to;
  int dense = q->groups == 1 && d2 == 1;
  for (int64_t k0 = 0; k0 < q->k[0]; k0++)
    for (int64_t k1 = 0; k1 < q->k[1]; k1++, row += run) {
      int64_t y0 = w.at[0] + k0 * q->dilation[0], y1 = w.at[1] + k1 * q->dilation[1];
      if (y0 < 0 || y0 >= q->in[0] || y1 < 0 || y1 >= q->in[1]) {
        for (int64_t i = 0; i < run; i++) row[i] = 0;
        continue;
      }
      const REAL *line = sample + (y0 * q->in[1] + y1) * q->in[2] * q->c + w.at[2] * q->c;
      for (int64_t i = 0; i < from * cg; i++) row[i] = 0;
      if (dense)
        for (int64_t i = from * cg; i < to * cg; i++) row[i] = line[i];
      else
        for (int64_t t = from; t < to; t++)
          for (int64_t i = 0; i < cg; i++) row[t * cg + i] = line[t * d2 * q->c + i];
      for (int64_t i = to * cg; i < run; i++) row[i] = 0;
    }
}

/* The way back: adds a row to the pixels it came from. */
static void NAME(add_row)(const conv_shape *q, REAL *image, int64_t r, const REAL *row) {
  int64_t cg = q->c / q->groups, run = q->k[2] * cg;
  window w = window_of(q, r);
  REAL *sample = image + w.sample * q->in[0] * q->in[1] * q->in[2] * q->c;
  int64_t d2 = q->dilation[2], from = w.at[2] >= 0 ? 0 : (-w.at[2] + d2 - 1) / d2, to = w.at[2] >= q->in[2] ? 0 : (q->in[2] - w.at[2] + d2 - 1) / d2;
  if (to > q->k[2]) to = q->k[2];
  int dense = q->groups == 1 && d2 == 1;
  for (int64_t k0 = 0; k0 < q->k[0]; k0++)
    for (int64_t k1 = 0; k1 < q->k[1]; k1++, row += run) {
      int64_t y0 = w.at[0] + k0 * q->dilation[0], y1 = w.at[1] + k1 * q->dilation[1];
      if (y0 < 0 || y0 >= q->in[0] || y1 < 0 || y1 >= q->in[1]) continue;
      REAL *line = sample + (y0 * q->in[1] + y1) * q->in[2] * q->c + w.at[2] * q->c;
      if (dense)
        for (int64_t i = from * cg; i < to * cg; i++) line[i] += row[i];
      else
        for (int64_t t = from; t < to; t++)
          for (int64_t i = 0; i < cg; i++) line[t * d2 * q->c + i] += row[t * cg + i];
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
        for (int64_t i = 0; i < n && !direct; i++) NAME(add_row)(q, out + g * cg, r + i, p + i * width);
        continue;
      }
      const REAL *p = direct ? a + r * q->c + g * cg : patches;
      for (int64_t i = 0; i < n && !direct; i++) NAME(fill_row)(q, a + g * cg, r + i, patches + i * width);
      if (q->op == GANTRY_OP_CONV) GEMM(CblasRowMajor, CblasNoTrans, CblasTrans, (int)n, (int)og, wide, 1, p, ld, b + g * og * width, wide, 0, out + r * q->o + g * og, o);
      else GEMM(CblasRowMajor, CblasTrans, CblasNoTrans, (int)og, wide, (int)n, 1, b + r * q->o + g * og, o, p, ld, r ? 1 : 0, out + g * og * width, wide);
    }
  }
}
