/* engines.h - which engine each convolution runs with, frozen in the run's folder: <folder>/engines.txt, a line per convolution. A resumed run
 * reads it and has the same bits; on another GPU or cuDNN (the first line tells) everything is chosen again. */
#ifndef CUDA_ENGINES_H
#define CUDA_ENGINES_H
#include "dnn.h"

typedef struct gpu_engines gpu_engines;
/* Never fails for a missing or damaged file: then there is nothing in it. NULL: out of memory. */
gpu_engines *engines_open(const char *folder, const char *device_and_version);
const dnn_engine *engines_find(const gpu_engines *e, const char *signature); /* NULL: not chosen yet */
int engines_add(gpu_engines *e, const char *signature, const dnn_engine *choice); /* and writes the file; 0: it cannot be written */
int engines_other_device(const gpu_engines *e);                                  /* the file was of another GPU or cuDNN */
void engines_close(gpu_engines *e);
#endif
