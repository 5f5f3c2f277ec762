/* driver.c - the driver's functions that the backend uses; see double.h. One device, one context, streams that do everything at once. */
#define _GNU_SOURCE
#include <cuda.h>
#include <dlfcn.h>
#include <elf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "double.h"

typedef struct region { char *p; size_t bytes; struct region *next; } region;
typedef struct node { void (*fn)(void *); void *payload; } node;
struct CUgraph_st { node *nodes; size_t n; int users; };
struct CUgraphExec_st { CUgraph graph; };
struct CUmod_st { void *so; };
struct CUfunc_st { void (*fn)(long long, char *const *); int n_at; };
struct CUevent_st { double ms; long long at; int queries; };

static const uint64_t tag = (uint64_t)1 << 56; /* no address of the host has this bit: reading one through it is a fault */
static region *regions;
static size_t used;
static long long registered;
static CUgraph capturing;
static CUresult lost;
static long long calls;

static long long from_env(const char *name, long long absent) {
  const char *v = getenv(name);
  return v && *v ? atoll(v) : absent;
}

/* MPS: a client is a process that finds a daemon's `control` where CUDA_MPS_PIPE_DIRECTORY says. A fault of one ends all that are there then, as on a GPU: each finds the file
 * `fault` changed since it began. GANTRY_DOUBLE_MPS=refuse: no client gets through. */
static const char *mps_file(const char *name, char path[512]) {
  const char *folder = getenv("CUDA_MPS_PIPE_DIRECTORY");
  if (!folder || !*folder) return NULL;
  snprintf(path, 512, "%.400s/%s", folder, name);
  return path;
}
static int is_client;
static struct timespec fault_before;
static struct timespec last_fault(void) {
  char path[512];
  struct stat s;
  return mps_file("fault", path) && !stat(path, &s) ? s.st_mtim : (struct timespec){0};
}
static CUresult connect_mps(void) {
  char path[512];
  if (is_client || !mps_file("control", path) || access(path, F_OK)) return CUDA_SUCCESS;
  const char *how = getenv("GANTRY_DOUBLE_MPS");
  if (how && !strcmp(how, "refuse")) return CUDA_ERROR_MPS_CONNECTION_FAILED;
  is_client = 1;
  fault_before = last_fault();
  double_log("mps client", getenv("CUDA_VISIBLE_DEVICES") != NULL);
  return CUDA_SUCCESS;
}
static void look_at_others(void) {
  struct timespec t = last_fault();
  if (is_client && !lost && (t.tv_sec != fault_before.tv_sec || t.tv_nsec != fault_before.tv_nsec)) lost = CUDA_ERROR_MPS_CLIENT_TERMINATED;
}
static void lose(void) {
  char path[512];
  lost = CUDA_ERROR_LAUNCH_FAILED; /* seen by the next call, as a real one is */
  FILE *f = is_client && mps_file("fault", path) ? fopen(path, "w") : NULL;
  if (f) fclose(f);
}
/* GANTRY_DOUBLE_LOSE_IN=text: only processes with it in their command line lose their device. */
static long long fatal_call(void) {
  static int ours = -1;
  const char *in = getenv("GANTRY_DOUBLE_LOSE_IN");
  if (ours < 0) {
    char line[8192] = "";
    FILE *f = in ? fopen("/proc/self/cmdline", "r") : NULL;
    size_t n = f ? fread(line, 1, sizeof line - 1, f) : 0;
    if (f) fclose(f);
    ours = !in || memmem(line, n, in, strlen(in));
  }
  return ours ? from_env("GANTRY_DOUBLE_LOSE", -1) : -1;
}

void double_log(const char *what, long long n) {
  const char *path = getenv("GANTRY_DOUBLE_LOG");
  FILE *f = path ? fopen(path, "a") : NULL;
  if (!f) return;
  fprintf(f, "%s %lld\n", what, n);
  fclose(f);
}

void *double_host(const void *device) { return (void *)((uintptr_t)device & ~(uintptr_t)tag); }

int double_do(void (*fn)(void *), const void *payload, size_t bytes) {
  if (lost) return lost;
  void *copy = malloc(bytes);
  memcpy(copy, payload, bytes);
  if (capturing) {
    capturing->nodes = realloc(capturing->nodes, (capturing->n + 1) * sizeof(node));
    capturing->nodes[capturing->n++] = (node){fn, copy};
    return 0;
  }
  look_at_others();
  long long fatal = fatal_call();
  if (fatal >= 0 && ++calls >= fatal) lose();
  else fn(copy);
  free(copy);
  return 0;
}

