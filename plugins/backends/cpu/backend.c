/* backend.c - the CPU backend: probe, sessions, memory, compiling a program into steps and running them in order.
 *
 * Elementwise work and reductions run in the kernel interpreter (kernel_*.c) until their generated C is compiled (emit_c.c, native.c), contractions
 * in oneDNN and OpenBLAS, the rest in lib_*.c.
 * Threads: libraries always get one, and our own threads share steps in pieces that follow from shapes alone, so the bits do not depend on how many
 * there are. */
#include <cblas.h>
#include <dnnl.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dnnl_common.h"
#include "native.h"

void openblas_set_num_threads(int n);
char *openblas_get_config(void);

typedef struct step { cpu_kernel *kernel; cpu_lib *lib; } step;
typedef struct exe {
  step *steps;
  uint32_t n;
  cpu_native *native;   /* its kernels as machine code, or on the way there; NULL: interpreted */
  cpu_fn *const *table; /* once they are there */
  char *workspace;      /* that the kernels' addresses are bound to */
  int64_t spent_ns;     /* in the interpreter */
} exe;
enum { PATIENCE_NS = 30 * 1000 * 1000, SHARE = 1 << 19 }; /* interpreted that long, a program is worth a compiler; kernels with that much work use all threads */

static gantry_status probe(gantry_ctx *ctx, gantry_probe *p) {
  char line[256], model[100] = "unknown processor";
  int cores = 0;
  FILE *f = fopen("/proc/cpuinfo", "r");
  (void)ctx;
  while (f && fgets(line, sizeof line, f)) {
    char *colon = strchr(line, ':');
    if (!strncmp(line, "processor", 9)) cores++;
    if (!strncmp(line, "model name", 10) && colon) snprintf(model, sizeof model, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
  }
  if (f) fclose(f);
  p->score = 10;
  snprintf(p->device, sizeof p->device, "%s, %d cores", model, cores ? cores : 1);
  const dnnl_version_t *v = dnnl_version();
  snprintf(p->libraries, sizeof p->libraries, "oneDNN %d.%d.%d; %.120s; loops %s", v->major, v->minor, v->patch, openblas_get_config(), cpu_loops_pick()->name);
  p->reason[0] = 0;
  if (GANTRY_HAS(p, precisions)) p->precisions = 1u << GANTRY_PRECISION_F32 | 1u << GANTRY_PRECISION_BF16;
  return GANTRY_OK;
}

/* oneDNN plans its primitives for as many threads as OpenMP would start from where it is called, and starts them: one, while we are in here. */
static int alone(void) {
  int before = omp_get_max_threads();
  omp_set_num_threads(1);
  return before;
}
static gantry_status back_to(int threads, gantry_status st) {
  omp_set_num_threads(threads);
  return st;
}

static gantry_status host_fail(gantry_ctx *ctx, gantry_status code, const char *text) { return ctx->host->fail(ctx, code, text); }

/* At its first product OpenBLAS takes 128 MB of address space for its work and keeps them; where it is refused them it asks again for ever. So it is made to take them here, once it
 * is known that they are there. */
static gantry_status blas_room(gantry_ctx *ctx) {
  enum { ROOM = (128 << 20) + (64 << 10), N = 128 };
  void *room = malloc(ROOM);
  float *x = room ? calloc(3 * N * N, sizeof *x) : NULL;
  free(room);
  if (!x) return host_fail(ctx, GANTRY_E_NOMEM, "cpu: OpenBLAS needs 128 MB for its work, which the limit of memory leaves no room for");
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, N, N, N, 1, x, N, x + N * N, N, 0, x + 2 * N * N, N);
  free(x);
  return GANTRY_OK;
}

static gantry_status open_(gantry_ctx *ctx, const gantry_open *o, void **self) {
  cpu *c = calloc(1, sizeof *c);
  if (!c) return host_fail(ctx, GANTRY_E_NOMEM, "cpu: out of memory");
  c->loops = cpu_loops_pick();
  c->threads = o->threads ? o->threads : 1;
  openblas_set_num_threads(1);
  gantry_status st = blas_room(ctx);
  if (!st) st = cpu_dnnl_open(ctx, c);
  if (st) free(c);
  else *self = c;
  return st;
}

static void close_(void *self) {
  cpu *c = self;
  if (!c) return;
  cpu_dnnl_close(c);
  free(c->scratch);
  free(c->adopted);
  free(c);
}

