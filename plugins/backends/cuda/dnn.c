/* dnn.c - see dnn.h. */
#include "dnn.h"

#include <string.h>

static cudnnStatus_t set(const library *l, cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t n, const void *v) {
  return l->cudnnBackendSetAttribute(d, name, type, n, v);
}
#define SET(d, name, type, n, v)                                      \
  do {                                                                \
    cudnnStatus_t s_ = set(l, (d), (name), (type), (n), (v));         \
    if (s_) return s_;                                                \
  } while (0)

static cudnnDataType_t type_of(const lib_conv *q) { return q->dtype == GANTRY_F64 ? CUDNN_DATA_DOUBLE : q->dtype == GANTRY_BF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT; }
static cudnnDataType_t sums_of(const lib_conv *q) { return q->dtype == GANTRY_F64 ? CUDNN_DATA_DOUBLE : CUDNN_DATA_FLOAT; }

/* dims: outer, channels, three spatial axes with 1 for those that are missing; cuDNN wants at least two. */
static cudnnStatus_t tensor(const library *l, const lib_conv *q, int64_t uid, int64_t outer, int64_t channels, const int64_t spatial[3], cudnnBackendDescriptor_t *out) {
  uint32_t n = q->spatial == 3 ? 3 : 2;
  int64_t dims[5] = {outer, channels}, strides[5], run = channels, aligned = q->aligned;
  cudnnDataType_t type = type_of(q);
  cudnnStatus_t s = l->cudnnBackendCreateDescriptor(CUDNN_BACKEND_TENSOR_DESCRIPTOR, out);
  if (s) return s;
  strides[1] = 1;
  for (uint32_t k = n; k-- > 0;) {
    dims[2 + k] = spatial[3 - n + k];
    strides[2 + k] = run;
    run *= dims[2 + k];
  }
  strides[0] = run;
  SET(*out, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &uid);
  SET(*out, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
  SET(*out, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &aligned);
  SET(*out, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, n + 2, dims);
  SET(*out, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, n + 2, strides);
  return l->cudnnBackendFinalize(*out);
}

static cudnnStatus_t convolution(const library *l, const lib_conv *q, cudnnBackendDescriptor_t *out) {
  int64_t n = q->spatial == 3 ? 3 : 2, skip = 3 - n;
  cudnnDataType_t type = sums_of(q);
  cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  cudnnStatus_t s = l->cudnnBackendCreateDescriptor(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, out);
  if (s) return s;
  SET(*out, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &n);
  SET(*out, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
  SET(*out, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
  SET(*out, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, n, q->lo + skip);
  SET(*out, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, n, q->hi + skip);
  SET(*out, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, n, q->stride + skip);
  SET(*out, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, n, q->dilation + skip);
  return l->cudnnBackendFinalize(*out);
}

typedef struct face { cudnnBackendDescriptorType_t type; cudnnBackendAttributeName_t conv, x, w, y, alpha, beta; } face;
static face face_of(uint32_t op) {
  if (op == GANTRY_OP_CONV)
    return (face){CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                  CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
  if (op == GANTRY_OP_CONV_DGRAD)
    return (face){CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
  return (face){CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
}

static cudnnStatus_t operation(const library *l, const lib_conv *q, dnn_graph *g) {
  face f = face_of(q->op);
  float one = 1, zero = 0;
  double wide_one = 1, wide_zero = 0;
  int wide = q->dtype == GANTRY_F64;
  cudnnBackendAttributeType_t number = wide ? CUDNN_TYPE_DOUBLE : CUDNN_TYPE_FLOAT;
  cudnnStatus_t s = l->cudnnBackendCreateDescriptor(f.type, &g->op);
  if (s) return s;
  SET(g->op, f.x, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->x);
  SET(g->op, f.w, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->w);
  SET(g->op, f.y, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->y);
  SET(g->op, f.conv, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->conv);
  SET(g->op, f.alpha, number, 1, wide ? (const void *)&wide_one : &one);
  SET(g->op, f.beta, number, 1, wide ? (const void *)&wide_zero : &zero);
  return l->cudnnBackendFinalize(g->op);
}

static cudnnStatus_t whole(const library *l, cudnnHandle_t handle, dnn_graph *g) {
  cudnnStatus_t s = l->cudnnBackendCreateDescriptor(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, &g->graph);
  if (s) return s;
  SET(g->graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->op);
  if (handle) SET(g->graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
  return l->cudnnBackendFinalize(g->graph);
}

cudnnStatus_t dnn_graph_make(const library *l, cudnnHandle_t handle, const lib_conv *q, dnn_graph *g, const char **what) {
  cudnnStatus_t s;
  memset(g, 0, sizeof *g);
  if ((*what = "x", s = tensor(l, q, DNN_X, q->n, q->c, q->in, &g->x)) || (*what = "filter", s = tensor(l, q, DNN_W, q->o, q->c / q->groups, q->k, &g->w)) ||
      (*what = "y", s = tensor(l, q, DNN_Y, q->n, q->o, q->out, &g->y)) || (*what = "convolution", s = convolution(l, q, &g->conv)) || (*what = "operation", s = operation(l, q, g)) ||
      (*what = "graph", s = whole(l, handle, g)))
    dnn_graph_free(l, g);
  return s;
}

static void drop(const library *l, cudnnBackendDescriptor_t *d) {
  if (*d) l->cudnnBackendDestroyDescriptor(*d);
  *d = NULL;
}

void dnn_graph_free(const library *l, dnn_graph *g) {
  drop(l, &g->graph);
  drop(l, &g->op);
  drop(l, &g->conv);
  drop(l, &g->y);
  drop(l, &g->w);
  drop(l, &g->x);
}

/* Engine and knobs of a suggested configuration; 0: it has more knobs than we keep, or rounds operands or sums, or is not deterministic. */
static int read_config(const library *l, cudnnBackendDescriptor_t config, int may_round, dnn_engine *e) {
  cudnnBackendDescriptor_t engine = NULL, choice[DNN_KNOBS] = {NULL};
  cudnnBackendNumericalNote_t notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
  int64_t n = 0, n_notes = 0, one;
  int ok = !l->cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine) &&
           !l->cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &one, &engine) &&
           !l->cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &one, &e->index) &&
           !l->cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &n_notes, notes);
  for (int64_t k = 0; k < n_notes && ok; k++)
    ok = notes[k] != CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC && notes[k] != CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION && (may_round || (notes[k] != CUDNN_NUMERICAL_NOTE_TENSOR_CORE && notes[k] != CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS));
  for (int k = 0; k < DNN_KNOBS && ok; k++) ok = !l->cudnnBackendCreateDescriptor(CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, &choice[k]);
  if (ok && l->cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_TYPE_BACKEND_DESCRIPTOR, DNN_KNOBS, &n, choice)) n = 0; /* engines without knobs */
  ok = ok && n <= DNN_KNOBS;
  e->n_knobs = ok ? (uint32_t)n : 0;
  for (int64_t k = 0; k < n && ok; k++) {
    cudnnBackendKnobType_t type;
    ok = !l->cudnnBackendGetAttribute(choice[k], CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1, &one, &type) &&
         !l->cudnnBackendGetAttribute(choice[k], CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64, 1, &one, &e->value[k]);
    if (ok) e->knob[k] = type;
  }
  for (int k = 0; k < DNN_KNOBS; k++) drop(l, &choice[k]);
  drop(l, &engine);
  return ok;
}

uint32_t dnn_engines(const library *l, const dnn_graph *g, int may_round, dnn_engine *list, uint32_t most) {
  static const cudnnBackendHeurMode_t modes[] = {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK};
  enum { ASKED = 32 };
  uint32_t n = 0;
  for (int m = 0; m < 2; m++) {
    cudnnBackendDescriptor_t heuristic = NULL, config[ASKED] = {NULL};
    int64_t got = 0;
    int ok = !l->cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, &heuristic) &&
             !l->cudnnBackendSetAttribute(heuristic, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->graph) &&
             !l->cudnnBackendSetAttribute(heuristic, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &modes[m]) && !l->cudnnBackendFinalize(heuristic);
    for (int k = 0; k < ASKED && ok; k++) ok = !l->cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &config[k]);
    if (ok && l->cudnnBackendGetAttribute(heuristic, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, ASKED, &got, config)) got = 0;
    for (int64_t k = 0; k < got && k < ASKED && n < most; k++) {
      dnn_engine *e = &list[n];
      uint32_t seen = 0;
      memset(e, 0, sizeof *e);
      if (!read_config(l, config[k], may_round, e)) continue;
      while (seen < n && memcmp(&list[seen], e, sizeof *e)) seen++;
      n += seen == n;
    }
    for (int k = 0; k < ASKED; k++) drop(l, &config[k]);
    drop(l, &heuristic);
  }
  return n;
}