EXPORT CUresult cuInit(unsigned flags) { return flags ? CUDA_ERROR_INVALID_VALUE : from_env("GANTRY_DOUBLE_DEVICES", 1) ? connect_mps() : CUDA_ERROR_NO_DEVICE; }
EXPORT CUresult cuDriverGetVersion(int *v) { return *v = (int)from_env("GANTRY_DOUBLE_VERSION", 13000), CUDA_SUCCESS; }
EXPORT CUresult cuDeviceGetCount(int *n) { return *n = (int)from_env("GANTRY_DOUBLE_DEVICES", 1), CUDA_SUCCESS; }
EXPORT CUresult cuDeviceGet(CUdevice *d, int k) { return *d = k, CUDA_SUCCESS; }
EXPORT CUresult cuDeviceGetName(char *name, int room, CUdevice d) { return snprintf(name, (size_t)room, "test double %d", (int)d), CUDA_SUCCESS; }
EXPORT CUresult cuDeviceGetAttribute(int *v, CUdevice_attribute a, CUdevice d) {
  (void)d;
  *v = a == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR ? 9 : 0;
  return CUDA_SUCCESS;
}
static size_t total(void) { return (size_t)from_env("GANTRY_DOUBLE_MEMORY", (long long)4 << 30); }
EXPORT CUresult cuDeviceTotalMem(size_t *n, CUdevice d) { return (void)d, *n = total(), CUDA_SUCCESS; }
EXPORT CUresult cuDevicePrimaryCtxRetain(CUcontext *c, CUdevice d) { return (void)d, *c = (CUcontext)(uintptr_t)1, CUDA_SUCCESS; }
EXPORT CUresult cuDevicePrimaryCtxRelease(CUdevice d) { return (void)d, CUDA_SUCCESS; }
EXPORT CUresult cuCtxSetCurrent(CUcontext c) { return (void)c, CUDA_SUCCESS; }
EXPORT CUresult cuGetErrorName(CUresult r, const char **s) { return *s = r == CUDA_ERROR_LAUNCH_FAILED ? "CUDA_ERROR_LAUNCH_FAILED" : r == CUDA_ERROR_OUT_OF_MEMORY ? "CUDA_ERROR_OUT_OF_MEMORY" : r == CUDA_ERROR_MPS_CLIENT_TERMINATED ? "CUDA_ERROR_MPS_CLIENT_TERMINATED" : "CUDA_ERROR", CUDA_SUCCESS; }
EXPORT CUresult cuGetErrorString(CUresult r, const char **s) { return *s = r == CUDA_ERROR_LAUNCH_FAILED ? "unspecified launch failure" : r == CUDA_ERROR_MPS_CONNECTION_FAILED ? "MPS client failed to connect to the MPS control daemon or the MPS server" : "an error of the double", CUDA_SUCCESS; }

EXPORT CUresult cuMemGetInfo(size_t *free_bytes, size_t *all) {
  *all = total();
  *free_bytes = used < *all ? *all - used : 0;
  return lost;
}
EXPORT CUresult cuMemAlloc(CUdeviceptr *p, size_t n) {
  if (lost) return lost;
  if (!n) return CUDA_ERROR_INVALID_VALUE;
  if (used + n > total()) return CUDA_ERROR_OUT_OF_MEMORY;
  region *r = malloc(sizeof *r);
  *r = (region){aligned_alloc(256, (n + 255) & ~(size_t)255), n, regions};
  memset(r->p, 0x7F, n); /* nobody may rely on what is there */
  regions = r;
  used += n;
  *p = (CUdeviceptr)(uintptr_t)r->p | tag;
  return CUDA_SUCCESS;
}
/* Memory of the host that the device may read: one address for both, with the device's bit. */
EXPORT CUresult cuMemHostRegister(void *p, size_t n, unsigned flags) {
  if (lost) return lost;
  if (!p || !n || !(flags & CU_MEMHOSTREGISTER_DEVICEMAP)) return CUDA_ERROR_INVALID_VALUE;
  if (from_env("GANTRY_DOUBLE_NO_REGISTER", 0)) return CUDA_ERROR_OUT_OF_MEMORY;
  registered++;
  double_log("registered", (long long)n);
  return CUDA_SUCCESS;
}
EXPORT CUresult cuMemHostGetDevicePointer(CUdeviceptr *d, void *p, unsigned flags) {
  if (flags || !registered) return CUDA_ERROR_INVALID_VALUE;
  *d = (CUdeviceptr)(uintptr_t)p | tag;
  return lost;
}
EXPORT CUresult cuMemHostUnregister(void *p) {
  if (!p || !registered) return CUDA_ERROR_INVALID_VALUE;
  registered--;
  double_log("unregistered", registered);
  return lost;
}
EXPORT CUresult cuMemFree(CUdeviceptr p) {
  for (region **r = &regions; *r; r = &(*r)->next) {
    region *x = *r;
    if (((CUdeviceptr)(uintptr_t)x->p | tag) != p) continue;
    *r = x->next;
    used -= x->bytes;
    memset(x->p, 0x7F, x->bytes);
    free(x->p);
    free(x);
    return lost;
  }
  return CUDA_ERROR_INVALID_VALUE;
}
/* The host's address of n bytes that lie within one allocation, or NULL. */
static void *within(CUdeviceptr p, size_t n) {
  char *h = double_host((const void *)(uintptr_t)p);
  for (region *r = regions; r && p & tag; r = r->next)
    if (h >= r->p && h + n <= r->p + r->bytes) return h;
  return NULL;
}
EXPORT CUresult cuMemcpyHtoDAsync(CUdeviceptr to, const void *from, size_t n, CUstream s) {
  void *h = within(to, n);
  (void)s;
  if (lost) return lost;
  if (!h || capturing) return CUDA_ERROR_INVALID_VALUE;
  memcpy(h, from, n);
  double_log("upload", (long long)n);
  return CUDA_SUCCESS;
}
/* Page-locked memory: a copy into it comes late, as with a GPU that is still at work. With GANTRY_DOUBLE_LATE=n an event is asked for up to n times before it has happened, by turns
 * more and less often, and what was to be copied before it does not show until then; who waits for an event or the stream waits for all before it. */
