/* record.c - see record.h.
 *
 * On the wire a record is 20 bytes of header (magic, type, run, payload length, CRC-32 of all else) and a payload of
 * little-endian fields; a string is its length with the terminating NUL, or 0 for NULL, and the bytes. */
#include "store/record.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "base/fault.h"

enum { MAGIC = 0x43455247, HEADER = 20, MAX_PAYLOAD = 1 << 20, FLUSH_AT = 1 << 16 }; /* "GREC" */

struct rec_writer {
  int fd;
  uint32_t run;
  int broken; /* errno of the write that failed */
  int two_way; /* the other end can answer */
  int64_t token;
  buf out;
};

static void put_u32(buf *b, uint32_t v) {
  unsigned char p[4] = {(unsigned char)v, (unsigned char)(v >> 8), (unsigned char)(v >> 16), (unsigned char)(v >> 24)};
  buf_put(b, p, 4);
}
static void put_i64(buf *b, int64_t v) {
  put_u32(b, (uint32_t)(uint64_t)v);
  put_u32(b, (uint32_t)((uint64_t)v >> 32));
}
static void put_f64(buf *b, double v) {
  int64_t bits;
  memcpy(&bits, &v, sizeof bits);
  put_i64(b, bits);
}
static void put_str(buf *b, const char *s) {
  size_t n = s ? strlen(s) + 1 : 0;
  if (n > MAX_PAYLOAD / 4) n = MAX_PAYLOAD / 4; /* a log tail may be long; its end is cut, the NUL is put back below */
  put_u32(b, (uint32_t)n);
  if (n) {
    buf_put(b, s, n - 1);
    buf_putc(b, 0);
  }
}

static uint32_t get_u32(const unsigned char *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24; }

static uint32_t checksum(const unsigned char *header, const void *payload, uint32_t n) {
  uLong c = crc32(0, header, HEADER - 4);
  return (uint32_t)crc32(c, n ? payload : (const void *)header, n);
}

rec_writer *rec_writer_new(int fd, uint32_t run) {
  rec_writer *w = mem_alloc(sizeof *w);
  w->fd = fd;
  w->run = run;
  int type;
  socklen_t n = sizeof type;
  w->two_way = getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0;
  return w;
}

static void drain(rec_writer *w) {
  size_t at = 0;
  while (at < w->out.n && !w->broken) {
    ssize_t k = write(w->fd, w->out.p + at, w->out.n - at);
    if (k >= 0) at += (size_t)k;
    else if (errno != EINTR) w->broken = errno;
  }
  w->out.n = 0;
}

static void put_payload(buf *b, const rec *r) {
  put_i64(b, r->step);
  switch (r->type) {
    case REC_HELLO: put_i64(b, r->u.hello.resumed_from); put_i64(b, r->u.hello.total_steps); break;
    case REC_NAME:
    case REC_SCALAR: put_str(b, r->u.scalar.name); put_f64(b, r->u.scalar.value); put_i64(b, r->u.scalar.n_bad); break;
    case REC_CLOCK: put_i64(b, r->u.clock.images); put_i64(b, r->u.clock.d_updates); put_i64(b, r->u.clock.g_updates); put_i64(b, r->u.clock.train_ms); break;
    case REC_EVAL:
      put_str(b, r->u.eval.metric); put_str(b, r->u.eval.protocol); put_str(b, r->u.eval.weights); put_f64(b, r->u.eval.value);
      put_i64(b, r->u.eval.n_fake); put_i64(b, r->u.eval.n_real); put_i64(b, r->u.eval.ms); put_i64(b, r->u.eval.better);
      break;
    case REC_ARTIFACT: put_str(b, r->u.artifact.kind); put_str(b, r->u.artifact.path); put_str(b, r->u.artifact.sha256); put_i64(b, r->u.artifact.bytes); break;
    case REC_EVENT: put_i64(b, r->u.event.level); put_str(b, r->u.event.code); put_str(b, r->u.event.text); break;
    case REC_PROGRESS: put_i64(b, r->u.progress.total); put_f64(b, r->u.progress.its); put_f64(b, r->u.progress.loss_d); put_f64(b, r->u.progress.loss_g); break;
    case REC_DONE: put_str(b, r->u.done.status); put_str(b, r->u.done.error_class); put_str(b, r->u.done.text); break;
    case REC_FACT: put_str(b, r->u.fact.key); put_str(b, r->u.fact.value); break;
    case REC_BEAT: put_str(b, r->u.beat.doing); break;
    case REC_SYNC: put_i64(b, r->u.sync.token); break;
    default: break;
  }
}

