/* subject.h - inside the room: the plugin under test, as every conformance test gets it, and the page that a test's child process shares with
 * its parent. */
#ifndef CHECK_SUBJECT_H
#define CHECK_SUBJECT_H
#include "abi/elf.h"
#include "abi/params.h"
#include "check/conform.h"

enum { CHECK_PARAMS = 256, CHECK_SUBS = 200 };
typedef struct check_sub { char name[56]; uint32_t verdict; char why[320]; } check_sub;
typedef struct check_shared {
  uint32_t done, verdict;
  char why[700];
  char doing[160];            /* what a crash or a timeout interrupted */
  char hook[160];             /* the callback that crashed: "term (r1)" */
  uint32_t n_subs;            /* of a test with many parts: one line each */
  check_sub subs[CHECK_SUBS];
  uint32_t configured, form;  /* by the test "configure", for those after it */
  double f[CHECK_PARAMS];     /* numbers of the parameters */
} check_shared;

typedef struct subject {
  const char *path;
  uint64_t seed;
  uint8_t quick;
  arena *mem;                 /* of the parent; a child's allocations end with it */
  elf_image im;
  struct abi_plugin *plugin;  /* usable; opened in children */
  const gantry_plugin *live;  /* in a child: the loaded descriptor; in the parent the one read from the file, whose callbacks cannot be called */
  uint32_t op;                /* backends: the row of op_rows.h */
  abi_value *values;          /* the configuration under test: smallest legal one of an architecture, else defaults with --set */
  uint32_t form;              /* of the data, see stage.h */
  uint8_t varies;             /* the test is repeated for other choices, see choices.c: 2 where it only builds, 1 where it evaluates too */
  uint8_t read_constant[CHECK_PARAMS], read_scalar[CHECK_PARAMS]; /* parameters that were read as a number, as a runtime scalar */
  const struct stage *now;    /* opened last: asked about when the plugin crashes */
  check_shared *out;
} subject;

/* Both give the verdict back, so a test ends with `return check_say(...)`. */
uint32_t check_say(subject *s, uint32_t verdict, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void check_part(subject *s, uint32_t verdict, const char *name, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void check_doing(subject *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* values.c: parameters. Every value is legal by the plugin's own table. */
abi_value *check_values_copy(subject *s, const abi_value *v);
gantry_status check_values_set(subject *s, abi_value *v, const char *assignment, err *e); /* "key=value" */
void check_values_random(subject *s, abi_value *v, uint64_t seed);
/* The k-th other value worth trying of parameter p: its bounds, every choice, a middle. 0 past the last. */
int check_value_other(const gantry_param *p, const abi_value *now, uint32_t k, abi_value *out);
void check_values_print(const gantry_plugin *d, const abi_value *v, buf *b); /* what differs from the defaults: "width=1 norm=batch" */
int check_needs_value(const gantry_plugin *d, const abi_value *v, const char **key); /* a REQUIRED parameter that nobody gave */

/* One test. */
typedef uint32_t check_fn(subject *s);
/* choices.c: the test with the configuration, and then once with every other value of each ENUM and BOOL; what could not be built is left to parameter-bounds. */
uint32_t check_over_choices(subject *s, check_fn *run);
check_fn check_elf_exports, check_elf_imports, check_elf_libraries, check_elf_code, check_elf_writable, check_elf_segments, check_file, check_descriptor, check_params_table, check_interface, check_load, check_read_only;
check_fn check_configure, check_bigger_tables, check_shorter_tables, check_missing_tables, check_op_fails, check_bounds, check_random_params, check_each_param, check_deterministic, check_shapes, check_leak;
check_fn check_sizes, check_lazy_term, check_eval_weights, check_schedulable, check_weights_apart;
check_fn check_grad_1, check_grad_2, check_grad_stopped, check_grad_reaches;
check_fn check_loss_chance, check_loss_finite;
check_fn check_optim_zero, check_optim_resume, check_optim_split, check_optim_quadratic, check_optim_slots;
check_fn check_metric_identical, check_metric_order, check_metric_batches, check_metric_values;
check_fn check_dataset_info, check_dataset_pure, check_dataset_values, check_dataset_refuses, check_dataset_memory, check_dataset_params;
check_fn check_backend_open, check_backend_memory, check_backend_ops, check_backend_specials, check_backend_random, check_backend_again;
#endif
