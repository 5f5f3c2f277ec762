/* idx_file.h - reading files in MNIST's idx format, plain or gzipped: shared by idx.c and stacked.c.
 *
 * Unpacking takes longer than a small net's first step, and every run does it, so what was unpacked is kept in the user's cache folder
 * (gantry/cache.h), one entry for each packed file, which is mapped from then on. It counts only if it is the user's alone, as long as the packed file says and of the checksum that the
 * packed file ends with; else, as where there is no such folder or no room, the file is unpacked, and the entry made anew. */
#ifndef IDX_FILE_H
#define IDX_FILE_H
#include <fcntl.h>
#include <gantry/cache.h>
#include <gantry/dataset.h>
#include <limits.h>
#include <sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

typedef struct idx_bytes { unsigned char *p; void *map; size_t map_bytes; } idx_bytes; /* p: what follows the header, 64-byte aligned where it lies in a mapped entry, else malloc'ed */
static void idx_free(idx_bytes *b) {
  if (b->map) munmap(b->map, b->map_bytes);
  else free(b->p);
  *b = (idx_bytes){0};
}

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

/* ---- unpacked files, kept ---- */
/* An entry is `gap` bytes, so that what follows the header is aligned, and the unpacked file: its header and its data. */
typedef struct idx_entry { char name[PATH_MAX + 64]; size_t gap, bytes; uint32_t crc; } idx_entry; /* bytes: of the unpacked file */

/* 0: this file is none that is worth an entry, or the user has no folder. */
static int entry_of(const char *packed, size_t header, idx_entry *e) {
  enum { LEAST = 1 << 20 };
  char full[PATH_MAX], folder[PATH_MAX], hex[SHA256_DIGEST_STRING_LENGTH];
  unsigned char head[2], tail[8];
  struct stat st;
  int fd = open(packed, O_RDONLY | O_CLOEXEC), ok = fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size > 18;
  ok = ok && pread(fd, head, 2, 0) == 2 && head[0] == 0x1f && head[1] == 0x8b && pread(fd, tail, 8, st.st_size - 8) == 8;
  if (fd >= 0) close(fd);
  if (!ok || !realpath(packed, full)) return 0;
  e->crc = tail[0] | (uint32_t)tail[1] << 8 | (uint32_t)tail[2] << 16 | (uint32_t)tail[3] << 24;
  e->bytes = tail[4] | (size_t)tail[5] << 8 | (size_t)tail[6] << 16 | (size_t)tail[7] << 24;
  e->gap = 64 - header;
  if (e->bytes < LEAST || !gan_cache_folder(folder, sizeof folder)) return 0;
  SHA256Data((const unsigned char *)full, strlen(full), hex);
  snprintf(e->name, sizeof e->name, "%s/%.40s.idx", folder, hex);
  return 1;
}

/* The entry's header and data, if it is there and what it should be. */
static int entry_map(const idx_entry *e, size_t header, unsigned char *head, idx_bytes *out) {
  struct stat st;
  int fd = open(e->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), ok = fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 022) && (size_t)st.st_size == e->gap + e->bytes;
  void *p = ok ? mmap(NULL, e->gap + e->bytes, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0) : MAP_FAILED;
  if (fd >= 0) close(fd);
  if (p == MAP_FAILED) return 0;
  unsigned char *file = (unsigned char *)p + e->gap;
  if ((uint32_t)crc32_z(crc32_z(0, NULL, 0), file, e->bytes) != e->crc) {
    munmap(p, e->gap + e->bytes);
    return 0;
  }
  memcpy(head, file, header);
  *out = (idx_bytes){file + header, p, e->gap + e->bytes};
  return 1;
}

static int put_all(int fd, const void *p, size_t n) {
  for (const char *c = p; n;) {
    ssize_t done = write(fd, c, n);
    if (done <= 0) return 0;
    c += done;
    n -= (size_t)done;
  }
  return 1;
}
static void entry_keep(const idx_entry *e, const unsigned char *head, size_t header, const unsigned char *data) {
  char beside[sizeof e->name + 32];
  const unsigned char gap[64] = {0};
  snprintf(beside, sizeof beside, "%s.%ld.tmp", e->name, (long)getpid());
  int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return;
  int ok = !posix_fallocate(fd, 0, (off_t)(e->gap + e->bytes)) && put_all(fd, gap, e->gap) && put_all(fd, head, header) && put_all(fd, data, e->bytes - header);
  if (close(fd) || !ok || rename(beside, e->name)) unlink(beside);
}

/* ---- reading ---- */
/* Reads an idx file of u8 with `rank` dimensions. What the header claims is only believed as far as bytes arrive. */
static gantry_status read_idx(gantry_ctx *cx, const char *dir, const char *stem, uint32_t rank, uint32_t *dims, idx_bytes *out) {
  enum { BLOCK = 1 << 20 };
  char path[1100];
  unsigned char head[16], behind[1];
  size_t header = 4 + 4 * rank;
  idx_entry entry;
  gzFile f = open_file(dir, stem, path, sizeof path);
  if (!f) {
    snprintf(path, sizeof path, "%s/%s[.gz]", dir, stem);
    return failed(cx, GANTRY_E_IO, "not found: install Debian's package dataset-fashion-mnist, or set data.path to the folder with the idx files", path);
  }
  gantry_status st = GANTRY_OK;
  unsigned char *data = NULL;
  size_t want = 1, have = 0, room = 0;
  int keeps = entry_of(path, header, &entry), kept = keeps && entry_map(&entry, header, head, out);
  if ((!kept && gzread(f, head, (unsigned)header) != (int)header) || head[0] || head[1] || head[2] != 8 || head[3] != rank) {
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
  if (kept && header + want == entry.bytes) goto done;
  idx_free(out);
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
  if (gzread(f, behind, 1) < 0) { /* the checksum stands behind the data */
    st = failed(cx, GANTRY_E_IO, "damaged: its checksum is not that of its content", path);
    goto done;
  }
  if (keeps && header + want == entry.bytes) entry_keep(&entry, head, header, data);
  out->p = data;
done:
  gzclose(f);
  if (!st) return st;
  idx_free(out);
  if (data) free(data);
  return st;
}

/* Images [count,h,w] and labels [count] of a split: `dir` itself, or the folder of that name below /usr/share/datasets. Both go to idx_free(). */
static gantry_status idx_read_split(gantry_ctx *cx, const char *given, const char *split, uint32_t d[3], idx_bytes *images, idx_bytes *labels) {
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