void rec_put(rec_writer *w, const rec *r) {
  if (!w || w->broken) return;
  size_t start = w->out.n;
  put_u32(&w->out, MAGIC);
  put_u32(&w->out, r->type);
  put_u32(&w->out, w->run);
  put_u32(&w->out, 0);
  put_u32(&w->out, 0);
  put_payload(&w->out, r);
  unsigned char *h = (unsigned char *)w->out.p + start;
  uint32_t n = (uint32_t)(w->out.n - start - HEADER);
  for (int i = 0; i < 4; i++) h[12 + i] = (unsigned char)(n >> (8 * i));
  uint32_t c = checksum(h, h + HEADER, n);
  for (int i = 0; i < 4; i++) h[16 + i] = (unsigned char)(c >> (8 * i));
  if (w->out.n >= FLUSH_AT) drain(w);
}

gantry_status rec_flush(rec_writer *w, err *e) {
  if (!w) return GANTRY_OK;
  fault_point("record.flush");
  drain(w);
  if (!w->broken) return GANTRY_OK;
  errno = w->broken;
  return err_errno(e, "cannot send records to the parent process");
}

gantry_status rec_sync(rec_writer *w, err *e) {
  if (!w) return GANTRY_OK;
  if (w->two_way) rec_put(w, &(rec){.type = REC_SYNC, .u.sync.token = ++w->token});
  TRY(rec_flush(w, e));
  for (int64_t heard = 0; w->two_way && heard < w->token;) {
    ssize_t k = recv(w->fd, &heard, sizeof heard, MSG_WAITALL);
    if (k < 0 && errno == EINTR) continue;
    if (k != (ssize_t)sizeof heard) return err_set(e, GANTRY_E_CANCELLED, "the parent process is gone: the run ends before its next checkpoint and goes on from the one before");
  }
  fault_point("record.synced");
  return GANTRY_OK;
}

