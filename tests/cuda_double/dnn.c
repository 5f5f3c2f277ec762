/* dnn.c - cuDNN's C backend API as bags of attributes; a few engines, some of which a careful caller refuses; convolutions by plain loops. See double.h. */
#include <cudnn_graph.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "double.h"

typedef struct attribute { cudnnBackendAttributeName_t name; int64_t n; char data[320]; } attribute;
typedef struct bag { cudnnBackendDescriptorType_t type; int final; uint32_t n; attribute a[12]; } bag;

static size_t size_of(cudnnBackendAttributeType_t t) { return t == CUDNN_TYPE_INT64 || t == CUDNN_TYPE_DOUBLE || t == CUDNN_TYPE_VOID_PTR || t == CUDNN_TYPE_BACKEND_DESCRIPTOR || t == CUDNN_TYPE_HANDLE ? 8 : 4; }
static attribute *find(const bag *b, cudnnBackendAttributeName_t name) {
  for (uint32_t k = 0; k < b->n; k++)
    if (b->a[k].name == name) return (attribute *)&b->a[k];
  return NULL;
}
static const int64_t *longs(const bag *b, cudnnBackendAttributeName_t name) {
  attribute *a = find(b, name);
  return a ? (const int64_t *)(const void *)a->data : NULL;
}
static bag *other(const bag *b, cudnnBackendAttributeName_t name) {
  attribute *a = find(b, name);
  bag *x = NULL;
  if (a) memcpy(&x, a->data, sizeof x);
  return x;
}

EXPORT size_t cudnnGetVersion(void) { return 91900; }
EXPORT cudnnStatus_t cudnnCreate(cudnnHandle_t *h) { return *h = (cudnnHandle_t)(uintptr_t)3, CUDNN_STATUS_SUCCESS; }
EXPORT cudnnStatus_t cudnnDestroy(cudnnHandle_t h) { return (void)h, CUDNN_STATUS_SUCCESS; }
EXPORT cudnnStatus_t cudnnSetStream(cudnnHandle_t h, cudaStream_t s) { return (void)h, (void)s, CUDNN_STATUS_SUCCESS; }
EXPORT const char *cudnnGetErrorString(cudnnStatus_t s) { return s ? "an error of the double" : "success"; }
EXPORT void cudnnGetLastErrorString(char *text, size_t room) { snprintf(text, room, "-"); }
EXPORT cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t *d) {
  bag *b = calloc(1, sizeof *b);
  b->type = type;
  *d = b;
  return CUDNN_STATUS_SUCCESS;
}
static void add(bag *b, cudnnBackendAttributeName_t name, int64_t n, const void *v, size_t bytes) {
  attribute *a = find(b, name);
  if (!a) a = &b->a[b->n++];
  a->name = name;
  a->n = n;
  memcpy(a->data, v, bytes);
}
EXPORT cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t n, const void *v) {
  bag *b = d;
  size_t bytes = (size_t)n * size_of(type);
  if (b->final || b->n == 12 || bytes > sizeof b->a[0].data) return CUDNN_STATUS_BAD_PARAM;
  add(b, name, n, v, bytes);
  return CUDNN_STATUS_SUCCESS;
}
/* An engine's parts are its configuration's own: they die with it. */
EXPORT cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t d) {
  free(d);
  return CUDNN_STATUS_SUCCESS;
}

static const bag *operation_of(const bag *graph) { return graph ? other(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS) : NULL; }
static int32_t type_of(const bag *tensor) { return *(const int32_t *)(const void *)find(tensor, CUDNN_ATTR_TENSOR_DATA_TYPE)->data; }
typedef struct names { cudnnBackendAttributeName_t conv, x, w, y; } names;
static names names_of(const bag *op) {
  if (op->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR)
    return (names){CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y};
  if (op->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR)
    return (names){CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY};
  return (names){CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY};
}