static int config_of(const library *l, const dnn_graph *g, const dnn_engine *e, cudnnBackendDescriptor_t *engine, cudnnBackendDescriptor_t *choice, cudnnBackendDescriptor_t *config) {
  if (l->cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, engine) || set(l, *engine, CUDNN_ATTR_ENGINE_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->graph) ||
      set(l, *engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &e->index) || l->cudnnBackendFinalize(*engine))
    return 0;
  for (uint32_t k = 0; k < e->n_knobs; k++) {
    cudnnBackendKnobType_t type = (cudnnBackendKnobType_t)e->knob[k];
    if (l->cudnnBackendCreateDescriptor(CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, &choice[k]) || set(l, choice[k], CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1, &type) ||
        set(l, choice[k], CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64, 1, &e->value[k]) || l->cudnnBackendFinalize(choice[k]))
      return 0;
  }
  return !l->cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, config) && !set(l, *config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, engine) &&
         (!e->n_knobs || !set(l, *config, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_TYPE_BACKEND_DESCRIPTOR, e->n_knobs, choice)) && !l->cudnnBackendFinalize(*config);
}

int dnn_plan_make(const library *l, cudnnHandle_t handle, const dnn_graph *g, const dnn_engine *e, dnn_plan *p) {
  cudnnBackendDescriptor_t engine = NULL, config = NULL, choice[DNN_KNOBS] = {NULL};
  int64_t one;
  memset(p, 0, sizeof *p);
  int ok = config_of(l, g, e, &engine, choice, &config) && !l->cudnnBackendCreateDescriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &p->plan) &&
           !set(l, p->plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &config) &&
           !set(l, p->plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle) && !l->cudnnBackendFinalize(p->plan) &&
           !l->cudnnBackendGetAttribute(p->plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &one, &p->workspace);
  drop(l, &config);
  for (int k = 0; k < DNN_KNOBS; k++) drop(l, &choice[k]);
  drop(l, &engine);
  if (!ok) dnn_plan_free(l, p);
  return ok;
}

void dnn_plan_free(const library *l, dnn_plan *p) { drop(l, &p->plan); }

cudnnStatus_t dnn_run(const library *l, cudnnHandle_t handle, const dnn_plan *p, void *x, void *w, void *y, void *workspace) {
  const int64_t uid[3] = {DNN_X, DNN_W, DNN_Y};
  void *const data[3] = {x, w, y};
  cudnnBackendDescriptor_t pack = NULL;
  cudnnStatus_t s = l->cudnnBackendCreateDescriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack);
  if (!s) s = set(l, pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 3, uid);
  if (!s) s = set(l, pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 3, data);
  if (!s) s = set(l, pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace);
  if (!s) s = l->cudnnBackendFinalize(pack);
  if (!s) s = l->cudnnBackendExecute(handle, p->plan, pack);
  drop(l, &pack);
  return s;
}
