/* backend.c - the CUDA backend: probe, sessions, memory; the rest is in the files that gpu.h names.
 *
 * Nothing of CUDA is linked: library.c opens what the machine has, and probe says what is missing. One session is one stream on one GPU; the
 * same program gives the same bits on the same GPU every time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engines.h"
#include "gpu.h"

enum { OLDEST_ARCH = 70 };

static int describe(const library *l, uint32_t k, char *name, size_t room, int *arch, size_t *bytes) {
  CUdevice d;
  int major = 0, minor = 0;
  if (l->cuDeviceGet(&d, (int)k) || l->cuDeviceGetName(name, (int)room, d) || l->cuDeviceTotalMem(bytes, d) || l->cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, d) ||
      l->cuDeviceGetAttribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, d))
    return 0;
  *arch = 10 * major + minor;
  return 1;
}

/* 1: GPU k can be used; else why says what stands in the way and what to do. */
static int usable(const library *l, uint32_t k, char *why, size_t room, char name[128], int *arch, size_t *bytes) {
  int n = 0;
  CUresult r;
  if (!l->has_driver || l->driver_version < 12000 || !l->has_nvrtc) snprintf(why, room, "%s", l->why);
  else if ((r = l->cuInit(0)) == CUDA_ERROR_NO_DEVICE || (!r && !l->cuDeviceGetCount(&n) && n == 0)) snprintf(why, room, "the driver finds no GPU (CUDA_VISIBLE_DEVICES hides them if it is set)");
  else if (r) {
    const char *text = NULL;
    l->cuGetErrorString(r, &text);
    snprintf(why, room, "the driver does not start: %.150s; nvidia-smi tells more", text ? text : "unknown error");
  } else if (k >= (uint32_t)n) snprintf(why, room, "there is no GPU %u: this machine has %d, counted from 0", k, n);
  else if (!describe(l, k, name, 128, arch, bytes)) snprintf(why, room, "GPU %u does not say what it is", k);
  else if (*arch < OLDEST_ARCH) snprintf(why, room, "%.60s is too old: compute capability %d.%d, %d.%d is needed", name, *arch / 10, *arch % 10, OLDEST_ARCH / 10, OLDEST_ARCH % 10);
  else if (l->driver_version / 1000 < l->nvrtc_major) snprintf(why, room, "the driver knows CUDA %d, NVRTC is of CUDA %d: install a newer driver or the older NVRTC", l->driver_version / 1000, l->nvrtc_major);
  else return 1;
  return 0;
}

static gantry_status probe(gantry_ctx *ctx, gantry_probe *p) {
  const library *l = library_open();
  char name[128] = "";
  int arch = 0;
  size_t bytes = 0;
  (void)ctx;
  p->score = usable(l, 0, p->reason, sizeof p->reason, name, &arch, &bytes) ? (l->is_double ? 1 : 100) : 0;
  if (p->score) {
    snprintf(p->device, sizeof p->device, "%.90s, %.1f GB", name, (double)bytes / 1e9);
    snprintf(p->reason, sizeof p->reason, "%s", l->has_cudnn && l->has_cublas ? "" : l->why); /* it runs with its own kernels, slower: doctor says so */
  }
  if (l->has_driver) library_versions(l, p->libraries, sizeof p->libraries);
  if (GANTRY_HAS(p, precisions)) p->precisions = 1u << GANTRY_PRECISION_F32 | 1u << GANTRY_PRECISION_TF32 | 1u << GANTRY_PRECISION_BF16;
  return GANTRY_OK;
}

static gantry_status here(gantry_ctx *ctx, gpu *g) {
  if (g->lost) return gpu_say(ctx, GANTRY_E_DEVICE, "the GPU was lost earlier in this run");
  return gpu_check(ctx, g, g->lib->cuCtxSetCurrent(g->context), "using the GPU");
}