/* As cuDNN 9: y's size must follow from x, padding, filter and stride, and channels from groups. */
static int shapes_fit(const bag *op) {
  names q = names_of(op);
  bag *conv = other(op, q.conv), *x = other(op, q.x), *w = other(op, q.w), *y = other(op, q.y);
  if (!conv || !x || !w || !y) return 0;
  int64_t n = *longs(conv, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS);
  const int64_t *dx = longs(x, CUDNN_ATTR_TENSOR_DIMENSIONS), *dw = longs(w, CUDNN_ATTR_TENSOR_DIMENSIONS), *dy = longs(y, CUDNN_ATTR_TENSOR_DIMENSIONS), *pre = longs(conv, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS),
                *post = longs(conv, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS), *stride = longs(conv, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES), *dil = longs(conv, CUDNN_ATTR_CONVOLUTION_DILATIONS);
  /* one type for all three, and sums of f32 at least: what bf16 has engines for */
  if (type_of(x) != type_of(w) || type_of(x) != type_of(y) ||
      *(const int32_t *)(const void *)find(conv, CUDNN_ATTR_CONVOLUTION_COMP_TYPE)->data != (type_of(x) == CUDNN_DATA_DOUBLE ? CUDNN_DATA_DOUBLE : CUDNN_DATA_FLOAT)) return 0;
  if (dx[0] != dy[0] || dw[0] != dy[1] || dx[1] % dw[1]) return 0;
  for (int64_t k = 0; k < n; k++)
    if ((dx[2 + k] + pre[k] + post[k] - dil[k] * (dw[2 + k] - 1) - 1) / stride[k] + 1 != dy[2 + k]) return 0;
  return 1;
}

/* Engines: 1 plain; 2 uses tensor cores, which round operands of f32; 3 has a workspace and knobs; 7 is not deterministic; 9 sums in less than f32. */
static const int64_t engines[] = {7, 9, 2, 3, 1};
enum { ENGINES = sizeof engines / sizeof *engines };
static int uneven(const bag *op) { /* one-sided padding, which this cuDNN has no engine for */
  bag *conv = other(op, names_of(op).conv);
  int64_t n = *longs(conv, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS);
  return memcmp(longs(conv, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS), longs(conv, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS), (size_t)n * 8) != 0;
}

static int64_t engine_of(const bag *plan) {
  const bag *config = other(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG), *engine = config ? other(config, CUDNN_ATTR_ENGINECFG_ENGINE) : NULL;
  return engine ? *longs(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX) : -1;
}

EXPORT cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t d) {
  bag *b = d;
  if (b->final) return CUDNN_STATUS_BAD_PARAM;
  b->final = 1;
  switch ((int)b->type) {
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR: case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR: case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR:
      return shapes_fit(b) ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH;
    case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR: {
      /* what execution needs outlives configuration and engine */
      const bag *config = other(b, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG), *engine = config ? other(config, CUDNN_ATTR_ENGINECFG_ENGINE) : NULL;
      bag *graph = engine ? other(engine, CUDNN_ATTR_ENGINE_OPERATION_GRAPH) : NULL;
      int64_t index = engine_of(b), workspace = index == 3 ? 4096 : 0;
      if (!graph || (index != 1 && index != 2 && index != 3 && index != 7 && index != 9)) return CUDNN_STATUS_NOT_SUPPORTED;
      double_log("engine", index);
      add(b, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, 1, &workspace, 8);
      add(b, CUDNN_ATTR_ENGINE_OPERATION_GRAPH, 1, &graph, sizeof graph);
      return CUDNN_STATUS_SUCCESS;
    }
    default: return CUDNN_STATUS_SUCCESS;
  }
}

static void fill_config(bag *config, int64_t index) { /* the parts are told by attributes of their own, which GetAttribute turns into descriptors */
  config->n = 0;
  config->final = 1;
  add(config, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, 1, &index, 8);
}

