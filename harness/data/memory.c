/* memory.c - where the samples of a set lie: in memory, or in a file that is mapped where they would take too much of it. See data.h.
 *
 * The file loses its name at once, so nothing is left behind whatever ends the process. Its pages are the system's to drop and to read again; read-ahead asks for those of
 * coming batches, which a shuffled order would otherwise fetch one fault at a time. */
#include <errno.h>
#include <fcntl.h>
#include <gantry/cache.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/proc.h"
#include "data/data.h"

/* Bytes that a process may still take: what the system calls available, and the limit it runs under. */
static int64_t memory_left(void) {
  int64_t left = proc_memory_available();
  struct rlimit r;
  if (!getrlimit(RLIMIT_DATA, &r) && r.rlim_cur != RLIM_INFINITY && (int64_t)r.rlim_cur < left) left = (int64_t)r.rlim_cur;
  return left;
}

static int nameless_file(const char *folder, err *e) {
  char path[1100];
  snprintf(path, sizeof path, "%s/samples-XXXXXX", folder);
  int fd = mkostemp(path, O_CLOEXEC);
  if (fd < 0) err_errno(e, "%s", folder);
  else unlink(path);
  return fd;
}

static gantry_status in_file(int64_t bytes, data_memory *out, err *e) {
  char folder[1024];
  if (!gan_cache_folder(folder, sizeof folder)) strcpy(folder, "/var/tmp");
  err first = {0};
  int fd = nameless_file(folder, &first);
  if (fd < 0) fd = nameless_file(strcpy(folder, "/var/tmp"), e);
  if (fd < 0) return err_wrap(e, "the data set (%.1f GB) does not fit into memory, and there is no place for a file: set GANTRY_CACHE to a folder with room", (double)bytes / 1e9);
  int rc = posix_fallocate(fd, 0, bytes); /* now, rather than by a bus error later */
  void *p = rc ? MAP_FAILED : mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (p == MAP_FAILED) {
    errno = rc ? rc : errno;
    err_errno(e, "the data set (%.1f GB) does not fit into memory, and not into %s either: set GANTRY_CACHE to a folder with room, or data.limit", (double)bytes / 1e9, folder);
  } else *out = (data_memory){.p = p, .bytes = bytes, .in_file = 1};
  close(fd);
  return e->code;
}

gantry_status data_memory_make(int64_t bytes, data_where where, data_memory *out, err *e) {
  if (where == DATA_FILE || (where == DATA_AUTO && bytes > memory_left() / 2)) return in_file(bytes, out, e);
  *out = (data_memory){.p = aligned_alloc(64, ((size_t)bytes + 63) & ~(size_t)63), .bytes = bytes};
  return out->p ? GANTRY_OK : err_set(e, GANTRY_E_NOMEM, "the data set does not fit into memory (%.1f GB): leave data.storage out, or set it to \"file\"", (double)bytes / 1e9);
}

void data_memory_free(data_memory *m) {
  if (m->in_file) munmap(m->p, (size_t)m->bytes);
  else free(m->p);
  *m = (data_memory){0};
}

void data_ahead(const data_set *d, const uint32_t seed[2], int64_t first, int64_t n) {
  if (!d->bytes || !d->ahead) return;
  const int64_t page = 4096; /* where pages are larger the calls overlap, which does no harm */
  for (int64_t k = first; k < first + n; k++) {
    uintptr_t at = (uintptr_t)d->bytes + (uintptr_t)(data_order(d->count, seed, k) * d->sample_bytes), from = at & ~(uintptr_t)(page - 1);
    madvise((void *)from, at + (uintptr_t)d->sample_bytes - from, MADV_WILLNEED);
  }
}
