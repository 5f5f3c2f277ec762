/* dnnl_versions.h - the little in which the C interfaces of oneDNN 2 and 3 differ, for convolutions and products: 2 passes memory descriptors as structs and
 * operation descriptors before primitive ones, 3 has handles and makes primitive descriptors directly. */
#ifndef CPU_DNNL_VERSIONS_H
#define CPU_DNNL_VERSIONS_H
#include <dnnl.h>

typedef struct cpu_conv_geometry { dnnl_dims_t stride, dilation, lo, hi; } cpu_conv_geometry; /* dilation counts from 0 */
typedef struct cpu_conv_pass { dnnl_prop_kind_t kind; dnnl_engine_t engine; const_dnnl_primitive_attr_t attr; const_dnnl_primitive_desc_t hint; } cpu_conv_pass;

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t cpu_md;             /* owned */
typedef const_dnnl_memory_desc_t cpu_md_ref;
static inline cpu_md_ref cpu_md_of(const cpu_md *m) { return *m; }
static inline dnnl_status_t cpu_md_make(cpu_md *m, int rank, const dnnl_dims_t dims, dnnl_format_tag_t tag) { return dnnl_memory_desc_create_with_tag(m, rank, dims, dnnl_f32, tag); }
static inline void cpu_md_free(cpu_md *m) {
  if (*m) dnnl_memory_desc_destroy(*m);
}
/* x, w, y in any pass; the pass says which of them is computed */
static inline dnnl_status_t cpu_conv_pd(dnnl_primitive_desc_t *pd, const cpu_conv_pass *p, const cpu_md *x, const cpu_md *w, const cpu_md *y, const cpu_conv_geometry *g) {
  switch (p->kind) {
    case dnnl_backward_data: return dnnl_convolution_backward_data_primitive_desc_create(pd, p->engine, dnnl_convolution_direct, *x, *w, *y, g->stride, g->dilation, g->lo, g->hi, p->hint, p->attr);
    case dnnl_backward_weights: return dnnl_convolution_backward_weights_primitive_desc_create(pd, p->engine, dnnl_convolution_direct, *x, *w, NULL, *y, g->stride, g->dilation, g->lo, g->hi, p->hint, p->attr);
    default: return dnnl_convolution_forward_primitive_desc_create(pd, p->engine, p->kind, dnnl_convolution_direct, *x, *w, NULL, *y, g->stride, g->dilation, g->lo, g->hi, p->attr);
  }
}
static inline dnnl_status_t cpu_matmul_pd(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const_dnnl_primitive_attr_t attr, const cpu_md *a, const cpu_md *b, const cpu_md *c) {
  return dnnl_matmul_primitive_desc_create(pd, engine, *a, *b, NULL, *c, attr);
}
#else
typedef dnnl_memory_desc_t cpu_md;
typedef const dnnl_memory_desc_t *cpu_md_ref;
static inline cpu_md_ref cpu_md_of(const cpu_md *m) { return m; }
static inline dnnl_status_t cpu_md_make(cpu_md *m, int rank, const dnnl_dims_t dims, dnnl_format_tag_t tag) { return dnnl_memory_desc_init_by_tag(m, rank, dims, dnnl_f32, tag); }
static inline void cpu_md_free(cpu_md *m) { (void)m; }
static inline dnnl_status_t cpu_conv_pd(dnnl_primitive_desc_t *pd, const cpu_conv_pass *p, const cpu_md *x, const cpu_md *w, const cpu_md *y, const cpu_conv_geometry *g) {
  dnnl_convolution_desc_t d;
  dnnl_status_t st;
  switch (p->kind) {
    case dnnl_backward_data: st = dnnl_dilated_convolution_backward_data_desc_init(&d, dnnl_convolution_direct, x, w, y, g->stride, g->dilation, g->lo, g->hi); break;
    case dnnl_backward_weights: st = dnnl_dilated_convolution_backward_weights_desc_init(&d, dnnl_convolution_direct, x, w, NULL, y, g->stride, g->dilation, g->lo, g->hi); break;
    default: st = dnnl_dilated_convolution_forward_desc_init(&d, p->kind, dnnl_convolution_direct, x, w, NULL, y, g->stride, g->dilation, g->lo, g->hi);
  }
  return st ? st : dnnl_primitive_desc_create(pd, &d, p->attr, p->engine, p->hint);
}
static inline dnnl_status_t cpu_matmul_pd(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const_dnnl_primitive_attr_t attr, const cpu_md *a, const cpu_md *b, const cpu_md *c) {
  dnnl_matmul_desc_t d;
  dnnl_status_t st = dnnl_matmul_desc_init(&d, a, b, NULL, c);
  return st ? st : dnnl_primitive_desc_create(pd, &d, attr, engine, NULL);
}
#endif
#endif