void rec_answer(int fd, int64_t token) {
  while (send(fd, &token, sizeof token, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EINTR) continue; /* a child that is gone needs no answer */
}

void rec_writer_free(rec_writer *w) {
  if (!w) return;
  drain(w);
  buf_free(&w->out);
  free(w);
}

/* ---- reading ---- */

struct rec_reader {
  buf in;
  int64_t at; /* bytes of the stream taken so far, for messages */
  int broken;
};

typedef struct cursor { const unsigned char *p, *end; int bad; } cursor;

static uint32_t take_u32(cursor *c) {
  if (c->end - c->p < 4) return c->bad = 1, 0;
  c->p += 4;
  return get_u32(c->p - 4);
}
static int64_t take_i64(cursor *c) {
  uint64_t low = take_u32(c), high = take_u32(c);
  return (int64_t)(low | high << 32);
}
static double take_f64(cursor *c) {
  int64_t bits = take_i64(c);
  double v;
  memcpy(&v, &bits, sizeof v);
  return v;
}
static const char *take_str(cursor *c) {
  uint32_t n = take_u32(c);
  if (!n || c->bad) return NULL;
  if ((size_t)(c->end - c->p) < n || c->p[n - 1]) return c->bad = 1, NULL;
  c->p += n;
  return (const char *)c->p - n;
}

static int take_payload(cursor *c, rec *r) {
  r->step = take_i64(c);
  switch (r->type) {
    case REC_HELLO: r->u.hello.resumed_from = take_i64(c); r->u.hello.total_steps = take_i64(c); break;
    case REC_NAME:
    case REC_SCALAR: r->u.scalar.name = take_str(c); r->u.scalar.value = take_f64(c); r->u.scalar.n_bad = take_i64(c); break;
    case REC_CLOCK: r->u.clock.images = take_i64(c); r->u.clock.d_updates = take_i64(c); r->u.clock.g_updates = take_i64(c); r->u.clock.train_ms = take_i64(c); break;
    case REC_EVAL:
      r->u.eval.metric = take_str(c); r->u.eval.protocol = take_str(c); r->u.eval.weights = take_str(c); r->u.eval.value = take_f64(c);
      r->u.eval.n_fake = take_i64(c); r->u.eval.n_real = take_i64(c); r->u.eval.ms = take_i64(c); r->u.eval.better = (int32_t)take_i64(c);
      break;
    case REC_ARTIFACT: r->u.artifact.kind = take_str(c); r->u.artifact.path = take_str(c); r->u.artifact.sha256 = take_str(c); r->u.artifact.bytes = take_i64(c); break;
    case REC_EVENT: r->u.event.level = (int32_t)take_i64(c); r->u.event.code = take_str(c); r->u.event.text = take_str(c); break;
    case REC_PROGRESS: r->u.progress.total = take_i64(c); r->u.progress.its = take_f64(c); r->u.progress.loss_d = take_f64(c); r->u.progress.loss_g = take_f64(c); break;
    case REC_DONE: r->u.done.status = take_str(c); r->u.done.error_class = take_str(c); r->u.done.text = take_str(c); break;
    case REC_FACT: r->u.fact.key = take_str(c); r->u.fact.value = take_str(c); break;
    case REC_BEAT: r->u.beat.doing = take_str(c); break;
    case REC_SYNC: r->u.sync.token = take_i64(c); break;
    default: return 0;
  }
  return !c->bad && c->p == c->end;
}

/* What every consumer may rely on: names are never NULL. */
static int complete(const rec *r) {
  switch (r->type) {
    case REC_NAME:
    case REC_SCALAR: return r->u.scalar.name != NULL;
    case REC_EVAL: return r->u.eval.metric && r->u.eval.protocol && r->u.eval.weights;
    case REC_ARTIFACT: return r->u.artifact.kind && r->u.artifact.path;
    case REC_EVENT: return r->u.event.code != NULL;
    case REC_DONE: return r->u.done.status != NULL;
    case REC_FACT: return r->u.fact.key && r->u.fact.value;
    case REC_BEAT: return r->u.beat.doing != NULL;
    default: return 1;
  }
}

rec_reader *rec_reader_new(void) { return mem_alloc(sizeof(rec_reader)); }

gantry_status rec_feed(rec_reader *r, const void *bytes, size_t n, rec_fn *fn, void *user, err *e) {
  if (r->broken) return err_set(e, GANTRY_E_IO, "the record stream was damaged before; nothing more of it is read");
  buf_put(&r->in, bytes, n);
  size_t at = 0;
  while (r->in.n - at >= HEADER) {
    const unsigned char *h = (const unsigned char *)r->in.p + at;
    uint32_t len = get_u32(h + 12);
    rec one = {.type = get_u32(h + 4), .run = get_u32(h + 8)};
    if (get_u32(h) != MAGIC || len > MAX_PAYLOAD) break;
    if (r->in.n - at - HEADER < len) goto rest;
    cursor c = {.p = h + HEADER, .end = h + HEADER + len};
    if (get_u32(h + 16) != checksum(h, h + HEADER, len) || !take_payload(&c, &one) || !complete(&one)) break;
    fn(user, &one);
    at += HEADER + len;
  }
  if (r->in.n - at >= HEADER) {
    r->broken = 1;
    return err_set(e, GANTRY_E_IO, "the record stream is damaged at byte %lld", (long long)(r->at + (int64_t)at));
  }
rest:
  memmove(r->in.p, r->in.p + at, r->in.n - at);
  r->in.n -= at;
  r->at += (int64_t)at;
  return GANTRY_OK;
}

void rec_reader_free(rec_reader *r) {
  if (!r) return;
  buf_free(&r->in);
  free(r);
}
