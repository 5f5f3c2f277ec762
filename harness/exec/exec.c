/* exec.c - see exec.h. The session's only state is the backend's handle, a table of named tensors, and one workspace that is as large
 * as the largest program needs. */
#include "exec/exec.h"

#include <stddef.h>
#include <stdlib.h>

#include "opt/opt.h"

typedef struct device_ctx { /* what backend callbacks see; keeps their first message */
  gantry_ctx cx;
  err err;
} device_ctx;

struct exec_session {
  device_ctx device;
  const gantry_backend *backend;
  const char *name;
  void *self;
  VEC(exec_tensor *) tensors;
  VEC(exec_program *) programs;
  void *workspace;
  int64_t workspace_bytes, workspace_needed, tensor_bytes;
  arena *mem;
};

struct exec_program {
  plan *plan;
  void *exe;
  const char *name;
};

static gantry_status device_fail(gantry_ctx *cx, gantry_status code, const char *message) {
  device_ctx *d = (device_ctx *)(void *)cx;
  return err_set(&d->err, code ? code : GANTRY_E_DEVICE, "%s", message ? message : "failed and gave no reason");
}

static void device_log(gantry_ctx *cx, uint32_t level, const char *message) {
  (void)cx;
  (void)level;
  (void)message;
}

static const void *device_ext(gantry_ctx *cx, const char *id) {
  (void)cx;
  (void)id;
  return NULL;
}

static const gantry_host device_host = {.struct_size = sizeof device_host, .abi_major = GANTRY_ABI_MAJOR, .abi_minor = GANTRY_ABI_MINOR, .fail = device_fail, .log = device_log, .ext = device_ext};

/* Turns a backend's status into the caller's error, with the backend's own message and its name. */
static gantry_status device_status(exec_session *s, gantry_status st, err *e) {
  if (!st && !s->device.err.code) return GANTRY_OK;
  err_set(&s->device.err, st, "failed with status %d and gave no reason", st);
  st = err_set(e, s->device.err.code, "backend %s: %s", s->name, s->device.err.msg);
  err_clear(&s->device.err);
  return st;
}

exec_session *exec_open(const gantry_backend *iface, const char *name, int device, int threads, err *e) {
  return exec_open_as(iface, name, (gantry_open){.device = (uint32_t)device, .threads = (uint32_t)threads}, e);
}

exec_session *exec_open_as(const gantry_backend *iface, const char *name, gantry_open o, err *e) {
  exec_session *s = mem_alloc(sizeof *s);
  s->device.cx.host = &device_host;
  s->backend = iface;
  s->mem = arena_new();
  s->name = arena_str(s->mem, name);
  o.struct_size = sizeof o;
  if (device_status(s, iface->open(&s->device.cx, &o, &s->self), e)) {
    arena_free(s->mem);
    free(s);
    return NULL;
  }
  return s;
}

gantry_status exec_probe(const gantry_backend *iface, const char *name, gantry_probe *out, err *e) {
  exec_session s = {.device = {.cx = {&device_host}}, .name = name};
  *out = (gantry_probe){.struct_size = sizeof *out};
  return device_status(&s, iface->probe(&s.device.cx, out), e);
}

void exec_close(exec_session *s) {
  if (!s) return;
  for (uint32_t k = 0; k < s->programs.n; k++) {
    s->backend->discard(s->self, s->programs.p[k]->exe);
    plan_free(s->programs.p[k]->plan);
    free(s->programs.p[k]);
  }
  for (uint32_t k = 0; k < s->tensors.n; k++) s->backend->release(s->self, s->tensors.p[k]->buffer);
  if (s->workspace) s->backend->release(s->self, s->workspace);
  s->backend->close(s->self);
  free(s->programs.p);
  free(s->tensors.p);
  arena_free(s->mem);
  free(s);
}

static exec_tensor *find(const exec_session *s, const char *name) {
  for (uint32_t k = 0; k < s->tensors.n; k++)
    if (!strcmp(s->tensors.p[k]->name, name)) return s->tensors.p[k];
  return NULL;
}

const exec_tensor *exec_tensor_get(const exec_session *s, const char *name) { return find(s, name); }
uint32_t exec_tensor_count(const exec_session *s) { return s->tensors.n; }
const exec_tensor *exec_tensor_at(const exec_session *s, uint32_t k) { return s->tensors.p[k]; }