typedef struct late { void *to, *what; size_t n; long long at; struct late *next; } late;
static late *copies, **last_copy = &copies;
static region *locked;
static long long clock_now, happened; /* of the stream: things that were asked for; that are done */
EXPORT CUresult cuMemHostAlloc(void **p, size_t n, unsigned flags) {
  if (lost || flags) return lost ? lost : CUDA_ERROR_INVALID_VALUE;
  region *r = malloc(sizeof *r);
  *r = (region){malloc(n), n, locked};
  memset(r->p, 0x7F, n);
  locked = r;
  *p = r->p;
  return CUDA_SUCCESS;
}
static void arrive(long long until) {
  happened = until > happened ? until : happened;
  while (copies && copies->at <= happened) {
    late *c = copies;
    memcpy(c->to, c->what, c->n);
    if (!(copies = c->next)) last_copy = &copies;
    free(c->what);
    free(c);
  }
}
EXPORT CUresult cuMemFreeHost(void *p) {
  arrive(clock_now);
  for (region **r = &locked; *r; r = &(*r)->next) {
    region *x = *r;
    if (x->p != p) continue;
    *r = x->next;
    free(x->p);
    free(x);
    return lost;
  }
  return CUDA_ERROR_INVALID_VALUE;
}
static int is_locked(const void *p) {
  for (region *r = locked; r; r = r->next)
    if ((const char *)p >= r->p && (const char *)p < r->p + r->bytes) return 1;
  return 0;
}
EXPORT CUresult cuMemcpyDtoHAsync(void *to, CUdeviceptr from, size_t n, CUstream s) {
  void *h = within(from, n);
  (void)s;
  if (lost) return lost;
  if (!h || capturing) return CUDA_ERROR_INVALID_VALUE;
  if (!is_locked(to)) return memcpy(to, h, n), CUDA_SUCCESS; /* a real one waits, too */
  late *c = malloc(sizeof *c);
  *c = (late){to, malloc(n), n, ++clock_now, NULL};
  memcpy(c->what, h, n);
  memset(to, 0x7F, n);
  *last_copy = c;
  last_copy = &c->next;
  return CUDA_SUCCESS;
}
EXPORT CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char v, size_t n, CUstream s) {
  void *h = within(to, n);
  (void)s;
  if (lost) return lost;
  if (!h || capturing) return CUDA_ERROR_INVALID_VALUE;
  memset(h, v, n);
  return CUDA_SUCCESS;
}

EXPORT CUresult cuStreamCreate(CUstream *s, unsigned flags) { return (void)flags, *s = (CUstream)(uintptr_t)2, CUDA_SUCCESS; }
EXPORT CUresult cuStreamDestroy(CUstream s) { return (void)s, CUDA_SUCCESS; }
EXPORT CUresult cuStreamSynchronize(CUstream s) {
  (void)s;
  if (!capturing) arrive(clock_now);
  return capturing ? CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED : lost;
}
EXPORT CUresult cuStreamBeginCapture(CUstream s, CUstreamCaptureMode mode) {
  (void)s, (void)mode;
  if (lost || capturing) return lost ? lost : CUDA_ERROR_INVALID_VALUE;
  capturing = calloc(1, sizeof *capturing);
  capturing->users = 1;
  return CUDA_SUCCESS;
}
EXPORT CUresult cuStreamEndCapture(CUstream s, CUgraph *g) {
  (void)s;
  *g = capturing;
  capturing = NULL;
  if (*g) double_log("capture", (long long)(*g)->n);
  return *g ? lost : CUDA_ERROR_INVALID_VALUE;
}
static void unuse(CUgraph g) {
  if (--g->users) return;
  for (size_t k = 0; k < g->n; k++) free(g->nodes[k].payload);
  free(g->nodes);
  free(g);
}
EXPORT CUresult cuGraphInstantiate(CUgraphExec *x, CUgraph g, unsigned long long flags) {
  (void)flags;
  *x = calloc(1, sizeof **x);
  (*x)->graph = g;
  g->users++;
  return lost;
}
EXPORT CUresult cuGraphDestroy(CUgraph g) { return unuse(g), CUDA_SUCCESS; }
EXPORT CUresult cuGraphExecDestroy(CUgraphExec x) { return unuse(x->graph), free(x), CUDA_SUCCESS; }
EXPORT CUresult cuGraphLaunch(CUgraphExec x, CUstream s) {
  (void)s;
  if (lost) return lost;
  double_log("replay", (long long)x->graph->n);
  look_at_others();
  long long fatal = fatal_call();
  for (size_t k = 0; k < x->graph->n && !lost; k++) {
    if (fatal >= 0 && ++calls >= fatal) lose();
    else x->graph->nodes[k].fn(x->graph->nodes[k].payload);
  }
  return CUDA_SUCCESS;
}