EXPORT cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t const d, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t room, int64_t *n, void *v) {
  const bag *b = d;
  if (b->type == CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR && name == CUDNN_ATTR_ENGINEHEUR_RESULTS) {
    cudnnBackendHeurMode_t mode;
    const bag *op = operation_of(other(b, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH));
    memcpy(&mode, find(b, CUDNN_ATTR_ENGINEHEUR_MODE)->data, sizeof mode);
    *n = 0;
    if (uneven(op)) return CUDNN_STATUS_SUCCESS;
    for (int k = mode == CUDNN_HEUR_MODE_FALLBACK ? ENGINES - 1 : 0; k < ENGINES && *n < room; k++) fill_config(((bag **)v)[(*n)++], engines[k]);
    return CUDNN_STATUS_SUCCESS;
  }
  if (b->type == CUDNN_BACKEND_ENGINECFG_DESCRIPTOR) {
    int64_t index = *longs(b, CUDNN_ATTR_ENGINE_GLOBAL_INDEX);
    *n = 1;
    if (name == CUDNN_ATTR_ENGINECFG_ENGINE) {
      fill_config(*(bag **)v, index);
      return CUDNN_STATUS_SUCCESS;
    }
    *n = index == 3 ? 2 : 0;
    for (int64_t k = 0; k < *n; k++) {
      bag *c = ((bag **)v)[k];
      int32_t knob = k ? CUDNN_KNOB_TYPE_STAGES : CUDNN_KNOB_TYPE_TILE_SIZE;
      int64_t value = 5 - k;
      add(c, CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, 1, &knob, 4);
      add(c, CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, 1, &value, 8);
    }
    return CUDNN_STATUS_SUCCESS;
  }
  if (name == CUDNN_ATTR_ENGINE_NUMERICAL_NOTE) {
    int64_t index = *longs(b, CUDNN_ATTR_ENGINE_GLOBAL_INDEX);
    cudnnBackendNumericalNote_t note = index == 7 ? CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC : index == 9 ? CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION : CUDNN_NUMERICAL_NOTE_TENSOR_CORE;
    *n = index == 7 || index == 9 || index == 2;
    if (*n) memcpy(v, &note, sizeof note);
    return CUDNN_STATUS_SUCCESS;
  }
  attribute *a = find(b, name);
  if (!a) return CUDNN_STATUS_BAD_PARAM;
  *n = a->n;
  memcpy(v, a->data, (size_t)(a->n < room ? a->n : room) * size_of(type));
  return CUDNN_STATUS_SUCCESS;
}

typedef struct work { int64_t n, c, o, each, groups, x[3], w[3], y[3], stride[3], pre[3], dil[3]; int face; int32_t type; void *at[3]; } work;

/* Every product of the convolution once: fn(image, filter, result) at the flat positions. */
#define WALK(T, BODY)                                                                                                                                            \
  for (int64_t n = 0; n < q->n; n++)                                                                                                                             \
    for (int64_t y0 = 0; y0 < q->y[0]; y0++)                                                                                                                     \
      for (int64_t y1 = 0; y1 < q->y[1]; y1++)                                                                                                                   \
        for (int64_t y2 = 0; y2 < q->y[2]; y2++)                                                                                                                 \
          for (int64_t k0 = 0; k0 < q->w[0]; k0++)                                                                                                               \
            for (int64_t k1 = 0; k1 < q->w[1]; k1++)                                                                                                             \
              for (int64_t k2 = 0; k2 < q->w[2]; k2++) {                                                                                                         \
                int64_t i0 = y0 * q->stride[0] + k0 * q->dil[0] - q->pre[0], i1 = y1 * q->stride[1] + k1 * q->dil[1] - q->pre[1], i2 = y2 * q->stride[2] + k2 * q->dil[2] - q->pre[2]; \
                if (i0 < 0 || i0 >= q->x[0] || i1 < 0 || i1 >= q->x[1] || i2 < 0 || i2 >= q->x[2]) continue;                                                     \
                int64_t xi = (((n * q->x[0] + i0) * q->x[1] + i1) * q->x[2] + i2) * q->c, yi = (((n * q->y[0] + y0) * q->y[1] + y1) * q->y[2] + y2) * q->o,        \
                        tap = (k0 * q->w[1] + k1) * q->w[2] + k2, taps = q->w[0] * q->w[1] * q->w[2];                                                            \
                for (int64_t o = 0; o < q->o; o++) {                                                                                                             \
                  int64_t wi = (o * taps + tap) * q->each, first = xi + o / (q->o / q->groups) * q->each;                                                        \
                  for (int64_t c = 0; c < q->each; c++) BODY;                                                                                                    \
                }                                                                                                                                                \
              }
