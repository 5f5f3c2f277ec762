/* inputs.h - a world's inputs on the device: scalars of parameters, arrays of the data set, the run's seed. */
#ifndef EXEC_INPUTS_H
#define EXEC_INPUTS_H
#include "abi/world.h"
#include "exec/exec.h"

/* Makes and uploads every input of the world that the session does not have yet. The input "seed" gets the two words of seed. */
gantry_status exec_upload_inputs(exec_session *s, const abi_world *w, uint64_t seed, err *e);
#endif
