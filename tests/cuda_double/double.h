/* double.h - a stand-in for NVIDIA's driver and libraries, for tests on machines without a GPU: one shared object with their names, so that the whole
 * CUDA backend runs, from finding libraries to replaying graphs.
 *
 *   driver.c   memory of the host under addresses that only this object can read, kernels run by calling them, streams, graphs, events
 *   nvrtc.c    kernels compiled as C by cc: a "cubin" is a shared object
 *   dnn.c      descriptors as bags of attributes, heuristics with engines to refuse, convolutions by plain loops
 *   blas.c     products by plain loops
 *
 * Faults, by environment: GANTRY_DOUBLE_MEMORY=bytes of the device; GANTRY_DOUBLE_LOSE=n: the device is lost at the n-th kernel or library call;
 * with GANTRY_DOUBLE_LOSE_IN=text only in processes with that in their command line, which under MPS ends all clients;
 * GANTRY_DOUBLE_LATE=n: what is copied into page-locked memory comes late, see driver.c;
 * GANTRY_DOUBLE_MPS=refuse; nvidia-cuda-mps-control beside this stands for NVIDIA's;
 * GANTRY_DOUBLE_DEVICES=n; GANTRY_DOUBLE_VERSION=12040 of the driver; GANTRY_DOUBLE_BREAK=-Dname=1,
 * an option for cc that breaks what kernels are compiled from. GANTRY_DOUBLE_LOG=file: a line per graph captured, graph replayed, upload and plan of cuDNN.
 * GANTRY_DOUBLE_SOURCES=folder: every program that NVRTC was given, a file each. */
#ifndef CUDA_DOUBLE_H
#define CUDA_DOUBLE_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

/* An address of the device as one of the host. NULL stays NULL; what is no device address stays as it is and crashes whoever reads it. */
void *double_host(const void *device);
/* Does fn(copy of payload) now, or at every replay if the stream is being captured. 0, or the device's error. */
int double_do(void (*fn)(void *payload), const void *payload, size_t bytes);
void double_log(const char *what, long long n);

/* Elements of products and convolutions: f32, f64, or the bits of bf16, which every 16 bits here are. */
static inline double double_of_f32(float x) { return (double)x; }
static inline double double_of_f64(double x) { return x; }
static inline double double_of_b16(uint16_t x) {
  uint32_t bits = (uint32_t)x << 16;
  float f;
  memcpy(&f, &bits, 4);
  return (double)f;
}
static inline void double_to_f32(float *to, double x) { *to = (float)x; }
static inline void double_to_f64(double *to, double x) { *to = x; }
static inline void double_to_b16(uint16_t *to, double x) { /* to nearest, ties to even; NaN stays one */
  float f = (float)x;
  uint32_t bits;
  memcpy(&bits, &f, 4);
  *to = f != f ? 0x7fc0 : (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}
#define double_wide(X) _Generic((X), float: double_of_f32, double: double_of_f64, uint16_t: double_of_b16)(X)
#define double_put(TO, X) _Generic((TO), float *: double_to_f32, double *: double_to_f64, uint16_t *: double_to_b16)(TO, X)
#endif
