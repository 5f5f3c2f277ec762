/* crash.h - last words of a worker that dies of a signal: which one, what it was building, and where. */
#ifndef CLI_CRASH_H
#define CLI_CRASH_H
#include "train/train.h"

/* From here on SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGABRT are described on standard error and then take their usual course. *run may be
 * NULL now and set later; both it and what it points to are looked at when the signal comes. */
void crash_describe(train_run *const *run);
#endif
