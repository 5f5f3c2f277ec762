/* matmul_dnnl.c - one product of f32 matrices as a primitive of oneDNN, made once: its blocked kernels (AVX-512) read transposed operands 4 to 8 % faster than
 * dnnl_sgemm and others 1 to 3 %. Operands and result stay as they are; what it copies goes to the scratch. It wants c without gaps between rows, so
 * whoever wants a band of columns copies it to its place. It is made for one thread; several may run it at a time, each with memories and scratch of its own. */
#include "matmul.h"

#include <stdlib.h>
#include <string.h>

#include "dnnl_common.h"
#include "dnnl_versions.h"

typedef struct worker { dnnl_memory_t a, b, c, pad; } worker;
struct matmul_dnnl {
  dnnl_stream_t stream;
  dnnl_primitive_desc_t pd;
  dnnl_primitive_t product;
  worker *workers;
  int64_t crew, pad_bytes; /* of one */
};

static dnnl_status_t plan(matmul_dnnl *d, dnnl_engine_t engine, const matmul_shape *q, int64_t m, int64_t n, cpu_md md[3], int64_t *bytes) {
  dnnl_dims_t a = {m, q->k}, b = {q->k, n}, c = {m, n};
  dnnl_primitive_attr_t attr = NULL;
  const char *impl = "";
  dnnl_status_t st = cpu_md_make(&md[0], 2, a, q->ta ? dnnl_ba : dnnl_ab);
  if (!st) st = cpu_md_make(&md[1], 2, b, q->tb ? dnnl_ba : dnnl_ab);
  if (!st) st = cpu_md_make(&md[2], 2, c, dnnl_ab);
  if (!st) st = dnnl_primitive_attr_create(&attr);
  if (!st) st = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
  if (!st) st = cpu_matmul_pd(&d->pd, engine, attr, &md[0], &md[1], &md[2]);
  if (attr) dnnl_primitive_attr_destroy(attr);
  if (!st) st = dnnl_primitive_desc_query(d->pd, dnnl_query_impl_info_str, 0, (void *)&impl);
  if (!st && strncmp(impl, "brg", 3)) st = dnnl_unimplemented; /* the others are what dnnl_sgemm does */
  if (st) return st;
  cpu_md_ref pad = dnnl_primitive_desc_query_md(d->pd, dnnl_query_scratchpad_md, 0);
  for (int64_t k = 0; !st && k < d->crew; k++) {
    worker *w = &d->workers[k];
    st = dnnl_memory_create(&w->a, cpu_md_of(&md[0]), engine, DNNL_MEMORY_NONE);
    if (!st) st = dnnl_memory_create(&w->b, cpu_md_of(&md[1]), engine, DNNL_MEMORY_NONE);
    if (!st) st = dnnl_memory_create(&w->c, cpu_md_of(&md[2]), engine, DNNL_MEMORY_NONE);
    if (!st) st = dnnl_memory_create(&w->pad, pad, engine, DNNL_MEMORY_NONE);
  }
  d->pad_bytes = ((int64_t)dnnl_memory_desc_get_size(pad) + 63) & ~(int64_t)63;
  *bytes = d->crew * d->pad_bytes;
  return st;
}

matmul_dnnl *matmul_dnnl_new(const cpu *self, const matmul_shape *q, int64_t m, int64_t n, int64_t crew, int64_t *bytes) {
  const cpu_dnnl *lib = self->dnnl;
  cpu_md md[3] = {0};
  if ((dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core) != dnnl_cpu_isa_avx512_core) return NULL; /* those kernels are of AVX-512: else not worth asking */
  matmul_dnnl *d = calloc(1, sizeof *d);
  if (d) d->workers = calloc((size_t)crew, sizeof *d->workers);
  if (!d || !d->workers) {
    free(d);
    return NULL;
  }
  d->stream = lib->stream;
  d->crew = crew;
  dnnl_status_t st = plan(d, lib->engine, q, m, n, md, bytes);
  for (int k = 0; k < 3; k++) cpu_md_free(&md[k]);
  if (!st) return d;
  matmul_dnnl_free(d);
  *bytes = 0;
  return NULL;
}

gantry_status matmul_dnnl_ready(matmul_dnnl *d) { return dnnl_primitive_create(&d->product, d->pd) ? GANTRY_E_DEVICE : GANTRY_OK; }

gantry_status matmul_dnnl_run(const matmul_dnnl *d, int64_t who, const float *a, const float *b, float *c, char *scratch) {
  union { const float *from; void *to; } x = {a}, y = {b};
  const worker *w = &d->workers[who];
  dnnl_status_t st = dnnl_memory_set_data_handle(w->a, x.to);
  if (!st) st = dnnl_memory_set_data_handle(w->b, y.to);
  if (!st) st = dnnl_memory_set_data_handle(w->c, c);
  if (!st) st = dnnl_memory_set_data_handle(w->pad, scratch + who * d->pad_bytes);
  dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, w->a}, {DNNL_ARG_WEIGHTS, w->b}, {DNNL_ARG_DST, w->c}, {DNNL_ARG_SCRATCHPAD, w->pad}};
  if (!st) st = dnnl_primitive_execute(d->product, d->stream, 4, args);
  return st ? GANTRY_E_DEVICE : GANTRY_OK;
}

void matmul_dnnl_free(matmul_dnnl *d) {
  if (!d) return;
  for (int64_t k = 0; k < d->crew; k++) {
    dnnl_memory_t memories[] = {d->workers[k].a, d->workers[k].b, d->workers[k].c, d->workers[k].pad};
    for (size_t m = 0; m < sizeof memories / sizeof *memories; m++)
      if (memories[m]) dnnl_memory_destroy(memories[m]);
  }
  free(d->workers);
  if (d->product) dnnl_primitive_destroy(d->product);
  if (d->pd) dnnl_primitive_desc_destroy(d->pd);
  free(d);
}
