/* metrics.h - a run's metrics: their plugins opened, what is asked of eval/ for each, and whether it can be answered. Private to harness/train, but for train_metrics_build. */
#ifndef TRAIN_METRICS_H
#define TRAIN_METRICS_H
#include "eval/eval.h"
#include "train/train.h"

/* Opens the plugin of the k-th metric. */
gantry_status train_metric_open(const train_run *r, uint32_t k, abi_element *out, err *e);
/* fake_split: not NULL = images of that split stand in for generated ones. */
eval_request train_metric_request(const train_run *r, uint32_t k, const abi_element *el, int ema, const char *fake_split);
/* Whether real images the networks never saw tell the floor of the metric: it compares generated ones with the training set, and the data have a split "test". */
int train_metric_has_floor(train_run *r, uint32_t k, const abi_element *el);
int train_metric_wants(const train_run *r, uint32_t k, int ema); /* values of raw or averaged weights */
#endif
