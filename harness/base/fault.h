/* fault.h - places where a test may end this process, as a power cut or `kill -9` would.
 *
 * GANTRY_CRASH_AT=store.commit:17 kills the process with SIGKILL when it comes to that place for the 17th time. GANTRY_CRASH_LOG=FILE appends
 * one line "place" for every arrival, so that a test can count what there is to hit. Neither set: a place costs one comparison.
 * State of the process, not of a room: what the environment asked for and how often each place was passed. Single-threaded callers. */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H
void fault_point(const char *place);
#endif
