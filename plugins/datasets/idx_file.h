/* idx_file.h - reading files in MNIST's idx format, plain or gzipped: shared by idx.c and stacked.c. */
#ifndef IDX_FILE_H
#define IDX_FILE_H
#include <gantry/dataset.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static gantry_status failed(gantry_ctx *cx, gantry_status code, const char *what, const char *path) {
  char text[1600];
  snprintf(text, sizeof text, "%s: %s", path, what);
  return cx->host->fail(cx, code, text);
}

/* Opens dir/stem or dir/stem.gz; gzread reads both. found gets the name that exists. */
static gzFile open_file(const char *dir, const char *stem, char *found, size_t cap) {
  for (int packed = 0; packed < 2; packed++) {
    snprintf(found, cap, "%s/%s%s", dir, stem, packed ? ".gz" : "");
    gzFile f = gzopen(found, "rb");
    if (f) return f;
  }
  return NULL;
}

static uint32_t word(const unsigned char *p) { return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]; }

/* Reads an idx file of u8 with `rank` dimensions. What the header claims is only believed as far as bytes arrive. */
static gantry_status read_idx(gantry_ctx *cx, const char *dir, const char *stem, uint32_t rank, uint32_t *dims, unsigned char **out) {
  enum { BLOCK = 1 << 20 };
  char path[1100];
  unsigned char head[16];
  gzFile f = open_file(dir, stem, path, sizeof path);
  if (!f) {
    snprintf(path, sizeof path, "%s/%s[.gz]", dir, stem);
    return failed(cx, GANTRY_E_IO, "not found: install Debian's package dataset-fashion-mnist, or set data.path to the folder with the idx files", path);
  }
  gantry_status st = GANTRY_OK;
  unsigned char *data = NULL;
  size_t want = 1, have = 0, room = 0;
  if (gzread(f, head, 4 + 4 * rank) != (int)(4 + 4 * rank) || head[0] || head[1] || head[2] != 8 || head[3] != rank) {
    st = failed(cx, GANTRY_E_IO, "not an idx file of bytes with the expected number of dimensions", path);
    goto done;
  }
  for (uint32_t k = 0; k < rank; k++) {
    dims[k] = word(head + 4 + 4 * k);
    if (!dims[k] || dims[k] > (1u << 28) || want > ((size_t)1 << 34) / dims[k]) {
      st = failed(cx, GANTRY_E_IO, "its header claims an impossible size", path);
      goto done;
    }
    want *= dims[k];
  }
  while (have < want) {
    if (have == room) {
      room = room ? 2 * room : BLOCK;
      if (room > want) room = want;
      unsigned char *more = realloc(data, room);
      if (!more) {
        st = failed(cx, GANTRY_E_NOMEM, "out of memory", path);
        goto done;
      }
      data = more;
    }
    size_t ask = room - have < BLOCK ? room - have : BLOCK;
    int got = gzread(f, data + have, (unsigned)ask);
    if (got <= 0) {
      char text[200];
      snprintf(text, sizeof text, "truncated or damaged: %zu of %zu bytes could be read", have, want);
      st = failed(cx, GANTRY_E_IO, text, path);
      goto done;
    }
    have += (size_t)got;
  }
done:
  gzclose(f);
  if (st) free(data);
  else *out = data;
  return st;
}

/* Images [count,h,w] and labels [count] of a split: `dir` itself, or the folder of that name below /usr/share/datasets. Caller frees both. */
static gantry_status idx_read_split(gantry_ctx *cx, const char *given, const char *split, uint32_t d[3], unsigned char **images, unsigned char **labels) {
  const char *base = strrchr(given, '/');
  char dir[1000], stem[64], probe[1100];
  int train = !strcmp(split, "train");
  if (!train && strcmp(split, "test")) return failed(cx, GANTRY_E_CONFIG, "there are the splits train and test only", split);
  snprintf(dir, sizeof dir, "%s", given);
  snprintf(stem, sizeof stem, "%s-images-idx3-ubyte", train ? "train" : "t10k");
  gzFile f = open_file(dir, stem, probe, sizeof probe);
  if (f) gzclose(f);
  else { /* the packaged place, by the last part of the path */
    char shared[1000];
    snprintf(shared, sizeof shared, "/usr/share/datasets/%s", base ? base + 1 : given);
    if ((f = open_file(shared, stem, probe, sizeof probe))) {
      gzclose(f);
      snprintf(dir, sizeof dir, "%s", shared);
    }
  }
  uint32_t n[1];
  gantry_status st = read_idx(cx, dir, stem, 3, d, images);
  if (st) return st;
  snprintf(stem, sizeof stem, "%s-labels-idx1-ubyte", train ? "train" : "t10k");
  if ((st = read_idx(cx, dir, stem, 1, n, labels))) return st;
  return n[0] == d[0] ? GANTRY_OK : failed(cx, GANTRY_E_IO, "images and labels differ in number", dir);
}
#endif