#define LOOPS(T)                                                                                                        \
  static void loops_##T(const work *q) {                                                                                \
    T *x = double_host(q->at[0]), *w = double_host(q->at[1]), *y = double_host(q->at[2]);                               \
    int64_t nx = q->n * q->x[0] * q->x[1] * q->x[2] * q->c, nw = q->o * q->w[0] * q->w[1] * q->w[2] * q->each, ny = q->n * q->y[0] * q->y[1] * q->y[2] * q->o; \
    int64_t count = q->face == 0 ? ny : q->face == 1 ? nx : nw;                                                         \
    double *sum = calloc((size_t)count + 1, sizeof *sum);                                                               \
    if (q->face == 0) WALK(T, sum[yi + o] += double_wide(x[first + c]) * double_wide(w[wi + c]))                                  \
    else if (q->face == 1) WALK(T, sum[first + c] += double_wide(y[yi + o]) * double_wide(w[wi + c]))                             \
    else WALK(T, sum[wi + c] += double_wide(x[first + c]) * double_wide(y[yi + o]))                                               \
    for (int64_t k = 0; k < count; k++) double_put((q->face == 0 ? y : q->face == 1 ? x : w) + k, sum[k]);                       \
    free(sum);                                                                                                          \
  }
LOOPS(float)
LOOPS(double)
LOOPS(uint16_t)
static void convolve(void *payload) {
  const work *q = payload;
  if (q->type == CUDNN_DATA_DOUBLE) loops_double(q);
  else if (q->type == CUDNN_DATA_BFLOAT16) loops_uint16_t(q);
  else loops_float(q);
}

static void three(const int64_t *v, int64_t n, int64_t absent, int64_t dst[3]) {
  for (int64_t k = 0; k < 3; k++) dst[k] = k < 3 - n ? absent : v[k - (3 - n)];
}

EXPORT cudnnStatus_t cudnnBackendExecute(cudnnHandle_t h, cudnnBackendDescriptor_t p, cudnnBackendDescriptor_t pack) {
  const bag *plan = p, *op = operation_of(other(plan, CUDNN_ATTR_ENGINE_OPERATION_GRAPH));
  (void)h;
  names q = names_of(op);
  bag *conv = other(op, q.conv), *part[3] = {other(op, q.x), other(op, q.w), other(op, q.y)};
  int64_t n = *longs(conv, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS);
  const int64_t *uid = longs(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS), *dx = longs(part[0], CUDNN_ATTR_TENSOR_DIMENSIONS), *dw = longs(part[1], CUDNN_ATTR_TENSOR_DIMENSIONS),
                *dy = longs(part[2], CUDNN_ATTR_TENSOR_DIMENSIONS);
  void *const *data = (void *const *)(const void *)find(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS)->data;
  void *workspace;
  memcpy(&workspace, find(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE)->data, sizeof workspace);
  int64_t bytes = *longs(plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
  if (bytes) {
    if (!workspace) return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
    memset(double_host(workspace), 0x7F, (size_t)bytes); /* it is ours to use */
  }
  work w = {.n = dx[0], .c = dx[1], .o = dy[1], .each = dw[1], .groups = dx[1] / dw[1],
            .face = op->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR ? 0 : op->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR ? 1 : 2};
  w.type = type_of(part[0]);
  for (int k = 0; k < 3; k++) {
    const int64_t *d = longs(part[k], CUDNN_ATTR_TENSOR_DIMENSIONS), *s = longs(part[k], CUDNN_ATTR_TENSOR_STRIDES);
    int64_t run = d[1];
    for (int64_t j = 3 - 1; j-- > 0 && n == 2;) { /* channels last, or these loops read something else */
      if (s[2 + j] != run) return CUDNN_STATUS_NOT_SUPPORTED;
      run *= d[2 + j];
    }
    for (int j = 0; j < 3; j++)
      if (uid[j] == *longs(part[k], CUDNN_ATTR_TENSOR_UNIQUE_ID)) w.at[k] = data[j];
  }
  three(dx + 2, n, 1, w.x);
  three(dw + 2, n, 1, w.w);
  three(dy + 2, n, 1, w.y);
  three(longs(conv, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES), n, 1, w.stride);
  three(longs(conv, CUDNN_ATTR_CONVOLUTION_DILATIONS), n, 1, w.dil);
  three(longs(conv, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS), n, 0, w.pre);
  return double_do(convolve, &w, sizeof w) ? CUDNN_STATUS_EXECUTION_FAILED : CUDNN_STATUS_SUCCESS;
}
