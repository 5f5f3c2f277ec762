/* memory_fault.h - inside the room: lets the k-th allocation of one loaded plugin fail, and of nobody else: the pointers to malloc, calloc, realloc,
 * strdup and aligned_alloc in the plugin's own table of imports are replaced. State of the process, which is a child that runs one test. */
#ifndef CHECK_MEMORY_FAULT_H
#define CHECK_MEMORY_FAULT_H
#include <gantry/abi.h>
int memory_fault_install(const gantry_plugin *live); /* 0: it imports none of them */
void memory_fault_arm(uint32_t k);                   /* 1 = the next allocation */
int memory_fault_disarm(void);                       /* 1 if it came to that */
#endif