static gantry_status alloc(gantry_ctx *ctx, void *self, int64_t bytes, void **buffer) {
  size_t n = ((size_t)(bytes > 0 ? bytes : 1) + 63) & ~(size_t)63;
  (void)self;
  *buffer = bytes >= 0 ? aligned_alloc(64, n) : NULL;
  if (!*buffer) {
    char text[120];
    snprintf(text, sizeof text, "cpu: no memory for %lld bytes; use a smaller batch or network", (long long)bytes);
    return host_fail(ctx, GANTRY_E_NOMEM, text);
  }
  memset(*buffer, 0, n);
  return GANTRY_OK;
}
/* Memory is memory: adopting costs nothing, one only has to know what is not to be freed. */
static gantry_status adopt(gantry_ctx *ctx, void *self, const void *memory, int64_t bytes, void **buffer) {
  cpu *c = self;
  (void)bytes;
  const void **more = realloc(c->adopted, (c->n_adopted + 1) * sizeof *more);
  if (!more) return host_fail(ctx, GANTRY_E_NOMEM, "cpu: out of memory");
  c->adopted = more;
  c->adopted[c->n_adopted++] = memory;
  memcpy(buffer, &memory, sizeof memory); /* programs read it; the type of buffers has no const */
  return GANTRY_OK;
}
static void release(void *self, void *buffer) {
  cpu *c = self;
  for (uint32_t k = 0; k < c->n_adopted; k++)
    if (c->adopted[k] == buffer) {
      c->adopted[k] = c->adopted[--c->n_adopted];
      return;
    }
  free(buffer);
}
static gantry_status upload(gantry_ctx *ctx, void *self, void *buffer, int64_t offset, int64_t bytes, const void *src) {
  (void)ctx, (void)self;
  if (bytes > 0) memcpy((char *)buffer + offset, src, (size_t)bytes);
  return GANTRY_OK;
}
static gantry_status download(gantry_ctx *ctx, void *self, void *buffer, int64_t offset, int64_t bytes, void *dst) {
  (void)ctx, (void)self;
  if (bytes > 0) memcpy(dst, (const char *)buffer + offset, (size_t)bytes);
  return GANTRY_OK;
}

static gantry_status query(gantry_ctx *ctx, void *self, const gantry_lib *l, gantry_query *q) {
  const cpu_family *f = cpu_family_for(l);
  int threads = alone();
  (void)ctx;
  q->supported = f && f->supports(l);
  q->scratch_bytes = q->supported && f->scratch ? f->scratch(self, l) : 0;
  return back_to(threads, GANTRY_OK);
}

const gantry_buffer *cpu_buffer(const cpu_compile *c, uint32_t k) {
  return (const gantry_buffer *)(const void *)((const char *)c->program->buffers + (size_t)k * c->program->buffer_stride);
}

gantry_status cpu_place_of(const cpu_compile *c, uint32_t buffer, int64_t byte_offset, cpu_place *out) {
  if (buffer >= c->program->n_buffers) return cpu_fail(c, GANTRY_E_INVALID, "buffer %u does not exist", buffer);
  const gantry_buffer *b = cpu_buffer(c, buffer);
  if (b->space == GANTRY_SPACE_NAMED && !c->named[buffer]) return cpu_fail(c, GANTRY_E_INVALID, "tensor '%s' is not bound", b->name);
  out->base = b->space == GANTRY_SPACE_NAMED ? c->named[buffer] : NULL;
  out->offset = byte_offset + (b->space == GANTRY_SPACE_NAMED ? 0 : b->offset);
  return GANTRY_OK;
}

static void discard(void *self, void *handle) {
  exe *e = handle;
  (void)self;
  if (!e) return;
  for (uint32_t k = 0; k < e->n; k++) {
    cpu_kernel_free(e->steps[k].kernel);
    cpu_lib_free(e->steps[k].lib);
  }
  cpu_native_free(e->native);
  free(e->steps);
  free(e);
}

static gantry_status compile(gantry_ctx *ctx, void *self, const gantry_program *p, void *const *named, void **out) {
  cpu *c = self;
  cpu_compile k = {.ctx = ctx, .self = c, .program = p, .named = named, .label = p->name};
  gantry_status st = GANTRY_OK;
  exe *e = calloc(1, sizeof *e);
  if (e) e->steps = calloc(p->n_steps + 1, sizeof *e->steps);
  if (!e || !e->steps) {
    free(e);
    return host_fail(ctx, GANTRY_E_NOMEM, "cpu: out of memory");
  }
  int threads = alone();
  e->n = p->n_steps;
  if (cpu_native_mode() != CPU_NATIVE_OFF) k.source = calloc(1, sizeof *k.source);
  if (p->version != GANTRY_PROGRAM_VERSION) st = cpu_fail(&k, GANTRY_E_UNSUPPORTED, "program version %u, this backend knows %d", p->version, GANTRY_PROGRAM_VERSION);
  for (uint32_t i = 0; !st && i < p->n_steps; i++) {
    const gantry_step_rec *r = (const gantry_step_rec *)(const void *)((const char *)p->steps + (size_t)i * p->step_stride);
    k.label = r->label < p->n_labels && p->labels[r->label][0] ? p->labels[r->label] : p->name;
    if (r->kind == GANTRY_STEP_KERNEL) {
      st = cpu_kernel_make(&k, r->kernel, &e->steps[i].kernel);
      if (st) break;
      int64_t need = cpu_kernel_scratch(e->steps[i].kernel) + 64;
      if (need <= c->scratch_bytes) continue;
      free(c->scratch);
      c->scratch_bytes = (need + 4095) & ~(int64_t)4095;
      c->scratch = aligned_alloc(64, (size_t)c->scratch_bytes);
      if (!c->scratch) {
        c->scratch_bytes = 0;
        st = cpu_fail(&k, GANTRY_E_NOMEM, "out of memory");
      }
    } else if (r->kind == GANTRY_STEP_LIB)
      st = cpu_lib_make(&k, r->lib, &e->steps[i].lib);
    else
      st = cpu_fail(&k, GANTRY_E_INVALID, "step %u has the unknown kind %u", i, r->kind);
  }
  char *text = !st && k.source && k.source->n ? cpu_source_text(k.source) : NULL;
  cpu_source_free(k.source);
  if (text) e->native = cpu_native_new(text);
  if (e->native && cpu_native_mode() == CPU_NATIVE_WAIT) {
    cpu_native_start(e->native);
    cpu_native_ready(e->native, 1);
  }
  if (st) discard(self, e);
  else *out = e;
  return back_to(threads, st);
}

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Machine code takes over between two runs; the bits are the same. */
static void take_over(exe *e) {
  if (!e->native || e->table) return;
  if (e->spent_ns > PATIENCE_NS) cpu_native_start(e->native);
  int ready = cpu_native_ready(e->native, 0);
  if (ready > 0) e->table = cpu_native_table(e->native);
  if (ready < 0) {
    cpu_native_free(e->native);
    e->native = NULL;
  }
}