static void close_(void *self) {
  gpu *g = self;
  if (!g) return;
  if (g->context) {
    g->lib->cuCtxSetCurrent(g->context);
    if (g->stream) g->lib->cuStreamSynchronize(g->stream);
    gpu_seen_write(g);
    gpu_graphs_forget(g, NULL);
    gpu_takes_free(g);
    gpu_convs_free(g);
    gpu_kernels_free(g);
    if (g->cudnn) g->lib->cudnnDestroy(g->cudnn);
    if (g->cublas) g->lib->cublasLtDestroy(g->cublas);
    if (g->partial) g->lib->cuMemFree(g->partial);
    if (g->stream) g->lib->cuStreamDestroy(g->stream);
    g->lib->cuDevicePrimaryCtxRelease(g->device);
  }
  engines_close(g->engines);
  free(g->graphs);
  free(g);
}

/* GANTRY_CUDA_LIBRARIES=none: kernels of this backend alone, to see whether a library is at fault. */
static int libraries_wanted(void) {
  const char *v = getenv("GANTRY_CUDA_LIBRARIES");
  return !v || strcmp(v, "none");
}

static gantry_status open_(gantry_ctx *ctx, const gantry_open *o, void **self) {
  const library *l = library_open();
  char why[256], text[256];
  size_t bytes;
  gpu *g = calloc(1, sizeof *g);
  if (!g) return gpu_say(ctx, GANTRY_E_NOMEM, "out of memory");
  g->lib = l;
  if (!usable(l, o->device, why, sizeof why, g->name, &g->arch, &bytes)) {
    free(g);
    return gpu_say(ctx, GANTRY_E_DEVICE, "%s. `gantry doctor` tells more; --device cpu works everywhere", why);
  }
  gantry_status st = gpu_check(ctx, g, l->cuDeviceGet(&g->device, (int)o->device), "opening the GPU");
  if (!st) st = gpu_check(ctx, g, l->cuDevicePrimaryCtxRetain(&g->context, g->device), "opening the GPU");
  if (!st) st = here(ctx, g);
  if (!st) st = gpu_check(ctx, g, l->cuStreamCreate(&g->stream, CU_STREAM_NON_BLOCKING), "opening the GPU");
  if (!st && libraries_wanted()) {
    cudnnStatus_t r = l->has_cudnn ? l->cudnnCreate(&g->cudnn) : CUDNN_STATUS_SUCCESS;
    if (!r && g->cudnn) r = l->cudnnSetStream(g->cudnn, (cudaStream_t)g->stream);
    if (r) st = gpu_say(ctx, GANTRY_E_DEVICE, "cuDNN does not start: %s; GANTRY_CUDA_LIBRARIES=none runs without it, slower", l->cudnnGetErrorString(r));
    if (!st && l->has_cublas && l->cublasLtCreate(&g->cublas)) st = gpu_say(ctx, GANTRY_E_DEVICE, "cuBLASLt does not start; GANTRY_CUDA_LIBRARIES=none runs without it, slower");
  }
  if (!st && GANTRY_HAS(o, folder) && o->folder) {
    library_versions(l, text, sizeof text);
    char head[400];
    snprintf(head, sizeof head, "%s; %s", g->name, text);
    if (!(g->engines = engines_open(o->folder, head))) st = gpu_say(ctx, GANTRY_E_NOMEM, "out of memory");
    else if (engines_other_device(g->engines)) ctx->host->log(ctx, 2, "cuda: this run was begun on another GPU or with another cuDNN: its convolutions are chosen again, its bits will differ from there on");
  }
  if (st) close_(g);
  else *self = g;
  return st;
}

