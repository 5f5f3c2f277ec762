/* Any bytes from a worker's pipe, in two pieces: every record that arrives is complete. */
#include "fuzz.h"

#include "store/record.h"

static void use(void *user, const rec *r) {
  size_t *n = user;
  if (r->type == REC_SCALAR) *n += strlen(r->u.scalar.name);
  if (r->type == REC_EVAL) *n += strlen(r->u.eval.metric) + strlen(r->u.eval.protocol) + strlen(r->u.eval.weights);
  if (r->type == REC_ARTIFACT) *n += strlen(r->u.artifact.kind) + strlen(r->u.artifact.path);
  if (r->type == REC_FACT) *n += strlen(r->u.fact.key) + strlen(r->u.fact.value);
  if (r->type == REC_DONE) *n += strlen(r->u.done.status);
  if (r->type == REC_BEAT) *n += strlen(r->u.beat.doing);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  err e = {0};
  size_t seen = 0, cut = n ? data[0] % n : 0;
  rec_reader *r = rec_reader_new();
  if (!rec_feed(r, data, cut, use, &seen, &e)) rec_feed(r, data + cut, n - cut, use, &seen, &e);
  rec_reader_free(r);
  return 0;
}

/* Checksums would stop nearly every mutation at the door: the one of each record that is long enough is made right after mutating. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
#include <zlib.h>
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, max);
  if (seed % 4 == 0) return size;
  for (size_t at = 0; at + 20 <= size;) {
    uint32_t len;
    memcpy(&len, data + at + 12, 4);
    if (len > size - at - 20) break;
    uint32_t c = (uint32_t)crc32(crc32(0, data + at, 16), len ? data + at + 20 : data + at, len);
    memcpy(data + at + 16, &c, 4);
    at += 20 + len;
  }
  return size;
}
