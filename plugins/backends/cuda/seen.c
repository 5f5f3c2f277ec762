/* seen.c - which ways through this backend a session went: templates of kernels that ran, kinds of convolution, products, graphs. tests/gpu/unverified.sh
 * subtracts what GPUs have seen from all there is. */
#include <stdio.h>
#include <stdlib.h>

#include "gpu.h"

void gpu_seen_write(const gpu *g) {
  const char *path = getenv("GANTRY_CUDA_SEEN");
  FILE *f = path && *path ? fopen(path, "ae") : NULL;
  char text[80];
  if (!f) return;
  for (uint32_t k = 0; k < g->n_kernels; k++)
    if (g->kernels[k]->ran) fprintf(f, "kernel %s\n%s%s", g->kernels[k]->title, g->kernels[k]->maps & 1 ? "kernel map\n" : "", g->kernels[k]->maps & 2 ? "kernel map by four\n" : "");
  for (uint32_t k = 0; k < g->n_convs; k++) {
    gpu_conv_describe(g, k, text);
    if (text[0]) fprintf(f, "%s\n", text);
  }
  if (g->n_products[0]) fprintf(f, "cuBLASLt matrix product f32 or f64\n");
  if (g->n_products[2]) fprintf(f, "cuBLASLt matrix product tf32\n");
  if (g->n_products[1]) fprintf(f, "cuBLASLt matrix product bf16\n");
  if (g->n_replays) fprintf(f, "a step replayed as a graph\n");
  if (g->n_measured) fprintf(f, "engines of cuDNN measured and frozen\n");
  if (g->n_adopted) fprintf(f, "samples read from main memory\n");
  if (g->n_taken) fprintf(f, "logged values that come down while steps run\n");
  fclose(f);
}
