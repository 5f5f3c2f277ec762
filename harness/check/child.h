/* child.h - inside the room: one test in a process of its own. */
#ifndef CHECK_CHILD_H
#define CHECK_CHILD_H
#include "check/subject.h"

check_shared *check_share(void); /* a page that children write and their parent reads */
void check_unshare(check_shared *p);
/* Opens the plugin and runs the test in a child; verdict and why are in s->out. A crash, a hang, an exit and anything printed become verdicts. */
void check_run_child(subject *s, check_fn *run, const check_options *o, int64_t *ms);
#endif
