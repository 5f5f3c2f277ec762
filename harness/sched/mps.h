/* mps.h - NVIDIA's Multi-Process Service around a grid, so that the workers on one GPU compute side by side instead of taking turns. Private to harness/sched
 * (and `gantry doctor`, which asks whether it is there).
 *
 * The host knows a program's name, nvidia-cuda-mps-control, and two variables of the environment; nothing of CUDA. The daemon is private: its sockets lie in a folder of ours
 * that only our workers are told of. It is started and ended by a keeper, a shell that waits on a pipe from us: when that closes, however we end, the keeper quits the daemon
 * and removes the folder. Where the keeper was killed too, --out still names the folder, and the next start ends what answers there. A daemon that we did not start is used
 * as it is and never ended. https://docs.nvidia.com/deploy/mps/ */
#ifndef SCHED_MPS_H
#define SCHED_MPS_H
#include "base/mem.h"
#include "base/proc.h"

enum { MPS_NONE = 0, MPS_OWN, MPS_USERS };
typedef struct mps {
  int state;               /* MPS_*: whose daemon the workers share */
  proc keeper;
  char folder[96];         /* of sockets and logs; "" = none */
  const char *record;      /* the file of --out that names it */
  const char *device;      /* what "auto" turned out to be, or NULL */
  const char *env[3];      /* of a worker that shares; NULL-terminated, empty without a daemon of ours */
} mps;

typedef struct mps_spec {
  const char *exe, *out;
  const char *const *extra; /* a worker's arguments, as in sched_options */
  const char *device;       /* "auto", "cuda", "cuda:1" */
} mps_spec;

int mps_installed(void); /* nvidia-cuda-mps-control is on PATH */
int mps_has_driver(void); /* an NVIDIA driver is loaded */
int mps_answers(void);   /* a daemon answers where CUDA would look for one: the user's */
/* Starts a daemon, or finds the user's, and has a worker open the device through it. Nothing here is an error: without MPS runs take turns. note: one line for the user. */
void mps_start(mps *m, const mps_spec *s, arena *a, const char **note);
void mps_end(mps *m);
/* Ends a daemon that an earlier parent with this --out left behind. The folder's lock must be held: its owner may still be at work else. 1: there was one. */
int mps_leftover(const char *out);
#endif
