/* dnn.h - a convolution as cuDNN's operation graph: descriptors of the C backend API, made and finalised; finalising needs no GPU and checks shapes.
 *
 * Tensors are N, C, (D,) H, W with the strides of channels-last data, filters O, C / groups, ... likewise; groups follow from the channels. */
#ifndef CUDA_DNN_H
#define CUDA_DNN_H
#include "lib.h"

enum { DNN_X = 'x', DNN_W = 'w', DNN_Y = 'y' }; /* unique ids of the tensors */
enum { DNN_KNOBS = 24 };
typedef struct dnn_graph { cudnnBackendDescriptor_t x, w, y, conv, op, graph; } dnn_graph;
typedef struct dnn_engine { int64_t index; uint32_t n_knobs; int64_t knob[DNN_KNOBS], value[DNN_KNOBS]; } dnn_engine;
typedef struct dnn_plan { cudnnBackendDescriptor_t plan; int64_t workspace; } dnn_plan;

/* CUDNN_STATUS_SUCCESS, or what the first refused descriptor said; *what names it. handle may be NULL where only the shapes are of interest. */
cudnnStatus_t dnn_graph_make(const library *l, cudnnHandle_t handle, const lib_conv *q, dnn_graph *g, const char **what);
void dnn_graph_free(const library *l, dnn_graph *g);

/* Engines that the heuristics suggest for a graph, best first, without those that are not deterministic, those that sum in less than f32 and, unless
 * may_round, those that round their operands or use tensor cores; returns how many. */
uint32_t dnn_engines(const library *l, const dnn_graph *g, int may_round, dnn_engine *list, uint32_t most);
/* The plan of one engine; 0: cuDNN refuses it. */
int dnn_plan_make(const library *l, cudnnHandle_t handle, const dnn_graph *g, const dnn_engine *e, dnn_plan *p);
void dnn_plan_free(const library *l, dnn_plan *p);
cudnnStatus_t dnn_run(const library *l, cudnnHandle_t handle, const dnn_plan *p, void *x, void *w, void *y, void *workspace);
#endif
