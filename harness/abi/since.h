/* since.h - how much of a struct may be required of the other side: its part up to `last`, the last field of the first release. A host that
 * required sizeof its own newest struct would refuse every older plugin the day a field is added; fields behind `last` are read only where
 * GANTRY_HAS says that they are there. */
#ifndef ABI_SINCE_H
#define ABI_SINCE_H
#include <stddef.h>
#define SINCE_0_1(type, last) (offsetof(type, last) + sizeof(((type *)0)->last))
#endif