static void bind_kernels(exe *e, char *workspace) {
  for (uint32_t s = 0; s < e->n; s++) {
    cpu_kernel *k = e->steps[s].kernel;
    for (uint32_t a = 0; k && k->at && a < k->n_at; a++) k->bound[a] = cpu_at(&k->at[a], workspace);
  }
  e->workspace = workspace;
}

static void run_kernel(const cpu *c, const exe *e, const cpu_kernel *k, char *workspace) {
  if (!e->table || k->function == UINT32_MAX) {
    cpu_kernel_run(c, k, workspace);
    return;
  }
  cpu_fn *fn = e->table[k->function];
  int64_t parts = k->work < SHARE || k->split < 2 ? 1 : c->threads < k->split ? c->threads : k->split;
  if (parts == 1) {
    fn(k->bound, 0, k->split);
    return;
  }
#pragma omp parallel for num_threads((int)parts) schedule(static, 1)
  for (int64_t p = 0; p < parts; p++) fn(k->bound, k->split * p / parts, k->split * (p + 1) / parts);
}

static gantry_status run_step(gantry_ctx *ctx, const cpu *c, const exe *e, uint32_t s, char *workspace) {
  const cpu_lib *l = e->steps[s].lib;
  if (!l) {
    run_kernel(c, e, e->steps[s].kernel, workspace);
    return GANTRY_OK;
  }
  gantry_status st = l->run(c, l, workspace);
  if (!st) return GANTRY_OK;
  char text[900], shapes[400];
  snprintf(text, sizeof text, "cpu: %.300s: opcode %u on %s failed while running (status %d)", l->label, l->lib.op, cpu_shapes(&l->lib, shapes), st);
  return host_fail(ctx, st, text);
}

static gantry_status run(gantry_ctx *ctx, void *self, void *const *exes, uint32_t n, void *workspace) {
  int threads = alone();
  for (uint32_t i = 0; i < n; i++) {
    exe *e = exes[i];
    take_over(e);
    if (e->table && e->workspace != workspace) bind_kernels(e, workspace);
    int64_t begin = e->native && !e->table ? now_ns() : 0;
    for (uint32_t s = 0; s < e->n; s++) {
      gantry_status st = run_step(ctx, self, e, s, workspace);
      if (st) return back_to(threads, st);
    }
    if (begin) e->spent_ns += now_ns() - begin;
  }
  return back_to(threads, GANTRY_OK);
}

static gantry_status measure(gantry_ctx *ctx, void *self, void *handle, void *workspace, uint32_t runs, int64_t *ns) {
  exe *e = handle;
  int threads = alone();
  if (e->native) {
    cpu_native_start(e->native);
    cpu_native_ready(e->native, 1);
  }
  take_over(e);
  if (e->table) bind_kernels(e, workspace);
  for (uint32_t r = 0; r < runs; r++)
    for (uint32_t s = 0; s < e->n; s++) {
      int64_t begin = now_ns();
      gantry_status st = run_step(ctx, self, e, s, workspace);
      if (st) return back_to(threads, st);
      begin = now_ns() - begin;
      if (!r || begin < ns[s]) ns[s] = begin;
    }
  return back_to(threads, GANTRY_OK);
}
static gantry_status sync_(gantry_ctx *ctx, void *self) { (void)ctx, (void)self; return GANTRY_OK; }

static const gantry_backend backend = {
  .struct_size = sizeof(gantry_backend), .probe = probe, .open = open_, .close = close_, .query = query, .alloc = alloc, .release = release, .upload = upload,
  .download = download, .compile = compile, .discard = discard, .run = run, .sync = sync_, .measure = measure, .adopt = adopt,
};
GANTRY_PLUGIN(GANTRY_KIND_BACKEND, "cpu", "1.0.0", "Runs programs on the processor: blocked kernels, oneDNN and OpenBLAS") .iface = &backend GANTRY_PLUGIN_END
