/* window.c - see window.h. */
#include "train/window.h"

#include <math.h>

void windows_init(log_windows *o, train_run *r) {
  uint32_t values = 0;
  *o = (log_windows){.r = r};
  for (uint32_t k = 0; k < r->programs.n; k++) values += r->programs.p[k].n_log;
  for (uint32_t j = 0; j < WINDOWS; j++) {
    o->w[j].mean = ARENA_ARRAY(r->mem, double, values + 1);
    o->w[j].bad = ARENA_ARRAY(r->mem, int64_t, values + 1);
    o->w[j].ticket = ARENA_ARRAY(r->mem, exec_ticket *, r->programs.n + 1);
  }
}

gantry_status windows_begin(log_windows *o, int64_t step, err *e) {
  log_window *w = &o->w[(o->first + o->n) % WINDOWS];
  w->step = step;
  for (uint32_t k = 0; k < o->r->programs.n; k++) {
    w->ticket[k] = NULL;
    if (o->r->programs.p[k].n_log) TRY(train_log_begin(o->r, &o->r->programs.p[k], &w->ticket[k], e));
  }
  o->n++;
  return GANTRY_OK;
}

gantry_status windows_end(log_windows *o, int wait, const log_window **out, err *e) {
  log_window *w = &o->w[o->first];
  *out = NULL;
  if (!o->n) return GANTRY_OK;
  for (uint32_t k = 0, at = 0; k < o->r->programs.n; at += o->r->programs.p[k++].n_log) {
    int ready = 1;
    if (w->ticket[k]) TRY(train_log_end(o->r, &o->r->programs.p[k], w->ticket[k], wait, w->mean + at, w->bad + at, &ready, e));
    if (!ready) return GANTRY_OK;
    w->ticket[k] = NULL;
  }
  o->first = (o->first + 1) % WINDOWS;
  o->n--;
  *out = w;
  return GANTRY_OK;
}

int window_rows(const log_windows *o, const log_window *w, rec_writer *to, int64_t train_ns, int64_t ns, int64_t steps) {
  const cfg_run *c = o->r->cfg;
  double loss[2] = {NAN, NAN};
  int diverged = 0;
  for (uint32_t k = 0, at = 0; k < o->r->programs.n; at += o->r->programs.p[k++].n_log) {
    const train_program *p = &o->r->programs.p[k];
    for (uint32_t j = 0; j < p->n_log; j++) {
      rec x = {.type = REC_SCALAR, .step = w->step};
      x.u.scalar.name = p->log[j];
      x.u.scalar.value = w->mean[at + j];
      x.u.scalar.n_bad = w->bad[at + j];
      rec_put(to, &x);
      int is_loss = !strcmp(p->log[j], "loss_d") ? 1 : !strcmp(p->log[j], "loss_g") ? 2 : 0;
      if (is_loss) loss[is_loss - 1] = w->mean[at + j];
      if (is_loss && w->bad[at + j]) diverged = 1;
    }
  }
  rec t = {.type = REC_CLOCK, .step = w->step};
  t.u.clock.images = w->step * c->batch * c->d_steps;
  t.u.clock.d_updates = w->step * c->d_steps;
  t.u.clock.g_updates = w->step * c->g_steps;
  t.u.clock.train_ms = train_ns / 1000000;
  rec_put(to, &t);
  rec p = {.type = REC_PROGRESS, .step = w->step};
  p.u.progress.total = o->r->total_steps;
  p.u.progress.its = ns > 0 ? 1e9 * (double)steps / (double)ns : 0;
  p.u.progress.loss_d = loss[0];
  p.u.progress.loss_g = loss[1];
  rec_put(to, &p);
  if (ns <= 0) return diverged;
  rec s = {.type = REC_SCALAR, .step = w->step};
  s.u.scalar.name = "steps_per_second";
  s.u.scalar.value = p.u.progress.its;
  rec_put(to, &s);
  return diverged;
}