EXPORT CUresult cuEventCreate(CUevent *e, unsigned flags) { return (void)flags, *e = calloc(1, sizeof **e), CUDA_SUCCESS; }
EXPORT CUresult cuEventDestroy(CUevent e) { return free(e), CUDA_SUCCESS; }
EXPORT CUresult cuEventRecord(CUevent e, CUstream s) {
  struct timespec t;
  (void)s;
  clock_gettime(CLOCK_MONOTONIC, &t);
  e->ms = (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
  long long most = from_env("GANTRY_DOUBLE_LATE", 0);
  e->at = ++clock_now;
  e->queries = most ? (int)(e->at * 7919 % (most + 1)) : 0;
  return lost;
}
EXPORT CUresult cuEventSynchronize(CUevent e) {
  arrive(e->at);
  return lost;
}
EXPORT CUresult cuEventQuery(CUevent e) {
  if (lost) return lost;
  if (e->at > happened && e->queries-- > 0) return double_log("not ready", e->at), CUDA_ERROR_NOT_READY;
  arrive(e->at);
  return CUDA_SUCCESS;
}
EXPORT CUresult cuEventElapsedTime(float *ms, CUevent a, CUevent b) { return *ms = (float)(b->ms - a->ms), lost; }

/* A "cubin" is a shared object of nvrtc.c; how long it is stands in its own header. */
EXPORT CUresult cuModuleLoadData(CUmodule *m, const void *image) {
  const Elf64_Ehdr *h = image;
  char path[] = "/tmp/gantry-kernels-XXXXXX"; /* a name of its own: the loader knows objects by name */
  if (lost) return lost;
  if (memcmp(h->e_ident, ELFMAG, SELFMAG)) return CUDA_ERROR_INVALID_IMAGE;
  size_t n = h->e_shoff + (size_t)h->e_shnum * h->e_shentsize;
  int fd = mkstemp(path);
  if (fd < 0 || write(fd, image, n) != (ssize_t)n) return CUDA_ERROR_OUT_OF_MEMORY;
  close(fd);
  *m = calloc(1, sizeof **m);
  (*m)->so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  unlink(path);
  return (*m)->so ? CUDA_SUCCESS : CUDA_ERROR_INVALID_IMAGE;
}
EXPORT CUresult cuModuleUnload(CUmodule m) { return dlclose(m->so), free(m), CUDA_SUCCESS; }
EXPORT CUresult cuModuleGetFunction(CUfunction *f, CUmodule m, const char *name) {
  char in[80];
  snprintf(in, sizeof in, "%s_in", name);
  const int *n_at = dlsym(m->so, in);
  void *p = dlsym(m->so, name);
  if (!n_at || !p) return CUDA_ERROR_NOT_FOUND;
  *f = calloc(1, sizeof **f); /* lives as long as the process: a few bytes */
  memcpy(&(*f)->fn, &p, sizeof p);
  (*f)->n_at = *n_at;
  return CUDA_SUCCESS;
}

typedef struct launch { CUfunction f; long long blocks; char *at[480]; } launch;
static void do_launch(void *payload) {
  launch *l = payload;
  l->f->fn(l->blocks, l->at);
}
EXPORT CUresult cuLaunchKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, CUstream s, void **args, void **extra) {
  launch l = {.f = f, .blocks = gx};
  (void)s, (void)extra;
  if (!gx || gy != 1 || gz != 1 || bx != 256 || by != 1 || bz != 1 || shared || f->n_at > 480) return CUDA_ERROR_INVALID_VALUE;
  for (int k = 0; k < f->n_at; k++) l.at[k] = double_host(((char **)args[0])[k]);
  return double_do(do_launch, &l, sizeof l);
}
