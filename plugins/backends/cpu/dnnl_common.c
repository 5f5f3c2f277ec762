/* dnnl_common.c - the engine and the stream of a session, and oneDNN's status codes in words. */
#include "dnnl_common.h"

#include <stdlib.h>

gantry_status cpu_dnnl_open(gantry_ctx *ctx, cpu *self) {
  cpu_dnnl *d = calloc(1, sizeof *d);
  if (d && !dnnl_engine_create(&d->engine, dnnl_cpu, 0) && !dnnl_stream_create(&d->stream, d->engine, dnnl_stream_default_flags)) {
    self->dnnl = d;
    return GANTRY_OK;
  }
  if (d && d->engine) dnnl_engine_destroy(d->engine);
  free(d);
  return ctx->host->fail(ctx, GANTRY_E_DEVICE, "cpu: oneDNN gives no CPU engine");
}

void cpu_dnnl_close(cpu *self) {
  cpu_dnnl *d = self->dnnl;
  if (!d) return;
  dnnl_stream_destroy(d->stream);
  dnnl_engine_destroy(d->engine);
  free(d);
  self->dnnl = NULL;
}

gantry_status cpu_dnnl_fail(const cpu_compile *c, const gantry_lib *l, const char *what, dnnl_status_t s) {
  static const char *const why[] = {"success", "out of memory", "invalid arguments", "not supported", "iterator ends", "runtime error", "not required"};
  char shapes[400];
  return cpu_fail(c, s == dnnl_out_of_memory ? GANTRY_E_NOMEM : GANTRY_E_DEVICE, "oneDNN cannot %s for %s: %s", what, cpu_shapes(l, shapes),
                  (unsigned)s < sizeof why / sizeof *why ? why[s] : "unknown error");
}
