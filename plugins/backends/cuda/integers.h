/* integers.h - in front of scalar.h in the text of kernels: NVRTC has no <stdint.h>. Carried as text, never compiled into the plugin. */
#ifdef __CUDACC_RTC__
typedef signed char int8_t;
typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef int int32_t;
typedef long long int64_t;
typedef unsigned long long uint64_t;
#else
#include <stdint.h>
#endif