static gantry_status alloc(gantry_ctx *ctx, void *self, int64_t bytes, void **buffer) {
  gpu *g = self;
  size_t n = ((size_t)(bytes > 0 ? bytes : 1) + 255) & ~(size_t)255, free_bytes = 0, total = 0;
  gpu_buffer *b = calloc(1, sizeof *b);
  if (!b || bytes < 0) {
    free(b);
    return gpu_say(ctx, GANTRY_E_NOMEM, "out of memory");
  }
  gantry_status st = here(ctx, g);
  CUresult r = st ? CUDA_SUCCESS : g->lib->cuMemAlloc(&b->at, n);
  if (r == CUDA_ERROR_OUT_OF_MEMORY) {
    g->lib->cuMemGetInfo(&free_bytes, &total);
    st = gpu_say(ctx, GANTRY_E_NOMEM, "no memory for %.1f MB: this run holds %.1f MB, %.1f of the GPU's %.1f MB are free; reduce train.batch or a width, or run fewer at a time", (double)n / 1e6,
                 (double)g->held_bytes / 1e6, (double)free_bytes / 1e6, (double)total / 1e6);
  } else if (!st) st = gpu_check(ctx, g, r, "getting memory");
  if (!st) st = gpu_check(ctx, g, g->lib->cuMemsetD8Async(b->at, 0, n, g->stream), "clearing memory");
  if (st) {
    if (b->at) g->lib->cuMemFree(b->at);
    free(b);
    return st;
  }
  b->bytes = (int64_t)n;
  g->held_bytes += b->bytes;
  *buffer = b;
  return GANTRY_OK;
}

/* A set of samples that would leave little room stays in main memory: the gather of a batch reads it over the bus, which is a small part of a step. */
static gantry_status adopt(gantry_ctx *ctx, void *self, const void *memory, int64_t bytes, void **buffer) {
  gpu *g = self;
  size_t free_bytes = 0, total = 0;
  gantry_status st = here(ctx, g);
  if (!st) st = gpu_check(ctx, g, g->lib->cuMemGetInfo(&free_bytes, &total), "looking at memory");
  if (st || (size_t)bytes <= free_bytes / 2) return st ? st : GANTRY_E_UNSUPPORTED;
  gpu_buffer *b = calloc(1, sizeof *b);
  if (!b) return gpu_say(ctx, GANTRY_E_NOMEM, "out of memory");
  memcpy(&b->adopted, &memory, sizeof memory);
  CUresult r = g->lib->cuMemHostRegister(b->adopted, (size_t)bytes, CU_MEMHOSTREGISTER_DEVICEMAP | CU_MEMHOSTREGISTER_READ_ONLY);
  if (r == CUDA_ERROR_NOT_SUPPORTED || r == CUDA_ERROR_INVALID_VALUE) r = g->lib->cuMemHostRegister(b->adopted, (size_t)bytes, CU_MEMHOSTREGISTER_DEVICEMAP); /* drivers that know no read-only registration */
  if (!r && (r = g->lib->cuMemHostGetDevicePointer(&b->at, b->adopted, 0))) g->lib->cuMemHostUnregister(b->adopted);
  if (!r) {
    g->n_adopted++;
    *buffer = b;
    return GANTRY_OK;
  }
  const char *name = NULL;
  g->lib->cuGetErrorName(r, &name);
  free(b);
  return gpu_say(ctx, GANTRY_E_NOMEM, "%.1f MB of samples take more than half of the %.1f MB that are free, and cannot be read from main memory either (%s): set data.limit, or data.storage to \"memory\"",
                 (double)bytes / 1e6, (double)free_bytes / 1e6, name ? name : "?");
}

static void release(void *self, void *buffer) {
  gpu *g = self;
  gpu_buffer *b = buffer;
  if (!b) return;
  g->lib->cuCtxSetCurrent(g->context);
  g->lib->cuStreamSynchronize(g->stream); /* it may still be in use */
  if (b->adopted) g->lib->cuMemHostUnregister(b->adopted);
  else g->lib->cuMemFree(b->at);
  g->held_bytes -= b->bytes;
  free(b);
}

static gantry_status upload(gantry_ctx *ctx, void *self, void *buffer, int64_t offset, int64_t bytes, const void *src) {
  gpu *g = self;
  gantry_status st = here(ctx, g);
  if (st || bytes <= 0) return st;
  return gpu_check(ctx, g, g->lib->cuMemcpyHtoDAsync(((gpu_buffer *)buffer)->at + (CUdeviceptr)offset, src, (size_t)bytes, g->stream), "copying to the GPU");
}

