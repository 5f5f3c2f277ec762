/* dnnl_common.h - oneDNN as this backend uses it: one engine and stream per session, errors as messages with the step's shapes. */
#ifndef CPU_DNNL_COMMON_H
#define CPU_DNNL_COMMON_H
#include <dnnl.h>

#include "lib.h"

typedef struct cpu_dnnl { dnnl_engine_t engine; dnnl_stream_t stream; } cpu_dnnl;
gantry_status cpu_dnnl_open(gantry_ctx *ctx, cpu *self);
void cpu_dnnl_close(cpu *self);
/* "label: oneDNN cannot <what> for <shapes>: <reason>" */
gantry_status cpu_dnnl_fail(const cpu_compile *c, const gantry_lib *l, const char *what, dnnl_status_t s);
#endif