static exec_tensor *describe(exec_session *s, const char *name, uint32_t dtype, uint32_t rank, const int64_t *dims) {
  exec_tensor *t = ARENA_NEW(s->mem, exec_tensor);
  t->name = arena_str(s->mem, name);
  t->dtype = dtype;
  t->rank = rank;
  t->bytes = ir_dtype_size(dtype);
  for (uint32_t k = 0; k < rank; k++) {
    t->dims[k] = dims[k];
    t->bytes *= dims[k];
  }
  return t;
}

static gantry_status same(const exec_tensor *old, uint32_t dtype, uint32_t rank, const int64_t *dims, err *e) {
  if (old->dtype == dtype && old->rank == rank && (!rank || !memcmp(old->dims, dims, sizeof *dims * rank))) return GANTRY_OK;
  return err_set(e, GANTRY_E_SHAPE, "tensor \"%s\" exists with another type or shape", old->name);
}

gantry_status exec_tensor_make(exec_session *s, const char *name, uint32_t dtype, uint32_t rank, const int64_t *dims, err *e) {
  const exec_tensor *old = find(s, name);
  if (old) return same(old, dtype, rank, dims, e);
  exec_tensor *t = describe(s, name, dtype, rank, dims);
  if (device_status(s, s->backend->alloc(&s->device.cx, s->self, t->bytes, &t->buffer), e)) return err_wrap(e, "tensor \"%s\" (%lld bytes)", name, (long long)t->bytes);
  s->tensor_bytes += t->bytes;
  VEC_PUSH(s->tensors, t);
  return GANTRY_OK;
}

/* 1: done. 0: this backend would rather have a copy, or cannot. */
static int adopted(exec_session *s, exec_tensor *t, const void *memory, err *e) {
  if (!GANTRY_HAS(s->backend, adopt) || !s->backend->adopt) return 0;
  gantry_status st = s->backend->adopt(&s->device.cx, s->self, memory, t->bytes, &t->buffer);
  if (st == GANTRY_E_UNSUPPORTED) {
    err_clear(&s->device.err);
    return 0;
  }
  if (device_status(s, st, e)) return 0;
  t->adopted = 1;
  VEC_PUSH(s->tensors, t);
  return 1;
}

gantry_status exec_tensor_adopt(exec_session *s, const char *name, uint32_t dtype, uint32_t rank, const int64_t *dims, const void *memory, err *e) {
  if (find(s, name)) return same(find(s, name), dtype, rank, dims, e);
  exec_tensor *t = describe(s, name, dtype, rank, dims);
  if (adopted(s, t, memory, e)) return GANTRY_OK;
  if (e->code) return err_wrap(e, "tensor \"%s\" (%lld bytes)", name, (long long)t->bytes);
  TRY(exec_tensor_make(s, name, dtype, rank, dims, e));
  return exec_write(s, name, memory, t->bytes, e);
}

static exec_tensor *need(exec_session *s, const char *name, int64_t bytes, err *e) {
  exec_tensor *t = find(s, name);
  if (!t) err_set(e, GANTRY_E_INTERNAL, "there is no tensor \"%s\"", name);
  else if (t->bytes != bytes) {
    err_set(e, GANTRY_E_SHAPE, "tensor \"%s\" has %lld bytes, not %lld", name, (long long)t->bytes, (long long)bytes);
    t = NULL;
  }
  return t;
}

gantry_status exec_write(exec_session *s, const char *name, const void *src, int64_t bytes, err *e) {
  exec_tensor *t = need(s, name, bytes, e);
  return t ? device_status(s, s->backend->upload(&s->device.cx, s->self, t->buffer, 0, bytes, src), e) : e->code;
}

gantry_status exec_read(exec_session *s, const char *name, void *dst, int64_t bytes, err *e) {
  exec_tensor *t = need(s, name, bytes, e);
  return t ? device_status(s, s->backend->download(&s->device.cx, s->self, t->buffer, 0, bytes, dst), e) : e->code;
}

static gantry_status query(void *user, const gantry_lib *step, int64_t *scratch_bytes, err *e) {
  exec_session *s = user;
  gantry_query q = {.struct_size = sizeof q};
  TRY(device_status(s, s->backend->query(&s->device.cx, s->self, step, &q), e));
  if (!q.supported) return err_set(e, GANTRY_E_UNSUPPORTED, "backend %s does not run %s on these types", s->name, ir_op_get(step->op)->name);
  *scratch_bytes = q.scratch_bytes;
  return GANTRY_OK;
}

