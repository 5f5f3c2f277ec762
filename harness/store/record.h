/* record.h - the stream of records from a run's process to the parent, the only writer of the database. Both ends.
 *
 * A record is a header {magic, type, run, length, crc32} and a payload; a reader that meets damage reports it and stops
 * trusting the stream, it never crashes. Writers buffer and flush at rec_flush() and when full; a closed pipe is an error. */
#ifndef STORE_RECORD_H
#define STORE_RECORD_H
#include "base/err.h"
#include "base/mem.h"

enum { REC_HELLO = 1, REC_NAME, REC_SCALAR, REC_CLOCK, REC_EVAL, REC_ARTIFACT, REC_EVENT, REC_PROGRESS, REC_DONE, REC_FACT, REC_BEAT, REC_SYNC };

typedef struct rec { /* one record as the reader delivers it; strings live until the callback returns */
  uint32_t type, run;
  int64_t step;
  union {
    struct { int64_t resumed_from, total_steps; } hello;
    struct { const char *name; double value; int64_t n_bad; } scalar;   /* mean over the window; NaN if nothing finite */
    struct { int64_t images, d_updates, g_updates, train_ms; } clock;
    struct { const char *metric, *protocol, *weights; double value; int64_t n_fake, n_real, ms; int32_t better; } eval;
    struct { const char *kind, *path, *sha256; int64_t bytes; } artifact; /* path relative to the run's folder */
    struct { int32_t level; const char *code, *text; } event;           /* 1 error, 2 warning, 3 information */
    struct { int64_t total; double its, loss_d, loss_g; } progress;     /* it/s; losses NaN until known */
    struct { const char *status, *error_class, *text; } done;           /* "done", "diverged", "failed", "stopped" */
    struct { int64_t token; } sync;                                     /* asks for an answer once all before is safe */
    struct { const char *doing; } beat;                                 /* a sign of life: "training", "metric fd"; not stored */
    struct { const char *key, *value; } fact;                           /* "train_key", "graph.d_step", "data", "params.g", "memory", "env" ... */
  } u;
} rec;

typedef struct rec_writer rec_writer;
rec_writer *rec_writer_new(int fd, uint32_t run);
void rec_put(rec_writer *w, const rec *r); /* w NULL: nothing. Fills r->run itself. Errors are kept for rec_flush. */
gantry_status rec_flush(rec_writer *w, err *e);
/* Sends everything, then waits until the other end has it safe (the parent: committed to the database). A checkpoint is only written after this, so that a run that
 * resumes from it lacks no row. Where nobody answers (a file, a one-way pipe) it is rec_flush. GANTRY_E_CANCELLED: the parent is gone. */
gantry_status rec_sync(rec_writer *w, err *e);
/* The other end's answer to a REC_SYNC record. */
void rec_answer(int fd, int64_t token);
void rec_writer_free(rec_writer *w);

typedef struct rec_reader rec_reader;
rec_reader *rec_reader_new(void);
typedef void rec_fn(void *user, const rec *r);
gantry_status rec_feed(rec_reader *r, const void *bytes, size_t n, rec_fn *fn, void *user, err *e);
void rec_reader_free(rec_reader *r);
#endif
