/* probe.c - one exported object of every type that crosses the boundary, for `make abi-dump` and tests/scripts/abi.sh. */
#include <gantry/arch.h>
#include <gantry/backend.h>
#include <gantry/dataset.h>
#include <gantry/loss.h>
#include <gantry/metric.h>
#include <gantry/optim.h>
#include <gantry/program.h>
#include <gantry/regularizer.h>

/* gantry_host and gantry_plugin reach the tables; the rest are given to callbacks or behind untyped pointers */
extern const struct gantry_host *const probe_host;
extern const gantry_plugin *const probe_plugin;
extern const gantry_loss *const probe_loss;
extern const gantry_arch *const probe_arch;
extern const gantry_optim *const probe_optim;
extern const gantry_regularizer *const probe_regularizer;
extern const gantry_metric *const probe_metric;
extern const gantry_dataset *const probe_dataset;
extern const gantry_backend *const probe_backend;
extern const gantry_state_desc *const probe_state;
const struct gantry_host *const probe_host = 0;
const gantry_plugin *const probe_plugin = 0;
const gantry_loss *const probe_loss = 0;
const gantry_arch *const probe_arch = 0;
const gantry_optim *const probe_optim = 0;
const gantry_regularizer *const probe_regularizer = 0;
const gantry_metric *const probe_metric = 0;
const gantry_dataset *const probe_dataset = 0;
const gantry_backend *const probe_backend = 0;
const gantry_state_desc *const probe_state = 0;