/* Makes the tensors that a plan names, binds them to its buffers, and has the backend compile it. */
static gantry_status bind_and_compile(exec_session *s, exec_program *p, err *e) {
  const gantry_program *prog = plan_program(p->plan);
  const plan_named *names;
  uint32_t n = plan_names(p->plan, &names);
  void **bound = mem_alloc(sizeof *bound * (prog->n_buffers + 1));
  gantry_status st = GANTRY_OK;
  for (uint32_t k = 0; k < n && !st; k++) {
    st = exec_tensor_make(s, names[k].name, names[k].dtype, names[k].rank, names[k].dims, e);
    if (!st) bound[names[k].buffer] = find(s, names[k].name)->buffer;
  }
  const plan_constant *constants;
  uint32_t n_constants = plan_constants(p->plan, &constants);
  for (uint32_t k = 0; k < n_constants && !st; k++) st = exec_write(s, constants[k].name, constants[k].data, constants[k].bytes, e);
  if (!st) st = device_status(s, s->backend->compile(&s->device.cx, s->self, prog, bound, &p->exe), e);
  free(bound);
  return st;
}

exec_program *exec_compile(exec_session *s, const ir_graph *g, const char *program, err *e) { return exec_compile_in(s, g, program, GANTRY_PRECISION_F32, 0, e); }

exec_program *exec_compile_in(exec_session *s, const ir_graph *g, const char *program, uint32_t precision, double recompute, err *e) {
  exec_program *p = NULL;
  ir_graph *optimised = NULL;
  if (ir_verify(g, "build", e)) goto done;
  if (!(optimised = opt_run_in(g, precision, NULL, e)) || ir_verify(optimised, "opt", e)) goto done;
  p = mem_alloc(sizeof *p);
  p->name = arena_str(s->mem, program);
  p->plan = plan_make(optimised, program, recompute, query, s, e);
  if (!p->plan || plan_verify(plan_program(p->plan), e) || bind_and_compile(s, p, e)) {
    plan_free(p->plan);
    free(p);
    p = NULL;
    goto done;
  }
  if (plan_program(p->plan)->workspace_bytes > s->workspace_needed) s->workspace_needed = plan_program(p->plan)->workspace_bytes;
  VEC_PUSH(s->programs, p);
done:
  ir_free(optimised);
  err_wrap(e, "program %s", program);
  return p;
}

const plan *exec_plan(const exec_program *p) { return p->plan; }

static gantry_status make_workspace(exec_session *s, err *e) {
  if (s->workspace_needed <= s->workspace_bytes) return GANTRY_OK;
  if (s->workspace) s->backend->release(s->self, s->workspace);
  s->workspace = NULL;
  s->workspace_bytes = 0;
  if (device_status(s, s->backend->alloc(&s->device.cx, s->self, s->workspace_needed, &s->workspace), e))
    return err_wrap(e, "workspace of %.1f MB: reduce the batch size or the width, or raise train.recompute (at most 1)", (double)s->workspace_needed / 1e6);
  s->workspace_bytes = s->workspace_needed;
  return GANTRY_OK;
}

gantry_status exec_measure(exec_session *s, exec_program *p, uint32_t runs, int64_t *ns, err *e) {
  if (s->backend->struct_size < offsetof(gantry_backend, measure) + sizeof s->backend->measure || !s->backend->measure)
    return err_set(e, GANTRY_E_UNSUPPORTED, "backend %s cannot time single steps", s->name);
  TRY(make_workspace(s, e));
  return device_status(s, s->backend->measure(&s->device.cx, s->self, p->exe, s->workspace, runs, ns), e);
}

gantry_status exec_run(exec_session *s, exec_program *const *list, uint32_t n, err *e) {
  enum { BATCH = 64 };
  void *exes[BATCH];
  TRY(make_workspace(s, e));
  for (uint32_t done = 0; done < n;) {
    uint32_t m = 0;
    for (; m < BATCH && done < n; m++, done++) exes[m] = list[done]->exe;
    TRY(device_status(s, s->backend->run(&s->device.cx, s->self, exes, m, s->workspace), e));
  }
  return GANTRY_OK;
}

gantry_status exec_sync(exec_session *s, err *e) { return device_status(s, s->backend->sync(&s->device.cx, s->self), e); }
int64_t exec_bytes(const exec_session *s) { return s->tensor_bytes + s->workspace_needed; }
