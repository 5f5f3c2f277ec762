/* exec.h - a session: one backend, named tensors, compiled programs, read-back. Many sessions may live in one process.
 *
 * Named tensors are states (weights ... counters) and inputs (data set, parameters, seed), by full name. A graph compiled here
 * reads and stores them by name; its OUTPUT roots become named tensors "out/<program>/<name>". */
#ifndef EXEC_EXEC_H
#define EXEC_EXEC_H
#include <gantry/backend.h>

#include "ir/ir.h"
#include "plan/plan.h"

typedef struct exec_session exec_session;
typedef struct exec_program exec_program;

/* iface comes from a loaded backend plugin; name is for messages. */
exec_session *exec_open(const gantry_backend *iface, const char *name, int device, int threads, err *e);
/* The same with everything that a backend can be told; struct_size is set here. */
exec_session *exec_open_as(const gantry_backend *iface, const char *name, gantry_open o, err *e);
void exec_close(exec_session *s);
/* What the backend says of this machine, without opening it. */
gantry_status exec_probe(const gantry_backend *iface, const char *name, gantry_probe *out, err *e);

typedef struct exec_tensor { const char *name; uint32_t dtype, rank; int64_t dims[GANTRY_MAX_RANK]; int64_t bytes; void *buffer; uint8_t adopted; } exec_tensor;
/* Makes a zero-filled tensor; an existing one of the same type and shape is returned as it is, another shape is an error. */
gantry_status exec_tensor_make(exec_session *s, const char *name, uint32_t dtype, uint32_t rank, const int64_t *dims, err *e);
/* Makes a tensor out of memory that programs only read: without a copy where the backend reads it as fast as its own or has little room, else a copy. `memory` is 64-byte aligned;
 * where the tensor says `adopted` it must stay as it is until the session is closed, else it is not needed any more after exec_sync. */
gantry_status exec_tensor_adopt(exec_session *s, const char *name, uint32_t dtype, uint32_t rank, const int64_t *dims, const void *memory, err *e);
const exec_tensor *exec_tensor_get(const exec_session *s, const char *name); /* NULL if there is none */
uint32_t exec_tensor_count(const exec_session *s);
const exec_tensor *exec_tensor_at(const exec_session *s, uint32_t k); /* in order of creation */
gantry_status exec_write(exec_session *s, const char *name, const void *src, int64_t bytes, err *e);
gantry_status exec_read(exec_session *s, const char *name, void *dst, int64_t bytes, err *e);

/* opt_run_in, plan_make, verifiers, backend compile. Tensors that the graph names and nobody made yet are made, zero-filled. The
 * graph may be freed afterwards. */
exec_program *exec_compile(exec_session *s, const ir_graph *g, const char *program, err *e);
/* The same with contractions on operands rounded to bf16 where precision is GANTRY_PRECISION_BF16, which the session's backend must know (exec_probe), and with values computed again instead of
 * kept (plan_make). */
exec_program *exec_compile_in(exec_session *s, const ir_graph *g, const char *program, uint32_t precision, double recompute, err *e);
const plan *exec_plan(const exec_program *p);
gantry_status exec_run(exec_session *s, exec_program *const *list, uint32_t n, err *e);
gantry_status exec_sync(exec_session *s, err *e);
/* Runs a program a few times and gives the shortest time of each of its steps: ns[plan_program(exec_plan(p))->n_steps]. States move on as in any run. */
gantry_status exec_measure(exec_session *s, exec_program *p, uint32_t runs, int64_t *ns, err *e);
int64_t exec_bytes(const exec_session *s); /* device memory in use: tensors (but not adopted ones) and workspace */
#endif
