/* matmul.h - inside the matrix product's family: one product c [m, n] = a b, where ta and tb say that a lies as [k, m] and b as [n, k]. */
#ifndef CPU_MATMUL_H
#define CPU_MATMUL_H
#include "lib.h"

typedef struct matmul_shape { int64_t batch, m, n, k; int ta, tb; } matmul_shape;

/* matmul_dnnl.c: a band of m rows and n columns of c, which stands by itself (rows n apart), for each of `crew` threads. NULL where oneDNN has no kernel that is better than its sgemm; `bytes` is the scratch
 * that it needs. */
typedef struct matmul_dnnl matmul_dnnl;
matmul_dnnl *matmul_dnnl_new(const cpu *self, const matmul_shape *q, int64_t m, int64_t n, int64_t crew, int64_t *bytes);
gantry_status matmul_dnnl_ready(matmul_dnnl *d); /* before the first run */
gantry_status matmul_dnnl_run(const matmul_dnnl *d, int64_t who, const float *a, const float *b, float *c, char *scratch);
void matmul_dnnl_free(matmul_dnnl *d);
#endif
