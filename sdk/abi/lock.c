/* lock.c - the first gate of the ABI (ABI.md): compiled in every build, it fails where a recorded field has moved or changed its type, whoever
 * reviewed the change. Before the freeze at 1.0 the build says so and goes on; see abi.mk. */
#include <gantry/abi.h>
#include <gantry/arch.h>
#include <gantry/backend.h>
#include <gantry/dataset.h>
#include <gantry/loss.h>
#include <gantry/metric.h>
#include <gantry/optim.h>
#include <gantry/program.h>
#include <gantry/regularizer.h>

#define OFFSET(S, F, AT) _Static_assert(offsetof(struct S, F) == (AT), #S "." #F " has moved");
/* ... is the type: it may hold commas */
#define FIELD(S, F, AT, ...)                                                           \
  OFFSET(S, F, AT)                                                                     \
  _Static_assert(_Generic(((struct S *)0)->F, __VA_ARGS__: 1, default: 0), #S "." #F " has another type");
#define SIZE(S, BYTES) _Static_assert(sizeof(struct S) >= (BYTES), #S " has lost its last fields");
#define VALUE(NAME, N) _Static_assert((NAME) == (N), #NAME " has another number");
#include "lock_v0.h"
