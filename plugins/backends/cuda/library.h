/* library.h - NVIDIA's libraries as tables of functions, found and opened at run time: this plugin links none of them and loads anywhere.
 *
 * Searched in this order: the loader's path, CUDA_HOME, /usr/local/cuda*, the library folders that PyTorch brings (below the Python of $PATH,
 * $VIRTUAL_ENV, $CONDA_PREFIX). For tests alone: GANTRY_CUDA_DOUBLE names a shared object that stands for all of them (tests/cuda/double). */
#ifndef CUDA_LIBRARY_H
#define CUDA_LIBRARY_H
#include <cublasLt.h>
#include <cuda.h>
#include <cudnn_graph.h>
#include <nvrtc.h>

#define LIBRARY_DRIVER(F)                                                                                                                \
  F(cuInit) F(cuDriverGetVersion) F(cuDeviceGetCount) F(cuDeviceGet) F(cuDeviceGetName) F(cuDeviceGetAttribute) F(cuDeviceTotalMem)      \
  F(cuDevicePrimaryCtxRetain) F(cuDevicePrimaryCtxRelease) F(cuCtxSetCurrent) F(cuMemGetInfo) F(cuMemAlloc) F(cuMemFree)                 \
  F(cuMemHostRegister) F(cuMemHostGetDevicePointer) F(cuMemHostUnregister) F(cuMemHostAlloc) F(cuMemFreeHost)                               \
  F(cuMemcpyHtoDAsync) F(cuMemcpyDtoHAsync) F(cuMemsetD8Async) F(cuStreamCreate) F(cuStreamDestroy) F(cuStreamSynchronize)               \
  F(cuStreamBeginCapture) F(cuStreamEndCapture) F(cuGraphInstantiate) F(cuGraphLaunch) F(cuGraphDestroy) F(cuGraphExecDestroy)           \
  F(cuEventCreate) F(cuEventRecord) F(cuEventSynchronize) F(cuEventQuery) F(cuEventElapsedTime) F(cuEventDestroy)                        \
  F(cuModuleLoadData) F(cuModuleUnload) F(cuModuleGetFunction) F(cuLaunchKernel) F(cuGetErrorName) F(cuGetErrorString)
#define LIBRARY_NVRTC(F)                                                                                                                 \
  F(nvrtcVersion) F(nvrtcCreateProgram) F(nvrtcDestroyProgram) F(nvrtcCompileProgram) F(nvrtcGetProgramLogSize) F(nvrtcGetProgramLog)    \
  F(nvrtcGetCUBINSize) F(nvrtcGetCUBIN) F(nvrtcGetPTXSize) F(nvrtcGetPTX) F(nvrtcGetNumSupportedArchs) F(nvrtcGetSupportedArchs) F(nvrtcGetErrorString)
#define LIBRARY_CUDNN(F)                                                                                                                 \
  F(cudnnGetVersion) F(cudnnCreate) F(cudnnDestroy) F(cudnnSetStream) F(cudnnGetErrorString) F(cudnnGetLastErrorString)                  \
  F(cudnnBackendCreateDescriptor) F(cudnnBackendDestroyDescriptor) F(cudnnBackendFinalize) F(cudnnBackendSetAttribute)                   \
  F(cudnnBackendGetAttribute) F(cudnnBackendExecute)
#define LIBRARY_CUBLAS(F)                                                                                                                \
  F(cublasLtGetVersion) F(cublasLtCreate) F(cublasLtDestroy) F(cublasLtMatmulDescCreate) F(cublasLtMatmulDescDestroy)                    \
  F(cublasLtMatmulDescSetAttribute) F(cublasLtMatrixLayoutCreate) F(cublasLtMatrixLayoutDestroy) F(cublasLtMatrixLayoutSetAttribute)     \
  F(cublasLtMatmulPreferenceCreate) F(cublasLtMatmulPreferenceDestroy) F(cublasLtMatmulPreferenceSetAttribute)                           \
  F(cublasLtMatmulAlgoGetHeuristic) F(cublasLtMatmul)

#define LIBRARY_FIELD(f) __typeof__(f) *f;
typedef struct library { /* an absent library's functions are NULL; why says what was tried */
  LIBRARY_DRIVER(LIBRARY_FIELD)
  LIBRARY_NVRTC(LIBRARY_FIELD)
  LIBRARY_CUDNN(LIBRARY_FIELD)
  LIBRARY_CUBLAS(LIBRARY_FIELD)
  int has_driver, has_nvrtc, has_cudnn, has_cublas, is_double;
  int driver_version, nvrtc_major, nvrtc_minor; /* 13000; 13, 0 */
  char why[240];                               /* the first thing that is missing and what to do, empty if nothing is */
} library;

/* Opens the driver and, if that is there, the others. Once per process; libraries stay loaded. Never NULL. */
const library *library_open(void);
/* One table alone, for tests of descriptors and compilation on machines without a GPU: 1 if it is there. */
int library_open_nvrtc(library *l);
int library_open_cudnn(library *l);
int library_open_cublas(library *l);
/* "driver 13.0, NVRTC 13.0, cuDNN 9.19.0, cuBLASLt 13.1.0" */
void library_versions(const library *l, char *dst, size_t room);
#endif
