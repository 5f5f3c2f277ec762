/* window.h - log windows under way: a window's sums are asked for after its last step, and read when they have come, while later steps are already handed over. Private to
 * harness/train. Windows end in the order in which they began; at most WINDOWS are open. */
#ifndef TRAIN_WINDOW_H
#define TRAIN_WINDOW_H
#include "train/train.h"

enum { WINDOWS = 4 };
typedef struct log_window {
  int64_t step;              /* its last */
  double *mean;              /* of every logged value, program by program */
  int64_t *bad;              /* how many of them were not finite */
  exec_ticket **ticket;      /* by program; NULL once its values are here */
} log_window;
typedef struct log_windows { train_run *r; log_window w[WINDOWS]; uint32_t first, n; } log_windows;

void windows_init(log_windows *o, train_run *r);
/* Ends the window at this step and begins the next one. There must be room. */
gantry_status windows_begin(log_windows *o, int64_t step, err *e);
/* The oldest window if its values have come, or, with wait, when they have; else *out is NULL. It is valid until the next windows_begin. */
gantry_status windows_end(log_windows *o, int wait, const log_window **out, err *e);
/* Sends the rows of a window. ns: what its `steps` steps took; train_ns: all so far. 1: a loss in it is not finite. */
int window_rows(const log_windows *o, const log_window *w, rec_writer *to, int64_t train_ns, int64_t ns, int64_t steps);
#endif