static gantry_status sync_(gantry_ctx *ctx, void *self) {
  gpu *g = self;
  gantry_status st = here(ctx, g);
  return st ? st : gpu_check(ctx, g, g->lib->cuStreamSynchronize(g->stream), "computing");
}

static gantry_status download(gantry_ctx *ctx, void *self, void *buffer, int64_t offset, int64_t bytes, void *dst) {
  gpu *g = self;
  gantry_status st = here(ctx, g);
  if (st || bytes <= 0) return st;
  st = gpu_check(ctx, g, g->lib->cuMemcpyDtoHAsync(dst, ((gpu_buffer *)buffer)->at + (CUdeviceptr)offset, (size_t)bytes, g->stream), "copying from the GPU");
  return st ? st : sync_(ctx, self);
}

static gantry_status query(gantry_ctx *ctx, void *self, const gantry_lib *l, gantry_query *q) {
  gantry_status st = here(ctx, self);
  q->supported = !st && gpu_lib_supported(l);
  q->scratch_bytes = 0;
  return st || !q->supported ? st : gpu_lib_scratch(ctx, self, l, &q->scratch_bytes);
}

static gantry_status compile(gantry_ctx *ctx, void *self, const gantry_program *p, void *const *named, void **exe) {
  gpu_exe *e = NULL;
  gantry_status st = here(ctx, self);
  if (!st) st = gpu_program_make(ctx, self, p, named, &e);
  if (!st) *exe = e;
  return st;
}

static void discard(void *self, void *exe) {
  gpu *g = self;
  if (!exe) return;
  g->lib->cuCtxSetCurrent(g->context);
  g->lib->cuStreamSynchronize(g->stream);
  gpu_graphs_forget(g, exe);
  gpu_exe_free(g, exe);
}

static CUdeviceptr place(const void *workspace) { return workspace ? ((const gpu_buffer *)workspace)->at : 0; }
static gantry_status run(gantry_ctx *ctx, void *self, void *const *exes, uint32_t n, void *workspace) {
  gantry_status st = here(ctx, self);
  return st || !n ? st : gpu_run(ctx, self, exes, n, place(workspace));
}
static gantry_status measure(gantry_ctx *ctx, void *self, void *exe, void *workspace, uint32_t runs, int64_t *ns) {
  gantry_status st = here(ctx, self);
  return st ? st : gpu_measure(ctx, self, exe, place(workspace), runs, ns);
}

static gantry_status take(gantry_ctx *ctx, void *self, void *buffer, int64_t offset, int64_t bytes, void **ticket) {
  gpu_take *t = NULL;
  gantry_status st = here(ctx, self);
  if (!st) st = gpu_take_begin(ctx, self, ((gpu_buffer *)buffer)->at + (CUdeviceptr)offset, bytes, &t);
  if (!st) *ticket = t;
  return st;
}
static gantry_status taken(gantry_ctx *ctx, void *self, void *ticket, uint32_t wait, void *dst, uint32_t *ready) {
  gantry_status st = here(ctx, self);
  return st ? st : gpu_take_end(ctx, self, ticket, wait != 0, dst, ready);
}

static const gantry_backend backend = {
  .struct_size = sizeof(gantry_backend), .probe = probe, .open = open_, .close = close_, .query = query, .alloc = alloc, .release = release, .upload = upload,
  .download = download, .compile = compile, .discard = discard, .run = run, .sync = sync_, .measure = measure, .adopt = adopt, .take = take, .taken = taken,
};
GANTRY_PLUGIN(GANTRY_KIND_BACKEND, "cuda", "0.1.0", "Runs programs on NVIDIA GPUs: generated kernels, cuDNN and cuBLASLt, replayed as graphs") .iface = &backend GANTRY_PLUGIN_END
