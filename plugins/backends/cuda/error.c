/* error.c - messages of the CUDA backend: one line, where and what and what to do. */
#include <stdarg.h>
#include <stdio.h>

#include "gpu.h"

gantry_status gpu_say(gantry_ctx *ctx, gantry_status code, const char *fmt, ...) {
  char text[1800];
  va_list ap;
  int n = snprintf(text, sizeof text, "cuda: ");
  va_start(ap, fmt);
  vsnprintf(text + n, sizeof text - (size_t)n, fmt, ap);
  va_end(ap);
  return ctx->host->fail(ctx, code, text);
}

gantry_status gpu_fail(const gpu_compile *c, gantry_status code, const char *fmt, ...) {
  char text[1500];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  return gpu_say(c->ctx, code, "%.250s: %s", c->label ? c->label : "program", text);
}

gantry_status gpu_check(gantry_ctx *ctx, gpu *self, CUresult r, const char *doing) {
  const char *name = NULL, *text = NULL;
  if (r == CUDA_SUCCESS) return GANTRY_OK;
  self->lib->cuGetErrorName(r, &name);
  self->lib->cuGetErrorString(r, &text);
  switch (r) {
    case CUDA_ERROR_OUT_OF_MEMORY:
      return gpu_say(ctx, GANTRY_E_NOMEM, "%s: the GPU's memory is full (this run holds %.1f MB): reduce train.batch or a width, or leave the GPU to fewer runs", doing, (double)self->held_bytes / 1e6);
    /* after these the context answers every call with the same error */
    case CUDA_ERROR_ILLEGAL_ADDRESS: case CUDA_ERROR_LAUNCH_FAILED: case CUDA_ERROR_LAUNCH_TIMEOUT: case CUDA_ERROR_ILLEGAL_INSTRUCTION: case CUDA_ERROR_MISALIGNED_ADDRESS:
    case CUDA_ERROR_INVALID_PC: case CUDA_ERROR_HARDWARE_STACK_ERROR: case CUDA_ERROR_ASSERT: case CUDA_ERROR_ECC_UNCORRECTABLE: case CUDA_ERROR_NVLINK_UNCORRECTABLE:
    case CUDA_ERROR_CONTEXT_IS_DESTROYED: case CUDA_ERROR_DEVICE_UNAVAILABLE: case CUDA_ERROR_SYSTEM_NOT_READY:
    case CUDA_ERROR_MPS_RPC_FAILURE: case CUDA_ERROR_MPS_CLIENT_TERMINATED: /* another process that shares the GPU was at fault, or the daemon has gone */
      self->lost = 1;
      return gpu_say(ctx, GANTRY_E_DEVICE, "%s: the GPU was lost (%s: %s): the run continues from its last checkpoint when it is started again; see dmesg for NVRM lines", doing, name ? name : "?", text ? text : "?");
    default: return gpu_say(ctx, GANTRY_E_DEVICE, "%s: %s (%s)", doing, text ? text : "unknown error", name ? name : "?");
  }
}

gantry_status gpu_library_failed(gantry_ctx *ctx, gpu *self, const char *what) {
  CUresult r = self->lib->cuStreamSynchronize(self->stream); /* while a graph is captured this says so and nothing of the device */
  if (r == CUDA_SUCCESS || (r >= CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED && r <= CUDA_ERROR_CAPTURED_EVENT)) return gpu_say(ctx, GANTRY_E_DEVICE, "%s", what);
  return gpu_check(ctx, self, r, what);
}
