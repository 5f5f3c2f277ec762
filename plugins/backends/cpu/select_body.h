/* select_body.h - the body of lib_select.c for one element type: TYPE, NAME(x) and IS_NAN(x) are defined by whoever includes it. */

/* a comes before b in ascending order. */
static inline int NAME(before)(TYPE a, TYPE b) { return IS_NAN(b) ? !IS_NAN(a) : a < b; }

static void NAME(argmax)(const choice *q, const TYPE *x, int32_t *out) {
  for (int64_t o = 0; o < q->outer; o++, x += q->n * q->inner)
    for (int64_t i = 0; i < q->inner; i++) {
      int64_t best = 0;
      for (int64_t k = 1; k < q->n; k++)
        if (NAME(before)(x[best * q->inner + i], x[k * q->inner + i])) best = k;
      *out++ = (int32_t)best;
    }
}

/* The indices of n values in order: a stable merge sort, bottom up, between the two arrays; returns the one that holds the result. */
static int32_t *NAME(sorted)(int64_t n, const TYPE *x, int descending, int32_t *from, int32_t *to) {
  for (int64_t k = 0; k < n; k++) from[k] = (int32_t)k;
  for (int64_t width = 1; width < n; width *= 2) {
    for (int64_t lo = 0; lo < n; lo += 2 * width) {
      int64_t mid = lo + width < n ? lo + width : n, hi = lo + 2 * width < n ? lo + 2 * width : n, a = lo, b = mid;
      for (int64_t k = lo; k < hi; k++) {
        int second = a == mid || (b < hi && (descending ? NAME(before)(x[from[a]], x[from[b]]) : NAME(before)(x[from[b]], x[from[a]])));
        to[k] = second ? from[b++] : from[a++];
      }
    }
    int32_t *swap = from;
    from = to;
    to = swap;
  }
  return from;
}

static void NAME(sort)(const choice *q, const TYPE *x, int descending, int32_t *out, int32_t *room) {
  for (int64_t o = 0; o < q->outer; o++, x += q->n, out += q->keep) memcpy(out, NAME(sorted)(q->n, x, descending, room, room + q->n), sizeof *out * (size_t)q->keep);
}

static void NAME(few)(const choice *q, const TYPE *x, int32_t *out) {
  for (int64_t o = 0; o < q->outer; o++, x += q->n, out += q->keep)
    for (int64_t k = 0, have = 0; k < q->n; k++) {
      if (have == q->keep && !NAME(before)(x[out[have - 1]], x[k])) continue;
      int64_t at = have < q->keep ? have++ : have - 1;
      for (; at && NAME(before)(x[out[at - 1]], x[k]); at--) out[at] = out[at - 1];
      out[at] = (int32_t)k;
    }
}

static void NAME(windows)(const choice *q, const TYPE *x, int32_t *out) {
  for (int64_t s = 0; s < q->samples; s++, x += q->in[0] * q->in[1] * q->in[2] * q->channels)
    for (int64_t a = 0; a < q->out[0]; a++)
      for (int64_t b = 0; b < q->out[1]; b++)
        for (int64_t c = 0; c < q->out[2]; c++)
          for (int64_t ch = 0; ch < q->channels; ch++) {
            int64_t best = -1;
            for (int64_t i = 0; i < q->window[0]; i++)
              for (int64_t j = 0; j < q->window[1]; j++)
                for (int64_t k = 0; k < q->window[2]; k++) {
                  int64_t y = a * q->stride[0] + i - q->lo[0], z = b * q->stride[1] + j - q->lo[1], w = c * q->stride[2] + k - q->lo[2];
                  if (y < 0 || y >= q->in[0] || z < 0 || z >= q->in[1] || w < 0 || w >= q->in[2]) continue;
                  int64_t at = (y * q->in[1] + z) * q->in[2] + w;
                  if (best < 0 || NAME(before)(x[best * q->channels + ch], x[at * q->channels + ch])) best = at;
                }
            *out++ = (int32_t)best;
          }
}

static void NAME(select)(uint32_t op, const choice *q, const TYPE *x, int32_t *out, int32_t *room) {
  if (op == GANTRY_OP_ARGMAX) NAME(argmax)(q, x, out);
  else if (op == GANTRY_OP_WIN_ARGMAX) NAME(windows)(q, x, out);
  else if (op == GANTRY_OP_TOPK && q->keep <= FEW) NAME(few)(q, x, out);
  else NAME(sort)(q, x, op == GANTRY_OP_TOPK, out, room);
}
