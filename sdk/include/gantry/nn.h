/* nn.h - everything in nn/: compositions of operations, compiled into the plugin. */
#ifndef GANTRY_NN_H
#define GANTRY_NN_H
#include <gantry/nn/activation.h>
#include <gantry/nn/attention.h>
#include <gantry/nn/augment.h>
#include <gantry/nn/condition.h>
#include <gantry/nn/layers.h>
#include <gantry/nn/loss.h>
#include <gantry/nn/minibatch.h>
#include <gantry/nn/modulation.h>
#include <gantry/nn/noise.h>
#include <gantry/nn/norm.h>
#include <gantry/nn/penalty.h>
#include <gantry/nn/random.h>
#include <gantry/nn/resample.h>
#include <gantry/nn/style.h>
#include <gantry/nn/warp.h>
#endif
