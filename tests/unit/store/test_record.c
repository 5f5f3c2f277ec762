/* The record stream: all types there and back through any cut of the bytes; every damage is noticed. */
#include "t.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/record.h"

typedef struct seen { uint32_t n, types; rec last; char text[200]; double value; } seen;
static void on_rec(void *user, const rec *r) {
  seen *s = user;
  s->n++;
  s->types |= 1u << r->type;
  s->last = *r;
  if (r->type == REC_SCALAR) s->value = r->u.scalar.value;
  if (r->type == REC_DONE) snprintf(s->text, sizeof s->text, "%s|%s|%s", r->u.done.status, r->u.done.error_class ? r->u.done.error_class : "-", r->u.done.text);
}

static void stream(buf *out) {
  int p[2];
  T_CHECK(pipe(p) == 0);
  rec_writer *w = rec_writer_new(p[1], 42);
  rec_put(w, &(rec){.type = REC_HELLO, .u.hello = {.resumed_from = -1, .total_steps = 10}});
  rec_put(w, &(rec){.type = REC_SCALAR, .step = 20, .u.scalar = {.name = "loss.d", .value = NAN, .n_bad = 3}});
  rec_put(w, &(rec){.type = REC_CLOCK, .step = 20, .u.clock = {.images = 640, .d_updates = 20, .g_updates = 20, .train_ms = 5}});
  rec_put(w, &(rec){.type = REC_EVAL, .step = 20, .u.eval = {.metric = "fd", .protocol = "p", .weights = "ema", .value = 1.5, .n_fake = 1, .n_real = 2, .ms = 3, .better = -1}});
  rec_put(w, &(rec){.type = REC_ARTIFACT, .step = 20, .u.artifact = {.kind = "samples", .path = "s.png", .bytes = 9}});
  rec_put(w, &(rec){.type = REC_EVENT, .step = 20, .u.event = {.level = 2, .code = "D_WINS", .text = NULL}});
  rec_put(w, &(rec){.type = REC_PROGRESS, .step = 20, .u.progress = {.total = 100, .its = 12.5, .loss_d = NAN, .loss_g = 1}});
  rec_put(w, &(rec){.type = REC_FACT, .u.fact = {.key = "train_key", .value = "abc"}});
  rec_put(w, &(rec){.type = REC_DONE, .step = 1LL << 40, .u.done = {.status = "done", .text = "ü"}});
  err e = {0};
  T_CHECK(rec_flush(w, &e) == 0);
  rec_writer_free(w);
  close(p[1]);
  char text[4096];
  ssize_t k = read(p[0], text, sizeof text);
  T_CHECK(k > 0);
  buf_put(out, text, (size_t)k);
  close(p[0]);
}

static void test_record__round_trip_in_pieces(void) {
  buf b = {0};
  stream(&b);
  for (size_t piece = 1; piece < 40; piece += 6) {
    seen s = {0};
    err e = {0};
    rec_reader *r = rec_reader_new();
    for (size_t at = 0; at < b.n; at += piece) T_CHECK(rec_feed(r, b.p + at, b.n - at < piece ? b.n - at : piece, on_rec, &s, &e) == 0);
    T_CHECK(s.n == 9 && isnan(s.value) && s.last.run == 42 && s.last.step == 1LL << 40);
    T_STR(s.text, "done|-|ü");
    rec_reader_free(r);
  }
  buf_free(&b);
}

static void test_record__every_flipped_byte_is_noticed(void) {
  buf b = {0};
  stream(&b);
  for (size_t i = 0; i < b.n; i++) {
    seen s = {0};
    err e = {0};
    rec_reader *r = rec_reader_new();
    b.p[i] = (char)(b.p[i] ^ 0x10);
    gantry_status st = rec_feed(r, b.p, b.n, on_rec, &s, &e);
    T_CHECK(s.n < 9); /* the damaged one is never delivered */
    if (st) {
      T_HAS(e.msg, "damaged at byte");
      err again = {0};
      T_CHECK(rec_feed(r, b.p, 1, on_rec, &s, &again) == GANTRY_E_IO); /* and the stream stays closed */
    }
    b.p[i] = (char)(b.p[i] ^ 0x10);
    rec_reader_free(r);
  }
  buf_free(&b);
}

static void test_record__a_closed_pipe_is_an_error(void) {
  int p[2];
  T_CHECK(pipe(p) == 0);
  close(p[0]);
  rec_writer *w = rec_writer_new(p[1], 1);
  rec_put(w, &(rec){.type = REC_FACT, .u.fact = {.key = "a", .value = "b"}});
  err e = {0};
  void (*old)(int) = signal(SIGPIPE, SIG_IGN);
  T_CHECK(rec_flush(w, &e) == GANTRY_E_IO);
  rec_put(NULL, &(rec){.type = REC_FACT});
  T_CHECK(rec_flush(NULL, &e) == 0);
  rec_writer_free(w);
  signal(SIGPIPE, old);
  close(p[1]);
}

/* The other end answers only once it has read everything; when it is gone, the writer learns that nothing is safe. */
typedef struct sync_seen { int fd, before, answered; } sync_seen;
static void on_sync(void *user, const rec *r) {
  sync_seen *s = user;
  if (r->type == REC_SCALAR) s->before++;
  if (r->type != REC_SYNC) return;
  s->answered = 1;
  rec_answer(s->fd, r->u.sync.token);
}
static void test_record__sync_waits_for_the_other_end(void) {
  int p[2];
  err e = {0};
  T_CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, p) == 0);
  pid_t child = fork();
  if (child == 0) {
    signal(SIGPIPE, SIG_IGN);
    close(p[0]);
    rec_writer *w = rec_writer_new(p[1], 1);
    for (int k = 0; k < 1000; k++) rec_put(w, &(rec){.type = REC_SCALAR, .step = k, .u.scalar = {.name = "m", .value = 1}});
    int ok = rec_sync(w, &e) == GANTRY_OK;
    char go;
    ok = ok && read(p[1], &go, 1) == 1; /* now the other end leaves */
    ok = ok && rec_sync(w, &e) != GANTRY_OK;
    _exit(ok ? 0 : 1);
  }
  close(p[1]);
  rec_reader *r = rec_reader_new();
  char bytes[4096];
  sync_seen heard = {.fd = p[0]};
  for (ssize_t k; !heard.answered && (k = read(p[0], bytes, sizeof bytes)) > 0;) T_CHECK(rec_feed(r, bytes, (size_t)k, on_sync, &heard, &e) == 0);
  T_CHECK(heard.before == 1000);
  T_CHECK(write(p[0], "g", 1) == 1);
  close(p[0]);
  int status;
  T_CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  rec_reader_free(r);
}

T_MAIN(T(test_record__sync_waits_for_the_other_end), T(test_record__round_trip_in_pieces), T(test_record__every_flipped_byte_is_noticed), T(test_record__a_closed_pipe_is_an_error))
